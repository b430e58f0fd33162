//! Going on where another mover died.

use super::Setup;
use super::state::{Evidence, Journaled, Phase, Stop};
use super::task::Task;
use crate::migration::copy::{CatchUp, Trouble};
use crate::migration::hold::{COPIED_WITH, Failing, Hold, Ledger, Nodes, OwnWrites, end_earlier, release_side};

/// The task that goes on; nothing where the move begins at its beginning.
pub(super) async fn task(setup: Setup, journaled: Journaled) -> Result<Option<Task>, Stop> {
    let name = setup.name.for_role("move");
    for side in [&setup.source, &setup.target] {
        end_earlier(&Nodes::connect(side, &name).await?, &name).await?;
    }
    let task = match journaled {
        Journaled::Freezing => {
            // Nobody was sent to the target.
            release_side(&setup.source, &name, setup.copy.rules).await?.complete()?;
            return Ok(None);
        }
        Journaled::Moving(evidence) => undo(setup, evidence).await?,
        Journaled::Committed(evidence) => committed(setup, evidence).await?,
        Journaled::RollingBack(evidence) => {
            let mut task = holding_target(setup, evidence).await?;
            task.hold_source_on().await?;
            match task.check_ledger(false).await {
                Ok(()) => task.watch().await?,
                Err(Stop::Late(_)) => {
                    task.serve_on().await;
                    task.watch().await?;
                }
                Err(stop) => return Err(stop),
            }
            task
        }
        Journaled::Reopened(evidence) => {
            let mut task = holding_target(setup, evidence).await?;
            match task.count_from_here().await {
                Ok(()) => {}
                Err(Stop::Late(_)) => {
                    task.serve_on().await;
                    task.watch().await?;
                }
                Err(stop) => return Err(stop),
            }
            task
        }
        Journaled::Returned => {
            let task = holding_target(setup, Evidence::default()).await?;
            task.enter(Phase::Returned);
            task
        }
    };
    Ok(Some(task))
}

/// Without a COMMIT: back to the source. Its own hold may have ended, the target's not.
async fn undo(setup: Setup, evidence: Evidence) -> Result<Task, Stop> {
    let mut task = holding_target(setup, evidence).await?;
    task.moved = true;
    let took = match (&task.target, &task.evidence) {
        (Some(target), Some(evidence)) => Ledger::read(target.nodes()).await?.changed_since(&evidence.target),
        _ => Vec::new(),
    };
    if took.is_empty() {
        task.undo("holdfast was started again before the commit".to_owned()).await;
    } else {
        task.halt(format!("the target took writes without a commit: {}", took.join("; "))).await;
    }
    Ok(task)
}

/// A task that has the target held again. It may be held by the one that died, and must stay so where that fails.
async fn holding_target(setup: Setup, evidence: Evidence) -> Result<Task, Stop> {
    let name = setup.name.for_role("move");
    let mut task = Task::new(setup, Phase::TargetHeld);
    task.target = Some(Hold::take(&task.setup.target, &name, task.setup.lengths.target, task.rules(), Failing::Keeps).await?);
    task.frozen = Some(tokio::time::Instant::now());
    task.show(|state| state.evidence = Some(evidence.clone()));
    task.evidence = Some(evidence);
    Ok(task)
}

/// COMMIT was written: forward. The target is released first, since its consumers wait.
async fn committed(setup: Setup, evidence: Evidence) -> Result<Task, Stop> {
    let name = setup.name.for_role("move");
    let released = release_side(&setup.target, &name, setup.copy.rules).await?;
    let mut task = Task::new(setup, Phase::Committed);
    task.unreleased = !released.silent.is_empty();
    task.show(|state| state.evidence = Some(evidence.clone()));
    task.evidence = Some(evidence);
    // A source that does not answer now is no reason not to serve: it is looked at again and again.
    if let Err(stop) = task.look_at_source().await {
        task.show(|state| state.trouble = Some(stop.to_string()));
    }
    if let Err(stop) = task.watch().await {
        task.show(|state| state.trouble = Some(stop.to_string()));
    }
    Ok(task)
}

impl Task {
    /// Another mover had opened the source: what it took since by the copier's commands is ours, or cannot be told from it, and whatever comes from here on
    /// is counted from here. Other commands are somebody's late writes.
    async fn count_from_here(&mut self) -> Result<(), Stop> {
        self.hold_source_on().await?;
        let (Some(source), Some(evidence)) = (&self.source, &mut self.evidence) else { return Err(Stop::Ended) };
        let now = Ledger::read(source.nodes()).await?;
        let ours = COPIED_WITH.map(|command| (command.to_owned(), u64::MAX));
        let late = now.changed_beyond(&evidence.source, &OwnWrites(ours.into()));
        evidence.source = now;
        if late.is_empty() {
            return Ok(());
        }
        self.is_late(late).await
    }

    /// What changed on the target is not known any more: the way back compares everything.
    pub(super) async fn watch(&mut self) -> Result<(), Stop> {
        let Setup { source, target, name, copy, .. } = self.setup.clone();
        match CatchUp::start_watching(target, source, name, copy).await {
            Ok(copy) => self.copy = Some(copy),
            Err(error @ Trouble::Versions { .. }) => self.show(|state| state.no_way_back = Some(error.to_string())),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

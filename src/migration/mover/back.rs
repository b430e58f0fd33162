//! The way back after the commit (rules 18 to 20).

use std::collections::BTreeMap;
use std::time::Duration;

use super::differences::differences;
use super::state::{Phase, Stop};
use super::task::Task;
use crate::migration::copy::{Calls, CatchUp};
use crate::migration::hold::{Failing, Hold, Ledger, OwnWrites, open_for_us, reopen};

/// How long copying back may take: a full pass, where tracking broke.
const COPYING: Duration = Duration::from_secs(6 * 3600);

impl Task {
    /// Holds the target and looks at the source's ledger. Written to since the freeze: then "deleted on the target" and "written late on the source" look
    /// the same, the target goes on serving, and a person decides.
    pub(super) async fn roll_back(&mut self, give_up_late_writes: bool) -> Result<(), Stop> {
        if let Some(why) = self.state.borrow().no_way_back.clone() {
            return Err(Stop::NoWayBack(why));
        }
        let name = self.setup.name.for_role("move");
        self.hold_source_on().await?;
        let target = Hold::take(&self.setup.target, &name, self.setup.lengths.target, self.rules(), Failing::Releases).await?;
        self.target = Some(target);
        self.frozen = Some(tokio::time::Instant::now());
        if let Err(stop) = self.check_ledger(give_up_late_writes).await {
            self.serve_on().await;
            return Err(stop);
        }
        self.enter(Phase::TargetHeld);
        Ok(())
    }

    pub(super) async fn check_ledger(&mut self, give_up_late_writes: bool) -> Result<(), Stop> {
        if !self.rules().follows(18) {
            return Ok(());
        }
        let late = self.late().await?;
        if late.is_empty() {
            return Ok(());
        }
        if give_up_late_writes {
            // What was written late is in no mark: all of it is compared. And what comes from now on is counted from here.
            self.copy = None;
            if let (Some(source), Some(evidence)) = (&self.source, &mut self.evidence) {
                evidence.source = Ledger::read(source.nodes()).await?;
                let evidence = evidence.clone();
                self.show(|state| (state.late, state.evidence) = (Vec::new(), Some(evidence)));
            }
            return Ok(());
        }
        self.is_late(late).await
    }

    /// Lists the keys that differ, for a person.
    pub(super) async fn is_late(&mut self, late: Vec<String>) -> Result<(), Stop> {
        let different = match (&self.source, &self.target) {
            (Some(source), Some(target)) => differences(source.nodes(), target.nodes(), &self.setup).await?,
            _ => Vec::new(),
        };
        self.show(|state| (state.late, state.different) = (late.clone(), different));
        Err(Stop::Late(late))
    }

    /// No further on the way back: the source may have been written to by us, and another way back compares everything.
    pub(super) async fn turn_forward(&mut self) -> Result<(), Stop> {
        self.copy = None;
        self.serve_on().await;
        self.watch().await
    }

    /// The way back is not gone: the target, which has everything, serves on, and a person decides.
    pub(super) async fn serve_on(&mut self) {
        if let Some(mut target) = self.target.take() {
            self.unreleased = !target.release().await.silent.is_empty();
        }
        self.frozen = None;
        self.looked = None;
        self.enter(Phase::Committed);
    }

    /// Opens the source behind its fence for us alone, copies back, holds it, compares.
    pub(super) async fn reopen(&mut self) -> Result<(), Stop> {
        let (name, rules, lengths) = (self.setup.name.for_role("move"), self.rules(), self.setup.lengths);
        match self.source.as_mut() {
            Some(source) => reopen(source, rules).await?,
            None => open_for_us(&self.setup.source, &name, rules).await?,
        }
        self.source = None;
        let turned = self.copy.as_ref().map(|copy| {
            let before = copy.progress().restarts;
            copy.turn();
            before
        });
        let restarts = match turned {
            Some(restarts) => restarts,
            None => {
                let copy =
                    CatchUp::start(self.setup.target.clone(), self.setup.source.clone(), self.setup.name.clone(), self.setup.copy.clone());
                self.copy = Some(copy.await?);
                0
            }
        };
        let proof = self.drain(COPYING).await?;
        let mut source = Hold::take(&self.setup.source, &name, lengths.source, rules, Failing::Keeps).await?;
        let copy = self.copy.as_ref().ok_or(Stop::Ended)?;
        if let Some(evidence) = &self.evidence
            && rules.follows(19)
            && copy.progress().restarts == restarts
        {
            // Where copying began anew meanwhile, what it had sent is not known to the command.
            let foreign = Ledger::read(source.nodes()).await?.changed_beyond(&evidence.source, &own(&proof.written));
            if !foreign.is_empty() {
                let different = match &self.target {
                    Some(target) => differences(source.nodes(), target.nodes(), &self.setup).await?,
                    None => Vec::new(),
                };
                self.source = Some(source);
                // What the source has now nobody knows: another way back compares everything.
                self.copy = None;
                self.serve_on().await;
                self.watch().await?;
                self.show(|state| (state.late, state.different) = (foreign.clone(), different));
                return Err(Stop::Late(foreign));
            }
        }
        source.prove().await?;
        self.source = Some(source);
        if let Some(target) = self.target.as_mut() {
            // What was equal is so only if the target took nothing meanwhile.
            target.prove().await?;
        }
        self.copy = None;
        self.enter(Phase::Returned);
        Ok(())
    }

    pub(super) async fn halt(&mut self, why: String) {
        tracing::error!(migration = self.setup.name.migration, why, "a person must look");
        let different = match (&self.source, &self.target) {
            (Some(source), Some(target)) => differences(source.nodes(), target.nodes(), &self.setup).await.unwrap_or_default(),
            _ => Vec::new(),
        };
        self.enter_with(Phase::Halted, |state| (state.why, state.different) = (Some(why), different));
    }

    /// The references are back and the fence is lifted: the source is released, and the target stays held (rule 20).
    pub(super) async fn release_source(&mut self) -> Result<(), Stop> {
        if self.rules().follows(20) {
            self.nobody_on_target().await?;
        } else if let Some(mut target) = self.target.take() {
            target.release().await;
        }
        self.let_source_go().await?;
        let held = self.frozen.take().map(|frozen| frozen.elapsed());
        self.enter_with(Phase::Back, |state| state.held = held);
        Ok(())
    }
}

/// All that we sent to the shards.
fn own(written: &[Calls]) -> OwnWrites {
    let mut all = BTreeMap::new();
    for (command, calls) in written.iter().flatten() {
        *all.entry(command.clone()).or_default() += calls;
    }
    OwnWrites(all)
}

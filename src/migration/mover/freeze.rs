//! From serving to frozen, and fenced (rules 9 to 15).

use std::time::Duration;

use tokio::time::Instant;

use super::state::{Evidence, Phase, Stop};
use super::task::Task;
use crate::migration::copy::{self, Proof};
use crate::migration::hold::{self, Failing, Hold, Ledger, Nodes, OwnWrites, end_earlier, end_foreign};

/// Between two looks at how far a drain is.
const SHOWING: Duration = Duration::from_millis(250);
/// For how long the nodes of a cluster may contradict each other about who they are, before anything is held.
const LEARNING: Duration = Duration::from_secs(30);

impl Task {
    /// Holds the source, copies what is left, holds the target. Where that does not end well, both are released, and the target follows on.
    pub(super) async fn freeze(&mut self) -> Result<(), Stop> {
        if self.rules().follows(9) {
            self.is_caught_up()?;
        }
        let frozen = self.try_to_freeze().await;
        if let Err(stop) = &frozen {
            let why = stop.to_string();
            self.undo(why).await;
        }
        frozen
    }

    /// Fails where what is left to copy is everything: that is done while the source serves (rule 9).
    fn is_caught_up(&self) -> Result<(), Stop> {
        let progress = self.copy.as_ref().ok_or(Stop::Ended)?.progress();
        // Where changes are not heard of it never follows: the forecast has said what that costs.
        let ready = progress.passes > 0 && (progress.phase == copy::Phase::Following || progress.full_passes.is_some());
        match ready {
            true => Ok(()),
            false => Err(Stop::NotYet { compared: progress.keys_compared, keys: progress.keys_to_compare }),
        }
    }

    /// Copies what is left, and shows how far it is.
    pub(super) async fn drain(&self, within: Duration) -> Result<Proof, Stop> {
        let copy = self.copy.as_ref().ok_or(Stop::Ended)?;
        let drain = copy.drain(within);
        tokio::pin!(drain);
        loop {
            tokio::select! {
                done = &mut drain => return Ok(done?),
                () = tokio::time::sleep(SHOWING) => self.show(|state| state.progress = Some(copy.progress())),
            }
        }
    }

    /// Learns who the nodes of both sides are now: while it was copied a cluster's slots may have moved, and its nodes changed roles. CLUSTER SLOTS does not
    /// name a replica that nothing was sent to yet, which is so for some ten seconds after a cluster came up (`isReplicaAvailable` in Redis' cluster.c).
    async fn learn_nodes(&mut self) -> Result<(), Stop> {
        let name = self.setup.name.for_role("move");
        let until = Instant::now() + LEARNING;
        loop {
            self.setup.source = copy::current(self.setup.source.clone(), &name).await?;
            self.setup.target = copy::current(self.setup.target.clone(), &name).await?;
            let known = async {
                for side in [&self.setup.source, &self.setup.target] {
                    hold::replicas_are_known(&Nodes::connect(side, &name).await?).await?;
                }
                Ok(())
            };
            match known.await {
                Err(hold::HoldError::NotAsKnown { .. }) if self.setup.source.is_cluster() && Instant::now() < until => {
                    tokio::time::sleep(SHOWING).await;
                }
                known => return known.map_err(Stop::Hold),
            }
        }
    }

    async fn try_to_freeze(&mut self) -> Result<(), Stop> {
        let (name, rules, lengths) = (self.setup.name.for_role("move"), self.rules(), self.setup.lengths);
        if rules.follows(10) {
            self.learn_nodes().await?;
        }
        let target_nodes = Nodes::connect(&self.setup.target, &name).await?;
        end_earlier(&target_nodes, &name).await?;
        end_earlier(&Nodes::connect(&self.setup.source, &name).await?, &name).await?;
        // Nobody has been sent to the target: who is there would write what the source does not know.
        end_foreign(&target_nodes, &name, self.setup.patience).await?;

        let begun = Instant::now();
        let mut hold = Hold::take(&self.setup.source, &name, lengths.source, rules, Failing::Releases).await?;
        self.frozen = Some(begun);
        let listening = hold.listen().await;
        self.source = Some(hold);
        listening?;
        self.drain(lengths.budget.saturating_sub(begun.elapsed())).await?;
        let before = Ledger::read(&target_nodes).await?;

        // For far longer than the source: whoever has moved waits here while the source reopens by itself (rule 17).
        let target_length = if rules.follows(17) { lengths.target } else { lengths.source };
        let mut target = Hold::take(&self.setup.target, &name, target_length, rules, Failing::Releases).await?;
        let on_target = Ledger::read(target.nodes()).await?;
        // What expires on the target, which is not held yet, is removed by the copier.
        let ours = ["restore", "unlink"].map(|command| (command.to_owned(), u64::MAX));
        let foreign = on_target.changed_beyond(&before, &OwnWrites(ours.into()));
        target.prove().await?;
        self.target = Some(target);
        if !foreign.is_empty() {
            return Err(Stop::Unproven(format!("somebody wrote to the target: {}", foreign.join("; "))));
        }
        let source = self.source.as_mut().ok_or(Stop::Ended)?;
        let on_source = Ledger::read(source.nodes()).await?;
        if rules.follows(13) {
            source.prove().await?;
        }
        let evidence = Evidence { source: on_source, target: on_target };
        self.evidence = Some(evidence.clone());
        self.enter_with(Phase::Frozen, |state| {
            state.settle = Some(begun.elapsed());
            state.evidence = Some(evidence);
            state.why = None;
        });
        Ok(())
    }

    /// Sends the source's clients away for good, and makes its hold last over the soak (rule 15).
    pub(super) async fn fence(&mut self) -> Result<(), Stop> {
        let source = self.source.as_mut().ok_or(Stop::Ended)?;
        let (name, rules) = (&self.setup.name, self.setup.copy.rules);
        let fenced = hold::fence(source, name, rules, self.setup.patience, self.setup.lengths.soak).await;
        match fenced {
            Ok(_) => {
                self.enter(Phase::Fenced);
                Ok(())
            }
            Err(error) => {
                self.show(|state| state.trouble = Some(error.to_string()));
                Err(error.into())
            }
        }
    }
}

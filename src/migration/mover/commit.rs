//! The commit, and what is watched after it (rules 16 and 17).

use std::time::Duration;

use super::state::{Phase, Stop};
use super::task::Task;
use crate::migration::copy::Trouble;
use crate::migration::hold::{Failing, Hold, HoldError, Ledger, end_earlier, end_foreign, end_role, release_side};

impl Task {
    /// Looks at everything once more. Where it is not as it was at the freeze, the move is undone.
    pub(super) async fn commit(&mut self) -> Result<(), Stop> {
        let proven = self.prove_all().await;
        match &proven {
            Ok(()) => self.enter(Phase::Proven),
            // Who stays may still go, until the budget is spent.
            Err(Stop::Hold(error @ HoldError::ClientsStay { .. })) => self.show(|state| state.trouble = Some(error.to_string())),
            Err(stop) => {
                let why = stop.to_string();
                self.undo(why).await;
            }
        }
        proven
    }

    async fn prove_all(&mut self) -> Result<(), Stop> {
        let (rules, name, patience) = (self.rules(), self.setup.name.clone(), self.setup.patience);
        let (Some(source), Some(target), Some(evidence)) = (self.source.as_mut(), self.target.as_mut(), &self.evidence) else {
            return Err(Stop::Ended);
        };
        if rules.follows(2) {
            end_earlier(source.nodes(), &name).await?;
            end_earlier(target.nodes(), &name).await?;
        }
        if rules.follows(15) {
            end_foreign(source.nodes(), &name, patience).await?;
        }
        if rules.follows(16) {
            source.prove().await?;
            target.prove().await?;
            for (hold, then, side) in [(&*source, &evidence.source, "source"), (&*target, &evidence.target, "target")] {
                let changed = Ledger::read(hold.nodes()).await?.changed_since(then);
                if !changed.is_empty() {
                    return Err(Stop::Unproven(format!("the {side} was written to in the hold: {}", changed.join("; "))));
                }
            }
        }
        let copy = self.copy.as_mut().ok_or(Stop::Ended)?;
        // From this very state what changes on the target is noted, for the way back.
        let watched = copy.watch().await;
        match watched {
            Ok(()) => {}
            // Promised only where the source can read what the target writes.
            Err(error @ Trouble::Versions { .. }) => {
                self.copy = None;
                self.state.send_modify(|state| state.no_way_back = Some(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        // What the copier may still be waiting to write there, a key's removal perhaps, must not come after a consumer's write.
        end_role(target.nodes(), &name, "copy-write").await?;
        if rules.follows(16) {
            source.prove().await?;
            target.prove().await?;
        }
        Ok(())
    }

    /// COMMIT is written: the target is released, replicas first.
    pub(super) async fn release(&mut self) -> Result<(), Stop> {
        self.looked = None;
        let held = self.frozen.take().map(|frozen| frozen.elapsed());
        // From here on there is no undo, whatever becomes of the release.
        self.enter_with(Phase::Committed, |state| {
            state.held = held;
            state.on_source.clear();
        });
        let released = match self.target.take() {
            Some(mut target) => target.release().await,
            None => return Ok(()),
        };
        self.unreleased = !released.silent.is_empty();
        Ok(())
    }

    /// After the commit: the source is held on, and what it took nevertheless is reported. It is never copied over newer data.
    pub(super) async fn look_at_source(&mut self) -> Result<(), Stop> {
        if self.unreleased {
            release_side(&self.setup.target, &self.setup.name.for_role("release"), self.rules()).await?.complete()?;
            self.unreleased = false;
        }
        self.hold_source_on().await?;
        let late = self.late().await?;
        self.show(|state| {
            if state.late != late {
                tracing::warn!(?late, "the source was written to after the freeze");
                state.late = late;
            }
        });
        Ok(())
    }

    /// What happened on the source since the freeze.
    pub(super) async fn late(&self) -> Result<Vec<String>, Stop> {
        let (Some(source), Some(evidence)) = (&self.source, &self.evidence) else { return Ok(Vec::new()) };
        Ok(Ledger::read(source.nodes()).await?.changed_since(&evidence.source))
    }

    /// Renews the source's hold; one that broke, or whose node is another one, is taken anew.
    pub(super) async fn hold_source_on(&mut self) -> Result<(), Stop> {
        let soak = self.setup.lengths.soak;
        if let Some(source) = self.source.as_mut() {
            let renewed = match remaining(source) < soak / 2 {
                true => source.extend(soak).await,
                false => source.prove().await,
            };
            if renewed.is_ok() {
                return Ok(());
            }
        }
        let name = self.setup.name.for_role("move");
        self.source = Some(Hold::take(&self.setup.source, &name, soak, self.rules(), Failing::Keeps).await?);
        Ok(())
    }

    /// In a way back both are held for as long as it takes.
    pub(super) async fn renew(&mut self) -> Result<(), Stop> {
        let lengths = self.setup.lengths;
        for (hold, length) in [(self.source.as_mut(), lengths.source), (self.target.as_mut(), lengths.target)] {
            if let Some(hold) = hold
                && remaining(hold) < length / 2
            {
                hold.extend(length).await?;
            }
        }
        Ok(())
    }
}

fn remaining(hold: &Hold) -> Duration {
    hold.ends().saturating_duration_since(tokio::time::Instant::now())
}

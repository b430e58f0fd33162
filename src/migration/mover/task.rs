//! The task: orders, and looking after what is held.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::state::{Order, Phase, State, Stop};
use super::{Evidence, Setup};
use crate::migration::copy::{self, CatchUp, Trouble};
use crate::migration::hold::{
    Client, Hold, HoldError, Nodes, Whose, clients, end_earlier, end_foreign, foreigners, open_for_us, release_side, stress,
    writing_commands,
};
use crate::migration::side::Rules;

/// Between two looks at what is held. A sentinel's answer is heard of at once.
const LOOKING: Duration = Duration::from_millis(250);
/// Between two looks at whether what is held on the way back is held for long enough: the shortest hold lasts half a minute.
const RENEWING: Duration = Duration::from_secs(10);
/// How long the nodes of a group that was just made may take to know one another (a replica connects, and only then the others hear of it).
const SETTLING: Duration = Duration::from_secs(60);
/// How long one look may take before it counts as failed.
const LOOK: Duration = Duration::from_secs(5);

pub(super) struct Task {
    pub(super) setup: Setup,
    /// Whether it begins with the trial on the target.
    pub(super) trial: bool,
    pub(super) copy: Option<CatchUp>,
    pub(super) source: Option<Hold>,
    pub(super) target: Option<Hold>,
    pub(super) evidence: Option<Evidence>,
    /// When the source was held.
    pub(super) frozen: Option<Instant>,
    /// Whether references may point to the target.
    pub(super) moved: bool,
    /// Whether they point to the source again.
    pub(super) turned_back: bool,
    pub(super) looked: Option<Instant>,
    /// Nodes of the target may still be held, though the target was released.
    pub(super) unreleased: bool,
    pub(super) state: watch::Sender<State>,
}

pub(super) type Ordered = (Order, oneshot::Sender<Result<(), Stop>>);

impl Task {
    pub(super) fn new(setup: Setup, phase: Phase) -> Task {
        Task {
            setup,
            trial: false,
            copy: None,
            source: None,
            target: None,
            evidence: None,
            frozen: None,
            moved: false,
            turned_back: false,
            looked: None,
            unreleased: false,
            state: watch::Sender::new(State::new(phase)),
        }
    }

    pub(super) fn rules(&self) -> Rules {
        self.setup.copy.rules
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.borrow().phase
    }

    pub(super) fn show(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.enter_with(phase, |_| {});
    }

    /// Enters a phase, and changes what is shown with it.
    pub(super) fn enter_with(&self, phase: Phase, change: impl FnOnce(&mut State)) {
        tracing::info!(migration = self.setup.name.migration, epoch = self.setup.name.epoch, ?phase, "the move goes on");
        self.show(|state| {
            state.phase = phase;
            state.trouble = None;
            change(state);
        });
    }

    /// Opens a target that may be held from an earlier try, for us alone: whoever waits there is sent away unanswered.
    pub(super) async fn open_target(&self) -> Result<(), Stop> {
        let name = self.setup.name.for_role("move");
        for side in [&self.setup.source, &self.setup.target] {
            end_earlier(&Nodes::connect(side, &name).await?, &name).await?;
        }
        self.target_is_idle().await?;
        open_for_us(&self.setup.target, &name, self.rules()).await?;
        Ok(())
    }

    /// Fails where somebody writes to the target, and is not held: then it serves, and what it has must not be overwritten with the source's.
    async fn target_is_idle(&self) -> Result<(), Stop> {
        let nodes = Nodes::connect(&self.setup.target, &self.setup.name.for_role("move")).await?;
        for node in &nodes.primaries {
            let writing = writing_commands(&node.link).await?;
            let writes =
                |client: &Client| client.whose(&self.setup.name) == Whose::Foreign && !client.waits() && writing.contains(&client.command);
            if let Some(client) = clients(&node.link).await?.iter().find(|client| writes(client)) {
                let who = client.foreigner(node.link.node());
                return Err(Stop::Unproven(format!("the target is written to by {who}: it may serve already, and is left alone")));
            }
        }
        Ok(())
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Ordered>) {
        if self.trial {
            self.begin().await;
        }
        loop {
            let alarm = async {
                match self.is_guarded() {
                    true => broken(self.source.as_ref(), self.target.as_ref()).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = alarm => {}
                ordered = orders.recv() => match ordered {
                    None => return,
                    Some((order, answer)) => {
                        let done = match self.is_still_mine().await {
                            Ok(()) => self.obey(&order).await,
                            Err(stop) => Err(stop),
                        };
                        if let Err(stop) = &done {
                            self.heed(stop);
                            tracing::warn!(migration = self.setup.name.migration, order = order.words(), %stop, "an order was not carried out");
                        }
                        // Who does not wait for the answer sees the state.
                        let _ = answer.send(done);
                    }
                },
                () = tokio::time::sleep(LOOKING) => {}
            }
            self.look().await;
        }
    }

    /// The trial, and then the copy. Where it does not come to that, nobody was sent anywhere, and nothing is held.
    async fn begin(&mut self) {
        let began = Instant::now();
        loop {
            let stop = match self.try_target().await {
                Ok(()) => return self.show(|state| state.trouble = None),
                Err(stop) => stop,
            };
            self.heed(&stop);
            if self.phase() == Phase::Halted {
                return;
            }
            if !settles(&stop) || began.elapsed() >= SETTLING {
                return self.enter_with(Phase::Undone, |state| state.why = Some(stop.to_string()));
            }
            self.show(|state| state.trouble = Some(stop.to_string()));
            tokio::time::sleep(LOOKING).await;
        }
    }

    async fn try_target(&mut self) -> Result<(), Stop> {
        // One that slept holds and writes nothing: the target may serve by now, by another process.
        self.is_still_mine().await?;
        self.open_target().await?;
        let Setup { source, target, name, copy, .. } = self.setup.clone();
        let target = copy::current(target, &name).await?;
        self.is_still_mine().await?;
        let stressed = stress(&target, &name, self.rules()).await.map_err(|error| match error {
            HoldError::Wire(error) if error.code().is_none() => Stop::from(error),
            error @ (HoldError::NotAsKnown { .. } | HoldError::Superseded { .. }) => Stop::from(error),
            error => Stop::Unfit(error.to_string()),
        })?;
        let found: Vec<String> = stressed.findings.into_iter().map(|one| format!("{}: {}", one.what, one.what_to_do)).collect();
        if !found.is_empty() {
            return Err(Stop::Unfit(found.join("; ")));
        }
        let source = copy::current(source, &name).await?;
        (self.setup.source, self.setup.target) = (source.clone(), target.clone());
        self.copy = Some(CatchUp::start(source, target, name, copy).await?);
        Ok(())
    }

    /// Fails where a later life of this migration is at work: everything is left to it (rule 2).
    async fn is_still_mine(&self) -> Result<(), Stop> {
        if !self.rules().follows(2) {
            return Ok(());
        }
        let epoch = self.setup.name.epoch;
        if !self.setup.copy.epoch.is(epoch) {
            return Err(Stop::Copy(Trouble::Superseded { epoch }));
        }
        for side in [&self.setup.source, &self.setup.target] {
            Nodes::reach(side, &self.setup.name.for_role("look")).await?;
        }
        Ok(())
    }

    /// A life that is over does nothing any more, and leaves both sides as they are held.
    fn heed(&mut self, stop: &Stop) {
        if let Stop::Hold(HoldError::Superseded { .. }) | Stop::Copy(Trouble::Superseded { .. }) = stop {
            (self.copy, self.source, self.target) = (None, None, None);
            self.enter_with(Phase::Halted, |state| state.why = Some(stop.to_string()));
        }
    }

    /// Tried again and again: what does not go well is shown.
    pub(super) fn shows(&mut self, tried: Result<(), Stop>) {
        self.show(|state| state.trouble = tried.as_ref().err().map(ToString::to_string));
        if let Err(stop) = tried {
            self.heed(&stop);
        }
    }

    /// Whether a break of a hold undoes the move.
    fn is_guarded(&self) -> bool {
        self.rules().follows(13) && matches!(self.phase(), Phase::Frozen | Phase::Moving | Phase::Fenced)
    }

    async fn obey(&mut self, order: &Order) -> Result<(), Stop> {
        use Phase::*;
        let phase = self.phase();
        match (order, phase) {
            (Order::Freeze, Following) => self.freeze().await,
            (Order::Move, Frozen) => {
                self.moved = true;
                self.enter(Moving);
                Ok(())
            }
            (Order::Fence, Moving | Fenced) => self.fence().await,
            (Order::Commit, Fenced) => self.commit().await,
            (Order::Release, Proven) => self.release().await,
            (Order::Undo, Frozen | Moving | Fenced | Proven) => {
                self.undo("it was ordered".to_owned()).await;
                Ok(())
            }
            (Order::Undo, TargetHeld) => self.turn_forward().await,
            (Order::TurnedBack, Undoing) => {
                self.turned_back = true;
                self.go_on_undoing().await
            }
            (Order::RollBack { give_up_late_writes }, Committed) => self.roll_back(*give_up_late_writes).await,
            (Order::Reopen, TargetHeld) => self.reopen().await,
            (Order::ReleaseSource, Returned) => self.release_source().await,
            // What is done already.
            (Order::Freeze, Frozen | Moving | Fenced | Proven | Committed)
            | (Order::Move, Moving | Fenced | Proven | Committed)
            | (Order::Fence, Proven | Committed)
            | (Order::Commit, Proven | Committed)
            | (Order::Release, Committed)
            | (Order::Undo, Following | Undoing | Undone)
            | (Order::TurnedBack, Undone)
            | (Order::RollBack { .. }, TargetHeld | Returned | Back)
            | (Order::Reopen, Returned | Back)
            | (Order::ReleaseSource, Back) => Ok(()),
            (order, phase) => Err(Stop::NotNow { order: order.words(), phase }),
        }
    }

    /// Looks after what is held, and shows it.
    async fn look(&mut self) {
        let phase = self.phase();
        let progress = self.copy.as_ref().map(CatchUp::progress);
        let held = self.frozen.map(|frozen| frozen.elapsed());
        self.show(|state| {
            state.progress = progress;
            if phase != Phase::Committed {
                state.held = held.or(state.held);
            }
        });
        match phase {
            Phase::Frozen | Phase::Moving | Phase::Fenced => {
                if let Some(why) = self.what_broke().await {
                    self.undo(why).await;
                } else if let Err(error) = self.show_clients().await {
                    self.show(|state| state.trouble = Some(error.to_string()));
                }
            }
            Phase::Proven => {
                // The owner may have written COMMIT: nothing is undone here, and all of it is said.
                if let Some(why) = self.what_broke().await {
                    self.show(|state| state.trouble = Some(why));
                }
            }
            Phase::Undoing => {
                let gone_on = self.go_on_undoing().await;
                self.shows(gone_on);
            }
            Phase::Committed | Phase::TargetHeld | Phase::Returned => {
                let every = if phase == Phase::Committed { self.setup.looking } else { self.setup.looking.min(RENEWING) };
                if self.looked.is_none_or(|looked| looked.elapsed() >= every) {
                    self.looked = Some(Instant::now());
                    let seen = if phase == Phase::Committed { self.look_at_source().await } else { self.renew().await };
                    self.shows(seen);
                }
            }
            Phase::Following | Phase::Undone | Phase::Back | Phase::Halted => {}
        }
    }

    /// Why the sides are not surely as they were proven (rule 13); nothing where they are.
    async fn what_broke(&mut self) -> Option<String> {
        let over = self.frozen.is_some_and(|frozen| frozen.elapsed() >= self.setup.lengths.budget);
        if over && self.phase() != Phase::Proven {
            return Some(format!("writes were held for {} s: freezeBudget is spent", self.setup.lengths.budget.as_secs()));
        }
        if !self.rules().follows(13) {
            return None;
        }
        for hold in [self.source.as_mut(), self.target.as_mut()].into_iter().flatten() {
            match tokio::time::timeout(LOOK, hold.prove()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error.to_string()),
                Err(_) => return Some(format!("a node did not answer within {} s in the hold", LOOK.as_secs())),
            }
        }
        None
    }

    async fn show_clients(&self) -> Result<(), Stop> {
        let name = &self.setup.name;
        if let (Some(source), Some(target)) = (&self.source, &self.target) {
            let (on_source, on_target) =
                futures::future::try_join(foreigners(source.nodes(), name), foreigners(target.nodes(), name)).await?;
            self.show(|state| (state.on_source, state.on_target) = (on_source, on_target));
        }
        Ok(())
    }

    /// Back to the source, before the commit (rule 14).
    pub(super) async fn undo(&mut self, why: String) {
        tracing::warn!(migration = self.setup.name.migration, why, "the move is undone");
        self.enter_with(Phase::Undoing, |state| state.why = Some(why));
        let gone_on = self.go_on_undoing().await;
        self.shows(gone_on);
    }

    /// Releases the source, once the references are back and no client is left on the target. Called until it is done.
    pub(super) async fn go_on_undoing(&mut self) -> Result<(), Stop> {
        if self.phase() != Phase::Undoing {
            return Ok(());
        }
        if !self.rules().follows(14) {
            // The obvious way: let both go, and clean up.
            self.let_source_go().await?;
            if let Some(mut target) = self.target.take() {
                target.release().await;
            }
            self.enter(Phase::Undone);
            return Ok(());
        }
        self.is_still_mine().await?;
        if self.moved && !self.turned_back {
            return Ok(());
        }
        // What waits at the target was not acknowledged, and never will be.
        self.nobody_on_target().await?;
        self.let_source_go().await?;
        self.frozen = None;
        if self.moved {
            // To be discarded. Until then it stays held, and its connections away.
            self.copy = None;
            self.enter(Phase::Undone);
        } else {
            // Nobody was ever sent there: it can go on following.
            if let Some(mut target) = self.target.take() {
                target.release().await;
            }
            self.evidence = None;
            self.enter(Phase::Following);
        }
        Ok(())
    }

    /// Ends what waits at the target. A node of it that does not answer cannot be asked: it holds on, or is gone, and the source is not held for its sake.
    pub(super) async fn nobody_on_target(&self) -> Result<(), HoldError> {
        if self.target.is_none() {
            return Ok(());
        }
        let name = self.setup.name.for_role("move");
        let (nodes, silent) = Nodes::reach(&self.setup.target, &name).await?;
        if !silent.is_empty() {
            tracing::warn!(?silent, "nodes of the target do not answer");
        }
        end_foreign(&nodes, &name, self.setup.patience).await?;
        Ok(())
    }

    /// Releases the source, held by us or by one before us.
    pub(super) async fn let_source_go(&mut self) -> Result<(), HoldError> {
        match self.source.as_mut() {
            Some(source) => source.release().await.complete()?,
            None => release_side(&self.setup.source, &self.setup.name.for_role("release"), self.rules()).await?.complete()?,
        }
        self.source = None;
        Ok(())
    }
}

/// Whether it may pass by itself: nodes that do not know one another yet, and a connection that broke.
fn settles(stop: &Stop) -> bool {
    match stop {
        Stop::Hold(HoldError::NotAsKnown { .. }) => true,
        Stop::Hold(HoldError::Wire(error)) | Stop::Copy(Trouble::Wire(error)) => error.code().is_none(),
        _ => false,
    }
}

/// Waits until one of the holds breaks.
async fn broken(source: Option<&Hold>, target: Option<&Hold>) {
    let one = async |hold: Option<&Hold>| match hold {
        Some(hold) => {
            let mut broken = hold.broken();
            if broken.wait_for(Option::is_some).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    };
    tokio::select! {
        () = one(source) => {}
        () = one(target) => {}
    }
}

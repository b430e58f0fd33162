//! The ways back: before the commit, and after it on command alone; and what the soak looks after for it. Pure.

use std::collections::BTreeMap;

use super::lock::{Lock, Return};
use super::op::MoveOp;
use super::plan::{AT_ONCE, COPYING, DELETING, Plan};
use super::seen::{Moving, Stand};
use super::{EPOCH_TAG, FREEZE_BUDGET, GIVEN_UP_TAG, reference};
use crate::kinds::elasticache::token::TokenRef;
use crate::kinds::{Fact, Reason, few};
use crate::migration::copy::payload_fits;

/// Why there is no way back after the commit, whatever a person gives up; nothing where there is one.
pub fn no_return(moving: &Moving) -> Option<String> {
    let (Some(names), Some(lock)) = (&moving.names, moving.lock.present()) else { return Some("the move is over".to_owned()) };
    let source = match &moving.source {
        Fact::Present(source) if source.group.status != "deleting" => source,
        // It is busy, or could not be read: that is waited for, or said, where a way back is asked for.
        Fact::Unknown(_) => return None,
        Fact::Present(_) | Fact::Absent => return Some(format!("{} is not there any more", names.source)),
    };
    let target = moving.target.present()?.settings.as_ref()?;
    let (old, new) = (&source.settings.engine_version, &target.engine_version);
    let fits = lock.ledger.is_none() || payload_fits(new, old);
    (!fits).then(|| format!("{} runs {old}, which does not read what {new} of {} has", names.source, names.target))
}

/// What is turned and may not be turned back by this run, and what to do.
pub fn barred(moving: &Moving) -> Vec<(String, String)> {
    let turned = moving.references.iter().filter_map(Fact::present).filter(|found| !found.turned.is_back());
    turned.filter_map(|found| found.barred.clone()).collect()
}

impl Plan<'_> {
    /// Looks at the source while it is kept, and holds it on.
    pub fn look_at_source(&mut self, lock: &Lock) {
        if self.moving.wants_look() {
            self.push_look(&lock.name, self.token());
        }
    }

    /// `lock`: the move's, which may be yet to be taken.
    pub(super) fn push_look(&mut self, lock: &str, token: Option<TokenRef>) {
        let from = self.names.source.clone();
        let epoch = lock.rsplit('-').next().and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        let op = MoveOp::LookAtSource { sides: self.sides(lock.to_owned(), epoch, token), kept_seconds: self.kept().as_secs() };
        self.push(format!("Look whether {from} was written to since the freeze, and hold its writes on"), op, |step| {
            step.back("nothing to take back: nobody uses it")
        });
    }

    /// The soak is over, and a way back was stopped in it.
    pub fn undecided(&mut self, lock: &Lock) {
        let name = &self.planning.spec.name;
        self.block(
            Reason::Conflict,
            format!("the way back was stopped, and {} is kept until that is decided: {}", self.names.source, lock.stopped),
            format!("`holdfast migration rollback {name} --give-up-writes`, or `holdfast migration finalize {name}`"),
        );
    }

    /// The way back after the commit: what was written on the target goes back first, then the source is what counts, then as before the commit.
    pub fn roll_back(&mut self, lock: &Lock) {
        let Some(target) = self.moving.target.present() else { return };
        let (from, to) = (self.names.source.clone(), self.names.target.clone());
        let returned = lock.returning == Some(Return::Returned);
        if let Some(why) = no_return(self.moving).filter(|_| !returned) {
            let what_to_do = format!("`holdfast migration finalize {}`: {to} serves on", self.planning.spec.name);
            self.block(Reason::NotSupported, format!("there is no way back: {why}"), what_to_do);
            return;
        }
        let held = lock.ledger.is_some();
        if !held && !lock.gives_up && !returned {
            let what_to_do = format!("`holdfast migration rollback {} --give-up-writes`", self.planning.spec.name);
            self.block(Reason::Conflict, format!("what was written on {to} cannot be copied back: writes were not held"), what_to_do);
            return;
        }
        // What could not be turned back is not held either: nobody waits yet.
        if lock.returning == Some(Return::Asked) && !target.held {
            if !self.places_are_told() {
                self.says_untold_places("until then nothing is held, and the new group serves");
                return;
            }
            if self.says_barred() {
                return;
            }
        }
        if self.says_stuck_fence() {
            return;
        }
        self.adopt(lock);
        self.lower_fence(lock);
        if held {
            self.hold_back(lock);
        }
        if !returned {
            if held {
                let op = MoveOp::CopyBack { sides: self.sides(lock.name.clone(), lock.epoch, self.token()) };
                self.push(format!("Copy back to {from} what was written on {to}"), op, |step| {
                    step.within(COPYING).back(format!("by itself where it fails: {to} has everything, and serves on")).also_takes(
                        "as long as writes are held: what changed, where this process has moved it; else everything is compared",
                    )
                });
            }
            let op = MoveOp::NoteReturned { lock: lock.name.clone(), target: to.clone(), held };
            self.push(format!("Note that {from} is what counts again"), op, |step| step.back(format!("move {from} again")));
        }
        let arn = target.group.arn.clone();
        if target.ours.present() != Some(&true) {
            let created = target.created.clone().unwrap_or_default();
            let op = MoveOp::Reclaim { target: to.clone(), arn: arn.clone(), created, lock: lock.name.clone() };
            self.push(format!("Note on {to} that it may be taken away"), op, |step| step.back("nothing to take back: it is a tag"));
        }
        let op = MoveOp::Unserve { target: to.clone(), arn, lock: lock.name.clone() };
        let title = format!("Let {} mean {from} again", self.planning.spec.name);
        self.push(title, op, |step| step.back(format!("move {from} again")));
        self.clean(lock);
    }

    /// Holds the target, or goes on where another process held it.
    fn hold_back(&mut self, lock: &Lock) {
        let Some(target) = self.moving.target.present() else { return };
        let (from, to) = (self.names.source.clone(), self.names.target.clone());
        let op = MoveOp::HoldBack {
            sides: self.sides(lock.name.clone(), lock.epoch, self.token()),
            arn: target.group.arn.clone(),
            budget_seconds: self.migration.budget().unwrap_or(FREEZE_BUDGET).as_secs(),
            kept_seconds: self.kept().as_secs(),
        };
        let title = match lock.returning {
            Some(Return::Returned) => format!("Hold the writes of {to} on"),
            _ => format!("Hold the writes of {to}, and look whether {from} was written to since the freeze"),
        };
        self.push(title, op, |step| step.within(AT_ONCE).back(format!("by itself where it was: {to} serves on, and a person decides")));
    }

    /// A snapshot of what served, before it goes: nothing is lost if the way back was a mistake. Its name, where it served.
    fn keep_target(&mut self, lock: &Lock) -> Option<String> {
        lock.returning?;
        let (to, name) = (self.names.target.clone(), self.names.back_snapshot(lock.epoch));
        if let Some(target) = self.moving.target.present().filter(|target| target.group.status != "deleting") {
            let in_cluster_mode = target.settings.as_ref().is_some_and(|settings| settings.cluster_mode);
            let cluster = target.group.snapshot_source.clone().filter(|_| !in_cluster_mode);
            let op = MoveOp::KeepTarget { name: name.clone(), cluster, target: to.clone() };
            self.push(format!("Take a last snapshot of {to}, {name}"), op, |step| step.within(DELETING).back("delete the snapshot"));
        }
        Some(name)
    }

    /// Lets the source take writes again, where they may be held.
    fn reopen(&mut self, lock: &Lock) {
        let held = lock.frozen || lock.returning.is_none() && self.holds();
        if held && self.moving.target.present().is_some_and(|target| target.group.status == "available") {
            let op = MoveOp::Reopen { sides: self.sides(lock.name.clone(), lock.epoch, self.token()) };
            self.push(format!("Let {} take writes again", self.names.source), op, |step| step.back("nothing: it serves"));
        }
    }

    /// Everything away that the move made, and clients back where they were.
    pub fn back(&mut self, lock: &Lock, turn: bool) {
        let from = self.names.source.clone();
        if self.says_stuck_fence() {
            return;
        }
        self.adopt(lock);
        if lock.returning == Some(Return::Returned) && lock.ledger.is_some() && !lock.released {
            self.hold_back(lock);
        }
        if turn {
            let why = match self.failed_for_good(lock) {
                true => "the restore failed for the last time or its time was over",
                false => "it is not sure any more that writes were held while clients were turned",
            };
            let why = why.to_owned();
            self.push(
                format!("Note that the move of {from} is taken back"),
                MoveOp::GoBack { lock: lock.name.clone(), why, asked: false, places: BTreeMap::new() },
                |step| step.back("nothing: the next move is another one"),
            );
        }
        self.clean(lock);
    }

    /// Says what this run may not turn back; whether there is anything.
    fn says_barred(&mut self) -> bool {
        let barred = barred(self.moving);
        for (why, what_to_do) in &barred {
            self.block(Reason::NotSupported, format!("{why}, and it has to be turned back"), what_to_do.clone());
        }
        !barred.is_empty()
    }

    /// What comes once the source is what counts.
    fn clean(&mut self, lock: &Lock) {
        let (from, to) = (self.names.source.clone(), self.names.target.clone());
        // Given to it in the very moment in which the way back began.
        if self.moving.stand() != Stand::Returning {
            self.lower_fence(lock);
        }
        // Half a way back is worse than one that waits: what this run may not turn back is said before anything else is done.
        if self.says_barred() {
            return;
        }
        // In the manifest's order, as on the way there: what reads an address is started anew after that is back.
        let (mut touched, mut unread) = (false, false);
        let mut written = Vec::new();
        let cutover = self.cutover();
        let words = reference::all_words(&cutover);
        for (place, (cutover, words)) in cutover.into_iter().zip(words).enumerate() {
            let reader = reference::reads_another(&cutover);
            let turned = match self.moving.references.get(place) {
                Some(Fact::Present(found)) => found.turned.clone(),
                Some(Fact::Unknown(_)) => {
                    unread |= !reader;
                    continue;
                }
                Some(Fact::Absent) | None => continue,
            };
            // Begun anew now, it would read an address that may yet be turned back.
            if reader && unread {
                continue;
            }
            // A task that started by itself in between has read the new address, though nobody asked for it.
            let strayed = reader && touched && turned == reference::Turned::Source && !self.moving.target.is_absent();
            touched |= !reader && turned != reference::Turned::Source;
            if turned.is_back() && !strayed {
                continue;
            }
            written.push(place);
            let within = reference::back_within(&cutover);
            let restarted = reference::restarts(&cutover).to_vec();
            let standalone = self.standalone();
            let op = MoveOp::TurnBack { place, cutover, source: from.clone(), standalone, target: to.clone(), lock: lock.name.clone() };
            let title = match (reader, restarted.as_slice()) {
                (true, _) => format!("Start {words} anew, to read the address of {from}"),
                (false, []) => format!("Turn {words} back to {from}"),
                (false, restarted) => format!("Turn {words} back to {from}, and restart {}", few(restarted)),
            };
            self.push(title, op, |step| step.within(within).back(format!("move {from} again")));
        }
        if self.says_untold(|_| true, &format!("until then {from} is not let go, and {to} is not deleted")) {
            return;
        }
        self.reopen(lock);
        let last_snapshot = self.keep_target(lock);
        if !self.moving.target.is_absent() {
            let back = last_snapshot.as_ref().map_or_else(|| format!("move {from} again"), |name| format!("restore the snapshot {name}"));
            let op = MoveOp::DropTarget {
                target: to.clone(),
                lock: lock.name.clone(),
                attempt: lock.attempt,
                cutover: self.cutover(),
                last_snapshot,
            };
            self.push(format!("Delete {to}, which serves nobody"), op, |step| step.within(DELETING).back(back));
        }
        let left = self.drop_snapshots(&lock.name);
        if let Some(source) = self.moving.source.present() {
            let why = if lock.why.is_empty() { "it failed" } else { &lock.why };
            self.left(&left);
            let tags = BTreeMap::from([(GIVEN_UP_TAG.to_owned(), why.to_owned()), (EPOCH_TAG.to_owned(), lock.epoch.to_string())]);
            self.push(
                format!("Note on {from} that its move was taken back"),
                MoveOp::GiveUp { lock: lock.name.clone(), source: from.clone(), arn: source.group.arn.clone(), tags },
                |step| step.back(format!("`holdfast migration resume {}` lets it be tried again", self.planning.spec.name)),
            );
        }
        self.forget(&lock.name, &written);
        self.drop_fence();
        self.unlock();
    }

    /// Takes away what stands at the places of the move; `written`: places that something is yet written at.
    pub fn forget(&mut self, lock: &str, written: &[usize]) {
        let cutover = self.cutover();
        let words = reference::all_words(&cutover);
        for (place, (cutover, words)) in cutover.into_iter().zip(words).enumerate() {
            let marked = self.moving.references.get(place).and_then(Fact::present).is_some_and(|found| found.marked);
            if !reference::leaves_marks(&cutover) || !marked && !written.contains(&place) {
                continue;
            }
            let (source, target) = (self.names.source.clone(), self.names.target.clone());
            let op = MoveOp::Forget { place, cutover, source, target, lock: lock.to_owned() };
            self.push(format!("Take the notes of the move off {words}"), op, |step| step.back("nothing to take back"));
        }
    }
}

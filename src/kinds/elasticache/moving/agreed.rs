//! Whether a move under way is still the one that was begun: what its lock notes of that, beside what the manifest says now. Pure.

use super::live::LiveSeen;
use super::lock::{Direction, Lock};
use super::op::MoveOp;
use super::places::{self, Changed};
use super::plan::Plan;
use super::seen::Stand;
use super::{FREEZE_BUDGET, reference};
use crate::hex::short_sha256;
use crate::kinds::elasticache::migration::Cutover;
use crate::kinds::elasticache::op::Op;
use crate::kinds::{Impact, Reason, Unreadable, few};
use crate::migration::mover::Phase;

impl Plan<'_> {
    /// Says what of the places stands in the way of going on, forward or back: they are fixed from the lock to the commit, or to the end of the way back.
    /// A place that is not declared cannot be looked at, and so nothing shows that clients were not turned there, or are back. Whether there was anything to say.
    pub(super) fn says_changed_places(&mut self, lock: &Lock) -> bool {
        let before = self.blocks();
        let name = self.planning.spec.name.clone();
        let back = self.moving.stand() == Stand::Returning || self.goes_back(lock);
        let Some(noted) = &lock.places else {
            if self.is_untouched(lock) {
                return false;
            }
            let message = format!("the move of {} was begun by a version of holdfast that took no note of its places", self.names.source);
            let what_to_do = format!(
                "see that migration.cutover names every place that it named when the move was begun, as it did then; then `holdfast migration rollback {name}` turns them back"
            );
            self.block(Reason::Conflict, message, what_to_do);
            return true;
        };
        let Changed { missing, added } = places::changed(noted, self.migration.cutover.as_deref().unwrap_or_default());
        let turning = lock.turning || self.moving.stand() == Stand::Returning;
        if !missing.is_empty() && (turning || !back) {
            let message = format!(
                "the move was begun with a place that migration.cutover does not declare any more, or declares otherwise: {}",
                few(&missing)
            );
            let what_to_do = match turning {
                true => "declare it again as it was: clients may have been turned there, and until it can be looked at the move goes neither forward nor back".to_owned(),
                false => format!("declare it again as it was, or take the move back: `holdfast migration rollback {name}`; no place was turned yet"),
            };
            self.block(Reason::Conflict, message, what_to_do);
        } else if !added.is_empty() && !back {
            self.block(
                Reason::Conflict,
                format!("migration.cutover declares a place that the move was begun without: {}", few(&added)),
                format!(
                    "take it out until the move is over, or take the move back (`holdfast migration rollback {name}`) and begin it again"
                ),
            );
        }
        self.blocks() > before
    }

    /// Whether the next step is one of the way back before the commit.
    pub(super) fn goes_back(&self, lock: &Lock) -> bool {
        lock.direction == Direction::Back || self.failed_for_good(lock) || self.lost_its_hold(lock) || self.is_undone_untold(lock)
    }

    /// Whether the mover has undone the move, and a place that could not be read keeps the step from saying so.
    fn is_undone_untold(&self, lock: &Lock) -> bool {
        let undone = |live: &LiveSeen| matches!(live.state.phase, Phase::Undoing | Phase::Undone);
        lock.turning && !self.places_are_told() && self.moving.live.as_ref().is_some_and(undone)
    }

    /// Whether clients may wait under a hold that this process knows nothing of: it may not be begun anew before that is known.
    pub(super) fn may_have_lost_its_hold(&self, lock: &Lock) -> bool {
        lock.turning && (self.holds() || lock.frozen) && self.moving.live.is_none()
    }

    /// Whether it could be read of every place where it stands.
    pub(super) fn places_are_told(&self) -> bool {
        self.moving.references.iter().all(|place| place.unknown().is_none())
    }

    pub(super) fn says_untold_places(&mut self, then: &str) {
        self.says_untold(|_| true, then);
    }

    /// Says of which of these places it could not be read where they stand, and what that means. Whether there was any.
    pub(super) fn says_untold(&mut self, which: impl Fn(&Cutover) -> bool, then: &str) -> bool {
        let cutover = self.migration.cutover.as_deref().unwrap_or_default();
        let places = cutover.iter().zip(&self.moving.references).filter(|(place, _)| which(place));
        let untold: Vec<(String, Unreadable)> =
            places.filter_map(|(place, found)| Some((reference::words(place), found.unknown()?.clone()))).collect();
        for (words, why) in &untold {
            let message = format!("it could not be read where {words} stands: {}: {}; {then}", why.call, why.message);
            self.block(Reason::Unreadable, message, why.what_to_do());
        }
        !untold.is_empty()
    }

    /// Whether no place can have been turned, though the lock does not say so: no client is sent to a group that is not there, or before writes are held.
    fn is_untouched(&self, lock: &Lock) -> bool {
        let up = |status: &str| !matches!(status, "creating" | "create-failed" | "deleting");
        let there = self.moving.target.present().is_some_and(|target| up(&target.group.status));
        let before_the_commit = self.moving.stand() == Stand::UnderWay && lock.returning.is_none();
        before_the_commit && !lock.turning && (!there || self.holds() && !lock.frozen)
    }

    /// Binds the beginning of the move to every step of it that may be noticed, so that the lock can say what was consented to; and lets those steps pass where
    /// it says exactly that. It counts as long as the move goes on: a day is for a consent that nothing was begun with.
    pub(super) fn consents(&mut self, lock: Option<&Lock>) {
        let now = self.consent();
        for step in &mut self.steps.steps {
            if let Op::Move(op) = &mut step.op
                && let MoveOp::TakeLock { consent, .. } = &mut **op
            {
                consent.clone_from(&now);
            }
        }
        let Some(lock) = lock else { return };
        // A person who writes `approved: false` in the middle takes it back.
        if lock.consent == now && self.migration.approved != Some(false) {
            self.steps.steps.iter_mut().filter(|step| step.impact != Impact::Online).for_each(|step| step.begun = true);
            let since = lock.since.map(|since| format!(", at {}", since.strftime("%Y-%m-%d %H:%M:%SZ"))).unwrap_or_default();
            if self.migration.approved.is_none() {
                self.note(format!(
                    "what is left of the move goes on by the consent that it was begun with{since}; `approved: false` takes that back"
                ));
            }
        }
        self.begun_already();
    }

    /// What was begun is not asked about again.
    pub(super) fn begun_already(&mut self) {
        let is_begun = |op: &Op| matches!(op, Op::Move(op) if matches!(**op, MoveOp::TakeLock { .. }));
        self.steps.steps.iter_mut().filter(|step| is_begun(&step.op)).for_each(|step| step.begun = true);
    }

    /// A digest of everything of the move, to the commit, that may be noticed, with the lengths of time that a person has agreed to.
    fn consent(&self) -> String {
        let ops: Vec<&Op> = self.steps.steps.iter().filter(|step| step.impact != Impact::Online).map(|step| &step.op).collect();
        let lengths = [self.migration.budget().unwrap_or(FREEZE_BUDGET), self.kept()].map(|length| length.as_secs());
        let all = (ops, lengths, self.migration.retired(), self.migration.gap());
        let text = serde_json::to_string(&all).unwrap_or_default();
        short_sha256(text, 32)
    }

    /// Takes note of the places on a lock that has none.
    pub(super) fn note_places(&mut self, lock: &Lock) {
        if lock.places.is_none() {
            let places = places::tags(self.migration.cutover.as_deref().unwrap_or_default());
            let op = MoveOp::NotePlaces { lock: lock.name.clone(), places, asked: false };
            self.push("Note on the lock which places are turned".to_owned(), op, |step| step.back("nothing to take back: it is a tag"));
        }
    }
}

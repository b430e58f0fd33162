//! What is left to be copied: keys that changed and were not copied since, and those that are being copied.
//!
//! A push does not say which database it is about: a mark is of a key, in all databases. One operation is in flight for a key (rule 4): a change that
//! is heard of meanwhile marks it again when the operation is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::migration::side::Rules;

/// A key, as it is on the wire.
pub type Key = Vec<u8>;

/// What a mark asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The source changed it: it is written without a look at what the target has.
    Copy,
    /// The target changed it, or an operation failed: it is written where the sides differ.
    Compare,
}

/// How an operation ended, for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing was written.
    Left,
    /// It was written on the target, so many times (once a database): each may come back as a push.
    Wrote(u32),
    /// It was written by commands that push as often as they like.
    WroteInPieces,
    /// It is not known, or did not succeed: again.
    Failed,
}

#[derive(Debug, Default)]
struct Flying {
    /// The source pushed it since it was claimed.
    changed: bool,
    /// How often the target pushed it since: once is the echo of our own write.
    echoes: u32,
}

#[derive(Debug, Default)]
struct Part {
    waiting: HashMap<Key, Want>,
    flying: HashMap<Key, Flying>,
}

/// The marks of one life of a copier, in parts: one a shard of the source.
#[derive(Debug)]
pub struct Marks {
    parts: Vec<(Mutex<Part>, Notify)>,
    /// All keys are marked: a full pass has to begin. Marks need not be kept until then.
    everything: AtomicBool,
    asked_for_everything: Notify,
    /// Passes that are under way.
    passing: AtomicUsize,
    settled: Notify,
    /// How many marks a part keeps; one more, and everything is marked instead.
    limit: usize,
    rules: Rules,
}

impl Marks {
    pub fn new(parts: usize, limit: usize, rules: Rules) -> Marks {
        Marks {
            parts: (0..parts).map(|_| Default::default()).collect(),
            everything: AtomicBool::new(false),
            asked_for_everything: Notify::new(),
            passing: AtomicUsize::new(0),
            settled: Notify::new(),
            limit: (limit / parts.max(1)).max(1),
            rules,
        }
    }

    fn part(&self, part: usize) -> Option<(MutexGuard<'_, Part>, &Notify)> {
        let (part, notify) = self.parts.get(part)?;
        Some((part.lock().unwrap_or_else(PoisonError::into_inner), notify))
    }

    /// The source has changed it.
    pub fn changed(&self, part: usize, key: Key) {
        self.mark(part, key, Want::Copy);
    }

    /// The target has changed it: by our own write, or by another's.
    pub fn echoed(&self, part: usize, key: Key) {
        self.mark(part, key, Want::Compare);
    }

    /// All streams, for example: to be compared.
    pub fn compare(&self, part: usize, keys: Vec<Key>) {
        if let Some((mut part, notify)) = self.part(part) {
            for key in keys {
                match part.flying.get_mut(&key) {
                    // Again, when that is over.
                    Some(flying) => flying.changed |= self.rules.follows(4),
                    None => {
                        part.waiting.entry(key).or_insert(Want::Compare);
                    }
                }
            }
            notify.notify_one();
        }
    }

    fn mark(&self, at: usize, key: Key, want: Want) {
        if self.everything.load(Ordering::SeqCst) {
            return;
        }
        let Some((mut part, notify)) = self.part(at) else {
            // No shard of the source serves it: only a pass over all that there is can say what becomes of it.
            return self.mark_everything();
        };
        if let Some(flying) = part.flying.get_mut(&key) {
            match want {
                // Rule 4 left out: the mark is cleared when the copy is over, and with it what came meanwhile.
                Want::Copy => flying.changed |= self.rules.follows(4),
                Want::Compare => flying.echoes += 1,
            }
            return;
        }
        if part.waiting.is_empty() {
            notify.notify_one();
        }
        let waiting = part.waiting.entry(key).or_insert(want);
        if want == Want::Copy {
            *waiting = Want::Copy;
        }
        if part.waiting.len() > self.limit {
            drop(part);
            self.mark_everything();
        }
    }

    /// All keys are to be compared: a pass begins anew.
    pub fn mark_everything(&self) {
        self.everything.store(true, Ordering::SeqCst);
        for at in 0..self.parts.len() {
            if let Some((mut part, _)) = self.part(at) {
                part.waiting = HashMap::new();
            }
        }
        self.asked_for_everything.notify_one();
    }

    pub fn is_everything_marked(&self) -> bool {
        self.everything.load(Ordering::SeqCst)
    }

    /// Waits until everything is marked, and clears that: whoever asked has to read all there is from now on. Not settled until
    /// [`Marks::passed`] follows.
    pub async fn begin_pass(&self) {
        loop {
            self.passing.fetch_add(1, Ordering::SeqCst);
            if self.everything.swap(false, Ordering::SeqCst) {
                return;
            }
            self.passed();
            self.asked_for_everything.notified().await;
        }
    }

    pub fn is_passing(&self) -> bool {
        self.is_everything_marked() || self.passing.load(Ordering::SeqCst) > 0
    }

    /// The pass is over.
    pub fn passed(&self) {
        self.passing.fetch_sub(1, Ordering::SeqCst);
        self.settled.notify_waiters();
    }

    /// Waits until a part has marks.
    pub async fn wait(&self, at: usize) {
        let Some((_, notify)) = self.parts.get(at) else { return std::future::pending().await };
        loop {
            let notified = notify.notified();
            if self.waiting_in(at) > 0 {
                return;
            }
            notified.await;
        }
    }

    /// How many marks a part has.
    pub fn waiting_in(&self, at: usize) -> usize {
        self.part(at).map_or(0, |(part, _)| part.waiting.len())
    }

    /// Takes up to so many marks: they are in flight until they are released.
    pub fn take(&self, at: usize, most: usize) -> (Claim<'_>, Claim<'_>) {
        let (mut copy, mut compare) = (Vec::new(), Vec::new());
        if let Some((mut part, _)) = self.part(at) {
            let Part { waiting, flying } = &mut *part;
            for (key, want) in waiting.extract_if(|_, _| true).take(most) {
                flying.insert(key.clone(), Flying::default());
                match want {
                    Want::Copy => copy.push(key),
                    Want::Compare => compare.push(key),
                }
            }
            if waiting.is_empty() && waiting.capacity() > 4096 {
                *waiting = HashMap::new();
            }
        }
        let claim = |keys| Claim { marks: self, part: at, keys };
        (claim(copy), claim(compare))
    }

    /// Claims those of the keys that are neither marked nor in flight: the others are seen to by those who have them, and again after that.
    pub fn claim(&self, at: usize, keys: Vec<Key>) -> Claim<'_> {
        let mut claimed = Vec::with_capacity(keys.len());
        if let Some((mut part, _)) = self.part(at) {
            for key in keys {
                if let Some(flying) = part.flying.get_mut(&key) {
                    flying.changed |= self.rules.follows(4);
                } else if !part.waiting.contains_key(&key) {
                    part.flying.insert(key.clone(), Flying::default());
                    claimed.push(key);
                }
            }
        }
        Claim { marks: self, part: at, keys: claimed }
    }

    fn release(&self, at: usize, done: impl Iterator<Item = (Key, Done)>) {
        let Some((mut part, notify)) = self.part(at) else { return };
        let everything = self.everything.load(Ordering::SeqCst);
        for (key, done) in done {
            let flying = part.flying.remove(&key).unwrap_or_default();
            let want = match done {
                _ if flying.changed => Some(Want::Copy),
                Done::Failed => self.rules.follows(4).then_some(Want::Compare),
                Done::Left => (flying.echoes > 0).then_some(Want::Compare),
                // A push for each of our own writes is their echo, more are somebody's.
                Done::Wrote(times) => (flying.echoes > times).then_some(Want::Compare),
                Done::WroteInPieces => None,
            };
            if let Some(want) = want
                && !everything
            {
                part.waiting.entry(key).or_insert(want);
            }
        }
        if part.waiting.is_empty() {
            if part.flying.is_empty() {
                self.settled.notify_waiters();
            }
        } else {
            notify.notify_one();
        }
    }

    /// Nothing is marked, nothing in flight, no pass under way.
    pub fn is_settled(&self) -> bool {
        let quiet = |at| self.part(at).is_none_or(|(part, _)| part.waiting.is_empty() && part.flying.is_empty());
        // In this order: a pass that begins counts itself before it clears the flag.
        !self.is_everything_marked() && self.passing.load(Ordering::SeqCst) == 0 && (0..self.parts.len()).all(quiet)
    }

    /// Waits until it is settled.
    pub async fn settle(&self) {
        loop {
            let notified = self.settled.notified();
            if self.is_settled() {
                return;
            }
            // What ends between the look and the wait is seen a moment later.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(5), notified).await;
        }
    }

    /// Marked keys, and keys in flight.
    pub fn count(&self) -> (usize, usize) {
        let counts = (0..self.parts.len()).filter_map(|at| self.part(at).map(|(part, _)| (part.waiting.len(), part.flying.len())));
        counts.fold((0, 0), |(waiting, flying), (more_waiting, more_flying)| (waiting + more_waiting, flying + more_flying))
    }
}

/// Keys in flight: nobody else reads or writes them for the target. Dropped unreleased, they are marked again.
#[derive(Debug)]
pub struct Claim<'m> {
    marks: &'m Marks,
    pub part: usize,
    pub keys: Vec<Key>,
}

impl Claim<'_> {
    /// The operation is over; `done` in the order of the keys.
    pub fn release(mut self, done: &[Done]) {
        let keys = std::mem::take(&mut self.keys);
        let done = done.iter().copied().chain(std::iter::repeat(Done::Failed));
        self.marks.release(self.part, keys.into_iter().zip(done));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        self.marks.release(self.part, keys.into_iter().map(|key| (key, Done::Failed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        Marks::new(1, 4, Rules::ALL)
    }

    fn key(name: &str) -> Key {
        name.as_bytes().to_vec()
    }

    #[test]
    fn a_key_that_changes_in_flight_is_copied_again_and_not_before() {
        let marks = marks();
        marks.changed(0, key("a"));
        let (copy, compare) = marks.take(0, 9);
        assert_eq!((&copy.keys, compare.keys.len()), (&vec![key("a")], 0));
        marks.changed(0, key("a"));
        assert_eq!(marks.count(), (0, 1));
        assert!(marks.claim(0, vec![key("a")]).keys.is_empty());
        copy.release(&[Done::Wrote(1)]);
        assert_eq!(marks.count(), (1, 0));
        assert!(marks.claim(0, vec![key("a")]).keys.is_empty(), "who has the mark will see to it");
        let (copy, _) = marks.take(0, 9);
        drop(copy);
        assert_eq!(marks.count(), (1, 0), "given up, so marked again");
        let (_, compare) = marks.take(0, 9);
        compare.release(&[Done::Left]);
        assert!(marks.is_settled());
    }

    #[test]
    fn a_stream_in_flight_is_compared_when_that_is_over() {
        let marks = marks();
        let claim = marks.claim(0, vec![key("stream")]);
        marks.compare(0, vec![key("stream"), key("other")]);
        let (_copy, compare) = marks.take(0, 9);
        assert_eq!(compare.keys, [key("other")], "one operation in flight for a key");
        claim.release(&[Done::Left]);
        assert_eq!(marks.take(0, 9).0.keys, [key("stream")]);
    }

    #[test]
    fn one_push_of_the_target_is_our_own_write_and_more_are_not() {
        for (done, echoes, again) in [
            (Done::Wrote(1), 1, false),
            (Done::Wrote(1), 2, true),
            (Done::Wrote(2), 2, false),
            (Done::Left, 0, false),
            (Done::Left, 1, true),
            (Done::WroteInPieces, 3, false),
            (Done::Failed, 0, true),
        ] {
            let marks = marks();
            let claim = marks.claim(0, vec![key("a")]);
            for _ in 0..echoes {
                marks.echoed(0, key("a"));
            }
            claim.release(&[done]);
            assert_eq!(marks.count().0 == 1, again, "{done:?} {echoes}");
        }
    }

    #[tokio::test]
    async fn too_many_marks_are_everything_and_nothing_is_forgotten() {
        let marks = marks();
        for name in ["a", "b", "c", "d", "e"] {
            marks.changed(0, key(name));
        }
        assert!(marks.is_everything_marked());
        assert_eq!(marks.count(), (0, 0));
        assert!(!marks.is_settled());
        marks.begin_pass().await;
        assert!(!marks.is_settled(), "a pass is under way");
        marks.changed(0, key("f"));
        marks.passed();
        assert_eq!(marks.count(), (1, 0), "what comes after the pass began is kept");
    }

    #[test]
    fn a_key_of_no_shard_marks_everything() {
        let marks = marks();
        marks.changed(1, key("a"));
        assert!(marks.is_everything_marked());
    }
}

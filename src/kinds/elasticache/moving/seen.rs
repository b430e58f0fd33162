//! What is seen of a move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::fence;
use super::live::LiveSeen;
use super::lock::{Lock, Return};
use super::names::Names;
use super::preflight::Preflight;
use super::reference::{Endpoints, Place};
use super::settings::Settings;
use super::{ATTEMPTS, LOOK_EVERY};
use crate::clock::later;
use crate::kinds::Fact;
use crate::kinds::elasticache::seen::Group;

/// Where a move stands. The default is one that was not looked at.
#[derive(Clone, Debug, Default)]
pub struct Moving {
    /// The names of the move that goes from the serving group, or that has come to it and is not finished.
    pub names: Option<Names>,
    pub lock: Fact<Lock>,
    /// The group that is moved, whatever serves.
    pub source: Fact<Source>,
    /// What the source is doing while its tags cannot be read for that reason alone: they can be when it is done.
    pub busy: Option<String>,
    pub target: Fact<Target>,
    /// The snapshots of all attempts so far, by name.
    pub snapshots: BTreeMap<String, Fact<Snapshot>>,
    /// For how long a restore is tried.
    pub restored_within: Duration,
    pub last_snapshot: Fact<Snapshot>,
    /// Of the target, before a way back after the commit deletes it. Not looked at while there is no such way back.
    pub back_snapshot: Fact<Snapshot>,
    /// Each place that names the address, in the manifest's order.
    pub references: Vec<Fact<Place>>,
    /// What stands in the way of a move, where one is wanted and none is under way.
    pub preflight: Option<Arc<Preflight>>,
    /// What refuses writes on the source after the commit.
    pub fence: fence::Seen,
    /// Who this process is.
    pub me: String,
    /// The mover of this process.
    pub live: Option<LiveSeen>,
    /// For how long the old group is kept.
    pub kept: Duration,
    /// When it was looked.
    pub at: Option<Timestamp>,
}

/// The group that is moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub group: Group,
    pub settings: Settings,
    /// What a move that was given up has left: which one, and why.
    pub given_up: Option<String>,
    /// What serves in its place is noted on it, after the soak.
    pub replaced: bool,
    /// The epoch of the last move that was taken back; 0: none was.
    pub epoch: u32,
    /// When it was created, as AWS says it.
    pub created: String,
    pub endpoints: Endpoints,
}

/// The group that it is moved into.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub group: Group,
    /// Nothing while its nodes are not there.
    pub settings: Option<Settings>,
    /// It carries the tag of this very move.
    pub ours: Fact<bool>,
    /// The logical name that it serves since the commit, and since when.
    pub serves: Fact<(String, Option<Timestamp>)>,
    /// When it was created, as AWS says it.
    pub created: Option<String>,
    /// It serves, and its writes are held still.
    pub held: bool,
    pub endpoints: Endpoints,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// creating, available, restoring, copying, deleting. No state says failed. [service model]
    pub status: String,
    /// It is of the source and carries the move's tag.
    pub ours: Fact<bool>,
}

/// Where a move is, as a plan goes on from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// There is none.
    None,
    /// It has begun and serves nobody yet, or is being taken back.
    UnderWay,
    /// The target serves, and a person wants the way back.
    Returning,
    /// The target serves, and has to be let go.
    Held,
    /// The target serves, and the old group is kept until then.
    Soaking(Option<Timestamp>),
    /// The soak is over.
    Over,
}

impl Moving {
    /// The snapshot of that name. One that was not looked at is of an attempt that has not begun, as far as AWS shows it.
    pub fn snapshot(&self, name: &str) -> Fact<&Snapshot> {
        self.snapshots.get(name).map_or_else(Fact::default, Fact::as_ref)
    }

    /// Whether the present attempt's snapshot has had its share of the time, and is not there.
    pub fn is_stuck(&self) -> bool {
        let began = self.lock.present().and_then(|lock| lock.attempt_since);
        let late = began.zip(self.at).is_some_and(|(began, at)| at >= later(began, self.restored_within / ATTEMPTS));
        let creating = |name: &String| self.snapshot(name).present().is_some_and(|snapshot| snapshot.status == "creating");
        late && self.target.is_absent() && self.present_snapshot().as_ref().is_some_and(creating)
    }

    /// The name of the present attempt's snapshot.
    pub fn present_snapshot(&self) -> Option<String> {
        let (names, lock) = (self.names.as_ref()?, self.lock.present()?);
        Some(names.snapshot(lock.epoch, lock.attempt))
    }

    pub fn stand(&self) -> Stand {
        let Some(lock) = self.lock.present() else { return Stand::None };
        match self.target.present().and_then(|target| target.serves.present()) {
            Some(_) if lock.returning.is_some_and(|returning| returning != Return::Stopped) => Stand::Returning,
            Some(_) if self.target.present().is_some_and(|target| target.held) => Stand::Held,
            // What serves goes forward only, whatever direction the lock says, unless a person asked for the way back: clients write there.
            Some((_, since)) => {
                let until = since.map(|since| later(since, self.kept));
                match (until, self.at) {
                    (Some(until), Some(at)) if at >= until => Stand::Over,
                    _ if lock.finalized => Stand::Over,
                    _ => Stand::Soaking(until),
                }
            }
            None => Stand::UnderWay,
        }
    }

    /// Whether it is time to look whether the source was written to, and to hold it on: only where it was held for the freeze.
    pub fn wants_look(&self) -> bool {
        let Some(lock) = self.lock.present().filter(|lock| lock.ledger.is_some()) else { return false };
        let due = lock.looked.zip(self.at).is_none_or(|(looked, at)| at >= later(looked, LOOK_EVERY));
        due && self.source.present().is_some() && matches!(self.stand(), Stand::Soaking(_))
    }

    /// Whether the target serves and still carries the tag of what a way back may delete.
    pub fn is_unclaimed(&self) -> bool {
        let target = self.target.present();
        target.is_some_and(|target| target.serves.present().is_some() && target.ours.present() == Some(&true))
    }
}

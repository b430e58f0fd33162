//! What a person sees of a move, and what a person can ask for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::fence;
use super::figures::Figures;
use super::lock::{Direction, Lock, Return};
use super::op::MoveOp;
use super::places::{self, Changed};
use super::plan::late;
use super::reference::{self, Turned};
use super::report::{self, Report};
use super::seen::{Moving, Stand};
use super::way_back::{barred, no_return};
use super::{ATTEMPTS, KEEP_OLD, observe, serving};
use crate::aws::{CallError, Reads};
use crate::clock::later;
use crate::kinds::elasticache::migration::{Cutover, Migration, Retire, WriteGap};
use crate::kinds::elasticache::observe::{clusters, groups};
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::spec::ReplicationGroupSpec;
use crate::kinds::{Fact, Scope, few};

/// Where a move stands, as AWS shows it now.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveStatus {
    /// The entry's name in the manifest.
    pub name: String,
    pub phase: MovePhase,
    /// When the phase began, RFC 3339, where AWS tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the old group is let go of, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The group that is moved.
    pub from: String,
    /// The group that it is moved into.
    pub to: String,
    /// What AWS says of that one; nothing where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_status: Option<String>,
    /// The object that holds the lock, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// The process that moves it: its machine, and the id of its state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Since when it does, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder_since: Option<String>,
    /// When it last said that it is alive, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_beat: Option<String>,
    /// From when on another process takes the move over, where it is not heard of again, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_from: Option<String>,
    /// Which snapshot is being restored, of three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Why it goes back, or was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Writes on the old group after the freeze, as far as they were found, and what stopped a way back: for a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<String>,
    /// Each place that names the address, and which group it names.
    pub places: Vec<PlaceStatus>,
    /// How far the process that moves it is, as that wrote it beside its journal: only with its `--state-dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Report>,
    /// How long ago that was written, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_age_seconds: Option<i64>,
    /// The bytes of the keys that are left to compare, about: by what the forecast counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_left: Option<u64>,
    /// How long it was thought to take before it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Figures>,
    /// How long it took, as far as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Figures>,
    /// Whether the old group refuses writes by itself, since the commit; after the move, how that is lifted where it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<String>,
    /// What happens next.
    pub next: String,
    /// What a person can do.
    pub can: Vec<String>,
    /// What could not be read.
    pub unread: Vec<String>,
}

/// A place that names the address.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceStatus {
    pub place: String,
    pub stands: String,
}

/// Where a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MovePhase {
    /// None is under way.
    None,
    /// It has begun, and a snapshot is taken.
    Snapshot,
    /// The snapshot is restored into the new group.
    Restore,
    /// The new group is there, and what changes is copied to it.
    Copy,
    /// The new group is there, and clients are turned to it.
    CutOver,
    /// The new group serves, and the old one is kept.
    Soak,
    /// The soak is over.
    Retire,
    /// It is taken back.
    RollBack,
    /// It was taken back, and is not begun again by itself.
    GivenUp,
    /// It was brought to its end.
    Finished,
    /// It could not be read where it stands.
    Unknown,
}

impl MovePhase {
    /// Whether nothing of it goes on: none is under way, or what is left is to wait.
    pub fn is_at_rest(self) -> bool {
        matches!(self, MovePhase::None | MovePhase::Soak | MovePhase::GivenUp | MovePhase::Finished)
    }

    /// In words for people.
    pub fn words(self) -> &'static str {
        match self {
            MovePhase::None => "no move is under way",
            MovePhase::Snapshot => "a snapshot is taken",
            MovePhase::Restore => "the snapshot is restored",
            MovePhase::Copy => "the new group is there, and follows the old one",
            MovePhase::CutOver => "clients are turned to the new group",
            MovePhase::Soak => "the new group serves, the old one is kept",
            MovePhase::Retire => "the old group is let go of",
            MovePhase::RollBack => "it is taken back",
            MovePhase::GivenUp => "it was taken back",
            MovePhase::Finished => "it is finished",
            MovePhase::Unknown => "it could not be read where it stands",
        }
    }
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveCommand {
    RollBack {
        /// After the commit: the writes that the way back cannot keep are given up.
        give_up_writes: bool,
    },
    Resume,
    Finalize,
}

/// A move as it is now, with what a person may ask of it.
pub struct Move {
    moving: Moving,
    spec: ReplicationGroupSpec,
    object: String,
    /// What a process of this state folder wrote of it, and when it was read.
    report: Option<Report>,
    /// What the last move left fenced.
    left: Option<String>,
    read: Timestamp,
}

impl Move {
    /// Reads where the move of an entry stands. Reads AWS.
    pub async fn look(reads: &Reads, scope: &Scope, spec: &ReplicationGroupSpec) -> Result<Move, CallError> {
        let (groups, clusters) = futures::try_join!(groups(reads), clusters(reads))?;
        let chain = serving(reads, scope, &groups, &spec.group_id()).await.map_err(|untold| match untold.busy {
            Some((group, status)) => {
                let message = format!("where the move stands cannot be told while {group} is {status}: ask again when it is available");
                CallError { message, ..untold.why }
            }
            None => untold.why,
        })?;
        let moving = observe(reads, scope, &chain, spec, &groups, &clusters).await;
        let left = fence::left(&chain, scope, &groups, &clusters);
        let of_lock = |lock: &Lock| report::read(reads.state(), &moving.names.as_ref()?.target, &lock.name);
        let report = moving.lock.present().and_then(of_lock);
        Ok(Move { moving, spec: spec.clone(), object: scope.object.clone(), report, left, read: Timestamp::now() })
    }

    fn lock(&self) -> Option<&Lock> {
        self.moving.lock.present()
    }

    fn phase(&self) -> MovePhase {
        let moving = &self.moving;
        if moving.lock.unknown().is_some() || moving.names.is_none() || moving.target.unknown().is_some() {
            return MovePhase::Unknown;
        }
        let target = moving.target.present();
        match (self.lock(), moving.stand()) {
            (None, _) => match (moving.source.present(), target) {
                (Some(source), _) if source.given_up.is_some() => MovePhase::GivenUp,
                (Some(source), _) if source.replaced => MovePhase::Finished,
                _ => MovePhase::None,
            },
            (Some(_), Stand::Held | Stand::Soaking(_)) => MovePhase::Soak,
            (Some(_), Stand::Over) => MovePhase::Retire,
            (Some(_), Stand::Returning) => MovePhase::RollBack,
            (Some(lock), _) if lock.direction == Direction::Back => MovePhase::RollBack,
            (Some(lock), _) => match target.map(|target| target.group.status.as_str()) {
                None => MovePhase::Snapshot,
                Some("creating" | "create-failed" | "deleting") => MovePhase::Restore,
                Some(_) if self.holds() && !lock.frozen => MovePhase::Copy,
                Some(_) => MovePhase::CutOver,
            },
        }
    }

    /// Whether writes are held while clients are turned.
    fn holds(&self) -> bool {
        self.spec.migration.as_ref().is_some_and(|migration| migration.gap() == WriteGap::None)
    }

    /// Where it stands.
    pub fn status(&self) -> MoveStatus {
        let (moving, phase) = (&self.moving, self.phase());
        let lock = self.lock();
        let target = moving.target.present();
        let serves = target.and_then(|target| target.serves.present()).and_then(|(_, since)| *since);
        let kept = self.spec.migration.as_ref().and_then(Migration::kept).unwrap_or(KEEP_OLD);
        let soaks = matches!(phase, MovePhase::Soak | MovePhase::Retire);
        let since = match phase {
            MovePhase::Soak | MovePhase::Retire => serves,
            MovePhase::Snapshot | MovePhase::Restore => lock.and_then(|lock| lock.attempt_since),
            _ => lock.and_then(|lock| lock.since),
        };
        let names = moving.names.as_ref();
        // What serves is held by nobody.
        let holds = lock.filter(|lock| !soaks && !lock.holder.is_empty());
        let given_up = moving.source.present().and_then(|source| source.given_up.clone());
        let unread = [moving.lock.unknown(), moving.source.unknown(), moving.target.unknown()].into_iter().flatten();
        let unread = unread.chain(moving.references.iter().filter_map(Fact::unknown)).filter(|_| moving.busy.is_none());
        MoveStatus {
            name: self.spec.name.clone(),
            phase,
            since: since.map(|since| since.to_string()),
            until: serves.filter(|_| soaks).map(|since| later(since, kept).to_string()),
            from: names.map(|names| names.source.clone()).unwrap_or_default(),
            to: names.map(|names| names.target.clone()).unwrap_or_default(),
            to_status: target.map(|target| target.group.status.clone()),
            held_by: lock.map(|lock| if lock.object.is_empty() { lock.name.clone() } else { lock.object.clone() }),
            holder: holds.map(|lock| lock.holder.clone()),
            holder_since: holds.and_then(|lock| lock.taken.or(lock.since)).map(|since| since.to_string()),
            last_beat: holds.and_then(|lock| lock.beat).map(|beat| beat.to_string()),
            dead_from: holds.and_then(Lock::dead_from).map(|dead| dead.to_string()),
            attempt: lock.map(|lock| lock.attempt),
            why: lock.map(|lock| lock.why.clone()).filter(|why| !why.is_empty()).or(given_up),
            late: if phase == MovePhase::RollBack { Vec::new() } else { late(moving) },
            places: self.places(),
            progress: self.report.clone().filter(|_| !phase.is_at_rest()),
            progress_age_seconds: self.report.as_ref().filter(|_| !phase.is_at_rest()).and_then(|report| {
                let at: Timestamp = report.at.parse().ok()?;
                Some(self.read.duration_since(at).as_secs())
            }),
            bytes_left: self.bytes_left().filter(|_| !phase.is_at_rest()),
            forecast: lock.and_then(|lock| lock.forecast),
            measured: lock
                .and_then(|lock| lock.measured)
                .or(self.report.as_ref().map(|report| report.measured))
                .filter(|found| *found != Figures::default()),
            fence: match lock {
                Some(_) => fence::words(moving).filter(|_| soaks || moving.stand() == Stand::Returning),
                None => self.left.clone(),
            },
            next: self.next(phase),
            can: self.can(phase),
            unread: unread.map(|why| format!("{}: {}", why.call, why.message)).collect(),
        }
    }

    fn bytes_left(&self) -> Option<u64> {
        let (report, bytes) = (self.report.as_ref()?, self.lock()?.forecast?.bytes?);
        let share = report.keys_left as f64 / report.keys_to_compare.max(1) as f64;
        Some((bytes as f64 * share.min(1.0)) as u64)
    }

    fn places(&self) -> Vec<PlaceStatus> {
        let places = self.cutover().iter().zip(&self.moving.references);
        let changed = self.changed_places().unwrap_or_default();
        let (from, to) = self.moving.names.as_ref().map(|names| (names.source.clone(), names.target.clone())).unwrap_or_default();
        let stands = |found: &Fact<reference::Place>| match found {
            Fact::Present(found) => match &found.turned {
                Turned::Source => format!("is not turned: it is {from}'s"),
                Turned::Begun => "is about to be turned".to_owned(),
                Turned::Turning(words) | Turned::TurningBack(words) => format!("is being turned: {words}"),
                Turned::Target => format!("is turned to {to}"),
                Turned::Back => "was turned back".to_owned(),
                Turned::Failed(why) | Turned::BackFailed(why) => why.clone(),
            },
            Fact::Absent => "is not there".to_owned(),
            Fact::Unknown(why) => format!("could not be read: {}", why.message),
        };
        let declared = places.map(|(cutover, found)| {
            let place = reference::words(&reference::pinned(cutover.clone(), found.present()));
            match changed.added.contains(&reference::words(cutover)) {
                true => PlaceStatus { place, stands: "is no place of this move: it was declared since it was begun".to_owned() },
                false => PlaceStatus { place, stands: stands(found) },
            }
        });
        let lost = "is not known: the move was begun with it, and the manifest does not declare it any more, or otherwise";
        let missing = changed.missing.iter().map(|place| PlaceStatus { place: place.clone(), stands: lost.to_owned() });
        declared.chain(missing).collect()
    }

    fn next(&self, phase: MovePhase) -> String {
        let name = &self.spec.name;
        let retired = self.spec.migration.as_ref().map_or(Retire::Keep, Migration::retired);
        match phase {
            MovePhase::None if self.spec.migration.is_none() => "nothing: `migration` is not declared on this entry".to_owned(),
            MovePhase::None => "`holdfast reconcile` begins one where a difference needs it, and consent is given".to_owned(),
            MovePhase::Snapshot => format!("`holdfast reconcile` goes on: the snapshot is restored ({ATTEMPTS} attempts at the most)"),
            MovePhase::Restore => {
                "`holdfast reconcile` goes on: the new group is compared with the old one, then clients are turned".to_owned()
            }
            MovePhase::Copy => {
                "`holdfast reconcile` goes on: when every key was compared, writes are held, and clients are turned".to_owned()
            }
            MovePhase::CutOver => "`holdfast reconcile` goes on: every place is turned, then the new group serves".to_owned(),
            MovePhase::Soak => match retired {
                Retire::Keep => "when the soak is over, the old group is tagged and left".to_owned(),
                Retire::Delete => "when the soak is over, a last snapshot is taken, and then the old group is deleted".to_owned(),
            },
            MovePhase::Retire => "`holdfast reconcile` brings it to its end".to_owned(),
            MovePhase::RollBack => "`holdfast reconcile` goes on: clients are turned back, then what the move made is deleted".to_owned(),
            MovePhase::GivenUp => format!("nothing, until `holdfast migration resume {name}` lets it be tried again"),
            MovePhase::Finished => "nothing".to_owned(),
            MovePhase::Unknown => "run again; where reading is denied, allow it to the role that holdfast runs as".to_owned(),
        }
    }

    fn can(&self, phase: MovePhase) -> Vec<String> {
        let name = &self.spec.name;
        let command = |command: &str| format!("holdfast migration {command} {name}");
        match phase {
            MovePhase::Snapshot | MovePhase::Restore | MovePhase::Copy | MovePhase::CutOver => vec![command("rollback")],
            MovePhase::Soak | MovePhase::Retire if no_return(&self.moving).is_none() => {
                let gives_up = self.lock().is_some_and(|lock| lock.ledger.is_none() || !lock.stopped.is_empty());
                let back = command("rollback");
                vec![if gives_up { format!("{back} --give-up-writes") } else { back }, command("finalize")]
            }
            MovePhase::Soak => vec![command("finalize")],
            MovePhase::GivenUp => vec![command("resume")],
            _ => Vec::new(),
        }
    }

    fn ask_back(&self, lock: &Lock, give_up: bool) -> (String, MoveOp) {
        let title = format!("Note that the move of {} is taken back after the commit", self.spec.name);
        (title, MoveOp::AskBack { lock: lock.name.clone(), give_up, places: self.unnoted(lock) })
    }

    /// The declared places.
    fn cutover(&self) -> &[Cutover] {
        self.spec.migration.as_ref().and_then(|migration| migration.cutover.as_deref()).unwrap_or_default()
    }

    /// The note of the places, where the lock has none.
    fn unnoted(&self, lock: &Lock) -> BTreeMap<String, String> {
        if lock.places.is_some() { BTreeMap::new() } else { places::tags(self.cutover()) }
    }

    /// How the declared places differ from those that the move was begun with, where its lock says which those are.
    fn changed_places(&self) -> Option<Changed> {
        Some(places::changed(self.lock()?.places.as_ref()?, self.cutover()))
    }

    /// Whether a way back after the commit can still be told to give writes up.
    fn may_still_give_up(&self, lock: &Lock) -> bool {
        self.moving.stand() == Stand::Returning && !lock.gives_up && matches!(lock.returning, Some(Return::Asked | Return::Reopened))
    }

    /// The step that a command is: its sentence and its operation, to be begun by the kind. Nothing where it is so already; an error says why it cannot be.
    pub fn step(&self, command: MoveCommand) -> Result<Option<(String, serde_json::Value)>, String> {
        let (name, phase) = (&self.spec.name, self.phase());
        if phase == MovePhase::Unknown {
            return Err(format!("it could not be read where the move of {name} stands: run `holdfast migration status {name}`"));
        }
        if let Some(lock) = self.lock().filter(|lock| !lock.ours || lock.object != self.object) {
            return Err(format!(
                "the lock {} was taken by {}: it is theirs to decide",
                lock.name,
                if lock.object.is_empty() { "somebody else" } else { &lock.object }
            ));
        }
        let step = match (command, phase, self.lock()) {
            (MoveCommand::RollBack { give_up_writes: true }, MovePhase::RollBack, Some(lock)) if self.may_still_give_up(lock) => {
                Some(self.ask_back(lock, true))
            }
            (MoveCommand::RollBack { .. }, MovePhase::RollBack, Some(lock)) if lock.places.is_none() => Some((
                format!("Note on the lock which places the move of {name} turns"),
                MoveOp::NotePlaces { lock: lock.name.clone(), places: places::tags(self.cutover()), asked: true },
            )),
            (MoveCommand::RollBack { .. }, MovePhase::RollBack, _) => None,
            (MoveCommand::RollBack { .. }, MovePhase::Snapshot | MovePhase::Restore | MovePhase::Copy | MovePhase::CutOver, Some(lock)) => {
                Some((
                    format!("Note that the move of {name} is taken back"),
                    MoveOp::GoBack {
                        lock: lock.name.clone(),
                        why: "asked for by holdfast migration rollback".to_owned(),
                        asked: true,
                        places: self.unnoted(lock),
                    },
                ))
            }
            (MoveCommand::RollBack { give_up_writes }, MovePhase::Soak | MovePhase::Retire, Some(lock)) => {
                if let Some(why) = no_return(&self.moving) {
                    return Err(format!("there is no way back: {why}; `holdfast migration finalize {name}` ends the soak"));
                }
                if lock.ledger.is_none() && !give_up_writes {
                    return Err(format!(
                        "the move was made without holding writes, so that what was written on the new group since it serves cannot be copied back: it would be in a last snapshot alone. `holdfast migration rollback {name} --give-up-writes` gives it up"
                    ));
                }
                // Before anything is held: the way back would come to no end.
                if let Some(missing) = self.changed_places().map(|changed| changed.missing).filter(|missing| !missing.is_empty()) {
                    return Err(format!(
                        "the move was made with a place that migration.cutover does not declare any more, or declares otherwise: {}; declare it again as it was, so that it can be turned back",
                        few(&missing)
                    ));
                }
                if let Some((why, what_to_do)) = barred(&self.moving).into_iter().next() {
                    return Err(format!("{why}, and it has to be turned back: {what_to_do}"));
                }
                Some(self.ask_back(lock, give_up_writes))
            }
            (MoveCommand::RollBack { .. }, ..) => return Err(format!("no move of {name} is under way: there is nothing to take back")),
            (MoveCommand::Finalize, MovePhase::Retire, Some(lock)) if lock.finalized || lock.returning.is_none() => None,
            (MoveCommand::Finalize, MovePhase::Soak | MovePhase::Retire, Some(lock)) => {
                Some((format!("Note that the soak of {name} is over"), MoveOp::Finalize { lock: lock.name.clone() }))
            }
            (MoveCommand::Finalize, ..) => return Err(format!("{name} does not soak ({}): there is nothing to end", phase.words())),
            (MoveCommand::Resume, MovePhase::GivenUp, _) => {
                let arn = self.moving.source.present().map(|source| source.group.arn.clone()).unwrap_or_default();
                Some((format!("Let the move of {name} be begun again"), MoveOp::Resume { arn }))
            }
            (MoveCommand::Resume, ..) => {
                return Err(format!("the move of {name} was not given up ({}): there is nothing to resume", phase.words()));
            }
        };
        match step {
            None => Ok(None),
            Some((title, op)) => match serde_json::to_value(Op::Move(Box::new(op))) {
                Ok(op) => Ok(Some((title, op))),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

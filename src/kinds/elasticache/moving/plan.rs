//! The steps of a move, from where it stands. Pure.

use std::time::Duration;

use super::fence;
use super::lock::{Direction, HOLDER_TAG, Lock, Return};
use super::names::Names;
use super::op::{MoveOp, Sides};
use super::seen::{Moving, Stand};
use super::{ATTEMPTS, FREEZE_BUDGET, KEEP_OLD, places, reference};
use crate::clock::later;
use crate::kinds::elasticache::migration::{Cutover, Migration, Retire, WriteGap};
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::token::TokenRef;
use crate::kinds::elasticache::{ReplicationGroups, version};
use crate::kinds::{Block, Fact, Impact, Planning, Reason, Step, Steps, Unreadable, few};
use crate::migration::mover::Phase;

/// A change that AWS makes at once.
pub(super) const AT_ONCE: Duration = Duration::from_secs(10 * 60);
/// A first copy while the source serves.
pub(super) const COPYING: Duration = Duration::from_secs(24 * 3600);
/// Starting an application's tasks anew, where they take long to come up and to drain.
pub(super) const ROLLOUT: Duration = Duration::from_secs(60 * 60);
/// Deleting a group, or waiting until one that is being made can be deleted.
pub(super) const DELETING: Duration = Duration::from_secs(90 * 60);

pub struct Plan<'a> {
    pub planning: &'a Planning<'a, ReplicationGroups>,
    pub migration: &'a Migration,
    pub names: &'a Names,
    pub moving: &'a Moving,
    /// The differences that the move repairs.
    fields: Vec<String>,
    pub(super) steps: Steps<Op>,
    last: Option<usize>,
}

/// Plans the move, or what stands in its way. `fields`: the differences that it is for.
pub fn plan(planning: &Planning<'_, ReplicationGroups>, fields: Vec<String>) -> Steps<Op> {
    let mut steps = Steps::default();
    let moving = &planning.seen.moving;
    let block = |steps: &mut Steps<Op>, reason, message: String, what_to_do: String| {
        steps.blocks.push(Block { reason, fields: fields.clone(), message, what_to_do });
    };
    let Some(migration) = &planning.spec.migration else {
        let message = "it is fixed when a group is made: this takes a move into a new group".to_owned();
        block(&mut steps, Reason::NeedsMigration, message, "declare `migration` on this entry (`holdfast explain elasticache.replicationGroups.migration`), or except the field until a date".to_owned());
        return steps;
    };
    let Some(names) = &moving.names else {
        block(&mut steps, Reason::Unreadable, "it could not be read where the move stands".to_owned(), "run again".to_owned());
        return steps;
    };
    // What serves is let go whatever the old group is doing.
    if let Some(status) = moving.busy.as_ref().filter(|_| moving.stand() != Stand::Held) {
        let title = format!("Wait until {} is available (it is {status})", names.source);
        let op = Op::Move(Box::new(MoveOp::Wait { source: names.source.clone() }));
        steps.push(Step::online(title, op, fields).back("nothing is changed").within(DELETING));
        return steps;
    }
    let mut unread = unread(moving);
    unread.dedup();
    for why in unread {
        block(
            &mut steps,
            Reason::Unreadable,
            format!("it could not be read where the move stands: {}: {}", why.call, why.message),
            why.what_to_do(),
        );
    }
    if !steps.blocks.is_empty() {
        return steps;
    }
    let mut plan = Plan { planning, migration, names, moving, fields, steps, last: None };
    match (&moving.lock, moving.stand()) {
        (Fact::Present(lock), _) if !lock.ours || lock.object != planning.scope.object => plan.block(
            Reason::Conflict,
            format!("the lock of this move, the cache parameter group {}, was taken by {}", lock.name, holder(lock)),
            "wait until that move has ended; if nobody moves this group, delete that parameter group".to_owned(),
        ),
        // Two that work at the same move would each undo what the other holds. What serves needs nobody to hold it.
        (Fact::Present(lock), Stand::UnderWay | Stand::Returning) if lock.is_held_by_another(&moving.me) && !lock.is_dead(moving.at) => plan.block(
            Reason::Conflict,
            format!("{} moves it{}{}", lock.holder, since(lock), heard(lock)),
            match lock.dead_from() {
                Some(dead) => format!(
                    "wait until that has ended, or run there; if it is not heard of again until {}, whoever runs then takes the move over",
                    dead.strftime("%Y-%m-%d %H:%M:%SZ")
                ),
                // A version that did not say that it is alive.
                None => format!(
                    "wait until that has ended, or run there; if it is gone for good: `aws elasticache remove-tags-from-resource --resource-name {} --tag-keys {}`, and run again",
                    lock.arn,
                    HOLDER_TAG
                ),
            },
        ),
        (Fact::Present(lock), Stand::UnderWay | Stand::Returning) if plan.says_changed_places(lock) => {}
        (Fact::Present(lock), Stand::UnderWay) if plan.goes_back(lock) => plan.back(lock, lock.direction != Direction::Back),
        (Fact::Present(lock), Stand::Returning) => plan.roll_back(lock),
        (Fact::Present(lock), Stand::Held) => plan.let_go(lock),
        (Fact::Present(lock), Stand::UnderWay) => plan.forward(Some(lock)),
        (Fact::Present(lock), stand @ (Stand::Soaking(_) | Stand::Over)) => {
            plan.claim();
            match stand {
                // The source has what a person has to decide about.
                Stand::Over if lock.returning == Some(Return::Stopped) && !lock.finalized => {
                    plan.raise_fence(&lock.name, plan.token());
                    plan.undecided(lock);
                }
                Stand::Over => plan.retire(),
                _ => {
                    match moving.wants_fence() {
                        // Which looks at the source when it is done.
                        true => plan.raise_fence(&lock.name, plan.token()),
                        false => plan.look_at_source(lock),
                    }
                }
            }
        }
        _ => plan.forward(None),
    }
    plan.steps
}

/// What a person should know of a move that waits.
pub fn notes(moving: &Moving) -> Vec<String> {
    let (Stand::Soaking(until), Some(names)) = (moving.stand(), &moving.names) else { return Vec::new() };
    let until =
        until.map_or_else(|| "a time that its tag does not say".to_owned(), |until| until.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    let mut notes = vec![format!("{} serves; {} {} is kept until {until}", names.target, names.old(), names.source)];
    notes.extend(fence::words(moving));
    notes.extend(late(moving));
    notes
}

/// What was found on the old group since the freeze, and what stopped a way back: for a person.
pub fn late(moving: &Moving) -> Vec<String> {
    let Some(lock) = moving.lock.present() else { return Vec::new() };
    // The mover of this process looks more often than is noted on the lock.
    let live = moving.live.as_ref().filter(|live| live.state.phase == Phase::Committed && !live.state.late.is_empty());
    let live = live.map(|live| format!("the old group was written to after the freeze: {}", live.state.late.join("; ")));
    let stopped = (lock.returning == Some(Return::Stopped)).then(|| format!("the way back was stopped: {}", lock.stopped));
    live.or_else(|| lock.late.clone()).into_iter().chain(stopped).collect()
}

/// What could not be read that every next step depends on. A place is asked about by those steps alone that depend on what it says.
fn unread(moving: &Moving) -> Vec<Unreadable> {
    if moving.stand() == Stand::Held {
        return [moving.lock.unknown(), moving.target.unknown()].into_iter().flatten().cloned().collect();
    }
    let all = [
        moving.lock.unknown(),
        moving.source.unknown(),
        moving.target.unknown(),
        moving.last_snapshot.unknown(),
        moving.back_snapshot.unknown(),
        moving.target.present().filter(|target| target.group.status == "available").and_then(|target| target.ours.unknown()),
    ];
    let snapshots = moving.snapshots.values().filter_map(Fact::unknown);
    all.into_iter().flatten().chain(snapshots).chain(fence::unread(moving)).cloned().collect()
}

fn since(lock: &Lock) -> String {
    lock.since.map(|since| format!(" since {}", since.strftime("%Y-%m-%d %H:%M:%SZ"))).unwrap_or_default()
}

fn heard(lock: &Lock) -> String {
    lock.beat.map(|beat| format!(", and was last heard of at {}", beat.strftime("%Y-%m-%d %H:%M:%SZ"))).unwrap_or_default()
}

fn holder(lock: &Lock) -> String {
    let since = since(lock);
    if lock.ours { format!("the object {}{since}", lock.object) } else { "somebody else: it does not carry holdfast's tags".to_owned() }
}

impl<'a> Plan<'a> {
    pub fn block(&mut self, reason: Reason, message: String, what_to_do: String) {
        self.steps.blocks.push(Block { reason, fields: self.fields.clone(), message, what_to_do });
    }

    /// How much stands in the way so far.
    pub fn blocks(&self) -> usize {
        self.steps.blocks.len()
    }

    pub fn note(&mut self, note: String) {
        self.steps.notes.push(note);
    }

    /// Adds a step that comes after the one before.
    pub(super) fn push(&mut self, title: String, op: MoveOp, change: impl FnOnce(Step<Op>) -> Step<Op>) {
        let step = Step::online(title, Op::Move(Box::new(op)), self.fields.clone()).within(AT_ONCE).after(self.last);
        self.last = Some(self.steps.push(change(step)));
    }

    /// Whether the restore has failed for the last time, or its time is over.
    pub(super) fn failed_for_good(&self, lock: &Lock) -> bool {
        let target = self.moving.target.present();
        let failed = target.is_some_and(|target| target.group.status == "create-failed");
        let there = target.is_some_and(|target| target.group.status != "create-failed" && target.group.status != "creating");
        let late = lock.since.zip(self.moving.at).is_some_and(|(since, at)| at >= later(since, self.moving.restored_within));
        failed && lock.attempt >= ATTEMPTS || late && !there
    }

    /// Whether clients were turned under a hold that this process knows nothing of: it was begun by another one, and may have ended.
    pub(super) fn lost_its_hold(&self, lock: &Lock) -> bool {
        let turned = self.moving.references.iter().any(|place| place.present().is_some_and(|found| !found.turned.is_back()));
        turned && (self.holds() || lock.frozen) && self.moving.live.is_none()
    }

    /// Whether writes are held while clients are turned.
    pub fn holds(&self) -> bool {
        self.migration.gap() == WriteGap::None
    }

    /// For how long the old group is kept.
    pub(super) fn kept(&self) -> Duration {
        self.migration.kept().unwrap_or(KEEP_OLD)
    }

    /// When the standalone cluster was created that is moved, as the lock notes it from the beginning on; nothing: a group is.
    pub(super) fn standalone(&self) -> Option<String> {
        let noted = self.moving.lock.present().and_then(|lock| lock.standalone.clone());
        noted.or_else(|| self.moving.source.present().map(|source| source.created.clone())).filter(|_| self.names.standalone)
    }

    pub(super) fn sides(&self, lock: String, epoch: u32, token: Option<TokenRef>) -> Sides {
        Sides { source: self.names.source.clone(), standalone: self.standalone(), target: self.names.target.clone(), lock, epoch, token }
    }

    /// The token, where one is declared and is there.
    pub(super) fn token(&self) -> Option<TokenRef> {
        self.planning.seen.token.present().cloned()
    }

    /// Takes over a move that nobody holds any more, before anything else.
    pub(super) fn adopt(&mut self, lock: &Lock) {
        if lock.is_held_by(&self.moving.me) && lock.is_settled() || lock.holder.is_empty() && self.moving.me.is_empty() {
            return;
        }
        let from = match lock.holder.as_str() {
            "" => String::new(),
            _ if lock.is_held_by(&self.moving.me) => String::new(),
            holder => format!(" from {holder}{}", heard(lock).replace(", and was", ", which was")),
        };
        let op = MoveOp::Adopt { lock: lock.name.clone(), from: lock.holder.clone() };
        self.push(format!("Take over the move of {}{from}", self.names.source), op, |step| step.back("nothing to take back: it is a tag"));
        let op = MoveOp::Count { lock: lock.name.clone(), heirs: lock.heirs.saturating_add(1) };
        self.push("Refuse the connections of whoever moved it before".to_owned(), op, |step| {
            step.back("nothing to take back: it is a tag")
        });
    }

    /// A commit that was not followed by letting the target go.
    fn let_go(&mut self, lock: &Lock) {
        let Some(target) = self.moving.target.present() else { return };
        let arn = target.group.arn.clone();
        let sides = self.sides(lock.name.clone(), lock.epoch, self.token());
        self.push_let_go(&self.names.target.clone(), sides, arn);
    }

    fn push_let_go(&mut self, target: &str, sides: Sides, arn: String) {
        self.push(format!("Let {target} take writes"), MoveOp::LetGo { sides, arn }, |step| step.back("nothing: it serves"));
    }

    /// The whole way, from the beginning: what is done already is found done.
    fn forward(&mut self, lock: Option<&Lock>) {
        let (Some(source), Some(members)) = (self.moving.source.present(), self.planning.seen.members.present()) else {
            let from = &self.names.source;
            let (message, what_to_do) = match lock.and_then(|lock| lock.standalone.as_ref()) {
                Some(created) => (
                    format!("the cluster {from} that the move was begun for, created at {created}, is not there any more"),
                    format!("`holdfast migration rollback {}` takes away what the move made", self.planning.spec.name),
                ),
                None => (format!("{from} is not there, and nothing serves in its place"), "correct the manifest".to_owned()),
            };
            self.block(Reason::Missing, message, what_to_do);
            return;
        };
        let epoch = lock.map_or(source.epoch + 1, |lock| lock.epoch);
        let name = self.names.lock(epoch);
        let begins = lock.is_some() || self.may_begin(source);
        let wish = self.wish(source, members, &name);
        let told = self.places_are_told();
        if lock.is_none() && !told {
            self.says_untold_places("no move is begun before that");
        }
        // What stands in the way before the first step is said at once. A move that has begun is judged by what it does.
        let clear = lock.is_some() || begins && self.is_clear(source) & self.names_nothing_twice();
        let Some(wish) = wish.filter(|_| begins && clear && (told || lock.is_some())) else { return };
        if let Some(lock) = lock.filter(|lock| !told && self.may_have_lost_its_hold(lock)) {
            self.adopt(lock);
            self.says_untold_places("if clients were turned there, they are turned back before anything else");
            return;
        }
        let attempt = lock.map_or(1, |lock| lock.attempt);
        let (from, to) = (self.names.source.clone(), self.names.target.clone());
        let object = self.planning.scope.object.clone();
        let cutover = self.cutover();
        let approved = self.migration.approved == Some(true);
        let clients = reference::all_words(&cutover);
        let back = format!("`holdfast migration rollback {}`: {from} is not touched before clients are turned", self.planning.spec.name);
        let turned_back =
            format!("`holdfast migration rollback {}`: clients are turned back, and {from} takes writes again", self.planning.spec.name);
        if let Some(lock) = lock {
            self.adopt(lock);
            self.note_places(lock);
        }
        if let Some(token) = wish.token.clone().filter(|_| wish.makes_token) {
            self.push(format!("Have AWS make a token, and store it in {}", token.secret_arn), MoveOp::MakeToken { token }, |step| {
                step.back("nothing uses it yet; the secret can be emptied by deleting and making it again")
            });
        }
        let family = version::family(&source.settings.engine, &source.settings.engine_version);
        let op = MoveOp::TakeLock {
            name: name.clone(),
            family,
            object: object.clone(),
            source: from.clone(),
            standalone: self.standalone(),
            target: to.clone(),
            cutover: cutover.clone(),
            places: places::tags(self.migration.cutover.as_deref().unwrap_or_default()),
            consent: String::new(),
        };
        let timeout = self.moving.restored_within;
        self.push(format!("Begin to move {from} into a new group, {to}"), op, |step| {
            let takes = format!(
                "a second group beside the first one for as long as both are kept (the same again per hour), clients turned to it in the end ({}){}",
                if clients.is_empty() { "nothing is declared to be turned".to_owned() } else { clients.join(", ") },
                match self.migration.gap() {
                    WriteGap::Accept => "; writes between the snapshot and that moment are lost, as `writeGap: Accept` says",
                    WriteGap::None => "",
                }
            );
            step.impact(Impact::Disruptive, takes).back(back.clone()).consented(approved)
        });
        let attempt = self.again(lock, attempt);
        let snapshot = self.names.snapshot(epoch, attempt);
        let cluster = source.group.snapshot_source.clone().filter(|_| !source.settings.cluster_mode);
        let op = MoveOp::Snapshot {
            name: snapshot.clone(),
            source: from.clone(),
            cluster,
            kms_key: wish.kms_key.clone(),
            target: to.clone(),
            lock: name.clone(),
        };
        self.push(format!("Take a snapshot of {from}, {snapshot}"), op, |step| {
            step.within(timeout)
                .back(back.clone())
                .also_takes("minutes, and some of the node's reserved memory; from a replica where there is one")
        });
        let op = MoveOp::Restore {
            lock: name.clone(),
            target: to.clone(),
            snapshot,
            object,
            settings: Box::new(source.settings.clone()),
            kms_key: wish.kms_key.clone(),
            tls: wish.tls,
            token: wish.token.clone(),
        };
        let how = if wish.token.is_some() {
            "encrypted, for TLS and the secret's token alone"
        } else if wish.tls {
            "encrypted, for TLS alone"
        } else {
            "encrypted"
        };
        self.push(format!("Restore it into {to}, {how}"), op, |step| {
            step.within(timeout).back(back.clone()).also_takes("10 to 60 minutes")
        });
        self.push(
            format!("Compare {to} with {from}, setting by setting"),
            MoveOp::Compare { source: from.clone(), target: to.clone(), lock: name.clone() },
            |step| step.back("nothing is changed"),
        );
        let held = self.holds();
        let sides = self.sides(name.clone(), epoch, wish.token.clone());
        let budget = self.migration.budget().unwrap_or(FREEZE_BUDGET);
        if held {
            let reopen = lock.is_some_and(|lock| lock.frozen);
            let op = MoveOp::Follow { sides: sides.clone(), reopen, budget_seconds: budget.as_secs(), kept_seconds: self.kept().as_secs() };
            self.push(format!("Copy to {to} whatever changes on {from}"), op, |step| {
                step.within(COPYING).back(back.clone()).also_takes("a quarter of a core of the old group's nodes at most")
            });
        }
        if !told {
            // Nothing is held for a place that may not be turned, and none is turned before the others.
            self.says_untold_places("until then no client is turned");
            self.begun_already();
            return;
        }
        if held {
            self.push(format!("Hold the writes of {from} until clients have moved"), MoveOp::Freeze { sides: sides.clone() }, |step| {
                let takes = format!(
                    "writes wait, and none is lost; reads go on; after {} s at the most all is turned back by itself",
                    budget.as_secs()
                );
                step.within(budget + AT_ONCE).impact(Impact::Disruptive, takes).back(turned_back.clone()).consented(approved)
            });
        }
        let words = reference::all_words(&cutover);
        for (place, (cutover, words)) in cutover.into_iter().zip(words).enumerate() {
            let reader = reference::reads_another(&cutover);
            let title = match (reader, reference::restarts(&cutover)) {
                (true, _) => format!("Start {words} anew, to read the address of {to}"),
                (false, []) => format!("Turn {words} to {to}"),
                (false, restarted) => format!("Turn {words} to {to}, and restart {}", few(restarted)),
            };
            let within = reference::turned_within(&cutover);
            let op = MoveOp::Turn {
                held,
                place,
                cutover,
                source: from.clone(),
                standalone: self.standalone(),
                target: to.clone(),
                lock: name.clone(),
                tls: wish.tls,
                token: wish.token.clone(),
            };
            self.push(title, op, |step| {
                step.within(within)
                    .impact(Impact::Disruptive, "clients that read it connect to the new group")
                    .back(format!("`holdfast migration rollback {}`", self.planning.spec.name))
                    .consented(approved)
            });
        }
        if held {
            self.push(format!("Send the clients of {from} away for good"), MoveOp::Fence { sides: sides.clone() }, |step| {
                step.impact(Impact::Disruptive, "connections to the old group are closed").back(turned_back.clone()).consented(approved)
            });
            self.push(format!("Prove once more that nothing was written on {from}"), MoveOp::Prove { sides: sides.clone() }, |step| {
                step.back("nothing is changed")
            });
        }
        let fenced_by = (name.clone(), wish.token.clone());
        let arn =
            self.moving.target.present().map(|target| target.group.arn.clone()).unwrap_or_else(|| arn_of(&source.group.arn, &from, &to));
        let kept = self.kept();
        let then = match self.migration.retired() {
            Retire::Keep => "then it is left, tagged",
            Retire::Delete => "then deleted, when a last snapshot was seen available",
        };
        let rollback = match held {
            true => format!("`holdfast migration rollback {}`", self.planning.spec.name),
            false => format!("`holdfast migration rollback {} --give-up-writes`", self.planning.spec.name),
        };
        self.push(
            format!("Let {to} serve as {}", self.planning.spec.name),
            MoveOp::Serve { held, name: self.planning.id.to_owned(), target: to.clone(), arn: arn.clone(), lock: name, token: wish.token },
            |step| {
                step.impact(Impact::Disruptive, format!("{} is kept for {}; {then}", self.names.old(), hours(kept)))
                    .back(format!("{rollback}: {from} is kept for {}", hours(kept)))
                    .consented(approved)
            },
        );
        let claim = MoveOp::Claim { target: to.clone(), arn: arn.clone() };
        self.push(format!("Note on {to} that it is nothing that may be taken away"), claim, |step| {
            step.back("nothing to take back: it is a tag")
        });
        if held {
            self.push_let_go(&to, sides, arn);
        }
        self.raise_fence(&fenced_by.0, fenced_by.1);
        self.consents(lock);
    }

    /// What is left of the commit, where a process ended in the middle of it.
    fn claim(&mut self) {
        if let Some(target) = self.moving.target.present().filter(|_| self.moving.is_unclaimed()) {
            let (to, arn) = (self.names.target.clone(), target.group.arn.clone());
            self.push(format!("Note on {to} that it is nothing that may be taken away"), MoveOp::Claim { target: to, arn }, |step| {
                step.back("nothing to take back: it is a tag")
            });
        }
    }

    /// Where a restore failed, or a snapshot is stuck: away with what is left of it, and the next attempt with another snapshot. Answers with the attempt
    /// that comes.
    fn again(&mut self, lock: Option<&Lock>, attempt: u32) -> u32 {
        let failed = self.moving.target.present().is_some_and(|target| target.group.status == "create-failed");
        let Some(lock) = lock.filter(|_| failed || self.moving.is_stuck()) else { return attempt };
        let to = self.names.target.clone();
        if failed {
            self.push(
                format!("Delete {to}, whose restore failed"),
                MoveOp::DropTarget { target: to, lock: lock.name.clone(), attempt, cutover: Vec::new(), last_snapshot: None },
                |step| step.within(DELETING).back("nothing to take back: it never came up"),
            );
            self.drop_snapshots(&lock.name);
        }
        let next = attempt + 1;
        self.push(
            format!("Note that it is tried again with another snapshot ({next} of {ATTEMPTS})"),
            MoveOp::NextAttempt { lock: lock.name.clone(), attempt: next },
            |step| step.back("nothing to take back: it is a tag"),
        );
        next
    }

    /// Away with the snapshots that are there. One that is still being made cannot be deleted: it is named, for a person.
    /// `lock`: the move's that has not ended.
    pub(super) fn drop_snapshots(&mut self, lock: &str) -> Vec<String> {
        let mut left = Vec::new();
        for (name, snapshot) in &self.moving.snapshots {
            match snapshot.present() {
                Some(snapshot) if snapshot.status == "creating" => left.push(name.clone()),
                Some(_) => {
                    let op = MoveOp::DropSnapshot { name: name.clone(), target: self.names.target.clone(), lock: lock.to_owned() };
                    self.push(format!("Delete the snapshot {name}"), op, |step| step.within(DELETING).back("its data is in the groups"));
                }
                None => {}
            }
        }
        left
    }

    /// What comes after the soak.
    fn retire(&mut self) {
        let (from, to, old) = (self.names.source.clone(), self.names.target.clone(), self.names.old());
        if let (Some(source), Some(lock)) = (self.moving.source.present(), self.moving.lock.present()) {
            match self.migration.retired() {
                Retire::Keep => {
                    // What is kept would take writes from now on that nobody finds again: it goes on refusing them.
                    self.raise_fence(&lock.name, self.token());
                    let op = MoveOp::NoteReplaced { source: from.clone(), arn: source.group.arn.clone(), target: to.clone() };
                    self.push(format!("Note on {from} that {to} serves in its place"), op, |step| {
                        step.back("nothing to take back: it is a tag")
                            .also_takes(&format!("{old} stays and is paid for until somebody deletes it"))
                    });
                }
                Retire::Delete => {
                    let name = self.names.last_snapshot();
                    let cluster = source.group.snapshot_source.clone().filter(|_| !source.settings.cluster_mode);
                    let op = MoveOp::LastSnapshot { name: name.clone(), source: from.clone(), cluster, target: to.clone() };
                    self.push(format!("Take a last snapshot of {from}, {name}"), op, |step| {
                        step.within(DELETING).back("delete the snapshot")
                    });
                    let op = MoveOp::DeleteSource {
                        source: from.clone(),
                        standalone: self.standalone(),
                        created: source.created.clone(),
                        last_snapshot: name.clone(),
                        target: to.clone(),
                        lock: lock.name.clone(),
                    };
                    self.push(format!("Delete {from}"), op, |step| {
                        step.within(DELETING)
                            .impact(Impact::Irreversible, format!("{old} is gone; its data as of now is in the snapshot"))
                            .back(format!("restore the snapshot {name}"))
                            .consented(true)
                    });
                }
            }
        }
        let left = self.drop_snapshots("");
        self.left(&left);
        // The lock tells what stands at a place of this move: it ends after that was taken off.
        if self.says_untold(reference::leaves_marks, "until then the move's lock stays") {
            return;
        }
        if let Some(lock) = self.moving.lock.present() {
            self.forget(&lock.name, &[]);
        }
        // What a kept group uses stays with it.
        if self.migration.retired() == Retire::Delete || !self.is_or_gets_fenced() {
            self.drop_fence();
        }
        self.unlock();
    }

    /// Says which snapshots a person has to delete.
    pub(super) fn left(&mut self, snapshots: &[String]) {
        for name in snapshots {
            self.steps.notes.push(format!("the snapshot {name} is still being made and cannot be deleted: delete it when it is available"));
        }
    }

    pub(super) fn unlock(&mut self) {
        let from = self.names.source.clone();
        let through = self.moving.lock.present().map_or(u32::MAX, |lock| lock.epoch);
        self.push(format!("End the move of {from}"), MoveOp::Unlock { name: self.names.locks(), through }, |step| {
            step.back("nothing to take back")
        });
    }

    /// The places, each with what was found out of it: a step is for that, and for nothing that goes by the same words later.
    pub(super) fn cutover(&self) -> Vec<Cutover> {
        let declared = self.migration.cutover.iter().flatten().cloned().enumerate();
        declared.map(|(place, cutover)| reference::pinned(cutover, self.moving.references.get(place).and_then(Fact::present))).collect()
    }
}

/// Whether the steps end with a new group that serves.
pub fn ends_serving(steps: &Steps<Op>) -> bool {
    steps.steps.iter().any(|step| matches!(&step.op, Op::Move(op) if matches!(**op, MoveOp::Serve { .. })))
}

/// The ARN of the target, from the source's: they differ in the id, and a standalone cluster is of another kind.
pub fn arn_of(arn: &str, source: &str, target: &str) -> String {
    let of_cluster = |rest: &str| rest.strip_suffix(":cluster:").map(|rest| format!("{rest}:replicationgroup:"));
    match arn.strip_suffix(source) {
        Some(rest) => format!("{}{target}", of_cluster(rest).unwrap_or_else(|| rest.to_owned())),
        None => String::new(),
    }
}

fn hours(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{} h", seconds / 3600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

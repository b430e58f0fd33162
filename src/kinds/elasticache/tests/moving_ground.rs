//! A whole move, from the account as it was found to the old group deleted, and what is demanded of the account at every moment of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::super::account::{Account, TOKEN};
use super::super::invariants::{Invariants, grouped};
use super::{OLD, PARAMETER, account, parameter, url};
use crate::execute::{End, Outcomes};
use crate::kinds::elasticache::moving::{EPOCH_TAG, GIVEN_UP_TAG};
use crate::kinds::testing::one_in;
use crate::sandbox::faults::{Fault, Faults};
use crate::sandbox::record::Recorded;
use crate::sandbox::world::World;

/// What a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// To the end of the soak and beyond: the old group is deleted.
    There,
    /// From the last moment before the commit, on command, to the account as it was found.
    Back,
    /// From the soak, on command, to the account as it was found, with a last snapshot of the new group.
    Return,
    /// The same three, of a standalone cluster.
    AloneThere,
    AloneBack,
    AloneReturn,
}

/// How the names of its locks begin.
const LOCK: &str = "holdfast-move-huntaze-redis-";

pub fn wish() -> String {
    super::wish(", keepOld: 2h, retire: Delete, restoreTimeout: 3h")
}

/// The account as it was found, with bystanders that look much like what a move makes.
pub fn found() -> World {
    let account = account();
    account.sandbox.edit(|world| {
        let groups = &mut world.elasticache.replication_groups;
        let other = groups[OLD].clone();
        groups.insert("huntaze-redis-other".to_owned(), other);
        let parameters = "{family: redis7, description: a lock of somebody else}";
        world.elasticache.parameter_groups.insert("holdfast-move-other-1".to_owned(), serde_yaml::from_str(parameters).unwrap());
    });
    account.sandbox.world()
}

/// The same, where what is moved is a standalone cluster; another one has the name of the bystander.
fn found_alone() -> World {
    let world = found();
    let account = Account::with(world, Faults::default());
    super::standalone::stands_alone(&account);
    account.sandbox.edit(|world| {
        let clusters = &mut world.elasticache.cache_clusters;
        let other = clusters[OLD].clone();
        clusters.insert("huntaze-redis-alone".to_owned(), other);
    });
    account.sandbox.world()
}

/// The lock's tag that says so.
pub fn turn_back(world: &mut World) -> bool {
    let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with(LOCK));
    lock.map(|(_, lock)| lock.tags.insert("holdfast.dev/direction".to_owned(), "back".to_owned())).is_some()
}

/// The account in the last moment before the commit, with the lock marked.
pub fn before_the_commit() -> World {
    last_moment(Course::There)
}

fn last_moment(course: Course) -> World {
    let whole = course.reference();
    let commit = whole.writes.iter().find(|write| write.operation == "AddTagsToResource" && write.body.contains("serves-since"));
    let first = Account::with(course.found(), Faults::once(commit.unwrap().number, Fault::EndBefore));
    block_on(ended(&first, &wish()));
    let mut world = first.sandbox.world();
    assert!(turn_back(&mut world));
    world
}

/// The account in the soak, with a person's wish to go back though writes are lost.
fn in_the_soak(course: Course) -> World {
    static SOAKS: [std::sync::OnceLock<World>; 2] = [const { std::sync::OnceLock::new() }; 2];
    let soaks = SOAKS[usize::from(course.is_alone())].get_or_init(|| {
        let account = Account::with(course.found(), Faults::default());
        let outcomes = block_on(account.apply(&wish()));
        assert_eq!(outcomes.resources[0].end, End::Changed);
        let mut world = account.sandbox.world();
        let locks = &mut world.elasticache.parameter_groups;
        let lock = locks.iter_mut().find(|(name, _)| name.starts_with(LOCK)).unwrap().1;
        for (key, value) in [("return", "asked"), ("give-up-writes", "yes")] {
            lock.tags.insert(format!("holdfast.dev/{key}"), value.to_owned());
        }
        world
    });
    soaks.clone()
}

/// An apply until the process ends, or to its own end.
pub async fn ended(account: &Account, wish: &str) -> Option<Outcomes> {
    tokio::select! {
        biased;
        _ = account.sandbox.ended() => None,
        outcomes = account.apply(wish) => Some(outcomes),
    }
}

/// What an undisturbed run does.
pub struct Reference {
    pub end: Value,
    pub writes: Vec<Recorded>,
    /// The calls that are worth a fault: of a question that is repeated while nothing is changed, the first and the last.
    pub places: Vec<(u64, bool)>,
    /// What each call asks for.
    pub operations: BTreeMap<u64, String>,
    /// How many things of each kind it made, and how many it deleted.
    pub counted: BTreeMap<String, usize>,
    /// The account at every write of the journal.
    pub moments: Vec<World>,
}

impl Course {
    pub const ALL: [Course; 6] = [Course::There, Course::Back, Course::Return, Course::AloneThere, Course::AloneBack, Course::AloneReturn];

    pub fn begin(self) -> World {
        match self {
            Course::There | Course::AloneThere => self.found(),
            Course::Back => before_the_commit(),
            Course::AloneBack => last_moment(Course::AloneThere),
            Course::Return | Course::AloneReturn => in_the_soak(self),
        }
    }

    fn is_alone(self) -> bool {
        matches!(self, Course::AloneThere | Course::AloneBack | Course::AloneReturn)
    }

    /// The account as it was found.
    pub fn found(self) -> World {
        if self.is_alone() { found_alone() } else { found() }
    }

    /// The course, whatever is moved.
    fn way(self) -> Course {
        match self {
            Course::AloneThere => Course::There,
            Course::AloneBack => Course::Back,
            Course::AloneReturn => Course::Return,
            course => course,
        }
    }

    /// Two runs with the soak between them, or to the end of the process.
    pub async fn run(self, account: &Account) -> Vec<Outcomes> {
        let mut all = Vec::new();
        for _ in 0..4 {
            let Some(outcomes) = ended(account, &wish()).await else { break };
            all.push(outcomes);
            let over = match self.way() {
                Course::There => all.len() == 2,
                Course::Back => true,
                // While a last snapshot is taken the group's tags cannot be read: another process comes too early, and says so.
                _ => account.sandbox.world().elasticache.parameter_groups.keys().all(|name| !name.starts_with(LOCK)),
            };
            if over {
                break;
            }
            account.sandbox.clock().advance(Duration::from_secs(7201));
        }
        all
    }

    /// What a call of an undisturbed run asks for.
    pub fn operation(self, call: u64) -> &'static str {
        self.reference().operations.get(&call).map_or("", String::as_str)
    }

    pub fn reference(self) -> &'static Reference {
        static ALL: [std::sync::OnceLock<Reference>; 6] = [const { std::sync::OnceLock::new() }; 6];
        ALL[self as usize].get_or_init(|| {
            let mut account = Account::with(self.begin(), Faults::default());
            let moments = Arc::new(Mutex::new(Vec::<World>::new()));
            let seen = Arc::clone(&moments);
            let invariants = Invariants::of(Arc::new(self.found()));
            account.watch = Some(Arc::new(move |world| {
                sound(world).unwrap();
                invariants.hold(world).unwrap();
                let mut seen = seen.lock().unwrap();
                if seen.last().is_none_or(|last| World { now: world.now, ..last.clone() } != *world) {
                    seen.push(world.clone());
                }
            }));
            let outcomes = block_on(self.run(&account));
            self.good(&outcomes).unwrap();
            let moments = std::mem::take(&mut *moments.lock().unwrap());
            let records = account.sandbox.recorded();
            Reference {
                end: self.end(&account),
                writes: account.sandbox.writes(),
                places: places(&records),
                operations: records.iter().map(|record| (record.number, record.operation.clone())).collect(),
                counted: counted(&records),
                moments,
            }
        })
    }

    /// Whether every run ended as it may where nothing is wrong for good.
    pub fn good(self, outcomes: &[Outcomes]) -> Result<(), String> {
        for one in outcomes.iter().flat_map(|outcomes| &outcomes.resources) {
            match (self.way(), &one.end) {
                (Course::There, End::Changed | End::Unchanged) | (Course::Back | Course::Return, End::RolledBack { .. }) => {}
                // What was taken back is not begun again by itself.
                (Course::Back | Course::Return, End::Blocked { .. } | End::Partly { .. }) => {}
                (_, end) => return Err(format!("{end:?} after {:?}", one.done)),
            }
        }
        let stopped: Vec<&String> = outcomes.iter().filter_map(|outcomes| outcomes.stopped.as_ref()).collect();
        if stopped.is_empty() { Ok(()) } else { Err(format!("{stopped:?}")) }
    }

    /// The account when everything has come to rest, without what follows from the time.
    pub fn end(self, account: &Account) -> Value {
        account.sandbox.clock().advance(Duration::from_secs(24 * 3600));
        shape(&account.sandbox)
    }

    /// Goes on from an account with another process, to the end.
    pub fn arrives(self, world: World, before: &[Recorded]) -> Result<(), String> {
        let next = Account::with(world, Faults::default());
        let outcomes = block_on(self.run(&next));
        self.good(&outcomes)?;
        sound(&next.sandbox.world())?;
        same(&self.reference().end, &self.end(&next))?;
        let mut records = before.to_vec();
        records.extend(next.sandbox.recorded());
        let counted = counted(&records);
        if counted == self.reference().counted { Ok(()) } else { Err(format!("made and deleted: {counted:?}")) }
    }
}

pub fn same(one: &Value, other: &Value) -> Result<(), String> {
    let differences = differences("", one, other);
    if differences.is_empty() { Ok(()) } else { Err(format!("another end: {}", differences.join("; "))) }
}

/// The account without times, the history of its secrets, and what a move that was taken back leaves written on the group.
pub fn shape(sandbox: &crate::sandbox::Sandbox) -> Value {
    let mut state = sandbox.snapshot();
    if let Some(Value::Object(secrets)) = state.pointer_mut("/secretsmanager/secrets") {
        for secret in secrets.values_mut() {
            let current =
                |version: &&Value| version["stages"].as_array().is_some_and(|stages| stages.iter().any(|one| one == "AWSCURRENT"));
            let text = secret["versions"].as_object().and_then(|all| all.values().find(current)).map(|one| one["secretString"].clone());
            secret["versions"] = text.unwrap_or_default();
            secret["changed"] = Value::Null;
        }
    }
    if let Some(Value::Object(snapshots)) = state.pointer_mut("/elasticache/snapshots") {
        for snapshot in snapshots.values_mut() {
            // The fence, of whichever attempt came through, or none where it was refused: how the group looks says the rest.
            if let Some(group) = snapshot.pointer_mut("/origin/parameterGroup")
                && group.as_str().is_none_or(|name| name.starts_with("holdfast-fence-"))
            {
                *group = Value::Null;
            }
        }
    }
    if let Some(Value::Object(parameters)) = state.pointer_mut("/ssm/parameters") {
        for parameter in parameters.values_mut() {
            let versions = parameter["versions"].as_object().cloned().unwrap_or_default();
            let last =
                versions.iter().max_by_key(|(number, _)| number.parse::<u64>().unwrap_or_default()).map(|(_, last)| last["value"].clone());
            let labels: Vec<Value> = versions.values().flat_map(|one| one["labels"].as_array().cloned().unwrap_or_default()).collect();
            parameter["versions"] = serde_json::json!([last, labels]);
        }
    }
    // Which deployment runs follows from how many there were.
    if let Some(service) = state.pointer_mut("/ecs/clusters/main/services/api") {
        let states: Vec<Value> = service["deployments"].as_array().into_iter().flatten().map(|one| one["rollout"].clone()).collect();
        service["deployments"] = Value::Array(states);
        service["made"] = Value::Null;
    }
    // A second move restores from a snapshot of its own name.
    if let Some(Value::Object(groups)) = state.pointer_mut("/elasticache/replicationGroups") {
        groups.values_mut().for_each(|group| group["restoredFrom"] = Value::Null);
    }
    for kind in ["replicationGroups", "cacheClusters"] {
        if let Some(Value::Object(tags)) = state.pointer_mut(&format!("/elasticache/{kind}/{OLD}/tags")) {
            tags.remove(GIVEN_UP_TAG);
            tags.remove(EPOCH_TAG);
        }
    }
    without_times(&mut state);
    state
}

fn without_times(value: &mut Value) {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => *text = "(a time)".to_owned(),
        Value::String(text) => {
            if let Some((words, seconds)) = text.rsplit_once(':')
                && seconds.len() == 10
                && seconds.bytes().all(|byte| byte.is_ascii_digit())
            {
                *text = format!("{words}:(a time)");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        Value::Object(members) => members.values_mut().for_each(without_times),
        _ => {}
    }
}

fn differences(path: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |members: &serde_json::Map<String, Value>, key: &String| members.get(key).cloned().unwrap_or(Value::Null);
            keys.into_iter().flat_map(|key| differences(&format!("{path}/{key}"), &of(one, key), &of(other, key))).collect()
        }
        (one, other) if one == other => Vec::new(),
        (one, other) => vec![format!("{path}: {one} -> {other}")],
    }
}

pub fn counted(records: &[Recorded]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    let made = |record: &&Recorded| {
        record.applied && ["Create", "Delete", "Put", "UpdateService"].iter().any(|verb| record.operation.starts_with(verb))
    };
    for record in records.iter().filter(made) {
        *counted.entry(record.operation.clone()).or_default() += 1;
    }
    counted
}

fn places(records: &[Recorded]) -> Vec<(u64, bool)> {
    let mut asked: BTreeMap<(usize, String), (u64, u64, bool)> = BTreeMap::new();
    let mut writes = 0;
    for record in records {
        let question = format!("{} {} {}", record.operation, record.path, record.body);
        let of = (record.number, record.number, record.writes);
        asked.entry((writes, question)).and_modify(|(_, last, _)| *last = record.number).or_insert(of);
        writes += usize::from(record.writes);
    }
    let places: BTreeSet<(u64, bool)> = asked.into_values().flat_map(|(first, last, writes)| [(first, writes), (last, writes)]).collect();
    places.into_iter().collect()
}

/// What must be so at every moment of every move, there and back.
pub fn sound(world: &World) -> Result<(), String> {
    static FOUND: [std::sync::OnceLock<Arc<World>>; 2] = [const { std::sync::OnceLock::new() }; 2];
    // The bystander tells which account it was.
    let course = if world.elasticache.cache_clusters.is_empty() { Course::There } else { Course::AloneThere };
    let found = FOUND[usize::from(course.is_alone())].get_or_init(|| Arc::new(course.found()));
    Invariants::of(Arc::clone(found)).hold(world)?;
    can_connect(&grouped(world))
}

/// Whatever an application reads now, it can connect to.
fn can_connect(world: &World) -> Result<(), String> {
    let held = |broken: bool, what: &str| if broken { Err(what.to_owned()) } else { Ok(()) };
    reads(world, &parameter(world))?;
    let secret = &world.secretsmanager.secrets["app"];
    let current: Vec<_> = secret.versions.values().filter(|version| version.stages.contains(&"AWSCURRENT".to_owned())).collect();
    held(current.len() != 1, "not one version of the secret is the current one")?;
    let text = &current[0].secret_string.as_ref().unwrap().0;
    held(!text.contains("\"kept\""), "the rest of the secret is lost")?;
    reads(world, text)?;
    // A task reads the parameter when it starts, and uses for as long as it runs what stood there.
    let versions = &world.ssm.parameters[PARAMETER].versions;
    for deployment in world.ecs.clusters["main"].services["api"].deployments.iter().filter(|one| format!("{:?}", one.rollout) != "Failed") {
        let stood = versions.values().rev().find(|version| version.created.is_some_and(|at| at <= deployment.created));
        reads(world, &stood.unwrap().value.0).map_err(|why| format!("a task of {}: {why}", deployment.id))?;
    }
    Ok(())
}

/// Whether an application that reads this address can connect.
fn reads(world: &World, text: &str) -> Result<(), String> {
    let groups = &world.elasticache.replication_groups;
    let up = |id: &String| matches!(groups[id].status.text(), "available" | "snapshotting" | "modifying");
    let held = |broken: bool, what: &str| if broken { Err(what.to_owned()) } else { Ok(()) };
    let named = groups.keys().find(|id| text.contains(&format!("@master.{id}.")) || text.contains(&format!("//{id}.")));
    let Some(named) = named else { return Err(format!("the application reads the address of a group that is not there: {text}")) };
    held(!up(named), &format!("the application reads the address of {named}, which is {}", groups[named].status.text()))?;
    let token = text.contains(&format!(":{TOKEN}@"));
    held(!groups[named].auth.admits(token.then_some(TOKEN)), "the application cannot log in")
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// So many of the points, from a seed, as `HOLDFAST_CASES` gives to a sweep of whole moves, each of which takes a hundred requests and more: a thirtieth.
/// All of them from 60,000 on.
pub fn sampled<P>(points: Vec<P>) -> Vec<P> {
    one_in(30, points)
}

/// Tries every point, and says all that fail. `HOLDFAST_SWEEP_POINT` names one of them to try alone.
pub fn sweep<P: Display + Sync>(points: &[P], try_one: impl Fn(&P) -> Result<(), String> + Sync) {
    sweep_on(std::thread::available_parallelism().map_or(2, usize::from).min(8), points, try_one);
}

/// The same, so many at once.
pub fn sweep_on<P: Display + Sync>(at_once: usize, points: &[P], try_one: impl Fn(&P) -> Result<(), String> + Sync) {
    assert!(!points.is_empty(), "nothing to try");
    let wanted = std::env::var("HOLDFAST_SWEEP_POINT").ok();
    let (next, tried, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if wanted.as_ref().is_some_and(|wanted| *wanted != point.to_string()) {
                        continue;
                    }
                    if let Err(why) = try_one(point) {
                        eprintln!("{point}: {why}");
                        failures.lock().unwrap().push(format!("{point}: {why}"));
                    }
                    let tried = tried.fetch_add(1, Ordering::Relaxed) + 1;
                    if tried.is_multiple_of(20) {
                        eprintln!("{tried} of {} points in {:.1} s", points.len(), began.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    eprintln!("{} points in {:.1} s", points.len(), began.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "{} of {} points fail:\n{}", failures.len(), points.len(), failures.join("\n"));
}

/// Whether the application reads what it read before.
pub fn reads_as_found(account: &Account) -> bool {
    let before = Account::with(found(), Faults::default());
    url(account) == url(&before) && parameter(&account.sandbox.world()) == parameter(&before.sandbox.world())
}

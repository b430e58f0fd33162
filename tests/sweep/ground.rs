//! The account, the runs over it, and what is demanded of their ends.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast::clock::Clock;
use holdfast::desired::Choice;
use holdfast::execute::{End, Interrupt, Journal, Moment, Outcomes};
use holdfast::plan::Plan;
use holdfast::reconcile::{Apply, Baseline, Request, apply, consent};
use holdfast::sandbox::faults::{Fault, Faults};
use holdfast::sandbox::record::Recorded;
use holdfast::sandbox::world::World;
use holdfast::sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::support;

const ACCOUNT: &str = include_str!("account.yaml");
const MANIFEST: &str = include_str!("manifest.yaml");
/// A Thursday, some days before any maintenance window.
const START: &str = "2026-01-15T10:00:00Z";

/// What an undisturbed run does.
pub struct Reference {
    pub plan: Plan,
    pub outcomes: Outcomes,
    /// The account afterwards, when everything has come to rest.
    pub end: Value,
    pub calls: u64,
    /// The numbers of the calls that are worth a fault: all but the repetitions of a question while nothing is changed, of which the
    /// first and the last count.
    pub places: Vec<u64>,
    /// The numbers of the calls that change something.
    pub writes: Vec<u64>,
    /// How many things of each kind it made.
    pub made: BTreeMap<String, i64>,
    /// The account and the journal's folder at each moment of each write of the journal.
    pub moments: Vec<(Moment, World, Kept)>,
}

/// What a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    Everything,
    Buckets,
    Databases,
    Caches,
    /// The trails and the detector, and the bucket that they deliver to.
    Audit,
}

impl std::fmt::Display for Course {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{self:?}")
    }
}

impl Course {
    pub const ALL: [Course; 5] = [Course::Everything, Course::Buckets, Course::Databases, Course::Caches, Course::Audit];
    /// Those that together are over every kind.
    pub const PARTS: [Course; 4] = [Course::Buckets, Course::Databases, Course::Caches, Course::Audit];

    fn choice(self) -> Choice {
        let only: &[&str] = match self {
            Course::Everything => &[],
            Course::Buckets => &["s3"],
            Course::Databases => &["rds"],
            Course::Caches => &["elasticache"],
            Course::Audit => &["cloudtrail", "guardduty", "s3.buckets/huntaze-audit", "s3.bucketPolicies/huntaze-audit"],
        };
        Choice { only: only.iter().map(|only| (*only).to_owned()).collect(), skip: Vec::new() }
    }

    /// What an undisturbed run of it does.
    pub fn reference(self) -> &'static Reference {
        static REFERENCES: [OnceLock<Reference>; 5] = [const { OnceLock::new() }; 5];
        REFERENCES[self as usize].get_or_init(|| {
            let sandbox = begin(Faults::default());
            let kept = Kept::nothing();
            let moments = Arc::new(Mutex::new(Vec::new()));
            let (seen, world, folder) = (Arc::clone(&moments), sandbox.clone(), kept.path().to_owned());
            let watch = move |moment| seen.lock().expect("no panic").push((moment, world.world(), Kept::copy(&folder)));
            let (plan, outcomes) = block_on(self.applied(&sandbox, kept.path(), watch)).expect("an undisturbed run");
            let calls = sandbox.calls();
            let mut moments: Vec<(Moment, World, Kept)> = std::mem::take(&mut *moments.lock().expect("no panic"));
            // Two moments that leave the same account and the same bytes are one.
            moments.dedup_by(|later, earlier| later.1 == earlier.1 && later.2.contents() == earlier.2.contents());
            let made = made(&sandbox.recorded());
            let writes = sandbox.writes().iter().map(|write| write.number).collect();
            let places = places(&sandbox.recorded());
            Reference { plan, outcomes, end: end_state(&sandbox), calls, places, writes, made, moments }
        })
    }

    /// A run with the journal in a copy of `kept`, to its end or to the end of its process.
    pub fn run(self, sandbox: Sandbox, kept: &Kept) -> Run {
        let state = Kept::copy(kept.path());
        let work = async {
            let applied = self.applied(&sandbox, state.path(), |_| {});
            tokio::pin!(applied);
            tokio::select! {
                biased;
                call = sandbox.ended() => {
                    // Now, while the journal is open: what sled would yet write as it is dropped, a killed process does not.
                    (Ended::Process(call), Kept::copy(state.path()))
                }
                // It takes half a second, and much longer beside everything else that a machine is busy with.
                done = tokio::time::timeout(Duration::from_secs(1200), &mut applied) => {
                    let ended = match done {
                        Ok(Ok((_, outcomes))) => Ended::Whole(outcomes),
                        Ok(Err(error)) => Ended::Failed(error),
                        Err(_) => Ended::Hung,
                    };
                    (ended, Kept::copy(state.path()))
                }
            }
        };
        let (end, kept) = catch_unwind(AssertUnwindSafe(|| block_on(work))).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            (Ended::Panicked(message.unwrap_or_default()), Kept::copy(state.path()))
        });
        Run { sandbox, end, kept }
    }

    /// An apply as the command line does it, with a watched journal.
    async fn applied(
        self,
        sandbox: &Sandbox,
        state: &Path,
        watch: impl Fn(Moment) + Send + Sync + 'static,
    ) -> Result<(Plan, Outcomes), String> {
        let baseline = baseline();
        let opened = Journal::open(state, "a test").map_err(|error| error.to_string())?;
        if let Some((place, why)) = opened.set_aside {
            return Err(format!("the journal was set aside as {}: {why}", place.display()));
        }
        let journal = opened.journal.watched(watch);
        let clock = sandbox.clock();
        let (consent, _) = consent::consent(&opened.past.consents, &baseline.scope.object, &[], clock.now());
        let request = Request { choice: self.choice(), consent, ..Request::default() };
        let look = support::looked(sandbox, baseline, &request).await?;
        let interrupt = Interrupt::default();
        let with = Apply { journal: &journal, clock: &clock, run: "sweep", interrupt: &interrupt, say: &|_| {} };
        let outcomes = apply(baseline, &look, &request.consent, &with).await.map_err(|error| error.to_string())?;
        Ok((look.plan, outcomes))
    }
}

/// A state folder as a process left it.
pub struct Kept(tempfile::TempDir);

impl Kept {
    pub fn nothing() -> Kept {
        // Journals are flushed to memory where there is such a folder: what a power cut does is not tried here.
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Kept(made.expect("a folder"))
    }

    /// What another process would find in `folder` if this one ended now.
    pub fn copy(folder: &Path) -> Kept {
        let kept = Kept::nothing();
        copy(folder, kept.path());
        kept
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The bytes of every file.
    fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut contents = BTreeMap::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    contents.insert(entry.strip_prefix(self.path()).expect("below").to_owned(), std::fs::read(&entry).expect("a file"));
                }
            }
        }
        contents
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder that can be read") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&place).expect("a folder");
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).expect("a copy");
        }
    }
}

/// The manifest, read once: that alone takes as long as many requests.
pub fn baseline() -> &'static Baseline {
    static BASELINE: OnceLock<Baseline> = OnceLock::new();
    BASELINE.get_or_init(|| support::baseline(MANIFEST))
}

/// How long a call takes, as over a busy network. Took it no time, whatever AWS does slowly would be asked for a thousand times more.
const CALL: Duration = Duration::from_secs(4);

fn options(faults: Faults) -> Options {
    let faults = Faults { rate: 1.0, kinds: vec![Fault::Slow(CALL)], ..faults };
    Options { clock: Clock::simulated(START.parse().expect("a time")), faults, ..Options::default() }
}

/// The account before any run.
pub fn begin(faults: Faults) -> Sandbox {
    Sandbox::from_yaml(ACCOUNT, options(faults)).expect("the account is right")
}

/// The account as an earlier process left it.
pub fn go_on(world: &World, faults: Faults) -> Sandbox {
    Sandbox::new(world.clone(), options(faults)).expect("the account is right")
}

/// How a run went.
pub struct Run {
    pub sandbox: Sandbox,
    pub end: Ended,
    /// What is on disk of its journal, had the process ended there.
    pub kept: Kept,
}

pub enum Ended {
    /// It came to its end.
    Whole(Outcomes),
    /// It failed as a whole.
    Failed(String),
    /// The process ended at this call.
    Process(u64),
    Hung,
    Panicked(String),
}

impl Ended {
    /// Whether everything is as declared.
    pub fn good(&self) -> Result<(), String> {
        let outcomes = match self {
            Ended::Whole(outcomes) => outcomes,
            Ended::Failed(error) => return Err(format!("the run failed: {error}")),
            Ended::Process(call) => return Err(format!("the process ended at call {call}")),
            Ended::Hung => return Err("it hung".to_owned()),
            Ended::Panicked(message) => return Err(format!("panic: {message}")),
        };
        if let Some(stopped) = &outcomes.stopped {
            return Err(format!("it stopped: {stopped}"));
        }
        let bad: Vec<String> = outcomes
            .resources
            .iter()
            .filter_map(|one| match &one.end {
                End::Changed | End::Unchanged => None,
                End::Failed { message, .. } => Some(format!("{} failed: {message}", one.key)),
                End::RolledBack { message, .. } => Some(format!("{} rolled back: {message}", one.key)),
                End::Blocked { blocks } | End::Partly { blocks } => {
                    Some(format!("{} blocked: {}", one.key, blocks.first().map_or("", |block| &block.message)))
                }
                End::Interrupted { .. } => Some(format!("{} interrupted", one.key)),
            })
            .collect();
        if bad.is_empty() { Ok(()) } else { Err(bad.join("; ")) }
    }

    /// Whether it ended as a run may that something happened to: with an answer.
    pub fn answered(&self) -> Result<(), String> {
        match self {
            Ended::Hung | Ended::Panicked(_) => self.good(),
            Ended::Whole(..) | Ended::Failed(_) | Ended::Process(_) => Ok(()),
        }
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    // One thread: the same calls in the same order each time.
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The account when everything that was begun has come to rest, without times.
pub fn end_state(sandbox: &Sandbox) -> Value {
    sandbox.clock().advance(Duration::from_secs(24 * 3600));
    let mut state = sandbox.snapshot();
    without_times(&mut state);
    state
}

pub fn without_times(value: &mut Value) {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => *text = "(a time)".to_owned(),
        // A tag that ends in the seconds at which it was set.
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

/// Everything that the manifest speaks of, and what is made for it.
const DECLARED: [&str; 14] = [
    "/s3/buckets/huntaze-assets",
    "/s3/buckets/huntaze-access-logs",
    "/s3/buckets/huntaze-audit",
    "/s3/versioningBefore",
    "/s3control",
    "/rds/instances/huntaze-postgres",
    "/rds/parameterGroups/holdfast-huntaze-postgres-postgres14",
    "/cloudtrail/trails/huntaze-audit",
    "/cloudtrail/trails/huntaze-data",
    "/guardduty",
    "/elasticache/replicationGroups/huntaze-sessions",
    "/elasticache/parameterGroups/holdfast-huntaze-sessions-redis7",
    "/elasticache/cacheClusters",
    "/secretsmanager/secrets/huntaze~1redis-auth/versions",
];

/// The rest of the account, without times.
fn strangers(snapshot: &Value) -> Value {
    let mut rest = snapshot.clone();
    for pointer in DECLARED {
        let Some((parent, name)) = pointer.rsplit_once('/') else { continue };
        if let Some(Value::Object(members)) = rest.pointer_mut(parent) {
            members.remove(&name.replace("~1", "/"));
        }
    }
    without_times(&mut rest);
    rest
}

/// How many things of each kind were made and not deleted again, by the requests that took effect.
pub fn made(records: &[Recorded]) -> BTreeMap<String, i64> {
    let mut made = BTreeMap::new();
    for record in records.iter().filter(|record| record.applied) {
        let (what, by) = match record.operation.strip_prefix("Create").or(record.operation.strip_prefix("Copy")) {
            Some(what) => (what, 1),
            None => match record.operation.strip_prefix("Delete") {
                // What is taken off a thing is no thing.
                Some(what) if !what.starts_with("Bucket") => (what, -1),
                _ => continue,
            },
        };
        *made.entry(format!("{}:{what}", record.service)).or_default() += by;
    }
    made.retain(|_, count| *count != 0);
    made
}

fn places(records: &[Recorded]) -> Vec<u64> {
    let mut asked: BTreeMap<(usize, String), (u64, u64)> = BTreeMap::new();
    let mut writes = 0;
    for record in records {
        let question = format!("{} {} {} {} {}", record.service, record.operation, record.path, record.query, record.body);
        asked.entry((writes, question)).and_modify(|(_, last)| *last = record.number).or_insert((record.number, record.number));
        writes += usize::from(record.writes);
    }
    let places: std::collections::BTreeSet<u64> = asked.into_values().flat_map(|(first, last)| [first, last]).collect();
    places.into_iter().collect()
}

/// Whether the account is where an undisturbed run leaves it.
pub fn arrived(course: Course, last: &Run) -> Result<(), String> {
    last.end.good()?;
    let reference = course.reference();
    let end = end_state(&last.sandbox);
    if end == reference.end { Ok(()) } else { Err(format!("another end: {}", differences("", &reference.end, &end).join("; "))) }
}

/// Whether the account is where an undisturbed run leaves it, and everything was made once.
pub fn judge(course: Course, last: &Run, records: &[Recorded]) -> Result<(), String> {
    arrived(course, last)?;
    let reference = course.reference();
    let made = made(records);
    if made != reference.made {
        return Err(format!("made {made:?}, an undisturbed run makes {:?}", reference.made));
    }
    Ok(())
}

/// Whether nothing was touched that nobody declared.
pub fn untouched(sandbox: &Sandbox) -> Result<(), String> {
    let now = strangers(&sandbox.snapshot());
    static BEFORE: OnceLock<Value> = OnceLock::new();
    let before = BEFORE.get_or_init(|| strangers(&begin(Faults::default()).snapshot()));
    if now == *before { Ok(()) } else { Err(format!("touched: {}", differences("", before, &now).join("; "))) }
}

pub fn differences(path: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |members: &serde_json::Map<String, Value>, key: &String| members.get(key).cloned().unwrap_or(Value::Null);
            keys.into_iter().flat_map(|key| differences(&format!("{path}/{key}"), &of(one, key), &of(other, key))).collect()
        }
        (one, other) if one == other => Vec::new(),
        (one, other) => vec![format!("{path}: {one} -> {other}")],
    }
}

/// Tries every point on all processors, and says all that fail. `HOLDFAST_SWEEP_POINT` names one of them to try alone, in the words in which it
/// was said to fail.
pub fn sweep<P: std::fmt::Display + Sync>(points: &[P], try_one: impl Fn(&P) -> Result<(), String> + Sync) {
    assert!(!points.is_empty(), "nothing to try");
    let wanted = std::env::var("HOLDFAST_SWEEP_POINT").ok();
    let next = AtomicUsize::new(0);
    let tried = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if wanted.as_ref().is_some_and(|wanted| *wanted != point.to_string()) {
                        continue;
                    }
                    tried.fetch_add(1, Ordering::Relaxed);
                    if let Err(why) = try_one(point) {
                        eprintln!("{point}: {why}");
                        failures.lock().expect("no panic").push(format!("{point}: {why}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let tried = tried.into_inner();
    eprintln!("{tried} points in {:.1} s", began.elapsed().as_secs_f64());
    assert!(tried > 0, "no point has the name {wanted:?}");
    let shown: Vec<&str> = failures.iter().take(40).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {} points fail:\n{}", failures.len(), points.len(), shown.join("\n"));
}

/// All of `points`, or as many as the inner loop is to try, from a seed.
pub fn sampled<P>(mut points: Vec<P>) -> Vec<P> {
    let cases = support::cases() as usize;
    if cases < 2000 && std::env::var_os("HOLDFAST_SWEEP_POINT").is_none() {
        fastrand::Rng::with_seed(3).shuffle(&mut points);
        points.truncate(cases);
    }
    points
}

/// Everything that can go wrong with a call.
pub fn every_fault() -> [Fault; 9] {
    [
        Fault::Throttle,
        Fault::ServerError,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::StaleRead,
        Fault::Denied,
        Fault::Slow(Duration::from_secs(60)),
        Fault::EndBefore,
        Fault::EndAfter,
    ]
}

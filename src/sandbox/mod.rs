//! An AWS inside the process: what `--sandbox` runs against, what the tests run against, and what
//! `holdfast sandbox serve` lends to any AWS client.
//!
//! It is written from the services' documentation and knows nothing of what `kinds` declare, so that it can
//! disagree with them. Requests reach it through the SDK's own HTTP client interface ([`Sandbox::http_client`]):
//! they are really serialised, and answers really parsed.

pub mod application;
pub mod call;
mod client;
mod cloudtrail;
mod delivery;
mod dispatch;
mod ecs;
pub(crate) mod elasticache;
pub mod faults;
mod guardduty;
mod ids;
mod kms;
pub mod protocol;
mod rds;
pub mod record;
pub mod redis;
mod s3;
mod s3control;
mod secretsmanager;
mod serve;
mod servers;
mod sns;
mod ssm;
mod sts;
mod tags;
#[cfg(test)]
mod testing;
pub mod world;

pub use servers::{FOLDER as SERVERS_FOLDER, left_servers};

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use call::{Answer, Call, Operation, Refusal};
use dispatch::Service;
use faults::{Fault, Faults};
use record::{Journal, Recorded};
use redis::Fleet;
use world::{Saved, World};

/// An AWS account in this process. Cheap to clone; clones share the account.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

/// How a sandbox behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time it lives in: lifecycles, slow answers and expiry run on it.
    pub clock: Clock,
    pub faults: Faults,
    /// Whether a fault that ends the process really kills this one (SIGKILL). Without it, calls stop returning
    /// and [`Sandbox::ended`] resolves.
    pub kill: bool,
    /// A folder into which each request is written, as a line of JSON, secrets masked; equal requests of one process once. The default is what
    /// the environment variable `HOLDFAST_SANDBOX_RECORD` names, so that a whole test suite can be recorded.
    pub record_dir: Option<PathBuf>,
    /// A file that always holds the account as the last write left it, for [`Sandbox::load`].
    pub save_to: Option<PathBuf>,
    /// How many requests are remembered for [`Sandbox::recorded`]; of more, the oldest are forgotten.
    pub remember: usize,
    /// Real Redis servers for the account's groups: those of a sandbox that "ended", which live on as AWS' do. None: new ones if the account asks for
    /// them (`elasticache.servers`), whose data stays beside [`Options::save_to`] if that is given.
    pub redis: Option<Fleet>,
}

impl Default for Options {
    fn default() -> Options {
        // The sandbox's own unit tests send what no client would, to see it refused: they are not recorded. A test's thread has the test's name.
        let hostile = || std::thread::current().name().is_none_or(|name| name.starts_with("sandbox::") || name == "main");
        let recorded = std::env::var_os("HOLDFAST_SANDBOX_RECORD").filter(|_| !cfg!(test) || !hostile());
        let record_dir = recorded.map(PathBuf::from);
        Options {
            clock: Clock::system(),
            faults: Faults::default(),
            kill: false,
            record_dir,
            save_to: None,
            remember: 100_000,
            redis: None,
        }
    }
}

/// The connection was cut: whether the request took effect, the client cannot know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was cut")]
pub struct Cut;

/// An account that cannot be set up, with line and column where the file is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAccount(String);

struct Inner {
    options: Options,
    /// When the sandbox began, on its clock.
    began: Timestamp,
    calls: AtomicU64,
    /// The number of the call that ended the process.
    ended: watch::Sender<Option<u64>>,
    fleet: Option<Fleet>,
    held: Mutex<Held>,
}

struct Held {
    world: World,
    /// When time-dependent things were last brought up to date; none after a change.
    settled: Option<Timestamp>,
    past: faults::Past,
    journal: Journal,
}

/// What became of a request.
enum Outcome {
    Answered(Response<Bytes>),
    Cut,
    /// The process is over: the client hears nothing more.
    Silence,
}

impl Sandbox {
    pub fn new(mut world: World, options: Options) -> Result<Sandbox, BadAccount> {
        world.check().map_err(BadAccount)?;
        world.elasticache.servers |= options.redis.is_some();
        let fleet = servers::of(&world, &options)?;
        world.servers = fleet.as_ref().map(|fleet| fleet.addresses().clone());
        let journal = Journal::open(options.record_dir.as_deref(), options.remember)
            .map_err(|error| BadAccount(format!("the folder for requests cannot be written: {error}")))?;
        // An account that was saved later than a simulated clock starts: time does not run backwards.
        if let Ok(ahead) = std::time::Duration::try_from(world.now.duration_since(options.clock.now())) {
            options.clock.advance(ahead);
        }
        let past = faults::Past::new(options.faults.any_stale());
        let sandbox = Sandbox(Arc::new(Inner {
            began: options.clock.now(),
            options,
            calls: AtomicU64::new(0),
            ended: watch::Sender::new(None),
            fleet,
            held: Mutex::new(Held { world, settled: None, past, journal }),
        }));
        sandbox.follow_first()?;
        sandbox.readdress();
        Ok(sandbox)
    }

    /// An account as a file describes it: a [`World`] as YAML.
    pub fn from_yaml(text: &str, options: Options) -> Result<Sandbox, BadAccount> {
        let world: World = serde_yaml::from_str(text).map_err(|error| BadAccount(error.to_string()))?;
        Sandbox::new(world, options)
    }

    /// An account as [`Options::save_to`] left it; none where there is no such file.
    pub fn load(path: &Path, options: Options) -> Result<Option<Sandbox>, BadAccount> {
        let bad = |error: String| BadAccount(format!("{}: {error}", path.display()));
        let text = match crate::plain::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(bad(error.to_string())),
        };
        let saved: Saved = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        let (world, mut options) = (saved.into_world(), options);
        // What is not saved must not change what is.
        if world.elasticache.servers && options.redis.is_none() && options.save_to.as_deref() != Some(path) {
            options.redis = Some(servers::picture(path)?);
        }
        Sandbox::new(world, options).map(Some)
    }

    /// One request, from its number to its answer. After a call that "ended the process" nothing returns.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Cut> {
        if self.is_over() {
            return std::future::pending().await;
        }
        let number = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let faults = self.0.options.faults.at(number);
        for fault in &faults {
            if let Fault::Slow(time) = fault {
                self.0.options.clock.sleep(*time).await;
            }
        }
        self.followed().await;
        let outcome = self.act(number, &faults, request);
        self.followed().await;
        match outcome {
            Outcome::Answered(response) => Ok(response),
            Outcome::Cut => Err(Cut),
            Outcome::Silence => std::future::pending().await,
        }
    }

    /// The requests so far, in the order of their numbers.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.lock().journal.recorded()
    }

    /// The requests so far that ask for a change, also where they were refused or cut.
    pub fn writes(&self) -> Vec<Recorded> {
        self.recorded().into_iter().filter(|recorded| recorded.writes).collect()
    }

    /// Forgets the requests so far; the numbers go on.
    pub fn forget_records(&self) {
        self.lock().journal.forget();
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The account as it is now, whole. To go on after the process "ended", start a new sandbox with it.
    pub fn world(&self) -> World {
        let mut held = self.lock();
        held.settle(self.0.options.clock.now());
        held.world.clone()
    }

    /// The account as it is now, for comparing end states and for showing: without secrets, of which only hashes are left.
    pub fn snapshot(&self) -> serde_json::Value {
        self.world().shown()
    }

    /// Changes the account behind everybody's back, as a colleague in the console does.
    pub fn edit<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let now = self.0.options.clock.now();
        let mut held = self.lock();
        held.settle(now);
        let Held { world, past, settled, .. } = &mut *held;
        past.before_write(now, world);
        *settled = None;
        change(world)
    }

    /// Saves the account as it is by now, where [`Options::save_to`] asks for it: what was waited for has come to pass, then.
    pub fn save(&self) -> std::io::Result<()> {
        let Some(path) = &self.0.options.save_to else { return Ok(()) };
        let mut world = self.world();
        world.now = self.clock().now();
        world.save(path)
    }

    pub fn clock(&self) -> Clock {
        self.0.options.clock.clone()
    }

    /// Resolves with the number of the call that "ended the process".
    pub async fn ended(&self) -> u64 {
        let mut ended = self.0.ended.subscribe();
        loop {
            if let Some(number) = *ended.borrow_and_update() {
                return number;
            }
            // The sender lives in `self`, so that this cannot fail while we wait.
            if ended.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.0.ended.borrow().is_some()
    }

    /// Ends the process, as it was asked to be ended; called with the account locked.
    fn end(&self, number: u64) -> Outcome {
        if self.0.options.kill {
            faults::kill_this_process();
        }
        self.0.ended.send_replace(Some(number));
        Outcome::Silence
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, number: u64, faults: &[Fault], request: Request<Bytes>) -> Outcome {
        let now = self.0.options.clock.now();
        let (parts, body) = request.into_parts();
        let call = dispatch::read(parts, body);
        let service = Service::of(&call);
        let operation = match service {
            Some(service) => service.operation(&call),
            None => Err(dispatch::unknown_service(&call)),
        };

        let mut held = self.lock();
        // Of the calls under way at the end, none takes effect after it.
        if self.is_over() {
            return Outcome::Silence;
        }
        let mut recorded = Recorded::of(number, now, service, operation.as_ref().ok(), &call);
        if let Some(fault) = faults.iter().find(|fault| !matches!(fault, Fault::Slow(_))) {
            recorded.fault = Some(fault.to_string());
        }
        if faults.contains(&Fault::CutBefore) || faults.contains(&Fault::EndBefore) {
            held.journal.add(recorded);
            return if faults.contains(&Fault::EndBefore) { self.end(number) } else { Outcome::Cut };
        }

        let result = operation.and_then(|operation| {
            let service = service.ok_or_else(|| dispatch::unknown_service(&call))?;
            self.judge(&mut held, faults, now, service, &operation, &call)
        });
        let request_id = ids::request_id(number);
        let answer = match result {
            Ok((answer, applied)) => {
                recorded.applied = applied;
                answer
            }
            Err(refusal) => {
                recorded.code = Some(refusal.code.clone());
                dispatch::refuse(service, &refusal, &request_id)
            }
        };
        let cut = faults.contains(&Fault::CutAfter);
        let ended = faults.contains(&Fault::EndAfter);
        if !cut && !ended {
            recorded.status = Some(answer.status.as_u16());
        }
        held.journal.add(recorded);
        if ended {
            self.end(number)
        } else if cut {
            Outcome::Cut
        } else {
            Outcome::Answered(dispatch::response(answer, &call, &request_id))
        }
    }

    /// The answer to a call whose operation is known, and whether it took effect.
    fn judge(
        &self,
        held: &mut Held,
        faults: &[Fault],
        now: Timestamp,
        service: Service,
        operation: &Operation,
        call: &Call,
    ) -> Result<(Answer, bool), Refusal> {
        held.settle(now);
        sts::admit(&held.world, service, call)?;
        if let Some(refusal) = self.0.options.faults.standing(service, operation, now.duration_since(self.0.began)) {
            return Err(refusal);
        }
        if let Some(refusal) = faults.iter().find_map(|fault| fault.refusal(service, operation)) {
            return Err(refusal);
        }
        if !operation.writes {
            if faults.contains(&Fault::StaleRead)
                && let Some(mut past) = held.past.stale()
            {
                return service.answer(&mut past, operation, call).map(|answer| (answer, false));
            }
            return service.answer(&mut held.world, operation, call).map(|answer| (answer, false));
        }
        let Held { world, past, .. } = held;
        past.before_write(now, world);
        let result = service.answer(world, operation, call);
        // Also after a refusal: what a service did before it refused is part of the account.
        held.settled = None;
        if let Some(path) = &self.0.options.save_to {
            held.world
                .save(path)
                .map_err(|error| Refusal::new(500, "InternalFailure", format!("The sandbox cannot save its account: {error}")))?;
        }
        result.map(|answer| (answer, true))
    }
}

impl Held {
    /// Lets everything that takes time become what it is by `now`.
    fn settle(&mut self, now: Timestamp) {
        // Calls that wait for each other may come out of order by a hair; the account's time does not run backwards.
        let now = now.max(self.world.now);
        self.world.now = now;
        if self.settled != Some(now) {
            self.world.settle(now);
            self.settled = Some(now);
        }
    }
}

/// Without the account: it holds secrets.
impl std::fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sandbox").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

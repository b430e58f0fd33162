//! An application beside the account: the tasks of an ECS service, which read an address from a parameter when they start, write to the Redis there all
//! the time, and remember what was acknowledged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::Value;
use secrecy::SecretString;
use tokio::task::JoinHandle;

use super::Sandbox;
use super::world::World;
use crate::migration::wire::{Endpoint, Link, Login, Name, Tls};

/// Writers, each a connection of its own.
const TASKS: usize = 4;
/// Keys of each writer, which it writes again and again.
const KEYS: u64 = 500;
/// Between two writes of a writer: it is an application, no load test.
const PAUSE: Duration = Duration::from_millis(2);
/// Until a task that could not connect is started anew.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a write waits for its answer: longer than any freeze.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where an application finds its Redis, and what starts it anew.
#[derive(Clone, Debug)]
pub struct Reads {
    /// The parameter with the address, `redis://host:port/0`.
    pub parameter: String,
    /// Cluster and service in ECS.
    pub service: (String, String),
}

/// The application while it runs.
pub struct Application {
    sandbox: Sandbox,
    reads: Reads,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What its writers saw.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The last acknowledged number of each key.
    acknowledged: BTreeMap<String, u64>,
    writes: u64,
    starts: u64,
    longest: Duration,
}

/// What became of everything that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub writes: u64,
    /// How often a task was started, the first time included.
    pub starts: u64,
    /// The longest time that a task was without an acknowledged write, by the clock on the wall.
    pub longest: Duration,
    /// Keys of which a later value was acknowledged than the one that is there.
    pub lost: Vec<String>,
}

impl Application {
    /// Starts its tasks, on the runtime of the caller.
    pub fn start(sandbox: &Sandbox, reads: Reads) -> Application {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let task = |number: usize| {
            let task = Task { number, sandbox: sandbox.clone(), reads: reads.clone(), stop: Arc::clone(&stop), seen: Arc::clone(&seen) };
            tokio::spawn(task.run())
        };
        let tasks = (0..TASKS).map(task).collect();
        Application { sandbox: sandbox.clone(), reads, stop, seen, tasks }
    }

    /// Ends the tasks and compares what they were told with what is there. An error says why that could not be seen.
    pub async fn end(mut self) -> Result<Account, String> {
        self.stop.store(true, Ordering::SeqCst);
        for task in std::mem::take(&mut self.tasks) {
            // One that waits for a held write is not waited for.
            if tokio::time::timeout(Duration::from_secs(5), task).await.is_err() {
                break;
            }
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let to = address(&self.sandbox, &self.reads).ok_or_else(|| format!("{} holds no address", self.reads.parameter))?;
        let name = Name { migration: "application".to_owned(), epoch: 1, role: "check" };
        let link = Link::connect(&to, 0, &name, None).await.map_err(|error| error.to_string())?;
        let mut lost = Vec::new();
        for (key, number) in &seen.acknowledged {
            let found = link.ask(redis::cmd("GET").arg(key), Duration::from_secs(10)).await.map_err(|error| error.to_string())?;
            let found = match found {
                Value::BulkString(text) => String::from_utf8_lossy(&text).parse().unwrap_or(0),
                _ => 0,
            };
            if found < *number {
                lost.push(key.clone());
            }
        }
        Ok(Account { writes: seen.writes, starts: seen.starts, longest: seen.longest, lost })
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Task {
    number: usize,
    sandbox: Sandbox,
    reads: Reads,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

impl Task {
    async fn run(self) {
        let (mut value, mut last) = (0, None);
        while !self.stop.load(Ordering::SeqCst) {
            let deployment = deployment(&self.sandbox.world(), &self.reads);
            let name = Name { migration: format!("application{}", self.number), epoch: 1, role: "app" };
            let link = match address(&self.sandbox, &self.reads) {
                Some(to) => Link::connect(&to, 0, &name, None).await.ok(),
                None => None,
            };
            match link {
                Some(link) => {
                    self.with(|seen| seen.starts += 1);
                    self.write(&link, &mut value, &mut last, &deployment).await;
                }
                None => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Writes until the connection breaks, or the service's tasks are replaced.
    async fn write(&self, link: &Link, value: &mut u64, last: &mut Option<Instant>, deployment: &Option<String>) {
        let mut looked = Instant::now();
        while !self.stop.load(Ordering::SeqCst) {
            *value += 1;
            let key = format!("app:{}:{}", self.number, *value % KEYS);
            let Ok(Value::Okay) = link.ask(redis::cmd("SET").arg(&key).arg(*value), PATIENCE).await else { return };
            let since = last.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
            self.with(|seen| {
                seen.acknowledged.insert(key, *value);
                seen.writes += 1;
                seen.longest = seen.longest.max(since);
            });
            tokio::time::sleep(PAUSE).await;
            if looked.elapsed() > AGAIN {
                looked = Instant::now();
                if self::deployment(&self.sandbox.world(), &self.reads) != *deployment {
                    return;
                }
            }
        }
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The newest deployment of the service.
fn deployment(world: &World, reads: &Reads) -> Option<String> {
    let (cluster, service) = &reads.service;
    world.ecs.clusters.get(cluster)?.services.get(service)?.deployments.first().map(|deployment| deployment.id.clone())
}

/// What a task connects to that starts now.
fn address(sandbox: &Sandbox, reads: &Reads) -> Option<Endpoint> {
    let world = sandbox.world();
    let (_, version) = world.ssm.parameters.get(&reads.parameter)?.versions.last_key_value()?;
    let url = version.value.0.clone();
    let (scheme, rest) = url.split_once("://")?;
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (host, port) = host.split('/').next()?.rsplit_once(':')?;
    let token = user.split_once(':').map(|(_, token)| SecretString::from(token.to_owned()));
    let tls = match scheme {
        "rediss" => Tls::On { roots: sandbox.redis().and_then(|fleet| std::fs::read(fleet.ca_file()).ok()) },
        _ => Tls::Off,
    };
    Some(Endpoint { host: host.to_owned(), port: port.parse().ok()?, login: Login { user: None, token, tls } })
}

//! Groups of redis-servers that a test holds and writes to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::task::JoinHandle;

use crate::migration::side::{Shard, Side};
use crate::migration::slot;
use crate::migration::wire::{Endpoint, Link, Login, Name, WireError};
use crate::sandbox::redis::{Server, ServerOptions, program};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// One shard's processes.
pub(super) struct Processes {
    pub(super) primary: Server,
    pub(super) replicas: Vec<Server>,
}

/// A group: its processes, killed at the end.
pub(super) struct Group {
    pub(super) shards: Vec<Processes>,
    pub(super) side: Side,
    _folder: tempfile::TempDir,
}

/// How a group is made.
pub(super) struct Made {
    pub(super) program: PathBuf,
    pub(super) shards: usize,
    pub(super) replicas: usize,
    pub(super) cluster: bool,
    pub(super) config: Vec<String>,
}

impl Made {
    /// A primary with so many replicas; nothing where there is no redis-server.
    pub(super) fn plain(replicas: usize) -> Option<Made> {
        let Some(program) = program() else {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs redis-server\n");
            return None;
        };
        Some(Made { program, shards: 1, replicas, cluster: false, config: Vec::new() })
    }

    pub(super) fn cluster(shards: usize, replicas: usize) -> Option<Made> {
        Some(Made { shards, cluster: true, ..Made::plain(replicas)? })
    }

    pub(super) async fn start(self) -> Group {
        let folder = tempfile::tempdir().unwrap();
        let mut shards = Vec::new();
        for shard in 0..self.shards {
            let primary = self.server(&folder, &format!("p{shard}"));
            let mut replicas = Vec::new();
            for replica in 0..self.replicas {
                replicas.push(self.server(&folder, &format!("p{shard}r{replica}")));
            }
            shards.push(Processes { primary, replicas });
        }
        let slots = |shard: usize| {
            let first = shard * 16_384 / self.shards;
            let last = (shard + 1) * 16_384 / self.shards - 1;
            (first as u16, last as u16)
        };
        let side = Side {
            shards: shards
                .iter()
                .enumerate()
                .map(|(number, shard)| Shard {
                    primary: endpoint(&shard.primary),
                    replicas: shard.replicas.iter().map(endpoint).collect(),
                    slots: if self.cluster { vec![slots(number)] } else { vec![] },
                })
                .collect(),
            databases: if self.cluster { 1 } else { 16 },
        };
        let group = Group { shards, side, _folder: folder };
        if self.cluster {
            group.join().await;
        } else {
            // Told so, a replica connects at once; from its configuration within a second.
            for replica in &group.side.shards[0].replicas {
                tell(&foreign(replica).await, &["REPLICAOF", "127.0.0.1", &group.primary().port.to_string()]).await;
            }
        }
        for shard in &group.side.shards {
            let primary = foreign(&shard.primary).await;
            eventually("replicas follow", async || {
                let info = primary.info("replication").await.unwrap();
                let online =
                    |number: usize| info.members(&format!("slave{number}")).is_some_and(|slave| slave.get("state") == Some(&"online"));
                (0..shard.replicas.len()).all(online)
            })
            .await;
        }
        group
    }

    fn server(&self, folder: &tempfile::TempDir, name: &str) -> Server {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut config = self.config.clone();
        if self.cluster {
            config.extend([
                "cluster-enabled yes".to_owned(),
                "cluster-node-timeout 2000".to_owned(),
                "cluster-replica-no-failover yes".to_owned(),
            ]);
        }
        // A free port may be taken before the server has it, and a cluster's node needs the one 10,000 above too.
        (0..20)
            .find_map(|_| {
                let port = if self.cluster { 10_000 + fastrand::u16(0..20_000) } else { 0 };
                let options =
                    ServerOptions { program: self.program.clone(), host: "127.0.0.1".to_owned(), port, rdb: None, config: config.clone() };
                Server::start(&folder, &options).ok()
            })
            .expect("a redis-server starts")
    }
}

impl Group {
    async fn join(&self) {
        let first = foreign(&self.side.shards[0].primary).await;
        let mut ids = Vec::new();
        let mut nodes = 0;
        for shard in &self.side.shards {
            let primary = foreign(&shard.primary).await;
            let (from, to) = shard.slots[0];
            tell(&primary, &["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]).await;
            ids.push(words(&tell(&primary, &["CLUSTER", "MYID"]).await));
            for node in std::iter::once(&shard.primary).chain(&shard.replicas) {
                nodes += 1;
                // As redis-cli does: equal epochs are told apart later otherwise, in the middle of a test.
                tell(&foreign(node).await, &["CLUSTER", "SET-CONFIG-EPOCH", &nodes.to_string()]).await;
                if nodes > 1 {
                    tell(&first, &["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()]).await;
                }
            }
        }
        let all = || self.side.shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas));
        for node in all() {
            let link = foreign(node).await;
            eventually("all nodes meet", async || {
                words(&tell(&link, &["CLUSTER", "NODES"]).await).lines().filter(|line| !line.contains("handshake")).count() == nodes
            })
            .await;
        }
        for (shard, id) in self.side.shards.iter().zip(&ids) {
            for replica in &shard.replicas {
                tell(&foreign(replica).await, &["CLUSTER", "REPLICATE", id]).await;
            }
        }
        for node in all() {
            let link = foreign(node).await;
            let epoch = format!("cluster_current_epoch:{nodes}\r\n");
            eventually("the cluster is ok", async || {
                let info = words(&tell(&link, &["CLUSTER", "INFO"]).await);
                info.contains("cluster_state:ok") && info.contains(&epoch)
            })
            .await;
        }
    }

    pub(super) fn primary(&self) -> &Endpoint {
        &self.side.shards[0].primary
    }

    pub(super) fn replica(&self, number: usize) -> &Endpoint {
        &self.side.shards[0].replicas[number]
    }
}

pub(super) fn endpoint(server: &Server) -> Endpoint {
    Endpoint { host: server.host.clone(), port: server.port, login: Login::default() }
}

pub(super) fn us(epoch: u64) -> Name {
    Name { migration: "test".to_owned(), epoch, role: "test" }
}

/// Nobody of the migration, from the first moment on.
pub(super) fn stranger() -> Name {
    Name { migration: "stranger".to_owned(), epoch: 1, role: "api" }
}

/// A connection that is not ours.
pub(super) async fn foreign(to: &Endpoint) -> Link {
    foreign_as(to, "api-7").await
}

pub(super) async fn foreign_as(to: &Endpoint, name: &str) -> Link {
    let link = Link::connect(to, 0, &stranger(), None).await.unwrap();
    tell(&link, &["CLIENT", "SETNAME", name]).await;
    link
}

pub(super) fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command
}

pub(super) async fn tell(link: &Link, words: &[&str]) -> Value {
    link.ask(&command(words), 10 * SECOND).await.unwrap()
}

pub(super) async fn asked(link: &Link, words: &[&str], within: Duration) -> Result<Value, WireError> {
    link.ask(&command(words), within).await
}

pub(super) fn words(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

/// A command sent without waiting for its answer, which comes at the end of the task.
pub(super) fn sent(link: &Link, words: &[&str]) -> JoinHandle<Result<Value, WireError>> {
    let (link, command) = (link.clone(), command(words));
    tokio::spawn(async move { link.ask(&command, 60 * SECOND).await })
}

/// Waits until this client waits for something.
pub(super) async fn is_held(seen_from: &Link, id: i64) {
    eventually("a command is held", async || {
        let list = words(&tell(seen_from, &["CLIENT", "LIST", "ID", &id.to_string()]).await);
        list.contains(" flags=b")
    })
    .await;
}

pub(super) async fn eventually(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + 20 * SECOND;
    while !is().await {
        assert!(Instant::now() < until, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Several connections that write continuously, each its own keys with rising numbers, and remember what was acknowledged. Each follows a reference as
/// an application does: reads it when it starts, goes back to the same address when its connection breaks, and starts again when told to.
pub(super) struct Application {
    /// The primaries, as an application is told them. A connection goes to the one of its number, with keys that are there.
    reference: Arc<std::sync::Mutex<Vec<Endpoint>>>,
    restarts: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    connections: Vec<JoinHandle<BTreeMap<String, u64>>>,
    pub(super) acknowledged: Arc<AtomicU64>,
}

const KEYS: u64 = 40;

impl Application {
    pub(super) fn start(side: &Side, connections: usize) -> Application {
        let mut application = Application {
            reference: Arc::new(std::sync::Mutex::new(primaries(side))),
            restarts: Arc::default(),
            stop: Arc::default(),
            connections: Vec::new(),
            acknowledged: Arc::default(),
        };
        for connection in 0..connections {
            let (reference, restarts) = (Arc::clone(&application.reference), Arc::clone(&application.restarts));
            let (stop, acknowledged) = (Arc::clone(&application.stop), Arc::clone(&application.acknowledged));
            let shard = connection % side.shards.len();
            let tag = (0..).map(|number| format!("{number}")).find(|tag| side.shards[shard].holds(slot::of(tag.as_bytes()))).unwrap();
            let own = Own { shard, prefix: format!("app:{connection}:{{{tag}}}:") };
            application.connections.push(tokio::spawn(write(own, reference, restarts, stop, acknowledged)));
        }
        application
    }

    /// Turns the reference; the consumers do not know until they start again.
    pub(super) fn refer(&self, to: &Side) {
        *self.reference.lock().unwrap() = primaries(to);
    }

    /// Restarts all consumers: whatever they wait for is given up.
    pub(super) fn restart(&self) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) async fn writes_more(&self, count: u64) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + count;
        eventually("the application writes", async || self.acknowledged.load(Ordering::SeqCst) >= goal).await;
    }

    /// Ends it, and counts the acknowledged writes that are not at this node, nor overwritten by a later one of its own.
    pub(super) async fn lost(self, at: &Side) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.restart();
        let mut links = Vec::new();
        for primary in primaries(at) {
            links.push(foreign(&primary).await);
        }
        let mut lost = 0;
        for connection in self.connections {
            for (key, acknowledged) in connection.await.unwrap() {
                let link = &links[at.shard_of(key.as_bytes()).unwrap()];
                let found = words(&tell(link, &["GET", &key]).await).parse::<u64>().unwrap_or(0);
                lost += usize::from(found < acknowledged);
            }
        }
        lost
    }
}

fn primaries(side: &Side) -> Vec<Endpoint> {
    side.shards.iter().map(|shard| shard.primary.clone()).collect()
}

/// A connection's shard and keys.
struct Own {
    shard: usize,
    prefix: String,
}

async fn write(
    own: Own,
    reference: Arc<std::sync::Mutex<Vec<Endpoint>>>,
    restarts: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> BTreeMap<String, u64> {
    let mut written = BTreeMap::new();
    let mut number = 0u64;
    while !stop.load(Ordering::SeqCst) {
        let life = restarts.load(Ordering::SeqCst);
        let address = reference.lock().unwrap()[own.shard].clone();
        while restarts.load(Ordering::SeqCst) == life {
            let Ok(link) = Link::connect(&address, 0, &stranger(), None).await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let _ = asked(&link, &["CLIENT", "SETNAME", "api-7"], SECOND).await;
            while restarts.load(Ordering::SeqCst) == life {
                number += 1;
                let key = format!("{}{}", own.prefix, number % KEYS);
                let text = number.to_string();
                let question = [("SET"), key.as_str(), text.as_str()];
                let writing = asked(&link, &question, 600 * SECOND);
                let restarted = async {
                    while restarts.load(Ordering::SeqCst) == life {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                };
                let answer = tokio::select! {
                    answer = writing => answer,
                    () = restarted => break,
                };
                match answer {
                    Ok(_) => {
                        written.insert(key, number);
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(_) => break,
                }
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
    }
    written
}

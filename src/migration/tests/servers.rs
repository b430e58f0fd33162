//! Servers, and what tests ask of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::migration::copy::{CatchUp, Epoch, Settings, Trouble};
use crate::migration::side::{Rules, Shard, Side};
use crate::migration::wire::{Endpoint, Link, Login, Name};
use crate::sandbox::redis::{Server, ServerOptions, program};

/// A server in a folder of its own.
pub struct Here {
    pub server: Server,
    _folder: tempfile::TempDir,
}

/// The redis-server of 6.2, where there is one.
pub fn program_62() -> Option<PathBuf> {
    let named = std::env::var_os("HOLDFAST_REDIS_62").map(PathBuf::from);
    named.filter(|program| program.is_file())
}

/// A server with these lines of configuration; nothing where none is installed.
pub fn server(config: &[&str]) -> Option<Here> {
    server_of(program(), 0, config)
}

pub fn server_of(program: Option<PathBuf>, port: u16, config: &[&str]) -> Option<Here> {
    let Some(program) = program else {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs redis-server\n");
        return None;
    };
    let config: Vec<String> = config.iter().map(|line| (*line).to_owned()).collect();
    // A free port may be somebody else's a moment later.
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let options = ServerOptions { program: program.clone(), host: "127.0.0.1".to_owned(), port, rdb: None, config: config.clone() };
        if let Ok(server) = Server::start(folder.path(), &options) {
            return Some(Here { server, _folder: folder });
        }
    }
    panic!("no server");
}

impl Here {
    pub fn endpoint(&self) -> Endpoint {
        endpoint(self.server.port)
    }

    pub fn side(&self) -> Side {
        side(self.server.port)
    }

    /// A client of this database.
    pub async fn client(&self, database: u32) -> Client {
        client(&self.endpoint(), database).await
    }
}

pub fn endpoint(port: u16) -> Endpoint {
    Endpoint { host: "127.0.0.1".to_owned(), port, login: Login::default() }
}

/// A group of one node without cluster mode.
pub fn side(port: u16) -> Side {
    Side { shards: vec![Shard { primary: endpoint(port), replicas: vec![], slots: vec![] }], databases: 16 }
}

/// An application.
#[derive(Clone)]
pub struct Client(pub Link);

pub async fn client(at: &Endpoint, database: u32) -> Client {
    let name = Name { migration: "somebody-else".to_owned(), epoch: 0, role: "application" };
    Client(Link::connect(at, database, &name, None).await.unwrap())
}

impl Client {
    /// A command in words.
    pub async fn run(&self, words: &str) -> Value {
        self.run_all(&words.split_whitespace().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()).await
    }

    pub async fn run_all<W: AsRef<[u8]>>(&self, words: &[W]) -> Value {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        self.try_all(&words).await.unwrap()
    }

    pub async fn try_all(&self, words: &[&[u8]]) -> Result<Value, crate::migration::wire::WireError> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        self.0.ask(&command, Duration::from_secs(20)).await
    }

    /// So many keys of so many bytes.
    pub async fn fill(&self, prefix: &str, keys: usize, bytes: usize) {
        for chunk in (0..keys).collect::<Vec<_>>().chunks(1000) {
            let mut all = redis::Pipeline::new();
            for key in chunk {
                all.cmd("SET").arg(format!("{prefix}{key}")).arg(vec![b'a' + (key % 26) as u8; bytes]);
            }
            self.0.ask_all(&all, Duration::from_secs(20)).await.unwrap();
        }
    }
}

pub fn name(epoch: u64) -> Name {
    Name { migration: "test".to_owned(), epoch, role: "copy" }
}

/// As fast as it goes, with these rules.
pub fn settings(rules: Rules) -> Settings {
    Settings { rules, load: 100, ..Settings::new(Epoch::new(1)) }
}

pub async fn catch_up(source: &Side, target: &Side, rules: Rules) -> CatchUp {
    CatchUp::start(source.clone(), target.clone(), name(1), settings(rules)).await.unwrap()
}

/// Waits until the first full pass is over.
pub async fn passed(copier: &CatchUp) {
    let began = Instant::now();
    while copier.progress().passes == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "waited for a full pass: {:?}", copier.progress());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits for a state, no longer than 20 s.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let began = Instant::now();
    while !is().await {
        assert!(began.elapsed() < Duration::from_secs(20), "waited for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn drained(copier: &CatchUp) -> Result<crate::migration::copy::Proof, Trouble> {
    copier.drain(Duration::from_secs(20)).await
}

/// All that differs between two sides, in words; empty: nothing does. What has expired by the end counts on neither.
pub async fn difference(one: &Side, other: &Side) -> Vec<String> {
    let (mut here, mut there) = (contents(one).await, contents(other).await);
    let keys: std::collections::BTreeSet<_> = here.keys().chain(there.keys()).cloned().collect();
    let now = now();
    let alive = |content: &Content| content.expires.is_none_or(|expires| expires > now);
    let mut all = Vec::new();
    for key in keys {
        let (a, b) = (here.remove(&key).filter(alive), there.remove(&key).filter(alive));
        let same = match (&a, &b) {
            (Some(a), Some(b)) => a.value == b.value && a.expires_like(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !same {
            let (database, name) = &key;
            all.push(format!("{database}:{} is {} and {}", String::from_utf8_lossy(name), short(&a), short(&b)));
        }
    }
    all
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub value: String,
    /// In milliseconds since 1970.
    pub expires: Option<i64>,
    /// To the millisecond; not so before 7.0.
    exact: bool,
}

impl Content {
    fn expires_like(&self, other: &Content) -> bool {
        let slack = if self.exact && other.exact { 0 } else { 100 };
        match (self.expires, other.expires) {
            (Some(one), Some(other)) => one.abs_diff(other) <= slack,
            (one, other) => one == other,
        }
    }
}

fn short(content: &Option<Content>) -> String {
    content.as_ref().map_or("absent".to_owned(), |content| format!("{:.200} expiring {:?}", content.value, content.expires))
}

/// Every key of a side in words, by database and name; functions as keys of database 99.
pub async fn contents(side: &Side) -> BTreeMap<(u32, Vec<u8>), Content> {
    let mut all = BTreeMap::new();
    for shard in &side.shards {
        let first = client(&shard.primary, 0).await;
        let info = first.0.info("keyspace").await.unwrap();
        for database in info.databases().into_keys() {
            let client = client(&shard.primary, database).await;
            let mut cursor = "0".to_owned();
            loop {
                let Value::Array(page) = client.run(&format!("SCAN {cursor} COUNT 1000")).await else { panic!() };
                let Value::Array(keys) = &page[1] else { panic!() };
                let looks = keys.iter().map(|key| {
                    let Value::BulkString(key) = key else { panic!() };
                    let client = &client;
                    async move { content(client, key).await.map(|content| ((database, key.clone()), content)) }
                });
                all.extend(futures::future::join_all(looks).await.into_iter().flatten());
                let Value::BulkString(next) = &page[0] else { panic!() };
                cursor = String::from_utf8(next.clone()).unwrap();
                if cursor == "0" {
                    break;
                }
            }
        }
        if let Ok(Value::Array(mut libraries)) = first.try_all(&[b"FUNCTION", b"LIST", b"WITHCODE"]).await {
            libraries.sort_by_key(|library| format!("{library:?}"));
            for library in libraries {
                let content = Content { value: "a library".to_owned(), expires: None, exact: true };
                all.insert((99, format!("{library:?}").into_bytes()), content);
            }
        }
    }
    all
}

/// A key's type, value and expiry; nothing where it is gone.
async fn content(client: &Client, key: &[u8]) -> Option<Content> {
    let ask = |words: Vec<Vec<u8>>| async move { client.run_all(&words).await };
    let on = |command: &str, rest: &[&str]| {
        let mut words = vec![command.as_bytes().to_vec(), key.to_vec()];
        words.extend(rest.iter().map(|word| word.as_bytes().to_vec()));
        words
    };
    let kind = match ask(on("TYPE", &[])).await {
        Value::SimpleString(kind) => kind,
        other => panic!("{other:?}"),
    };
    let sorted = |value: Value| match value {
        Value::Array(mut values) | Value::Set(mut values) => {
            values.sort_by_key(|value| format!("{value:?}"));
            format!("{values:?}")
        }
        Value::Map(mut values) => {
            values.sort_by_key(|value| format!("{value:?}"));
            format!("{values:?}")
        }
        other => format!("{other:?}"),
    };
    let value = match kind.as_str() {
        "string" => format!("{:?}", ask(on("GET", &[])).await),
        "list" => format!("{:?}", ask(on("LRANGE", &["0", "-1"])).await),
        "hash" => sorted(ask(on("HGETALL", &[])).await),
        "set" => sorted(ask(on("SMEMBERS", &[])).await),
        "zset" => format!("{:?}", ask(on("ZRANGE", &["0", "-1", "WITHSCORES"])).await),
        "stream" => {
            let entries = ask(on("XRANGE", &["-", "+"])).await;
            let mut whole = format!("{entries:?}");
            let Value::Map(info) = ask(vec![b"XINFO".to_vec(), b"STREAM".to_vec(), key.to_vec(), b"FULL".to_vec()]).await else { panic!() };
            for (name, value) in info {
                let name = format!("{name:?}");
                // How it is laid out in memory is not its value; when a consumer was last seen is not kept by RESTORE in all versions.
                if !name.contains("radix") {
                    whole.push_str(&format!("{name}={}", without_seen(&value)));
                }
            }
            whole
        }
        "none" => return None,
        other => panic!("{other}"),
    };
    let (expires, exact) = match client.try_all(&[b"PEXPIRETIME", key]).await {
        Ok(Value::Int(expires)) => (expires, true),
        _ => match ask(on("PTTL", &[])).await {
            Value::Int(left) if left >= 0 => (now() + left, false),
            Value::Int(left) => (left, false),
            other => panic!("{other:?}"),
        },
    };
    (expires != -2).then(|| Content { value: format!("{kind} {value}"), expires: (expires >= 0).then_some(expires), exact })
}

fn without_seen(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("[{}]", values.iter().map(without_seen).collect::<Vec<_>>().join(",")),
        Value::Map(members) => {
            let kept = members.iter().filter(|(name, _)| !format!("{name:?}").contains("seen-time"));
            format!("{{{}}}", kept.map(|(name, value)| format!("{name:?}:{}", without_seen(value))).collect::<Vec<_>>().join(","))
        }
        other => format!("{other:?}"),
    }
}

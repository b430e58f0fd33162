//! The servers as clients find them.

mod access;
mod changes;
mod clusters;
mod data;

use std::io::Write as _;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use secrecy::SecretString;

use super::wanted::{Group, Shard, Snapshot, Transit, Wanted};
use super::{Fleet, program};
use crate::migration::wire::{Endpoint, Link, Login, Name, Tls, WireError};

pub const SOON: Duration = Duration::from_secs(10);
pub const TOKEN: &str = "a-token-of-20-letter";

/// Servers, where the machine has a redis-server.
pub fn fleet() -> Option<Fleet> {
    if program().is_none() {
        // Past the harness, which keeps what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: needs redis-server");
        return None;
    }
    Some(Fleet::temporary().unwrap())
}

/// A group `g` of one shard.
pub fn group(nodes: usize) -> Group {
    let names: Vec<String> = (1..=nodes).map(|number| format!("g-{number:03}")).collect();
    Group {
        up: true,
        version: [7, 0],
        cluster: false,
        slots: Vec::new(),
        shards: vec![Shard { primary: names.first().cloned(), nodes: names }],
        port: 6379,
        transit: Transit::Plain,
        tokens: Vec::new(),
        passwordless: true,
        maxmemory: 64 << 20,
        settings: [("maxmemory-policy".to_owned(), "volatile-lru".to_owned())].into(),
        databases: 16,
        restored_from: None,
        application: true,
        answers: true,
        rebooting: Default::default(),
        keys: 0,
    }
}

/// A group `g` in cluster mode.
pub fn cluster(shards: usize, nodes: usize) -> Group {
    let names = |shard: usize| (1..=nodes).map(move |number| format!("g-{shard:04}-{number:03}"));
    let shard = |shard: usize| Shard { primary: names(shard).next(), nodes: names(shard).collect() };
    Group { cluster: true, shards: (1..=shards).map(shard).collect(), databases: 1, ..group(1) }
}

/// Has the fleet follow, and nothing may be amiss.
pub fn follow(fleet: &Fleet, wanted: &Wanted) {
    let troubles = fleet.follow(|| wanted.clone());
    assert!(troubles.is_empty(), "{troubles:?}");
}

pub fn wanted(name: &str, group: Group) -> Wanted {
    Wanted { groups: [(name.to_owned(), group)].into(), snapshots: Default::default() }
}

pub fn at(fleet: &Fleet, name: &str) -> SocketAddrV4 {
    fleet.addresses().get(name).unwrap()
}

/// How to reach `name`.
pub fn endpoint(fleet: &Fleet, name: &str, tls: bool, token: Option<&str>) -> Endpoint {
    let at = at(fleet, name);
    let roots = std::fs::read(fleet.ca_file()).unwrap();
    let tls = if tls { Tls::On { roots: Some(roots) } } else { Tls::Off };
    let login = Login { user: None, token: token.map(|token| SecretString::from(token.to_owned())), tls };
    Endpoint { host: at.ip().to_string(), port: at.port(), login }
}

pub async fn connect(endpoint: &Endpoint) -> Result<Link, WireError> {
    Link::connect(endpoint, 0, &Name { migration: "test".to_owned(), epoch: 1, role: "test" }, None).await
}

pub async fn plain(fleet: &Fleet, name: &str) -> Link {
    connect(&endpoint(fleet, name, false, None)).await.unwrap()
}

pub async fn ask(link: &Link, words: &[&str]) -> Result<Value, WireError> {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    link.ask(&command, SOON).await
}

/// A text answer.
pub async fn text(link: &Link, words: &[&str]) -> Option<String> {
    match ask(link, words).await.unwrap() {
        Value::BulkString(text) => Some(String::from_utf8(text).unwrap()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        Value::Okay => Some("OK".to_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::Nil => None,
        other => panic!("{other:?}"),
    }
}

/// Waits until `is` holds.
pub fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process is there.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

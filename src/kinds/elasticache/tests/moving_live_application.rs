//! The application beside a live move: clients that write values of every type all the time, find their Redis where a secret says, and know what each of their
//! keys may hold.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Value;

use super::super::account::Account;
use super::{endpoint, read_secret};
use crate::migration::copy;
use crate::migration::side::{Shard, Side};
use crate::migration::wire::{Endpoint, Link, Name, WireError};

/// Keys of each client and type.
const KEYS: u64 = 29;
/// Where cluster mode is off, the clients share out so many databases.
const DATABASES: u32 = 3;
/// By so many milliseconds a node may see a key's end earlier or later than its client.
const MARGIN: u64 = 3;

/// A client as an application's library is one: in cluster mode it asks who has which slots, and asks again when a node says that it has not (MOVED).
struct Client {
    side: Side,
    /// A link a shard.
    links: Vec<Link>,
}

impl Client {
    async fn connect(to: Endpoint, number: u32, name: &Name) -> Option<Client> {
        let first = Link::connect(&to, 0, name, None).await.ok()?;
        let cluster = first.identity.cluster_epoch.is_some();
        let slots = if cluster { vec![(0, 16_383)] } else { Vec::new() };
        let side = Side { shards: vec![Shard { primary: to, replicas: Vec::new(), slots }], databases: 1 };
        let side = copy::current(side, name).await.ok()?;
        let database = if cluster { 0 } else { number % DATABASES };
        let mut links = Vec::new();
        for shard in &side.shards {
            links.push(Link::connect(&shard.primary, database, name, None).await.ok()?);
        }
        Some(Client { side, links })
    }

    /// An error, MOVED among them, ends the client: another one asks anew who has which slots.
    async fn ask(&self, words: &[String]) -> Result<Value, WireError> {
        let link = &self.links[self.side.shard_of(words[1].as_bytes()).unwrap()];
        let mut command = redis::cmd(&words[0]);
        words[1..].iter().for_each(|word| _ = command.arg(word));
        link.ask(&command, Duration::from_secs(60)).await
    }
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The type of a key, for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Text,
    List,
    Hash,
    Set,
    Ranks,
    Stream,
}

/// One write to a key.
#[derive(Clone, Copy, Debug)]
enum Write {
    /// Another value, or one more.
    Put,
    /// When it is to be gone.
    Expire(u64),
    Persist,
    Delete,
}

/// What a key holds: in the order of the type, and when it is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    held: Vec<(String, String)>,
    until: Option<u64>,
}

impl Type {
    /// So that most writes are of strings.
    fn of(number: u64) -> Type {
        match number % 12 {
            0 => Type::List,
            1 => Type::Hash,
            2 => Type::Set,
            3 => Type::Ranks,
            4 => Type::Stream,
            _ => Type::Text,
        }
    }

    fn reading(self, key: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Type::Text => &["GET", key],
            Type::List => &["LRANGE", key, "0", "-1"],
            Type::Hash => &["HGETALL", key],
            Type::Set => &["SMEMBERS", key],
            Type::Ranks => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
            Type::Stream => &["XRANGE", key, "-", "+"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn words(self, write: Write, key: &str, number: u64) -> Vec<String> {
        let number = number.to_string();
        let member = self.member(&number);
        match (write, self) {
            (Write::Delete, _) => vec!["DEL".to_owned(), key.to_owned()],
            (Write::Expire(at), _) => vec!["PEXPIREAT".to_owned(), key.to_owned(), at.to_string()],
            (Write::Persist, _) => vec!["PERSIST".to_owned(), key.to_owned()],
            (Write::Put, Type::Text) => vec!["SET".to_owned(), key.to_owned(), number],
            (Write::Put, Type::List) => vec!["RPUSH".to_owned(), key.to_owned(), number],
            (Write::Put, Type::Hash) => vec!["HSET".to_owned(), key.to_owned(), member, number],
            (Write::Put, Type::Set) => vec!["SADD".to_owned(), key.to_owned(), member],
            (Write::Put, Type::Ranks) => vec!["ZADD".to_owned(), key.to_owned(), number, member],
            (Write::Put, Type::Stream) => vec!["XADD".to_owned(), key.to_owned(), format!("{number}-0"), "n".to_owned(), number],
        }
    }

    /// The member of a hash, a set or a sorted set that a write is of.
    fn member(self, number: &str) -> String {
        format!("m{}", number.bytes().last().unwrap_or(b'0') % 7)
    }

    /// What may be held after a write that was sent then, and answered by now.
    fn possible(self, state: &State, (write, number): (Write, u64), sent: u64) -> Vec<State> {
        // What is past its time is gone before the next write; where that was in between, nobody knows.
        let (early, late) = (sent.saturating_sub(MARGIN), now() + MARGIN);
        let fresh = state.until.is_none_or(|until| until > early);
        let gone = state.until.is_some_and(|until| until < late);
        let begins = [fresh.then(|| state.clone()), gone.then(State::default)];
        begins.iter().flatten().map(|begin| self.after(begin, write, number)).collect()
    }

    /// What is held after a write.
    fn after(self, state: &State, write: Write, number: u64) -> State {
        let mut next = state.clone();
        let text = number.to_string();
        let member = self.member(&text);
        match (write, self) {
            (Write::Delete, _) => return State::default(),
            (Write::Expire(_) | Write::Persist, _) if next.held.is_empty() => {}
            (Write::Expire(at), _) => next.until = Some(at),
            (Write::Persist, _) => next.until = None,
            (Write::Put, Type::Text) => next = State { held: vec![(String::new(), text)], until: None },
            (Write::Put, Type::List) => next.held.push((String::new(), text)),
            (Write::Put, Type::Stream) => next.held.push((format!("{text}-0"), text)),
            (Write::Put, _) => {
                next.held.retain(|(held, _)| *held != member);
                next.held.push((member, if self == Type::Set { String::new() } else { text }));
                next.held.sort();
            }
        }
        next
    }

    /// What a node answers.
    fn read(self, answer: &Value) -> Vec<(String, String)> {
        let mut flat = Vec::new();
        flatten(answer, &mut flat);
        let mut held: Vec<(String, String)> = match self {
            Type::Text | Type::List => flat.into_iter().map(|text| (String::new(), text)).collect(),
            Type::Set => flat.into_iter().map(|member| (member, String::new())).collect(),
            Type::Hash | Type::Ranks => flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
            Type::Stream => flat.chunks(3).map(|entry| (entry[0].clone(), entry[2].clone())).collect(),
        };
        if matches!(self, Type::Hash | Type::Set | Type::Ranks) {
            held.sort();
        }
        held
    }
}

fn flatten(answer: &Value, into: &mut Vec<String>) {
    match answer {
        Value::Nil => {}
        Value::Array(all) | Value::Set(all) => all.iter().for_each(|one| flatten(one, into)),
        Value::Map(all) => all.iter().for_each(|(key, value)| {
            flatten(key, into);
            flatten(value, into);
        }),
        Value::BulkString(text) => into.push(String::from_utf8(text.clone()).unwrap()),
        Value::SimpleString(text) => into.push(text.clone()),
        Value::Int(number) => into.push(number.to_string()),
        Value::Double(number) => into.push(number.to_string()),
        other => panic!("{other:?}"),
    }
}

/// What a key may hold: one thing, and more where a write was not answered.
#[derive(Clone, Debug)]
struct Known {
    client: u32,
    of: Type,
    states: BTreeSet<State>,
}

type Keys = Arc<Mutex<BTreeMap<String, Known>>>;

/// How an application knows its Redis: a URL.
pub type Reads = Arc<dyn Fn() -> String + Send + Sync>;

/// Clients that write, remember what was acknowledged, and connect to what they read whenever their connection breaks.
pub struct Application {
    reads: Reads,
    keys: Keys,
    writes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

/// The next write of a client: what it is of, and to which key.
fn next(client: u32, number: u64) -> (String, Type, Write) {
    let of = Type::of(number);
    let turn = number / 12;
    let key = format!("app:{client}:{of:?}:{}", number % if of == Type::Text { 3 * KEYS } else { KEYS });
    let write = match turn % 16 {
        5 => Write::Expire(now() + 3_600_000),
        // Some are gone before the move is at its end.
        9 => Write::Expire(now() + 150),
        11 => Write::Persist,
        13 => Write::Delete,
        _ => Write::Put,
    };
    (key, of, write)
}

/// What a key may hold after a write. Where that was not answered, nobody knows whether it was done.
fn note(keys: &Keys, key: String, (client, of): (u32, Type), write: (Write, u64), sent: u64, answered: bool) {
    let mut keys = keys.lock().unwrap();
    let known = keys.entry(key).or_insert_with(|| Known { client, of, states: [State::default()].into() });
    let after: BTreeSet<State> = known.states.iter().flat_map(|state| of.possible(state, write, sent)).collect();
    if answered {
        known.states = after;
    } else {
        known.states.extend(after);
    }
}

impl Application {
    /// One that reads the secret.
    pub fn start(account: &Account, clients: u32, pause: Duration) -> Application {
        let sandbox = account.sandbox.clone();
        Application::reading(account, clients, pause, Arc::new(move || read_secret(&sandbox)))
    }

    /// It is an application beside the move, no load test: two of these tests run at once, and one that is late by minutes of its time loses its lease.
    pub fn reading(account: &Account, clients: u32, pause: Duration, reads: Reads) -> Application {
        let (keys, writes, stop) = (Keys::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let roots: Arc<[u8]> = account.connect.trusted.clone().unwrap().into();
        let one = |client: u32| {
            let (reads, keys, writes, stop, roots) =
                (Arc::clone(&reads), Arc::clone(&keys), Arc::clone(&writes), Arc::clone(&stop), Arc::clone(&roots));
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    let Some(to) = endpoint(&reads(), &roots) else { return };
                    let name = Name { migration: format!("app{client}"), epoch: 1, role: "app" };
                    let Some(redis) = Client::connect(to, client, &name).await else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    while !stop.load(Ordering::SeqCst) {
                        number += 1;
                        let (key, of, write) = next(client, number);
                        let sent = now();
                        let answered = redis.ask(&of.words(write, &key, number)).await.is_ok();
                        note(&keys, key, (client, of), (write, number), sent, answered);
                        if !answered {
                            break;
                        }
                        writes.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(pause).await;
                    }
                }
            })
        };
        let clients = (0..clients).map(one).collect();
        Application { reads, keys, writes, stop, clients }
    }

    pub async fn writes_more(&self, more: u64) {
        let until = self.writes.load(Ordering::SeqCst) + more;
        let waiting = async {
            while self.writes.load(Ordering::SeqCst) < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), waiting).await.expect("the application writes");
    }

    /// The keys that do not hold what was acknowledged, where it would connect to: each is there with its value and its expiry, or was overwritten or deleted
    /// by the application itself later.
    pub async fn lost(self, account: &Account) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        let to = endpoint(&(self.reads)(), account.connect.trusted.as_deref().unwrap()).unwrap();
        let mut readers = BTreeMap::new();
        let mut lost = Vec::new();
        let keys = self.keys.lock().unwrap().clone();
        assert!(keys.len() > 100, "{}", keys.len());
        for (key, known) in keys {
            let redis = match readers.entry(known.client) {
                Entry::Occupied(reader) => reader.into_mut(),
                Entry::Vacant(none) => {
                    let name = Name { migration: "check".to_owned(), epoch: 1, role: "check" };
                    none.insert(Client::connect(to.clone(), known.client, &name).await.unwrap())
                }
            };
            let before = now();
            let expires = match redis.ask(&["PTTL".to_owned(), key.clone()]).await.unwrap() {
                Value::Int(left) => u64::try_from(left).ok(),
                other => panic!("{other:?}"),
            };
            let after = now();
            let held = known.of.read(&redis.ask(&known.of.reading(&key)).await.unwrap());
            let is = |state: &State| match state.until {
                // By the millisecond, as far as one can be read from outside.
                Some(until) if until > after => {
                    state.held == held && expires.is_some_and(|left| (before + left..=after + left + 1).contains(&until))
                }
                // Between the two readings it may have gone.
                Some(until) if until >= before => held.is_empty() || state.held == held,
                Some(_) => held.is_empty(),
                None => state.held == held && (expires.is_none() || held.is_empty()),
            };
            if !known.states.iter().any(is) {
                lost.push(format!("{key}: {held:?} (for {expires:?} ms from {before}), expected {:?}", known.states));
            }
        }
        lost
    }
}

#[test]
fn a_write_of_every_type_is_known() {
    let mut seen = BTreeSet::new();
    let mut known = BTreeMap::new();
    for number in 1..3000 {
        let (key, of, write) = next(0, number);
        let state: &mut State = known.entry(key).or_default();
        *state = of.after(state, write, number);
        seen.insert(format!("{of:?} {}", write_name(write)));
    }
    assert_eq!(seen.len(), 24, "{seen:?}");
    assert!(known.values().any(|state| state.held.len() > 3) && known.values().any(|state| state.until.is_some()));
}

fn write_name(write: Write) -> String {
    format!("{write:?}").split('(').next().unwrap_or_default().to_owned()
}

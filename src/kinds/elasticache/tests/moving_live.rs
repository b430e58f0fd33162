//! A whole move with `writeGap: None`: real Redis servers behind the sandbox, and an application that writes all the time and reads its address from a secret.

#[path = "moving_live_back.rs"]
mod back;
#[path = "moving_live_crashes.rs"]
mod crashes;
#[path = "moving_live_ground.rs"]
mod ground;
#[path = "moving_heirs.rs"]
mod heirs;
#[path = "moving_live_places.rs"]
mod places;
#[path = "moving_preflight.rs"]
mod preflight;
#[path = "moving_shards.rs"]
mod shards;
#[path = "moving_live_standalone.rs"]
mod standalone;
#[path = "moving_trial.rs"]
mod trial;
#[path = "moving_live_undo.rs"]
mod undo;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::Value;
use secrecy::SecretString;

use super::account::{Account, SECRET, TOKEN};
use crate::clock::Clock;
use crate::execute::{End, Said};
use crate::kinds::elasticache::{Move, MovePhase, MoveStatus};
use crate::migration::copy;
use crate::migration::side::{Shard, Side};
use crate::migration::wire::{Endpoint, Link, Login, Name, Tls, WireError};
use crate::sandbox::{Options, Sandbox};

const APP: &str = "arn:aws:secretsmanager:us-east-1:317805897534:secret:app-x1Y2z3";
pub const OLD: &str = "huntaze-redis";
/// A minute passes in a second: a process that is late by nine of them has lost its lease.
const SPEED: u32 = 60;

/// Of one shard.
pub const FLAT: &str = "nodes: 2, data: {keys: 2000}";

pub fn account(shape: &str) -> Option<Account> {
    account_with(shape, "")
}

/// With what goes wrong.
pub fn account_with(shape: &str, faults: &str) -> Option<Account> {
    account_at(SPEED, shape, faults)
}

/// In a time that runs so many times as fast.
fn account_at(speed: u32, shape: &str, faults: &str) -> Option<Account> {
    let group = "description: sessions, engineVersion: 7.1.0, automaticFailover: true, subnetGroup: private, tags: {team: web}";
    account_of(speed, &format!("replicationGroups: {{{OLD}: {{{group}, {shape}}}}}"), faults)
}

/// Of what is found in ElastiCache.
fn account_of(speed: u32, found: &str, faults: &str) -> Option<Account> {
    if crate::sandbox::redis::program().is_none() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs redis-server\n");
        return None;
    }
    let text = format!(
        "account: '317805897534'
elasticache:
  servers: true
  {found}
  subnetGroups: {{private: {{description: private, vpcId: vpc-1, subnets: [subnet-1, subnet-2]}}}}
secretsmanager:
  secrets:
    redis: {{arnSuffix: a1B2c3, secretString: '{{\"token\": \"{TOKEN}\"}}'}}
    app: {{arnSuffix: x1Y2z3, secretString: 'later'}}
"
    );
    let sandbox =
        Sandbox::from_yaml(&text, Options { clock: Clock::scaled(speed), faults: faults.parse().unwrap(), ..Options::default() }).unwrap();
    Some(Account::on(sandbox))
}

/// Where clients of the group connect to, as AWS describes it.
pub async fn address(account: &Account) -> (String, i32) {
    let baseline = account.baseline("{name: huntaze-redis}");
    let connection = crate::reconcile::connected(&baseline, &account.connect).await.unwrap();
    let found = connection.reads.elasticache().describe_replication_groups(|request| request.replication_group_id(OLD)).await.unwrap();
    let found = &found.replication_groups()[0];
    let endpoint = found.configuration_endpoint().or(found.node_groups()[0].primary_endpoint()).unwrap().clone();
    (endpoint.address().unwrap().to_owned(), endpoint.port().unwrap())
}

fn write_secret(account: &Account, text: &str) {
    account.sandbox.edit(|world| {
        let secret = world.secretsmanager.secrets.get_mut("app").unwrap();
        secret.versions.values_mut().next().unwrap().secret_string.as_mut().unwrap().0 = text.to_owned();
    });
}

pub fn read_secret(sandbox: &Sandbox) -> String {
    let world = sandbox.world();
    let secret = &world.secretsmanager.secrets["app"];
    let current = secret.versions.values().find(|version| version.stages.contains(&"AWSCURRENT".to_owned())).unwrap();
    current.secret_string.as_ref().unwrap().0.clone()
}

/// `redis://host:port`, `rediss://:token@host:port`.
pub fn endpoint(url: &str, roots: &[u8]) -> Option<Endpoint> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (host, port) = host.split('/').next()?.rsplit_once(':')?;
    let token = user.split_once(':').map(|(_, token)| SecretString::from(token.to_owned()));
    let tls = if scheme == "rediss" { Tls::On { roots: Some(roots.to_vec()) } } else { Tls::Off };
    Some(Endpoint { host: host.to_owned(), port: port.parse().ok()?, login: Login { user: None, token, tls } })
}

/// A client as an application's library is one: in cluster mode it asks who has which slots, and asks again when a node says that it has not (MOVED).
struct Client {
    side: Side,
    /// A link a shard.
    links: Vec<Link>,
}

impl Client {
    async fn connect(to: Endpoint, name: &Name) -> Option<Client> {
        let first = Link::connect(&to, 0, name, None).await.ok()?;
        let cluster = first.identity.cluster_epoch.is_some();
        let slots = if cluster { vec![(0, 16_383)] } else { Vec::new() };
        let side = Side { shards: vec![Shard { primary: to, replicas: Vec::new(), slots }], databases: 1 };
        let side = copy::current(side, name).await.ok()?;
        let mut links = Vec::new();
        for shard in &side.shards {
            links.push(if cluster { Link::connect(&shard.primary, 0, name, None).await.ok()? } else { first.clone() });
        }
        Some(Client { side, links })
    }

    /// An error, MOVED among them, ends the client: another one asks anew who has which slots.
    async fn ask(&self, words: [&str; 3]) -> Result<Value, WireError> {
        let link = &self.links[self.side.shard_of(words[1].as_bytes()).unwrap()];
        let mut command = redis::cmd(words[0]);
        words[1..].iter().filter(|word| !word.is_empty()).for_each(|word| _ = command.arg(*word));
        link.ask(&command, Duration::from_secs(60)).await
    }
}

/// Clients that write, remember what was acknowledged, and connect to what the secret says whenever their connection breaks.
pub struct Application {
    acknowledged: Arc<Mutex<BTreeMap<String, u64>>>,
    writes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Application {
    /// It is an application beside the move, no load test: two of these tests run at once, and one that is late by minutes of its time loses its lease.
    fn start(account: &Account, clients: usize, pause: Duration) -> Application {
        let (acknowledged, writes, stop) =
            (Arc::<Mutex<BTreeMap<String, u64>>>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let roots: Arc<[u8]> = account.connect.trusted.clone().unwrap().into();
        let one = |client: usize| {
            let (sandbox, acknowledged, writes, stop, roots) =
                (account.sandbox.clone(), Arc::clone(&acknowledged), Arc::clone(&writes), Arc::clone(&stop), Arc::clone(&roots));
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    let Some(to) = endpoint(&read_secret(&sandbox), &roots) else { return };
                    let name = Name { migration: format!("app{client}"), epoch: 1, role: "app" };
                    let Some(redis) = Client::connect(to, &name).await else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    while !stop.load(Ordering::SeqCst) {
                        number += 1;
                        let key = format!("app:{client}:{}", number % 97);
                        match redis.ask(["SET", &key, &number.to_string()]).await {
                            Ok(Value::Okay) => {
                                acknowledged.lock().unwrap().insert(key, number);
                                writes.fetch_add(1, Ordering::SeqCst);
                            }
                            _ => break,
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            })
        };
        let clients = (0..clients).map(one).collect();
        Application { acknowledged, writes, stop, clients }
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

    /// Acknowledged writes that are not where the secret points to, and were not overwritten by a later one.
    pub async fn lost(self, account: &Account) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        let to = endpoint(&read_secret(&account.sandbox), account.connect.trusted.as_deref().unwrap()).unwrap();
        let redis = Client::connect(to, &Name { migration: "check".to_owned(), epoch: 1, role: "check" }).await.unwrap();
        let mut lost = Vec::new();
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        assert!(acknowledged.len() > 100, "{}", acknowledged.len());
        for (key, number) in acknowledged {
            let found = match redis.ask(["GET", &key, ""]).await.unwrap() {
                Value::BulkString(text) => String::from_utf8(text).unwrap().parse().unwrap(),
                _ => 0,
            };
            if found < number {
                lost.push(format!("{key}: {number}, found {found}"));
            }
        }
        lost
    }
}

pub fn wish() -> String {
    format!(
        "{{name: {OLD}, atRestEncryption: {{enabled: true}}, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}},
          migration: {{approved: true, freezeBudget: 2h, restoreTimeout: 3h, cutover: [{{secretsManager: {{secretArn: '{APP}'}}}}]}}}}"
    )
}

/// An account whose application writes.
pub async fn serving(shape: &str) -> Option<(Account, Application)> {
    let account = account(shape)?;
    let (host, port) = address(&account).await;
    write_secret(&account, &format!("redis://{host}:{port}/0"));
    let application = Application::start(&account, 4, Duration::from_millis(1));
    application.writes_more(200).await;
    Some((account, application))
}

/// Ends the run when a step that begins so is done, and with it the process as far as the mover is concerned; then another one goes on.
async fn ended_after(shape: &str, step: &str) -> Option<(Account, Application, End)> {
    let (account, application) = serving(shape).await?;
    let last = |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
    let outcomes = account.apply_until(&wish(), last).await;
    assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
    let mut outcomes = account.apply(&wish()).await;
    application.writes_more(200).await;
    Some((account, application, outcomes.resources.remove(0).end))
}

/// As it was found, but for the note that a move was taken back.
fn is_as_found(account: &Account) {
    let world = account.sandbox.world();
    assert_eq!(world.elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
    assert!(world.elasticache.snapshots.is_empty() && world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-")));
    assert!(read_secret(&account.sandbox).starts_with("redis://"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_while_it_copies_or_holds_is_followed_by_one_that_finishes() {
    for step in ["Copy to", "Hold the writes"] {
        let Some((account, application, end)) = ended_after(FLAT, step).await else { return };
        assert_eq!(end, End::Changed, "{step}");
        assert_eq!(application.lost(&account).await, [""; 0], "{step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_when_clients_are_turned_is_followed_by_one_that_turns_them_back() {
    for step in ["Turn the secret", "Prove once more"] {
        let Some((account, application, end)) = ended_after(FLAT, step).await else { return };
        assert!(matches!(end, End::RolledBack { .. }), "{step}: {end:?}");
        is_as_found(&account);
        assert_eq!(application.lost(&account).await, [""; 0], "{step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_the_commit_is_followed_by_one_that_lets_the_target_go() {
    let Some((account, application, end)) = ended_after(FLAT, "Let huntaze-redis-72348fb3 serve").await else { return };
    assert_eq!(end, End::Changed);
    assert_eq!(application.lost(&account).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_when_a_group_is_moved() {
    let Some((account, application)) = serving(FLAT).await else { return };
    let outcomes = account.apply(&wish()).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert!(read_secret(&account.sandbox).starts_with(&format!("rediss://:{TOKEN}@")));
    application.writes_more(200).await;
    assert_eq!(application.lost(&account).await, [""; 0]);
    let plan = account.plan(&wish()).await;
    assert!(plan.in_sync(), "{:#?}", plan.resources);
    // What was thought of it and what came true stand on its lock, for whoever asks.
    let status = status(&account).await;
    let (forecast, measured) = (status.forecast.unwrap(), status.measured.unwrap());
    assert!(forecast.keys >= Some(2000) && forecast.copy_seconds.is_some() && forecast.outage_seconds > Some(20.0), "{forecast:?}");
    assert!(measured.copy_seconds.is_some() && measured.settle_seconds < measured.outage_seconds, "{measured:?}");
    assert!(status.phase == MovePhase::Soak && status.progress.is_none(), "{:?}", status.phase);
}

/// What another process with the same state folder says of the move.
async fn status(account: &Account) -> MoveStatus {
    let baseline = account.baseline(&wish());
    let connection = crate::reconcile::connected(&baseline, &account.connect).await.unwrap();
    let spec = baseline.entries[0].spec.downcast_ref().unwrap();
    Move::look(&connection.reads.fresh(), &baseline.scope, spec).await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_sees_how_far_the_copy_is() {
    let Some((account, application)) = serving(FLAT).await else { return };
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Copy to"));
    account.apply_until(&wish(), last).await;
    let status = status(&account).await;
    assert_eq!(status.phase, MovePhase::Copy);
    let progress = status.progress.unwrap();
    assert!(progress.keys_to_compare >= 2000 && progress.keys_compared + progress.keys_left >= 2000, "{progress:?}");
    assert!(status.progress_age_seconds.is_some_and(|age| (0..60).contains(&age)) && status.bytes_left.is_some());
    drop(application);
}

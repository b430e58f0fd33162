//! A whole move with `writeGap: None`: real Redis servers behind the sandbox, and an application that writes all the time and reads its address from a secret.

#[path = "moving_live_application.rs"]
mod application;
#[path = "moving_live_back.rs"]
mod back;
#[path = "moving_live_crashes.rs"]
mod crashes;
#[path = "moving_live_exec.rs"]
mod exec;
#[path = "moving_live_fence.rs"]
mod fence;
#[path = "moving_live_ground.rs"]
mod ground;
#[path = "moving_heirs.rs"]
mod heirs;
#[path = "moving_live_kubernetes.rs"]
mod kubernetes;
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
#[path = "moving_live_variants.rs"]
mod variants;

use std::time::Duration;

use secrecy::SecretString;

use self::application::Application;
use super::account::{Account, SECRET, TOKEN};
use crate::clock::Clock;
use crate::execute::{End, Said};
use crate::kinds::elasticache::{Move, MovePhase, MoveStatus};
use crate::migration::wire::{Endpoint, Login, Tls};
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
    account_of(speed, &format!("engineVersion: 7.1.0, automaticFailover: true, {shape}"), "", faults)
}

/// Of a group that is described in full, and with other things in the account.
fn account_of(speed: u32, group: &str, more: &str, faults: &str) -> Option<Account> {
    let group = format!("description: sessions, subnetGroup: private, tags: {{team: web}}, {group}");
    account_found(speed, &format!("replicationGroups: {{{OLD}: {{{group}}}}}"), more, faults)
}

/// Of what is found in ElastiCache.
fn account_found(speed: u32, found: &str, more: &str, faults: &str) -> Option<Account> {
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
  parameterGroups: {{tuned: {{family: redis7, description: tuned, parameters: {{maxmemory-policy: allkeys-lru, timeout: '300'}}}}}}
secretsmanager:
  secrets:
    redis: {{arnSuffix: a1B2c3, secretString: '{{\"token\": \"{TOKEN}\"}}'}}
    app: {{arnSuffix: x1Y2z3, secretString: 'later'}}
{more}"
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

pub fn wish() -> String {
    wish_at(&format!("{{secretsManager: {{secretArn: '{APP}'}}}}"))
}

/// With the address at this place.
fn wish_at(place: &str) -> String {
    format!(
        "{{name: {OLD}, atRestEncryption: {{enabled: true}}, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}},
          migration: {{approved: true, freezeBudget: 2h, restoreTimeout: 3h, cutover: [{place}]}}}}"
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

/// Nothing of the move is left but a snapshot of what has served.
fn has_only_the_old_group(account: &Account) {
    let world = account.sandbox.world();
    assert_eq!(world.elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
    assert!(world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-")));
}

/// As it was found, but for the note that a move was taken back.
fn is_as_found(account: &Account) {
    has_only_the_old_group(account);
    assert!(account.sandbox.world().elasticache.snapshots.is_empty());
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

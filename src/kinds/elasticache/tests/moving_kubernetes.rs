//! Places in a cluster: a real API server, whose controllers the tests play, beside the embedded AWS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ListParams, Patch, PatchParams};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::account::{Account, SECRET, TOKEN};
use super::{OLD, account, target};
use crate::execute::{End, Outcomes};
use crate::kinds::Reason;
use crate::kinds::elasticache::migration::{Cutover, KubernetesEntry};
use crate::kinds::elasticache::moving::reference::{self, Endpoints, Way};
use crate::kubernetes::RESTARTED_AT;
use crate::kubernetes::tests::cluster::{ADMIN, SOMEBODY};
use crate::kubernetes::tests::{Ground, deployment};
use crate::plan::ResourcePlan;
use crate::reconcile::connected;
use crate::sandbox::{Options, Sandbox};

const HOST: &str = "huntaze-redis.6bf2a7.ng.0001.use1.cache.amazonaws.com";
const URL: &str = "redis://huntaze-redis.6bf2a7.ng.0001.use1.cache.amazonaws.com:6379/0";

/// An account whose time runs fast, and does not jump: what the controllers do takes time of the machine.
fn fast(ground: Option<&Ground>, token: &str) -> Account {
    let world = account().sandbox.world();
    let options = Options { clock: crate::clock::Clock::scaled(300), ..Options::default() };
    let mut account = Account::on(Sandbox::new(world, options).unwrap());
    if let Some(ground) = ground {
        account.connect.clusters = ground.clusters(token);
    }
    account
}

fn wish(place: &str) -> String {
    with("", &format!(", auth: {{secretArn: '{SECRET}', key: token}}"), place)
}

fn with(migration: &str, group: &str, place: &str) -> String {
    format!(
        "{{name: huntaze-redis, atRestEncryption: {{enabled: true}}, transitEncryption: Required{group},
          migration: {{approved: true, writeGap: Accept, keepOld: 2h{migration}, cutover: [{place}]}}}}"
    )
}

const PLACE: &str = "{kubernetes: {secret: app-env, key: REDIS_URL, restart: [deployment/api, statefulset/worker]}}";

fn stateful_set(name: &str) -> Value {
    let mut set = deployment(name);
    set["spec"]["serviceName"] = name.into();
    set
}

/// What the controllers do with a workload that is restarted.
#[derive(Clone)]
enum Rolls {
    /// Each rollout comes to its end.
    Well,
    /// A Deployment's does not where its pods would read the new address.
    StuckThere,
    /// Somebody else writes the key while pods are made anew.
    WhileSomebodyWrites(&'static str),
}

/// The controllers of a namespace, until they are dropped.
struct Controllers(tokio::task::JoinHandle<()>);

impl Drop for Controllers {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub fn status(object: &Value, revision: i64) -> Value {
    let (replicas, revision) = (object["spec"]["replicas"].clone(), format!("r{revision}"));
    json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": replicas, "updatedReplicas": replicas,
        "availableReplicas": replicas, "readyReplicas": replicas, "currentRevision": revision, "updateRevision": revision,
    })
}

fn controllers(ground: &Arc<Ground>, rolls: Rolls) -> Controllers {
    let ground = Arc::clone(ground);
    let written = AtomicBool::new(false);
    Controllers(tokio::spawn(async move {
        loop {
            let sets = ground.api::<StatefulSet>().list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
            for set in sets {
                let found = json!(set);
                if found["status"]["observedGeneration"] != found["metadata"]["generation"] {
                    let patch = Patch::Merge(json!({"status": status(&found, set.metadata.generation.unwrap_or(0))}));
                    let name = set.metadata.name.unwrap_or_default();
                    let _ = ground.api::<StatefulSet>().patch_status(&name, &PatchParams::default(), &patch).await;
                }
            }
            let deployments = ground.api::<Deployment>().list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
            for deployment in deployments {
                let found = json!(deployment);
                if found["status"]["observedGeneration"] == found["metadata"]["generation"] {
                    continue;
                }
                let mark = found["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT].as_str().unwrap_or_default();
                let mut status = status(&found, 0);
                status["conditions"] = json!([]);
                match &rolls {
                    Rolls::StuckThere if !mark.is_empty() && !mark.ends_with("-back") => {
                        status["updatedReplicas"] = json!(1);
                        let condition =
                            json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no image"});
                        status["conditions"] = json!([condition]);
                    }
                    Rolls::WhileSomebodyWrites(value) if !mark.is_empty() && !written.swap(true, Ordering::Relaxed) => {
                        ground.write("app-env", "REDIS_URL", value).await;
                    }
                    _ => {}
                }
                let name = deployment.metadata.name.unwrap_or_default();
                let patch = Patch::Merge(json!({"status": status}));
                let _ = ground.api::<Deployment>().patch_status(&name, &PatchParams::default(), &patch).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }))
}

/// An application of two workloads, its Secret, and controllers that have rolled them out.
async fn application(of: &str, rolls: Rolls) -> Option<(Arc<Ground>, Controllers)> {
    let ground = Arc::new(Ground::new(of).await?);
    ground.secret("app-env", &[("REDIS_URL", URL), ("OTHER", "kept")]).await;
    ground.create::<Deployment>(deployment("api")).await;
    ground.create::<StatefulSet>(stateful_set("worker")).await;
    let controllers = controllers(&ground, rolls);
    Some((ground, controllers))
}

/// What the pod templates say of their last restart.
async fn marks(ground: &Ground) -> Vec<String> {
    let mark = |object: Value| object["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT].as_str().unwrap_or_default().to_owned();
    let (api, worker) = (ground.api::<Deployment>().get("api").await.unwrap(), ground.api::<StatefulSet>().get("worker").await.unwrap());
    vec![mark(json!(api)), mark(json!(worker))]
}

/// Nothing of the move is left on the Secret.
async fn is_clean(ground: &Ground) -> bool {
    let secret = ground.api::<Secret>().get("app-env").await.unwrap();
    let noted = secret.metadata.annotations.unwrap_or_default().keys().any(|key| key.starts_with("holdfast.dev/"));
    !noted && secret.data.unwrap_or_default().len() == 2
}

fn rolled_back(outcomes: &Outcomes) -> String {
    let End::RolledBack { .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    format!("{:?}", outcomes.resources[0].end)
}

fn blocks(plan: &ResourcePlan) -> Vec<(Reason, String, String)> {
    plan.blocks.iter().map(|block| (block.reason, block.message.clone(), block.what_to_do.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_turned_its_workloads_are_made_anew_and_no_secret_shows() {
    let Some((ground, _controllers)) = application("turned", Rolls::Well).await else { return };
    let account = fast(Some(&ground), ADMIN);
    let plan = account.planned(&wish(PLACE)).await;
    let titles: Vec<&str> = plan.steps.iter().map(|step| step.title.as_str()).collect();
    let words = format!("the Kubernetes Secret app-env (REDIS_URL) in {} of tests, {}", ground.namespace, ground.servers.server());
    let expected = format!("Turn {words} to huntaze-redis-72348fb3, and restart deployment/api, statefulset/worker");
    assert!(titles.contains(&expected.as_str()), "{titles:#?}");
    assert_eq!(
        (ground.data("app-env").await["REDIS_URL"].as_str(), marks(&ground).await),
        (URL, vec![String::new(); 2]),
        "a plan changed something"
    );
    let outcomes = account.apply(&wish(PLACE)).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    let (new, data) = (target(&account), ground.data("app-env").await);
    let url = &data["REDIS_URL"];
    assert!(
        url.starts_with(&format!("rediss://:{TOKEN}@")) && url.contains(&new) && url.ends_with(":6379/0") && data["OTHER"] == "kept",
        "{url}"
    );
    let after = marks(&ground).await;
    assert!(after[0].starts_with("holdfast-") && after[0] == after[1], "the mark is of the move, and no time: {after:?}");
    // Neither the token, nor the address with it, nor either of them in base64.
    let encoded = json!(k8s_openapi::ByteString(url.as_bytes().to_vec())).as_str().unwrap().to_owned();
    let said = format!("{outcomes:?} {} {:?}", serde_json::to_string(&plan).unwrap(), account.plan(&wish(PLACE)).await);
    for secret in [TOKEN, url.as_str(), encoded.as_str()] {
        assert!(!said.contains(secret), "it shows in an outcome or a plan");
        for file in walk(account.connect.state.as_deref().unwrap()) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "it stands in {}", file.display());
        }
    }
    // Nothing is left to do, and nothing is restarted a second time.
    assert!(account.planned(&wish(PLACE)).await.steps.is_empty());
    assert_eq!(account.apply(&wish(PLACE)).await.resources[0].end, End::Unchanged);
    assert_eq!((marks(&ground).await, is_clean(&ground).await), (after.clone(), false));
    // After the soak the notes go, with the old value.
    account.sandbox.clock().advance(Duration::from_secs(7201));
    let outcomes = account.apply(&wish(PLACE)).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!((marks(&ground).await, is_clean(&ground).await), (after, true));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_that_is_stuck_turns_everything_back() {
    let Some((ground, _controllers)) = application("stuck", Rolls::StuckThere).await else { return };
    let account = fast(Some(&ground), ADMIN);
    let said = rolled_back(&account.apply(&wish(PLACE)).await);
    assert!(said.contains("deployment/api: it has exceeded its progress deadline: no image"), "{said}");
    assert_eq!(ground.data("app-env").await["REDIS_URL"], URL);
    assert!(is_clean(&ground).await);
    // What may have read the new address has read the old one since.
    assert!(marks(&ground).await.iter().all(|mark| mark.ends_with("-back")), "{:?}", marks(&ground).await);
    assert_eq!(account.sandbox.world().elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_writes_meanwhile_stays() {
    let theirs = "redis://somewhere-else:6379";
    let Some((ground, _controllers)) = application("theirs", Rolls::WhileSomebodyWrites(theirs)).await else { return };
    let account = fast(Some(&ground), ADMIN);
    let said = rolled_back(&account.apply(&wish(PLACE)).await);
    assert!(said.contains("it was turned, and somebody-else has written it since"), "{said}");
    assert_eq!(ground.data("app-env").await["REDIS_URL"], theirs);
    assert!(is_clean(&ground).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_turned_back_once_however_often_it_is_asked() {
    let Some((ground, _controllers)) = application("twice", Rolls::Well).await else { return };
    let account = fast(Some(&ground), ADMIN);
    let process = connected(&account.baseline(&wish(PLACE)), &account.connect).await.unwrap();
    let writes = process.reads.writes(&account.journal());
    let one = |host: &str| Endpoints { primary: Some((host.to_owned(), 6379)), ..Endpoints::default() };
    let (from, to, token) = (one(HOST), one("new.example.com"), SecretString::from(TOKEN.to_owned()));
    let way = Way { from: &from, to: &to, tls: true, token: Some(&token), login: None };
    let back = Way { from: &to, to: &from, tls: false, token: None, login: None };
    let place = |change: fn(&mut KubernetesEntry)| {
        let mut entry = KubernetesEntry { secret: Some("app-env".to_owned()), key: "REDIS_URL".to_owned(), ..KubernetesEntry::default() };
        entry.restart = serde_json::from_value(json!(["deployment/api", "statefulset/worker"])).unwrap();
        change(&mut entry);
        Cutover { kubernetes: Some(entry), ..Cutover::default() }
    };
    let (app, turned) = (place(|_| {}), "holdfast-0123456789abcdef01234567");
    let version = async || ground.api::<Secret>().get("app-env").await.unwrap().metadata.resource_version;
    reference::names_source(&writes, &app, &way).await.unwrap();
    // What was never turned is not turned back, and nothing is restarted for it.
    let before = version().await;
    reference::turn_back(&writes, &app, turned, "lock", &back).await.unwrap();
    assert_eq!((version().await, marks(&ground).await), (before, vec![String::new(); 2]));
    for _ in 0..2 {
        reference::turn(&writes, &app, turned, "lock", &way).await.unwrap();
    }
    assert_eq!(ground.data("app-env").await["REDIS_URL"], format!("rediss://:{TOKEN}@new.example.com:6379/0"));
    assert!(reference::names_any(&writes, &app, &to).await.unwrap() && !reference::names_any(&writes, &app, &from).await.unwrap());
    reference::turn_back(&writes, &app, turned, "lock", &back).await.unwrap();
    let before = version().await;
    reference::turn_back(&writes, &app, turned, "lock", &back).await.unwrap();
    assert_eq!((version().await, ground.data("app-env").await["REDIS_URL"].as_str()), (before, URL));
    assert_eq!(marks(&ground).await, vec![format!("{turned}-back"); 2]);
    for _ in 0..2 {
        reference::forget(&writes, &app, turned).await.unwrap();
    }
    assert!(is_clean(&ground).await);
    // Another server than the step's, whatever the context leads to by now: nothing is read or changed.
    let elsewhere =
        place(|entry| (entry.context, entry.server) = (Some("tests".to_owned()), Some("https://another.example.com".to_owned())));
    let before = version().await;
    for refused in [
        reference::turn(&writes, &elsewhere, turned, "lock", &way).await,
        reference::turn_back(&writes, &elsewhere, turned, "lock", &back).await,
        reference::names_any(&writes, &elsewhere, &to).await.map(|_| ()),
    ] {
        let error = refused.unwrap_err();
        assert!(error.is("WrongCluster") && error.message.contains("https://another.example.com is meant"), "{error}");
    }
    assert_eq!(version().await, before);
    // The token stands in no ConfigMap, whoever asks.
    ground.create::<ConfigMap>(json!({"metadata": {"name": "app-env"}, "data": {"REDIS_URL": URL}})).await;
    let plain = place(|entry| (entry.secret, entry.config_map) = (None, Some("app-env".to_owned())));
    let error = reference::turn(&writes, &plain, turned, "lock", &way).await.unwrap_err();
    assert!(error.is("NotSecure"), "{error}");
    let other = place(|entry| entry.key = "OTHER".to_owned());
    let error = reference::names_source(&writes, &other, &way).await.unwrap_err();
    assert!(error.is("NotTheAddress") && !error.message.contains("kept"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_is_turned_where_the_address_holds_no_token() {
    let Some(ground) = Ground::new("plain").await else { return };
    ground.create::<ConfigMap>(json!({"metadata": {"name": "app-env"}, "data": {"REDIS_URL": URL}})).await;
    let account = fast(Some(&ground), ADMIN);
    let place = "{kubernetes: {configMap: app-env, key: REDIS_URL}}";
    let blocked = blocks(&account.planned(&wish(place)).await);
    assert!(
        matches!(blocked.as_slice(), [(Reason::InvalidWish, message, what_to_do)]
        if message.contains("is not made for secrets") && what_to_do.starts_with("keep the address in a Secret")),
        "{blocked:?}"
    );
    let outcomes = account.apply(&with("", "", place)).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    let url = ground.api::<ConfigMap>().get("app-env").await.unwrap().data.unwrap()["REDIS_URL"].clone();
    assert!(url.starts_with("rediss://") && url.contains(&target(&account)) && url.ends_with(":6379/0"), "{url}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_or_changed_blocks_and_says_what_to_allow() {
    let Some((ground, _controllers)) = application("denied", Rolls::Well).await else { return };
    let account = fast(Some(&ground), SOMEBODY);
    let plan = account.planned(&wish(PLACE)).await;
    let blocked = blocks(&plan);
    assert!(
        matches!(blocked.as_slice(), [(Reason::Unreadable, message, what_to_do)]
        if message.contains("kubernetes:get secrets") && what_to_do.starts_with("allow `get secrets` in that namespace")),
        "{blocked:?}"
    );
    assert!(plan.steps.is_empty());
    let verbs = |group: &str, resource: &str, verbs: &[&str]| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
    ground
        .allow(json!([
            verbs("", "secrets", &["get", "patch"]),
            verbs("apps", "deployments", &["get"]),
            verbs("apps", "statefulsets", &["get", "patch"])
        ]))
        .await;
    let mut said = Vec::new();
    // The API server sees its roles a moment later.
    for _ in 0..100 {
        said = blocks(&account.planned(&wish(PLACE)).await);
        if said.iter().all(|(reason, ..)| *reason != Reason::Unreadable) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        matches!(said.as_slice(), [(Reason::NotSupported, message, what_to_do)]
        if message.starts_with("deployments/api in ") && what_to_do.contains("`patch deployments/api`")),
        "{said:?}"
    );
    assert_eq!(ground.data("app-env").await["REDIS_URL"], URL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_turned_is_said_before_anything_is_made() {
    let Some((ground, _controllers)) = application("cannot", Rolls::Well).await else { return };
    let account = fast(Some(&ground), ADMIN);
    let said = async |place: &str| {
        blocks(&account.planned(&wish(place)).await).into_iter().map(|(_, message, _)| message).collect::<Vec<_>>().join("; ")
    };
    let missing = said("{kubernetes: {secret: app-env, key: REDIS_URL, restart: deployment/gone}}").await;
    assert_eq!(missing, "deployment/gone, which is to be restarted, is not there");
    let missing = said("{kubernetes: {secret: gone, key: REDIS_URL}}").await;
    assert!(missing.ends_with("is not there") && missing.contains("Secret gone"), "{missing}");
    let other = said("{kubernetes: {secret: app-env, key: REDIS_URL, server: 'https://another.example.com/'}}").await;
    assert!(other.contains("the kubeconfig has no context that leads to https://another.example.com"), "{other}");
    let other = said("{kubernetes: {secret: app-env, key: REDIS_URL, context: tests, server: 'https://another.example.com/'}}").await;
    assert!(other.contains("and https://another.example.com is meant"), "{other}");
    // In other words twice: what the manifest leaves open is the same.
    let namespace = format!("namespace: {}", ground.namespace);
    let twice = format!(
        "{{kubernetes: {{secret: app-env, key: REDIS_URL, restart: deployment/api}}}}, {{kubernetes: {{{namespace}, secret: app-env, key: OTHER, restart: deployment/api}}}}"
    );
    let twice_said = said(&twice).await;
    assert!(twice_said.contains("migration.cutover[1].kubernetes.restart names deployment/api a second time"), "{twice_said}");
    let same = format!(
        "{{kubernetes: {{secret: app-env, key: REDIS_URL}}}}, {{kubernetes: {{context: tests, {namespace}, secret: app-env, key: REDIS_URL}}}}"
    );
    let same_said = said(&same).await;
    assert!(same_said.contains("migration.cutover[1] is a place that stands before in the list"), "{same_said}");
    let other = said("{kubernetes: {secret: app-env, key: REDIS_URL, context: another}}").await;
    assert!(other.contains("the kubeconfig has no context another"), "{other}");
    let patch = Patch::Merge(json!({"spec": {"paused": true}}));
    ground.api::<Deployment>().patch("api", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(said(PLACE).await, "deployment/api cannot be restarted: its rollout is paused");
    let owner = json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "app", "uid": "1", "controller": true});
    let patch = Patch::Merge(json!({"metadata": {"ownerReferences": [owner]}}));
    ground.api::<Secret>().patch("app-env", &PatchParams::default(), &patch).await.unwrap();
    let kept = said("{kubernetes: {secret: app-env, key: REDIS_URL}}").await;
    assert!(kept.ends_with("is kept by ExternalSecret app, which would write the old address again"), "{kept}");
    // Found when the bytes are read, before the lock is made.
    ground.create::<Secret>(json!({"metadata": {"name": "fixed"}, "immutable": true, "stringData": {"REDIS_URL": URL}})).await;
    let outcomes = account.apply(&wish("{kubernetes: {secret: fixed, key: REDIS_URL}}")).await;
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(message.contains("is immutable"), "{message}");
    assert!(account.sandbox.world().elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_gone_on_with_only_where_it_was_begun() {
    let Some((ground, _controllers)) = application("begun", Rolls::Well).await else { return };
    let mut account = fast(Some(&ground), ADMIN);
    account.apply_until(&wish(PLACE), |said| format!("{said:?}").contains("Take a snapshot")).await;
    let Some(other) = Ground::new("other").await else { return };
    other.secret("app-env", &[("REDIS_URL", URL)]).await;
    other.create::<Deployment>(deployment("api")).await;
    other.create::<StatefulSet>(stateful_set("worker")).await;
    account.connect.clusters = other.clusters(ADMIN);
    let plan = account.planned(&wish(PLACE)).await;
    let blocked = blocks(&plan);
    assert!(
        // What touches no place goes on.
        plan.steps.iter().all(|step| !step.title.starts_with("Turn "))
            && !blocked.is_empty()
            && blocked.iter().all(
                |(reason, message, _)| *reason == Reason::Unreadable && message.contains("the move was begun elsewhere than in other-")
            ),
        "{blocked:?}"
    );
    account.connect.clusters = ground.clusters(ADMIN);
    let outcomes = account.apply(&wish(PLACE)).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(other.data("app-env").await["REDIS_URL"], URL);
    assert!(ground.data("app-env").await["REDIS_URL"].contains(&target(&account)));
}

#[tokio::test]
async fn the_sandbox_has_no_cluster_and_says_so() {
    let account = account();
    let blocked = blocks(&account.planned(&wish(PLACE)).await);
    assert_eq!(
        blocked,
        [(
            Reason::NotSupported,
            "the Kubernetes Secret app-env (REDIS_URL): where AWS is another one than AWS itself (--sandbox, AWS_ENDPOINT_URL), only a cluster whose kubeconfig is named is spoken to".to_owned(),
            "run with --kubeconfig FILE; or leave it out of migration.cutover, and see to its clients yourself".to_owned()
        )]
    );
}

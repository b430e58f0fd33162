//! Against a real API server: what is read without its value, changed in one request, refused, and not reached.

#[path = "../../tests/support/cluster.rs"]
pub mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::cluster::{ADMIN, Cluster, SOMEBODY};
use super::{Change, Clusters, Held, Object, Resource, Rollout, Writes};
use crate::aws::Class;

/// A namespace of a test's own, and whoever may do everything in it.
pub struct Ground {
    pub servers: Arc<Cluster>,
    pub admin: kube::Client,
    pub namespace: String,
}

impl Ground {
    pub async fn new(of: &str) -> Option<Ground> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let servers = tokio::task::spawn_blocking(Cluster::get).await.unwrap()?;
        let namespace = format!("{of}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let read = kube::config::Kubeconfig::read_from(servers.kubeconfig("admin", ADMIN, "default")).unwrap();
        let config = kube::Config::from_custom_kubeconfig(read, &Default::default()).await.unwrap();
        let admin = kube::Client::try_from(config).unwrap();
        let made: Namespace = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        Api::all(admin.clone()).create(&PostParams::default(), &made).await.unwrap();
        Some(Ground { servers, admin, namespace })
    }

    /// The clusters that a run of somebody with this token reaches, by the context `tests`.
    pub fn clusters(&self, token: &str) -> Clusters {
        Clusters::of_file(self.servers.kubeconfig("tests", token, &self.namespace))
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.admin.clone(), &self.namespace)
    }

    pub async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
        K::DynamicType: Default,
    {
        self.api::<K>().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    pub async fn secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: BTreeMap<&str, &str> = data.iter().copied().collect();
        self.create::<Secret>(json!({"metadata": {"name": name}, "stringData": data})).await;
    }

    /// What somebody else writes into a Secret.
    pub async fn write(&self, name: &str, key: &str, value: &str) {
        let patch = Patch::Merge(json!({"stringData": {key: value}}));
        let by = PatchParams { field_manager: Some("somebody-else".to_owned()), ..PatchParams::default() };
        self.api::<Secret>().patch(name, &by, &patch).await.unwrap();
    }

    pub async fn data(&self, name: &str) -> BTreeMap<String, String> {
        let found = self.api::<Secret>().get(name).await.unwrap();
        found.data.into_iter().flatten().map(|(key, ByteString(bytes))| (key, String::from_utf8(bytes).unwrap())).collect()
    }

    /// Lets `somebody` do this in the namespace.
    pub async fn allow(&self, rules: Value) {
        use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
        self.create::<Role>(json!({"metadata": {"name": "some"}, "rules": rules})).await;
        self.create::<RoleBinding>(json!({
            "metadata": {"name": "some"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "somebody"}],
        }))
        .await;
    }

    fn object(&self, resource: Resource, name: &str) -> Object {
        Object { resource, namespace: self.namespace.clone(), name: name.to_owned() }
    }
}

async fn writes(clusters: &Clusters) -> Writes {
    Writes::of(clusters.reads(None, None).await.unwrap())
}

fn value(key: &str, value: Option<&str>) -> (String, Option<SecretString>) {
    (key.to_owned(), value.map(|value| SecretString::from(value.to_owned())))
}

#[tokio::test]
async fn a_key_is_changed_with_its_note_in_one_request_or_not_at_all() {
    let Some(ground) = Ground::new("change").await else { return };
    ground.secret("app", &[("URL", "redis://canary-old-value"), ("OTHER", "kept")]).await;
    let (writes, app) = (writes(&ground.clusters(ADMIN)).await, ground.object(Resource::Secrets, "app"));
    let entry = writes.entry(&app, &["URL", "MISSING"]).await.unwrap().unwrap();
    assert_eq!(entry.values.keys().collect::<Vec<_>>(), ["URL"]);
    assert_eq!(entry.values["URL"].expose_secret(), "redis://canary-old-value");
    assert!(!format!("{entry:?}").contains("canary-old-value"), "{entry:?}");
    let change = Change {
        version: entry.metadata.resource_version.clone(),
        annotations: vec![("holdfast.dev/m".to_owned(), Some("target".to_owned()))],
        values: vec![value("URL", Some("rediss://canary-new-value")), value("m", Some("redis://canary-old-value"))],
    };
    writes.change(&app, &change).await.unwrap();
    let data = ground.data("app").await;
    assert_eq!(
        (data["URL"].as_str(), data["OTHER"].as_str(), data["m"].as_str()),
        ("rediss://canary-new-value", "kept", "redis://canary-old-value")
    );
    // The same once more is of what was read before: a conflict, and nothing is changed.
    let error = writes.change(&app, &change).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Busy, "Conflict"), "{error}");
    // Who wrote it last is told without its value.
    let held = async || Held::of(&writes.reads().metadata(&app).await.unwrap().unwrap(), "URL");
    assert_eq!(held().await, Held::Ours);
    ground.write("app", "OTHER", "changed").await;
    assert_eq!(held().await, Held::Ours);
    ground.write("app", "URL", "redis://by-somebody").await;
    assert_eq!(held().await, Held::Other("somebody-else".to_owned()));
    let taken = Change { annotations: vec![("holdfast.dev/m".to_owned(), None)], values: vec![value("m", None)], version: None };
    writes.change(&app, &taken).await.unwrap();
    assert!(!ground.data("app").await.contains_key("m"));
    let metadata = writes.reads().metadata(&app).await.unwrap().unwrap();
    assert!(metadata.annotations.unwrap_or_default().is_empty());
}

#[tokio::test]
async fn a_config_map_is_changed_as_text() {
    let Some(ground) = Ground::new("text").await else { return };
    ground.create::<ConfigMap>(json!({"metadata": {"name": "app"}, "data": {"HOST": "old:6379"}, "immutable": false})).await;
    let (writes, app) = (writes(&ground.clusters(ADMIN)).await, ground.object(Resource::ConfigMaps, "app"));
    let entry = writes.entry(&app, &["HOST"]).await.unwrap().unwrap();
    assert_eq!((entry.values["HOST"].expose_secret(), entry.immutable), ("old:6379", false));
    let change =
        Change { version: entry.metadata.resource_version, annotations: Vec::new(), values: vec![value("HOST", Some("new:6379"))] };
    writes.change(&app, &change).await.unwrap();
    assert_eq!(ground.api::<ConfigMap>().get("app").await.unwrap().data.unwrap()["HOST"], "new:6379");
    assert_eq!(Held::of(&writes.reads().metadata(&app).await.unwrap().unwrap(), "HOST"), Held::Ours);
}

#[tokio::test]
async fn what_is_absent_denied_or_not_reached_is_told_apart() {
    let Some(ground) = Ground::new("told").await else { return };
    ground.secret("app", &[("URL", "redis://old")]).await;
    let (app, missing) = (ground.object(Resource::Secrets, "app"), ground.object(Resource::Secrets, "missing"));
    let admin = writes(&ground.clusters(ADMIN)).await;
    assert!(admin.reads().metadata(&missing).await.unwrap().is_none());
    assert!(admin.reads().may("patch", &app).await.unwrap());
    let somebody = writes(&ground.clusters(SOMEBODY)).await;
    let error = somebody.reads().metadata(&app).await.unwrap_err();
    assert_eq!((error.class, error.call.to_string().as_str()), (Class::Denied, "kubernetes:get secrets"), "{error}");
    // What is not there is not told to whoever may not look.
    assert_eq!(somebody.reads().metadata(&missing).await.unwrap_err().class, Class::Denied);
    assert!(!somebody.reads().may("patch", &app).await.unwrap());
    ground.allow(json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["app"], "verbs": ["get"]}])).await;
    let read = async || somebody.reads().metadata(&app).await.is_ok();
    // The API server sees its roles a moment later.
    for _ in 0..100 {
        if read().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(read().await && !somebody.reads().may("patch", &app).await.unwrap());
    assert_eq!(somebody.change(&app, &Change::default()).await.unwrap_err().class, Class::Denied);
    // A token that nobody has, and a server that is not there: neither says anything of the object.
    let unknown = writes(&ground.clusters("no-token")).await;
    let error = unknown.reads().metadata(&app).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Invalid, "Unauthorized"), "{error}");
    let text = std::fs::read_to_string(ground.servers.kubeconfig("gone", ADMIN, &ground.namespace)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, text.replace(&ground.servers.server(), "https://127.0.0.1:1")).unwrap();
    let gone = Clusters::of_file(path).reads(None, None).await.unwrap();
    let error = gone.metadata(&app).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Ambiguous, "NoAnswer"), "{error}");
    assert!(error.message.starts_with("https://127.0.0.1:1: "), "{error}");
}

#[tokio::test]
async fn a_workload_is_restarted_and_watched_as_kubectl_does() {
    use k8s_openapi::api::apps::v1::Deployment;
    let Some(ground) = Ground::new("restart").await else { return };
    ground.create::<Deployment>(deployment("api")).await;
    let (writes, api) = (writes(&ground.clusters(ADMIN)).await, ground.object(Resource::Deployments, "api"));
    let look = async || writes.reads().workload(&api).await.unwrap().unwrap();
    let first = look().await;
    assert_eq!((first.restarted, first.cannot), (None, None));
    assert!(matches!(first.rollout, Rollout::Going(_)));
    let status = |status: Value| {
        let (api, patch) = (ground.api::<Deployment>(), Patch::Merge(json!({"status": status})));
        async move { api.patch_status("api", &PatchParams::default(), &patch).await.unwrap() }
    };
    let done = |generation: i64| json!({"observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2});
    status(done(1)).await;
    assert_eq!(look().await.rollout, Rollout::Done);
    writes.restart(&api, "m").await.unwrap();
    let begun = look().await;
    assert_eq!(
        (begun.restarted.as_deref(), begun.rollout),
        (Some("m"), Rollout::Going("its controller has not seen the change yet".to_owned()))
    );
    // The same mark is no other template: nothing is begun twice.
    writes.restart(&api, "m").await.unwrap();
    assert_eq!(ground.api::<Deployment>().get("api").await.unwrap().metadata.generation, Some(2));
    status(done(2)).await;
    assert_eq!(look().await.rollout, Rollout::Done);
}

pub fn deployment(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "none"}]}},
        },
    })
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_used_is_said_without_what_stands_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let said = async |text: &str, context: Option<&str>| {
        std::fs::write(&path, text).unwrap();
        let error = Clusters::of_file(path.clone()).reads(context, None).await.err().expect("it cannot be used");
        assert!(!error.to_string().contains("canary"), "{error}");
        error.message
    };
    let user = "users: [{name: u, user: {token: canary}}]\n";
    let whole = format!("apiVersion: v1\nkind: Config\n{user}contexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n");
    assert!(said(&format!("{user}  canary: [\n"), None).await.starts_with("the kubeconfig cannot be understood"));
    assert_eq!(said("apiVersion: v1\nkind: Config\n", None).await, "the kubeconfig has no context");
    assert!(said(&whole, Some("b")).await.starts_with("the kubeconfig has no context b"));
    assert!(said(&whole, Some("a")).await.starts_with("the kubeconfig has no cluster c"));
    std::fs::remove_file(&path).unwrap();
    let error = Clusters::of_file(path).reads(None, None).await.err().unwrap();
    assert!(error.message.starts_with("there is no kubeconfig"), "{error}");
    let error = Clusters::default().reads(None, None).await.err().unwrap();
    assert!(error.is("NoCluster") && error.message.ends_with("only a cluster whose kubeconfig is named is spoken to"), "{error}");
}

/// A current context is whichever somebody used last.
#[tokio::test]
async fn a_cluster_is_the_one_that_is_named_or_the_only_one_and_never_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let found = async |contexts: &[(&str, &str)], context: Option<&str>, server: Option<&str>| {
        let contexts: Vec<Value> =
            contexts.iter().map(|(name, cluster)| json!({"name": name, "context": {"cluster": cluster, "user": "u"}})).collect();
        let clusters: Vec<Value> = ["production", "staging"]
            .map(|name| json!({"name": name, "cluster": {"server": format!("https://user:canary@{name}.example:6443/")}}))
            .to_vec();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "staging", "contexts": contexts, "clusters": clusters,
            "users": [{"name": "u", "user": {"token": "canary"}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        match Clusters::of_file(path.clone()).reads(context, server).await {
            Ok(reads) => format!("{} at {}", reads.cluster().context.clone().unwrap_or_default(), reads.cluster().server),
            Err(error) => error.message,
        }
    };
    let (production, staging) = (("production", "production"), ("staging", "staging"));
    let server = Some("https://production.example:6443");
    assert_eq!(found(&[production], None, None).await, "production at https://production.example:6443");
    assert_eq!(found(&[production, staging], None, server).await, "production at https://production.example:6443");
    assert_eq!(found(&[production, staging], Some("production"), None).await, "production at https://production.example:6443");
    let said = found(&[production, staging], None, None).await;
    assert!(
        said.starts_with("the kubeconfig has several contexts (production, staging), and which is the current one says nothing"),
        "{said}"
    );
    let said = found(&[staging], None, server).await;
    assert!(said.starts_with("the kubeconfig has no context that leads to https://production.example:6443"), "{said}");
    let said = found(&[production, ("other", "production")], None, server).await;
    assert!(said.contains("(production, other): name one in `context`"), "{said}");
    // As whom one is there may be the current one.
    assert_eq!(found(&[production, ("staging", "production")], None, server).await, "staging at https://production.example:6443");
}

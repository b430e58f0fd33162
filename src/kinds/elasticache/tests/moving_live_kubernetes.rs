//! A live move whose clients are pods: a real API server holds the Secret, real Redis servers the data. Pods know what the Secret held when they began.

use std::sync::{Arc, Mutex};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::super::moving::kubernetes::status;
use super::back::{ask_of, process};
use super::*;
use crate::kubernetes::tests::cluster::ADMIN;
use crate::kubernetes::tests::{Ground, deployment};

const PLACE: &str = "{kubernetes: {secret: app-env, key: REDIS_URL, restart: deployment/api}}";

struct Cluster {
    ground: Arc<Ground>,
    /// In the environment of the pods that run.
    environment: Arc<Mutex<String>>,
    controller: tokio::task::JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

impl Cluster {
    async fn new(of: &str, url: &str) -> Option<Cluster> {
        let ground = Arc::new(Ground::new(of).await?);
        ground.secret("app-env", &[("REDIS_URL", url), ("OTHER", "kept")]).await;
        ground.create::<Deployment>(deployment("api")).await;
        let environment = Arc::<Mutex<String>>::default();
        let controller = tokio::spawn(rolls(Arc::clone(&ground), Arc::clone(&environment)));
        let cluster = Cluster { ground, environment, controller };
        while cluster.url().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(cluster)
    }

    fn url(&self) -> String {
        self.environment.lock().unwrap().clone()
    }
}

/// What the controller of Deployments does, and the kubelets: each new generation has pods that begin with what the Secret holds by then.
async fn rolls(ground: Arc<Ground>, environment: Arc<Mutex<String>>) {
    loop {
        if let Ok(found) = ground.api::<Deployment>().get("api").await {
            let found = json!(found);
            if found["status"]["observedGeneration"] != found["metadata"]["generation"] {
                let url = ground.data("app-env").await["REDIS_URL"].clone();
                *environment.lock().unwrap() = url;
                let patch = Patch::Merge(json!({"status": status(&found, 0)}));
                let _ = ground.api::<Deployment>().patch_status("api", &PatchParams::default(), &patch).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An account whose application's pods write.
async fn serving(of: &str) -> Option<(Account, Application, Cluster)> {
    let mut account = account(FLAT)?;
    let (host, port) = address(&account).await;
    let cluster = Cluster::new(of, &format!("redis://{host}:{port}/0")).await?;
    account.connect.clusters = cluster.ground.clusters(ADMIN);
    let environment = Arc::clone(&cluster.environment);
    let reads = move || environment.lock().unwrap().clone();
    let application = Application::reading(&account, 4, Duration::from_millis(1), Arc::new(reads));
    application.writes_more(200).await;
    Some((account, application, cluster))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_a_rollout_turns_clients_there_and_back_after_the_commit() {
    let Some((account, application, cluster)) = serving("live").await else { return };
    let (wish, process) = (wish_at(PLACE), process(&account).await);
    let outcomes = account.apply_in(&process, &wish, |_| false).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert!(cluster.url().starts_with(&format!("rediss://:{TOKEN}@")), "the pods know the old group");
    application.writes_more(200).await;
    ask_of(&account, &process, &wish, false).await;
    let outcomes = account.apply_in(&process, &wish, |_| false).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert!(cluster.url().starts_with("redis://"), "the pods know the new group");
    has_only_the_old_group(&account);
    application.writes_more(200).await;
    assert_eq!(application.lost(&account).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_the_process_ends_when_pods_were_turned() {
    let Some((account, application, cluster)) = serving("ended").await else { return };
    let wish = wish_at(PLACE);
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Turn the Kubernetes Secret"));
    account.apply_until(&wish, last).await;
    assert!(cluster.url().starts_with("rediss://"));
    let outcomes = account.apply(&wish).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert!(cluster.url().starts_with("redis://"));
    has_only_the_old_group(&account);
    application.writes_more(200).await;
    assert_eq!(application.lost(&account).await, [""; 0]);
}

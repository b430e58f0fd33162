//! An account on the embedded AWS, and runs against it.

use std::sync::Arc;

use crate::aws::{ConnectOptions, Connection};
use crate::execute::{End, Interrupt, Journal, Outcomes, Said};
use crate::kinds::Scope;
use crate::manifest::{AwsBaseline, Windows};
use crate::plan::{Consent, Plan, ResourcePlan};
use crate::reconcile::{Apply, Baseline, Request, apply, connected, look};
use crate::sandbox::faults::Faults;
use crate::sandbox::world::World;
use crate::sandbox::{Options, Sandbox};
use crate::{clock::Clock, desired};

pub const TOKEN: &str = "first-token-of-the-test";
pub const SECRET: &str = "arn:aws:secretsmanager:us-east-1:317805897534:secret:redis-a1B2c3";

/// The owner's group, and the secret with its token.
pub fn found(group: &str) -> String {
    format!(
        "account: '317805897534'\npageSize: 50\nelasticache:\n  replicationGroups:\n    huntaze-redis: {{engineVersion: 7.1.0, nodes: 2, automaticFailover: true, primaries: {{1: 2}}{group}}}\n\
         secretsmanager: {{secrets: {{redis: {{arnSuffix: a1B2c3, secretString: '{{\"token\": \"{TOKEN}\"}}'}}}}}}\n"
    )
}

/// Told of the account at every write of the journal.
pub type Watch = Arc<dyn Fn(&World) + Send + Sync>;

pub struct Account {
    pub sandbox: Sandbox,
    pub connect: ConnectOptions,
    state: tempfile::TempDir,
    /// `policy.disruptive`.
    pub disruptive: &'static str,
    /// What is consented to in every run.
    pub consent: Consent,
    /// Told of every write of the journal, with the account as it is then.
    pub watch: Option<Watch>,
}

impl Account {
    pub fn new(yaml: &str) -> Account {
        Account::with(serde_yaml::from_str(yaml).unwrap(), Faults::default())
    }

    pub fn with(world: World, faults: Faults) -> Account {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        Account::on(Sandbox::new(world, Options { clock, faults, ..Options::default() }).unwrap())
    }

    pub fn on(sandbox: Sandbox) -> Account {
        let trusted = sandbox.redis().map(|servers| std::fs::read(servers.ca_file()).unwrap());
        let state = tempfile::tempdir().unwrap();
        let connect = ConnectOptions {
            embedded: Some(sandbox.http_client()),
            clock: Some(sandbox.clock()),
            trusted,
            holder: "one:1".to_owned(),
            state: Some(state.path().to_owned()),
            ..ConnectOptions::default()
        };
        Account { sandbox, connect, state, disruptive: "Allow", consent: Consent::default(), watch: None }
    }

    /// Another process on the same AWS, with a state folder of its own.
    pub fn another(&self, holder: &str) -> Account {
        let mut other = Account::on(self.sandbox.clone());
        holder.clone_into(&mut other.connect.holder);
        other
    }

    pub fn baseline(&self, groups: &str) -> Baseline {
        let text = format!(
            "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: test}}, spec: {{account: '317805897534', region: us-east-1, \
             policy: {{disruptive: {}}}, elasticache: {{replicationGroups: [{groups}]}}}}}}",
            self.disruptive
        );
        let object: AwsBaseline = serde_yaml::from_str(&text).unwrap();
        let scope = Scope {
            object: "test".to_owned(),
            account: "317805897534".to_owned(),
            region: "us-east-1".to_owned(),
            partition: "aws".to_owned(),
        };
        let (entries, _, wrong) = desired::entries(&object, &scope);
        assert_eq!(wrong, []);
        let windows = Windows::new(&object.spec.policy.change_windows).unwrap();
        Baseline { object, scope, entries, stopped: Vec::new(), windows, written: Default::default() }
    }

    pub async fn plan(&self, groups: &str) -> Plan {
        let baseline = self.baseline(groups);
        let connection = connected(&baseline, &self.connect).await.unwrap();
        look(&baseline, &connection, &self.request(), self.sandbox.clock().now()).await.plan
    }

    pub async fn planned(&self, group: &str) -> ResourcePlan {
        self.plan(group).await.resources.remove(0)
    }

    pub async fn apply(&self, groups: &str) -> Outcomes {
        self.apply_until(groups, |_| false).await
    }

    /// The same, interrupted when this is said. A run that may not connect ends with why.
    pub async fn apply_until(&self, groups: &str, last: impl Fn(&Said) -> bool + Sync) -> Outcomes {
        match connected(&self.baseline(groups), &self.connect).await {
            Ok(process) => self.apply_in(&process, groups, last).await,
            Err(refused) => Outcomes { resources: Vec::new(), stopped: Some(refused.to_string()) },
        }
    }

    /// The same in a process that goes on: what lives between passes lives in its connection.
    pub async fn apply_in(&self, process: &Connection, groups: &str, last: impl Fn(&Said) -> bool + Sync) -> Outcomes {
        let baseline = self.baseline(groups);
        let clock = self.sandbox.clock();
        let look = look(&baseline, process, &self.request(), clock.now()).await;
        let journal = self.journal();
        let (sandbox, watch) = (self.sandbox.clone(), self.watch.clone());
        let journal = journal.watched(move |_| watch.iter().for_each(|watch| watch(&sandbox.world())));
        let interrupt = Interrupt::default();
        let with = Apply {
            journal: &journal,
            clock: &clock,
            run: "run",
            interrupt: &interrupt,
            say: &|said| {
                if last(said) {
                    interrupt.stop();
                }
            },
        };
        apply(&baseline, &look, &self.consent, &with).await.unwrap()
    }

    fn request(&self) -> Request {
        Request { consent: self.consent.clone(), ..Request::default() }
    }

    pub fn journal(&self) -> Journal {
        Journal::open(self.state.path(), "test").unwrap().journal
    }

    /// A dry run that writes nothing, an apply that changes everything, and then nothing left to change.
    pub async fn converge(&self, groups: &str) {
        self.sandbox.forget_records();
        self.plan(groups).await;
        assert_eq!(self.sandbox.writes().len(), 0, "a dry run wrote");
        let outcomes = self.apply(groups).await;
        assert_eq!(outcomes.stopped, None);
        for resource in &outcomes.resources {
            assert_eq!(resource.end, End::Changed, "{} after {:?}", resource.key, resource.done);
        }
        self.in_sync(groups).await;
    }

    pub async fn in_sync(&self, groups: &str) {
        let plan = self.plan(groups).await;
        assert!(plan.in_sync(), "{:#?}", plan.resources);
        let before = self.sandbox.writes().len();
        assert_eq!(self.apply(groups).await.stopped, None);
        assert_eq!(self.sandbox.writes().len(), before, "a second apply wrote");
    }

    /// The changing requests so far: operation and body.
    pub fn writes(&self) -> Vec<(String, String)> {
        self.sandbox.writes().into_iter().filter(|write| write.applied).map(|write| (write.operation, write.body)).collect()
    }

    /// Whether a client could connect: with TLS and this token, or with no token.
    pub fn admits(&self, token: Option<&str>) -> bool {
        self.sandbox.world().elasticache.replication_groups["huntaze-redis"].auth.admits(token)
    }

    /// Another version of the secret, as somebody who rotates it would put it.
    pub fn rotate_secret(&self, version: &str, token: &str) {
        self.sandbox.edit(|world| {
            let secret = world.secretsmanager.secrets.get_mut("redis").unwrap();
            let old = secret.versions.values_mut().find(|old| old.stages.contains(&"AWSCURRENT".to_owned())).unwrap();
            let mut new = old.clone();
            old.stages = vec!["AWSPREVIOUS".to_owned()];
            new.secret_string.as_mut().unwrap().0 = format!("{{\"token\": \"{token}\"}}");
            secret.versions.insert(version.to_owned(), new);
        });
    }
}

//! Whole runs against the embedded AWS: drifted, repaired, in sync.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::aws::{ConnectOptions, Pace};
use crate::execute::record::Event;
use crate::execute::{End, Interrupt, Journal, Opened, Outcomes};
use crate::kinds::{Impact, Reason, Scope};
use crate::manifest::{AwsBaseline, Windows};
use crate::plan::{Consent, Plan, PlannedStep, ResourcePlan, Status};
use crate::reconcile::consent::consent;
use crate::reconcile::{Apply, Baseline, Request, apply, connected, look};
use crate::sandbox::faults::Faults;
use crate::sandbox::{Options, Sandbox};
use crate::{clock::Clock, desired, desired::Choice};

pub(super) struct Account {
    pub(super) sandbox: Sandbox,
    connect: ConnectOptions,
    state: Arc<tempfile::TempDir>,
}

impl Account {
    pub(super) fn new(yaml: &str) -> Account {
        Account::with(yaml, Faults::default())
    }

    pub(super) fn with(yaml: &str, faults: Faults) -> Account {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        Account::of(Sandbox::from_yaml(yaml, Options { clock, faults, ..Options::default() }).unwrap())
    }

    /// The same AWS account for the next process: nothing goes wrong any more, and the journal is empty.
    pub(super) fn next(&self) -> Account {
        Account::of(Sandbox::new(self.sandbox.world(), Options { clock: self.sandbox.clock(), ..Options::default() }).unwrap())
    }

    /// The same with the journal as it was left.
    pub(super) fn with_its_journal(&self) -> Account {
        Account { state: self.state.clone(), ..self.next() }
    }

    fn of(sandbox: Sandbox) -> Account {
        let pace = Pace { first: Duration::from_millis(1), longest: Duration::from_millis(5), ..Pace::default() };
        let connect =
            ConnectOptions { embedded: Some(sandbox.http_client()), clock: Some(sandbox.clock()), pace, ..ConnectOptions::default() };
        Account { sandbox, connect, state: Arc::new(tempfile::tempdir().unwrap()) }
    }

    pub(super) async fn plan(&self, manifest: &str) -> Plan {
        self.chosen(manifest, Choice::default()).await
    }

    /// The plan of a part.
    pub(super) async fn chosen(&self, manifest: &str, choice: Choice) -> Plan {
        let baseline = baseline(manifest);
        let connection = connected(&baseline, &self.connect).await.unwrap();
        let request = Request { choice, ..Request::default() };
        look(&baseline, &connection, &request, self.sandbox.clock().now()).await.plan
    }

    /// The plan of the one resource.
    pub(super) async fn planned(&self, manifest: &str) -> ResourcePlan {
        self.plan(manifest).await.resources.remove(0)
    }

    pub(super) async fn apply(&self, manifest: &str) -> Outcomes {
        let baseline = baseline(manifest);
        let connection = connected(&baseline, &self.connect).await.unwrap();
        let clock = self.sandbox.clock();
        let look = look(&baseline, &connection, &Request::default(), clock.now()).await;
        let journal = Journal::open(self.state.path(), "test").unwrap().journal;
        let interrupt = Interrupt::default();
        let with = Apply { journal: &journal, clock: &clock, run: "run", interrupt: &interrupt, say: &|_| {} };
        apply(&baseline, &look, &Consent::default(), &with).await.unwrap()
    }

    /// A run of the command under another policy: with the consents that the journal keeps, and with one to the plan of that hash.
    pub(super) async fn run(&self, policy: &str, manifest: &str, approve: Option<&str>) -> (Plan, Outcomes) {
        self.disturbed(policy, manifest, approve, |_| ()).await
    }

    /// The same, with something that happens between the look and the first request.
    pub(super) async fn disturbed(
        &self,
        policy: &str,
        manifest: &str,
        approve: Option<&str>,
        between: impl FnOnce(&Sandbox),
    ) -> (Plan, Outcomes) {
        let baseline = under(policy, manifest);
        let Opened { journal, past, .. } = Journal::open(self.state.path(), "test").unwrap();
        let connection = connected(&baseline, &self.connect).await.unwrap();
        let clock = self.sandbox.clock();
        let hashes: Vec<String> = approve.map(str::to_owned).into_iter().collect();
        let (consent, _) = consent(&past.consents, "test", &hashes, clock.now());
        let request = Request { consent, ..Request::default() };
        let look = look(&baseline, &connection, &request, clock.now()).await;
        between(&self.sandbox);
        let interrupt = Interrupt::default();
        let with = Apply { journal: &journal, clock: &clock, run: "run", interrupt: &interrupt, say: &|_| {} };
        let outcomes = apply(&baseline, &look, &request.consent, &with).await.unwrap();
        (look.plan, outcomes)
    }

    /// The hash of the plan under a policy.
    pub(super) async fn hash(&self, policy: &str, manifest: &str) -> String {
        let baseline = under(policy, manifest);
        let connection = connected(&baseline, &self.connect).await.unwrap();
        look(&baseline, &connection, &Request::default(), self.sandbox.clock().now()).await.plan.hash
    }

    /// Takes back the consent to a plan, as `holdfast journal revoke` does.
    pub(super) async fn revoke(&self, plan: &str) {
        let journal = Journal::open(self.state.path(), "test").unwrap().journal;
        let revoked = vec![Event::ConsentRevoked { plan: plan.to_owned() }];
        journal.append("revoke", "test", self.sandbox.clock().now(), revoked, true).await.unwrap();
    }

    /// How often the instances were restarted.
    pub(super) fn restarts(&self) -> usize {
        self.writes().iter().filter(|name| *name == "RebootDBInstance").count()
    }

    /// Applies, and demands that everything was changed and that nothing is left to change.
    pub(super) async fn converge(&self, manifest: &str) {
        let outcomes = self.apply(manifest).await;
        for resource in &outcomes.resources {
            assert_eq!(resource.end, End::Changed, "{} after {:?}", resource.key, resource.done);
        }
        self.in_sync(manifest).await;
    }

    pub(super) async fn in_sync(&self, manifest: &str) {
        let plan = self.plan(manifest).await;
        assert!(plan.in_sync(), "{:#?}", plan.resources);
        let before = self.sandbox.writes().len();
        self.apply(manifest).await;
        assert_eq!(self.sandbox.writes().len(), before, "a second apply wrote");
    }

    /// The names of the changing requests so far.
    pub(super) fn writes(&self) -> Vec<String> {
        self.sandbox.writes().iter().map(|write| write.operation.clone()).collect()
    }

    pub(super) fn in_force(&self, id: &str, parameter: &str) -> Option<String> {
        self.sandbox.world().rds.in_force(id).remove(parameter)
    }
}

fn baseline(manifest: &str) -> Baseline {
    under("{disruptive: Allow}", manifest)
}

fn under(policy: &str, manifest: &str) -> Baseline {
    let text = format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: test}}\nspec:\n  account: '317805897534'\n  region: us-east-1\n  \
         policy: {policy}\n  rds:\n    instances:\n{manifest}"
    );
    let object: AwsBaseline = serde_yaml::from_str(&text).unwrap();
    let scope = Scope {
        object: "test".to_owned(),
        account: object.spec.account.clone(),
        region: object.spec.region.clone(),
        partition: "aws".to_owned(),
    };
    let windows = Windows::new(&object.spec.policy.change_windows).unwrap();
    let (entries, _, wrong) = desired::entries(&object, &scope);
    assert!(wrong.is_empty(), "{wrong:?}");
    Baseline { object, scope, entries, stopped: Vec::new(), windows, written: Default::default() }
}

pub(super) fn ops(steps: &[PlannedStep]) -> Vec<String> {
    steps.iter().map(|step| step.op.value()["do"].as_str().unwrap().to_owned()).collect()
}

/// As an audit finds it: nothing protects it.
pub(super) const BARE: &str = "
account: '317805897534'
rds:
  instances:
    db:
      engineVersion: '14.9'
      allocatedStorage: 20
      storageEncrypted: true
      backupRetention: 0
      backupWindow: '03:00-03:30'
      maintenanceWindow: sun:05:00-sun:05:30
      publiclyAccessible: true
";

const HARD: &str = "
    - name: main
      instance: db
      parameters: {rds.force_ssl: 1, log_min_duration_statement: 1000, log_connections: true}
      backupRetentionDays: 7
      backupWindow: 02:00-03:00
      maintenanceWindow: Sun:04:30-Sun:05:30
      multiAz: true
      maxAllocatedStorageGiB: 100
      deletionProtection: true
      performanceInsights: {enabled: true, retentionDays: 7}
      enhancedMonitoring: {intervalSeconds: 60, roleArn: 'arn:aws:iam::317805897534:role/monitoring'}
      logExports: [postgresql, upgrade]
      publiclyAccessible: false
      iamAuthentication: true
      autoMinorVersionUpgrade: true
      copyTagsToSnapshots: true
      tags: {team: data, stale: null}
      storageEncrypted: {enabled: true}
";

#[tokio::test]
async fn a_bare_instance_is_hardened_and_stays_so() {
    let account = Account::new(BARE);
    let plan = account.planned(HARD).await;
    assert_eq!(plan.status, Status::Drifted, "{:#?}", plan.blocks);
    assert!(account.writes().is_empty());
    account.converge(HARD).await;
    assert_eq!(account.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
    assert_eq!(account.in_force("db", "log_min_duration_statement").as_deref(), Some("1000"));
    let instance = account.sandbox.world().rds.instances["db"].clone();
    assert_eq!(instance.parameter_group, "holdfast-db-postgres14");
    assert_eq!((instance.backup_retention, instance.max_allocated_storage), (7, Some(100)));
    assert!(instance.multi_az && instance.deletion_protection && !instance.publicly_accessible);
    assert_eq!(account.writes().iter().filter(|name| *name == "RebootDBInstance").count(), 1);
    assert_eq!(account.writes().iter().filter(|name| *name == "CreateDBParameterGroup").count(), 1);
}

/// Bug 11 of other tools: a parameter group left at pending-reboot and called done.
#[tokio::test]
async fn a_group_that_waits_for_a_restart_is_a_difference() {
    let account = Account::new(
        "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team, pendingReboot: true}
  parameterGroups:
    team: {family: postgres14, parameters: {rds.force_ssl: '1'}}
",
    );
    let manifest = "    - {name: db, parameters: {rds.force_ssl: true}}";
    let plan = account.planned(manifest).await;
    assert_eq!(plan.drifts.iter().map(|drift| drift.field.as_str()).collect::<Vec<_>>(), ["parametersInForce"]);
    assert_eq!(ops(&plan.steps), ["reboot"]);
    assert_eq!(plan.steps[0].impact, Impact::Disruptive);
    account.converge(manifest).await;
    assert_eq!(account.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
    assert_eq!(account.writes(), ["RebootDBInstance"]);
}

#[tokio::test]
async fn a_group_of_the_instance_alone_is_changed_in_place() {
    let account = Account::new(
        "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team}
  parameterGroups:
    team: {family: postgres14, parameters: {work_mem: '8192'}}
",
    );
    // Static: a restart is needed; dynamic alone: none.
    let dynamic = "    - {name: db, parameters: {log_min_duration_statement: 500}}";
    account.converge(dynamic).await;
    assert_eq!(account.writes(), ["ModifyDBParameterGroup"]);
    let both = "    - {name: db, parameters: {log_min_duration_statement: 500, max_connections: 120}}";
    let plan = account.planned(both).await;
    assert_eq!(ops(&plan.steps), ["setParameters", "reboot"]);
    assert_eq!(plan.steps[1].after, [0]);
    account.converge(both).await;
    assert_eq!(account.in_force("db", "max_connections").as_deref(), Some("120"));
    assert_eq!(account.in_force("db", "work_mem").as_deref(), Some("8192"));
}

#[tokio::test]
async fn a_group_that_others_use_is_left_alone_unless_allowed() {
    let shared = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team}
    other: {engineVersion: '14.9', parameterGroup: team}
  parameterGroups:
    team: {family: postgres14, parameters: {work_mem: '8192'}}
";
    let manifest = "    - {name: db, parameters: {log_min_duration_statement: 500}}";
    let account = Account::new(shared);
    assert_eq!(ops(&account.planned(manifest).await.steps), ["createGroup", "setParameters", "attach", "reboot"]);
    account.converge(manifest).await;
    let world = account.sandbox.world();
    assert_eq!(world.rds.instances["other"].parameter_group, "team");
    assert!(!world.rds.parameter_groups["team"].parameters.contains_key("log_min_duration_statement"));
    assert_eq!(account.in_force("db", "work_mem").as_deref(), Some("8192"), "what the present group set is kept");

    for manifest in [
        "    - {name: db, parameters: {log_min_duration_statement: 500}, sharedParameterGroup: Allow}",
        "    - {name: db, parameters: {log_min_duration_statement: 500}}\n    - {name: other, parameters: {work_mem: 8192}}",
    ] {
        let account = Account::new(shared);
        assert_eq!(ops(&account.planned(manifest).await.steps), ["setParameters"]);
        account.apply(manifest).await;
        account.in_sync(manifest).await;
        assert_eq!(account.writes(), ["ModifyDBParameterGroup"]);
    }
    // A neighbour in the manifest whose parameters nobody declares keeps those that it has (contract 4).
    for neighbour in ["deletionProtection: false", "parameters: {}"] {
        let manifest = format!("    - {{name: db, parameters: {{log_min_duration_statement: 500}}}}\n    - {{name: other, {neighbour}}}");
        let account = Account::new(shared);
        account.apply(&manifest).await;
        account.in_sync(&manifest).await;
        let world = account.sandbox.world();
        assert_eq!(world.rds.instances["db"].parameter_group, "holdfast-db-postgres14", "{neighbour}");
        assert!(!world.rds.parameter_groups["team"].parameters.contains_key("log_min_duration_statement"), "{neighbour}");
    }
}

/// Bug 8 of other tools: a crash in the middle of a create that ends in "already exists".
#[tokio::test]
async fn a_group_that_was_begun_is_finished() {
    let begun = |tags: &str| {
        format!(
            "
account: '317805897534'
rds:
  instances:
    db: {{engineVersion: '14.9'}}
  parameterGroups:
    holdfast-db-postgres14: {{family: postgres14, tags: {tags}}}
"
        )
    };
    let manifest = "    - {name: db, parameters: {rds.force_ssl: 1}}";
    let account =
        Account::new(&begun("{holdfast.dev/owner: holdfast, holdfast.dev/object: test, holdfast.dev/made-at: '2025-12-31T00:00:00Z'}"));
    assert_eq!(ops(&account.planned(manifest).await.steps), ["setParameters", "attach", "reboot"]);
    account.converge(manifest).await;
    assert!(!account.writes().iter().any(|name| name == "CreateDBParameterGroup"));

    // One that is not ours is not touched.
    let account = Account::new(&begun("{team: other}"));
    let plan = account.planned(manifest).await;
    assert!(plan.steps.is_empty());
    assert_eq!(plan.blocks[0].reason, Reason::Conflict);
    account.apply(manifest).await;
    assert!(account.writes().is_empty());
}

#[tokio::test]
async fn what_waits_for_the_window_is_pending_and_no_difference() {
    let account = Account::new(BARE);
    let manifest = "    - {name: db, multiAz: true, backupRetentionDays: 7, applyDuring: MaintenanceWindow}";
    account.converge(manifest).await;
    let instance = account.sandbox.world().rds.instances["db"].clone();
    assert!(!instance.multi_az && instance.backup_retention == 0, "the window has not opened");
    let notes = account.planned("    - {name: db, multiAz: true, deletionProtection: true, applyDuring: MaintenanceWindow}").await.notes;
    assert!(notes.iter().any(|note| note.contains("multiAz") && note.contains("sun:05:00")), "{notes:?}");
    // Wanted at once, what only waits is a difference.
    let at_once = "    - {name: db, multiAz: true, backupRetentionDays: 7}";
    assert_eq!(account.planned(at_once).await.drifts.len(), 2);
    account.converge(at_once).await;
    assert!(account.sandbox.world().rds.instances["db"].multi_az);
}

/// ApplyImmediately makes everything happen that waits for the window: an online change must not bring about another's outage.
#[tokio::test]
async fn an_online_change_does_not_set_off_what_waits() {
    let account = Account::new(&BARE.replace("backupRetention: 0", "backupRetention: 1\n      pending: {class: db.m5.large}"));
    account.converge("    - {name: db, deletionProtection: true, backupRetentionDays: 7, logExports: [postgresql]}").await;
    assert_eq!(account.sandbox.world().rds.instances["db"].class, "db.t3.medium");
    let step = account.planned("    - {name: db, multiAz: true}").await.steps.remove(0);
    assert_eq!(step.impact, Impact::Disruptive);
    assert!(step.takes.contains("another instance class"), "{}", step.takes);
}

#[tokio::test]
async fn storage_that_is_not_encrypted_is_reported_and_left() {
    let account = Account::new(&BARE.replace("storageEncrypted: true", "storageEncrypted: false"));
    let manifest = "    - {name: db, storageEncrypted: {enabled: true}, deletionProtection: true}";
    let outcomes = account.apply(manifest).await;
    let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{:?}", outcomes.resources[0].end) };
    assert_eq!((blocks.len(), blocks[0].reason), (1, Reason::NeedsMigration));
    assert_eq!(blocks[0].fields, ["storageEncrypted.enabled"]);
    assert_eq!(account.writes(), ["ModifyDBInstance"], "the rest is repaired");

    // What is encrypted satisfies a manifest that does not ask for it.
    assert!(Account::new(BARE).plan("    - {name: db, storageEncrypted: {enabled: false}}").await.in_sync());
}

#[tokio::test]
async fn wishes_that_cannot_be_had_are_blocked_one_by_one() {
    let cases = [
        ("parameters: {no.such: 1}", Reason::NotSupported),
        ("parameters: {rds.force_ssl: 7}", Reason::InvalidWish),
        ("parameters: {max_connections: many}", Reason::InvalidWish),
        ("maxAllocatedStorageGiB: 21", Reason::InvalidWish),
        ("backupWindow: '05:00-06:00'", Reason::InvalidWish),
        ("performanceInsights: {retentionDays: 31}", Reason::InvalidWish),
        ("enhancedMonitoring: {intervalSeconds: 5}", Reason::InvalidWish),
        ("logExports: [audit]", Reason::NotSupported),
    ];
    for (wish, reason) in cases {
        let account = Account::new(BARE);
        let plan = account.planned(&format!("    - {{name: db, {wish}}}")).await;
        assert_eq!(plan.blocks.iter().map(|block| block.reason).collect::<Vec<_>>(), [reason], "{wish}: {:?}", plan.blocks);
        assert!(plan.steps.is_empty(), "{wish}");
    }
    let account = Account::new(BARE);
    let plan = account.planned("    - {name: gone, deletionProtection: true}").await;
    assert_eq!(plan.blocks[0].reason, Reason::Missing);
}

/// What AWS refuses half-way is taken back: the group that was made goes, the instance keeps its own.
#[tokio::test]
async fn a_group_that_could_not_be_filled_goes_again() {
    let account = Account::new(BARE);
    let manifest = "    - {name: db, parameters: {rds.force_ssl: 1}}";
    account.sandbox.edit(|world| world.rds.instances.get_mut("db").unwrap().parameter_group = "default.postgres14".to_owned());
    let baseline = baseline(manifest);
    let connection = connected(&baseline, &account.connect).await.unwrap();
    let clock = account.sandbox.clock();
    let mut look = look(&baseline, &connection, &Request::default(), clock.now()).await;
    let step = look.plan.resources[0].steps.iter_mut().find(|step| step.op.value()["do"] == "setParameters").unwrap();
    let mut op = step.op.value();
    op["settings"][0]["value"] = json!("nonsense");
    step.op = op.into();
    let journal = Journal::open(account.state.path(), "test").unwrap().journal;
    let interrupt = Interrupt::default();
    let with = Apply { journal: &journal, clock: &clock, run: "run", interrupt: &interrupt, say: &|_| {} };
    let outcomes = apply(&baseline, &look, &Consent::default(), &with).await.unwrap();
    assert!(matches!(&outcomes.resources[0].end, End::Failed { undone, .. } if undone.len() == 1), "{:?}", outcomes.resources[0].end);
    let world = account.sandbox.world();
    assert!(!world.rds.parameter_groups.contains_key("holdfast-db-postgres14"));
    assert_eq!(world.rds.instances["db"].parameter_group, "default.postgres14");
    assert_eq!(account.writes(), ["CreateDBParameterGroup", "ModifyDBParameterGroup", "DeleteDBParameterGroup"]);
}

#[tokio::test]
async fn keys_are_the_same_however_they_are_named() {
    let key = "11111111-2222-3333-4444-555555555555";
    let arn = format!("arn:aws:kms:us-east-1:317805897534:key/{key}");
    let yaml = format!(
        "
account: '317805897534'
kms:
  keys: {{{key}: {{}}, 99999999-2222-3333-4444-555555555555: {{}}}}
  aliases: {{alias/rds: {key}, alias/other: 99999999-2222-3333-4444-555555555555}}
rds:
  instances:
    db: {{storageEncrypted: true, kmsKeyId: '{arn}'}}
"
    );
    for (name, status) in [(key, Status::InSync), (&arn, Status::InSync), ("alias/rds", Status::InSync), ("alias/other", Status::Blocked)] {
        let account = Account::new(&yaml);
        let plan = account.planned(&format!("    - {{name: db, storageEncrypted: {{kmsKeyId: '{name}'}}}}")).await;
        assert_eq!(plan.status, status, "{name}: {plan:?}");
    }
}

/// What cannot be read is neither compliant nor absent.
#[tokio::test]
async fn what_cannot_be_read_stops_its_instance() {
    for (denied, wish) in [("DescribeDBInstances", "multiAz: true"), ("DescribeDBParameters", "parameters: {rds.force_ssl: 1}")] {
        let account = Account::with(BARE, Faults { denied: vec![denied.to_owned()], ..Faults::default() });
        let plan = account.planned(&format!("    - {{name: db, {wish}}}")).await;
        assert_eq!(plan.status, Status::Unreadable, "{denied}");
        assert!(plan.steps.is_empty());
    }
    let account = Account::with(BARE, Faults { denied: vec!["DescribeDBParameterGroups".to_owned()], ..Faults::default() });
    let plan = account.planned("    - {name: db, parameters: {rds.force_ssl: 1}}").await;
    assert_eq!((plan.steps.len(), plan.blocks[0].reason), (0, Reason::Unreadable));
}

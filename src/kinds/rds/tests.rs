//! Comparison, steps and progress from facts; whole runs in `pipeline`, disturbed ones in `disturbed`.

#[cfg(feature = "sandbox")]
mod brings;
#[cfg(feature = "sandbox")]
mod disturbed;
#[cfg(feature = "sandbox")]
mod groups;
#[cfg(feature = "sandbox")]
mod pending;
#[cfg(feature = "sandbox")]
mod pipeline;
#[cfg(feature = "sandbox")]
mod restarts;
#[cfg(feature = "sandbox")]
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_rds::types::{DbInstance, DbParameterGroupStatus, PendingModifiedValues};
use serde_json::json;

use super::brings::Waiting;
use super::seen::{Instance, OwnGroup};
use super::values::Parameter;
use super::{Changes, InstanceSpec, Instances, Op, Resetting, Seen, Setting, Timing};
use crate::kinds::{Drift, Fact, Impact, Kind, KindPeers, Planning, Progress, Reason, Scope, Steps};

fn instance(status: &str, group: &str, apply: &str) -> Instance {
    let group = DbParameterGroupStatus::builder().db_parameter_group_name(group).parameter_apply_status(apply).build();
    let found = DbInstance::builder().db_instance_identifier("db").db_instance_status(status).db_parameter_groups(group).build();
    Instance::read(&found, std::slice::from_ref(&found))
}

fn seen(instance: Instance) -> Seen {
    Seen {
        instance: Fact::Present(instance),
        own: Fact::Absent,
        family: Fact::Present("postgres14".to_owned()),
        waiting: Fact::Present(Waiting::default()),
        ..Seen::default()
    }
}

fn parameter(value: &str) -> Parameter {
    Parameter { value: Some(value.to_owned()), modifiable: true, restarts: true, ..Parameter::default() }
}

fn steps(spec: &InstanceSpec, seen: &Seen, drifts: &[Drift]) -> Steps<Op> {
    let scope = Scope { object: "test".to_owned(), account: String::new(), region: String::new(), partition: "aws".to_owned() };
    Instances::steps(&Planning { scope: &scope, id: "db", spec, seen, drifts, peers: &KindPeers::default() })
}

fn drift(field: &str, found: serde_json::Value, declared: serde_json::Value) -> Drift {
    Drift { field: field.to_owned(), found, declared, impact: Impact::Online }
}

#[test]
fn a_restart_is_done_only_when_the_group_is_in_sync_and_the_instance_ready() {
    let op =
        Op::Reboot { instance: "db".to_owned(), group: "g".to_owned(), changed: false, declared: BTreeMap::new(), brings: BTreeMap::new() };
    let progress = |status, group, apply| Instances::check(&op, &seen(instance(status, group, apply)));
    assert_eq!(progress("available", "g", "in-sync"), Progress::Done);
    // Unless this run has restarted it: then it is looked at for a while, and what it needs yet is planned anew.
    assert!(matches!(progress("available", "g", "pending-reboot"), Progress::Unclear { settle, .. } if settle >= Duration::from_secs(180)));
    assert_eq!(progress("available", "other", "in-sync"), Progress::Pending);
    assert!(matches!(progress("rebooting", "g", "in-sync"), Progress::Running(_)));
    assert!(matches!(progress("rebooting", "g", "pending-reboot"), Progress::Running(_)));
    assert!(matches!(progress("available", "g", "applying"), Progress::Running(_)));
    assert!(matches!(progress("available", "g", "failed-to-apply"), Progress::Failed(_)));
    assert!(matches!(progress("storage-full", "g", "pending-reboot"), Progress::Failed(_)));
}

/// Bug 11 of other tools. An instance says in-sync before it notices a change of its group, and an AWS that never notices says so always: only a
/// restart that was asked for counts.
#[test]
fn after_a_change_of_the_group_only_a_restart_that_was_asked_for_puts_it_in_force() {
    let op =
        Op::Reboot { instance: "db".to_owned(), group: "g".to_owned(), changed: true, declared: BTreeMap::new(), brings: BTreeMap::new() };
    let progress = |status, apply| Instances::check(&op, &seen(instance(status, "g", apply)));
    assert!(matches!(progress("available", "in-sync"), Progress::Unclear { .. }));
    assert!(matches!(progress("rebooting", "in-sync"), Progress::Running(_)));
    assert!(matches!(progress("available", "pending-reboot"), Progress::Unclear { .. }));
}

/// The group changes at once, the instance notices later: in-sync right after the change is the state before it.
#[test]
fn a_static_parameter_is_not_taken_for_in_force_before_the_instance_noticed() {
    let setting = Setting { name: "max_connections".to_owned(), value: "120".to_owned(), restarts: true };
    let op = Op::SetParameters { group: "g".to_owned(), settings: vec![setting], users: Vec::new() };
    let progress = |value, apply| {
        let attached = BTreeMap::from([("max_connections".to_owned(), parameter(value))]);
        Instances::check(&op, &Seen { attached: Fact::Present(attached), ..seen(instance("available", "g", apply)) })
    };
    assert_eq!(progress("100", "in-sync"), Progress::Pending);
    assert!(matches!(progress("120", "in-sync"), Progress::Unclear { settle, .. } if settle >= Duration::from_secs(60)));
    assert!(matches!(progress("120", "applying"), Progress::Running(_)));
    assert_eq!(progress("120", "pending-reboot"), Progress::Done);
}

/// Whoever uses a group gets its values: nobody does whom the plan did not show.
#[test]
fn a_group_that_somebody_came_into_is_not_changed() {
    let setting = Setting { name: "work_mem".to_owned(), value: "120".to_owned(), restarts: false };
    let users = vec!["other".to_owned()];
    let set = Op::SetParameters { group: "g".to_owned(), settings: vec![setting], users: users.clone() };
    let resetting = Resetting { name: "work_mem".to_owned(), restarts: false };
    let reset = Op::ResetParameters { group: "g".to_owned(), parameters: vec![resetting], users };
    let progress = |op: &Op, value: &str, others: &[&str]| {
        let mut instance = instance("available", "g", "in-sync");
        instance.group.as_mut().unwrap().others = others.iter().map(|one| (*one).to_owned()).collect();
        let attached = BTreeMap::from([("work_mem".to_owned(), Parameter { set: true, ..parameter(value) })]);
        Instances::check(op, &Seen { attached: Fact::Present(attached), ..seen(instance) })
    };
    for op in [&set, &reset] {
        assert_eq!(progress(op, "100", &["other"]), Progress::Pending);
        assert_eq!(progress(op, "100", &[]), Progress::Pending, "who left gets nothing");
        let stale = progress(op, "100", &["new", "other"]);
        assert!(matches!(&stale, Progress::Stale(why) if why.contains("new uses the parameter group g")), "{stale:?}");
    }
    assert_eq!(progress(&set, "120", &["new", "other"]), Progress::Done, "nothing is left to be changed");
    // The instance's own group, before it is attached, has no other user.
    let own = OwnGroup { name: "own".to_owned(), ours: true, users: vec!["new".to_owned()], ..OwnGroup::default() };
    let create = Op::SetParameters { group: "own".to_owned(), settings: Vec::new(), users: Vec::new() };
    let found = seen(instance("available", "default.postgres14", "in-sync"));
    assert_eq!(Instances::check(&create, &Seen { own: Fact::Present(own), ..found }), Progress::Done);
}

#[test]
fn a_new_group_is_attached_only_when_it_is_complete() {
    let op = Op::Attach { instance: "db".to_owned(), group: "own".to_owned(), was: "default.postgres14".to_owned() };
    let progress = |complete| {
        let own = OwnGroup { name: "own".to_owned(), ours: true, complete, ..OwnGroup::default() };
        Instances::check(&op, &Seen { own: Fact::Present(own), ..seen(instance("available", "default.postgres14", "in-sync")) })
    };
    assert!(matches!(progress(false), Progress::Running(_)));
    assert_eq!(progress(true), Progress::Pending);
    // An older document on show says nothing of it.
    assert!(matches!(Instances::check(&op, &seen(instance("available", "default.postgres14", "in-sync"))), Progress::Running(_)));
    assert!(matches!(Instances::check(&op, &seen(instance("available", "theirs", "in-sync"))), Progress::Stale(_)), "it is not taken away");
}

#[test]
fn a_group_is_taken_back_only_where_it_was_made_here_and_is_ours_and_unused() {
    let create = Op::CreateGroup {
        instance: "db".to_owned(),
        group: "own".to_owned(),
        family: "postgres14".to_owned(),
        copy_of: None,
        object: "test".to_owned(),
    };
    let before = seen(instance("available", "default.postgres14", "in-sync"));
    let Some(delete) = Instances::undo(&create, &before) else { panic!("nothing is taken back") };
    let own = |ours, users: &[&str]| OwnGroup {
        name: "own".to_owned(),
        ours,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        ..OwnGroup::default()
    };
    let with = |own| Seen { own: Fact::Present(own), ..seen(instance("available", "default.postgres14", "in-sync")) };
    assert_eq!(Instances::undo(&create, &with(own(true, &[]))), None, "it was there before");
    assert_eq!(Instances::check(&delete, &with(own(true, &[]))), Progress::Pending);
    assert!(matches!(Instances::check(&delete, &with(own(false, &[]))), Progress::Failed(_)));
    assert!(matches!(Instances::check(&delete, &with(own(true, &["other"]))), Progress::Failed(_)));
    assert!(matches!(Instances::check(&delete, &seen(instance("available", "own", "in-sync"))), Progress::Failed(_)));
    assert_eq!(Instances::check(&delete, &before), Progress::Done);
    let attach = Op::Attach { instance: "db".to_owned(), group: "own".to_owned(), was: "default.postgres14".to_owned() };
    assert_eq!(Instances::undo(&attach, &before), None, "going back would weaken");
}

#[test]
fn what_waits_for_the_window_is_done_only_where_it_may_wait() {
    let changes = Changes { multi_az: Some(true), ..Changes::default() };
    let pending = PendingModifiedValues::builder().multi_az(true).build();
    let found = DbInstance::builder().db_instance_identifier("db").db_instance_status("available").pending_modified_values(pending).build();
    let seen = seen(Instance::read(&found, &[]));
    let progress =
        |timing| Instances::check(&Op::Modify { instance: "db".to_owned(), changes: changes.clone(), timing, brings: None }, &seen);
    assert_eq!(progress(Timing::MaintenanceWindow), Progress::Done);
    assert_eq!(progress(Timing::Immediately), Progress::Pending);
}

/// Protective numbers: what was raised since a step was planned meets it, and is not set lower on the way.
#[test]
fn a_number_that_was_raised_meets_a_step() {
    let found = DbInstance::builder()
        .db_instance_identifier("db")
        .db_instance_status("available")
        .backup_retention_period(30)
        .max_allocated_storage(500)
        .performance_insights_enabled(true)
        .performance_insights_retention_period(731)
        .monitoring_interval(5)
        .monitoring_role_arn("arn:aws:iam::317805897534:role/monitoring");
    let seen = seen(Instance::read(&found.build(), &[]));
    let progress =
        |changes| Instances::check(&Op::Modify { instance: "db".to_owned(), changes, timing: Timing::Regardless, brings: None }, &seen);
    let each = [
        Changes { backup_retention_days: Some(14), ..Changes::default() },
        Changes { max_allocated_storage_gib: Some(100), ..Changes::default() },
        Changes { performance_insights_days: Some(93), ..Changes::default() },
        Changes { monitoring_seconds: Some(60), ..Changes::default() },
    ];
    for changes in each {
        assert_eq!(progress(changes.clone()), Progress::Done, "{changes:?}");
        assert!(matches!(progress(Changes { deletion_protection: Some(true), ..changes.clone() }), Progress::Stale(_)), "{changes:?}");
    }
    let above =
        Changes { backup_retention_days: Some(35), monitoring_seconds: Some(1), deletion_protection: Some(true), ..Changes::default() };
    assert_eq!(progress(above), Progress::Pending);
}

#[test]
fn what_belongs_to_a_cluster_is_not_changed_on_its_member() {
    let found = DbInstance::builder()
        .db_instance_identifier("db")
        .db_instance_status("available")
        .db_cluster_identifier("aurora")
        .engine("aurora-postgresql")
        .build();
    let drifts = [
        drift("backupRetentionDays", json!(1), json!(7)),
        drift("storageEncrypted.enabled", json!(false), json!(true)),
        drift("autoMinorVersionUpgrade", json!(false), json!(true)),
    ];
    let steps = steps(&InstanceSpec::default(), &seen(Instance::read(&found, &[])), &drifts);
    assert_eq!(steps.blocks.iter().map(|block| block.reason).collect::<Vec<_>>(), [Reason::NotSupported, Reason::NotSupported]);
    assert_eq!(steps.steps.len(), 1);
    assert_eq!(steps.steps[0].fields, ["autoMinorVersionUpgrade"]);
}

#[test]
fn more_than_twenty_parameters_take_several_requests() {
    let names: Vec<String> = (0..45).map(|number| format!("p{number:02}")).collect();
    let attached = names.iter().map(|name| (name.clone(), parameter("0"))).collect();
    let drifts: Vec<Drift> = names.iter().map(|name| drift(&format!("parameters.{name}"), json!("0"), json!(1))).collect();
    let seen = Seen { attached: Fact::Present(attached), ..seen(instance("available", "team", "in-sync")) };
    let steps = steps(&InstanceSpec::default(), &seen, &drifts);
    let sizes: Vec<usize> = steps
        .steps
        .iter()
        .filter_map(|step| match &step.op {
            Op::SetParameters { settings, .. } => Some(settings.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [20, 20, 5]);
    assert_eq!(steps.steps.last().map(|step| step.after.clone()), Some(vec![0, 1, 2]), "one restart after all of them");
}

/// Where the engine cannot take another certificate while it runs, the step is a restart, and says so.
#[test]
fn a_certificate_may_cost_a_restart() {
    let of = |rotates_certificate_without_restart| {
        let engine = super::seen::Engine { rotates_certificate_without_restart, ..Default::default() };
        let seen = Seen { engine: Fact::Present(engine), ..seen(instance("available", "g", "in-sync")) };
        let drifts = [drift("caCertificate", json!("rds-ca-2019"), json!("rds-ca-rsa2048-g1"))];
        steps(&InstanceSpec::default(), &seen, &drifts).steps.remove(0)
    };
    assert_eq!(of(true).impact, Impact::Online);
    assert_eq!(of(false).impact, Impact::Disruptive);
    assert!(of(false).takes.contains("restart"));
}

/// A restart puts in force whatever waits in the group: what is named in the plan, and nothing that came after it.
#[test]
fn a_restart_does_not_begin_where_more_waits_than_was_planned() {
    let spec = InstanceSpec { parameters: Some(BTreeMap::from([("max_connections".to_owned(), None)])), ..InstanceSpec::default() };
    let group = |values: &[(&str, &str)]| -> BTreeMap<String, Parameter> {
        values.iter().map(|(name, value)| ((*name).to_owned(), Parameter { set: true, ..parameter(value) })).collect()
    };
    let waiting = |values: &[(&str, &str)]| Seen {
        waiting: Fact::Present(Waiting::read(&spec, &group(values))),
        ..seen(instance("available", "g", "pending-reboot"))
    };
    let brings = BTreeMap::from([("rds.force_ssl".to_owned(), "1".to_owned())]);
    let reboot =
        Op::Reboot { instance: "db".to_owned(), group: "g".to_owned(), changed: false, declared: BTreeMap::new(), brings: brings.clone() };
    let changes = Changes { ca_certificate: Some("other".to_owned()), ..Changes::default() };
    let modify = Op::Modify { instance: "db".to_owned(), changes, timing: Timing::Immediately, brings: Some(brings) };
    for op in [&reboot, &modify] {
        let progress = |values: &[(&str, &str)]| Instances::check(op, &waiting(values));
        assert!(matches!(progress(&[("rds.force_ssl", "1")]), Progress::Pending | Progress::Unclear { .. }), "{op:?}");
        // The last is declared, and as declared by the time of the restart: somebody set it otherwise since.
        let more = |more| [("rds.force_ssl", "1"), more];
        for other in [&[("rds.force_ssl", "0")][..], &[], &more(("shared_buffers", "9")), &more(("max_connections", "9"))] {
            assert!(matches!(progress(other), Progress::Stale(_)), "{op:?} {other:?}");
        }
        let denied = crate::kinds::Unreadable {
            call: "rds:DescribeDBParameters".to_owned(),
            why: crate::kinds::Why::Denied,
            message: "no".to_owned(),
        };
        let unknown = Seen { waiting: Fact::Unknown(denied), ..seen(instance("available", "g", "pending-reboot")) };
        assert!(matches!(Instances::check(op, &unknown), Progress::Unknown(_)), "{op:?}");
    }
    // One that restarts nothing does not ask.
    let changes = Changes { deletion_protection: Some(true), ..Changes::default() };
    let quiet = Op::Modify { instance: "db".to_owned(), changes, timing: Timing::Regardless, brings: None };
    assert_eq!(Instances::check(&quiet, &waiting(&[("shared_buffers", "9")])), Progress::Pending);
}

/// Also where a setting restarts the instance: a certificate on an engine that cannot take it while it runs, a class that waits and is taken along.
#[test]
fn whatever_restarts_the_instance_says_what_waits_in_its_group() {
    let certificate = [drift("caCertificate", json!("rds-ca-2019"), json!("rds-ca-rsa2048-g1"))];
    let multi_az = [drift("multiAz", json!(false), json!(true))];
    let attached = BTreeMap::from([("rds.force_ssl".to_owned(), Parameter { set: true, ..parameter("1") })]);
    let mut taking_along = instance("available", "g", "pending-reboot");
    taking_along.pending.others = vec!["another instance class"];
    let grows = Instance { pending: super::seen::Pending { others: vec!["more storage"], ..Default::default() }, ..taking_along.clone() };
    let plain = instance("available", "g", "pending-reboot");
    for (found, drifts, restarts) in
        [(&plain, &certificate, true), (&taking_along, &multi_az, true), (&plain, &multi_az, false), (&grows, &multi_az, false)]
    {
        let waiting = Fact::Present(Waiting::read(&InstanceSpec::default(), &attached));
        let steps = steps(&InstanceSpec::default(), &Seen { waiting, ..seen(found.clone()) }, drifts);
        let says = steps.steps[0]
            .takes
            .contains("g sets rds.force_ssl = 1; RDS does not say what of that waits: where it does, clients without TLS");
        assert_eq!(says, restarts, "{}", steps.steps[0].takes);
        let Op::Modify { brings, .. } = &steps.steps[0].op else { panic!("{:?}", steps.steps[0].op) };
        assert_eq!(brings.is_some(), restarts);
        // What it would put in force is not known: it waits.
        let unknown = Seen { waiting: Fact::default(), ..seen(found.clone()) };
        let steps = super::tests::steps(&InstanceSpec::default(), &unknown, drifts);
        assert_eq!(
            (steps.steps.is_empty(), steps.blocks.first().map(|block| block.reason)),
            match restarts {
                true => (true, Some(Reason::Unreadable)),
                false => (false, None),
            }
        );
    }
}

#[test]
fn a_state_that_holdfast_does_not_understand_stops_it() {
    for status in ["stopped", "deleting", "incompatible-parameters", "dancing", ""] {
        let steps =
            steps(&InstanceSpec::default(), &seen(instance(status, "g", "in-sync")), &[drift("multiAz", json!(false), json!(true))]);
        assert!(steps.steps.is_empty(), "{status}");
        assert_eq!(steps.blocks[0].reason, Reason::UnexpectedState, "{status}");
    }
}

#[test]
fn wishes_that_contradict_themselves_are_said() {
    let problems = |yaml: &str| {
        let name = if yaml.starts_with("name:") { "" } else { "name: db, " };
        let spec: InstanceSpec = serde_yaml::from_str(&format!("{{{name}{yaml}}}")).unwrap();
        let scope = Scope { object: "test".into(), account: "317805897534".into(), region: "us-east-1".into(), partition: "aws".into() };
        spec.problems(&scope).into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(problems("backupWindow: '03:00-04:00', maintenanceWindow: 'sun:03:30-sun:04:30'"), ["maintenanceWindow"]);
    assert_eq!(problems("backupWindow: '03:00-03:10'"), ["backupWindow"]);
    assert_eq!(problems("performanceInsights: {retentionDays: 94}"), ["performanceInsights.retentionDays"]);
    assert_eq!(problems("performanceInsights: {enabled: false, retentionDays: 93}"), ["performanceInsights.enabled"]);
    assert_eq!(problems("enhancedMonitoring: {intervalSeconds: 0, roleArn: 'arn:aws:iam::317805897534:role/x'}").len(), 1);
    let role = "enhancedMonitoring: {intervalSeconds: 60, roleArn: 'arn:aws:iam::111122223333:role/x'}";
    assert_eq!(problems(role), ["enhancedMonitoring.roleArn"], "no service takes a role of another account");
    assert_eq!(problems("tags: {'aws:x': y}"), ["tags[\"aws:x\"]"]);
    assert_eq!(problems("tags: {'AWS:x': y, 'rds:x': null, holdfast.dev/x: y, 'cost(center)': y}").len(), 4);
    assert_eq!(problems("tags: {k: 'a;b'}"), ["tags.k"]);
    for id in ["d.b", "1db", "db-", "d--b"] {
        assert_eq!(problems(&format!("instance: '{id}'")), ["instance"], "{id}");
    }
    assert_eq!(problems("parameters: {x: '', y: null}"), ["parameters.x"]);
    assert_eq!(problems("name: db.one"), ["name"]);
    assert!(problems("name: db.one, instance: Db-1").is_empty(), "a label may be any");
    assert!(problems("parameters: {rds.force_ssl: on}, backupRetentionDays: 7").is_empty());
}

#[test]
fn operations_are_read_back_as_they_were_written() {
    let changes = Changes { max_allocated_storage_gib: Some(100), log_exports: vec!["postgresql".to_owned()], ..Changes::default() };
    let op = Op::Modify { instance: "db".to_owned(), changes, timing: Timing::Regardless, brings: None };
    let written = serde_json::to_value(&op).unwrap();
    assert_eq!(
        written,
        json!({"do": "modify", "instance": "db", "changes": {"maxAllocatedStorageGiB": 100, "logExports": ["postgresql"]}, "timing": "regardless"})
    );
    assert_eq!(serde_json::from_value::<Op>(written).unwrap(), op);
}

//! Wishes and facts, without an AWS.

use serde_json::{Value, json};

use crate::kinds::elasticache::seen::{FoundLog, Group, Members, Parameter, ParameterGroup};
use crate::kinds::elasticache::token::Phase;
use crate::kinds::elasticache::{Op, ReplicationGroupSpec, ReplicationGroups, Seen, TokenRef, TransitEncryption};
use crate::kinds::{Fact, Kind, Progress};

fn spec(value: Value) -> ReplicationGroupSpec {
    serde_json::from_value(value).unwrap()
}

fn available() -> Seen {
    let group = Group { status: "available".to_owned(), engine: "redis".to_owned(), ..Group::default() };
    let members = Members { version: "7.1.0".to_owned(), in_vpc: true, ..Members::default() };
    Seen { group: Fact::Present(group), members: Fact::Present(members), tags: Fact::Present([].into()), ..Seen::default() }
}

fn satisfied(path: &str, found: Value, declared: Value) -> bool {
    ReplicationGroups::FIELDS.iter().find(|field| field.path == path).unwrap().rule.satisfied(&found, &declared)
}

#[test]
fn what_satisfies_what() {
    for (path, found, declared, is) in [
        ("transitEncryption", json!("Required"), json!("Preferred"), true),
        ("transitEncryption", json!("Preferred"), json!("Required"), false),
        ("transitEncryption", json!("None"), json!("Preferred"), false),
        ("atRestEncryption.enabled", json!(true), json!(false), true),
        ("atRestEncryption.enabled", json!(false), json!(true), false),
        ("snapshotRetentionDays", json!(30), json!(7), true),
        ("snapshotRetentionDays", json!(1), json!(7), false),
        ("maintenanceWindow", json!("sun:05:00-sun:06:00"), json!("SUN:5:00-sun:06:00"), true),
        ("engineVersion", json!("8.0.1"), json!("7.1"), true),
        ("engineVersion", json!("7.0.7"), json!("7.1"), false),
        ("parameters", json!("300"), json!(300), true),
        ("parameters", json!("yes"), json!("no"), false),
    ] {
        assert_eq!(satisfied(path, found.clone(), declared.clone()), is, "{path}: {found} for {declared}");
    }
}

#[test]
fn wishes_that_cannot_be() {
    let paths = |value: Value| spec(value).problems().into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(json!({"name": "huntaze.redis"})), ["name"]);
    assert_eq!(paths(json!({"name": "a.b", "replicationGroupId": "two--hyphens"})), ["replicationGroupId"]);
    assert_eq!(paths(json!({"name": "a.b", "replicationGroupId": "Fine-1"})), [""; 0]);
    let secret = "arn:aws:secretsmanager:us-east-1:317805897534:secret:redis-a1B2c3";
    let wrong = json!({
        "name": "redis", "transitEncryption": "Preferred", "auth": {"secretArn": secret}, "multiAz": true, "automaticFailover": false,
        "snapshotWindow": "03:00-03:10", "maintenanceWindow": "son:03:00-son:04:00", "parameterGroup": "default.redis7",
        "parameters": {"cluster-enabled": "yes"},
        "tags": {"aws:x": "y", "cost(center)": "a", "holdfast.dev/owner": "me", "long": "v".repeat(257)},
        "atRestEncryption": {"enabled": false, "kmsKeyId": "alias/x"},
    });
    let expected = [
        "atRestEncryption.kmsKeyId",
        "transitEncryption",
        "automaticFailover",
        "snapshotWindow",
        "maintenanceWindow",
        "parameterGroup",
        "parameters.cluster-enabled",
        "tags[\"aws:x\"]",
        "tags[\"cost(center)\"]",
        "tags[\"holdfast.dev/owner\"]",
        "tags.long",
    ];
    assert_eq!(paths(wrong), expected);
    let meeting = json!({"name": "redis", "snapshotWindow": "05:30-06:30", "maintenanceWindow": "sun:05:00-sun:06:00"});
    assert_eq!(paths(meeting), ["maintenanceWindow"]);
}

#[test]
fn the_example_is_a_wish_without_problems() {
    let text = include_str!("../../../../examples/kinds/elasticache.replicationGroups.yaml");
    let object: Value = serde_yaml::from_str(text).unwrap();
    let spec = spec(object["spec"]["elasticache"]["replicationGroups"][0].clone());
    assert_eq!(spec.problems(), []);
    assert_eq!(spec.migration.as_ref().unwrap().cutover.as_ref().unwrap().len(), 4);
    let fields = || ReplicationGroups::FIELDS.iter().filter(|field| field.implied_by.is_none());
    let declared = fields().filter(|field| (field.wish)(&spec).is_some()).count();
    assert!(declared >= fields().count() - 3, "the example shows nearly every field");
}

#[test]
fn progress_is_judged_from_facts() {
    let transit = Op::Transit { group: "g".to_owned(), mode: TransitEncryption::Preferred, token: None };
    let with = |change: &dyn Fn(&mut Group)| {
        let mut seen = available();
        if let Fact::Present(group) = &mut seen.group {
            change(group);
        }
        seen
    };
    assert_eq!(ReplicationGroups::check(&transit, &available()), Progress::Pending);
    assert_eq!(ReplicationGroups::check(&transit, &with(&|group| group.transit = Some(TransitEncryption::Required))), Progress::Done);
    for status in ["modifying", "snapshotting", "rebooting cluster nodes"] {
        let seen = with(&|group| group.status = status.to_owned());
        assert!(matches!(ReplicationGroups::check(&transit, &seen), Progress::Running(what) if what.contains(status)));
    }
    for status in ["create-failed", "deleting"] {
        assert!(matches!(ReplicationGroups::check(&transit, &with(&|group| group.status = status.to_owned())), Progress::Failed(_)));
    }
    assert!(matches!(ReplicationGroups::check(&transit, &Seen::default()), Progress::Unknown(_)));
    let gone = Seen { group: Fact::Absent, ..Seen::default() };
    assert!(matches!(ReplicationGroups::check(&transit, &gone), Progress::Failed(_)));

    let log = json!({"destinationType": "cloudwatch-logs", "destination": "/slow", "format": "json"});
    let settings = Op::Settings {
        group: "g".to_owned(),
        settings: [("logDelivery.slowLog".to_owned(), log.clone())].into(),
        immediately: true,
        snapshot_source: None,
    };
    let delivered = |status: &str, destination: &str| {
        let mut log = log.clone();
        log["destination"] = json!(destination);
        let found = FoundLog { delivery: serde_json::from_value(log).ok(), status: status.to_owned(), message: "no such group".to_owned() };
        with(&|group| drop(group.logs.insert("slow-log".to_owned(), found.clone())))
    };
    assert_eq!(ReplicationGroups::check(&settings, &delivered("active", "/slow")), Progress::Done);
    assert!(matches!(ReplicationGroups::check(&settings, &delivered("enabling", "/slow")), Progress::Running(_)));
    assert!(
        matches!(ReplicationGroups::check(&settings, &delivered("error", "/slow")), Progress::Failed(why) if why.contains("no such group"))
    );
    assert_eq!(ReplicationGroups::check(&settings, &delivered("error", "/other")), Progress::Pending, "another one failed before");
}

#[test]
fn a_token_is_judged_by_its_note() {
    let token = TokenRef { secret_arn: "arn".to_owned(), key: None, version: "v".to_owned() };
    let (group, words) = ("g".to_owned(), json!({"secretArn": "arn"}));
    let ops = [
        Op::RotateToken { group: group.clone(), token: token.clone() },
        Op::SetToken { group: group.clone(), token: token.clone() },
        Op::RecordToken { group, token: token.clone() },
    ];
    let at = |phase, noted, changed| {
        let mut seen = available();
        seen.tags = Fact::Present([("holdfast.dev/auth-secret".to_owned(), token.note(phase, noted).to_string())].into());
        if let Fact::Present(group) = &mut seen.group {
            (group.auth, group.auth_changed) = (true, changed);
        }
        (seen.token, seen.token_words) = (Fact::Present(token.clone()), words.clone());
        let done: Vec<bool> = ops.iter().map(|op| ReplicationGroups::check(op, &seen) == Progress::Done).collect();
        (done, seen.auth() == Fact::Present(words.clone()))
    };
    assert_eq!(at(Phase::Rotate, Some(1), Some(1)), (vec![false, false, false], false));
    assert_eq!(at(Phase::Rotate, Some(1), Some(2)), (vec![true, false, false], false));
    assert_eq!(at(Phase::Set, Some(2), Some(2)), (vec![true, false, false], false));
    assert_eq!(at(Phase::Set, Some(2), Some(3)), (vec![true, true, false], false));
    assert_eq!(at(Phase::InForce, Some(3), Some(3)), (vec![true, true, true], true));
    assert_eq!(at(Phase::InForce, Some(3), Some(4)), (vec![false, false, false], false));
}

/// Bug family 11: what waits for a restart is not in force.
#[test]
fn a_parameter_that_waits_for_a_restart_is_not_in_force() {
    let mut seen = available();
    let parameter = |restart| Parameter { value: "20".to_owned(), set: true, modifiable: true, restart, ..Parameter::default() };
    let parameters = [("databases".to_owned(), parameter(true)), ("timeout".to_owned(), parameter(false))].into();
    seen.parameter_groups = [("own".to_owned(), Fact::Present(ParameterGroup { parameters, ..ParameterGroup::default() }))].into();
    if let Fact::Present(members) = &mut seen.members {
        members.parameter_groups = ["own".to_owned()].into();
        members.waits_for_restart = true;
    }
    let Fact::Present(found) = seen.parameters() else { panic!("not read") };
    assert!(
        !satisfied("parameters", found["databases"].clone(), json!(20)) && satisfied("parameters", found["timeout"].clone(), json!(20))
    );
    if let Fact::Present(members) = &mut seen.members {
        members.parameter_groups.insert("other".to_owned());
    }
    assert!(seen.parameters().unknown().is_some(), "clusters that differ");
}

#[test]
fn only_what_was_made_is_taken_back() {
    let make =
        Op::CreateParameterGroup { name: "own".to_owned(), family: "redis7".to_owned(), object: "o".to_owned(), group: "g".to_owned() };
    let was = |fact| Seen { parameter_groups: [("own".to_owned(), fact)].into(), ..available() };
    let delete = Op::DeleteParameterGroup { name: "own".to_owned() };
    assert_eq!(ReplicationGroups::undo(&make, &was(Fact::Absent)), Some(delete.clone()));
    assert_eq!(ReplicationGroups::undo(&make, &was(Fact::Present(ParameterGroup::default()))), None);
    let group = |ours, users: &[&str]| ParameterGroup {
        ours,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        ..ParameterGroup::default()
    };
    for (found, progress) in [
        (Fact::Present(group(true, &[])), Progress::Pending),
        (Fact::Present(group(true, &["g"])), Progress::Done),
        (Fact::Present(group(false, &[])), Progress::Done),
        (Fact::Absent, Progress::Done),
    ] {
        assert_eq!(ReplicationGroups::check(&delete, &was(found)), progress);
    }
}

//! Whole runs: drifted, repaired, in sync.

use std::time::Duration;

use super::account::{Account, SECRET, TOKEN, found};
use crate::execute::End;
use crate::kinds::{Impact, Reason};
use crate::plan::{ResourcePlan, Status};

const ENCRYPTED: &str = ", atRestEncryption: true, transitEncryption: required";

fn auth() -> String {
    format!("{{name: huntaze-redis, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}}}}")
}

pub(super) fn reasons(plan: &ResourcePlan) -> Vec<(Reason, Vec<String>)> {
    plan.all_blocks().map(|block| (block.reason, block.fields.clone())).collect()
}

pub(super) fn blocked(reason: Reason, fields: &[&str]) -> (Reason, Vec<String>) {
    (reason, fields.iter().map(|field| (*field).to_owned()).collect())
}

#[tokio::test]
async fn every_setting_that_is_online() {
    let account = Account::new(&found(", snapshotRetentionLimit: 1, autoMinorVersionUpgrade: false, tags: {old: x, team: a}"));
    let wish = "{name: redis, replicationGroupId: huntaze-redis, multiAz: true, snapshotRetentionDays: 7, snapshotWindow: '01:00-02:00',
        maintenanceWindow: 'MON:05:00-mon:06:00', autoMinorVersionUpgrade: true, engineVersion: '7.0', automaticFailover: true,
        notificationTopicArn: 'arn:aws:sns:us-east-1:317805897534:ops', tags: {old: null, team: b},
        logDelivery: {slowLog: {destinationType: cloudwatch-logs, destination: /slow, format: json},
                      engineLog: {destinationType: kinesis-firehose, destination: stream, format: text}}}";
    let plan = account.planned(wish).await;
    assert!(plan.steps.iter().all(|step| step.impact == Impact::Online), "{:#?}", plan.steps);
    account.converge(wish).await;
    let writes: Vec<String> = account.writes().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(writes, ["AddTagsToResource", "RemoveTagsFromResource", "ModifyReplicationGroup"], "what goes together is one request");
    let body = &account.writes()[2].1;
    assert!(
        !body.contains("AutomaticFailover") && !body.contains("EngineVersion") && !body.contains("Transit"),
        "changed fields only: {body}"
    );
    let more = account.planned("{name: huntaze-redis, snapshotRetentionDays: 3}").await;
    assert_eq!(more.status, Status::InSync, "more days than declared satisfy it");
}

/// Bug family 4: the member with the lowest number is not the primary, nor for ever the source of snapshots.
#[tokio::test]
async fn snapshots_are_turned_on_from_a_replica() {
    // In `found` the second member is the primary.
    let first = found("");
    let second = first.replacen("primaries: {1: 2}", "primaries: {1: 1}", 1);
    let sharded = found(", clusterEnabled: true, shards: 2");
    for (world, source) in [(first, Some("huntaze-redis-001")), (second, Some("huntaze-redis-002")), (sharded, None)] {
        let account = Account::new(&world);
        account.converge("{name: huntaze-redis, snapshotRetentionDays: 7}").await;
        let (_, body) = account.writes().remove(0);
        match source {
            Some(source) => assert!(body.contains(&format!("SnapshottingClusterId={source}")), "{body}"),
            None => assert!(!body.contains("SnapshottingClusterId"), "{body}"),
        }
        // Turned on, it is only lengthened, and the source stays.
        account.converge("{name: huntaze-redis, snapshotRetentionDays: 9}").await;
        let (_, body) = account.writes().pop().unwrap();
        assert!(!body.contains("SnapshottingClusterId"), "{body}");
    }
}

/// The window that is declared against the one that is found, and the other way round: AWS refuses it, so that the plan does not promise it.
#[tokio::test]
async fn windows_that_would_overlap_are_blocked_in_the_plan() {
    let account = Account::new(&found(", snapshotWindow: '03:00-04:00', maintenanceWindow: 'sun:05:00-sun:06:00'"));
    for (field, window) in [("snapshotWindow", "05:30-06:30"), ("maintenanceWindow", "tue:02:30-tue:03:30")] {
        let plan = account.planned(&format!("{{name: huntaze-redis, {field}: '{window}', snapshotRetentionDays: 5}}")).await;
        assert_eq!(reasons(&plan), [blocked(Reason::InvalidWish, &[field])]);
        assert!(plan.blocks[0].message.contains(window), "{}", plan.blocks[0].message);
        assert_eq!(plan.steps.iter().map(|step| step.fields.clone()).collect::<Vec<_>>(), [["snapshotRetentionDays"]]);
    }
    // Both, apart from each other, though each meets what is found of the other.
    account.converge("{name: huntaze-redis, snapshotWindow: '05:30-06:30', maintenanceWindow: 'tue:03:00-tue:04:00'}").await;
}

/// Bug family 2 and issue 30700: TLS is two online requests, not a new group.
#[tokio::test]
async fn tls_goes_by_preferred_to_required_and_the_second_waits_for_consent() {
    let mut account = Account::new(&found(""));
    account.disruptive = "Approve";
    let wish = "{name: huntaze-redis, transitEncryption: Required, snapshotRetentionDays: 0}";
    let plan = account.planned(wish).await;
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.impact, step.after.clone(), step.held.is_some())).collect();
    assert_eq!(steps, [(Impact::Online, vec![], false), (Impact::Disruptive, vec![0], true)]);
    let outcomes = account.apply(wish).await;
    assert!(matches!(outcomes.resources[0].end, End::Partly { .. }), "{:?}", outcomes.resources[0]);
    assert_eq!(outcomes.resources[0].done.len(), 1);
    account.disruptive = "Allow";
    account.converge(wish).await;
    assert_eq!(account.writes().len(), 1, "nothing that is unchanged is sent again");
    account.in_sync("{name: huntaze-redis, transitEncryption: Preferred}").await;
}

#[tokio::test]
async fn a_token_is_rotated_then_set_and_nobody_is_without_one() {
    let account = Account::new(&found(ENCRYPTED));
    account.converge(&auth()).await;
    assert!(account.admits(Some(TOKEN)) && !account.admits(None));
    let strategies: Vec<&str> = account
        .sandbox
        .writes()
        .iter()
        .filter_map(|write| ["ROTATE", "SET"].into_iter().find(|one| write.body.contains(&format!("={one}"))))
        .collect();
    assert_eq!(strategies, ["ROTATE", "SET"]);
}

#[tokio::test]
async fn plain_text_to_tls_with_a_token_in_one_plan() {
    let account = Account::new(&found(", atRestEncryption: true"));
    let plan = account.planned(&auth()).await;
    let impacts: Vec<_> = plan.steps.iter().map(|step| step.impact).collect();
    assert_eq!(impacts, [Impact::Online, Impact::Disruptive, Impact::Online, Impact::Disruptive, Impact::Online]);
    assert!(plan.steps.windows(2).enumerate().all(|(at, pair)| pair[1].after == [at]));
    account.converge(&auth()).await;
    assert!(account.admits(Some(TOKEN)) && !account.admits(None));
}

/// Bug family 3: a new version of the secret is drift; a stale one is never put back; at no time is there no password.
#[tokio::test]
async fn a_secret_that_was_rotated_is_followed() {
    let account = Account::new(&found(ENCRYPTED));
    account.converge(&auth()).await;
    account.rotate_secret("22222222-2222-2222-2222-222222222222", "second-token-of-the-test");
    let plan = account.planned(&auth()).await;
    assert_eq!(plan.steps.len(), 3, "{:#?}", plan.steps);
    account.converge(&auth()).await;
    assert!(account.admits(Some("second-token-of-the-test")) && !account.admits(Some(TOKEN)) && !account.admits(None));
}

#[tokio::test]
async fn a_token_that_somebody_changed_by_hand_is_seen() {
    let account = Account::new(&found(ENCRYPTED));
    account.converge(&auth()).await;
    account.sandbox.clock().advance(Duration::from_secs(3600));
    let now = account.sandbox.clock().now();
    account.sandbox.edit(|world| {
        let auth = &mut world.elasticache.replication_groups.get_mut("huntaze-redis").unwrap().auth;
        auth.tokens = vec!["0".repeat(64)];
        auth.last_modified = Some(now);
    });
    account.converge(&auth()).await;
    assert!(account.admits(Some(TOKEN)) && !account.admits(None));
}

/// A group that was made with the very token: SET has nothing to end, and AWS refuses it.
#[tokio::test]
async fn a_group_that_has_the_token_already_is_adopted() {
    let account = Account::new(&found(ENCRYPTED));
    account.converge(&auth()).await;
    account.sandbox.edit(|world| world.elasticache.replication_groups.get_mut("huntaze-redis").unwrap().tags.clear());
    account.converge(&auth()).await;
    assert!(account.admits(Some(TOKEN)) && !account.admits(None));
}

#[tokio::test]
async fn a_token_of_the_wrong_shape_is_refused_and_not_shown() {
    let account = Account::new(&found(ENCRYPTED));
    account.rotate_secret("33333333-3333-3333-3333-333333333333", "no@good-as-a-token-at-all");
    let outcomes = account.apply(&auth()).await;
    let said = format!("{outcomes:?}");
    assert!(said.contains("16 to 128") && !said.contains("no@good"), "{said}");
    assert_eq!(account.writes(), [], "nothing was sent, no note written");
}

/// The secret is looked at before anybody is cut off for it: JSON without a `key`, no JSON with one, another member, the wrong signs.
#[tokio::test]
async fn tls_is_not_required_for_a_token_that_cannot_be_set() {
    let old = found(", atRestEncryption: true, engineVersion: 7.0.4").replacen("engineVersion: 7.1.0, ", "", 1);
    for world in [found(", atRestEncryption: true"), found(", atRestEncryption: true, transitEncryption: preferred"), old] {
        let account = Account::new(&world);
        let wish = auth().replace("huntaze-redis,", "huntaze-redis, engineVersion: '7.1',");
        for wrong in [wish.replace(", key: token", ""), wish.replace("key: token", "key: other")] {
            account.sandbox.forget_records();
            let outcomes = account.apply(&wrong).await;
            assert!(matches!(outcomes.resources[0].end, End::Failed { .. }), "{outcomes:?}");
            assert_eq!((account.writes(), outcomes.resources[0].done.len()), (Vec::new(), 0), "nothing was sent");
            assert!(!format!("{outcomes:?}").contains(TOKEN));
        }
        account.converge(&wish).await;
    }
}

/// The slips that people make with secrets are told apart, in words that show nothing of the secret.
#[tokio::test]
async fn what_is_wrong_with_a_secret_is_said() {
    let (with_key, whole) = (auth(), auth().replace(", key: token", ""));
    for (secret, wish, said) in [
        (r#"{"token": "sandbox-only-token-0001"}"#, &whole, "name the member that is the token in auth.key"),
        ("sandbox-only-token-0001", &with_key, "is not JSON, and its key token is asked for"),
        (r#"{"other": "sandbox-only-token-0001"}"#, &with_key, "holds no text under the key token"),
        (r#"["sandbox-only-token-0001"]"#, &with_key, "holds no text under the key token"),
        ("sandbox-only-token-0001\n", &whole, "ends with a line break"),
        (" sandbox-only-token-0001", &whole, "begins or ends with a blank"),
        (r#"{"token": "sandbox-only-token-0001 "}"#, &with_key, "under the key token is no AUTH token: it begins or ends with a blank"),
        ("sandbox-only@token-0001", &whole, "16 to 128 letters"),
    ] {
        let account = Account::new(&found(ENCRYPTED));
        account.sandbox.edit(|world| {
            let secret_of = world.secretsmanager.secrets.get_mut("redis").unwrap();
            secret_of.versions.values_mut().for_each(|version| secret.clone_into(&mut version.secret_string.as_mut().unwrap().0));
        });
        let outcomes = format!("{:?}", account.apply(wish).await);
        assert!(outcomes.contains(said), "{said}: {outcomes}");
        for wrong in ["NoAuthToken", "SecretEmpty", "sandbox-only", "0001"] {
            assert!(!outcomes.contains(wrong), "{wrong}: {outcomes}");
        }
        assert_eq!(account.writes(), []);
    }
    let doomed = found(ENCRYPTED).replacen("arnSuffix: a1B2c3,", "arnSuffix: a1B2c3, deleted: '2025-12-20T00:00:00Z',", 1);
    let plan = Account::new(&doomed).planned(&auth()).await;
    assert_eq!(plan.blocks[0].message, "the secret is scheduled for deletion");
    assert!(plan.blocks[0].what_to_do.contains("restore-secret"), "{}", plan.blocks[0].what_to_do);
}

/// A group that something else is done to: the plan says that its steps wait, and the end that nothing was sent.
#[tokio::test]
async fn a_group_that_stays_busy_is_said() {
    let account = Account::new(&found(", status: modifying"));
    let wish = "{name: huntaze-redis, snapshotRetentionDays: 7}";
    let plan = account.planned(wish).await;
    assert!(plan.notes.iter().any(|note| note.contains("is modifying") && note.contains("waits")), "{:?}", plan.notes);
    let outcomes = account.apply(wish).await;
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{outcomes:?}") };
    assert!(message.contains("within 60 min (the group, which is modifying; nothing was sent for it in this run)"), "{message}");
    assert_eq!(account.writes(), []);
    let free = Account::new(&found("")).planned(wish).await;
    assert!(free.notes.iter().all(|note| !note.contains("waits until")), "{:?}", free.notes);
}

#[tokio::test]
async fn the_tokens_bytes_are_in_the_request_and_nowhere_else() {
    let account = Account::new(&found(ENCRYPTED));
    let plan = serde_json::to_string(&account.plan(&auth()).await).unwrap();
    let outcomes = format!("{:?}", account.apply(&auth()).await);
    assert!(!plan.contains(TOKEN) && !outcomes.contains(TOKEN));
    let tags = &account.sandbox.world().elasticache.replication_groups["huntaze-redis"].tags;
    assert!(tags.contains_key("holdfast.dev/auth-secret") && tags.values().all(|value| !value.contains(TOKEN)));
    let bodies = account.sandbox.writes().into_iter().filter(|write| write.body.contains(TOKEN)).count();
    assert_eq!(bodies, 2);
}

#[tokio::test]
async fn what_needs_a_new_group_is_said_and_left_alone() {
    let account = Account::new(&found(""));
    let wish = format!(
        "{{name: huntaze-redis, atRestEncryption: {{enabled: true}}, transitEncryption: Required, snapshotRetentionDays: 7, auth: {{secretArn: '{SECRET}', key: token}}}}"
    );
    let plan = account.planned(&wish).await;
    let expected =
        [blocked(Reason::NeedsMigration, &["atRestEncryption.enabled"]), blocked(Reason::NeedsMigration, &["transitEncryption", "auth"])];
    assert_eq!(reasons(&plan), expected);
    assert_eq!(plan.steps.len(), 1, "what can be had in place is had");
    account.apply(&wish).await;
    let group = account.sandbox.world().elasticache.replication_groups["huntaze-redis"].clone();
    assert_eq!((group.snapshot_retention_limit, group.at_rest_encryption, group.transit_encryption.mode()), (7, false, None));

    let old = Account::new(&found(", engineVersion: 7.0.4").replacen("engineVersion: 7.1.0, ", "", 1));
    let plan = old.planned("{name: huntaze-redis, transitEncryption: Preferred}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::NeedsMigration, &["transitEncryption"])]);
    old.converge("{name: huntaze-redis, transitEncryption: Preferred, engineVersion: '7.1'}").await;
}

#[tokio::test]
async fn effective_encryption_and_keys() {
    let key = "11111111-2222-3333-4444-555555555555";
    let kms = format!("kms: {{keys: {{{key}: {{}}}}, aliases: {{alias/redis: {key}}}}}\n");
    let account = Account::new(&(found(&format!(", atRestEncryption: true, kmsKeyId: {key}")) + &kms));
    for name in ["alias/redis", key, &format!("arn:aws:kms:us-east-1:317805897534:key/{key}")] {
        account.in_sync(&format!("{{name: huntaze-redis, atRestEncryption: {{enabled: true, kmsKeyId: '{name}'}}}}")).await;
    }
    let plan = account.planned("{name: huntaze-redis, atRestEncryption: {kmsKeyId: alias/none}}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::InvalidWish, &["atRestEncryption.kmsKeyId"])]);
    let effective = Account::new(&found(", storageEncryptionType: sse-elasticache"));
    effective.in_sync("{name: huntaze-redis, atRestEncryption: {enabled: true}}").await;
}

#[tokio::test]
async fn parameters_of_a_default_group_get_one_of_their_own() {
    let account = Account::new(&found("").replace("pageSize: 50", "pageSize: 2"));
    let wish = "{name: huntaze-redis, parameters: {timeout: 300, notify-keyspace-events: Ex}}";
    account.converge(wish).await;
    let world = account.sandbox.world().elasticache;
    let group = &world.parameter_groups["holdfast-huntaze-redis-redis7"];
    assert_eq!(group.parameters.get("timeout").map(String::as_str), Some("300"));
    assert_eq!(group.tags.get("holdfast.dev/object").map(String::as_str), Some("test"));
    account.converge("{name: huntaze-redis, parameters: {timeout: 60}}").await;
    assert_eq!(account.writes().len(), 1, "our own group is changed in place");

    let cluster = Account::new(&found(", clusterEnabled: true, shards: 2"));
    cluster.converge(wish).await;
}

pub(super) const GROUPS: &str =
    "  parameterGroups: {team: {family: redis7, parameters: {timeout: '30', maxmemory-samples: '5'}}, old: {family: redis6.x}}\n";

pub(super) fn with_groups(group: &str, more: &str) -> String {
    let other = format!("    other: {{engineVersion: 7.1.0, nodes: 1{more}}}\n");
    found(group).replacen("secretsmanager", &format!("{other}{GROUPS}secretsmanager"), 1)
}

#[tokio::test]
async fn a_shared_parameter_group_is_not_changed_unless_the_manifest_says_so() {
    let shared = with_groups(", parameterGroup: team", ", parameterGroup: team");
    let account = Account::new(&shared);
    account.converge("{name: huntaze-redis, parameters: {timeout: 300}}").await;
    let world = account.sandbox.world().elasticache;
    assert_eq!(world.parameter_groups["team"].parameters["timeout"], "30");
    assert_eq!(world.parameter_groups["holdfast-huntaze-redis-redis7"].parameters["maxmemory-samples"], "5", "copied");

    let account = Account::new(&shared);
    account.converge("{name: huntaze-redis, sharedParameterGroup: Allow, parameters: {timeout: 300}}").await;
    assert_eq!(account.sandbox.world().elasticache.parameter_groups["team"].parameters["timeout"], "300");
    assert_eq!(account.sandbox.world().elasticache.parameter_groups.len(), 2);

    let plan = account.planned("{name: huntaze-redis, parameterGroup: team, parameters: {timeout: 10}}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::Conflict, &["parameters.timeout"])]);
    // A neighbour in the manifest of whose parameters nothing is said keeps those that it has.
    let timeout = |account: &Account| account.sandbox.world().elasticache.parameter_groups["team"].parameters["timeout"].clone();
    account.apply("{name: huntaze-redis, parameters: {timeout: 5}}, {name: other, snapshotRetentionDays: 0}").await;
    assert_eq!(timeout(&account), "300");
    for (neighbour, value) in [("parameters: {maxmemory-samples: 5}", "5"), ("parameterGroup: team", "6")] {
        let account = Account::new(&shared);
        account.apply(&format!("{{name: huntaze-redis, parameters: {{timeout: {value}}}}}, {{name: other, {neighbour}}}")).await;
        assert_eq!(timeout(&account), value, "the manifest speaks for the parameters of both: {neighbour}");
    }
}

/// Bug family 1.
#[tokio::test]
async fn two_entries_with_one_group_that_disagree_are_both_told() {
    let shared = with_groups(", parameterGroup: team", ", parameterGroup: team");
    let account = Account::new(&shared);
    let disagree = "{name: first, replicationGroupId: huntaze-redis, parameters: {timeout: 5, maxmemory-samples: 7}}, {name: other, parameters: {timeout: 6}}";
    let plan = account.plan(disagree).await;
    for resource in &plan.resources {
        assert_eq!(reasons(resource), [blocked(Reason::Conflict, &["parameters.timeout"])]);
        for word in ["replicationGroups/first", "replicationGroups/other", "5", "6", "team"] {
            assert!(resource.blocks[0].message.contains(word), "{word}: {}", resource.blocks[0].message);
        }
    }
    account.apply(disagree).await;
    account.apply(disagree).await;
    let parameters = &account.sandbox.world().elasticache.parameter_groups["team"].parameters;
    assert_eq!((parameters["timeout"].as_str(), parameters["maxmemory-samples"].as_str()), ("30", "7"), "what they agree on is set");
    assert_eq!(account.writes().len(), 1, "{:?}", account.writes());

    // Neither uses it yet, and both declare it.
    let account = Account::new(&with_groups("", ""));
    let named = "{name: huntaze-redis, parameterGroup: team, parameters: {timeout: 5}}, {name: other, parameterGroup: Team, parameters: {timeout: 6}}";
    for resource in &account.plan(named).await.resources {
        let expected = [blocked(Reason::Conflict, &["parameters.timeout"]), blocked(Reason::Conflict, &["parameterGroup"])];
        assert_eq!(reasons(resource), expected, "it is not attached without what is declared");
    }
    // One that leaves the group is no hindrance.
    let account = Account::new(&with_groups(", parameterGroup: team", ", parameterGroup: team"));
    let leaving = "{name: huntaze-redis, parameters: {timeout: 5}}, {name: other, parameterGroup: default.redis7}";
    account.apply(leaving).await;
    account.in_sync(leaving).await;
    assert_eq!(account.sandbox.world().elasticache.parameter_groups["team"].parameters["timeout"], "5");
}

#[tokio::test]
async fn null_sets_a_parameter_back_to_the_engines_default() {
    let account = Account::new(&with_groups(", parameterGroup: team", ""));
    account.converge("{name: huntaze-redis, parameters: {timeout: null, maxmemory-samples: 7, databases: null}}").await;
    let team = account.sandbox.world().elasticache.parameter_groups["team"].parameters.clone();
    assert_eq!(team.get("timeout"), None);
    assert_eq!(team["maxmemory-samples"], "7");

    // Into a group of its own, which is a copy without it.
    let account = Account::new(&with_groups(", parameterGroup: team", ", parameterGroup: team"));
    account.converge("{name: huntaze-redis, parameters: {timeout: null}}").await;
    let groups = account.sandbox.world().elasticache.parameter_groups;
    assert!(!groups["holdfast-huntaze-redis-redis7"].parameters.contains_key("timeout"));
    assert_eq!(groups["holdfast-huntaze-redis-redis7"].parameters["maxmemory-samples"], "5");
    assert_eq!(groups["team"].parameters["timeout"], "30");
}

/// A group that was made for one alone is not changed under others that came to use it.
#[tokio::test]
async fn a_group_of_its_own_that_others_use_is_not_changed() {
    let own = "holdfast-huntaze-redis-redis7";
    let shared = with_groups(&format!(", parameterGroup: {own}"), &format!(", parameterGroup: {own}"));
    let tags = "{holdfast.dev/owner: holdfast, holdfast.dev/object: test}";
    let shared = shared.replacen("parameterGroups: {", &format!("parameterGroups: {{{own}: {{family: redis7, tags: {tags}}}, "), 1);
    let account = Account::new(&shared);
    let plan = account.planned("{name: huntaze-redis, parameters: {timeout: 300}}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::Conflict, &["parameters.timeout"])]);
    account.converge("{name: huntaze-redis, parameters: {timeout: 300}, sharedParameterGroup: Allow}").await;
}

#[tokio::test]
async fn parameter_groups_by_name_and_what_cannot_be_set() {
    let account = Account::new(&with_groups("", ""));
    account.converge("{name: huntaze-redis, parameterGroup: Team, parameters: {timeout: 31}}").await;
    let plan = account
        .planned("{name: huntaze-redis, parameterGroup: old, parameters: {databases: 20, maxclients: 5, no-such: x, timeout: 31}}")
        .await;
    assert_eq!(
        reasons(&plan),
        [
            blocked(Reason::InvalidWish, &["parameterGroup"]),
            blocked(Reason::WaitsForOther, &["parameters.databases", "parameters.maxclients", "parameters.no-such"])
        ]
    );
    let plan = account.planned("{name: huntaze-redis, parameters: {databases: 20, maxclients: 5, no-such: x}}").await;
    let expected = [
        blocked(Reason::NotSupported, &["parameters.databases"]),
        blocked(Reason::NotSupported, &["parameters.maxclients"]),
        blocked(Reason::InvalidWish, &["parameters.no-such"]),
    ];
    assert_eq!(reasons(&plan), expected);
    assert_eq!(plan.steps, []);
    let evicts = account.planned("{name: huntaze-redis, parameters: {maxmemory-policy: allkeys-lru}}").await;
    assert_eq!(evicts.steps[0].impact, Impact::Disruptive, "keys may be evicted");
}

/// Bug family 7.
#[tokio::test]
async fn a_group_with_our_name_that_we_did_not_make_is_left_alone() {
    let foreign =
        found("").replacen("secretsmanager", "  parameterGroups: {holdfast-huntaze-redis-redis7: {family: redis7}}\nsecretsmanager", 1);
    let account = Account::new(&foreign);
    let plan = account.planned("{name: huntaze-redis, parameters: {timeout: 300}}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::Conflict, &["parameters.timeout"])]);
}

#[tokio::test]
async fn an_engine_goes_up_with_its_parameters_and_never_down() {
    let account = Account::new(&with_groups(", engineVersion: 6.2.6, parameterGroup: old", "").replacen("engineVersion: 7.1.0, ", "", 1));
    account.sandbox.edit(|world| {
        let old = world.elasticache.parameter_groups.get_mut("old").unwrap();
        old.parameters = [("timeout".to_owned(), "30".to_owned()), ("hash-max-ziplist-value".to_owned(), "65".to_owned())].into();
    });
    let wish = "{name: huntaze-redis, engineVersion: '7.1', parameters: {tcp-keepalive: 100}}";
    let plan = account.planned(wish).await;
    assert!(plan.notes.iter().any(|note| note.contains("hash-max-ziplist-value")), "{:?}", plan.notes);
    account.converge(wish).await;
    let world = account.sandbox.world().elasticache;
    assert_eq!(world.replication_groups["huntaze-redis"].engine_version, "7.1.0");
    let parameters = &world.parameter_groups["holdfast-huntaze-redis-redis7"].parameters;
    assert_eq!((parameters["timeout"].as_str(), parameters["tcp-keepalive"].as_str()), ("30", "100"));
    account.in_sync("{name: huntaze-redis, engineVersion: '6.2'}").await;
    let plain = Account::new(&found(", engineVersion: 6.2.6").replacen("engineVersion: 7.1.0, ", "", 1));
    plain.converge("{name: huntaze-redis, engineVersion: '7.0'}").await;
}

#[tokio::test]
async fn what_waits_for_the_maintenance_window_is_not_set_off_unsaid() {
    let account = Account::new(&found(", snapshotRetentionLimit: 1"));
    let client = aws_sdk_elasticache::Client::from_conf(
        aws_sdk_elasticache::Config::builder()
            .behavior_version(aws_sdk_elasticache::config::BehaviorVersion::latest())
            .region(aws_sdk_elasticache::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_elasticache::config::Credentials::new("AKIASANDBOX", "secret", None, None, "test"))
            .http_client(account.sandbox.http_client())
            .build(),
    );
    client.modify_replication_group().replication_group_id("huntaze-redis").cache_node_type("cache.r6g.large").send().await.unwrap();
    let plan = account.planned("{name: huntaze-redis, snapshotRetentionDays: 7, multiAz: true}").await;
    let impacts: Vec<_> = plan.steps.iter().map(|step| (step.impact, step.op.value()["immediately"].as_bool())).collect();
    assert_eq!(impacts, [(Impact::Online, Some(false)), (Impact::Disruptive, Some(true))]);
    assert!(plan.steps[1].takes.contains("cache.r6g.large"), "{}", plan.steps[1].takes);
    account.converge("{name: huntaze-redis, snapshotRetentionDays: 7}").await;
    assert_eq!(account.sandbox.world().elasticache.replication_groups["huntaze-redis"].node_type, "cache.t3.micro");
}

/// Bug family 4.
#[tokio::test]
async fn snapshotting_is_waited_for_and_create_failed_is_not() {
    let account = Account::new(&found(", status: snapshotting, readyAt: '2026-01-01T00:03:00Z'"));
    account.converge("{name: huntaze-redis, snapshotRetentionDays: 7, tags: {team: a}}").await;
    let failed = Account::new(&found(", status: create-failed"));
    let plan = failed.planned("{name: huntaze-redis, snapshotRetentionDays: 7}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::UnexpectedState, &[])]);
}

#[tokio::test]
async fn what_is_not_there_or_is_no_group() {
    let account = Account::new(&found(""));
    let plan = account.planned("{name: other, transitEncryption: Required}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::Missing, &[])]);
    let plan = Account::new(&found(", subnetGroup: ''")).planned("{name: huntaze-redis, transitEncryption: Preferred}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &["transitEncryption"])]);
    let alone = Account::new(&found("").replacen("nodes: 2, automaticFailover: true, primaries: {1: 2}", "nodes: 1", 1));
    let plan = alone.planned("{name: huntaze-redis, automaticFailover: true, multiAz: true}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &["automaticFailover"]), blocked(Reason::NotSupported, &["multiAz"])]);
    let preferred = Account::new(&found(", transitEncryption: preferred"));
    let plan = preferred.planned(&format!("{{name: huntaze-redis, auth: {{secretArn: '{SECRET}', key: token}}}}")).await;
    assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &["auth"])]);
}

#[tokio::test]
async fn many_groups_are_listed_once() {
    let account = Account::new(&with_groups("", "").replace("pageSize: 50", "pageSize: 2"));
    account.sandbox.forget_records();
    account.plan("{name: huntaze-redis, transitEncryption: Required}, {name: other, transitEncryption: Required}").await;
    let asked: Vec<String> = account.sandbox.recorded().into_iter().map(|one| one.operation).collect();
    let count = |name: &str| asked.iter().filter(|asked| *asked == name).count();
    // Two groups, three clusters, two a page.
    assert_eq!((count("DescribeReplicationGroups"), count("DescribeCacheClusters"), asked.len()), (1, 2, 4), "{asked:?}");
}

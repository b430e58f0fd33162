//! What the topic is told: no false all-clear, and nothing lost without a word.

use serde_json::Value;
use tempfile::TempDir;

use super::{ACCOUNT, folder, holdfast};

/// One bucket whose change waits for consent, one that is in sync.
const SPEC: &str = "  s3:\n    buckets:\n      - {name: huntaze-assets, denyInsecureTransport: true}\n      - {name: huntaze-uploads, publicAccessBlock: {blockPublicAcls: false}}\n";

fn topic(name: &str) -> String {
    format!("  notifications: {{topicArn: \"arn:aws:sns:us-east-1:{ACCOUNT}:{name}\"}}\n")
}

/// Has the manifest name another topic.
fn turn(folder: &TempDir, from: &str, to: &str) {
    let file = folder.path().join("m.yaml");
    let text = std::fs::read_to_string(&file).expect("the manifest");
    assert!(text.contains(from));
    std::fs::write(&file, text.replace(from, to)).expect("the manifest");
}

fn run(folder: &TempDir, more: &[&str], code: i32) -> assert_cmd::assert::Assert {
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(more).assert().code(code)
}

/// The messages so far: topic and subject.
fn messages(folder: &TempDir) -> Vec<(String, String)> {
    let saved = std::fs::read(folder.path().join("state/sandbox/account.json")).expect("the account");
    let saved: Value = serde_json::from_slice(&saved).expect("JSON");
    let all = saved.pointer("/world/sns/messages").and_then(Value::as_array).expect("messages");
    let text = |message: &Value, member: &str| message[member].as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|message| (text(message, "topicArn").rsplit(':').next().unwrap_or_default().to_owned(), text(message, "subject")))
        .collect()
}

#[test]
fn a_look_at_a_part_gives_no_all_clear() {
    let folder = folder(ACCOUNT, &format!("{}{SPEC}", topic("huntaze-ops-alerts")));
    run(&folder, &[], 3);
    let told = messages(&folder);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("1 blocked"), "{told:?}");
    run(&folder, &["--only", "s3.buckets/huntaze-uploads"], 0);
    run(&folder, &[], 3);
    assert_eq!(messages(&folder), told, "the state is what it was");
    // A part that is blocked is told once, as a part.
    run(&folder, &["--skip", "s3.buckets/huntaze-uploads"], 3);
    run(&folder, &["--skip", "s3.buckets/huntaze-uploads"], 3);
    let told = messages(&folder);
    assert!(told.len() == 2 && told[1].1.contains("(a part of it)"), "{told:?}");
}

/// A resource of which a part was done and a part waits is counted once, everywhere.
#[test]
fn report_document_and_message_count_alike() {
    let db = "  rds:\n    instances:\n      - {name: huntaze-postgres, deletionProtection: true, parameters: {rds.force_ssl: \"1\"}}\n";
    let spec = format!("{}  policy: {{disruptive: Deny}}\n{db}", topic("huntaze-ops-alerts"));
    let text = folder(ACCOUNT, &spec);
    let run_text = run(&text, &[], 3);
    let out = String::from_utf8_lossy(&run_text.get_output().stdout).into_owned();
    assert!(out.contains("3 steps done, what is left waits") && out.contains("1 resource: 1 partly"), "{out}");
    let told = messages(&text);
    assert!(told.len() == 1 && told[0].1.contains("0 changed, 1 partly, 0 blocked, 0 failed"), "{told:?}");
    let json = folder(ACCOUNT, &spec);
    let run_json = run(&json, &["-o", "json"], 3);
    let document: Value = serde_json::from_slice(&run_json.get_output().stdout).expect("JSON");
    let expected = serde_json::json!({"changed": 0, "unchanged": 0, "partly": 1, "blocked": 0, "observed": 0, "failed": 0, "rolledBack": 0, "interrupted": 0});
    assert_eq!(document.pointer("/objects/0/counts"), Some(&expected), "{document:#}");
}

#[test]
fn another_topic_is_told_what_is_so_already() {
    let folder = folder(ACCOUNT, &format!("{}{SPEC}", topic("huntaze-ops-alerts")));
    run(&folder, &[], 3);
    turn(&folder, "huntaze-ops-alerts", "huntaze-security-alerts");
    run(&folder, &[], 3);
    run(&folder, &[], 3);
    let told = messages(&folder);
    let topics: Vec<&str> = told.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["huntaze-ops-alerts", "huntaze-security-alerts"], "{told:?}");
}

#[test]
fn a_topic_that_is_not_there_fails_the_run_and_loses_no_message() {
    let folder = folder(ACCOUNT, &format!("{}{SPEC}", topic("nowhere")));
    let first = run(&folder, &["-o", "json"], 4);
    let document: Value = serde_json::from_slice(&first.get_output().stdout).expect("JSON");
    let said = document.pointer("/objects/0/notificationError").and_then(Value::as_str).unwrap_or_default();
    assert!(said.contains("sns:Publish") && said.contains("topicArn"), "{document:#}");
    assert_eq!(document["exitCode"], 4);
    // The same again: it is the same message that waits, and no second one.
    run(&folder, &[], 4);
    assert_eq!(messages(&folder), []);
    turn(&folder, "nowhere", "huntaze-ops-alerts");
    run(&folder, &[], 3);
    let told = messages(&folder);
    assert!(told.len() == 1 && told[0].0 == "huntaze-ops-alerts", "{told:?}");
    run(&folder, &[], 3);
    assert_eq!(messages(&folder), told);
}

/// The process ended at every call of a run: whoever reads the topic hears of the change all the same.
#[test]
fn what_a_killed_run_did_is_told_by_the_next() {
    let spec = format!("{}  s3:\n    buckets:\n      - {{name: huntaze-assets, tags: {{owner: platform}}}}\n", topic("huntaze-ops-alerts"));
    let (mut killed, mut told_by_the_next) = (0, 0);
    for how in ["end-before", "end-after"] {
        for at in 1.. {
            let folder = folder(ACCOUNT, &spec);
            let fault = format!("{how}@{at}");
            let first = holdfast(folder.path())
                .args(["reconcile", "-f", "m.yaml", "--sandbox"])
                .env("HOLDFAST_SANDBOX_FAULTS", &fault)
                .output()
                .expect("it runs");
            if first.status.code() == Some(0) {
                assert!(at > 6, "{fault}: it was not killed");
                break;
            }
            assert_eq!(first.status.code(), None, "{fault}: {}", String::from_utf8_lossy(&first.stderr));
            killed += 1;
            let second = run(&folder, &[], 0);
            run(&folder, &[], 0);
            let saved = std::fs::read(folder.path().join("state/sandbox/account.json")).expect("the account");
            let saved: Value = serde_json::from_slice(&saved).expect("JSON");
            let all = saved.pointer("/world/sns/messages").and_then(Value::as_array).expect("messages");
            let of = |message: &&Value| message["message"].as_str().is_some_and(|text| text.contains("s3.buckets/huntaze-assets: "));
            let ids: std::collections::BTreeSet<String> = all
                .iter()
                .filter(of)
                .map(|message| message.pointer("/attributes/holdfast-id/value").unwrap_or(&Value::Null).to_string())
                .collect();
            assert_eq!(ids.len(), 1, "{fault}: told under {ids:?}: {all:#?}");
            let out = String::from_utf8_lossy(&second.get_output().stdout).into_owned();
            told_by_the_next += usize::from(out.contains("1 unchanged"));
        }
    }
    assert!(killed > 12 && told_by_the_next > 2, "{killed} killed, {told_by_the_next} of them after the effect");
}

/// Steps that wait for the same thing say so once in a message, with what to do and the plan that is consented to; what was interrupted is counted.
#[test]
fn a_message_says_once_what_waits_and_how_to_consent() {
    let groups = "  elasticache:\n    replicationGroups:\n      - {name: huntaze-redis, parameters: {maxmemory-policy: volatile-lru, timeout: 300}, engineVersion: \"7.1\"}\n";
    let db = "  rds:\n    instances:\n      - {name: huntaze-postgres, deletionProtection: true, parameters: {rds.force_ssl: \"1\"}}\n";
    let spec = format!("{}  policy: {{disruptive: Approve}}\n{db}{groups}", topic("huntaze-ops-alerts"));
    let folder = folder(ACCOUNT, &spec);
    let out = String::from_utf8_lossy(&run(&folder, &[], 3).get_output().stdout).into_owned();
    let saved = std::fs::read(folder.path().join("state/sandbox/account.json")).expect("the account");
    let saved: Value = serde_json::from_slice(&saved).expect("JSON");
    let body = saved.pointer("/world/sns/messages/0/message").and_then(Value::as_str).expect("a message").to_owned();
    for line in body.lines().filter(|line| line.starts_with("blocked: ")) {
        assert_eq!(line.matches("it is disruptive, and nobody has consented to it").count(), 1, "{body}");
        assert_eq!(line.matches("--approve").count(), 1, "{body}");
    }
    let hash =
        body.lines().find_map(|line| line.strip_prefix("to consent to exactly the plan as it is now: --approve ")).expect("how to consent");
    assert!(hash.len() == 64 && out.contains(hash), "{body}\n{out}");
}

/// An entry that is wrong is left out and exits 3: whoever keeps the account is told, once, and once it is mended again.
#[test]
fn a_wrong_entry_is_told_of() {
    let folder = folder(
        ACCOUNT,
        &format!(
            "{}  s3:\n    buckets:\n      - {{name: huntaze-uploads, versioned: Enabled}}\n      - {{name: huntaze-assets, create: true}}\n",
            topic("huntaze-ops-alerts")
        ),
    );
    run(&folder, &[], 3);
    let told = messages(&folder);
    assert!(told.len() == 1 && told[0].1.contains("1 entry wrong"), "{told:?}");
    run(&folder, &[], 3);
    assert_eq!(messages(&folder), told, "the state is what it was");
    turn(&folder, "versioned: Enabled", "create: true");
    run(&folder, &[], 0);
    let told = messages(&folder);
    assert!(told.len() == 2 && !told[1].1.contains("wrong"), "{told:?}");
}

//! Consent by hash: to the plans of this run, to all of them, and to no other.

use serde_json::Value;
use tempfile::TempDir;

use super::{ACCOUNT, TLS, folder, holdfast};

/// Two objects, each with something that waits for consent, and something online.
fn two() -> TempDir {
    let folder = folder(ACCOUNT, TLS);
    let text = std::fs::read_to_string(folder.path().join("m.yaml")).expect("the manifest");
    let other = text.replace("name: cli", "name: other").replace("huntaze-assets", "huntaze-uploads");
    std::fs::write(folder.path().join("m.yaml"), format!("{text}---\n{other}")).expect("a file");
    folder
}

fn run(folder: &TempDir, more: &[&str], code: i32) -> (String, String) {
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(more).assert().code(code);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&run.get_output().stdout), text(&run.get_output().stderr))
}

/// The hashes in the command with which a run says how to consent.
fn advised(out: &str) -> Vec<String> {
    let command = out.lines().rev().find(|line| line.contains("--approve ")).unwrap_or_default();
    command.split("--approve ").skip(1).map(|rest| rest.trim().to_owned()).collect()
}

/// The buckets whose differences a dry run finds.
fn differ(folder: &TempDir) -> Vec<String> {
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run", "-o", "json"]).assert();
    let document: Value = serde_json::from_slice(&run.get_output().stdout).expect("JSON");
    let resources = document["plans"].as_array().expect("plans").iter().flat_map(|plan| plan["resources"].as_array().expect("resources"));
    let differing = resources.filter(|one| one["drifts"].as_array().is_some_and(|drifts| !drifts.is_empty()));
    differing.map(|one| format!("{}/{}", one["kind"], one["id"]).replace('"', "")).collect()
}

#[test]
fn a_hash_of_no_plan_refuses_the_whole_run() {
    let folder = two();
    let before = differ(&folder);
    let wrong = "0".repeat(64);
    let right = advised(&run(&folder, &["--dry-run"], 3).0);
    assert_eq!(right.len(), 2);
    for approve in [&["--approve", &wrong][..], &["--approve", &right[0], "--approve", &wrong]] {
        let (out, err) = run(&folder, approve, 3);
        assert!(err.contains("nothing was done: --approve 000000000000: none of these plans has that hash"), "{err}");
        assert!(err.contains("the manifest, the account or the selection (--only, --skip) differs since"), "{err}");
        let mut all = advised(&out);
        all.sort();
        let mut expected = right.clone();
        expected.sort();
        assert_eq!(all, expected, "{out}");
        assert!(out.contains("plan ") && !out.contains("changed"), "{out}");
    }
    assert_eq!(differ(&folder), before, "something was done");
    // For programs, too; and a hash of another selection is of another plan.
    let refused = run(&folder, &["--approve", &right[0], "--skip", "s3.buckets/huntaze-assets", "-o", "json"], 3).0;
    let refused: Value = serde_json::from_str(&refused).expect("JSON");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("none of these plans")), "{refused:#}");
    assert!(refused.pointer("/objects/1/plan/hash").is_some() && refused["run"] == "", "{refused:#}");
    // The dry run says it, and how to go on.
    let (out, _) = run(&folder, &["--dry-run", "--approve", &wrong], 3);
    assert!(out.contains("none of these plans has that hash"), "{out}");
}

#[test]
fn each_object_has_its_own_consent_and_all_can_be_given_at_once() {
    let folder = two();
    let hashes = advised(&run(&folder, &["--dry-run"], 3).0);
    let (out, err) = run(&folder, &["--approve", &hashes[0]], 3);
    assert!(!format!("{out}{err}").contains("another plan") && !out.contains("none of these plans"), "{out}{err}");
    assert_eq!(differ(&folder), ["s3.bucketPolicies/huntaze-uploads"], "{out}");
    // What is left of the other, advised by that run.
    let left = advised(&out);
    assert_eq!(left.len(), 1, "{out}");
    // The former counts in the journal: naming it again is no mistake.
    run(&folder, &["--approve", &hashes[0], "--approve", &left[0]], 0);
    assert_eq!(differ(&folder), Vec::<String>::new());

    let folder = two();
    let hashes = advised(&run(&folder, &["--dry-run"], 3).0);
    run(&folder, &["--approve", &hashes[0], "--approve", &hashes[1]], 0);
    assert_eq!(differ(&folder), Vec::<String>::new());
}

/// The same difference comes back, and its consent is used up: nobody is told to give it again.
#[test]
fn a_refusal_does_not_ask_for_a_consent_that_is_used_up() {
    let folder = folder(ACCOUNT, TLS);
    let account = folder.path().join("state/sandbox/account.json");
    let hash = advised(&run(&folder, &["--dry-run"], 3).0).remove(0);
    run(&folder, &["--approve", &hash], 0);
    // As if somebody had undone it: the account is the one of the beginning.
    std::fs::remove_file(&account).expect("the account");
    let wrong = "0".repeat(64);
    let (out, err) = run(&folder, &["--approve", &wrong], 3);
    assert!(out.contains("carried to its end, and counts no more") && !out.contains("to consent to exactly"), "{out}");
    assert!(err.contains("nothing was done: --approve 000000000000: none of these plans has that hash"), "{err}");
    assert!(err.contains("a consent counts once: find out who undoes what was done, and leave --approve out"), "{err}");
    assert!(!err.contains("consent to them as they are now"), "{err}");
}

/// What was consented to and is in force, however it came about, is consented to no more: a difference that comes back is another one.
#[test]
fn a_consent_is_used_up_though_nobody_saw_its_step_done() {
    let mut met = 0;
    for call in 1..40 {
        let folder = folder(ACCOUNT, TLS);
        let account = folder.path().join("state/sandbox/account.json");
        // What needs no consent is done, and the account is on the disk.
        let hash = advised(&run(&folder, &[], 3).0).remove(0);
        let found = std::fs::read(&account).expect("the account");
        let fault = format!("denied@{call}");
        let cut = holdfast(folder.path())
            .args(["reconcile", "-f", "m.yaml", "--sandbox", "--approve", &hash])
            .env("HOLDFAST_SANDBOX_FAULTS", &fault)
            .assert();
        let said = String::from_utf8_lossy(&cut.get_output().stdout).into_owned();
        let in_force = differ(&folder).is_empty();
        if !in_force || !said.contains("failed") {
            continue;
        }
        met += 1;
        assert_eq!(cut.get_output().status.code(), Some(4), "something was done: {fault}: {said}");
        let (out, _) = run(&folder, &[], 0);
        assert!(out.contains("in sync"), "{out}");
        // Somebody undoes it.
        std::fs::write(&account, &found).expect("the account");
        let (out, err) = run(&folder, &[], 3);
        assert!(out.contains("nobody has consented") && !differ(&folder).is_empty(), "{fault}: {out}{err}");
    }
    assert!(met > 0, "no fault met the look that follows the request");
}

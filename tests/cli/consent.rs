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

/// One bucket whose change is disruptive, with a window that opens in so many hours, for half an hour.
fn windowed(hours: i64) -> TempDir {
    let opens = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
    let closes = opens + jiff::SignedDuration::from_mins(30);
    let window = format!(
        "  policy: {{changeWindows: [{{days: [{}], from: \"{}\", to: \"{}\", timeZone: UTC}}]}}\n",
        opens.strftime("%a"),
        opens.strftime("%H:%M"),
        closes.strftime("%H:%M")
    );
    folder(ACCOUNT, &format!("{window}{}", TLS.replace(", versioning: Enabled", "")))
}

/// What is kept of a consent is said, and can be taken back: nobody is surprised at night by what was forgotten by day.
#[test]
fn a_consent_outside_the_window_is_said_to_be_kept_and_can_be_taken_back() {
    let folder = windowed(3);
    let hash = advised(&run(&folder, &["--dry-run"], 3).0).remove(0);
    let short = &hash[..12];
    let (out, _) = run(&folder, &["--approve", &hash], 3);
    let revoke = format!("holdfast journal revoke {short} --state-dir state/sandbox");
    let until = out.split(&format!("the consent to plan {short} is kept, and counts until ")).nth(1).and_then(|rest| rest.get(..20));
    let until: jiff::Timestamp = until.and_then(|until| until.parse().ok()).unwrap_or_else(|| panic!("{out}"));
    let hours = until.duration_since(jiff::Timestamp::now()).as_secs() as f64 / 3600.0;
    assert!((23.5..24.5).contains(&hours), "{out}");
    assert!(out.contains("for what was not done: \"") && out.contains(&revoke) && !out.contains("consent again"), "{out}");
    // For programs the result is JSON, and it is said all the same.
    let (out, err) = run(&folder, &["-o", "json"], 3);
    assert!(serde_json::from_str::<Value>(&out).is_ok() && err.contains(&revoke), "{err}");
    let take_back = |hash: &str, code: i32| {
        let run = holdfast(folder.path()).args(["journal", "revoke", hash, "--state-dir", "state/sandbox"]).assert().code(code);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}{}", text(&run.get_output().stdout), text(&run.get_output().stderr))
    };
    let other = take_back(&"0".repeat(12), 1);
    assert!(other.contains("a consent to plan 000000000000 is not in it, or was used up") && other.contains(&hash), "{other}");
    let taken = take_back(short, 0);
    assert!(taken.contains(&format!("the consent to plan {short} of cli, given on ")), "{taken}");
    assert!(taken.contains("is taken back: a step that nobody saw done waits for a new one"), "{taken}");
    assert!(take_back(&hash, 1).contains("no consent in it is left to be taken back"));
    let (out, _) = run(&folder, &[], 3);
    assert!(out.contains("nobody has consented") && !out.contains("is kept"), "{out}");
    let journal = holdfast(folder.path()).args(["journal", "--state-dir", "state/sandbox"]).assert().code(0);
    let journal = String::from_utf8_lossy(&journal.get_output().stdout).into_owned();
    assert!(journal.contains(&format!("consent to plan {short} taken back")), "{journal}");
    // A person may think again.
    assert!(run(&folder, &["--approve", &hash], 3).0.contains("is kept"));
    // Where there is no journal, none is made.
    let nowhere = holdfast(folder.path()).args(["journal", "revoke", &hash, "--state-dir", "nowhere"]).assert().code(1);
    let said = String::from_utf8_lossy(&nowhere.get_output().stderr).into_owned();
    assert!(said.contains("there is no journal in nowhere") && !folder.path().join("nowhere").exists(), "{said}");
}

#[test]
fn a_consent_that_runs_out_before_the_window_opens_says_so() {
    let folder = windowed(72);
    let hash = advised(&run(&folder, &["--dry-run"], 3).0).remove(0);
    let (out, _) = run(&folder, &["--approve", &hash], 3);
    assert!(out.contains("; the change window opens only at ") && out.contains(": consent again then. To take it back:"), "{out}");
}

/// `sandbox reset` begins anew: neither does a consent of before count, nor is one used up.
#[test]
fn after_a_reset_of_the_sandbox_no_consent_of_before_is_known() {
    let folder = folder(ACCOUNT, TLS);
    let hash = advised(&run(&folder, &["--dry-run"], 3).0).remove(0);
    let reset = || {
        let reset = holdfast(folder.path()).args(["sandbox", "reset"]).assert().code(0);
        String::from_utf8_lossy(&reset.get_output().stdout).into_owned()
    };
    run(&folder, &["--approve", &hash], 0);
    assert!(reset().contains("no consent in it counts any more"));
    // The same plan once more, consented to once more.
    run(&folder, &["--approve", &hash], 0);
    assert_eq!(differ(&folder), Vec::<String>::new());
    // One that is not carried to its end does not count after it either.
    reset();
    let denied = holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--sandbox", "--approve", &hash])
        .env("HOLDFAST_SANDBOX_FAULTS", "denied@s3:PutBucketPolicy")
        .assert();
    assert_ne!(denied.get_output().status.code(), Some(0));
    reset();
    assert!(run(&folder, &[], 3).0.contains("nobody has consented"));
    // A journal that cannot be read is set aside, and that is said.
    let hash = advised(&run(&folder, &["--dry-run"], 3).0).remove(0);
    run(&folder, &["--approve", &hash], 0);
    std::fs::write(folder.path().join("state/sandbox/journal/header.json"), "{").expect("it is written");
    let said = holdfast(folder.path()).args(["sandbox", "reset"]).assert().code(0);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.contains("It was set aside as ") && said.contains("no consent in it counts"), "{said}");
    run(&folder, &[], 3);
    // While a run goes on there is nothing to forget: it would save its account all the same.
    let _held = holdfast::execute::Journal::open(&folder.path().join("state/sandbox"), "the test").expect("a journal");
    let refused = holdfast(folder.path()).args(["sandbox", "reset"]).assert().code(1);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("the test"));
    assert!(folder.path().join("state/sandbox/account.json").exists());
}

/// A dry run opens no journal, so that what it shows as held may be what the next run does: it says so wherever that can be.
#[test]
fn a_dry_run_says_that_it_knows_no_consent_of_before() {
    let folder = windowed(3);
    let said = "a consent that was given before from this folder is not looked at by a dry run, and counts in the next run\n";
    let json = |more: &[&str], code: i32| -> Value {
        serde_json::from_str(&run(&folder, &[&["--dry-run", "-o", "json"], more].concat(), code).0).expect("JSON")
    };
    let (out, _) = run(&folder, &["--dry-run"], 3);
    assert!(out.ends_with(said), "{out}");
    let hash = advised(&out).remove(0);
    run(&folder, &["--approve", &hash], 3);
    // Each time: it does not know that one was given meanwhile.
    assert!(run(&folder, &["--dry-run"], 3).0.ends_with(said));
    assert_eq!(json(&[], 3)["consentsNotLookedAt"], true);
    assert!(run(&folder, &["--dry-run", "--state-dir", "state"], 3).0.contains("before with --state-dir state is not looked at"));
    // A run knows it, and a dry run where nothing waits for consent says nothing.
    assert!(!run(&folder, &[], 3).0.contains("not looked at"));
    assert!(!run(&folder, &["--dry-run", "--approve", &hash], 3).0.contains("not looked at"));
    assert_eq!(json(&["--approve", &hash], 3)["consentsNotLookedAt"], false);
}

/// A hash that is used up is no pass for another difference: neither what waits for consent nor what needs none is done under it.
#[test]
fn a_hash_that_is_used_up_stops_a_run_with_another_plan() {
    let folder = folder(ACCOUNT, TLS);
    let hash = advised(&run(&folder, &["--dry-run"], 3).0).remove(0);
    run(&folder, &["--approve", &hash], 0);
    // The same command once more, as a pipeline runs it: nothing differs, and nothing is refused.
    run(&folder, &["--approve", &hash], 0);
    let manifest = folder.path().join("m.yaml");
    let more = "      - {name: huntaze-uploads, denyInsecureTransport: true, versioning: Enabled}\n";
    let text = std::fs::read_to_string(&manifest).expect("the manifest") + more;
    std::fs::write(&manifest, text).expect("a file");
    let before = differ(&folder);
    assert!(!before.is_empty());
    let (out, err) = run(&folder, &["--approve", &hash], 3);
    let said = format!("nothing was done: --approve {}: that consent was given on 20", &hash[..12]);
    assert!(err.contains(&said) && err.contains(" and used up on 20"), "{err}");
    assert!(err.contains("and its object's plan is another one by now; read them, and consent to them as they are now"), "{err}");
    assert_eq!(differ(&folder), before, "something was done");
    // Consented to as it is now, it is done.
    let now = advised(&out).remove(0);
    run(&folder, &["--approve", &hash, "--approve", &now], 3);
    run(&folder, &["--approve", &now], 0);
    assert_eq!(differ(&folder), Vec::<String>::new());
}

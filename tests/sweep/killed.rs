//! The real binary, really killed: a sample of calls, from a seed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::ground::{self, Kept};
use crate::support;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/baselines/huntaze-production.yaml");

fn reconcile(state: &Path, faults: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", MANIFEST, "--sandbox", "--state-dir"])
        .arg(state)
        .args(more)
        .env("HOLDFAST_SANDBOX_FAULTS", faults)
        .env("HOLDFAST_SANDBOX_RECORD", state.join("requests"))
        .env_remove("AWS_ENDPOINT_URL")
        .output()
        .expect("the binary runs")
}

/// The account that a run left, without times.
fn account(state: &Path) -> Value {
    let text = std::fs::read_to_string(state.join("sandbox/account.json")).expect("an account");
    let mut saved: Value = serde_json::from_str(&text).expect("JSON");
    ground::without_times(&mut saved);
    // What was told is told of the run that did it: it differs by the run's name, and by what was left for it to do.
    let told = saved.pointer_mut("/world/sns/messages").map(Value::take);
    assert!(told.is_some_and(|told| told.as_array().is_some_and(|all| !all.is_empty())), "the topic was told nothing");
    saved
}

/// The operations of the requests that a run sent, and whether each writes.
fn requests(state: &Path) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(state.join("requests")).into_iter().flatten() {
        let text = std::fs::read_to_string(file.expect("an entry").path()).expect("text");
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            all.push((line["operation"].as_str().unwrap_or_default().to_owned(), line["writes"] == Value::Bool(true)));
        }
    }
    all
}

#[test]
fn a_killed_process_is_followed_by_one_that_finishes() {
    let whole = Kept::nothing();
    let undisturbed = reconcile(whole.path(), "", &[]);
    let code = undisturbed.status.code();
    assert!(matches!(code, Some(0 | 3)), "{undisturbed:?}");
    let (end, calls) = (account(whole.path()), requests(whole.path()).len() as u64);
    let mut random = fastrand::Rng::with_seed(7);
    let sample = if support::cases() < 2000 { 5 } else { 60 };
    for number in 0..sample {
        let at = random.u64(1..calls / 2);
        let fault = format!("{}@{at}", if number % 2 == 0 { "end-after" } else { "end-before" });
        let state = Kept::nothing();
        let killed = reconcile(state.path(), &fault, &[]);
        assert_eq!(killed.status.code(), None, "{fault}: it was not killed: {killed:?}");
        if number % 3 == 2 {
            // A CI job begins without a journal.
            let _ = std::fs::remove_dir_all(state.path().join("sandbox/journal"));
        }
        let next = reconcile(state.path(), "", &[]);
        assert_eq!(next.status.code(), code, "{fault}: {}", String::from_utf8_lossy(&next.stderr));
        assert!(
            !state.path().join("sandbox/journal.set-aside").exists() && !String::from_utf8_lossy(&next.stderr).contains("set aside"),
            "{fault}"
        );
        // Everything that was made is in the account: a thing made twice would show.
        let found = account(state.path());
        assert!(found == end, "{fault}: {}", ground::differences("", &end, &found).join("; "));
    }
}

#[test]
fn a_dry_run_of_the_binary_leaves_no_journal() {
    for fault in ["", "throttle@3", "cut-after@5", "denied@7", "end-after@9"] {
        let state = Kept::nothing();
        reconcile(state.path(), fault, &["--dry-run"]);
        assert!(!state.path().join("journal").exists(), "{fault}: a dry run opened a journal");
        let requests = requests(state.path());
        assert!(requests.len() >= 5, "{fault}: only {} requests", requests.len());
        assert!(requests.iter().all(|(_, writes)| !writes), "{fault}: {requests:?}");
    }
}

//! The real binary, really killed: a sample of calls, from a seed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use holdfast::execute::Journal;
use holdfast::execute::record::Event;
use serde_json::Value;

use crate::ground::{self, Kept};
use crate::support;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/baselines/huntaze-production.yaml");

fn command(state: &Path, faults: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args(["reconcile", "-f", MANIFEST, "--sandbox", "--state-dir"])
        .arg(state)
        .args(more)
        .env("HOLDFAST_SANDBOX_FAULTS", faults)
        .env("HOLDFAST_SANDBOX_RECORD", support::record::requests(state))
        .env_remove("AWS_ENDPOINT_URL");
    command
}

fn reconcile(state: &Path, faults: &str, more: &[&str]) -> Output {
    command(state, faults, more).output().expect("the binary runs")
}

/// The account that a run left, without times, and the messages that its topic was sent.
fn account(state: &Path) -> (Value, String) {
    let text = std::fs::read_to_string(state.join("sandbox/account.json")).expect("an account");
    let mut saved: Value = serde_json::from_str(&text).expect("JSON");
    // What was told is told of the run that did it: it differs by the run's name, and by what was left for it to do.
    let told = saved.pointer_mut("/world/sns/messages").map(Value::take).unwrap_or_default();
    let told: Vec<&str> = told.as_array().into_iter().flatten().filter_map(|message| message["message"].as_str()).collect();
    assert!(!told.is_empty(), "the topic was told nothing");
    let told = told.join("\n");
    ground::without_times(&mut saved);
    (saved, told)
}

/// A request that a run sent.
struct Sent {
    number: u64,
    writes: bool,
}

/// The requests that a run sent, each kind of them once: with its number, and whether it writes.
fn requests(state: &Path) -> Vec<Sent> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(support::record::requests(state)).into_iter().flatten() {
        let text = std::fs::read_to_string(file.expect("an entry").path()).expect("text");
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            all.push(Sent { number: line["number"].as_u64().expect("a number"), writes: line["writes"] == Value::Bool(true) });
        }
    }
    all
}

/// The resources that messages say were changed.
fn changed(told: &str) -> BTreeSet<&str> {
    told.lines().filter_map(|line| line.strip_prefix("changed: ")?.split(": ").next()).collect()
}

/// Intents of a journal without an outcome, and all its records.
fn journal(state: &Path) -> (usize, usize) {
    let past = Journal::read(&state.join("sandbox"), "the sandbox").expect("a journal");
    let outcomes: BTreeSet<u64> = past
        .iter()
        .filter_map(|record| match record.event {
            Event::Outcome { intent, .. } => Some(intent),
            _ => None,
        })
        .collect();
    let open = past.iter().filter(|record| matches!(record.event, Event::Intent { .. }) && !outcomes.contains(&record.number)).count();
    (open, past.len())
}

#[test]
fn a_killed_process_is_followed_by_one_that_finishes() {
    let whole = Kept::nothing();
    let began = Instant::now();
    let undisturbed = reconcile(whole.path(), "", &[]);
    let took = began.elapsed();
    let code = undisturbed.status.code();
    assert!(matches!(code, Some(0 | 3)), "{undisturbed:?}");
    let (end, told) = account(whole.path());
    let sent = requests(whole.path());
    let calls = sent.iter().map(|sent| sent.number).max().expect("requests");
    let writing: Vec<u64> = sent.iter().filter(|sent| sent.writes).map(|sent| sent.number).collect();
    assert!(calls > 200 && writing.len() > 20, "{calls} calls, {} of them write", writing.len());
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut random = fastrand::Rng::with_seed(seed);
    let sample = if support::cases() < 2000 { 6 } else { 60 };
    let (mut with_records, mut in_the_middle) = (0, 0);
    for number in 0..sample {
        println!("seed {seed}, run {number}");
        let state = Kept::nothing();
        let how = match number % 3 {
            // At any call, at one that writes, at any time at all: between calls the journal is written.
            0 => format!("end-after@{}", random.u64(1..=calls)),
            1 => format!("{}@{}", if random.bool() { "end-after" } else { "end-before" }, writing[random.usize(..writing.len())]),
            _ => String::new(),
        };
        let how = match how.is_empty() {
            false => {
                let killed = reconcile(state.path(), &how, &[]);
                assert_eq!(killed.status.code(), None, "{how}: it was not killed: {killed:?}");
                how
            }
            true => {
                let after = took.mul_f64(random.f64());
                let mut run = command(state.path(), "", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
                std::thread::sleep(after);
                run.kill().expect("a kill");
                run.wait().expect("its end");
                format!("killed after {after:?}")
            }
        };
        let (open, records) = if state.path().join("sandbox/journal").exists() { journal(state.path()) } else { (0, 0) };
        with_records += usize::from(records > 0);
        in_the_middle += usize::from(open > 0);
        // A CI job begins without a journal.
        let forgets = random.u8(..4) == 0;
        if forgets {
            let _ = std::fs::remove_dir_all(state.path().join("sandbox/journal"));
        }
        let next = reconcile(state.path(), "", &[]);
        let said = String::from_utf8_lossy(&next.stderr);
        assert_eq!(next.status.code(), code, "{how}: {said}");
        assert!(!said.contains("set aside"), "{how}: {said}");
        // Everything that was made is in the account: a thing made twice would show.
        let (found, now_told) = account(state.path());
        assert!(found == end, "{how}: {}", ground::differences("", &end, &found).join("; "));
        if !forgets {
            for resource in changed(&told) {
                assert!(now_told.contains(&format!(": {resource}: ")), "{how}: nobody was told that {resource} was changed:\n{now_told}");
            }
        }
    }
    assert!(
        with_records * 2 > sample && in_the_middle * 10 >= sample,
        "of {sample} runs {with_records} wrote records, {in_the_middle} left an intent open"
    );
}

#[test]
fn a_dry_run_of_the_binary_leaves_no_journal() {
    for fault in ["", "throttle@3", "cut-after@5", "denied@7", "end-after@9"] {
        let state = Kept::nothing();
        reconcile(state.path(), fault, &["--dry-run"]);
        assert!(!state.path().join("sandbox/journal").exists(), "{fault}: a dry run opened a journal");
        let requests = requests(state.path());
        assert!(requests.len() >= 5, "{fault}: only {} requests", requests.len());
        assert_eq!(requests.iter().filter(|sent| sent.writes).count(), 0, "{fault}: a dry run wrote");
    }
    // Where a run that is none keeps it.
    let state = Kept::nothing();
    reconcile(state.path(), "", &[]);
    assert!(state.path().join("sandbox/journal").exists());
}

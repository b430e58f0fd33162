//! The result itself: a document for programs on every way out, nothing that moves a terminal, and no success where it could not be written.

use serde_json::Value;

use super::{ACCOUNT, VERSIONING, folder, holdfast, sent};

/// Runs and checks the document against its schema.
fn document(folder: &std::path::Path, more: &[&str], code: i32) -> Value {
    let what = if more.contains(&"--dry-run") { "plan" } else { "report" };
    let schema = holdfast(folder).args(["schema", what]).assert().code(0);
    let schema: Value = serde_json::from_slice(&schema.get_output().stdout).expect("a schema");
    let run = holdfast(folder).args(["reconcile", "-f", "m.yaml", "--sandbox", "-o", "json"]).args(more).assert().code(code);
    let document: Value = serde_json::from_slice(&run.get_output().stdout).expect("a document");
    let wrong: Vec<String> =
        jsonschema::validator_for(&schema).expect("a schema").iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?}");
    assert_eq!(document["exitCode"], code);
    document
}

#[test]
fn a_run_that_failed_has_a_document_too() {
    let broken = folder(ACCOUNT, "  polcy: {}\n");
    for more in [&["--dry-run"][..], &[]] {
        let document = document(broken.path(), more, 1);
        assert!(document["error"].as_str().is_some_and(|error| error.contains("nothing that can be enforced")), "{document:#}");
        assert_eq!(document["problems"].as_array().map(Vec::len), Some(1), "{document:#}");
    }
    let held = folder(ACCOUNT, VERSIONING);
    let journal = holdfast::execute::Journal::open(&held.path().join("state/sandbox"), "the test").expect("a journal");
    let document = document(held.path(), &[], 1);
    assert!(document["error"].as_str().is_some_and(|error| error.contains("is in use by") && error.contains("the test")), "{document:#}");
    drop(journal);
}

/// Every resource is counted once, and what is left out of a count is said beside it.
#[test]
fn several_objects_have_one_last_line_and_what_is_wrong_is_counted() {
    let exception = "  exceptions: [{resource: s3.buckets/huntaze-uploads, field: versioning, until: \"2099-01-01\", reason: later}]\n";
    let buckets = "  s3: {buckets: [{name: huntaze-uploads, versioning: Enabled}, {name: huntaze-assets, vresioning: Enabled}]}\n";
    let folder = folder(ACCOUNT, &format!("{exception}{buckets}"));
    let one = std::fs::read_to_string(folder.path().join("m.yaml")).expect("the manifest");
    let out = |manifest: String, more: &[&str]| {
        std::fs::write(folder.path().join("m.yaml"), manifest).expect("a file");
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(more).assert().code(3);
        String::from_utf8_lossy(&run.get_output().stdout).into_owned()
    };
    let counts = "1 resource: 1 in sync; 1 difference excepted; 1 entry of the manifest is wrong and left out, see above\n";
    let alone = out(one.clone(), &["--dry-run"]);
    assert!(alone.contains(counts) && !alone.contains("in all"), "{alone}");
    let named = |from: &str, name: &str, buckets: [&str; 2]| {
        let named = from.replace("name: cli", &format!("name: {name}"));
        named.replace("huntaze-uploads", buckets[0]).replace("huntaze-assets", buckets[1])
    };
    let other = one.replace(exception, "").replace("  s3:", "  policy: {mode: Observe}\n  s3:");
    let other = named(&other, "other", ["huntaze-backups", "huntaze-legacy-exports"]);
    let wrong = named(&one, "wrong", ["huntaze-x", "huntaze-y"]).replace("account:", "acount:");
    let all = format!("{one}---\n{other}---\n{wrong}");
    let both = out(all.clone(), &["--dry-run"]);
    let last = "\n\nin all, 2 objects: 2 resources: 1 observed only, 1 in sync; 1 difference excepted; no step now, 1 held; \
                1 object of the manifest is wrong and left out, see above\n";
    assert!(both.contains(last) && both.contains("see above\n\nother  account"), "{both}");
    let run = out(all, &[]);
    let last =
        "\n\nin all, 2 objects: 2 resources: 1 unchanged, 1 observed only; 1 object of the manifest is wrong and left out, see above\n";
    assert!(run.contains(last), "{run}");
}

/// Of an object that mistakes leave nothing of, nobody asks AWS: a generator's slip in thousands of them is thousands of requests otherwise.
#[test]
fn nobody_asks_aws_for_what_cannot_be_carried_out() {
    let folder = folder(ACCOUNT, "  s3: {bukets: []}\n");
    let text = std::fs::read_to_string(folder.path().join("m.yaml")).expect("the manifest");
    let wrong: String = (0..20).map(|number| format!("{}---\n", text.replace("name: cli", &format!("name: wrong-{number}")))).collect();
    let good = text.replace("name: cli", "name: good").replace("  s3: {bukets: []}\n", VERSIONING);
    let run = |manifest: &str, more: &[&str], code: i32| {
        std::fs::write(folder.path().join("m.yaml"), manifest).expect("a file");
        let run = holdfast(folder.path()).args(["--log", "trace", "reconcile", "-f", "m.yaml", "--sandbox"]).args(more).assert().code(code);
        let asked = sent(&run);
        let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        (asked.iter().filter(|line| line.contains("GetCallerIdentity")).count(), asked.len(), err)
    };
    // An apply that changes something connects once more, to plan again.
    for more in [&["--dry-run"][..], &[]] {
        let (_, all, err) = run(&wrong, more, 1);
        assert!(all == 0 && err.contains("m.yaml holds nothing that can be enforced"), "{all} {err}");
        let (asked, _, err) = run(&format!("{wrong}{good}"), more, 3);
        assert!(
            asked == if more.is_empty() { 2 } else { 1 } && err.contains("part of the manifest is wrong and was not enforced"),
            "{asked} {err}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_could_not_be_written_is_no_success() {
    let folder = folder(ACCOUNT, VERSIONING);
    let run = |more: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(["reconcile", "-f", "m.yaml", "--sandbox"])
            .args(more)
            .env_remove("HOLDFAST_STATE_DIR")
            .current_dir(folder.path())
            .stdout(full)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.matches("stdout could not be written").count(), 1, "{said}");
        // What was done is done, and where that stands is said.
        assert_eq!(said.contains("holdfast journal --state-dir state/sandbox --run 2"), more.is_empty(), "{said}");
        output.status.code()
    };
    assert_eq!(run(&["--dry-run"]), Some(1));
    assert_eq!(run(&["--dry-run", "-o", "json"]), Some(1));
    // The codes that say more keep saying it.
    assert_eq!(run(&["--dry-run", "--detailed-exitcode"]), Some(2));
    assert_eq!(run(&[]), Some(1));
}

#[test]
fn what_a_manifest_says_does_not_reach_the_terminal_as_it_is() {
    let spec = format!(
        "  exceptions:\n    - {{resource: s3.buckets/huntaze-assets, field: versioning, until: 2999-01-01, reason: \"ok\\e]0;pwned\\a\\e[2J\\u202Edone\\nplan 0\"}}\n{VERSIONING}"
    );
    let folder = folder(ACCOUNT, &spec);
    for more in [&["--dry-run"][..], &["--dry-run", "-o", "json"], &[]] {
        // As on a terminal: otherwise sequences are taken out on the way.
        let run =
            holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(more).env("CLICOLOR_FORCE", "1").assert().code(0);
        for written in [&run.get_output().stdout, &run.get_output().stderr] {
            let text = String::from_utf8_lossy(written);
            for hostile in ["\u{1b}]0;", "\u{7}", "\u{1b}[2J", "\u{202e}", "\nplan 0"] {
                assert!(!text.contains(hostile), "{more:?}: {hostile:?} in {text:?}");
            }
        }
        let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
        assert!(out.contains("ok\\u001b]0;pwned\\u0007"), "{out:?}");
        assert!(more.contains(&"json") || out.contains("\u{1b}[1m"), "our own colours are gone: {out:?}");
    }
}

/// What would mend it is said: the one word by which a thing that is not there is made, and how a selector chooses by tags alone.
#[test]
fn what_mends_a_missing_thing_is_said() {
    let missing = folder(
        ACCOUNT,
        "  s3:\n    buckets: [{name: huntaze-new, versioning: Enabled}]\n  cloudtrail:\n    trails: [{name: gone, logging: true}]\n",
    );
    let run = holdfast(missing.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run"]).assert().code(3);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.contains("what to do: say `create: true` to have it made"), "{out}");
    assert!(out.contains("what to do: declare its `bucket` to have it made"), "{out}");
    let by_tags = folder(ACCOUNT, "  s3:\n    buckets: [{name: all, match: {tags: {env: prod}}, versioning: Enabled}]\n");
    let run = holdfast(by_tags.path()).args(["validate", "-f", "m.yaml"]).assert().code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned() + &String::from_utf8_lossy(&run.get_output().stdout);
    assert!(err.contains("match.names: missing") && err.contains("to choose by tags alone, say `names: [\"*\"]`"), "{err}");
}

/// One thing is counted as one, and a step names the steps that it waits for: no two resources seem to wait for each other.
#[test]
fn a_plan_counts_and_orders_in_plain_words() {
    let spec = "  policy: {disruptive: Allow, maxChanges: 0}\n  s3:\n    buckets:\n      \
        - {name: huntaze-assets, logging: {targetBucket: huntaze-logs, targetPrefix: \"\"}}\n      \
        - {name: huntaze-logs, create: true, ownership: ObjectWriter}\n";
    let folder = folder(ACCOUNT, spec);
    let run = |more: &[&str]| {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run"]).args(more).assert().code(3);
        String::from_utf8_lossy(&run.get_output().stdout).into_owned()
    };
    let out = run(&[]);
    let after: Vec<&str> = out.lines().filter_map(|line| line.trim().strip_prefix("after ")).collect();
    let of_a_step = "step 1 of s3.buckets/huntaze-logs";
    assert_eq!(after, ["step 1 of s3.bucketPolicies/huntaze-logs", of_a_step, of_a_step], "{out}");
    assert!(out.contains("\n3 resources: 3 blocked\nno step now, 4 held\n"), "{out}");
    let spec = "  policy: {maxChanges: 0}\n  s3:\n    buckets: [{name: huntaze-assets, versioning: Enabled}]\n";
    std::fs::write(
        folder.path().join("m.yaml"),
        std::fs::read_to_string(super::folder(ACCOUNT, spec).path().join("m.yaml")).expect("a manifest"),
    )
    .expect("the manifest");
    let one = run(&[]);
    assert!(one.contains("1 resource would change, and policy.maxChanges is 0"), "{one}");
}

//! The program as a person runs it: every exit code, its options and subcommands.

#[path = "cli/consent.rs"]
mod consent;
#[path = "cli/ground.rs"]
mod ground;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/migration.rs"]
mod migration;
#[path = "cli/places.rs"]
mod places;
#[path = "support/record.rs"]
mod record;
#[path = "cli/results.rs"]
mod results;
#[path = "cli/schemas.rs"]
mod schemas;
#[path = "cli/screens.rs"]
mod screens;
#[path = "support/screens.rs"]
mod screens_of_the_readme;
#[path = "cli/servers.rs"]
mod servers;
#[path = "cli/stale.rs"]
mod stale;
#[path = "cli/state.rs"]
mod state;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command as Run;
use tempfile::TempDir;

const OWNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/baselines/huntaze-production.yaml");

/// A folder with a manifest whose spec is `spec`.
fn folder(account: &str, spec: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: cli}}\nspec:\n  account: \"{account}\"\n  region: us-east-1\n{spec}"
    );
    std::fs::write(folder.path().join("m.yaml"), text).expect("a file");
    folder
}

/// The program in that folder, without anything of this machine's AWS settings. Where the suite is recorded, it is, too.
fn holdfast(folder: &Path) -> Run {
    let mut run = Run::new(env!("CARGO_BIN_EXE_holdfast"));
    run.current_dir(folder).timeout(Duration::from_secs(60));
    let of_this_machine = |name: &str| (name.starts_with("AWS_") || name.starts_with("HOLDFAST_")) && name != "HOLDFAST_SANDBOX_RECORD";
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_this_machine(&name.to_string_lossy())) {
        run.env_remove(name);
    }
    run.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", folder);
    run
}

/// The requests in the log of a run at its most talkative (`--log trace`), repeated ones too.
fn sent(run: &assert_cmd::assert::Assert) -> Vec<String> {
    let log = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    log.lines().filter(|line| line.contains(": request service=")).map(str::to_owned).collect()
}

/// The requests that the sandbox recorded in a folder, a line each; those that are the same are recorded once.
fn recorded(requests: &Path) -> String {
    let Ok(files) = std::fs::read_dir(requests) else { return String::new() };
    files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a text")).collect()
}

const VERSIONING: &str =
    "  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n      - {name: huntaze-uploads, versioning: Enabled}\n";
const TLS: &str = "  s3:\n    buckets:\n      - {name: huntaze-assets, denyInsecureTransport: true, versioning: Enabled}\n";
const ACCOUNT: &str = "317805897534";

#[test]
fn exit_0_done_and_then_in_sync() {
    let folder = folder(ACCOUNT, VERSIONING);
    let first = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    let out = String::from_utf8_lossy(&first.get_output().stdout).into_owned();
    assert!(out.contains("planned again: nothing differs"), "{out}");
    let second = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--detailed-exitcode"]).assert().code(0);
    let out = String::from_utf8_lossy(&second.get_output().stdout).into_owned();
    assert!(out.contains("2 unchanged") && !out.contains("changed      "), "{out}");
}

#[test]
fn exit_1_the_wrong_account_is_refused_before_any_other_request() {
    let folder = folder("111111111111", VERSIONING);
    let record = record::requests(folder.path());
    let run =
        holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).env("HOLDFAST_SANDBOX_RECORD", &record).assert().code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.contains("the manifest is for account 111111111111") && err.contains(ACCOUNT), "{err}");
    let requests = recorded(&record);
    assert_eq!(requests.lines().count(), 1, "more than the question who the caller is was sent:\n{requests}");
}

#[test]
fn exit_1_no_credentials_in_one_sentence() {
    let folder = folder(ACCOUNT, VERSIONING);
    // A port on which nobody listens: nothing must be sent there anyhow.
    let run = holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--dry-run"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .assert()
        .code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.starts_with("holdfast: no AWS credentials, ") && err.contains("profile default") && err.contains("aws sso login"), "{err}");
    assert!(err.lines().count() == 1 && !err.contains(". "), "more than a sentence: {err}");
}

/// Each says which provider was tried, and what to do about that one.
#[test]
fn exit_1_credentials_that_a_provider_does_not_give_are_said_by_its_name() {
    let folder = folder(ACCOUNT, VERSIONING);
    let config = "[profile dev]\nsso_session = corp\nsso_account_id = 317805897534\nsso_role_name = Admin\n\
        [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n\
        [profile over]\nrole_arn = arn:aws:iam::317805897534:role/x\nsource_profile = dev\n\
        [profile lost]\nrole_arn = arn:aws:iam::317805897534:role/x\nsource_profile = nowhere\n";
    std::fs::write(folder.path().join("config"), config).expect("the config file");
    let config = folder.path().join("config");
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::317805897534:role/x");
    let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token");
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (&[("AWS_PROFILE", "dev")], &["from SSO of the profile dev (", "`aws sso login --profile dev`"]),
        (&[("AWS_PROFILE", "over")], &["from SSO of the profile dev (", "`aws sso login --profile dev`"]),
        (
            &[("AWS_PROFILE", "lost")],
            &[
                "from the role of the profile lost (its source_profile nowhere is in neither",
                "correct source_profile, or add the profile nowhere",
            ],
        ),
        (
            &[token, role],
            &["from the web identity token file /nonexistent/token (AWS_WEB_IDENTITY_TOKEN_FILE) (", "unset AWS_WEB_IDENTITY_TOKEN_FILE"],
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")],
            &[
                "from the environment variables (AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not)",
                "set AWS_SECRET_ACCESS_KEY too",
            ],
        ),
    ];
    for (set, said) in cases {
        let run = holdfast(folder.path())
            .args(["reconcile", "-f", "m.yaml", "--dry-run"])
            .envs([("AWS_ENDPOINT_URL", "http://127.0.0.1:9")])
            .env("AWS_CONFIG_FILE", &config)
            .envs(set.iter().copied())
            .assert()
            .code(1);
        let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        assert!(err.starts_with("holdfast: no AWS credentials from ") && said.iter().all(|part| err.contains(part)), "{set:?}: {err}");
        assert_eq!(err.lines().count(), 1, "more than a sentence: {err}");
    }
}

#[test]
fn exit_1_the_wrong_region_is_refused_before_any_request() {
    let folder = folder(ACCOUNT, VERSIONING);
    let (_sandbox, address) = served(folder.path(), 1);
    let run = |set: &[(&str, &str)], code: i32| {
        let run = holdfast(folder.path())
            .args(["reconcile", "-f", "m.yaml", "--dry-run"])
            .envs([("AWS_ENDPOINT_URL", address.as_str()), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
            .envs(set.iter().copied())
            .assert()
            .code(code);
        String::from_utf8_lossy(&run.get_output().stderr).into_owned()
    };
    // Were anything sent there, it would be told as that.
    let nowhere = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let err = run(&[("AWS_REGION", "eu-west-1"), nowhere], 1);
    assert!(err.contains("the manifest is for region us-east-1, but AWS_REGION says eu-west-1"), "{err}");
    assert!(run(&[("AWS_DEFAULT_REGION", "eu-west-1"), nowhere], 1).contains("AWS_DEFAULT_REGION says eu-west-1"));
    run(&[("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "eu-west-1")], 0);
    run(&[("AWS_REGION", "")], 0);
    std::fs::create_dir(folder.path().join(".aws")).expect("a folder");
    std::fs::write(folder.path().join(".aws/config"), "[default]\nregion = eu-west-3\n[profile right]\nregion = us-east-1\n")
        .expect("a file");
    assert!(run(&[nowhere], 1).contains("the profile default says eu-west-3"));
    run(&[("AWS_PROFILE", "right")], 0);
    run(&[("AWS_REGION", "us-east-1")], 0);
    // The sandbox knows nothing of the caller's settings.
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--dry-run", "--sandbox"]).env("AWS_REGION", "eu-west-1").assert().code(0);
}

#[test]
fn exit_1_a_manifest_that_is_wrong_as_a_whole() {
    let folder = folder(ACCOUNT, "  polcy: {}\n");
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.contains("m.yaml:7:3") && err.contains("did you mean \"policy\"?"), "{err}");
    assert!(!folder.path().join("state/sandbox/journal").exists(), "a journal was opened for nothing");
}

#[test]
fn exit_2_changes_are_pending() {
    let folder = folder(ACCOUNT, VERSIONING);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run", "--detailed-exitcode"]).assert().code(2);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run"]).assert().code(0);
    assert!(!folder.path().join("state/sandbox/journal").exists(), "a dry run opened a journal");
}

#[test]
fn exit_3_consent_is_missing_and_then_given_by_hash() {
    let folder = folder(ACCOUNT, TLS);
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(3);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.contains("needs consent"), "{out}");
    let hash = out.rsplit("--approve ").next().and_then(|rest| rest.split_whitespace().next()).expect("the hash is shown").to_owned();
    // What was online is done: the plan that is left was shown last, with its hash.
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--approve", &hash]).assert().code(0);
}

#[test]
fn exit_3_part_of_the_manifest_is_wrong_and_the_rest_is_enforced() {
    let folder = folder(
        ACCOUNT,
        "  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n      - {name: huntaze-uploads, versionning: Enabled}\n",
    );
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(3);
    let (out, err) =
        (String::from_utf8_lossy(&run.get_output().stdout).into_owned(), String::from_utf8_lossy(&run.get_output().stderr).into_owned());
    assert!(out.contains("changed      s3.buckets/huntaze-assets"), "{out}");
    assert!(!out.contains("huntaze-uploads"), "{out}");
    assert!(err.contains("did you mean \"versioning\"?"), "{err}");
}

#[test]
fn exit_4_some_of_it_failed_and_the_others_went_on() {
    let folder = folder(
        ACCOUNT,
        "  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n      - {name: huntaze-uploads, tags: {owner: web}}\n",
    );
    let run = holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--sandbox"])
        .env("HOLDFAST_SANDBOX_FAULTS", "denied@s3:PutBucketVersioning")
        .assert()
        .code(4);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.contains("failed       s3.buckets/huntaze-assets") && out.contains("s3:PutBucketVersioning"), "{out}");
    assert!(out.contains("changed      s3.buckets/huntaze-uploads"), "{out}");
}

#[test]
fn exit_1_everything_failed() {
    let folder = folder(ACCOUNT, "  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n");
    holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--sandbox"])
        .env("HOLDFAST_SANDBOX_FAULTS", "denied@s3:PutBucketVersioning")
        .assert()
        .code(1);
}

#[test]
fn exit_64_a_wrong_command_line() {
    let folder = folder(ACCOUNT, VERSIONING);
    for args in [
        vec!["reconcile"],
        vec!["reconcile", "-f", "m.yaml", "--aprove", "x"],
        vec!["reconcile", "-f", "m.yaml", "--approve", "abc"],
        vec!["nonsense"],
        vec!["schema", "nonsense"],
        vec!["--log", "holdfast=nonsense", "version"],
        vec!["sandbox", "serve", "--listen", "0.0.0.0:4566"],
        vec![],
    ] {
        holdfast(folder.path()).args(&args).assert().code(64);
    }
    let run = holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--sandbox"])
        .env("AWS_ENDPOINT_URL", "http://user:s3cr3t@127.0.0.1:9")
        .assert()
        .code(64);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.contains("AWS_ENDPOINT_URL") && !err.contains("s3cr3t"), "{err}");
}

/// Tags that the run itself sets let a selector choose a bucket: the plan that is shown has that already.
#[test]
fn exit_0_with_nothing_left_for_the_next_run() {
    let folder = folder(
        ACCOUNT,
        "  s3:\n    buckets:\n      - {name: tagged, match: {names: [huntaze-assets]}, tags: {tier: gold}}\n      - {name: gold, match: {names: [\"*\"], tags: {tier: gold}}, versioning: Enabled}\n",
    );
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.contains("planned again: nothing differs") && out.contains("2 steps"), "{out}");
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run", "--detailed-exitcode"]).assert().code(0);
}

/// A process that is ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `holdfast sandbox serve` on a free port, and its address.
fn served(folder: &Path, speed: u32) -> (Running, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["sandbox", "serve", "--listen", "127.0.0.1:0", "--speed", &speed.to_string()])
        .current_dir(folder)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sandbox starts");
    let address = address(&mut child);
    (Running(child), address)
}

/// Where a sandbox that was just begun says that it listens.
fn address(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("its stderr")).read_line(&mut line).expect("a line");
    line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address").trim_end_matches(';').to_owned()
}

#[test]
fn exit_130_ctrl_c_is_recorded_and_the_next_run_goes_on() {
    let folder =
        folder(ACCOUNT, "  policy: {disruptive: Allow}\n  rds:\n    instances:\n      - {name: huntaze-postgres, multiAz: true}\n");
    let (_sandbox, address) = served(folder.path(), 1);
    let mut run = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", "m.yaml"])
        .current_dir(folder.path())
        .envs([("AWS_ENDPOINT_URL", address.as_str()), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("AWS_REGION", "us-east-1")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut said = std::io::BufReader::new(run.stderr.take().expect("its stderr"));
    let mut text = String::new();
    while !text.contains("waiting: ") {
        let before = text.len();
        std::io::BufRead::read_line(&mut said, &mut text).expect("a line");
        assert!(text.len() > before, "it ended before it waited:\n{text}");
    }
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill runs").success());
    let status = run.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?} to stop", asked.elapsed());
    let journal = holdfast(folder.path()).arg("journal").assert().code(0);
    let journal = String::from_utf8_lossy(&journal.get_output().stdout).into_owned();
    assert!(journal.contains("AWS acknowledged it") && journal.contains("exit code 130"), "{journal}");
}

#[test]
fn exit_130_while_the_journal_is_opened() {
    let folder = folder(ACCOUNT, VERSIONING);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    // sled waits for somebody at the other end of this one, until it is given up.
    let pipe = folder.path().join("state/sandbox/journal/sled/snap.0000000000000FFF");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut run = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", "m.yaml", "--sandbox"])
        .current_dir(folder.path())
        .env_remove("AWS_ENDPOINT_URL")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    // Nothing is said before it is open; half a second of four is enough to be in the middle.
    std::thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kill runs").success());
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    assert!(asked.elapsed() < Duration::from_millis(2500), "it took {:?} to stop", asked.elapsed());
}

#[test]
fn an_endpoint_is_taken_as_it_is_named() {
    let folder = folder(
        ACCOUNT,
        "  policy: {disruptive: Allow}\n  s3:\n    account: {publicAccessBlock: {blockPublicAcls: true}}\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n",
    );
    let (_sandbox, address) = served(folder.path(), 120);
    let environment = [
        ("AWS_ENDPOINT_URL", address.replace("127.0.0.1", "localhost")),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ];
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml"]).envs(environment.clone()).assert().code(0);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--dry-run", "--detailed-exitcode"]).envs(environment).assert().code(0);
}

#[test]
fn a_second_process_is_told_who_holds_the_journal() {
    let folder = folder(ACCOUNT, VERSIONING);
    let state = folder.path().join("state/sandbox");
    let opened = holdfast::execute::Journal::open(&state, "the test").expect("a journal");
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.contains("the test") && err.contains(&std::process::id().to_string()), "{err}");
    drop(opened);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
}

#[test]
fn the_topic_is_told_once_a_change_of_state() {
    let spec = format!("  notifications: {{topicArn: \"arn:aws:sns:us-east-1:{ACCOUNT}:huntaze-ops-alerts\"}}\n{VERSIONING}");
    let folder = folder(ACCOUNT, &spec);
    let messages = || -> Vec<serde_json::Value> {
        let saved = std::fs::read(folder.path().join("state/sandbox/account.json")).expect("the account");
        let saved: serde_json::Value = serde_json::from_slice(&saved).expect("JSON");
        saved.pointer("/world/sns/messages").or(saved.pointer("/sns/messages")).and_then(|all| all.as_array()).expect("messages").clone()
    };
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    let told = messages();
    assert_eq!(told.len(), 1, "{told:?}");
    let text = told[0].to_string();
    assert!(text.contains("2 changed") && text.contains("holdfast-id"), "{text}");
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    assert_eq!(messages().len(), 1, "nothing changed, and it was told again");
}

#[test]
fn only_and_skip_choose_resources() {
    let folder = folder(ACCOUNT, VERSIONING);
    let looked = |args: &[&str]| {
        let run =
            holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run", "-o", "json"]).args(args).assert().code(0);
        let document: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).expect("JSON");
        let resources = document.pointer("/plans/0/resources").and_then(|all| all.as_array()).expect("resources").clone();
        resources.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(looked(&[]), ["huntaze-assets", "huntaze-uploads"]);
    assert_eq!(looked(&["--only", "s3.buckets/*-assets"]), ["huntaze-assets"]);
    assert_eq!(looked(&["--skip", "s3.buckets/huntaze-assets"]), ["huntaze-uploads"]);
    // One that names nothing is a mistake, whatever it stands beside; a kind that is left out may be in another manifest.
    assert_eq!(looked(&["--skip", "rds"]), ["huntaze-assets", "huntaze-uploads"]);
    for (args, expected) in [
        (&["--only", "rds"][..], "--only rds names nothing that the manifest speaks for; it speaks for s3.buckets"),
        (&["--only", "s3,S3.bucket"], "did you mean \"s3.buckets\"?"),
        (&["--skip", "s3.bucket/huntaze-assets"], "--skip s3.bucket/huntaze-assets names nothing"),
        (&["--skip", "s3,huntaze-assets"], "did you mean \"s3.buckets/huntaze-assets\"?"),
        (&["--only", "huntaze-asets", "--dry-run"], "--only huntaze-asets names nothing"),
        (&["--only", "huntaze-assets", "--dry-run"], "did you mean \"s3.buckets/huntaze-assets\"?"),
    ] {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(args).assert().code(1);
        let (out, err) = (&run.get_output().stdout, String::from_utf8_lossy(&run.get_output().stderr).into_owned());
        assert!(err.contains("nothing was done") && err.contains(expected) && !out.contains(&b'~'), "{args:?}: {err}");
    }
    assert_eq!(looked(&[]).len(), 2, "something was done");
    // A bucket's policy is a part of it, under whatever name a selector or an entry speaks for the bucket.
    let all = "  policy: {disruptive: Allow}\n  s3: {buckets: [{name: all, match: {names: [huntaze-assets, huntaze-uploads]}, denyInsecureTransport: true}, \
               {name: web, bucket: huntaze-assets, versioning: Enabled}]}\n";
    let text = std::fs::read_to_string(folder.path().join("m.yaml")).expect("the manifest");
    std::fs::write(folder.path().join("m.yaml"), text.replace(VERSIONING, all)).expect("a file");
    for (args, ids) in [
        (&[][..], &["huntaze-assets", "huntaze-uploads", "huntaze-assets", "huntaze-uploads"][..]),
        (&["--skip", "s3.buckets/huntaze-assets"], &["huntaze-uploads", "huntaze-uploads"]),
        (&["--skip", "s3.buckets/huntaze-a*"], &["huntaze-uploads", "huntaze-uploads"]),
        (&["--only", "s3.buckets/huntaze-uploads"], &["huntaze-uploads", "huntaze-uploads"]),
        (&["--skip", "s3.bucketPolicies"], &["huntaze-assets", "huntaze-uploads"]),
    ] {
        assert_eq!(looked(args), ids, "{args:?}");
    }
}

/// What a run waits for in vain, since it leaves it out, is said at once.
#[test]
fn only_leaves_out_the_bucket_that_a_trail_stands_on() {
    let folder = folder(ACCOUNT, "");
    let run = |more: &[&str], code: i32| {
        let run =
            holdfast(folder.path()).args(["reconcile", "-f", OWNER, "--sandbox", "--only", "cloudtrail"]).args(more).assert().code(code);
        String::from_utf8_lossy(&run.get_output().stdout).into_owned()
    };
    for more in [&["--dry-run"][..], &[]] {
        let out = run(more, 3);
        assert!(
            out.contains("missing: it stands on s3.buckets/huntaze-cloudtrail-logs, which is not there, and which this run leaves out"),
            "{out}"
        );
        assert!(out.contains("what to do: add --only s3.buckets/huntaze-cloudtrail-logs\n"), "{out}");
        assert!(!out.contains("after s3.buckets") && !out.contains("failed"), "{out}");
    }
    let out = run(&["--only", "s3.buckets/huntaze-cloudtrail-logs", "--dry-run"], 0);
    assert!(out.contains("3 resources: 3 to repair"), "{out}");
}

#[test]
fn what_is_printed_as_json_is_as_its_schema_says() {
    let folder = folder(ACCOUNT, VERSIONING);
    let schema = |what: &str| -> serde_json::Value {
        let run = holdfast(folder.path()).args(["schema", what]).assert().code(0);
        serde_json::from_slice(&run.get_output().stdout).expect("a schema")
    };
    let printed = |args: &[&str]| -> serde_json::Value {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "-o", "json"]).args(args).assert().code(0);
        serde_json::from_slice(&run.get_output().stdout).expect("JSON")
    };
    for (what, document) in [("plan", printed(&["--dry-run"])), ("report", printed(&[]))] {
        let schema = schema(what);
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{what}: {wrong:?}");
        assert!(!validator.is_valid(&serde_json::json!({"plans": 7})), "the schema of {what} takes anything");
        if what == "report" {
            // A program reads first of all how each resource ended.
            let mut document = document;
            let end = document.pointer_mut("/objects/0/outcomes/resources/0/end").expect("an end");
            assert_eq!(*end, "changed");
            *end = "perhaps".into();
            assert!(!validator.is_valid(&document), "the schema does not say which ends there are");
        }
    }
    assert!(schema("manifest").pointer("/properties/spec/properties/s3").is_some());
}

#[test]
fn explain_says_how_a_protective_number_is_read() {
    let folder = folder(ACCOUNT, VERSIONING);
    let run = holdfast(folder.path()).args(["explain", "rds.instances.backupRetentionDays"]).assert().code(0);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.contains("at least"), "{out}");
    let run = holdfast(folder.path()).args(["explain", "rds.instances.backupRetention"]).assert().code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.contains("did you mean \"backupRetentionDays\"?"), "{err}");
}

#[test]
fn validate_completion_and_version() {
    let folder = folder(ACCOUNT, VERSIONING);
    holdfast(folder.path()).args(["validate", "-f", OWNER]).assert().code(0);
    holdfast(folder.path()).args(["validate", "-f", "m.yaml", "-o", "json"]).assert().code(0);
    holdfast(folder.path()).args(["validate", "-f", "nowhere.yaml"]).assert().code(1);
    // A document that is none of ours is no problem.
    std::fs::write(folder.path().join("other.yaml"), "apiVersion: v1\nkind: ConfigMap\n").expect("a file");
    let run = holdfast(folder.path()).args(["validate", "-f", "."]).assert().code(0);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.ends_with("2 files, 1 object with 2 entries: nothing is wrong, 1 note\n"), "{out}");
    let completion = holdfast(folder.path()).args(["completion", "bash"]).assert().code(0);
    assert!(String::from_utf8_lossy(&completion.get_output().stdout).contains("reconcile"));
    let version = holdfast(folder.path()).arg("version").assert().code(0);
    assert_eq!(String::from_utf8_lossy(&version.get_output().stdout), format!("holdfast {}\n", env!("CARGO_PKG_VERSION")));
}

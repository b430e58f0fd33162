//! What one run leaves for the next, and for whom: consents, and the sandbox's account.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use holdfast::execute::Journal;

use super::{ACCOUNT, Running, TLS, VERSIONING, folder, holdfast, recorded, served};

pub fn stderr(run: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&run.get_output().stderr).into_owned()
}

pub fn stdout(run: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&run.get_output().stdout).into_owned()
}

pub fn at(address: &str) -> [(&str, &str); 3] {
    [("AWS_ENDPOINT_URL", address), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]
}

#[test]
fn a_consent_given_in_the_sandbox_counts_nowhere_else() {
    let folder = folder(ACCOUNT, &TLS.replace(", versioning: Enabled", ""));
    let reconcile = |more: &[&str]| {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml"]).args(more).env("HOLDFAST_STATE_DIR", "shared");
        run
    };
    let dry = reconcile(&["--sandbox", "--dry-run"]).assert().code(3);
    let hash = stdout(&dry).rsplit("--approve ").next().and_then(|rest| rest.split_whitespace().next()).expect("a hash").to_owned();
    // The step that was consented to does not succeed: the next run in the sandbox may still do it.
    reconcile(&["--sandbox", "--approve", &hash]).env("HOLDFAST_SANDBOX_FAULTS", "denied@s3:PutBucketPolicy").assert().code(4);
    let (_aws, address) = served(folder.path(), 120);
    let elsewhere = reconcile(&[]).envs(at(&address)).assert().code(3);
    assert!(stdout(&elsewhere).contains("needs consent"), "{}", stdout(&elsewhere));
    reconcile(&["--sandbox"]).assert().code(0);
    // One endpoint's is no other's either.
    let (_other, address) = served(folder.path(), 120);
    let other = reconcile(&[]).envs(at(&address)).assert().code(1);
    assert!(stderr(&other).contains("is of runs on the endpoint"), "{}", stderr(&other));
}

#[test]
fn a_dry_run_leaves_the_sandbox_as_it_is() {
    let folder = folder(ACCOUNT, VERSIONING);
    let reconcile = ["reconcile", "-f", "m.yaml", "--sandbox"];
    holdfast(folder.path()).args(reconcile).arg("--dry-run").assert().code(0);
    assert!(!folder.path().join("state").exists(), "a dry run made a folder");
    holdfast(folder.path()).args(reconcile).assert().code(0);
    let account = folder.path().join("state/sandbox/account.json");
    let before = std::fs::read(&account).expect("the account");
    let dry = holdfast(folder.path()).args(reconcile).args(["--dry-run", "--detailed-exitcode"]).assert().code(0);
    assert!(stdout(&dry).contains("an earlier run left"), "{}", stdout(&dry));
    assert_eq!(std::fs::read(&account).expect("the account"), before, "a dry run wrote the account");
}

#[test]
fn the_sandbox_is_read_when_nobody_else_can_be_changing_it() {
    let folder = folder(ACCOUNT, VERSIONING);
    let state = folder.path().join("state/sandbox");
    let held = Journal::open(&state, "the test").expect("a journal");
    // What the other process has written by halves.
    std::fs::write(state.join("account.json"), "{").expect("a file");
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(1);
    assert!(stderr(&run).contains("the test"), "the account was read before the journal was held: {}", stderr(&run));
    drop(held);
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(1);
    assert!(stderr(&run).contains("account.json"), "{}", stderr(&run));
    holdfast(folder.path()).args(["sandbox", "reset"]).assert().code(0);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
}

#[test]
fn the_journal_says_where_the_sandboxs_is() {
    let folder = folder(ACCOUNT, VERSIONING);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    let journal = holdfast(folder.path()).args(["journal", "--state-dir", "nowhere"]).assert().code(0);
    assert_eq!(stdout(&journal), "there is no journal in nowhere\n");
    assert!(!folder.path().join("nowhere").exists());
    let journal = holdfast(folder.path()).arg("journal").assert().code(0);
    assert!(stdout(&journal).contains("--state-dir state/sandbox"), "{}", stdout(&journal));
    let journal = holdfast(folder.path()).args(["journal", "--state-dir", "state/sandbox"]).assert().code(0);
    assert!(stdout(&journal).contains("run began"), "{}", stdout(&journal));
}

/// Another folder holds nothing of what is to be read, and a second run over one account is in the first one's way.
#[test]
fn while_a_run_goes_on_nobody_is_sent_to_another_folder() {
    let folder = folder(ACCOUNT, VERSIONING);
    let _held = Journal::open(&folder.path().join("state/sandbox"), "holdfast reconcile -f m.yaml").expect("a journal");
    let journal = holdfast(folder.path()).args(["journal", "--state-dir", "state/sandbox"]).assert().code(1);
    let said = stderr(&journal);
    assert!(said.contains("(holdfast reconcile -f m.yaml), since ") && said.contains("wait until that has ended"), "{said}");
    assert!(!said.contains("--state-dir"), "{said}");
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(1);
    assert!(stderr(&run).contains("two runs over one get in each other's way"), "{}", stderr(&run));
}

/// A run that gets Ctrl-C when what it said is so far.
fn interrupted(folder: &Path, address: &str, far: impl Fn(&str) -> bool) -> Output {
    let mut run = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", "m.yaml"])
        .current_dir(folder)
        .envs(at(address))
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = std::io::BufReader::new(run.stderr.take().expect("its stderr"));
    let mut text = String::new();
    while !far(&text) {
        let before = text.len();
        std::io::BufRead::read_line(&mut said, &mut text).expect("a line");
        assert!(text.len() > before, "it ended before it was that far:\n{text}");
    }
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill runs").success());
    run.wait_with_output().expect("it ends")
}

/// A sandbox that serves and records what it is asked.
fn recording(requests: &Path, speed: &str) -> (Running, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["sandbox", "serve", "--listen", "127.0.0.1:0", "--speed", speed])
        .env("HOLDFAST_SANDBOX_RECORD", requests)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sandbox starts");
    let address = super::address(&mut child);
    (Running(child), address)
}

/// Nothing was done yet, only begun: the run itself has nothing to tell, and the next one finds it done.
#[test]
fn what_goes_on_in_aws_after_ctrl_c_is_told_by_the_next_run() {
    let spec = format!(
        "  notifications: {{topicArn: \"arn:aws:sns:us-east-1:{ACCOUNT}:huntaze-ops-alerts\"}}\n  policy: {{disruptive: Allow}}\n  rds:\n    instances:\n      - {{name: huntaze-postgres, multiAz: true}}\n"
    );
    let folder = folder(ACCOUNT, &spec);
    let requests = crate::record::requests(folder.path());
    let (_aws, address) = recording(&requests, "60");
    let ended = interrupted(folder.path(), &address, |said| said.contains("waiting: "));
    assert_eq!(ended.status.code(), Some(130));
    // However long the database takes: the run that finds it done tells of it, and no other does.
    let again = || {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml"]).envs(at(&address)).assert().code(0);
        stdout(&run).contains("1 unchanged")
    };
    let published = || {
        let text = recorded(&requests);
        let all = text.lines().filter(|line| line.contains("\"operation\":\"Publish\""));
        all.filter(|line| line.contains("rds.instances%2Fhuntaze-postgres")).count()
    };
    assert_eq!(published(), 0);
    again();
    assert_eq!(published(), 1);
    assert!(again(), "something is left");
    assert_eq!(published(), 1);
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_the_next_run_finds_out() {
    let spec = "  s3:\n    buckets:\n      - {name: huntaze-assets, tags: {owner: platform}}\n";
    let folder = folder(ACCOUNT, spec);
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["sandbox", "serve", "--listen", "127.0.0.1:0", "--faults", "slow@4=20s"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sandbox starts");
    let address = super::address(&mut child);
    let _aws = Running(child);
    let mut run = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", "m.yaml"])
        .current_dir(folder.path())
        .envs(at(&address))
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let interrupt = |run: &std::process::Child| {
        assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill runs").success());
    };
    // The request, the fourth, is under way when its intent is on disk.
    let began = Instant::now();
    let mark = folder.path().join("state/journal/mark");
    while !std::fs::read_to_string(&mark).is_ok_and(|mark| mark.split(' ').next().is_some_and(|number| number.ends_with('2'))) {
        assert!(began.elapsed() < Duration::from_secs(20), "no intent: {:?}", std::fs::read_to_string(&mark));
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt(&run);
    std::thread::sleep(Duration::from_millis(500));
    assert!(run.try_wait().expect("a look").is_none(), "the first one waits for the request under way");
    let asked = Instant::now();
    interrupt(&run);
    let ended = run.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.ends_with("left at once: what was sent goes on at AWS, and the next run asks how it went\n"), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    let next = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml"]).envs(at(&address)).assert().code(0);
    assert!(stderr(&next).contains("an earlier run ended in the middle"), "{}", stderr(&next));
}

#[test]
fn after_ctrl_c_no_message_is_sent_and_the_next_run_sends_it() {
    let spec = format!(
        "  notifications: {{topicArn: \"arn:aws:sns:us-east-1:{ACCOUNT}:huntaze-ops-alerts\"}}\n  policy: {{disruptive: Allow}}\n{VERSIONING}  rds:\n    instances:\n      - {{name: huntaze-postgres, multiAz: true}}\n"
    );
    let folder = folder(ACCOUNT, &spec);
    let requests = crate::record::requests(folder.path());
    // What S3 shows late is there sooner, and the database still takes a minute.
    let (_aws, address) = recording(&requests, "4");
    let published = || recorded(&requests).lines().filter(|line| line.contains("\"operation\":\"Publish\"")).count();
    // The buckets are done, the database is under way.
    let ended = interrupted(folder.path(), &address, |said| said.matches("as declared").count() == 2 && said.contains("waiting: "));
    assert_eq!(ended.status.code(), Some(130));
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let report = out.split("interrupted  rds.instances/huntaze-postgres").nth(1).unwrap_or_default();
    assert!(report.contains("\" was sent and is under way\n"), "{out}");
    assert!(report.contains("The same command goes on from where that is by then:\n  holdfast reconcile -f m.yaml\n"), "{out}");
    assert_eq!(published(), 0, "a message was sent after the wish to stop");
    holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--only", "s3"])
        .envs(at(&address))
        .timeout(Duration::from_secs(30))
        .assert()
        .code(0);
    assert_eq!(published(), 1);
}

/// Whose a state folder is stands in a small file of it. What is not ours is neither waited for nor written over.
#[test]
fn a_state_folders_id_is_a_file_of_ours_or_none() {
    let folder = folder(ACCOUNT, VERSIONING);
    let state = folder.path().join("state/sandbox");
    let holder = state.join("holder");
    let run = |code: i32| {
        let run =
            holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).timeout(Duration::from_secs(30)).assert().code(code);
        stderr(&run)
    };
    std::fs::create_dir_all(&state).expect("a folder");
    std::fs::write(&holder, "my precious notes\n").expect("a file");
    assert!(run(1).contains("it holds something else: move it elsewhere"));
    assert_eq!(std::fs::read_to_string(&holder).expect("a file"), "my precious notes\n");
    let notes = folder.path().join("notes");
    std::fs::rename(&holder, &notes).expect("it moves");
    std::os::unix::fs::symlink(&notes, &holder).expect("a link");
    assert!(run(1).contains("is no plain file"));
    assert_eq!(std::fs::read_to_string(&notes).expect("a file"), "my precious notes\n");
    std::fs::remove_file(&holder).expect("it goes");
    assert!(Command::new("mkfifo").arg(&holder).status().expect("mkfifo runs").success());
    assert!(run(1).contains("is no plain file"));
    // A dry run keeps no id.
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run"]).timeout(Duration::from_secs(30)).assert().code(0);
    std::fs::remove_file(&holder).expect("it goes");
    // A full disk left it by halves.
    std::fs::write(&holder, "0123").expect("a file");
    run(0);
    assert_eq!(std::fs::read_to_string(&holder).expect("a file").trim().len(), 16);
    let account = state.join("account.json");
    std::fs::remove_file(&account).expect("it goes");
    assert!(Command::new("mkfifo").arg(&account).status().expect("mkfifo runs").success());
    assert!(run(1).contains("is no plain file"));
}

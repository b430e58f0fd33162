//! `holdfast migration`: a move as a person follows and steers it.

use holdfast::clock::Clock;
use holdfast::sandbox::{Options, Sandbox};

use super::{ACCOUNT, folder, holdfast};

const MOVE: &str = "  policy: {disruptive: Allow}
  elasticache:
    replicationGroups:
      - name: huntaze-redis
        atRestEncryption: {enabled: true}
        transitEncryption: Required
        auth: {secretArn: \"arn:aws:secretsmanager:us-east-1:317805897534:secret:huntaze/redis-auth-a1B2c3\", key: token}
        migration:
          approved: true
          writeGap: Accept
          keepOld: 24h
          retire: Delete
          cutover:
            - ssmParameter: {name: /huntaze/REDIS_URL}
            - ecs: {cluster: main, service: api}
";

/// Exit code, stdout and stderr.
fn ran(folder: &std::path::Path, faults: &str, args: &[&str]) -> (i32, String, String) {
    let mut run = holdfast(folder);
    if !faults.is_empty() {
        run.env("HOLDFAST_SANDBOX_FAULTS", faults);
    }
    let output = run.args(args).args(["-f", "m.yaml", "--sandbox"]).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn phase(folder: &std::path::Path) -> String {
    let (code, out, err) = ran(folder, "", &["migration", "status", "huntaze-redis", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let status: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    status["phase"].as_str().expect("a phase").to_owned()
}

/// A move that was taken back is not begun again by itself; when a person says so it comes to its end.
fn moved_when_resumed(folder: &std::path::Path) {
    assert_eq!(ran(folder, "", &["reconcile"]).0, 3);
    assert_eq!(ran(folder, "", &["migration", "resume", "huntaze-redis"]).0, 0);
    let (code, out, err) = ran(folder, "", &["reconcile"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(phase(folder), "soak");
}

#[test]
fn a_move_is_followed_to_its_end() {
    let folder = folder(ACCOUNT, MOVE);
    let folder = folder.path();
    assert_eq!(phase(folder), "none");
    assert_eq!(ran(folder, "", &["migration", "finalize", "huntaze-redis"]).0, 1);
    let (code, out, err) = ran(folder, "", &["reconcile"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(phase(folder), "soak");
    let (_, out, _) = ran(folder, "", &["migration", "status", "huntaze-redis"]);
    for expected in
        ["the new group serves", ", until ", "/huntaze/REDIS_URL is turned to huntaze-redis-", "holdfast migration finalize huntaze-redis"]
    {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    // Writes were not held, so that what serves is not taken back without a word about what was written there.
    let (code, _, err) = ran(folder, "", &["migration", "rollback", "huntaze-redis"]);
    assert!(code == 1 && err.contains("holdfast migration rollback huntaze-redis --give-up-writes"), "{code} {err}");
    assert_eq!(phase(folder), "soak");
    let (code, out, err) = ran(folder, "", &["migration", "finalize", "huntaze-redis"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("Delete huntaze-redis"), "{out}");
    assert_eq!(phase(folder), "none");
    assert_eq!(ran(folder, "", &["reconcile", "--detailed-exitcode"]).0, 0);
}

#[test]
fn a_move_is_taken_back_and_tried_again() {
    let folder = folder(ACCOUNT, MOVE);
    let folder = folder.path();
    // The process ends while the snapshot is taken.
    ran(folder, "end-after@60", &["reconcile"]);
    assert_eq!(phase(folder), "snapshot");
    let (code, out, err) = ran(folder, "", &["migration", "rollback", "huntaze-redis"]);
    assert_eq!(code, 5, "{out}{err}");
    assert_eq!(phase(folder), "givenUp");
    let (code, _, err) = ran(folder, "", &["migration", "rollback", "huntaze-redis"]);
    assert!(code == 1 && err.contains("nothing to take back"), "{code} {err}");
    moved_when_resumed(folder);
}

/// A person watches beside the run, in text and as documents, until the new group serves.
#[test]
fn a_move_is_watched_until_it_is_done() {
    let folder = folder(ACCOUNT, MOVE);
    let account = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/accounts/huntaze-as-found.yaml")).expect("a text");
    let options = Options { clock: Clock::scaled(600), ..Options::default() };
    let sandbox = Sandbox::from_yaml(&account, options).expect("an account");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    runtime.spawn(async move { sandbox.serve(listener, std::future::pending()).await });
    let run = |args: &[&str]| {
        let mut run = holdfast(folder.path());
        run.args(args).args(["-f", "m.yaml"]).timeout(std::time::Duration::from_secs(180));
        run.env("AWS_ENDPOINT_URL", &endpoint)
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .env("AWS_REGION", "us-east-1");
        run
    };
    let status = ["migration", "status", "huntaze-redis"];
    // Where nothing goes on it is said once.
    let none = run(&status).arg("--watch").assert().code(0);
    assert_eq!(String::from_utf8_lossy(&none.get_output().stdout).lines().count(), 1);
    let (text, documents, code) = std::thread::scope(|scope| {
        let moved = scope.spawn(|| run(&["reconcile"]).output().expect("it runs").status.code());
        let began = std::time::Instant::now();
        while String::from_utf8_lossy(&run(&status).args(["-o", "json"]).output().expect("it runs").stdout).contains("\"phase\": \"none\"")
        {
            assert!(began.elapsed().as_secs() < 60, "the move does not begin");
        }
        let documents = scope.spawn(|| run(&status).args(["--watch", "-o", "json"]).output().expect("it runs").stdout);
        let text = run(&status).arg("--watch").output().expect("it runs").stdout;
        (text, documents.join().expect("no panic"), moved.join().expect("no panic"))
    });
    assert_eq!(code, Some(0));
    let text = String::from_utf8_lossy(&text).into_owned();
    let said: Vec<&str> = text.lines().filter_map(|line| line.split_once("Z  ")).map(|(_, said)| said).collect();
    assert!(said.len() > 1 && said.windows(2).all(|two| two[0] != two[1]), "{text}");
    assert!(said.last().is_some_and(|last| last.contains("the new group serves, the old one is kept")), "{text}");
    let documents = String::from_utf8_lossy(&documents).into_owned();
    let phases: Vec<String> = documents
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("a document a line")["phase"].as_str().expect("a phase").to_owned()
        })
        .collect();
    assert!(phases.len() > 1 && phases.last().is_some_and(|last| last == "soak"), "{documents}");
}

#[test]
fn a_move_is_taken_back_after_the_commit() {
    let folder = folder(ACCOUNT, MOVE);
    let folder = folder.path();
    assert_eq!(ran(folder, "", &["reconcile"]).0, 0);
    let (_, out, _) = ran(folder, "", &["migration", "status", "huntaze-redis"]);
    assert!(out.contains("holdfast migration rollback huntaze-redis --give-up-writes"), "{out}");
    let (code, out, err) = ran(folder, "", &["migration", "rollback", "huntaze-redis", "--give-up-writes"]);
    assert_eq!(code, 5, "{out}{err}");
    assert!(out.contains("-1-back"), "{out}");
    assert_eq!(phase(folder), "givenUp");
    // And there again, by names of its own.
    moved_when_resumed(folder);
}

#[test]
fn a_name_that_is_not_there_is_said() {
    let folder = folder(ACCOUNT, MOVE);
    let (code, _, err) = ran(folder.path(), "", &["migration", "status", "other"]);
    assert!(code == 1 && err.contains("no entry other"), "{code} {err}");
    assert_eq!(ran(folder.path(), "", &["migration", "status"]).0, 64);
}

/// The consent to a move counts until the old group is gone: it can be given again on the way, and is on the lock once the move has begun.
#[test]
fn a_consent_to_a_move_is_given_once_and_again() {
    let folder = folder(ACCOUNT, &MOVE.replace("  policy: {disruptive: Allow}\n", "").replace("          approved: true\n", ""));
    let folder = folder.path();
    let (code, out, err) = ran(folder, "", &["reconcile", "--dry-run"]);
    let hash = out.rsplit("--approve ").next().map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
    let hash = hash.unwrap_or_else(|| panic!("{code} {out}{err}"));
    let (code, out, err) = ran(folder, "end-after@60", &["reconcile", "--approve", &hash]);
    assert_eq!(phase(folder), "snapshot", "{code} {out}{err}");
    // What is on the lock is not in the journal's hands.
    let revoked = holdfast(folder).args(["journal", "revoke", &hash, "--state-dir", "state/sandbox"]).assert().code(0);
    let said = String::from_utf8_lossy(&revoked.get_output().stdout).into_owned();
    assert!(said.contains("what was begun on it goes on all the same, by its lock on AWS"), "{said}");
    let (code, out, err) = ran(folder, "", &["reconcile"]);
    assert_eq!((code, phase(folder).as_str()), (0, "soak"), "{out}{err}");
    // One that was taken back is none.
    assert_eq!(ran(folder, "", &["reconcile", "--approve", &hash]).0, 3);
    assert_eq!(holdfast(folder).args(["sandbox", "reset"]).output().expect("it runs").status.code(), Some(0));
    // The pipeline's command, again and again as it was: nothing but what was begun is left, and a used-up hash is no reason to leave that alone.
    for _ in 0..3 {
        let (code, out, err) = ran(folder, "", &["reconcile", "--approve", &hash]);
        assert_eq!((code, phase(folder).as_str()), (0, "soak"), "{out}{err}");
    }
}

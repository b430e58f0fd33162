//! The owner's manifest on the sandbox with real Redis servers, from the account as found to its end: the move of the Redis with an application that
//! writes all the time.

#[path = "support/screens.rs"]
mod screens;

use std::path::Path;
use std::process::{Command, Output};

use holdfast::sandbox::redis;

const OWNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/baselines/huntaze-production.yaml");

fn reconcile(state: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", OWNER, "--state-dir"])
        .arg(state)
        .args(more)
        .env_remove("AWS_ENDPOINT_URL")
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_owners_account_comes_to_its_end_with_its_redis_moved_and_no_write_lost() {
    if redis::program().is_none() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs redis-server\n");
        return;
    }
    let state = tempfile::tempdir().expect("a folder");
    let first = reconcile(state.path(), &["--sandbox=live"]);
    let (out, said) = (text(&first.stdout), text(&first.stderr));
    assert_eq!(first.status.code(), Some(0), "{out}\n{said}");
    assert!(out.contains("planned again: nothing differs in 15 resources"), "{out}\n{said}");
    let steps =
        ["Hold the writes of huntaze-redis", "Turn the parameter /huntaze/REDIS_URL", "Start the ECS service api", "Let huntaze-redis-"];
    for step in steps {
        assert!(said.contains(&format!("done: {step}")), "{step}\n{said}");
    }
    let application = said.lines().find(|line| line.starts_with("the application beside it: ")).expect("the application's account");
    assert!(application.contains("each of them is there"), "{application}");
    let writes: u64 = application.split_whitespace().nth(4).and_then(|number| number.parse().ok()).expect("a number");
    assert!(writes > 1_000, "{application}");

    // As the README shows its end.
    assert_eq!(screens::unsaid(0, &format!("{out}{said}")), Vec::<&str>::new(), "{out}{said}");

    // The account that it left goes on as it was, with what its servers hold.
    let again = reconcile(state.path(), &["--sandbox"]);
    assert_eq!(again.status.code(), Some(0), "{}\n{}", text(&again.stdout), text(&again.stderr));
    assert!(text(&again.stdout).contains("real Redis servers"), "{}", text(&again.stdout));
}

//! Real Redis servers behind the sandbox: they come with it and go with it, however it goes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Running, holdfast};

const LIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/accounts/huntaze-redis-live.yaml");

/// The processes whose command line names an address of this folder's fleet.
fn redis_of(folder: &str) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = processes.flatten().filter_map(|process| process.file_name().into_string().ok());
    let of = |pid: &String| {
        // A redis-server works in the folder of its node.
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.to_string_lossy().starts_with(folder))
    };
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(of).collect()
}

fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A sandbox that serves an account with real servers, `speed` times as fast as the clock: with its address, and the file of its authority.
pub fn live(account: &Path, speed: u32) -> (Running, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["sandbox", "serve", "--listen", "127.0.0.1:0", "--speed", &speed.to_string(), "--account"])
        .arg(account)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sandbox starts");
    let mut said = BufReader::new(child.stderr.take().expect("its stderr"));
    let sandbox = Running(child);
    let mut text = String::new();
    while !text.contains("certificates: ") {
        assert!(said.read_line(&mut text).expect("a line") > 0, "it ended: {text}");
    }
    let address = text.split("http://").nth(1).and_then(|rest| rest.split(';').next()).map(|host| format!("http://{host}"));
    let ca = text.rsplit("certificates: ").next().unwrap_or_default().trim().to_owned();
    (sandbox, address.expect("an address"), ca)
}

#[test]
fn servers_go_with_the_sandbox_even_when_it_is_killed() {
    if holdfast::sandbox::redis::program().is_none() {
        // Past the harness, which keeps what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: needs redis-server");
        return;
    }
    for signal in ["-KILL", "-INT"] {
        let (mut sandbox, _, ca) = live(Path::new(LIVE), 1);
        let folder = Path::new(&ca).parent().expect("a folder").to_owned();
        let name = folder.to_string_lossy().into_owned();
        assert!(std::fs::read_to_string(&ca).expect("a certificate").contains("BEGIN CERTIFICATE"), "{ca}");
        assert_eq!(redis_of(&name).len(), 2, "{name}");
        assert!(Command::new("kill").args([signal, &sandbox.0.id().to_string()]).status().expect("kill runs").success());
        sandbox.0.wait().expect("it ends");
        until("the servers to end", || redis_of(&name).is_empty());
        until("their files to go", || !folder.exists());
    }
}

#[test]
fn without_a_redis_server_the_account_says_what_to_install() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = holdfast(folder.path()).env("PATH", folder.path()).args(["sandbox", "serve", "--account", LIVE]).assert().code(1);
    let err = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(err.contains("apt-get install redis-server"), "{err}");
}

#[test]
fn reset_forgets_what_the_servers_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state/sandbox");
    std::fs::create_dir_all(state.join("account.redis/nodes")).expect("a folder");
    std::fs::write(state.join("account.json"), "{}").expect("a file");
    holdfast(folder.path()).args(["sandbox", "reset"]).assert().code(0);
    assert!(!state.join("account.redis").exists() && !state.join("account.json").exists());
}

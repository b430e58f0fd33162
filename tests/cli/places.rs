//! Places of a move beside AWS: what a command line allows to be reached and run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::state::{at, stderr, stdout};
use super::{ACCOUNT, Running, folder, holdfast, served};

fn moved_at(place: &str) -> tempfile::TempDir {
    let spec = format!(
        "  policy: {{disruptive: Allow}}
  elasticache:
    replicationGroups:
      - name: huntaze-redis
        atRestEncryption: {{enabled: true}}
        migration: {{approved: true, writeGap: Accept, cutover: [{place}]}}
"
    );
    folder(ACCOUNT, &spec)
}

/// The first run of the command goes on for ever; each writes who it is.
const COMMAND: &str = "{exec: {timeout: 10m, undo: ['false'], command: [sh, -c, \
    'echo \"$HOLDFAST_STEP $HOLDFAST_ADDRESS\" >> steps; [ -e pid ] || { echo $$ > pid.new; mv pid.new pid; sleep 300 & echo $! > child; wait; }']}}";

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap_or_default()
}

fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The process that begins a command is killed as the kernel kills where memory is short: nothing of the command is left, and the next run begins it again.
#[test]
fn a_command_does_not_outlive_a_run_that_is_killed() {
    let folder = moved_at(COMMAND);
    let (_aws, address) = served(folder.path(), 120);
    let run = |more: &[&str]| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        run.args(["reconcile", "-f", "m.yaml"]).args(more).current_dir(folder.path()).env("AWS_REGION", "us-east-1");
        run.envs(at(&address)).env_remove("AWS_PROFILE").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    // Not without leave, and not by a dry run with it.
    let said = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml"]).envs(at(&address)).assert().code(3);
    assert!(stdout(&said).contains("run only where --allow-exec says so") && stdout(&said).contains("run with --allow-exec"));
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--dry-run", "--allow-exec"]).envs(at(&address)).assert().code(0);
    assert_eq!(read(folder.path(), "steps"), "");
    let mut first = Running(run(&["--allow-exec"]));
    let pids = || [read(folder.path(), "pid"), read(folder.path(), "child")];
    until("the command to begin", || pids().iter().all(|pid| pid.ends_with('\n')));
    let pids = pids();
    assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
    // SIGKILL.
    first.0.kill().expect("it lives");
    until("the command to end", || !pids.iter().any(|pid| runs(pid)));
    let mut second = run(&["--allow-exec"]);
    assert_eq!(second.wait().expect("it ends").code(), Some(0), "{}", read(folder.path(), "steps"));
    let steps = read(folder.path(), "steps");
    assert_eq!(steps.lines().count(), 2, "{steps}");
    assert!(steps.lines().all(|step| step.starts_with("turn ") && step.contains("huntaze-redis-")), "{steps}");
    // The way back would come to no end: nothing of it is begun, and the new group serves.
    let rollback = ["migration", "rollback", "huntaze-redis", "--give-up-writes", "-f", "m.yaml"];
    let said = stderr(&holdfast(folder.path()).args(rollback).envs(at(&address)).assert().code(1));
    assert!(said.contains("run only where --allow-exec says so, and it has to be turned back"), "{said}");
    let status = holdfast(folder.path()).args(["migration", "status", "huntaze-redis", "-f", "m.yaml"]).envs(at(&address)).assert().code(0);
    assert!(stdout(&status).contains("the new group serves"), "{}", stdout(&status));
}

/// An AWS that is none is a place to try things out: what this machine's kubectl is set up for stays out of it.
#[test]
fn beside_another_aws_only_a_named_kubeconfig_leads_to_a_cluster() {
    let folder = moved_at("{kubernetes: {secret: app-env, key: REDIS_URL}}");
    let (_aws, address) = served(folder.path(), 1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let server = format!("http://{}", listener.local_addr().expect("its address"));
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: '{server}'}}}}], \
         users: [{{name: u, user: {{token: canary-of-kubeconfig}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
    );
    std::fs::create_dir(folder.path().join(".kube")).expect("a folder");
    std::fs::write(folder.path().join(".kube/config"), &kubeconfig).expect("a file");
    let dry = |more: &[&str]| {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml", "--dry-run", "--log", "trace"])
            .args(more)
            .env("KUBECONFIG", folder.path().join(".kube/config"));
        run
    };
    for run in [&mut dry(&["--sandbox"]), dry(&[]).envs(at(&address))] {
        let said = stdout(&run.assert().code(3));
        assert!(
            said.contains("only a cluster whose kubeconfig is named is spoken to") && said.contains("run with --kubeconfig FILE"),
            "{said}"
        );
    }
    assert!(listener.accept().is_err(), "the machine's cluster was asked");
    // The one that is named is asked, who answers nothing there.
    let answers = std::thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(50) {
            if listener.accept().is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    });
    let run = dry(&["--kubeconfig", ".kube/config"]).envs(at(&address)).assert().code(3);
    assert!(answers.join().expect("no panic"), "{}", stdout(&run));
    assert!(stdout(&run).contains(&format!("of c, {server}")) || stdout(&run).contains(&server), "{}", stdout(&run));
    assert!(!format!("{}{}", stdout(&run), stderr(&run)).contains("canary-of-kubeconfig"));
}

/// What takes the machine's time would be late for a simulated one.
#[test]
fn the_sandbox_whose_time_is_simulated_reaches_and_runs_nothing() {
    let folder = moved_at("{kubernetes: {secret: app-env, key: REDIS_URL}}");
    for more in [&["--allow-exec"][..], &["--kubeconfig", "some"]] {
        for command in [&["reconcile", "--dry-run"][..], &["migration", "rollback", "huntaze-redis"]] {
            let run = holdfast(folder.path()).args(command).args(["-f", "m.yaml", "--sandbox"]).args(more).assert().code(1);
            assert!(stderr(&run).contains("it is --sandbox=live"), "{}", stderr(&run));
        }
    }
}

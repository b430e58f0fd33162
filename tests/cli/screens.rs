//! The README's screens of a move, as a served AWS with real Redis servers shows them.

use std::io::Write as _;

use super::screens_of_the_readme::unsaid;
use super::servers::live;
use super::{holdfast, state};

const ACCOUNT: &str = include_str!("../../examples/accounts/huntaze-redis-live.yaml");
const MOVE: &str = include_str!("../../examples/migration/secrets-manager.yaml");

/// Whether there is a redis-server; a test that is skipped says so.
fn real() -> bool {
    let real = holdfast::sandbox::redis::program().is_some();
    if !real {
        let _ = writeln!(std::io::stderr(), "skipped: needs redis-server");
    }
    real
}

#[test]
fn a_dry_run_of_a_move_begins_as_the_readme_shows_it() {
    if !real() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let secret = "secretsmanager:\n  secrets:\n    huntaze/app: {arnSuffix: AbCdEf, secretString: '{\"REDIS_URL\": \
        \"redis://huntaze-redis.6bf2a7.ng.0001.use1.cache.amazonaws.com:6379/0\"}'}\n";
    let account = folder.path().join("account.yaml");
    std::fs::write(&account, ACCOUNT.replace("secretsmanager:\n  secrets:\n", secret)).expect("a file");
    std::fs::write(folder.path().join("m.yaml"), MOVE).expect("a file");
    let (_aws, address, _) = live(&account, 1);
    let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--dry-run"]).envs(state::at(&address)).assert().code(0);
    let out = state::stdout(&run);
    assert_eq!(unsaid(1, &out), Vec::<&str>::new(), "{out}");
}

mod moving_live {
    use super::*;

    /// Half a minute: whoever asks in each phase of a move is told what the README shows.
    #[test]
    fn the_status_in_each_phase_is_as_the_readme_shows_it() {
        if !real() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let places = "ssm:\n  parameters:\n    /huntaze/REDIS_URL: {type: SecureString, value: \
            \"redis://huntaze-redis.6bf2a7.ng.0001.use1.cache.amazonaws.com:6379/0\"}\n\
            ecs:\n  clusters: {main: {services: {api: {taskDefinition: \"api:42\", desiredCount: 2}}}}\n";
        let account = folder.path().join("account.yaml");
        std::fs::write(&account, format!("{ACCOUNT}\n{places}")).expect("a file");
        let (head, _) = MOVE.split_once("          cutover:").expect("the places");
        let turned = "          cutover: [{ssmParameter: {name: /huntaze/REDIS_URL}}, {ecs: {cluster: main, service: api}}]\n";
        let manifest = format!("{}{turned}", head.replace("disruptive: Approve", "disruptive: Allow"));
        std::fs::write(folder.path().join("m.yaml"), manifest).expect("a file");
        let (_aws, address, ca) = live(&account, 60);
        let run = |args: &[&str]| {
            let mut run = holdfast(folder.path());
            run.args(args).args(["-f", "m.yaml"]).envs(state::at(&address)).env("SSL_CERT_FILE", &ca);
            run.timeout(std::time::Duration::from_secs(240));
            run
        };
        let status = || {
            let output = run(&["migration", "status", "huntaze-redis"]).output().expect("it runs");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let mut said = String::new();
        std::thread::scope(|scope| {
            let moved = scope.spawn(|| run(&["reconcile"]).output().expect("it runs"));
            while !moved.is_finished() {
                said.push_str(&status());
            }
            let moved = moved.join().expect("no panic");
            assert_eq!(moved.status.code(), Some(0), "{}", String::from_utf8_lossy(&moved.stderr));
        });
        said.push_str(&status());
        assert_eq!(unsaid(2, &said), Vec::<&str>::new(), "{said}");
    }
}

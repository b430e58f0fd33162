//! What a run costs: `cargo bench --bench run`. Where CPU and memory are measured, the account is `holdfast sandbox serve` in a process of its own, so
//! that they are holdfast's alone. It ends with an error where a bound is not kept.

mod forms;
mod inside;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");
const ACCOUNT: &str = "317805897534";

thread_local!(static BROKEN: Cell<bool> = const { Cell::new(false) });

/// Prints a figure with its bound.
fn figure(what: &str, value: f64, bound: f64, unit: &str) {
    let kept = value <= bound;
    println!("{what:<48} {value:>9.2} {unit} (at most {bound} {unit}){}", if kept { "" } else { "  <- not kept" });
    if !kept {
        BROKEN.set(true);
    }
}

fn main() {
    let size = std::fs::metadata(PROGRAM).map(|file| file.len()).unwrap_or_default();
    figure("the program", size as f64 / 1e6, 40.0, "MB");
    figure("start to first request, median of 9", first_request().as_secs_f64() * 1e3, 50.0, "ms");
    inside::plans();
    inside::journal();
    forms::forms();
    dry_run(50, true);
    dry_run(50, false);
    reconcile(10_000);
    assert!(!BROKEN.get(), "a bound is not kept");
}

/// From the start of the process to its first connection.
fn first_request() -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    manifest(folder.path(), "      - {name: one, versioning: Enabled}\n");
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = format!("http://{}", listener.local_addr().expect("its address"));
            let began = Instant::now();
            let mut child = program(folder.path(), &address).args(["reconcile", "-f", "m.yaml", "--dry-run"]).spawn().expect("it starts");
            let connection = listener.accept().expect("a connection");
            let took = began.elapsed();
            let _ = child.kill();
            let _ = child.wait();
            drop(connection);
            took
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// Reads of a dry run over `buckets` buckets with four controls each, as declared or not. Where they are not, more is read to say who is cut off.
fn dry_run(buckets: usize, as_declared: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let record = folder.path().join("requests");
    let (mut sandbox, address) = served(folder.path(), buckets, as_declared, Some(&record));
    manifest(
        folder.path(),
        "      - name: all\n        match: {names: [\"bucket-*\"]}\n        publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true}\n        encryption: {algorithm: AES256}\n        versioning: Enabled\n        denyInsecureTransport: true\n",
    );
    let before = children_cpu();
    let measured = measure(program(folder.path(), &address).args(["reconcile", "-f", "m.yaml", "--dry-run"]));
    let cpu = children_cpu() - before;
    // Each kind of request is written down once, with its number: the last one's is how many there were, and what names no bucket is the account's.
    let (mut last, mut of_account) = (0, 0);
    for file in std::fs::read_dir(&record).expect("requests").map(|file| file.expect("a file").path()) {
        for line in std::fs::read_to_string(file).expect("a text").lines() {
            let sent: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            last = last.max(sent["number"].as_u64().expect("a number"));
            of_account += u64::from(!sent["path"].as_str().is_some_and(|path| path.starts_with("/bucket-")));
        }
    }
    let what = if as_declared { "dry run, 50 buckets x 4 controls: readings a bucket" } else { "  where all four differ" };
    figure(what, (last - of_account) as f64 / buckets as f64, if as_declared { 4.0 } else { 8.0 }, "");
    figure("  CPU", cpu.as_secs_f64(), 1.0, "s");
    println!("  {:.2} s in all", measured.took.as_secs_f64());
    let _ = sandbox.kill();
    let _ = sandbox.wait();
}

/// Memory and time of reconciling `buckets` buckets.
fn reconcile(buckets: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut sandbox, address) = served(folder.path(), buckets, false, None);
    manifest(folder.path(), "      - name: all\n        match: {names: [\"bucket-*\"]}\n        tags: {owner: platform}\n");
    let before = children_cpu();
    let measured = measure(program(folder.path(), &address).args(["reconcile", "-f", "m.yaml"]));
    let cpu = children_cpu() - before;
    figure("10,000 resources reconciled: resident at the most", measured.peak_kib as f64 / 1024.0, 100.0, "MB");
    println!("  {:.1} s of CPU, {:.1} s in all", cpu.as_secs_f64(), measured.took.as_secs_f64());
    let _ = sandbox.kill();
    let _ = sandbox.wait();
}

fn program(folder: &Path, address: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder)
        .envs([
            ("AWS_ENDPOINT_URL", address),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn manifest(folder: &Path, buckets: &str) {
    let text = format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: bench}}\nspec:\n  account: \"{ACCOUNT}\"\n  region: us-east-1\n  policy: {{disruptive: Allow, maxChanges: 100000}}\n  s3:\n    buckets:\n{buckets}"
    );
    std::fs::write(folder.join("m.yaml"), text).expect("a manifest");
}

/// A bucket as the dry run's manifest has it.
const DECLARED: &str = "publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true}, encryption: {algorithm: AES256}, versioning: Enabled";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"HoldfastDenyInsecureTransport","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::NAME","arn:aws:s3:::NAME/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;

fn served(folder: &Path, buckets: usize, as_declared: bool, record: Option<&Path>) -> (Child, String) {
    let mut account = format!("account: \"{ACCOUNT}\"\nregion: us-east-1\npageSize: 1000\ns3:\n  buckets:\n");
    for number in 0..buckets {
        let name = format!("bucket-{number:05}");
        let _ = match as_declared {
            true => writeln!(account, "    {name}: {{{DECLARED}, policy: '{}'}}", POLICY.replace("NAME", &name)),
            false => writeln!(account, "    {name}: {{}}"),
        };
    }
    std::fs::write(folder.join("account.yaml"), account).expect("an account");
    let mut command = Command::new(PROGRAM);
    command.args(["sandbox", "serve", "--listen", "127.0.0.1:0", "--account", "account.yaml"]).current_dir(folder).stderr(Stdio::piped());
    if let Some(record) = record {
        command.env("HOLDFAST_SANDBOX_RECORD", record);
    }
    let mut child = command.spawn().expect("the sandbox starts");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("its stderr")).read_line(&mut line).expect("a line");
    let address = line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address").trim_end_matches(';').to_owned();
    (child, address)
}

struct Measured {
    took: Duration,
    peak_kib: u64,
}

/// Runs it to its end, watching the peak of its resident memory.
fn measure(command: &mut Command) -> Measured {
    let began = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let mut peak_kib = 0;
    loop {
        if let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) {
            let high = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|kib| kib.parse().ok());
            peak_kib = peak_kib.max(high.unwrap_or(0));
        }
        if let Some(status) = child.try_wait().expect("its status") {
            assert!(status.success(), "it ended with {status}");
            return Measured { took: began.elapsed(), peak_kib };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// CPU time of the children that ended, out of /proc/self/stat (proc(5): fields 16 and 17, in hundredths of a second).
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use secrecy::SecretString;

use super::guard::{Told, Wanted};
use super::guarded::KEPT;
use super::*;

/// Set where this program of tests is to be a guard.
const GUARDS: &str = "HOLDFAST_TEST_GUARDS";

/// This program of tests as a guard, by the test that is named. What the harness prints goes nowhere; the command's stdout is the third stream.
pub fn guard() -> std::io::Result<Command> {
    let mut command = Command::new("sh");
    let test = "exec::tests::a_guard_says_how_it_went_and_ends_what_it_guards";
    command.args(["-c", &format!("exec \"$0\" {test} --exact --nocapture 3>&1 >/dev/null")]);
    command.arg(std::env::current_exe()?).env(GUARDS, "yes");
    Ok(command)
}

/// Whether a process runs. One that ended may stand there as a zombie until somebody asks for it.
pub fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Until it does not run any more.
pub fn ends(pid: &str) -> bool {
    let gone = || {
        std::thread::sleep(Duration::from_millis(50));
        !runs(pid)
    };
    (0..200).any(|_| gone())
}

/// The pid that a command writes into a file.
fn written(file: &std::path::Path) -> String {
    for _ in 0..200 {
        match std::fs::read_to_string(file) {
            Ok(pid) if pid.ends_with('\n') => return pid.trim().to_owned(),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    panic!("{} was not written", file.display());
}

#[test]
fn a_guard_says_how_it_went_and_ends_what_it_guards() {
    if std::env::var_os(GUARDS).is_some() {
        let stdout = std::fs::File::options().write(true).open("/dev/fd/3").unwrap();
        std::process::exit(i32::from(super::guard::guard(Stdio::from(stdout)).is_err()));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let begin = |script: String, patience: u64| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let child = guard().unwrap().stdin(OwnedFd::from(theirs)).spawn().unwrap();
        let wanted = Wanted { words: ["sh", "-c", &script].map(str::to_owned).to_vec(), patience };
        ours.write_all(format!("{}\n", serde_json::to_string(&wanted).unwrap()).as_bytes()).unwrap();
        (ours, child)
    };
    let told = |ours: &UnixStream| -> Vec<Told> {
        BufReader::new(ours).lines().map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap()).collect()
    };
    let lives = || format!("sleep 300 & echo $! > {}", file.display());
    // Its end is told, and what it left behind goes.
    let (ours, mut child) = begin(format!("{}; exit 3", lives()), 30);
    let said = told(&ours);
    assert!(matches!(said.as_slice(), [Told::Begun(_), Told::Ended { code: Some(3), signal: None }]), "{said:?}");
    assert!(child.wait().unwrap().success() && ends(&written(&file)));
    // Holdfast is gone.
    std::fs::remove_file(&file).unwrap();
    let (ours, mut child) = begin(format!("{}; wait", lives()), 30);
    let pid = written(&file);
    assert!(runs(&pid));
    drop(ours);
    child.wait().unwrap();
    assert!(ends(&pid));
    // Holdfast is silent; while it is heard nothing ends.
    std::fs::remove_file(&file).unwrap();
    let (mut ours, mut child) = begin(format!("{}; wait", lives()), 1);
    let pid = written(&file);
    for _ in 0..10 {
        ours.write_all(b"\n").unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(runs(&pid));
    let said = told(&ours);
    assert!(matches!(said.as_slice(), [Told::Begun(_), Told::Ended { code: None, signal: Some(9) }]), "{said:?}");
    child.wait().unwrap();
    assert!(ends(&pid));
}

#[tokio::test]
async fn a_command_that_may_not_go_on_or_is_given_up_is_ended_with_everything_that_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let words = ["sh".to_owned(), "-c".to_owned(), format!("sleep 300 & echo $! > {}; wait", file.display())];
    let may = AtomicBool::new(true);
    let goes_on = || may.load(Ordering::SeqCst);
    let order = Order { words: &words, environment: Vec::new(), timeout: LONG, goes_on: &goes_on };
    let stops = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        may.store(false, Ordering::SeqCst);
    };
    let (ended, ()) = tokio::join!(run(Runs(()), order), stops);
    assert_eq!(ended, Err(Failure::Stopped("sh".to_owned())));
    // It is over when that is said.
    assert!(!runs(&written(&file)));
    std::fs::remove_file(&file).unwrap();
    let order = Order { words: &words, environment: Vec::new(), timeout: LONG, goes_on: &|| true };
    assert!(tokio::time::timeout(Duration::from_secs(3), run(Runs(()), order)).await.is_err());
    assert!(ends(&written(&file)));
    // Somebody ends the guard alone.
    let words = ["sh".to_owned(), "-c".to_owned(), format!("echo $$ > {}; sleep 1; kill -9 $PPID; sleep 300", file.display())];
    std::fs::remove_file(&file).unwrap();
    let order = Order { words: &words, environment: Vec::new(), timeout: LONG, goes_on: &|| true };
    let failure = run(Runs(()), order).await.unwrap_err().to_string();
    assert_eq!(failure, "sh ended with no exit code, as somebody ended its guard");
    assert!(ends(&written(&file)));
}

async fn sh(script: &str, timeout: Duration) -> Result<String, Failure> {
    let words = ["sh", "-c", script].map(str::to_owned);
    let environment = vec![("HOLDFAST_ADDRESS", "new:6379".to_owned())];
    look(Looks(()), Order { words: &words, environment, timeout, goes_on: &|| true }).await
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn nothing_is_allowed_without_the_flag() {
    assert!(Allowed::by_flag(false).is_none());
}

#[tokio::test]
async fn a_command_is_given_the_address_in_its_environment() {
    assert_eq!(sh("echo got $HOLDFAST_ADDRESS; echo noise >&2", LONG).await, Ok("got new:6379\n".to_owned()));
    // Nothing is read by a shell that nobody asked for.
    let words = ["echo", "$HOME; `id`"].map(str::to_owned);
    let said = look(Looks(()), Order { words: &words, environment: Vec::new(), timeout: LONG, goes_on: &|| true }).await;
    assert_eq!(said, Ok("$HOME; `id`\n".to_owned()));
}

#[tokio::test]
async fn another_exit_code_than_0_is_a_failure_in_its_last_words_without_secrets() {
    crate::aws::remember(&SecretString::from("canary-of-a-command".to_owned()));
    let failure = sh("echo first >&2; echo 'no: canary-of-a-command' >&2; echo >&2; exit 3", LONG).await.unwrap_err().to_string();
    assert_eq!(failure, "sh ended with exit code 3: no: [secret]");
    let failure = sh("kill -9 $$", LONG).await.unwrap_err().to_string();
    assert_eq!(failure, "sh ended with signal 9");
    let words = ["/no/such/program".to_owned()];
    let failure =
        look(Looks(()), Order { words: &words, environment: Vec::new(), timeout: LONG, goes_on: &|| true }).await.unwrap_err().to_string();
    assert!(failure.starts_with("/no/such/program is not run: "), "{failure}");
    assert!(look(Looks(()), Order { words: &[], environment: Vec::new(), timeout: LONG, goes_on: &|| true }).await.is_err());
}

#[tokio::test]
async fn at_its_timeout_a_command_ends_with_everything_that_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let script = format!("sleep 300 & echo $! > {}; wait", file.display());
    let began = Instant::now();
    assert_eq!(sh(&script, Duration::from_secs(1)).await, Err(Failure::TimedOut("sh".to_owned(), 1)));
    assert!(began.elapsed() < LONG);
    assert!(ends(&std::fs::read_to_string(&file).unwrap()));
}

#[tokio::test]
async fn a_command_that_says_much_or_leaves_a_child_behind_is_not_waited_for_longer() {
    let said = sh("head -c 1000000 /dev/zero | tr '\\0' x; echo end", LONG).await.unwrap();
    assert!(said.len() <= KEPT && said.ends_with("xend\n"), "{}", said.len());
    let began = Instant::now();
    assert_eq!(sh("sleep 300 & echo done", LONG).await, Ok("done\n".to_owned()));
    assert!(began.elapsed() < LONG);
}

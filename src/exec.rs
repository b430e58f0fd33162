//! Commands of a manifest: how an address is turned where holdfast knows no other way.
//!
//! A manifest by itself never runs anything: that takes an [`Allowed`]. No release gives one yet, so that a move with such a place is blocked
//! from its start: a command goes on where holdfast is killed, and no pass may wait for one. A dry run is given no more than a [`Looks`].
//! No shell is in between, a command has a process group of its own and ends with it at its timeout, and of what it prints little is kept and
//! less is shown.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::aws::clean;

/// A person allows the commands of the manifest to be run by this process.
#[derive(Clone, Copy, Debug)]
pub struct Allowed(());

impl Allowed {
    /// By a word of whoever types the command, and by nothing else.
    pub fn by_flag(given: bool) -> Option<Allowed> {
        given.then_some(Allowed(()))
    }
}

/// The leave to run those commands that only look.
#[derive(Clone, Copy, Debug)]
pub struct Looks(());

/// The leave to run those that change something, too.
#[derive(Clone, Copy, Debug)]
pub struct Runs(());

impl Allowed {
    pub fn looks(self) -> Looks {
        Looks(())
    }

    /// For whoever holds the writing side of everything else.
    pub(crate) fn runs(self) -> Runs {
        Runs(())
    }
}

/// Of each stream so much is kept; the rest is read and thrown away, so that nobody waits for a full pipe.
const KEPT: usize = 64 << 10;
/// What a command's children may take to let go of its output after it has ended.
const LINGER: Duration = Duration::from_secs(1);

/// What is run.
pub struct Order<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// What is added to the environment of this process.
    pub environment: Vec<(&'static str, String)>,
    pub timeout: Duration,
}

/// Why a command did not do what it was for. Holds no output but the end of what it wrote to stderr, without secrets that this process knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0} is not run: {1}")]
    NotBegun(String, String),
    #[error("{0} did not end within {1} s, and was ended with all that it began")]
    TimedOut(String, u64),
    #[error("{0} ended with {1}{2}")]
    Ended(String, String, String),
}

/// The process group of a command: gone when this is.
struct Group {
    id: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: &Child) -> Group {
        let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        Group { id }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // There is none any more where all of it has ended.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// Runs a command that only looks; answers with what it wrote to stdout. That is not for people: an address with its token may stand there.
pub async fn look(_: Looks, order: Order<'_>) -> Result<String, Failure> {
    carried_out(order).await
}

/// Runs a command that changes something.
pub async fn run(_: Runs, order: Order<'_>) -> Result<(), Failure> {
    carried_out(order).await.map(|_| ())
}

async fn carried_out(order: Order<'_>) -> Result<String, Failure> {
    let Some((program, arguments)) = order.words.split_first() else {
        return Err(Failure::NotBegun("the command".to_owned(), "it is empty".to_owned()));
    };
    let name = clean(program);
    let begun = Command::new(program)
        .args(arguments)
        .envs(order.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = begun.map_err(|error| Failure::NotBegun(name.clone(), error.to_string()))?;
    // Dropped on every way out of this function: then nothing that it began goes on. It does not outlive a SIGKILL of this process.
    let group = Group::of(&child);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // On threads of their own: tokio's processes need a handler of SIGCHLD, which interrupts what others wait for on sockets with a time limit.
    let (mut out, mut err) = (tokio::task::spawn_blocking(|| kept(out)), tokio::task::spawn_blocking(|| kept(err)));
    let waiting = tokio::task::spawn_blocking(move || child.wait());
    let ended =
        tokio::time::timeout(order.timeout, waiting).await.map(|ended| ended.unwrap_or_else(|error| Err(std::io::Error::other(error))));
    drop(group);
    let (said, complained) = (collected(&mut out).await, collected(&mut err).await);
    let status = match ended {
        Err(_) => return Err(Failure::TimedOut(name, order.timeout.as_secs())),
        Ok(Err(error)) => return Err(Failure::NotBegun(name, error.to_string())),
        Ok(Ok(status)) => status,
    };
    if status.success() { Ok(said) } else { Err(Failure::Ended(name, words(status), last_line(&complained))) }
}

fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// The last line that says anything.
fn last_line(complained: &str) -> String {
    let line = complained.lines().rev().find(|line| !line.trim().is_empty());
    line.map(|line| format!(": {}", clean(line))).unwrap_or_default()
}

async fn collected(reading: &mut tokio::task::JoinHandle<String>) -> String {
    match tokio::time::timeout(LINGER, &mut *reading).await {
        Ok(said) => said.unwrap_or_default(),
        Err(_) => {
            reading.abort();
            String::new()
        }
    }
}

/// The end of a stream.
fn kept(stream: Option<impl Read>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut all, mut part) = (Vec::new(), vec![0; 8 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut part) {
        all.extend(part.iter().take(count));
        let over = all.len().saturating_sub(KEPT);
        all.drain(..over);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use secrecy::SecretString;

    use super::*;

    async fn sh(script: &str, timeout: Duration) -> Result<String, Failure> {
        let words = ["sh", "-c", script].map(str::to_owned);
        let environment = vec![("HOLDFAST_ADDRESS", "new:6379".to_owned())];
        look(Looks(()), Order { words: &words, environment, timeout }).await
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
        let said = look(Looks(()), Order { words: &words, environment: Vec::new(), timeout: LONG }).await;
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
        let failure = look(Looks(()), Order { words: &words, environment: Vec::new(), timeout: LONG }).await.unwrap_err().to_string();
        assert!(failure.starts_with("/no/such/program is not run: "), "{failure}");
        assert!(look(Looks(()), Order { words: &[], environment: Vec::new(), timeout: LONG }).await.is_err());
    }

    #[tokio::test]
    async fn at_its_timeout_a_command_ends_with_everything_that_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("child");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let began = Instant::now();
        assert_eq!(sh(&script, Duration::from_secs(1)).await, Err(Failure::TimedOut("sh".to_owned(), 1)));
        assert!(began.elapsed() < LONG);
        let child = std::fs::read_to_string(&file).unwrap();
        // A process that ended may stand there as a zombie until somebody asks for it.
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        let gone = |stat: String| stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
        for _ in 0..50 {
            if gone(state()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("its child lives on: {}", state());
    }

    #[tokio::test]
    async fn a_command_that_says_much_or_leaves_a_child_behind_is_not_waited_for_longer() {
        let said = sh("head -c 1000000 /dev/zero | tr '\\0' x; echo end", LONG).await.unwrap();
        assert!(said.len() <= KEPT && said.ends_with("xend\n"), "{}", said.len());
        let began = Instant::now();
        assert_eq!(sh("sleep 300 & echo done", LONG).await, Ok("done\n".to_owned()));
        assert!(began.elapsed() < LONG);
    }
}

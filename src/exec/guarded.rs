//! Running a command under its guard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Pid;

use super::guard::{PATIENCE, Told, Wanted, end};
use super::{Failure, Order};
use crate::aws::clean;

/// Of each stream so much is kept; the rest is read and thrown away, so that nobody waits for a full pipe.
pub(super) const KEPT: usize = 64 << 10;
/// What a command's children may take to let go of its output after it has ended, and a guard to go.
const LINGER: Duration = Duration::from_secs(1);
/// How often it is asked whether a command may go on, and its guard is told that somebody is there.
const OFTEN: Duration = Duration::from_millis(200);

/// A command that runs. Ended, with all that it began, when this is dropped.
struct Guarded {
    guard: UnixStream,
    /// The command's process group, from when on the guard has told it until it has ended.
    group: Arc<Mutex<Option<Pid>>>,
}

impl Guarded {
    /// Tells the guard that somebody is there, once it has read what to run.
    fn assure(&self) {
        if self.group.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            // A guard that does not take it has ended, which is seen otherwise.
            let _ = (&self.guard).write_all(b"\n");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The guard ends the command then. It is ended from here too: somebody may have killed the guard alone.
        let _ = self.guard.shutdown(Shutdown::Both);
        if let Some(group) = *self.group.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = end(group);
        }
    }
}

/// This program as it runs, whatever lies by now where it was begun from.
#[cfg(not(test))]
fn guard() -> std::io::Result<std::process::Command> {
    let this = std::path::PathBuf::from("/proc/self/exe");
    let mut command = std::process::Command::new(if this.exists() { this } else { std::env::current_exe()? });
    command.arg0("holdfast").arg(super::guard::ARGUMENT);
    Ok(command)
}

#[cfg(test)]
use super::tests::guard;

pub async fn carried_out(order: Order<'_>) -> Result<String, Failure> {
    let Some(program) = order.words.first() else {
        return Err(Failure::NotBegun("the command".to_owned(), "it is empty".to_owned()));
    };
    let name = clean(program);
    if !(order.goes_on)() {
        return Err(Failure::Stopped(name));
    }
    let not_begun = |error: std::io::Error| Failure::NotBegun(name.clone(), format!("its guard could not be begun: {error}"));
    let (ours, mut child) = begun(order.environment).map_err(not_begun)?;
    let guarded = Guarded { guard: ours.try_clone().map_err(not_begun)?, group: Arc::default() };
    // On threads of their own: tokio's processes need a handler of SIGCHLD, which interrupts what others wait for on sockets with a time limit.
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (tokio::task::spawn_blocking(|| kept(out)), tokio::task::spawn_blocking(|| kept(err)));
    let (wanted, group) = (Wanted { words: order.words.to_vec(), patience: PATIENCE.as_secs() }, Arc::clone(&guarded.group));
    let mut talk = tokio::task::spawn_blocking(move || talk(ours, child, &wanted, &group));
    let (mut often, timeout) = (tokio::time::interval(OFTEN), tokio::time::sleep(order.timeout));
    tokio::pin!(timeout);
    let told = loop {
        tokio::select! {
            told = &mut talk => break Ok(told.unwrap_or_else(|error| Err(std::io::Error::other(error)))),
            () = &mut timeout => break Err(Failure::TimedOut(name.clone(), order.timeout.as_secs())),
            _ = often.tick() => match (order.goes_on)() {
                true => guarded.assure(),
                false => break Err(Failure::Stopped(name.clone())),
            },
        }
    };
    drop(guarded);
    if told.is_err() {
        // What is run next must not find it there.
        let _ = tokio::time::timeout(LINGER * 5, talk).await;
    }
    let (said, complained) = (collected(&mut out).await, collected(&mut err).await);
    match told? {
        Ok(Told::Ended { code: Some(0), .. }) => Ok(said),
        Ok(Told::Ended { code, signal }) => Err(Failure::Ended(name, words(code, signal), last_line(&complained))),
        Ok(Told::Refused(why)) => Err(Failure::NotBegun(name, why)),
        Ok(Told::Begun(_)) => Err(Failure::Ended(name, "no exit code, as somebody ended its guard".to_owned(), String::new())),
        Err(error) => Err(Failure::NotBegun(name, error.to_string())),
    }
}

fn begun(environment: Vec<(&'static str, String)>) -> std::io::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut guard = guard()?;
    let streams = guard.envs(environment).stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
    // In a group of its own: Ctrl-C is for holdfast, which ends its commands.
    streams.process_group(0).spawn().map(|child| (ours, child))
}

/// Tells the guard what to run, and hears until it has ended: the last that it said.
fn talk(mut guard: UnixStream, mut child: Child, wanted: &Wanted, group: &Mutex<Option<Pid>>) -> std::io::Result<Told> {
    let asked = serde_json::to_string(wanted)?;
    let sent = guard.write_all(asked.as_bytes()).and_then(|()| guard.write_all(b"\n"));
    let note = |running: Option<Pid>| *group.lock().unwrap_or_else(PoisonError::into_inner) = running;
    let mut last = Err(std::io::Error::other("its guard ended at once"));
    for line in BufReader::new(&guard).lines().map_while(Result::ok) {
        let told: Told = serde_json::from_str(&line)?;
        note(if let Told::Begun(number) = told { Pid::from_raw(number) } else { None });
        last = Ok(told);
    }
    // Where the guard has ended alone, what it guarded goes with the last owner of the group's number.
    child.wait()?;
    sent.and(last)
}

fn words(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
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

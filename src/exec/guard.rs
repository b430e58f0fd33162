//! The guard of a command: this program once more, between holdfast and the command, which it ends when holdfast is no more.
//!
//! Its stdin is one end of a pair of sockets, and holdfast has the other one. It reads what to run there, says how it went, and ends the command with its
//! process group where the socket closes (holdfast has ended, however it did) or where nothing is heard for half a minute (holdfast was stopped, and another
//! process may take over what it did). A death signal of the kernel would not do: it is bound to the thread that began the command.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};

/// The first argument of this program where it is to be a guard. Not for people, and in no help.
pub const ARGUMENT: &str = "guard-of-a-command";

/// So long holdfast may be silent. Far less than the time after which another process takes a move over.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What the guard is told first, in a line; every line that follows says that holdfast is there.
#[derive(Serialize, Deserialize)]
pub(super) struct Wanted {
    pub words: Vec<String>,
    /// For so many seconds holdfast may be silent.
    pub patience: u64,
}

/// What the guard says, each in a line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Told {
    /// It runs, in the process group of this number.
    Begun(i32),
    /// It was not begun, as the words say.
    Refused(String),
    /// It has ended with everything that it began: its exit code, or the signal.
    Ended { code: Option<i32>, signal: Option<i32> },
}

/// What `main` does where the program's first argument is [`ARGUMENT`].
pub fn main() -> u8 {
    match guard(Stdio::inherit()) {
        Ok(()) => 0,
        // Nobody reads it: holdfast is no more, or did not begin this.
        Err(_) => 1,
    }
}

/// Runs what the socket on stdin says. `stdout`: the command's.
pub(super) fn guard(stdout: Stdio) -> std::io::Result<()> {
    let mut holdfast = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut heard = BufReader::new(holdfast.try_clone()?);
    let mut line = String::new();
    heard.read_line(&mut line)?;
    let wanted: Wanted = serde_json::from_str(&line)?;
    // Before anything is begun: what is no socket refuses it.
    holdfast.set_read_timeout(Some(Duration::from_secs(wanted.patience.max(1))))?;
    let Some((program, arguments)) = wanted.words.split_first() else { return Err(ErrorKind::InvalidInput.into()) };
    let begun = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(stdout).process_group(0).spawn();
    let mut child = match begun {
        Ok(child) => child,
        Err(error) => return tell(&mut holdfast, &Told::Refused(error.to_string())),
    };
    let Some(group) = group(&child) else { return Err(ErrorKind::InvalidData.into()) };
    tell(&mut holdfast, &Told::Begun(group.as_raw_nonzero().get())).or_else(|_| end(group))?;
    std::thread::spawn(move || {
        let mut part = [0; 256];
        while heard.read(&mut part).is_ok_and(|count| count > 0) {}
        let _ = end(group);
    });
    // Not yet reaped: until then nobody else can have its number.
    while waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_err_and(|error| error == rustix::io::Errno::INTR) {}
    end(group)?;
    let status: ExitStatus = child.wait()?;
    tell(&mut holdfast, &Told::Ended { code: status.code(), signal: status.signal() })
}

fn group(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Ends all that is in a process group. There may be nothing left of it.
pub(super) fn end(group: Pid) -> std::io::Result<()> {
    match kill_process_group(group, Signal::KILL) {
        Err(error) if error != rustix::io::Errno::SRCH && error != rustix::io::Errno::PERM => Err(error.into()),
        _ => Ok(()),
    }
}

fn tell(holdfast: &mut UnixStream, told: &Told) -> std::io::Result<()> {
    let mut line = serde_json::to_string(told)?;
    line.push('\n');
    holdfast.write_all(line.as_bytes())
}

//! Commands of a manifest: how an address is turned where holdfast knows no other way.
//!
//! A manifest by itself never runs anything: that takes an [`Allowed`], which a flag of the command line gives. A dry run is given no more than a
//! [`Looks`]. No shell is in between, a command has a process group of its own and ends with it at its timeout, and of what it prints little is kept and
//! less is shown. None outlives this process, however that ends: each runs under a [`guard`], a process of this program that ends it then.

pub mod guard;
mod guarded;

use std::time::Duration;

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

/// What is run.
pub struct Order<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// What is added to the environment of this process.
    pub environment: Vec<(&'static str, String)>,
    pub timeout: Duration,
    /// Asked all the time: whether it may go on.
    pub goes_on: &'a (dyn Fn() -> bool + Sync),
}

/// Why a command did not do what it was for. Holds no output but the end of what it wrote to stderr, without secrets that this process knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0} is not run: {1}")]
    NotBegun(String, String),
    #[error("{0} did not end within {1} s, and was ended with all that it began")]
    TimedOut(String, u64),
    #[error("{0} was ended with all that it began: this process was silent for too long, or has left the move to another one")]
    Stopped(String),
    #[error("{0} ended with {1}{2}")]
    Ended(String, String, String),
}

/// Runs a command that only looks; answers with what it wrote to stdout. That is not for people: an address with its token may stand there.
pub async fn look(_: Looks, order: Order<'_>) -> Result<String, Failure> {
    guarded::carried_out(order).await
}

/// Runs a command that changes something.
pub async fn run(_: Runs, order: Order<'_>) -> Result<(), Failure> {
    guarded::carried_out(order).await.map(|_| ())
}

#[cfg(test)]
pub(crate) mod tests;

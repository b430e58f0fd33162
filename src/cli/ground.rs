//! The AWS that a run talks to, its time, and the folder in which the run keeps its state.

use std::path::{Path, PathBuf};

use crate::aws::{ConnectOptions, named_endpoint};
use crate::clock::Clock;

/// The AWS that a run talks to, and its time.
pub struct Ground {
    pub connect: ConnectOptions,
    pub clock: Clock,
    /// What a person is told first: where this runs, where that is not AWS itself.
    pub note: Option<String>,
    /// Keeps the sandbox's account for the next run.
    save: Box<dyn Fn() -> std::io::Result<()>>,
}

/// The folder of a run's state. The sandbox has one of its own, whatever folder is named: what was consented to there was not consented to on the
/// account that it is a picture of.
pub fn folder(state_dir: Option<&Path>, sandbox: bool) -> PathBuf {
    let state = state_dir.unwrap_or(Path::new("state"));
    if sandbox { state.join("sandbox") } else { state.to_owned() }
}

/// AWS itself, by its [`name`].
const AWS: &str = "AWS";

/// What a journal and a result call the AWS that they are of.
pub async fn name(sandbox: bool) -> String {
    match sandbox {
        true => "the sandbox".to_owned(),
        false => named_endpoint().await.map_or_else(|| AWS.to_owned(), |url| format!("the endpoint {}", url.trim_end_matches('/'))),
    }
}

impl Ground {
    /// AWS, or the endpoint that the environment names; `on` is its [`name`].
    pub fn real(on: &str, state: &Path) -> Ground {
        let note = (on != AWS).then(|| format!("{on}, in place of AWS"));
        let connect = ConnectOptions { holder: holder(state), state: Some(state.to_owned()), ..ConnectOptions::default() };
        Ground { connect, clock: Clock::system(), note, save: Box::new(|| Ok(())) }
    }

    /// The AWS inside this process, with the account that an earlier run left in `state`. What this run does is left there in turn, if `keeps`.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(state: &Path, faults: &str, keeps: bool) -> Result<Ground, String> {
        let (sandbox, left) = super::sandbox::of_run(state, faults, keeps)?;
        let (embedded, clock) = (Some(sandbox.http_client()), Some(sandbox.clock()));
        // Real Redis servers behind its groups have certificates of their own authority.
        let trusted = sandbox.redis().and_then(|servers| std::fs::read(servers.ca_file()).ok());
        let (holder, state_of_run) = (holder(state), Some(state.to_owned()));
        let connect = ConnectOptions { embedded, clock, holder, trusted, state: state_of_run, ..ConnectOptions::default() };
        let account = match left {
            true => format!("as an earlier run left it in {} (`holdfast sandbox reset` begins anew)", state.display()),
            false => "as the audit found it".to_owned(),
        };
        let note = format!("the sandbox, an AWS inside this process: its time is simulated, its account is {account}");
        Ok(Ground { connect, clock: sandbox.clock(), note: Some(note), save: Box::new(move || sandbox.save()) })
    }

    /// Keeps the sandbox's account for the next run. To be called while the journal is held: a run that began in between would lose it.
    pub fn save(&self) -> std::io::Result<()> {
        (self.save)()
    }
}

/// Who this is to other processes: the machine, and the state folder, whose journal one process holds at a time. In the characters of a tag.
fn holder(state: &Path) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let folder = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    let known = |letter: char| if letter.is_ascii_alphanumeric() || " _.:/=+-@".contains(letter) { letter } else { '_' };
    format!("{}:{}", machine.trim(), folder.display()).chars().map(known).take(200).collect()
}

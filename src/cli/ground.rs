//! The AWS that a run talks to, its time, and the folder in which the run keeps its state.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::Reach;
#[cfg(feature = "sandbox")]
use super::sandbox::{OfRun, SandboxKind};
use crate::aws::{ConnectOptions, named_endpoint};
use crate::clock::Clock;
use crate::exec::Allowed;
use crate::kubernetes::Clusters;
use crate::plain;

/// The AWS that a run talks to, and its time.
pub struct Ground {
    pub connect: ConnectOptions,
    pub clock: Clock,
    /// What a person is told first: where this runs, where that is not AWS itself.
    pub note: Option<String>,
    /// Keeps the sandbox's account for the next run.
    save: Box<dyn Fn() -> std::io::Result<()>>,
    /// What writes to the sandbox's Redis while the run goes on.
    #[cfg(feature = "sandbox")]
    application: Option<crate::sandbox::application::Application>,
}

/// The folder of a run's state. The sandbox has one of its own, whatever folder is named: what was consented to there was not consented to on the
/// account that it is a picture of.
pub fn folder(state_dir: Option<&Path>, sandbox: bool) -> PathBuf {
    let state = state_dir.unwrap_or(Path::new("state"));
    if sandbox { state.join("sandbox") } else { state.to_owned() }
}

/// AWS itself, by its [`name`].
const AWS: &str = "AWS";

/// What stands before the URL of another endpoint in its name.
const ENDPOINT: &str = "the endpoint ";

/// What a journal and a result call the AWS that they are of.
pub async fn name(sandbox: bool) -> String {
    match sandbox {
        true => "the sandbox".to_owned(),
        false => named_endpoint().await.map_or_else(|| AWS.to_owned(), |url| format!("{ENDPOINT}{}", url.trim_end_matches('/'))),
    }
}

impl Ground {
    /// AWS, or the endpoint that the environment names; `on` is its [`name`].
    pub fn real(on: &str, state: &Path, reach: &Reach) -> Ground {
        let served = on.strip_prefix(ENDPOINT).and_then(super::served::clock);
        let faster = served.as_ref().map_or_else(String::new, |clock| format!(", whose time runs {} times as fast", clock.speed()));
        let note = (on != AWS).then(|| format!("{on}, in place of AWS{faster}"));
        let clock = served.clone();
        let clusters = clusters(reach, on == AWS);
        let (exec, holder, state) = (Allowed::by_flag(reach.allow_exec), holder(state), Some(state.to_owned()));
        let connect = ConnectOptions { holder, state, clock, clusters, exec, ..ConnectOptions::default() };
        Ground {
            connect,
            clock: served.unwrap_or_else(Clock::system),
            note,
            save: Box::new(|| Ok(())),
            #[cfg(feature = "sandbox")]
            application: None,
        }
    }

    /// The AWS inside this process, with the account that an earlier run left in `state`. What this run does is left there in turn, if `keeps`.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(state: &Path, faults: &str, keeps: bool, kind: SandboxKind, reach: &Reach) -> Result<Ground, String> {
        let OfRun { sandbox, left, kind } = super::sandbox::of_run(state, faults, keeps, kind)?;
        if kind == SandboxKind::Quick && (reach.allow_exec || reach.kubeconfig.is_some()) {
            return Err("the sandbox's time is simulated, and clusters and commands take the machine's: with --kubeconfig and --allow-exec it is --sandbox=live, begun on a state folder of its own".to_owned());
        }
        let trusted = sandbox.redis().map(|fleet| std::fs::read(fleet.ca_file())).transpose().map_err(|error| error.to_string())?;
        let (embedded, clock) = (Some(sandbox.http_client()), Some(sandbox.clock()));
        let (holder, state_of_run) = (holder(state), Some(state.to_owned()));
        let (clusters, exec) = (clusters(reach, false), Allowed::by_flag(reach.allow_exec));
        let connect = ConnectOptions { embedded, clock, trusted, holder, state: state_of_run, clusters, exec, ..ConnectOptions::default() };
        let account = match left {
            true => format!("as an earlier run left it in {} (`holdfast sandbox reset` begins anew)", state.display()),
            false => "as the audit found it".to_owned(),
        };
        let live = kind == SandboxKind::Live;
        let application = (live && keeps).then(|| super::sandbox::application(&sandbox));
        let how = match live {
            true => "real Redis servers are behind its Redis, and a minute passes in a second",
            false => "its time is simulated",
        };
        let note = format!("the sandbox, an AWS inside this process: {how}, its account is {account}");
        Ok(Ground { connect, clock: sandbox.clock(), note: Some(note), save: Box::new(move || sandbox.save()), application })
    }

    /// Ends what the sandbox let run beside, and says what became of it.
    pub async fn end(&mut self) -> Option<String> {
        #[cfg(feature = "sandbox")]
        if let Some(application) = self.application.take() {
            return Some(match application.end().await {
                Ok(seen) => format!(
                    "the application beside it: {} writes acknowledged, {}; its tasks were started {} times, and the longest that one of them could not write was {:.1} s",
                    seen.writes,
                    match seen.lost.as_slice() {
                        [] => "each of them is there".to_owned(),
                        lost => format!(
                            "LOST are those of {} keys: {}",
                            lost.len(),
                            crate::kinds::few(&lost.iter().map(String::as_str).collect::<Vec<_>>())
                        ),
                    },
                    seen.starts,
                    seen.longest.as_secs_f64()
                ),
                Err(error) => format!("what the application wrote could not be compared: {error}"),
            });
        }
        None
    }

    /// Keeps the sandbox's account for the next run. To be called while the journal is held: a run that began in between would lose it.
    pub fn save(&self) -> std::io::Result<()> {
        (self.save)()
    }
}

/// The clusters that a run may speak to. What is no AWS is tried out: it is beside no cluster that this machine happens to reach.
fn clusters(reach: &Reach, on_aws: bool) -> Clusters {
    match &reach.kubeconfig {
        Some(file) => Clusters::of_file(file.clone()),
        None if on_aws => Clusters::of_machine(),
        None => Clusters::default(),
    }
}

/// The file of a state folder that says whose it is.
const HOLDER: &str = "holder";

/// Who this is to other processes: the machine, for people, and the id of the state folder, whose journal one process holds at a time. A folder that has
/// none yet gets one with the first run that writes: until then nothing was begun from it. In the characters of a tag.
fn holder(state: &Path) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let known = |letter: char| if letter.is_ascii_alphanumeric() || "_.-".contains(letter) { letter } else { '_' };
    let machine: String = machine.trim().chars().map(known).take(100).collect();
    let id = kept_holder(state).ok().flatten();
    format!("{machine}:{}", id.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..))))
}

/// The id that is kept in a state folder, where there is one.
fn kept_holder(state: &Path) -> std::io::Result<Option<String>> {
    let mut text = String::new();
    match plain::open(&state.join(HOLDER)).and_then(|file| file.take(64).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let id = text.trim();
    let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.len() {
        16 if digits => Ok(Some(id.to_owned())),
        // A disk that was full left it by halves.
        ..16 if digits => Ok(None),
        _ => Err(std::io::Error::new(ErrorKind::InvalidData, "it holds something else: move it elsewhere")),
    }
}

/// Keeps the id of a state folder. To be called while its journal is held.
pub fn keep_holder(state: &Path, holder: &str) -> std::io::Result<()> {
    let id = holder.rsplit(':').next().unwrap_or_default();
    if kept_holder(state)?.is_some_and(|kept| kept == id) {
        return Ok(());
    }
    std::fs::write(state.join(HOLDER), format!("{id}\n"))
}

//! `holdfast sandbox`: the embedded AWS, on its own; and how `--sandbox` gets one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;

use super::{complain, ground, print, reconcile, tell};
use crate::clock::Clock;
use crate::execute::record::Event;
use crate::exit::Exit;
use crate::sandbox::application::{Application, Reads};
use crate::sandbox::faults::Faults;
use crate::sandbox::world::World;
use crate::sandbox::{Options, SERVERS_FOLDER, Sandbox, left_servers};

/// The owner's account as the audit found it.
const AS_FOUND: &str = include_str!("../../examples/accounts/huntaze-as-found.yaml");

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  holdfast reconcile -f production.yaml --sandbox        a run over it, in one process
  holdfast sandbox reset                                 forget what such runs changed
  holdfast sandbox serve --speed 60                      for any AWS client: AWS_ENDPOINT_URL=http://127.0.0.1:4566")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve it over HTTP, so that any AWS client can look and write.
    #[command(after_help = "Examples:
  holdfast sandbox serve --listen 127.0.0.1:4566
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b aws s3 ls
  holdfast sandbox serve --faults throttle@17,denied@s3:GetBucketPolicy

Faults, at a call by its number (from 1):
  throttle@17        refused with the service's code for too many requests
  server-error@17    refused with a 500
  cut-before@17      the connection is cut before the request reaches the service
  cut-after@17       the request takes effect, then the connection is cut
  stale-read@17      a read is answered as things were 10 s before the last write
  denied@17          refused for want of permission
  slow@17=30s        answered only after that time
  end-before@17      the process ends before the request takes effect
  end-after@17       the process ends after it, before the answer is sent
by the operation (GetBucketPolicy, s3:GetBucketPolicy, s3:*, *):
  denied@s3:GetBucketPolicy
  throttle-for@PutBucketPolicy=30s
or by chance:
  rate=0.05,kinds=throttle+cut-after,seed=7")]
    Serve {
        /// Where to listen. Anything but loopback is refused: it asks nobody for a password.
        #[arg(long, default_value = "127.0.0.1:4566")]
        listen: SocketAddr,
        /// The account to begin with, as YAML (`holdfast schema account` describes it); without it, examples/accounts/huntaze-as-found.yaml.
        #[arg(long, value_name = "FILE")]
        account: Option<PathBuf>,
        /// What goes wrong: `throttle@17,cut-after@20,denied@s3:GetBucketPolicy,rate=0.05,seed=7`.
        #[arg(long, default_value = "")]
        faults: String,
        /// How many times faster than the clock on the wall its time runs: things that take minutes take seconds.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        speed: u32,
    },
    /// Forget the account that `reconcile --sandbox` left behind: the next run begins with the account as found, and nothing that was consented to before
    /// counts or is used up. The journal of those runs is kept, to be read.
    Reset {
        /// The folder that was given to `reconcile --sandbox`: the account is in its folder `sandbox`.
        #[arg(long, env = "HOLDFAST_STATE_DIR", hide_env_values = true, default_value = "state", value_name = "DIR")]
        state_dir: PathBuf,
    },
}

pub async fn run(args: Args) -> Exit {
    match args.command {
        Command::Serve { listen, account, faults, speed } => serve(listen, account.as_deref(), &faults, speed).await,
        Command::Reset { state_dir } => reset(&ground::folder(Some(&state_dir), true)).await,
    }
}

/// Forgets the account in `state`, and all that its journal holds of it for the next run.
async fn reset(state: &Path) -> Exit {
    let (file, folder) = (saved(state), state.join("journal"));
    // A run that goes on would save its account once more: the journal is held against it until all is gone.
    let journal = match folder.exists() {
        false => None,
        true => match super::journal::open(state, "holdfast sandbox reset".to_owned()).await {
            Ok(opened) => Some(opened.journal),
            Err(why) => return complain(Exit::Failed, &why),
        },
    };
    if let Some(journal) = &journal {
        // First: consents without the account that they are of would count on the next one.
        let now = Timestamp::now();
        if let Err(error) = journal.append(&reconcile::name(now), "", now, vec![Event::AccountForgotten], true).await {
            return complain(Exit::Failed, &error.to_string());
        }
    }
    // What its Redis servers hold, if it has any.
    let data = file.with_extension(SERVERS_FOLDER);
    if let Err(error) = std::fs::remove_dir_all(&data)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return complain(Exit::Failed, &format!("{}: {error}", data.display()));
    }
    let kept = match journal.is_some() {
        true => format!("the journal of the sandbox's runs is kept, to be read; no consent in it counts any more: {}\n", folder.display()),
        false => String::new(),
    };
    match std::fs::remove_file(&file) {
        Ok(()) => print(&format!("{} is forgotten: the next run begins with the account as found\n{kept}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => print(&format!("there is no account to forget\n{kept}")),
        Err(error) => complain(Exit::Failed, &format!("{}: {error}", file.display())),
    }
}

async fn serve(listen: SocketAddr, account: Option<&Path>, faults: &str, speed: u32) -> Exit {
    if !listen.ip().is_loopback() {
        return complain(Exit::Usage, &format!("--listen {listen}: only loopback addresses (127.0.0.1, ::1) are served"));
    }
    let text = match account.map(std::fs::read_to_string).transpose() {
        Ok(text) => text,
        Err(error) => return complain(Exit::Failed, &format!("{}: {error}", account.unwrap_or(Path::new("")).display())),
    };
    let faults: Faults = match faults.parse() {
        Ok(faults) => faults,
        Err(error) => return complain(Exit::Usage, &format!("--faults: {error}")),
    };
    let clock = if speed > 1 { Clock::scaled(speed) } else { Clock::system() };
    let options = Options { clock, faults, kill: true, ..Options::default() };
    let sandbox = match Sandbox::from_yaml(text.as_deref().unwrap_or(AS_FOUND), options) {
        Ok(sandbox) => sandbox,
        Err(error) => return complain(Exit::Failed, &format!("{}: {error}", account.unwrap_or(Path::new("the account")).display())),
    };
    let listener = match tokio::net::TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => return complain(Exit::Failed, &format!("--listen {listen}: {error}")),
    };
    let address = listener.local_addr().unwrap_or(listen);
    let servers = sandbox.redis().map_or(String::new(), |servers| {
        format!("real Redis servers run behind its groups; the authority of their certificates: {}\n", servers.ca_file().display())
    });
    tell(&format!("the account {} is served on http://{address}; Ctrl-C ends it\n{servers}", sandbox.world().account));
    let stop = async {
        // Without a signal handler the signal itself ends the process.
        let _ = tokio::signal::ctrl_c().await;
    };
    match sandbox.serve(listener, stop).await {
        Ok(()) => Exit::Done,
        Err(error) => complain(Exit::Failed, &format!("serving on {address}: {error}")),
    }
}

/// How the AWS of `--sandbox` behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SandboxKind {
    /// Its time is simulated: what takes minutes takes no time. No server is behind its Redis.
    Quick,
    /// A real redis-server is behind each node of its Redis (apt-get install redis-server), an application writes to it all the time, and a minute passes
    /// in a second.
    Live,
}

/// How many times faster than the clock on the wall the time of a live sandbox runs.
const SPEED: u32 = 60;
/// Keys of its Redis.
const KEYS: u64 = 10_000;

/// The sandbox of a run, and what it is.
pub struct OfRun {
    pub sandbox: Sandbox,
    /// Its account is as an earlier run left it.
    pub left: bool,
    pub kind: SandboxKind,
}

/// The sandbox of a run: the account that an earlier one left in the state folder, which goes on as it was, or the account as found. What a run does to it
/// is kept if `keeps`: a dry run writes nothing, there neither, and would take back what another run does meanwhile.
pub fn of_run(state: &Path, faults: &str, keeps: bool, kind: SandboxKind) -> Result<OfRun, String> {
    let file = saved(state);
    let kind = match (left_servers(&file), kind) {
        (Some(false), SandboxKind::Live) => {
            return Err(format!(
                "the account that an earlier run left in {} has no servers behind its Redis: `holdfast sandbox reset` begins anew",
                state.display()
            ));
        }
        (Some(true), _) => SandboxKind::Live,
        (_, kind) => kind,
    };
    let clock = match kind {
        SandboxKind::Quick => Clock::simulated(Timestamp::now()),
        SandboxKind::Live => Clock::scaled(SPEED),
    };
    let options = Options {
        clock,
        faults: faults.parse().map_err(|error| format!("faults of the sandbox: {error}"))?,
        kill: true,
        save_to: keeps.then(|| file.clone()),
        ..Options::default()
    };
    let left = Sandbox::load(&file, options.clone())
        .map_err(|error| format!("{}: {error}; `holdfast sandbox reset` begins anew", file.display()))?;
    if let Some(sandbox) = left {
        return Ok(OfRun { sandbox, left: true, kind });
    }
    let mut world: World = serde_yaml::from_str(AS_FOUND).map_err(|error| error.to_string())?;
    if kind == SandboxKind::Live {
        world.elasticache.servers = true;
        world.elasticache.replication_groups.values_mut().for_each(|group| group.data.keys = KEYS);
    }
    Sandbox::new(world, options).map(|sandbox| OfRun { sandbox, left: false, kind }).map_err(|error| error.to_string())
}

/// The application of the account as found.
pub fn application(sandbox: &Sandbox) -> Application {
    let reads = Reads { parameter: "/huntaze/REDIS_URL".to_owned(), service: ("main".to_owned(), "api".to_owned()) };
    Application::start(sandbox, reads)
}

fn saved(state: &Path) -> PathBuf {
    state.join("account.json")
}

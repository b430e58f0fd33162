//! The command line: one file a subcommand. Results go to stdout, logs and progress to stderr.

mod consent;
mod explain;
mod ground;
mod journal;
mod log;
mod migration;
mod moved;
mod notify;
mod progress;
mod reconcile;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
mod served;
mod show;
mod validate;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;
use crate::load::{Manifests, load_all};
use crate::plan::escape::{output, shown};

/// Keeps an AWS account in the hardened state that its team wrote down in a YAML manifest.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    /// What goes to stderr beside progress: error, warn, info, debug or trace, or a filter such as holdfast::aws=debug.
    #[arg(long, global = true, env = "HOLDFAST_LOG", hide_env_values = true, default_value = "warn", value_name = "LEVEL")]
    log: String,
    /// The form of the log.
    #[arg(long, global = true, env = "HOLDFAST_LOG_FORMAT", hide_env_values = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  holdfast reconcile -f manifests/baselines/ --dry-run      what differs, and what would be done
  holdfast reconcile -f manifests/baselines/                do it
  holdfast reconcile -f production.yaml --sandbox           the same on an AWS inside this process
  holdfast validate -f manifests/                           check manifests without any AWS
  holdfast explain s3.buckets.versioning                    what a field means";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare an account with its manifest, and repair what differs.
    Reconcile(Box<reconcile::Args>),
    /// Check manifests: every problem at once, with file, line and column. Needs no AWS.
    Validate(validate::Args),
    /// Say what a field of the manifest means, what is compared, and which controls it answers to.
    Explain(explain::Args),
    /// Print a JSON schema.
    Schema(schema::Args),
    /// The move of a Redis into a new, encrypted group: where it stands, and what you can do.
    Migration(Box<migration::Args>),
    /// Show what earlier runs intended and did; take a consent back.
    Journal(journal::Args),
    /// The embedded AWS.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Args),
    /// Print a completion script for a shell: `source <(holdfast completion bash)`.
    Completion {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
}

/// Where the manifest is.
#[derive(Clone, Debug, clap::Args)]
struct Manifest {
    /// A manifest, a folder of them (its *.yaml and *.yml files, and those of the folders in it), or - for standard input. Repeatable.
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR|-", required = true)]
    file: Vec<PathBuf>,
}

impl Manifest {
    fn load(&self) -> Manifests {
        load_all(&self.file)
    }

    /// What was named, for a sentence.
    fn shown(&self) -> String {
        self.file.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// What a run may reach beside AWS, for the places of a Redis that is moved (migration.cutover).
#[derive(Clone, Debug, Default)]
struct Reach {
    kubeconfig: Option<PathBuf>,
    allow_exec: bool,
}

/// Which clusters are meant.
#[derive(Clone, Debug, Default, clap::Args)]
struct Kubeconfig {
    /// The kubeconfig of the clusters in which `kubernetes` places of a Redis that is moved stand, in place of the pod's service account, KUBECONFIG and
    /// ~/.kube/config. With --sandbox=live or AWS_ENDPOINT_URL it is the only way to a cluster.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// The leave to run commands.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
struct AllowExec {
    /// Run the commands of `exec` places of a Redis that is moved, as whoever runs holdfast: read them first, in the manifest. A dry run runs their `check`
    /// alone. Nothing else gives this leave, no manifest and no variable; with --sandbox it takes --sandbox=live.
    #[arg(long)]
    allow_exec: bool,
}

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command line and answers with the exit code.
pub fn run() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return Exit::Usage.code();
        }
        // The help, or the version.
        Err(said) => {
            return match said.print() {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => unprinted(&error).code(),
                _ => Exit::Done.code(),
            };
        }
    };
    if let Err(error) = log::start(&cli.log, cli.log_format == LogFormat::Json) {
        return complain(Exit::Usage, &format!("--log (HOLDFAST_LOG) {}: {error}", shown(&cli.log))).code();
    }
    let exit = match cli.command {
        Command::Reconcile(args) => on_runtime(reconcile::run(*args)),
        Command::Validate(args) => validate::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Migration(args) => on_runtime(migration::run(*args)),
        Command::Journal(args) => on_runtime(async move { journal::run(&args).await }),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => on_runtime(sandbox::run(args)),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "holdfast", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Version => print(&format!("holdfast {}\n", env!("CARGO_PKG_VERSION"))),
    };
    // A result that nobody got is none, whatever came of the rest.
    match exit {
        Exit::Done if unwritten() => Exit::Failed.code(),
        exit => exit.code(),
    }
}

/// Whether a part of the result could not be written.
static UNWRITTEN: AtomicBool = AtomicBool::new(false);

fn unwritten() -> bool {
    UNWRITTEN.load(Ordering::SeqCst)
}

fn on_runtime(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(work);
            // A journal's opening that hangs must not keep the process.
            runtime.shutdown_background();
            exit
        }
        Err(error) => complain(Exit::Failed, &format!("no runtime could be started: {error}")),
    }
}

/// Writes a result to stdout. A reader that went away (`| head`) is no failure.
fn print(text: &str) -> Exit {
    let mut out = anstream::stdout().lock();
    match out.write_all(output(text).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        // Said once: the parts of a result follow each other.
        Err(_) if UNWRITTEN.swap(true, Ordering::SeqCst) => Exit::Failed,
        Err(error) => unprinted(&error),
    }
}

fn unprinted(error: &std::io::Error) -> Exit {
    complain(Exit::Failed, &format!("stdout could not be written: {error}"))
}

/// Says on stderr what went wrong.
fn complain(exit: Exit, message: &str) -> Exit {
    tell(&format!("holdfast: {message}\n"));
    exit
}

/// Writes to stderr, whoever reads it.
fn tell(text: &str) {
    let text = crate::aws::reveal_nothing(text);
    let _ = anstream::stderr().lock().write_all(output(&text).as_bytes());
}

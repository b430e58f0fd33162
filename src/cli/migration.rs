//! `holdfast migration`: where the move of a Redis stands, and what a person asks of it.

use std::path::PathBuf;
use std::time::Duration;

use super::ground::{self, Ground};
use super::moved::{Screen, show};
#[cfg(feature = "sandbox")]
use super::sandbox::SandboxKind;
use super::{AllowExec, Kubeconfig, Manifest, Output, Reach, complain, reconcile, tell};
use crate::execute::Journal;
use crate::execute::record::{Event, Outcome};
use crate::exit::Exit;
use crate::kinds::Key;
use crate::kinds::elasticache::{Move, MoveCommand, ReplicationGroups};
use crate::kinds::{Kind, Operation, StartError, registry};
use crate::plan::escape::shown;
use crate::reconcile::{Baseline, connected};

/// Between two looks of `--watch`.
const WATCHING: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  holdfast migration status huntaze-redis -f m.yaml     where it stands, what comes next
  holdfast migration status huntaze-redis -f m.yaml --watch   beside the run, until the move is done
  holdfast migration status huntaze-redis -f m.yaml -o json
  holdfast migration rollback huntaze-redis -f m.yaml   back to the old group, after the commit too
  holdfast migration resume huntaze-redis -f m.yaml     let it be tried again after a way back
  holdfast migration finalize huntaze-redis -f m.yaml   let go of the old group now

Exit codes:
  0    done
  1    it failed, or it cannot be done where the move stands: the message says what can
  5    the move was rolled back
  64   the command line is wrong
rollback and finalize go on as `holdfast reconcile --only` does for that group, and can end with its other codes too.")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say where the move stands, since when, what happens next, and what you can do. Changes nothing.
    Status(Status),
    /// Let a move be begun again that was taken back. The next reconcile begins it.
    Resume(What),
    /// Take the move back: clients to the old group, and everything away that the move made. Once the new group serves, what was written there is copied
    /// back first, and a last snapshot of it is kept.
    Rollback {
        #[command(flatten)]
        what: What,
        /// Once the new group serves: go back though writes are lost. Those that somebody made on the old group after the freeze; or, where writes were not
        /// held (writeGap: Accept), all on the new group since it serves.
        #[arg(long)]
        give_up_writes: bool,
        #[command(flatten)]
        exec: AllowExec,
    },
    /// End the soak now: what becomes of the old group is what the manifest's `retire` says.
    Finalize {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        exec: AllowExec,
    },
}

#[derive(Debug, clap::Args)]
struct Status {
    #[command(flatten)]
    what: What,
    /// Say it again every two seconds until the move is done, was taken back, or Ctrl-C: anew on a terminal, a line for each change elsewhere, a document a
    /// line with -o json. How far the copy is tells the --state-dir of the run that copies.
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, clap::Args)]
struct What {
    /// The name of the entry under elasticache.replicationGroups.
    name: String,
    #[command(flatten)]
    manifest: Manifest,
    /// The form of the result.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Where the journal is kept; with --sandbox, in its folder `sandbox` [default: state, so state/sandbox with --sandbox].
    #[arg(long, env = "HOLDFAST_STATE_DIR", hide_env_values = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    kubeconfig: Kubeconfig,
    /// Talk to the AWS inside this process, as `holdfast reconcile --sandbox` left it.
    #[cfg(feature = "sandbox")]
    #[arg(long)]
    sandbox: bool,
}

impl What {
    #[cfg(feature = "sandbox")]
    fn in_sandbox(&self) -> bool {
        self.sandbox
    }

    #[cfg(not(feature = "sandbox"))]
    fn in_sandbox(&self) -> bool {
        false
    }

    #[cfg(feature = "sandbox")]
    fn ground(&self, on: &str, state: &std::path::Path, keeps: bool, exec: AllowExec) -> Result<Ground, String> {
        let reach = self.reach(exec);
        if self.sandbox { Ground::sandbox(state, "", keeps, SandboxKind::Quick, &reach) } else { Ok(Ground::real(on, state, &reach)) }
    }

    #[cfg(not(feature = "sandbox"))]
    fn ground(&self, on: &str, state: &std::path::Path, _keeps: bool, exec: AllowExec) -> Result<Ground, String> {
        Ok(Ground::real(on, state, &self.reach(exec)))
    }

    fn reach(&self, exec: AllowExec) -> Reach {
        Reach { kubeconfig: self.kubeconfig.kubeconfig.clone(), allow_exec: exec.allow_exec }
    }
}

pub async fn run(args: Args) -> Exit {
    let none = AllowExec::default();
    let (what, command, exec) = match &args.action {
        Action::Status(status) => (&status.what, None, none),
        Action::Resume(what) => (what, Some(MoveCommand::Resume), none),
        Action::Rollback { what, give_up_writes, exec } => (what, Some(MoveCommand::RollBack { give_up_writes: *give_up_writes }), *exec),
        Action::Finalize { what, exec } => (what, Some(MoveCommand::Finalize), *exec),
    };
    if what.in_sandbox() && std::env::var_os("AWS_ENDPOINT_URL").is_some_and(|url| !url.is_empty()) {
        return complain(
            Exit::Usage,
            "--sandbox is an AWS of its own, and AWS_ENDPOINT_URL names another: unset it, or leave --sandbox out",
        );
    }
    let result = match command {
        None => match matches!(&args.action, Action::Status(status) if status.watch) {
            true => watch(what).await,
            false => status(what).await,
        },
        Some(command) => act(what, command, exec).await,
    };
    match (result, command) {
        (Ok(()), Some(MoveCommand::RollBack { .. } | MoveCommand::Finalize)) => {
            let only = format!("{}/{}", ReplicationGroups::PATH, what.name);
            let (manifest, state_dir) = (what.manifest.clone(), what.state_dir.clone());
            reconcile::run(reconcile::Args::only(manifest, only, state_dir, what.in_sandbox(), what.output, what.reach(exec))).await
        }
        (Ok(()), _) => Exit::Done,
        (Err(error), _) => complain(Exit::Failed, &error),
    }
}

/// The object that the name stands in.
fn object(what: &What) -> Result<Baseline, String> {
    let manifests = what.manifest.load();
    let has =
        |baseline: &Baseline| baseline.entries.iter().any(|entry| entry.kind.path() == ReplicationGroups::PATH && entry.name == what.name);
    let mut found: Vec<Baseline> = manifests.baselines.into_iter().filter(has).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            Err(format!("{} stands in several objects of {}: name the file of one with -f", what.name, what.manifest.shown()))
        }
        (None, _) => Err(format!(
            "{} has no entry {} under elasticache.replicationGroups that can be read: `holdfast validate -f` says what is wrong with it",
            what.manifest.shown(),
            what.name
        )),
    }
}

/// Where the move stands.
async fn look(what: &What, baseline: &Baseline, ground: &Ground) -> Result<(Move, crate::aws::Reads), String> {
    let connection = connected(baseline, &ground.connect).await.map_err(|error| error.to_string())?;
    look_on(what, baseline, &connection.reads).await
}

async fn look_on(what: &What, baseline: &Baseline, reads: &crate::aws::Reads) -> Result<(Move, crate::aws::Reads), String> {
    let entry = baseline.entries.iter().find(|entry| entry.kind.path() == ReplicationGroups::PATH && entry.name == what.name);
    let spec = entry.and_then(|entry| entry.spec.downcast_ref()).ok_or_else(|| format!("{} is no replication group", what.name))?;
    let reads = reads.fresh();
    let found = Move::look(&reads, &baseline.scope, spec).await.map_err(|error| error.to_string())?;
    Ok((found, reads))
}

async fn status(what: &What) -> Result<(), String> {
    let baseline = object(what)?;
    let on = ground::name(what.in_sandbox()).await;
    let ground = what.ground(&on, &ground::folder(what.state_dir.as_deref(), what.in_sandbox()), false, AllowExec::default())?;
    let (found, _) = look(what, &baseline, &ground).await?;
    show(what.output, &found.status())
}

/// Says again and again where it stands, until nothing of it goes on. What cannot be read after the first time is said, and asked again.
async fn watch(what: &What) -> Result<(), String> {
    let baseline = object(what)?;
    let on = ground::name(what.in_sandbox()).await;
    let state = ground::folder(what.state_dir.as_deref(), what.in_sandbox());
    let mut ground = what.ground(&on, &state, false, AllowExec::default())?;
    let (mut found, mut reads) = look(what, &baseline, &ground).await?;
    let mut screen = Screen::default();
    loop {
        let status = found.status();
        screen.show(what.output, &status)?;
        if status.phase.is_at_rest() {
            return Ok(());
        }
        loop {
            tokio::time::sleep(WATCHING).await;
            let again = match what.in_sandbox() {
                false => look_on(what, &baseline, &reads).await,
                // Its account is read from where another run left it.
                true => match what.ground(&on, &state, false, AllowExec::default()) {
                    Ok(now) => {
                        ground = now;
                        look(what, &baseline, &ground).await
                    }
                    Err(error) => Err(error),
                },
            };
            match again {
                Ok(now) => {
                    (found, reads) = now;
                    break;
                }
                Err(error) => tell(&format!("holdfast: {error}\n")),
            }
        }
    }
}

/// Does what is asked for, in the journal first.
async fn act(what: &What, command: MoveCommand, exec: AllowExec) -> Result<(), String> {
    let baseline = object(what)?;
    let on = ground::name(what.in_sandbox()).await;
    let state = ground::folder(what.state_dir.as_deref(), what.in_sandbox());
    let journal = Journal::open_on(&on, &state, &format!("holdfast migration {}", what.name)).map_err(|error| error.to_string())?.journal;
    let ground = what.ground(&on, &state, true, exec)?;
    // The run that goes on from here is the same holder: by another name it would be refused as somebody else.
    ground::keep_holder(&state, &ground.connect.holder).map_err(|error| format!("{}: {error}", state.display()))?;
    let (found, reads) = look(what, &baseline, &ground).await?;
    if let Some((title, op)) = found.step(command)?.map(|(title, op)| (title, Operation::from(op))) {
        let kind = registry().iter().find(|kind| kind.path() == ReplicationGroups::PATH).ok_or("there is no such kind")?;
        let run = ground.clock.now().strftime("%Y%m%dT%H%M%SZ-migration").to_string();
        let resource = Key::new(ReplicationGroups::PATH, &what.name);
        let intent = Event::Intent { resource, step: title.clone(), op: op.clone(), undo: false, attempt: 1, uses: None };
        let object = &baseline.scope.object;
        let lost = |error: crate::execute::JournalError| error.to_string();
        let numbers = journal.append(&run, object, ground.clock.now(), vec![intent], true).await.map_err(lost)?;
        let answer = kind.start(&reads.writes(&journal), &op).await;
        let outcome = match &answer {
            Ok(()) => Outcome::Acknowledged,
            Err(StartError::NotUnderstood(why)) => Outcome::Refused { code: "NotUnderstood".to_owned(), message: why.clone() },
            Err(StartError::Call(error)) => Outcome::Refused { code: error.code.clone(), message: error.message.clone() },
        };
        let intent = numbers.first().copied().unwrap_or_default();
        journal.append(&run, object, ground.clock.now(), vec![Event::Outcome { intent, outcome }], true).await.map_err(lost)?;
        if let Err(error) = ground.save() {
            tell(&format!("the sandbox could not save its account: {error}\n"));
        }
        match answer {
            Ok(()) => tell(&format!("{}: done\n", shown(&title))),
            Err(StartError::NotUnderstood(why)) => return Err(why),
            Err(StartError::Call(error)) => return Err(error.to_string()),
        }
    }
    if command == MoveCommand::Resume {
        let (now, _) = look(what, &baseline, &ground).await?;
        show(what.output, &now.status())?;
    }
    Ok(())
}

//! A place that commands of the manifest turn.
//!
//! A command goes on between passes, in this process alone: one that is gone after a restart is run again. That it was begun, and how it ended, is noted on the
//! lock of the move, so that whoever comes next knows; where `check` says which address is in force, that counts.
//!
//! The token is given to none of them: what a process has in its environment its children have, and whoever runs as the same user reads it. They are given where
//! it stands, and read it by their own right.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::lock::Lock;
use super::super::start::tag_lock;
use super::{Asked, Endpoints, Place, Turned, Way, names};
use crate::aws::{Call, CallError, Class, Reads, Service, Writes};
use crate::clock::later;
use crate::exec::{Failure, Order, Runs};
use crate::kinds::elasticache::migration::Exec;
use crate::kinds::elasticache::start::not_sent;
use crate::kinds::{Fact, Unreadable};

static CHECK: Call = Call { service: Service::Exec, operation: "check", action: "check", writes: false };
static COMMAND: Call = Call { service: Service::Exec, operation: "command", action: "command", writes: true };

/// So many characters of a command are said.
const SAID: usize = 80;

/// What is noted on the lock.
const BEGUN: &str = "begun";
const TARGET: &str = "target";
const UNDOING: &str = "undoing";
const BACK: &str = "back";

/// The waits before an undo that failed is run again: doubled from the first to the longest.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// An undo that fails for so long is left to the next run.
const UNDOES_FOR: Duration = Duration::from_secs(30 * 60);

pub fn words(exec: &Exec) -> String {
    format!("the place of the command {}", said(&exec.command.join(" ")))
}

/// A command's words are for people here: what is long is cut.
fn said(command: &str) -> String {
    match command.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}...", command.get(..end).unwrap_or_default()),
        None => command.to_owned(),
    }
}

/// Its command makes it that place: what undoes it, asks it or bounds it may be corrected while it is turned.
pub fn key(exec: &Exec) -> String {
    format!("exec {}", serde_json::to_string(&exec.command).unwrap_or_default())
}

/// The longest that undoing may take.
pub fn undone_within() -> Duration {
    UNDOES_FOR
}

fn tag(turned: &str) -> String {
    format!("holdfast.dev/{turned}")
}

/// A command under way.
struct Task {
    state: Mutex<State>,
    work: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

#[derive(Clone)]
enum State {
    Turning(Instant),
    TurnFailed(String),
    Undoing(Instant),
    /// It failed so often by now, last with these words.
    UndoFailed(u32, String),
    Ended,
}

impl Task {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Ends it, with everything that it began.
    async fn end(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            work.abort();
            // Over when it is gone, with its process group.
            let _ = work.await;
        }
    }
}

pub async fn look(reads: &Reads, exec: &Exec, asked: &Asked<'_>) -> Fact<Place> {
    let note = asked.lock.and_then(|lock: &Lock| lock.notes.get(&tag(asked.turned))).map(String::as_str);
    let running = reads.task::<Task>(asked.turned).map(|task| task.state());
    let since = |since: Instant| format!("the command, which runs for {} s", since.elapsed().as_secs());
    let turned = match running {
        Some(State::Turning(begun)) => Turned::Turning(since(begun)),
        Some(State::TurnFailed(why)) => Turned::Failed(why),
        Some(State::Undoing(begun)) => Turned::TurningBack(since(begun)),
        Some(State::UndoFailed(times, why)) => Turned::TurningBack(format!("its undo, which failed {times} times and is run again: {why}")),
        Some(State::Ended) | None => match (&exec.check, reads.exec()) {
            (Some(check), Some(looks)) => {
                let order = Order { words: check, environment: environment("check", asked.from, asked.to), timeout: exec.within() };
                match crate::exec::look(looks, order).await {
                    Ok(said) => match judged(note, names(&said, asked.from), names(&said, asked.to)) {
                        Ok(turned) => turned,
                        Err(message) => return unknown(message),
                    },
                    Err(failure) => return unknown(failure.to_string()),
                }
            }
            _ => noted(note),
        },
    };
    Fact::Present(Place { barred: barred(reads, exec), ..Place::of(turned) })
}

fn unknown(message: String) -> Fact<Place> {
    Fact::Unknown(Unreadable::from(&not_sent(&CHECK, Class::Invalid, "NotTold", message)))
}

/// Why this run does not turn it.
fn barred(reads: &Reads, exec: &Exec) -> Option<(String, String)> {
    reads.exec().is_none().then(|| {
        (
            format!("{}: this version of holdfast runs no commands of a manifest yet", words(exec)),
            "leave it out of migration.cutover, and see to its clients yourself".to_owned(),
        )
    })
}

/// Where it stands by what was noted alone.
fn noted(note: Option<&str>) -> Turned {
    match note {
        None => Turned::Source,
        Some(TARGET) => Turned::Target,
        Some(BACK) => Turned::Back,
        Some(_) => Turned::Begun,
    }
}

/// Where it stands by what `check` printed: whether the old group's address stands in it, and the new one's.
fn judged(note: Option<&str>, source: bool, target: bool) -> Result<Turned, String> {
    Ok(match (source, target, note) {
        (true, false, None) => Turned::Source,
        (true, false, Some(BACK)) => Turned::Back,
        (true, false, Some(TARGET)) => Turned::Turning("`check` to print the new address: the command has ended".to_owned()),
        (false, true, Some(BACK)) => Turned::TurningBack("`check` to print the old address: the undo has ended".to_owned()),
        (false, true, Some(UNDOING)) | (true, false, Some(_)) => Turned::Begun,
        (false, true, _) => Turned::Target,
        (true, true, _) => return Err("`check` prints the address of both groups: it has to print the one that is in force".to_owned()),
        (false, false, _) => return Err("`check` prints the address of neither group".to_owned()),
    })
}

/// What a command is told.
fn environment(step: &str, from: &Endpoints, to: &Endpoints) -> Vec<(&'static str, String)> {
    let mut all = vec![("HOLDFAST_STEP", step.to_owned())];
    let main = |of: &Endpoints| of.primary.clone().or_else(|| of.configuration.clone());
    let words = |(host, port): (String, i32)| format!("{host}:{port}");
    all.extend(main(from).map(|from| ("HOLDFAST_FROM", words(from))));
    all.extend(main(to).map(|to| ("HOLDFAST_TO", words(to))));
    if step != "check" {
        all.extend(main(to).map(|to| ("HOLDFAST_ADDRESS", words(to))));
        all.extend(to.reader.clone().map(|reader| ("HOLDFAST_READER_ADDRESS", words(reader))));
    }
    all
}

/// The same with how clients log in there.
fn told(step: &str, way: &Way<'_>) -> Vec<(&'static str, String)> {
    let mut all = environment(step, way.from, way.to);
    all.push(("HOLDFAST_TLS", way.tls.to_string()));
    if let Some(login) = way.login {
        all.push(("HOLDFAST_TOKEN_SECRET_ARN", login.secret_arn.clone()));
        all.push(("HOLDFAST_TOKEN_SECRET_VERSION", login.version.clone()));
        all.extend(login.key.clone().map(|key| ("HOLDFAST_TOKEN_SECRET_KEY", key)));
    }
    all
}

fn allowed(writes: &Writes, exec: &Exec) -> Result<Runs, CallError> {
    let message = || format!("{} is turned by a command, and this run may run none", words(exec));
    writes.exec().ok_or_else(|| not_sent(&COMMAND, Class::Invalid, "NotAllowed", message()))
}

/// Which of two groups `check` names; nothing where there is none, or it may not be run.
async fn asked(writes: &Writes, exec: &Exec, from: &Endpoints, to: &Endpoints) -> Result<Option<String>, CallError> {
    let (Some(check), Some(looks)) = (&exec.check, writes.reads().exec()) else { return Ok(None) };
    let order = Order { words: check, environment: environment("check", from, to), timeout: exec.within() };
    let failed = |failure: Failure| not_sent(&CHECK, Class::Invalid, "NotTold", failure.to_string());
    crate::exec::look(looks, order).await.map(Some).map_err(failed)
}

pub async fn names_any(writes: &Writes, exec: &Exec, of: &Endpoints) -> Result<bool, CallError> {
    Ok(asked(writes, exec, &Endpoints::default(), of).await?.is_some_and(|said| names(&said, of)))
}

pub async fn names_source(writes: &Writes, exec: &Exec, way: &Way<'_>) -> Result<(), CallError> {
    allowed(writes, exec)?;
    match asked(writes, exec, way.from, &Endpoints::default()).await? {
        Some(said) if !names(&said, way.from) => {
            let message = format!("`check` of {} does not print the address of the group that is moved", words(exec));
            Err(not_sent(&CHECK, Class::Invalid, "NotTheAddress", message))
        }
        _ => Ok(()),
    }
}

pub async fn turn(writes: &Writes, exec: &Exec, turned: &str, lock: &str, way: &Way<'_>) -> Result<(), CallError> {
    let runs = allowed(writes, exec)?;
    if let Some(task) = writes.tasks().get::<Task>(turned)
        && matches!(task.state(), State::Turning(_))
    {
        return Ok(());
    }
    tag_lock(writes, lock, &[(&tag(turned), BEGUN)]).await?;
    let environment = told("turn", way);
    begin(writes, turned, State::Turning(Instant::now()), |writes, task| {
        let (exec, lock, tag) = (exec.clone(), lock.to_owned(), tag(turned));
        async move {
            let order = Order { words: &exec.command, environment, timeout: exec.within() };
            let ended = match crate::exec::run(runs, order).await {
                Err(failure) => Err(failure.to_string()),
                Ok(()) => tag_lock(&writes, &lock, &[(&tag, TARGET)])
                    .await
                    .map_err(|error| format!("that it has ended could not be noted: {error}")),
            };
            task.set(ended.map_or_else(State::TurnFailed, |()| State::Ended));
        }
    });
    Ok(())
}

/// Runs the undo until it ends with 0.
pub async fn turn_back(writes: &Writes, exec: &Exec, turned: &str, lock: &str, way: &Way<'_>) -> Result<(), CallError> {
    let runs = allowed(writes, exec)?;
    if let Some(task) = writes.tasks().get::<Task>(turned) {
        match task.state() {
            State::Undoing(_) | State::UndoFailed(..) => return Ok(()),
            // What still turns it forward ends first.
            _ => task.end().await,
        }
    }
    tag_lock(writes, lock, &[(&tag(turned), UNDOING)]).await?;
    let environment = told("undo", way);
    begin(writes, turned, State::Undoing(Instant::now()), |writes, task| {
        let (exec, lock, tag) = (exec.clone(), lock.to_owned(), tag(turned));
        async move {
            let (until, mut wait) = (later(writes.now(), UNDOES_FOR), WAITS[0]);
            for times in 1.. {
                let order = Order { words: &exec.undo, environment: environment.clone(), timeout: exec.within() };
                let why = match crate::exec::run(runs, order).await {
                    Err(failure) => failure.to_string(),
                    Ok(()) => match tag_lock(&writes, &lock, &[(&tag, BACK)]).await {
                        Ok(()) => return task.set(State::Ended),
                        Err(error) => format!("that it has ended could not be noted: {error}"),
                    },
                };
                task.set(State::UndoFailed(times, why));
                if writes.now() >= until {
                    return;
                }
                writes.clock().sleep(wait).await;
                wait = (wait * 2).min(WAITS[1]);
            }
        }
    });
    Ok(())
}

fn begin<F>(writes: &Writes, turned: &str, state: State, work: impl FnOnce(Writes, Arc<Task>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let task = Arc::new(Task { state: Mutex::new(state), work: Mutex::default() });
    let handle = tokio::spawn(work(writes.clone(), Arc::clone(&task)));
    *task.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    writes.tasks().put(turned, task);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_are_called_alike() {
        let exec = |command: &[&str]| serde_json::json!({"exec": {"command": command, "undo": ["b"]}});
        let long = "x".repeat(100);
        let secret = |region: &str| serde_json::json!({"secretsManager": {"secretArn": format!("arn:aws:secretsmanager:{region}:317805897534:secret:app-AbCdEf")}});
        let places = serde_json::json!([
            exec(&["turn.sh", "a"]),
            exec(&["turn.sh", "b"]),
            exec(&[&long, "a"]),
            exec(&[&long, "b"]),
            secret("us-east-1"),
            secret("eu-west-1")
        ]);
        let words = crate::kinds::elasticache::moving::reference::all_words(&serde_json::from_value::<Vec<_>>(places).unwrap());
        assert_eq!(words[..2], ["the place of the command turn.sh a", "the place of the command turn.sh b"]);
        assert!(words[2].ends_with("x..., place 3 of cutover") && words[3].ends_with("x..., place 4 of cutover"), "{words:?}");
        assert!(words[5].ends_with("app-AbCdEf, place 6 of cutover"), "{words:?}");
    }

    #[test]
    fn what_check_prints_counts_and_without_it_what_was_noted() {
        assert_eq!((noted(None), noted(Some(BEGUN)), noted(Some(TARGET))), (Turned::Source, Turned::Begun, Turned::Target));
        assert_eq!((noted(Some(UNDOING)), noted(Some(BACK))), (Turned::Begun, Turned::Back));
        let (source, target) = (|note| judged(note, true, false), |note| judged(note, false, true));
        assert_eq!((source(None), target(None)), (Ok(Turned::Source), Ok(Turned::Target)));
        // It ended in the middle: the command is run again, or the undo, whatever is in force.
        assert_eq!((source(Some(BEGUN)), target(Some(BEGUN))), (Ok(Turned::Begun), Ok(Turned::Target)));
        assert_eq!((source(Some(UNDOING)), target(Some(UNDOING))), (Ok(Turned::Begun), Ok(Turned::Begun)));
        assert_eq!((source(Some(BACK)), target(Some(TARGET))), (Ok(Turned::Back), Ok(Turned::Target)));
        assert!(matches!(source(Some(TARGET)), Ok(Turned::Turning(_))) && matches!(target(Some(BACK)), Ok(Turned::TurningBack(_))));
        assert!(judged(None, true, true).is_err() && judged(None, false, false).is_err());
    }
}

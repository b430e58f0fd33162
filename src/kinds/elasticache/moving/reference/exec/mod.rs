//! A place that commands of the manifest turn.
//!
//! A command goes on between passes, in this process alone: one that is gone after a restart is run again. That it was begun, and how it ended, is noted on the
//! lock of the move, so that whoever comes next knows; where `check` says which address is in force, that counts.
//!
//! The token is given to none of them: what a process has in its environment its children have, and whoever runs as the same user reads it. They are given where
//! it stands, and read it by their own right.

mod check;
mod task;

use std::time::{Duration, Instant};

use self::check::{Answer, Answers, Question};
use self::task::{State, Task, Told, UNDOES_FOR};
use super::super::live::lease;
use super::super::lock::Lock;
use super::super::start::{read_lock, tag_lock};
use super::{Asked, Endpoints, Here, Place, Turned, Way, names};
use crate::aws::{Call, CallError, Class, Reads, Service, Writes};
use crate::exec::Runs;
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

pub async fn look(reads: &Reads, exec: &Exec, asked: &Asked<'_>) -> Fact<Place> {
    let tag = tag(asked.turned);
    let note = asked.lock.and_then(|lock: &Lock| lock.notes.get(&tag)).map(String::as_str);
    let task = reads.task::<Task>(asked.turned);
    let since = |since: Instant| format!("the command, which runs for {} s", since.elapsed().as_secs());
    let ended = |value: &str| Some(Here::Ended { tag: tag.clone(), value: value.to_owned() });
    let (turned, here) = match task.as_ref().map(|task| task.state()) {
        Some(State::Turning(begun)) => (Turned::Turning(since(begun)), Some(Here::Runs)),
        Some(State::Turned) if note != Some(TARGET) => {
            (Turned::Turning("its lock to note that the command has ended".to_owned()), ended(TARGET))
        }
        Some(State::TurnFailed(why)) => (Turned::Failed(why), None),
        Some(State::Undoing(begun)) => (Turned::TurningBack(since(begun)), Some(Here::Runs)),
        Some(State::UndoFailed(times, why)) => {
            (Turned::TurningBack(format!("its undo, which failed {times} times and is run again: {why}")), Some(Here::Runs))
        }
        Some(State::Undone) if note != Some(BACK) => {
            (Turned::TurningBack("its lock to note that the undo has ended".to_owned()), ended(BACK))
        }
        state => {
            if let Some(task) = task.filter(|_| matches!(state, Some(State::Turned | State::Undone))) {
                task.noted();
                forget(reads, exec).await;
            }
            match stands(reads, exec, asked, note).await {
                Ok(turned) => (turned, None),
                Err(message) => return unknown(message),
            }
        }
    };
    Fact::Present(Place { barred: barred(reads, exec), here, ..Place::of(turned) })
}

/// Where it stands while no command of this process is under way: by what `check` says, or else by what was noted.
async fn stands(reads: &Reads, exec: &Exec, asked: &Asked<'_>, note: Option<&str>) -> Result<Turned, String> {
    let (Some(check), Some(looks)) = (&exec.check, reads.exec()) else { return Ok(noted(note)) };
    let answers = Answers::of(reads, check).await.map_err(|error| error.to_string())?;
    match answers.now(looks, question(exec, check, asked.from, asked.to), reads.now()).await {
        Answer::Said(said) => {
            let said = said?;
            judged(note, names(&said, asked.from), names(&said, asked.to))
        }
        Answer::Awaited(since) => awaited(note, since),
    }
}

fn question(exec: &Exec, check: &[String], from: &Endpoints, to: &Endpoints) -> Question {
    Question { words: check.to_vec(), environment: environment("check", from, to), timeout: exec.within() }
}

/// What `check` said is worth nothing any more.
async fn forget(reads: &Reads, exec: &Exec) {
    if let Some(check) = &exec.check
        && let Ok(answers) = Answers::of(reads, check).await
    {
        answers.forget();
    }
}

fn unknown(message: String) -> Fact<Place> {
    Fact::Unknown(Unreadable::from(&not_sent(&CHECK, Class::Invalid, "NotTold", message)))
}

/// Why this run does not turn it.
fn barred(reads: &Reads, exec: &Exec) -> Option<(String, String)> {
    reads.exec().is_none().then(|| {
        (
            format!("{} is turned by commands of the manifest, which run only where --allow-exec says so", words(exec)),
            "read them, and run with --allow-exec (a dry run runs `check` alone)".to_owned(),
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

/// Where it stands while `check` is asked anew, after something has ended here.
fn awaited(note: Option<&str>, since: Duration) -> Result<Turned, String> {
    let words = || format!("`check`, which runs for {} s", since.as_secs());
    match note {
        Some(TARGET) => Ok(Turned::Turning(words())),
        Some(BACK) => Ok(Turned::TurningBack(words())),
        Some(_) => Ok(Turned::Begun),
        None => Err("`check` has not answered yet".to_owned()),
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

/// What `check` said a moment ago; nothing where there is none, or it may not be run.
async fn asked(writes: &Writes, exec: &Exec, from: &Endpoints, to: &Endpoints) -> Result<Option<String>, CallError> {
    let reads = writes.reads();
    let (Some(check), Some(looks)) = (&exec.check, reads.exec()) else { return Ok(None) };
    let failed = |class: Class, message: String| not_sent(&CHECK, class, "NotTold", message);
    match Answers::of(&reads, check).await?.recent(looks, question(exec, check, from, to), reads.now()) {
        Some(said) => said.map(Some).map_err(|message| failed(Class::Invalid, message)),
        None => Err(failed(Class::Busy, format!("`check` of {} is asked", words(exec)))),
    }
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
        && matches!(task.state(), State::Turning(_) | State::Turned)
    {
        return Ok(());
    }
    let held = read_lock(&writes.reads(), lock).await?;
    tag_lock(writes, lock, &[(&tag(turned), BEGUN)]).await?;
    let told = Told { exec: exec.clone(), environment: told("turn", way) };
    writes.tasks().put(turned, Task::turn(runs, told, lock, lease(writes, &held)));
    Ok(())
}

/// Runs the undo until it ends with 0.
pub async fn turn_back(writes: &Writes, exec: &Exec, turned: &str, lock: &str, way: &Way<'_>) -> Result<(), CallError> {
    let runs = allowed(writes, exec)?;
    if let Some(task) = writes.tasks().get::<Task>(turned) {
        match task.state() {
            State::Undone => return Ok(()),
            State::Undoing(_) | State::UndoFailed(..) if task.goes_on() => return Ok(()),
            // What still turns it forward ends first.
            _ => task.end().await,
        }
    }
    let held = read_lock(&writes.reads(), lock).await?;
    tag_lock(writes, lock, &[(&tag(turned), UNDOING)]).await?;
    let told = Told { exec: exec.clone(), environment: told("undo", way) };
    writes.tasks().put(turned, Task::undo(runs, told, lock, lease(writes, &held), writes.clock()));
    Ok(())
}

/// A sign of life of this process was taken, which was sent then: its commands may go on.
pub fn renew(writes: &Writes, lock: &str, at: jiff::Timestamp) {
    for (_, task) in writes.tasks().all::<Task>().into_iter().filter(|(_, task)| task.lock == lock) {
        task.renew(at);
    }
}

/// Ends the commands of a move that another process has taken over.
pub async fn leave(writes: &Writes, lock: &str) {
    for (turned, task) in writes.tasks().all::<Task>().into_iter().filter(|(_, task)| task.lock == lock) {
        task.end().await;
        writes.tasks().end::<Task>(&turned);
    }
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

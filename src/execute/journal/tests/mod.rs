//! What a journal survives. What can hang or crash runs in a process of its own: this very executable, told by a variable what to do.

mod disk;
mod ground;
#[cfg(unix)]
mod pipes;
mod trimmed;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::execute::record::Outcome;
use crate::kinds::Key;

const PART: &str = "HOLDFAST_TEST_PART";
const STATE: &str = "HOLDFAST_TEST_STATE";

fn intent(step: &str) -> Event {
    Event::Intent {
        resource: Key::new("test.things", "one"),
        step: step.to_owned(),
        op: serde_json::json!({"set": 1}).into(),
        undo: false,
        attempt: 1,
        uses: None,
    }
}

fn write(journal: &Journal, events: Vec<Event>, durable: bool) -> Result<Vec<u64>, JournalError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(journal.append("run", "object", Timestamp::UNIX_EPOCH, events, durable))
}

/// A journal of `count` records in a folder.
fn journal(state: &Path, count: usize) {
    let opened = Journal::open(state, "test").unwrap();
    for batch in 0..count.div_ceil(50) {
        let events = (0..50.min(count - batch * 50)).map(|at| intent(&format!("step {batch}.{at} {}", "x".repeat(200)))).collect();
        write(&opened.journal, events, true).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

fn set_aside(state: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("journal.set-aside-")).collect()
}

fn begin(part: &str, state: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "execute::journal::tests::another_process", "--nocapture"])
        .env(PART, part)
        .env(STATE, state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the other process says, its lines with a mark.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("@@").map(|(_, said)| said.to_owned()))
}

/// Resident memory, as Linux tells it.
fn memory() -> String {
    let mut status = String::new();
    let _ = File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status));
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn say(what: impl std::fmt::Display) {
    println!("@@{what}");
}

/// Not a test of its own: what the other process does.
#[test]
fn another_process() {
    let (Ok(part), Ok(state)) = (std::env::var(PART), std::env::var(STATE)) else { return };
    let state = Path::new(&state);
    match part.as_str() {
        "hold" => {
            let _opened = Journal::open(state, "the other").unwrap();
            say("held");
            std::thread::sleep(Duration::from_secs(600));
        }
        "append" => {
            let opened = Journal::open(state, "the other").unwrap();
            for at in 0.. {
                let numbers = write(&opened.journal, vec![intent(&format!("{at}")), intent("and")], at % 3 != 0).unwrap();
                if at % 3 != 0 {
                    say(numbers.last().unwrap());
                }
            }
        }
        "open" => {
            let began = Instant::now();
            match Journal::open(state, "the other") {
                Ok(opened) => {
                    let took = began.elapsed().as_millis();
                    let aside = opened.set_aside.is_some();
                    write(&opened.journal, vec![intent("goes on")], true).unwrap();
                    say(format!("{took} {} {}", if aside { "aside" } else { "sound" }, opened.journal.records().unwrap().len()));
                }
                Err(error) => say(format!("{} refused {error}", began.elapsed().as_millis())),
            }
            // A thread that hangs must not keep the process: returning from main ends it.
            std::process::exit(0);
        }
        "fill" => {
            let opened = Journal::open(state, "the other").unwrap();
            let began = Instant::now();
            for at in 0..100_000 {
                match write(&opened.journal, vec![intent(&format!("{at} {}", "x".repeat(4000)))], true) {
                    Ok(numbers) => say(numbers.first().unwrap()),
                    Err(error) => {
                        say(format!("failed {error}"));
                        break;
                    }
                }
            }
            let failed = began.elapsed();
            drop(opened);
            say(format!("closed {}", (began.elapsed() - failed).as_millis()));
        }
        "figures" => {
            say(format!("before: {}", memory()));
            let opened = Journal::open(state, "the other").unwrap();
            let began = Instant::now();
            for _ in 0..20 {
                write(&opened.journal, vec![intent("a")], true).unwrap();
            }
            say(format!("a durable record {:?}", began.elapsed() / 20));
            let began = Instant::now();
            write(&opened.journal, (0..open::KEPT).map(|at| intent(&format!("{at} {}", "x".repeat(200)))).collect(), true).unwrap();
            say(format!("{} at once {:?}, {}", open::KEPT, began.elapsed(), memory()));
            drop(opened);
            let began = Instant::now();
            let opened = Journal::open(state, "the other").unwrap();
            say(format!("{}, opened again in {} ms", memory(), began.elapsed().as_millis()));
            drop(opened);
        }
        other => panic!("{other} is no part"),
    }
}

#[test]
fn reopening_goes_on_numbering_and_the_chain_holds() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4_u64 {
        let opened = Journal::open(folder.path(), "test").unwrap();
        assert!(opened.set_aside.is_none());
        let numbers = write(&opened.journal, vec![intent("a"), intent("b")], round % 2 == 0).unwrap();
        assert_eq!(numbers, [round * 2 + 1, round * 2 + 2]);
    }
    let records = Journal::read(folder.path(), "test").unwrap();
    assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert!(records.windows(2).all(|two| two[1].previous == crate::hex::sha256(serde_json::to_vec(&two[0]).unwrap())));
}

#[test]
fn only_the_newest_records_are_kept_and_reading_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let surplus = 7;
    let opened = Journal::open(folder.path(), "test").unwrap();
    write(&opened.journal, (0..open::KEPT + surplus).map(|_| Event::RunEnded { exit: 0 }).collect(), true).unwrap();
    drop(opened);
    assert_eq!(Journal::read(folder.path(), "test").unwrap().len(), open::KEPT + surplus);
    drop(Journal::open(folder.path(), "test").unwrap());
    let records = Journal::read(folder.path(), "test").unwrap();
    assert_eq!((records.len(), records[0].number), (open::KEPT, surplus as u64 + 1));
}

#[test]
fn a_second_one_is_told_who_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = begin("hold", folder.path());
    assert_eq!(lines(&mut child).next().as_deref(), Some("held"));
    let (writing, reading) = (Journal::open(folder.path(), "me").err().unwrap(), Journal::read(folder.path(), "me").err().unwrap());
    for text in [writing.to_string(), reading.to_string()] {
        assert!(text.contains(&format!("process {} (the other), since ", child.id())), "{text}");
    }
    // Whoever writes is warned of a second run; what is to be read stands in no other folder.
    assert!(writing.to_string().contains("two runs over one get in each other's way"), "{writing}");
    assert!(!reading.to_string().contains("--state-dir"), "{reading}");
    child.kill().unwrap();
    child.wait().unwrap();
    let here = Journal::open(folder.path(), "me").unwrap();
    assert!(matches!(Journal::open(folder.path(), "me too"), Err(JournalError::Held { holder, .. }) if holder.contains("(me)")));
    drop(here);
    assert!(Journal::open(folder.path(), "me").is_ok());
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=5_usize {
        let mut child = begin("append", folder.path());
        let said: Vec<u64> = lines(&mut child).take(10 * round).map(|number| number.parse().unwrap()).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = Journal::open(folder.path(), "test").unwrap();
        assert!(opened.set_aside.is_none(), "{:?}", opened.set_aside);
        let known: std::collections::BTreeSet<u64> = opened.journal.records().unwrap().iter().map(|record| record.number).collect();
        assert!(said.iter().all(|number| known.contains(number)), "round {round}: a record that was acknowledged is gone");
    }
}

/// Opens damaged copies, each in a process of its own, and answers with what each said.
fn open_all(states: &[PathBuf]) -> Vec<(u128, String, String)> {
    let mut answers = Vec::new();
    for some in states.chunks(4) {
        let children: Vec<Child> = some.iter().map(|state| begin("open", state)).collect();
        for mut child in children {
            let said = lines(&mut child).last().expect("it ended without a word: a panic came through");
            assert!(child.wait().unwrap().success());
            let mut words = said.splitn(3, ' ');
            let took = words.next().unwrap().parse().unwrap();
            answers.push((took, words.next().unwrap().to_owned(), words.next().unwrap_or_default().to_owned()));
        }
    }
    answers
}

/// Every damaged copy is as it was or set aside, within five seconds; nothing of it is deleted, and nothing is lost in silence.
fn judge(states: &[PathBuf], whole: usize) {
    let answers = open_all(states);
    assert_eq!(answers.last().map(|(_, how, _)| how.as_str()), Some("sound"), "the last is an undamaged copy");
    let mut sound = 0;
    let mut slowest = 0;
    for (state, (took, how, rest)) in states.iter().zip(&answers) {
        slowest = slowest.max(*took);
        assert!(*took < 5000, "{}: {took} ms", state.display());
        match how.as_str() {
            "sound" => {
                sound += 1;
                assert_eq!(rest, &(whole + 1).to_string(), "{}: records are gone, and nobody was told", state.display());
                assert!(set_aside(state).is_empty());
            }
            "aside" => {
                assert_eq!(rest, "1");
                assert!(set_aside(state)[0].join("sled/db").is_file());
            }
            other => panic!("{other} {rest}"),
        }
    }
    println!("{} tries: {sound} sound, {} set aside, the slowest {slowest} ms", states.len(), states.len() - sound);
}

#[test]
fn random_damage_is_found_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    journal(&whole, 600);
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let mut states = Vec::new();
    for seed in 0..44 {
        let state = folder.path().join(format!("damaged-{seed}"));
        copy(&whole, &state);
        let path = state.join("journal/sled/db");
        let mut bytes = std::fs::read(&path).unwrap();
        // What was written lies at the front; sled's file is longer than that.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        match seed % 4 {
            0 => {
                for _ in 0..2000 {
                    bytes[random.usize(..=used)] = random.u8(..);
                }
            }
            1 => {
                let at = random.usize(..used.saturating_sub(2000));
                random.fill(&mut bytes[at..at + 2000]);
            }
            2 => bytes[random.usize(..=used)] ^= 1 << random.u8(..8),
            _ => {
                for _ in 0..20 {
                    bytes[random.usize(..=used)] = random.u8(..);
                }
            }
        }
        std::fs::write(&path, bytes).unwrap();
        states.push(state);
    }
    states.push(whole);
    judge(&states, 600);
}

#[test]
fn a_truncated_journal_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    journal(&whole, 600);
    let length = std::fs::metadata(whole.join("journal/sled/db")).unwrap().len();
    let mut random = fastrand::Rng::with_seed(7);
    let lengths = [0, 1, 19, 20, 21, 4096, length / 2, length - 1].into_iter().chain((0..16).map(|_| random.u64(..length)));
    let mut states: Vec<PathBuf> = lengths
        .enumerate()
        .map(|(at, length)| {
            let state = folder.path().join(format!("short-{at}"));
            copy(&whole, &state);
            std::fs::OpenOptions::new().write(true).open(state.join("journal/sled/db")).unwrap().set_len(length).unwrap();
            state
        })
        .collect();
    states.push(whole);
    judge(&states, 600);
}

#[test]
fn a_missing_file_of_sled_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    journal(&whole, 60);
    for gone in ["journal/sled/db", "journal/sled/conf", "journal/sled"] {
        let state = folder.path().join(gone.replace('/', "-"));
        copy(&whole, &state);
        let path = state.join(gone);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap()
        } else {
            std::fs::remove_file(path).unwrap()
        }
        let opened = Journal::open(&state, "test").unwrap();
        assert!(opened.set_aside.is_some(), "{gone}");
        assert_eq!(opened.journal.records().unwrap(), []);
    }
    // The snapshot only spares sled work.
    let state = folder.path().join("snapshot");
    copy(&whole, &state);
    for entry in std::fs::read_dir(state.join("journal/sled")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("snap.") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    assert_eq!(Journal::open(&state, "test").unwrap().journal.records().unwrap().len(), 60);
}

#[test]
fn what_is_foreign_is_set_aside_whole() {
    type Put = fn(&Path);
    let cases: [(&str, Put, &str); 8] = [
        ("a file", |state| std::fs::write(state.join("journal"), "mine").unwrap(), ""),
        ("a folder", |state| put(state, "photos/one.jpg", "mine"), "photos/one.jpg"),
        ("a folder with a file db", |state| put(state, "db", "mine"), "db"),
        ("a damaged header", |state| put(state, "header.json", "{\"format\": \"hold"), "header.json"),
        ("another's header", |state| put(state, "header.json", "{\"format\": \"theirs\", \"version\": 99}"), "header.json"),
        (
            "a header that points elsewhere",
            |state| put(state, "header.json", "{\"format\":\"holdfast.dev/journal\",\"version\":1,\"data\":\"sled/../../x\"}"),
            "header.json",
        ),
        (
            "our header and a foreign db",
            |state| {
                put(state, "header.json", "{\"format\":\"holdfast.dev/journal\",\"version\":1,\"data\":\"sled\"}");
                put(state, "sled/db", "SQLite format 3 and more than twenty bytes");
            },
            "sled/db",
        ),
        (
            "no header any more",
            |state| {
                journal(state, 3);
                std::fs::remove_file(state.join("journal/header.json")).unwrap();
            },
            "sled/db",
        ),
    ];
    for (name, prepare, kept) in cases {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let below = |place: &Path| if kept.is_empty() { place.to_owned() } else { place.join(kept) };
        let before = std::fs::read(below(&folder.path().join("journal"))).unwrap();
        assert!(matches!(Journal::read(folder.path(), "test"), Err(JournalError::Damaged { .. })), "{name}");
        assert!(set_aside(folder.path()).is_empty(), "{name}: reading moved it");
        let opened = Journal::open(folder.path(), "test").unwrap();
        let (place, why) = opened.set_aside.as_ref().unwrap_or_else(|| panic!("{name} was taken for ours"));
        assert!(!why.is_empty());
        assert_eq!(std::fs::read(below(place)).unwrap(), before, "{name}");
        write(&opened.journal, vec![intent("a")], true).unwrap();
        drop(opened);
        assert_eq!(Journal::open(folder.path(), "test").unwrap().journal.records().unwrap().len(), 1, "{name}");
    }
}

fn put(state: &Path, path: &str, text: &str) {
    let path = state.join("journal").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_journal_that_was_only_half_begun_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "header.json.half", "{\"form");
    let opened = Journal::open(folder.path(), "test").unwrap();
    assert!(opened.set_aside.is_none());
}

#[test]
fn a_newer_journal_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "header.json", "{\"format\":\"holdfast.dev/journal\",\"version\":5,\"segments\":[]}");
    assert!(matches!(Journal::open(folder.path(), "test"), Err(JournalError::Newer { found: 5, .. })));
    assert!(set_aside(folder.path()).is_empty());
    // An older header with records of a newer holdfast, of a form that this one cannot know.
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path(), 2);
    let path = folder.path().join("journal/sled");
    let db = std::iter::repeat_with(|| sled::open(&path)).find_map(Result::ok).unwrap();
    db.insert(3_u64.to_be_bytes(), "{\"version\":7,\"number\":3,\"event\":\"dreamt\"}").unwrap();
    drop(db);
    assert!(matches!(Journal::open(folder.path(), "test"), Err(JournalError::Newer { found: 7, .. })));
    assert!(set_aside(folder.path()).is_empty());
}

#[test]
fn a_state_folder_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, "mine").unwrap();
    let text = Journal::open(&state, "test").err().unwrap().to_string();
    assert!(text.contains("cannot be written") && text.contains("--state-dir"), "{text}");
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "mine");
    assert!(Journal::open(&state.join("below"), "test").is_err());
    assert_eq!(Journal::read(&folder.path().join("nowhere"), "test").unwrap(), []);
    assert!(!folder.path().join("nowhere").exists(), "reading made a folder");
}

#[test]
fn the_past_is_what_is_still_open() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open(folder.path(), "test").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let append = |run: &str, object: &str, events: Vec<Event>| {
        runtime.block_on(opened.journal.append(run, object, Timestamp::UNIX_EPOCH, events, true)).unwrap()
    };
    let began = || Event::RunBegan { plan: String::new(), holdfast: String::new() };
    let done = |digest: &str| Event::StepDone {
        resource: Key::new("test.things", "one"),
        step: "a".to_owned(),
        digest: digest.to_owned(),
        undo: false,
    };
    append(
        "one",
        "a",
        vec![
            began(),
            Event::Consented {
                plan: "hash".to_owned(),
                steps: vec!["s1".to_owned(), "s2".to_owned()],
                of: Vec::new(),
                under_way: Default::default(),
            },
        ],
    );
    let first = append("one", "a", vec![intent("answered"), intent("lost")]);
    append("one", "a", vec![Event::Outcome { intent: first[0], outcome: Outcome::Acknowledged }, done("s1")]);
    let other = append("one", "b", vec![began(), intent("lost too")]);
    drop(opened);
    let opened = Journal::open(folder.path(), "test").unwrap();
    let numbers = |past: &Past| past.interrupted.iter().map(|record| record.number).collect::<Vec<_>>();
    assert_eq!(numbers(&opened.past), [first[1], other[1]]);
    assert_eq!(opened.past.consents[0].open, ["s2".to_owned()].into());
    // A later run over `a` alone has looked at `a` alone.
    runtime.block_on(opened.journal.append("two", "a", Timestamp::UNIX_EPOCH, vec![began()], false)).unwrap();
    runtime.block_on(opened.journal.append("two", "", Timestamp::UNIX_EPOCH, vec![Event::RunEnded { exit: 0 }], true)).unwrap();
    drop(opened);
    assert_eq!(numbers(&Journal::open(folder.path(), "test").unwrap().past), [other[1]]);
}

/// A consent to what is felt each time counts for one beginning: from before the request is sent, unless that is known not to have had an effect.
#[test]
fn a_consent_that_counts_for_one_beginning_is_used_up_by_the_intent() {
    let given_after = |outcome: Option<Outcome>| {
        let folder = tempfile::tempdir().unwrap();
        let opened = Journal::open(folder.path(), "test").unwrap();
        let consented = |plan: &str| Event::Consented {
            plan: plan.to_owned(),
            steps: vec!["s".to_owned()],
            of: Vec::new(),
            under_way: Default::default(),
        };
        write(&opened.journal, vec![consented("first")], true).unwrap();
        let uses = |event: Event| match event {
            Event::Intent { resource, step, op, .. } => {
                Event::Intent { resource, step, op, undo: false, attempt: 1, uses: Some("s".to_owned()) }
            }
            other => other,
        };
        let number = write(&opened.journal, vec![uses(intent("restart"))], true).unwrap()[0];
        write(&opened.journal, outcome.map(|outcome| Event::Outcome { intent: number, outcome }).into_iter().collect(), true).unwrap();
        write(&opened.journal, vec![consented("second")], true).unwrap();
        drop(opened);
        let past = Journal::open(folder.path(), "test").unwrap().past;
        past.consents.iter().map(|given| (given.open.len(), given.used_up.is_some())).collect::<Vec<_>>()
    };
    let text = String::new;
    for outcome in [None, Some(Outcome::Acknowledged), Some(Outcome::Unknown { code: text(), message: text() })] {
        assert_eq!(given_after(outcome.clone()), [(0, true), (1, false)], "{outcome:?}");
    }
    for outcome in [Outcome::NotSent, Outcome::Refused { code: text(), message: text() }] {
        assert_eq!(given_after(Some(outcome.clone())), [(1, false), (1, false)], "{outcome:?}");
    }
}

/// Prints what a journal costs: memory is that of a process of its own.
#[test]
fn figures() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = begin("figures", folder.path());
    let said: Vec<String> = lines(&mut child).collect();
    assert!(child.wait().unwrap().success());
    println!("{}", said.join("; "));
    let opening: u64 = said.last().unwrap().rsplit(' ').nth(1).unwrap().parse().unwrap();
    assert!(opening < 4000, "a sound journal was nearly given up: {opening} ms");
}

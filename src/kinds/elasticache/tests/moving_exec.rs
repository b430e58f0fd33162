//! Places that commands turn. They are real processes, beside the embedded AWS.

use std::path::Path;

use super::super::account::{Account, SECRET, TOKEN};
use super::{OLD, account, target};
use crate::exec::Allowed;
use crate::exec::tests::{ends, runs};
use crate::execute::End;
use crate::kinds::Reason;
use crate::kinds::elasticache::moving::{DEAD_AFTER, LEASE};
use crate::sandbox::{Options, Sandbox};

/// An account whose time runs fast, and does not jump: commands take time of the machine, and a process that is late by nine minutes has lost its lease.
fn fast(allowed: bool) -> Account {
    let world = account().sandbox.world();
    let options = Options { clock: crate::clock::Clock::scaled(100), ..Options::default() };
    let mut account = Account::on(Sandbox::new(world, options).unwrap());
    account.connect.exec = Allowed::by_flag(allowed);
    account
}

/// A place that is a file, and each command's script.
fn wish(folder: &Path, command: &str, undo: &str, check: bool) -> String {
    let script = |text: &str| format!("[sh, -c, {}]", serde_json::Value::from(format!("cd {}; {text}", folder.display())));
    let check = if check { format!(", check: {}", script("cat address")) } else { String::new() };
    format!(
        "{{name: huntaze-redis, atRestEncryption: {{enabled: true}}, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}},
          migration: {{approved: true, writeGap: Accept, keepOld: 2h, cutover: [{{exec: {{timeout: 30m, command: {}, undo: {}{check}}}}}]}}}}",
        script(command),
        script(undo)
    )
}

const WRITES: &str = "echo \"$HOLDFAST_STEP\" >> steps; env > told-$HOLDFAST_STEP; echo \"$HOLDFAST_ADDRESS\" > address";
const HOST: &str = "huntaze-redis.6bf2a7.ng.0001.use1.cache.amazonaws.com:6379";

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("address"), format!("{HOST}\n")).unwrap();
    folder
}

fn read(folder: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_turn_a_place_and_are_given_everything_but_the_token() {
    for check in [true, false] {
        let folder = place();
        let wish = wish(folder.path(), WRITES, WRITES, check);
        let account = fast(true);
        let outcomes = account.apply(&wish).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
        let (new, told) = (target(&account), read(&folder, "told-turn"));
        assert!(read(&folder, "address").starts_with(&format!("master.{new}.")), "{}", read(&folder, "address"));
        assert_eq!(read(&folder, "steps"), "turn\n", "it is run once");
        for line in [
            "HOLDFAST_STEP=turn",
            "HOLDFAST_TLS=true",
            &format!("HOLDFAST_FROM={HOST}"),
            &format!("HOLDFAST_TOKEN_SECRET_ARN={SECRET}"),
            "HOLDFAST_TOKEN_SECRET_KEY=token",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
        assert!(!told.contains(TOKEN), "{told}");
        assert!(account.planned(&wish).await.steps.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_turns_back_and_its_undo_is_run_until_it_is_done() {
    for check in [true, false] {
        let folder = place();
        // Half done, and then it fails; the undo fails the first time.
        let command = format!("{WRITES}; echo 'no such thing' >&2; exit 7");
        let undo = format!("[ -e tried ] || {{ touch tried; exit 1; }}; {WRITES}");
        let account = fast(true);
        let outcomes = account.apply(&wish(folder.path(), &command, &undo, check)).await;
        let End::RolledBack { .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
        let said = format!("{:?}", outcomes.resources[0].end);
        assert!(said.contains("sh ended with exit code 7: no such thing"), "{said}");
        assert_eq!((read(&folder, "address"), read(&folder, "steps")), (format!("{HOST}\n"), "turn\nundo\n".to_owned()));
        assert!(read(&folder, "told-undo").contains(&format!("HOLDFAST_ADDRESS={HOST}\n")));
        assert_eq!(account.sandbox.world().elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
    }
}

#[tokio::test]
async fn without_leave_nothing_is_run() {
    let folder = place();
    let wish = wish(folder.path(), WRITES, WRITES, true);
    let account = fast(false);
    for _ in 0..2 {
        let plan = account.planned(&wish).await;
        assert_eq!((plan.steps.len(), plan.blocks.first().map(|block| block.reason)), (0, Some(Reason::NotSupported)), "{plan:#?}");
        let message = &plan.blocks[0].message;
        assert!(
            message.starts_with("the place of the command sh -c ") && message.ends_with("which run only where --allow-exec says so"),
            "{message}"
        );
        let outcomes = account.apply(&wish).await;
        assert!(matches!(outcomes.resources[0].end, End::Blocked { .. }), "{:#?}", outcomes.resources[0]);
    }
    assert_eq!(read(&folder, "steps"), "");
}

/// What names neither group, or does not end well, is not known: nothing is begun on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_does_not_tell_blocks() {
    let folder = place();
    let wish = wish(folder.path(), WRITES, WRITES, true);
    let account = fast(true);
    for (address, expected) in [("elsewhere:6379", "`check` prints the address of neither group"), ("", "sh ended with exit code 1")] {
        match address {
            "" => std::fs::remove_file(folder.path().join("address")).unwrap(),
            address => std::fs::write(folder.path().join("address"), address).unwrap(),
        }
        let plan = account.planned(&wish).await;
        assert!(plan.blocks.iter().all(|block| block.reason == Reason::Unreadable && block.message.contains(expected)), "{plan:#?}");
        assert_eq!((plan.steps.len(), plan.blocks.len()), (0, 1));
    }
    assert_eq!(read(&folder, "steps"), "");
}

/// A process that ends in the middle of a command leaves the note that it was begun: the next one runs it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_cut_off_is_run_again() {
    let folder = place();
    let command = format!("{WRITES}; [ -e again ] || {{ touch again; sleep 300; }}");
    let wish = wish(folder.path(), &command, WRITES, false);
    let account = fast(true);
    let runs = |said: &crate::execute::Said| format!("{said:?}").contains("the command, which runs for");
    account.apply_until(&wish, |said| runs(said) && !read(&folder, "steps").is_empty()).await;
    assert_eq!(read(&folder, "steps"), "turn\n");
    let outcomes = account.apply(&wish).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(read(&folder, "steps"), "turn\nturn\n");
}

/// Another process takes the move over from one that is silent, and finds none of its commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_gone_before_another_process_takes_the_move_over() {
    let folder = place();
    let command = format!("{WRITES}; [ -e again ] || {{ touch again; echo $$ > pid.new; mv pid.new pid; sleep 300; }}");
    let wish = wish(folder.path(), &command, WRITES, false);
    let account = fast(true);
    let process = crate::reconcile::connected(&account.baseline(&wish), &account.connect).await.unwrap();
    account.apply_in(&process, &wish, |_| folder.path().join("pid").exists()).await;
    // It makes no pass any more, and lives: nothing is dropped.
    let pid = read(&folder, "pid");
    let clock = account.sandbox.clock();
    assert!(runs(&pid));
    clock.advance(LEASE);
    assert!(ends(&pid));
    clock.advance(DEAD_AFTER);
    let mut other = account.another("two:2");
    other.connect.exec = Allowed::by_flag(true);
    let outcomes = other.apply(&wish).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(read(&folder, "steps"), "turn\nturn\n");
    // The first one wakes, and leaves the move alone.
    let plan = account.planned(&wish).await;
    assert!(plan.steps.is_empty(), "{plan:#?}");
    drop(process);
}

/// What this process finds out in a pass it does at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_ended_where_another_process_holds_the_lock() {
    let folder = place();
    let wish = wish(folder.path(), &format!("{WRITES}; echo $$ > pid.new; mv pid.new pid; sleep 300"), WRITES, false);
    let account = fast(true);
    let taken = async {
        while !folder.path().join("pid").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let now = account.sandbox.clock().now().to_string();
        account.sandbox.edit(|world| {
            for (_, lock) in world.elasticache.parameter_groups.iter_mut().filter(|(name, _)| name.starts_with("holdfast-move-")) {
                lock.tags.insert("holdfast.dev/holder".to_owned(), "two:2".to_owned());
                lock.tags.insert("holdfast.dev/beat".to_owned(), now.clone());
            }
        });
    };
    let (outcomes, ()) = tokio::join!(account.apply(&wish), taken);
    assert!(ends(&read(&folder, "pid")));
    let said = format!("{:?}", outcomes.resources[0].end);
    assert!(said.contains("two:2 moves it"), "{said}");
    assert_eq!(read(&folder, "steps"), "turn\n", "what the other one has to undo was undone here");
}

//! A live move whose clients are turned by commands: what they read is a file.

use std::path::Path;
use std::sync::Arc;

use super::back::{ask_of, process};
use super::*;
use crate::exec::Allowed;
use crate::exec::tests::{ends, runs};

/// What a client reads there: whether TLS is spoken, and where. The token it has from elsewhere, as holdfast gives it to no command.
fn url(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("address")).unwrap();
    match text.trim().split_once(' ') {
        Some(("true", address)) => format!("rediss://:{TOKEN}@{address}/0"),
        Some((_, address)) => format!("redis://{address}/0"),
        None => String::new(),
    }
}

const WRITES: &str = "echo $HOLDFAST_STEP >> steps; echo $HOLDFAST_TLS $HOLDFAST_ADDRESS > new; mv new address";

struct Ground {
    folder: tempfile::TempDir,
    account: Account,
    application: Application,
}

impl Ground {
    async fn new() -> Option<Ground> {
        let mut account = account(FLAT)?;
        account.connect.exec = Allowed::by_flag(true);
        let folder = tempfile::tempdir().unwrap();
        let (host, port) = address(&account).await;
        std::fs::write(folder.path().join("address"), format!("false {host}:{port}\n")).unwrap();
        let path = folder.path().to_owned();
        let application = Application::reading(&account, 4, Duration::from_millis(1), Arc::new(move || url(&path)));
        application.writes_more(200).await;
        Some(Ground { folder, account, application })
    }

    /// Turned by this command.
    fn wish(&self, command: &str) -> String {
        let script = |text: &str| format!("[sh, -c, {}]", serde_json::Value::from(format!("cd {}; {text}", self.folder.path().display())));
        wish_at(&format!("{{exec: {{command: {}, undo: {}, check: {}}}}}", script(command), script(WRITES), script("cat address")))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    async fn loses_nothing(self) {
        self.application.writes_more(200).await;
        assert_eq!(self.application.lost(&self.account).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_a_command_turns_clients_there_and_back_after_the_commit() {
    let Some(ground) = Ground::new().await else { return };
    let (account, wish) = (&ground.account, ground.wish(WRITES));
    let process = process(account).await;
    let outcomes = account.apply_in(&process, &wish, |_| false).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert!(url(ground.folder.path()).starts_with("rediss://"), "{}", ground.read("address"));
    ground.application.writes_more(200).await;
    ask_of(account, &process, &wish, false).await;
    let outcomes = account.apply_in(&process, &wish, |_| false).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert_eq!(ground.read("steps"), "turn\nundo\n", "each is run once");
    has_only_the_old_group(account);
    assert!(url(ground.folder.path()).starts_with("redis://"));
    ground.loses_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_a_command_fails_after_it_has_turned_clients() {
    let Some(ground) = Ground::new().await else { return };
    let outcomes = ground.account.apply(&ground.wish(&format!("{WRITES}; sleep 1; exit 7"))).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert_eq!(ground.read("steps"), "turn\nundo\n");
    has_only_the_old_group(&ground.account);
    ground.loses_nothing().await;
}

/// Clients were turned, and the command goes on: it ends with the process that began it, and another one turns them back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_the_process_ends_while_its_command_runs() {
    let Some(ground) = Ground::new().await else { return };
    let wish = ground.wish(&format!("{WRITES}; echo $$ > pid.new; mv pid.new pid; sleep 300"));
    let pid = || ground.read("pid");
    ground.account.apply_until(&wish, |_| !pid().is_empty()).await;
    assert!(!pid().is_empty() && ends(&pid()) && !runs(&pid()));
    let outcomes = ground.account.apply(&wish).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert_eq!(ground.read("steps"), "turn\nundo\n");
    has_only_the_old_group(&ground.account);
    ground.loses_nothing().await;
}

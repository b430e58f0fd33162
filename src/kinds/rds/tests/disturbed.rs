//! One fault at every write of a run, and at the read after it: the next run reaches the same end, with an empty journal, and makes nothing twice.

use std::time::Duration;

use super::pipeline::{Account, BARE};
use crate::execute::End;
use crate::kinds::testing::one_in;
use crate::sandbox::faults::{Fault, Faults};

const WISH: &str = "
    - name: db
      parameters: {rds.force_ssl: 1}
      backupRetentionDays: 7
      deletionProtection: true
      tags: {team: data}
";

#[tokio::test]
async fn after_any_single_fault_the_next_run_reaches_the_same_end() {
    let undisturbed = Account::new(BARE);
    undisturbed.apply(WISH).await;
    let writes: Vec<u64> = undisturbed.sandbox.writes().iter().map(|write| write.number).collect();
    assert!(writes.len() >= 6, "{writes:?}");
    // A write that may or may not have been applied, a process that ended on either side of it, and the reads after it that lag.
    let cases = [(Fault::CutBefore, 0), (Fault::CutAfter, 0), (Fault::EndBefore, 0), (Fault::EndAfter, 0), (Fault::StaleRead, 1)];
    for (fault, later) in cases {
        for number in one_in(10, writes.clone()).into_iter().map(|number| number + later) {
            let account = Account::with(BARE, Faults::once(number, fault.clone()));
            tokio::select! {
                _ = account.apply(WISH) => {}
                _ = account.sandbox.ended() => {}
            }
            let next = account.next();
            next.sandbox.clock().advance(Duration::from_secs(30));
            next.apply(WISH).await;
            next.in_sync(WISH).await;
            let world = next.sandbox.world();
            let groups: Vec<&String> = world.rds.parameter_groups.keys().collect();
            assert_eq!(groups, ["holdfast-db-postgres14"], "{fault:?} at {number}");
            assert_eq!(next.in_force("db", "rds.force_ssl").as_deref(), Some("1"), "{fault:?} at {number}");
        }
    }
}

/// A group that is not on show for a moment is not taken for complete: attached too early, the restart would leave it out of force.
#[tokio::test]
async fn a_run_comes_to_its_end_whichever_single_read_is_stale() {
    let wish = "    - {name: db, parameters: {rds.force_ssl: 1}}";
    let undisturbed = Account::new(BARE);
    undisturbed.apply(wish).await;
    let calls = undisturbed.sandbox.calls();
    assert!(calls > 20, "{calls}");
    for number in one_in(4, (1..=calls).collect()) {
        let account = Account::with(BARE, Faults::once(number, Fault::StaleRead));
        let outcomes = account.apply(wish).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "a stale read at {number}, after {:?}", outcomes.resources[0].done);
        assert_eq!(account.in_force("db", "rds.force_ssl").as_deref(), Some("1"), "a stale read at {number}");
        let restarts = account.writes().iter().filter(|name| *name == "RebootDBInstance").count();
        assert_eq!(restarts, 1, "a stale read at {number}");
    }
}

/// Somebody gave the instance its group before that was complete: the restart leaves it out of force. It is not waited for until the deadline, and what
/// it needs yet is planned anew.
#[tokio::test]
async fn a_restart_that_did_not_put_the_group_in_force_is_followed_by_another() {
    let account = Account::new(
        "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team}
  parameterGroups:
    team: {family: postgres14, parameters: {rds.force_ssl: '0'}}
",
    );
    let soon = crate::clock::later(account.sandbox.clock().now(), Duration::from_secs(250));
    account.sandbox.edit(|world| world.rds.parameter_groups.get_mut("team").unwrap().complete_at = Some(soon));
    let wish = "    - {name: db, parameters: {rds.force_ssl: 1}}";
    let began = account.sandbox.clock().now();
    let outcomes = account.apply(wish).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "after {:?}", outcomes.resources[0].done);
    assert_eq!(account.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
    let took = account.sandbox.clock().now().duration_since(began);
    assert!(took.as_mins() < 30, "{took:?}");
}

//! One fault at every call of a run: the next run reaches the same end, with an empty journal, and makes nothing twice.

use std::time::Duration;

use super::pipeline::{Account, BARE};
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
    let calls = undisturbed.sandbox.calls();
    assert!(calls > 20);
    for fault in
        [Fault::CutBefore, Fault::CutAfter, Fault::Throttle, Fault::ServerError, Fault::StaleRead, Fault::EndBefore, Fault::EndAfter]
    {
        for number in 1..=calls {
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

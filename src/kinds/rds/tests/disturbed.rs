//! One fault at every write of a run, and at the read after it: the next run reaches the same end, with an empty journal, and makes nothing twice.

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
    let writes: Vec<u64> = undisturbed.sandbox.writes().iter().map(|write| write.number).collect();
    assert!(writes.len() >= 6, "{writes:?}");
    // A write that may or may not have been applied, a process that ended on either side of it, and the reads after it that lag.
    let cases = [(Fault::CutBefore, 0), (Fault::CutAfter, 0), (Fault::EndBefore, 0), (Fault::EndAfter, 0), (Fault::StaleRead, 1)];
    for (fault, later) in cases {
        for number in writes.iter().map(|number| number + later) {
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

//! How long things take. Typical lengths of small instances, from the RDS user guide where it names one and from
//! what users report otherwise; a test that needs other lengths moves the clock.

use std::time::Duration;

/// A new instance is `creating` for about ten minutes.
pub const CREATE: Duration = minutes(10);
/// A modify is accepted at once, but the instance still says `available` for some seconds before it says `modifying`:
/// whoever only looks at the status right after the call believes that all is done.
pub const MODIFY_STARTS_AFTER: Duration = Duration::from_secs(15);
/// A change of class, storage, Multi-AZ or certificate.
pub const MODIFY: Duration = minutes(5);
/// A change that touches neither host nor volume: log exports, monitoring, Performance Insights, public access.
pub const MODIFY_BRIEFLY: Duration = minutes(1);
/// A new engine version, the restart and the pre-upgrade backup included.
pub const UPGRADE: Duration = minutes(15);
pub const REBOOT: Duration = minutes(1);
/// A reboot with failover waits for DNS, too.
pub const FAILOVER: Duration = minutes(2);
pub const START: Duration = minutes(5);
pub const STOP: Duration = minutes(3);
pub const DELETE: Duration = minutes(4);
/// The first backup after a creation, or after backups were turned on.
pub const BACKUP: Duration = minutes(3);
/// "Storage optimization can take several hours" (user guide, "Working with storage"); no second storage change meanwhile.
pub const STORAGE_OPTIMIZATION: Duration = minutes(6 * 60);
/// How long a newly attached parameter group, or one whose dynamic parameters changed, is `applying`.
pub const APPLY_PARAMETERS: Duration = Duration::from_secs(30);
/// A new parameter group is complete only "at least 5 minutes" after its creation (CreateDBParameterGroup).
pub const GROUP_COMPLETE: Duration = minutes(5);

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

//! Moving a group into a new one: what cannot be changed where it is (encryption at rest, TLS on an old engine) is had by a snapshot, a restore, and
//! clients that are turned to the new address.
//!
//! Where a move stands is read from AWS, never from memory: from the lock (a cache parameter group that can exist once), the target, its tags and the
//! snapshot, all under names that follow from the group's own. A move goes forward until something fails or a person says otherwise; then the lock's tag
//! says `back`, and from that moment on only the way back is planned. After the commit there is a way back on command alone: see `lock::Return`.

mod agreed;
mod check;
mod command;
mod fence;
mod figures;
mod grants;
mod judge;
mod live;
mod lock;
mod names;
mod nodes;
mod observe;
mod op;
mod places;
mod plan;
mod preflight;
pub(super) mod reference;
mod report;
mod returning;
mod seen;
mod settings;
mod start;
mod way_back;
mod wish;

pub use check::{check, tend};
pub use command::{Move, MoveCommand, MovePhase, MoveStatus, PlaceStatus};
pub use figures::{Figures, amount, length, size};
pub use observe::{named, observe, serving};
pub use op::MoveOp;
pub use plan::{arn_of, ends_serving, notes, plan};
pub use preflight::{is_needed, preflight};
pub use report::Report;
pub use seen::{Moving, Stand};
pub use start::start;

use std::time::Duration;

/// On the target, from the commit on: the logical name that it serves.
pub const SERVES_TAG: &str = "holdfast.dev/serves";
/// On the target, from the commit on: when it began to serve, RFC 3339.
pub const SERVES_SINCE_TAG: &str = "holdfast.dev/serves-since";
/// On the target, from the commit until it was let go: its writes are held.
pub const HELD_TAG: &str = "holdfast.dev/held";
/// On what a move made, until it serves: the move, by its target's id. What serves does not carry it, so that no way back can take it for debris.
pub const MOVE_TAG: &str = "holdfast.dev/move";
/// On the source, when a move was taken back: which one, and why. No other is begun while it stands there.
pub const GIVEN_UP_TAG: &str = "holdfast.dev/move-given-up";
/// On the source, beside that: the epoch of the move, so that the next one has names of its own.
pub const EPOCH_TAG: &str = "holdfast.dev/move-epoch";
/// On the source, after the soak: what serves in its place.
pub const REPLACED_TAG: &str = "holdfast.dev/replaced-by";

/// How often a restore is tried, each time with a snapshot of its own.
pub const ATTEMPTS: u32 = 3;
/// How often whoever moves says that it is alive.
pub const BEAT: Duration = Duration::from_secs(60);
/// For how long it may act without having said so: by then nobody takes it for dead, even where the clocks of two machines are both as wrong as AWS
/// tolerates (five minutes), one of them each way. [AWS documentation, "Signature Version 4": request timestamps]
pub const LEASE: Duration = Duration::from_secs(9 * 60);
/// After which a holder that was not heard of is taken for dead: its lease, the difference of two clocks, and a request on its way.
pub const DEAD_AFTER: Duration = Duration::from_secs(20 * 60);
/// How long whoever takes a move over waits to see whether another one did at the same time: longer than tags take to be shown, and than a request.
pub const SETTLING: Duration = Duration::from_secs(60);
/// `migration.restoreTimeout` where it is left out.
pub const RESTORE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// `migration.freezeBudget` where it is left out.
pub const FREEZE_BUDGET: Duration = Duration::from_secs(240);
/// In the soak, between two looks at the old group.
pub const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// `migration.keepOld` where it is left out.
pub const KEEP_OLD: Duration = Duration::from_secs(24 * 3600);

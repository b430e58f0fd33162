//! Replication groups.

mod create;
mod describe;
mod modify;
mod nodes;

pub use create::create;
pub use describe::{describe, log_deliveries};
pub use modify::modify;
pub use nodes::{decrease, delete, increase, test_failover};

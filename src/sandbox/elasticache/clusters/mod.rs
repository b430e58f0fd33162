//! Cache clusters: standalone ones, and the members of replication groups as clients read them.

mod describe;
mod standalone;

pub use describe::describe;
pub use standalone::{create, delete, modify, reboot};

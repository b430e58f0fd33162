//! One node, as it is asked: a pinned connection that says its name, notes who answers, and never connects again by itself.

mod info;
mod link;
#[cfg(test)]
pub mod moments;
mod payload;

pub use info::{CommandStats, Info};
pub use link::{Endpoint, Identity, Link, Login, Name, Pushes, Role, Tls, WireError};
pub use payload::{Shape, shape, version};

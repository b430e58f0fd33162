//! One node, as it is asked: pinned connections that say their name, note who answers, and never connect again by themselves. [`Link`] is for questions of
//! every kind and for pushes, [`Bulk`] for keys and values by the thousand.

mod answers;
mod bulk;
mod info;
mod link;
#[cfg(test)]
pub mod moments;
mod payload;
mod stream;

pub use answers::{Answer, Answers, Ask};
pub use bulk::{Bulk, refused, strange};
pub use info::{CommandStats, Info};
pub use link::{Endpoint, Identity, Link, Login, Name, Pushes, Role, Tls, WireError};
pub use payload::{Shape, shape, version};

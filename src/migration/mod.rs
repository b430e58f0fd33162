//! Moving a live Redis into a group that is encrypted, without losing a write that was acknowledged.
//!
//! ```text
//! wire -> copy (catch up), hold (freeze, prove) -> mover (cut over, commit or undo, and the way back)
//! ```
//!
//! Nothing here knows AWS: it speaks to the nodes of two groups, and is told which they are. What AWS has to do with a migration (snapshot, restore,
//! fence, retire) are steps of [`crate::kinds::elasticache`].
//!
//! The promise: every write acknowledged by, and surviving on, the source's primary at the freeze is on the target, unless it expired or was evicted;
//! likewise on the way back. "Rule 4" in a comment is the rule of that number in README's account of the protocol.

pub mod copy;
pub mod hold;
pub mod lease;
pub mod mover;
pub mod side;
pub mod slot;
pub mod wire;

#[cfg(all(test, feature = "sandbox"))]
mod tests;

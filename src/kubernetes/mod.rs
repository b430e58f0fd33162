//! The outside: API servers of Kubernetes clusters, where clients of a data store read its address.
//!
//! The command line says which [`Clusters`] may be spoken to, and none is before a declared place asks for it.
//!
//! Split by type as the clients of AWS are: [`Reads`] has no way to a changing request (contract 3), and [`Writes`] is had from
//! [`crate::aws::Writes`] alone. Which cluster it is stands in the plan ([`Cluster`]); one that leads elsewhere is refused.
//!
//! Requests are made and answers are parsed here, over kube's client: its own typed API writes answers into the log where it cannot parse them, and the
//! answers hold secrets.

mod client;
mod entry;
mod find;
mod resource;
mod rollout;

pub use client::{Reads, Writes};
pub use entry::{Change, Entry, Held};
pub use find::{Cluster, Clusters};
pub use resource::{FIND, Object, Resource};
pub use rollout::{RESTARTED_AT, Rollout, Workload};

#[cfg(test)]
pub(crate) mod tests;

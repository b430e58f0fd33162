//! The kinds of AWS resources: one file or folder each, one line each in [`registry`].

pub(crate) mod back;
mod basis;
mod bounded;
pub mod cloudtrail;
pub mod elasticache;
mod erased;
mod fact;
#[cfg(test)]
pub(crate) mod fake;
mod field;
pub mod guardduty;
mod kind;
mod kms;
mod operation;
pub mod rds;
pub mod s3;
mod step;
mod tags;
#[cfg(all(test, feature = "sandbox"))]
pub(crate) mod testing;

pub use basis::Basis;
pub use bounded::bounded;
pub use erased::{AnyKind, AnySeen, AnySpec, Compared, FieldDoc, StartError, Wish, place, registry};
pub use fact::{Fact, Unreadable, Why};
pub use field::{Control, Field, Rule, Shape};
pub use kind::{
    Candidate, Contribution, FactSet, Key, Kind, KindPeers, Multiplicity, Need, Peers, Planning, Scope, Selector, SpecProblem, Target,
    is_within,
};
pub use operation::Operation;
pub use step::{Block, Drift, Impact, Once, Progress, Reason, Room, Step, Steps, few};

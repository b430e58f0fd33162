//! Carrying a plan out: the executor and its journal.

mod interrupt;
mod journal;
mod order;
mod outcome;
mod planned;
pub mod record;
mod run;
mod work;

#[cfg(test)]
mod tests;

pub use interrupt::Interrupt;
pub use journal::{Given, Journal, JournalError, Moment, Opened, Past};
pub use outcome::{Counts, End, FailedAt, Outcomes, ResourceOutcome, UnderWay};
pub use run::{Execution, Said, Stopped};

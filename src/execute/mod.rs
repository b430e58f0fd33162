//! Carrying a plan out: the executor and its journal.

mod interrupt;
mod journal;
mod order;
mod outcome;
pub mod record;
mod run;
mod work;

#[cfg(test)]
mod tests;

pub use interrupt::Interrupt;
pub use journal::{Given, Journal, JournalError, Opened, Past};
pub use outcome::{End, Outcomes, ResourceOutcome};
pub use run::{Execution, Said, Stopped};

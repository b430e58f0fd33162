//! Comparison, steps and progress from facts; whole runs against the embedded AWS in `pipeline`, ends of the process in `crashes`.

#[cfg(feature = "sandbox")]
mod account;
#[cfg(feature = "sandbox")]
mod blind;
#[cfg(feature = "sandbox")]
mod crashes;
mod facts;
#[cfg(feature = "sandbox")]
mod gate;
#[cfg(feature = "sandbox")]
mod invariants;
#[cfg(feature = "sandbox")]
mod moving;
#[cfg(feature = "sandbox")]
mod moving_live;
#[cfg(feature = "sandbox")]
mod pipeline;
#[cfg(feature = "sandbox")]
mod sleeper;
#[cfg(feature = "sandbox")]
mod wrong;

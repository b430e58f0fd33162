//! Comparison, steps and progress from facts; whole runs in `pipeline`.

#[cfg(feature = "sandbox")]
mod pipeline;

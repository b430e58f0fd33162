//! Carrying a plan out: the executor and its journal.

/// placeholder, replaced below
pub struct Journal {}

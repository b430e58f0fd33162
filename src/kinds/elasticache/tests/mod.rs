//! The kind against facts, and against the embedded AWS.

//! The protocol on real servers, rule by rule.

mod copy_first;
mod servers;

//! The protocol on real servers, rule by rule.

mod copy_catching_up;
mod copy_connections;
mod copy_first;
mod proxy;
mod servers;

//! The protocol on real servers, rule by rule.

mod copy_back;
mod copy_catching_up;
mod copy_commands;
mod copy_connections;
mod copy_engines;
mod copy_first;
mod copy_target;
mod copy_unpushed;
mod proxy;
pub mod servers;

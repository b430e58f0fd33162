//! Real Redis servers: a `redis-server` process for each node of the sandbox's groups, on loopback.
//!
//! ```text
//! wanted        what the account asks for, of nodes and snapshots
//! fleet         follows it: groups -> nodes -> servers, one process each
//! endpoint      what clients connect to: TLS, who is let in, the present primary
//! ```
//!
//! Every node and endpoint has an address of its own in 127.0.0.0/8, so that the ports are those of the account. Behind its endpoint a server takes
//! plain connections of an administrator with a random password, and of the users that the group's tokens make.

mod access;
mod addresses;
mod admin;
mod change;
mod cluster;
mod endpoint;
mod error;
mod fleet;
mod group;
mod network;
mod node;
mod programs;
mod reshard;
mod seed;
mod server;
mod snapshots;
mod tls;
pub mod wanted;

#[cfg(test)]
mod tests;

pub use addresses::{Addresses, configuration, primary, reader};
pub use endpoint::for_holdfast;
pub use error::FleetError;
pub use fleet::{Fleet, Trouble};
pub use network::Network;
pub use server::{Server, ServerError, ServerOptions, program};

//! Real Redis servers: a `redis-server` process for each node of the sandbox's groups, on loopback.

mod server;

pub use server::{Server, ServerError, ServerOptions, program};

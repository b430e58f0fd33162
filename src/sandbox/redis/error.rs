//! What keeps servers from doing what is asked.

use std::time::Duration;

use super::server::ServerError;

/// Why the servers are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(
        "the account asks for real Redis servers, and there is no redis-server: install it (apt-get install redis-server), or name it in \
         HOLDFAST_REDIS_SERVER"
    )]
    NoProgram,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{node}: {why}")]
    Start { node: String, why: ServerError },
    #[error("{node} refuses {command}: {why}")]
    Refused { node: String, command: String, why: String },
    #[error("{what} did not come to pass within {} s", limit.as_secs())]
    TooLong { what: String, limit: Duration },
    #[error("certificates: {0}")]
    Certificate(String),
    #[error("no address of 127.0.0.0/8 is free for {0}")]
    Address(String),
    #[error("there is no data in snapshot {0}")]
    NoSnapshot(String),
    #[error("there is no running node {0}")]
    NoNode(String),
    #[error("a snapshot of {from} shards cannot be restored into {to}")]
    Shards { from: usize, to: usize },
}

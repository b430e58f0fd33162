//! The outside: AWS, through its SDK.
//!
//! [`Reads`] holds only the reading side of every client; whoever has nothing else cannot write (contract 3). [`Writes`] is had from
//! a journal alone. Each operation that holdfast may send stands once, in `operations`, with its IAM action.

mod budget;
mod call;
mod connect;
mod endpoint;
mod error;
mod memo;
mod operations;
mod profile;
mod provider;
mod region;
mod secret;
mod tasks;
mod trust;

pub use budget::Pace;
pub use call::{Call, Service};
pub use connect::{AccountError, ConnectOptions, Connection, Role, connect};
pub use endpoint::named as named_endpoint;
pub use error::{CallError, Class};
pub use operations::{CREATE_BUCKET_WITH_TAGS, GET_PARAMETER, GET_RANDOM_PASSWORD, GET_SECRET_VALUE, Reads, Writes, calls, pages};
pub use secret::{clean, clean_panics, remember, reveal_nothing};

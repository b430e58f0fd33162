//! The sandbox's own commands to a node: as its administrator, past the endpoint, a connection each. Users may end connections and the sandbox's
//! among them, so that none is kept.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use redis::{Client, Cmd, Connection, ConnectionAddr, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo, RedisError};

use super::access::ADMIN;
use super::error::FleetError;

/// How long a command may take.
const ANSWER: Duration = Duration::from_secs(150);
/// How long a state may take to come about: a replica of a large primary, a saved file.
pub const STATE: Duration = Duration::from_secs(120);
/// How much of an error is told: a pipeline's has a line a command.
const MESSAGE: usize = 200;
/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A node, as its administrator reaches it.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The node's name, for errors.
    pub node: String,
    pub at: SocketAddrV4,
    password: String,
}

impl Admin {
    pub fn new(node: &str, ip: Ipv4Addr, port: u16, password: &str) -> Admin {
        Admin { node: node.to_owned(), at: SocketAddrV4::new(ip, port), password: password.to_owned() }
    }

    /// A connection, logged in.
    pub fn connect(&self) -> Result<Connection, FleetError> {
        let failed = |error: RedisError| self.refused("a connection", &error);
        let login = RedisConnectionInfo::default().set_username(ADMIN).set_password(&self.password).set_skip_set_lib_name();
        let address = ConnectionAddr::Tcp(self.at.ip().to_string(), self.at.port());
        let info = address.into_connection_info().map_err(failed)?.set_redis_settings(login);
        let connection = Client::open(info).and_then(|client| client.get_connection_with_timeout(ANSWER)).map_err(failed)?;
        connection.set_read_timeout(Some(ANSWER)).map_err(failed)?;
        Ok(connection)
    }

    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, FleetError> {
        let mut connection = self.connect()?;
        self.ask_on(&mut connection, words)
    }

    pub fn ask_on<T: FromRedisValue>(&self, connection: &mut Connection, words: &[&str]) -> Result<T, FleetError> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        // Of the command only its name: the rest may be a password.
        command.query(connection).map_err(|error| self.refused(words.first().unwrap_or(&""), &error))
    }

    pub fn refused(&self, command: &str, error: &RedisError) -> FleetError {
        FleetError::Refused { node: self.node.clone(), command: command.to_owned(), why: error.to_string().chars().take(MESSAGE).collect() }
    }

    /// A line of INFO.
    pub fn info(&self, section: &str, line: &str) -> Result<Option<String>, FleetError> {
        let text: String = self.ask(&["INFO", section])?;
        let value = text.lines().find_map(|found| found.trim_end().strip_prefix(line)?.strip_prefix(':').map(str::to_owned));
        Ok(value)
    }

    /// Waits until `is` says so.
    pub fn wait(&self, what: &str, is: impl Fn() -> Result<bool, FleetError>) -> Result<(), FleetError> {
        let began = Instant::now();
        while began.elapsed() < STATE {
            if is()? {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(FleetError::TooLong { what: format!("{}: {what}", self.node), limit: STATE })
    }

    /// Waits until it is in step with its primary.
    pub fn synced(&self) -> Result<(), FleetError> {
        self.wait("a replica in step", || Ok(self.info("replication", "master_link_status")?.as_deref() == Some("up")))
    }

    /// Waits until so many replicas have told the primary that they are in step.
    pub fn has_replicas(&self, count: usize) -> Result<(), FleetError> {
        self.wait("replicas in step", || {
            let text: String = self.ask(&["INFO", "replication"])?;
            let online = text.lines().filter(|line| line.starts_with("slave") && line.contains("state=online")).count();
            // Told by a primary with `min-replicas-to-write` alone. It counts once a second, and refuses writes until it has.
            let good = text.lines().find_map(|line| line.trim_end().strip_prefix("min_slaves_good_slaves:")?.parse().ok());
            Ok(online.min(good.unwrap_or(online)) >= count)
        })
    }

    pub fn set(&self, settings: impl IntoIterator<Item = (String, String)>) -> Result<(), FleetError> {
        let mut connection = self.connect()?;
        for (name, value) in settings {
            self.ask_on::<()>(&mut connection, &["CONFIG", "SET", &name, &value]).map_err(|error| FleetError::Refused {
                node: self.node.clone(),
                command: format!("CONFIG SET {name}"),
                why: error.to_string(),
            })?;
        }
        Ok(())
    }
}

//! A connection to one node, and to no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, ServerError, TlsCertificates, Value,
};
use secrecy::{ExposeSecret, SecretString};

use super::Info;

/// How long a connection may take to be made.
pub(super) const CONNECTING: Duration = Duration::from_secs(10);
/// How much of a server's message is kept: it may quote arguments, and those are data.
const MESSAGE: usize = 120;

/// A node's address, and how to log in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub login: Login,
}

/// How to log in to a node.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The ACL user; none: `default`.
    pub user: Option<String>,
    /// The AUTH token, or the user's password.
    pub token: Option<SecretString>,
    pub tls: Tls,
}

/// Whether the connection is encrypted.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    #[default]
    Off,
    /// With the certificate authorities of these PEM texts; none: the machine's own.
    On { roots: Option<Vec<u8>> },
}

/// How a connection calls itself (CLIENT SETNAME): by the migration, its epoch and what it is for. Older epochs are killed by this name (rule 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The migration: letters, digits, `-`.
    pub migration: String,
    pub epoch: u64,
    pub role: &'static str,
}

impl Name {
    /// The epoch of a connection of this migration that is called so; nothing where it is somebody else's.
    pub fn epoch_of(migration: &str, name: &str) -> Option<u64> {
        name.strip_prefix("holdfast:")?.strip_prefix(migration)?.strip_prefix(':')?.split(':').next()?.parse().ok()
    }

    /// The same of another role.
    pub fn for_role(&self, role: &'static str) -> Name {
        Name { role, ..self.clone() }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "holdfast:{}:{}:{}", self.migration, self.epoch, self.role)
    }
}

/// What a node is at a moment; a difference means that another one answers, or the same one in another life (rule 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Changes when the process starts again.
    pub run_id: String,
    pub role: Role,
    /// `redis_version`: 7.0.15. Valkey gives the Redis version that it is compatible with.
    pub version: String,
    /// The configuration epoch of the cluster; nothing where cluster mode is off.
    pub cluster_epoch: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    Primary,
    #[default]
    Replica,
}

impl Identity {
    /// By what INFO says, and CLUSTER INFO where cluster mode is on.
    pub(super) fn of(server: &Info, replication: &Info, cluster: Option<&Info>) -> Option<Identity> {
        let role = match replication.text("role")? {
            "master" => Role::Primary,
            "slave" => Role::Replica,
            _ => return None,
        };
        let cluster_epoch = match cluster {
            Some(info) => Some(info.number("cluster_current_epoch")?),
            None => None,
        };
        let text = |name| server.text(name).map(str::to_owned);
        Some(Identity { run_id: text("run_id")?, role, version: text("redis_version")?, cluster_epoch })
    }
}

/// Who is told of pushes: in the order of arrival, and of each before any reply that arrived after it. Must not block.
pub type Pushes = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Why a node did not answer as asked. Holds no data of keys and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("{node} could not be reached: {why}")]
    Unreachable { node: String, why: String },
    #[error("the connection to {node} is lost: {why}")]
    Lost { node: String, why: String },
    #[error("{node} did not answer within {seconds} s")]
    Silent { node: String, seconds: u64 },
    #[error("{node} refused {command}: {code} {message}")]
    Refused { node: String, command: String, code: String, message: String },
    #[error("{node} answered {command} in a way that holdfast does not understand")]
    Strange { node: String, command: String },
    /// Another process answers, or the same in another role: whatever is under way begins anew (rule 1).
    #[error("{node} is not what it was: {why}")]
    Changed { node: String, why: String },
}

impl WireError {
    /// The code of a refusal: `NOAUTH`, `OOM`, `BUSYKEY`.
    pub fn code(&self) -> Option<&str> {
        match self {
            WireError::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// A connection that is pinned to one node and one database. Cheap to clone; clones share the connection. When it breaks it stays broken: a client that
/// connects again by itself answers PING with tracking off (rule 1).
#[derive(Clone)]
pub struct Link {
    connection: MultiplexedConnection,
    node: Arc<str>,
    /// Who answered when it was made.
    pub identity: Arc<Identity>,
    /// CLIENT ID.
    pub id: i64,
    broken: Arc<AtomicBool>,
}

impl Link {
    /// Connects, logs in, says its name and asks who answers. `pushes` needs RESP3 (6.0 and newer).
    pub async fn connect(to: &Endpoint, database: u32, name: &Name, pushes: Option<Pushes>) -> Result<Link, WireError> {
        match Link::connect_as(to, database, name, pushes.clone(), ProtocolVersion::RESP3).await {
            // Before 6.0 there is no HELLO.
            Err(WireError::Unreachable { why, .. }) if pushes.is_none() && why.contains("RESP3") => {
                Link::connect_as(to, database, name, None, ProtocolVersion::RESP2).await
            }
            other => other,
        }
    }

    async fn connect_as(
        to: &Endpoint,
        database: u32,
        name: &Name,
        pushes: Option<Pushes>,
        protocol: ProtocolVersion,
    ) -> Result<Link, WireError> {
        let node: Arc<str> = format!("{}:{}", to.host, to.port).into();
        let unreachable = |why: String| WireError::Unreachable { node: node.to_string(), why };
        let client = client(to, database, protocol).map_err(|error| unreachable(worded(&error)))?;
        let broken = Arc::new(AtomicBool::new(false));
        // No time limit of the library's: each question has its own.
        let mut config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECTING)).set_response_timeout(None);
        let lost = Arc::clone(&broken);
        if protocol == ProtocolVersion::RESP3 {
            config = config.set_push_sender(move |push: PushInfo| -> Result<(), std::convert::Infallible> {
                if push.kind == PushKind::Disconnection {
                    lost.store(true, Ordering::SeqCst);
                }
                if let Some(pushes) = &pushes {
                    pushes(push);
                }
                Ok(())
            });
        }
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection = match tokio::time::timeout(CONNECTING, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(unreachable(worded(&error))),
            Err(_) => return Err(unreachable(format!("no connection within {} s", CONNECTING.as_secs()))),
        };
        let mut link = Link { connection, node, identity: Arc::default(), id: 0, broken };
        link.ask(redis::cmd("CLIENT").arg("SETNAME").arg(name.to_string()), CONNECTING).await?;
        let id = link.ask(redis::cmd("CLIENT").arg("ID"), CONNECTING).await?;
        link.id = match id {
            Value::Int(id) => id,
            _ => return Err(link.strange("CLIENT ID")),
        };
        link.identity = Arc::new(link.identify().await?);
        Ok(link)
    }

    /// The node, as `host:port`.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether the connection is known to be broken.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Asks one question. A refusal is an error.
    pub async fn ask(&self, command: &Cmd, within: Duration) -> Result<Value, WireError> {
        let name = || command_name(command);
        #[cfg(test)]
        self.moment(&name(), false).await?;
        let mut connection = self.connection.clone();
        let answer = self.within(within, connection.send_packed_command(command)).await?;
        #[cfg(test)]
        self.moment(&name(), true).await?;
        match answer {
            Ok(Value::ServerError(error)) => Err(self.refused(&name(), &error)),
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(&name(), &error)),
        }
    }

    /// Asks many at once. Refusals are values ([`Value::ServerError`]): [`Link::refusal`] makes an error of one.
    pub async fn ask_all(&self, pipeline: &Pipeline, within: Duration) -> Result<Vec<Value>, WireError> {
        let count = pipeline.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        #[cfg(test)]
        self.moment(&names(pipeline), false).await?;
        let mut connection = self.connection.clone();
        let answers = self.within(within, connection.send_packed_commands(pipeline, 0, count)).await?;
        #[cfg(test)]
        self.moment(&names(pipeline), true).await?;
        let answers = answers.map_err(|error| self.failed("a pipeline", &error))?;
        if answers.len() == count { Ok(answers) } else { Err(self.strange("a pipeline")) }
    }

    /// Asks many at once, in one MULTI, and gives what EXEC answers: refusals while they ran are values, one before that (MOVED, NOPERM) is an error.
    pub async fn ask_atomically(&self, mut pipeline: Pipeline, within: Duration) -> Result<Vec<Value>, WireError> {
        let count = pipeline.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        pipeline.atomic();
        #[cfg(test)]
        self.moment(&format!("MULTI {}", names(&pipeline)), false).await?;
        let mut connection = self.connection.clone();
        // OK of MULTI and a QUEUED for each go unseen; one answer, EXEC's, is kept.
        let answers = self.within(within, connection.send_packed_commands(&pipeline, count + 1, 1)).await?;
        #[cfg(test)]
        self.moment(&format!("MULTI {}", names(&pipeline)), true).await?;
        let answers = answers.map_err(|error| match error.clone().into_server_errors().as_deref() {
            Some([(_, first), ..]) => self.refused("a transaction", first),
            _ => self.failed("a transaction", &error),
        })?;
        match answers.into_iter().next() {
            Some(Value::Array(answers)) if answers.len() == count => Ok(answers),
            Some(Value::ServerError(error)) => Err(self.refused("EXEC", &error)),
            _ => Err(self.strange("EXEC")),
        }
    }

    /// The error of a refused command among many.
    pub fn refusal(&self, command: &str, value: &Value) -> Option<WireError> {
        match value {
            Value::ServerError(error) => Some(self.refused(command, error)),
            _ => None,
        }
    }

    /// INFO of these sections (none: the default ones).
    pub async fn info(&self, section: &str) -> Result<Info, WireError> {
        let mut command = redis::cmd("INFO");
        if !section.is_empty() {
            command.arg(section);
        }
        match self.ask(&command, CONNECTING).await? {
            Value::BulkString(text) => Ok(Info::parse(&String::from_utf8_lossy(&text))),
            Value::VerbatimString { text, .. } => Ok(Info::parse(&text)),
            Value::SimpleString(text) => Ok(Info::parse(&text)),
            _ => Err(self.strange("INFO")),
        }
    }

    /// Who answers now.
    pub async fn identify(&self) -> Result<Identity, WireError> {
        let server = self.info("server").await?;
        let replication = self.info("replication").await?;
        let cluster = match server.text("redis_mode") {
            Some("cluster") => Some(self.cluster_info().await?),
            _ => None,
        };
        Identity::of(&server, &replication, cluster.as_ref()).ok_or_else(|| self.strange("INFO"))
    }

    /// Fails where another one answers than when the connection was made, or in another role.
    pub async fn is_still(&self) -> Result<(), WireError> {
        let now = self.identify().await?;
        let was = &self.identity;
        let changed = |why: String| Err(WireError::Changed { node: self.node.to_string(), why });
        if now.run_id != was.run_id {
            return changed("another process answers".to_owned());
        }
        if now.role != was.role {
            return changed(format!("it was {}, and is {}", words(was.role), words(now.role)));
        }
        if now.cluster_epoch != was.cluster_epoch {
            return changed("the cluster's epoch is another one".to_owned());
        }
        Ok(())
    }

    async fn cluster_info(&self) -> Result<Info, WireError> {
        match self.ask(redis::cmd("CLUSTER").arg("INFO"), CONNECTING).await? {
            Value::BulkString(text) => Ok(Info::parse(&String::from_utf8_lossy(&text))),
            Value::VerbatimString { text, .. } | Value::SimpleString(text) => Ok(Info::parse(&text)),
            _ => Err(self.strange("CLUSTER INFO")),
        }
    }

    /// What a test makes of a moment.
    #[cfg(test)]
    async fn moment(&self, asked: &str, answered: bool) -> Result<(), WireError> {
        use super::moments::{Next, of};
        match of(&self.node, asked, answered) {
            Next::GoesOn => Ok(()),
            Next::Never => std::future::pending().await,
            Next::Breaks => {
                self.broken.store(true, Ordering::SeqCst);
                Err(WireError::Lost { node: self.node.to_string(), why: "a test broke it".to_owned() })
            }
        }
    }

    async fn within<T>(&self, limit: Duration, asking: impl Future<Output = T>) -> Result<T, WireError> {
        let silent = |_| WireError::Silent { node: self.node.to_string(), seconds: limit.as_secs().max(1) };
        tokio::time::timeout(limit, asking).await.map_err(silent)
    }

    /// The error for an answer that makes no sense.
    pub fn strange(&self, command: &str) -> WireError {
        WireError::Strange { node: self.node.to_string(), command: command.to_owned() }
    }

    fn refused(&self, command: &str, error: &ServerError) -> WireError {
        let (code, message) = (error.code().to_owned(), quiet(error.details().unwrap_or("")));
        WireError::Refused { node: self.node.to_string(), command: command.to_owned(), code, message }
    }

    fn failed(&self, command: &str, error: &RedisError) -> WireError {
        match error.code() {
            Some(code) if !error.is_unrecoverable_error() => {
                let message = quiet(error.detail().unwrap_or(""));
                WireError::Refused { node: self.node.to_string(), command: command.to_owned(), code: code.to_owned(), message }
            }
            _ => {
                self.broken.store(true, Ordering::SeqCst);
                WireError::Lost { node: self.node.to_string(), why: worded(error) }
            }
        }
    }
}

fn client(to: &Endpoint, database: u32, protocol: ProtocolVersion) -> Result<Client, RedisError> {
    let mut login = RedisConnectionInfo::default().set_protocol(protocol).set_db(i64::from(database)).set_skip_set_lib_name();
    if let Some(user) = &to.login.user {
        login = login.set_username(user);
    }
    if let Some(token) = &to.login.token {
        login = login.set_password(token.expose_secret());
    }
    let address = match &to.login.tls {
        Tls::Off => ConnectionAddr::Tcp(to.host.clone(), to.port),
        Tls::On { .. } => ConnectionAddr::TcpTls { host: to.host.clone(), port: to.port, insecure: false, tls_params: None },
    };
    let info = address.into_connection_info()?.set_redis_settings(login);
    match &to.login.tls {
        Tls::On { roots: Some(roots) } => {
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(roots.clone()) })
        }
        _ => Client::open(info),
    }
}

/// The first words of a command: `CLIENT PAUSE`, never a key.
fn command_name(command: &Cmd) -> String {
    let word = |arg: redis::Arg<&[u8]>| match arg {
        redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    let mut words = command.args_iter().map(word);
    let first = words.next().unwrap_or_default();
    match (first.as_str(), words.next()) {
        ("CLIENT" | "CLUSTER" | "FUNCTION" | "COMMAND" | "MEMORY" | "SCRIPT" | "OBJECT" | "XINFO", Some(second)) => {
            format!("{first} {second}")
        }
        _ => first,
    }
}

/// The commands of a pipeline, each once.
#[cfg(test)]
fn names(pipeline: &Pipeline) -> String {
    let names: std::collections::BTreeSet<String> = pipeline.cmd_iter().map(command_name).collect();
    names.into_iter().collect::<Vec<String>>().join("+")
}

/// What the library says of an error that is not the server's.
fn worded(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), detail) => quiet(&format!("{code} {}", detail.unwrap_or(""))),
        (None, Some(detail)) => format!("{}: {}", error.category(), quiet(detail)),
        (None, None) => error.category().to_owned(),
    }
}

/// A server's message without what it may quote of the arguments.
pub(super) fn quiet(message: &str) -> String {
    let message = message.split(", with args").next().unwrap_or(message);
    message.chars().filter(|letter| !letter.is_control()).take(MESSAGE).collect()
}

fn words(role: Role) -> &'static str {
    match role {
        Role::Primary => "a primary",
        Role::Replica => "a replica",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_epoch() {
        let name = Name { migration: "huntaze-redis".to_owned(), epoch: 7, role: "copy" };
        assert_eq!(name.to_string(), "holdfast:huntaze-redis:7:copy");
        assert_eq!(Name::epoch_of("huntaze-redis", &name.to_string()), Some(7));
        for other in ["", "holdfast:huntaze-redis", "holdfast:huntaze-redis2:7:copy", "holdfast:huntaze:7:copy", "api-7"] {
            assert_eq!(Name::epoch_of("huntaze-redis", other), None, "{other}");
        }
    }

    #[test]
    fn what_a_server_quotes_is_not_passed_on() {
        assert_eq!(quiet("unknown command 'FOO', with args beginning with: 'canary'"), "unknown command 'FOO'");
        let command = redis::cmd("RESTORE").arg("canary").arg(0).arg("x").to_owned();
        assert_eq!(command_name(&command), "RESTORE");
    }
}

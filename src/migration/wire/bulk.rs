//! A connection for many keys at a time: one question after another, and values pass through as the bytes that they are. What [`super::Link`] does with
//! the driver costs several times as much a key.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::answers::{Answer, Answers, Ask, Scan};
use super::link::{CONNECTING, quiet};
use super::stream::Stream;
use super::{Endpoint, Identity, Info, Name, WireError};

/// Free room of the buffer before something is read into it.
const ROOM: usize = 128 * 1024;
/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 2 * 1024 * 1024;
/// A length that nobody answers: what a server sends at most is 512 MB for a value where nobody set more.
const LONGEST: usize = 1 << 40;

/// A connection that is pinned to one node and one database, like a [`super::Link`], for one at a time.
pub struct Bulk {
    stream: Stream,
    buffer: Vec<u8>,
    scan: Scan,
    node: Arc<str>,
    /// Who answered when it was made.
    pub identity: Identity,
    /// CLIENT ID.
    pub id: i64,
    /// No question is under way whose answer was not read to its end.
    idle: bool,
}

impl Bulk {
    /// Connects, logs in, says its name and asks who answers.
    pub async fn connect(to: &Endpoint, database: u32, name: &Name) -> Result<Bulk, WireError> {
        let node: Arc<str> = format!("{}:{}", to.host, to.port).into();
        let unreachable = |why: String| WireError::Unreachable { node: node.to_string(), why };
        let stream = match tokio::time::timeout(CONNECTING, Stream::connect(to)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(unreachable(quiet(&why))),
            Err(_) => return Err(unreachable(format!("no connection within {} s", CONNECTING.as_secs()))),
        };
        let mut bulk = Bulk {
            stream,
            buffer: Vec::new(),
            scan: Scan::default(),
            node: Arc::clone(&node),
            identity: Identity::default(),
            id: 0,
            idle: true,
        };
        if let Some(token) = &to.login.token {
            let token = token.expose_secret().as_bytes();
            let words: &[&[u8]] = match &to.login.user {
                Some(user) => &[b"AUTH", user.as_bytes(), token],
                None => &[b"AUTH", token],
            };
            bulk.one("AUTH", words).await?;
        }
        bulk.one("CLIENT SETNAME", &[b"CLIENT", b"SETNAME", name.to_string().as_bytes()]).await?;
        if database > 0 {
            bulk.one("SELECT", &[b"SELECT", database.to_string().as_bytes()]).await?;
        }
        bulk.id = match bulk.one("CLIENT ID", &[b"CLIENT", b"ID"]).await? {
            Answer::Number(id) => id,
            _ => return Err(bulk.strange("CLIENT ID")),
        };
        let server = bulk.info(&[b"INFO", b"server"]).await?;
        let replication = bulk.info(&[b"INFO", b"replication"]).await?;
        let cluster = match server.text("redis_mode") {
            Some("cluster") => Some(bulk.info(&[b"CLUSTER", b"INFO"]).await?),
            _ => None,
        };
        bulk.identity = Identity::of(&server, &replication, cluster.as_ref()).ok_or_else(|| bulk.strange("INFO"))?;
        Ok(bulk)
    }

    /// The node, as `host:port`.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether something can be asked: all that was asked is answered, and the node has not closed the connection.
    pub fn is_usable(&self) -> bool {
        self.idle && self.stream.is_quiet()
    }

    /// Gives back what memory the last answers took, where it was much.
    pub fn rest(&mut self) {
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Asks all at once. Refusals are answers: `refused` of the reading makes an error of one. Dropped before it is over, or failed, it is of no use any more.
    pub async fn ask(&mut self, ask: &Ask, within: Duration) -> Result<Answers<'_>, WireError> {
        self.idle = false;
        self.buffer.clear();
        self.scan.begin(ask.commands);
        match tokio::time::timeout(within, self.exchange(&ask.bytes)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err(self.strange("a batch")),
            Ok(Err(error)) => return Err(WireError::Lost { node: self.node.to_string(), why: error.kind().to_string() }),
            Err(_) => return Err(WireError::Silent { node: self.node.to_string(), seconds: within.as_secs().max(1) }),
        }
        self.idle = true;
        Ok(self.scan.answers(&self.buffer))
    }

    async fn exchange(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        self.stream.write(bytes).await?;
        loop {
            let missing = match self.scan.go_on(&self.buffer) {
                Some(0) => return Ok(true),
                Some(missing) if missing < LONGEST => missing,
                _ => return Ok(false),
            };
            if self.buffer.capacity() - self.buffer.len() < missing.max(ROOM / 8) {
                // Of a large value no more than it takes.
                self.buffer.reserve_exact(missing.max(ROOM));
            }
            if self.stream.read(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Asks in one MULTI, and gives what EXEC answers: refusals while they ran are answers, one before that (MOVED, NOPERM) is an error.
    pub async fn ask_atomically(&mut self, ask: &Ask, within: Duration) -> Result<Answers<'_>, WireError> {
        let mut whole = Ask::with_capacity(ask.bytes.len() + 64);
        whole.add(&[b"MULTI"]);
        whole.bytes.extend_from_slice(&ask.bytes);
        whole.commands += ask.commands;
        whole.add(&[b"EXEC"]);
        let node = Arc::clone(&self.node);
        let mut answers = self.ask(&whole, within).await?;
        // OK of MULTI, and a QUEUED for each.
        for answer in answers.by_ref().take(ask.commands + 1) {
            if let Answer::Refused(message) = answer {
                return Err(refused(&node, "a transaction", message));
            }
        }
        match answers.next() {
            Some(Answer::Array(count)) if count == ask.commands => Ok(answers),
            Some(Answer::Refused(message)) => Err(refused(&node, "EXEC", message)),
            _ => Err(strange(&node, "EXEC")),
        }
    }

    /// One question; a refusal is an error.
    async fn one(&mut self, command: &str, words: &[&[u8]]) -> Result<Answer<'_>, WireError> {
        let mut ask = Ask::default();
        ask.add(words);
        let node = Arc::clone(&self.node);
        match self.ask(&ask, CONNECTING).await?.next() {
            Some(Answer::Refused(message)) => Err(refused(&node, command, message)),
            Some(answer) => Ok(answer),
            None => Err(strange(&node, command)),
        }
    }

    async fn info(&mut self, words: &[&[u8]]) -> Result<Info, WireError> {
        let node = Arc::clone(&self.node);
        match self.one("INFO", words).await? {
            Answer::Text(text) => Ok(Info::parse(&String::from_utf8_lossy(text))),
            _ => Err(strange(&node, "INFO")),
        }
    }

    /// The error for an answer that makes no sense.
    pub fn strange(&self, command: &str) -> WireError {
        strange(&self.node, command)
    }
}

/// The error for an answer of a node that makes no sense.
pub fn strange(node: &str, command: &str) -> WireError {
    WireError::Strange { node: node.to_owned(), command: command.to_owned() }
}

/// The error of a refused command, by what the server said.
pub fn refused(node: &str, command: &str, message: &[u8]) -> WireError {
    let message = String::from_utf8_lossy(message);
    let (code, details) = message.split_once(' ').unwrap_or((&message, ""));
    WireError::Refused { node: node.to_owned(), command: command.to_owned(), code: quiet(code), message: quiet(details) }
}

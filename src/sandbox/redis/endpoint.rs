//! The addresses that clients connect to. Each stands before one or more nodes and passes bytes on: it ends TLS, lets in whom the group lets in, and
//! goes on to the present primary when that changes. A connection that stands stays with the node that it was made to, as with a name that changes.
//!
//! An endpoint has two addresses with one port: the application's, which is what AWS describes, and holdfast's ([`for_holdfast`]). A security group
//! that admits holdfast alone shuts the application's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::access::ANONYMOUS;
use super::error::FleetError;
use super::network::{Network, join, silence};
use super::wanted::Transit;

/// The first byte of a TLS connection: a handshake record. Redis has no command that begins so.
const HANDSHAKE: u8 = 0x16;
/// How long a client may take to shake hands.
const GREETING: Duration = Duration::from_secs(10);
/// How far holdfast's addresses are from the application's, in the second part.
const APART: u8 = 128;

/// The address by which holdfast reaches an endpoint of the sandbox: `127.3.0.1` is `127.131.0.1` to it. None where it is no such endpoint's.
pub fn for_holdfast(host: &str) -> Option<String> {
    let ip: Ipv4Addr = host.parse().ok()?;
    holdfast_side(ip).map(|ip| ip.to_string())
}

fn holdfast_side(ip: Ipv4Addr) -> Option<Ipv4Addr> {
    match ip.octets() {
        // 127.0.0.0/16 is everybody's.
        [127, second, third, fourth] if (1..APART).contains(&second) => Some(Ipv4Addr::new(127, second + APART, third, fourth)),
        _ => None,
    }
}

/// To whom an endpoint leads, and who may come.
#[derive(Clone)]
pub struct Policy {
    /// Taken in turn.
    pub targets: Vec<SocketAddrV4>,
    pub transit: Transit,
    /// Whether the application's side is let in.
    pub application: bool,
    /// Whether it answers at all.
    pub answers: bool,
    /// The password of [`ANONYMOUS`], as whom everybody is logged in who comes.
    pub anonymous: Option<String>,
}

/// An endpoint that listens; it stops when dropped.
pub struct Endpoint {
    /// The application's side.
    pub at: SocketAddrV4,
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    policy: RwLock<Policy>,
    next: AtomicUsize,
    network: watch::Sender<Network>,
    tls: Arc<ServerConfig>,
}

/// From where a connection came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Application,
    Holdfast,
}

impl Endpoint {
    /// Listens at `ip` and at holdfast's side of it. It lets in nobody before [`Endpoint::set`].
    pub fn open(
        runtime: &Handle,
        ip: Ipv4Addr,
        port: u16,
        tls: impl FnOnce(&[Ipv4Addr]) -> Result<Arc<ServerConfig>, FleetError>,
    ) -> Result<Endpoint, FleetError> {
        let other = holdfast_side(ip).ok_or_else(|| FleetError::Address(ip.to_string()))?;
        let listen = |ip: Ipv4Addr, port: u16| -> io::Result<std::net::TcpListener> {
            let listener = std::net::TcpListener::bind((ip, port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let application = listen(ip, port)?;
        let port = application.local_addr()?.port();
        let holdfast = listen(other, port)?;
        let policy = Policy { targets: Vec::new(), transit: Transit::Plain, application: false, answers: false, anonymous: None };
        let shared = Arc::new(Shared {
            policy: RwLock::new(policy),
            next: AtomicUsize::new(0),
            network: watch::Sender::default(),
            tls: tls(&[ip, other])?,
        });
        // Listeners belong to the runtime that is entered.
        let _entered = runtime.enter();
        let mut tasks = Vec::new();
        for (listener, side) in [(application, Side::Application), (holdfast, Side::Holdfast)] {
            let task = accept(TcpListener::from_std(listener)?, side, Arc::clone(&shared));
            tasks.push(runtime.spawn(task).abort_handle());
        }
        Ok(Endpoint { at: SocketAddrV4::new(ip, port), shared, tasks })
    }

    /// What becomes of the connections of clients; those between nodes stand.
    pub fn network(&self, network: Network) {
        self.shared.network.send_replace(network);
    }

    pub fn set(&self, policy: Policy) {
        *self.shared.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn accept(listener: TcpListener, side: Side, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, from)) => {
                let shared = Arc::clone(&shared);
                // What became of a connection is its client's to see.
                tokio::spawn(async move { pass(client, from, side, &shared).await });
            }
            // No more file descriptors, or a client that is gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn pass(client: TcpStream, from: SocketAddr, side: Side, shared: &Shared) -> io::Result<()> {
    let policy = || shared.policy.read().unwrap_or_else(PoisonError::into_inner).clone();
    let admits = |policy: &Policy| policy.answers && (side == Side::Holdfast || policy.application);
    let IpAddr::V4(ip) = from.ip() else { return Ok(()) };
    // The nodes of a cluster reach each other through their endpoints, and need no leave.
    let node = holdfast_side(ip).is_some();
    if !node && !admits(&policy()) {
        return Ok(());
    }
    // Between nodes it is always up.
    let (_between, mut network) = if node { watch::channel(Network::Up) } else { (watch::Sender::default(), shared.network.subscribe()) };
    if *network.borrow() != Network::Up {
        silence(&mut network).await;
        return Ok(());
    }
    let mut first = [0];
    if client.peek(&mut first).await? == 0 {
        return Ok(());
    }
    // Since it connected, the primary may have changed.
    let policy = policy();
    let tls = first == [HANDSHAKE];
    let refused = match policy.transit {
        Transit::Plain => tls,
        Transit::Either => false,
        Transit::Tls => !tls && !node,
    };
    if refused || policy.targets.is_empty() {
        return Ok(());
    }
    let turn = shared.next.fetch_add(1, Ordering::Relaxed) % policy.targets.len();
    let Some(target) = policy.targets.get(turn) else { return Ok(()) };
    // The node sees the client's address.
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((ip, 0)))?;
    let mut server = socket.connect(SocketAddr::V4(*target)).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    if let Some(password) = policy.anonymous.filter(|_| !node) {
        log_in(&mut server, &password).await?;
    }
    if tls {
        let greeting = TlsAcceptor::from(Arc::clone(&shared.tls)).accept(client);
        let client = tokio::time::timeout(GREETING, greeting).await.map_err(|_| io::ErrorKind::TimedOut)??;
        join(client, server, &mut network).await
    } else {
        join(client, server, &mut network).await
    }
}

async fn log_in(server: &mut TcpStream, password: &str) -> io::Result<()> {
    server.write_all(format!("AUTH {ANONYMOUS} {password}\r\n").as_bytes()).await?;
    let mut answer = [0; 5];
    server.read_exact(&mut answer).await?;
    if answer == *b"+OK\r\n" { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdfast_has_an_address_of_its_own() {
        assert_eq!(for_holdfast("127.3.0.9").as_deref(), Some("127.131.0.9"));
        for other in ["127.0.0.1", "127.131.0.9", "10.3.0.9", "redis.example.com"] {
            assert_eq!(for_holdfast(other), None, "{other}");
        }
    }
}

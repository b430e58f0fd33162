//! A connection in between, that can be made to hold answers back, to break, or to tell another time.

use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which answers are held: those to connections in whose questions this stands, after so many bytes, from the one on that has this value in it.
#[derive(Clone, Default)]
struct Hold {
    word: Option<String>,
    after: usize,
    value: String,
}

#[derive(Default)]
struct State {
    hold: watch::Sender<Hold>,
    /// Where new connections go.
    to: AtomicU16,
    /// Seconds that the node's clock seems ahead.
    ahead: AtomicI64,
    /// Bytes of answers that are held.
    held: AtomicU64,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

/// Stands before a server.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Proxy {
    pub async fn before(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let state = Arc::new(State::default());
        let own = listener.local_addr().unwrap().port();
        state.to.store(port, Ordering::SeqCst);
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let task = tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", state.to.load(Ordering::SeqCst))).await {
                        between(client, server, state).await;
                    }
                });
                shared.connections.lock().unwrap().push(task);
            }
        });
        Proxy { port: own, state, accepting }
    }

    /// Holds the answers to connections in whose questions this stands (`copy-read`), after so many bytes of each connection.
    pub fn hold(&self, word: &str, after: usize) {
        self.state.hold.send_replace(Hold { word: Some(word.to_owned()), after, value: String::new() });
    }

    /// Holds the answers to such connections from the one on in which this value stands.
    pub fn hold_value(&self, word: &str, value: &str) {
        self.state.hold.send_replace(Hold { word: Some(word.to_owned()), after: 0, value: value.to_owned() });
    }

    pub fn release(&self) {
        self.state.hold.send_replace(Hold::default());
        self.state.held.store(0, Ordering::SeqCst);
    }

    /// Bytes of answers that it holds.
    pub fn held(&self) -> u64 {
        self.state.held.load(Ordering::SeqCst)
    }

    /// The node's clock is so many seconds ahead.
    pub fn ahead(&self, seconds: i64) {
        self.state.ahead.store(seconds, Ordering::SeqCst);
    }

    /// As the name of a group's primary does at a failover: new connections go to another node.
    pub fn point_to(&self, port: u16) {
        self.state.to.store(port, Ordering::SeqCst);
        self.cut();
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

async fn between(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let asked = Mutex::new(Vec::<u8>::new());
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            remember(&asked, &buffer[..count]);
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    let answers = async {
        let mut buffer = vec![0; 65536];
        let mut passed = 0;
        let mut hold = state.hold.subscribe();
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let holds = |hold: &Hold| {
                passed >= hold.after
                    && hold.word.as_ref().is_some_and(|word| contains(&asked.lock().unwrap(), word))
                    && (hold.value.is_empty() || contains(&buffer[..count], &hold.value))
            };
            if holds(&hold.borrow_and_update()) {
                state.held.fetch_add(count as u64, Ordering::SeqCst);
                if hold.wait_for(|hold| hold.word.is_none()).await.is_err() {
                    break;
                }
            }
            passed += count;
            shift(&mut buffer[..count], state.ahead.load(Ordering::SeqCst));
            if to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = questions => {}, () = answers => {} }
}

/// Its name comes first.
fn remember(asked: &Mutex<Vec<u8>>, more: &[u8]) {
    let mut asked = asked.lock().unwrap();
    if asked.len() < 4096 {
        asked.extend_from_slice(more);
    }
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len().max(1)).any(|part| part == word.as_bytes())
}

/// Changes the seconds in answers to TIME: an array of two, the first of ten digits.
fn shift(answers: &mut [u8], seconds: i64) {
    let start = b"*2\r\n$10\r\n";
    let mut at = 0;
    while seconds != 0 && at + start.len() + 10 <= answers.len() {
        let digits = at + start.len()..at + start.len() + 10;
        if answers[at..].starts_with(start)
            && let Ok(shown) = String::from_utf8_lossy(&answers[digits.clone()]).parse::<i64>()
        {
            answers[digits].copy_from_slice(format!("{:010}", shown + seconds).as_bytes());
        }
        at += 1;
    }
}

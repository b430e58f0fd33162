//! Processes that end at a place of their run: a thread each, with a runtime of its own, which is told of every AWS call, every exchange with a Redis node and
//! every write of the journal, and may hear nothing more from there on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::watch;

use super::account::Account;
use crate::clock::Clock;
use crate::execute::Said;
use crate::migration::wire::moments::{self, Next};
use crate::sandbox::world::World;

/// A moment of a run: during which step, what is asked of whom, for the how-manieth time in that step, and whether it has taken effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub step: String,
    pub what: String,
    pub nth: usize,
    pub after: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.after { "after" } else { "before" };
        write!(out, "{when} {} ({}) in `{}`", self.what, self.nth, self.step)
    }
}

/// Told of the account after each AWS call and at each write of the journal, and of each exchange with a node before it: says what must not be.
pub trait Judge: Send + Sync {
    fn account(&self, world: &World) -> Result<(), String>;
    fn exchange(&self, node: &str, asked: &str) -> Result<(), String>;
}

/// What a process passes at every moment.
pub struct Gate {
    at: Option<(Place, Next)>,
    judge: Arc<dyn Judge>,
    over: watch::Sender<bool>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Moments count from here on.
    counts: bool,
    step: String,
    counted: BTreeMap<(String, String, bool), usize>,
    reached: bool,
    wrong: Option<String>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Gate>>> = const { RefCell::new(None) };
}

impl Gate {
    pub fn new(at: Option<(Place, Next)>, judge: Arc<dyn Judge>) -> Arc<Gate> {
        Arc::new(Gate { at, judge, over: watch::Sender::new(false), held: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on moments count: what went before is not what is tried.
    pub fn counts(&self) {
        self.lock().counts = true;
    }

    /// How often each thing was asked, by step: what, and whether it had taken effect.
    pub fn counted(&self) -> BTreeMap<(String, String, bool), usize> {
        self.lock().counted.clone()
    }

    pub fn reached(&self) -> bool {
        self.lock().reached
    }

    /// Fails with the first thing that should not have been.
    pub fn judged(&self) -> Result<(), String> {
        self.lock().wrong.clone().map_or(Ok(()), Err)
    }

    /// Follows what is said.
    pub fn hears(&self, said: &Said, clock: &Clock) {
        match said {
            Said::Starting { step, .. } => self.lock().step.clone_from(step),
            _ => skip(said, clock),
        }
    }

    fn wrong(&self, found: Result<(), String>) {
        if let Err(why) = found {
            let mut held = self.lock();
            let step = held.step.clone();
            held.wrong.get_or_insert(format!("{why} (in `{step}`)"));
        }
    }

    fn moment(&self, what: &str, after: bool) -> Next {
        if *self.over.borrow() {
            return Next::Never;
        }
        let mut held = self.lock();
        if !held.counts {
            return Next::GoesOn;
        }
        let step = held.step.clone();
        let nth = held.counted.entry((step.clone(), what.to_owned(), after)).or_default();
        *nth += 1;
        let place = Place { step, what: what.to_owned(), nth: *nth, after };
        let Some((_, next)) = self.at.as_ref().filter(|(at, _)| *at == place) else { return Next::GoesOn };
        held.reached = true;
        drop(held);
        if *next == Next::Never {
            self.over.send_replace(true);
        }
        *next
    }

    async fn passes(&self, what: &str, after: bool) -> Result<(), ConnectorError> {
        match self.moment(what, after) {
            Next::GoesOn => Ok(()),
            Next::Never => std::future::pending().await,
            Next::Breaks => Err(ConnectorError::io("a test broke the connection".into())),
        }
    }
}

/// Lets no time be lost where AWS alone is waited for.
pub fn skip(said: &Said, clock: &Clock) {
    if matches!(said, Said::Waiting { what, .. } if ["to come up", "which is", "to be gone"].iter().any(|slow| what.contains(slow))) {
        clock.advance(Duration::from_secs(120));
    }
}

/// Lives on a thread of its own until it is done, or its process is over: then everything ends that was begun in it. Nothing where it is over.
pub fn process<T: Send>(gate: &Arc<Gate>, life: impl AsyncFnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let lives = || {
            CURRENT.set(Some(Arc::clone(gate)));
            let exchanges = Arc::clone(gate);
            moments::tell(Arc::new(move |node, asked, after| {
                if !after {
                    exchanges.wrong(exchanges.judge.exchange(node, asked));
                }
                exchanges.moment(asked, after)
            }));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut over = gate.over.subscribe();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = over.wait_for(|over| *over) => None,
                    done = life() => Some(done),
                    () = tokio::time::sleep(Duration::from_secs(300)) => panic!("the process hangs"),
                }
            })
        };
        match scope.spawn(lives).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The account's processes pass the gates of their threads.
pub fn gated(mut account: Account) -> Account {
    let sandbox = account.sandbox.clone();
    account.connect.embedded =
        Some(SharedHttpClient::new(Client { inner: sandbox.http_client(), world: Arc::new(move || sandbox.world()) }));
    account.watch = Some(Arc::new(|world| {
        if let Some(gate) = CURRENT.with_borrow(Option::clone) {
            gate.wrong(gate.judge.account(world));
            gate.moment("the journal", false);
        }
    }));
    account
}

#[derive(Clone)]
struct Client {
    inner: SharedHttpClient,
    world: Arc<dyn Fn() -> World + Send + Sync>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a client with a gate")
    }
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { inner: self.inner.http_connector(settings, components), world: Arc::clone(&self.world) })
    }
}

struct Connector {
    inner: SharedHttpConnector,
    world: Arc<dyn Fn() -> World + Send + Sync>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a connector with a gate")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(gate) = CURRENT.with_borrow(Option::clone) else { return self.inner.call(request) };
        let (inner, world) = (self.inner.clone(), Arc::clone(&self.world));
        HttpConnectorFuture::new(async move {
            let what = operation(&request);
            gate.passes(&what, false).await?;
            let answer = inner.call(request).await;
            gate.wrong(gate.judge.account(&world()));
            gate.passes(&what, true).await?;
            answer
        })
    }
}

/// What a request asks for. Signs of life come when it is time for one: they are told from other tags.
pub fn operation(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let action = body.split('&').find_map(|member| member.strip_prefix("Action=")).unwrap_or_default().to_owned();
    match action.as_str() {
        "AddTagsToResource" if body.contains("holdfast.dev%2Fbeat") && !body.contains("holdfast.dev%2Fholder") => {
            "a sign of life".to_owned()
        }
        _ => action,
    }
}

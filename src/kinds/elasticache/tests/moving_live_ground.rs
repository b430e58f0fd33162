//! A live move on an account of its own, whose processes can end at any moment, with an application that writes all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::super::account::Account;
use super::super::gate::{Gate, Judge, Place, gated, process};
use super::super::invariants::Invariants;
use super::super::moving::ground::counted;
use super::back::{ask, found, process as connection};
use super::{Application, OLD, address, is_as_found, read_secret, wish, write_secret};
use crate::execute::{End, Outcomes, Said};
use crate::kinds::elasticache::MoveCommand;
use crate::kinds::elasticache::moving::SERVES_TAG;
use crate::migration::wire::moments::Next;
use crate::sandbox::world::World;

const NEW: &str = "huntaze-redis-72348fb3";
/// Half a minute passes in a second: where several of these run at once, ten minutes are not over too soon. What AWS alone takes time for is not waited for.
const SPEED: u32 = 30;

/// What a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the soak.
    There,
    /// From the last moment before the commit, on command, by the process that came so far.
    Back,
    /// From the soak, on command, by the process that came so far.
    Return,
}

pub struct Ground {
    /// The application's.
    runtime: tokio::runtime::Runtime,
    pub account: Account,
    application: Option<Application>,
    judge: Arc<Watched>,
}

/// The invariants, of the account and of what is asked of the nodes.
struct Watched {
    invariants: Invariants,
    alone: AtomicBool,
    committed: AtomicBool,
    sources: Mutex<BTreeSet<String>>,
}

/// What no one but the application writes to the source before the cut over.
const WRITING: [&str; 12] =
    ["RESTORE", "UNLINK", "DEL", "SET", "FLUSHALL", "FLUSHDB", "SWAPDB", "PEXPIREAT", "XADD", "XGROUP", "HSET", "RPUSH"];

impl Judge for Watched {
    fn account(&self, world: &World) -> Result<(), String> {
        let groups = &world.elasticache.replication_groups;
        self.alone.store(groups.len() == 1, Ordering::SeqCst);
        self.committed.fetch_or(groups.values().any(|group| group.tags.contains_key(SERVES_TAG)), Ordering::SeqCst);
        self.invariants.hold(world)
    }

    fn exchange(&self, node: &str, asked: &str) -> Result<(), String> {
        let mut sources = self.sources.lock().unwrap();
        if self.alone.load(Ordering::SeqCst) && !self.committed.load(Ordering::SeqCst) {
            sources.insert(node.to_owned());
        }
        let writes = asked.split(['+', ' ']).any(|word| WRITING.contains(&word));
        if writes && sources.contains(node) && !self.committed.load(Ordering::SeqCst) {
            return Err(format!("{asked} was sent to the source before the cut over"));
        }
        Ok(())
    }
}

/// An undisturbed run: how often each thing was asked in each step, what it leaves, and how many things of each kind it made.
pub struct Reference {
    pub counted: BTreeMap<(String, String, bool), usize>,
    end: String,
    made: BTreeMap<String, usize>,
    pub steps: Vec<String>,
}

impl Way {
    /// Nothing where there is no redis-server.
    pub fn reference(self) -> Option<&'static Reference> {
        static ALL: [OnceLock<Option<Reference>>; 3] = [const { OnceLock::new() }; 3];
        ALL[self as usize]
            .get_or_init(|| {
                let mut ground = Ground::new()?;
                let steps = Mutex::new(Vec::new());
                let (outcomes, gate) = ground.run(self, None, &|said| {
                    if let Said::Done { step, .. } = said {
                        steps.lock().unwrap().push(step.clone());
                    }
                });
                gate.judged().unwrap();
                let end = &outcomes.as_ref().unwrap().resources[0].end;
                assert!(matches!((self, end), (Way::There, End::Changed) | (Way::Back | Way::Return, End::RolledBack { .. })), "{end:?}");
                ground.rests(self != Way::There).unwrap();
                let world = ground.account.sandbox.world();
                Some(Reference {
                    counted: gate.counted(),
                    end: shape(&world),
                    made: counted(&ground.account.sandbox.recorded()),
                    steps: steps.into_inner().unwrap(),
                })
            })
            .as_ref()
    }
}

/// What a run leaves: groups, snapshots and locks, with the names of their tags.
fn shape(world: &World) -> String {
    let all = &world.elasticache;
    let tags = |tags: &BTreeMap<String, String>| {
        // How long it took knows only who has seen all of it.
        let keys: Vec<&str> = tags.keys().map(String::as_str).filter(|key| *key != "holdfast.dev/measured").collect();
        keys.join(",")
    };
    let mut lines = Vec::new();
    for (id, group) in &all.replication_groups {
        lines.push(format!("{id} {} {:?} {}", group.at_rest_encryption, group.transit_encryption, tags(&group.tags)));
    }
    lines.extend(all.snapshots.keys().cloned());
    lines.extend(all.parameter_groups.iter().map(|(name, group)| format!("{name} {}", tags(&group.tags))));
    lines.join("\n")
}

impl Ground {
    pub fn new() -> Option<Ground> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (account, application) = runtime.block_on(async {
            let account = gated(super::account_at(SPEED, "nodes: 2, data: {keys: 300}", "")?);
            let (host, port) = address(&account).await;
            write_secret(&account, &format!("redis://{host}:{port}/0"));
            let application = Application::start(&account, 2, Duration::from_millis(5));
            application.writes_more(210).await;
            Some((account, application))
        })?;
        let invariants = Invariants::of(Arc::new(account.sandbox.world()));
        let judge = Watched { invariants, alone: AtomicBool::new(true), committed: AtomicBool::new(false), sources: Mutex::default() };
        Some(Ground { runtime, account, application: Some(application), judge: Arc::new(judge) })
    }

    pub fn gate(&self, at: Option<(Place, Next)>) -> Arc<Gate> {
        Gate::new(at, self.judge.clone())
    }

    /// One process that goes this way, to its end or to where it ends.
    pub fn run(&mut self, way: Way, at: Option<(Place, Next)>, tell: &(dyn Fn(&Said) + Sync)) -> (Option<Outcomes>, Arc<Gate>) {
        let (gate, account, clock) = (self.gate(at), &self.account, self.account.sandbox.clock());
        let application = self.application.as_ref().expect("it was not stopped");
        let hears = |said: &Said| {
            gate.hears(said, &clock);
            tell(said);
            false
        };
        let outcomes = process(&gate, async || {
            if way == Way::There {
                gate.counts();
                return account.apply_until(&wish(), hears).await;
            }
            let process = connection(account).await;
            let last = |said: &Said| {
                gate.hears(said, &clock);
                way == Way::Back && matches!(said, Said::Done { step, .. } if step.starts_with("Prove once more"))
            };
            account.apply_in(&process, &wish(), last).await;
            if way == Way::Return {
                // What only the new group has, and the way back must bring.
                application.writes_more(50).await;
            }
            ask(account, &process, false).await;
            gate.counts();
            account.apply_in(&process, &wish(), hears).await
        });
        (outcomes, gate)
    }

    /// Another process, which goes on.
    pub fn goes_on(&self, at: Option<Place>) -> (Option<Outcomes>, Arc<Gate>) {
        let (gate, account, clock) = (self.gate(at.map(|at| (at, Next::Never))), &self.account, self.account.sandbox.clock());
        gate.counts();
        let hears = |said: &Said| {
            gate.hears(said, &clock);
            false
        };
        let outcomes = process(&gate, async || account.apply_until(&wish(), hears).await);
        (outcomes, gate)
    }

    /// Until a step is done; then a person wants the way back, which the same process goes, or another one.
    pub fn commanded_after(&self, wanted: &str, same: bool) -> (Option<Outcomes>, Arc<Gate>) {
        let (gate, account, clock) = (self.gate(None), &self.account, self.account.sandbox.clock());
        let outcomes = process(&gate, async || {
            let first = connection(account).await;
            let last = |said: &Said| {
                gate.hears(said, &clock);
                matches!(said, Said::Done { step, .. } if step == wanted)
            };
            account.apply_in(&first, &wish(), last).await;
            let process = match same {
                true => first,
                false => {
                    drop(first);
                    connection(account).await
                }
            };
            ask(account, &process, false).await;
            let hears = |said: &Said| {
                gate.hears(said, &clock);
                false
            };
            account.apply_in(&process, &wish(), hears).await
        });
        (outcomes, gate)
    }

    /// `holdfast migration rollback`; whether there is something to take back.
    pub fn is_taken_back(&self) -> bool {
        self.runtime.block_on(async {
            let process = connection(&self.account).await;
            let step = found(&self.account, &process).await.step(MoveCommand::RollBack { give_up_writes: false });
            if matches!(step, Ok(Some(_))) {
                ask(&self.account, &process, false).await;
            }
            step.is_ok()
        })
    }

    pub fn serves(&self) -> bool {
        self.account.sandbox.world().elasticache.replication_groups.values().any(|group| group.tags.contains_key(SERVES_TAG))
    }

    /// Everything has come to rest: the application writes, no write is lost, and what is left is what an undisturbed run leaves.
    pub fn rests(&mut self, back: bool) -> Result<(), String> {
        let application = self.application.take().ok_or("it rests already")?;
        let (runtime, account) = (&self.runtime, &self.account);
        let rests = || {
            runtime.block_on(application.writes_more(50));
            let world = account.sandbox.world();
            if back {
                let snapshots: Vec<&String> = world.elasticache.snapshots.keys().collect();
                assert!(snapshots.is_empty() || snapshots == [&format!("{NEW}-1-back")], "{snapshots:?}");
                account.sandbox.edit(|world| world.elasticache.snapshots.clear());
                is_as_found(account);
            } else {
                assert!(read_secret(&account.sandbox).starts_with("rediss://"), "the secret names the old group");
            }
            let lost = runtime.block_on(application.lost(account));
            assert!(lost.is_empty(), "lost: {lost:?}");
        };
        quietly(rests)
    }

    /// The same, and as the undisturbed run left it.
    pub fn ends(&mut self, back: bool) -> Result<(), String> {
        let world = self.account.sandbox.world();
        let made = counted(&self.account.sandbox.recorded());
        if !back {
            let reference = Way::There.reference().ok_or("no servers")?;
            let end = shape(&world);
            if end != reference.end {
                return Err(format!("another end:\n{end}\nnot\n{}", reference.end));
            }
            if made != reference.made {
                return Err(format!("made and deleted: {made:?}, not {:?}", reference.made));
            }
        }
        for (what, most) in
            [("CreateReplicationGroup", 1), ("CreateCacheParameterGroup", 2), ("CreateSnapshot", 2), ("DeleteReplicationGroup", 1)]
        {
            if made.get(what).is_some_and(|made| *made > most) {
                return Err(format!("made and deleted: {made:?}"));
            }
        }
        self.rests(back)
    }
}

/// What a panic said, where there was one.
pub fn quietly<T>(tried: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(tried)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", text.unwrap_or_default())
    })
}

/// As it must be when a process has come to its end: what it ended with is an end.
pub fn is_an_end(outcomes: &Outcomes) -> Result<(), String> {
    if let Some(stopped) = &outcomes.stopped {
        return Err(stopped.clone());
    }
    match outcomes.resources.first().map(|resource| &resource.end) {
        Some(End::Changed | End::Unchanged | End::RolledBack { .. }) => Ok(()),
        // It was taken back before, and is not begun again by itself.
        Some(End::Blocked { blocks } | End::Partly { blocks }) if blocks.iter().any(|block| block.message.contains("was taken back")) => {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

/// The group that a move of `OLD` makes is not there any more, or serves.
pub fn stands_back(ground: &Ground) -> bool {
    let world = ground.account.sandbox.world();
    !ground.serves() && world.elasticache.replication_groups.contains_key(OLD)
}

//! All servers of an account.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::access::Passwords;
use super::addresses::Addresses;
use super::error::FleetError;
use super::group::Running;
use super::network::Network;
use super::programs::Programs;
use super::snapshots;
use super::tls::Authority;
use super::wanted::{Group, Snapshot, Wanted};

/// The servers of an account, which follow what the account says. Cheap to clone; clones share them. They end with the last clone, and with this
/// process however it ends.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    ground: Ground,
    held: Mutex<Held>,
    /// What was last asked for: read while others are at work.
    followed: Mutex<Wanted>,
    /// Ends the endpoints' thread.
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

#[derive(Default)]
struct Held {
    /// What was last asked for.
    wanted: Wanted,
    groups: BTreeMap<String, Running>,
    /// Groups that did not come up: they are not tried again.
    failed: Vec<String>,
}

/// What all groups share.
pub struct Ground {
    pub folder: PathBuf,
    /// Whether data outlives this process: nodes write it to disk as it comes, and are started with it again.
    pub lasting: bool,
    /// Whether the folder is removed at the end.
    pub own: bool,
    pub programs: Programs,
    pub authority: Authority,
    pub runtime: Handle,
    pub addresses: Addresses,
    pub passwords: Passwords,
}

/// Something that is not as the account says.
#[derive(Debug)]
pub enum Trouble {
    /// A group is not up, or not as it should be.
    Group { name: String, starting: bool, why: FleetError },
    /// A snapshot has no data.
    Snapshot { name: String, why: FleetError },
}

impl Fleet {
    /// Servers whose data lives in a folder of their own in the system's folder for temporary files, as long as they do.
    pub fn temporary() -> Result<Fleet, FleetError> {
        Fleet::new(own_folder(), false, true)
    }

    /// Servers that begin with what others left in `folder`, and leave nothing: a folder of their own is a copy of it.
    pub fn picture(folder: &Path) -> Result<Fleet, FleetError> {
        let own = own_folder();
        if folder.is_dir() {
            copy_all(folder, &own)?;
        }
        Fleet::new(own, true, true)
    }

    /// Servers whose data stays in `folder` when they end; those that left data there are started with it.
    pub fn lasting(folder: &Path) -> Result<Fleet, FleetError> {
        Fleet::new(folder.to_owned(), true, false)
    }

    fn new(folder: PathBuf, lasting: bool, own: bool) -> Result<Fleet, FleetError> {
        let programs = Programs::found()?;
        private(&folder)?;
        // Endpoints live on a thread of their own: whoever asks for servers may sit on any runtime, or wait for an answer.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("redis endpoints".to_owned()).spawn(move || {
            // Also when the sender is gone.
            let _ = runtime.block_on(stopped);
        })?;
        // The addresses of those whose data was copied may be in use, by them.
        let addresses = if own { Addresses::free(&folder) } else { Addresses::of(&folder) };
        let authority = Authority::of(&folder)?;
        let ground = Ground { folder, lasting, own, programs, authority, runtime: handle, addresses, passwords: Passwords::random() };
        Ok(Fleet(Arc::new(Inner { ground, held: Mutex::default(), followed: Mutex::default(), stop: Mutex::new(Some((stop, thread))) })))
    }

    /// The certificate of the authority that signs the endpoints', PEM.
    pub fn ca_file(&self) -> &Path {
        &self.0.ground.authority.file
    }

    /// Where each node and endpoint is.
    pub fn addresses(&self) -> &Addresses {
        &self.0.ground.addresses
    }

    /// Whether this is what was last asked for.
    pub fn follows(&self, wanted: &Wanted) -> bool {
        *self.0.followed.lock().unwrap_or_else(PoisonError::into_inner) == *wanted
    }

    /// Makes the servers what `wanted` gives, and says what is not. It blocks: starting and copying take their time.
    pub fn follow(&self, wanted: impl FnOnce() -> Wanted) -> Vec<Trouble> {
        let ground = &self.0.ground;
        let mut held = self.lock();
        // Only now, so that what was asked for later is not undone by what was asked for before.
        let wanted = wanted();
        let mut troubles = Vec::new();
        if wanted == held.wanted {
            return troubles;
        }
        let (restored, others): (Vec<_>, Vec<_>) = wanted.groups.iter().partition(|(_, group)| group.restored_from.is_some());
        for (name, group) in others {
            held.group(ground, name, group, &mut troubles);
        }
        // Before groups end whose last snapshot this is.
        held.snapshots(ground, &wanted.snapshots, &mut troubles);
        for (name, group) in restored {
            held.group(ground, name, group, &mut troubles);
        }
        let gone: Vec<String> = held.groups.keys().filter(|name| !wanted.groups.contains_key(*name)).cloned().collect();
        for name in gone {
            let removed = held.groups.remove(&name).map(|group| group.remove(ground));
            if let Some(Err(why)) = removed {
                troubles.push(Trouble::Group { name, starting: false, why });
            }
        }
        held.failed.retain(|name| wanted.groups.contains_key(name));
        if ground.lasting
            && let Err(why) = ground.addresses.save(&ground.folder)
        {
            troubles.push(Trouble::Group { name: "addresses".to_owned(), starting: false, why });
        }
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&wanted);
        held.wanted = wanted;
        troubles
    }

    /// Ends a node's process as a crash does; it stays down until the account asks for another primary, or [`Fleet::replace`].
    pub fn crash(&self, group: &str, node: &str) -> Result<(), FleetError> {
        let mut held = self.lock();
        held.groups.get_mut(group).ok_or_else(|| FleetError::NoNode(node.to_owned()))?.crash(&self.0.ground, node)
    }

    /// Puts an empty node in a node's place, in the same role, before anybody takes over.
    pub fn replace(&self, group: &str, node: &str) -> Result<(), FleetError> {
        let mut held = self.lock();
        held.groups.get_mut(group).ok_or_else(|| FleetError::NoNode(node.to_owned()))?.replace(&self.0.ground, node)
    }

    /// What becomes of the connections between a group and its clients, until it is said otherwise.
    pub fn network(&self, group: &str, network: Network) -> Result<(), FleetError> {
        self.lock().groups.get(group).ok_or_else(|| FleetError::NoNode(group.to_owned()))?.network(network);
        Ok(())
    }

    /// Takes a command (`dump`, `client|pause`) from the group's users, as a rule of theirs would, until the group's access is changed.
    pub fn forbid(&self, group: &str, command: &str) -> Result<(), FleetError> {
        self.lock().groups.get(group).ok_or_else(|| FleetError::NoNode(group.to_owned()))?.forbid(&self.0.ground, command)
    }

    /// The numbers of all processes.
    pub fn pids(&self) -> Vec<u32> {
        self.lock().groups.values().flat_map(Running::pids).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn group(&mut self, ground: &Ground, name: &str, wanted: &Group, troubles: &mut Vec<Trouble>) {
        if self.failed.iter().any(|failed| failed == name) {
            return;
        }
        let starting = self.groups.get(name).is_none_or(|group| !group.is.up);
        let result = match self.groups.get_mut(name) {
            Some(group) => group.follow(ground, wanted),
            None => Running::open(ground, name, wanted).and_then(|mut group| {
                let followed = group.follow(ground, wanted);
                self.groups.insert(name.to_owned(), group);
                followed
            }),
        };
        if let Err(why) = result {
            if starting {
                self.failed.push(name.to_owned());
            }
            troubles.push(Trouble::Group { name: name.to_owned(), starting, why });
        }
    }

    fn snapshots(&mut self, ground: &Ground, wanted: &BTreeMap<String, Snapshot>, troubles: &mut Vec<Trouble>) {
        let have = snapshots::all(ground);
        for (name, snapshot) in wanted {
            if have.contains(name) || self.wanted.snapshots.contains_key(name) {
                continue;
            }
            let taken = match snapshot {
                Snapshot::Stuck => Ok(()),
                Snapshot::Copy(source) => snapshots::copy(ground, name, source),
                Snapshot::Nodes { group, nodes } => self.take(ground, name, group, nodes),
            };
            if let Err(why) = taken {
                troubles.push(Trouble::Snapshot { name: name.clone(), why });
            }
        }
        for name in have.iter().filter(|name| !wanted.contains_key(*name)) {
            if let Err(why) = snapshots::remove(ground, name) {
                troubles.push(Trouble::Snapshot { name: name.clone(), why });
            }
        }
    }

    fn take(&self, ground: &Ground, name: &str, group: &str, nodes: &[String]) -> Result<(), FleetError> {
        let group = self.groups.get(group).ok_or_else(|| FleetError::NoNode(group.to_owned()))?;
        let nodes = nodes.iter().map(|node| group.node(node)).collect::<Result<Vec<_>, _>>()?;
        if let Some(down) = nodes.iter().find(|node| !node.runs()) {
            return Err(FleetError::NoNode(down.name.clone()));
        }
        snapshots::take(ground, name, &nodes)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.held.get_mut().unwrap_or_else(PoisonError::into_inner).groups.clear();
        if let Some((stop, thread)) = self.stop.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = stop.send(());
            // It ends at once; a panic in it was told where it happened.
            let _ = thread.join();
        }
        if self.ground.own {
            let _ = std::fs::remove_dir_all(&self.ground.folder);
        }
    }
}

/// Without what it holds: it has passwords.
impl std::fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fleet").field("folder", &self.0.ground.folder).finish_non_exhaustive()
    }
}

/// A new name for a folder among the system's temporary ones.
fn own_folder() -> PathBuf {
    let name: String = (0..12).map(|_| fastrand::alphanumeric()).collect();
    std::env::temp_dir().join(format!("holdfast-redis-{name}"))
}

fn copy_all(from: &Path, to: &Path) -> Result<(), FleetError> {
    private(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_all(&from, &to)?;
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// A folder for its owner alone: passwords and data are in it.
fn private(folder: &Path) -> Result<(), FleetError> {
    use std::os::unix::fs::DirBuilderExt as _;
    Ok(std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?)
}

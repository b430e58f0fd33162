//! Which address each node and endpoint has.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::error::FleetError;

/// How many addresses are tried for a new name.
const TRIES: usize = 50;
/// The ports that are tried where the one that is asked for is free at no address.
const OTHER_PORTS: std::ops::Range<u16> = 6400..9000;

/// Addresses by name. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Addresses(Arc<Mutex<Table>>);

#[derive(Debug, Serialize, Deserialize)]
struct Table {
    /// The second and third part of every address here.
    network: (u8, u8),
    /// The number of the last address.
    last: u8,
    names: BTreeMap<String, SocketAddrV4>,
}

impl Table {
    fn new() -> Table {
        Table { network: (fastrand::u8(1..=126), fastrand::u8(..)), last: 0, names: BTreeMap::new() }
    }
}

/// An account has no servers of its own to compare.
impl PartialEq for Addresses {
    fn eq(&self, _: &Addresses) -> bool {
        true
    }
}

/// The name of a group's endpoint that leads to its primary.
pub fn primary(group: &str) -> String {
    format!("{group}/primary")
}

/// The name of a group's endpoint that leads to its replicas.
pub fn reader(group: &str) -> String {
    format!("{group}/reader")
}

/// The name of a cluster's endpoint that leads to all nodes.
pub fn configuration(group: &str) -> String {
    format!("{group}/configuration")
}

impl Addresses {
    /// Those that `folder` has, or new ones in a part of loopback drawn by lot: tests run beside each other.
    pub fn of(folder: &Path) -> Addresses {
        let kept = std::fs::read(folder.join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let table = kept.unwrap_or_else(Table::new);
        Addresses(Arc::new(Mutex::new(table)))
    }

    /// Those that `folder` has if nobody uses one of them, or new ones.
    pub fn free(folder: &Path) -> Addresses {
        let kept = Addresses::of(folder);
        let free = kept.lock().names.values().all(|at| TcpListener::bind(*at).is_ok());
        if free {
            return kept;
        }
        Addresses(Arc::new(Mutex::new(Table::new())))
    }

    pub fn save(&self, folder: &Path) -> Result<(), FleetError> {
        let text = serde_json::to_vec(&*self.lock()).map_err(std::io::Error::from)?;
        Ok(std::fs::write(folder.join(FILE), text)?)
    }

    /// The address of a node (by its name) or an endpoint ([`primary`], [`reader`], [`configuration`]).
    pub fn get(&self, name: &str) -> Option<SocketAddrV4> {
        self.lock().names.get(name).copied()
    }

    /// Gives `name` the first address at which `open` does what it must; where it has one already, that one.
    pub fn give<T>(&self, name: &str, port: u16, mut open: impl FnMut(Ipv4Addr, u16) -> Result<T, FleetError>) -> Result<T, FleetError> {
        if let Some(known) = self.get(name) {
            return open(*known.ip(), known.port());
        }
        let mut last = FleetError::Address(name.to_owned());
        for number in 0..TRIES {
            let ip = self.next();
            // Who listens on a port of all addresses has it on every one of ours.
            let port = if number < TRIES / 2 { port } else { fastrand::u16(OTHER_PORTS) };
            match open(ip, port) {
                Ok(opened) => {
                    self.lock().names.insert(name.to_owned(), SocketAddrV4::new(ip, port));
                    return Ok(opened);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub fn forget(&self, name: &str) {
        self.lock().names.remove(name);
    }

    fn next(&self) -> Ipv4Addr {
        let mut table = self.lock();
        if table.last == 254 {
            table.network.1 = table.network.1.wrapping_add(1);
            table.last = 0;
        }
        table.last += 1;
        Ipv4Addr::new(127, table.network.0, table.network.1, table.last)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FILE: &str = "addresses.json";

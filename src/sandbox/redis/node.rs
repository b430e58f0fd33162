//! One node of a group: its process, its files, its endpoint.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};

use super::access::{self, ADMIN};
use super::admin::Admin;
use super::cluster::NODES;
use super::endpoint::{Endpoint, Policy};
use super::error::FleetError;
use super::fleet::Ground;
use super::server::{Server, ServerOptions};
use super::wanted::Group;

/// Where a server listens behind its endpoint. The bus of a cluster is 10,000 above, and both stay below what the system gives to outgoing
/// connections.
const INNER_PORTS: std::ops::Range<u16> = 10_000..22_000;
const BUS: u16 = 10_000;
const TRIES: usize = 50;

/// A node, with its address whether it runs or not.
pub struct Node {
    pub name: String,
    pub ip: Ipv4Addr,
    pub endpoint: Endpoint,
    /// Its name in a cluster: forty hexadecimal digits.
    pub id: String,
    folder: PathBuf,
    inner: u16,
    server: Option<Server>,
}

/// What a node finds when it starts.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Empty,
    /// A copy of this RDB file.
    With(&'a Path),
    /// What it left when it ended.
    Again,
}

impl Node {
    /// Takes an address. No process is started.
    pub fn open(ground: &Ground, name: &str, port: u16) -> Result<Node, FleetError> {
        let tls = |ips: &[Ipv4Addr]| ground.authority.server(ips);
        let endpoint = ground.addresses.give(name, port, |ip, port| Endpoint::open(&ground.runtime, ip, port, tls))?;
        let ip = *endpoint.at.ip();
        let id = (0..40).map(|_| fastrand::digit(16)).collect();
        Ok(Node {
            name: name.to_owned(),
            ip,
            endpoint,
            id,
            folder: ground.folder.join("nodes").join(name),
            inner: inner(ip)?,
            server: None,
        })
    }

    /// Starts its process: as a primary, or in cluster mode as what `nodes` (its [`NODES`]) says.
    pub fn start(&mut self, ground: &Ground, group: &Group, start: Start<'_>, nodes: Option<&str>) -> Result<(), FleetError> {
        self.stop();
        match start {
            Start::Again => {}
            Start::Empty => empty(&self.folder)?,
            Start::With(rdb) => {
                empty(&self.folder)?;
                fs::copy(rdb, self.folder.join(if ground.lasting { AOF } else { RDB }))?;
            }
        }
        let program = ground.programs.nearest(group.version).ok_or(FleetError::NoProgram)?;
        let options = ServerOptions {
            program: program.path.clone(),
            host: self.ip.to_string(),
            port: self.inner,
            rdb: None,
            config: self.config(ground, group, program.version[0]),
        };
        fs::create_dir_all(&self.folder)?;
        if let Some(nodes) = nodes {
            fs::write(self.folder.join(NODES), nodes)?;
        }
        let failed = |why| FleetError::Start { node: self.name.clone(), why };
        self.server = Some(Server::start_in(&self.folder, &options, ground.own.then_some(&ground.folder)).map_err(failed)?);
        Ok(())
    }

    /// Everything that its configuration has to say; what Server says of address and files stands there already.
    fn config(&self, ground: &Ground, group: &Group, major: u32) -> Vec<String> {
        let outside = self.endpoint.at.port();
        let mut lines = vec![
            "protected-mode no".to_owned(),
            format!("masteruser {ADMIN}"),
            format!("masterauth {}", ground.passwords.admin),
            "repl-diskless-sync yes".to_owned(),
            "repl-diskless-load disabled".to_owned(),
            format!("replica-announce-ip {}", self.ip),
            format!("replica-announce-port {outside}"),
            format!("maxmemory {}", group.maxmemory),
            // In cluster mode there is one, however many are asked for.
            format!("databases {}", group.databases.max(1)),
            format!("appendonly {}", if ground.lasting { "yes" } else { "no" }),
            format!("appendfilename {AOF}"),
            "appendfsync no".to_owned(),
        ];
        for (user, rules) in access::users(group, &ground.passwords, major) {
            lines.push(format!("user {user} {}", rules.join(" ")));
        }
        // 6.2 connects from the address that it listens at without being told.
        if major >= 7 {
            lines.push(format!("bind-source-addr {}", self.ip));
        }
        if group.cluster {
            lines.extend([
                "cluster-enabled yes".to_owned(),
                format!("cluster-announce-ip {}", self.ip),
                format!("cluster-announce-port {outside}"),
                format!("cluster-announce-bus-port {}", self.inner + BUS),
                // Failovers are the service's doing.
                "cluster-replica-no-failover yes".to_owned(),
                "cluster-require-full-coverage no".to_owned(),
            ]);
        }
        lines.extend(group.settings.iter().map(|(name, value)| format!("{name} \"{value}\"")));
        lines
    }

    /// Ends its process as a crash does; the files stay.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Removes its files.
    pub fn remove(mut self) -> io::Result<()> {
        self.stop();
        gone(fs::remove_dir_all(&self.folder))
    }

    pub fn runs(&self) -> bool {
        self.server.is_some()
    }

    /// Whether there are files of an earlier life to start with.
    pub fn left(&self) -> bool {
        self.folder.join(AOF).exists() || self.folder.join("appendonlydir").exists()
    }

    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Where its process listens.
    pub fn at(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.inner)
    }

    /// Its cluster bus.
    pub fn bus(&self) -> u16 {
        self.inner + BUS
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn admin(&self, ground: &Ground) -> Admin {
        Admin::new(&self.name, self.ip, self.inner, &ground.passwords.admin)
    }

    /// Its own endpoint leads to it while it runs.
    pub fn policy(&self, policy: &Policy) {
        let targets = if self.runs() { vec![self.at()] } else { Vec::new() };
        self.endpoint.set(Policy { targets, ..policy.clone() });
    }

    /// Saves what it holds into its folder, as one RDB file, and gives its path.
    pub fn save(&self, ground: &Ground) -> Result<PathBuf, FleetError> {
        let admin = self.admin(ground);
        let file = self.folder.join(RDB);
        gone(fs::remove_file(&file))?;
        let busy = || Ok::<_, FleetError>(admin.info("persistence", "rdb_bgsave_in_progress")?.as_deref() == Some("1"));
        // A replica's full copy may be under way, and another may begin before we do.
        admin.wait("its turn to save", || match admin.ask::<()>(&["BGSAVE"]) {
            Err(FleetError::Refused { why, .. }) if why.contains("in progress") => Ok(false),
            other => other.map(|()| true),
        })?;
        admin.wait("a saved file", || {
            let under_way = busy()?;
            if !under_way && admin.info("persistence", "rdb_last_bgsave_status")?.as_deref() == Some("err") {
                return Err(FleetError::Refused { node: self.name.clone(), command: "BGSAVE".to_owned(), why: "it failed".to_owned() });
            }
            Ok(!under_way && file.exists())
        })?;
        Ok(file)
    }
}

const RDB: &str = "dump.rdb";
/// A file that begins with an RDB is a valid one of these; 7.0 takes it over into its own folder.
const AOF: &str = "appendonly.aof";

fn empty(folder: &Path) -> io::Result<()> {
    gone(fs::remove_dir_all(folder))?;
    fs::create_dir_all(folder)
}

/// What is not there need not be removed.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A free port with a free bus.
fn inner(ip: Ipv4Addr) -> Result<u16, FleetError> {
    let free = |port: u16| TcpListener::bind((ip, port)).is_ok();
    let mut drawn = (0..TRIES).map(|_| fastrand::u16(INNER_PORTS));
    drawn.find(|port| free(*port) && free(port + BUS)).ok_or_else(|| FleetError::Address(ip.to_string()))
}

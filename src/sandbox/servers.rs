//! The real Redis servers of an account, where it asks for them: they follow what the account says, before a call is answered and after it took
//! effect.

use std::path::Path;

use super::elasticache::state::{SnapshotStatus, Status};
use super::redis::{Fleet, FleetError, Trouble};
use super::world::World;
use super::{BadAccount, Options, Sandbox, elasticache};

/// The servers that an account of this kind needs: those it is given, or new ones. None where it asks for none.
pub(super) fn of(world: &World, options: &Options) -> Result<Option<Fleet>, BadAccount> {
    if !world.elasticache.servers {
        return Ok(None);
    }
    let fleet = match (&options.redis, &options.save_to) {
        (Some(fleet), _) => Ok(fleet.clone()),
        (None, Some(path)) => Fleet::lasting(&path.with_extension(FOLDER)),
        (None, None) => Fleet::temporary(),
    };
    fleet.map(Some).map_err(bad)
}

/// Servers with the data that a saved account has beside it, for a run that leaves none.
pub(super) fn picture(path: &Path) -> Result<Fleet, BadAccount> {
    Fleet::picture(&path.with_extension(FOLDER)).map_err(bad)
}

/// Whether the account that [`Options::save_to`] left in this file has real servers; none where there is no such file.
pub fn left_servers(path: &Path) -> Option<bool> {
    super::world::Saved::has_servers(path)
}

/// The data of `account.json`'s servers is in `account.redis`.
pub const FOLDER: &str = "redis";

fn bad(error: FleetError) -> BadAccount {
    BadAccount(format!("elasticache.servers: {error}"))
}

impl Sandbox {
    /// The real Redis servers behind the account's groups, where it has them.
    pub fn redis(&self) -> Option<&Fleet> {
        self.0.fleet.as_ref()
    }

    /// Brings the servers up to what the account says by now. Calls do it by themselves; after [`Sandbox::edit`], or when time has passed without a
    /// call, it has to be said. It blocks while servers start and copy.
    pub fn follow(&self) {
        for trouble in self.troubles() {
            self.suffer(&trouble);
        }
    }

    /// A shard's primary goes down and a replica takes over, as when a node fails: nobody has asked for it. The endpoint follows at once; what the
    /// primary had not sent is lost. False where there is no such group or no replica.
    pub async fn fail_over(&self, group: &str, shard: u32) -> bool {
        let moved = self.edit(|world| match world.elasticache.replication_groups.get_mut(group) {
            Some(group) if group.nodes > 1 => {
                let next = group.primary(shard) % group.nodes + 1;
                group.primaries.insert(shard, next);
                true
            }
            _ => false,
        });
        self.followed().await;
        moved
    }

    /// Like [`Sandbox::follow`], at the beginning: an account whose groups do not come up is no account.
    pub(super) fn follow_first(&self) -> Result<(), BadAccount> {
        for trouble in self.troubles() {
            match trouble {
                Trouble::Group { name, why, .. } => return Err(BadAccount(format!("elasticache: {name}: {why}"))),
                Trouble::Snapshot { .. } => self.suffer(&trouble),
            }
        }
        Ok(())
    }

    /// Where a parameter or a secret of the account holds the address that AWS would give a group, it holds the real one from now on: applications connect
    /// to what stands there.
    pub(super) fn readdress(&self) {
        if self.0.fleet.is_none() {
            return;
        }
        self.edit(|world| {
            for (name, real) in elasticache::real_addresses(world) {
                world.ssm.readdress(&name, &real);
                world.secretsmanager.readdress(&name, &real);
            }
        });
    }

    /// Like [`Sandbox::follow`], without holding up what else the runtime does.
    pub async fn followed(&self) {
        let Some(fleet) = &self.0.fleet else { return };
        let now = self.0.options.clock.now();
        let wanted = {
            let mut held = self.lock();
            held.settle(now);
            elasticache::wanted(&held.world.elasticache)
        };
        if !fleet.follows(&wanted) {
            let this = self.clone();
            // It fails only when the runtime ends.
            let _ = tokio::task::spawn_blocking(move || this.follow()).await;
        }
    }

    fn troubles(&self) -> Vec<Trouble> {
        let Some(fleet) = &self.0.fleet else { return Vec::new() };
        fleet.follow(|| {
            let now = self.0.options.clock.now();
            let mut held = self.lock();
            held.settle(now);
            elasticache::wanted(&held.world.elasticache)
        })
    }

    /// What the account shows of a trouble: a group that does not come up was not created, a snapshot without data never ends.
    fn suffer(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Group { name, starting, why } => {
                tracing::error!(group = name, "the sandbox's servers: {why}");
                if *starting {
                    self.edit(|world| {
                        if let Some(group) = world.elasticache.replication_groups.get_mut(name) {
                            group.status = Status::CreateFailed;
                        }
                    });
                }
            }
            Trouble::Snapshot { name, why } => {
                tracing::error!(snapshot = name, "the sandbox's servers: {why}");
                self.edit(|world| {
                    let snapshot = world.elasticache.snapshots.get_mut(name);
                    if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.status == SnapshotStatus::Creating) {
                        snapshot.ready_at = None;
                    }
                });
            }
        }
    }
}

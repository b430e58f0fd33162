//! What is said of an entry whose name a cluster bears, as far as it is not moved into a group: nothing of a cluster is changed where it is.

use super::{Context, MIGRATION, names, whole};
use crate::kinds::elasticache::standalone::Bearer;
use crate::kinds::{Block, Drift, Reason};

pub(super) fn memcached(id: &str) -> Block {
    let message = format!(
        "{id} is a cluster of Memcached: it has neither snapshots nor encryption at rest, and cannot be moved into a replication group"
    );
    whole(
        Reason::NotSupported,
        &message,
        "name a replication group, or a standalone cluster of Redis or Valkey, or take the entry out of the manifest",
    )
}

pub(super) fn both(id: &str) -> Block {
    let message = format!("there are a replication group and a standalone cluster called {id}, and it cannot be told which is meant");
    let what_to_do = format!(
        "delete the one that nobody uses (`aws elasticache describe-cache-clusters --cache-cluster-id {id}` and `aws elasticache describe-replication-groups \
         --replication-group-id {id}` show them; neither can be renamed), or take the entry out of the manifest"
    );
    whole(Reason::Conflict, &message, &what_to_do)
}

impl Context<'_> {
    pub(super) fn is_standalone(&self) -> bool {
        self.planning.seen.bearer == Bearer::Standalone
    }

    /// Blocks whatever differs of a standalone cluster, and no move is planned or blocked for.
    pub(super) fn stays(&mut self) {
        let id = self.id().to_owned();
        let needs: Vec<String> = self.needs_move().into_iter().filter(|field| !self.is_blocked(field)).collect();
        if !needs.is_empty() {
            self.block(
                Reason::NeedsMigration,
                &needs,
                format!("{id} is a standalone cluster, which can be neither encrypted nor given a token: this takes a move into a new replication group"),
                "declare `migration` on this entry (`holdfast explain elasticache.replicationGroups.migration`), or except the field until a date"
                    .to_owned(),
            );
        }
        let tags = names(&self.below("tags"));
        if self.planning.seen.busy().is_some() && !tags.is_empty() {
            // They may be as declared: that can be read when it is available.
            self.wait(tags.clone());
        }
        let several: Vec<&Drift> = ["automaticFailover", "multiAz"].into_iter().filter_map(|field| self.drift(field)).collect();
        if !several.is_empty() {
            self.block(
                Reason::NotSupported,
                &names(&several),
                format!("{id} is a standalone cluster of one node, as the group is that it is moved into, and this needs a replica"),
                "leave it out until the new group serves and has a replica (`aws elasticache increase-replica-count`)".to_owned(),
            );
        }
        let drifts: Vec<&Drift> = self.planning.drifts.iter().collect();
        let waits = |field: &String| self.planning.seen.busy().is_some() && tags.contains(field);
        let rest = |field: &String| !self.is_blocked(field) && !waits(field) && field != MIGRATION;
        let others: Vec<String> = names(&drifts).into_iter().filter(rest).collect();
        if others.is_empty() {
            return;
        }
        let message = format!("{id} is a standalone cluster, and holdfast changes replication groups only");
        let and_tags = if others.iter().any(|field| tags.contains(field)) { ", tags with `add-tags-to-resource`" } else { "" };
        let by_hand = format!("change it by hand (`aws elasticache modify-cache-cluster --cache-cluster-id {id}`{and_tags})");
        let what_to_do = match (self.needs_move().is_empty(), self.planning.spec.migration.is_some()) {
            (false, true) => format!("nothing, where the move can be begun: it is changed on the new group then; or {by_hand}"),
            (false, false) => format!("{by_hand}, or declare `migration`: it is changed on the new group then"),
            (true, _) => format!(
                "{by_hand}, or declare what a group is for (`atRestEncryption`) and `migration`: it is changed on the new group then"
            ),
        };
        self.block(Reason::NotSupported, &others, message, what_to_do);
    }
}

//! Reading how far the fence is.

use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};

use super::{FILLED_TAG, Made, Seen, WAS_TAG};
use crate::aws::{Class, Reads};
use crate::kinds::elasticache::moving::MOVE_TAG;
use crate::kinds::elasticache::moving::names::Names;
use crate::kinds::elasticache::moving::observe::parameter_groups;
use crate::kinds::elasticache::observe::{group, known_tags, members};
use crate::kinds::elasticache::{OWNER_TAG, OWNER_TAG_VALUE};
use crate::kinds::{Fact, Unreadable};

/// `source`: the replication group that is to be fenced, where it is one. `epoch`: the lock's, or what the next one would have.
pub async fn observe(reads: &Reads, source: Option<&ReplicationGroup>, clusters: &[CacheCluster], names: &Names, epoch: u32) -> Seen {
    let name = names.fence(epoch);
    let made = made(reads, &name, &names.target).await;
    match source {
        None => Seen { name, group: made, nodes: Fact::Absent, ..Seen::default() },
        Some(source) => {
            let found = group(source);
            Seen { name, group: made, nodes: members(source, clusters), status: found.status, waiting: found.waiting }
        }
    }
}

async fn made(reads: &Reads, name: &str, target: &str) -> Fact<Made> {
    let listing = match parameter_groups(reads).await {
        Ok(listing) => listing,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    let Some(arn) = listing.iter().find(|group| group.cache_parameter_group_name() == Some(name)).and_then(|group| group.arn()) else {
        return Fact::Absent;
    };
    match known_tags(reads, arn).await {
        Ok(tags) => Fact::Present(Made {
            ours: tags.get(OWNER_TAG).is_some_and(|owner| owner == OWNER_TAG_VALUE) && tags.get(MOVE_TAG).is_some_and(|of| of == target),
            was: tags.get(WAS_TAG).cloned().unwrap_or_default(),
            filled: tags.contains_key(FILLED_TAG),
        }),
        // Deleted since it was listed.
        Err(error) if error.class == Class::NotFound => Fact::Absent,
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

//! ElastiCache, over AWS Query, API version 2015-02-02.
//!
//! Replication groups have a life: they are created in minutes, refuse what comes while they change, may fail to be
//! created, and do what waits for its maintenance window when that comes. What a request asks for is checked against the
//! service's own rules and refused in its own codes.

mod auth;
mod clusters;
mod engine;
mod groups;
mod lifecycle;
mod parameters;
mod place;
mod refusal;
mod request;
mod servers;
mod snapshots;
pub mod state;
mod subnets;
mod tagging;
mod topology;
mod versions;

#[cfg(test)]
mod tests;

pub use state::State;

pub use servers::wanted;

use self::place::Place;
use super::call::{Answer, Call, Operation, Refusal};
use super::protocol::query::{self, Form};
use super::protocol::xml::Xml;
use super::world::World;

const NAMESPACE: &str = "http://elasticache.amazonaws.com/doc/2015-02-02/";

type Does = fn(&mut State, &Place, &Form) -> Result<Xml, Refusal>;

/// Every operation that is known, whether it writes, and what does it.
const OPERATIONS: &[(&str, bool, Does)] = &[
    ("AddTagsToResource", true, tagging::add),
    ("CopySnapshot", true, snapshots::copy),
    ("CreateCacheCluster", true, clusters::create),
    ("CreateCacheParameterGroup", true, parameters::groups::create),
    ("CreateCacheSubnetGroup", true, subnets::create),
    ("CreateReplicationGroup", true, groups::create),
    ("CreateSnapshot", true, snapshots::create),
    ("DecreaseReplicaCount", true, groups::decrease),
    ("DeleteCacheCluster", true, clusters::delete),
    ("DeleteCacheParameterGroup", true, parameters::groups::delete),
    ("DeleteReplicationGroup", true, groups::delete),
    ("DeleteSnapshot", true, snapshots::delete),
    ("DescribeCacheClusters", false, clusters::describe),
    ("DescribeCacheEngineVersions", false, versions::describe),
    ("DescribeCacheParameterGroups", false, parameters::groups::describe),
    ("DescribeCacheParameters", false, parameters::groups::describe_parameters),
    ("DescribeCacheSubnetGroups", false, subnets::describe),
    ("DescribeReplicationGroups", false, groups::describe),
    ("DescribeSnapshots", false, snapshots::describe),
    ("IncreaseReplicaCount", true, groups::increase),
    ("ListTagsForResource", false, tagging::list),
    ("ModifyCacheCluster", true, clusters::modify),
    ("ModifyCacheParameterGroup", true, parameters::groups::modify),
    ("ModifyReplicationGroup", true, groups::modify),
    ("RebootCacheCluster", true, clusters::reboot),
    ("RemoveTagsFromResource", true, tagging::remove),
    ("ResetCacheParameterGroup", true, parameters::groups::reset),
    ("TestFailover", true, groups::test_failover),
];

/// Which operation a request is.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let form = Form::parse(call);
    let name = form.action()?;
    let writes = find(name)?.1;
    Ok(Operation { name: name.to_owned(), writes })
}

fn find(name: &str) -> Result<&'static (&'static str, bool, Does), Refusal> {
    let known = OPERATIONS.iter().find(|(known, _, _)| *known == name);
    known.ok_or_else(|| Refusal::new(501, "NotImplemented", format!("The sandbox's ElastiCache does not know the operation {name}.")))
}

fn place(world: &World) -> Place {
    Place {
        account: world.account.clone(),
        region: world.region.clone(),
        page_size: world.page_size,
        now: world.now,
        servers: world.servers.clone(),
    }
}

/// The names and ports by which AWS would call each group and each standalone cluster, and where its real server is.
pub fn real_addresses(world: &World) -> Vec<(String, String)> {
    let real = place(world);
    let named = Place { servers: None, ..real.clone() };
    let text = |endpoint: place::Endpoint| format!("{}:{}", endpoint.host, endpoint.port);
    let groups = world.elasticache.replication_groups.iter();
    let each = groups.map(|(id, group)| match group.cluster_enabled {
        true => (text(group.configuration_endpoint(id, &named)), text(group.configuration_endpoint(id, &real))),
        false => (text(group.primary_endpoint(id, &named)), text(group.primary_endpoint(id, &real))),
    });
    let clusters = world.elasticache.cache_clusters.iter().filter(|(_, cluster)| cluster.engine != "memcached");
    let alone = clusters.map(|(id, cluster)| (text(cluster.endpoint(id, 1, &named)), text(cluster.endpoint(id, 1, &real))));
    each.chain(alone).collect()
}

/// Does what is asked, at the time `world.now`.
pub fn answer(world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let place = place(world);
    let result = (find(&operation.name)?.2)(&mut world.elasticache, &place, &Form::parse(call))?;
    Ok(query::answer(&operation.name, NAMESPACE, result))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    query::refuse(refusal, request_id)
}

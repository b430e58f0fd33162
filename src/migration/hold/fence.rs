//! What a fence of a side is made of on Redis' part. What AWS adds (a parameter that refuses writes) is its owner's; connections that are established
//! outlive most of what AWS can do, so that ending them is done here.

use std::time::Duration;

use redis::Value;

use super::HoldError;
use super::clients::{Foreigner, end_foreign};
use super::nodes::{ASKING, NodeLink, Nodes};
use super::pause::Hold;
use crate::migration::side::{Rules, Side};
use crate::migration::wire::{Link, Name, WireError};

/// Ends every foreign connection to a held side until none comes back, and makes the hold last `length` from now (rule 15). Says who was sent away.
/// Can be done again.
pub async fn fence(hold: &mut Hold, us: &Name, rules: Rules, within: Duration, length: Duration) -> Result<Vec<Foreigner>, HoldError> {
    hold.prove().await?;
    let ended = match rules.follows(15) {
        true => end_foreign(hold.nodes(), us, within).await?,
        false => Vec::new(),
    };
    hold.extend(length).await?;
    Ok(ended)
}

/// Opens a held side for us alone, behind its fence (rule 19): in one MULTI a node, so that nothing slips between, all connections but the one that asks
/// are ended, what they wait for with them, and the pause ends. Our own other connections to the side end too. Replicas first.
pub async fn reopen(hold: &mut Hold, rules: Rules) -> Result<(), HoldError> {
    hold.stand_down();
    let nodes = hold.nodes();
    for part in [&nodes.replicas, &nodes.primaries] {
        futures::future::try_join_all(part.iter().map(|node| reopen_node(node, rules))).await?;
    }
    Ok(())
}

/// The same of a side that another life may have held, or nobody.
pub async fn open_for_us(side: &Side, name: &Name, rules: Rules) -> Result<(), HoldError> {
    let nodes = Nodes::connect(side, name).await?;
    for part in [&nodes.replicas, &nodes.primaries] {
        futures::future::try_join_all(part.iter().map(|node| reopen_node(node, rules))).await?;
    }
    Ok(())
}

/// Whether every primary of a side refuses writes by its own settings, however many clients ask: more replicas must be in step than it has. A server says
/// how many are only where it asks for some.
pub async fn refuses_writes(nodes: &Nodes) -> Result<bool, WireError> {
    for primary in &nodes.primaries {
        if primary.link.info("replication").await?.number("min_slaves_good_slaves").is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn reopen_node(node: &NodeLink, rules: Rules) -> Result<(), WireError> {
    let kill = |pipeline: &mut redis::Pipeline| {
        for kind in ["normal", "pubsub"] {
            pipeline.cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
        }
    };
    let mut pipeline = redis::pipe();
    if rules.follows(19) {
        pipeline.cmd("MULTI");
        kill(&mut pipeline);
        pipeline.cmd("CLIENT").arg("UNPAUSE");
        pipeline.cmd("EXEC");
        all_done(&node.link, &pipeline).await
    } else {
        pipeline.cmd("CLIENT").arg("UNPAUSE");
        all_done(&node.link, &pipeline).await?;
        let mut pipeline = redis::pipe();
        kill(&mut pipeline);
        all_done(&node.link, &pipeline).await
    }
}

async fn all_done(link: &Link, pipeline: &redis::Pipeline) -> Result<(), WireError> {
    for answer in link.ask_all(pipeline, ASKING).await? {
        let inner = match &answer {
            Value::Array(answers) => answers.iter().find_map(|answer| link.refusal("CLIENT", answer)),
            Value::Nil => Some(link.strange("EXEC")),
            _ => None,
        };
        if let Some(error) = link.refusal("CLIENT", &answer).or(inner) {
            return Err(error);
        }
    }
    Ok(())
}

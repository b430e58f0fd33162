//! What the servers say of changes: client tracking in broadcast mode, on the primaries of both sides (rules 1, 3).

use std::sync::Arc;

use redis::{PushKind, Value};

use super::marks::Key;
use super::nodes::{Nodes, SHORT, text};
use super::trouble::Trouble;
use crate::migration::side::Rules;
use crate::migration::wire::{Link, Name, WireError};

/// What a tracking connection hears.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Key(Key),
    /// FLUSHALL or FLUSHDB: all keys.
    Everything,
    /// The connection is gone, and with it whatever it would have heard.
    Broke,
}

/// Who is told.
pub type Hears = Arc<dyn Fn(Heard) + Send + Sync>;

/// A connection on which a primary says which keys change.
pub struct Tracking {
    link: Link,
    rules: Rules,
}

impl Tracking {
    /// Turns tracking on, for every key. Nothing, with the reason, where the server has no tracking for us.
    pub async fn on(nodes: &Nodes, shard: usize, name: &Name, rules: Rules, hears: Hears) -> Result<Result<Tracking, String>, Trouble> {
        let (Some(at), Some(pinned)) = (nodes.side.shards.get(shard), nodes.identity(shard)) else { return Err(Trouble::NoShard) };
        if super::versions::number(&pinned.version) < (6, 0) {
            return Ok(Err(format!("{} has no client tracking before 6.0", nodes.node(shard))));
        }
        let pushes = Arc::new(move |push: redis::PushInfo| hear(push.kind, push.data, &hears));
        let link = Link::connect(&at.primary, 0, &name.for_role("copy-track"), Some(pushes)).await?;
        nodes.is_pinned(pinned, &link)?;
        let mut command = redis::cmd("CLIENT");
        // Not NOLOOP: it hides the writes of others too (rule 1).
        command.arg("TRACKING").arg("ON").arg("BCAST");
        match link.ask(&command, SHORT).await {
            Ok(_) => {}
            // Not known, renamed, or forbidden; whatever else it says may be over in a moment.
            Err(WireError::Refused { node, code, message, .. }) if matches!(code.as_str(), "ERR" | "NOPERM") => {
                return Ok(Err(format!("{node} refuses client tracking: {code} {message}")));
            }
            Err(other) => return Err(other.into()),
        }
        let tracking = Tracking { link, rules };
        tracking.check().await?;
        Ok(Ok(tracking))
    }

    /// Returns when every push before this moment has been taken: the answer to a PING comes after them on the same connection, and the driver hands
    /// out both in the order in which they came.
    pub async fn barrier(&self) -> Result<(), Trouble> {
        // Rule 1 left out: a client that connected again by itself answers, with tracking off.
        if !self.rules.follows(1) && self.link.is_broken() {
            return Ok(());
        }
        match self.link.ask(&redis::cmd("PING"), SHORT).await {
            Ok(_) if !self.link.is_broken() => Ok(()),
            Ok(_) | Err(WireError::Lost { .. } | WireError::Silent { .. }) => Err(self.broke()),
            Err(other) => Err(other.into()),
        }
    }

    /// Fails where tracking is not on any more, in broadcast mode, for every key.
    pub async fn check(&self) -> Result<(), Trouble> {
        if !self.rules.follows(1) {
            return Ok(());
        }
        let info = match self.link.ask(redis::cmd("CLIENT").arg("TRACKINGINFO"), SHORT).await {
            Ok(info) => info,
            // 6.0 has no TRACKINGINFO.
            Err(WireError::Refused { .. }) => return Ok(()),
            Err(WireError::Lost { .. } | WireError::Silent { .. }) => return Err(self.broke()),
            Err(other) => return Err(other.into()),
        };
        if is_on(&info) { Ok(()) } else { Err(self.broke()) }
    }

    fn broke(&self) -> Trouble {
        Trouble::TrackingBroke { node: self.link.node().to_owned() }
    }
}

fn hear(kind: PushKind, data: Vec<Value>, hears: &Hears) {
    match kind {
        PushKind::Invalidate => {
            for value in data {
                match value {
                    Value::Array(keys) => keys.into_iter().for_each(|key| {
                        // What is not a key is not understood, and anything may have changed.
                        hears(if let Value::BulkString(key) = key { Heard::Key(key) } else { Heard::Everything });
                    }),
                    _ => hears(Heard::Everything),
                }
            }
        }
        PushKind::Disconnection => hears(Heard::Broke),
        _ => {}
    }
}

/// Whether CLIENT TRACKINGINFO says: on, broadcast, nothing broken, no prefix.
fn is_on(info: &Value) -> bool {
    let Value::Map(members) = info else { return false };
    let member = |name: &str| members.iter().find(|(key, _)| text(key).as_deref() == Some(name)).map(|(_, value)| value);
    let words = |value: Option<&Value>| match value {
        Some(Value::Array(words) | Value::Set(words)) => words.iter().filter_map(text).collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let flags = words(member("flags"));
    let has = |flag: &str| flags.iter().any(|word| word == flag);
    // No prefix is given as one that is empty.
    has("on") && has("bcast") && !has("broken_redirect") && !has("noloop") && words(member("prefixes")).iter().all(String::is_empty)
}

/// What is heard of a whole side.
pub struct Watched {
    tracks: Vec<Tracking>,
    /// Why nothing is heard of it.
    pub missing: Option<String>,
}

impl Watched {
    /// Turns tracking on at every primary. Where one has none, none of them counts.
    pub async fn begin(nodes: &Nodes, name: &Name, rules: Rules, hears: &Hears) -> Result<Watched, Trouble> {
        let mut tracks = Vec::new();
        for shard in 0..nodes.shards() {
            match Tracking::on(nodes, shard, name, rules, Arc::clone(hears)).await? {
                Ok(tracking) => tracks.push(tracking),
                Err(why) => return Ok(Watched { tracks: Vec::new(), missing: Some(why) }),
            }
        }
        Ok(Watched { tracks, missing: None })
    }

    /// Every push of this shard before this moment has been taken.
    pub async fn barrier_of(&self, shard: usize) -> Result<(), Trouble> {
        match self.tracks.get(shard) {
            Some(tracking) => tracking.barrier().await,
            None => Ok(()),
        }
    }

    /// Every push before this moment has been taken, and tracking is still on.
    pub async fn barrier(&self) -> Result<(), Trouble> {
        futures::future::try_join_all(self.tracks.iter().map(Tracking::barrier)).await?;
        futures::future::try_join_all(self.tracks.iter().map(Tracking::check)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn heard(kind: PushKind, data: Vec<Value>) -> Vec<Heard> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&all);
        let hears: Hears = Arc::new(move |heard| sink.lock().unwrap().push(heard));
        hear(kind, data, &hears);
        std::mem::take(&mut *all.lock().unwrap())
    }

    #[test]
    fn pushes_are_keys_or_everything() {
        let key = |name: &str| Value::BulkString(name.as_bytes().to_vec());
        let pushed = heard(PushKind::Invalidate, vec![Value::Array(vec![key("a"), key("b")])]);
        assert_eq!(pushed, [Heard::Key(b"a".to_vec()), Heard::Key(b"b".to_vec())]);
        assert_eq!(heard(PushKind::Invalidate, vec![Value::Nil]), [Heard::Everything]);
        assert_eq!(heard(PushKind::Invalidate, vec![Value::Array(vec![Value::Int(1)])]), [Heard::Everything]);
        assert_eq!(heard(PushKind::Disconnection, vec![]), [Heard::Broke]);
        assert_eq!(heard(PushKind::Message, vec![key("a")]), []);
    }

    /// The driver hands out pushes and answers in the order in which they came: when the barrier's PING is answered, every change that was acknowledged
    /// before it has been heard of.
    #[cfg(feature = "sandbox")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_acknowledged_change_is_heard_of_before_the_barrier() {
        let Some(source) = crate::migration::tests::servers::server(&[]) else { return };
        let name = Name { migration: "test".to_owned(), epoch: 1, role: "copy" };
        let nodes = Nodes::pin(source.side(), name.clone(), Rules::ALL).await.unwrap();
        let heard = Arc::new(Mutex::new(std::collections::HashSet::new()));
        let sink = Arc::clone(&heard);
        let hears: Hears = Arc::new(move |heard| {
            if let Heard::Key(key) = heard {
                sink.lock().unwrap().insert(key);
            }
        });
        let watched = Watched::begin(&nodes, &name, Rules::ALL, &hears).await.unwrap();
        assert_eq!(watched.missing, None);
        for round in 0..20 {
            let writers = (0..8).map(|writer| {
                let source = &source;
                async move {
                    let client = source.client(writer % 3).await;
                    client.fill(&format!("{round}:{writer}:"), 200, 10).await;
                }
            });
            futures::future::join_all(writers).await;
            watched.barrier().await.unwrap();
            assert_eq!(std::mem::take(&mut *heard.lock().unwrap()).len(), 1600, "{round}");
        }
    }
}

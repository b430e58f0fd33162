//! Who is connected to a node, and how those who must not be are sent away.

use std::time::Duration;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::HoldError;
use super::nodes::{Nodes, seconds};
use crate::migration::wire::{Link, Name, WireError};

/// How long one question about clients may take: CLIENT LIST of 10,000 clients takes some 20 ms.
const ASKING: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOKING: Duration = Duration::from_millis(20);
/// How long nobody may have come back until they count as gone: a client that connects again does so within this, or waits for longer than it is worth.
const GONE: Duration = Duration::from_millis(250);

/// A connection that is older has said its name, if it is ours.
const ARRIVING_SECONDS: u64 = 3;

/// One line of CLIENT LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: i64,
    /// Where it comes from: `10.0.3.7:51512`.
    pub addr: String,
    /// What it calls itself; often empty.
    pub name: String,
    /// The ACL user (6.0 and newer).
    pub user: String,
    /// Its last command: `set`, `client|list`.
    pub command: String,
    /// How long it is connected.
    pub age_seconds: u64,
    /// How long it has said nothing.
    pub idle_seconds: u64,
    /// `N`, `S` (a replica), `M` (its primary), `b` (waits), `P` (subscribes) and more.
    pub flags: String,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Ours, of this epoch.
    Ours,
    /// Of an earlier life of this migration (rule 2).
    Earlier(u64),
    /// Of a later life: then this one is over.
    Later(u64),
    /// Between a primary and its replicas.
    Replication,
    /// An application's, or a person's.
    Foreign,
}

/// A foreign client, as it is shown to people and kept in a journal. It holds no data of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Foreigner {
    pub node: String,
    pub addr: String,
    pub name: String,
    pub user: String,
    pub command: String,
    pub age_seconds: u64,
}

impl std::fmt::Display for Foreigner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.addr)?;
        if !self.name.is_empty() {
            write!(out, " ({})", self.name)?;
        }
        if !matches!(self.user.as_str(), "" | "default") {
            write!(out, " as {}", self.user)?;
        }
        write!(out, " on {}, connected for {} s, last asked {}", self.node, self.age_seconds, self.command)
    }
}

impl Client {
    /// The lines of CLIENT LIST; a line without an id is left out.
    pub fn parse(text: &str) -> Vec<Client> {
        text.lines().filter_map(Client::line).collect()
    }

    fn line(line: &str) -> Option<Client> {
        let mut client = Client {
            id: 0,
            addr: String::new(),
            name: String::new(),
            user: String::new(),
            command: String::new(),
            age_seconds: 0,
            idle_seconds: 0,
            flags: String::new(),
        };
        // No value holds a space: SETNAME and ACL SETUSER refuse them.
        for (field, value) in line.split(' ').filter_map(|member| member.split_once('=')) {
            match field {
                "id" => client.id = value.parse().ok()?,
                "addr" => client.addr = value.to_owned(),
                "name" => client.name = value.to_owned(),
                "user" => client.user = value.to_owned(),
                "cmd" => client.command = value.to_owned(),
                "age" => client.age_seconds = value.parse().unwrap_or(0),
                "idle" => client.idle_seconds = value.parse().unwrap_or(0),
                "flags" => client.flags = value.to_owned(),
                _ => {}
            }
        }
        (client.id != 0).then_some(client)
    }

    /// Whether it waits for something: a pause to end, or a key.
    pub fn waits(&self) -> bool {
        self.flags.contains('b')
    }

    pub fn whose(&self, us: &Name) -> Whose {
        if self.flags.contains(['S', 'M']) {
            return Whose::Replication;
        }
        match Name::epoch_of(&us.migration, &self.name) {
            None => Whose::Foreign,
            Some(epoch) if epoch < us.epoch => Whose::Earlier(epoch),
            Some(epoch) if epoch > us.epoch => Whose::Later(epoch),
            Some(_) => Whose::Ours,
        }
    }

    /// Whether it is new and has asked nothing yet but who it is: it may be one of ours that has not said its name.
    fn is_arriving(&self) -> bool {
        let greeting = ["NULL", "hello", "auth", "select", "client"];
        let asked = self.command.split('|').next().unwrap_or_default();
        self.age_seconds < ARRIVING_SECONDS && self.name.is_empty() && greeting.contains(&asked)
    }

    pub fn foreigner(&self, node: &str) -> Foreigner {
        Foreigner {
            node: node.to_owned(),
            addr: self.addr.clone(),
            name: self.name.clone(),
            user: self.user.clone(),
            command: self.command.clone(),
            age_seconds: self.age_seconds,
        }
    }
}

/// All clients of a node.
pub async fn clients(link: &Link) -> Result<Vec<Client>, WireError> {
    let answer = link.ask(redis::cmd("CLIENT").arg("LIST"), ASKING).await?;
    text(&answer).map(|text| Client::parse(&text)).ok_or_else(|| link.strange("CLIENT LIST"))
}

/// One client of a node; nothing where it is gone. (`CLIENT LIST ID`: 6.2 and newer.)
pub async fn client(link: &Link, id: i64) -> Result<Option<Client>, WireError> {
    let answer = link.ask(redis::cmd("CLIENT").arg("LIST").arg("ID").arg(id), ASKING).await?;
    text(&answer).map(|text| Client::parse(&text).into_iter().next()).ok_or_else(|| link.strange("CLIENT LIST"))
}

/// The foreign clients of all nodes of a side, replicas' too.
pub async fn foreigners(nodes: &Nodes, us: &Name) -> Result<Vec<Foreigner>, WireError> {
    let asked = nodes.all().map(|node| async move {
        let foreign = clients(&node.link).await?.into_iter().filter(|client| client.whose(us) == Whose::Foreign);
        Ok::<_, WireError>(foreign.map(|client| client.foreigner(node.link.node())).collect::<Vec<_>>())
    });
    Ok(futures::future::try_join_all(asked).await?.into_iter().flatten().collect())
}

/// Ends the connections of earlier lives of this migration on every node (rule 2), and fails where a later life is at work: then this one is over.
pub async fn end_earlier(nodes: &Nodes, us: &Name) -> Result<usize, HoldError> {
    nodes.are_ours(us).await?;
    let asked = nodes.all().map(|node| async move {
        let earlier = clients(&node.link).await?.into_iter().filter(|client| matches!(client.whose(us), Whose::Earlier(_)));
        kill(&node.link, &earlier.map(|client| client.id).collect::<Vec<_>>()).await
    });
    Ok(futures::future::try_join_all(asked).await?.into_iter().sum())
}

/// Ends the connections of all foreign clients of a side, held ones too, until none is left, and says who they were. A write that is held is acknowledged
/// the moment the pause ends; one whose connection was ended never is (rule 15).
///
/// Who comes back again and again past `within` is named in the error.
pub async fn end_foreign(nodes: &Nodes, us: &Name, within: Duration) -> Result<Vec<Foreigner>, HoldError> {
    let until = tokio::time::Instant::now() + within;
    let mut ended: Vec<Foreigner> = Vec::new();
    let mut last_seen: Option<tokio::time::Instant> = None;
    loop {
        let round = nodes.all().map(|node| async move {
            let foreign: Vec<Client> = clients(&node.link).await?.into_iter().filter(|client| client.whose(us) == Whose::Foreign).collect();
            // One that arrives is looked at again: what it writes is held, and it is ended before that is over.
            let known = foreign.iter().filter(|client| !client.is_arriving());
            kill(&node.link, &known.map(|client| client.id).collect::<Vec<_>>()).await?;
            Ok::<_, WireError>(foreign.into_iter().map(|client| client.foreigner(node.link.node())).collect::<Vec<_>>())
        });
        let present: Vec<Foreigner> = futures::future::try_join_all(round).await?.into_iter().flatten().collect();
        let now = tokio::time::Instant::now();
        if present.is_empty() {
            if last_seen.is_none_or(|seen| now.duration_since(seen) >= GONE) {
                return Ok(ended);
            }
            tokio::time::sleep(LOOKING).await;
            continue;
        }
        last_seen = Some(now);
        if now >= until {
            return Err(HoldError::ClientsStay { seconds: seconds(within), clients: present });
        }
        // One that comes back does so from another port: remembered once an address.
        for foreigner in present {
            let host = |addr: &str| addr.rsplit_once(':').map(|(host, _)| host.to_owned());
            if !ended
                .iter()
                .any(|known| host(&known.addr) == host(&foreigner.addr) && known.name == foreigner.name && known.node == foreigner.node)
            {
                ended.push(foreigner);
            }
        }
        tokio::time::sleep(LOOKING).await;
    }
}

/// Ends our own connections of one role, and what they may still be waiting to do, until none is left.
pub async fn end_role(nodes: &Nodes, us: &Name, role: &'static str) -> Result<(), WireError> {
    let name = us.for_role(role).to_string();
    for node in nodes.all() {
        loop {
            let ours: Vec<i64> = clients(&node.link).await?.iter().filter(|client| client.name == name).map(|client| client.id).collect();
            if ours.is_empty() {
                break;
            }
            kill(&node.link, &ours).await?;
        }
    }
    Ok(())
}

/// Ends these connections; how many were still there.
pub async fn kill(link: &Link, ids: &[i64]) -> Result<usize, WireError> {
    let mut pipeline = redis::pipe();
    for id in ids {
        pipeline.cmd("CLIENT").arg("KILL").arg("ID").arg(*id);
    }
    let answers = link.ask_all(&pipeline, ASKING).await?;
    if let Some(refusal) = answers.iter().find_map(|answer| link.refusal("CLIENT KILL", answer)) {
        return Err(refusal);
    }
    Ok(answers.iter().filter(|answer| matches!(answer, Value::Int(1))).count())
}

/// A text in whichever of RESP's forms it comes.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "id=3 addr=10.0.3.7:51512 laddr=10.0.1.9:6379 fd=8 name=api-7 age=412 idle=0 flags=N db=0 cmd=set user=default resp=2\n\
        id=4 addr=10.0.1.4:6379 fd=9 name= age=9 idle=1 flags=S db=0 cmd=replconf user=default\n\
        id=5 addr=10.0.1.5:1 name=holdfast:huntaze-redis:3:copy age=9 idle=1 flags=b db=0 cmd=pfcount user=default\n\
        id=6 addr=10.0.1.5:2 name=holdfast:huntaze-redis:2:copy age=9 idle=1 flags=N db=0 cmd=dump user=default\n\
        id=7 addr=10.0.1.5:3 name=holdfast:huntaze-redis:4:copy age=9 idle=1 flags=N db=0 cmd=dump user=default\n\
        id=8 addr=10.0.1.5:4 name=holdfast:other:3:copy age=9 idle=1 flags=N db=0 cmd=dump user=job\n\nnonsense\nid=x\n";

    #[test]
    fn each_client_is_somebodys() {
        let us = Name { migration: "huntaze-redis".to_owned(), epoch: 3, role: "hold" };
        let clients = Client::parse(LIST);
        let whose: Vec<_> = clients.iter().map(|client| client.whose(&us)).collect();
        // Another migration's connection is foreign to this one.
        assert_eq!(whose, [Whose::Foreign, Whose::Replication, Whose::Ours, Whose::Earlier(2), Whose::Later(4), Whose::Foreign]);
        assert!(clients[2].waits() && !clients[0].waits());
        assert_eq!(clients[0].foreigner("a:6379").to_string(), "10.0.3.7:51512 (api-7) on a:6379, connected for 412 s, last asked set");
        let arriving = |line: &str| Client::parse(line)[0].is_arriving();
        assert!(arriving("id=9 addr=a:1 name= age=0 cmd=NULL") && arriving("id=9 addr=a:1 name= age=2 cmd=client|setname"));
        assert!(!arriving("id=9 addr=a:1 name= age=3 cmd=NULL") && !arriving("id=9 addr=a:1 name= age=0 cmd=set"));
        assert!(!arriving("id=9 addr=a:1 name=api age=0 cmd=hello"));
        assert!(clients[5].foreigner("a:6379").to_string().contains(" as job on "));
    }
}

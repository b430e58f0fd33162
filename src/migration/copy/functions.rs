//! Functions (7.0 and newer): they push nothing when they change (rule 6).

use std::collections::BTreeMap;

use redis::Value;

use super::life::Life;
use super::nodes::{LONG, Use, text};
use super::trouble::Trouble;
use super::versions;
use crate::migration::wire::Link;

/// The libraries of a node, with their code.
type Libraries = BTreeMap<String, String>;

impl Life {
    /// Makes the functions of every primary of the target equal to the source's. Says whether anything had to be done.
    pub async fn equal_functions(&self) -> Result<bool, Trouble> {
        let mut wanted = Libraries::new();
        let mut dumps: Vec<Vec<u8>> = Vec::new();
        for shard in 0..self.source.shards() {
            let link = self.source.link(shard, 0, Use::Ask).await?;
            if !has_functions(&link) {
                return Ok(false);
            }
            let libraries = libraries(&link).await?;
            for (library, code) in &libraries {
                if wanted.insert(library.clone(), code.clone()).is_some_and(|other| other != *code) {
                    return Err(Trouble::Functions { library: library.clone() });
                }
            }
            if !libraries.is_empty() {
                match link.ask(redis::cmd("FUNCTION").arg("DUMP"), LONG).await? {
                    Value::BulkString(dump) if !dumps.contains(&dump) => dumps.push(dump),
                    Value::BulkString(_) => {}
                    _ => return Err(link.strange("FUNCTION DUMP").into()),
                }
            }
        }
        let mut changed = false;
        for shard in 0..self.target.shards() {
            let link = self.target.link(shard, 0, Use::Write).await?;
            let there = libraries(&link).await?;
            // Bytes may differ where nothing else does: a dump's order is that of a hash table.
            if there == wanted {
                continue;
            }
            changed = true;
            self.is_still_mine()?;
            for library in there.keys().filter(|library| !wanted.contains_key(*library)) {
                if !self.may_delete() {
                    continue;
                }
                self.ledger.sends(shard, "function|delete", 1);
                link.ask(redis::cmd("FUNCTION").arg("DELETE").arg(library), LONG).await?;
            }
            for dump in &dumps {
                self.ledger.sends(shard, "function|restore", 1);
                link.ask(redis::cmd("FUNCTION").arg("RESTORE").arg(dump.as_slice()).arg("REPLACE"), LONG).await?;
            }
            if libraries(&link).await? != wanted && self.are_deletes_allowed() {
                return Err(link.strange("FUNCTION RESTORE").into());
            }
        }
        Ok(changed)
    }
}

fn has_functions(link: &Link) -> bool {
    versions::number(&link.identity.version) >= (7, 0)
}

async fn libraries(link: &Link) -> Result<Libraries, Trouble> {
    let answer = link.ask(redis::cmd("FUNCTION").arg("LIST").arg("WITHCODE"), LONG).await?;
    Ok(read(&answer).ok_or_else(|| link.strange("FUNCTION LIST"))?)
}

/// FUNCTION LIST WITHCODE: a map for each library, or an array of names and values (RESP2).
fn read(answer: &Value) -> Option<Libraries> {
    let (Value::Array(all) | Value::Set(all)) = answer else { return None };
    let library = |value: &Value| {
        let members: Vec<(String, &Value)> = match value {
            Value::Map(members) => members.iter().filter_map(|(name, value)| Some((text(name)?, value))).collect(),
            Value::Array(flat) => flat.chunks_exact(2).filter_map(|pair| Some((text(pair.first()?)?, pair.get(1)?))).collect(),
            _ => return None,
        };
        let member = |name: &str| members.iter().find(|(member, _)| member == name).and_then(|(_, value)| text(value));
        Some((member("library_name")?, member("library_code")?))
    };
    all.iter().map(library).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_in_both_protocols() {
        let word = |word: &str| Value::BulkString(word.as_bytes().to_vec());
        let pairs = [("library_name", "l"), ("engine", "LUA"), ("library_code", "#!lua name=l")];
        let map = Value::Map(pairs.iter().map(|(name, value)| (word(name), word(value))).collect());
        let flat = Value::Array(pairs.iter().flat_map(|(name, value)| [word(name), word(value)]).collect());
        let expected = Some(Libraries::from([("l".to_owned(), "#!lua name=l".to_owned())]));
        assert_eq!(read(&Value::Array(vec![map])), expected);
        assert_eq!(read(&Value::Array(vec![flat])), expected);
        assert_eq!(read(&Value::Array(vec![])), Some(Libraries::new()));
        assert_eq!((read(&Value::Nil), read(&Value::Array(vec![Value::Nil]))), (None, None));
    }
}

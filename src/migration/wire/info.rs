//! What INFO says.

use std::collections::BTreeMap;

/// The answer of INFO: its lines by name. Sections do not matter, names are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info(BTreeMap<String, String>);

/// One line of `INFO commandstats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandStats {
    /// How often it ran, in scripts and in EXEC too.
    pub calls: u64,
    /// How often it was refused before it ran (6.2 and newer).
    pub rejected: u64,
    /// How often it ran and failed (6.2 and newer).
    pub failed: u64,
}

impl Info {
    pub fn parse(text: &str) -> Info {
        let line = |line: &str| {
            let (name, value) = line.trim_end().split_once(':')?;
            (!name.starts_with('#')).then(|| (name.to_owned(), value.to_owned()))
        };
        Info(text.lines().filter_map(line).collect())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A value of the form `a=1,b=2`: `db0:keys=3,expires=1,avg_ttl=0`, `slave0:ip=10.0.0.1,port=6379,state=online,offset=42,lag=0`.
    pub fn members(&self, name: &str) -> Option<BTreeMap<&str, &str>> {
        Some(self.text(name)?.split(',').filter_map(|member| member.split_once('=')).collect())
    }

    /// All lines whose names begin so, with the rest of the name.
    pub fn below<'i>(&'i self, prefix: &'i str) -> impl Iterator<Item = (&'i str, &'i str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// The databases that hold keys, with their number of keys.
    pub fn databases(&self) -> BTreeMap<u32, u64> {
        let database = |(rest, _): (&str, &str)| {
            let number: u32 = rest.parse().ok()?;
            let keys = self.members(&format!("db{number}"))?.get("keys")?.parse().ok()?;
            Some((number, keys))
        };
        self.below("db").filter_map(database).collect()
    }

    /// What `INFO commandstats` counts of each command (`get`, `xgroup|create`).
    pub fn command_stats(&self) -> BTreeMap<String, CommandStats> {
        let stats = |(command, _): (&str, &str)| {
            let members = self.members(&format!("cmdstat_{command}"))?;
            let number = |name: &str| members.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
            let stats = CommandStats { calls: number("calls"), rejected: number("rejected_calls"), failed: number("failed_calls") };
            Some((command.to_owned(), stats))
        };
        self.below("cmdstat_").filter_map(stats).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_by_name() {
        let info = Info::parse(
            "# Replication\r\nrole:master\r\nslave0:ip=127.0.0.1,port=7001,state=online,offset=42,lag=0\r\nmaster_repl_offset:42\r\n\r\n# Keyspace\r\n\
             db0:keys=3,expires=1,avg_ttl=0\r\ndb15:keys=7,expires=0,avg_ttl=0\r\ncmdstat_xgroup|create:calls=2,usec=9,usec_per_call=4.50,rejected_calls=1,failed_calls=0\r\n",
        );
        assert_eq!((info.text("role"), info.number("master_repl_offset")), (Some("master"), Some(42)));
        assert_eq!(info.members("slave0").unwrap()["offset"], "42");
        assert_eq!(info.databases(), BTreeMap::from([(0, 3), (15, 7)]));
        assert_eq!(info.command_stats()["xgroup|create"], CommandStats { calls: 2, rejected: 1, failed: 0 });
        assert_eq!(Info::parse("no colon\n:\nrole"), Info::parse(":"));
    }
}

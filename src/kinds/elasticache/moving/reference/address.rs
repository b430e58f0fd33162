//! Writing another address where one stands. Pure.

use std::borrow::Cow;

use aws_sdk_elasticache::types::ReplicationGroup;
use secrecy::{ExposeSecret, SecretString};

use crate::kinds::elasticache::token::TokenRef;

/// The addresses that clients use of a group: of each kind there is one at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    pub primary: Option<(String, i32)>,
    pub reader: Option<(String, i32)>,
    /// Where cluster mode is on.
    pub configuration: Option<(String, i32)>,
}

/// From which group to which, and how clients log in there.
pub struct Way<'a> {
    pub from: &'a Endpoints,
    pub to: &'a Endpoints,
    pub tls: bool,
    pub token: Option<&'a SecretString>,
    /// Where that stands, for whoever reads it there.
    pub login: Option<&'a TokenRef>,
}

impl Endpoints {
    pub fn of(found: &ReplicationGroup) -> Endpoints {
        let one = |endpoint: Option<&aws_sdk_elasticache::types::Endpoint>| Some((endpoint?.address()?.to_owned(), endpoint?.port()?));
        let shard = found.node_groups().first();
        Endpoints {
            primary: one(shard.and_then(|shard| shard.primary_endpoint())),
            reader: one(shard.and_then(|shard| shard.reader_endpoint())),
            configuration: one(found.configuration_endpoint()),
        }
    }

    fn all(&self) -> [&Option<(String, i32)>; 3] {
        [&self.primary, &self.reader, &self.configuration]
    }
}

/// The text with the target's address in place of the source's, wherever it stands; nothing where it does not stand there, or has no equal.
///
/// A URL (`redis://`, `rediss://`) gets the scheme and the password that fit the target too; elsewhere the address alone is written.
pub fn rewritten(text: &str, way: &Way<'_>) -> Option<String> {
    let mut changed: Option<String> = None;
    for (from, to) in way.from.all().into_iter().zip(way.to.all()) {
        let Some((from, from_port)) = from else { continue };
        let present: Cow<'_, str> = changed.clone().map_or(Cow::Borrowed(text), Cow::Owned);
        if find(&present, from, 0).is_none() {
            continue;
        }
        let (to, to_port) = to.as_ref()?;
        changed = Some(replaced(&present, (from, *from_port), (to, *to_port), way));
    }
    changed
}

/// Whether any address of a group stands in the text.
pub fn names(text: &str, of: &Endpoints) -> bool {
    of.all().into_iter().flatten().any(|(host, _)| find(text, host, 0).is_some())
}

/// Where a host stands in a text, as a whole.
fn find(text: &str, host: &str, from: usize) -> Option<usize> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    let mut start = from;
    while let Some(at) = text.get(start..)?.find(host) {
        let (begin, end) = (start + at, start + at + host.len());
        let before = text.get(..begin).and_then(|before| before.chars().next_back());
        let after = text.get(end..).and_then(|after| after.chars().next());
        if !before.is_some_and(part) && !after.is_some_and(part) {
            return Some(begin);
        }
        start = end;
    }
    None
}

fn replaced(text: &str, from: (&str, i32), to: (&str, i32), way: &Way<'_>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut done = 0;
    while let Some(at) = find(text, from.0, done) {
        let before = text.get(done..at).unwrap_or_default();
        let mut after = at + from.0.len();
        let port = format!(":{}", from.1);
        let digit = |at: usize| text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(|letter| letter.is_ascii_digit());
        let with_port = text.get(after..).is_some_and(|rest| rest.starts_with(&port)) && !digit(after + port.len());
        if with_port {
            after += port.len();
        }
        let (lead, url) = url(before);
        out.push_str(lead);
        if let Some(user) = url {
            out.push_str(if way.tls { "rediss://" } else { "redis://" });
            match (way.token, user) {
                (Some(token), user) => {
                    out.push_str(user.split(':').next().unwrap_or_default());
                    out.push(':');
                    out.push_str(&quoted(token.expose_secret()));
                    out.push('@');
                }
                (None, "") => {}
                (None, user) => {
                    out.push_str(user);
                    out.push('@');
                }
            }
        }
        out.push_str(to.0);
        if with_port || to.1 != 6379 && url.is_some() {
            out.push_str(&format!(":{}", to.1));
        }
        done = after;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// What stands before a host: the text before its URL, and the user and password in it; nothing where it is in no URL.
fn url(before: &str) -> (&str, Option<&str>) {
    let scheme = ["rediss://", "redis://"].into_iter().filter_map(|scheme| Some((before.rfind(scheme)?, scheme))).max_by_key(|(at, _)| *at);
    let Some((at, scheme)) = scheme else { return (before, None) };
    // `rediss://` holds no `redis://`, but ends with what looks like one's end.
    let user = before.get(at + scheme.len()..).unwrap_or_default();
    let lead = before.get(..at).unwrap_or_default();
    match user.strip_suffix('@') {
        Some(user) if !user.contains(['@', '/', ' ']) => (lead, Some(user)),
        None if user.is_empty() => (lead, Some("")),
        _ => (before, None),
    }
}

/// A password as a URL takes it.
fn quoted(password: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$".contains(&byte);
    password.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_where_the_other_stood() {
        let one = |host: &str| Some((host.to_owned(), 6379));
        let from = Endpoints {
            primary: one("old.abc.ng.0001.use1.cache.amazonaws.com"),
            reader: one("old-ro.abc.ng.0001.use1.cache.amazonaws.com"),
            configuration: None,
        };
        let to = Endpoints {
            primary: one("master.new.abc.use1.cache.amazonaws.com"),
            reader: one("replica.new.abc.use1.cache.amazonaws.com"),
            configuration: None,
        };
        let token = SecretString::from("a-token&with#signs".to_owned());
        let with = |text: &str, token: Option<&SecretString>| rewritten(text, &Way { from: &from, to: &to, tls: true, token, login: None });
        let old = "old.abc.ng.0001.use1.cache.amazonaws.com";
        let new = "master.new.abc.use1.cache.amazonaws.com";
        for (text, token, expected) in [
            (format!("redis://{old}:6379/0"), None, format!("rediss://{new}:6379/0")),
            (format!("redis://{old}/0"), None, format!("rediss://{new}/0")),
            (format!("redis://{old}:6379"), Some(&token), format!("rediss://:a-token%26with%23signs@{new}:6379")),
            (format!("redis://app:old@{old}:6379/1"), Some(&token), format!("rediss://app:a-token%26with%23signs@{new}:6379/1")),
            (format!("rediss://:old@{old}:6379"), None, format!("rediss://:old@{new}:6379")),
            (old.to_owned(), Some(&token), new.to_owned()),
            (format!("{old}:6379"), None, format!("{new}:6379")),
            (
                format!("HOST={old}\nRO=old-ro.abc.ng.0001.use1.cache.amazonaws.com\n"),
                None,
                format!("HOST={new}\nRO=replica.new.abc.use1.cache.amazonaws.com\n"),
            ),
            (format!("redis://{old}:6379,redis://{old}:6379"), None, format!("rediss://{new}:6379,rediss://{new}:6379")),
        ] {
            assert_eq!(with(&text, token), Some(expected), "{text}");
        }
        for other in ["redis://elsewhere:6379", "", "redis://very-old.abc.ng.0001.use1.cache.amazonaws.com"] {
            assert_eq!(with(other, None), None, "{other}");
        }
        // An address without an equal is not left standing.
        let cluster = Endpoints { configuration: one(new), ..Endpoints::default() };
        assert_eq!(rewritten(old, &Way { from: &from, to: &cluster, tls: true, token: None, login: None }), None);
    }
}

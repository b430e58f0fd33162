//! What a parameter's value does to clients, as far as its name tells.

use super::values::same_text;

/// Parameters that refuse clients which were served until then: those without TLS.
const FORCE_TLS: &[&str] = &["rds.force_ssl", "require_secure_transport"];
/// What the names of parameters hold that may refuse clients, or end what they do: protocols and ciphers, ways to sign in, limits.
const LIMIT: &[&str] = &["ssl", "tls", "cipher", "auth", "max_connections", "max_user_connections", "max_execution_time", "sql_mode"];
/// The same of switches and times: off, or 0 for no limit, they refuse nobody.
const UNLESS_OFF: &[&str] = &["timeout", "read_only", "offline_mode"];

/// Whom a value refuses, or lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    /// Clients without TLS.
    PlainText,
    /// The same, if the engine's default is so: that differs by version (`rds.force_ssl` is 1 from PostgreSQL 15 on).
    PerhapsPlainText,
    /// None: clients without TLS are let in that were refused.
    LetsPlainTextIn,
    /// Some, of whom the parameter's meaning tells.
    Some,
}

/// Whom a parameter with this value refuses, or lets in; `None` is the engine's default.
pub fn cuts(name: &str, value: Option<&str>) -> Option<Cuts> {
    if FORCE_TLS.contains(&name) {
        return Some(match value {
            None => Cuts::PerhapsPlainText,
            Some(value) if same_text(value, "1") => Cuts::PlainText,
            Some(_) => Cuts::LetsPlainTextIn,
        });
    }
    let holds = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let some = holds(LIMIT) || holds(UNLESS_OFF) && !value.is_some_and(|value| same_text(value, "0"));
    some.then_some(Cuts::Some)
}

/// In words, whom these parameters refuse or let in; none where nobody notices them.
pub fn worst<'a>(parameters: impl Iterator<Item = (&'a str, Option<Cuts>)>) -> Option<String> {
    let cutting: Vec<(&str, Cuts)> = parameters.filter_map(|(name, cuts)| Some((name, cuts?))).collect();
    let some: Vec<&str> = cutting.iter().filter(|(_, cuts)| *cuts == Cuts::Some).map(|(name, _)| *name).collect();
    let has = |one: Cuts| cutting.iter().any(|(_, cuts)| *cuts == one);
    let plain = match () {
        () if has(Cuts::PlainText) => Some("clients without TLS are refused".to_owned()),
        () if has(Cuts::PerhapsPlainText) => Some("clients without TLS may be refused, as the engine's default says".to_owned()),
        () if has(Cuts::LetsPlainTextIn) => Some("less protected: clients without TLS are let in".to_owned()),
        () => None,
    };
    let some = (!some.is_empty()).then(|| format!("clients may be refused or cut off ({})", some.join(", ")));
    match (plain, some) {
        (Some(plain), Some(some)) => Some(format!("{plain}, and {some}")),
        (plain, some) => plain.or(some),
    }
}

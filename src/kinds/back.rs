//! The way back from a change, with what was found before it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Drift;

/// The longest command that a plan shows.
const LONGEST: usize = 1500;

/// The commands that bring tags back: `set` those that were another way, `take_off` those that were not there. Each is given the tags as a word.
pub fn tags<'a>(
    drifts: impl IntoIterator<Item = &'a Drift>,
    set: impl Fn(&Found<'a>) -> String,
    take_off: impl Fn(&[&str]) -> String,
) -> String {
    let (mut found, mut new) = (Found::new(), Vec::new());
    for drift in drifts {
        let key = drift.field.strip_prefix("tags.").unwrap_or(&drift.field);
        match drift.found.as_str() {
            Some(value) => drop(found.insert(key, value)),
            None => new.push(key),
        }
    }
    let commands = [(!found.is_empty()).then(|| set(&found)), (!new.is_empty()).then(|| take_off(&new))];
    commands.into_iter().flatten().map(|command| format!("`{command}`")).collect::<Vec<_>>().join(" and ")
}

/// Tags as they were found.
pub type Found<'a> = BTreeMap<&'a str, &'a str>;

/// Tags as most services take them, as a word.
pub fn tag_list<K: AsRef<str>, V: AsRef<str>>(tags: &BTreeMap<K, V>) -> String {
    document(&tags.iter().map(|(key, value)| json!({"Key": key.as_ref(), "Value": value.as_ref()})).collect())
}

/// A document as a word.
pub fn document(value: &Value) -> String {
    word(&value.to_string())
}

/// A command, where it is short enough to be shown; else, in words, what it would do.
pub fn short(command: String, otherwise: impl FnOnce() -> String) -> String {
    if command.len() > LONGEST { otherwise() } else { format!("`{command}`") }
}

/// A word of a command line, in quotes where a shell would read it otherwise.
pub fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./:@%+=,-".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A switch of the AWS command line: `--name`, or `--no-name`.
pub fn switch(name: &str, on: bool) -> String {
    format!("--{}{name}", if on { "" } else { "no-" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Impact;

    #[test]
    fn tags_go_back_to_what_they_were() {
        let drift = |field: &str, found: Value| Drift { field: field.to_owned(), found, declared: Value::Null, impact: Impact::Online };
        let drifts = [drift("tags.team", json!("it's \"db\"")), drift("tags.new one", Value::Null)];
        let back = tags(&drifts, |found| format!("set {}", tag_list(found)), |keys| format!("off {}", document(&json!(keys))));
        assert_eq!(back, r#"`set '[{"Key":"team","Value":"it'\''s \"db\""}]'` and `off '["new one"]'`"#);
        assert_eq!(short("a".repeat(LONGEST + 1), || "by hand".to_owned()), "by hand");
    }

    #[test]
    fn a_shell_reads_a_word_as_one() {
        for (text, written) in
            [("a-b:c/d", "a-b:c/d"), ("", "''"), ("a:*", "'a:*'"), ("it's", r"'it'\''s'"), ("[{\"a\":1}]", "'[{\"a\":1}]'")]
        {
            assert_eq!(word(text), written);
        }
    }
}

//! The way back from a change, with what was found before it.

use serde_json::Value;

use super::Drift;

/// How to go back from tags.
pub fn tags<'a>(drifts: impl IntoIterator<Item = &'a Drift>) -> String {
    let each = drifts.into_iter().map(|drift| {
        let key = drift.field.strip_prefix("tags.").unwrap_or(&drift.field);
        match &drift.found {
            Value::Null => format!("take the tag {key} off"),
            found => format!("set the tag {key} to {}", value(found)),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// A value in a sentence: text as it is where that is one word, else as JSON.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_whitespace) => text.clone(),
        other => other.to_string(),
    }
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
    use serde_json::json;

    use super::*;
    use crate::kinds::Impact;

    #[test]
    fn tags_go_back_to_what_they_were() {
        let drift = |field: &str, found: Value| Drift { field: field.to_owned(), found, declared: Value::Null, impact: Impact::Online };
        let drifts = [drift("tags.team", json!("db")), drift("tags.new", Value::Null), drift("tags.note", json!("two words"))];
        assert_eq!(tags(&drifts), "set the tag team to db, take the tag new off, set the tag note to \"two words\"");
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

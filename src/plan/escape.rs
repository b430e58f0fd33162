//! Texts that others wrote, on a terminal: a manifest, a tag or a message must not move the cursor, colour what it likes, or turn a line around.

use std::borrow::Cow;
use std::fmt::Write;

/// The colours that this program writes itself, after the escape character: bold, dim, red, green, yellow, and off.
const OURS: [&str; 6] = ["[1m", "[2m", "[31m", "[32m", "[33m", "[0m"];

/// A text of somebody else's as it may stand inside a line of ours: control characters, line ends, and what turns the direction of writing
/// are shown as `\u001b`. The form is JSON's, so that a document stays one.
pub fn shown(text: &str) -> Cow<'_, str> {
    match text.chars().any(unsafe_alone) {
        false => Cow::Borrowed(text),
        // A secret is looked for as it is: afterwards it would look different.
        true => Cow::Owned(escaped(&crate::aws::reveal_nothing(text), |character, _| unsafe_alone(character))),
    }
}

/// A whole output as it may reach a terminal: with its lines and our own colours, and without whatever else came in by a way that [`shown`] does not
/// guard.
pub fn output(text: &str) -> Cow<'_, str> {
    let unsafe_here = |character: char, rest: &str| match character {
        '\n' | '\t' => false,
        '\u{1b}' => !OURS.iter().any(|style| rest.starts_with(style)),
        other => unsafe_alone(other),
    };
    match text.chars().any(|character| unsafe_alone(character) && character != '\n') {
        false => Cow::Borrowed(text),
        true => Cow::Owned(escaped(text, unsafe_here)),
    }
}

/// Control characters, the two line ends of Unicode, and the marks of its bidirectional algorithm (UAX 9).
fn unsafe_alone(character: char) -> bool {
    character.is_control() || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with each character escaped of which `is` says so, given what comes after it.
fn escaped(text: &str, is: impl Fn(char, &str) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (at, character) in text.char_indices() {
        let rest = text.get(at + character.len_utf8()..).unwrap_or_default();
        match character {
            _ if !is(character, rest) => out.push(character),
            '\n' => out.push_str("\\n"),
            other => {
                // Writing to a String does not fail. All of them have four digits.
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_terminal_is_shown_and_not_sent() {
        assert_eq!(shown("ok\u{1b}]0;pwned\u{7}\u{1b}[2J"), "ok\\u001b]0;pwned\\u0007\\u001b[2J");
        assert_eq!(shown("a\u{9b}31mb\u{202e}c\u{2067}d\r\ne"), "a\\u009b31mb\\u202ec\\u2067d\\u000d\\ne");
        assert_eq!(shown("été \u{1f600} café"), "été \u{1f600} café");
        // A line of ours may have our colours, a text of somebody else's may not.
        assert_eq!(shown("\u{1b}[32m= in sync"), "\\u001b[32m= in sync");
        assert_eq!(output("\u{1b}[32mok\u{1b}[0m\n\tx\u{1b}[8mhidden\r"), "\u{1b}[32mok\u{1b}[0m\n\tx\\u001b[8mhidden\\u000d");
    }

    #[test]
    fn a_document_stays_one() {
        let value = serde_json::json!({ "reason": "a\u{9b}b\u{202e}c\u{7f}\u{1b}\nd" });
        let printed = output(&serde_json::to_string_pretty(&value).unwrap()).into_owned();
        assert!(!printed.chars().any(|character| character != '\n' && unsafe_alone(character)), "{printed:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn our_own_colours_are_known() {
        use anstyle::{AnsiColor, Style};
        let styles = [
            Style::new().bold(),
            Style::new().dimmed(),
            AnsiColor::Green.on_default(),
            AnsiColor::Yellow.on_default(),
            AnsiColor::Red.on_default(),
        ];
        for style in styles {
            let text = format!("{style}x{style:#}");
            assert_eq!(output(&text), text);
        }
    }
}

//! Texts that others wrote, inside Markdown: a manifest, a name or a message from AWS must neither become markup nor call people.
//!
//! Sites look for mentions (`@name`), references (`#12`, `GH-12`, hashes of commits), addresses and emoji in what Markdown has become, so that escaping
//! by backslashes or entities does not help: `&#64;name` mentions just the same. What they leave alone is code. A word that is not one of plain letters
//! is therefore shown as code, and nothing is ever escaped inside a sentence.

use std::borrow::Cow;

use crate::plan::escape::shown;

/// The longest that one value is shown, in characters.
pub(super) const VALUE: usize = 160;
/// The longest name: those of AWS are shorter.
pub(super) const NAME: usize = 300;
/// The longest sentence.
pub(super) const SENTENCE: usize = 700;

/// A text as code, at most `longest` characters of it. `cell`: it stands in a table, where a vertical line would begin another cell, even inside code.
pub(super) fn code(text: &str, longest: usize, cell: bool) -> String {
    let text = cut(text, longest);
    let text = if cell { Cow::Owned(text.replace('|', "\\u007c")) } else { text };
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // A space at each end is taken off again by whoever reads it, unless there is nothing else.
    let blank = text.chars().all(|letter| letter == ' ');
    let apart = !blank && (text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']));
    let space = if apart { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A sentence of ours with names and values of others in it. What stands between backticks is code already, what is no plain word becomes it.
pub(super) fn prose(text: &str) -> String {
    let text = cut(text, SENTENCE);
    let parts: Vec<&str> = text.split('`').collect();
    // With a backtick too many nobody knows which of them are ours.
    if parts.len().is_multiple_of(2) {
        return code(&text, SENTENCE, false);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (place, part) in parts.iter().enumerate() {
        match place % 2 {
            0 => words(&mut out, part),
            _ => push_code(&mut out, part),
        }
    }
    // Nothing before it: a line that began with blanks would be another block.
    out.trim().to_owned()
}

/// A text inside HTML.
pub(super) fn html(text: &str, longest: usize) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in cut(text, longest).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// On one line, without what moves a terminal or turns the direction of writing, and not longer than that.
fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    let text = shown(text);
    match text.char_indices().nth(longest) {
        None => text,
        Some((end, _)) => {
            let more = text.chars().count() - longest;
            Cow::Owned(format!("{}... ({more} more)", text.get(..end).unwrap_or_default()))
        }
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

/// The words of a sentence: those that are not plain as code, several of them as one.
fn words(out: &mut String, text: &str) {
    let mut raw = String::new();
    for (place, word) in text.split(' ').enumerate() {
        let (before, core, after) = taken_apart(word);
        // `1.` at its beginning would begin a list.
        let list = out.is_empty() && raw.is_empty() && after.starts_with(['.', ')']);
        let plain = is_plain(core, list);
        if plain || !before.is_empty() {
            flush(out, &mut raw);
        }
        if plain {
            out.push_str(if place > 0 { " " } else { "" });
            out.push_str(word);
            continue;
        }
        if raw.is_empty() {
            out.push_str(if place > 0 { " " } else { "" });
            out.push_str(before);
        } else {
            raw.push(' ');
        }
        raw.push_str(core);
        if !after.is_empty() {
            flush(out, &mut raw);
            out.push_str(after);
        }
    }
    flush(out, &mut raw);
}

fn flush(out: &mut String, raw: &mut String) {
    if !raw.is_empty() {
        push_code(out, raw);
        raw.clear();
    }
}

fn push_code(out: &mut String, text: &str) {
    // Code beside code would be read as one with other fences.
    if out.ends_with('`') {
        out.push(' ');
    }
    out.push_str(&code(text, SENTENCE, false));
}

/// A word without the marks of a sentence around it.
fn taken_apart(word: &str) -> (&str, &str, &str) {
    let inner = word.trim_start_matches(['(', '"', '\'']);
    let before = word.get(..word.len() - inner.len()).unwrap_or_default();
    let core = inner.trim_end_matches([',', '.', ';', ':', '?', ')', '"', '\'']);
    (before, core, inner.get(core.len()..).unwrap_or_default())
}

/// Whether a word can be nothing but a word: letters, joined by a hyphen or an apostrophe, or a short number that is not the mark of a `list`.
fn is_plain(core: &str, list: bool) -> bool {
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    // A commit is referred to by seven of these, or more.
    let hash = core.len() >= 7 && core.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = core.len() <= 6 && core.bytes().all(|byte| byte.is_ascii_digit());
    // Behind it a point makes an address, whatever follows.
    let address = core.eq_ignore_ascii_case("www");
    core.is_empty() || !hash && !address && (core.split(['-', '\'']).all(letters) || number && !list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stays_one_and_what_is_no_word_is_code() {
        for (text, said) in [
            ("Turn on versioning of huntaze-assets", "Turn on versioning of huntaze-assets"),
            ("it is disruptive, and nobody (not one) has consented to it", "it is disruptive, and nobody (not one) has consented to it"),
            ("see `aws s3api put --x 'a'`: done", "see `aws s3api put --x 'a'`: done"),
            ("ask @root about #12, GH-12 and https://x.y/z.", "ask `@root` about `#12`, `GH-12` and `https://x.y/z`."),
            ("a <b>c</b> | d", "a `<b>c</b> |` d"),
            ("1. not a list", "`1`. not a list"),
            ("- not a list", "`-` not a list"),
            ("10 of deadbeef and 12345678, in 10 s", "10 of `deadbeef` and `12345678`, in 10 s"),
            ("did you mean \"a\"?", "did you mean \"a\"?"),
            ("www. and WWW.", "`www`. and `WWW`."),
            ("one ` too many", "``one ` too many``"),
            ("(@x) \"@y\"", "(`@x`) \"`@y`\""),
            ("", ""),
        ] {
            assert_eq!(prose(text), said, "{text}");
        }
    }

    #[test]
    fn code_holds_what_it_is_given() {
        for (text, cell, said) in [
            ("a", false, "`a`"),
            ("", false, "`\"\"`"),
            ("`", false, "`` ` ``"),
            ("a``b", false, "```a``b```"),
            (" a ", false, "`  a  `"),
            ("a|b", true, "`a\\u007cb`"),
            ("a|b\n", false, "`a|b\\n`"),
        ] {
            assert_eq!(code(text, VALUE, cell), said, "{text}");
        }
        assert_eq!(code("aaaa", 2, false), "`aa... (2 more)`");
        assert_eq!(html("<a href='x'>&\"\u{202e}", 100), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u202e");
    }
}

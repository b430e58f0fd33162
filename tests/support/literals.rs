//! The string literals of a Rust source text, without those of comments and attributes. What `#[error("...")]` says counts.

/// A literal, and the line of the source that it begins on.
#[derive(Clone, Debug)]
pub struct Literal {
    pub text: String,
    pub line: String,
}

impl Literal {
    /// What stands before, between and after the holes of a format.
    pub fn pieces(&self) -> Vec<String> {
        let mut pieces = vec![String::new()];
        let mut rest = self.text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => {
                    rest.next();
                    pieces.last_mut().expect("the first").push(c);
                }
                '{' => {
                    rest.by_ref().find(|c| *c == '}');
                    pieces.push(String::new());
                }
                c => pieces.last_mut().expect("the first").push(c),
            }
        }
        pieces
    }
}

/// All literals of `source`, in order.
pub fn literals(source: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let raw = rest.strip_prefix('r').map(|rest| rest.trim_start_matches('#')).is_some_and(|rest| rest.starts_with('"'));
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("#[error(") {
            "#[error(".len()
        } else if rest.starts_with("#[") || rest.starts_with("#![") {
            attribute(rest)
        } else if raw && !is_word(source[..at].chars().next_back()) {
            let hashes = rest[1..].find('"').unwrap_or_default();
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[hashes + 2..];
            let length = body.find(&end).unwrap_or(body.len());
            found.push(Literal { text: body[..length].to_owned(), line: line(source, at) });
            hashes + 2 + length + end.len()
        } else if c == '"' {
            let (text, length) = quoted(rest);
            found.push(Literal { text, line: line(source, at) });
            length
        } else if c == '\'' {
            character(rest)
        } else {
            c.len_utf8()
        };
    }
    found
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn line(source: &str, at: usize) -> String {
    let start = source[..at].rfind('\n').map_or(0, |end| end + 1);
    source[start..].lines().next().unwrap_or_default().to_owned()
}

/// How long an attribute is, to its closing bracket.
fn attribute(text: &str) -> usize {
    let (mut open, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                at += quoted(&text[at..]).1;
                continue;
            }
            '[' => open += 1,
            ']' if open == 1 => return at + 1,
            ']' => open -= 1,
            _ => {}
        }
        at += c.len_utf8();
    }
    at
}

/// A literal in plain quotes: what it says, and how long it is with them.
fn quoted(text: &str) -> (String, usize) {
    let mut said = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (said, at + 1),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => said.push('\n'),
                Some('t') => said.push('\t'),
                // A line that goes on in the next one.
                Some('\n') => {
                    let blanks = text[at + 2..].chars().take_while(|c| c.is_whitespace()).count();
                    for _ in 0..blanks {
                        chars.next();
                    }
                }
                Some(escaped) => said.push(escaped),
                None => break,
            },
            c => said.push(c),
        }
    }
    (said, text.len())
}

/// How long a character is with its quotes; of a lifetime, only its mark.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(1, |end| end + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

//! Keeping secrets out of everything that is written (contract 10), and AWS's words fit to be shown.
//!
//! Secrets are carried as `secrecy::SecretString` and never formatted. As a second line, every secret that this process
//! has read is remembered here, and [`clean`] and the log writer take its bytes out of whatever they are given.

use std::sync::{Mutex, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

static KNOWN: RwLock<Vec<SecretString>> = RwLock::new(Vec::new());
static HOOK: Mutex<bool> = Mutex::new(false);

/// What stands where a secret stood.
const MASK: &str = "[secret]";

/// The longest text of AWS that is shown, in characters.
const LONGEST: usize = 300;

/// Remembers a secret so that it can be taken out of what is written from now on, in the forms too that requests, answers and dumps give it.
pub fn remember(secret: &SecretString) {
    // Shorter ones cannot be a token (16 characters at least) and would blot out ordinary words.
    if secret.expose_secret().len() < 8 {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.iter().any(|one| one.expose_secret() == secret.expose_secret()) {
        return;
    }
    for form in forms(secret.expose_secret()) {
        if !known.iter().any(|one| one.expose_secret() == form) {
            known.push(SecretString::from(form));
        }
    }
    // The longest first: a secret that begins another would leave its end behind.
    known.sort_by_key(|one| std::cmp::Reverse(one.expose_secret().len()));
}

/// A secret as it is, in a URL or form, in XML, in JSON or Rust's debug form, and on one line as [`clean`] writes it.
fn forms(secret: &str) -> Vec<String> {
    let mut percent = String::new();
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => percent.push(char::from(byte)),
            other => percent.push_str(&format!("%{other:02X}")),
        }
    }
    let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = xml.replace('"', "&quot;");
    let json = serde_json::Value::from(secret).to_string();
    let debug = format!("{secret:?}");
    let inside = |text: &str| text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let forms = [secret.to_owned(), percent.replace("%20", "+"), percent, xml, quoted, inside(&json), inside(&debug), one_line(secret)];
    forms.into_iter().filter(|form| form.len() >= 8).collect()
}

/// `text` without any secret that this process knows.
pub fn reveal_nothing(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(text.to_owned(), |text, secret| {
        if text.contains(secret.expose_secret()) { text.replace(secret.expose_secret(), MASK) } else { text }
    })
}

/// A message of AWS as it may be shown: one line, no control characters, no secret, not endless.
pub fn clean(message: &str) -> String {
    let line = one_line(&reveal_nothing(message));
    let line = reveal_nothing(&line);
    if line.chars().count() > LONGEST { line.chars().take(LONGEST).chain("...".chars()).collect() } else { line }
}

fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes panics go through [`clean`] too.
pub fn clean_panics() {
    let mut hooked = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::replace(&mut *hooked, true) {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        // sled panics over a damaged file: that is an answer, and said as such by the journal.
        if std::thread::current().name().is_some_and(|name| name.starts_with("journal-")) {
            return;
        }
        eprintln!("holdfast: a bug: {}", clean(&panic.to_string()));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_every_form() {
        let canary = "cana<ry>&\"one\"\n $1/+ü";
        remember(&SecretString::from(canary.to_owned()));
        let json = serde_json::json!({"AuthToken": canary}).to_string();
        let texts = [
            canary.to_owned(),
            format!("before {canary} after"),
            json,
            format!("{:?}", Some(canary)),
            "AuthToken=cana%3Cry%3E%26%22one%22%0A%20%241%2F%2B%C3%BC&Action=x".to_owned(),
            "AuthToken=cana%3Cry%3E%26%22one%22%0A+%241%2F%2B%C3%BC".to_owned(),
            "<T>cana&lt;ry&gt;&amp;\"one\"\n $1/+ü</T>".to_owned(),
            "cana&lt;ry&gt;&amp;&quot;one&quot;\n $1/+ü".to_owned(),
            canary.replace('\n', "\t"),
        ];
        for text in texts {
            let cleaned = clean(&text);
            assert!(!cleaned.contains("one") && cleaned.contains(MASK), "{cleaned}");
        }
    }

    #[test]
    fn a_secret_that_begins_another_leaves_nothing_behind() {
        remember(&SecretString::from("firsthalf-".to_owned()));
        remember(&SecretString::from("firsthalf-secondhalf".to_owned()));
        assert_eq!(clean("token firsthalf-secondhalf and firsthalf-"), "token [secret] and [secret]");
    }

    #[test]
    fn a_message_is_one_line_and_not_endless() {
        assert_eq!(clean("a\u{1b}[31m\r\n  b\0"), "a [31m b");
        assert_eq!(clean(&"é".repeat(1000)).chars().count(), LONGEST + 3);
        // Too short to be a token: it would blot out words.
        remember(&SecretString::from("the".to_owned()));
        assert_eq!(clean("the word"), "the word");
    }
}

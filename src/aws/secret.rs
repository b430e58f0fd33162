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

/// Remembers a secret so that it can be taken out of what is written from now on.
pub fn remember(secret: &SecretString) {
    // Shorter ones cannot be a token (16 characters at least) and would blot out ordinary words.
    if secret.expose_secret().len() < 8 {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if !known.iter().any(|one| one.expose_secret() == secret.expose_secret()) {
        known.push(secret.clone());
    }
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
    let line: String = message.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let line = reveal_nothing(&line);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > LONGEST { line.chars().take(LONGEST).chain("...".chars()).collect() } else { line }
}

/// Makes panics go through [`clean`] too.
pub fn clean_panics() {
    let mut hooked = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::replace(&mut *hooked, true) {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("holdfast: a bug: {}", clean(&panic.to_string()));
    }));
}

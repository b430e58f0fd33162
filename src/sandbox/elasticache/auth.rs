//! AUTH tokens: their shape, and what ROTATE and SET do to who may connect.
//!
//! From AWS's documentation, "Authenticating with the AUTH command": ROTATE adds the token and keeps the newest of those
//! before it, or, where there was none, access without a password. SET takes the token that ROTATE added last and makes it
//! the only one; it is allowed on a group with two tokens or with one optional token, so only after ROTATE.

use jiff::Timestamp;

use super::refusal::{combination, value};
use super::state::{Auth, AuthChange, Strategy};
use crate::sandbox::call::Refusal;
use crate::sandbox::ids::sha256;

/// Refuses a token of the wrong shape: 16 to 128 printable characters, of the specials only `! & # $ ^ < > -`.
pub fn check_shape(token: &str) -> Result<(), Refusal> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "!&#$^<>-".contains(character);
    if (16..=128).contains(&token.chars().count()) && token.chars().all(allowed) {
        return Ok(());
    }
    // Not a word of the token itself.
    Err(value(
        "Invalid AuthToken provided. The token must be 16 to 128 printable ASCII characters, \
         and the only permitted special characters are !, &, #, $, ^, <, >, and -.",
    ))
}

impl Auth {
    /// What the strategy would do, or why it is refused.
    pub fn plan(&self, strategy: Strategy, token: &str) -> Result<AuthChange, Refusal> {
        let token = sha256(token);
        if strategy == Strategy::Set {
            let rotating = self.tokens.len() == 2 || (self.tokens.len() == 1 && self.passwordless);
            if !rotating {
                return Err(combination("The SET strategy is only allowed after the ROTATE strategy was used."));
            }
            if self.tokens.last() != Some(&token) {
                return Err(combination("The SET strategy must be used with the AUTH token of the last ROTATE."));
            }
        }
        Ok(AuthChange { strategy, token })
    }

    pub fn apply(&mut self, change: &AuthChange, now: Timestamp) {
        match change.strategy {
            Strategy::Rotate if self.tokens.is_empty() => {
                self.tokens.push(change.token.clone());
                self.passwordless = true;
            }
            Strategy::Rotate => {
                // The two newest stay; a second rotation so ends access without a password.
                if self.tokens.last() != Some(&change.token) {
                    self.passwordless = false;
                    self.tokens.retain(|token| *token != change.token);
                    self.tokens.push(change.token.clone());
                    let surplus = self.tokens.len().saturating_sub(2);
                    self.tokens.drain(..surplus);
                }
            }
            Strategy::Set => {
                self.tokens = vec![change.token.clone()];
                self.passwordless = false;
            }
        }
        self.last_modified = Some(now);
    }

    /// Whether a client may connect with this token; None is a client without a password.
    pub fn admits(&self, token: Option<&str>) -> bool {
        match token {
            None => self.passwordless,
            Some(token) => self.tokens.contains(&sha256(token)),
        }
    }
}

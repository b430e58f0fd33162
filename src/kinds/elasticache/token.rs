//! The AUTH token without its bytes: which version of which secret it is, and what is noted of it in a tag on the group.
//!
//! AWS says of a token only that there is one and when it was last modified. So, just before each change, holdfast notes in a tag what it
//! is about to do, with that date. A date that differs afterwards is the proof that the change was made, whatever became of the process
//! that asked for it; and once the token is in force, a date that differs tells that somebody else changed it since.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hex::short_sha256;

/// The tag in which it is noted: `phase:secret:version:date`.
pub const TAG: &str = "holdfast.dev/auth-secret";

/// A version of a token, by reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRef {
    /// The secret's full ARN.
    pub secret_arn: String,
    /// The member of a JSON secret that is the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version that was current when it was planned.
    pub version: String,
}

impl TokenRef {
    /// The secret and its member, short enough for a tag: 16 hexadecimal digits.
    fn fingerprint(&self) -> String {
        let named = format!("{}\n{}", self.secret_arn, self.key.as_deref().unwrap_or_default());
        short_sha256(named, 16)
    }

    /// The note for a phase of this token.
    pub fn note(&self, phase: Phase, changed: Option<i64>) -> Note {
        Note { phase, secret: self.fingerprint(), version: self.version.clone(), changed: changed.unwrap_or_default() }
    }

    /// Whether a note speaks of this very version.
    pub fn is(&self, note: &Note) -> bool {
        note.version == self.version && note.secret == self.fingerprint()
    }
}

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// ROTATE was about to be sent: the token beside what was valid before.
    Rotate,
    /// SET was about to be sent: the token alone.
    Set,
    /// The token was seen to be the only one.
    InForce,
}

impl Phase {
    const ALL: [(Phase, &'static str); 3] = [(Phase::Rotate, "rotate"), (Phase::Set, "set"), (Phase::InForce, "in-force")];
}

/// The note in the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub phase: Phase,
    /// [`TokenRef::fingerprint`].
    secret: String,
    version: String,
    /// When the group's token had last been modified as the note was written, in seconds since 1970; 0: never.
    changed: i64,
}

impl Note {
    /// Reads a tag's value; a foreign one says nothing.
    pub fn read(text: &str) -> Option<Note> {
        let (phase, rest) = text.split_once(':')?;
        let (secret, rest) = rest.split_once(':')?;
        let (version, changed) = rest.rsplit_once(':')?;
        let (phase, _) = Phase::ALL.into_iter().find(|(_, word)| *word == phase)?;
        Some(Note { phase, secret: secret.to_owned(), version: version.to_owned(), changed: changed.parse().ok()? })
    }

    /// Whether the group's token was modified since the note was written.
    pub fn changed_since(&self, changed: Option<i64>) -> bool {
        self.changed != changed.unwrap_or_default()
    }

    /// Whether, by this note, two tokens are valid, or one and access without any.
    pub fn leaves_two(&self, changed: Option<i64>) -> bool {
        matches!((self.phase, self.changed_since(changed)), (Phase::Rotate, true) | (Phase::Set, false))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Phase::ALL.iter().find(|(phase, _)| *phase == self.phase).map_or("", |(_, word)| word);
        write!(out, "{word}:{}:{}:{}", self.secret, self.version, self.changed)
    }
}

/// Where a group stands on the way to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it was begun, or somebody else changed the token since.
    Before,
    /// The token is valid beside what was valid before.
    Rotated,
    /// The token is the only one; that is not noted yet.
    Set,
    /// The token is the only one, and nobody changed it since.
    InForce,
}

/// Where a group stands on the way to `token`, given its note and when its token was last modified.
pub fn stage(token: &TokenRef, note: Option<&Note>, changed: Option<i64>) -> Stage {
    let Some(note) = note.filter(|note| token.is(note)) else { return Stage::Before };
    match (note.phase, note.changed_since(changed)) {
        (Phase::Rotate, false) | (Phase::InForce, true) => Stage::Before,
        (Phase::Rotate, true) | (Phase::Set, false) => Stage::Rotated,
        (Phase::Set, true) => Stage::Set,
        (Phase::InForce, false) => Stage::InForce,
    }
}

/// Whether AWS would take the token: 16 to 128 characters, letters, digits and `! & # $ ^ < > -`. [AWS documentation, "Authenticating
/// with the AUTH command"]
pub fn is_well_shaped(token: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!&#$^<>-".contains(&byte);
    (16..=128).contains(&token.len()) && token.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(version: &str) -> TokenRef {
        let secret_arn = "arn:aws:secretsmanager:us-east-1:317805897534:secret:redis-AbCdEf".to_owned();
        TokenRef { secret_arn, key: Some("token".to_owned()), version: version.to_owned() }
    }

    #[test]
    fn a_note_survives_the_tag() {
        for phase in [Phase::Rotate, Phase::Set, Phase::InForce] {
            let note = token("11111111-2222-3333-4444-555555555555").note(phase, Some(1_767_225_600));
            assert_eq!(Note::read(&note.to_string()), Some(note.clone()));
            assert!(
                note.to_string().len() <= 256 && note.to_string().bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-".contains(&byte))
            );
        }
        for foreign in ["", "rotate", "rotate:a:b", "rotate:a:b:c", "spin:a:b:1"] {
            assert_eq!(Note::read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_date_tells_how_far_it_is() {
        let token_1 = token("1");
        let at = |phase, noted, now| stage(&token_1, Some(&token_1.note(phase, noted)), now);
        assert_eq!(at(Phase::Rotate, None, None), Stage::Before);
        assert_eq!(at(Phase::Rotate, None, Some(5)), Stage::Rotated);
        assert_eq!(at(Phase::Set, Some(5), Some(5)), Stage::Rotated);
        assert_eq!(at(Phase::Set, Some(5), Some(6)), Stage::Set);
        assert_eq!(at(Phase::InForce, Some(6), Some(6)), Stage::InForce);
        assert_eq!(at(Phase::InForce, Some(6), Some(7)), Stage::Before, "somebody changed it");
        assert_eq!(stage(&token("2"), Some(&token_1.note(Phase::InForce, Some(6))), Some(6)), Stage::Before, "an older version");
        assert_eq!(stage(&token_1, None, Some(6)), Stage::Before);
        let other_key = TokenRef { key: None, ..token("1") };
        assert_eq!(stage(&other_key, Some(&token_1.note(Phase::InForce, Some(6))), Some(6)), Stage::Before);
    }

    #[test]
    fn shapes() {
        assert!(is_well_shaped("a-new-token!&#$^<>-x") && is_well_shaped(&"x".repeat(128)));
        for wrong in ["only-15-letters", "with@one-forbidden-letter", "with a space in it, and more", "ünicode-is-not-ascii"] {
            assert!(!is_well_shaped(wrong));
        }
        assert!(!is_well_shaped(&"x".repeat(129)));
    }
}

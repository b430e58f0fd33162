//! What an operation was planned from. AWS replaces many settings whole and knows no condition on what is replaced: a request that was put
//! together from one document and sent over another would undo what somebody else did in between.

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::hex::short_sha256;

/// The digest of a document as it was when an operation that replaces it was planned: 32 hexadecimal digits. It is part of the operation,
/// and so of the plan's hash: consent is to the change of that very document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Basis(String);

impl Basis {
    /// `document` in a form in which two that mean the same are equal: what AWS hands back in changing order is sorted before.
    pub fn of(document: &impl Serialize) -> Basis {
        // Texts, numbers, flags, lists and maps by text: they can always be written down.
        let text = serde_json::to_vec(document).unwrap_or_default();
        Basis(short_sha256(text, 32))
    }

    /// How far an operation is that is not done: it may begin where it finds what it was planned from. `what` is the document, in words:
    /// "the policy of huntaze-assets".
    pub fn pending(&self, found: &Basis, what: &str) -> Progress {
        match self == found {
            true => Progress::Pending,
            false => Progress::Stale(format!("somebody else changed {what} since it was planned")),
        }
    }
}

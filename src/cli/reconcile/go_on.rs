//! How a person goes on after a run.

use super::super::consent::{self, Advice};
#[cfg(feature = "sandbox")]
use super::super::sandbox::SandboxKind;
use super::super::{Output, print};
use super::Run;
use crate::execute::Outcomes;
use crate::reconcile::Report;
use crate::reconcile::consent::consent as given_consent;

impl Run<'_> {
    /// How to go on after a run: with the same command where it was left in the middle, with consent where something waits for it.
    pub(super) fn go_on(&self, reports: &[Report]) {
        let mut outcomes = reports.iter().filter_map(|report| report.outcomes.as_ref());
        if !self.interrupt.stopped() && !outcomes.any(Outcomes::interrupted) {
            self.advise(reports);
        } else if self.args.output == Output::Text {
            print(&format!(
                "what was sent goes on at AWS. The same command goes on from where that is by then:\n  {}\n",
                consent::command(&self.again(), self.args.approve.iter().map(String::as_str))
            ));
        }
    }

    /// Says how to consent to what waits for it.
    pub(super) fn advise(&self, reports: &[Report]) -> Advice {
        let used = |object: &str, hash: &str| {
            let (_, mut used) = given_consent(&self.given, object, &[hash.to_owned()], self.ground.clock.now());
            used.remove(hash)
        };
        let advice = consent::advice(reports, &self.args.approve, &self.again(), used);
        if let (Advice::Spent(said) | Advice::Consent(said), Output::Text) = (&advice, self.args.output) {
            print(said);
        }
        advice
    }

    /// The command that plans the same: what it chooses, and where, belongs to it.
    pub(super) fn again(&self) -> String {
        let mut words = vec!["holdfast reconcile".to_owned()];
        words.extend(self.args.manifest.file.iter().flat_map(|path| ["-f".to_owned(), shell(&path.to_string_lossy())]));
        #[cfg(feature = "sandbox")]
        words.extend(self.args.sandbox.map(|kind| match kind {
            SandboxKind::Quick => "--sandbox".to_owned(),
            SandboxKind::Live => "--sandbox=live".to_owned(),
        }));
        for (option, values) in [("--only", &self.args.only), ("--skip", &self.args.skip)] {
            words.extend(values.iter().flat_map(|value| [option.to_owned(), shell(value)]));
        }
        if let Some(state) = &self.args.state_dir {
            words.extend(["--state-dir".to_owned(), shell(&state.to_string_lossy())]);
        }
        words.join(" ")
    }
}

/// A word as a shell takes it.
pub(super) fn shell(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=+@%,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

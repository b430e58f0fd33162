//! How a person goes on after a run.

use jiff::Timestamp;

use super::super::consent::{self, Advice};
#[cfg(feature = "sandbox")]
use super::super::sandbox::SandboxKind;
use super::super::{ground, print, tell};
use super::Run;
use super::args::Form;
use crate::execute::record::short;
use crate::execute::{Given, Outcomes};
use crate::kinds::few;
use crate::manifest::Opening;
use crate::plan::{Consent, Plan};
use crate::reconcile::consent::{consent as given_consent, kept};
use crate::reconcile::{Baseline, Report};

impl Run<'_> {
    /// How to go on after a run: with the same command where it was left in the middle, with consent where something waits for it.
    pub(super) fn go_on(&self, reports: &[Report]) {
        let mut outcomes = reports.iter().filter_map(|report| report.outcomes.as_ref());
        if !self.interrupt.stopped() && !outcomes.any(Outcomes::interrupted) {
            self.advise(reports);
        } else if self.args.output == Form::Text {
            print(&format!(
                "what was sent goes on at AWS. The same command goes on from where that is by then:\n  {}\n",
                consent::command(&self.again(), self.args.approve.iter().map(String::as_str))
            ));
        }
    }

    /// Says how to consent to what waits for it.
    pub(super) fn advise(&self, reports: &[Report]) -> Advice {
        let advice = self.advice(reports);
        if self.args.output == Form::Text {
            print(advice.words());
        }
        advice
    }

    /// How to consent to what waits for it.
    pub(super) fn advice(&self, reports: &[Report]) -> Advice {
        let used = |object: &str, hash: &str| {
            let (_, mut used) = given_consent(&self.given, object, &[hash.to_owned()], self.ground.clock.now());
            used.remove(hash).map(|before| before.words)
        };
        consent::advice(reports, &self.args.approve, &self.again(), used)
    }

    /// Says which consents go on counting after the run, until when, and how each is taken back.
    pub(super) fn say_kept(&self, baseline: &Baseline, plan: &Plan, still: &Consent, given: &[Given]) {
        let now = self.ground.clock.now();
        let opens = match baseline.windows.opening(now) {
            Opening::Open { .. } => None,
            Opening::Closed { opens } => opens,
        };
        for kept in kept(baseline, plan, still, given, opens, now) {
            let steps: Vec<String> = kept.steps.iter().map(|title| format!("\"{title}\"")).collect();
            let when = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
            let window = match (kept.too_short, opens) {
                (true, Some(opens)) => format!("; the change window opens only at {}: consent again then", when(opens)),
                (true, None) => "; no change window opens before".to_owned(),
                (false, _) => String::new(),
            };
            let hash = short(&kept.plan);
            let said = format!(
                "the consent to plan {hash} is kept, and counts until {} for what was not done: {}{window}. To take it back:\n  {}\n",
                when(kept.until),
                few(&steps),
                self.revoke(hash)
            );
            match self.args.output {
                Form::Text => _ = print(&said),
                _ => tell(&said),
            }
        }
    }

    /// That a dry run knows of no consent that was given before.
    pub(super) fn not_looked_at(&self) -> String {
        let with = match &self.args.state_dir {
            Some(state) => format!("with --state-dir {}", shell(&state.to_string_lossy())),
            None => "from this folder".to_owned(),
        };
        format!("a consent that was given before {with} is not looked at by a dry run, and counts in the next run\n")
    }

    /// The command that takes a consent back.
    fn revoke(&self, hash: &str) -> String {
        let state = ground::folder(self.args.state_dir.as_deref(), self.args.in_sandbox().is_some());
        match state == std::path::Path::new("state") {
            true => format!("holdfast journal revoke {hash}"),
            false => format!("holdfast journal revoke {hash} --state-dir {}", shell(&state.to_string_lossy())),
        }
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
        if let Some(kubeconfig) = &self.args.kubeconfig.kubeconfig {
            words.extend(["--kubeconfig".to_owned(), shell(&kubeconfig.to_string_lossy())]);
        }
        words.extend(self.args.exec.allow_exec.then(|| "--allow-exec".to_owned()));
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

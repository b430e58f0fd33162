//! What a command line is about, held against what a run saw before it changes anything: plans consented to, patterns that name something.

use std::collections::BTreeMap;

use crate::desired;
use crate::plan::Plan;
use crate::plan::escape::shown;
use crate::reconcile::consent::Before;
use crate::reconcile::{Baseline, Look, Report, Request};

/// What was seen of an object.
pub struct Looked<'b> {
    pub baseline: &'b Baseline,
    pub request: Request,
    /// The hashes that were given before, each with how it counts.
    pub used: BTreeMap<String, Before>,
    pub look: Result<Look, String>,
}

impl Looked<'_> {
    /// The report of a run that did nothing but look.
    pub fn report(self) -> Report {
        let (plan, error) = match self.look {
            Ok(look) => (Some(look.plan), None),
            Err(error) => (None, Some(error)),
        };
        Report { object: self.baseline.scope.object.clone(), plan, outcomes: None, left: None, error, untold: None }
    }
}

/// That an `--only` or a `--skip` names nothing in any object that could be looked at. Where one could not, nobody knows; a `--skip` is refused then, too.
pub fn misspelt(looked: &[Looked<'_>]) -> Option<String> {
    let unnamed: Vec<_> = looked.iter().filter_map(|one| one.look.as_ref().ok().map(|look| &look.unnamed)).collect();
    let said = desired::misspelt(&unnamed, unnamed.len() == looked.len())?;
    let failed = looked.iter().filter_map(|one| Some((&one.baseline.scope.object, one.look.as_ref().err()?)));
    let failed = failed.map(|(object, error)| format!("; {} could not be looked at: {error}", shown(object)));
    Some(format!("{said}{}", failed.collect::<String>()))
}

/// That hashes were given which are of none of the run's plans, and of no consent that the journal still counts. One that is used up is refused like any
/// other, unless nothing is left to be done for its object but to go on with what was begun: then it was carried out, and what was begun (an old group
/// that is watched) is not left alone for it. Where nothing could be looked at, there is nothing to be refused.
pub fn stale(approve: &[String], looked: &[Looked<'_>]) -> Option<String> {
    let plans: Vec<&Plan> = looked.iter().filter_map(|one| Some(&one.look.as_ref().ok()?.plan)).collect();
    let counts = |one: &Looked<'_>, before: &Before| {
        before.used_up.is_none()
            || one
                .look
                .as_ref()
                .map_or(true, |look| look.plan.resources.iter().all(|resource| resource.steps.is_empty() || resource.under_way))
    };
    let known = |hash: &&String| {
        plans.iter().any(|plan| plan.hash == **hash)
            || looked.iter().any(|one| one.used.get(*hash).is_some_and(|before| counts(one, before)))
    };
    let stale: Vec<&String> = approve.iter().filter(|hash| !known(hash)).collect();
    if stale.is_empty() || plans.is_empty() {
        return None;
    }
    let short = |hash: &&String| format!("--approve {}", hash.get(..12).unwrap_or(hash));
    let used_up = |hash: &&&String| looked.iter().find_map(|one| one.used.get(**hash)?.used_up.clone());
    let spent = stale.iter().filter_map(|hash| {
        Some(format!("{}: that consent was {}, and its object's plan is another one by now", short(hash), used_up(&hash)?))
    });
    let unknown: Vec<String> = stale.iter().filter(|hash| used_up(hash).is_none()).map(short).collect();
    let unknown = (!unknown.is_empty()).then(|| {
        let why = match plans.len() == looked.len() {
            true => ": the manifest, the account or the selection (--only, --skip) differs since",
            false => ", and not every object could be looked at",
        };
        format!("{}: none of these plans has that hash{why}", unknown.join(", "))
    });
    Some(unknown.into_iter().chain(spent).collect::<Vec<_>>().join("; "))
}

/// What there is to consent to, as it was planned last.
pub enum Advice {
    /// Nothing waits for consent.
    Nothing,
    /// What waits was consented to before, and that counts no more, or not yet again: the words say it of each.
    Spent(String),
    /// How to consent; of some of it, that it was consented to before.
    Consent(String),
}

impl Advice {
    /// What is said of it, in lines; a command stands behind blanks.
    pub fn words(&self) -> &str {
        match self {
            Advice::Nothing => "",
            Advice::Spent(said) | Advice::Consent(said) => said,
        }
    }
}

/// How to consent to what waits for it. `approve` is what was consented to, `again` the command without that. `used` says of an object's plan that it was
/// consented to before, and how that counts: a hash that counts no more is not to be given.
pub fn advice(reports: &[Report], approve: &[String], again: &str, used: impl Fn(&str, &str) -> Option<String>) -> Advice {
    let (mut hashes, mut spent): (Vec<&str>, String) = Default::default();
    for report in reports {
        let Some(plan) = report.left.as_ref().or(report.plan.as_ref()).filter(|plan| plan.waits_for_consent()) else { continue };
        match used(&report.object, &plan.hash) {
            Some(used) => spent.push_str(&format!("{used}\n")),
            None => hashes.push(&plan.hash),
        }
    }
    if hashes.is_empty() {
        return if spent.is_empty() { Advice::Nothing } else { Advice::Spent(spent) };
    }
    // Where nothing was done, a consent that was right is still to be given.
    let undone = reports.iter().filter(|report| report.outcomes.is_none()).filter_map(|report| report.plan.as_ref());
    for plan in undone.filter(|plan| approve.contains(&plan.hash)) {
        if !hashes.contains(&plan.hash.as_str()) {
            hashes.push(&plan.hash);
        }
    }
    let plans = if hashes.len() == 1 { "this plan" } else { "these plans" };
    Advice::Consent(format!("{spent}to consent to exactly {plans}:\n  {}\n", command(again, hashes)))
}

/// The command with its consents.
pub fn command<'h>(again: &str, hashes: impl IntoIterator<Item = &'h str>) -> String {
    hashes.into_iter().fold(again.to_owned(), |command, hash| format!("{command} --approve {hash}"))
}

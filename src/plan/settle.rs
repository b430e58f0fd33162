//! The whole plan: every resource, then what policy, change windows and consent say of its steps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::parts::side_by_side;
use super::resource::{Exceptions, planned};
use super::text::count;
use super::{Declared, Observed, Origin, Plan, PlannedStep, ResourcePlan, SCHEMA_VERSION, Status, Summary, hash, needs, room};
use crate::kinds::{Block, Impact, Key, Peers, Reason, Scope};
use crate::manifest::{Disruptive, Exception, Mode, Opening, Policy, Windows, did_you_mean};

/// What was consented to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// The hashes of plans (`--approve`): each counts for exactly that plan.
    pub hashes: BTreeSet<String>,
    /// Digests of steps ([`super::step_digest`]) of a plan that was consented to earlier and not carried to its end.
    pub steps: BTreeSet<String>,
    /// What those steps are about.
    pub earlier: Vec<ConsentedStep>,
    /// Digests of steps the consent to which was used up as they were begun ([`crate::kinds::Once`]).
    pub begun: BTreeSet<String>,
    /// Those of them that nobody saw at their end: they are looked at without a consent, and not begun a second time.
    pub under_way: BTreeSet<String>,
    /// The hashes of plans that were consented to less than a day ago and carried to their end: they count no more.
    pub used_up: BTreeSet<String>,
}

impl Consent {
    /// What is left of it when the steps with these digests were begun, and those of `settled` seen at their end, or left alone.
    pub fn after(&self, begun: &BTreeSet<String>, settled: &BTreeSet<String>) -> Consent {
        let mut left = self.clone();
        left.steps.retain(|digest| !begun.contains(digest));
        left.begun.extend(begun.iter().cloned());
        left.under_way.extend(begun.iter().cloned());
        left.under_way.retain(|digest| !settled.contains(digest));
        left
    }

    /// Whether a step's consent was used up as it was begun, and no other was given to it since.
    pub fn is_spent(&self, digest: &str) -> bool {
        self.begun.contains(digest) && !self.steps.contains(digest)
    }
}

/// What the plan's own hash was consented to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Approval {
    None,
    Given,
    /// Given less than a day ago, and carried to its end.
    UsedUp,
}

impl Approval {
    /// How to consent.
    fn asked(self) -> &'static str {
        match self {
            Approval::UsedUp => {
                "this very plan was consented to within the last day and carried out, and the difference came back: find out who changes it; \
                 the plan can be consented to again a day after that"
            }
            _ => "read the plan, then run again with --approve and its hash",
        }
    }
}

/// A step that was consented to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentedStep {
    pub digest: String,
    pub resource: Key,
    /// The differences that it repairs.
    pub fields: Vec<String>,
    /// It belongs to something of many steps, which goes on by what stands on AWS once it was begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_many: bool,
}

/// What a plan is judged by, besides the facts.
#[derive(Clone, Copy)]
pub struct Judgement<'a> {
    pub scope: &'a Scope,
    pub policy: &'a Policy,
    /// The policy's change windows, read.
    pub windows: &'a Windows,
    pub exceptions: &'a [Exception],
    pub consent: &'a Consent,
    /// Everything that the manifest speaks for, what this run leaves out too: resources share things (parameter groups).
    pub peers: &'a Peers,
    /// Only some of the manifest's resources are planned: an exception that matches none of them is no mistake.
    pub partial: bool,
    /// The time of the pass: for exceptions and change windows. No part of the hash.
    pub at: Timestamp,
}

/// Plans everything. Pure.
pub fn plan(judgement: &Judgement<'_>, resources: &[(Declared, Observed)]) -> Plan {
    let drafted = side_by_side(resources, |part| {
        let mut draft = Draft::new(judgement);
        let planned: Vec<ResourcePlan> = part.iter().map(|(declared, observed)| draft.resource(declared, observed)).collect();
        (draft.exceptions.matched, draft.exceptions.unsure, planned)
    });
    let mut whole = Draft::new(judgement);
    let mut all: Vec<ResourcePlan> = Vec::new();
    for (matched, unsure, planned) in drafted {
        whole.exceptions.matched.extend(matched);
        whole.exceptions.unsure.extend(unsure);
        match all.is_empty() {
            true => all = planned,
            false => all.extend(planned),
        }
    }
    whole.plan(all)
}

/// A plan in the making. It takes one resource after the other, so that what was seen of each need be held no longer than that. Pure.
pub struct Draft<'a> {
    judgement: &'a Judgement<'a>,
    exceptions: Exceptions<'a>,
}

impl<'a> Draft<'a> {
    pub fn new(judgement: &'a Judgement<'a>) -> Draft<'a> {
        Draft { judgement, exceptions: Exceptions::new(judgement.exceptions, judgement.at) }
    }

    /// What one resource comes to, by itself: policy, and what the others come to, is asked when all are there.
    pub fn resource(&mut self, declared: &Declared, observed: &Observed) -> ResourcePlan {
        let Judgement { scope, peers, .. } = self.judgement;
        planned(scope, declared, observed, peers.of(declared.kind.path()), &mut self.exceptions)
    }

    /// The plan of all of them.
    pub fn plan(self, planned: Vec<ResourcePlan>) -> Plan {
        let Exceptions { mut matched, unsure, .. } = self.exceptions;
        matched.extend(unsure);
        settled(self.judgement, planned, &matched)
    }
}

/// The whole plan out of its resources; `matched` are the exceptions that were of use.
fn settled(judgement: &Judgement<'_>, mut planned: Vec<ResourcePlan>, matched: &BTreeSet<usize>) -> Plan {
    let scope = judgement.scope;
    let hash = hash::plan_hash(scope, &planned);
    let approval = match () {
        () if judgement.consent.hashes.contains(&hash) => Approval::Given,
        () if judgement.consent.used_up.contains(&hash) => Approval::UsedUp,
        () => Approval::None,
    };
    for resource in &mut planned {
        hold(judgement, approval, resource);
    }
    hold_too_many(judgement, approval, &mut planned);
    needs::hold_needy(&mut planned);
    if room::hold_crowded(&mut planned) {
        needs::hold_needy(&mut planned);
    }
    needs::note_left_out(&mut planned);
    for resource in &mut planned {
        // What waits for nothing but its window or a consent is blocked as a person sees it; what is done beside it is not.
        if matches!(resource.status, Status::Blocked | Status::Partly | Status::Drifted) {
            let stuck = resource.all_blocks().next().is_some();
            resource.status = match (stuck, resource.changes()) {
                (true, true) => Status::Partly,
                (true, false) => Status::Blocked,
                (false, _) => Status::Drifted,
            };
        }
    }
    Plan {
        schema_version: SCHEMA_VERSION.to_owned(),
        object: scope.object.clone(),
        account: scope.account.clone(),
        region: scope.region.clone(),
        hash,
        summary: summary(&planned),
        warnings: warnings(judgement, matched, &planned),
        resources: planned,
    }
}

impl Plan {
    /// The plan with `seen` in the place of its own resources of those keys: what policy, and what the resources come to together, is asked again. Pure.
    pub fn anew(self, judgement: &Judgement<'_>, seen: Vec<ResourcePlan>) -> Plan {
        let mut seen: BTreeMap<Key, ResourcePlan> = seen.into_iter().map(|one| (one.key.clone(), one)).collect();
        let mut resources = self.resources;
        for own in &mut resources {
            if let Some(other) = seen.remove(&own.key) {
                *own = other;
            }
            // As it was before anything was held.
            own.steps.iter_mut().for_each(|step| step.held = None);
        }
        Plan { warnings: self.warnings, ..settled(judgement, resources, &BTreeSet::new()) }
    }
}

/// Plans one resource again, while a plan is carried out: the same judgement, without the bounds that hold for a whole plan.
pub fn plan_one(judgement: &Judgement<'_>, declared: &Declared, observed: &Observed) -> ResourcePlan {
    let mut exceptions = Exceptions::new(judgement.exceptions, judgement.at);
    let mut resource = planned(judgement.scope, declared, observed, judgement.peers.of(declared.kind.path()), &mut exceptions);
    // The hash was given to the whole plan, whose steps the consent holds by now; no other plan is meant by it.
    hold(judgement, Approval::None, &mut resource);
    resource
}

/// Holds the steps of one resource that policy does not let through.
fn hold(judgement: &Judgement<'_>, approval: Approval, resource: &mut ResourcePlan) {
    let policy = judgement.policy;
    for place in 0..resource.steps.len() {
        let Some(step) = resource.steps.get(place) else { continue };
        let digest = || hash::step_digest(judgement.scope, &resource.key, step);
        let waits = step.after.iter().find(|before| resource.steps.get(**before).is_some_and(|before| before.held.is_some()));
        let held = if policy.mode == Mode::Observe {
            let (message, what_to_do) = match resource.under_way {
                false => ("the manifest says policy.mode: Observe", "set policy.mode: Enforce to have it repaired"),
                true => (
                    "the manifest says policy.mode: Observe, and what was begun here is left in the middle",
                    "set policy.mode: Enforce until it is at its end, forward or back",
                ),
            };
            let reason = if resource.under_way { Reason::DeniedByPolicy } else { Reason::ObserveOnly };
            Some((reason, message.to_owned(), what_to_do.to_owned()))
        } else if let Some(before) = waits {
            Some(behind(*before))
        } else if step.impact == Impact::Online {
            None
        } else if step.impact == Impact::Disruptive && policy.disruptive == Disruptive::Deny && !step.consented {
            Some((
                Reason::DeniedByPolicy,
                "it is disruptive, and the manifest says policy.disruptive: Deny".to_owned(),
                "set policy.disruptive to Approve or Allow".to_owned(),
            ))
        } else if !(needs_no_consent(policy, step) || approval == Approval::Given || judgement.consent.steps.contains(&digest())) {
            let digest = step.once.as_ref().map(|_| digest());
            let spent = digest.as_ref().is_some_and(|digest| judgement.consent.is_spent(digest));
            // What was begun is followed to its end, and held where it would be begun a second time.
            (!is_followed(judgement, &resource.key, step)).then(|| match spent {
                true => (Reason::NeedsConsent, unconsented(policy, step, true), SPENT.to_owned()),
                false => (Reason::NeedsConsent, unconsented(policy, step, false), approval.asked().to_owned()),
            })
        } else {
            outside_window(judgement)
        };
        if let (Some((reason, message, what_to_do)), Some(step)) = (held, resource.steps.get_mut(place)) {
            step.held = Some(Block { reason, fields: step.fields.clone(), message, what_to_do });
        }
    }
}

/// Whether an earlier run has begun the step, and nobody saw it at its end: it is looked at without a consent. Where the plan has something to change before
/// it, it is another one.
fn is_followed(judgement: &Judgement<'_>, key: &Key, step: &PlannedStep) -> bool {
    let alone = step.once.as_ref().is_some_and(|once| once.consent_to == step.op);
    alone && judgement.consent.under_way.contains(&hash::step_digest(judgement.scope, key, step))
}

/// Whether what is not online is done without a consent of its own.
fn needs_no_consent(policy: &Policy, step: &PlannedStep) -> bool {
    let unasked = step.once.as_ref().is_some_and(|once| once.unasked);
    step.consented || step.begun || step.impact == Impact::Disruptive && policy.disruptive == Disruptive::Allow && !unasked
}

/// What a person does where a consent counted for one beginning of a step, and another is needed.
const SPENT: &str = "see whether it was done; if it has to be done again, read the plan, then run again with --approve and its hash; where that very hash was \
                     given before, `holdfast journal revoke` and the hash lets it be given anew";

/// Why a step waits for consent; `begun`: one was given, and used up as the step was begun.
fn unconsented(policy: &Policy, step: &PlannedStep, begun: bool) -> String {
    let how = match step.impact {
        Impact::Irreversible => "it cannot be taken back",
        _ if policy.disruptive == Disruptive::Allow => {
            "it is disruptive, and as far as can be told nothing that is declared needs it, so that policy.disruptive: Allow does not count"
        }
        _ => "it is disruptive",
    };
    match begun {
        true => format!(
            "{how}; the consent to it counted for one beginning, and it was begun since: whatever came of that, another needs another consent"
        ),
        false => format!("{how}, and nobody has consented to it"),
    }
}

/// Why a step waits for another one of its resource, by place.
pub(super) fn behind(before: usize) -> (Reason, String, String) {
    let message = format!("it comes after step {}, which is held", before + 1);
    (Reason::WaitsForOther, message, "see that step: what lets it go on lets this one, too".to_owned())
}

fn outside_window(judgement: &Judgement<'_>) -> Option<(Reason, String, String)> {
    let when = match judgement.windows.opening(judgement.at) {
        Opening::Open { .. } => return None,
        Opening::Closed { opens: Some(opens) } => format!("the next change window opens at {opens}"),
        Opening::Closed { opens: None } => "no change window opens again".to_owned(),
    };
    Some((Reason::OutsideChangeWindow, format!("it is not online, and {when}"), "run again then".to_owned()))
}

/// Why a step may not begin at the judgement's moment though its plan lets it through: a run can outlast its change window. Pure.
pub fn closed(judgement: &Judgement<'_>, step: &PlannedStep) -> Option<Block> {
    let (reason, message, what_to_do) = (step.impact != Impact::Online).then(|| outside_window(judgement)).flatten()?;
    Some(Block { reason, fields: step.fields.clone(), message, what_to_do })
}

/// Why a step whose consent was used up as it was begun may not be begun a second time, though nobody knows what came of the first. Pure.
pub fn begun_already(judgement: &Judgement<'_>, step: &PlannedStep) -> Option<Block> {
    let held = !needs_no_consent(judgement.policy, step);
    held.then(|| Block {
        reason: Reason::NeedsConsent,
        fields: step.fields.clone(),
        message: unconsented(judgement.policy, step, true),
        what_to_do: SPENT.to_owned(),
    })
}

/// Holds everything where more resources would change than the manifest allows in one pass.
fn hold_too_many(judgement: &Judgement<'_>, approval: Approval, resources: &mut [ResourcePlan]) {
    // What was begun is followed to its end, and no new change.
    let opens = |key: &Key, step: &PlannedStep| step.held.is_none() && !is_followed(judgement, key, step);
    let changing = resources.iter().filter(|resource| resource.steps.iter().any(|step| opens(&resource.key, step))).count();
    let most = judgement.policy.max_changes;
    if changing <= most as usize {
        return;
    }
    let consented = |resource: &ResourcePlan| {
        resource
            .steps
            .iter()
            .filter(|step| opens(&resource.key, step))
            .all(|step| judgement.consent.steps.contains(&hash::step_digest(judgement.scope, &resource.key, step)))
    };
    if approval == Approval::Given || resources.iter().all(consented) {
        return;
    }
    for resource in resources {
        let key = &resource.key;
        for step in resource.steps.iter_mut().filter(|step| opens(key, step)) {
            step.held = Some(Block {
                reason: Reason::TooManyChanges,
                fields: step.fields.clone(),
                message: format!("{} would change, and policy.maxChanges is {most}", count(changing, "resource")),
                what_to_do: format!("{}, or raise policy.maxChanges", approval.asked()),
            });
        }
    }
}

fn summary(resources: &[ResourcePlan]) -> Summary {
    let mut summary = Summary::default();
    for resource in resources {
        match resource.status {
            Status::Unreadable => summary.unreadable += 1,
            Status::Blocked => {
                summary.blocked += 1;
                summary.observed += usize::from(resource.only_observed());
            }
            Status::Partly => summary.partly += 1,
            Status::Drifted => summary.drifted += 1,
            Status::InSync => summary.in_sync += 1,
        }
        summary.excepted += resource.excepted.len();
        summary.steps += resource.step_counts();
    }
    summary
}

fn warnings(judgement: &Judgement<'_>, matched: &BTreeSet<usize>, resources: &[ResourcePlan]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut names: Option<BTreeSet<String>> = None;
    for (place, exception) in judgement.exceptions.iter().enumerate() {
        let what = format!("spec.exceptions[{place}] ({}, {})", exception.resource, exception.field);
        if exception.until.at() <= judgement.at {
            warnings.push(format!("{what} ran out ({}): its difference counts again; take it out of the manifest", exception.until));
        } else if !judgement.partial && !matched.contains(&place) {
            let names = names.get_or_insert_with(|| names_of(resources));
            warnings.push(format!("{what} {}", why_idle(exception, names)));
        }
    }
    warnings
}

/// What exceptions can call these resources, and those that ask for a part of them.
fn names_of(resources: &[ResourcePlan]) -> BTreeSet<String> {
    resources.iter().flat_map(|one| one.origins.iter().flat_map(Origin::names).chain([one.key.to_string()])).collect()
}

/// More names than this are not compared with a name that none of them is: that would take longer than the plan.
const FEW_ENOUGH: usize = 10_000;

/// Why an exception covers nothing, and what to do.
fn why_idle(exception: &Exception, names: &BTreeSet<String>) -> String {
    let resource = &exception.resource;
    let pattern = exception.is_pattern().then(|| wildmatch::WildMatch::new(resource));
    let known = match &pattern {
        Some(pattern) => names.iter().any(|name| pattern.matches(name)),
        None => names.contains(resource),
    };
    if known {
        let field = &exception.field;
        return format!(
            "matches no difference: {field} is as declared there, or not declared: take it out of the manifest, or correct its field"
        );
    }
    let (kind, _) = exception.target();
    let of_kind = || names.iter().map(String::as_str).filter(|name| name.split_once('/').is_some_and(|(other, _)| other == kind));
    let near = (pattern.is_none() && names.len() <= FEW_ENOUGH).then(|| did_you_mean(resource, of_kind())).flatten();
    let near = near.unwrap_or_else(|| "correct its resource, or take it out of the manifest".to_owned());
    format!("names nothing that the manifest speaks for; {near}")
}

//! What a person has consented to: how long it counts, for which steps, and what uses it up. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::Baseline;
use crate::execute::{Given, Outcomes};
use crate::kinds::{Impact, Key, Reason, registry};
use crate::plan::{Consent, ConsentedStep, Plan, PlannedStep, ResourcePlan, Status, step_digest};

/// How long a consent counts.
const CONSENT_HOURS: i64 = 24;

/// What of a consent still counts after a plan was carried out: for those of its steps that were not done. The consent to what was done is used up,
/// though the same difference come back in the very run. Pure.
pub fn still_given(baseline: &Baseline, plan: &Plan, consent: &Consent, outcomes: &Outcomes) -> Consent {
    let mut steps = consent.steps.clone();
    let mut used_up = consent.used_up.clone();
    let given = consent.hashes.contains(&plan.hash);
    if given {
        steps.extend(digests(baseline, plan));
    }
    // Of what earlier runs began no more than the word is kept: a run that came to its end has looked at it, and the journal tells the next.
    let mut begun = consent.begun.clone();
    if steps.is_empty() {
        return Consent { begun, used_up, ..Consent::default() };
    }
    // Carrying it out used these up.
    for digest in not_asked_for(baseline, plan, consent) {
        steps.remove(&digest);
    }
    let done: BTreeMap<&Key, &[String]> = outcomes.resources.iter().map(|one| (&one.key, one.done.as_slice())).collect();
    for digest in outcomes.resources.iter().flat_map(|one| &one.spent) {
        steps.remove(digest);
        begun.insert(digest.clone());
    }
    for resource in &plan.resources {
        let done = done.get(&resource.key).copied().unwrap_or_default();
        for step in resource.steps.iter().filter(|step| done.contains(&step.title)) {
            steps.remove(&step_digest(&baseline.scope, &resource.key, step));
        }
    }
    if given && steps.is_disjoint(&digests(baseline, plan)) {
        used_up.insert(plan.hash.clone());
    }
    Consent { steps, begun, used_up, ..Consent::default() }
}

/// The steps consented to earlier that the plan does not have, and of whose fields none differs any more: they are in force, or nobody wants them. Of what
/// could not be read nothing is known. Pure.
pub(super) fn not_asked_for(baseline: &Baseline, plan: &Plan, consent: &Consent) -> BTreeSet<String> {
    if consent.earlier.is_empty() {
        return BTreeSet::new();
    }
    let planned = digests(baseline, plan);
    let told = |resource: &&ResourcePlan| resource.compared > 0 && resource.unreadable.is_empty() && resource.status != Status::Unreadable;
    let counts = |digest: &String| consent.steps.contains(digest) || consent.under_way.contains(digest);
    let open = |step: &&ConsentedStep| counts(&step.digest) && !planned.contains(&step.digest) && !step.fields.is_empty();
    let done = |step: &&ConsentedStep| {
        let resource = plan.resource(&step.resource).filter(told);
        resource.is_some_and(|resource| !resource.drifts.iter().any(|drift| step.fields.contains(&drift.field)))
    };
    consent.earlier.iter().filter(open).filter(done).map(|step| step.digest.clone()).collect()
}

/// What is consented to with a plan, step by step.
pub(super) fn consented_steps<'p>(baseline: &'p Baseline, plan: &'p Plan) -> impl Iterator<Item = ConsentedStep> + 'p {
    let scope = &baseline.scope;
    plan.resources.iter().flat_map(move |resource| {
        let kind = registry().iter().find(|kind| kind.path() == resource.key.kind);
        resource.steps.iter().map(move |step| ConsentedStep {
            digest: step_digest(scope, &resource.key, step),
            resource: resource.key.clone(),
            fields: step.fields.clone(),
            of_many: kind.is_some_and(|kind| kind.turns_back(&step.op).is_some()),
        })
    })
}

/// The steps of a plan that go on a consent which was given to an earlier one, in words. Pure.
pub fn on_earlier_consent(baseline: &Baseline, plan: &Plan, consent: &Consent, given: &[Given]) -> Vec<String> {
    let own = |given: &&Given| given.object == baseline.scope.object;
    let digest_of = |resource: &ResourcePlan, step: &PlannedStep| step_digest(&baseline.scope, &resource.key, step);
    let steps = |given: &Given| -> Vec<String> {
        let of = plan.resources.iter().flat_map(|resource| resource.steps.iter().map(move |step| (resource, step)));
        let counts = of.filter(|(resource, step)| {
            step.held.is_none()
                && step.impact != Impact::Online
                && [&given.open, &consent.steps].iter().all(|open| open.contains(&digest_of(resource, step)))
        });
        counts.map(|(_, step)| format!("\"{}\"", step.title)).collect()
    };
    let words = |given: &Given| {
        let steps = steps(given);
        let hash = given.plan.get(..12).unwrap_or(&given.plan);
        let when = given.at.strftime("%Y-%m-%d %H:%M:%SZ");
        (!steps.is_empty()).then(|| format!("on the consent to plan {hash}, given on {when} and not used up: {}", steps.join(", ")))
    };
    given.iter().filter(own).filter_map(words).collect()
}

/// What of a consent goes on counting when a run is at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The hash that it was given by.
    pub plan: String,
    pub until: Timestamp,
    /// Whether what it is for waits for a change window that does not open before then.
    pub too_short: bool,
    /// The steps that it is for, by their titles.
    pub steps: Vec<String>,
}

/// The consents that go on counting for steps of the plan that are not done: `still` is what [`still_given`] says of the run that has ended, `opens` when the
/// next change window does where it is closed. Pure.
pub fn kept(baseline: &Baseline, plan: &Plan, still: &Consent, given: &[Given], opens: Option<Timestamp>, at: Timestamp) -> Vec<Kept> {
    let open = |given: &Given| -> Vec<&PlannedStep> {
        let of = plan.resources.iter().flat_map(|resource| resource.steps.iter().map(move |step| (resource, step)));
        let waits = of.filter(|(resource, step)| {
            let digest = step_digest(&baseline.scope, &resource.key, step);
            (step.impact != Impact::Online || step.held.is_some()) && given.open.contains(&digest) && still.steps.contains(&digest)
        });
        waits.map(|(_, step)| step).collect()
    };
    let counts = |given: &&Given| given.object == baseline.scope.object && is_fresh(given, at);
    let kept = |given: &Given| {
        let until = given.at.saturating_add(SignedDuration::from_hours(CONSENT_HOURS)).ok()?;
        let steps = open(given);
        let windowed = |step: &&PlannedStep| step.held.as_ref().is_some_and(|block| block.reason == Reason::OutsideChangeWindow);
        let too_short = steps.iter().any(windowed) && opens.is_none_or(|opens| opens >= until);
        let steps: Vec<String> = steps.into_iter().map(|step| step.title.clone()).collect();
        (!steps.is_empty()).then(|| Kept { plan: given.plan.clone(), until, too_short, steps })
    };
    given.iter().filter(counts).filter_map(kept).collect()
}

/// The consent that a run gives by a plan's hash, as the journal tells it to the next one; none where it gives none.
pub fn given_now(baseline: &Baseline, plan: &Plan, consent: &Consent, at: Timestamp) -> Option<Given> {
    let given = consent.hashes.contains(&plan.hash);
    let object = baseline.scope.object.clone();
    given.then(|| Given {
        object,
        plan: plan.hash.clone(),
        at,
        open: digests(baseline, plan),
        begun: BTreeSet::new(),
        under_way: BTreeMap::new(),
        used_up: None,
        of: Vec::new(),
    })
}

/// The steps of a plan, as consent remembers them.
pub(super) fn digests(baseline: &Baseline, plan: &Plan) -> BTreeSet<String> {
    let digests =
        plan.resources.iter().flat_map(|resource| resource.steps.iter().map(|step| step_digest(&baseline.scope, &resource.key, step)));
    digests.collect()
}

/// What is consented to: by an earlier consent whose steps are not all done, and by `hashes`, unless one was used up; a consent counts once, for a day.
/// The second answer says of those that were given before, by hash, how they count. Pure.
pub fn consent(given: &[Given], object: &str, hashes: &[String], at: Timestamp) -> (Consent, BTreeMap<String, Before>) {
    let fresh: Vec<&Given> = given.iter().filter(|given| given.object == object && is_fresh(given, at)).collect();
    let open: BTreeSet<&String> = fresh.iter().filter(|given| !given.is_at_its_end()).map(|given| &given.plan).collect();
    let mut consent = Consent {
        steps: fresh.iter().flat_map(|given| given.open.iter().cloned()).collect(),
        begun: fresh.iter().flat_map(|given| given.begun.iter().cloned()).collect(),
        under_way: fresh.iter().flat_map(|given| given.under_way.keys().cloned()).collect(),
        earlier: fresh.iter().flat_map(|given| given.of.iter().cloned()).collect(),
        used_up: fresh.iter().map(|given| &given.plan).filter(|plan| !open.contains(plan)).cloned().collect(),
        ..Consent::default()
    };
    let mut used = BTreeMap::new();
    for hash in hashes {
        let same: Vec<&Given> = fresh.iter().copied().filter(|given| given.plan == *hash).collect();
        // A hash that was given already brings nothing new: it counts for what is left of the plan that it was given to, step by step.
        match same.first() {
            None => consent.hashes.extend([hash.clone()]),
            Some(_) => used.extend([(hash.clone(), given_before(&same))]),
        }
    }
    (consent, used)
}

/// Whether a consent still counts. By the size of the distance: a record of a clock that was ahead is not fresh for ever.
fn is_fresh(given: &Given, at: Timestamp) -> bool {
    at.duration_since(given.at).abs() < SignedDuration::from_hours(CONSENT_HOURS)
}

/// A consent that is given a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// How it counts, in words.
    pub words: String,
    /// Where it was carried to its end: when it was given and used up, in words.
    pub used_up: Option<String>,
}

/// How a consent counts that is given a second time; `same` are those that were given before by its hash, one at least.
fn given_before(same: &[&Given]) -> Before {
    let moment = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let plan = same.first().map_or("", |given| given.plan.get(..12).unwrap_or(&given.plan));
    let when = same.first().map(|given| moment(given.at)).unwrap_or_default();
    if same.iter().any(|given| !given.open.is_empty()) {
        let words = format!(
            "the consent to plan {plan} was given on {when} already, and counts once: for those of its steps that were not done since"
        );
        return Before { words, used_up: None };
    }
    if same.iter().any(|given| !given.is_at_its_end()) {
        let words = format!(
            "the consent to plan {plan} was given on {when} already; what it was for was begun, and is followed where it goes on. Another beginning takes \
             another consent: should it turn out not to have been done, `holdfast journal revoke {plan}` lets the same plan be consented to anew"
        );
        return Before { words, used_up: None };
    }
    let words = format!(
        "the consent to plan {plan} was given on {when} and carried to its end, and counts no more: the same difference came back. Find out who changes it; the same plan can be consented to again a day later"
    );
    let end = same.iter().filter_map(|given| given.used_up).max().map(|at| format!(" and used up on {}", moment(at)));
    Before { words, used_up: Some(format!("given on {when}{}", end.unwrap_or_else(|| " and is used up".to_owned()))) }
}

#[cfg(test)]
mod tests {
    use super::super::judgement;
    use super::*;
    use crate::kinds::Peers;

    fn given(plan: &str, at: &str, open: &[&str]) -> Given {
        Given {
            object: "o".to_owned(),
            plan: plan.to_owned(),
            at: at.parse().unwrap(),
            open: open.iter().map(|one| (*one).to_owned()).collect(),
            begun: BTreeSet::new(),
            under_way: BTreeMap::new(),
            used_up: open.is_empty().then(|| at.parse().unwrap()),
            of: Vec::new(),
        }
    }

    fn asked(given: &[Given], hash: Option<&str>) -> (Option<String>, Vec<String>, Option<String>) {
        let hashes: Vec<String> = hash.map(str::to_owned).into_iter().collect();
        let (consent, mut said) = consent(given, "o", &hashes, "2026-05-02T12:00:00Z".parse().unwrap());
        let said = hash.and_then(|hash| said.remove(hash)).map(|before| before.words);
        (consent.hashes.into_iter().next(), consent.steps.into_iter().collect(), said)
    }

    #[test]
    fn a_consent_is_used_up_by_what_was_done_though_it_came_back() {
        use crate::execute::{End, ResourceOutcome};
        use crate::kinds::{Reason, fake};
        let text = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: a}\nspec: {account: \"317805897534\", region: us-east-1}\n";
        let mut baseline = crate::load::load_text("m.yaml", text).baselines.remove(0);
        baseline.scope = fake::scope("used up");
        fake::enter(&fake::world("used up")).things.entry("a".to_owned()).or_default();
        let spec = serde_json::json!({"name": "a", "v": {"x": 1, "y": 1}, "disruptive": ["x", "y"]});
        let resources = [fake::looked(&baseline.scope, spec)];
        let peers = Peers::default();
        let planned = |consent: &Consent| crate::plan::plan(&judgement(&baseline, &peers, consent, Timestamp::UNIX_EPOCH), &resources);
        let held =
            |plan: &Plan| -> Vec<_> { plan.resources[0].steps.iter().map(|step| step.held.as_ref().map(|block| block.reason)).collect() };
        let hash = planned(&Consent::default()).hash;
        let by_hash = Consent { hashes: [hash].into(), ..Consent::default() };
        let plan = planned(&by_hash);
        assert_eq!(held(&plan), [None, None]);
        let after = |done: &[&str]| {
            let done = done.iter().map(|title| (*title).to_owned()).collect();
            let one = ResourceOutcome {
                key: plan.resources[0].key.clone(),
                title: String::new(),
                done,
                sent: true,
                failed_at: None,
                spent: Default::default(),
                end: End::Changed,
            };
            Outcomes { resources: vec![one], stopped: None }
        };
        // Nothing was done: all of it still counts, by its steps.
        let still = still_given(&baseline, &plan, &by_hash, &after(&[]));
        assert_eq!(held(&planned(&still)), [None, None]);
        assert!(still.used_up.is_empty());
        // All of it was done, and differs again: the step says why its hash is not to be given once more.
        let spent = still_given(&baseline, &plan, &by_hash, &after(&["Set x of a", "Set y of a"]));
        assert_eq!((spent.used_up.len(), spent.steps.len()), (1, 0));
        let asked = |plan: &Plan| plan.resources[0].steps[0].held.as_ref().unwrap().what_to_do.clone();
        assert!(asked(&planned(&spent)).contains("came back") && asked(&planned(&Consent::default())).contains("--approve"));
        // The first was done, and differs again: nobody has consented to doing it a second time.
        let still = still_given(&baseline, &plan, &by_hash, &after(&["Set x of a"]));
        assert_eq!(held(&planned(&still))[0], Some(Reason::NeedsConsent));
        // The same where the consent was left over from an earlier run.
        let left_over = Consent { steps: digests(&baseline, &plan), ..Consent::default() };
        let left_over = still_given(&baseline, &plan, &left_over, &after(&["Set x of a"]));
        assert_eq!(left_over, still);
        assert_eq!((left_over.steps.len(), held(&planned(&left_over))[0]), (1, Some(Reason::NeedsConsent)));
        // One for what is in force by now is used up; one for what differs still, by a step of another form, is not.
        for (field, counts) in [("v.z", false), ("v.x", true)] {
            let (digest, resource) = ("old".to_owned(), plan.resources[0].key.clone());
            let step = ConsentedStep { digest, resource, fields: vec![field.to_owned()], of_many: false };
            let consent = Consent { steps: ["old".to_owned()].into(), earlier: vec![step], ..Consent::default() };
            assert_eq!(still_given(&baseline, &plan, &consent, &after(&[])).steps.contains("old"), counts, "{field}");
        }
    }

    #[test]
    fn a_consent_counts_once_for_a_day_for_its_object() {
        let none: Vec<String> = Vec::new();
        assert_eq!(asked(&[], None), (None, none.clone(), None));
        assert_eq!(asked(&[], Some("h")), (Some("h".to_owned()), none.clone(), None));
        // What is left of an earlier one counts without being given again.
        let half = [given("h", "2026-05-02T11:00:00Z", &["s2"])];
        assert_eq!(asked(&half, None), (None, vec!["s2".to_owned()], None));
        // Given again, it still counts for what is left alone: a step that was done is not consented to a second time.
        let (hash, steps, said) = asked(&half, Some("h"));
        assert_eq!((hash, steps), (None, vec!["s2".to_owned()]));
        assert!(said.unwrap().contains("already"));
        // Used up.
        let (hash, steps, said) = asked(&[given("h", "2026-05-01T12:00:01Z", &[])], Some("h"));
        assert_eq!((hash, steps), (None, none.clone()));
        assert!(said.unwrap().contains("came back"));
        let used_up =
            |given: &[Given]| consent(given, "o", &[], "2026-05-02T12:00:00Z".parse().unwrap()).0.used_up.into_iter().collect::<Vec<_>>();
        assert_eq!(used_up(&[given("h", "2026-05-01T12:00:01Z", &[])]), ["h"]);
        assert!(used_up(&half).is_empty() && used_up(&[given("h", "2026-05-01T12:00:00Z", &[])]).is_empty());
        // A day later it is gone, and can be given again.
        let old = [given("h", "2026-05-01T12:00:00Z", &["s2"])];
        assert_eq!(asked(&old, None), (None, none.clone(), None));
        assert_eq!(asked(&old, Some("h")), (Some("h".to_owned()), none.clone(), None));
        // One that was given before, and a new one beside it.
        let (consent, said) = consent(&half, "o", &["h".to_owned(), "new".to_owned()], "2026-05-02T12:00:00Z".parse().unwrap());
        assert_eq!(
            (consent.hashes.into_iter().collect::<Vec<_>>(), said.into_keys().collect::<Vec<_>>()),
            (vec!["new".to_owned()], vec!["h".to_owned()])
        );
        // Another plan's, another object's, and one of a clock that was days ahead.
        assert_eq!(asked(&half, Some("other")).0, Some("other".to_owned()));
        let elsewhere = [Given { object: "p".to_owned(), ..given("h", "2026-05-02T11:00:00Z", &["s2"]) }];
        assert_eq!(asked(&elsewhere, Some("h")), (Some("h".to_owned()), none.clone(), None));
        assert_eq!(asked(&[given("h", "2027-01-01T00:00:00Z", &["s2"])], None).1, none);
    }
}

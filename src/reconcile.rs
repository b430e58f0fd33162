//! The pipeline, stage by stage. Read this file first.
//!
//! ```text
//! manifest -> desired -> observed -> plan -> steps -> execution -> status
//! ```
//!
//! | stage | where | talks to the outside |
//! |---|---|---|
//! | manifest | [`crate::manifest`] | reads files |
//! | desired | [`crate::desired`] | asks AWS what selectors choose from |
//! | observed | `observe`, here | reads AWS |
//! | plan, steps | [`crate::plan`] | never: pure |
//! | execution | [`crate::execute`] | writes AWS and the journal |
//! | status | [`Report`], [`crate::exit`] | never: pure |
//!
//! A dry run is [`look`]: it holds [`Reads`] and nothing else, and so cannot write. An apply is the same [`look`], and then [`apply`].
//!
//! Both hold only what their types let them do. A dry run has no way to a changing request:
//!
//! ```compile_fail,E0599
//! async fn dry_run(reads: &holdfast::aws::Reads) {
//!     reads.s3().put_bucket_policy(|request| request).await.ok();
//! }
//! ```
//!
//! which is all that is wrong with it, as a reading one compiles:
//!
//! ```
//! async fn dry_run(reads: &holdfast::aws::Reads) {
//!     reads.s3().get_bucket_policy(|request| request).await.ok();
//! }
//! ```
//!
//! The writing side is had from a journal alone:
//!
//! ```compile_fail,E0061
//! async fn apply(reads: &holdfast::aws::Reads, journal: &holdfast::execute::Journal) {
//!     reads.writes().s3().put_bucket_policy(|request| request).await.ok();
//! }
//! ```
//!
//! and with one it is:
//!
//! ```
//! async fn apply(reads: &holdfast::aws::Reads, journal: &holdfast::execute::Journal) {
//!     reads.writes(journal).s3().put_bucket_policy(|request| request).await.ok();
//! }
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::pin;

use futures::{Stream, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;

use crate::aws::{AccountError, ConnectOptions, Connection, Reads, Role, connect};
use crate::clock::Clock;
use crate::desired::{self, Choice, Entry, Others, Said as Asked, Speaker, Unnamed};
use crate::execute::record::Event;
use crate::execute::{Execution, Given, Interrupt, Journal, JournalError, Outcomes, Said};
use crate::kinds::{Impact, Key, Multiplicity, Peers, Scope, place};
use crate::manifest::{AwsBaseline, Windows};
use crate::plan::{
    Consent, ConsentedStep, Declared, Draft, Judgement, Observed, Plan, PlannedStep, ResourcePlan, Status, Withheld, step_digest,
};

/// Resources that are read or changed at once. The budget of requests per service lies below it.
const AT_ONCE: usize = 32;
/// How long a consent counts.
const CONSENT_HOURS: i64 = 24;

/// An object of a manifest, ready to be reconciled: read, checked, its entries understood by their kinds.
#[derive(Clone)]
pub struct Baseline {
    pub object: AwsBaseline,
    pub scope: Scope,
    pub entries: Vec<Entry>,
    /// What entries speak for that a mistake stops, their own or one that stops another object whole: it is left alone.
    pub stopped: Vec<Speaker>,
    pub windows: Windows,
}

/// What was found and would be done.
pub struct Look {
    pub connection: Connection,
    /// In the order of the plan's. What was seen of them is in the plan, as far as it counts: carrying it out looks again.
    pub resources: Vec<Declared>,
    /// Everything that the manifest speaks for, chosen for this run or not.
    pub peers: Peers,
    pub plan: Plan,
    /// What of the run's choice names nothing in this object.
    pub unnamed: Unnamed,
}

/// How a run over one object ended.
#[derive(Clone, Debug)]
pub struct Report {
    pub object: String,
    pub plan: Option<Plan>,
    /// Nothing in a dry run, and where the run did not come so far.
    pub outcomes: Option<Outcomes>,
    /// What was planned after the last change.
    pub left: Option<Plan>,
    /// Why the run over this object failed as a whole.
    pub error: Option<String>,
    /// Why the object's topic could not be told.
    pub untold: Option<String>,
}

/// What a run is told.
#[derive(Clone, Default)]
pub struct Request {
    pub choice: Choice,
    /// The other objects of the run: what two objects speak for is changed by neither.
    pub others: Others,
    pub consent: Consent,
}

/// The other objects of each object of a run, in their order.
pub fn others(baselines: &[Baseline]) -> Vec<Others> {
    Others::of_each(baselines.iter().map(|one| (&one.scope, one.entries.as_slice(), one.stopped.as_slice())))
}

/// Connects to the object's account, as the object says, and checks that it is the right one. Talks to AWS.
pub async fn connected(baseline: &Baseline, base: &ConnectOptions) -> Result<Connection, AccountError> {
    let spec = &baseline.object.spec;
    let role = spec.assume_role.as_ref().map(|role| Role { arn: role.role_arn.clone(), external_id: role.external_id.clone() });
    connect(&ConnectOptions { account: spec.account.clone(), region: spec.region.clone(), role, ..base.clone() }).await
}

/// Desired, observed, planned: everything that a dry run does. Reads AWS.
pub async fn look(baseline: &Baseline, connection: &Connection, request: &Request, at: Timestamp) -> Look {
    let reads = connection.reads.fresh();
    let Baseline { scope, entries, stopped, .. } = baseline;
    let desired = desired::resolve(&reads, &Asked { scope, entries, stopped, others: &request.others, choice: &request.choice }).await;
    let mut resources = desired.resources;
    let judgement = Judgement { partial: request.choice.is_partial(), ..judgement(baseline, &desired.peers, &request.consent, at) };
    let mut draft = Draft::new(&judgement);
    let mut planned = Vec::with_capacity(resources.len());
    let mut withheld = Withheld::default();
    let composed = |declared: &&Declared| declared.kind.shape() == Multiplicity::Composed;
    // What was seen of a resource goes as soon as it is planned: of thousands it is more than all plans.
    {
        let mut looks = pin!(observe(&reads, scope, resources.iter().filter(|one| !composed(one))));
        while let Some((declared, seen)) = looks.next().await {
            withheld.note(scope, declared, &seen);
            planned.push(draft.resource(declared, &seen));
        }
    }
    withheld.take_out_of(scope, &mut resources);
    {
        let mut looks = pin!(observe(&reads, scope, resources.iter().filter(composed)));
        while let Some((declared, seen)) = looks.next().await {
            planned.push(draft.resource(declared, &seen));
        }
    }
    // As the resources are: each and its plan have one place.
    planned.sort_by_key(|resource| place(&resource.key.kind));
    let mut plan = draft.plan(planned);
    plan.warnings.splice(0..0, desired.warnings);
    Look { connection: connection.clone(), resources, peers: desired.peers, plan, unnamed: desired.unnamed }
}

/// Looks once more at the resources with these keys alone, and plans all of it with them as they are now. Credentials that ran out on the way leave
/// the look as it is; says whether they did not. Reads AWS.
pub async fn look_at(baseline: &Baseline, look: &mut Look, keys: &HashSet<Key>, request: &Request, at: Timestamp) -> bool {
    let reads = look.connection.reads.fresh();
    let Baseline { scope, entries, stopped, .. } = baseline;
    let mut resources: Vec<Declared> = look.resources.iter().filter(|one| keys.contains(&one.key())).cloned().collect();
    let unsure = |one: &&mut Declared| !one.blocks.is_empty() && one.kind.shape() != Multiplicity::Composed;
    if resources.iter_mut().any(|mut one| unsure(&mut one)) {
        // What its selector chooses could not be read: that is asked again, too.
        let asked = Asked { scope, entries, stopped, others: &request.others, choice: &request.choice };
        let mut now: BTreeMap<Key, Declared> =
            desired::resolve(&reads, &asked).await.resources.into_iter().map(|one| (one.key(), one)).collect();
        for one in resources.iter_mut().filter(unsure) {
            if let Some(now) = now.remove(&one.key()) {
                *one = now;
            }
        }
    }
    let judgement = Judgement { partial: request.choice.is_partial(), ..judgement(baseline, &look.peers, &request.consent, at) };
    let mut draft = Draft::new(&judgement);
    let mut planned = Vec::with_capacity(resources.len());
    {
        let mut looks = pin!(observe(&reads, scope, resources.iter()));
        while let Some((declared, seen)) = looks.next().await {
            planned.push(draft.resource(declared, &seen));
        }
    }
    let read = reads.credentials_refused().is_none();
    if read {
        look.plan = look.plan.clone().anew(&judgement, planned);
    }
    read
}

/// Connects and looks. Credentials that ran out on the way leave half a look, which is none. Reads AWS.
pub async fn connected_look(baseline: &Baseline, base: &ConnectOptions, request: &Request, clock: &Clock) -> Result<Look, AccountError> {
    let connection = connected(baseline, base).await?;
    tracing::info!(object = %baseline.scope.object, caller = %connection.caller, "connected");
    let look = look(baseline, &connection, request, clock.now()).await;
    match connection.reads.credentials_refused() {
        Some(code) => Err(AccountError::RanOut { caller: connection.caller, code }),
        None => Ok(look),
    }
}

/// Reads every declared resource, each once, many at a time. Reads AWS.
fn observe<'d>(reads: &Reads, scope: &Scope, declared: impl Iterator<Item = &'d Declared>) -> impl Stream<Item = (&'d Declared, Observed)> {
    let looks = declared.map(move |declared| {
        let span = tracing::debug_span!("of", resource = %declared.key());
        let look = async move {
            let seen = match declared.blocks.is_empty() {
                true => Some(declared.kind.observe(reads, scope, &declared.wish, &declared.wish.want).await),
                false => None,
            };
            (declared, seen)
        };
        look.instrument(span)
    });
    stream::iter(looks).buffered(AT_ONCE)
}

/// Everything that applying needs, besides what was looked at.
pub struct Apply<'a> {
    pub journal: &'a Journal,
    pub clock: &'a Clock,
    /// The run's name.
    pub run: &'a str,
    pub interrupt: &'a Interrupt,
    pub say: &'a (dyn Fn(&Said) + Sync),
}

/// Carries a plan out. Writes AWS and the journal.
pub async fn apply(baseline: &Baseline, look: &Look, consent: &Consent, with: &Apply<'_>) -> Result<Outcomes, JournalError> {
    let object = &baseline.scope.object;
    let mut consent = consent.clone();
    let mut events = vec![Event::RunBegan { plan: look.plan.hash.clone(), holdfast: env!("CARGO_PKG_VERSION").to_owned() }];
    let used_up = not_asked_for(baseline, &look.plan, &consent);
    if !used_up.is_empty() {
        consent.steps.retain(|digest| !used_up.contains(digest));
        events.push(Event::ConsentUsed { steps: used_up.into_iter().collect() });
    }
    if consent.hashes.contains(&look.plan.hash) {
        let given = digests(baseline, &look.plan);
        let consented = || Event::Consented {
            plan: look.plan.hash.clone(),
            steps: given.iter().cloned().collect(),
            of: consented_steps(baseline, &look.plan).collect(),
        };
        // A plan without steps needs none, and uses none up.
        events.extend((!given.is_empty()).then(consented));
        consent.steps.extend(given);
    }
    with.journal.append(with.run, object, with.clock.now(), events, true).await?;
    let execution = Execution {
        judgement: judgement(baseline, &look.peers, &consent, with.clock.now()),
        reads: look.connection.reads.clone(),
        journal: with.journal,
        clock: with.clock,
        run: with.run,
        interrupt: with.interrupt,
        at_once: AT_ONCE,
        say: with.say,
    };
    Ok(execution.run(&look.plan, &look.resources).await)
}

/// What of a consent still counts after a plan was carried out: for those of its steps that were not done. The consent to what was done is used up,
/// though the same difference come back in the very run. Pure.
pub fn still_given(baseline: &Baseline, plan: &Plan, consent: &Consent, outcomes: &Outcomes) -> Consent {
    let mut steps = consent.steps.clone();
    if consent.hashes.contains(&plan.hash) {
        steps.extend(digests(baseline, plan));
    }
    if steps.is_empty() {
        return Consent::default();
    }
    // Carrying it out used these up.
    for digest in not_asked_for(baseline, plan, consent) {
        steps.remove(&digest);
    }
    let done: BTreeMap<&Key, &[String]> = outcomes.resources.iter().map(|one| (&one.key, one.done.as_slice())).collect();
    for resource in &plan.resources {
        let done = done.get(&resource.key).copied().unwrap_or_default();
        for step in resource.steps.iter().filter(|step| done.contains(&step.title)) {
            steps.remove(&step_digest(&baseline.scope, &resource.key, &step.op, step.impact));
        }
    }
    Consent { steps, ..Consent::default() }
}

/// The steps consented to earlier that the plan does not have, and of whose fields none differs any more: they are in force, or nobody wants them. Of what
/// could not be read nothing is known. Pure.
fn not_asked_for(baseline: &Baseline, plan: &Plan, consent: &Consent) -> BTreeSet<String> {
    if consent.earlier.is_empty() {
        return BTreeSet::new();
    }
    let planned = digests(baseline, plan);
    let told = |resource: &&ResourcePlan| resource.compared > 0 && resource.unreadable.is_empty() && resource.status != Status::Unreadable;
    let open = |step: &&ConsentedStep| consent.steps.contains(&step.digest) && !planned.contains(&step.digest) && !step.fields.is_empty();
    let done = |step: &&ConsentedStep| {
        let resource = plan.resource(&step.resource).filter(told);
        resource.is_some_and(|resource| !resource.drifts.iter().any(|drift| step.fields.contains(&drift.field)))
    };
    consent.earlier.iter().filter(open).filter(done).map(|step| step.digest.clone()).collect()
}

/// What is consented to with a plan, step by step.
fn consented_steps<'p>(baseline: &'p Baseline, plan: &'p Plan) -> impl Iterator<Item = ConsentedStep> + 'p {
    let scope = &baseline.scope;
    plan.resources.iter().flat_map(move |resource| {
        resource.steps.iter().map(move |step| ConsentedStep {
            digest: step_digest(scope, &resource.key, &step.op, step.impact),
            resource: resource.key.clone(),
            fields: step.fields.clone(),
        })
    })
}

/// The steps of a plan that go on a consent which was given to an earlier one, in words. Pure.
pub fn on_earlier_consent(baseline: &Baseline, plan: &Plan, consent: &Consent, given: &[Given]) -> Vec<String> {
    let own = |given: &&Given| given.object == baseline.scope.object;
    let digest_of = |resource: &ResourcePlan, step: &PlannedStep| step_digest(&baseline.scope, &resource.key, &step.op, step.impact);
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

/// The steps of a plan, as consent remembers them.
fn digests(baseline: &Baseline, plan: &Plan) -> BTreeSet<String> {
    let digests = plan
        .resources
        .iter()
        .flat_map(|resource| resource.steps.iter().map(|step| step_digest(&baseline.scope, &resource.key, &step.op, step.impact)));
    digests.collect()
}

fn judgement<'a>(baseline: &'a Baseline, peers: &'a Peers, consent: &'a Consent, at: Timestamp) -> Judgement<'a> {
    let spec = &baseline.object.spec;
    Judgement {
        scope: &baseline.scope,
        policy: &spec.policy,
        windows: &baseline.windows,
        exceptions: &spec.exceptions,
        consent,
        peers,
        partial: false,
        at,
    }
}

/// What is consented to: by an earlier consent whose steps are not all done, and by `hashes`, unless one was used up; a consent counts once, for a day.
/// The second answer says of those that were given before, by hash, how they count. Pure.
pub fn consent(given: &[Given], object: &str, hashes: &[String], at: Timestamp) -> (Consent, BTreeMap<String, String>) {
    // By the size of the distance: a record of a clock that was ahead is not fresh for ever.
    let fresh = |given: &&Given| given.object == object && at.duration_since(given.at).abs() < SignedDuration::from_hours(CONSENT_HOURS);
    let fresh: Vec<&Given> = given.iter().filter(fresh).collect();
    let mut consent = Consent {
        steps: fresh.iter().flat_map(|given| given.open.iter().cloned()).collect(),
        earlier: fresh.iter().flat_map(|given| given.of.iter().cloned()).collect(),
        ..Consent::default()
    };
    let mut used = BTreeMap::new();
    for hash in hashes {
        let same: Vec<&Given> = fresh.iter().copied().filter(|given| given.plan == *hash).collect();
        // A hash that was given already brings nothing new: it counts for what is left of the plan that it was given to, step by step.
        match same.first() {
            None => consent.hashes.extend([hash.clone()]),
            Some(first) => used.extend([(hash.clone(), given_before(first, same.iter().all(|given| given.open.is_empty())))]),
        }
    }
    (consent, used)
}

/// How a consent counts that is given a second time.
fn given_before(given: &Given, done: bool) -> String {
    let plan = given.plan.get(..12).unwrap_or(&given.plan);
    let when = given.at.strftime("%Y-%m-%d %H:%M:%SZ");
    match done {
        true => format!(
            "the consent to plan {plan} was given on {when} and carried to its end, and counts no more: the same difference came back. Find out who changes it; the same plan can be consented to again a day later"
        ),
        false => format!(
            "the consent to plan {plan} was given on {when} already, and counts once: for those of its steps that were not done since"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(plan: &str, at: &str, open: &[&str]) -> Given {
        Given {
            object: "o".to_owned(),
            plan: plan.to_owned(),
            at: at.parse().unwrap(),
            open: open.iter().map(|one| (*one).to_owned()).collect(),
            of: Vec::new(),
        }
    }

    fn asked(given: &[Given], hash: Option<&str>) -> (Option<String>, Vec<String>, Option<String>) {
        let hashes: Vec<String> = hash.map(str::to_owned).into_iter().collect();
        let (consent, mut said) = consent(given, "o", &hashes, "2026-05-02T12:00:00Z".parse().unwrap());
        let said = hash.and_then(|hash| said.remove(hash));
        (consent.hashes.into_iter().next(), consent.steps.into_iter().collect(), said)
    }

    #[cfg(feature = "sandbox")]
    #[tokio::test]
    async fn credentials_that_run_out_while_the_account_is_read_end_the_run() {
        use crate::sandbox::{Options, Sandbox};
        let text = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: a}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n  \
            assumeRole: {roleArn: \"arn:aws:iam::317805897534:role/holdfast\"}\n  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n";
        let baseline = crate::load::load_text("m.yaml", text).baselines.remove(0);
        let looked = async |faults: &str| {
            // The SDK keeps a session by the machine's time; the sandbox lets it end by its own.
            let clock = Clock::simulated(Timestamp::now());
            let options = Options { clock: clock.clone(), faults: faults.parse().unwrap(), ..Options::default() };
            let sandbox = Sandbox::from_yaml(include_str!("../examples/accounts/huntaze-as-found.yaml"), options).unwrap();
            let base = ConnectOptions { embedded: Some(sandbox.http_client()), clock: Some(clock.clone()), ..ConnectOptions::default() };
            connected_look(&baseline, &base, &Request::default(), &clock).await.map(|look| look.plan.summary.unreadable)
        };
        assert_eq!(looked("").await.unwrap(), 0);
        // AssumeRole and GetCallerIdentity come first.
        let error = looked("slow@3=7200s").await.unwrap_err();
        assert!(matches!(&error, AccountError::RanOut { code, .. } if code == "ExpiredToken"), "{error}");
        let error = looked("denied@sts:AssumeRole").await.unwrap_err().to_string();
        assert!(
            error.starts_with(
                "the role arn:aws:iam::317805897534:role/holdfast could not be assumed with the credentials of the sandbox (AccessDenied: "
            ),
            "{error}"
        );
        assert!(!error.contains("Error {") && !error.contains("Tried"), "{error}");
        // Throttling is waited out here as everywhere.
        assert_eq!(looked("throttle@1").await.unwrap(), 0);
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
            let one = ResourceOutcome { key: plan.resources[0].key.clone(), title: String::new(), done, sent: true, end: End::Changed };
            Outcomes { resources: vec![one], stopped: None }
        };
        // Nothing was done: all of it still counts, by its steps.
        let still = still_given(&baseline, &plan, &by_hash, &after(&[]));
        assert_eq!(held(&planned(&still)), [None, None]);
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
            let step = ConsentedStep { digest: "old".to_owned(), resource: plan.resources[0].key.clone(), fields: vec![field.to_owned()] };
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

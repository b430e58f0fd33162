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

pub mod consent;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::pin;

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tracing::Instrument;

use self::consent::{consented_steps, digests, not_asked_for};
use crate::aws::{AccountError, ConnectOptions, Connection, Reads, Role, connect};
use crate::clock::Clock;
use crate::desired::{self, Choice, Entry, Others, Said as Asked, Speaker, Unnamed};
use crate::execute::record::Event;
use crate::execute::{Execution, Interrupt, Journal, JournalError, Outcomes, Said};
use crate::kinds::{Key, Multiplicity, Peers, Scope, place};
use crate::manifest::{AwsBaseline, Windows, Written};
use crate::plan::{AsSeen, Consent, Declared, Draft, Judgement, Observed, Plan};

/// Resources that are read or changed at once. The budget of requests per service lies below it.
const AT_ONCE: usize = 32;

/// An object of a manifest, ready to be reconciled: read, checked, its entries understood by their kinds.
#[derive(Clone)]
pub struct Baseline {
    pub object: AwsBaseline,
    pub scope: Scope,
    pub entries: Vec<Entry>,
    /// What entries speak for that a mistake stops, their own or one that stops another object whole: it is left alone.
    pub stopped: Vec<Speaker>,
    pub windows: Windows,
    /// Where it stands.
    pub written: Written,
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
    let mut as_seen = AsSeen::default();
    let mut stands = BTreeMap::new();
    let composed = |declared: &&Declared| declared.kind.shape() == Multiplicity::Composed;
    // What was seen of a resource goes as soon as it is planned: of thousands it is more than all plans.
    {
        let mut looks = pin!(observe(&reads, scope, resources.iter().filter(|one| !composed(one))));
        while let Some((declared, seen)) = looks.next().await {
            match as_seen.note(scope, declared, &seen) {
                None => planned.push(draft.resource(declared, &seen)),
                Some(needs) => {
                    planned.push(draft.resource(&Declared { needs: needs.clone(), ..declared.clone() }, &seen));
                    stands.insert(declared.key(), needs);
                }
            }
        }
    }
    for one in &mut resources {
        if let Some(needs) = stands.remove(&one.key()) {
            one.needs = needs;
        }
    }
    as_seen.put_into(scope, &mut resources);
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
        consent.under_way.retain(|digest| !used_up.contains(digest));
        events.push(Event::ConsentUsed { steps: used_up.into_iter().collect() });
    }
    if consent.hashes.contains(&look.plan.hash) {
        let given = digests(baseline, &look.plan);
        let consented = || Event::Consented {
            plan: look.plan.hash.clone(),
            steps: given.iter().cloned().collect(),
            of: consented_steps(baseline, &look.plan).collect(),
            under_way: BTreeSet::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

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
}

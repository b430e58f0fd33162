//! What the kinds' own tests share: the whole pipeline, run over an embedded account.

use serde_json::{Value, json};

use super::Contribution;
use crate::aws::{ConnectOptions, Pace};
use crate::clock::Clock;
use crate::desired::Choice;
use crate::execute::{End, Interrupt, Journal, Outcomes};
use crate::load::load_text;
use crate::plan::{Consent, Plan, ResourcePlan};
use crate::reconcile::{Apply, Baseline, Look, Request, apply, connected, look};
use crate::sandbox::{Options, Sandbox};

pub const ACCOUNT: &str = "317805897534";

/// As many of the points, from a seed, as one in so many of `HOLDFAST_CASES`: a test over many points tries all of them in a whole run of the tests, and some in
/// the inner loop.
pub fn one_in<P>(share: u64, mut points: Vec<P>) -> Vec<P> {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let cases = number("HOLDFAST_CASES").unwrap_or(300_u64);
    if std::env::var_os("HOLDFAST_SWEEP_POINT").is_none() {
        fastrand::Rng::with_seed(number("HOLDFAST_SEED").unwrap_or(3)).shuffle(&mut points);
        points.truncate(usize::try_from(cases / share).unwrap_or(usize::MAX).max(2));
    }
    points
}

/// As many generated cases, from a seed that is printed, and that repeats them.
pub fn generated(cases: u32) -> proptest::prelude::ProptestConfig {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("HOLDFAST_SEED={seed}");
    let rng_seed = proptest::test_runner::RngSeed::Fixed(seed);
    proptest::prelude::ProptestConfig { cases, rng_seed, failure_persistence: None, ..Default::default() }
}

/// An account in a test, with a folder for its journal.
pub struct Account {
    pub sandbox: Sandbox,
    state: tempfile::TempDir,
}

impl Account {
    /// The account of the owner in us-east-1, with these services in it.
    pub fn new(services: &Value) -> Account {
        Account::with(services, "")
    }

    /// The same, with faults.
    pub fn with(services: &Value, faults: &str) -> Account {
        let mut world = json!({"account": ACCOUNT, "region": "us-east-1"});
        world.as_object_mut().unwrap().extend(services.as_object().unwrap().clone());
        let clock = Clock::simulated("2026-01-15T10:00:00Z".parse().unwrap());
        let options = Options { clock, faults: faults.parse().unwrap(), ..Options::default() };
        // JSON is YAML.
        let sandbox = Sandbox::from_yaml(&world.to_string(), options).unwrap();
        Account { sandbox, state: tempfile::tempdir().unwrap() }
    }

    pub async fn plan(&self, spec: &Value) -> Plan {
        self.look(&baseline(spec), &Request::default()).await.plan
    }

    /// The plan of the only resource.
    pub async fn resource(&self, kind: &str, spec: &Value) -> ResourcePlan {
        let plan = self.plan(spec).await;
        plan.resources.into_iter().find(|resource| resource.key.kind == kind).unwrap()
    }

    async fn look(&self, baseline: &Baseline, request: &Request) -> Look {
        let pace = Pace { first: std::time::Duration::from_millis(1), longest: std::time::Duration::from_millis(4), ..Pace::default() };
        let options = ConnectOptions { embedded: Some(self.sandbox.http_client()), pace, ..ConnectOptions::default() };
        let connection = connected(baseline, &options).await.unwrap();
        look(baseline, &connection, request, self.sandbox.clock().now()).await
    }

    /// Carries the plan out, with consent to all of it.
    pub async fn apply(&self, spec: &Value) -> (Plan, Outcomes) {
        self.apply_chosen(spec, Choice::default()).await
    }

    /// The same of what a run chooses.
    pub async fn apply_chosen(&self, spec: &Value, choice: Choice) -> (Plan, Outcomes) {
        let request = Request { choice, ..Request::default() };
        let hash = self.look(&baseline(spec), &request).await.plan.hash;
        self.apply_with(spec, Request { consent: Consent { hashes: [hash].into(), ..Consent::default() }, ..request }).await
    }

    /// Carries out what nobody has to consent to.
    pub async fn apply_without_consent(&self, spec: &Value) -> (Plan, Outcomes) {
        self.apply_with(spec, Request::default()).await
    }

    async fn apply_with(&self, spec: &Value, request: Request) -> (Plan, Outcomes) {
        let baseline = baseline(spec);
        let journal = Journal::open(self.state.path(), "a test").unwrap().journal;
        let found = self.look(&baseline, &request).await;
        let clock = self.sandbox.clock();
        let interrupt = Interrupt::default();
        let with = Apply { journal: &journal, clock: &clock, run: "test", interrupt: &interrupt, say: &|_| {} };
        let outcomes = apply(&baseline, &found, &request.consent, &with).await.unwrap();
        (found.plan, outcomes)
    }

    /// Applies, and demands that nothing is left, and that applying again writes nothing.
    #[track_caller]
    pub fn converges<'a>(&'a self, spec: &'a Value) -> impl Future<Output = Plan> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let (plan, outcomes) = self.apply(spec).await;
            let good = |end: &End| matches!(end, End::Changed | End::Unchanged);
            assert!(outcomes.resources.iter().all(|one| good(&one.end)), "{caller}: {outcomes:#?}");
            let again = self.plan(spec).await;
            assert!(again.in_sync() && !again.changes(), "{caller}: {again:#?}");
            self.sandbox.forget_records();
            self.apply(spec).await;
            assert_eq!(self.writes(), Vec::<String>::new(), "{caller}: the second apply wrote");
            plan
        }
    }

    /// The operations that changed something, in their order.
    pub fn writes(&self) -> Vec<String> {
        self.sandbox.writes().into_iter().map(|call| call.operation).collect()
    }

    /// The operations that were asked, each once, sorted.
    pub fn operations(&self) -> std::collections::BTreeSet<String> {
        self.sandbox.recorded().into_iter().map(|call| call.operation).collect()
    }

    /// The body of the only request of that operation.
    #[track_caller]
    pub fn sent(&self, operation: &str) -> Value {
        let calls: Vec<_> = self.sandbox.recorded().into_iter().filter(|call| call.operation == operation).collect();
        assert_eq!(calls.len(), 1, "{operation} was sent {} times", calls.len());
        serde_json::from_str(&calls[0].body).unwrap()
    }
}

/// A manifest's object with these resources.
pub fn baseline(spec: &Value) -> Baseline {
    let mut spec = spec.clone();
    let members = spec.as_object_mut().unwrap();
    members.insert("account".to_owned(), json!(ACCOUNT));
    members.entry("region").or_insert_with(|| json!("us-east-1"));
    let object = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "AwsBaseline", "metadata": {"name": "test"}, "spec": spec});
    let mut manifests = load_text("manifest.yaml", &serde_yaml::to_string(&object).unwrap());
    assert!(manifests.problems.is_empty(), "{}", manifests.problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    manifests.baselines.remove(0)
}

/// The statements of contributions as a bucket's policy holds them.
pub fn policy(contributions: &[Contribution]) -> String {
    let statements = contributions.iter().flat_map(|part| part.value["statements"].as_array().unwrap()).map(|one| {
        let mut statement = one["statement"].clone();
        statement["Sid"] = one["sid"].clone();
        statement
    });
    json!({"Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>()}).to_string()
}

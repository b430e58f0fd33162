//! What the tests stand on: an embedded account, a state folder, and runs of the whole pipeline in this process.

#![allow(dead_code)] // each test binary uses its own part of it

pub mod record;

use std::path::Path;
use std::time::Duration;

use holdfast::aws::{ConnectOptions, Pace};
use holdfast::execute::{Interrupt, Journal, Outcomes};
use holdfast::load::load_text;
use holdfast::plan::{Consent, Plan};
use holdfast::reconcile::{Apply, Baseline, Look, Request, apply, connected, look};
use holdfast::sandbox::Sandbox;

/// How many generated cases a test runs: `HOLDFAST_CASES`, or a few for the inner loop.
pub fn cases() -> u32 {
    std::env::var("HOLDFAST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// The only object of a manifest that must be right.
pub fn baseline(text: &str) -> Baseline {
    let mut manifests = load_text("manifest.yaml", text);
    assert!(manifests.problems.is_empty(), "{}", manifests.problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    assert_eq!(manifests.baselines.len(), 1, "one object was expected");
    manifests.baselines.remove(0)
}

/// How a test connects: to the sandbox, and without long waits after throttling.
pub fn ground(sandbox: &Sandbox) -> ConnectOptions {
    let pace =
        Pace { first: Duration::from_millis(1), longest: Duration::from_millis(4), patience: Duration::from_secs(20), ..Pace::default() };
    ConnectOptions { embedded: Some(sandbox.http_client()), pace, clock: Some(sandbox.clock()), ..ConnectOptions::default() }
}

/// A dry run. It holds no journal.
pub async fn dry(sandbox: &Sandbox, baseline: &Baseline) -> Result<Plan, String> {
    looked(sandbox, baseline, &Request::default()).await.map(|look| look.plan)
}

/// Looks as a run does.
pub async fn looked(sandbox: &Sandbox, baseline: &Baseline, request: &Request) -> Result<Look, String> {
    let connection = connected(baseline, &ground(sandbox)).await.map_err(|error| error.to_string())?;
    Ok(look(baseline, &connection, request, sandbox.clock().now()).await)
}

/// An apply, as the command line does it; with `approve` the plan that is found is consented to by its hash.
pub async fn wet(sandbox: &Sandbox, baseline: &Baseline, state: &Path, approve: bool) -> Result<(Plan, Outcomes), String> {
    let opened = Journal::open(state, "a test").map_err(|error| error.to_string())?;
    let (consent, _) = holdfast::reconcile::consent::consent(&opened.past.consents, &baseline.scope.object, &[], sandbox.clock().now());
    let mut request = Request { consent, ..Request::default() };
    let mut found = looked(sandbox, baseline, &request).await?;
    if approve {
        request.consent = Consent { hashes: [found.plan.hash.clone()].into(), ..request.consent };
        found = looked(sandbox, baseline, &request).await?;
    }
    let clock = sandbox.clock();
    let interrupt = Interrupt::default();
    let with = Apply { journal: &opened.journal, clock: &clock, run: "test", interrupt: &interrupt, say: &|_| {} };
    let outcomes = apply(baseline, &found, &request.consent, &with).await.map_err(|error| error.to_string())?;
    Ok((found.plan, outcomes))
}

//! Convergence, generated: random manifests against random accounts. Planned, applied and planned again, nothing is left but what the first plan
//! said cannot be repaired; a second apply writes nothing; and of the account nothing changed but what was declared.
//!
//! `HOLDFAST_CASES` says how many cases there are, `HOLDFAST_SEED` which. A case that fails is made smaller and written to a file, which repeats it
//! when it is put into `tests/convergence/kept/`.

mod account;
mod case;
mod changes;
mod draw;
mod pattern;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod survey;
mod tweaks;
mod wishes;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast::clock::Clock;
use holdfast::execute::{End, ResourceOutcome};
use holdfast::kinds::{Block, Reason};
use holdfast::load::load_text;
use holdfast::plan::{Plan, ResourcePlan, Status};
use holdfast::reconcile::Baseline;
use holdfast::sandbox::world::World;
use holdfast::sandbox::{Options, Sandbox};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::Value;

use case::{Case, Cases};
use changes::Repaired;

/// What became of the cases.
#[derive(Default)]
struct Count {
    all: AtomicU32,
    /// Manifests that validation refused.
    refused: AtomicU32,
    /// Cases in which something was changed.
    changed: AtomicU32,
    /// Cases in which something stayed blocked.
    blocked: AtomicU32,
    /// Cases that needed a second apply, with a consent of its own.
    twice: AtomicU32,
    /// The refusals, some of them.
    why: Mutex<Vec<String>>,
}

fn add(to: &AtomicU32) {
    to.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn random_manifests_converge_on_random_accounts() {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8) as u32;
    let count = Count::default();
    let each = support::cases().div_ceil(threads);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let count = &count;
            scope.spawn(move || generate(seed.wrapping_add(u64::from(thread)), each, count));
        }
    });
    let get = |of: &AtomicU32| of.load(Ordering::Relaxed);
    let (all, refused) = (get(&count.all), get(&count.refused));
    println!(
        "{} cases, and {refused} manifests refused: {} changed something, {} left something blocked, {} were consented to twice",
        all - refused,
        get(&count.changed),
        get(&count.blocked),
        get(&count.twice)
    );
    let why = count.why.into_inner().unwrap_or_default();
    assert!(all - refused >= support::cases(), "fewer cases than were asked for");
    assert!(
        refused * 10 <= all * 4,
        "{refused} of {all} manifests were refused: the generator makes too little sense.\n{}",
        why.join("\n")
    );
    assert!(get(&count.changed) * 2 >= all - refused, "too few cases change anything");
}

/// Runs `cases` cases from `seed`.
fn generate(seed: u64, cases: u32, count: &Count) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // A manifest that validation refuses is no case: another is generated in its place.
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 600, max_global_rejects: cases * 2, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&Cases, |case| match tried(&case, count) {
        Ok(Tried::Held) => Ok(()),
        Ok(Tried::Refused) => Err(TestCaseError::reject("validation refuses the manifest")),
        Err(why) => Err(TestCaseError::fail(why)),
    });
    if let Err(TestError::Fail(why, case)) = result {
        let path = case.keep(&format!("failed-{seed}"));
        panic!(
            "seed {seed}: {why}\n\nThe smallest case that fails so is {}; put into tests/convergence/kept/ it is tried in every run:\n{}",
            path.display(),
            serde_yaml::to_string(&case).unwrap_or_default()
        );
    }
    result.expect("as many cases as were asked for");
}

#[test]
fn cases_that_failed_once_stay_right() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convergence/kept");
    let mut tried_some = false;
    for entry in std::fs::read_dir(folder).expect("the folder of kept cases").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a kept case");
        let case: Case = serde_yaml::from_str(&text).expect("a kept case is a case");
        let count = Count::default();
        if let Err(why) = tried(&case, &count) {
            panic!("{}: {why}", entry.path().display());
        }
        assert_eq!(count.refused.into_inner(), 0, "{}: its manifest is refused: {:?}", entry.path().display(), count.why);
        tried_some = true;
    }
    assert!(tried_some);
}

/// What became of a case that shows nothing wrong.
#[derive(PartialEq)]
enum Tried {
    Held,
    /// Validation refused its manifest: nothing was tried.
    Refused,
}

/// Tries one case; the error says what it shows.
fn tried(case: &Case, count: &Count) -> Result<Tried, String> {
    add(&count.all);
    let manifests = load_text("generated.yaml", &case.manifest());
    if manifests.has_errors() {
        add(&count.refused);
        if let Ok(mut why) = count.why.lock() {
            let said = manifests.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message));
            why.extend(said.take(3));
        }
        return Ok(Tried::Refused);
    }
    let Some(baseline) = manifests.baselines.into_iter().next() else { return Err("a manifest without an object".to_owned()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    // It takes a fraction of a second, and much longer beside everything else that a machine is busy with.
    let limit = std::time::Duration::from_secs(600);
    runtime
        .block_on(async { tokio::time::timeout(limit, converges(case, &baseline, count)).await })
        .map_err(|_| "it does not end".to_owned())??;
    Ok(Tried::Held)
}

fn sandbox(case: &Case) -> Result<Sandbox, String> {
    let world: World = serde_json::from_value(case.account.clone()).map_err(|error| format!("the generated account: {error}"))?;
    let start = "2026-01-15T10:00:00Z".parse().map_err(|error| format!("{error}"))?;
    Sandbox::new(world, Options { clock: Clock::simulated(start), ..Options::default() }).map_err(|error| error.to_string())
}

/// The property.
async fn converges(case: &Case, baseline: &Baseline, count: &Count) -> Result<(), String> {
    let sandbox = sandbox(case)?;
    let state = tempfile::tempdir().map_err(|error| error.to_string())?;
    let found = support::dry(&sandbox, baseline).await?;
    ensure(sandbox.writes().is_empty(), || format!("the dry run wrote: {:?}", sandbox.writes()))?;

    let mut plans = Vec::new();
    let mut repaired = Repaired::new();
    let mut wrong = Vec::new();
    loop {
        sandbox.forget_records();
        let (plan, outcomes) = support::wet(&sandbox, baseline, state.path(), true).await?;
        if plans.is_empty() {
            same_plan(&found, &plan)?;
        }
        for outcome in &outcomes.resources {
            let text = format!("{}: {:?}", outcome.key, outcome.end);
            ensure(!matches!(outcome.end, End::Failed { .. } | End::RolledBack { .. } | End::Interrupted { .. }), || {
                format!("a step did not succeed: {text}")
            })?;
        }
        ensure(outcomes.stopped.is_none(), || format!("{:?}", outcomes.stopped))?;
        for outcome in &outcomes.resources {
            did_what_was_shown(&plan, outcome)?;
        }
        repaired.extend(to_repair(&plan));
        for request in sandbox.writes() {
            wrong.extend(requests::wrong(&request, &repaired));
            ensure(!request.operation.starts_with("Delete") || may_delete(&request.operation), || format!("it deleted: {request:?}"))?;
        }
        let unreadable = plan.resources.iter().any(|resource| resource.status == Status::Unreadable);
        let again = unreadable || plan.changes() && support::dry(&sandbox, baseline).await?.resources.iter().any(waits_for_consent);
        plans.push(plan);
        if !again {
            break;
        }
        if unreadable {
            // What keeps it from being read passes: the next run finds it.
            sandbox.clock().advance(std::time::Duration::from_secs(1200));
        }
        ensure(plans.len() < 4, || "it never ends".to_owned())?;
        add(&count.twice);
    }
    let first = &plans[0];
    if first.changes() {
        add(&count.changed);
    }

    let after = sandbox.snapshot();
    let untouched = self::sandbox(case)?;
    untouched.world();
    if let Ok(passed) = std::time::Duration::try_from(sandbox.clock().now().duration_since(untouched.clock().now())) {
        untouched.clock().advance(passed);
    }
    wrong.extend(
        changes::unexplained(&untouched.snapshot(), &after, &repaired)
            .into_iter()
            .map(|place| format!("{place} was changed, and nothing declared asks for it")),
    );
    ensure(wrong.is_empty(), || wrong.join("\n"))?;

    let last = support::dry(&sandbox, baseline).await?;
    for resource in &last.resources {
        rests(&plans, resource)?;
    }
    if !last.in_sync() {
        add(&count.blocked);
    }
    sandbox.forget_records();
    let (_, outcomes) = support::wet(&sandbox, baseline, state.path(), true).await?;
    ensure(sandbox.writes().is_empty(), || format!("the second apply wrote: {:?}", sandbox.writes()))?;
    for outcome in &outcomes.resources {
        ensure(matches!(outcome.end, End::Unchanged | End::Blocked { .. }), || {
            format!("the second apply: {}: {:?}", outcome.key, outcome.end)
        })?;
    }
    Ok(())
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Documents that holds nothing any more are deleted, since S3 takes none that is empty.
fn may_delete(operation: &str) -> bool {
    matches!(operation, "DeleteBucketPolicy" | "DeleteBucketLifecycle")
}

/// Dry run and apply had the same plan, but for what waited for consent.
fn same_plan(dry: &Plan, wet: &Plan) -> Result<(), String> {
    ensure(dry.hash == wet.hash, || "the apply had another plan than the dry run: their hashes differ".to_owned())?;
    let bare = |plan: &Plan| -> Vec<ResourcePlan> {
        let mut resources = plan.resources.clone();
        for resource in &mut resources {
            resource.status = Status::InSync;
            resource.steps.iter_mut().for_each(|step| step.held = None);
        }
        resources
    };
    ensure(bare(dry) == bare(wet), || "the apply had another plan than the dry run".to_owned())
}

/// Nothing was done that did not stand in the plan.
fn did_what_was_shown(plan: &Plan, outcome: &ResourceOutcome) -> Result<(), String> {
    let shown = plan.resource(&outcome.key).map(titles).unwrap_or_default();
    // How far a token is cannot be told of a group until it is available, and is planned then, as that step says.
    let waits = shown.iter().any(|title| title.starts_with("Wait until"));
    let told_later = |done: &str| waits && (done.contains("token") || done.contains("AUTH"));
    let unshown: Vec<&String> = outcome.done.iter().filter(|done| !shown.contains(&done.as_str()) && !told_later(done)).collect();
    ensure(unshown.is_empty(), || format!("{}: {unshown:?} was done, and stands in no plan: {shown:?}", outcome.key))
}

/// The fields that a plan's steps repair, and what else differs of a thing that is repaired: an engine's new version can do what the old one could
/// not, and the same run then goes on.
fn to_repair(plan: &Plan) -> Repaired {
    let mut repaired = Repaired::new();
    for resource in plan.resources.iter().filter(|resource| resource.changes()) {
        let steps = resource.steps.iter().filter(|step| step.held.is_none()).flat_map(|step| &step.fields);
        for field in steps.chain(resource.drifts.iter().map(|drift| &drift.field)) {
            repaired.insert((resource.key.kind.clone(), resource.key.id.clone(), field.clone()));
        }
    }
    repaired
}

fn waits_for_consent(resource: &ResourcePlan) -> bool {
    resource.steps.iter().any(|step| step.held.as_ref().is_some_and(|held| held.reason == Reason::NeedsConsent))
}

/// A resource at the end: in sync, or blocked in what an earlier plan said cannot be repaired.
fn rests(plans: &[Plan], resource: &ResourcePlan) -> Result<(), String> {
    let said: Vec<&Block> = plans.iter().filter_map(|plan| plan.resource(&resource.key)).flat_map(ResourcePlan::all_blocks).collect();
    let key = &resource.key;
    match resource.status {
        Status::InSync => Ok(()),
        Status::Blocked => {
            let lost = resource.blocks.iter().find(|block| block.reason == Reason::UnexpectedState && block.message.contains("no step"));
            ensure(lost.is_none(), || format!("{key}: {lost:?}"))?;
            ensure(!resource.changes(), || format!("{key} would be changed again: {:?}", titles(resource)))?;
            for block in resource.all_blocks() {
                let known = said.iter().any(|one| {
                    one.reason == block.reason && (one.fields.is_empty() || block.fields.iter().all(|field| one.fields.contains(field)))
                });
                ensure(known, || format!("{key} is blocked, and no plan said so: {block:?}"))?;
            }
            let blocked = |field: &String| resource.all_blocks().any(|block| block.fields.is_empty() || block.fields.contains(field));
            let open: Vec<&String> = resource.drifts.iter().map(|drift| &drift.field).filter(|field| !blocked(field)).collect();
            ensure(open.is_empty(), || format!("{key} still differs in {open:?}, which nothing blocks"))
        }
        Status::Drifted | Status::Partly | Status::Unreadable => {
            let drifts: Vec<String> =
                resource.drifts.iter().map(|drift| format!("{} {} -> {}", drift.field, drift.found, drift.declared)).collect();
            Err(format!("{key} is {:?} at the end: {drifts:?} {:?} {:?}", resource.status, titles(resource), resource.unreadable))
        }
    }
}

fn titles(resource: &ResourcePlan) -> Vec<&str> {
    resource.steps.iter().map(|step| step.title.as_str()).collect()
}

/// The generator reaches every field of every kind: a field that no manifest of a few thousand declares is not proven.
#[test]
fn every_field_is_generated() {
    use std::collections::BTreeSet;
    let mut declared: BTreeSet<(&str, &str)> = BTreeSet::new();
    for seed in 0..400 {
        let manifests = load_text("generated.yaml", &Case::new(seed).manifest());
        for baseline in &manifests.baselines {
            for entry in &baseline.entries {
                let want = entry.kind.wish(entry.spec.clone(), &baseline.scope).want;
                let fields = entry.kind.fields().into_iter().filter(|field| want.has(field.path));
                declared.extend(fields.map(|field| (entry.kind.path(), field.path)));
                let value: &Value = &entry.value;
                // Fields that are handed on to a composed thing.
                let handed = entry.kind.fields().into_iter().filter(|field| value.get(field.path).is_some());
                declared.extend(handed.map(|field| (entry.kind.path(), field.path)));
            }
        }
    }
    for kind in holdfast::kinds::registry().iter().filter(|kind| kind.shape() != holdfast::kinds::Multiplicity::Composed) {
        // Moves have tests of their own.
        for field in kind.fields().into_iter().filter(|field| field.path != "migration.finished") {
            assert!(declared.contains(&(kind.path(), field.path)), "{}.{} is never generated", kind.path(), field.path);
        }
    }
}

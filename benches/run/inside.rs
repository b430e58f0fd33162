//! What is measured inside this process: planning, and how the journal is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use holdfast::clock::Clock;
use holdfast::execute::{Interrupt, Journal, Moment};
use holdfast::kinds::Peers;
use holdfast::load::load_text;
use holdfast::plan::{Consent, Declared, Judgement, Observed, plan};
use holdfast::reconcile::{Apply, Baseline, Look, apply};
use holdfast::sandbox::Sandbox;

use super::{figure, support};

const BUCKETS: usize = 500;

/// Buckets that all differ in four fields, and what a run would find of them.
pub fn looked() -> (Sandbox, Baseline, Look) {
    let names: String = (0..BUCKETS).map(|number| format!("    bucket-{number:05}: {{}}\n")).collect();
    let account = format!("account: \"317805897534\"\nregion: us-east-1\npageSize: 1000\ns3:\n  buckets:\n{names}");
    let manifest = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: bench}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n  policy: {disruptive: Allow, maxChanges: 1000000}\n  s3:\n    buckets:\n      - {name: all, match: {names: [\"bucket-*\"]}, publicAccessBlock: {blockPublicAcls: true}, versioning: Enabled, tags: {owner: platform, team: web}}\n";
    let sandbox = Sandbox::from_yaml(&account, Default::default()).expect("an account");
    let baseline = load_text("bench.yaml", manifest).baselines.remove(0);
    let look = block_on(support::looked(&sandbox, &baseline, &Default::default())).expect("a look");
    (sandbox, baseline, look)
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Planning of 10,000 and 100,000 differing resources: what was seen of the few, under as many names.
pub fn plans() {
    let (_sandbox, baseline, look) = looked();
    let few: Vec<(Declared, Observed)> = block_on(async {
        let mut few = Vec::new();
        for declared in &look.resources {
            let seen = declared.kind.observe(&look.connection.reads, &baseline.scope, &declared.wish, &declared.wish.want).await;
            few.push((declared.clone(), Some(seen)));
        }
        few
    });
    let mut times = Vec::new();
    for size in [10_000, 100_000] {
        let many: Vec<(Declared, Observed)> = (0..size)
            .map(|number| {
                let (declared, seen) = &few[number % few.len()];
                let mut declared = declared.clone();
                declared.wish.id = format!("bucket-{number:06}");
                (declared, seen.clone())
            })
            .collect();
        let spec = &baseline.object.spec;
        let judgement = Judgement {
            scope: &baseline.scope,
            policy: &spec.policy,
            windows: &baseline.windows,
            exceptions: &spec.exceptions,
            consent: &Consent::default(),
            peers: &Peers::default(),
            partial: false,
            at: Clock::system().now(),
        };
        let began = Instant::now();
        let planned = plan(&judgement, &many);
        times.push(began.elapsed().as_secs_f64());
        assert_eq!(planned.summary.drifted, size, "every one of them differs");
    }
    figure("planning 100,000 resources with 4 differences each", times[1], 1.0, "s");
    figure("  times as long as 10,000 of them", times[1] / times[0], 13.0, "");
}

/// How often the journal is brought to the disk, against what it holds.
pub fn journal() {
    let (sandbox, baseline, look) = looked();
    let state = tempfile::tempdir().expect("a folder");
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let journal = Journal::open(state.path(), "a bench").expect("a journal").journal.watched(move |moment| {
        counted.fetch_add(usize::from(moment == Moment::After), Ordering::Relaxed);
    });
    let clock = sandbox.clock();
    let with = Apply { journal: &journal, clock: &clock, run: "bench", interrupt: &Interrupt::default(), say: &|_| {} };
    let outcomes = block_on(apply(&baseline, &look, &Consent::default(), &with)).expect("a run");
    assert_eq!(outcomes.counts().changed, BUCKETS);
    drop(journal);
    let records = Journal::read(state.path(), "a bench").expect("records").len();
    let writes = writes.load(Ordering::Relaxed);
    println!("the journal of 500 resources with 3 steps each: {records} records in {writes} writes");
    figure("  writes of the journal a step", writes as f64 / (3.0 * BUCKETS as f64), 0.05, "");
}

//! Ten runs, each of another kind, that every form of a result is shown of.

use std::collections::BTreeSet;

use holdfast::clock::Clock;
use holdfast::execute::{End, FailedAt, Outcomes, ResourceOutcome};
use holdfast::exit::{self, Exit};
use holdfast::kinds::{Block, Key, Reason};
use holdfast::load::{Manifests, load_text};
use holdfast::manifest::Problem;
use holdfast::plan::{Plan, ResourcePlan, Status, StepCounts, Summary};
use holdfast::reconcile::{Baseline, Report};
use holdfast::report::Review;
use holdfast::sandbox::faults::Faults;
use holdfast::sandbox::{Options, Sandbox};

use super::support;

/// A run as it came out.
pub struct Sample {
    pub name: &'static str,
    pub dry_run: bool,
    /// The manifest.
    pub text: String,
    pub baselines: Vec<Baseline>,
    pub reports: Vec<Report>,
    pub problems: Vec<Problem>,
    pub consent: String,
}

impl Sample {
    pub fn exit(&self) -> Exit {
        exit::of_run(&self.reports, self.problems.iter().any(Problem::is_error), true)
    }

    pub fn review(&self) -> Review<'_> {
        Review {
            dry_run: self.dry_run,
            ground: "AWS",
            baselines: &self.baselines,
            folder: None,
            reports: &self.reports,
            problems: &self.problems,
            error: None,
            consent: &self.consent,
            exit: self.exit(),
            comparison: None,
            at: now(),
        }
    }

    pub fn plan(&mut self) -> &mut Plan {
        self.reports[0].plan.as_mut().expect("a plan")
    }
}

pub fn now() -> jiff::Timestamp {
    "2026-01-15T10:00:00Z".parse().expect("a time")
}

const ACCOUNT: &str = include_str!("../../examples/accounts/huntaze-as-found.yaml");

pub const HEAD: &str = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: production}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n";

pub const BUCKETS: &str = "  s3:\n    buckets:\n      - name: assets\n        bucket: huntaze-assets\n        versioning: Enabled\n        tags: {team: web}\n      - name: uploads\n        bucket: huntaze-uploads\n        ownership: BucketOwnerEnforced\n        denyInsecureTransport: true\n";

const MOVE: &str = "  elasticache:\n    replicationGroups:\n      - name: huntaze-redis\n        atRestEncryption: {enabled: true}\n        transitEncryption: Required\n        migration: {approved: true, writeGap: Accept, cutover: []}\n";

pub async fn dry(name: &'static str, policy: &str, spec: &str, denied: &[&str]) -> Sample {
    let text = format!("{HEAD}{policy}{spec}");
    let Manifests { baselines, problems, .. } = load_text("manifests/production.yaml", &text);
    assert_eq!(baselines.len(), 1, "{name}: {problems:?}");
    let faults = Faults { denied: denied.iter().map(|call| (*call).to_owned()).collect(), ..Faults::default() };
    let sandbox =
        Sandbox::from_yaml(ACCOUNT, Options { clock: Clock::simulated(now()), faults, ..Options::default() }).expect("an account");
    let plan = support::dry(&sandbox, &baselines[0]).await.expect("a plan");
    let consent = match plan.waits_for_consent() {
        true => format!("to consent to exactly this plan:\n  holdfast reconcile -f manifests/ --approve {}\n", plan.hash),
        false => String::new(),
    };
    let report = Report { object: plan.object.clone(), plan: Some(plan), outcomes: None, left: None, error: None, untold: None };
    Sample { name, dry_run: true, text, baselines, reports: vec![report], problems, consent }
}

/// All ten.
pub async fn ten() -> Vec<Sample> {
    let allow = "  policy: {disruptive: Allow}\n";
    let empty = dry("empty", allow, "  s3:\n    buckets:\n      - {name: huntaze-assets, tags: {team: web}}\n", &[]).await;
    let small = dry("small", allow, BUCKETS, &[]).await;
    let migration = dry("migration", allow, MOVE, &[]).await;
    let blocked =
        format!("{BUCKETS}      - {{name: not-there, versioning: Enabled}}\n      - {{name: huntaze-backups, versionin: Enabled}}\n");
    let blocked = dry("blocked", "", &blocked, &[]).await;
    let unreadable = dry("unreadable", allow, BUCKETS, &["s3:GetBucketVersioning", "s3:GetBucketPolicy"]).await;
    let exceptions = "  exceptions:\n    - {resource: s3.buckets/huntaze-assets, field: versioning, until: 2026-01-20, reason: the old clients are gone by then}\n    - {resource: s3.buckets/huntaze-uploads, field: ownership, until: 2027-01-20, reason: ACLs are counted out later}\n    - {resource: s3.buckets/huntaze-uploads, field: denyInsecureTransport, until: 2026-01-01, reason: it ran out}\n";
    let excepted = dry("excepted", exceptions, BUCKETS, &[]).await;
    vec![
        empty,
        many(&small, 5_000),
        hostile_sample(dry("hostile names", "", BUCKETS, &[]).await),
        partly_failed(dry("partly failed", allow, BUCKETS, &[]).await),
        rolled_back(dry("rolled back", allow, MOVE, &[]).await),
        small,
        migration,
        blocked,
        unreadable,
        excepted,
    ]
}

/// A plan of so many changes: the first resource of another, over and over.
pub fn many(small: &Sample, count: usize) -> Sample {
    let mut plan = small.reports[0].plan.clone().expect("a plan");
    let like = plan.resources.iter().find(|one| !one.drifts.is_empty()).expect("a change").clone();
    let numbered = |number: usize| ResourcePlan { key: Key::new(&like.key.kind, format!("bucket-{number:05}")), ..like.clone() };
    plan.resources = (0..count).map(numbered).collect();
    plan.summary = Summary { drifted: count, steps: StepCounts { now: count, ..StepCounts::default() }, ..Summary::default() };
    let report = Report { plan: Some(plan), ..small.reports[0].clone() };
    Sample { name: "5,000 changes", reports: vec![report], ..copy(small) }
}

pub fn copy(sample: &Sample) -> Sample {
    Sample {
        name: sample.name,
        dry_run: sample.dry_run,
        text: sample.text.clone(),
        baselines: sample.baselines.clone(),
        reports: sample.reports.clone(),
        problems: sample.problems.clone(),
        consent: sample.consent.clone(),
    }
}

fn hostile_sample(mut sample: Sample) -> Sample {
    let texts = [
        "`) [a](https://evil.example/x) @root #12 GH-12",
        "</summary></details><script>alert(1)</script>",
        "a | b |\n|---|---|\n# head",
        "\u{1b}[2J\u{202e}gnp.exe & &#64;root :smile: www.evil.example",
        "```\n<!-- ]]> \\",
    ];
    let mut number = 0;
    sub_texts(sample.plan(), &mut || {
        number += 1;
        format!("{}{number}", texts[number % texts.len()])
    });
    sample
}

/// Puts another text in the place of each that a manifest or AWS can choose.
pub fn sub_texts(plan: &mut Plan, next: &mut dyn FnMut() -> String) {
    plan.object = next();
    plan.region = next();
    for resource in &mut plan.resources {
        resource.key.id = next();
        resource.origins.iter_mut().for_each(|origin| origin.entry = next());
        let drifts = resource.drifts.iter_mut().chain(resource.excepted.iter_mut().map(|excepted| &mut excepted.drift));
        for drift in drifts {
            drift.field = next();
            drift.found = serde_json::json!([next()]);
            drift.declared = next().into();
        }
        resource.excepted.iter_mut().for_each(|excepted| excepted.reason = next());
        for field in &mut resource.unreadable {
            (field.field, field.why.call, field.why.message) = (next(), next(), next());
        }
        for step in &mut resource.steps {
            (step.title, step.takes, step.back) = (next(), next(), next());
            step.held.iter_mut().for_each(|held| (held.message, held.what_to_do) = (next(), next()));
        }
        resource.blocks.iter_mut().for_each(|block| (block.message, block.what_to_do) = (next(), next()));
        resource.notes.iter_mut().for_each(|note| *note = next());
    }
    plan.warnings.iter_mut().for_each(|warning| *warning = next());
}

fn outcome(resource: &ResourcePlan, done: &[&str], end: End) -> ResourceOutcome {
    ResourceOutcome {
        key: resource.key.clone(),
        title: resource.title.clone(),
        done: done.iter().map(|step| (*step).to_owned()).collect(),
        sent: true,
        failed_at: None,
        spent: BTreeSet::new(),
        end,
    }
}

/// The first resource fails at its first step, the others are changed.
fn partly_failed(mut sample: Sample) -> Sample {
    sample.dry_run = false;
    let plan = sample.plan().clone();
    let ends = plan.resources.iter().enumerate().map(|(at, resource)| match at {
        0 => {
            let step = resource.steps[0].title.clone();
            let failed_at = FailedAt { step, fields: resource.steps[0].fields.clone(), not_tried: vec!["Tag it".to_owned()] };
            let message = "AWS refused it: AccessDenied: not authorized to perform s3:PutBucketVersioning".to_owned();
            let end =
                End::Failed { message, what_to_do: "give the role that permission".to_owned(), undone: vec!["Tag it first".to_owned()] };
            ResourceOutcome { failed_at: Some(Box::new(failed_at)), ..outcome(resource, &[], end) }
        }
        _ => outcome(resource, &["Do it"], End::Changed),
    });
    let outcomes = Outcomes { resources: ends.collect(), stopped: None };
    let mut left = plan.clone();
    left.resources.iter_mut().skip(1).for_each(|resource| {
        (resource.status, resource.drifts, resource.steps) = (Status::InSync, Vec::new(), Vec::new());
    });
    left.summary = Summary { drifted: 1, in_sync: 2, steps: StepCounts { now: 1, ..StepCounts::default() }, ..Summary::default() };
    (sample.reports[0].outcomes, sample.reports[0].left) = (Some(outcomes), Some(left));
    sample
}

fn rolled_back(mut sample: Sample) -> Sample {
    sample.dry_run = false;
    let plan = sample.plan().clone();
    let message = "the new group did not become available within 30 min".to_owned();
    let end = End::RolledBack { message, what_to_do: "see why, then take the note off the old group".to_owned() };
    let outcomes = Outcomes { resources: vec![outcome(&plan.resources[0], &[], end)], stopped: None };
    // What was taken back waits for a person.
    let mut left = plan;
    let resource = &mut left.resources[0];
    resource.status = Status::Blocked;
    resource.steps.clear();
    resource.blocks.push(Block {
        reason: Reason::UnexpectedState,
        fields: Vec::new(),
        message: "it was taken back, and is not begun again until somebody has seen why".to_owned(),
        what_to_do: "take the note off the old group".to_owned(),
    });
    left.summary = Summary { blocked: 1, ..Summary::default() };
    (sample.reports[0].outcomes, sample.reports[0].left) = (Some(outcomes), Some(left));
    sample
}

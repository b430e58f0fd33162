//! What it takes to say what was planned, in each form.

use std::time::Instant;

use holdfast::exit::Exit;
use holdfast::kinds::Key;
use holdfast::plan::text;
use holdfast::reconcile::Report;
use holdfast::report::{Review, junit, markdown, sarif};

use super::figure;
use super::inside::looked;

/// Each bucket differs in four fields.
const BUCKETS: usize = 1_250;

/// A plan of 5,000 changes.
pub fn forms() {
    let (_sandbox, baseline, look) = looked();
    let mut plan = look.plan;
    let few = std::mem::take(&mut plan.resources);
    let many = few.iter().cycle().take(BUCKETS).enumerate().map(|(number, like)| {
        let mut one = like.clone();
        one.key = Key::new(&one.key.kind, format!("bucket-{number:06}"));
        one
    });
    plan.resources = many.collect();
    let report = Report { object: plan.object.clone(), plan: Some(plan), outcomes: None, left: None, error: None, untold: None };
    let (reports, baselines) = ([report], [baseline]);
    let review = Review {
        dry_run: true,
        ground: "AWS",
        baselines: &baselines,
        folder: None,
        reports: &reports,
        problems: &[],
        error: None,
        consent: "",
        exit: Exit::Done,
        comparison: None,
        at: holdfast::clock::Clock::system().now(),
    };
    let plan = || reports.iter().filter_map(|report| report.plan.as_ref());
    type Render<'r> = &'r dyn Fn() -> String;
    let forms: [(&str, Render<'_>); 5] = [
        ("text", &|| plan().map(|plan| text::render(plan, 0, false)).collect()),
        ("json", &|| plan().map(|plan| serde_json::to_string_pretty(plan).expect("JSON")).collect()),
        ("markdown", &|| markdown::render(&review)),
        ("sarif", &|| sarif::render(&review).expect("JSON")),
        ("junit", &|| junit::render(&review)),
    ];
    for (form, render) in forms {
        let best = (0..5)
            .map(|_| {
                let began = Instant::now();
                assert!(render().contains("bucket-000000"), "{form} shows nothing");
                began.elapsed()
            })
            .min();
        figure(&format!("5,000 changes as {form}, best of 5"), best.unwrap_or_default().as_secs_f64() * 1e3, 50.0, "ms");
    }
}

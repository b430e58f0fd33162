//! For whoever works on a kind: everything that goes wrong in `HOLDFAST_CASES` cases from `HOLDFAST_SEED` on, one smallest case a finding.
//! `HOLDFAST_CASES=200 cargo test --test convergence survey -- --ignored --nocapture`

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::strategy::ValueTree;

use crate::case::{Case, Shrinking};
use crate::{Count, support, tried};

#[test]
#[ignore = "it goes on after the first finding, for the inner loop"]
fn survey() {
    let from: u64 = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let next = AtomicU64::new(0);
    let found: Mutex<BTreeMap<String, Vec<u64>>> = Mutex::default();
    let count = Count::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= u64::from(support::cases()) {
                        return;
                    }
                    if let Err(why) = tried(&Case::new(from + at), &count) {
                        found.lock().expect("the findings").entry(alike(&why)).or_default().push(from + at);
                    }
                }
            });
        }
    });
    let found = found.into_inner().expect("the findings");
    println!("refused: {:#?}", count.why.lock().expect("the refusals"));
    for (finding, seeds) in &found {
        let (why, case) = smallest(Case::new(seeds[0]), finding, &count);
        let path = case.keep(&format!("seed-{}", seeds[0]));
        println!("== {} {seeds:?}: {why}\n{}", path.display(), serde_yaml::to_string(&case).expect("plain data"));
    }
    let failed: usize = found.values().map(Vec::len).sum();
    assert_eq!(failed, 0, "{} findings in {failed} of {} cases", found.len(), support::cases());
}

/// What reads alike but for names and numbers is one finding.
fn alike(why: &str) -> String {
    why.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.len() > 4).take(9).collect::<Vec<_>>().join(" ")
}

fn smallest(case: Case, finding: &str, count: &Count) -> (String, Case) {
    let mut tree = Shrinking::new(case);
    let mut why = String::new();
    let mut more = tree.simplify();
    while more {
        more = match tried(&tree.current(), count) {
            Err(now) if alike(&now) == finding => {
                why = now;
                tree.simplify()
            }
            _ => tree.complicate(),
        };
    }
    (why, tree.current())
}

//! JUnit: one document whatever the texts are, in which nothing that is unknown or blocked has passed. Its schemas are asked in `tests/run`, by what this
//! test leaves in the folder `HOLDFAST_FORMATS`.

use holdfast::report::junit::render;
use proptest::prelude::*;
use roxmltree::Document;

use super::markdown::{chosen, hostile};
use super::{snapshot, support, ten};

/// The tests of a document by their names, each with `failure`, `error` or `passed`. Panics where a count is not what it counts.
fn tests(text: &str) -> Vec<(String, String)> {
    let document = Document::parse(text).expect("XML");
    let mut all = Vec::new();
    for suite in document.root_element().children().filter(|node| node.is_element()) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let of = |tag: &str| cases.iter().filter(|case| case.children().any(|child| child.has_tag_name(tag))).count();
        let number = |name: &str| suite.attribute(name).expect("a number").parse::<usize>().expect("a number");
        assert_eq!((number("tests"), number("failures"), number("errors")), (cases.len(), of("failure"), of("error")));
        for case in cases {
            let verdict = case.children().find(|node| node.is_element()).map_or("passed", |node| node.tag_name().name());
            all.push((case.attribute("name").expect("a name").to_owned(), verdict.to_owned()));
        }
    }
    all
}

#[test]
fn the_ten() {
    for sample in ten() {
        let text = render(&sample.review());
        tests(&text);
        if let Some(folder) = std::env::var_os("HOLDFAST_FORMATS") {
            let file = std::path::Path::new(&folder).join(format!("{}.junit.xml", sample.name));
            std::fs::write(file, &text).expect("a file");
        }
        snapshot("junit", sample, &text);
    }
}

#[test]
fn only_what_is_in_sync_has_passed() {
    let of = |name: &str| tests(&render(&super::sample(name).review()));
    let said = |all: &[(String, String)], name: &str| all.iter().find(|(one, _)| one == name).map(|(_, verdict)| verdict.clone());
    assert_eq!(said(&of("empty"), "s3.buckets/huntaze-assets").as_deref(), Some("passed"));
    assert_eq!(said(&of("small"), "s3.buckets/huntaze-assets").as_deref(), Some("failure"));
    assert_eq!(said(&of("unreadable"), "s3.buckets/huntaze-assets").as_deref(), Some("error"));
    assert_eq!(said(&of("blocked"), "s3.buckets/not-there").as_deref(), Some("failure"));
    assert_eq!(said(&of("excepted"), "s3.buckets/huntaze-assets").as_deref(), Some("passed"));
    assert!(of("blocked").iter().any(|(name, verdict)| name.contains("versionin") && verdict == "error"));
    assert_eq!(said(&of("partly failed"), "s3.buckets/huntaze-assets").as_deref(), Some("error"));
    assert_eq!(said(&of("partly failed"), "s3.buckets/huntaze-uploads").as_deref(), Some("passed"));
    assert_eq!(said(&of("rolled back"), "elasticache.replicationGroups/huntaze-redis").as_deref(), Some("failure"));
    assert_eq!(of("5,000 changes").iter().filter(|(_, verdict)| verdict == "failure").count(), 5_000);
}

/// What an interrupted run did not come to has not passed.
#[test]
fn what_was_not_reached_is_an_error() {
    let mut sample = super::plans::copy(super::sample("small"));
    sample.reports.clear();
    let review = holdfast::report::Review { exit: holdfast::exit::Exit::Interrupted, ..sample.review() };
    assert_eq!(tests(&render(&review)), [("production".to_owned(), "error".to_owned())]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: support::cases().max(64), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_becomes_markup(
        texts in prop::collection::vec(hostile(), 1..12),
        name in prop::sample::select(vec!["small", "blocked", "unreadable", "excepted", "partly failed", "rolled back"]),
    ) {
        let verdicts = |texts: &[String]| -> Vec<String> {
            let mut verdicts: Vec<String> = tests(&render(&chosen(name, texts).review())).into_iter().map(|(_, verdict)| verdict).collect();
            verdicts.sort();
            verdicts
        };
        prop_assert_eq!(verdicts(&texts), verdicts(&["plain".to_owned()]));
    }
}

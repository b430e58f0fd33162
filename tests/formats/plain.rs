//! The ten as text and as JSON: the plan that says how things stand at the end of each.

use holdfast::plan::{Plan, text};

use super::{snapshot, ten};

#[test]
fn the_ten_as_text() {
    for sample in ten() {
        let page: String = sample.review().plans().map(|plan| text::render(plan, 0, false)).collect();
        let page = anstream::adapter::strip_str(&page).to_string();
        let unsafe_here = page.chars().find(|letter| letter.is_control() && *letter != '\n' || ('\u{202a}'..='\u{202e}').contains(letter));
        assert_eq!(unsafe_here, None, "{}", sample.name);
        snapshot("text", sample, &page);
    }
}

#[test]
fn the_ten_as_json() {
    for sample in ten() {
        for plan in sample.review().plans() {
            let document = serde_json::to_string_pretty(plan).expect("JSON");
            let again: Plan = serde_json::from_str(&document).expect("a plan");
            assert_eq!(again.summary, plan.summary, "{}", sample.name);
            assert_eq!(serde_json::to_string_pretty(&again).expect("JSON"), document, "{}", sample.name);
            snapshot("json", sample, &document);
        }
    }
}

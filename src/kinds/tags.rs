//! Tags that a manifest may declare, where the service takes what most services take. S3, CloudTrail and GuardDuty have rules of their own.

use std::collections::BTreeMap;

use super::SpecProblem;
use crate::manifest::FieldPath;

/// By tags under this prefix holdfast knows what it made, and for whom.
const OURS: &str = "holdfast.dev/";
/// Characters besides letters, digits and white space ("Tag naming limits and requirements", Tagging AWS resources; the same of RDS: API_Tag).
const MARKS: &str = "_.:/=+-@";

/// What is wrong with the tags below `tags`; `reserved`: the prefixes that the service keeps for itself, in lower case.
pub fn problems(tags: Option<&BTreeMap<String, Option<String>>>, reserved: &[&str]) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (key, value) in tags.into_iter().flatten() {
        let mut problem = |message: String, expected: &str| {
            problems.push(SpecProblem { path: FieldPath::fixed("tags").key(key), message, expected: expected.to_owned() });
        };
        let lower = key.to_lowercase();
        let allowed = "letters, digits, white space and _ . : / = + - @";
        if key.is_empty() || key.chars().count() > 128 {
            problem("this is no tag's key".to_owned(), "1 to 128 characters");
        } else if let Some(prefix) = reserved.iter().find(|prefix| lower.starts_with(**prefix)) {
            problem(format!("AWS keeps keys that begin with {prefix} for itself"), "another key");
        } else if lower.starts_with(OURS) {
            problem(format!("by tags under {OURS} holdfast knows what it made"), "another key");
        } else if let Some(wrong) = key.chars().find(|letter| !taken(*letter)) {
            problem(format!("a tag's key holds no {wrong:?}"), allowed);
        }
        let value = value.as_deref().unwrap_or_default();
        if value.chars().count() > 256 {
            problem("the value is too long".to_owned(), "at most 256 characters");
        } else if let Some(wrong) = value.chars().find(|letter| !taken(*letter)) {
            problem(format!("a tag's value holds no {wrong:?}"), allowed);
        }
    }
    problems
}

fn taken(letter: char) -> bool {
    // White space is what Unicode calls separators: a line's end and a tab are none.
    letter.is_alphanumeric() || letter.is_whitespace() && !letter.is_control() || MARKS.contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(key: &str, value: Option<&str>) -> usize {
        let tags = BTreeMap::from([(key.to_owned(), value.map(str::to_owned))]);
        problems(Some(&tags), &["aws:", "rds:"]).len()
    }

    #[test]
    fn what_services_take_is_taken() {
        for (key, value) in [("team", "web"), ("cost centre", ""), ("Straße/größe", "a@b.c:1=2+3-4_5"), ("awsome", "x"), ("日本", "語")]
        {
            assert_eq!(wrong(key, Some(value)), 0, "{key} {value}");
            assert_eq!(wrong(key, None), 0, "{key} taken away");
        }
        assert_eq!(wrong(&"k".repeat(128), Some(&"ü".repeat(256))), 0);
    }

    #[test]
    fn what_services_refuse_is_a_problem() {
        let long = "v".repeat(257);
        let refused = [
            ("", "x"),
            ("aws:x", "1"),
            ("AWS:x", "1"),
            ("Rds:x", "1"),
            ("holdfast.dev/x", "1"),
            ("Holdfast.dev/x", "1"),
            ("cost(center)", "a"),
            ("k", "a;b"),
            ("a\tb", "x"),
            ("k", "a\nb"),
            ("k", long.as_str()),
        ];
        for (key, value) in refused {
            assert_eq!(wrong(key, Some(value)), 1, "{key:?} {value:?}");
        }
        assert_eq!(wrong(&"k".repeat(129), Some("x")), 1);
        assert_eq!(wrong("AWS:x", None), 1, "nor taken away");
        assert_eq!(wrong("cost(center)", Some("a;b")), 2);
    }
}

//! Which of the resources that a manifest speaks for a run looks at.

use wildmatch::WildMatch;

use crate::plan::Declared;

/// Which resources a run looks at: `--only` and `--skip`.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub only: Vec<String>,
    pub skip: Vec<String>,
}

impl Choice {
    /// Whether it leaves anything out.
    pub fn is_partial(&self) -> bool {
        !self.only.is_empty() || !self.skip.is_empty()
    }

    pub(super) fn admits(&self, declared: &Declared) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| names_it(pattern, declared));
        (self.only.is_empty() || any(&self.only)) && !any(&self.skip)
    }

    /// The patterns that name nothing of what the manifest speaks for: a misspelt one must not look like an account in sync.
    pub(super) fn idle(&self, found: &[Declared]) -> Vec<String> {
        let given = self.only.iter().map(|pattern| ("--only", pattern)).chain(self.skip.iter().map(|pattern| ("--skip", pattern)));
        let idle = given.filter(|(_, pattern)| !found.iter().any(|declared| names_it(pattern, declared)));
        idle.map(|(option, pattern)| format!("{option} {pattern} names nothing that this manifest speaks for: correct it, or leave it out"))
            .collect()
    }
}

fn names_it(pattern: &str, declared: &Declared) -> bool {
    named(pattern, &declared.key().to_string()) || declared.origins.iter().any(|origin| named(pattern, &origin.entry))
}

/// Whether `s3`, `s3.buckets` or `s3.buckets/huntaze-*` names `s3.buckets/huntaze-assets`.
fn named(pattern: &str, name: &str) -> bool {
    // Only a group or a kind has something below it: a bucket's name may go on after a dot, and is another bucket's then.
    let below = || name.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(['.', '/']));
    !pattern.contains('/') && below() || WildMatch::new(pattern).matches(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::fake::{self, scope};

    #[test]
    fn only_and_skip_name_groups_kinds_and_resources() {
        for (pattern, name, matches) in [
            ("s3", "s3.buckets/a", true),
            ("s3.buckets", "s3.buckets/a", true),
            ("s3.b", "s3.buckets/a", false),
            ("s3.buckets/a", "s3.buckets/a", true),
            // Another bucket, whose name only goes on.
            ("s3.buckets/a", "s3.buckets/a.logs", false),
            ("s3.buckets/a*", "s3.buckets/a.logs", true),
            ("*", "rds.instances/db", true),
            ("", "s3.buckets/a", false),
        ] {
            assert_eq!(named(pattern, name), matches, "{pattern} {name}");
        }
        let declared = fake::declared(&scope("choice"), json!({"name": "a"}));
        let admits = |only: &[&str], skip: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            Choice { only: own(only), skip: own(skip) }.admits(&declared)
        };
        assert!(admits(&[], &[]) && admits(&["test"], &[]) && !admits(&["s3"], &[]) && !admits(&["test"], &["test.things/a"]));
    }
}

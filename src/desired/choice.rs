//! Which of the resources that a manifest speaks for a run looks at.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use crate::kinds::{Key, registry};
use crate::manifest::did_you_mean;
use crate::plan::escape::shown;
use crate::plan::{Declared, Origin};

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

    /// What is to be changed on the command line for the resource to be chosen; nothing where it is.
    pub(super) fn leaves_out(&self, declared: &Declared) -> Option<String> {
        if self.admits(declared) {
            return None;
        }
        let named = |pattern: &&String| names_it(pattern, declared);
        let unchosen = !self.only.is_empty() && !self.only.iter().any(|pattern| named(&pattern));
        let mut advice = Vec::from_iter(unchosen.then(|| format!("add --only {}", declared.key())));
        advice.extend(self.skip.iter().filter(named).map(|pattern| format!("leave out --skip {pattern}")));
        Some(advice.join(", and "))
    }

    /// The kinds of `--skip` that the manifest does not speak for: several manifests may be given the same one.
    pub(super) fn idle(&self, found: &[Declared]) -> Vec<String> {
        let idle = self.skip.iter().filter(|pattern| is_idle(pattern, found) && is_kind(pattern));
        idle.map(|pattern| format!("--skip {pattern} names nothing that this manifest speaks for: correct it, or leave it out")).collect()
    }

    /// The patterns that name nothing of what the manifest speaks for, with what is there to be named.
    pub(super) fn unnamed(&self, found: &[Declared]) -> Unnamed {
        let idle = |option, patterns: &[String]| -> Vec<(&'static str, String)> {
            patterns.iter().filter(|pattern| is_idle(pattern, found)).map(|pattern| (option, pattern.clone())).collect()
        };
        let mut patterns = idle("--only", &self.only);
        patterns.extend(idle("--skip", &self.skip).into_iter().filter(|(_, pattern)| !is_kind(pattern)));
        let mut names = BTreeSet::new();
        for declared in found.iter().filter(|_| !patterns.is_empty()) {
            let path = declared.kind.path();
            names.extend(path.split_once('.').map(|(group, _)| group.to_owned()));
            names.extend([path.to_owned(), declared.key().to_string()]);
            names.extend(declared.origins.iter().map(|origin| origin.entry.clone()));
        }
        Unnamed { patterns, names }
    }
}

/// The patterns of `--only` and `--skip` that name nothing of what an object speaks for.
#[derive(Clone, Debug, Default)]
pub struct Unnamed {
    /// The option, and its pattern.
    pub patterns: Vec<(&'static str, String)>,
    /// The groups, kinds, resources and entries that could have been named; empty where every pattern names something.
    pub names: BTreeSet<String>,
}

/// Why a run must not go on whose `--only` or `--skip` names nothing in any of its objects: a misspelt one would look like an account in sync, or change what
/// was to be left alone. `whole`: none of them could not be looked at. What a `--skip` names may be in one of those that could not, and nobody knows; it ends the
/// run all the same, while an `--only` that names nothing leaves all else alone anyway. Pure.
pub fn misspelt(objects: &[&Unnamed], whole: bool) -> Option<String> {
    let (first, others) = objects.split_first()?;
    let everywhere = |pattern: &&(&'static str, String)| {
        (whole || pattern.0 == "--skip") && others.iter().all(|object| object.patterns.contains(pattern))
    };
    let said: Vec<String> = first.patterns.iter().filter(everywhere).map(|(option, pattern)| unknown(option, pattern, objects)).collect();
    (!said.is_empty()).then(|| format!("nothing was done: {}", said.join("; ")))
}

/// That a pattern names nothing, with the nearest that it could mean.
fn unknown(option: &str, pattern: &str, objects: &[&Unnamed]) -> String {
    let names: BTreeSet<&str> = objects.iter().flat_map(|object| &object.names).map(String::as_str).collect();
    let without_kind = names.iter().find(|name| name.split_once('/').is_some_and(|(_, id)| id == pattern));
    let near = match without_kind {
        Some(name) => Some(format!("did you mean \"{name}\"?")),
        None => did_you_mean(pattern, names.iter().copied()),
    };
    let kinds = || {
        let kinds: Vec<&str> = names.iter().copied().filter(|name| name.contains('.') && !name.contains('/')).collect();
        if kinds.is_empty() { "it speaks for nothing".to_owned() } else { format!("it speaks for {}", kinds.join(", ")) }
    };
    let near = near.unwrap_or_else(kinds);
    format!("{option} {} names nothing that the manifest speaks for; {}", shown(pattern), shown(&near))
}

/// Whether it is a kind of this program, or a group of them: `s3`, `s3.buckets`.
fn is_kind(pattern: &str) -> bool {
    registry().iter().any(|kind| kind.path() == pattern || kind.path().split_once('.').is_some_and(|(group, _)| group == pattern))
}

fn is_idle(pattern: &str, found: &[Declared]) -> bool {
    !found.iter().any(|declared| names_it(pattern, declared))
}

/// By its name or that of what it is a part of, and by the names and entries of those that ask for it.
fn names_it(pattern: &str, declared: &Declared) -> bool {
    let whole = declared.kind.part_of().is_some_and(|kind| named(pattern, &Key::new(kind, declared.wish.id.clone()).to_string()));
    let asks = |origin: &Origin| named(pattern, &origin.entry) || origin.by.as_ref().is_some_and(|by| named(pattern, &by.to_string()));
    named(pattern, &declared.key().to_string()) || whole || declared.origins.iter().any(asks)
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

    #[test]
    fn what_is_chosen_must_name_something_in_one_object_at_least() {
        let of = |id: &str, only: &[&str], skip: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            Choice { only: own(only), skip: own(skip) }.unnamed(&[fake::declared(&scope("unnamed"), json!({"name": id}))])
        };
        let skipped = |skip: &[&str]| misspelt(&[&of("assets", &[], skip), &of("uploads", &[], skip)], true);
        // A kind that is in another manifest.
        assert_eq!((skipped(&["test.things/up*", "rds", "s3.buckets"]), skipped(&["test"])), (None, None));
        let said = skipped(&["rds", "test.thing/assets"]).unwrap();
        let expected = "--skip test.thing/assets names nothing that the manifest speaks for; did you mean \"test.things/assets\"?";
        assert_eq!(said, format!("nothing was done: {expected}"));
        let said = |only: &[&str]| misspelt(&[&of("assets", only, &[]), &of("uploads", only, &[])], true);
        assert_eq!((said(&[]), said(&["test"]), said(&["test.things/assets", "test.things/up*"])), (None, None, None));
        for (pattern, expected) in [
            ("tset", "did you mean \"test\"?"),
            ("Test.Thing", "did you mean \"test.things\"?"),
            ("test.things/uploda", "did you mean \"test.things/uploads\"?"),
            ("uploads", "did you mean \"test.things/uploads\"?"),
            ("guardduty", "it speaks for test.things"),
        ] {
            let said = said(&["test", pattern]).unwrap();
            assert_eq!(said, format!("nothing was done: --only {pattern} names nothing that the manifest speaks for; {expected}"));
        }
        assert_eq!(misspelt(&[], true), None);
        // Where others could not be looked at, what was to be left alone stays alone.
        assert_eq!(misspelt(&[&of("assets", &["tset"], &[])], false), None);
        let said = misspelt(&[&of("assets", &[], &["test.things/uploads"])], false).unwrap();
        assert!(said.starts_with("nothing was done: --skip test.things/uploads names nothing"), "{said}");
    }

    #[test]
    fn what_is_left_out_says_how_to_choose_it() {
        let declared = fake::declared(&scope("left out"), json!({"name": "a"}));
        for (only, skip, expected) in [
            (None, None, None),
            (Some("s3"), None, Some("add --only test.things/a")),
            (Some("test"), Some("test.things/a"), Some("leave out --skip test.things/a")),
            (Some("s3"), Some("test"), Some("add --only test.things/a, and leave out --skip test")),
        ] {
            let own = |pattern: Option<&str>| pattern.map(str::to_owned).into_iter().collect();
            assert_eq!(Choice { only: own(only), skip: own(skip) }.leaves_out(&declared).as_deref(), expected);
        }
    }
}

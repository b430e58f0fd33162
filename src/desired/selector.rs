//! Selectors: which things an entry chooses. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use wildmatch::WildMatch;

use super::Entry;
use crate::kinds::{Block, Fact, Reason, Selector};

/// The tags of a thing.
pub(super) type Tags = BTreeMap<String, String>;
/// The tags that entries declare for a thing, by its name or by what chooses it; none: the tag is taken off.
pub(super) type DeclaredTags = BTreeMap<String, Option<String>>;

pub(super) enum Chosen {
    Yes,
    No,
    Unknown(Block),
}

/// A selector, ready to be asked.
pub(crate) struct Chooser {
    names: Vec<WildMatch>,
    except: Vec<WildMatch>,
    tags: Tags,
}

impl Chooser {
    pub(crate) fn new(selector: &Selector) -> Chooser {
        let patterns = |texts: &[String]| texts.iter().map(|text| WildMatch::new(text)).collect();
        Chooser { names: patterns(&selector.names), except: patterns(&selector.except), tags: selector.tags.clone() }
    }

    /// Its patterns that match none of these names: those that choose, and those that except.
    pub(super) fn idle(&self, ids: &[&str]) -> (Vec<String>, Vec<String>) {
        let idle = |patterns: &[WildMatch]| {
            let matches = |pattern: &&WildMatch| !ids.iter().any(|id| pattern.matches(id));
            patterns.iter().filter(matches).map(ToString::to_string).collect()
        };
        (idle(&self.names), idle(&self.except))
    }

    /// Whether its patterns choose a thing of this name.
    pub(crate) fn names(&self, id: &str) -> bool {
        let any = |patterns: &[WildMatch]| patterns.iter().any(|pattern| pattern.matches(id));
        any(&self.names) && !any(&self.except)
    }

    /// Whether it asks for tags.
    pub(crate) fn by_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Whether it chooses the thing with this name, these tags, and over them those that a run is about to give it: else the next run would find
    /// more to do.
    pub(super) fn chosen(&self, id: &str, found: &Fact<Tags>, declared: Option<&DeclaredTags>) -> Chosen {
        if !self.names(id) {
            return Chosen::No;
        }
        for (key, value) in &self.tags {
            let agrees = match (declared.and_then(|tags| tags.get(key)), found) {
                (Some(declared), _) => declared.as_ref() == Some(value),
                (None, Fact::Present(tags)) => tags.get(key) == Some(value),
                (None, Fact::Absent) => false,
                // Another tag may still tell that it is not chosen.
                (None, Fact::Unknown(_)) => continue,
            };
            if !agrees {
                return Chosen::No;
            }
        }
        let known = |key: &String| declared.is_some_and(|tags| tags.contains_key(key));
        match found {
            Fact::Unknown(why) if !self.tags.keys().all(known) => Chosen::Unknown(Block {
                reason: Reason::Unreadable,
                fields: Vec::new(),
                message: format!("whether a selector by tags chooses it is not known: {}: {}", why.call, why.message),
                what_to_do: why.what_to_do(),
            }),
            _ => Chosen::Yes,
        }
    }
}

/// The tags that an entry declares.
pub(super) fn declared_tags(entry: &Entry) -> impl Iterator<Item = (String, Option<String>)> + '_ {
    let tags = entry.value.get("tags").and_then(Value::as_object).into_iter().flatten();
    tags.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::{Unreadable, Why};

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn selectors_choose_by_name_exception_and_tags() {
        let selector = |value: Value| Chooser::new(&serde_json::from_value::<Selector>(value).unwrap());
        let by_name = selector(json!({"names": ["app-*", "one?"], "except": ["*-logs"]}));
        let unread = || Fact::Unknown(Unreadable { call: "s3:GetBucketTagging".to_owned(), why: Why::Denied, message: "no".to_owned() });
        for (id, chosen) in
            [("app-a", true), ("app-a-logs", false), ("my-app-a", false), ("one1", true), ("one12", false), ("APP-a", false)]
        {
            assert_eq!(matches!(by_name.chosen(id, &unread(), None), Chosen::Yes), chosen, "{id}: tags are not asked for");
        }
        let by_tags = selector(json!({"names": ["*"], "tags": {"env": "prod", "team": "a"}}));
        let answer = |tags| by_tags.chosen("x", &tags, None);
        assert!(matches!(answer(Fact::Present(tags(&[("env", "prod"), ("team", "a"), ("more", "")]))), Chosen::Yes));
        assert!(matches!(answer(Fact::Present(tags(&[("env", "prod")]))), Chosen::No));
        assert!(matches!(answer(Fact::Absent), Chosen::No));
        assert!(matches!(answer(unread()), Chosen::Unknown(block) if block.reason == Reason::Unreadable));
    }

    #[test]
    fn a_selector_sees_the_tags_that_a_thing_is_about_to_have() {
        let by_tags =
            Chooser::new(&serde_json::from_value::<Selector>(json!({"names": ["*"], "tags": {"tier": "gold", "team": "a"}})).unwrap());
        let declared = |pairs: &[(&str, Option<&str>)]| -> DeclaredTags {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
        };
        let unread = || Fact::Unknown(Unreadable { call: "s3:GetBucketTagging".to_owned(), why: Why::Denied, message: "no".to_owned() });
        for (found, declared, chosen) in [
            (Fact::Present(tags(&[("team", "a")])), declared(&[("tier", Some("gold"))]), Some(true)),
            (Fact::Present(tags(&[("team", "a"), ("tier", "gold")])), declared(&[("tier", Some("tin"))]), Some(false)),
            (Fact::Present(tags(&[("team", "a"), ("tier", "gold")])), declared(&[("tier", None)]), Some(false)),
            (unread(), declared(&[("tier", Some("gold")), ("team", Some("a"))]), Some(true)),
            (unread(), declared(&[("tier", Some("tin"))]), Some(false)),
            (unread(), declared(&[("tier", Some("gold"))]), None),
        ] {
            let answer = match by_tags.chosen("x", &found, Some(&declared)) {
                Chosen::Yes => Some(true),
                Chosen::No => Some(false),
                Chosen::Unknown(_) => None,
            };
            assert_eq!(answer, chosen, "{found:?} {declared:?}");
        }
    }
}

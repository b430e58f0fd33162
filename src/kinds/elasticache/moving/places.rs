//! The places of a move as its lock notes them, from the lock on: whoever comes later has another manifest perhaps, and a place that stands in it no more would read
//! as one that was never turned.
//!
//! A tag's value has 256 characters of a small alphabet, a resource 50 tags, and a move up to 50 places: so each is noted by a digest of what makes it that place,
//! and by words for people, which are cut where there are many.

use std::collections::BTreeMap;

use super::reference;
use super::start::taggable;
use crate::hex::short_sha256;
use crate::kinds::elasticache::migration::Cutover;

/// How many places there are: without it, no note was taken.
const COUNT_TAG: &str = "holdfast.dev/places";
/// How the tags that hold them begin; a number from 1 ends it.
const PLACES_TAG: &str = "holdfast.dev/places-";
/// So many tags at the most: the lock has two dozen others.
const TAGS: usize = 12;
/// What a tag's value holds. [AWS documentation, "Tagging your ElastiCache resources"]
const VALUE: usize = 256;
/// Between two places in a value. No words hold it.
const BETWEEN: &str = " @ ";
/// Hexadecimal digits of a place's digest.
const DIGEST: usize = 16;

/// A place as a lock notes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Of what makes it that place; empty where the note is damaged: then no place is that one.
    digest: String,
    /// For people.
    pub words: String,
}

/// How a manifest's places differ from those that a move was begun with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Noted, and declared no more, or otherwise: as the lock notes them.
    pub missing: Vec<String>,
    /// Declared since, in the words of a plan.
    pub added: Vec<String>,
}

fn digest(cutover: &Cutover) -> String {
    short_sha256(reference::identity(cutover), DIGEST)
}

/// The tags that note these places.
pub fn tags(cutover: &[Cutover]) -> BTreeMap<String, String> {
    let in_one = cutover.len().div_ceil(TAGS).max(1);
    // A space stands between the digest and the words.
    let room = (VALUE + BETWEEN.len()) / in_one - BETWEEN.len() - DIGEST - 1;
    let one = |place: &Cutover| format!("{} {}", digest(place), short(&words(place), room));
    let notes: Vec<String> = cutover.iter().map(one).collect();
    let numbered = notes.chunks(in_one).zip(1..).map(|(some, number)| (format!("{PLACES_TAG}{number}"), some.join(BETWEEN)));
    numbered.chain([(COUNT_TAG.to_owned(), cutover.len().to_string())]).collect()
}

/// The places that these tags note, in their order; nothing where no note was taken.
pub fn read(tags: &BTreeMap<String, String>) -> Option<Vec<Noted>> {
    let count = tags.get(COUNT_TAG)?;
    let values = (1..=TAGS).map_while(|number| tags.get(&format!("{PLACES_TAG}{number}")));
    let one = |note: &str| {
        let (digest, words) = note.split_once(' ').unwrap_or((note, ""));
        Noted { digest: digest.to_owned(), words: words.to_owned() }
    };
    let mut noted: Vec<Noted> = values.flat_map(|value| value.split(BETWEEN)).filter(|note| !note.is_empty()).map(one).collect();
    // Somebody has changed the tags: what is missing in them is no place that can be declared.
    if count.parse() != Ok(noted.len()) {
        let words = format!("a place whose note is lost: {} of {} are left", noted.len(), count);
        noted.push(Noted { digest: String::new(), words });
    }
    Some(noted)
}

/// How the declared places differ from the noted ones. Their order, and what does not make them what they are, is no difference.
pub fn changed(noted: &[Noted], cutover: &[Cutover]) -> Changed {
    let declared: Vec<String> = cutover.iter().map(digest).collect();
    let missing = noted.iter().filter(|place| !declared.contains(&place.digest)).map(|place| place.words.clone());
    let added = cutover.iter().zip(&declared).filter(|(_, digest)| !noted.iter().any(|place| place.digest == **digest));
    Changed { missing: missing.collect(), added: added.map(|(place, _)| reference::words(place)).collect() }
}

/// A place's words as a tag takes them.
fn words(place: &Cutover) -> String {
    let plain = taggable(&reference::words(place));
    let words: Vec<&str> = plain.split_whitespace().filter(|word| *word != BETWEEN.trim()).collect();
    words.join(" ")
}

/// No longer than `room`: what says the kind, and the end, in which names differ.
fn short(words: &str, room: usize) -> String {
    let letters: Vec<char> = words.chars().collect();
    if letters.len() <= room {
        return words.to_owned();
    }
    let (head, dots) = (room / 3, "..");
    let tail = room.saturating_sub(head + dots.len());
    let part = |letters: &[char]| letters.iter().collect::<String>();
    let (head, tail) = (letters.get(..head), letters.get(letters.len() - tail.min(letters.len())..));
    format!("{}{dots}{}", part(head.unwrap_or_default()).trim_end(), part(tail.unwrap_or_default()).trim_start())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cutover(places: serde_json::Value) -> Vec<Cutover> {
        serde_json::from_value(places).unwrap()
    }

    fn secret(name: &str) -> serde_json::Value {
        json!({"secretsManager": {"secretArn": format!("arn:aws:secretsmanager:us-east-1:317805897534:secret:{name}"), "key": "URL"}})
    }

    #[test]
    fn a_note_fits_the_tags_of_a_lock_and_tells_every_place() {
        for count in [0, 1, 12, 13, 24, 25, 50] {
            let places: Vec<_> = (0..count).map(|place| secret(&format!("{}/ü @ {place}-AbCdEf", "long/".repeat(40)))).collect();
            let places = cutover(places.into());
            let tags = tags(&places);
            assert!(tags.len() <= TAGS + 1, "{count}: {}", tags.len());
            for value in tags.values() {
                let taken = value.chars().all(|letter| letter.is_alphanumeric() || " _.:/=+-@".contains(letter));
                assert!(taken && value.chars().count() <= VALUE, "{count}: {value}");
            }
            let noted = read(&tags).unwrap();
            assert_eq!((noted.len(), changed(&noted, &places)), (count, Changed::default()));
            if let (Some(first), Some(others)) = (noted.first(), places.get(1..)) {
                assert!(first.words.starts_with("the secret") && first.words.ends_with("0-AbCdEf URL"), "{}", first.words);
                assert_eq!(changed(&noted, others), Changed { missing: vec![first.words.clone()], added: Vec::new() });
            }
        }
        assert_eq!(read(&BTreeMap::from([("holdfast.dev/since".to_owned(), String::new())])), None);
    }

    #[test]
    fn a_damaged_note_is_no_place_that_can_be_declared() {
        let places = cutover(json!([secret("a"), secret("b")]));
        let mut tags = tags(&places);
        tags.remove("holdfast.dev/places-2");
        let changed = changed(&read(&tags).unwrap(), &places);
        assert_eq!((changed.missing.len(), changed.added.len()), (1, 1), "{changed:?}");
        assert!(changed.missing[0].contains("1 of 2"), "{changed:?}");
    }

    #[test]
    fn a_place_is_what_it_names_and_not_how_it_is_turned() {
        let place = |place: serde_json::Value| cutover(json!([place]));
        let same = |one: serde_json::Value, other: serde_json::Value| {
            changed(&read(&tags(&place(one))).unwrap(), &place(other)) == Changed::default()
        };
        let exec = |change: &str, value: serde_json::Value| {
            let mut exec = json!({"command": ["turn.sh", "a"], "undo": ["undo.sh"]});
            exec[change] = value;
            json!({"exec": exec})
        };
        let plain = || exec("timeout", json!("60s"));
        assert!(same(plain(), exec("timeout", json!("5m"))) && same(plain(), exec("undo", json!(["other.sh"]))));
        assert!(same(plain(), exec("check", json!(["look.sh"]))) && !same(plain(), exec("command", json!(["turn.sh", "b"]))));
        assert!(!same(secret("a"), secret("b")));
        let mut whole = secret("a");
        whole["secretsManager"].as_object_mut().unwrap().remove("key");
        assert!(!same(secret("a"), whole));
        let entry = |namespace: &str, restart: serde_json::Value| json!({"kubernetes": {"secret": "app", "key": "URL", "namespace": namespace, "restart": restart}});
        let (one, several) = (json!("deployment/api"), json!(["deployment/api", "deployment/b"]));
        assert!(same(entry("a", one.clone()), entry("a", json!(["deployment/api"]))));
        assert!(same(entry("a", several.clone()), entry("a", json!(["deployment/b", "deployment/api"]))));
        // What was started anew for the target is started anew on the way back.
        assert!(!same(entry("a", several), entry("a", one.clone())) && !same(entry("a", one.clone()), entry("b", one)));
        // Their order says nothing of what they are.
        let (there, back) = (cutover(json!([secret("a"), secret("b")])), cutover(json!([secret("b"), secret("a")])));
        assert_eq!(changed(&read(&tags(&there)).unwrap(), &back), Changed::default());
    }
}

//! From a manifest to the resources that it speaks for: entries read, selectors resolved, wishes that meet on one thing merged or composed.
//!
//! Resolving selectors asks AWS what there is; everything else here is pure.

mod choice;
mod compose;
mod entries;
mod idle;
mod merge;
mod selector;
mod speaker;

#[cfg(all(test, feature = "sandbox"))]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::Reads;
use crate::kinds::{AnyKind, Block, Fact, Key, Need, Peers, Reason, Scope, Unreadable, place, registry};
use crate::plan::Declared;

pub use choice::{Choice, Unnamed, misspelt};
pub use entries::{Entry, Wrong, declared, entries};
pub(crate) use selector::Chooser;
pub use speaker::{Others, Speaker};

use compose::compose;
use idle::Listed;
use merge::merged;
use selector::{Chosen, DeclaredTags, Tags, declared_tags};
use speaker::Bystanders;

/// What a manifest says, as far as it decides which resources it speaks for.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    pub scope: &'a Scope,
    pub entries: &'a [Entry],
    /// Entries that a mistake stops: of the same object, and of those that are refused as a whole.
    pub stopped: &'a [Speaker],
    pub others: &'a Others,
    pub choice: &'a Choice,
}

/// What a manifest comes to.
pub struct Desired {
    /// The resources that a run is about.
    pub resources: Vec<Declared>,
    /// All that the manifest speaks for, chosen or not, and what other objects name.
    pub peers: Peers,
    /// What a person should know of the choice.
    pub warnings: Vec<String>,
    /// What of the choice names nothing here.
    pub unnamed: Unnamed,
}

/// The resources that a run is about, and what the manifest speaks for besides.
pub async fn resolve(reads: &Reads, said: &Said<'_>) -> Desired {
    let Said { scope, choice, .. } = *said;
    let mut found: Vec<Declared> = Vec::new();
    let mut idle: Vec<String> = Vec::new();
    for kind in registry() {
        let (spoken, unmet) = spoken(*kind, reads, said).await;
        idle.extend(unmet);
        found.extend(spoken.into_iter().map(|(id, spoken)| merged(*kind, scope, id, spoken)));
    }
    let composed = compose(&mut found, scope, choice);
    found.extend(composed);
    let mut peers = Peers::default();
    for declared in &found {
        peers.add(declared.kind.path(), declared.wish.id.clone(), declared.wish.spec.clone());
    }
    said.others.add_to(&mut peers, scope);
    let mut warnings = choice.idle(&found);
    if !choice.is_partial() {
        warnings.extend(idle::selectors(said.entries, &found));
        warnings.extend(idle);
    }
    let unnamed = choice.unnamed(&found);
    let known: BTreeSet<Key> = found.iter().map(Declared::key).collect();
    let there = |need: &Need| known.contains(&need.key) || need.key.id == Need::EVERY && known.iter().any(|one| one.kind == need.key.kind);
    for declared in &mut found {
        let own = declared.key();
        let asks = declared.kind.contributes(&declared.wish, scope);
        declared.needs =
            declared.kind.needs(&declared.wish, scope, &asks).into_iter().filter(|need| need.key != own && there(need)).collect();
    }
    found.retain(|declared| choice.admits(declared));
    found.sort_by_key(|declared| place(declared.kind.path()));
    Desired { resources: found, peers, warnings, unnamed }
}

/// The entries that speak for one thing, and what already stands against it.
#[derive(Default)]
struct Spoken<'a> {
    entries: Vec<&'a Entry>,
    /// A selector chose it.
    selected: bool,
    blocks: Vec<Block>,
}

/// The things of a kind that entries speak for, by id, and what of its selectors met nothing.
async fn spoken<'a>(kind: &'a dyn AnyKind, reads: &Reads, said: &Said<'a>) -> (BTreeMap<String, Spoken<'a>>, Vec<String>) {
    let mut spoken: BTreeMap<String, Spoken<'a>> = BTreeMap::new();
    let mut selectors: Vec<(&Entry, Chooser)> = Vec::new();
    let mut declared: BTreeMap<String, DeclaredTags> = BTreeMap::new();
    let mut made: Vec<String> = Vec::new();
    for entry in said.entries.iter().filter(|entry| entry.kind.path() == kind.path()) {
        if let Some(selector) = kind.selector(&entry.spec) {
            selectors.push((entry, Chooser::new(&selector)));
            continue;
        }
        let wish = kind.wish(entry.spec.clone(), said.scope);
        made.extend(kind.creates(&wish).then(|| wish.id.clone()));
        declared.entry(wish.id.clone()).or_default().extend(declared_tags(entry));
        spoken.entry(wish.id).or_default().entries.push(entry);
    }
    if spoken.is_empty() && selectors.is_empty() {
        return (spoken, Vec::new());
    }
    let bystanders = Bystanders::new(kind, said.scope, said.stopped, said.others);
    let asked = spoken.keys().any(|id| bystanders.ask_for_tags(id));
    let mut candidates: BTreeMap<String, Fact<Tags>> = BTreeMap::new();
    let mut unmet = Vec::new();
    let mut unlisted = None;
    if !selectors.is_empty() || asked {
        // A selector of another object may ask for the tags of what one of this object chooses: that is known only when it is listed.
        let tags = asked || selectors.iter().any(|(_, chooser)| chooser.by_tags()) || bystanders.by_tags();
        match kind.list(reads, said.scope, tags).await {
            Ok(listed) => {
                let named = declared.keys().map(String::as_str);
                unmet =
                    idle::patterns(&selectors, &Listed { all: &listed, named: named.collect(), scope: said.scope, others: said.others });
                candidates.extend(listed.into_iter().filter(|one| one.elsewhere.is_none()).map(|one| (one.id, one.tags)));
                // What this run makes counts as if it were there already.
                for id in made {
                    candidates.entry(id).or_insert_with(|| Fact::Present(Tags::new()));
                }
            }
            Err(error) => {
                // Of what is named it can still be told whether a selector disagrees.
                candidates.extend(declared.keys().map(|id| (id.clone(), Fact::Unknown(Unreadable::from(&error)))));
                unlisted = Some(error);
            }
        }
    }
    for (id, tags) in &candidates {
        // What chooses it may give it a tag by which something else chooses it: all of that belongs into this plan, not into the next.
        let mut open: Vec<&(&Entry, Chooser)> = selectors.iter().collect();
        let mut before = usize::MAX;
        while open.len() < before {
            before = open.len();
            open.retain(|(entry, chooser)| {
                let block = match chooser.chosen(id, tags, declared.get(id)) {
                    Chosen::Yes => None,
                    Chosen::No => return true,
                    Chosen::Unknown(block) => Some(block),
                };
                let place = spoken.entry(id.clone()).or_default();
                place.entries.push(entry);
                place.selected = true;
                place.blocks.extend(block);
                declared.entry(id.clone()).or_default().extend(declared_tags(entry));
                false
            });
        }
    }
    for (id, place) in &mut spoken {
        let Some(first) = place.entries.first().map(|entry| entry.label()) else { continue };
        // What was not listed is not there, and carries no tag.
        let tags = candidates.get(id).unwrap_or(&Fact::Absent);
        place.blocks.extend(bystanders.blocks((&said.scope.object, &first), id, place.selected, tags, declared.get(id)));
    }
    for (error, (entry, _)) in unlisted.iter().flat_map(|error| selectors.iter().map(move |selector| (error, selector))) {
        let place = spoken.entry(format!("({})", entry.name)).or_default();
        place.entries.push(entry);
        place.blocks.push(Block {
            reason: Reason::Unreadable,
            fields: Vec::new(),
            message: format!("what its selector chooses could not be listed: {error}"),
            what_to_do: format!("allow {} to the role that holdfast runs as, or run again", error.call.action),
        });
    }
    (spoken, unmet)
}

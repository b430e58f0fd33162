//! Places of which AWS gives so many and no more: who comes first has one, and what is blocked for another reason takes none from the others.

use std::collections::BTreeMap;

use super::ResourcePlan;
use super::settle::behind;
use crate::kinds::{Block, Reason};

/// Holds the steps for which no place is left, with those that come after them. Says whether there were any.
pub(super) fn hold_crowded(resources: &mut [ResourcePlan]) -> bool {
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut any = false;
    for resource in resources.iter_mut().filter(|resource| resource.steps.iter().any(|step| step.room.is_some())) {
        let before = taken.entry(resource.key.kind.clone()).or_default();
        let mut crowded: Vec<usize> = Vec::new();
        for (place, step) in resource.steps.iter_mut().enumerate() {
            if step.held.as_ref().is_some_and(|held| held.reason == Reason::WaitsForOther) {
                continue;
            }
            let (reason, message, what_to_do) = match (&step.room, step.after.iter().find(|before| crowded.contains(before))) {
                (_, Some(before)) => behind(*before),
                (Some(room), None) if before.len() >= room.left => {
                    let besides = match before.as_slice() {
                        [] => String::new(),
                        [one] => format!(", and {one} comes before it"),
                        several => format!(", and {} come before it", several.join(", ")),
                    };
                    (Reason::NotSupported, format!("{}{besides}", room.message), room.what_to_do.clone())
                }
                (Some(_), None) => {
                    before.push(resource.key.id.clone());
                    continue;
                }
                (None, None) => continue,
            };
            crowded.push(place);
            step.held = Some(Block { reason, fields: step.fields.clone(), message, what_to_do });
        }
        any |= !crowded.is_empty();
    }
    any
}

//! What waits for something else: the steps of a resource that need one which is not as declared, in the plan and while it is carried out.

use std::collections::HashMap;

use super::{ResourcePlan, Status};
use crate::kinds::{Block, Key, Need, Reason};

/// Holds what stands on something that is blocked, down the line.
pub(super) fn hold_needy(resources: &mut [ResourcePlan]) {
    let mut stuck: Vec<Key> = resources
        .iter()
        .filter(|one| one.status != Status::InSync && one.all_blocks().next().is_some() || !one.unreadable.is_empty())
        .map(|one| one.key.clone())
        .collect();
    let mut needy: HashMap<Key, Vec<(usize, Need)>> = HashMap::new();
    for (place, resource) in resources.iter().enumerate().filter(|(_, resource)| resource.changes()) {
        for need in &resource.needs {
            needy.entry(need.key.clone()).or_default().push((place, need.clone()));
        }
    }
    stuck.sort_unstable();
    while let Some(on) = stuck.pop() {
        for (place, need) in needy.remove(&on).unwrap_or_default() {
            let Some(resource) = resources.get_mut(place) else { continue };
            if resource.hold_for(&need, 0, "blocked") {
                stuck.push(resource.key.clone());
            }
        }
    }
}

impl ResourcePlan {
    /// Holds the open steps, from the place `from` on, that wait for `need`, with those that come after them. `state` is what is wrong with it. Says
    /// whether there were any.
    pub(crate) fn hold_for(&mut self, need: &Need, from: usize, state: &str) -> bool {
        let mut newly: Vec<usize> = Vec::new();
        for place in from..self.steps.len() {
            let Some(step) = self.steps.get_mut(place).filter(|step| step.held.is_none()) else { continue };
            if !need.concerns(&step.fields) && !step.after.iter().any(|before| newly.contains(before)) {
                continue;
            }
            newly.push(place);
            step.held = Some(Block {
                reason: Reason::WaitsForOther,
                fields: step.fields.clone(),
                message: format!("it stands on {}, which is {state}", need.key),
                what_to_do: format!("see {}, then run again", need.key),
            });
        }
        !newly.is_empty()
    }
}

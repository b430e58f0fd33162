//! What waits for something else: the steps of a resource that need one which is not as declared, in the plan and while it is carried out.

use std::collections::{HashMap, HashSet};

use super::{ResourcePlan, Status};
use crate::kinds::{Block, Key, Need, Reason, is_within};

/// What is wrong with something of which a part that another one stands on is excepted.
const EXCEPTED: &str = "not as declared, by an exception";

/// Holds what stands on something that is blocked, down the line.
pub(super) fn hold_needy(resources: &mut [ResourcePlan]) {
    let mut stuck: Vec<usize> = (0..resources.len()).filter(|place| resources.get(*place).is_some_and(|one| !one.is_free())).collect();
    let mut needy: HashMap<Key, Vec<(usize, Need)>> = HashMap::new();
    for (place, resource) in resources.iter().enumerate().filter(|(_, resource)| resource.changes()) {
        for need in resource.needs.iter().filter(|need| !need.order_only) {
            needy.entry(need.key.clone()).or_default().push((place, need.clone()));
        }
    }
    // Which of two blocked ones a third is said to stand on must not depend on the order in which they were declared.
    let key = |place: usize| resources.get(place).map(|one| &one.key);
    for waiting in needy.values_mut() {
        waiting.sort_by(|(one, _), (other, _)| key(*one).cmp(&key(*other)));
    }
    for (place, need) in excepted(resources) {
        if let Some(resource) = resources.get_mut(place)
            && resource.hold_for(&need, 0, EXCEPTED)
        {
            stuck.push(place);
        }
    }
    stuck.sort_unstable_by(|one, other| resources.get(*one).map(|one| &one.key).cmp(&resources.get(*other).map(|other| &other.key)));
    // What comes to be held more stands here again: others may need just that part.
    while let Some(on) = stuck.pop() {
        let Some(waiting) = resources.get(on).and_then(|on| needy.get(&on.key)) else { continue };
        for (place, need) in waiting {
            let met = resources.get(on).is_some_and(|on| on.meets(need));
            let Some(resource) = resources.get_mut(*place).filter(|_| !met) else { continue };
            if resource.hold_for(need, 0, "blocked") {
                stuck.push(*place);
            }
        }
    }
}

/// The needs of resources, by place, of which an exception keeps a part as it is.
fn excepted(resources: &[ResourcePlan]) -> Vec<(usize, Need)> {
    let with: HashMap<&Key, &ResourcePlan> = resources.iter().filter(|one| !one.excepted.is_empty()).map(|one| (&one.key, one)).collect();
    let mut found = Vec::new();
    for (place, resource) in resources.iter().enumerate().filter(|_| !with.is_empty()) {
        for need in resource.needs.iter().filter(|need| !need.order_only) {
            if with.get(&need.key).is_some_and(|on| on.keeps_from(resource, need)) {
                found.push((place, need.clone()));
            }
        }
    }
    found
}

/// Notes what a resource that changes stands on and this run leaves out: whether that is as declared nobody looked.
pub(super) fn note_left_out(resources: &mut [ResourcePlan]) {
    // Most plans need nothing, and are too long to be copied for it.
    if resources.iter().all(|one| one.needs.iter().all(|need| need.order_only)) {
        return;
    }
    let known: HashSet<Key> = resources.iter().map(|one| one.key.clone()).collect();
    for resource in resources {
        let left_out = resource.needs.iter().filter(|need| !need.order_only && !known.contains(&need.key));
        let changes = left_out.filter(|need| resource.steps.iter().any(|step| need.concerns(&step.fields)));
        let note =
            |need: &Need| format!("it stands on {}, which this run leaves out: whether that is as declared was not looked at", need.key);
        let notes: Vec<String> = changes.map(note).collect();
        // It may be noted already, where some of a plan is planned again.
        let new: Vec<String> = notes.into_iter().filter(|note| !resource.notes.contains(note)).collect();
        resource.notes.extend(new);
    }
}

impl ResourcePlan {
    /// Whether an exception keeps a part of it as it is that `needy` asks of it for the fields of `need`: S3 throws away the access log that the
    /// target's policy does not let in.
    pub(crate) fn keeps_from(&self, needy: &ResourcePlan, need: &Need) -> bool {
        if self.excepted.is_empty() {
            return false;
        }
        let concerns = |field: &str| need.fields.iter().any(|of| is_within(field, of));
        let asks = self.origins.iter().filter(|origin| origin.field.as_deref().is_some_and(concerns));
        asks.filter(|origin| needy.origins.iter().any(|own| own.entry == origin.entry))
            .any(|origin| self.excepted.iter().any(|excepted| origin.asks_for(&excepted.drift.field)))
    }

    /// Whether nothing of it is blocked, held or unknown.
    fn is_free(&self) -> bool {
        (self.status == Status::InSync || self.all_blocks().next().is_none()) && self.unreadable.is_empty()
    }

    /// Whether what others need of it is as declared, or becomes so by its steps.
    pub(crate) fn meets(&self, need: &Need) -> bool {
        // Nothing is known of one that was not compared.
        if need.parts.is_empty() || self.compared == 0 {
            return self.is_free();
        }
        let against = |block: &Block| block.fields.is_empty() || block.fields.iter().any(|field| field.is_empty() || need.counts(field));
        let repaired = |field: &String| self.steps.iter().any(|step| step.held.is_none() && step.fields.contains(field));
        !self.all_blocks().any(against)
            && !self.unreadable.iter().any(|unread| unread.field.is_empty() || need.counts(&unread.field))
            && self.drifts.iter().filter(|drift| need.counts(&drift.field)).all(|drift| repaired(&drift.field))
    }

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

//! What is said of a difference where there are lines of plain text.

use crate::kinds::{Drift, Unreadable};
use crate::plan::{Excepted, ResourcePlan, UnreadableField, text};

/// The longest value, in characters.
const LONGEST: usize = 200;

/// `is false, and is to be true (online)`.
pub(super) fn difference(drift: &Drift) -> String {
    format!("is {}, and is to be {} ({})", value(&drift.found), value(&drift.declared), text::impact(drift.impact))
}

pub(super) fn excepted(excepted: &Excepted) -> String {
    format!("{}, and is excepted until {}", difference(&excepted.drift), excepted.until)
}

pub(super) fn unreadable(field: &UnreadableField) -> String {
    let todo = Unreadable::what_to_do_about(std::iter::once(&field.why));
    format!("could not be read: {}: {}. What to do: {todo}", field.why.call, field.why.message)
}

/// What a run does about a difference, or why it does not.
pub(super) fn what_comes(resource: &ResourcePlan, drift: &Drift) -> String {
    let mut steps = resource.steps.iter().filter(|step| step.fields.contains(&drift.field));
    if let Some(step) = steps.next() {
        let takes = if step.takes.is_empty() { String::new() } else { format!(" ({})", step.takes) };
        return match &step.held {
            None => format!("A run does: {}{takes}", step.title),
            Some(held) => format!("Held: {}{takes}: {}. What to do: {}", step.title, held.message, held.what_to_do),
        };
    }
    let block = resource.blocks.iter().find(|block| block.concerns(&drift.field));
    block.map(blocked).unwrap_or_default()
}

pub(super) fn blocked(block: &crate::kinds::Block) -> String {
    let todo = if block.what_to_do.is_empty() { String::new() } else { format!(". What to do: {}", block.what_to_do) };
    format!("Blocked ({}): {}{todo}", text::reason(block.reason), block.message)
}

fn value(value: &serde_json::Value) -> String {
    let text = text::whole_value(value);
    match text.chars().count().saturating_sub(LONGEST) {
        0 => text,
        more => format!("{}... ({more} more)", text.chars().take(LONGEST).collect::<String>()),
    }
}

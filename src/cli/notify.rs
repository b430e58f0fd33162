//! Telling people: a message to the manifest's topic when a run changed, failed or was blocked.
//!
//! At least once a change of state: the message is due in the journal before it is sent, and sent again by the next run if nobody knows
//! whether it arrived, with the same id.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::aws::{CallError, Writes};
use crate::execute::record::Event;
use crate::execute::{End, Journal, JournalError, Outcomes, Past};
use crate::plan::text;
use crate::reconcile::Baseline;

/// The longest body, in bytes; SNS takes 256 KiB.
const LONGEST: usize = 60_000;

/// What is to be said of a run; nothing where nothing changed hands and the state is the one already told.
pub fn due(baseline: &Baseline, outcomes: &Outcomes, run: &str, past: &Past) -> Option<Event> {
    let topic = baseline.object.spec.notifications.as_ref()?.topic_arn.clone();
    let object = &baseline.scope.object;
    let state = state(outcomes);
    let changed = outcomes.changed().count();
    if changed == 0 && past.told.get(object).map(String::as_str).unwrap_or("") == state {
        return None;
    }
    let (blocked, failed) = (outcomes.blocked().count(), outcomes.failed().count());
    let subject: String = format!("holdfast {object}: {changed} changed, {blocked} blocked, {failed} failed");
    // SNS takes at most 100 ASCII characters.
    let subject = subject.chars().filter(char::is_ascii).take(100).collect();
    let id = digest(&format!("{run} {object}"))[..32].to_owned();
    let body = body(baseline, outcomes, run, &id);
    Some(Event::NotificationDue { id, topic, state, subject, body })
}

/// What is wrong, as one text that is equal as long as the same is wrong; empty where nothing is.
fn state(outcomes: &Outcomes) -> String {
    let mut wrong: Vec<String> = outcomes
        .resources
        .iter()
        .filter_map(|one| match &one.end {
            End::Blocked { blocks } => {
                Some(format!("{} blocked {:?}", one.key, blocks.iter().map(|block| block.reason).collect::<Vec<_>>()))
            }
            End::Failed { message, .. } => Some(format!("{} failed {message}", one.key)),
            _ => None,
        })
        .collect();
    wrong.sort();
    wrong.extend(outcomes.stopped.clone());
    if wrong.is_empty() { String::new() } else { digest(&wrong.join("\n")) }
}

fn body(baseline: &Baseline, outcomes: &Outcomes, run: &str, id: &str) -> String {
    let scope = &baseline.scope;
    let mut body = format!("object {}, account {}, {}\nrun {run}, message {id}\n", scope.object, scope.account, scope.region);
    for one in &outcomes.resources {
        let line = match &one.end {
            End::Unchanged => continue,
            End::Changed => format!("changed: {}: {}", one.key, one.done.join("; ")),
            End::Blocked { blocks } => {
                let why: Vec<String> = blocks.iter().map(|block| format!("{}: {}", text::reason(block.reason), block.message)).collect();
                format!("blocked: {}: {}", one.key, why.join("; "))
            }
            End::Failed { message, what_to_do, .. } => format!("failed: {}: {message}. What to do: {what_to_do}", one.key),
            End::Interrupted => format!("interrupted: {}", one.key),
        };
        body.push_str(&crate::aws::reveal_nothing(&line));
        body.push('\n');
        if body.len() > LONGEST {
            body.push_str("... and more: see `holdfast journal`\n");
            break;
        }
    }
    body.extend(outcomes.stopped.iter().map(|stopped| format!("stopped: {stopped}\n")));
    body
}

/// Sends what is due, and records that it was.
pub async fn send(
    writes: &Writes,
    journal: &Journal,
    run: &str,
    object: &str,
    event: &Event,
    at: Timestamp,
) -> Result<Result<(), CallError>, JournalError> {
    let Event::NotificationDue { id, topic, state, subject, body } = event else { return Ok(Ok(())) };
    let attribute = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value(id).build();
    let sent = writes
        .sns()
        .publish(|mut request| {
            if let Ok(attribute) = attribute {
                request = request.message_attributes("holdfast-id", attribute);
            }
            if topic.ends_with(".fifo") {
                request = request.message_group_id("holdfast").message_deduplication_id(id);
            }
            request.topic_arn(topic).subject(subject).message(body)
        })
        .await;
    if let Err(error) = sent {
        return Ok(Err(error));
    }
    let told = Event::NotificationSent { id: id.clone(), state: state.clone() };
    journal.append(run, object, at, vec![told], true).await?;
    Ok(Ok(()))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

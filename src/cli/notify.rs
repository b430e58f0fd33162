//! Telling people: a message to the manifest's topic when a run changed, failed or was blocked.
//!
//! At least once a change of state: the message is due in the journal before it is sent, and sent again by the next run if nobody knows
//! whether it arrived, with the same id.

use std::collections::BTreeMap;

use super::{show, tell};
use crate::aws::{CallError, Class, Connection, Writes};
use crate::clock::Clock;
use crate::desired::Choice;
use crate::execute::record::{Event, Record};
use crate::execute::{Counts, End, Interrupt, Journal, JournalError, Outcomes, Past};
use crate::hex::{sha256, short_sha256};
use crate::kinds::{Block, Key};
use crate::manifest::Problem;
use crate::plan::escape::shown;
use crate::plan::text;
use crate::reconcile::Baseline;

/// The longest body, in bytes; SNS takes 256 KiB.
const LONGEST: usize = 60_000;

/// A run that tells.
pub struct Messages<'a> {
    pub journal: &'a Journal,
    pub past: &'a Past,
    pub clock: &'a Clock,
    /// The run's name.
    pub run: &'a str,
    pub choice: &'a Choice,
    pub interrupt: &'a Interrupt,
    /// What is wrong with the manifests.
    pub problems: &'a [Problem],
}

impl Messages<'_> {
    /// Tells the object's topic what came of the run, and what an earlier one could not tell. Answers with why it could not. After a wish to stop
    /// nothing is sent any more: what is due is recorded, and the next run sends it.
    pub async fn tell(&self, baseline: &Baseline, connection: &Connection, outcomes: &Outcomes, hash: &str) -> Option<String> {
        let topic = &baseline.object.spec.notifications.as_ref()?.topic_arn;
        let object = &baseline.scope.object;
        let mut waiting: Vec<(String, Event)> = self.unsent(object, topic).map(|(run, event)| (run.to_owned(), event.clone())).collect();
        if let Some(due) = self.due(baseline, topic, outcomes, hash) {
            if let Err(error) = self.journal.append(self.run, object, self.clock.now(), vec![due.clone()], true).await {
                return Some(format!("no message was sent: {error}"));
            }
            waiting.push((self.run.to_owned(), due));
        }
        let writes = connection.reads.writes(self.journal);
        // In their order, and none before an earlier one: the last that arrives says how things stand.
        for (run, event) in waiting {
            if self.interrupt.stopped() {
                tell("the topic is told by the next run\n");
                return None;
            }
            match self.send(&writes, &run, object, topic, &event).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    return Some(format!("the topic could not be told: {error}; the next run tries again. {}", advice(&error)));
                }
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }

    /// What earlier runs could not tell. A topic that the manifest named then and names no more is not there, or not theirs who are to know: the one that
    /// it names now is told. Another account's, of an object with the same name, is not touched.
    fn unsent(&self, object: &str, topic: &str) -> impl Iterator<Item = (&str, &Event)> {
        let place = |arn: &str| arn.rsplit_once(':').map(|(place, _)| place.to_owned());
        let here = place(topic);
        self.past.unsent.iter().filter_map(move |record| match &record.event {
            Event::NotificationDue { topic, .. } if record.object == object && place(topic) == here => {
                Some((record.run.as_str(), &record.event))
            }
            _ => None,
        })
    }

    /// What is to be said of a run; nothing where nothing changed hands and the state is the one already told, or on its way.
    fn due(&self, baseline: &Baseline, topic: &str, outcomes: &Outcomes, hash: &str) -> Option<Event> {
        let object = &baseline.scope.object;
        // What a run over a part of the object saw says nothing of the rest: each choice has a state of its own.
        let part = part(self.choice);
        let on_its_way = self.unsent(object, topic).filter_map(|(_, event)| match event {
            Event::NotificationDue { part: other, state, .. } if *other == part => Some(state.as_str()),
            _ => None,
        });
        let told = || self.past.told.get(&(object.clone(), topic.to_owned(), part.clone())).map(String::as_str);
        let last = on_its_way.last().or_else(told).unwrap_or_default();
        // Of a run that was left in the middle, the same.
        let left_out = show::mistakes(self.problems, object);
        let state = if outcomes.interrupted() && outcomes.stopped.is_none() { last.to_owned() } else { state(outcomes, &left_out) };
        let mut earlier: Vec<&Record> = self.past.untold.get(object).into_iter().flat_map(BTreeMap::values).collect();
        earlier.sort_by_key(|record| record.number);
        if !outcomes.acted() && earlier.is_empty() && last == state {
            return None;
        }
        let Counts { changed, blocked, observed, partly, failed, rolled_back, interrupted, .. } = outcomes.counts();
        let stopped = if outcomes.stopped.is_some() { ", stopped" } else { "" };
        let partly = if partly > 0 { format!(", {partly} partly") } else { String::new() };
        let rolled = if rolled_back > 0 { format!(", {rolled_back} rolled back") } else { String::new() };
        let rolled = if interrupted > 0 { format!("{rolled}, {interrupted} interrupted") } else { rolled };
        let (blocked, seen) =
            (blocked.saturating_sub(observed), if observed > 0 { format!(", {observed} observed only") } else { String::new() });
        let of = if part.is_empty() { "" } else { " (a part of it)" };
        let wrong = if left_out.is_empty() { String::new() } else { format!(", {} wrong", text::count(left_out.len(), "entry")) };
        let before = if earlier.is_empty() { "" } else { ", and what an earlier run did" };
        let subject = format!(
            "holdfast {object}{of}: {changed} changed{partly}{seen}, {blocked} blocked, {failed} failed{rolled}{wrong}{stopped}{before}"
        );
        // SNS takes at most 100 ASCII characters.
        let subject = subject.chars().filter(char::is_ascii).take(100).collect();
        let id = short_sha256(format!("{} {object}", self.run), 32);
        let mut body = body(baseline, outcomes, &left_out, &earlier, self.run, &id, &part);
        if waits_for_consent(outcomes) {
            body.push_str(&format!("to consent to exactly the plan as it is now: --approve {hash}\n"));
        }
        Some(Event::NotificationDue { id, topic: topic.to_owned(), part, state, subject, body })
    }

    /// Sends what is due, and records that it was.
    async fn send(
        &self,
        writes: &Writes,
        run: &str,
        object: &str,
        topic: &str,
        event: &Event,
    ) -> Result<Result<(), CallError>, JournalError> {
        let Event::NotificationDue { id, part, state, subject, body, .. } = event else { return Ok(Ok(())) };
        let attribute = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value(id).build();
        let sns = writes.sns();
        let sending = sns.publish(|mut request| {
            if let Ok(attribute) = attribute {
                request = request.message_attributes("holdfast-id", attribute);
            }
            if topic.ends_with(".fifo") {
                request = request.message_group_id("holdfast").message_deduplication_id(id);
            }
            request.topic_arn(topic).subject(subject).message(body)
        });
        tokio::pin!(sending);
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            () = self.interrupt.wished() => {
                writes.leave();
                sending.await
            }
        };
        if let Err(error) = sent {
            return Ok(Err(error));
        }
        let told = Event::NotificationSent { id: id.clone(), topic: topic.to_owned(), part: part.clone(), state: state.clone() };
        self.journal.append(run, object, self.clock.now(), vec![told], true).await?;
        Ok(Ok(()))
    }
}

/// What of an object a run looks at, as one text; empty where all of it.
fn part(choice: &Choice) -> String {
    let words = |what: &str, patterns: &[String]| {
        let mut patterns = patterns.to_vec();
        patterns.sort();
        patterns.dedup();
        (!patterns.is_empty()).then(|| format!("{what} {}", patterns.join(", ")))
    };
    [words("only", &choice.only), words("without", &choice.skip)].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn advice(error: &CallError) -> String {
    match error.class {
        Class::NotFound | Class::Invalid => "Correct spec.notifications.topicArn, or make the topic".to_owned(),
        Class::Denied => format!("Allow {} to the role that holdfast runs as, in the topic's policy too", error.call.action),
        _ => "Run again".to_owned(),
    }
}

/// What is wrong, as one text that is equal as long as the same is wrong; empty where nothing is.
fn state(outcomes: &Outcomes, left_out: &BTreeMap<String, &Problem>) -> String {
    let mut wrong: Vec<String> = outcomes
        .resources
        .iter()
        .filter_map(|one| match &one.end {
            // What a run did beside it is told once; what is wrong is the same afterwards.
            End::Blocked { blocks } | End::Partly { blocks } => {
                Some(format!("{} blocked {:?}", one.key, blocks.iter().map(|block| block.reason).collect::<Vec<_>>()))
            }
            End::Failed { message, .. } => Some(format!("{} failed {message}", one.key)),
            End::RolledBack { message, .. } => Some(format!("{} rolled back {message}", one.key)),
            _ => None,
        })
        .collect();
    // Not its place: a line that was added above it, or a file that was renamed, is no other mistake.
    wrong.extend(left_out.values().map(|problem| format!("wrong {} {}", problem.path, problem.message)));
    wrong.sort();
    wrong.extend(outcomes.stopped.clone());
    if wrong.is_empty() { String::new() } else { sha256(wrong.join("\n")) }
}

/// What runs did that ended before they could tell: a line a resource and run.
fn untold(earlier: &[&Record]) -> Vec<String> {
    let mut told: Vec<(&str, &Key, Vec<String>)> = Vec::new();
    for record in earlier {
        let (resource, said) = match &record.event {
            Event::StepDone { resource, step, undo: false, .. } => (resource, step.clone()),
            Event::StepDone { resource, step, undo: true, .. } => (resource, format!("taken back: {step}")),
            Event::Intent { resource, step, undo, .. } => {
                (resource, format!("{}\"{step}\" was sent, and may have taken effect", if *undo { "to take it back, " } else { "" }))
            }
            _ => continue,
        };
        match told.iter_mut().find(|(run, of, _)| *run == record.run && *of == resource) {
            Some((_, _, steps)) => steps.push(said),
            None => told.push((&record.run, resource, vec![said])),
        }
    }
    told.into_iter().map(|(run, of, steps)| format!("run {run} ended before it could tell: {of}: {}", steps.join("; "))).collect()
}

fn body(
    baseline: &Baseline,
    outcomes: &Outcomes,
    left_out: &BTreeMap<String, &Problem>,
    earlier: &[&Record],
    run: &str,
    id: &str,
    part: &str,
) -> String {
    let scope = &baseline.scope;
    let mut body = format!("object {}, account {}, {}\nrun {run}, message {id}\n", scope.object, scope.account, scope.region);
    if !part.is_empty() {
        body.push_str(&format!("this run looked at a part of it: {}\n", shown(part)));
    }
    let mut lines = untold(earlier);
    for one in &outcomes.resources {
        let line = match &one.end {
            End::Unchanged => continue,
            End::Changed => format!("changed: {}: {}", one.key, one.done.join("; ")),
            End::Blocked { blocks } | End::Partly { blocks } => {
                let why = blocks.iter().map(|block| format!("{}: {}", text::reason(block.reason), block.message));
                let what_to_do = blocks.iter().map(|block| block.what_to_do.clone());
                format!("{}: {}: {}. What to do: {}", one.end.word(), one.key, once(why), once(what_to_do))
            }
            End::Failed { message, what_to_do, .. } => {
                let at = one.failed_at.as_ref().filter(|at| !message.contains(&at.step));
                let at = at.map(|at| format!(", at \"{}\"", at.step)).unwrap_or_default();
                format!("failed: {}{at}: {message}. What to do: {what_to_do}", one.key)
            }
            End::RolledBack { message, what_to_do } => format!("rolled back: {}: {message}. What to do: {what_to_do}", one.key),
            End::Interrupted { under_way: None } => format!("interrupted: {}", one.key),
            End::Interrupted { under_way: Some(under_way) } => format!("interrupted: {}: {}", one.key, show::sent(under_way)),
        };
        let line = match one.done.is_empty() || one.end == End::Changed {
            true => line,
            false => format!("{line}. Done before that: {}", one.done.join("; ")),
        };
        lines.push(line);
    }
    lines.extend(left_out.iter().map(|(entry, problem)| format!("wrong in the manifest, and left out: {entry}: {}", problem.in_a_line())));
    for line in lines {
        body.push_str(&shown(&crate::aws::reveal_nothing(&line)));
        body.push('\n');
        if body.len() > LONGEST {
            body.push_str("... and more: see `holdfast journal`\n");
            break;
        }
    }
    body.extend(outcomes.stopped.iter().map(|stopped| format!("stopped: {stopped}\n")));
    body
}

fn waits_for_consent(outcomes: &Outcomes) -> bool {
    outcomes.blocked().any(|one| one.end.blocks().is_some_and(|blocks| blocks.iter().any(Block::waits_for_consent)))
}

/// Sentences after one another, each once: steps that wait for the same thing each say so.
fn once(sentences: impl Iterator<Item = String>) -> String {
    let mut told: Vec<String> = Vec::new();
    for sentence in sentences.filter(|sentence| !sentence.is_empty()) {
        if !told.contains(&sentence) {
            told.push(sentence);
        }
    }
    told.join("; ")
}

//! A plan for people: what differs, what would be done, what it costs, how to go back. Pure; colours are ANSI, taken out where there is no terminal.

mod steps;
mod sum;

use std::collections::HashMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::escape::shown;
use super::{Plan, ResourcePlan, Status};
use crate::kinds::{Block, Drift, Impact, Key, Reason, Unreadable, few};

pub use steps::{awaited, numbered};
pub use sum::{resources, steps, wrong};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// How much of a long value is shown without being asked for, in characters.
const LONGEST: usize = 160;
/// How much more is no reason to cut it: saying so takes as much room.
const SPARE: usize = 40;

/// The plan as text. `left_out` is how many entries of the manifest are wrong and no part of it. `verbose` lists what is in sync, too, and shows long
/// values whole.
pub fn render(plan: &Plan, left_out: usize, verbose: bool) -> String {
    let mut out = String::new();
    line(&mut out, format_args!("{BOLD}{}{BOLD:#}  account {}, {}", shown(&plan.object), shown(&plan.account), shown(&plan.region)));
    for warning in &plan.warnings {
        line(&mut out, format_args!("{YELLOW}warning:{YELLOW:#} {}", shown(warning)));
    }
    let with: HashMap<&Key, &ResourcePlan> = plan.resources.iter().map(|resource| (&resource.key, resource)).collect();
    for resource in &plan.resources {
        if resource.status != Status::InSync || !resource.excepted.is_empty() || !resource.notes.is_empty() {
            out.push('\n');
            render_resource(&mut out, resource, &with, verbose);
        } else if verbose {
            line(
                &mut out,
                format_args!(
                    "{GREEN}={GREEN:#} {}  in sync, {} compared",
                    shown(&resource.key.to_string()),
                    count(resource.compared, "field")
                ),
            );
        }
    }
    out.push('\n');
    sum::render(&mut out, plan, left_out);
    out
}

fn render_resource(out: &mut String, resource: &ResourcePlan, with: &HashMap<&Key, &ResourcePlan>, whole: bool) {
    // What is done at all has the same sign, whatever of it waits.
    let (mark, style) = match resource.status {
        Status::Unreadable => ('?', RED),
        Status::Blocked if !resource.only_observed() => ('!', RED),
        Status::Blocked | Status::Partly | Status::Drifted => ('~', YELLOW),
        Status::InSync => ('=', GREEN),
    };
    line(
        out,
        format_args!(
            "{style}{mark}{style:#} {BOLD}{}{BOLD:#} {DIM}{}{}{DIM:#}{}",
            shown(&resource.key.to_string()),
            resource.title,
            shown(&named(resource)),
            sum::partly(resource)
        ),
    );
    let names = resource.drifts.iter().chain(resource.excepted.iter().map(|excepted| &excepted.drift)).map(|drift| shown(&drift.field));
    let width = names.map(|field| field.chars().count()).max().unwrap_or(0).min(44);
    for drift in &resource.drifts {
        line(out, format_args!("    {:width$}  {}", shown(&drift.field), difference(drift, whole)));
    }
    for excepted in &resource.excepted {
        line(
            out,
            format_args!(
                "    {DIM}{:width$}  {} (excepted until {}: {}){DIM:#}",
                shown(&excepted.drift.field),
                difference(&excepted.drift, whole),
                shown(&excepted.until),
                shown(&excepted.reason)
            ),
        );
    }
    for field in &resource.unreadable {
        let what = if field.field.is_empty() { "the resource" } else { &field.field };
        line(
            out,
            format_args!("    {RED}could not be read:{RED:#} {}: {}: {}", shown(what), shown(&field.why.call), shown(&field.why.message)),
        );
    }
    if !resource.unreadable.is_empty() {
        let what_to_do = Unreadable::what_to_do_about(resource.unreadable.iter().map(|field| &field.why));
        line(out, format_args!("      what to do: {}", shown(&what_to_do)));
    }
    for note in &resource.notes {
        line(out, format_args!("    note: {}", shown(note)));
    }
    steps::render(out, resource, with);
    for (at, block) in resource.blocks.iter().enumerate() {
        // Blocks that ask for the same say so once, after the last.
        let last = resource.blocks.iter().skip(at + 1).all(|later| later.what_to_do != block.what_to_do);
        // Which fields it is about, where it is not about all that differs.
        let about_all = !resource.drifts.is_empty() && resource.drifts.iter().all(|drift| block.concerns(&drift.field));
        let about = if about_all { String::new() } else { fields(&block.fields) };
        render_block(out, block, &about, last);
    }
}

fn render_block(out: &mut String, block: &Block, about: &str, advise: bool) {
    line(out, format_args!("    {RED}{}{about}:{RED:#} {}", reason(block.reason), shown(&block.message)));
    if advise && !block.what_to_do.is_empty() {
        line(out, format_args!("      what to do: {}", shown(&block.what_to_do)));
    }
}

/// ` (transitEncryption, auth)`: the fields that a block is about, each once; nothing where there are none.
pub fn fields<'f>(fields: impl IntoIterator<Item = &'f String>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for field in fields {
        if !names.contains(&field.as_str()) {
            names.push(field);
        }
    }
    if names.is_empty() { String::new() } else { format!(" ({})", shown(&few(&names))) }
}

/// A reason in words.
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Unreadable => "could not be read",
        Reason::Missing => "missing",
        Reason::NeedsMigration => "needs a migration",
        Reason::NeedsConsent => "needs consent",
        Reason::DeniedByPolicy => "denied by policy",
        Reason::OutsideChangeWindow => "outside the change windows",
        Reason::TooManyChanges => "too many changes",
        Reason::Conflict => "conflict",
        Reason::ManagedAbove => "managed above",
        Reason::NotSupported => "not supported",
        Reason::WaitsForOther => "waits",
        Reason::ObserveOnly => "observed only",
        Reason::InvalidWish => "cannot be as declared",
        Reason::UnexpectedState => "unexpected state",
    }
}

/// The logical names, where they say more than the id.
fn named(resource: &ResourcePlan) -> String {
    let own = resource.key.to_string();
    let mut names: Vec<&str> = resource.origins.iter().map(|origin| origin.entry.as_str()).filter(|entry| *entry != own).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn difference(drift: &Drift, whole: bool) -> String {
    format!("{} -> {}", value(&drift.found, whole), value(&drift.declared, whole))
}

/// A value as a person reads it: `absent`, text in quotes only where it needs them, everything else as JSON; cut where it is long, unless it is
/// wanted `whole`.
fn value(value: &Value, whole: bool) -> String {
    let text = whole_value(value);
    match text.chars().count().saturating_sub(LONGEST) {
        more if more > SPARE && !whole => {
            format!("{}... ({more} more, whole with --verbose)", text.chars().take(LONGEST).collect::<String>())
        }
        _ => text,
    }
}

/// The same, never cut.
pub fn whole_value(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::String(text) if is_plain(text) => text.clone(),
        other => shown(&other.to_string()).into_owned(),
    }
}

/// An impact in a word.
pub fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::Online => "online",
        Impact::Disruptive => "disruptive",
        Impact::Irreversible => "irreversible",
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text != "absent"
        && text.chars().all(|character| character.is_ascii_graphic())
        && text.parse::<f64>().is_err()
        && !matches!(text, "true" | "false" | "null")
}

/// `1 field`, `2 fields`.
pub fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {what}s"),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_said_to_be_and_whole_on_demand() {
        let long = Value::from("a".repeat(LONGEST + 43));
        let cut = value(&long, false);
        assert_eq!(cut, format!("{}... (43 more, whole with --verbose)", "a".repeat(LONGEST)));
        assert_eq!(value(&long, true), "a".repeat(LONGEST + 43));
        assert_eq!(value(&Value::from("a".repeat(LONGEST + SPARE)), false), "a".repeat(LONGEST + SPARE));
    }

    #[test]
    fn a_block_names_its_fields_once() {
        let many: Vec<String> = (0..8).map(|number| format!("f{number}")).collect();
        assert_eq!(fields(&[]), "");
        assert_eq!(fields(many.iter().take(2).chain(many.first())), " (f0, f1)");
        assert_eq!(fields(&many), " (f0, f1, f2, f3, f4, f5, f6, f7)");
    }
}

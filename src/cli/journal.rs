//! `holdfast journal`: what earlier runs intended and did, for a person.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Output, complain, print};
use crate::execute::Journal;
use crate::execute::record::Event;
use crate::exit::Exit;
use crate::kinds::Key;
use crate::plan::escape::shown;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast journal\n  holdfast journal --state-dir /var/lib/holdfast --run 20261121T101500-3f2a\n  holdfast journal -o json | jq 'select(.event == \"intent\")'"
)]
pub struct Args {
    /// The folder with the journal.
    #[arg(long, env = "HOLDFAST_STATE_DIR", hide_env_values = true, default_value = "state", value_name = "DIR")]
    state_dir: PathBuf,
    /// Only this run.
    #[arg(long)]
    run: Option<String>,
    /// Text, or one JSON object a line.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub fn run(args: &Args) -> Exit {
    let records = match Journal::read(&args.state_dir, "holdfast journal") {
        Ok(records) => records,
        Err(error) => return complain(Exit::Failed, &error.to_string()),
    };
    let chosen: Vec<_> = records.iter().filter(|record| args.run.as_ref().is_none_or(|run| record.run == *run)).collect();
    let mut text = String::new();
    let mut last: Option<(&str, &str)> = None;
    // What an outcome is of stands in the intent that it names.
    let mut intents: HashMap<u64, &Key> = HashMap::new();
    for record in &chosen {
        if let Event::Intent { resource, .. } = &record.event {
            intents.insert(record.number, resource);
        }
        match args.output {
            Output::Json => text.push_str(&serde_json::to_string(record).unwrap_or_default()),
            Output::Text => {
                // What is of no object is of the run whose records it stands behind.
                let same = last.is_some_and(|(run, object)| run == record.run && (record.object.is_empty() || object == record.object));
                if !same {
                    let object = if record.object.is_empty() { String::new() } else { format!(" of {}", shown(&record.object)) };
                    text.push_str(&format!("run {}{object}\n", shown(&record.run)));
                    last = Some((record.run.as_str(), record.object.as_str()));
                }
                let of = match &record.event {
                    Event::Outcome { intent, .. } => intents.get(intent).map(|resource| format!("{resource}: ")).unwrap_or_default(),
                    _ => String::new(),
                };
                let words = shown(&format!("{of}{}", record.event.words())).to_string();
                text.push_str(&format!("  {:>5}  {}  {words}", record.number, record.at.strftime("%Y-%m-%d %H:%M:%S")));
            }
        }
        text.push('\n');
    }
    if !chosen.is_empty() {
        return print(&text);
    }
    let there = args.state_dir.join("journal").exists();
    let sandbox = super::ground::folder(Some(&args.state_dir), true);
    let other = match sandbox.join("journal").exists() {
        true => format!("\nthe sandbox has one of its own: --state-dir {}", sandbox.display()),
        false => String::new(),
    };
    match (&args.run, args.output) {
        (Some(_), _) if !there => complain(Exit::Failed, &format!("there is no journal in {}{other}", args.state_dir.display())),
        (None, Output::Text) if !there => print(&format!("there is no journal in {}{other}\n", args.state_dir.display())),
        (Some(run), _) => {
            complain(Exit::Failed, &format!("the journal in {} knows no run {}{other}", args.state_dir.display(), shown(run)))
        }
        (None, Output::Text) => print(&format!("the journal in {} is empty{other}\n", args.state_dir.display())),
        (None, Output::Json) => Exit::Done,
    }
}

//! `holdfast journal`: what earlier runs intended and did, for a person; and what a person takes back of it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Output, complain, print, reconcile, tell};
use crate::execute::record::{Event, short};
use crate::execute::{Given, Journal, Opened};
use crate::exit::Exit;
use crate::kinds::Key;
use crate::plan::escape::shown;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  holdfast journal
  holdfast journal --state-dir /var/lib/holdfast --run 20261121T101500-3f2a
  holdfast journal -o json | jq 'select(.event == \"intent\")'
  holdfast journal revoke 3f2a91c0d4e7                      takes back the consent to that plan")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The folder with the journal.
    #[arg(long, global = true, env = "HOLDFAST_STATE_DIR", hide_env_values = true, default_value = "state", value_name = "DIR")]
    state_dir: PathBuf,
    /// Only this run.
    #[arg(long)]
    run: Option<String>,
    /// Text, or one JSON object a line.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Take back the consent to a plan (`reconcile --approve`): what was not done on it yet waits for a new one. What was done stays.
    Revoke {
        /// The plan's hash, or its first 12 digits.
        #[arg(value_parser = digits)]
        hash: String,
    },
}

/// A plan's hash or the beginning of one.
fn digits(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    match (12..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err("expected the hash of a plan: 64 hexadecimal digits, or the first 12 of them or more".to_owned()),
    }
}

pub async fn run(args: &Args) -> Exit {
    match &args.command {
        None => show(args),
        Some(Command::Revoke { hash }) => revoke(&args.state_dir, hash).await,
    }
}

/// Opens the journal of `state` for the command `who`, to write into it, and says where it had to be set aside.
pub(super) async fn open(state: &Path, who: String) -> Result<Opened, String> {
    let state = state.to_owned();
    let opened = tokio::task::spawn_blocking(move || Journal::open(&state, &who)).await;
    let opened = opened.map_err(|error| format!("the journal could not be opened: {error}"))?.map_err(|error| error.to_string())?;
    if let Some((place, why)) = &opened.set_aside {
        tell(&format!("the journal could not be used ({why}). It was set aside as {}: no consent in it counts\n", place.display()));
    }
    Ok(opened)
}

/// Takes back the consent to a plan: on disk when it says so.
async fn revoke(state: &Path, hash: &str) -> Exit {
    if !state.join("journal").exists() {
        return complain(Exit::Failed, &format!("there is no journal in {}, and so no consent{}", state.display(), elsewhere(state)));
    }
    let opened = match open(state, format!("holdfast journal revoke {hash}")).await {
        Ok(opened) => opened,
        Err(why) => return complain(Exit::Failed, &why),
    };
    let open: Vec<&Given> = opened.past.consents.iter().filter(|given| !given.is_at_its_end()).collect();
    let meant: Vec<&Given> = open.iter().copied().filter(|given| given.plan.starts_with(hash)).collect();
    let plans: BTreeSet<&str> = meant.iter().map(|given| given.plan.as_str()).collect();
    let Some(given) = meant.last().filter(|_| plans.len() == 1) else {
        let words = |given: &&Given| format!("\n  {} of {}, given on {}", given.plan, shown(&given.object), when(given.at));
        let (why, which) = match plans.len() {
            0 => ("is not in it, or was used up", &open),
            _ => ("may be several: name more digits", &meant),
        };
        let list: String = which.iter().map(words).collect();
        let list = if list.is_empty() {
            "\nno consent in it is left to be taken back".to_owned()
        } else {
            format!("\nwhat is left of consents there, each of which counts for a day:{list}")
        };
        return complain(
            Exit::Failed,
            &format!("the journal in {}: a consent to plan {} {why}{list}{}", state.display(), short(hash), elsewhere(state)),
        );
    };
    let now = Timestamp::now();
    let event = Event::ConsentRevoked { plan: given.plan.clone() };
    if let Err(error) = opened.journal.append(&reconcile::name(now), &given.object, now, vec![event], true).await {
        return complain(Exit::Failed, &error.to_string());
    }
    let left = match given.open.len() + given.under_way.len() {
        1 => "a step that nobody saw done waits".to_owned(),
        steps => format!("{steps} steps that nobody saw done wait"),
    };
    let plan = short(&given.plan);
    // That stands on AWS, where another machine may go on with it that has no journal of this.
    let begun = match given.of.iter().any(|step| step.of_many) {
        true => {
            "what was begun on it goes on all the same, by its lock on AWS: `approved: false` under its migration stops that, and \
             `holdfast migration rollback NAME` takes it back\n"
        }
        false => "",
    };
    print(&format!(
        "the consent to plan {plan} of {}, given on {}, is taken back: {left} for a new one\n{begun}",
        shown(&given.object),
        when(given.at)
    ))
}

fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Where the sandbox's journal is, if there is one.
fn elsewhere(state: &Path) -> String {
    let sandbox = super::ground::folder(Some(state), true);
    match sandbox.join("journal").exists() {
        true => format!("\nthe sandbox has one of its own: --state-dir {}", sandbox.display()),
        false => String::new(),
    }
}

fn show(args: &Args) -> Exit {
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
    let other = elsewhere(&args.state_dir);
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

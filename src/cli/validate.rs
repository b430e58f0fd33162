//! `holdfast validate`: every problem of a manifest at once, without any AWS.

use serde_json::json;

use super::{Manifest, Output, print, show};
use crate::exit::Exit;
use crate::manifest::Severity;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast validate -f manifests/\n  holdfast validate -f production.yaml -o json\n\nExit codes: 0 nothing is wrong, 1 something is, 64 the command line is wrong.\n\nLimits: 16 MiB, 5,000 documents and 500,000 values (aliases followed) a file, 64 levels of lists and mappings in each other, 1,000 entries a list where nothing else is said, 10,000 files and 16 levels of folders; of the problems of a file the first 10,000 are listed."
)]
pub struct Args {
    #[command(flatten)]
    manifest: Manifest,
    /// Text, or one JSON object with `files`, `objects` and `problems`.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub fn run(args: &Args) -> Exit {
    let manifests = args.manifest.load();
    let printed = match args.output {
        Output::Json => {
            let document = json!({
                "files": manifests.files,
                "objects": manifests.baselines.iter().map(|baseline| &baseline.scope.object).collect::<Vec<_>>(),
                "problems": manifests.problems,
                "unlisted": manifests.unlisted,
            });
            print(&format!("{document:#}\n"))
        }
        Output::Text => {
            let right: usize = manifests.baselines.iter().map(|baseline| baseline.entries.len()).sum();
            let left_out = match manifests.declared.saturating_sub(right) {
                0 => String::new(),
                stopped => format!(" ({stopped} left out)"),
            };
            // A note is about what is right, or none of ours.
            let notes = manifests.problems.iter().filter(|problem| problem.severity == Severity::Note).count();
            let wrong = manifests.problems.len() - notes + manifests.unlisted;
            let sum = format!(
                "{}, {} with {}{left_out}: {}{}\n",
                show::count(manifests.files, "file"),
                show::count(manifests.baselines.len(), "object"),
                show::count(manifests.declared, "entry"),
                if wrong == 0 { "nothing is wrong".to_owned() } else { show::count(wrong, "problem") },
                if notes == 0 { String::new() } else { format!(", {}", show::count(notes, "note")) }
            );
            print(&format!("{}{sum}", show::problems(&manifests.problems)))
        }
    };
    if manifests.has_errors() || manifests.baselines.is_empty() { Exit::Failed } else { printed }
}

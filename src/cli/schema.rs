//! `holdfast schema`: the JSON schemas of what goes in and what comes out.

use clap::ValueEnum;
use serde_json::Value;

use super::{print, show};
use crate::exit::Exit;
use crate::load;
use crate::manifest::without_bounds_of_types;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast schema manifest > holdfast.schema.json    for an editor: # yaml-language-server: $schema=...\n  holdfast schema plan                               what `reconcile --dry-run -o json` prints"
)]
pub struct Args {
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The manifest.
    Manifest,
    /// What `reconcile --dry-run -o json` prints.
    Plan,
    /// What `reconcile -o json` prints after applying.
    Report,
    /// The account that `sandbox serve --account` begins with.
    #[cfg(feature = "sandbox")]
    Account,
}

pub fn run(args: &Args) -> Exit {
    let schema: Value = match args.what {
        What::Manifest => without_bounds_of_types(load::schema()),
        What::Plan => schemars::schema_for!(show::PlanDocument).to_value(),
        What::Report => schemars::schema_for!(show::ReportDocument).to_value(),
        #[cfg(feature = "sandbox")]
        What::Account => crate::sandbox::world::World::schema(),
    };
    print(&format!("{schema:#}\n"))
}

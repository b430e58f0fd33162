//! `holdfast reconcile`: compare, show, repair.

mod args;
mod compare;
mod go_on;
mod left;
mod run;
mod signals;

use std::path::Path;

use jiff::Timestamp;

use super::ground::{self, Ground};
use super::{complain, print, show, tell, unwritten};
use crate::clock::Clock;
use crate::execute::{Given, Interrupt, Journal, Opened, Outcomes};
use crate::exit::Exit;
use crate::load::Manifests;
use crate::manifest::Problem;
use crate::reconcile::Report;
use crate::report::compare::Comparison;
use crate::report::{Review, junit, markdown, sarif};

pub use args::Args;
use args::Form;
pub(super) use run::name;
use signals::listen;

/// How far a run came.
struct Ended {
    /// Its name; empty where none was begun.
    run: String,
    reports: Vec<Report>,
    /// Why it failed as a whole, where it did not come to the objects.
    error: Option<String>,
    /// How to consent to what waits for it.
    consent: String,
    at: Timestamp,
    /// What stood before, where that was asked for.
    comparison: Option<Comparison>,
    exit: Exit,
}

impl Ended {
    fn before_it_began(exit: Exit, error: String) -> Ended {
        Ended {
            run: String::new(),
            reports: Vec::new(),
            error: Some(error),
            consent: String::new(),
            at: Clock::system().now(),
            comparison: None,
            exit,
        }
    }
}

pub async fn run(args: Args) -> Exit {
    if args.in_sandbox().is_some() && std::env::var_os("AWS_ENDPOINT_URL").is_some_and(|url| !url.is_empty()) {
        // Without the address: a password can stand in it.
        return complain(
            Exit::Usage,
            "--sandbox is an AWS of its own, and AWS_ENDPOINT_URL names another: unset it, or leave --sandbox out",
        );
    }
    let manifests = args.manifest.load();
    if args.output == Form::Text || !manifests.problems.is_empty() {
        tell(&show::problems(&manifests.problems));
    }
    let invalid = manifests.has_errors();
    let on = ground::name(args.in_sandbox().is_some()).await;
    let ended = match !manifests.baselines.iter().any(manifests.enforced()) {
        true => Ended::before_it_began(Exit::Failed, format!("{} holds nothing that can be enforced", args.manifest.shown())),
        false => enforce(&args, &on, &manifests).await,
    };
    if let Some(error) = &ended.error {
        complain(ended.exit, error);
    }
    // Whatever became of the text: what was done is done.
    let done = ended.reports.iter().any(|report| report.outcomes.as_ref().is_some_and(Outcomes::acted));
    let where_it_stands = || {
        if done && unwritten() {
            let state = ground::folder(args.state_dir.as_deref(), args.in_sandbox().is_some());
            let again = format!("holdfast journal --state-dir {} --run {}", go_on::shell(&state.to_string_lossy()), ended.run);
            tell(&format!("what the run did was done all the same, and stands in the journal:\n  {again}\n"));
        }
    };
    let document = document(&args, &on, &manifests, &ended);
    if let Some(document) = document {
        let printed = match document {
            Ok(text) => print(&format!("{}\n", crate::aws::reveal_nothing(text.trim_end()))),
            Err(error) => complain(Exit::Failed, &format!("the result could not be written as JSON: {error}")),
        };
        where_it_stands();
        return if ended.exit == Exit::Done { printed } else { ended.exit };
    }
    where_it_stands();
    if invalid && ended.error.is_none() {
        tell("part of the manifest is wrong and was not enforced: see above\n");
    }
    ended.exit
}

/// The result as one document; nothing where it was said line by line.
fn document(args: &Args, on: &str, manifests: &Manifests, ended: &Ended) -> Option<serde_json::Result<String>> {
    let Ended { run, reports, error, consent, at, comparison, exit } = ended;
    let comparison = comparison.as_ref();
    let problems = &manifests.problems;
    let error = error.as_deref();
    let (dry_run, baselines) = (args.dry_run, &manifests.baselines);
    let folder = std::env::current_dir().ok().map(|folder| folder.display().to_string());
    let folder = folder.as_deref();
    let review = Review { dry_run, ground: on, baselines, folder, reports, problems, error, consent, exit: *exit, comparison, at: *at };
    match args.output {
        Form::Text => None,
        Form::Json => Some(show::document(dry_run, on, run, reports, problems, error, comparison, *exit)),
        Form::Markdown => Some(Ok(markdown::render(&review))),
        Form::Sarif => Some(sarif::render(&review)),
        Form::Junit => Some(Ok(junit::render(&review))),
    }
}

/// Looks at every object, and repairs it where the run is no dry one.
async fn enforce(args: &Args, on: &str, manifests: &Manifests) -> Ended {
    let failed = |error: String| Ended::before_it_began(Exit::Failed, error);
    let interrupt = Interrupt::default();
    listen(&interrupt);
    let sandbox = args.in_sandbox().is_some();
    let state = ground::folder(args.state_dir.as_deref(), sandbox);
    if args.dry_run {
        let ground = match args.ground(on, &state) {
            Ok(ground) => ground,
            Err(error) => return failed(error),
        };
        return Run::new(args, &ground, &interrupt, &manifests.problems).dry(manifests).await;
    }
    // The journal first: whoever holds it may be changing the sandbox's account.
    let who = format!("holdfast reconcile -f {}", args.manifest.shown());
    let opened = tokio::select! {
        opened = open(on.to_owned(), &state, who) => opened,
        () = interrupt.wished() => return Ended::before_it_began(Exit::Interrupted, "interrupted before anything was changed".to_owned()),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return failed(error),
    };
    let mut ground = match args.ground(on, &state) {
        Ok(ground) => ground,
        Err(error) => return failed(error),
    };
    if let Err(error) = ground::keep_holder(&state, &ground.connect.holder) {
        return failed(format!("the id of the state folder, {}, could not be kept: {error}", state.join("holder").display()));
    }
    let ended = Run::new(args, &ground, &interrupt, &manifests.problems).wet(manifests, &opened).await;
    if let Some(said) = ground.end().await {
        tell(&format!("{said}\n"));
    }
    if let Err(error) = ground.save() {
        tell(&format!("the sandbox could not save its account: {error}\n"));
    }
    // Held until here.
    drop(opened);
    ended
}

struct Run<'a> {
    args: &'a Args,
    ground: &'a Ground,
    interrupt: &'a Interrupt,
    /// What is wrong with the manifest.
    problems: &'a [Problem],
    name: String,
    /// The consents that the journal holds; a dry run knows of none.
    given: Vec<Given>,
}

/// Opens the journal off the runtime's threads: sled blocks.
async fn open(ground: String, state: &Path, who: String) -> Result<Opened, String> {
    let state = state.to_owned();
    let opened = tokio::task::spawn_blocking(move || Journal::open_on(&ground, &state, &who)).await;
    opened.map_err(|error| format!("the journal could not be opened: {error}"))?.map_err(|error| error.to_string())
}

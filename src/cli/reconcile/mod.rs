//! `holdfast reconcile`: compare, show, repair.

mod args;
mod go_on;
mod left;
mod run;
mod signals;

use std::path::Path;

use super::ground::{self, Ground};
use super::{Output, complain, print, show, tell, unwritten};
use crate::execute::{Given, Interrupt, Journal, Opened, Outcomes};
use crate::exit::Exit;
use crate::load::Manifests;
use crate::manifest::Problem;
use crate::reconcile::Report;

pub use args::Args;
pub(super) use run::name;
use signals::listen;

/// How far a run came.
struct Ended {
    /// Its name; empty where none was begun.
    run: String,
    reports: Vec<Report>,
    /// Why it failed as a whole, where it did not come to the objects.
    error: Option<String>,
    exit: Exit,
}

impl Ended {
    fn before_it_began(exit: Exit, error: String) -> Ended {
        Ended { run: String::new(), reports: Vec::new(), error: Some(error), exit }
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
    if args.output == Output::Text || !manifests.problems.is_empty() {
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
    if args.output == Output::Json {
        let printed =
            match show::document(args.dry_run, &on, &ended.run, &ended.reports, &manifests.problems, ended.error.as_deref(), ended.exit) {
                Ok(text) => print(&format!("{}\n", crate::aws::reveal_nothing(&text))),
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

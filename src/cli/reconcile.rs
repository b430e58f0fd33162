//! `holdfast reconcile`: compare, show, repair.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::consent::{self, Advice, Looked, misspelt, stale};
use super::ground::{self, Ground};
use super::notify::Messages;
use super::progress::Progress;
#[cfg(feature = "sandbox")]
use super::sandbox::SandboxKind;
use super::{Manifest, Output, complain, print, show, tell};
use crate::desired::{Choice, Others};
use crate::execute::record::Event;
use crate::execute::{Given, Interrupt, Journal, Opened, Outcomes, Past};
use crate::exit::{self, Exit};
use crate::load::{self, Manifests};
use crate::plan::escape::shown;
use crate::plan::{Consent, Plan, text};
use crate::reconcile::{
    Apply, Baseline, Look, Report, Request, apply, connected_look, consent as given_consent, look_at, others, still_given,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  holdfast reconcile -f production.yaml --dry-run           what differs, and what would be done
  holdfast reconcile -f production.yaml --dry-run --detailed-exitcode
  holdfast reconcile -f production.yaml --only s3 --skip 's3.buckets/legacy-*'
  holdfast reconcile -f production.yaml --approve 3f2a...   consents to exactly that plan
  holdfast reconcile -f production.yaml --sandbox           on an AWS inside this process
  holdfast reconcile -f production.yaml --sandbox=live      the same, with real Redis servers in it

Exit codes, the first that is true:
  1    the run failed and nothing was done
  4    some of it failed
  5    a migration was rolled back
  3    something is blocked: consent or reading is missing
  2    changes are pending (only with --detailed-exitcode)
  0    done, or in sync
  64   the command line is wrong
  130  interrupted")]
pub struct Args {
    #[command(flatten)]
    manifest: Manifest,
    /// Only look: nothing is changed, and no journal is opened.
    #[arg(long)]
    dry_run: bool,
    /// The form of the result; `holdfast schema plan` and `holdfast schema report` describe the JSON.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Exit with 2 when changes are pending.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Only these resources: a group (s3), a kind (s3.buckets) or a resource (s3.buckets/huntaze-*). Repeatable; one that names nothing ends the run before
    /// anything is done.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    only: Vec<String>,
    /// All but these resources, in the same words.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    skip: Vec<String>,
    /// Consent to the plan with this hash, once. Repeatable: each object has a plan of its own. If the live difference is another one by then, nothing is done.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    approve: Vec<String>,
    /// Where the journal is kept; with --sandbox, in its folder `sandbox` [default: state, so state/sandbox with --sandbox].
    #[arg(long, env = "HOLDFAST_STATE_DIR", hide_env_values = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Run against an AWS inside this process, set up as examples/accounts/huntaze-as-found.yaml says. What a run changes there is kept in
    /// the state folder; `holdfast sandbox reset` forgets it.
    #[cfg(feature = "sandbox")]
    #[arg(long, value_enum, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "quick")]
    sandbox: Option<SandboxKind>,
    /// What goes wrong in the sandbox. No option: completion scripts would offer it.
    #[cfg(feature = "sandbox")]
    #[arg(skip = std::env::var("HOLDFAST_SANDBOX_FAULTS").unwrap_or_default())]
    sandbox_faults: String,
    /// List what is in sync, too, and show long values whole.
    #[arg(short, long)]
    verbose: bool,
}

/// A plan's hash, as it was printed.
fn hash(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err("expected the 64 hexadecimal digits after `plan` in the output of a dry run".to_owned()),
    }
}

impl Args {
    /// A run over one resource, for a command that has noted what is to become of it.
    pub(super) fn only(manifest: Manifest, only: String, state_dir: Option<PathBuf>, in_sandbox: bool, output: Output) -> Args {
        #[cfg(not(feature = "sandbox"))]
        let _ = in_sandbox;
        Args {
            manifest,
            dry_run: false,
            output,
            detailed_exitcode: false,
            only: vec![only],
            skip: Vec::new(),
            approve: Vec::new(),
            state_dir,
            #[cfg(feature = "sandbox")]
            sandbox: in_sandbox.then_some(SandboxKind::Quick),
            #[cfg(feature = "sandbox")]
            sandbox_faults: std::env::var("HOLDFAST_SANDBOX_FAULTS").unwrap_or_default(),
            verbose: false,
        }
    }

    /// What goes wrong in the sandbox, where the run is to take place there.
    #[cfg(feature = "sandbox")]
    fn in_sandbox(&self) -> Option<&str> {
        self.sandbox.map(|_| self.sandbox_faults.as_str())
    }

    #[cfg(not(feature = "sandbox"))]
    fn in_sandbox(&self) -> Option<&str> {
        None
    }

    #[cfg(feature = "sandbox")]
    fn ground(&self, on: &str, state: &Path) -> Result<Ground, String> {
        match self.sandbox {
            None => Ok(Ground::real(on, state)),
            Some(kind) => Ground::sandbox(state, &self.sandbox_faults, !self.dry_run, kind),
        }
    }

    #[cfg(not(feature = "sandbox"))]
    fn ground(&self, on: &str, state: &Path) -> Result<Ground, String> {
        Ok(Ground::real(on, state))
    }
}

/// The waits before each look at what a run saw done and the look after it shows otherwise.
const DOUBTS: [Duration; 5] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

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
    let manifests = load::load(&args.manifest.file);
    if args.output == Output::Text || !manifests.problems.is_empty() {
        tell(&show::problems(&manifests.problems));
    }
    let invalid = manifests.has_errors();
    let on = ground::name(args.in_sandbox().is_some()).await;
    let ended = match !manifests.baselines.iter().any(manifests.enforced()) {
        true => Ended::before_it_began(Exit::Failed, format!("{} holds nothing that can be enforced", args.manifest.file.display())),
        false => enforce(&args, &on, &manifests).await,
    };
    if let Some(error) = &ended.error {
        complain(ended.exit, error);
    }
    if args.output == Output::Json {
        let printed =
            match show::document(args.dry_run, &on, &ended.run, &ended.reports, &manifests.problems, ended.error.as_deref(), ended.exit) {
                Ok(text) => print(&format!("{}\n", crate::aws::reveal_nothing(&text))),
                Err(error) => complain(Exit::Failed, &format!("the result could not be written as JSON: {error}")),
            };
        return if ended.exit == Exit::Done { printed } else { ended.exit };
    }
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
        return Run::new(args, &ground, &interrupt).dry(manifests).await;
    }
    // The journal first: whoever holds it may be changing the sandbox's account.
    let who = format!("holdfast reconcile -f {}", args.manifest.file.display());
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
    let ended = Run::new(args, &ground, &interrupt).wet(manifests, &opened).await;
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
    name: String,
    /// The consents that the journal holds; a dry run knows of none.
    given: Vec<Given>,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, ground: &'a Ground, interrupt: &'a Interrupt) -> Run<'a> {
        if let Some(note) = &ground.note {
            match args.output {
                Output::Text => _ = print(&format!("{}\n", shown(note))),
                Output::Json => tell(&format!("{note}\n")),
            }
        }
        Run { args, ground, interrupt, name: name(ground.clock.now()), given: Vec::new() }
    }

    /// Looks at every object side by side, and shows what it found in the manifest's order.
    async fn dry(self, manifests: &Manifests) -> Ended {
        let looked = self.looks(manifests, &[]).await;
        if let Some(error) = misspelt(&looked) {
            return Ended::before_it_began(Exit::Failed, error);
        }
        let unknown = stale(&self.args.approve, &looked);
        let reports: Vec<Report> = looked.into_iter().map(Looked::report).collect();
        self.show_all(&reports);
        if let Some(unknown) = unknown.filter(|_| self.args.output == Output::Text) {
            print(&format!("{unknown}\n"));
        }
        self.advise(&reports);
        let exit = exit::of_run(&reports, manifests.has_errors(), self.args.detailed_exitcode);
        let exit = if self.interrupt.stopped() { Exit::Interrupted } else { exit };
        Ended { run: self.name, reports, error: None, exit }
    }

    /// Looks at every object, so that nothing is changed where the command line is about something else; then shows and applies one after the other,
    /// since they share a journal and a person's attention.
    async fn wet(mut self, manifests: &Manifests, opened: &Opened) -> Ended {
        if let Some((place, why)) = &opened.set_aside {
            tell(&format!(
                "the journal could not be used ({why}). It was set aside as {}; where things stand is read from AWS\n",
                place.display()
            ));
        }
        for record in &opened.past.interrupted {
            tell(&format!("an earlier run ended in the middle: {}; AWS is asked how it went\n", shown(&record.event.words())));
        }
        self.given = opened.past.consents.clone();
        let looked = self.looks(manifests, &opened.past.consents).await;
        if self.interrupt.stopped() {
            return Ended::before_it_began(Exit::Interrupted, "interrupted before anything was changed".to_owned());
        }
        if let Some(error) = misspelt(&looked) {
            return Ended::before_it_began(Exit::Failed, error);
        }
        if let Some(stale) = stale(&self.args.approve, &looked) {
            return self.refuse(looked, &stale);
        }
        let mut reports: Vec<Report> = Vec::new();
        for mut looked in looked {
            if self.interrupt.stopped() {
                break;
            }
            // Carrying out what comes before takes time, and may have changed this one's account.
            if reports.iter().any(|report| report.outcomes.as_ref().is_some_and(Outcomes::acted)) {
                looked = self.look_anew(looked).await;
            }
            reports.push(self.one(looked, &opened.journal, &opened.past).await);
        }
        self.go_on(&reports);
        let exit = if self.interrupt.stopped() {
            Exit::Interrupted
        } else {
            exit::of_run(&reports, manifests.has_errors(), self.args.detailed_exitcode)
        };
        let ended = vec![Event::RunEnded { exit: exit.code() }];
        if let Err(error) = opened.journal.append(&self.name, "", self.ground.clock.now(), ended, true).await {
            tell(&format!("holdfast: {error}\n"));
        }
        Ended { run: self.name, reports, error: None, exit }
    }

    /// Looks at every object side by side; `given` are the consents of the journal.
    async fn looks<'b>(&self, manifests: &'b Manifests, given: &[Given]) -> Vec<Looked<'b>> {
        let baselines = &manifests.baselines;
        let enforced = manifests.enforced();
        let each = baselines.iter().zip(others(baselines)).filter(|(baseline, _)| enforced(baseline));
        let looks = each.map(|(baseline, others)| async move {
            let (consent, used) = given_consent(given, &baseline.scope.object, &self.args.approve, self.ground.clock.now());
            let request = self.request(others, consent);
            let look = self.look_or_stop(baseline, &request).await;
            Looked { baseline, request, used, look }
        });
        futures::future::join_all(looks).await
    }

    async fn look_or_stop(&self, baseline: &Baseline, request: &Request) -> Result<Look, String> {
        tokio::select! {
            looked = self.look(baseline, request) => looked,
            () = self.interrupt.wished() => Err("interrupted before anything was changed".to_owned()),
        }
    }

    /// Looks a second time, and says so where a consent was for what was seen the first time.
    async fn look_anew<'b>(&self, before: Looked<'b>) -> Looked<'b> {
        let look = self.look_or_stop(before.baseline, &before.request).await;
        let hash = |look: &Result<Look, String>| look.as_ref().ok().map(|look| look.plan.hash.clone());
        let (was, is) = (hash(&before.look), hash(&look));
        if was != is && was.is_some_and(|was| before.request.consent.hashes.contains(&was)) {
            tell(&format!(
                "{}: its plan is another one since the objects before it were carried out, and the consent to the former does not count for it\n",
                shown(&before.baseline.scope.object)
            ));
        }
        Looked { look, ..before }
    }

    /// Ends the run before anything is changed, with the plans as they are now and how to consent to them.
    fn refuse(&self, looked: Vec<Looked<'_>>, stale: &str) -> Ended {
        let reports: Vec<Report> = looked.into_iter().map(Looked::report).collect();
        self.show_all(&reports);
        let what_to_do = match self.advise(&reports) {
            Advice::Consent(_) => "read them, and consent to them as they are now",
            Advice::Spent(_) => {
                "what waits in them was consented to before, and a consent counts once: find out who undoes what was done, and leave --approve out"
            }
            Advice::Nothing => "nothing in them waits for consent: read them, and leave --approve out",
        };
        // An object that could not be looked at failed, and nothing was done.
        let exit = if reports.iter().any(|report| report.error.is_some()) { Exit::Failed } else { Exit::Blocked };
        Ended { run: String::new(), reports, error: Some(format!("nothing was done: {stale}; {what_to_do}")), exit }
    }

    async fn one(&self, looked: Looked<'_>, journal: &Journal, past: &Past) -> Report {
        let Looked { baseline, request, used, look } = looked;
        let object = baseline.scope.object.clone();
        let failed = |error: String, plan: Option<Plan>| {
            self.show(None, Some(&error));
            Report { object: object.clone(), plan, outcomes: None, left: None, error: Some(error), untold: None }
        };
        let look = match look {
            Ok(look) => look,
            Err(error) => return failed(error, None),
        };
        self.show(Some(&look.plan), None);
        if let Some(used) = used.get(&look.plan.hash) {
            tell(&format!("{used}\n"));
        }
        let mut outcomes = match self.carry_out(baseline, &look, &request.consent, journal).await {
            Ok(outcomes) => outcomes,
            Err(error) => return failed(error, Some(look.plan)),
        };
        // The rest of it is as large again, and the account is about to be looked at a second time.
        let Look { plan, connection, resources, peers, .. } = look;
        drop((resources, peers));
        let left = match outcomes.acted() {
            true => {
                let consent = still_given(baseline, &plan, &request.consent, &outcomes);
                self.look_again(baseline, &Request { consent, ..request.clone() }, &outcomes).await
            }
            false => None,
        };
        if let Some(left) = &left {
            outcomes.see(left);
        }
        let hash = left.as_ref().map_or(plan.hash.as_str(), |left| left.hash.as_str());
        let untold = self.messages(&request.choice, journal, past).tell(baseline, &connection, &outcomes, hash).await;
        if let Some(error) = &untold {
            tell(&format!("{error}\n"));
        }
        if self.args.output == Output::Text {
            print(&format!("\n{}", show::outcomes(&outcomes)));
            if let Some(left) = &left {
                self.show_left(left, outcomes.stopped.is_some() || outcomes.failed().next().is_some());
            }
        }
        Report { object, plan: Some(plan), outcomes: Some(outcomes), left, error: None, untold }
    }

    /// Carries a plan out, with progress.
    async fn carry_out(&self, baseline: &Baseline, look: &Look, consent: &Consent, journal: &Journal) -> Result<Outcomes, String> {
        let clock = &self.ground.clock;
        let progress = Progress::new(look.plan.resources.iter().filter(|resource| resource.changes()).count(), clock);
        let say = |said: &crate::execute::Said| progress.said(said);
        let with = Apply { journal, clock, run: &self.name, interrupt: self.interrupt, say: &say };
        let outcomes = apply(baseline, look, consent, &with).await;
        progress.end();
        outcomes.map_err(|error| error.to_string())
    }

    /// Plans once more after changes, for a person to see what is left. Nothing of it is carried out: nobody has seen that plan yet. What this run saw done
    /// is not given up for one answer, as reads lag: what is in doubt, and nothing else, is looked at again, and counts when one look shows it.
    async fn look_again(&self, baseline: &Baseline, request: &Request, outcomes: &Outcomes) -> Option<Plan> {
        let mut look = match self.unless_stopped(self.look(baseline, request)).await? {
            Ok(look) => look,
            Err(error) => {
                tell(&format!("it could not be planned again: {error}\n"));
                return None;
            }
        };
        for wait in DOUBTS {
            let doubted = outcomes.contradicted(&look.plan);
            if doubted.is_empty() {
                break;
            }
            let again = async {
                self.ground.clock.sleep(wait).await;
                look_at(baseline, &mut look, &doubted, request, self.ground.clock.now()).await
            };
            if self.unless_stopped(again).await != Some(true) {
                break;
            }
        }
        Some(look.plan)
    }

    /// What comes of it, unless somebody wishes to stop first.
    async fn unless_stopped<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.interrupt.wished() => None,
            done = doing => Some(done),
        }
    }

    /// What is left after a run; where something failed or was stopped, the reason of it was said.
    fn show_left(&self, left: &Plan, failed: bool) {
        match left.in_sync() {
            true => print(&format!("planned again: nothing differs in {}\n", show::count(left.resources.len(), "resource"))),
            false => print(&format!("planned again, what is left:\n{}", text::render(left, self.args.verbose))),
        };
        if left.changes() && !failed {
            print(
                "nothing holds what is left: somebody changed it meanwhile, or what was done brought it with it. Read it, and run again\n",
            );
        }
    }

    async fn look(&self, baseline: &Baseline, request: &Request) -> Result<Look, String> {
        connected_look(baseline, &self.ground.connect, request, &self.ground.clock).await.map_err(|error| error.to_string())
    }

    fn request(&self, others: Others, consent: Consent) -> Request {
        Request { choice: Choice { only: self.args.only.clone(), skip: self.args.skip.clone() }, others, consent }
    }

    fn messages<'m>(&'m self, choice: &'m Choice, journal: &'m Journal, past: &'m Past) -> Messages<'m> {
        Messages { journal, past, clock: &self.ground.clock, run: &self.name, choice, interrupt: self.interrupt }
    }

    fn show(&self, plan: Option<&Plan>, error: Option<&str>) {
        if let Some(error) = error {
            complain(Exit::Failed, error);
        }
        if let Some(plan) = plan.filter(|_| self.args.output == Output::Text) {
            print(&text::render(plan, self.args.verbose));
        }
    }

    fn show_all(&self, reports: &[Report]) {
        for report in reports {
            self.show(report.plan.as_ref(), report.error.as_deref());
        }
    }

    /// How to go on after a run: with the same command where it was left in the middle, with consent where something waits for it.
    fn go_on(&self, reports: &[Report]) {
        let mut outcomes = reports.iter().filter_map(|report| report.outcomes.as_ref());
        if !self.interrupt.stopped() && !outcomes.any(Outcomes::interrupted) {
            self.advise(reports);
        } else if self.args.output == Output::Text {
            print(&format!(
                "what was sent goes on at AWS. The same command goes on from where that is by then:\n  {}\n",
                consent::command(&self.again(), self.args.approve.iter().map(String::as_str))
            ));
        }
    }

    /// Says how to consent to what waits for it.
    fn advise(&self, reports: &[Report]) -> Advice {
        let used = |object: &str, hash: &str| {
            let (_, mut used) = given_consent(&self.given, object, &[hash.to_owned()], self.ground.clock.now());
            used.remove(hash)
        };
        let advice = consent::advice(reports, &self.args.approve, &self.again(), used);
        if let (Advice::Spent(said) | Advice::Consent(said), Output::Text) = (&advice, self.args.output) {
            print(said);
        }
        advice
    }

    /// The command that plans the same: what it chooses, and where, belongs to it.
    fn again(&self) -> String {
        let mut words = vec!["holdfast reconcile -f".to_owned(), shell(&self.args.manifest.file.to_string_lossy())];
        #[cfg(feature = "sandbox")]
        words.extend(self.args.sandbox.map(|kind| match kind {
            SandboxKind::Quick => "--sandbox".to_owned(),
            SandboxKind::Live => "--sandbox=live".to_owned(),
        }));
        for (option, values) in [("--only", &self.args.only), ("--skip", &self.args.skip)] {
            words.extend(values.iter().flat_map(|value| [option.to_owned(), shell(value)]));
        }
        if let Some(state) = &self.args.state_dir {
            words.extend(["--state-dir".to_owned(), shell(&state.to_string_lossy())]);
        }
        words.join(" ")
    }
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=+@%,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Opens the journal off the runtime's threads: sled blocks.
async fn open(ground: String, state: &Path, who: String) -> Result<Opened, String> {
    let state = state.to_owned();
    let opened = tokio::task::spawn_blocking(move || Journal::open_on(&ground, &state, &who)).await;
    opened.map_err(|error| format!("the journal could not be opened: {error}"))?.map_err(|error| error.to_string())
}

/// A name for the run that sorts by time.
fn name(now: Timestamp) -> String {
    format!("{}-{:04x}", now.strftime("%Y%m%dT%H%M%S"), fastrand::u16(..))
}

/// The first Ctrl-C or SIGTERM finishes the request under way; the second leaves at once.
fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    tokio::spawn(async move {
        if wait_for_signal().await {
            tell("\nstopping: the request under way is finished and recorded; once more leaves at once\n");
            interrupt.stop();
            if wait_for_signal().await {
                // Safe at any point: every intent is on disk before its effect, and the next run asks AWS.
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    });
}

/// Says whether a signal came; false where none can be listened for.
async fn wait_for_signal() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut term) = signal(SignalKind::terminate()) else { return tokio::signal::ctrl_c().await.is_ok() };
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
            _ = term.recv() => true,
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

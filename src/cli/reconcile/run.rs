//! A run over the objects of a manifest: looking, showing, carrying out.

use jiff::Timestamp;

use super::super::consent::{Advice, Looked, misspelt, stale};
use super::super::ground::Ground;
use super::super::notify::Messages;
use super::super::progress::Progress;
use super::super::{complain, print, show, tell};
use super::args::{Args, Form};
use super::{Ended, Run};
use crate::desired::{Choice, Others};
use crate::execute::record::Event;
use crate::execute::{Given, Interrupt, Journal, Opened, Outcomes, Past};
use crate::exit::{self, Exit};
use crate::load::Manifests;
use crate::manifest::Problem;
use crate::plan::escape::shown;
use crate::plan::{Consent, Plan, text};
use crate::reconcile::consent::{consent as given_consent, given_now, on_earlier_consent, still_given};
use crate::reconcile::{Apply, Baseline, Look, Report, Request, apply, connected_look, others};

impl<'a> Run<'a> {
    pub(super) fn new(args: &'a Args, ground: &'a Ground, interrupt: &'a Interrupt, problems: &'a [Problem]) -> Run<'a> {
        if let Some(note) = &ground.note {
            match args.output {
                Form::Text => _ = print(&format!("{}\n", shown(note))),
                _ => tell(&format!("{note}\n")),
            }
        }
        Run { args, ground, interrupt, problems, name: name(ground.clock.now()), given: Vec::new() }
    }

    /// Looks at every object side by side, and shows what it found in the manifest's order.
    pub(super) async fn dry(self, manifests: &Manifests) -> Ended {
        let looked = self.looks(manifests, &[]).await;
        if let Some(error) = misspelt(&looked) {
            return Ended::before_it_began(Exit::Failed, error);
        }
        let base = match &self.args.compare_to {
            None => None,
            Some(folder) => Some(self.base(folder).await),
        };
        let unknown = stale(&self.args.approve, &looked);
        let reports: Vec<Report> = looked.into_iter().map(Looked::report).collect();
        self.show_all(&reports);
        let comparison = base.map(|base| base.compared(&reports));
        if let Some(comparison) = comparison.as_ref().filter(|_| self.args.output == Form::Text) {
            print(&show::comparison(comparison));
        }
        if let Some(unknown) = unknown.filter(|_| self.args.output == Form::Text) {
            print(&format!("{unknown}\n"));
        }
        let mut consent = self.advise(&reports).words().to_owned();
        if show::consents_not_looked_at(&reports) {
            let said = self.not_looked_at();
            consent.push_str(&said);
            if self.args.output == Form::Text {
                print(&said);
            }
        }
        let exit = exit::of_run(&reports, manifests.has_errors(), self.args.detailed_exitcode);
        let exit = if self.interrupt.stopped() { Exit::Interrupted } else { exit };
        Ended { consent, at: self.ground.clock.now(), run: self.name, reports, error: None, comparison, exit }
    }

    /// Looks at every object, so that nothing is changed where the command line is about something else; then shows and applies one after the other,
    /// since they share a journal and a person's attention.
    pub(super) async fn wet(mut self, manifests: &Manifests, opened: &Opened) -> Ended {
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
            self.apart(reports.len());
            reports.push(self.one(looked, &opened.journal, &opened.past).await);
        }
        self.in_all(&reports);
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
        let consent = self.advice(&reports).words().to_owned();
        Ended { consent, at: self.ground.clock.now(), run: self.name, reports, error: None, comparison: None, exit }
    }

    /// Looks at every object side by side; `given` are the consents of the journal.
    pub(super) async fn looks<'b>(&self, manifests: &'b Manifests, given: &[Given]) -> Vec<Looked<'b>> {
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

    pub(super) async fn look_or_stop(&self, baseline: &Baseline, request: &Request) -> Result<Look, String> {
        tokio::select! {
            looked = self.look(baseline, request) => looked,
            () = self.interrupt.wished() => Err("interrupted before anything was changed".to_owned()),
        }
    }

    /// Looks a second time, and says so where a consent was for what was seen the first time.
    pub(super) async fn look_anew<'b>(&self, before: Looked<'b>) -> Looked<'b> {
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
    pub(super) fn refuse(&self, looked: Vec<Looked<'_>>, stale: &str) -> Ended {
        let reports: Vec<Report> = looked.into_iter().map(Looked::report).collect();
        self.show_all(&reports);
        let advice = self.advise(&reports);
        let what_to_do = match advice {
            Advice::Consent(_) => "read them, and consent to them as they are now",
            Advice::Spent(_) => {
                "what waits in them was consented to before, and a consent counts once: find out who undoes what was done, and leave --approve out"
            }
            Advice::Nothing => "nothing in them waits for consent: read them, and leave --approve out",
        };
        // An object that could not be looked at failed, and nothing was done.
        let exit = if reports.iter().any(|report| report.error.is_some()) { Exit::Failed } else { Exit::Blocked };
        let error = Some(format!("nothing was done: {stale}; {what_to_do}"));
        Ended {
            consent: advice.words().to_owned(),
            at: self.ground.clock.now(),
            run: String::new(),
            reports,
            error,
            comparison: None,
            exit,
        }
    }

    pub(super) async fn one(&self, looked: Looked<'_>, journal: &Journal, past: &Past) -> Report {
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
            tell(&format!("{}\n", used.words));
        }
        for steps in on_earlier_consent(baseline, &look.plan, &request.consent, &self.given) {
            tell(&format!("{steps}\n"));
        }
        let given_now = given_now(baseline, &look.plan, &request.consent, self.ground.clock.now());
        let mut outcomes = match self.carry_out(baseline, &look, &request.consent, journal).await {
            Ok(outcomes) => outcomes,
            Err(error) => return failed(error, Some(look.plan)),
        };
        // The rest of it is as large again, and the account is about to be looked at a second time.
        let Look { plan, connection, resources, peers, .. } = look;
        drop((resources, peers));
        let still = still_given(baseline, &plan, &request.consent, &outcomes);
        let left = match outcomes.acted() {
            true => self.look_again(baseline, &Request { consent: still.clone(), ..request.clone() }, &outcomes).await,
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
        if self.args.output == Form::Text {
            print(&format!("\n{}", show::outcomes(&outcomes)));
            if let Some(left) = &left {
                self.show_left(left, outcomes.stopped.is_some() || outcomes.failed().next().is_some());
            }
        }
        let given: Vec<Given> = self.given.iter().cloned().chain(given_now).collect();
        self.say_kept(baseline, left.as_ref().unwrap_or(&plan), &still, &given);
        Report { object, plan: Some(plan), outcomes: Some(outcomes), left, error: None, untold }
    }

    /// Carries a plan out, with progress.
    pub(super) async fn carry_out(
        &self,
        baseline: &Baseline,
        look: &Look,
        consent: &Consent,
        journal: &Journal,
    ) -> Result<Outcomes, String> {
        let clock = &self.ground.clock;
        let progress = Progress::new(look.plan.resources.iter().filter(|resource| resource.changes()).count(), clock);
        let say = |said: &crate::execute::Said| progress.said(said);
        let with = Apply { journal, clock, run: &self.name, interrupt: self.interrupt, say: &say };
        let outcomes = apply(baseline, look, consent, &with).await;
        progress.end();
        outcomes.map_err(|error| error.to_string())
    }

    pub(super) async fn look(&self, baseline: &Baseline, request: &Request) -> Result<Look, String> {
        connected_look(baseline, &self.ground.connect, request, &self.ground.clock).await.map_err(|error| error.to_string())
    }

    pub(super) fn request(&self, others: Others, consent: Consent) -> Request {
        Request { choice: Choice { only: self.args.only.clone(), skip: self.args.skip.clone() }, others, consent }
    }

    pub(super) fn messages<'m>(&'m self, choice: &'m Choice, journal: &'m Journal, past: &'m Past) -> Messages<'m> {
        Messages { journal, past, clock: &self.ground.clock, run: &self.name, choice, interrupt: self.interrupt, problems: self.problems }
    }

    pub(super) fn show(&self, plan: Option<&Plan>, error: Option<&str>) {
        if let Some(error) = error {
            complain(Exit::Failed, error);
        }
        if let Some(plan) = plan.filter(|_| self.args.output == Form::Text) {
            print(&text::render(plan, show::left_out(self.problems, &plan.object), self.args.verbose));
        }
    }

    pub(super) fn show_all(&self, reports: &[Report]) {
        for (place, report) in reports.iter().enumerate() {
            self.apart(place);
            self.show(report.plan.as_ref(), report.error.as_deref());
        }
        self.in_all(reports);
    }

    /// Sets an object off from the one before it.
    fn apart(&self, place: usize) {
        if place > 0 && self.args.output == Form::Text {
            print("\n");
        }
    }

    fn in_all(&self, reports: &[Report]) {
        if let Some(said) = show::in_all(reports, self.problems).filter(|_| self.args.output == Form::Text) {
            print(&format!("\n{said}"));
        }
    }
}

/// A name for the run that sorts by time.
pub(in crate::cli) fn name(now: Timestamp) -> String {
    format!("{}-{:04x}", now.strftime("%Y%m%dT%H%M%S"), fastrand::u16(..))
}

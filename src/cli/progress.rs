//! Progress on stderr: a bar on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use jiff::Timestamp;

use super::tell;
use crate::clock::Clock;
use crate::execute::{End, Said};
use crate::kinds::Key;
use crate::plan::escape::shown;

/// How often a wait is said again where there is no terminal.
const AGAIN: Duration = Duration::from_secs(30);

/// Tells a person what a run is doing.
pub struct Progress {
    bar: Option<ProgressBar>,
    clock: Clock,
    begun: Timestamp,
    /// When a resource's wait was last said, where it is said in lines.
    waits: Mutex<BTreeMap<Key, (String, Instant)>>,
}

impl Progress {
    /// Progress over `resources` that will change.
    pub fn new(resources: usize, clock: &Clock) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(resources as u64), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Progress { bar, clock: clock.clone(), begun: clock.now(), waits: Mutex::default() }
    }

    /// Takes in what happened.
    pub fn said(&self, said: &Said) {
        match said {
            Said::Pass { .. } => {}
            Said::Starting { resource, step, undo } => {
                self.line(resource, &format!("{}{step} ...", if *undo { "taking back: " } else { "" }))
            }
            Said::Done { resource, step, undo } => self.line(resource, &format!("{}: {step}", if *undo { "taken back" } else { "done" })),
            Said::Waiting { resource, what } => self.waiting(resource, what),
            Said::Ended { resource, end } => {
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
                match end {
                    End::Changed => self.line(resource, "as declared"),
                    End::Failed { message, .. } => self.line(resource, &format!("failed: {message}")),
                    End::RolledBack { message, .. } => self.line(resource, &format!("rolled back: {message}")),
                    End::Blocked { .. } | End::Partly { .. } => self.line(resource, end.word()),
                    End::Unchanged | End::Interrupted { .. } => {}
                }
            }
        }
    }

    /// Clears the bar.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn waiting(&self, resource: &Key, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(crate::aws::reveal_nothing(&shown(&format!("{resource}: waiting: {what}"))));
            return;
        }
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let due = waits.get(resource).is_none_or(|(last, at)| last != what || at.elapsed() >= AGAIN);
        if due {
            waits.insert(resource.clone(), (what.to_owned(), Instant::now()));
            self.line(resource, &format!("waiting: {what}"));
        }
    }

    fn line(&self, resource: &Key, what: &str) {
        // On the run's own clock: in the sandbox, minutes pass in no time.
        let passed = self.clock.now().duration_since(self.begun).as_secs();
        let text = format!("{:>3}:{:02}  {}", passed / 60, passed % 60, shown(&format!("{resource}: {what}")));
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(&format!("{text}\n"))),
            None => tell(&format!("{text}\n")),
        }
    }
}

//! What the progress of a step means, with its deadline and the requests that were sent for it.

use std::time::Duration;

use jiff::Timestamp;

use super::{ATTEMPTS, DOUBT, Work};
use crate::clock::later;
use crate::kinds::{Progress, Why};

pub(super) enum Verdict {
    Done,
    Wait(String),
    Start(u32),
    Failed(String),
    Stale(String),
}

impl Work<'_> {
    pub(super) fn judge(&mut self, progress: Progress, title: &str, seconds: u64, undo: bool, now: Timestamp) -> Verdict {
        let deadline = Duration::from_secs(seconds);
        // What runs already, begun by somebody else or by an earlier run, has a deadline too.
        let entered = *self.entered.get_or_insert(now);
        let late = now > later(self.begun.as_ref().map_or(entered, |begun| begun.first), deadline);
        let too_late = |what: &str| {
            let verb = if undo { "undoing it" } else { "it" };
            Verdict::Failed(format!("\"{title}\": {verb} was not done within {} ({what})", minutes(seconds)))
        };
        match progress {
            Progress::Done => Verdict::Done,
            Progress::Failed(why) => Verdict::Failed(format!("\"{title}\": {why}")),
            Progress::Unknown(why) if why.why == Why::Denied => {
                Verdict::Failed(format!("\"{title}\": {}: {} ({})", why.call, why.message, why.what_to_do()))
            }
            Progress::Unknown(why) if late && why.why != Why::Throttled => {
                too_late(&format!("{} could not be read: {}", why.call, why.message))
            }
            Progress::Unknown(why) => Verdict::Wait(format!("an answer to {}", why.call)),
            // Something else is under way there: the step itself was never begun.
            Progress::Running(what) if late && self.begun.as_ref().is_none_or(|begun| begun.attempts == 0) => {
                too_late(&format!("{what}; nothing was sent for it in this run"))
            }
            Progress::Running(what) if late => too_late(&what),
            Progress::Running(what) => {
                if let Some(begun) = self.begun.as_mut().filter(|begun| begun.attempts > 0) {
                    begun.ran = true;
                }
                Verdict::Wait(what)
            }
            // After a request of this run an older document may be on show: no sign that somebody else was there.
            Progress::Stale(_) if self.begun.as_ref().is_some_and(|begun| begun.attempts > 0 && now < later(begun.last, DOUBT)) => {
                Verdict::Wait("AWS to show it".to_owned())
            }
            Progress::Stale(why) => Verdict::Stale(why),
            Progress::Unclear { what, settle } if self.begun.as_ref().is_some_and(|begun| begun.acknowledged || begun.ran) => {
                let settled = self.begun.as_ref().is_some_and(|begun| now >= later(begun.last, settle));
                if settled { Verdict::Done } else { Verdict::Wait(what) }
            }
            Progress::Pending | Progress::Unclear { .. } => match &self.begun {
                None => Verdict::Start(1),
                Some(begun) if late => too_late(begun.refusal.as_deref().unwrap_or("AWS does not show it")),
                Some(begun) if begun.acknowledged => Verdict::Wait("AWS to show it".to_owned()),
                Some(begun) if now < begun.not_before => Verdict::Wait("AWS to take it: it is busy".to_owned()),
                Some(begun) if begun.attempts == 0 => Verdict::Start(1),
                Some(begun) if now < later(begun.last, DOUBT) => Verdict::Wait("AWS to show whether it was applied".to_owned()),
                Some(begun) if begun.attempts >= ATTEMPTS => Verdict::Failed(format!("\"{title}\": no answer to {ATTEMPTS} tries")),
                Some(begun) => Verdict::Start(begun.attempts + 1),
            },
        }
    }
}

fn minutes(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

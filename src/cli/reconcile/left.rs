//! What is left when a run has done what it could.

use std::time::Duration;

use super::super::{print, show, tell};
use super::Run;
use crate::execute::Outcomes;
use crate::plan::{Plan, text};
use crate::reconcile::{Baseline, Request, look_at};

/// The waits before each look at what a run saw done and the look after it shows otherwise.
const DOUBTS: [Duration; 5] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

impl Run<'_> {
    /// Plans once more after changes, for a person to see what is left. Nothing of it is carried out: nobody has seen that plan yet. What this run saw done
    /// is not given up for one answer, as reads lag: what is in doubt, and nothing else, is looked at again, and counts when one look shows it.
    pub(super) async fn look_again(&self, baseline: &Baseline, request: &Request, outcomes: &Outcomes) -> Option<Plan> {
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
    pub(super) async fn unless_stopped<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.interrupt.wished() => None,
            done = doing => Some(done),
        }
    }

    /// What is left after a run; where something failed or was stopped, the reason of it was said.
    pub(super) fn show_left(&self, left: &Plan, failed: bool) {
        match left.in_sync() {
            true => print(&format!("planned again: nothing differs in {}\n", show::count(left.resources.len(), "resource"))),
            false => print(&format!(
                "planned again, what is left:\n{}",
                text::render(left, show::left_out(self.problems, &left.object), self.args.verbose)
            )),
        };
        if left.changes() && !failed {
            print(
                "nothing holds what is left: somebody changed it meanwhile, or what was done brought it with it. Read it, and run again\n",
            );
        }
    }
}

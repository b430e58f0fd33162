//! What a run found or did, for those who read it elsewhere than on a terminal: a reviewer in the pull request, a program. Pure.
//!
//! None of this knows a kind: what it says of fields comes from the kinds' declarations.

pub mod compare;
pub mod junit;
pub mod markdown;
mod places;
pub mod sarif;
mod words;

use jiff::Timestamp;

use self::compare::Comparison;
use crate::exit::Exit;
use crate::manifest::Problem;
use crate::plan::{Plan, ResourcePlan};
use crate::reconcile::{Baseline, Report};

/// A run, as every form of it is made from.
pub struct Review<'a> {
    pub dry_run: bool,
    /// Where it was: `AWS`, `the endpoint` with its URL, or `the sandbox`.
    pub ground: &'a str,
    /// The objects of the manifest, and where they are written.
    pub baselines: &'a [Baseline],
    /// The folder in which the run was started: files are named from there.
    pub folder: Option<&'a str>,
    /// One an object.
    pub reports: &'a [Report],
    /// What is wrong with the manifest.
    pub problems: &'a [Problem],
    /// Why the run as a whole failed, where it did not come to the objects.
    pub error: Option<&'a str>,
    /// How to consent to what waits for it, in lines; one that begins with blanks is a command.
    pub consent: &'a str,
    pub exit: Exit,
    /// What stood before, where that was asked for.
    pub comparison: Option<&'a Comparison>,
    /// When: exceptions end.
    pub at: Timestamp,
}

impl<'a> Review<'a> {
    /// The plan that says how each object stands now: after a run the one made at its end.
    pub fn plans(&self) -> impl Iterator<Item = &'a Plan> + use<'a> {
        self.reports.iter().filter_map(|report| report.left.as_ref().or(report.plan.as_ref()))
    }

    /// The plans that a run was about: those of a dry run, and what one that applied has carried out.
    pub fn planned(&self) -> impl Iterator<Item = &'a Plan> + use<'a> {
        self.reports.iter().filter_map(|report| report.plan.as_ref())
    }

    /// Whether something of the manifest is wrong, and not enforced.
    pub fn has_mistakes(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Whether there is anything to say of a resource, beside that it is in sync.
fn speaks(resource: &ResourcePlan) -> bool {
    resource.status != crate::plan::Status::InSync || !resource.excepted.is_empty() || !resource.notes.is_empty()
}

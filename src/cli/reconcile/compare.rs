//! `--compare-to`: what the manifest that a commit is made on comes to, beside what this one does.

use std::path::Path;

use super::Run;
use crate::load::{Manifests, load_all};
use crate::plan::Plan;
use crate::plan::escape::shown;
use crate::reconcile::Report;
use crate::report::compare::{Base, Comparison, compare};

/// The plans of the base.
pub(super) struct BasePlans {
    name: String,
    plans: Vec<(String, Result<Plan, String>)>,
    /// Objects that mistakes leave a part of out, each by its name; nothing: a document that names none.
    wrong: Vec<Option<String>>,
}

impl Run<'_> {
    /// Looks at the account by the manifests of the base.
    pub(super) async fn base(&self, folder: &Path) -> Result<BasePlans, String> {
        let manifests: Manifests = load_all(&[folder.to_owned()]);
        let name = folder.display().to_string();
        if manifests.baselines.is_empty() {
            let why =
                manifests.problems.iter().find(|problem| problem.is_error()).map(|problem| format!(": {}", shown(&problem.in_a_line())));
            let why = why.unwrap_or_default();
            return Err(format!(
                "--compare-to {name} holds nothing to compare with{why}; leave --compare-to out where there was no manifest before"
            ));
        }
        let looked = self.looks(&manifests, &[]).await;
        let plans = looked.into_iter().map(|one| (one.baseline.scope.object.clone(), one.look.map(|look| look.plan)));
        let wrong = manifests.problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.object.clone());
        Ok(BasePlans { name, plans: plans.collect(), wrong: wrong.collect() })
    }
}

impl BasePlans {
    /// Each object beside its like of the base.
    pub(super) fn compared(&self, reports: &[Report]) -> Comparison {
        let plans = reports.iter().filter_map(|report| report.plan.as_ref());
        let objects = plans.map(|plan| compare(plan, &self.of(&plan.object))).collect();
        Comparison { base: self.name.clone(), objects }
    }

    fn of(&self, object: &str) -> Base<'_> {
        // What is left out of the base would pass for what this commit brings.
        if self.wrong.iter().any(|wrong| wrong.as_deref().is_none_or(|wrong| wrong == object)) {
            return Base::Unknown(format!("a part of it is wrong: `holdfast validate -f {}` says what", shown(&self.name)));
        }
        match self.plans.iter().find(|(name, _)| name == object) {
            Some((_, Ok(plan))) => Base::Planned(plan),
            Some((_, Err(error))) => Base::Unknown(error.clone()),
            None => Base::Absent,
        }
    }
}

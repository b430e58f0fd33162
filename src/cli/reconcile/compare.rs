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
    /// Why nothing of it could be looked at.
    unknown: Option<String>,
    /// It holds no manifest at all.
    is_empty: bool,
}

impl Run<'_> {
    /// Looks at the account by the manifests of the base.
    pub(super) async fn base(&self, folder: &Path) -> BasePlans {
        let manifests: Manifests = load_all(&[folder.to_owned()]);
        let name = folder.display().to_string();
        // A folder that holds none says that there was none before; one that is not there, or holds mistakes alone, says nothing.
        let is_empty = manifests.empty > 0;
        let unknown = (manifests.baselines.is_empty() && !is_empty).then(|| {
            let error = manifests.problems.iter().find(|problem| problem.is_error());
            let why = error.map(|problem| format!(": {}", shown(&problem.in_a_line()))).unwrap_or_default();
            format!("{name} holds nothing to compare with{why}; where there was no manifest before, give an empty folder")
        });
        let looked = self.looks(&manifests, &[]).await;
        let plans = looked.into_iter().map(|one| (one.baseline.scope.object.clone(), one.look.map(|look| look.plan)));
        let wrong = manifests.problems.iter().filter(|problem| problem.is_error() && !is_empty).map(|problem| problem.object.clone());
        BasePlans { name, plans: plans.collect(), wrong: wrong.collect(), unknown, is_empty }
    }
}

impl BasePlans {
    /// Each object beside its like of the base.
    pub(super) fn compared(&self, reports: &[Report]) -> Comparison {
        let plans = reports.iter().filter_map(|report| report.plan.as_ref());
        let objects = plans.map(|plan| compare(plan, &self.of(&plan.object))).collect();
        Comparison { base: self.name.clone(), is_empty: self.is_empty, objects }
    }

    fn of(&self, object: &str) -> Base<'_> {
        if let Some(why) = &self.unknown {
            return Base::Unknown(why.clone());
        }
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

//! What a commit changes, held apart from what differed before: the plan of its manifest beside the plan of the manifest that it is made on, both of the
//! account as it is now. Pure.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{Drift, Key};
use crate::plan::{Plan, ResourcePlan};

/// The differences of a run, by where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What it was compared with, as `--compare-to` names it.
    pub base: String,
    /// The base holds no manifest: there was none before, and everything is of this one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_empty: bool,
    /// One an object that was planned.
    pub objects: Vec<Compared>,
}

/// The differences of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The object's `metadata.name`, behind its namespace and a slash where it has one.
    pub object: String,
    /// Why the base could not be planned: nobody knows then what stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Those that come with this manifest: by the base nothing differs there, or another value is declared.
    pub changes: Vec<FieldOf>,
    /// Those that differ by the base just the same.
    pub before: Vec<FieldOf>,
    /// Those of which nobody knows, since the base could not be planned, or their resource not be read for it.
    pub unknown: Vec<FieldOf>,
    /// Differences of the base that this manifest has no more: not declared, declared otherwise, or excepted.
    pub gone: Vec<FieldOf>,
    /// Steps for what differed before that a run does by this manifest, and would not by the base.
    pub let_go: Vec<StepOf>,
}

/// A field of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct FieldOf {
    #[serde(flatten)]
    pub key: Key,
    /// The field's path below its resource.
    pub field: String,
}

/// A step of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StepOf {
    #[serde(flatten)]
    pub key: Key,
    /// Its sentence.
    pub step: String,
}

/// The plan of the base.
pub enum Base<'a> {
    Planned(&'a Plan),
    /// The base holds no such object.
    Absent,
    /// Why it could not be planned.
    Unknown(String),
}

/// Holds the plan of one object beside that of the base.
pub fn compare(plan: &Plan, base: &Base<'_>) -> Compared {
    let mut compared = Compared { object: plan.object.clone(), ..Compared::default() };
    let base = match base {
        Base::Planned(base) if (&base.account, &base.region) == (&plan.account, &plan.region) => Some(*base),
        Base::Planned(_) | Base::Absent => None,
        Base::Unknown(why) => {
            compared.error = Some(why.clone());
            compared.unknown = fields(plan).map(|(key, drift)| FieldOf::new(key, drift)).collect();
            return compared;
        }
    };
    let of_base: HashMap<&Key, &ResourcePlan> = base.iter().flat_map(|base| &base.resources).map(|one| (&one.key, one)).collect();
    for resource in &plan.resources {
        let was = of_base.get(&resource.key);
        let mut stood: HashSet<&str> = HashSet::new();
        for drift in &resource.drifts {
            let field = FieldOf::new(&resource.key, drift);
            let same = was.is_some_and(|was| was.drifts.iter().any(|one| one.field == drift.field && one.declared == drift.declared));
            match () {
                () if same => {
                    stood.insert(&drift.field);
                    compared.before.push(field);
                }
                () if was.is_some_and(|was| was.unreadable.iter().any(|one| one.field.is_empty() || one.field == drift.field)) => {
                    compared.unknown.push(field);
                }
                () => compared.changes.push(field),
            }
        }
        // A policy, a window or a consent in the manifest can let go what was held.
        let done = |one: &ResourcePlan, op: &crate::kinds::Operation| one.steps.iter().any(|step| step.held.is_none() && step.op == *op);
        let steps =
            resource.steps.iter().filter(|step| step.held.is_none() && step.fields.iter().any(|field| stood.contains(field.as_str())));
        let steps = steps.filter(|step| !was.is_some_and(|was| done(was, &step.op)));
        compared.let_go.extend(steps.map(|step| StepOf { key: resource.key.clone(), step: step.title.clone() }));
    }
    let now: HashSet<(&Key, &str)> = fields(plan).map(|(key, drift)| (key, drift.field.as_str())).collect();
    let gone = base.into_iter().flat_map(fields).filter(|(key, drift)| !now.contains(&(*key, drift.field.as_str())));
    compared.gone.extend(gone.map(|(key, drift)| FieldOf::new(key, drift)));
    compared
}

fn fields(plan: &Plan) -> impl Iterator<Item = (&Key, &Drift)> {
    plan.resources.iter().flat_map(|resource| resource.drifts.iter().map(|drift| (&resource.key, drift)))
}

impl FieldOf {
    fn new(key: &Key, drift: &Drift) -> FieldOf {
        FieldOf { key: key.clone(), field: drift.field.clone() }
    }
}

impl Comparison {
    /// What it was compared with: `base`, or that there was nothing.
    pub fn ground(&self) -> &'static str {
        match self.is_empty {
            true => ", which holds no manifest: there was none before",
            false => "",
        }
    }

    /// The differences of all objects that come with this manifest, or of which that is not known.
    pub(super) fn of_this(&self) -> HashSet<(&str, &Key, &str)> {
        self.objects
            .iter()
            .flat_map(|one| one.changes.iter().chain(&one.unknown).map(|field| (one.object.as_str(), &field.key, field.field.as_str())))
            .collect()
    }
}

impl Compared {
    /// `2 differences come with this manifest, 5 stood before`.
    pub fn words(&self) -> String {
        use crate::plan::text::count;
        let (changes, before, unknown, gone) = (self.changes.len(), self.before.len(), self.unknown.len(), self.gone.len());
        let stood = |number: usize| if number == 1 { "stands" } else { "stand" };
        let parts = [
            Some(format!("{} with this manifest", count(changes, "difference"))),
            Some(format!("{before} as before")),
            (unknown > 0).then(|| format!("of {unknown} it is not known")),
            (gone > 0).then(|| format!("{gone} of the base {} no more", stood(gone))),
            (!self.let_go.is_empty()).then(|| format!("{} let go", count(self.let_go.len(), "step"))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

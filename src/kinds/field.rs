//! What a kind declares of one field: where the wish and the fact are found, how they compare, what changing it means.

use serde_json::Value;

use super::{Fact, Impact, Kind};

/// One thing that can be declared and compared. The path is the one in the manifest, below the resource.
pub struct Field<K: Kind> {
    /// `publicAccessBlock.blockPublicAcls`. Exceptions, `explain` and the plan name it so.
    pub path: &'static str,
    /// What the manifest declares; `None`: not declared, hence neither read nor compared nor sent.
    pub wish: fn(&K::Spec) -> Option<Value>,
    pub fact: fn(&K::Seen) -> Fact<Value>,
    /// Whether what was found satisfies what is declared.
    pub rule: Rule,
    pub shape: Shape,
    /// What changing it means, by value: `(found, or null; declared)`. See [`Field::impact_of`].
    pub impact: fn(&Value, &Value) -> Impact,
    /// The controls that it answers to.
    pub controls: &'static [Control],
    /// The field whose declaration asks for this one, where it stands in no manifest itself: parameters are declared to be in force.
    pub implied_by: Option<&'static str>,
    /// It says whether something that was begun is at its end. No exception leaves that in the middle, and observing it is not enough.
    pub must_end: bool,
}

/// When a found value satisfies a declared one.
#[derive(Clone, Copy)]
pub enum Rule {
    /// They are equal.
    Exact,
    /// They are equal as sets: order and repetition say nothing.
    Set,
    /// What is found holds at least the declared entries; others are not ours.
    Superset,
    /// A protective number: more satisfies less (30 days of backups found satisfy 7 declared).
    AtLeast,
    /// The kind's own comparison: `(found, declared)`.
    Own(fn(&Value, &Value) -> bool),
    /// The same, where what is higher, finer or stricter than declared satisfies it too.
    OwnAtLeast(fn(&Value, &Value) -> bool),
}

/// How a field is taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One,
    /// The wish is an object and each of its keys a field of its own (`parameters.rds.force_ssl`, `tags.team`): keys that
    /// are not declared are not looked at; a declared `null` means that the key must be absent.
    Keyed,
}

/// A control of a published benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// `FSBP` (AWS Foundational Security Best Practices) or `CIS` (AWS Foundations Benchmark, with its version).
    pub benchmark: &'static str,
    /// `S3.8`, `3.0.0/2.1.4`.
    pub id: &'static str,
}

impl<K: Kind> Field<K> {
    /// A field of one value that must be equal, and can be changed while everything runs.
    pub const fn new(path: &'static str, wish: fn(&K::Spec) -> Option<Value>, fact: fn(&K::Seen) -> Fact<Value>) -> Field<K> {
        Field {
            path,
            wish,
            fact,
            rule: Rule::Exact,
            shape: Shape::One,
            impact: |_, _| Impact::Online,
            controls: &[],
            implied_by: None,
            must_end: false,
        }
    }

    pub const fn rule(mut self, rule: Rule) -> Field<K> {
        self.rule = rule;
        self
    }

    pub const fn keyed(mut self) -> Field<K> {
        self.shape = Shape::Keyed;
        self
    }

    pub const fn impact(mut self, impact: fn(&Value, &Value) -> Impact) -> Field<K> {
        self.impact = impact;
        self
    }

    /// What changing it means. A switch that a benchmark wants on is not turned off without consent, whoever notices it.
    pub fn impact_of(&self, found: &Value, declared: &Value) -> Impact {
        let off = !self.controls.is_empty() && *found == Value::Bool(true) && *declared == Value::Bool(false);
        (self.impact)(found, declared).max(if off { Impact::Disruptive } else { Impact::Online })
    }

    pub const fn implied_by(mut self, field: &'static str) -> Field<K> {
        self.implied_by = Some(field);
        self
    }

    pub const fn must_end(mut self) -> Field<K> {
        self.must_end = true;
        self
    }

    pub const fn controls(mut self, controls: &'static [Control]) -> Field<K> {
        self.controls = controls;
        self
    }
}

impl Rule {
    pub fn satisfied(self, found: &Value, declared: &Value) -> bool {
        match self {
            Rule::Exact => found == declared,
            Rule::Set => subset(found, declared) && subset(declared, found),
            Rule::Superset => subset(declared, found),
            Rule::AtLeast => match (found.as_f64(), declared.as_f64()) {
                (Some(found), Some(declared)) => found >= declared,
                _ => false,
            },
            Rule::Own(same) | Rule::OwnAtLeast(same) => same(found, declared),
        }
    }

    /// How `explain` says it.
    pub fn words(self) -> &'static str {
        match self {
            Rule::Exact => "must be equal",
            Rule::Set => "must hold the same entries, in any order",
            Rule::Superset => "must hold at least these entries",
            Rule::AtLeast => "at least: a higher value found satisfies a lower one declared",
            Rule::Own(_) => "must mean the same",
            Rule::OwnAtLeast(_) => "at least: what is found and is higher, finer or stricter satisfies what is declared",
        }
    }
}

fn subset(few: &Value, many: &Value) -> bool {
    let entries = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let many = entries(many);
    entries(few).iter().all(|entry| many.contains(entry))
}

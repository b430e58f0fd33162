//! Manifests to baselines: read, checked by schema and by their kinds, and no thing claimed twice.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::desired::{self, Entry};
use crate::kinds::{Multiplicity, Scope, registry};
use crate::manifest::{self, Claim, KindSchema, Loaded, Mark, Problem, Reading, Windows, manifest_schema, partition};
use crate::reconcile::Baseline;

/// What a folder or file of manifests holds.
pub struct Manifests {
    /// What can be enforced.
    pub baselines: Vec<Baseline>,
    /// Everything that is wrong, in order.
    pub problems: Vec<Problem>,
    pub files: usize,
}

impl Manifests {
    /// Whether a part of it is not enforced because of a mistake.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// The schema of a manifest, from what the kinds declare.
pub fn schema() -> Value {
    let kinds: Vec<KindSchema> = registry()
        .iter()
        .filter(|kind| kind.shape() != Multiplicity::Composed)
        .map(|kind| KindSchema { path: kind.path(), many: kind.shape() == Multiplicity::Many, schema: kind.schema() })
        .collect();
    manifest_schema(&kinds)
}

/// Reads a manifest, or a folder of them.
pub fn load(path: &Path) -> Manifests {
    check(manifest::read(path, &schema()))
}

/// Reads a manifest out of a text; `name` stands for its file in what is said.
pub fn load_text(name: &str, text: &str) -> Manifests {
    check(manifest::read_text(name, text, &schema()))
}

fn check(reading: Reading) -> Manifests {
    let mut problems = reading.problems;
    let mut read: Vec<(Loaded, Baseline)> = Vec::new();
    for loaded in reading.objects {
        let spec = &loaded.object.spec;
        let scope = Scope {
            object: loaded.object.metadata.name.clone(),
            account: spec.account.clone(),
            region: spec.region.clone(),
            partition: partition(&spec.region).to_owned(),
        };
        let windows = match Windows::new(&spec.policy.change_windows) {
            Ok(windows) => windows,
            Err(error) => {
                problems.push(loaded.problem("spec.policy.changeWindows", error.to_string()));
                continue;
            }
        };
        let (entries, wrong) = desired::entries(&loaded.object, &scope);
        problems.extend(
            wrong.into_iter().map(|wrong| Problem { expected: Some(wrong.expected), ..loaded.problem(&wrong.path, wrong.message) }),
        );
        let baseline = Baseline { object: loaded.object.clone(), scope, entries, windows };
        read.push((loaded, baseline));
    }
    let twice = manifest::claims(&claims(&read));
    let stopped: BTreeSet<(String, String)> = twice
        .iter()
        .flat_map(|problem| {
            let this = problem.object.clone().map(|object| (object, problem.path.clone()));
            let other = problem.related.as_ref().and_then(|related| Some((related.object.clone()?, related.path.clone())));
            this.into_iter().chain(other)
        })
        .collect();
    problems.extend(twice);
    problems.sort();
    let baselines = read
        .into_iter()
        .map(|(loaded, mut baseline)| {
            let object = baseline.scope.object.clone();
            baseline.entries.retain(|entry| !stopped.contains(&(object.clone(), loaded.positions.written(&entry.path))));
            baseline
        })
        .collect();
    Manifests { baselines, problems, files: reading.files }
}

/// What the entries speak for. Entries of one object that may overlap (they can be selectors) are merged later, and claim nothing against each other.
fn claims(read: &[(Loaded, Baseline)]) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (loaded, baseline) in read {
        let mut spoken: BTreeSet<(&str, String)> = BTreeSet::new();
        for entry in baseline.entries.iter().filter(|entry| entry.kind.selector(&entry.spec).is_none()) {
            let claim = claim(loaded, baseline, entry);
            let merges = entry.kind.identity().contains(&"match");
            if !merges || spoken.insert((entry.kind.path(), claim.id.clone())) {
                claims.push(claim);
            }
        }
    }
    claims
}

fn claim(loaded: &Loaded, baseline: &Baseline, entry: &Entry) -> Claim {
    let position = loaded.positions.at(&entry.path).map(|(line, column)| Mark { line, column });
    Claim {
        kind: entry.kind.path().to_owned(),
        id: entry.kind.wish(entry.spec.clone(), &baseline.scope).id,
        account: baseline.scope.account.clone(),
        region: if entry.kind.global() { String::new() } else { baseline.scope.region.clone() },
        file: loaded.file.display().to_string(),
        position,
        path: loaded.positions.written(&entry.path),
        object: baseline.scope.object.clone(),
    }
}

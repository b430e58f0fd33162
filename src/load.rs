//! Manifests to baselines: read, checked by schema and by their kinds, and no thing claimed twice.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::desired::{self, Chooser, Entry, Speaker};
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
        let stopped = stopped(&loaded, &entries, &scope);
        let baseline = Baseline { object: loaded.object.clone(), scope, entries, stopped, windows };
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
    problems.extend(overlaps(&read));
    problems.sort();
    let baselines = read
        .into_iter()
        .map(|(loaded, mut baseline)| {
            let object = baseline.scope.object.clone();
            let is_stopped = |entry: &Entry| stopped.contains(&(object.clone(), loaded.positions.written(&entry.path)));
            let twice = baseline.entries.iter().filter(|entry| is_stopped(entry)).map(|entry| Speaker::of(entry, &baseline.scope));
            baseline.stopped.extend(twice);
            baseline.entries.retain(|entry| !is_stopped(entry));
            baseline
        })
        .collect();
    Manifests { baselines, problems, files: reading.files }
}

/// The entries of an object that a mistake stops: those that reading took out of it, and those that their kinds refuse.
fn stopped(loaded: &Loaded, kept: &[Entry], scope: &Scope) -> Vec<Speaker> {
    let kept: BTreeSet<&str> = kept.iter().map(|entry| entry.path.as_str()).collect();
    let refused = desired::declared(&loaded.object).filter(|(_, path, _)| !kept.contains(path.as_str()));
    let refused = refused.map(|(kind, path, value)| Speaker::stopped(kind, value, &path, scope));
    let taken = loaded.stopped.iter().filter_map(|(path, value)| {
        let mut keys = path.0.iter().filter_map(|step| match step {
            manifest::Step::Key(key) => Some(key.as_str()),
            manifest::Step::Index(_) => None,
        });
        let (_, group, list) = (keys.next()?, keys.next()?, keys.next()?);
        let kind = registry().iter().find(|kind| kind.path().split_once('.') == Some((group, list)))?;
        Some(Speaker::stopped(*kind, value, &path.to_string(), scope))
    });
    refused.chain(taken).collect()
}

/// Things that one object names and a selector of another chooses, as far as their names tell: a run leaves them alone.
fn overlaps(read: &[(Loaded, Baseline)]) -> Vec<Problem> {
    let selectors: Vec<(&Loaded, &Baseline, &Entry, Chooser)> = read
        .iter()
        .flat_map(|(loaded, baseline)| baseline.entries.iter().map(move |entry| (loaded, baseline, entry)))
        .filter_map(|(loaded, baseline, entry)| Some((loaded, baseline, entry, Chooser::new(&entry.kind.selector(&entry.spec)?))))
        .filter(|(.., chooser)| !chooser.by_tags())
        .collect();
    let mut problems = Vec::new();
    for (loaded, baseline) in read {
        for entry in baseline.entries.iter().filter(|entry| entry.kind.selector(&entry.spec).is_none()) {
            let (scope, claim) = (&baseline.scope, claim(loaded, baseline, entry));
            let same = |other: &Baseline| {
                !std::ptr::eq(other, baseline) && (&other.scope.account, &other.scope.region) == (&scope.account, &scope.region)
            };
            let chosen = selectors
                .iter()
                .find(|(_, other, by, chooser)| by.kind.path() == entry.kind.path() && same(other) && chooser.names(&claim.id));
            let Some((by_loaded, by_baseline, by, _)) = chosen else { continue };
            let other = self::claim(by_loaded, by_baseline, by);
            problems.push(manifest::overlap(&claim, &other));
        }
    }
    problems
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

//! Manifests to baselines: read, checked by schema and by their kinds, and no thing claimed twice.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::desired::{self, Chooser, Entry, Speaker};
use crate::kinds::{AnyKind, FieldDoc, Multiplicity, Scope, registry};
use crate::manifest::{
    self, Claim, FieldPath, KindSchema, Loaded, Mark, Problem, Reading, Windows, Written, manifest_schema, note_composed, partition,
};
use crate::reconcile::Baseline;

/// What a folder or file of manifests holds.
pub struct Manifests {
    /// What can be enforced.
    pub baselines: Vec<Baseline>,
    /// Everything that is wrong, in order.
    pub problems: Vec<Problem>,
    /// How many problems are only counted.
    pub unlisted: usize,
    pub files: usize,
    /// How many entries they hold, those that mistakes stop as well.
    pub declared: usize,
    /// Folders that could be read, and hold none.
    pub empty: usize,
}

impl Manifests {
    /// Whether a part of it is not enforced because of a mistake.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// The objects of which something is there to be carried out, or to be compared with nothing. Of one that mistakes leave nothing of, nobody asks AWS;
    /// what it speaks for stands all the same.
    pub fn enforced(&self) -> impl Fn(&Baseline) -> bool {
        let errors = self.problems.iter().filter(|problem| problem.is_error());
        let objects =
            errors.flat_map(|problem| [problem.object.as_ref(), problem.related.as_ref().and_then(|other| other.object.as_ref())]);
        let wrong: BTreeSet<String> = objects.flatten().cloned().collect();
        move |baseline| !baseline.entries.is_empty() || !wrong.contains(&baseline.scope.object)
    }
}

/// The schema of a manifest, from what the kinds declare.
pub fn schema() -> Value {
    let (composed, kinds): (Vec<&&dyn AnyKind>, Vec<&&dyn AnyKind>) =
        registry().iter().partition(|kind| kind.shape() == Multiplicity::Composed);
    let fields = |kind: &dyn AnyKind| -> Vec<String> {
        let path = |field: FieldDoc| if field.keyed { format!("{}.*", field.path) } else { field.path.to_owned() };
        kind.fields().into_iter().map(path).collect()
    };
    let kinds: Vec<KindSchema> = kinds
        .into_iter()
        .map(|kind| KindSchema {
            path: kind.path(),
            many: kind.shape() == Multiplicity::Many,
            schema: kind.schema(),
            fields: fields(*kind),
        })
        .collect();
    let mut schema = manifest_schema(&kinds);
    for kind in composed {
        note_composed(&mut schema, kind.path(), fields(*kind));
    }
    schema
}

/// Reads a manifest, or a folder of them.
pub fn load(path: &Path) -> Manifests {
    load_all(&[path.to_owned()])
}

/// Reads several: files, folders, standard input (`-`).
pub fn load_all(paths: &[PathBuf]) -> Manifests {
    check(manifest::read(paths, &schema()))
}

/// Reads a manifest out of a text; `name` stands for its file in what is said.
pub fn load_text(name: &str, text: &str) -> Manifests {
    check(manifest::read_text(name, text, &schema()))
}

fn check(reading: Reading) -> Manifests {
    let mut problems = reading.problems;
    let mut claimed = Vec::new();
    let mut read: Vec<(Loaded, Baseline)> = Vec::new();
    let mut unenforced: Vec<Unenforced> = Vec::new();
    let mut declared = 0;
    // What each entry is called, by where it stands.
    let mut names: HashMap<(String, Option<String>, String), String> = HashMap::new();
    let objects = reading.objects.into_iter().map(|loaded| (loaded, true));
    for (loaded, is_enforced) in objects.chain(reading.refused.into_iter().map(|loaded| (loaded, false))) {
        // What is stopped already is looked at with the rest: nobody should mend a manifest twice.
        let legible = loaded.legible();
        let scope = scope(legible);
        let (good, stopped, wrong) = desired::entries(&legible.object, &scope);
        claimed.extend(claims(legible, &scope, good.iter().chain(&stopped)));
        for wrong in wrong.into_iter().filter(|wrong| !legible.is_doubtful(&wrong.path)) {
            problems.push(Problem { expected: Some(wrong.expected), ..legible.problem(&wrong.path, wrong.message) });
        }
        let at = |path: String| (loaded.file.display().to_string(), Some(scope.object.clone()), path);
        names.extend(good.iter().chain(&stopped).map(|entry| (at(legible.positions.written(&entry.path)), entry.name.clone())));
        let taken = loaded.stopped.iter().filter_map(|(path, value)| Some((at(path.to_string()), value.get("name")?.as_str()?.to_owned())));
        names.extend(taken);
        // Those that reading took out of the object are not in it any more, those of one that is refused are.
        declared += desired::declared(&loaded.object).count() + if is_enforced { loaded.stopped.len() } else { 0 };
        if !is_enforced {
            unenforced.push(Unenforced::new(&loaded, scope));
            continue;
        }
        let windows = match Windows::new(&loaded.object.spec.policy.change_windows) {
            Ok(windows) => windows,
            Err(error) => {
                problems.push(loaded.problem(&FieldPath::fixed("spec.policy.changeWindows"), error.to_string()));
                unenforced.push(Unenforced::new(&loaded, scope));
                continue;
            }
        };
        let entries = if std::ptr::eq(legible, &loaded) { good } else { desired::entries(&loaded.object, &scope).0 };
        let stopped = self::stopped(&loaded, &entries, &scope);
        let written = Written { file: loaded.file.display().to_string(), positions: loaded.positions.clone() };
        let baseline = Baseline { object: loaded.object.clone(), scope, entries, stopped, windows, written };
        read.push((loaded, baseline));
    }
    let twice = manifest::claims(&claimed);
    let stopped: BTreeSet<(String, Option<String>, String)> = twice
        .iter()
        .flat_map(|problem| {
            let this = (problem.file.clone(), problem.object.clone(), problem.path.clone());
            let other = problem.related.as_ref().map(|related| (related.file.clone(), related.object.clone(), related.path.clone()));
            [Some(this), other].into_iter().flatten()
        })
        .collect();
    problems.extend(twice);
    problems.extend(overlaps(&read));
    for problem in &mut problems {
        let manifest::Scope::Entry { path } = &problem.scope else { continue };
        problem.entry = names.get(&(problem.file.clone(), problem.object.clone(), path.clone())).cloned();
    }
    problems.sort();
    let baselines = read
        .into_iter()
        .map(|(loaded, mut baseline)| {
            let (file, object) = (loaded.file.display().to_string(), Some(baseline.scope.object.clone()));
            let is_stopped = |entry: &Entry| stopped.contains(&(file.clone(), object.clone(), loaded.positions.written(&entry.path)));
            let twice = baseline.entries.iter().filter(|entry| is_stopped(entry)).map(|entry| Speaker::of(entry, &baseline.scope));
            baseline.stopped.extend(twice);
            baseline.stopped.extend(unenforced.iter().flat_map(|one| one.meeting(&baseline.scope)));
            baseline.entries.retain(|entry| !is_stopped(entry));
            baseline
        })
        .collect();
    Manifests { baselines, problems, unlisted: reading.unlisted, files: reading.files, declared, empty: reading.empty }
}

fn scope(loaded: &Loaded) -> Scope {
    let spec = &loaded.object.spec;
    Scope {
        object: loaded.object.metadata.object(),
        account: spec.account.clone(),
        region: spec.region.clone(),
        partition: partition(&spec.region).to_owned(),
    }
}

/// The entries of an object that a mistake stops: those that reading took out of it, and those that their kinds refuse.
fn stopped(loaded: &Loaded, kept: &[Entry], scope: &Scope) -> Vec<Speaker> {
    let kept: BTreeSet<&str> = kept.iter().map(|entry| entry.path.as_str()).collect();
    // What is left of an object that is refused holds those that were taken out, too.
    let taken: BTreeSet<String> = loaded.stopped.iter().map(|(path, _)| path.to_string()).collect();
    let is_taken = |path: &FieldPath| taken.contains(&loaded.positions.written(&path.to_string()));
    let refused = desired::declared(&loaded.object).filter(|(_, path, _)| !kept.contains(path.to_string().as_str()) && !is_taken(path));
    let refused = refused.flat_map(|(kind, path, value)| Speaker::stopped(kind, value, &path.to_string(), scope));
    let written = loaded.stopped.iter().filter_map(|(path, value)| {
        let mut keys = path.0.iter().filter_map(|step| match step {
            manifest::Step::Key(key) => Some(key.as_str()),
            manifest::Step::Index(_) => None,
        });
        let (_, group, list) = (keys.next()?, keys.next()?, keys.next()?);
        let kind = registry().iter().find(|kind| kind.path().split_once('.') == Some((group, list)))?;
        Some(Speaker::stopped(*kind, value, &path.to_string(), scope))
    });
    refused.chain(written.flatten()).collect()
}

/// An object that is not enforced, since something of it as a whole is wrong. It still speaks for what it names: what it asks for is not overruled
/// by another object's wish (contract 13).
struct Unenforced {
    /// Nothing where what is wrong is its account or region.
    scope: Option<Scope>,
    speakers: Vec<Speaker>,
}

impl Unenforced {
    fn new(loaded: &Loaded, scope: Scope) -> Unenforced {
        let is_taken = |entry: &Entry| {
            let written = loaded.positions.written(&entry.path);
            loaded.stopped.iter().any(|(path, _)| path.to_string() == written)
        };
        let entries: Vec<Entry> = desired::entries(&loaded.object, &scope).0.into_iter().filter(|entry| !is_taken(entry)).collect();
        let speakers = entries.iter().map(|entry| Speaker::of(entry, &scope)).chain(stopped(loaded, &entries, &scope));
        let speakers = speakers.map(|speaker| speaker.of_refused(&scope.object)).collect();
        Unenforced { speakers, scope: loaded.is_placed().then_some(scope) }
    }

    /// Those who can meet with what is declared in `scope`.
    fn meeting(&self, scope: &Scope) -> impl Iterator<Item = Speaker> {
        self.speakers.iter().filter(|speaker| self.scope.as_ref().is_none_or(|own| speaker.meets(own, scope))).cloned()
    }
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
            let (scope, claim) = (&baseline.scope, claim(loaded, &baseline.scope, entry));
            let same = |other: &Baseline| {
                !std::ptr::eq(other, baseline) && (&other.scope.account, &other.scope.region) == (&scope.account, &scope.region)
            };
            let chosen = selectors
                .iter()
                .find(|(_, other, by, chooser)| by.kind.path() == entry.kind.path() && same(other) && chooser.names(&claim.id));
            let Some((by_loaded, by_baseline, by, _)) = chosen else { continue };
            let other = self::claim(by_loaded, &by_baseline.scope, by);
            problems.push(manifest::overlap(&claim, &other));
        }
    }
    problems
}

/// What the entries of an object speak for. Those that may overlap (they can be selectors) are merged later, and claim nothing against each
/// other; nor do two of one name, which are wrong for that already.
fn claims<'e>(loaded: &Loaded, scope: &Scope, entries: impl Iterator<Item = &'e Entry>) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut spoken: BTreeSet<(&str, String, Option<&str>)> = BTreeSet::new();
    for entry in entries.filter(|entry| entry.kind.selector(&entry.spec).is_none()) {
        let merges = entry.kind.identity().contains(&"match");
        let claim = claim(loaded, scope, entry);
        let of = (!merges).then_some(entry.name.as_str());
        if loaded.identifies(&FieldPath::fixed(&entry.path)) && spoken.insert((entry.kind.path(), claim.id.clone(), of)) {
            claims.push(claim);
        }
    }
    claims
}

fn claim(loaded: &Loaded, scope: &Scope, entry: &Entry) -> Claim {
    let position = loaded.positions.at(&entry.path).map(|(line, column)| Mark { line, column });
    Claim {
        kind: entry.kind.path().to_owned(),
        id: entry.kind.wish(entry.spec.clone(), scope).id,
        account: scope.account.clone(),
        region: if entry.kind.is_regional(&entry.spec) { scope.region.clone() } else { String::new() },
        file: loaded.file.display().to_string(),
        position,
        path: loaded.positions.written(&entry.path),
        object: scope.object.clone(),
    }
}

#[cfg(test)]
mod tests;

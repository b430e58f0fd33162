//! One resource: what differs, and what its kind would do about it. Before policy and consent are asked.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::{Excepted, PlannedStep, ResourcePlan, Status, UnreadableField};
use crate::kinds::{AnyKind, AnySeen, Block, Drift, Fact, FieldDoc, Key, KindPeers, Multiplicity, Need, Reason, Scope, Why, Wish};
use crate::manifest::Exception;

/// A resource as the manifest wants it, whichever entries say so.
#[derive(Clone)]
pub struct Declared {
    pub kind: &'static dyn AnyKind,
    pub wish: Wish,
    pub origins: Vec<Origin>,
    /// What is wrong with the wish itself: two entries disagree, a selector's tags could not be read.
    pub blocks: Vec<Block>,
    pub needs: Vec<Need>,
    /// The resource that would make it, and does not.
    pub maker: Option<Maker>,
}

/// A resource that the manifest has made, and that makes nothing in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    pub key: Key,
    /// As the end of a sentence: `and which this run leaves out`.
    pub why: &'static str,
    pub what_to_do: String,
}

impl Maker {
    /// `--only` or `--skip` leaves it out; `choose` is what is to be changed on the command line for it to be chosen.
    pub fn left_out(key: Key, choose: String) -> Maker {
        Maker { key, why: "and which this run leaves out", what_to_do: choose }
    }

    /// Its entries say nothing that can be done.
    pub fn blocked(key: Key) -> Maker {
        Maker { what_to_do: format!("see {key}"), key, why: "and which is blocked" }
    }
}

impl Declared {
    pub fn key(&self) -> Key {
        Key::new(self.kind.path(), self.wish.id.clone())
    }
}

/// An entry of the manifest that speaks for a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The entry's kind and logical name: `s3.buckets/assets`.
    pub entry: String,
    /// The field of the entry that asks for it, where the resource is composed of several wishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The fields of the resource that it asks for by that, where the resource is composed: `statements.HoldfastDenyOldTls`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// The resource whose field that is: several entries may speak for it, and ask as one.
    #[serde(skip)]
    pub by: Option<Key>,
}

impl Origin {
    /// What an exception can call who asks: the entry, which may be one that an account has once, and the resource that the entry speaks for, which a selector
    /// chose or which is called otherwise in AWS.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.entries().chain(self.by.as_ref().map(Key::to_string))
    }

    fn entries(&self) -> impl Iterator<Item = String> {
        let once = self.entry.split_once('/').filter(|(kind, name)| kind.rsplit('.').next() == Some(*name));
        [self.entry.clone()].into_iter().chain(once.map(|(kind, _)| kind.to_owned()))
    }

    /// Whether it asks for this field of a composed resource.
    pub(crate) fn asks_for(&self, field: &str) -> bool {
        self.parts.iter().any(|part| part == field)
    }
}

/// What was observed of a resource; nothing where it was not asked for (its wish is blocked).
pub type Observed = Option<AnySeen>;

/// The exceptions of a manifest, by the resource that they name, and which of them were of use.
pub(super) struct Exceptions<'a> {
    all: &'a [Exception],
    by_resource: HashMap<&'a str, Vec<usize>>,
    /// Those that name several resources by a pattern.
    by_pattern: Vec<(WildMatch, usize)>,
    at: Timestamp,
    /// Those that covered a difference, by their place in the manifest.
    pub(super) matched: BTreeSet<usize>,
    /// Those of resources that could not be compared: whether they cover anything is not known.
    pub(super) unsure: BTreeSet<usize>,
}

impl<'a> Exceptions<'a> {
    pub(super) fn new(all: &'a [Exception], at: Timestamp) -> Exceptions<'a> {
        let mut by_resource: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_pattern = Vec::new();
        for (place, exception) in all.iter().enumerate() {
            match exception.is_pattern() {
                true => by_pattern.push((WildMatch::new(&exception.resource), place)),
                false => by_resource.entry(exception.resource.as_str()).or_default().push(place),
            }
        }
        Exceptions { all, by_resource, by_pattern, at, matched: BTreeSet::new(), unsure: BTreeSet::new() }
    }

    /// Those that name this resource: by its real id, by an entry that speaks for it, or, where an account has its kind once, by the kind. With
    /// the entry that asks for it, where it is composed of what several ask.
    fn of<'d>(&self, declared: &'d Declared, key: &Key) -> Vec<(usize, Option<&'d Origin>)> {
        if self.all.is_empty() {
            return Vec::new();
        }
        // A pattern means resources: the name of an entry that chooses many says nothing of what each of them is called.
        let mut named: Vec<(String, Option<&Origin>, bool)> = vec![(key.to_string(), None, true)];
        if declared.kind.shape() == Multiplicity::One {
            named.push((key.kind.clone(), None, false));
        }
        for origin in &declared.origins {
            let by = origin.field.is_some().then_some(origin);
            named.extend(origin.entries().map(|name| (name, by, false)));
            named.extend(origin.by.as_ref().map(|key| (key.to_string(), by, true)));
        }
        let places = |(name, by, real): (String, Option<&'d Origin>, bool)| {
            let plain = self.by_resource.get(name.as_str()).into_iter().flatten().copied();
            let patterns = self.by_pattern.iter().filter(|(pattern, _)| real && pattern.matches(&name)).map(|(_, place)| *place);
            plain.chain(patterns).map(move |place| (place, by)).collect::<Vec<_>>()
        };
        named.into_iter().flat_map(places).collect()
    }

    /// The exception in force that covers `field`, if there is one: the first to run out, where it takes several. One that ran out is noted as
    /// matching, and covers nothing.
    ///
    /// By an entry that asks for a part of it, for that part alone, and only where every other entry that asks for the part is excepted too: nobody's
    /// exception switches off what another one stands on.
    fn covering(&mut self, declared: &Declared, of: &[(usize, Option<&Origin>)], field: &str, docs: &[FieldDoc]) -> Option<Excepting> {
        let keyed: Vec<&str> = docs.iter().filter(|doc| doc.keyed).map(|doc| doc.path).collect();
        if docs.iter().any(|doc| doc.path == field && doc.must_end) {
            return None;
        }
        // One that stands in no manifest is the field's whose declaration asks for it.
        let implied_by = docs.iter().find(|doc| doc.path == field).and_then(|doc| doc.implied_by);
        let covers_it = |path: &str| covers(path, field, &keyed) || implied_by.is_some_and(|asked| covers(path, asked, &keyed));
        let mut whole: Option<&Exception> = None;
        let mut parts: Vec<(&Origin, &Exception)> = Vec::new();
        for (place, by) in of {
            let Some(exception) = self.all.get(*place) else { continue };
            let asks = by.and_then(|origin| Some((origin, origin.field.as_deref()?)));
            let covered = match asks {
                Some((origin, asked)) => covers(&exception.field, asked, &keyed) && origin.asks_for(field),
                None => covers_it(&exception.field),
            };
            if !covered {
                continue;
            }
            self.matched.insert(*place);
            if exception.until.at() <= self.at {
                continue;
            }
            match asks {
                Some((origin, _)) => parts.push((origin, exception)),
                None => whole = Some(exception),
            }
        }
        let together = || {
            let mut asking = declared.origins.iter().filter(|origin| origin.asks_for(field));
            let all = asking
                .all(|origin| parts.iter().any(|(excepted, _)| *excepted == origin || excepted.by.is_some() && excepted.by == origin.by));
            parts.iter().map(|(_, exception)| *exception).filter(|_| all).min_by_key(|exception| exception.until.at())
        };
        let covering = whole.or_else(together)?;
        Some(Excepting { until: covering.until.to_string(), reason: covering.reason.clone() })
    }

    /// Notes that a resource could not be compared.
    fn unsure(&mut self, declared: &Declared, key: &Key) {
        let of = self.of(declared, key);
        self.unsure.extend(of.into_iter().map(|(place, _)| place));
    }
}

struct Excepting {
    until: String,
    reason: String,
}

/// Whether an exception for `path` covers `field`: the same, or a part of it. Below a field of `keyed` stands a key, which may hold dots
/// and has no parts.
fn covers(path: &str, field: &str, keyed: &[&str]) -> bool {
    let below = |holds: &str, path: &str| path.strip_prefix(holds).is_some_and(|rest| rest.starts_with('.'));
    field == path || below(path, field) && !keyed.iter().any(|keyed| below(keyed, path))
}

/// Plans one resource without policy: what its kind would do, and what stands in the way by nature.
pub(super) fn planned(
    scope: &Scope,
    declared: &Declared,
    observed: &Observed,
    peers: &KindPeers,
    exceptions: &mut Exceptions<'_>,
) -> ResourcePlan {
    let key = declared.key();
    let mut plan = ResourcePlan {
        title: declared.kind.title().to_owned(),
        origins: declared.origins.clone(),
        status: Status::InSync,
        drifts: Vec::new(),
        excepted: Vec::new(),
        unreadable: Vec::new(),
        steps: Vec::new(),
        blocks: declared.blocks.clone(),
        notes: Vec::new(),
        needs: declared.needs.clone(),
        compared: 0,
        under_way: false,
        key,
    };
    let Some(seen) = observed.as_ref().filter(|_| plan.blocks.is_empty()) else {
        exceptions.unsure(declared, &plan.key);
        if plan.blocks.is_empty() {
            plan.blocks.push(Block {
                reason: Reason::Unreadable,
                fields: Vec::new(),
                message: "it was not looked at".to_owned(),
                what_to_do: "run again".to_owned(),
            });
        }
        plan.status = Status::Blocked;
        return plan;
    };
    match declared.kind.presence(seen) {
        // An entry that declares nothing asks for nothing, not even whether the thing is there.
        Fact::Unknown(why) if why.why == Why::NotAsked && declared.wish.want.is_empty() => {}
        Fact::Unknown(why) if declared.kind.untold(seen).is_none() => {
            exceptions.unsure(declared, &plan.key);
            plan.unreadable.push(UnreadableField { field: String::new(), why });
        }
        Fact::Absent if !declared.kind.creates(&declared.wish) => {
            exceptions.unsure(declared, &plan.key);
            let (message, what_to_do) = match &declared.maker {
                Some(Maker { key, why, what_to_do }) => (format!("it stands on {key}, which is not there, {why}"), what_to_do.clone()),
                None => declared.kind.missing(&plan.key.id, scope),
            };
            plan.blocks.push(Block { reason: Reason::Missing, fields: Vec::new(), message, what_to_do });
            plan.status = Status::Blocked;
            return plan;
        }
        _ => compare(declared, seen, exceptions, &mut plan),
    }
    if !plan.unreadable.is_empty() {
        plan.status = Status::Unreadable;
        return plan;
    }
    plan.notes = declared.kind.notes(&declared.wish, seen);
    if !plan.drifts.is_empty() {
        steps(scope, declared, seen, peers, &mut plan);
    }
    plan.status = match () {
        () if !plan.blocks.is_empty() => Status::Blocked,
        () if !plan.drifts.is_empty() => Status::Drifted,
        () => Status::InSync,
    };
    plan
}

fn compare(declared: &Declared, seen: &AnySeen, exceptions: &mut Exceptions<'_>, plan: &mut ResourcePlan) {
    let of = exceptions.of(declared, &plan.key);
    let fields = if of.is_empty() { Vec::new() } else { declared.kind.fields() };
    let untold = declared.kind.untold(seen).map(serde_json::Value::String);
    for field in declared.kind.compare(&declared.wish, seen) {
        plan.compared += 1;
        let found = match field.found {
            // What is unknown is different, and a step of its own waits until it is known.
            Fact::Unknown(_) if let Some(untold) = &untold => untold.clone(),
            Fact::Unknown(why) => {
                exceptions.unsure(declared, &plan.key);
                plan.unreadable.push(UnreadableField { field: field.field, why });
                continue;
            }
            Fact::Absent => serde_json::Value::Null,
            Fact::Present(found) => found,
        };
        if field.satisfied {
            continue;
        }
        let drift = Drift { field: field.field, found, declared: field.declared, impact: field.impact };
        match exceptions.covering(declared, &of, &drift.field, &fields) {
            Some(by) => plan.excepted.push(Excepted { drift, until: by.until, reason: by.reason }),
            None => plan.drifts.push(drift),
        }
    }
    plan.under_way = declared.kind.must_end().iter().any(|path| plan.drifts.iter().any(|drift| drift.field == *path));
    // A list begins with room for several, and most resources differ in one field.
    plan.drifts.shrink_to_fit();
}

fn steps(scope: &Scope, declared: &Declared, seen: &AnySeen, peers: &KindPeers, plan: &mut ResourcePlan) {
    let steps = declared.kind.steps(scope, &declared.wish, seen, &plan.drifts, peers);
    plan.blocks.extend(steps.blocks);
    plan.notes.extend(steps.notes);
    plan.steps = steps
        .steps
        .into_iter()
        .map(|step| PlannedStep {
            title: step.title,
            op: step.op,
            impact: step.impact,
            takes: step.takes,
            back: step.back,
            deadline_seconds: step.deadline.as_secs(),
            fields: step.fields,
            after: step.after,
            consented: step.consented,
            begun: step.begun,
            once: step.once,
            room: step.room,
            held: None,
        })
        .collect();
    // By itself a field knows what it can mean; what it comes to here, the steps know: a bucket that is only made has nobody to cut off.
    for drift in &mut plan.drifts {
        let of = plan.steps.iter().filter(|step| step.fields.contains(&drift.field));
        drift.impact = of.map(|step| step.impact).max().unwrap_or(drift.impact);
    }
    // A difference that nobody repairs and nobody blocks must not pass for repaired.
    let stepped: BTreeSet<&str> = plan.steps.iter().flat_map(|step| &step.fields).map(String::as_str).collect();
    let blocked = |field: &str| plan.blocks.iter().any(|block| block.concerns(field));
    let unknown = |field: &&String| !stepped.contains(field.as_str()) && !blocked(field);
    let lost: Vec<String> = plan.drifts.iter().map(|drift| &drift.field).filter(unknown).cloned().collect();
    if !lost.is_empty() {
        plan.blocks.push(Block {
            reason: Reason::UnexpectedState,
            message: format!("holdfast knows no step that repairs {}", lost.join(", ")),
            fields: lost,
            what_to_do: "repair it by hand, and report this as a bug".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn an_exception_covers_a_field_with_what_is_in_it_and_a_key_whole() {
        for (path, field, covered) in [
            ("versioning", "versioning", true),
            ("logging", "logging.targetBucket", true),
            ("logging", "loggingTwo", false),
            ("tags", "tags.cost.center", true),
            ("tags.cost.center", "tags.cost.center", true),
            ("tags.cost", "tags.cost.center", false),
            ("lifecycle", "lifecycle.rules.a.b", true),
            ("lifecycle.rules.a", "lifecycle.rules.a.b", false),
        ] {
            assert_eq!(covers(path, field, &["tags", "lifecycle.rules"]), covered, "{path} {field}");
        }
    }
}

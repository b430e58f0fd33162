//! A kind over a world in memory, for tests of what every kind shares: nothing of it is AWS's, and everything can go wrong at will.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::erased::kind;
use super::*;
use crate::aws::{Call, CallError, Class, Reads, Writes, calls};

/// The kind without its type.
pub(crate) static FAKE: &dyn AnyKind = &kind::<Fake>();

pub(crate) struct Fake;

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) v: BTreeMap<String, i64>,
    pub(crate) needs: Vec<String>,
    /// What a key of `v` alone needs.
    pub(crate) needs_for: BTreeMap<String, String>,
    pub(crate) disruptive: BTreeSet<String>,
    pub(crate) irreversible: BTreeSet<String>,
    /// Planned in a round of its own, once everything else is as declared.
    pub(crate) second: Option<String>,
    /// No step repairs it.
    pub(crate) helpless: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) v: Fact<BTreeMap<String, i64>>,
    pub(crate) status: BTreeMap<String, Progress>,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Op {
    pub(crate) world: String,
    pub(crate) id: String,
    pub(crate) field: String,
    pub(crate) value: i64,
    pub(crate) undo: bool,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Applied, but seen only after so many looks.
    Late(u32),
    /// Acknowledged, and then nothing.
    Swallowed,
    /// No answer; applied or not.
    Lost(bool),
    Refused(Class),
    /// Refused, though somebody else applied it in the meantime.
    Meanwhile(Class),
    /// Acknowledged, and from then on in this state.
    Turns(Progress),
}

type Probe = Arc<dyn Fn(&Op) + Send + Sync>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) things: BTreeMap<String, BTreeMap<String, i64>>,
    /// By thing and field, `undo ` before the field of what takes back.
    pub(crate) answers: HashMap<(String, String), VecDeque<Answer>>,
    pub(crate) status: HashMap<(String, String), Progress>,
    /// Reading these fails.
    pub(crate) unreadable: BTreeMap<String, Why>,
    /// Comes to be seen after so many looks at the thing.
    late: Vec<(u32, Op)>,
    /// Every request that came, in order.
    pub(crate) log: Vec<String>,
    pub(crate) looks: u64,
    /// Called at every request, before it has any effect.
    pub(crate) probe: Option<Probe>,
    /// A field that somebody else always sets back.
    pub(crate) fought: Option<(String, i64)>,
}

static WORLDS: Mutex<BTreeMap<String, Arc<Mutex<World>>>> = Mutex::new(BTreeMap::new());

/// The world of that name: the object's. Worlds of other tests are others.
pub(crate) fn world(name: &str) -> Arc<Mutex<World>> {
    Arc::clone(WORLDS.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default())
}

pub(crate) fn enter(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

static READ: &Call = &calls::sts::GET_CALLER_IDENTITY;

pub(crate) fn refusal(class: Class) -> CallError {
    CallError { call: READ, class, code: format!("{class:?}"), message: "no".to_owned(), request_id: None }
}

impl Kind for Fake {
    const PATH: &'static str = "test.things";
    const TITLE: &'static str = "thing";
    const SHAPE: Multiplicity = Multiplicity::Many;
    const FIELDS: &'static [Field<Fake>] =
        &[Field::new("v", |spec: &Spec| (!spec.v.is_empty()).then(|| json!(spec.v)), |seen: &Seen| seen.v.clone().map(|v| json!(v)))
            .keyed()];
    const CALLS: &'static [&'static Call] = &[];
    type Spec = Spec;
    type Seen = Seen;
    type Op = Op;

    fn name(spec: &Spec) -> String {
        spec.name.clone()
    }

    fn id(spec: &Spec, _scope: &Scope) -> String {
        spec.name.clone()
    }

    fn needs(spec: &Spec, _id: &str, _scope: &Scope, _: &[Contribution]) -> Vec<Need> {
        // `c.x`: of the thing c the field v.x.
        let whole = spec.needs.iter().map(|need| match need.split_once('.') {
            Some((id, part)) => Need::of_all(Fake::PATH, id).only([format!("v.{part}").as_str()]),
            None => Need::of_all(Fake::PATH, need.clone()),
        });
        let parts = spec.needs_for.iter().map(|(key, need)| Need::of_field(Fake::PATH, need.clone(), &format!("v.{key}")));
        whole.chain(parts).collect()
    }

    async fn observe(_reads: &Reads, target: &Target<'_, Fake>, _want: &FactSet) -> Seen {
        let world = world(&target.scope.object);
        let mut world = enter(&world);
        world.looks += 1;
        for (left, op) in std::mem::take(&mut world.late) {
            match left.saturating_sub(u32::from(op.id == target.id)) {
                0 => apply(&mut world, &op),
                left => world.late.push((left, op)),
            }
        }
        seen(&world, target.id)
    }

    fn presence(seen: &Seen) -> Fact<()> {
        seen.v.clone().map(|_| ())
    }

    fn steps(planning: &Planning<'_, Fake>) -> Steps<Op> {
        let mut steps = Steps::default();
        let mut before = Vec::new();
        let names: Vec<&str> = planning.drifts.iter().filter_map(|drift| drift.field.strip_prefix("v.")).collect();
        for name in &names {
            let second = planning.spec.second.as_deref() == Some(name);
            if planning.spec.helpless.as_deref() == Some(name) || second && names.len() > 1 {
                continue;
            }
            let Some(value) = planning.spec.v.get(*name) else { continue };
            let op = Op {
                world: planning.scope.object.clone(),
                id: planning.id.to_owned(),
                field: (*name).to_owned(),
                value: *value,
                undo: false,
            };
            let impact = match () {
                () if planning.spec.irreversible.contains(*name) => Impact::Irreversible,
                () if planning.spec.disruptive.contains(*name) => Impact::Disruptive,
                () => Impact::Online,
            };
            let step = Step::online(format!("Set {name} of {}", planning.id), op, [format!("v.{name}")])
                .impact(impact, "")
                .within(Duration::from_secs(300))
                .after(before.clone());
            before = vec![steps.push(step)];
        }
        // What waits for its round is not lost: it belongs to the last step of this one.
        if let Some(second) = planning.spec.second.as_deref().filter(|second| names.contains(second) && names.len() > 1)
            && let Some(last) = steps.steps.last_mut()
        {
            last.fields.push(format!("v.{second}"));
        }
        steps
    }

    fn check(op: &Op, seen: &Seen) -> Progress {
        if let Some(status) = seen.status.get(&op.field) {
            return status.clone();
        }
        match &seen.v {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Absent => Progress::Pending,
            Fact::Present(v) if v.get(&op.field).copied().unwrap_or_default() == op.value => Progress::Done,
            Fact::Present(_) => Progress::Pending,
        }
    }

    async fn start(_writes: &Writes, op: &Op) -> Result<(), CallError> {
        let world = world(&op.world);
        let probe = enter(&world).probe.clone();
        if let Some(probe) = probe {
            probe(op);
        }
        let mut world = enter(&world);
        let field = if op.undo { format!("undo {}", op.field) } else { op.field.clone() };
        world.log.push(format!("{} {field}={}", op.id, op.value));
        match world.answers.get_mut(&(op.id.clone(), field)).and_then(VecDeque::pop_front) {
            None => apply(&mut world, op),
            Some(Answer::Late(looks)) => world.late.push((looks, op.clone())),
            Some(Answer::Swallowed) => {}
            Some(Answer::Lost(applied)) => {
                if applied {
                    apply(&mut world, op);
                }
                return Err(refusal(Class::Ambiguous));
            }
            Some(Answer::Refused(class)) => return Err(refusal(class)),
            Some(Answer::Meanwhile(class)) => {
                apply(&mut world, op);
                return Err(refusal(class));
            }
            Some(Answer::Turns(progress)) => {
                world.status.insert((op.id.clone(), op.field.clone()), progress);
            }
        }
        Ok(())
    }

    fn undo(op: &Op, was: &Seen) -> Option<Op> {
        let value = was.v.present()?.get(&op.field).copied().unwrap_or_default();
        Some(Op { value, undo: true, ..op.clone() })
    }
}

fn apply(world: &mut World, op: &Op) {
    let value = world.fought.as_ref().filter(|(field, _)| *field == op.field).map_or(op.value, |(_, value)| *value);
    world.things.entry(op.id.clone()).or_default().insert(op.field.clone(), value);
    let key = (op.id.clone(), op.field.clone());
    // What cannot be told before cannot be told after.
    if !matches!(world.status.get(&key), Some(Progress::Unclear { .. })) {
        world.status.remove(&key);
    }
}

/// What is to be seen of a thing now.
pub(crate) fn seen(world: &World, id: &str) -> Seen {
    if let Some(why) = world.unreadable.get(id) {
        let why = Unreadable { call: "sts:GetCallerIdentity".to_owned(), why: *why, message: "no".to_owned() };
        return Seen { v: Fact::Unknown(why), status: BTreeMap::new() };
    }
    let status = world.status.iter().filter(|((thing, _), _)| thing == id).map(|((_, field), status)| (field.clone(), status.clone()));
    Seen { v: Fact::given(world.things.get(id).cloned()), status: status.collect() }
}

pub(crate) fn scope(object: &str) -> Scope {
    Scope { object: object.to_owned(), account: "123456789012".to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
}

/// A wish for a thing: `{"name": "a", "v": {"x": 1}}`.
pub(crate) fn declared(scope: &Scope, spec: Value) -> crate::plan::Declared {
    let wish = FAKE.wish(FAKE.spec(spec).unwrap_or_else(|error| panic!("{error}")), scope);
    let origins = vec![crate::plan::Origin { entry: format!("{}/{}", FAKE.path(), wish.name), field: None, parts: Vec::new(), by: None }];
    let needs = FAKE.needs(&wish, scope, &[]);
    crate::plan::Declared { kind: FAKE, wish, origins, blocks: Vec::new(), needs, maker: None }
}

/// That wish beside what is to be seen now.
pub(crate) fn looked(scope: &Scope, spec: Value) -> (crate::plan::Declared, crate::plan::Observed) {
    let declared = declared(scope, spec);
    let world = world(&scope.object);
    let seen: AnySeen = Arc::new(seen(&enter(&world), &declared.wish.id));
    (declared, Some(seen))
}

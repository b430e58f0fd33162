//! A key of a Kubernetes Secret or ConfigMap, and the workloads that read it when they start.
//!
//! The turn is one request: the new value, the old one under a key of its own, and an annotation that says so, or a conflict where somebody else was
//! faster. So nothing is ever half turned. A look reads the object's metadata alone: the annotation, and who wrote the key last, which the API server notes.
//! What was begun for a workload its own pod template says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret;

use super::{Asked, Endpoints, Place, Standing, Turned, Way, names, rewritten};
use crate::aws::{CallError, Class, Reads, Writes};
use crate::kinds::elasticache::migration::{KubernetesEntry, Workloads};
use crate::kinds::elasticache::start::not_sent;
use crate::kinds::{Fact, Unreadable};
use crate::kubernetes::{self, Change, Cluster, Entry, FIND, Held, Object, Resource, Rollout, Workload};

/// The annotation's values.
const TARGET: &str = "target";
const BACK: &str = "back";

pub fn words(entry: &KubernetesEntry) -> String {
    let object = match (&entry.secret, &entry.config_map) {
        (Some(secret), _) => format!("the Kubernetes Secret {secret}"),
        (None, config_map) => format!("the ConfigMap {}", config_map.as_deref().unwrap_or_default()),
    };
    let namespace = entry.namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let ground = match (&entry.context, &entry.server) {
        (Some(context), Some(server)) => format!(" of {context}, {server}"),
        (Some(one), None) | (None, Some(one)) => format!(" of {one}"),
        (None, None) => String::new(),
    };
    format!("{object} ({}){namespace}{ground}", entry.key)
}

/// What it is, for names that follow from it: they are written on the object itself, so that its cluster and namespace need not stand in them.
pub fn key(entry: &KubernetesEntry) -> String {
    let kind = if entry.secret.is_some() { "secret" } else { "configmap" };
    let name = entry.secret.as_ref().or(entry.config_map.as_ref()).map(String::as_str).unwrap_or_default();
    format!("kubernetes {kind} {name} {}", entry.key)
}

/// The same with where it stands, as it is declared: which cluster that was says the lock in a note of its own.
pub fn identity(entry: &KubernetesEntry) -> String {
    let mut restarted = restarts(entry).to_vec();
    restarted.sort();
    let ground = [&entry.context, &entry.server, &entry.namespace].map(|part| part.as_deref().unwrap_or_default());
    [key(entry)].into_iter().chain(ground.map(str::to_owned)).chain(restarted).collect::<Vec<String>>().join("\n")
}

pub fn restarts(entry: &KubernetesEntry) -> &[String] {
    entry.restart.as_ref().map(Workloads::all).unwrap_or_default()
}

fn annotation(turned: &str) -> String {
    format!("holdfast.dev/{turned}")
}

/// On the pod template, on the way back.
fn back(turned: &str) -> String {
    format!("{turned}-back")
}

/// Where an entry stands: what the manifest leaves open, the object and the context say.
fn standing(entry: &KubernetesEntry, cluster: &Cluster, object: &str) -> Standing {
    let of_object = object.split_once('/').map(|(namespace, _)| namespace.to_owned());
    Standing {
        context: cluster.context.clone(),
        server: cluster.server.clone(),
        namespace: entry.namespace.clone().or(of_object).unwrap_or_else(|| cluster.namespace.clone()),
    }
}

/// The entry with nothing left open.
pub fn pinned(entry: &KubernetesEntry, standing: &Standing) -> KubernetesEntry {
    KubernetesEntry {
        context: standing.context.clone(),
        server: Some(standing.server.clone()),
        namespace: Some(standing.namespace.clone()),
        ..entry.clone()
    }
}

fn object(entry: &KubernetesEntry, namespace: &str) -> Object {
    let (resource, name) = match (&entry.secret, &entry.config_map) {
        (Some(secret), _) => (Resource::Secrets, secret.clone()),
        (None, config_map) => (Resource::ConfigMaps, config_map.clone().unwrap_or_default()),
    };
    Object { resource, namespace: namespace.to_owned(), name }
}

/// The workloads, as they are called and as objects.
fn workloads<'e>(entry: &'e KubernetesEntry, namespace: &str) -> Vec<(&'e str, Object)> {
    let one = |words: &'e String| {
        let (kind, name) = words.split_once('/')?;
        let resource = Resource::of_workload(kind)?;
        Some((words.as_str(), Object { resource, namespace: namespace.to_owned(), name: name.to_owned() }))
    };
    restarts(entry).iter().filter_map(one).collect()
}

/// Fails where a cluster is not the one that is meant.
fn is_meant(entry: &KubernetesEntry, cluster: &Cluster) -> Result<(), CallError> {
    match entry.server.as_deref().map(|server| server.trim_end_matches('/')) {
        Some(server) if server != cluster.server => {
            let context =
                cluster.context.as_ref().map_or_else(|| "the pod's service account".to_owned(), |name| format!("the context {name}"));
            let message = format!("{context} leads to {}, and {server} is meant: nothing was read or changed there", cluster.server);
            Err(not_sent(&FIND, Class::Invalid, "WrongCluster", message))
        }
        _ => Ok(()),
    }
}

/// What an object's metadata says of its key.
#[derive(Debug, PartialEq)]
enum Stand {
    /// It was not touched.
    Source,
    Target,
    /// It was turned, and somebody else has written it since.
    Replaced(String),
    Back,
}

fn stand(metadata: &ObjectMeta, key: &str, turned: &str) -> Stand {
    let note = metadata.annotations.as_ref().and_then(|all| all.get(&annotation(turned))).map(String::as_str);
    match (note, Held::of(metadata, key)) {
        (None, _) => Stand::Source,
        (Some(BACK), _) => Stand::Back,
        (Some(_), Held::Ours) => Stand::Target,
        (Some(_), Held::Other(who)) => Stand::Replaced(who),
    }
}

/// Where the workloads stand, each by its words; nothing for one that is not there.
fn rolled(stand: &Stand, workloads: &[(&str, Option<Workload>)], turned: &str) -> Turned {
    let mark = match stand {
        Stand::Source => return Turned::Source,
        Stand::Replaced(who) => {
            let who = if who.is_empty() { "somebody" } else { who };
            return Turned::Failed(format!("it was turned, and {} has written it since", crate::aws::clean(who)));
        }
        Stand::Target => turned.to_owned(),
        Stand::Back => back(turned),
    };
    let there = *stand == Stand::Target;
    let mut going = Vec::new();
    for (words, workload) in workloads {
        match workload {
            // Nothing runs there that could have read the new address.
            None if !there => {}
            None => return Turned::Failed(format!("{words} is not there any more")),
            Some(workload) if workload.restarted.as_ref() != Some(&mark) => return Turned::Begun,
            Some(workload) => match &workload.rollout {
                Rollout::Done => {}
                Rollout::Going(how) => going.push(format!("{words}: {how}")),
                Rollout::Stuck(why) if there => return Turned::Failed(format!("{words}: {why}")),
                Rollout::Stuck(why) => return Turned::BackFailed(format!("{words}: {why}")),
            },
        }
    }
    match (going.is_empty(), there) {
        (true, true) => Turned::Target,
        (true, false) => Turned::Back,
        (false, true) => Turned::Turning(going.join("; ")),
        (false, false) => Turned::TurningBack(going.join("; ")),
    }
}

pub async fn look(reads: &Reads, entry: &KubernetesEntry, asked: &Asked<'_>) -> Fact<Place> {
    match found(reads, entry, asked).await {
        Ok(Some(place)) => Fact::Present(place),
        Ok(None) => Fact::Absent,
        Err(error) if error.is("NoCluster") => {
            let barred = (format!("{}: {}", words(entry), error.message), "run with --kubeconfig FILE".to_owned());
            Fact::Present(Place { barred: Some(barred), ..Place::of(Turned::Source) })
        }
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

async fn found(reads: &Reads, entry: &KubernetesEntry, asked: &Asked<'_>) -> Result<Option<Place>, CallError> {
    let cluster = reads.kubernetes(entry.context.as_deref(), entry.server.as_deref()).await?;
    is_meant(entry, cluster.cluster())?;
    let standing = standing(entry, cluster.cluster(), asked.object);
    if let Some(lock) = asked.lock.filter(|lock| !lock.clusters.contains(&standing.digest())) {
        let message = format!(
            "the move was begun elsewhere than in {} of {} (the lock {} says so): run with the kubeconfig and the context that it was begun with; a place that was added since has to wait until it has ended",
            standing.namespace, standing.server, lock.name
        );
        return Err(not_sent(&FIND, Class::Invalid, "OtherCluster", message));
    }
    let object = object(entry, &standing.namespace);
    let Some(metadata) = cluster.metadata(&object).await? else { return Ok(None) };
    let stand = stand(&metadata, &entry.key, asked.turned);
    let workloads = workloads(entry, &standing.namespace);
    let found = futures::future::try_join_all(workloads.iter().map(|(_, object)| cluster.workload(object))).await?;
    let found: Vec<(&str, Option<Workload>)> = workloads.iter().map(|(words, _)| *words).zip(found).collect();
    // Before the move it is asked whether everything will be allowed; in the middle of one it shows.
    let (mut cannot, mut barred) = (None, None);
    if stand == Stand::Source {
        cannot = kept_by(entry, &metadata).or_else(|| found.iter().find_map(|(words, workload)| cannot_restart(words, workload.as_ref())));
        barred = denied(&cluster, [&object].into_iter().chain(workloads.iter().map(|(_, object)| object))).await?;
    }
    Ok(Some(Place {
        plain: object.resource == Resource::ConfigMaps,
        cannot,
        barred,
        marked: stand != Stand::Source,
        turned: rolled(&stand, &found, asked.turned),
        standing: Some(standing),
        here: None,
    }))
}

/// What something else writes is written back by it.
fn kept_by(entry: &KubernetesEntry, metadata: &ObjectMeta) -> Option<(String, String)> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    let what = format!("{} is kept by {} {}, which would write the old address again", words(entry), owner.kind, owner.name);
    Some((what, "name what that is made from under migration.cutover, in its place".to_owned()))
}

fn cannot_restart(words: &str, workload: Option<&Workload>) -> Option<(String, String)> {
    let Some(workload) = workload else {
        return Some((format!("{words}, which is to be restarted, is not there"), "correct migration.cutover".to_owned()));
    };
    match (&workload.cannot, &workload.rollout) {
        (Some((why, what_to_do)), _) => Some((format!("{words} cannot be restarted: {why}"), what_to_do.clone())),
        (None, Rollout::Stuck(why)) => Some((format!("{words} does not come up as it is: {why}"), "mend it first".to_owned())),
        _ => None,
    }
}

/// What may not be changed there.
async fn denied(cluster: &kubernetes::Reads, objects: impl Iterator<Item = &Object>) -> Result<Option<(String, String)>, CallError> {
    for object in objects {
        if !cluster.may("patch", object).await? {
            let what = format!("{}/{}", object.resource.plural(), object.name);
            return Ok(Some((
                format!("{what} in {} may not be changed by whom holdfast is there", object.namespace),
                format!("allow `patch {what}` there by a Role and a RoleBinding"),
            )));
        }
    }
    Ok(None)
}

/// The writing side of the cluster that a step is for: one that the context leads to by now, and another one than the plan's, is refused.
async fn meant(writes: &Writes, entry: &KubernetesEntry) -> Result<(kubernetes::Writes, Object), CallError> {
    let cluster = writes.kubernetes(entry.context.as_deref(), entry.server.as_deref()).await?;
    is_meant(entry, cluster.reads().cluster())?;
    let namespace = entry.namespace.clone().unwrap_or_else(|| cluster.reads().cluster().namespace.clone());
    let object = object(entry, &namespace);
    Ok((cluster, object))
}

pub async fn names_any(writes: &Writes, entry: &KubernetesEntry, of: &Endpoints) -> Result<bool, CallError> {
    let (cluster, object) = meant(writes, entry).await?;
    let found = cluster.entry(&object, &[&entry.key]).await?;
    Ok(found.is_some_and(|found| found.values.get(&entry.key).is_some_and(|text| names(text.expose_secret(), of))))
}

pub async fn names_source(writes: &Writes, entry: &KubernetesEntry, way: &Way<'_>) -> Result<(), CallError> {
    let (cluster, object) = meant(writes, entry).await?;
    let found = present(&cluster, entry, &object, &[&entry.key]).await?;
    if found.immutable {
        let message = format!("{} is immutable: nobody can turn it", words(entry));
        return Err(not_sent(object.resource.patch(), Class::Invalid, "Immutable", message));
    }
    new_value(&found, entry, &object, way).map(|_| ())
}

async fn present(cluster: &kubernetes::Writes, entry: &KubernetesEntry, object: &Object, keys: &[&str]) -> Result<Entry, CallError> {
    let missing = || not_sent(object.resource.get(), Class::NotFound, "NotFound", format!("{} is not there", words(entry)));
    cluster.entry(object, keys).await?.ok_or_else(missing)
}

fn new_value(found: &Entry, entry: &KubernetesEntry, object: &Object, way: &Way<'_>) -> Result<String, CallError> {
    let refused = |message: String| not_sent(object.resource.get(), Class::Invalid, "NotTheAddress", message);
    let Some(value) = found.values.get(&entry.key) else { return Err(refused(format!("{} holds no text under that key", words(entry)))) };
    rewritten(value.expose_secret(), way).ok_or_else(|| {
        let what = "does not name the address of the group that is moved: correct `cutover`, or what is written there";
        refused(format!("{} {what}", words(entry)))
    })
}

pub async fn turn(writes: &Writes, entry: &KubernetesEntry, turned: &str, way: &Way<'_>) -> Result<(), CallError> {
    let (cluster, object) = meant(writes, entry).await?;
    let found = present(&cluster, entry, &object, &[&entry.key]).await?;
    match stand(&found.metadata, &entry.key, turned) {
        Stand::Target => {}
        Stand::Source => {
            if way.token.is_some() && object.resource == Resource::ConfigMaps {
                let message = format!("{} is not made for secrets, and the address would hold the token", words(entry));
                return Err(not_sent(object.resource.patch(), Class::Invalid, "NotSecure", message));
            }
            let new = new_value(&found, entry, &object, way)?;
            let change = Change {
                version: found.metadata.resource_version.clone(),
                annotations: vec![(annotation(turned), Some(TARGET.to_owned()))],
                values: vec![(turned.to_owned(), found.values.get(&entry.key).cloned()), (entry.key.clone(), Some(new.into()))],
            };
            cluster.change(&object, &change).await?;
        }
        Stand::Replaced(_) | Stand::Back => {
            let message = format!("{} was written by somebody else, or turned back, since it was turned", words(entry));
            return Err(not_sent(object.resource.patch(), Class::Invalid, "Replaced", message));
        }
    }
    restart(&cluster, entry, &object, turned, true).await
}

/// The old value again, while the one in force is still holdfast's; then whoever may have read it starts anew.
pub async fn turn_back(writes: &Writes, entry: &KubernetesEntry, turned: &str) -> Result<(), CallError> {
    let (cluster, object) = meant(writes, entry).await?;
    let found = present(&cluster, entry, &object, &[turned]).await?;
    let note = |values| Change {
        version: found.metadata.resource_version.clone(),
        annotations: vec![(annotation(turned), Some(BACK.to_owned()))],
        values,
    };
    match stand(&found.metadata, &entry.key, turned) {
        Stand::Source => return Ok(()),
        Stand::Back => {}
        // What somebody else has written stays.
        Stand::Replaced(_) => cluster.change(&object, &note(Vec::new())).await?,
        Stand::Target => {
            let Some(before) = found.values.get(turned) else {
                let message =
                    format!("{} does not hold any more what it held before holdfast: write the address into it by hand", words(entry));
                return Err(not_sent(object.resource.patch(), Class::Invalid, "NoPreviousValue", message));
            };
            cluster.change(&object, &note(vec![(entry.key.clone(), Some(before.clone()))])).await?;
        }
    }
    restart(&cluster, entry, &object, &back(turned), false).await
}

async fn restart(
    cluster: &kubernetes::Writes,
    entry: &KubernetesEntry,
    object: &Object,
    mark: &str,
    must_be_there: bool,
) -> Result<(), CallError> {
    for (words, workload) in workloads(entry, &object.namespace) {
        match cluster.reads().workload(&workload).await? {
            Some(found) if found.restarted.as_deref() == Some(mark) => {}
            Some(_) => cluster.restart(&workload, mark).await?,
            None if must_be_there => {
                let message = format!("{words}, which is to be restarted, is not there");
                return Err(not_sent(workload.resource.patch(), Class::Invalid, "NotFound", message));
            }
            None => {}
        }
    }
    Ok(())
}

pub async fn forget(writes: &Writes, entry: &KubernetesEntry, turned: &str) -> Result<(), CallError> {
    let (cluster, object) = meant(writes, entry).await?;
    if cluster.reads().metadata(&object).await?.is_none() {
        return Ok(());
    }
    let change = Change { version: None, annotations: vec![(annotation(turned), None)], values: vec![(turned.to_owned(), None)] };
    cluster.change(&object, &change).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(note: Option<&str>, managers: &[(&str, &str)]) -> ObjectMeta {
        let fields = |key: &str| json!({"f:data": {format!("f:{key}"): {}}});
        let managed: Vec<_> =
            managers.iter().map(|(name, key)| json!({"manager": name, "operation": "Update", "fieldsV1": fields(key)})).collect();
        let annotations = note.map(|note| json!({"holdfast.dev/m": note})).unwrap_or(json!({}));
        serde_json::from_value(json!({"annotations": annotations, "managedFields": managed})).unwrap()
    }

    #[test]
    fn where_a_key_stands_is_told_without_its_value() {
        for (note, managers, expected) in [
            (None, vec![("kubectl", "URL")], Stand::Source),
            // Of an earlier move.
            (None, vec![("holdfast", "URL")], Stand::Source),
            (Some("target"), vec![("kubectl", "OTHER"), ("holdfast", "URL")], Stand::Target),
            (Some("target"), vec![("holdfast", "OTHER"), ("argocd", "URL")], Stand::Replaced("argocd".to_owned())),
            (Some("target"), vec![], Stand::Replaced(String::new())),
            (Some("back"), vec![("holdfast", "URL")], Stand::Back),
            (Some("back"), vec![("kubectl", "URL")], Stand::Back),
        ] {
            assert_eq!(stand(&metadata(note, &managers), "URL", "m"), expected, "{note:?} {managers:?}");
        }
        assert_eq!(stand(&metadata(Some("target"), &[("holdfast", "URL")]), "URL", "other"), Stand::Source);
    }

    #[test]
    fn a_place_is_turned_when_everything_that_reads_it_is_made_anew() {
        let of = |mark: &str, rollout: Rollout| Some(Workload { restarted: Some(mark.to_owned()), rollout, cannot: None });
        let going = || Rollout::Going("1 of 2".to_owned());
        let stuck = || Rollout::Stuck("late".to_owned());
        let at = |stand: &Stand, one: Option<Workload>, two: Option<Workload>| {
            rolled(stand, &[("deployment/a", one), ("deployment/b", two)], "m")
        };
        let done = |mark: &str| of(mark, Rollout::Done);
        assert_eq!(at(&Stand::Source, None, None), Turned::Source);
        assert_eq!(at(&Stand::Target, done("m"), done("2026-01-01T00:00:00Z")), Turned::Begun);
        assert_eq!(at(&Stand::Target, done("m"), of("m", going())), Turned::Turning("deployment/b: 1 of 2".to_owned()));
        assert_eq!(at(&Stand::Target, done("m"), of("m", stuck())), Turned::Failed("deployment/b: late".to_owned()));
        assert_eq!(at(&Stand::Target, done("m"), done("m")), Turned::Target);
        assert!(matches!(at(&Stand::Target, done("m"), None), Turned::Failed(_)));
        // On the way back all of them start anew, whether they were asked to on the way there or not.
        assert_eq!(at(&Stand::Back, done("m"), done("m-back")), Turned::Begun);
        assert_eq!(at(&Stand::Back, of("m-back", going()), None), Turned::TurningBack("deployment/a: 1 of 2".to_owned()));
        assert_eq!(at(&Stand::Back, of("m-back", stuck()), None), Turned::BackFailed("deployment/a: late".to_owned()));
        assert_eq!(at(&Stand::Back, done("m-back"), None), Turned::Back);
        let Turned::Failed(why) = at(&Stand::Replaced("argocd".to_owned()), None, None) else { panic!("somebody else has written it") };
        assert_eq!(why, "it was turned, and argocd has written it since");
    }

    #[test]
    fn a_place_is_named_with_its_cluster_and_its_name_is_not_of_that() {
        let entry = KubernetesEntry { secret: Some("app".to_owned()), key: "URL".to_owned(), ..KubernetesEntry::default() };
        let standing = Standing { context: Some("prod".to_owned()), server: "https://a:6443".to_owned(), namespace: "web".to_owned() };
        let pinned = pinned(&entry, &standing);
        assert_eq!(words(&entry), "the Kubernetes Secret app (URL)");
        assert_eq!(words(&pinned), "the Kubernetes Secret app (URL) in web of prod, https://a:6443");
        assert_eq!(key(&entry), key(&pinned));
        let other = KubernetesEntry { secret: None, config_map: Some("app".to_owned()), ..entry.clone() };
        assert_ne!(key(&entry), key(&other));
        assert_eq!(words(&other), "the ConfigMap app (URL)");
    }
}

//! How far the pods of a workload are made anew, by the rules of `kubectl rollout status`. Pure.
//!
//! <https://github.com/kubernetes/kubectl/blob/v0.35.4/pkg/polymorphichelpers/rollout_status.go>, and `objectrestarter.go` beside it for what cannot be
//! restarted.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// On the pod template: when it was last asked to make its pods anew. kubectl writes a time there, holdfast which move it is for.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// A workload as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What its pod template says under [`RESTARTED_AT`].
    pub restarted: Option<String>,
    pub rollout: Rollout,
    /// Why its pods cannot be made anew, and what to do.
    pub cannot: Option<(String, String)>,
}

/// How far its pods are those of its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    Done,
    /// On its way, as the words say.
    Going(String),
    /// It does not come to its end, as the words say.
    Stuck(String),
}

impl Workload {
    pub(super) fn of_deployment(found: &Deployment) -> Workload {
        let (spec, status) = (found.spec.as_ref(), found.status.clone().unwrap_or_default());
        let paused = spec.is_some_and(|spec| spec.paused == Some(true));
        let progressing = status.conditions.iter().flatten().find(|condition| condition.type_ == "Progressing");
        let (updated, available) = (status.updated_replicas.unwrap_or(0), status.available_replicas.unwrap_or(0));
        let (wanted, all) = (spec.and_then(|spec| spec.replicas), status.replicas.unwrap_or(0));
        let rollout = if !is_observed(&found.metadata, status.observed_generation) {
            Rollout::Going(NOT_OBSERVED.to_owned())
        } else if let Some(stuck) = progressing.filter(|one| one.reason.as_deref() == Some("ProgressDeadlineExceeded")) {
            let said = crate::aws::clean(stuck.message.as_deref().unwrap_or_default());
            Rollout::Stuck(format!("it has exceeded its progress deadline: {said}"))
        } else if let Some(wanted) = wanted.filter(|wanted| updated < *wanted) {
            Rollout::Going(format!("{updated} of {wanted} new pods are made"))
        } else if all > updated {
            Rollout::Going(format!("{} old pods are about to end", all - updated))
        } else if available < updated {
            Rollout::Going(format!("{available} of {updated} new pods are available"))
        } else {
            Rollout::Done
        };
        let cannot = paused.then(|| ("its rollout is paused".to_owned(), "`kubectl rollout resume` it".to_owned()));
        Workload { restarted: restarted(spec.map(|spec| &spec.template)), rollout, cannot }
    }

    pub(super) fn of_stateful_set(found: &StatefulSet) -> Workload {
        let (spec, status) = (found.spec.as_ref(), found.status.clone().unwrap_or_default());
        let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
        let partition = strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition).unwrap_or(0);
        let cannot = rolls(strategy.and_then(|strategy| strategy.type_.as_deref())).or_else(|| {
            let what_to_do = "set updateStrategy.rollingUpdate.partition to 0, or delete the pods below it when the address is turned, and leave it out of `restart`";
            (partition > 0).then(|| (format!("its partition keeps the pods below {partition} as they are"), what_to_do.to_owned()))
        });
        let wanted = spec.and_then(|spec| spec.replicas);
        let ready = status.ready_replicas.unwrap_or(0);
        // Of one that nobody has looked at yet it is 0.
        let observed = status.observed_generation.filter(|observed| *observed != 0);
        let rollout = if !is_observed(&found.metadata, observed) {
            Rollout::Going(NOT_OBSERVED.to_owned())
        } else if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
            Rollout::Going(format!("{ready} of {wanted} pods are ready"))
        } else if status.update_revision != status.current_revision {
            let (updated, wanted) = (status.updated_replicas.unwrap_or(0), wanted.unwrap_or(0));
            Rollout::Going(format!("{updated} of {wanted} pods are those of the new revision"))
        } else {
            Rollout::Done
        };
        Workload { restarted: restarted(spec.map(|spec| &spec.template)), rollout, cannot }
    }

    pub(super) fn of_daemon_set(found: &DaemonSet) -> Workload {
        let (spec, status) = (found.spec.as_ref(), found.status.clone().unwrap_or_default());
        let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
        let (wanted, updated) = (status.desired_number_scheduled, status.updated_number_scheduled.unwrap_or(0));
        let available = status.number_available.unwrap_or(0);
        let rollout = if !is_observed(&found.metadata, status.observed_generation) {
            Rollout::Going(NOT_OBSERVED.to_owned())
        } else if updated < wanted {
            Rollout::Going(format!("{updated} of {wanted} new pods are made"))
        } else if available < wanted {
            Rollout::Going(format!("{available} of {wanted} new pods are available"))
        } else {
            Rollout::Done
        };
        let cannot = rolls(strategy.and_then(|strategy| strategy.type_.as_deref()));
        Workload { restarted: restarted(spec.map(|spec| &spec.template)), rollout, cannot }
    }
}

const NOT_OBSERVED: &str = "its controller has not seen the change yet";

fn is_observed(metadata: &ObjectMeta, observed: Option<i64>) -> bool {
    observed.is_some_and(|observed| observed >= metadata.generation.unwrap_or(0))
}

/// Why pods are not made anew by the strategy of that name.
fn rolls(strategy: Option<&str>) -> Option<(String, String)> {
    let other = strategy.filter(|strategy| *strategy != "RollingUpdate")?;
    let what_to_do =
        "set updateStrategy.type to RollingUpdate, or delete its pods when the address is turned, and leave it out of `restart`";
    Some((format!("its pods are replaced by {other}, and not by RollingUpdate"), what_to_do.to_owned()))
}

fn restarted(template: Option<&PodTemplateSpec>) -> Option<String> {
    template?.metadata.as_ref()?.annotations.as_ref()?.get(RESTARTED_AT).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merged(mut base: Value, change: Value) -> Value {
        fn merge(into: &mut Value, from: Value) {
            match (into, from) {
                (Value::Object(into), Value::Object(from)) => {
                    from.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value))
                }
                (into, from) => *into = from,
            }
        }
        merge(&mut base, change);
        base
    }

    #[test]
    fn a_deployment_is_done_by_the_rules_of_kubectl() {
        let done = json!({
            "metadata": {"generation": 4},
            "spec": {"replicas": 3, "selector": {}, "template": {"metadata": {"annotations": {RESTARTED_AT: "m"}}}},
            "status": {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
        });
        let of = |change: Value| Workload::of_deployment(&serde_json::from_value(merged(done.clone(), change)).unwrap());
        assert_eq!(of(json!({})), Workload { restarted: Some("m".to_owned()), rollout: Rollout::Done, cannot: None });
        for (change, expected) in [
            (json!({"metadata": {"generation": 5}}), "its controller has not seen the change yet"),
            (json!({"status": null}), "its controller has not seen the change yet"),
            (json!({"status": {"updatedReplicas": 2}}), "2 of 3 new pods are made"),
            (json!({"status": {"replicas": 5}}), "2 old pods are about to end"),
            (json!({"status": {"availableReplicas": 1}}), "1 of 3 new pods are available"),
        ] {
            assert_eq!(of(change.clone()).rollout, Rollout::Going(expected.to_owned()), "{change}");
        }
        let condition = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"});
        let stuck = json!({"status": {"updatedReplicas": 1, "conditions": [condition]}});
        assert_eq!(of(stuck.clone()).rollout, Rollout::Stuck("it has exceeded its progress deadline: timed out".to_owned()));
        // Of an earlier rollout, while nobody has looked at this one.
        let again = of(merged(stuck, json!({"metadata": {"generation": 5}})));
        assert_eq!(again.rollout, Rollout::Going(NOT_OBSERVED.to_owned()));
        assert_eq!(
            of(json!({"spec": {"replicas": 0}, "status": {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}})).rollout,
            Rollout::Done
        );
        assert!(of(json!({"spec": {"paused": true}})).cannot.is_some());
    }

    #[test]
    fn a_stateful_set_is_done_by_the_rules_of_kubectl() {
        let done = json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 2, "selector": {}, "serviceName": "w", "template": {}, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}},
            "status": {"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "b", "updateRevision": "b"},
        });
        let of = |change: Value| Workload::of_stateful_set(&serde_json::from_value(merged(done.clone(), change)).unwrap());
        assert_eq!(of(json!({})), Workload { restarted: None, rollout: Rollout::Done, cannot: None });
        for (change, expected) in [
            (json!({"status": {"observedGeneration": 1}}), NOT_OBSERVED),
            (json!({"metadata": {"generation": 0}, "status": {"observedGeneration": 0}}), NOT_OBSERVED),
            (json!({"status": {"readyReplicas": 1}}), "1 of 2 pods are ready"),
            (json!({"status": {"currentRevision": "a", "updatedReplicas": 1}}), "1 of 2 pods are those of the new revision"),
        ] {
            assert_eq!(of(change.clone()).rollout, Rollout::Going(expected.to_owned()), "{change}");
        }
        assert!(of(json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}})).cannot.is_some());
        assert!(of(json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}})).cannot.is_some());
    }

    #[test]
    fn a_daemon_set_is_done_by_the_rules_of_kubectl() {
        let done = json!({
            "metadata": {"generation": 2},
            "spec": {"selector": {}, "template": {}, "updateStrategy": {"type": "RollingUpdate"}},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 3, "updatedNumberScheduled": 3, "numberAvailable": 3},
        });
        let of = |change: Value| Workload::of_daemon_set(&serde_json::from_value(merged(done.clone(), change)).unwrap());
        assert_eq!(of(json!({})).rollout, Rollout::Done);
        for (change, expected) in [
            (json!({"status": {"observedGeneration": 1}}), NOT_OBSERVED),
            (json!({"status": {"updatedNumberScheduled": 1}}), "1 of 3 new pods are made"),
            (json!({"status": {"numberAvailable": 2}}), "2 of 3 new pods are available"),
        ] {
            assert_eq!(of(change.clone()).rollout, Rollout::Going(expected.to_owned()), "{change}");
        }
        assert!(of(json!({"spec": {"updateStrategy": {"type": "OnDelete"}}})).cannot.is_some());
    }
}

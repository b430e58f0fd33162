//! An ECS service: its tasks read the address when they start, and so they are started anew, after the address was turned.
//!
//! The service's tag says which deployment there was when that was asked for: another one that is complete now was begun after it, whoever began it, and
//! all its tasks have read what stands there since.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{Deployment, DeploymentControllerType, DeploymentRolloutState, Service, ServiceField, Tag};

use super::{Place, Turned};
use crate::aws::calls::ecs::UPDATE_SERVICE;
use crate::aws::{CallError, Class, Reads, Writes};
use crate::kinds::elasticache::migration::EcsService;
use crate::kinds::elasticache::start::not_sent;
use crate::kinds::{Fact, Unreadable};

/// On the service: `which way:the deployment before`.
const TAG: &str = "holdfast.dev/deployed";

/// The service as it is, with its tags; nothing where it is not there.
async fn service(reads: &Reads, wanted: &EcsService) -> Result<Option<Service>, CallError> {
    let answer = reads
        .ecs()
        .describe_services(|request| request.cluster(&wanted.cluster).services(&wanted.service).include(ServiceField::Tags))
        .await;
    match answer {
        Ok(answer) => Ok(answer.services.unwrap_or_default().into_iter().next()),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
}

fn note(service: &Service) -> Option<&str> {
    service.tags().iter().find(|tag| tag.key() == Some(TAG)).and_then(Tag::value)
}

/// The name on the way back.
fn back(turned: &str) -> String {
    format!("{turned}-back")
}

fn stand(note: Option<&str>, primary: Option<&Deployment>, turned: &str) -> Turned {
    let Some((way, before)) = note.and_then(|note| note.split_once(':')) else { return Turned::Source };
    let there = way == turned;
    if !there && way != back(turned) {
        return Turned::Source;
    }
    let Some(primary) = primary else { return Turned::Begun };
    let id = primary.id().unwrap_or_default();
    if id == before {
        return Turned::Begun;
    }
    let words = format!("the deployment {id}: {} of {} tasks run", primary.running_count(), primary.desired_count());
    let reason = primary.rollout_state_reason().unwrap_or_default();
    let failed = || format!("the deployment {id} failed: {}", crate::aws::clean(reason));
    match (primary.rollout_state(), there) {
        (Some(DeploymentRolloutState::Completed), true) => Turned::Target,
        (Some(DeploymentRolloutState::Completed), false) => Turned::Back,
        (Some(DeploymentRolloutState::Failed), true) => Turned::Failed(failed()),
        (Some(DeploymentRolloutState::Failed), false) => Turned::BackFailed(failed()),
        // The circuit breaker's own deployment, after the one that was asked for.
        (_, true) if reason.contains("rolling back") => Turned::Failed(failed()),
        (_, true) => Turned::Turning(words),
        (_, false) => Turned::TurningBack(words),
    }
}

pub async fn look(reads: &Reads, wanted: &EcsService, turned: &str) -> Fact<Place> {
    let key = format!("ecs:DescribeServices/{}/{}", wanted.cluster, wanted.service);
    match reads.once(key, || service(reads, wanted)).await {
        Ok(found) => match found.as_ref() {
            Some(found) => Fact::Present(Place {
                cannot: cannot(found),
                marked: note(found).is_some(),
                ..Place::of(stand(note(found), primary(found), turned))
            }),
            None => Fact::Absent,
        },
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

fn cannot(service: &Service) -> Option<(String, String)> {
    let name = service.service_name().unwrap_or_default();
    let status = service.status().unwrap_or("ACTIVE");
    if status != "ACTIVE" {
        return Some((format!("the ECS service {name} is {status}"), "correct migration.cutover".to_owned()));
    }
    let controller = service.deployment_controller().map(|controller| controller.r#type());
    match controller {
        None | Some(DeploymentControllerType::Ecs) => None,
        Some(other) => Some((
            format!("the ECS service {name} is deployed by {}, and not by ECS itself", other.as_str()),
            "leave it out of migration.cutover, and have it deployed anew when its address is turned".to_owned(),
        )),
    }
}

pub async fn turn(writes: &Writes, wanted: &EcsService, turned: &str) -> Result<(), CallError> {
    let found = present(writes, wanted).await?;
    match stand(note(&found), primary(&found), turned) {
        Turned::Target | Turned::Turning(_) => Ok(()),
        _ => deploy(writes, wanted, &found, turned).await,
    }
}

pub async fn turn_back(writes: &Writes, wanted: &EcsService, turned: &str) -> Result<(), CallError> {
    let found = present(writes, wanted).await?;
    match stand(note(&found), primary(&found), turned) {
        Turned::Back | Turned::TurningBack(_) => Ok(()),
        _ => deploy(writes, wanted, &found, &back(turned)).await,
    }
}

pub async fn forget(writes: &Writes, wanted: &EcsService) -> Result<(), CallError> {
    let Some(found) = service(&writes.reads(), wanted).await? else { return Ok(()) };
    if note(&found).is_none() {
        return Ok(());
    }
    let arn = found.service_arn().unwrap_or_default();
    writes.ecs().untag_resource(|request| request.resource_arn(arn).tag_keys(TAG)).await.map(|_| ())
}

async fn present(writes: &Writes, wanted: &EcsService) -> Result<Service, CallError> {
    let missing = || format!("the ECS service {} of {} is not there", wanted.service, wanted.cluster);
    let found = service(&writes.reads(), wanted).await?;
    found.ok_or_else(|| not_sent(&UPDATE_SERVICE, Class::Busy, "NotShown", missing()))
}

/// Notes which deployment there is, and asks for another one.
async fn deploy(writes: &Writes, wanted: &EcsService, found: &Service, way: &str) -> Result<(), CallError> {
    let before = primary(found).and_then(Deployment::id).unwrap_or_default();
    let tags = BTreeMap::from([(TAG, format!("{way}:{before}"))]);
    let tags: Vec<Tag> = tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let arn = found.service_arn().unwrap_or_default();
    writes.ecs().tag_resource(|request| request.resource_arn(arn).set_tags(Some(tags))).await?;
    let answer =
        writes.ecs().update_service(|request| request.cluster(&wanted.cluster).service(&wanted.service).force_new_deployment(true)).await;
    answer.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_deployment_than_the_one_before_has_read_the_address() {
        let deployment = |id: &str, state: DeploymentRolloutState, reason: &str| {
            Deployment::builder().id(id).status("PRIMARY").rollout_state(state).rollout_state_reason(reason).build()
        };
        use DeploymentRolloutState::{Completed, Failed, InProgress};
        let of = |note: Option<&str>, id: &str, state, reason: &str| stand(note, Some(&deployment(id, state, reason)), "m");
        assert_eq!(of(None, "d1", Completed, ""), Turned::Source);
        assert_eq!(of(Some("other:d0"), "d1", Completed, ""), Turned::Source);
        assert_eq!(of(Some("m:d1"), "d1", Completed, ""), Turned::Begun);
        assert!(matches!(of(Some("m:d1"), "d2", InProgress, ""), Turned::Turning(_)));
        assert!(matches!(of(Some("m:d1"), "d3", InProgress, "circuit breaker: rolling back to d1"), Turned::Failed(_)));
        assert!(matches!(of(Some("m:d1"), "d2", Failed, "x"), Turned::Failed(_)));
        assert_eq!(of(Some("m:d1"), "d2", Completed, ""), Turned::Target);
        assert_eq!(of(Some("m-back:d2"), "d2", Completed, ""), Turned::Begun);
        assert!(matches!(of(Some("m-back:d2"), "d3", InProgress, ""), Turned::TurningBack(_)));
        assert!(matches!(of(Some("m-back:d2"), "d3", Failed, "x"), Turned::BackFailed(_)));
        assert_eq!(of(Some("m-back:d2"), "d3", Completed, ""), Turned::Back);
    }
}

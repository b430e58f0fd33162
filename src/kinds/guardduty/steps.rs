//! From what differs to steps. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::op::{DetectorOp, Place, Settings};
use super::spec::bucket_name;
use super::{Detector, SeenDetector, back};
use crate::kinds::kms::{self, Unfit};
use crate::kinds::{Block, Drift, Fact, Impact, Planning, Reason, Step, Steps, Why};

/// GuardDuty verifies a publishing destination for about a minute; a quarter of an hour is plenty.
const VERIFYING: Duration = Duration::from_secs(900);
const VERIFIED: &str = "GuardDuty verifies it for about a minute";

pub(super) fn steps(planning: &Planning<'_, Detector>) -> Steps<DetectorOp> {
    let mut steps = Steps::default();
    match &planning.seen.detector {
        Fact::Unknown(why) => {
            let all: Vec<&Drift> = planning.drifts.iter().collect();
            let message = format!("the detector could not be read: {}: {}", why.call, why.message);
            block(&mut steps, Reason::Unreadable, &all, message, "allow guardduty:ListDetectors and guardduty:GetDetector");
        }
        Fact::Absent => create(planning, &mut steps),
        Fact::Present(detector) => change(planning, detector, &mut steps),
    }
    steps
}

fn block(steps: &mut Steps<DetectorOp>, reason: Reason, drifts: &[&Drift], message: impl Into<String>, what_to_do: impl Into<String>) {
    if drifts.is_empty() {
        return;
    }
    let fields = drifts.iter().map(|drift| drift.field.clone()).collect();
    steps.blocks.push(Block { reason, fields, message: message.into(), what_to_do: what_to_do.into() });
}

/// What a feature that is on costs. <https://aws.amazon.com/guardduty/pricing/>
const PAID: &str = "GuardDuty is paid for by what it analyses";

/// What holdfast makes says so.
fn ours(planning: &Planning<'_, Detector>) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("holdfast.dev/owner".to_owned(), "holdfast".to_owned()),
        ("holdfast.dev/object".to_owned(), planning.scope.object.clone()),
    ])
}

/// Why there can be no publishing destination, and what to do.
const NO_PLACE: (&str, &str) = (
    "there is no publishing destination, and one cannot be made without its bucket and its key",
    "declare publishingDestination.bucket and publishingDestination.kmsKeyArn",
);

fn is_destination(drift: &Drift) -> bool {
    drift.field.starts_with("publishingDestination.")
}

fn create(planning: &Planning<'_, Detector>, steps: &mut Steps<DetectorOp>) {
    let destination = planning.below("publishingDestination");
    let asked = |field: &str| planning.drift(field).is_some_and(|drift| drift.declared.is_string());
    // Known before anything is made, hence said before.
    let complete = asked("publishingDestination.bucket") && asked("publishingDestination.kmsKeyArn");
    let unfit = key(planning);
    let possible = complete && unfit.is_none();
    let own: Vec<&Drift> = planning.drifts.iter().filter(|drift| !is_destination(drift)).collect();
    let mut tags = ours(planning);
    tags.extend(own.iter().filter_map(|drift| tag(drift)).filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))));
    // CreateDetector must be told. A detector that nobody asked to be suspended watches; one whose `enabled` an exception covers does not
    // begin to.
    let enable = match (planning.drift("enabled"), planning.spec.enabled) {
        (Some(drift), _) => drift.declared == Value::Bool(true),
        (None, declared) => declared.is_none(),
    };
    let settings = Settings { enabled: None, ..gather(&own) };
    let region = &planning.scope.region;
    if !possible {
        match unfit.filter(|_| complete) {
            Some(unfit) => block(steps, unfit.reason, &destination, unfit.message, unfit.what_to_do),
            None => block(steps, Reason::InvalidWish, &destination, NO_PLACE.0, NO_PLACE.1),
        }
        if own.is_empty() {
            // Nothing else asks for a detector.
            return;
        }
    }
    let made_for = if own.is_empty() { &destination } else { &own };
    let made = steps.push(
        Step::online(
            format!("Create the GuardDuty detector of {region}"),
            DetectorOp::Create { enable, settings, tags },
            made_for.iter().map(|drift| drift.field.clone()),
        )
        .also_takes(if enable { PAID } else { "" })
        .back(back::delete(planning.scope)),
    );
    if possible && !destination.is_empty() {
        new_destination(planning, None, &destination, &[made], steps);
    }
}

fn change(planning: &Planning<'_, Detector>, detector: &SeenDetector, steps: &mut Steps<DetectorOp>) {
    let (tags, others): (Vec<&Drift>, Vec<&Drift>) = planning.drifts.iter().partition(|drift| tag(drift).is_some());
    retag(planning, detector, &tags, steps);
    match &planning.seen.administrator {
        Fact::Present(account) => {
            let message = format!("this account is a member: GuardDuty here is administered by account {account}");
            return block(steps, Reason::ManagedAbove, &others, message, format!("have it changed in account {account}"));
        }
        Fact::Unknown(why) if !others.is_empty() => {
            let message = format!("whether another account administers GuardDuty could not be read: {}: {}", why.call, why.message);
            return block(steps, Reason::Unreadable, &others, message, "allow guardduty:GetAdministratorAccount, or run again");
        }
        _ => {}
    }
    let (destination, settings): (Vec<&Drift>, Vec<&Drift>) = others.into_iter().partition(|drift| is_destination(drift));
    let mut possible = Vec::new();
    for drift in settings {
        let name = drift.field.strip_prefix("features.");
        let managed = |name: &str| detector.features.get(name).is_some_and(|feature| feature.managed);
        if name.is_some_and(managed) {
            let message = format!("a GuardDuty policy of the organisation decides {}", drift.field);
            block(steps, Reason::ManagedAbove, &[drift], message, "have the policy changed in the organisation's management account");
        } else if name == Some("EKS_RUNTIME_MONITORING") && drift.declared == Value::Bool(true) && on(detector, "RUNTIME_MONITORING") {
            let message = "RUNTIME_MONITORING is on, which covers EKS, and GuardDuty refuses both together";
            block(steps, Reason::Conflict, &[drift], message, "declare RUNTIME_MONITORING in its place");
        } else {
            possible.push(drift);
        }
    }
    // What nobody notices need not wait for the consent that the rest needs.
    let (online, less): (Vec<&Drift>, Vec<&Drift>) = possible.into_iter().partition(|drift| drift.impact == Impact::Online);
    let mut before = Vec::new();
    for drifts in [online, less].into_iter().filter(|drifts| !drifts.is_empty()) {
        before.push(steps.push(update(planning, detector, &drifts)));
    }
    publish(planning, detector, &destination, &before, steps);
}

pub(super) fn on(detector: &SeenDetector, feature: &str) -> bool {
    detector.features.get(feature).is_some_and(|feature| feature.enabled)
}

fn update(planning: &Planning<'_, Detector>, detector: &SeenDetector, drifts: &[&Drift]) -> Step<DetectorOp> {
    let words: Vec<String> = drifts
        .iter()
        .map(|drift| {
            let switch = |what: &str| format!("turn {what} {}", if drift.declared == Value::Bool(true) { "on" } else { "off" });
            match drift.field.strip_prefix("features.") {
                Some(feature) => switch(feature),
                None if drift.field == "enabled" => switch("the detector"),
                None => format!("publish findings every {}", drift.declared.as_str().unwrap_or_default()),
            }
        })
        .collect();
    let impact = drifts.iter().map(|drift| drift.impact).max().unwrap_or(Impact::Online);
    let takes = if impact > Impact::Online { "GuardDuty finds nothing of that kind any more" } else { "" };
    let more = drifts.iter().any(|drift| drift.field != "findingPublishingFrequency" && drift.declared == Value::Bool(true));
    let op = DetectorOp::Update { detector: detector.id.clone(), settings: gather(drifts) };
    Step::online(
        format!("Update the GuardDuty detector of {}: {}", planning.scope.region, words.join(", ")),
        op,
        drifts.iter().map(|drift| drift.field.clone()),
    )
    .impact(impact, takes)
    .also_takes(if more { PAID } else { "" })
    .back(back::update(planning.scope, detector, drifts))
}

/// What these drifts ask of CreateDetector and UpdateDetector.
fn gather(drifts: &[&Drift]) -> Settings {
    let mut settings = Settings::default();
    for drift in drifts {
        match drift.field.strip_prefix("features.") {
            Some(feature) => {
                settings.features.extend(drift.declared.as_bool().map(|enabled| (feature.to_owned(), enabled)));
            }
            None if drift.field == "enabled" => settings.enabled = drift.declared.as_bool(),
            None if drift.field == "findingPublishingFrequency" => settings.frequency = drift.declared.as_str().map(str::to_owned),
            None => {}
        }
    }
    settings
}

/// Why findings cannot be encrypted with the declared key, where that is to be used anew.
fn key(planning: &Planning<'_, Detector>) -> Option<Unfit> {
    let words = planning.spec.publishing_destination.as_ref()?.kms_key_arn.as_deref()?;
    // One that an exception covers is not to be used.
    let asked = planning.drift("publishingDestination.kmsKeyArn").or_else(|| planning.drift("publishingDestination.publishing"));
    let known = !matches!(&planning.seen.key, Fact::Unknown(why) if why.why == Why::NotAsked);
    asked.filter(|_| known)?;
    kms::usable(&planning.seen.key, "publishingDestination.kmsKeyArn", words, planning.scope).err()
}

/// The ARN of a folder of a bucket, which may be named by its ARN.
fn folder(planning: &Planning<'_, Detector>, bucket: &str, prefix: &str) -> String {
    let bucket = bucket_name(bucket);
    let folder = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    format!("arn:{}:s3:::{bucket}{folder}", planning.scope.partition)
}

/// Makes the publishing destination. `detector`: the detector's id; a new one has none yet.
fn new_destination(
    planning: &Planning<'_, Detector>,
    detector: Option<&str>,
    drifts: &[&Drift],
    before: &[usize],
    steps: &mut Steps<DetectorOp>,
) {
    let declared = |field: &str| planning.drift(field).and_then(|drift| drift.declared.as_str());
    let (Some(bucket), Some(key)) = (declared("publishingDestination.bucket"), declared("publishingDestination.kmsKeyArn")) else {
        return block(steps, Reason::InvalidWish, drifts, NO_PLACE.0, NO_PLACE.1);
    };
    let arn = folder(planning, bucket, declared("publishingDestination.prefix").unwrap_or_default());
    let place = Place { arn: Some(arn), kms_key_arn: Some(key.to_owned()) };
    let op = DetectorOp::CreateDestination { detector: detector.map(str::to_owned), place, tags: ours(planning) };
    let title = format!("Publish findings to the bucket {}", bucket_name(bucket));
    let back = match detector {
        Some(detector) => back::delete_destination(planning.scope, detector),
        None => "it goes with the detector".to_owned(),
    };
    let step = Step::online(title, op, drifts.iter().map(|drift| drift.field.clone())).impact(Impact::Online, VERIFIED).back(back);
    steps.push(step.within(VERIFYING).after(before.iter().copied()));
}

fn publish(planning: &Planning<'_, Detector>, detector: &SeenDetector, drifts: &[&Drift], before: &[usize], steps: &mut Steps<DetectorOp>) {
    if drifts.is_empty() {
        return;
    }
    if let Some(unfit) = key(planning) {
        return block(steps, unfit.reason, drifts, unfit.message, unfit.what_to_do);
    }
    let fields = drifts.iter().map(|drift| drift.field.clone());
    let declared = |field: &str| drifts.iter().find(|drift| drift.field == field).and_then(|drift| drift.declared.as_str());
    let (bucket, prefix) = (declared("publishingDestination.bucket"), declared("publishingDestination.prefix"));
    let key = declared("publishingDestination.kmsKeyArn").map(str::to_owned);
    let arn = |bucket: &str, prefix: &str| folder(planning, bucket, prefix);
    let id = detector.id.clone();
    let takes = VERIFIED;
    match &planning.seen.destination {
        Fact::Unknown(why) => {
            let message = format!("the publishing destination could not be read: {}: {}", why.call, why.message);
            block(steps, Reason::Unreadable, drifts, message, "allow guardduty:ListPublishingDestinations and its like, or run again");
        }
        Fact::Absent => new_destination(planning, Some(&detector.id), drifts, before, steps),
        Fact::Present(found) if prefix.is_some() && planning.spec.bucket() != Some(bucket_name(bucket.unwrap_or(&found.bucket))) => {
            // A statement for the new prefix is put into the policy of the declared bucket alone, and without it GuardDuty refuses the change.
            let message = format!(
                "findings are published to {}, and only the policy of a declared bucket is made to let GuardDuty write below another prefix",
                found.bucket
            );
            let what_to_do = match planning.spec.bucket() {
                Some(_) => "let the exception for publishingDestination.bucket cover its prefix too, or end it".to_owned(),
                None => format!("declare publishingDestination.bucket too: {}", found.bucket),
            };
            let (prefix, rest): (Vec<&Drift>, Vec<&Drift>) =
                drifts.iter().copied().partition(|drift| drift.field == "publishingDestination.prefix");
            block(steps, Reason::Conflict, &prefix, message, what_to_do);
            publish(planning, detector, &rest, before, steps);
        }
        Fact::Present(found) => {
            let moves = bucket.is_some() || prefix.is_some();
            let place =
                Place { arn: moves.then(|| arn(bucket.unwrap_or(&found.bucket), prefix.unwrap_or(&found.prefix))), kms_key_arn: key };
            let impact = drifts.iter().map(|drift| drift.impact).max().unwrap_or(Impact::Online);
            let step = if place.arn.is_some() || place.kms_key_arn.is_some() {
                let before = Place { arn: moves.then(|| arn(&found.bucket, &found.prefix)), kms_key_arn: found.kms_key_arn.clone() };
                let back = back::update_destination(planning.scope, &detector.id, &found.id, &before);
                let op = DetectorOp::UpdateDestination { detector: id, destination: found.id.clone(), place, from: found.basis() };
                let takes = if impact > Impact::Online {
                    "new findings appear in another place; GuardDuty verifies it for about a minute"
                } else {
                    takes
                };
                Step::online("Change where findings are published", op, fields).impact(impact, takes).back(back)
            } else {
                let place = Place { arn: Some(arn(&found.bucket, &found.prefix)), kms_key_arn: found.kms_key_arn.clone() };
                let op = DetectorOp::VerifyDestination { detector: id, destination: found.id.clone(), place, from: found.basis() };
                let title = format!("Have GuardDuty try anew to publish to the bucket {}", found.bucket);
                Step::online(title, op, fields).impact(Impact::Online, takes).back("nothing is changed")
            };
            steps.push(step.within(VERIFYING).after(before.iter().copied()));
        }
    }
}

/// The key of a drift of a tag, and its declared value.
fn tag(drift: &Drift) -> Option<(&str, Option<&str>)> {
    Some((drift.field.strip_prefix("tags.")?, drift.declared.as_str()))
}

/// Tags are the account's own, in a member account too.
fn retag(planning: &Planning<'_, Detector>, detector: &SeenDetector, drifts: &[&Drift], steps: &mut Steps<DetectorOp>) {
    let scope = planning.scope;
    let arn = || format!("arn:{}:guardduty:{}:{}:detector/{}", scope.partition, scope.region, scope.account, detector.id);
    let mut set = BTreeMap::new();
    let mut remove = Vec::new();
    for (key, value) in drifts.iter().filter_map(|drift| tag(drift)) {
        match value {
            Some(value) => {
                set.insert(key.to_owned(), value.to_owned());
            }
            None => remove.push(key.to_owned()),
        }
    }
    let tags_back = |taken: bool| {
        let of = drifts.iter().copied().filter(|drift| drift.declared.is_null() == taken);
        back::tags(scope, &arn(), of)
    };
    if !set.is_empty() {
        let fields: Vec<String> = set.keys().map(|key| format!("tags.{key}")).collect();
        steps.push(Step::online("Tag the GuardDuty detector", DetectorOp::Tag { arn: arn(), tags: set }, fields).back(tags_back(false)));
    }
    if !remove.is_empty() {
        let fields: Vec<String> = remove.iter().map(|key| format!("tags.{key}")).collect();
        steps.push(
            Step::online("Take tags off the GuardDuty detector", DetectorOp::Untag { arn: arn(), keys: remove }, fields)
                .back(tags_back(true)),
        );
    }
}

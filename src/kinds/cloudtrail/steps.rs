//! From what differs to steps. Pure.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::op::{InsightSetting, Settings, TrailOp, insights_basis};
use super::selectors::Events;
use super::{SeenTrail, Trails, arn, back, delivery, key};
use crate::kinds::kms::Unfit as Wrong;
use crate::kinds::{Basis, Block, Drift, Fact, Impact, Planning, Reason, Room, Step, Steps};

/// The fields that CreateTrail and UpdateTrail set.
pub(super) const SETTINGS: [&str; 8] = [
    "bucket",
    "keyPrefix",
    "multiRegion",
    "globalEvents",
    "logFileValidation",
    "kmsKeyId",
    "cloudWatchLogs.logGroupArn",
    "cloudWatchLogs.roleArn",
];

pub(super) fn steps(planning: &Planning<'_, Trails>) -> Steps<TrailOp> {
    let mut steps = Steps::default();
    match &planning.seen.trail {
        Fact::Unknown(why) => {
            block_all(
                planning,
                &mut steps,
                Reason::Unreadable,
                format!("the trail could not be read: {}: {}", why.call, why.message),
                "allow cloudtrail:DescribeTrails, or run again".to_owned(),
            );
        }
        Fact::Absent => create(planning, &mut steps),
        Fact::Present(trail) if trail.owner != planning.scope.account => block_all(
            planning,
            &mut steps,
            Reason::ManagedAbove,
            format!("{} is a trail of the organisation: it belongs to account {}", planning.id, trail.owner),
            format!("have it changed in account {}, or declare a trail of this account's own", trail.owner),
        ),
        Fact::Present(trail) => {
            let home = &trail.home_region;
            // What protects and stands on nothing comes first: a step that is refused keeps those behind it from their turn.
            start_logging(planning, &trail.arn, home, &[], &mut steps);
            settings(planning, trail, &mut steps);
            recording(planning, &trail.arn, home, &[], &mut steps);
            tags(planning, trail, &mut steps);
            stop_logging(planning, &trail.arn, home, &mut steps);
            if *home != planning.scope.region && !steps.steps.is_empty() {
                steps.notes.push(format!("{} is at home in {home}, and is changed there", planning.id));
            }
        }
    }
    steps
}

fn block_all(planning: &Planning<'_, Trails>, steps: &mut Steps<TrailOp>, reason: Reason, message: String, what_to_do: String) {
    let fields = planning.drifts.iter().map(|drift| drift.field.clone()).collect();
    steps.blocks.push(Block { reason, fields, message, what_to_do });
}

fn create(planning: &Planning<'_, Trails>, steps: &mut Steps<TrailOp>) {
    let name = planning.id;
    if planning.drift("bucket").is_none() {
        let message = format!("there is no trail {name}, and without its bucket, which an exception covers, it cannot be made");
        return block_all(planning, steps, Reason::InvalidWish, message, "end the exception, or make the trail by hand".to_owned());
    }
    let drifts: Vec<&Drift> = SETTINGS.iter().filter_map(|field| planning.drift(field)).collect();
    let settings = match gather(planning, &drifts, None) {
        Ok(settings) => settings,
        // A trail without its key or its log group would be a weaker one than was asked for.
        Err(wrong) => return block_all(planning, steps, wrong.reason, wrong.message, wrong.what_to_do),
    };
    let mut fields: Vec<String> = drifts.iter().map(|drift| drift.field.clone()).collect();
    let mut tags = BTreeMap::from([
        ("holdfast.dev/owner".to_owned(), "holdfast".to_owned()),
        ("holdfast.dev/object".to_owned(), planning.scope.object.clone()),
    ]);
    for drift in planning.below("tags") {
        if let (Some(key), Some(value)) = (drift.field.strip_prefix("tags."), drift.declared.as_str()) {
            tags.insert(key.to_owned(), value.to_owned());
            fields.push(drift.field.clone());
        }
    }
    // A new trail does not log: that is what `logging: false` asks for.
    fields.extend(planning.drift("logging").filter(|drift| drift.declared == Value::Bool(false)).map(|drift| drift.field.clone()));
    if planning.spec.logging.is_none() {
        steps.notes.push(format!("the new trail {name} will not log: declare logging: true"));
    }
    let op = TrailOp::Create { name: name.to_owned(), settings, tags };
    let back = format!("`{}`", back::command(&planning.scope.region, "delete-trail", "--name", name));
    let paid = join(
        // The first copy of management events costs nothing. <https://aws.amazon.com/cloudtrail/pricing/>
        "its log files are stored and paid for; management events are paid for where another trail records them, too",
        drifts.iter().filter_map(|drift| paid(drift)),
    );
    let made =
        steps.push(Step::online(format!("Create the trail {name}"), op, fields).also_takes(&paid).back(back).within_room(room(planning)));
    let (trail, home) = (arn(planning.scope, name), &planning.scope.region);
    start_logging(planning, &trail, home, &[made], steps);
    recording(planning, &trail, home, &[made], steps);
}

/// Trails a region, shadows among them: a quota that nobody can have raised.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>
const MOST_TRAILS: usize = 5;

/// What is left of the region's places for trails.
fn room(planning: &Planning<'_, Trails>) -> Room {
    let shown = &planning.seen.shown;
    let found = if shown.is_empty() { "none".to_owned() } else { format!("{} ({})", shown.len(), shown.join(", ")) };
    Room {
        left: MOST_TRAILS.saturating_sub(shown.len()),
        message: format!("CloudTrail takes {MOST_TRAILS} trails a region, and {} has {found}", planning.scope.region),
        what_to_do: "delete one that is not needed, or let one trail record what two would: this quota cannot be raised".to_owned(),
    }
}

/// Changes what UpdateTrail changes: in one request what nobody notices, in another what somebody may, so that the one need not wait
/// for the consent that the other needs.
fn settings(planning: &Planning<'_, Trails>, trail: &SeenTrail, steps: &mut Steps<TrailOp>) {
    let mut online = Vec::new();
    let mut disruptive = Vec::new();
    let moves = |drifts: &[&Drift]| drifts.iter().any(|drift| drift.field == "bucket");
    let group_moves = planning.drift("cloudWatchLogs.logGroupArn").is_some_and(|drift| drift.impact > Impact::Online);
    for drift in SETTINGS.iter().filter_map(|field| planning.drift(field)) {
        if let Some(wrong) = in_the_way(planning, trail, drift) {
            steps.block(wrong.reason, drift.field.clone(), wrong.message, wrong.what_to_do);
            continue;
        }
        let with_the_bucket = drift.field == "kmsKeyId" && key::goes_with_the_bucket(planning, trail);
        if with_the_bucket && !moves(&online) && !moves(&disruptive) {
            steps.block(
                Reason::WaitsForOther,
                drift.field.clone(),
                "the key is of the new bucket's region, and CloudTrail takes neither without the other; the bucket is blocked",
                "see what stands against bucket",
            );
            continue;
        }
        // A role belongs to its log group: the new one may not be let into the old group.
        let with_the_group = group_moves && drift.field == "cloudWatchLogs.roleArn";
        if drift.impact > Impact::Online || with_the_bucket || with_the_group { disruptive.push(drift) } else { online.push(drift) }
    }
    // A bucket that is gone, or lets CloudTrail in no more, has to be left before anything else is taken.
    let shut = delivery::shut(planning, trail);
    let names = |drifts: &[&Drift]| drifts.iter().map(|drift| drift.field.clone()).collect::<Vec<_>>();
    let mut stuck = shut.is_some() && !moves(&online) && !moves(&disruptive);
    let mut moved = None;
    let updates = if moves(&disruptive) { [disruptive, online] } else { [online, disruptive] };
    for drifts in updates.into_iter().filter(|drifts| !drifts.is_empty()) {
        let fields = names(&drifts);
        if let Some(shut) = shut.as_ref().filter(|_| stuck) {
            steps.blocks.push(shut.block(planning, trail, fields));
            continue;
        }
        let settings = match gather(planning, &drifts, Some(trail)) {
            Ok(settings) => settings,
            Err(wrong) => {
                steps.blocks.push(Block { reason: wrong.reason, fields, message: wrong.message, what_to_do: wrong.what_to_do });
                stuck |= shut.is_some() && moves(&drifts);
                continue;
            }
        };
        let logs = ["cloudWatchLogs.logGroupArn", "cloudWatchLogs.roleArn"];
        let one_of_two = logs.iter().filter(|log| drifts.iter().any(|drift| drift.field == **log)).count() == 1;
        let from = one_of_two.then(|| trail.settings.cloud_watch_logs());
        let mut takes: Vec<&str> = drifts.iter().filter_map(|drift| takes(drift)).collect();
        // Bucket and prefix say the same.
        takes.dedup();
        let impact = drifts.iter().map(|drift| drift.impact).max().unwrap_or(Impact::Online);
        steps.notes.extend(takes.iter().map(|takes| format!("{}: {takes}", planning.id)));
        let place = steps.push(
            Step::online(title(planning.id, &drifts), TrailOp::Update { trail: trail.arn.clone(), settings, from }, fields)
                .impact(impact, takes.join("; "))
                .also_takes(&join("", drifts.iter().filter_map(|drift| paid(drift))))
                .back(back::update(planning.id, trail, &drifts))
                .after(moved),
        );
        // Where the present bucket takes nothing, or may, the rest would be refused until then.
        moved = moved.or(Some(place).filter(|_| shut.is_some() && moves(&drifts)));
    }
}

/// What weakening or moving a trail does. Nothing for what nobody notices.
fn takes(drift: &Drift) -> Option<&'static str> {
    match drift.field.as_str() {
        _ if drift.impact == Impact::Online => None,
        "bucket" | "keyPrefix" => Some("new log files and digests appear in another place; whoever reads them must look there"),
        "multiRegion" => Some("events of all other regions are no longer recorded"),
        "globalEvents" => Some("events of IAM, STS and CloudFront are no longer recorded"),
        "logFileValidation" => {
            Some("log files of the time without it can never be shown to be unchanged; turned on again, a new chain of digests begins")
        }
        "cloudWatchLogs.logGroupArn" => Some("events go to another log group; metric filters and alarms on the old one see no more"),
        _ => None,
    }
}

/// What is paid for from then on, where a setting costs something.
fn paid(drift: &Drift) -> Option<&'static str> {
    match drift.field.as_str() {
        "multiRegion" if drift.declared == Value::Bool(true) => Some("the events of all regions are stored and paid for"),
        "kmsKeyId" => Some("requests to KMS are paid for"),
        "cloudWatchLogs.logGroupArn" => Some("events in CloudWatch Logs are paid for by volume"),
        _ => None,
    }
}

fn join(first: &'static str, rest: impl IntoIterator<Item = &'static str>) -> String {
    std::iter::once(first).filter(|first| !first.is_empty()).chain(rest).collect::<Vec<_>>().join("; ")
}

fn title(trail: &str, drifts: &[&Drift]) -> String {
    let switch = |drift: &Drift, what: &str| format!("turn {what} {}", if drift.declared == Value::Bool(true) { "on" } else { "off" });
    let words: Vec<String> = drifts
        .iter()
        .map(|drift| match drift.field.as_str() {
            "bucket" => format!("deliver to the bucket {}", drift.declared.as_str().unwrap_or_default()),
            "keyPrefix" => "change the key prefix".to_owned(),
            "multiRegion" => switch(drift, "recording of every region"),
            "globalEvents" => switch(drift, "recording of global services"),
            "logFileValidation" => switch(drift, "log file validation"),
            "kmsKeyId" => format!("encrypt with {}", drift.declared.as_str().unwrap_or_default()),
            "cloudWatchLogs.logGroupArn" => "send events to the log group".to_owned(),
            _ => "change the role for CloudWatch Logs".to_owned(),
        })
        .collect();
    format!("Update the trail {trail}: {}", words.join(", "))
}

/// What CloudTrail would refuse, given what is not to be changed.
fn in_the_way(planning: &Planning<'_, Trails>, trail: &SeenTrail, drift: &Drift) -> Option<Wrong> {
    let becomes = |field: &str, found: Option<bool>| planning.drift(field).and_then(|drift| drift.declared.as_bool()).or(found);
    match drift.field.as_str() {
        // What lives in the trail's own region, or names it there: the bucket's policy lets a trail in by its ARN, a key and a log group are of a region, and a
        // trail of one region alone is not seen from another.
        "bucket" | "keyPrefix" | "kmsKeyId" | "cloudWatchLogs.logGroupArn" | "cloudWatchLogs.roleArn" | "multiRegion"
            if trail.home_region != planning.scope.region =>
        {
            Some(Wrong {
                reason: Reason::NotSupported,
                message: format!("the trail is at home in {}, and this is changed with what there is in that region", trail.home_region),
                what_to_do: format!("declare it in an object whose spec.region is {}", trail.home_region),
            })
        }
        "multiRegion" if drift.declared == Value::Bool(true) => (becomes("globalEvents", trail.settings.global_events) == Some(false))
            .then(|| Wrong {
                reason: Reason::Conflict,
                message: "a multi-region trail always records global events, and this one does not".to_owned(),
                what_to_do: "declare globalEvents: true as well".to_owned(),
            }),
        "globalEvents" if drift.declared == Value::Bool(false) => {
            // From another region than its own it stays what it is.
            let elsewhere = trail.home_region != planning.scope.region;
            let spans = if elsewhere { trail.settings.multi_region } else { becomes("multiRegion", trail.settings.multi_region) };
            (spans == Some(true)).then(|| Wrong {
                reason: Reason::Conflict,
                message: "the trail is multi-region, and such a trail always records global events".to_owned(),
                what_to_do: match elsewhere {
                    true => format!("declare both in an object whose spec.region is {}, or globalEvents: true", trail.home_region),
                    false => "declare multiRegion: false as well, or globalEvents: true".to_owned(),
                },
            })
        }
        "kmsKeyId" => key::declared(planning, Some(trail)).err(),
        // UpdateTrail refuses a bucket that does not let the members' logs in, and holdfast reads no organization.
        "bucket" | "keyPrefix"
            if trail.organization && planning.spec.organization_id.is_none() && planning.spec.own_bucket(planning.scope).is_some() =>
        {
            Some(Wrong {
                reason: Reason::InvalidWish,
                message: "the trail records for an organization, and without its id the bucket's policy would not let the members' logs in"
                    .to_owned(),
                what_to_do: "declare organizationId: `aws organizations describe-organization` shows it".to_owned(),
            })
        }
        "bucket" => key::kept(planning, trail),
        // In the bucket that the trail does not leave nobody makes room for another prefix.
        "keyPrefix" => prefix(planning, trail).or_else(|| key::kept(planning, trail)),
        _ => None,
    }
}

/// Log files go where the bucket's policy lets CloudTrail write, and a statement for the new prefix is put into that of the declared bucket alone: without it
/// UpdateTrail ends in InsufficientS3BucketPolicyException.
fn prefix(planning: &Planning<'_, Trails>, trail: &SeenTrail) -> Option<Wrong> {
    let becomes = planning.drift("bucket").and_then(|drift| drift.declared.as_str()).or(trail.settings.bucket.as_deref());
    (planning.spec.bucket.as_deref() != becomes).then(|| Wrong {
        reason: Reason::Conflict,
        message: format!(
            "the trail delivers to {}, and only the policy of a declared bucket is made to let CloudTrail write below another prefix",
            becomes.unwrap_or("no bucket")
        ),
        what_to_do: match (&planning.spec.bucket, becomes) {
            (Some(_), _) => "let the exception for bucket cover keyPrefix too, or end it".to_owned(),
            (None, Some(bucket)) => format!("declare bucket too: {bucket}"),
            (None, None) => "declare bucket too".to_owned(),
        },
    })
}

/// The settings that these drifts ask for.
fn gather(planning: &Planning<'_, Trails>, drifts: &[&Drift], trail: Option<&SeenTrail>) -> Result<Settings, Wrong> {
    fn declared<T: DeserializeOwned>(drifts: &[&Drift], field: &str) -> Option<T> {
        let drift = drifts.iter().find(|drift| drift.field == field)?;
        serde_json::from_value(drift.declared.clone()).ok()
    }
    let mut settings = Settings {
        bucket: declared(drifts, "bucket"),
        key_prefix: declared(drifts, "keyPrefix"),
        multi_region: declared(drifts, "multiRegion"),
        global_events: declared(drifts, "globalEvents"),
        log_file_validation: declared(drifts, "logFileValidation"),
        kms_key_arn: None,
        // CloudTrail wants the ARN with `:*` behind it.
        log_group_arn: declared(drifts, "cloudWatchLogs.logGroupArn").map(|arn: String| format!("{}:*", super::fields::log_group(&arn))),
        role_arn: declared(drifts, "cloudWatchLogs.roleArn"),
    };
    if let Some(group) = &settings.log_group_arn
        && let Some(region) = group.split(':').nth(3)
        && region != planning.seen.home(planning.scope)
    {
        let home = planning.seen.home(planning.scope);
        return Err(Wrong {
            reason: Reason::InvalidWish,
            message: format!("the log group is in {region}, and the trail sends its events to one of its own region, {home}"),
            what_to_do: format!("declare a log group in {home} as cloudWatchLogs.logGroupArn"),
        });
    }
    if drifts.iter().any(|drift| drift.field == "kmsKeyId") {
        settings.kms_key_arn = Some(key::declared(planning, trail)?);
    }
    // CloudTrail takes the log group and the role together only.
    if settings.log_group_arn.is_some() != settings.role_arn.is_some() {
        let found = trail.map(|trail| (trail.settings.log_group_arn.clone(), trail.settings.role_arn.clone()));
        let (group, role) = found.unwrap_or_default();
        settings.log_group_arn = settings.log_group_arn.or(group);
        settings.role_arn = settings.role_arn.or(role);
        if settings.log_group_arn.is_none() || settings.role_arn.is_none() {
            return Err(Wrong {
                reason: Reason::Conflict,
                message: "CloudTrail takes a log group and a role together only, and one of them is covered by an exception".to_owned(),
                what_to_do: "let the exception cover cloudWatchLogs as a whole, or end it".to_owned(),
            });
        }
    }
    Ok(settings)
}

fn tags(planning: &Planning<'_, Trails>, trail: &SeenTrail, steps: &mut Steps<TrailOp>) {
    let mut set = BTreeMap::new();
    let mut remove = Vec::new();
    for drift in planning.below("tags") {
        let Some(key) = drift.field.strip_prefix("tags.") else { continue };
        match drift.declared.as_str() {
            Some(value) => {
                set.insert(key.to_owned(), value.to_owned());
            }
            None => remove.push(key.to_owned()),
        }
    }
    let tags_back = |taken: bool| {
        let drifts = planning.below("tags").into_iter().filter(|drift| drift.declared.is_null() == taken);
        back::tags(&trail.home_region, &trail.arn, drifts)
    };
    let fields = |keys: Vec<&String>| keys.into_iter().map(|key| format!("tags.{key}")).collect::<Vec<_>>();
    if !set.is_empty() {
        let fields = fields(set.keys().collect());
        let op = TrailOp::Tag { trail: trail.arn.clone(), tags: set };
        steps.push(Step::online(format!("Tag the trail {}", planning.id), op, fields).back(tags_back(false)));
    }
    if !remove.is_empty() {
        let fields = fields(remove.iter().collect());
        let op = TrailOp::Untag { trail: trail.arn.clone(), keys: remove };
        steps.push(Step::online(format!("Take tags off the trail {}", planning.id), op, fields).back(tags_back(true)));
    }
}

/// On a trail that is there by then. StartLogging does not look at the bucket.
fn start_logging(planning: &Planning<'_, Trails>, trail: &str, home: &str, made: &[usize], steps: &mut Steps<TrailOp>) {
    let name = planning.id;
    if planning.drift("logging").is_some_and(|drift| drift.declared == Value::Bool(true)) {
        let op = TrailOp::StartLogging { trail: trail.to_owned() };
        let back = format!("`{}`", back::command(home, "stop-logging", "--name", name));
        let step = Step::online(format!("Start logging of the trail {name}"), op, ["logging"]);
        steps.push(step.back(back).after(made.iter().copied()));
    }
}

/// The last of all: until then the trail records what else is done.
fn stop_logging(planning: &Planning<'_, Trails>, trail: &str, home: &str, steps: &mut Steps<TrailOp>) {
    let name = planning.id;
    if let Some(drift) = planning.drift("logging").filter(|drift| drift.declared != Value::Bool(true)) {
        let takes = "nothing is recorded any more; what happens meanwhile can never be looked up";
        steps.notes.push(format!("{name}: {takes}"));
        let op = TrailOp::StopLogging { trail: trail.to_owned() };
        steps.push(
            Step::online(format!("Stop logging of the trail {name}"), op, ["logging"])
                .impact(drift.impact.max(Impact::Disruptive), takes)
                .back(format!("`{}`", back::command(home, "start-logging", "--name", name))),
        );
    }
}

/// Event selectors, insights: each a request of its own, on a trail that is there by then.
fn recording(planning: &Planning<'_, Trails>, trail: &str, home: &str, made: &[usize], steps: &mut Steps<TrailOp>) {
    let after = || made.iter().copied();
    let name = planning.id;
    let trail = || trail.to_owned();
    let mut before: Vec<usize> = made.to_vec();
    let wished = wished_events(planning);
    let writes = wished.as_ref().map(|(.., events)| events).or(planning.seen.events.present()).is_none_or(Events::record_writes);
    if let Some((field, impact, events)) = wished {
        // Changing from one form to the other replaces all that was recorded: the field's own comparison sees only one of the forms.
        let replaced = planning.seen.events.present().is_some_and(|found| {
            matches!((found, &events), (Events::Plain(_), Events::Advanced(_)) | (Events::Advanced(_), Events::Plain(_)))
                && !found.are_default()
        });
        let impact = if replaced { impact.max(Impact::Disruptive) } else { impact };
        let takes = if impact > Impact::Online { "some of what is recorded today may no longer be" } else { "" };
        let from = planning.seen.events.present().filter(|_| made.is_empty()).map(Basis::of);
        let back = back::events(home, name, planning.seen.events.present().unwrap_or(&Events::Plain(Vec::new())));
        let paid = if events.record_data() { "data events are paid for by number" } else { "" };
        let op = TrailOp::PutEventSelectors { trail: trail(), events, from };
        before.push(
            steps.push(
                Step::online(format!("Set what the trail {name} records"), op, [field])
                    .impact(impact, takes)
                    .also_takes(paid)
                    .back(back)
                    .after(after()),
            ),
        );
    }
    if let Some(drift) = planning.drift("insights") {
        let found = planning.seen.insights.present().map(Vec::as_slice).unwrap_or_default();
        let declared = drift.declared.as_array().map(Vec::as_slice).unwrap_or_default();
        // "To log Insights events on the API call rate, the trail must log write management events." (user guide, "Working with CloudTrail Insights")
        if !writes && declared.iter().any(|insight| insight == "ApiCallRateInsight") {
            return steps.block(
                Reason::Conflict,
                "insights",
                format!("ApiCallRateInsight looks at management events that write, and the trail {name} records none"),
                "have its event selectors record them, or declare ApiErrorRateInsight alone",
            );
        }
        let mut wished: Vec<InsightSetting> = Vec::new();
        for insight in declared.iter().filter_map(Value::as_str) {
            let setting = found.iter().find(|setting| setting.insight == insight).cloned();
            wished.push(setting.unwrap_or_else(|| InsightSetting { insight: insight.to_owned(), categories: Vec::new() }));
        }
        let more = wished.iter().any(|setting| !found.contains(setting));
        let paid = if more { "Insights is paid for by the number of events that it looks at" } else { "" };
        wished.sort();
        wished.dedup();
        let takes = if drift.impact > Impact::Online { "some of what Insights finds today it finds no more" } else { "" };
        let op = TrailOp::PutInsights { trail: trail(), insights: wished, from: insights_basis(found) };
        steps.push(
            Step::online(format!("Set what Insights looks for in the trail {name}"), op, ["insights"])
                .impact(drift.impact, takes)
                .also_takes(paid)
                .back(back::insights(home, name, found))
                // Insights on calls need a trail that records writing management events.
                .after(before),
        );
    }
}

fn wished_events(planning: &Planning<'_, Trails>) -> Option<(&'static str, Impact, Events)> {
    if let Some(drift) = planning.drift("eventSelectors") {
        let selectors = serde_json::from_value(drift.declared.clone()).ok()?;
        return Some(("eventSelectors", drift.impact, Events::Plain(selectors)));
    }
    let drift = planning.drift("advancedEventSelectors")?;
    let selectors = serde_json::from_value(drift.declared.clone()).ok()?;
    Some(("advancedEventSelectors", drift.impact, Events::Advanced(selectors)))
}

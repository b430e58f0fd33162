//! Looking at a trail.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types;
use serde::Serialize;
use serde_json::{Value, json};

use super::op::{InsightSetting, Settings};
use super::selectors::{AdvancedEventSelector, EventSelector, Events};
use super::steps::SETTINGS;
use super::{TrailSpec, Trails, delivery, key, selectors};
use crate::aws::{CallError, Reads, calls, pages};
use crate::kinds::{Fact, FactSet, Kind, Scope, Target, Unreadable, Why, kms};

/// What was seen of a trail.
#[derive(Clone, Debug, Default)]
pub struct TrailSeen {
    pub trail: Fact<SeenTrail>,
    pub logging: Fact<bool>,
    /// Why CloudTrail cannot deliver to the trail's bucket, in S3's words. Asked for with `logging`, and where a setting is to be changed and the plan does
    /// not see to that bucket.
    pub delivery_error: Fact<String>,
    /// In canonical form.
    pub events: Fact<Events>,
    pub insights: Fact<Vec<InsightSetting>>,
    pub tags: Fact<BTreeMap<String, String>>,
    /// The account's trails that the region shows, those of other regions among them, by name.
    pub(super) shown: Vec<String>,
    /// The key that the manifest names.
    pub(super) key: Fact<kms::Key>,
    /// Where the buckets are that it delivers to, and is to. Asked for where a key and a bucket are to meet.
    pub(super) bucket_regions: Fact<BTreeMap<String, String>>,
}

/// A trail as DescribeTrails shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenTrail {
    pub arn: String,
    /// Where alone it can be changed.
    pub home_region: String,
    /// The account that it belongs to: an organisation's trail belongs to the management account.
    pub owner: String,
    /// It records for a whole organisation.
    pub organization: bool,
    pub settings: Settings,
}

impl TrailSeen {
    /// Where the trail is at home; one that is to be made, in the manifest's region.
    pub(super) fn home<'a>(&'a self, scope: &'a Scope) -> &'a str {
        self.trail.present().map_or(&scope.region, |trail| &trail.home_region)
    }

    /// A fact out of what DescribeTrails shows.
    pub(super) fn setting<T: Serialize>(&self, of: impl Fn(&SeenTrail) -> Option<T>) -> Fact<Value> {
        self.trail.as_ref().and_then(|trail| Fact::given(of(trail).map(|value| json!(value))))
    }

    /// The trail's key as the manifest calls it, where it is that one; else its ARN.
    pub(super) fn key_in_the_manifests_words(&self) -> Fact<String> {
        let found = self.trail.as_ref().and_then(|trail| Fact::given(trail.settings.kms_key_arn.clone()));
        found.and_then(|arn| match &self.key {
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
            Fact::Present(wished) if wished.arn == arn => Fact::Present(wished.words.clone()),
            _ => Fact::Present(arn),
        })
    }
}

pub(super) async fn observe(reads: &Reads, target: &Target<'_, Trails>, want: &FactSet) -> TrailSeen {
    if want.is_empty() {
        return TrailSeen::default();
    }
    let (trail, names) = match reads.once("DescribeTrails", || all(reads)).await {
        Ok(trails) => {
            let trail = choose(&trails, target.id, target.scope).map_or(Fact::Absent, |trail| seen(trail, target.scope));
            let own = trails.iter().filter(|trail| trail.trail_arn().and_then(owner) == Some(target.scope.account.as_str()));
            (trail, own.filter_map(|trail| trail.name().map(str::to_owned)).collect())
        }
        Err(error) => (Fact::Unknown(Unreadable::from(&error)), Vec::new()),
    };
    let home = trail.present().map_or(target.scope.region.as_str(), |trail| trail.home_region.as_str()).to_owned();
    let key = wished_key(reads, target, want, (&trail, &home)).await;
    let Fact::Present(shown) = &trail else {
        // What hangs on the trail is as absent, or as unknown, as the trail.
        let rest = trail.as_ref().map(|_| ());
        let encrypts = trail.is_absent() && target.spec.kms_key_id.is_some() && want.has("kmsKeyId");
        let buckets: Vec<&String> = target.spec.bucket.iter().filter(|_| encrypts).collect();
        return TrailSeen {
            logging: rest.clone().map(|()| false),
            delivery_error: Fact::default(),
            events: rest.clone().map(|()| Events::Plain(Vec::new())),
            insights: rest.clone().map(|()| Vec::new()),
            tags: rest.map(|()| BTreeMap::new()),
            bucket_regions: asked(!buckets.is_empty(), || key::regions(reads, &buckets)).await,
            trail,
            shown: names,
            key,
        };
    };
    let events = want.has("eventSelectors") || want.has("advancedEventSelectors") || want.has("insights");
    let (arn, own) = (shown.arn.clone(), shown.owner == target.scope.account);
    let seen_to = delivery::is_seen_to(target.spec, target.scope, shown);
    let (found, encrypted) = (shown.settings.bucket.clone(), shown.settings.kms_key_arn.is_some());
    let buckets: Vec<&String> = target.spec.bucket.iter().chain(&found).collect();
    let seen = TrailSeen { trail, shown: names, key, ..TrailSeen::default() };
    let differ = |fields: &[&str]| own && differ(target.spec, &seen, want, fields);
    let status_asked = want.has("logging") || (!seen_to && differ(&SETTINGS));
    let regions_asked = differ(&["kmsKeyId"]) || (encrypted && differ(&["bucket"]));
    let ((logging, delivery_error), bucket_regions, events, insights, tags) = futures::join!(
        async { if status_asked { status(reads, &arn, &home).await } else { Default::default() } },
        asked(regions_asked, || key::regions(reads, &buckets)),
        asked(events, || read_events(reads, &arn, &home)),
        asked(want.has("insights"), || insights(reads, &arn, &home)),
        asked(want.has("tags"), || tags(reads, &arn, &home)),
    );
    TrailSeen { logging, delivery_error, bucket_regions, events, insights, tags, ..seen }
}

/// Whether one of these settings, which UpdateTrail changes, is not as declared.
fn differ(spec: &TrailSpec, seen: &TrailSeen, want: &FactSet, settings: &[&str]) -> bool {
    Trails::FIELDS.iter().filter(|field| settings.contains(&field.path) && want.has(field.path)).any(|field| {
        (field.wish)(spec).is_some_and(|declared| match (field.fact)(seen) {
            Fact::Present(found) => !field.rule.satisfied(&found, &declared),
            Fact::Absent => true,
            // Nothing is changed of a trail with a setting that could not be read.
            Fact::Unknown(_) => false,
        })
    })
}

async fn asked<T, F: Future<Output = Fact<T>>>(wanted: bool, read: impl FnOnce() -> F) -> Fact<T> {
    if wanted { read().await } else { Fact::default() }
}

/// The trails of the region, with the shadows of those that are at home elsewhere. Asked for by name, shadows and an organisation's
/// trails would be left out: <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html>
async fn all(reads: &Reads) -> Result<Vec<types::Trail>, CallError> {
    let answer = reads.cloudtrail().describe_trails(|request| request.include_shadow_trails(true)).await?;
    Ok(answer.trail_list.unwrap_or_default())
}

/// The trail of that name. One region can show two: its own, and the shadow of another region's; its own is meant then.
fn choose<'a>(trails: &'a [types::Trail], name: &str, scope: &Scope) -> Option<&'a types::Trail> {
    let rank = |trail: &&types::Trail| {
        let own = trail.trail_arn().and_then(owner) == Some(scope.account.as_str());
        (!own, trail.home_region() != Some(scope.region.as_str()))
    };
    trails.iter().filter(|trail| trail.name() == Some(name)).min_by_key(rank)
}

/// The account in an ARN.
fn owner(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

fn seen(trail: &types::Trail, scope: &Scope) -> Fact<SeenTrail> {
    let (Some(arn), Some(home_region)) = (trail.trail_arn(), trail.home_region()) else {
        return Fact::Unknown(Unreadable {
            call: calls::cloudtrail::DESCRIBE_TRAILS.to_string(),
            why: Why::Failed,
            message: "the answer names neither the trail's ARN nor its home region".to_owned(),
        });
    };
    Fact::Present(SeenTrail {
        owner: owner(arn).unwrap_or(&scope.account).to_owned(),
        arn: arn.to_owned(),
        home_region: home_region.to_owned(),
        organization: trail.is_organization_trail().unwrap_or(false),
        settings: Settings {
            bucket: trail.s3_bucket_name().map(str::to_owned),
            key_prefix: trail.s3_key_prefix().map(str::to_owned),
            multi_region: trail.is_multi_region_trail(),
            global_events: trail.include_global_service_events(),
            log_file_validation: trail.log_file_validation_enabled(),
            kms_key_arn: trail.kms_key_id().filter(|key| !key.is_empty()).map(str::to_owned),
            log_group_arn: trail.cloud_watch_logs_log_group_arn().filter(|arn| !arn.is_empty()).map(str::to_owned),
            role_arn: trail.cloud_watch_logs_role_arn().filter(|arn| !arn.is_empty()).map(str::to_owned),
        },
    })
}

/// The key that the manifest names, which is a key of the trail's home region where no ARN says another. That of a trail that has it is not asked for.
async fn wished_key(reads: &Reads, target: &Target<'_, Trails>, want: &FactSet, (trail, home): (&Fact<SeenTrail>, &str)) -> Fact<kms::Key> {
    let Some(words) = target.spec.kms_key_id.as_ref().filter(|_| want.has("kmsKeyId")) else { return Fact::default() };
    if trail.present().and_then(|trail| trail.settings.kms_key_arn.as_ref()) == Some(words) {
        return Fact::Present(kms::Key { words: words.clone(), arn: words.clone(), unusable: None });
    }
    kms::wished(reads, target.scope, home, words).await
}

// A shadow, and an organisation's trail, are known by their ARN only: everything below asks by it, in the trail's home region, where alone it has tags.

/// Whether it logs, and what its bucket last answered where that was an error.
async fn status(reads: &Reads, arn: &str, home: &str) -> (Fact<bool>, Fact<String>) {
    match reads.cloudtrail().in_region(home).get_trail_status(|request| request.name(arn)).await {
        Ok(status) => {
            let error = status.latest_delivery_error().filter(|error| !error.is_empty());
            (Fact::Present(status.is_logging().unwrap_or(false)), Fact::given(error.map(str::to_owned)))
        }
        Err(error) => {
            let why = Unreadable::from(&error);
            (Fact::Unknown(why.clone()), Fact::Unknown(why))
        }
    }
}

async fn read_events(reads: &Reads, arn: &str, home: &str) -> Fact<Events> {
    let answer = match reads.cloudtrail().in_region(home).get_event_selectors(|request| request.trail_name(arn)).await {
        Ok(answer) => answer,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    if !answer.advanced_event_selectors().is_empty() {
        let read: Vec<_> = answer.advanced_event_selectors().iter().map(AdvancedEventSelector::read).collect();
        return Fact::Present(Events::Advanced(selectors::canonical(&read, AdvancedEventSelector::canonical)));
    }
    let read: Option<Vec<_>> = answer.event_selectors().iter().map(EventSelector::read).collect();
    match read {
        Some(read) => Fact::Present(Events::Plain(selectors::canonical(&read, EventSelector::canonical))),
        None => Fact::Unknown(Unreadable {
            call: calls::cloudtrail::GET_EVENT_SELECTORS.to_string(),
            why: Why::Failed,
            message: "an event selector has a read-write type that holdfast does not know".to_owned(),
        }),
    }
}

async fn insights(reads: &Reads, arn: &str, home: &str) -> Fact<Vec<InsightSetting>> {
    match reads.cloudtrail().in_region(home).get_insight_selectors(|request| request.trail_name(arn)).await {
        Ok(answer) => {
            let insights = answer.insight_selectors().iter().filter_map(|selector| {
                Some(InsightSetting {
                    insight: selector.insight_type()?.as_str().to_owned(),
                    categories: selector.event_categories().iter().map(|category| category.as_str().to_owned()).collect(),
                })
            });
            Fact::Present(insights.collect())
        }
        // A trail that looks for nothing is answered so. (GetInsightSelectors)
        Err(error) if error.is("InsightNotEnabledException") => Fact::Present(Vec::new()),
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

async fn tags(reads: &Reads, arn: &str, home: &str) -> Fact<BTreeMap<String, String>> {
    let page = |token: Option<String>| async move {
        let answer = reads.cloudtrail().in_region(home).list_tags(|request| request.resource_id_list(arn).set_next_token(token)).await?;
        let resources = answer.resource_tag_list.unwrap_or_default().into_iter().filter(|resource| resource.resource_id() == Some(arn));
        Ok((resources.flat_map(|resource| resource.tags_list.unwrap_or_default()).collect(), answer.next_token))
    };
    match pages(page).await {
        Ok(tags) => Fact::Present(tags.into_iter().map(|tag: types::Tag| (tag.key, tag.value.unwrap_or_default())).collect()),
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

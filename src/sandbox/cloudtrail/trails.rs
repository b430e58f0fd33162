//! Making, changing, ending and showing trails.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::{Here, Named, State, Trail, checks, refusal, selectors, tags};

/// CloudTrail's quota of trails a region. (CloudTrail user guide, "Quotas")
const MOST_TRAILS: usize = 5;

/// What CreateTrail and UpdateTrail take.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Wanted {
    name: Option<String>,
    s3_bucket_name: Option<String>,
    s3_key_prefix: Option<String>,
    sns_topic_name: Option<String>,
    include_global_service_events: Option<bool>,
    is_multi_region_trail: Option<bool>,
    enable_log_file_validation: Option<bool>,
    cloud_watch_logs_log_group_arn: Option<String>,
    cloud_watch_logs_role_arn: Option<String>,
    kms_key_id: Option<String>,
    is_organization_trail: Option<bool>,
    tags_list: Option<Vec<tags::Tag>>,
}

pub fn create(state: &mut State, here: &Here, wanted: Wanted) -> Result<Value, Refusal> {
    let name = wanted.name.clone().unwrap_or_default();
    checks::valid_name(&name)?;
    if wanted.is_organization_trail == Some(true) {
        checks::may_serve_organization(state, here)?;
    }
    let tags = tags::checked(wanted.tags_list.as_deref().unwrap_or_default())?;
    if tags.len() > tags::MOST_TAGS {
        return Err(tags::too_many());
    }
    if state.trails.contains_key(&name) {
        return Err(refusal("TrailAlreadyExistsException", format!("Trail {name} already exists for customer: {}", here.account)));
    }
    let present = state.trails.values().filter(|trail| seen_in_region(here, trail)).count();
    if present >= MOST_TRAILS {
        let message = format!("User: {} already has {MOST_TRAILS} trails in {}.", here.account, here.region);
        return Err(refusal("MaximumNumberOfTrailsExceededException", message));
    }
    let mut trail = Trail { home_region: Some(here.region.to_owned()), tags, ..Trail::default() };
    apply(here, &mut trail, wanted)?;
    checks::deliverable(state, here, &name, &trail)?;
    let answer = confirmed(state, here, &name, &trail);
    state.trails.insert(name, trail);
    Ok(answer)
}

pub fn update(state: &mut State, here: &Here, wanted: Wanted) -> Result<Value, Refusal> {
    let name = checks::find_to_change(state, here, wanted.name.as_deref())?;
    if wanted.is_organization_trail == Some(true) {
        checks::may_serve_organization(state, here)?;
    }
    let mut trail = state.trails.get(&name).cloned().unwrap_or_default();
    let validated = trail.log_file_validation_enabled;
    apply(here, &mut trail, wanted)?;
    checks::deliverable(state, here, &name, &trail)?;
    // Without validation no digests are written; the next one starts a new chain.
    trail.digest_chain_broken |= validated && !trail.log_file_validation_enabled;
    let answer = confirmed(state, here, &name, &trail);
    state.trails.insert(name, trail);
    Ok(answer)
}

pub fn delete(state: &mut State, here: &Here, named: Named) -> Result<Value, Refusal> {
    let name = checks::find_to_change(state, here, named.name.as_deref())?;
    state.trails.remove(&name);
    Ok(json!({}))
}

pub fn get(state: &mut State, here: &Here, named: Named) -> Result<Value, Refusal> {
    let name = checks::find(state, here, named.name.as_deref())?;
    Ok(json!({"Trail": state.trails.get(&name).map(|trail| described(state, here, &name, trail))}))
}

/// What DescribeTrails takes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Described {
    trail_name_list: Option<Vec<String>>,
    include_shadow_trails: Option<bool>,
}

/// Trails asked for by name that are not there are left out, not refused.
pub fn describe(state: &mut State, here: &Here, wanted: Described) -> Result<Value, Refusal> {
    let asked = wanted.trail_name_list.unwrap_or_default();
    for one in &asked {
        if one.starts_with("arn:") { checks::name_in_arn(one).map(drop) } else { checks::valid_name(one) }?;
    }
    let shadows = wanted.include_shadow_trails.unwrap_or(true);
    let shown = |name: &str, trail: &Trail| {
        let named = asked.is_empty() || asked.iter().any(|one| one == name || *one == checks::arn(state, here, name, trail));
        let own = checks::home(here, trail) == here.region && checks::owner(state, here, trail) == here.account;
        named && seen_in_region(here, trail) && (shadows || own)
    };
    let trails = state.trails.iter().filter(|(name, trail)| shown(name, trail));
    Ok(json!({"trailList": trails.map(|(name, trail)| described(state, here, name, trail)).collect::<Vec<_>>()}))
}

/// What ListTrails takes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Listed {
    next_token: Option<String>,
}

/// The account's trails of every region.
pub fn list(state: &mut State, here: &Here, wanted: Listed) -> Result<Value, Refusal> {
    let after = match wanted.next_token.as_deref().map(|token| token.strip_prefix("after:")) {
        None => "",
        Some(Some(name)) => name,
        Some(None) => return Err(refusal("InvalidNextTokenException", "The token is not valid.")),
    };
    let mut rest = state.trails.iter().filter(|(name, _)| name.as_str() > after).peekable();
    let page: Vec<_> = rest.by_ref().take(here.page_size).collect();
    let next = rest.peek().and_then(|_| page.last()).map(|(name, _)| format!("after:{name}"));
    let entry = |(name, trail): &(&String, &Trail)| json!({"TrailARN": checks::arn(state, here, name, trail), "Name": name, "HomeRegion": checks::home(here, trail)});
    Ok(json!({"Trails": page.iter().map(entry).collect::<Vec<_>>(), "NextToken": next}))
}

/// Whether the trail, or its shadow, is in the region of the call.
fn seen_in_region(here: &Here, trail: &Trail) -> bool {
    trail.is_multi_region_trail || checks::home(here, trail) == here.region
}

/// Writes what a request names into a trail; an empty text takes a value away.
fn apply(here: &Here, trail: &mut Trail, wanted: Wanted) -> Result<(), Refusal> {
    let text = |field: &mut Option<String>, value: Option<String>| {
        if let Some(value) = value {
            *field = Some(value).filter(|value| !value.is_empty());
        }
    };
    let flag = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
    if let Some(bucket) = wanted.s3_bucket_name {
        trail.s3_bucket_name = bucket;
    }
    text(&mut trail.s3_key_prefix, wanted.s3_key_prefix);
    text(&mut trail.cloud_watch_logs_log_group_arn, wanted.cloud_watch_logs_log_group_arn);
    text(&mut trail.cloud_watch_logs_role_arn, wanted.cloud_watch_logs_role_arn);
    flag(&mut trail.include_global_service_events, wanted.include_global_service_events);
    flag(&mut trail.is_multi_region_trail, wanted.is_multi_region_trail);
    flag(&mut trail.log_file_validation_enabled, wanted.enable_log_file_validation);
    flag(&mut trail.is_organization_trail, wanted.is_organization_trail);
    match wanted.sns_topic_name.as_deref() {
        None => {}
        Some("") => trail.sns_topic_arn = None,
        Some(name) if name.chars().count() > 256 => {
            return Err(refusal("InvalidSnsTopicNameException", "The topic name must not be longer than 256 characters."));
        }
        Some(name) => match here.neighbours.topic(name) {
            Some(arn) => trail.sns_topic_arn = Some(arn),
            None => {
                let message = "SNS Topic does not exist or the topic policy is incorrect!";
                return Err(refusal("InsufficientSnsTopicPolicyException", message));
            }
        },
    }
    match wanted.kms_key_id.as_deref() {
        None => {}
        Some("") => trail.kms_key_id = None,
        // An id that leads to no key stays as it is: whether it does is checked after the bucket. One that does is
        // kept as the key's ARN, which is what every answer shows.
        Some(id) => trail.kms_key_id = Some(here.neighbours.key(id).map_or_else(|| id.to_owned(), |key| key.arn)),
    }
    Ok(())
}

/// What CreateTrail and UpdateTrail answer.
fn confirmed(state: &State, here: &Here, name: &str, trail: &Trail) -> Value {
    json!({
        "Name": name,
        "S3BucketName": trail.s3_bucket_name,
        "S3KeyPrefix": trail.s3_key_prefix,
        "SnsTopicName": trail.sns_topic_arn.as_deref().and_then(|arn| arn.rsplit(':').next()),
        "SnsTopicARN": trail.sns_topic_arn,
        "IncludeGlobalServiceEvents": trail.include_global_service_events,
        "IsMultiRegionTrail": trail.is_multi_region_trail,
        "TrailARN": checks::arn(state, here, name, trail),
        "LogFileValidationEnabled": trail.log_file_validation_enabled,
        "CloudWatchLogsLogGroupArn": trail.cloud_watch_logs_log_group_arn,
        "CloudWatchLogsRoleArn": trail.cloud_watch_logs_role_arn,
        "KmsKeyId": trail.kms_key_id,
        "IsOrganizationTrail": trail.is_organization_trail,
    })
}

/// A trail as GetTrail and DescribeTrails show it.
fn described(state: &State, here: &Here, name: &str, trail: &Trail) -> Value {
    let mut shown = confirmed(state, here, name, trail);
    shown["HomeRegion"] = json!(checks::home(here, trail));
    shown["HasCustomEventSelectors"] = json!(selectors::are_custom(trail));
    shown["HasInsightSelectors"] = json!(!trail.insight_selectors.is_empty());
    shown
}

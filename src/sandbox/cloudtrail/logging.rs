//! Turning a trail's logging on and off, and how it goes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::{Here, Named, State, checks};

/// How often logs are delivered, in seconds: "on average within about 5 minutes of an API call". (user guide)
const DELIVERY_SECONDS: i64 = 5 * 60;
/// How often digests are: "each hour". (user guide, "Validating log file integrity")
const DIGEST_SECONDS: i64 = 60 * 60;

pub fn start(state: &mut State, here: &Here, named: Named) -> Result<Value, Refusal> {
    let name = checks::find_to_change(state, here, named.name.as_deref())?;
    if let Some(trail) = state.trails.get_mut(&name).filter(|trail| !trail.is_logging) {
        trail.is_logging = true;
        trail.started_at = Some(here.now);
    }
    Ok(json!({}))
}

pub fn stop(state: &mut State, here: &Here, named: Named) -> Result<Value, Refusal> {
    let name = checks::find_to_change(state, here, named.name.as_deref())?;
    if let Some(trail) = state.trails.get_mut(&name).filter(|trail| trail.is_logging) {
        trail.is_logging = false;
        trail.stopped_at = Some(here.now);
    }
    Ok(json!({}))
}

pub fn status(state: &mut State, here: &Here, named: Named) -> Result<Value, Refusal> {
    let name = checks::find(state, here, named.name.as_deref())?;
    let Some(trail) = state.trails.get(&name) else { return Ok(json!({"IsLogging": false})) };
    let until = if trail.is_logging { Some(here.now) } else { trail.stopped_at };
    // Of one that an account file lets log nobody knows since when.
    let began = trail.is_logging || trail.started_at.is_some();
    let error = checks::delivery_error(state, here, &name, trail).filter(|_| began);
    let last = |every: i64| match (trail.started_at, until, error) {
        (Some(from), Some(until), None) => last_tick(from, until, every),
        _ => None,
    };
    let delivered = last(DELIVERY_SECONDS);
    let text = |time: Option<Timestamp>| time.map(|time| format!("{time:.0}")).unwrap_or_default();
    let seconds = |time: Option<Timestamp>| time.map(Timestamp::as_second);
    let digests = trail.log_file_validation_enabled;
    Ok(json!({
        "IsLogging": trail.is_logging,
        "LatestDeliveryError": error,
        "LatestDeliveryTime": seconds(delivered),
        "LatestDigestDeliveryTime": seconds(last(DIGEST_SECONDS).filter(|_| digests)),
        "LatestDigestDeliveryError": error.filter(|_| digests),
        "LatestCloudWatchLogsDeliveryTime": seconds(delivered.filter(|_| trail.cloud_watch_logs_log_group_arn.is_some())),
        "LatestNotificationTime": seconds(delivered.filter(|_| trail.sns_topic_arn.is_some())),
        "StartLoggingTime": seconds(trail.started_at),
        "StopLoggingTime": seconds(trail.stopped_at),
        "LatestDeliveryAttemptTime": text(delivered),
        "LatestDeliveryAttemptSucceeded": text(delivered),
        "LatestNotificationAttemptTime": "",
        "LatestNotificationAttemptSucceeded": "",
        "TimeLoggingStarted": text(trail.started_at),
        "TimeLoggingStopped": text(trail.stopped_at),
    }))
}

/// The last time by `until` that something happened which happens every so many seconds after `from`.
fn last_tick(from: Timestamp, until: Timestamp, every: i64) -> Option<Timestamp> {
    let past = until.as_second().saturating_sub(from.as_second()).div_euclid(every);
    if past < 1 {
        return None;
    }
    Timestamp::from_second(from.as_second().saturating_add(past.saturating_mul(every))).ok()
}

//! Making, changing, ending and showing the detector.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::super::ids;
use super::{Detector, Here, Page, State, bad_request, features, listed, not_as_member, out_of_range, tags};

/// The model's FindingPublishingFrequency.
const FREQUENCIES: [&str; 3] = ["FIFTEEN_MINUTES", "ONE_HOUR", "SIX_HOURS"];

/// What CreateDetector and UpdateDetector take.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Wanted {
    enable: Option<bool>,
    client_token: Option<String>,
    finding_publishing_frequency: Option<String>,
    data_sources: Option<features::DataSources>,
    features: Vec<features::Wanted>,
    tags: BTreeMap<String, String>,
}

/// An id as GuardDuty makes them, 32 hexadecimal digits, always the same for the same `of`.
pub fn made_up_id(here: &Here, of: &str) -> String {
    ids::hash(&["guardduty", here.account, here.region, of]).chars().take(32).collect()
}

/// The detector's id, also where the account file gives none.
pub fn id_of(here: &Here, detector: &Detector) -> String {
    detector.id.clone().unwrap_or_else(|| made_up_id(here, "detector 0"))
}

/// The detector, if its id is `id`.
pub fn find<'a>(state: &'a State, here: &Here, id: &str) -> Result<&'a Detector, Refusal> {
    state.detector.as_ref().filter(|detector| id_of(here, detector) == id).ok_or_else(not_owned)
}

/// Like [`find`], to change it.
pub fn find_mut<'a>(state: &'a mut State, here: &Here, id: &str) -> Result<&'a mut Detector, Refusal> {
    state.detector.as_mut().filter(|detector| id_of(here, detector) == id).ok_or_else(not_owned)
}

fn not_owned() -> Refusal {
    bad_request("The request is rejected because the input detectorId is not owned by the current account.")
}

pub fn list(state: &mut State, here: &Here, page: &Page) -> Result<Value, Refusal> {
    let ids = state.detector.iter().map(|detector| json!(id_of(here, detector))).collect();
    let (ids, next) = page.of(ids);
    Ok(listed("detectorIds", ids, next))
}

pub fn create(state: &mut State, here: &Here, wanted: Wanted) -> Result<Value, Refusal> {
    not_as_member(state)?;
    let enable = wanted.enable.ok_or_else(out_of_range)?;
    if let Some(present) = &state.detector {
        if present.client_token.is_some() && present.client_token == wanted.client_token {
            return Ok(json!({"detectorId": id_of(here, present)}));
        }
        return Err(bad_request("The request is rejected because a detector already exists for the current account."));
    }
    tags::checked(&wanted.tags)?;
    let id = made_up_id(here, &format!("detector {}", state.detectors_made));
    let mut detector = Detector {
        id: Some(id.clone()),
        tags: wanted.tags.clone(),
        created_at: Some(here.now),
        client_token: wanted.client_token.clone(),
        ..Detector::default()
    };
    apply(&mut detector, &Wanted { enable: Some(enable), ..wanted }, here.now)?;
    state.detector = Some(detector);
    state.detectors_made = state.detectors_made.saturating_add(1);
    Ok(json!({"detectorId": id}))
}

pub fn get(state: &mut State, here: &Here, id: &str) -> Result<Value, Refusal> {
    let detector = find(state, here, id)?;
    let service_role =
        format!("arn:aws:iam::{}:role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty", here.account);
    let malware_role = format!(
        "arn:aws:iam::{}:role/aws-service-role/malware-protection.guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDutyMalwareProtection",
        here.account
    );
    let time = |time: Option<Timestamp>| format!("{:.3}", time.unwrap_or(Timestamp::UNIX_EPOCH));
    Ok(json!({
        "createdAt": time(detector.created_at),
        "updatedAt": time(detector.updated_at.or(detector.created_at)),
        "findingPublishingFrequency": detector.finding_publishing_frequency,
        "serviceRole": service_role,
        "status": detector.status,
        "dataSources": features::described_as_data_sources(detector, &malware_role),
        "features": features::described(detector),
        "tags": detector.tags,
    }))
}

pub fn update(state: &mut State, here: &Here, id: &str, wanted: Wanted) -> Result<Value, Refusal> {
    find(state, here, id)?;
    not_as_member(state)?;
    apply(find_mut(state, here, id)?, &wanted, here.now)?;
    Ok(json!({}))
}

/// What hangs on the detector goes with it.
pub fn delete(state: &mut State, here: &Here, id: &str) -> Result<Value, Refusal> {
    find(state, here, id)?;
    not_as_member(state)?;
    state.detector = None;
    Ok(json!({}))
}

/// An administrator and an account on its own get success "but no content". (GetAdministratorAccount)
pub fn administrator(state: &mut State, here: &Here, id: &str) -> Result<Value, Refusal> {
    find(state, here, id)?;
    Ok(match &state.administrator {
        Some(account) => json!({"administrator": {
            "accountId": account,
            "invitationId": made_up_id(here, &format!("invitation of {account}")),
            "relationshipStatus": "Enabled",
            "invitedAt": format!("{:.3}", Timestamp::UNIX_EPOCH),
        }}),
        None => json!({}),
    })
}

fn apply(detector: &mut Detector, wanted: &Wanted, now: Timestamp) -> Result<(), Refusal> {
    if wanted.finding_publishing_frequency.as_deref().is_some_and(|frequency| !FREQUENCIES.contains(&frequency)) {
        return Err(out_of_range());
    }
    features::set(detector, &wanted.features, wanted.data_sources.as_ref(), now)?;
    if let Some(enable) = wanted.enable {
        detector.status = if enable { "ENABLED" } else { "DISABLED" }.to_owned();
    }
    if let Some(frequency) = &wanted.finding_publishing_frequency {
        detector.finding_publishing_frequency = frequency.clone();
    }
    detector.updated_at = Some(now);
    Ok(())
}

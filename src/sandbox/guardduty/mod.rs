//! GuardDuty: the detector, its features, where its findings are published, tags. REST JSON.

mod destinations;
mod detector;
mod features;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Call, Operation, Refusal};
use super::delivery::Neighbours;
use super::protocol::{json, rest};
use super::world::World;
use destinations::Destination;
use features::Feature;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The detector of the region. Left out: there is none.
    pub detector: Option<Detector>,
    /// The account that administers GuardDuty here. With one, this account is a member: it reads, and the
    /// administrator changes. Left out: it administers itself.
    pub administrator: Option<String>,
    /// How many detectors were made so far: the next one's id comes from it.
    #[schemars(extend("readOnly" = true))]
    pub detectors_made: u32,
}

/// The detector: GuardDuty has one a region and account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Detector {
    /// 32 hexadecimal digits. Left out: made up from account and region.
    pub id: Option<String>,
    /// `ENABLED`, or `DISABLED` while it is suspended.
    pub status: String,
    /// `FIFTEEN_MINUTES`, `ONE_HOUR` or `SIX_HOURS`.
    pub finding_publishing_frequency: String,
    /// The features by their API name. One that is left out is as a new detector has it.
    #[serde(deserialize_with = "features::completed")]
    #[schemars(with = "BTreeMap<String, Feature>", extend("propertyNames" = {"enum": features::names()}))]
    pub features: BTreeMap<String, Feature>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The publishing destinations by id.
    pub destinations: BTreeMap<String, Destination>,
    /// How many destinations were made so far: the next one's id comes from it.
    #[schemars(extend("readOnly" = true))]
    pub destinations_made: u32,
    /// When it was made. Left out: the beginning of 1970.
    pub created_at: Option<Timestamp>,
    /// When it was last changed. Left out: when it was made.
    pub updated_at: Option<Timestamp>,
    /// The idempotency token it was made with: a repeated request gets the same detector.
    #[serde(skip)]
    pub client_token: Option<String>,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector {
            id: None,
            status: "ENABLED".to_owned(),
            // "FindingPublishingFrequency ... default SIX_HOURS". (user guide)
            finding_publishing_frequency: "SIX_HOURS".to_owned(),
            features: features::of_new_detector(),
            tags: BTreeMap::new(),
            destinations: BTreeMap::new(),
            destinations_made: 0,
            created_at: None,
            updated_at: None,
            client_token: None,
        }
    }
}

impl State {
    /// Ends the verifications of publishing destinations that are due.
    pub fn settle(&mut self, now: Timestamp) {
        for destination in self.detector.iter_mut().flat_map(|detector| detector.destinations.values_mut()) {
            destination.settle(now);
        }
    }
}

/// What is asked for, with the ids of the path.
enum Request {
    ListDetectors,
    CreateDetector,
    GetDetector(String),
    UpdateDetector(String),
    DeleteDetector(String),
    GetAdministratorAccount(String),
    ListPublishingDestinations(String),
    CreatePublishingDestination(String),
    DescribePublishingDestination(String, String),
    UpdatePublishingDestination(String, String),
    DeletePublishingDestination(String, String),
    ListTagsForResource(String),
    TagResource(String),
    UntagResource(String),
}

impl Request {
    fn of(call: &Call) -> Result<Request, Refusal> {
        let segments = rest::segments(call);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let method = &call.method;
        let (get, post, delete) = (method == Method::GET, method == Method::POST, method == Method::DELETE);
        let request = match segments.as_slice() {
            ["detector"] if get => Request::ListDetectors,
            ["detector"] if post => Request::CreateDetector,
            ["detector", id] if get => Request::GetDetector((*id).to_owned()),
            ["detector", id] if post => Request::UpdateDetector((*id).to_owned()),
            ["detector", id] if delete => Request::DeleteDetector((*id).to_owned()),
            ["detector", id, "administrator"] if get => Request::GetAdministratorAccount((*id).to_owned()),
            ["detector", id, "publishingDestination"] if get => Request::ListPublishingDestinations((*id).to_owned()),
            ["detector", id, "publishingDestination"] if post => Request::CreatePublishingDestination((*id).to_owned()),
            ["detector", id, "publishingDestination", to] if get => {
                Request::DescribePublishingDestination((*id).to_owned(), (*to).to_owned())
            }
            ["detector", id, "publishingDestination", to] if post => {
                Request::UpdatePublishingDestination((*id).to_owned(), (*to).to_owned())
            }
            ["detector", id, "publishingDestination", to] if delete => {
                Request::DeletePublishingDestination((*id).to_owned(), (*to).to_owned())
            }
            // A client may leave the slashes of the ARN as they are.
            ["tags", arn @ ..] if get => Request::ListTagsForResource(arn.join("/")),
            ["tags", arn @ ..] if post => Request::TagResource(arn.join("/")),
            ["tags", arn @ ..] if delete => Request::UntagResource(arn.join("/")),
            _ => return Err(not_implemented(&format!("{} {}", call.method, call.path))),
        };
        Ok(request)
    }

    /// The API's name of it, and whether it writes.
    fn named(&self) -> (&'static str, bool) {
        match self {
            Request::ListDetectors => ("ListDetectors", false),
            Request::CreateDetector => ("CreateDetector", true),
            Request::GetDetector(_) => ("GetDetector", false),
            Request::UpdateDetector(_) => ("UpdateDetector", true),
            Request::DeleteDetector(_) => ("DeleteDetector", true),
            Request::GetAdministratorAccount(_) => ("GetAdministratorAccount", false),
            Request::ListPublishingDestinations(_) => ("ListPublishingDestinations", false),
            Request::CreatePublishingDestination(_) => ("CreatePublishingDestination", true),
            Request::DescribePublishingDestination(..) => ("DescribePublishingDestination", false),
            Request::UpdatePublishingDestination(..) => ("UpdatePublishingDestination", true),
            Request::DeletePublishingDestination(..) => ("DeletePublishingDestination", true),
            Request::ListTagsForResource(_) => ("ListTagsForResource", false),
            Request::TagResource(_) => ("TagResource", true),
            Request::UntagResource(_) => ("UntagResource", true),
        }
    }
}

/// Where and when a call is made, and who is next door.
struct Here<'a> {
    account: &'a str,
    region: &'a str,
    now: Timestamp,
    page_size: usize,
    neighbours: &'a dyn Neighbours,
}

/// Which operation a call is.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let (name, writes) = Request::of(call)?.named();
    Ok(Operation { name: name.to_owned(), writes })
}

pub fn answer(world: &mut World, _op: &Operation, call: &Call) -> Result<Answer, Refusal> {
    // Taken out for the call, so that the neighbours can be looked at while this state changes.
    let mut state = std::mem::take(&mut world.guardduty);
    let answered = perform(&mut state, &here(world, call, world), call);
    world.guardduty = state;
    answered
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    json::refuse(refusal, request_id)
}

fn here<'a>(world: &'a World, call: &'a Call, neighbours: &'a dyn Neighbours) -> Here<'a> {
    // An account has one detector here, in the region that asks for it.
    let region = if call.region.is_empty() { &world.region } else { &call.region };
    Here { account: &world.account, region, now: world.now, page_size: world.page_size.max(1), neighbours }
}

fn perform(state: &mut State, here: &Here, call: &Call) -> Result<Answer, Refusal> {
    let body = match Request::of(call)? {
        Request::ListDetectors => detector::list(state, here, &page(here, call)?),
        Request::CreateDetector => detector::create(state, here, read(call)?),
        Request::GetDetector(id) => detector::get(state, here, &id),
        Request::UpdateDetector(id) => detector::update(state, here, &id, read(call)?),
        Request::DeleteDetector(id) => detector::delete(state, here, &id),
        Request::GetAdministratorAccount(id) => detector::administrator(state, here, &id),
        Request::ListPublishingDestinations(id) => destinations::list(state, here, &id, &page(here, call)?),
        Request::CreatePublishingDestination(id) => destinations::create(state, here, &id, read(call)?),
        Request::DescribePublishingDestination(id, to) => destinations::describe(state, here, &id, &to),
        Request::UpdatePublishingDestination(id, to) => destinations::update(state, here, &id, &to, read(call)?),
        Request::DeletePublishingDestination(id, to) => destinations::delete(state, here, &id, &to),
        Request::ListTagsForResource(arn) => tags::list(state, here, &arn),
        // These two alone answer 204, without a body. (service model)
        Request::TagResource(arn) => return tags::add(state, here, &arn, read(call)?).map(|()| nothing()),
        Request::UntagResource(arn) => return tags::remove(state, here, &arn, &tags::keys(call)).map(|()| nothing()),
    }?;
    Ok(Answer { status: StatusCode::OK, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string() })
}

fn nothing() -> Answer {
    Answer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: String::new() }
}

/// The part of a listing that a call asks for.
struct Page {
    /// Entries to leave out at the start.
    from: usize,
    most: usize,
}

impl Page {
    /// The page's entries, and the token of the next page where there is one.
    fn of(&self, ids: Vec<Value>) -> (Vec<Value>, Option<String>) {
        let end = self.from.saturating_add(self.most);
        let next = Some(end).filter(|end| *end < ids.len()).map(|end| end.to_string());
        (ids.into_iter().skip(self.from).take(self.most).collect(), next)
    }
}

fn page(here: &Here, call: &Call) -> Result<Page, Refusal> {
    let most = match rest::member(call, "maxResults").map(|most| most.parse::<usize>()) {
        None => 50,
        Some(Ok(most)) if (1..=50).contains(&most) => most,
        Some(_) => return Err(out_of_range()),
    };
    let from = match rest::member(call, "nextToken").as_deref() {
        None | Some("") => 0,
        Some(token) => token.parse().map_err(|_| out_of_range())?,
    };
    Ok(Page { from, most: most.min(here.page_size) })
}

/// The body as the operation's input.
fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    serde_json::from_value(json::body(call).map_err(|_| out_of_range())?).map_err(|_| out_of_range())
}

/// An object with the next page's token, where there is one.
fn listed(member: &str, entries: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ member: entries });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

fn bad_request(message: &str) -> Refusal {
    Refusal::new(400, "BadRequestException", message)
}

/// What GuardDuty says to nearly everything that it does not take.
fn out_of_range() -> Refusal {
    bad_request("The request is rejected because an invalid or out-of-range value is specified as an input parameter.")
}

/// Refuses changes in a member account: its administrator makes them. (user guide, "Understanding the relationship
/// between GuardDuty administrator account and member accounts")
fn not_as_member(state: &State) -> Result<(), Refusal> {
    match state.administrator {
        Some(_) => Err(bad_request("The request is rejected because member accounts cannot manage specified resources or properties.")),
        None => Ok(()),
    }
}

fn not_implemented(name: &str) -> Refusal {
    Refusal::new(501, "NotImplemented", format!("The sandbox's GuardDuty does not offer {name}."))
}

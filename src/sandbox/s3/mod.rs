use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Operation, Refusal};
use super::protocol::query;
use super::world::World;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {}

impl State {
    pub fn settle(&mut self, _now: Timestamp) {}
}

pub fn operation(_call: &Call) -> Result<Operation, Refusal> {
    Err(Refusal::new(501, "NotImplemented", "This service is not served."))
}

pub fn answer(_world: &mut World, operation: &Operation, _call: &Call) -> Result<Answer, Refusal> {
    Err(Refusal::new(501, "NotImplemented", operation.name.clone()))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    query::refuse(refusal, request_id)
}

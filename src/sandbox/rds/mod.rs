//! Amazon RDS: instances and their parameter groups, API version 2014-10-31.
//!
//! What it keeps apart that clients like to mix up: the value a request asked for, the value that waits for the
//! maintenance window, the value a parameter group holds, and the value the database runs with.

mod changes;
mod create;
mod engines;
mod groups;
mod instances;
mod lifecycle;
mod modify;
mod operations;
mod parameters;
mod read;
mod reference;
mod refusals;
mod settings;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod times;
mod window;
mod write;

pub use state::State;

use super::call::{Answer, Call, Operation, Refusal};
use super::protocol::query::{self, Form};
use super::world::World;

const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// Which operation a call is, and whether it writes.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let form = Form::parse(call);
    let action = form.action()?;
    match operations::known(action) {
        Some(known) => Ok(Operation { name: known.name.to_owned(), writes: known.writes }),
        None => Err(not_implemented(action)),
    }
}

/// Does what was asked.
pub fn answer(world: &mut World, op: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let form = Form::parse(call);
    let known = operations::known(&op.name).ok_or_else(|| not_implemented(&op.name))?;
    known.check(&form)?;
    let result = match known.name {
        "AddTagsToResource" => tags::add(world, &form),
        "CopyDBParameterGroup" => groups::copy(world, &form),
        "CreateDBInstance" => create::create(world, &form),
        "CreateDBParameterGroup" => groups::create(world, &form),
        "DeleteDBInstance" => instances::delete(world, &form),
        "DeleteDBParameterGroup" => groups::delete(world, &form),
        "DescribeCertificates" => reference::certificates(world, &form),
        "DescribeDBEngineVersions" => reference::engine_versions(world, &form),
        "DescribeDBInstances" => instances::describe(world, &form),
        "DescribeDBParameterGroups" => groups::describe(world, &form),
        "DescribeDBParameters" => groups::describe_parameters(world, &form),
        "DescribeEngineDefaultParameters" => reference::engine_defaults(world, &form),
        "DescribePendingMaintenanceActions" => reference::pending_maintenance(world, &form),
        "ListTagsForResource" => tags::list(world, &form),
        "ModifyDBInstance" => modify::modify(world, &form),
        "ModifyDBParameterGroup" => groups::modify(world, &form),
        "RebootDBInstance" => instances::reboot(world, &form),
        "RemoveTagsFromResource" => tags::remove(world, &form),
        "ResetDBParameterGroup" => groups::reset(world, &form),
        "StartDBInstance" => instances::start(world, &form),
        "StopDBInstance" => instances::stop(world, &form),
        other => Err(not_implemented(other)),
    }?;
    Ok(query::answer(known.name, NAMESPACE, result))
}

/// A refusal on the wire.
pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    query::refuse(refusal, request_id)
}

fn not_implemented(action: &str) -> Refusal {
    Refusal::new(501, "NotImplemented", format!("The sandbox's RDS does not know the operation {action}."))
}

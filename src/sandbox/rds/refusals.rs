//! Refusals in RDS's words; the codes are those of the service's model.

use crate::sandbox::call::Refusal;

pub fn value(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterValue", message)
}

pub fn combination(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterCombination", message)
}

pub fn no_instance(id: &str) -> Refusal {
    Refusal::new(404, "DBInstanceNotFound", format!("DBInstance {id} not found."))
}

pub fn instance_state(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidDBInstanceState", message)
}

pub fn no_group(name: &str) -> Refusal {
    Refusal::new(404, "DBParameterGroupNotFound", format!("DBParameterGroup not found: {name}"))
}

pub fn group_state(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidDBParameterGroupState", message)
}

//! What a step sends, without its kind's type.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// An operation as data: what goes into the plan, its hash and the journal, and what the request is made from. It holds references to secrets, never
/// their bytes.
///
/// Kept as compact JSON with sorted members, which the plan, the journal and the request share: as a tree of maps it takes ten times as much, and a plan
/// holds an operation for each of its steps.
#[derive(Clone, PartialEq, Eq)]
pub struct Operation(Arc<str>);

impl Operation {
    /// An operation is plain data; what cannot be written down is `null`, which no kind understands when it is to be started.
    pub fn of(op: &impl Serialize) -> Operation {
        // By way of a value: its members are sorted, those of a struct are as they are declared.
        Operation::from(serde_json::to_value(op).unwrap_or(Value::Null))
    }

    /// The operation as its kind's type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// Compact JSON with sorted members.
    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn value(&self) -> Value {
        // What was written down can be read again.
        self.read().unwrap_or(Value::Null)
    }
}

impl From<Value> for Operation {
    fn from(value: Value) -> Operation {
        // A value can always be written down.
        Operation(serde_json::to_string(&value).unwrap_or_else(|_| "null".to_owned()).into())
    }
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
        Value::deserialize(deserializer).map(Operation::from)
    }
}

impl JsonSchema for Operation {
    fn inline_schema() -> bool {
        Value::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Value::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Value::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_written_sorted_and_read_as_it_was() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Op {
            name: String,
            also: Vec<u64>,
        }
        let op = Op { name: "a \"b\" ü".to_owned(), also: vec![u64::MAX] };
        let operation = Operation::of(&op);
        assert_eq!(operation.text(), r#"{"also":[18446744073709551615],"name":"a \"b\" ü"}"#);
        assert_eq!(operation.read::<Op>().unwrap(), op);
        // In a plan and in the journal it is a part of the document, not a text.
        let document = serde_json::to_value(&operation).unwrap();
        assert_eq!(document, json!({"name": "a \"b\" ü", "also": [u64::MAX]}));
        assert_eq!(serde_json::from_value::<Operation>(document).unwrap(), operation);
    }
}

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
        match serde_json::to_string(op) {
            // The same text as by way of a value, which holds no number that an operation has in another form (an `f32`, 128 bits).
            Ok(text) if is_sorted(&text) => Operation(text.into()),
            // By way of a value: its members are sorted, those of a struct are as they are declared.
            _ => Operation::from(serde_json::to_value(op).unwrap_or(Value::Null)),
        }
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

/// Whether each object of a compact JSON text has its members in order, so that it need not be taken apart to be sorted: the tree of a plan's operations
/// costs as much as all else of planning. A name with an escape in it counts as out of order, whatever it says.
fn is_sorted(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Of each list that is open nothing; of each object the name before, if there was one.
    let mut open: Vec<Option<Option<&[u8]>>> = Vec::new();
    let mut named = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => {
                open.push(Some(None));
                named = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => {
                open.pop();
                named = false;
            }
            b',' => named = matches!(open.last(), Some(Some(_))),
            b'"' => {
                let begin = at;
                while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                    if *byte == b'\\' {
                        if named {
                            return false;
                        }
                        at += 1;
                    }
                    at += 1;
                }
                if let Some(Some(before)) = open.last_mut().filter(|_| named) {
                    let name = bytes.get(begin..at).unwrap_or_default();
                    if before.is_some_and(|before| name <= before) {
                        return false;
                    }
                    *before = Some(name);
                    named = false;
                }
                at += 1;
            }
            _ => {}
        }
    }
    true
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

    /// Whatever way it is written, it is the same text.
    #[test]
    fn what_is_in_order_already_is_written_as_what_is_not() {
        let sorted = [
            r#"{}"#,
            r#"[]"#,
            r#""a""#,
            r#"{"":0,"A":1,"a":[{"b":1},{"a":2}],"aa":{"x":"}],\"{","y":[[],{}]},"b":null}"#,
            r#"[{"b":"\\"},{"a":-1.5}]"#,
            r#"{"a":{"z":1},"b":{"a":2}}"#,
            r#"{"a":["x","b"],"b":["a"]}"#,
            r#"{"é":1,"ü":2}"#,
        ];
        for text in sorted {
            assert!(is_sorted(text), "{text}");
            assert_eq!(serde_json::from_str::<Value>(text).unwrap().to_string(), text);
        }
        let not = [
            r#"{"b":1,"a":2}"#,
            r#"{"a":{"b":1,"a":2}}"#,
            r#"[{"a":1},{"b":1,"a":2}]"#,
            r#"{"a":["x",{"c":1}],"A":1}"#,
            r#"{"a":"b","B":1}"#,
            r#"{"a\"":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"":1,"":2}"#,
            r#"{"ü":1,"é":2}"#,
        ];
        for text in not {
            assert!(!is_sorted(text), "{text}");
        }
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let value = any(&mut random, 3);
            assert_eq!(Operation::of(&Declared(&value)).text(), value.to_string());
        }
    }

    /// Any value, its names and texts full of what JSON is made of.
    fn any(random: &mut fastrand::Rng, deep: u32) -> Value {
        let letters = ['a', 'b', '"', '\\', '{', '}', '[', ',', 'ü', '\n'];
        let word = |random: &mut fastrand::Rng| (0..random.usize(0..4)).filter_map(|_| random.choice(letters)).collect::<String>();
        match random.u32(0..if deep == 0 { 3 } else { 5 }) {
            0 => json!(random.i64(-9..9)),
            1 => Value::Null,
            2 => json!(word(random)),
            3 => (0..random.usize(0..4)).map(|_| any(random, deep - 1)).collect(),
            _ => Value::Object((0..random.usize(0..5)).map(|_| (word(random), any(random, deep - 1))).collect()),
        }
    }

    /// A value whose members come in the order in which a struct might declare them: every other time the last first.
    struct Declared<'a>(&'a Value);

    impl Serialize for Declared<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                Value::Object(members) if members.len() % 2 == 0 => {
                    serializer.collect_map(members.iter().rev().map(|(name, value)| (name, Declared(value))))
                }
                Value::Object(members) => serializer.collect_map(members.iter().map(|(name, value)| (name, Declared(value)))),
                Value::Array(items) => serializer.collect_seq(items.iter().map(Declared)),
                other => other.serialize(serializer),
            }
        }
    }

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

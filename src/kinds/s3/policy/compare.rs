//! When two policy statements mean the same: IAM lets one thing be written in several ways, and S3 gives back principals in
//! another order than they were sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const TLS_VERSION: &str = "s3:TlsVersion";

/// Whether two statements mean the same.
pub(super) fn same(found: &Value, declared: &Value) -> bool {
    match (found, declared) {
        (Value::Object(found), Value::Object(declared)) => normal(found) == normal(declared),
        _ => found == declared,
    }
}

/// Whether what stands under a Sid of ours does what is declared: it means the same, or it refuses all that is declared and older TLS versions
/// besides. 1.3 found satisfies 1.2 declared, as every protective number.
pub(super) fn satisfied(found: &Value, declared: &Value) -> bool {
    if same(found, declared) {
        return true;
    }
    let (Some(stricter), Some(enough)) = (oldest_tls(found), oldest_tls(declared)) else { return false };
    stricter >= enough && is_deny(declared) && same(&without_tls(found), &without_tls(declared))
}

/// The TLS version below which a statement is meant. Of several values in one condition each is enough, so that the highest counts.
fn oldest_tls(statement: &Value) -> Option<f64> {
    let keys = statement.pointer("/Condition/NumericLessThan")?.as_object()?;
    let (_, values) = keys.iter().find(|(key, _)| key.eq_ignore_ascii_case(TLS_VERSION))?;
    let versions: Vec<f64> = each(values).iter().map(|value| value.parse().ok()).collect::<Option<_>>()?;
    versions.into_iter().filter(|version| version.is_finite()).reduce(f64::max)
}

fn without_tls(statement: &Value) -> Value {
    let mut statement = statement.clone();
    if let Some(Value::Object(keys)) = statement.pointer_mut("/Condition/NumericLessThan") {
        keys.retain(|key, _| !key.eq_ignore_ascii_case(TLS_VERSION));
    }
    statement
}

/// One form for all statements of that Sid that mean the same.
pub(super) fn canonical(statement: &Value) -> Value {
    let Value::Object(members) = statement else { return statement.clone() };
    let sid = members.get("Sid").map(|sid| ("Sid", sid.clone()));
    normal(members).into_iter().chain(sid).map(|(member, value)| (member.to_owned(), value)).collect()
}

pub(super) fn is_deny(statement: &Value) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Deny")
}

/// One value, or each of a list: IAM takes a list of one for the value itself.
pub(super) fn each(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(word).collect(),
        value => vec![word(value)],
    }
}

/// IAM compares text: `false` and `"false"`, `1.2` and `"1.2"` are the same.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn set(mut words: Vec<String>) -> Value {
    words.sort();
    words.dedup();
    Value::from(words)
}

fn normal(statement: &Map<String, Value>) -> BTreeMap<&str, Value> {
    let normal = |(member, value): (&String, &Value)| -> Value {
        match member.as_str() {
            "Principal" | "NotPrincipal" => principal(value),
            // Actions are not told apart by case. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
            "Action" | "NotAction" => set(each(value).into_iter().map(|action| action.to_ascii_lowercase()).collect()),
            "Resource" | "NotResource" => set(each(value)),
            "Condition" => condition(value),
            _ => value.clone(),
        }
    };
    statement.iter().filter(|(member, _)| *member != "Sid").map(|entry| (entry.0.as_str(), normal(entry))).collect()
}

/// `"*"` and `{"AWS": "*"}` both mean everybody; an account's number and its root ARN both mean the account.
fn principal(value: &Value) -> Value {
    let Value::Object(kinds) = value else {
        return principal(&Value::Object(Map::from_iter([("AWS".to_owned(), value.clone())])));
    };
    let kinds = kinds.iter().map(|(kind, who)| {
        let who = each(who).into_iter().map(|who| if kind == "AWS" { account(who) } else { who });
        (kind.clone(), set(who.collect()))
    });
    Value::Object(kinds.collect())
}

fn account(principal: String) -> String {
    let parts: Vec<&str> = principal.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, "root"] => (*account).to_owned(),
        _ => principal,
    }
}

/// Condition keys are not told apart by case, and their values are sets.
fn condition(value: &Value) -> Value {
    let Value::Object(operators) = value else { return value.clone() };
    let operators = operators.iter().map(|(operator, keys)| {
        let keys = match keys {
            Value::Object(keys) => Value::Object(keys.iter().map(|(key, values)| (key.to_ascii_lowercase(), set(each(values)))).collect()),
            other => other.clone(),
        };
        (operator.clone(), keys)
    });
    Value::Object(operators.collect())
}

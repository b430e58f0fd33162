//! Whether a resource policy lets an AWS service do something: principals, actions, resources and the conditions
//! that policies for service principals use, as the IAM reference describes their evaluation.

use serde_json::Value;

/// What a service principal asks to do.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The principal: `cloudtrail.amazonaws.com`.
    pub service: &'a str,
    /// `s3:PutObject`.
    pub action: &'a str,
    /// The ARN of the object or bucket it is done to.
    pub resource: &'a str,
    /// Condition keys in lower case, with their values.
    pub context: &'a [(&'a str, &'a str)],
}

/// Whether `policy` (JSON) allows it: some statement allows it and none denies it. Not JSON: not allowed.
pub fn allows(policy: &str, access: &Access) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let statements = several(policy.get("Statement"));
    let decides = |effect: &str| {
        statements.iter().any(|statement| statement.get("Effect").and_then(Value::as_str) == Some(effect) && applies(statement, access))
    };
    decides("Allow") && !decides("Deny")
}

fn applies(statement: &Value, access: &Access) -> bool {
    let named = |member: &str, matches: &dyn Fn(&str) -> bool| texts(statement.get(member)).into_iter().any(matches);
    let acts = |pattern: &str| like(&pattern.to_ascii_lowercase(), &access.action.to_ascii_lowercase());
    let is_resource = |pattern: &str| like(pattern, access.resource);
    let principal = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => covers(principal, access.service),
        (None, Some(others)) => !covers(others, access.service),
        (None, None) => false,
    };
    let action = match statement.get("NotAction") {
        Some(_) => !named("NotAction", &acts),
        None => named("Action", &acts),
    };
    let resource = match statement.get("NotResource") {
        Some(_) => !named("NotResource", &is_resource),
        None => named("Resource", &is_resource),
    };
    principal && action && resource && conditions_met(statement.get("Condition"), access)
}

fn covers(principal: &Value, service: &str) -> bool {
    match principal {
        Value::String(text) => text == "*",
        Value::Object(kinds) => {
            texts(kinds.get("Service")).into_iter().any(|name| name == service || name == "*")
                || texts(kinds.get("AWS")).into_iter().any(|name| name == "*")
        }
        _ => false,
    }
}

fn conditions_met(condition: Option<&Value>, access: &Access) -> bool {
    let Some(condition) = condition else { return true };
    let Some(operators) = condition.as_object() else { return false };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().is_some_and(|keys| keys.iter().all(|(key, values)| condition_met(operator, key, &scalars(values), access)))
    })
}

/// One key under one operator. An operator that this module does not know is never met: a grant that hangs on it
/// does not grant, a denial that hangs on it does not deny.
fn condition_met(operator: &str, key: &str, values: &[String], access: &Access) -> bool {
    let actual = value_of(&key.to_ascii_lowercase(), access);
    if operator == "Null" {
        return values.iter().any(|value| value == if actual.is_none() { "true" } else { "false" });
    }
    let operator = operator.rsplit(':').next().unwrap_or(operator);
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let (positive, negated) = match operator {
        "StringNotEquals" => ("StringEquals", true),
        "StringNotEqualsIgnoreCase" => ("StringEqualsIgnoreCase", true),
        "StringNotLike" => ("StringLike", true),
        "ArnNotEquals" | "ArnNotLike" => ("ArnLike", true),
        "NumericNotEquals" => ("NumericEquals", true),
        other => (other, false),
    };
    let Some(actual) = actual else { return if_exists || negated };
    let compare = |value: &String| match positive {
        "StringEquals" => Some(value == actual),
        "StringEqualsIgnoreCase" | "Bool" => Some(value.eq_ignore_ascii_case(actual)),
        "StringLike" | "ArnLike" | "ArnEquals" => Some(like(value, actual)),
        numeric => number(numeric, actual.parse().ok()?, value.parse().ok()?),
    };
    let matches: Option<Vec<bool>> = values.iter().map(compare).collect();
    matches.is_some_and(|matches| matches.contains(&true) != negated)
}

fn number(operator: &str, actual: f64, value: f64) -> Option<bool> {
    match operator {
        "NumericEquals" => Some(actual == value),
        "NumericLessThan" => Some(actual < value),
        "NumericLessThanEquals" => Some(actual <= value),
        "NumericGreaterThan" => Some(actual > value),
        "NumericGreaterThanEquals" => Some(actual >= value),
        _ => None,
    }
}

/// The value of a condition key in lower case; AWS services call each other over TLS.
fn value_of<'a>(key: &str, access: &Access<'a>) -> Option<&'a str> {
    let given = access.context.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    given.or(match key {
        "aws:securetransport" | "aws:principalisawsservice" => Some("true"),
        "aws:principalservicename" => Some(access.service),
        "s3:tlsversion" => Some("1.3"),
        _ => None,
    })
}

/// A member that may hold one thing or a list of them.
fn several(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    several(value).into_iter().filter_map(Value::as_str).collect()
}

/// Condition values, which policies also write as JSON booleans and numbers.
fn scalars(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    several(Some(value)).into_iter().map(text).collect()
}

/// IAM's wildcards: `*` for any run of characters, `?` for one.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stands and what of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match (pattern.get(at), text.get(from)) {
            (Some('*'), _) => {
                star = Some((at, from));
                at += 1;
            }
            (Some('?'), Some(_)) => (at, from) = (at + 1, from + 1),
            (Some(one), Some(other)) if one == other => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, from) = (star_at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PUT: Access = Access {
        service: "cloudtrail.amazonaws.com",
        action: "s3:PutObject",
        resource: "arn:aws:s3:::logs/AWSLogs/1/CloudTrail/x.json.gz",
        context: &[("s3:x-amz-acl", "bucket-owner-full-control"), ("aws:sourcearn", "arn:aws:cloudtrail:eu-west-1:1:trail/main")],
    };

    fn granted(statements: Value) -> bool {
        allows(&json!({"Version": "2012-10-17", "Statement": statements}).to_string(), &PUT)
    }

    fn grant() -> Value {
        json!({
            "Effect": "Allow",
            "Principal": {"Service": ["config.amazonaws.com", "cloudtrail.amazonaws.com"]},
            "Action": "s3:putobject",
            "Resource": "arn:aws:s3:::logs/AWSLogs/1/*",
            "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "AWS:SourceArn": "arn:aws:cloudtrail:eu-west-1:1:trail/main"}},
        })
    }

    fn with(member: &str, value: Value) -> Value {
        let mut statement = grant();
        statement[member] = value;
        statement
    }

    #[test]
    fn the_documented_grant_lets_the_service_in() {
        assert!(granted(grant()));
        assert!(granted(json!([grant()])));
    }

    #[test]
    fn another_principal_action_resource_or_source_is_not_let_in() {
        assert!(!granted(with("Principal", json!({"Service": "config.amazonaws.com"}))));
        assert!(!granted(with("Principal", json!({"AWS": "arn:aws:iam::1:root"}))));
        assert!(!granted(with("Action", json!(["s3:GetObject", "s3:GetBucketAcl"]))));
        assert!(!granted(with("Resource", json!("arn:aws:s3:::logs/AWSLogs/2/*"))));
        assert!(!granted(with("Condition", json!({"StringEquals": {"aws:SourceArn": "arn:aws:cloudtrail:eu-west-1:1:trail/other"}}))));
        assert!(!granted(with("Condition", json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}))));
        assert!(!allows("not json", &PUT));
        assert!(!allows("{}", &PUT));
    }

    #[test]
    fn a_denial_of_plain_text_leaves_the_service_in_and_a_denial_that_meets_it_does_not() {
        let deny = |condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"], "Condition": condition});
        assert!(granted(json!([grant(), deny(json!({"Bool": {"aws:SecureTransport": "false"}}))])));
        assert!(granted(json!([grant(), deny(json!({"Bool": {"aws:SecureTransport": false}}))])));
        assert!(granted(json!([grant(), deny(json!({"NumericLessThan": {"s3:TlsVersion": "1.2"}}))])));
        assert!(!granted(json!([grant(), deny(json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}))])));
        assert!(!granted(json!([grant(), deny(json!({"Null": {"s3:x-amz-server-side-encryption": "true"}}))])));
        assert!(!granted(json!([grant(), deny(json!({}))])));
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        for (pattern, text) in [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("s3:*", "s3:putobject"), ("a*b*c", "axbxbxc"), ("**", "x")] {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a?c", "ac"), ("a*c", "abcd"), ("", "a"), ("abc", "ab"), ("a*b*c", "axcxb")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }
}

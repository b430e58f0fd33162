//! A policy can lock everyone out of its own repair. Only what we add is judged: what is there already let us read it.

use serde_json::Value;
use wildmatch::WildMatch;

use super::compare::{each, is_deny};

/// What it takes to repair a policy.
const REPAIR: &[&str] = &["s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"];

/// Whether this statement may deny the caller what it takes to change `bucket`'s policy again. In doubt it does.
pub(super) fn denies_repair(statement: &Value, bucket: &str) -> bool {
    is_deny(statement) && meets_us(statement) && meets_repair(statement) && meets_bucket(statement, bucket) && !never_met(statement)
}

/// Which role holdfast runs as is not known here: any user or role may be it, a service is not.
fn meets_us(statement: &Value) -> bool {
    match statement.get("Principal") {
        Some(Value::Object(kinds)) => kinds.keys().any(|kind| kind != "Service"),
        _ => true,
    }
}

fn meets_repair(statement: &Value) -> bool {
    REPAIR.iter().any(|action| names(statement, "Action", "NotAction", &|pattern| wild(&pattern.to_ascii_lowercase(), action)))
}

fn meets_bucket(statement: &Value, bucket: &str) -> bool {
    // `arn:PARTITION:s3:::NAME`: the partition cannot tell one bucket from another.
    let name = |pattern: &str| pattern.splitn(6, ':').nth(5).unwrap_or(pattern).to_owned();
    names(statement, "Resource", "NotResource", &|pattern| wild(&name(pattern), bucket))
}

fn names(statement: &Value, member: &str, negated: &str, matches: &dyn Fn(&str) -> bool) -> bool {
    match (statement.get(member), statement.get(negated)) {
        (Some(patterns), _) => each(patterns).iter().any(|pattern| matches(pattern)),
        (None, Some(patterns)) => !each(patterns).iter().any(|pattern| matches(pattern)),
        (None, None) => true,
    }
}

fn wild(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

/// Whether a condition is one that a request of ours never meets: it comes over TLS, 1.3 where the server has it, as S3 does.
fn never_met(statement: &Value) -> bool {
    let Some(Value::Object(operators)) = statement.get("Condition") else { return false };
    operators.iter().any(|(operator, keys)| {
        let Value::Object(keys) = keys else { return false };
        keys.iter().any(|(key, values)| match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
            ("Bool", "aws:securetransport") => each(values).iter().all(|value| value == "false"),
            ("NumericLessThan", "s3:tlsversion") => {
                each(values).iter().all(|value| value.parse::<f64>().is_ok_and(|version| version <= 1.3))
            }
            _ => false,
        })
    })
}

//! What a policy means, as far as the sandbox follows it: whether it is public, and whether it shuts the caller out.

use serde_json::Value;

/// Condition keys that, held to fixed values, keep a statement for everybody from being public (user guide, "The
/// meaning of public").
const NARROWING: [&str; 12] = [
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Whether a statement allows something to everybody, and no condition narrows that down.
pub fn is_public(policy: &Value) -> bool {
    statements(policy).any(|statement| {
        let narrowed = statement.get("Condition").and_then(Value::as_object).is_some_and(|condition| {
            condition.iter().any(|(operator, keys)| {
                // Only the positive operators narrow anything down.
                !operator.contains("Not")
                    && !operator.contains("Null")
                    && keys.as_object().is_some_and(|keys| {
                        keys.iter().any(|(key, value)| {
                            NARROWING.contains(&key.to_ascii_lowercase().as_str())
                                && !texts(value).is_empty()
                                && texts(value).iter().all(|value| !["*", "0.0.0.0/0", "::/0"].contains(value))
                        })
                    })
            })
        });
        statement.get("Effect").and_then(Value::as_str) == Some("Allow") && everybody(statement.get("Principal")) && !narrowed
    })
}

/// Whether the policy denies the account's own callers an action, whatever the circumstances: statements with a
/// condition are left aside.
pub fn denies(policy: &str, account: &str, action: &str, resource: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    statements(&policy).any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Deny")
            && statement.get("Condition").is_none()
            && concerns(statement, account)
            && covers(statement, "Action", "NotAction", &action.to_ascii_lowercase(), true)
            && covers(statement, "Resource", "NotResource", resource, false)
    })
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter(),
        Some(one) => std::slice::from_ref(one).iter(),
        None => [].iter(),
    }
}

fn everybody(principal: Option<&Value>) -> bool {
    match principal {
        Some(Value::String(one)) => one == "*",
        Some(Value::Object(kinds)) => kinds.get("AWS").is_some_and(|aws| texts(aws).contains(&"*")),
        _ => false,
    }
}

/// Whether the statement speaks of everybody or of the account.
fn concerns(statement: &Value, account: &str) -> bool {
    let names = |principal: &Value| {
        everybody(Some(principal))
            || principal
                .get("AWS")
                .is_some_and(|aws| texts(aws).iter().any(|name| *name == account || *name == format!("arn:aws:iam::{account}:root")))
    };
    // Who `NotPrincipal` leaves out, the caller among them or not, is not followed.
    statement.get("Principal").is_some_and(names)
}

fn covers(statement: &Value, listed: &str, others: &str, name: &str, any_case: bool) -> bool {
    let matches = |patterns: &Value| {
        texts(patterns).iter().any(|pattern| if any_case { glob(&pattern.to_ascii_lowercase(), name) } else { glob(pattern, name) })
    };
    match (statement.get(listed), statement.get(others)) {
        (Some(patterns), _) => matches(patterns),
        (None, Some(patterns)) => !matches(patterns),
        (None, None) => false,
    }
}

/// A text, or a list of them.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// `*` for any characters, `?` for one.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and up to where in the text it reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, reached)) => {
                    star = Some((at, reached + 1));
                    p = at + 1;
                    t = reached + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

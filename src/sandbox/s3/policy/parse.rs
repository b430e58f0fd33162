//! Reading a policy as S3 does: refusing what is not one, and bringing the rest into S3's own form. Lists of one
//! become that one, principals are sorted, account numbers become ARNs, what is no text in a condition becomes one.

use serde_json::{Map, Value};

use super::judge::{glob, texts};
use crate::sandbox::call::Refusal;

/// Bytes; the user guide's 20 KB.
const LONGEST: usize = 20 * 1024;

/// The policy for `bucket`, in S3's form.
pub fn read(body: &[u8], bucket: &str) -> Result<Value, Refusal> {
    if body.len() > LONGEST {
        return Err(malformed("Policy exceeds the maximum allowed document size."));
    }
    let not_json = || malformed("Policies must be valid JSON and the first byte must be '{'");
    if body.first() != Some(&b'{') {
        return Err(not_json());
    }
    let Ok(Value::Object(mut policy)) = serde_json::from_slice(body) else { return Err(not_json()) };
    known(&policy, &["Version", "Id", "Statement"])?;
    match policy.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        Some(_) => return Err(malformed("The policy must contain a valid version string")),
    }
    if policy.get("Id").is_some_and(|id| !id.is_string()) {
        return Err(malformed("Invalid policy syntax."));
    }
    let statements = match policy.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(one @ Value::Object(_)) => vec![one],
        _ => return Err(malformed("Missing required field Statement")),
    };
    if statements.is_empty() {
        return Err(malformed("Could not parse the policy: Statement is empty!"));
    }
    let statements = statements.into_iter().map(|one| statement(one, bucket)).collect::<Result<Vec<Value>, Refusal>>()?;
    let mut sids: Vec<&str> =
        statements.iter().filter_map(|statement| statement.get("Sid")?.as_str()).filter(|sid| !sid.is_empty()).collect();
    sids.sort_unstable();
    if sids.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
    }
    policy.insert("Statement".to_owned(), Value::Array(statements));
    Ok(Value::Object(policy))
}

fn statement(statement: Value, bucket: &str) -> Result<Value, Refusal> {
    let Value::Object(mut statement) = statement else { return Err(malformed("Invalid policy syntax.")) };
    let names = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    known(&statement, &names)?;
    if statement.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return Err(malformed("Invalid policy syntax."));
    }
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        Some(other) => return Err(malformed(format!("Invalid effect: {other}"))),
        None => return Err(malformed("Missing required field Effect")),
    }
    let principal = one_of(&statement, "Principal", "NotPrincipal")?;
    let action = one_of(&statement, "Action", "NotAction")?;
    let resource = one_of(&statement, "Resource", "NotResource")?;
    rewrite(&mut statement, principal, principals)?;
    rewrite(&mut statement, action, |value| list(value, "Policy has invalid action", |action| action == "*" || is_action(action)))?;
    rewrite(&mut statement, resource, |value| {
        list(value, "Policy has invalid resource", |resource| of_bucket(resource, bucket) || of_objects(resource, bucket))
    })?;
    rewrite(&mut statement, "Condition", conditions)?;
    if let (Some(actions), Some(resources)) = (statement.get("Action"), statement.get("Resource")) {
        let (bucket_meant, objects_meant) = (
            texts(resources).iter().any(|resource| of_bucket(resource, bucket)),
            texts(resources).iter().any(|resource| of_objects(resource, bucket)),
        );
        let idle = |action: &&str| match level(action) {
            Some(Level::Bucket) => !bucket_meant,
            Some(Level::Object) => !objects_meant,
            None => false,
        };
        if texts(actions).iter().any(idle) {
            return Err(malformed("Action does not apply to any resource(s) in statement"));
        }
    }
    Ok(Value::Object(statement))
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(unknown) => Err(malformed(format!("Unknown field {unknown}"))),
        None => Ok(()),
    }
}

/// Which of two members that exclude each other is there.
fn one_of<'a>(statement: &Map<String, Value>, plain: &'a str, negated: &'a str) -> Result<&'a str, Refusal> {
    match (statement.contains_key(plain), statement.contains_key(negated)) {
        (true, false) => Ok(plain),
        (false, true) => Ok(negated),
        (true, true) => Err(malformed(format!("Statement has both {plain} and {negated}"))),
        (false, false) => Err(malformed(format!("Missing required field {plain}"))),
    }
}

fn rewrite(statement: &mut Map<String, Value>, member: &str, with: impl FnOnce(Value) -> Result<Value, Refusal>) -> Result<(), Refusal> {
    if let Some(value) = statement.get_mut(member) {
        *value = with(value.take())?;
    }
    Ok(())
}

fn list(value: Value, complaint: &str, valid: impl Fn(&str) -> bool) -> Result<Value, Refusal> {
    let texts = strings(value).ok_or_else(|| malformed(complaint))?;
    if texts.is_empty() || !texts.iter().all(|text| valid(text)) {
        return Err(malformed(complaint));
    }
    Ok(single(texts))
}

fn principals(value: Value) -> Result<Value, Refusal> {
    let invalid = || malformed("Invalid principal in policy");
    let kinds = match value {
        Value::String(one) if one == "*" => return Ok(Value::String(one)),
        Value::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(invalid()),
    };
    let mut rewritten = Map::new();
    for (kind, value) in kinds {
        let mut names = strings(value).filter(|names| !names.is_empty()).ok_or_else(invalid)?;
        for name in &mut names {
            let account = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit());
            let valid = match kind.as_str() {
                "AWS" => account || name == "*" || is_principal(name),
                "Service" => name.contains('.') && !name.contains(' '),
                "Federated" => !name.is_empty(),
                "CanonicalUser" => name.len() == 64,
                _ => false,
            };
            if !valid {
                return Err(invalid());
            }
            if account {
                *name = format!("arn:aws:iam::{name}:root");
            }
        }
        names.sort_unstable();
        names.dedup();
        rewritten.insert(kind, single(names));
    }
    Ok(Value::Object(rewritten))
}

/// A user, a role or an account by ARN, or the unique id that S3 shows for a principal that was deleted.
fn is_principal(name: &str) -> bool {
    let unique = name.starts_with("AIDA") || name.starts_with("AROA");
    unique
        || ["arn:aws:iam::", "arn:aws:sts::"]
            .iter()
            .any(|arn| name.strip_prefix(arn).is_some_and(|rest| rest.contains(':') && !rest.contains('*')))
}

fn conditions(value: Value) -> Result<Value, Refusal> {
    let Value::Object(operators) = value else { return Err(malformed("Invalid Condition syntax")) };
    let mut rewritten = Map::new();
    for (operator, keys) in operators {
        if !is_operator(&operator) {
            return Err(malformed(format!("Invalid Condition type : {operator}")));
        }
        let Value::Object(keys) = keys else { return Err(malformed("Invalid Condition syntax")) };
        let mut tested = Map::new();
        for (key, values) in keys {
            if !key.contains(':') {
                return Err(malformed("Policy has an invalid condition key"));
            }
            let values = strings(values).ok_or_else(|| malformed("Invalid Condition syntax"))?;
            tested.insert(key, single(values));
        }
        rewritten.insert(operator, Value::Object(tested));
    }
    Ok(Value::Object(rewritten))
}

/// The condition operators of IAM, with the prefixes of sets and the suffix that lets a key be missing.
fn is_operator(operator: &str) -> bool {
    let bare = operator.strip_prefix("ForAllValues:").or_else(|| operator.strip_prefix("ForAnyValue:")).unwrap_or(operator);
    let bare = bare.strip_suffix("IfExists").unwrap_or(bare);
    const OPERATORS: [&str; 27] = [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnLike",
        "ArnNotEquals",
        "ArnNotLike",
        "Null",
    ];
    OPERATORS.contains(&bare)
}

/// One or several scalars as texts; nothing where there is anything else among them.
fn strings(value: Value) -> Option<Vec<String>> {
    let values = match value {
        Value::Array(values) => values,
        one => vec![one],
    };
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    values.into_iter().map(text).collect()
}

fn single(mut texts: Vec<String>) -> Value {
    match texts.pop() {
        Some(one) if texts.is_empty() => Value::String(one),
        Some(last) => {
            texts.push(last);
            Value::from(texts)
        }
        None => Value::Array(Vec::new()),
    }
}

fn is_action(action: &str) -> bool {
    let name = action.get(..3).filter(|service| service.eq_ignore_ascii_case("s3:")).and_then(|_| action.get(3..));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '*' || c == '?'))
}

enum Level {
    Bucket,
    Object,
}

/// What an action works on, where its name tells; patterns may mean both.
fn level(action: &str) -> Option<Level> {
    let name = action.get(3..)?;
    match () {
        () if name.contains(['*', '?']) => None,
        () if name.contains("Bucket") => Some(Level::Bucket),
        () if name.contains("Object") => Some(Level::Object),
        () => None,
    }
}

fn of_bucket(resource: &str, bucket: &str) -> bool {
    glob(resource, &format!("arn:aws:s3:::{bucket}"))
}

fn of_objects(resource: &str, bucket: &str) -> bool {
    resource.starts_with(&format!("arn:aws:s3:::{bucket}/")) || glob(resource, &format!("arn:aws:s3:::{bucket}/any"))
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicy", message)
}

//! Whether the policy of a KMS key lets anybody of the account make grants of it: ElastiCache takes one, as the caller, for a group that is encrypted with a
//! customer's key. [AWS documentation, "At-Rest Encryption in ElastiCache": kms:CreateGrant, kms:DescribeKey]

use serde_json::Value;
use wildmatch::WildMatch;

use crate::aws::{CallError, Class, Reads};
use crate::kinds::{Fact, Unreadable};

/// How a key's only policy is called. [service model, GetKeyPolicy]
const DEFAULT: &str = "default";
const CREATE_GRANT: &str = "kms:creategrant";

/// Whether the policy may let somebody of the account make grants; absent where no key is declared, or it is another account's, whose owner knows.
pub async fn grants(reads: &Reads, key: Option<&str>, account: &str) -> Fact<bool> {
    let Some(arn) = key.filter(|arn| arn.split(':').nth(4) == Some(account)) else { return Fact::Absent };
    match policy(reads, arn).await {
        Ok(policy) => Fact::Present(may_grant(&policy, account)),
        Err(error) if error.class == Class::NotFound => Fact::Absent,
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

async fn policy(reads: &Reads, arn: &str) -> Result<String, CallError> {
    let answer = reads.kms().get_key_policy(|request| request.key_id(arn).policy_name(DEFAULT)).await?;
    Ok(answer.policy.unwrap_or_default())
}

/// False only where it is certain: no statement allows it to anybody of the account. Conditions and denials are not judged.
fn may_grant(policy: &str, account: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return true };
    let Some(statements) = policy.get("Statement") else { return true };
    let allows = |statement: &Value| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow") && acts(statement) && is_for(statement, account)
    };
    list(statements).into_iter().any(allows)
}

fn acts(statement: &Value) -> bool {
    match statement.get("Action") {
        Some(actions) => {
            list(actions).into_iter().filter_map(Value::as_str).any(|action| WildMatch::new(&action.to_lowercase()).matches(CREATE_GRANT))
        }
        // All but some.
        None => true,
    }
}

/// Whether it may be for somebody of the account, who may have it by IAM from there on.
fn is_for(statement: &Value, account: &str) -> bool {
    let Some(principal) = statement.get("Principal") else { return true };
    let of_account = |name: &str| name == "*" || name == account || name.split(':').nth(4) == Some(account);
    match principal {
        Value::Object(kinds) => {
            kinds.iter().any(|(kind, names)| kind != "AWS" || list(names).into_iter().filter_map(Value::as_str).any(of_account))
        }
        other => list(other).into_iter().filter_map(Value::as_str).any(of_account),
    }
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use super::may_grant;

    const ACCOUNT: &str = "317805897534";

    fn may(statement: &str) -> bool {
        may_grant(&format!("{{\"Version\": \"2012-10-17\", \"Statement\": {statement}}}"), ACCOUNT)
    }

    #[test]
    fn only_what_is_certain_is_said_of_a_policy() {
        for allows in [
            r#"{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::317805897534:root"}, "Action": "kms:*", "Resource": "*"}"#,
            r#"[{"Effect": "Allow", "Principal": {"AWS": ["999999999999", "317805897534"]}, "Action": ["kms:Decrypt", "kms:CreateGrant"]}]"#,
            r#"{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::317805897534:role/deploy"}, "Action": "kms:Create*"}"#,
            r#"{"Effect": "Allow", "Principal": "*", "Action": "*", "Condition": {"StringEquals": {"kms:CallerAccount": "317805897534"}}}"#,
            // What is not understood for certain.
            r#"{"Effect": "Allow", "Principal": {"Service": "elasticache.amazonaws.com"}, "Action": "kms:CreateGrant"}"#,
            r#"{"Effect": "Allow", "NotPrincipal": {"AWS": "999999999999"}, "Action": "kms:?reateGrant"}"#,
            r#"{"Effect": "Allow", "Principal": {"AWS": "317805897534"}, "NotAction": "kms:ScheduleKeyDeletion"}"#,
        ] {
            assert!(may(allows), "{allows}");
        }
        assert!(may_grant("not JSON", ACCOUNT) && may_grant("{}", ACCOUNT));
        for refuses in [
            "[]",
            r#"{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::317805897534:root"}, "Action": ["kms:Decrypt", "kms:Describe*"]}"#,
            r#"{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:*"}"#,
            r#"{"Effect": "Deny", "Principal": {"AWS": "317805897534"}, "Action": "kms:*"}"#,
        ] {
            assert!(!may(refuses), "{refuses}");
        }
    }
}

//! What a service that delivers into an account asks before it starts: is the bucket there, does its policy let
//! the service in, is the key there. CloudTrail and GuardDuty both ask.

pub mod policy;

use serde_json::Value;

use super::world::World;

/// The services next door, as far as a delivering service looks at them.
pub trait Neighbours {
    /// The policy of a bucket: `None` when there is no such bucket, `Some(None)` when it has no policy.
    fn bucket_policy(&self, bucket: &str) -> Option<Option<String>>;
    /// Where a bucket is.
    fn bucket_region(&self, bucket: &str) -> Option<String>;
    /// The KMS key of that id, ARN or alias.
    fn key(&self, id: &str) -> Option<Key>;
    /// The ARN of the SNS topic of that name or ARN, when there is such a topic.
    fn topic(&self, name: &str) -> Option<String>;
}

/// A KMS key as another service sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub arn: String,
    pub enabled: bool,
    /// The key policy; `None` when none was written down, which lets every service of the account in.
    pub policy: Option<String>,
}

// The neighbours' states are read in their written form: what the account file says is what this module relies
// on, not how those services keep it.
impl Neighbours for World {
    fn bucket_policy(&self, bucket: &str) -> Option<Option<String>> {
        written_bucket_policy(&serde_json::to_value(&self.s3).ok()?, bucket)
    }

    fn bucket_region(&self, bucket: &str) -> Option<String> {
        written_bucket_region(&serde_json::to_value(&self.s3).ok()?, &self.region, bucket)
    }

    fn key(&self, id: &str) -> Option<Key> {
        written_key(&serde_json::to_value(&self.kms).ok()?, &self.account, &self.region, id)
    }

    fn topic(&self, name: &str) -> Option<String> {
        written_topic(&serde_json::to_value(&self.sns).ok()?, &self.account, &self.region, name)
    }
}

/// The policy of `buckets.<bucket>` in the written form of the S3 state.
pub fn written_bucket_policy(s3: &Value, bucket: &str) -> Option<Option<String>> {
    let bucket = s3.get("buckets")?.get(bucket)?;
    Some(match bucket.get("policy") {
        Some(Value::String(policy)) => Some(policy.clone()),
        None | Some(Value::Null) => None,
        // A policy written as structure instead of text.
        Some(other) => Some(other.to_string()),
    })
}

/// The region of `buckets.<bucket>` in the written form of the S3 state: one that names none is in the account's.
pub fn written_bucket_region(s3: &Value, home: &str, bucket: &str) -> Option<String> {
    let region = s3.get("buckets")?.get(bucket)?.get("region").and_then(Value::as_str).filter(|region| !region.is_empty());
    Some(region.unwrap_or(home).to_owned())
}

/// The key in `keys` of the written form of the KMS state, found by id, ARN or alias.
pub fn written_key(kms: &Value, account: &str, region: &str, id: &str) -> Option<Key> {
    let place = format!("arn:aws:kms:{region}:{account}:");
    let id = match id.strip_prefix("arn:") {
        Some(_) => id.strip_prefix(&place)?,
        None => id,
    };
    let id = match id.starts_with("alias/") {
        true => alias_target(kms, id)?,
        false => id.to_owned(),
    };
    let id = id.strip_prefix(&place).unwrap_or(&id);
    let id = id.strip_prefix("key/").unwrap_or(id);
    let keys = kms.get("keys")?;
    let arn = format!("{place}key/{id}");
    let key = keys.get(id).or_else(|| keys.get(&arn))?;
    let state = key.get("keyState").or_else(|| key.get("state")).and_then(Value::as_str).unwrap_or("Enabled");
    let usable = ["enabled", "updating"].iter().any(|usable| state.eq_ignore_ascii_case(usable));
    let enabled = usable && key.get("enabled").and_then(Value::as_bool).unwrap_or(true);
    Some(Key { arn, enabled, policy: key.get("policy").and_then(Value::as_str).map(str::to_owned) })
}

fn alias_target(kms: &Value, alias: &str) -> Option<String> {
    let short = alias.strip_prefix("alias/").unwrap_or(alias);
    if let Some(target) = kms.get("aliases").and_then(|aliases| aliases.get(alias).or_else(|| aliases.get(short))) {
        let target = target.as_str().or_else(|| target.get("targetKeyId").and_then(Value::as_str));
        return target.map(str::to_owned);
    }
    let named = |key: &Value| {
        let one = key.get("alias").and_then(Value::as_str);
        let many = key.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        one.into_iter().chain(many).any(|name| name == alias || name == short)
    };
    let keys = kms.get("keys")?.as_object()?;
    keys.iter().find(|(_, key)| named(key)).map(|(id, _)| id.clone())
}

/// The ARN of the topic in `topics` of the written form of the SNS state.
pub fn written_topic(sns: &Value, account: &str, region: &str, name: &str) -> Option<String> {
    let place = format!("arn:aws:sns:{region}:{account}:");
    let short = match name.strip_prefix("arn:") {
        Some(_) => name.strip_prefix(&place)?,
        None => name,
    };
    let arn = format!("{place}{short}");
    let topics = sns.get("topics")?;
    topics.get(short).or_else(|| topics.get(&arn)).map(|_| arn)
}

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Neighbours that hold what a test wrote down.
    pub struct Written {
        pub s3: Value,
        pub kms: Value,
        pub sns: Value,
    }

    impl Neighbours for Written {
        fn bucket_policy(&self, bucket: &str) -> Option<Option<String>> {
            written_bucket_policy(&self.s3, bucket)
        }

        fn bucket_region(&self, bucket: &str) -> Option<String> {
            written_bucket_region(&self.s3, "eu-west-1", bucket)
        }

        fn key(&self, id: &str) -> Option<Key> {
            written_key(&self.kms, "111122223333", "eu-west-1", id)
        }

        fn topic(&self, name: &str) -> Option<String> {
            written_topic(&self.sns, "111122223333", "eu-west-1", name)
        }
    }

    #[test]
    fn a_bucket_without_policy_differs_from_no_bucket() {
        let s3 = json!({"buckets": {"logs": {"policy": null}, "open": {"policy": "{}"}}});
        assert_eq!(written_bucket_policy(&s3, "logs"), Some(None));
        assert_eq!(written_bucket_policy(&s3, "open"), Some(Some("{}".to_owned())));
        assert_eq!(written_bucket_policy(&s3, "none"), None);
        assert_eq!(written_bucket_policy(&json!({}), "logs"), None);
    }

    #[test]
    fn a_key_is_found_by_id_arn_and_alias_in_its_own_place_only() {
        let kms = json!({"keys": {"k1": {}, "k2": {"keyState": "Disabled"}}, "aliases": {"alias/logs": {"targetKeyId": "k1"}}});
        let find = |id: &str| written_key(&kms, "1", "eu-west-1", id);
        let arn = "arn:aws:kms:eu-west-1:1:key/k1".to_owned();
        for id in ["k1", "alias/logs", "arn:aws:kms:eu-west-1:1:key/k1", "arn:aws:kms:eu-west-1:1:alias/logs"] {
            assert_eq!(find(id), Some(Key { arn: arn.clone(), enabled: true, policy: None }), "{id}");
        }
        assert_eq!(find("k2").map(|key| key.enabled), Some(false));
        assert_eq!(find("arn:aws:kms:us-east-1:1:key/k1"), None);
        assert_eq!(find("k3"), None);
    }

    #[test]
    fn a_topic_is_found_by_name_and_arn() {
        let sns = json!({"topics": {"alerts": {}}});
        let arn = Some("arn:aws:sns:eu-west-1:1:alerts".to_owned());
        assert_eq!(written_topic(&sns, "1", "eu-west-1", "alerts"), arn);
        assert_eq!(written_topic(&sns, "1", "eu-west-1", "arn:aws:sns:eu-west-1:1:alerts"), arn);
        assert_eq!(written_topic(&sns, "1", "eu-west-1", "arn:aws:sns:us-east-1:1:alerts"), None);
        assert_eq!(written_topic(&sns, "1", "eu-west-1", "other"), None);
    }
}

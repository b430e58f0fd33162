//! KMS keys, by any of their names: kinds that name the same key ask for it once a pass, and judge it in one way.

use std::sync::Arc;

use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;

use super::{Fact, Reason, Scope};
use crate::aws::{CallError, Class, Reads};

/// A KMS key that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The manifest's words for it.
    pub words: String,
    pub arn: String,
    /// `PendingDeletion`, `Disabled`, ...: the state in which nothing can be encrypted with it.
    pub unusable: Option<String>,
}

/// Why a key cannot be used, and what a person does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub reason: Reason,
    pub message: String,
    pub what_to_do: String,
}

/// The key that a manifest names: in the region that its ARN says, else in `home`.
pub async fn wished(reads: &Reads, scope: &Scope, home: &str, words: &str) -> Fact<Key> {
    let key = |arn: &str, unusable| Key { words: words.to_owned(), arn: arn.to_owned(), unusable };
    let parts: Vec<&str> = words.splitn(6, ':').collect();
    let region = match parts.as_slice() {
        // Most owners let others use a key and not describe it: the service that is to use it says whether it may.
        ["arn", _, "kms", _, account, id] if *account != scope.account && id.starts_with("key/") => {
            return Fact::Present(key(words, None));
        }
        ["arn", _, "kms", region, ..] => region,
        _ => home,
    };
    let answer = described(reads, Some(region).filter(|region| *region != scope.region), words).await;
    let found = answer.map(|answer| {
        let found = answer.key_metadata()?;
        let state = found.key_state().map(|state| state.as_str()).unwrap_or("in no state that AWS says");
        // While its primary region is changed a key goes on encrypting. <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
        Some(key(found.arn().unwrap_or_default(), Some(state.to_owned()).filter(|state| !matches!(state.as_str(), "Enabled" | "Updating"))))
    });
    Fact::read(found, |error| error.class == Class::NotFound)
}

/// The ARN of a key that is declared as `field`, where something can be encrypted with it.
pub fn usable(key: &Fact<Key>, field: &str, words: &str, scope: &Scope) -> Result<String, Unfit> {
    match key {
        Fact::Present(Key { arn, unusable: None, .. }) => Ok(arn.clone()),
        Fact::Present(Key { unusable: Some(state), .. }) => Err(Unfit {
            reason: Reason::UnexpectedState,
            message: format!("the key {words} is {state}: nothing can be encrypted with it, and what is could not be read"),
            what_to_do: format!("enable the key, or name another as {field}"),
        }),
        Fact::Absent => Err(Unfit {
            reason: Reason::InvalidWish,
            message: format!("there is no KMS key {words} in account {}, in the region where it would be used", scope.account),
            what_to_do: format!("make the key, or correct {field}"),
        }),
        Fact::Unknown(why) => Err(Unfit {
            reason: Reason::Unreadable,
            message: format!("whether the key {words} can be used could not be read: {}: {}", why.call, why.message),
            what_to_do: "allow kms:DescribeKey, or run again".to_owned(),
        }),
    }
}

/// Why a key cannot encrypt what is put into a bucket of `region`: S3 uses keys of the bucket's own region alone, and takes any name of a key without
/// looking at it; what is uploaded is refused then.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html>
///
/// `words` may be any of a key's names: one that says no region is of `home`.
pub fn elsewhere((words, home): (&str, &str), field: &str, (bucket, region): (&str, &str)) -> Option<Unfit> {
    let of_key = region_of(words).unwrap_or(home);
    (of_key != region).then(|| Unfit {
        reason: Reason::InvalidWish,
        message: format!(
            "the key {words} is in {of_key}, and the bucket {bucket} in {region}: only a key of the bucket's own region encrypts what is in it"
        ),
        what_to_do: format!("declare a key of {region} as {field}, by its ARN, which names the region"),
    })
}

/// The region in the ARN of a key.
pub fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// What KMS says of a key; `region`: where it is asked, if not in the manifest's.
pub async fn described(reads: &Reads, region: Option<&str>, words: &str) -> Result<Arc<DescribeKeyOutput>, CallError> {
    let read = || async {
        let kms = match region {
            Some(region) => reads.kms().in_region(region),
            None => reads.kms(),
        };
        kms.describe_key(|request| request.key_id(words)).await
    };
    reads.once(format!("kms:DescribeKey/{}/{words}", region.unwrap_or_default()), read).await
}

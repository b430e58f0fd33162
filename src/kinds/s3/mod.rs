//! S3: the account's Block Public Access, buckets, and the policies of buckets, which several kinds have a say in.

mod account;
pub mod buckets;
pub mod policy;
mod public_access;

pub use account::{Account, AccountOp, AccountSpec};
pub use buckets::Bucket;
pub use policy::{BucketPolicy, needs_of_delivery};
pub use public_access::{Flags, PublicAccessBlock};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Drift, Fact, Kind, Progress, Shape};
use crate::aws::{Call, CallError, Class, Reads, calls};

/// What each of these drifts is to become, by its path: what an operation carries so that [`reached`] can judge it.
fn wants<'a>(drifts: impl IntoIterator<Item = &'a Drift>) -> BTreeMap<String, Value> {
    drifts.into_iter().map(|drift| (drift.field.clone(), drift.declared.clone())).collect()
}

/// How far a change is: done when every field that it sets is as declared, by the field's own comparison.
fn reached<K: Kind>(seen: &K::Seen, wants: &BTreeMap<String, Value>) -> Progress {
    for (path, declared) in wants {
        let found = K::FIELDS.iter().find_map(|field| match field.shape {
            Shape::One => (field.path == path).then(|| (field.rule, (field.fact)(seen))),
            Shape::Keyed => {
                let key = path.strip_prefix(field.path)?.strip_prefix('.')?;
                let found = (field.fact)(seen).and_then(|entries| match entries.get(key) {
                    None | Some(Value::Null) => Fact::Absent,
                    Some(value) => Fact::Present(value.clone()),
                });
                Some((field.rule, found))
            }
        });
        match found {
            Some((rule, Fact::Present(found))) if rule.satisfied(&found, declared) => {}
            Some((_, Fact::Absent)) if declared.is_null() => {}
            Some((_, Fact::Unknown(why))) => return Progress::Unknown(why),
            Some(_) => return Progress::Pending,
            None => return Progress::Failed(format!("this version of holdfast knows no field {path}")),
        }
    }
    Progress::Done
}

/// A request that could not be put together: a value in a recorded operation that the service would refuse.
fn not_built(call: &'static Call, error: impl std::fmt::Display) -> CallError {
    CallError { call, class: Class::Invalid, code: "RequestNotBuilt".to_owned(), message: error.to_string(), request_id: None }
}

/// A bucket, and whose it must be.
#[derive(Clone, Copy)]
struct At<'a> {
    bucket: &'a str,
    owner: &'a str,
    /// Where it is, if not in the manifest's region.
    region: Option<&'a str>,
}

impl At<'_> {
    fn s3<'r>(&self, reads: &'r Reads) -> calls::s3::Reads<'r> {
        match self.region {
            Some(region) => reads.s3().in_region(region),
            None => reads.s3(),
        }
    }

    /// Under which all who ask for it do so.
    fn key(&self, operation: &str) -> String {
        format!("{operation}/{}{}", self.bucket, self.region.map(|region| format!("/{region}")).unwrap_or_default())
    }
}

/// Every bucket of the account by its name, with its region where S3 says it: selectors, policies and trails ask for the same.
pub(super) async fn own_buckets(reads: &Reads) -> Result<Arc<Vec<(String, Option<String>)>>, CallError> {
    reads.once("ListBuckets", || buckets::all(reads)).await
}

/// Whether a bucket serves a website: buckets and their policies both say whom a change cuts off.
async fn website(reads: &Reads, at: At<'_>) -> Result<bool, CallError> {
    let At { bucket, owner, .. } = at;
    match at.s3(reads).get_bucket_website(|request| request.bucket(bucket).expected_bucket_owner(owner)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is("NoSuchWebsiteConfiguration") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Under which both ask for it.
fn website_key(at: At<'_>) -> String {
    at.key("GetBucketWebsite")
}

/// The flags of a bucket, which its policy asks for as well. A bucket without the setting is refused with [`NO_FLAGS`].
async fn flags(reads: &Reads, at: At<'_>) -> Result<Flags, CallError> {
    let At { bucket, owner, .. } = at;
    let answer = at.s3(reads).get_public_access_block(|request| request.bucket(bucket).expected_bucket_owner(owner)).await?;
    Ok(answer.public_access_block_configuration().map(Flags::from).unwrap_or_default())
}

fn flags_key(at: At<'_>) -> String {
    at.key("GetPublicAccessBlock")
}

/// The code that says that all four flags are off.
const NO_FLAGS: &str = "NoSuchPublicAccessBlockConfiguration";

/// Whether S3 judges the policy of a bucket public, which both ask for, too. A bucket without a policy is refused with `NoSuchBucketPolicy`.
async fn public_policy(reads: &Reads, at: At<'_>) -> Result<bool, CallError> {
    let At { bucket, owner, .. } = at;
    let answer = at.s3(reads).get_bucket_policy_status(|request| request.bucket(bucket).expected_bucket_owner(owner)).await?;
    Ok(answer.policy_status().and_then(|status| status.is_public()) == Some(true))
}

fn public_policy_key(at: At<'_>) -> String {
    at.key("GetBucketPolicyStatus")
}

/// Adds to a refusal what a person does about it; other errors stay as they are.
fn explain_denied(error: CallError, what_to_do: &str) -> CallError {
    match error.class {
        Class::Denied => CallError { message: format!("{}; {what_to_do}", error.message), ..error },
        _ => error,
    }
}

#[cfg(all(test, feature = "sandbox"))]
mod tests;

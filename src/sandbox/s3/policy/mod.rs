//! Bucket policies: kept in the form in which S3 gives them back, which is not the one they were sent in.

mod judge;
mod parse;

pub use judge::denies;

use http::StatusCode;

use super::access;
use super::wire::{access_denied, document, gone};
use super::{find, find_mut};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::world::World;

pub fn get(world: &World, name: &str) -> Result<Answer, Refusal> {
    match &find(world, name)?.policy {
        Some(policy) => {
            let headers = vec![("content-type", "application/json".to_owned())];
            Ok(Answer { status: StatusCode::OK, headers, body: policy.clone() })
        }
        None => Err(no_policy()),
    }
}

/// Takes every well-formed policy, also one that locks its author out, unless it is public where that is blocked.
pub fn put(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let policy = parse::read(&call.body, name)?;
    if access::effective(world, name)?.block_public_policy && judge::is_public(&policy) {
        return Err(access_denied(format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::{name}\" because public policies are blocked by the BlockPublicPolicy block public access setting.",
            world.account
        )));
    }
    find_mut(world, name)?.policy = Some(policy.to_string());
    Ok(gone())
}

pub fn delete(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    find_mut(world, name)?.policy = None;
    Ok(gone())
}

pub fn status(world: &World, name: &str) -> Result<Answer, Refusal> {
    let policy = find(world, name)?.policy.as_ref().ok_or_else(no_policy)?;
    let public = serde_json::from_str(policy).is_ok_and(|policy| judge::is_public(&policy));
    Ok(document("PolicyStatus", |xml| xml.text("IsPublic", public)))
}

fn no_policy() -> Refusal {
    Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
}

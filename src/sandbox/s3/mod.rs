//! Amazon S3: buckets with everything that is configured on them, and objects without their bytes.
//!
//! Written from the S3 API reference and user guide. Refusals are S3's own, most of all those that a client which
//! only ever met a kind service would not know: a policy that locks its author out, settings that spread slowly,
//! `OperationAborted`, a bucket in another region.

mod access;
mod buckets;
mod lifecycle;
mod objects;
mod policy;
mod route;
mod settings;
mod state;
mod tagging;
#[cfg(test)]
mod tests;
mod unset;
mod website;
mod wire;

use http::StatusCode;

pub(super) use access::{flags, read_flags};
pub use state::{Bucket, Earlier, PublicAccessBlock, State};
pub(super) use tagging::read_request as read_tags;

use self::route::Target;
use self::wire::{access_denied, header, not_implemented};
use super::call::{Answer, Call, Operation, Refusal};
use super::ids;
use super::protocol::xml::Xml;
use super::world::World;

/// Which operation a request is.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    route::operation(call)
}

/// S3's refusals stand in the body without anything around them.
pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    let body = Xml::new().node("Error", |xml| {
        xml.text("Code", &refusal.code).text("Message", &refusal.message).text("RequestId", request_id).text("HostId", "sandbox")
    });
    Answer {
        status: StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST),
        headers: vec![("content-type", "application/xml".to_owned()), ("x-amz-request-id", request_id.to_owned())],
        body: body.document(),
    }
}

/// Does what a request asks, or refuses.
pub fn answer(world: &mut World, op: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let target = route::target(call);
    if op.name == "ListBuckets" {
        return buckets::list(world, call);
    }
    let name = route::named(&target)?;
    buckets::check_name(name)?;
    if op.name == "CreateBucket" {
        abort_conflicting(world, op)?;
        return buckets::create(world, name, call);
    }
    let region = admit(world, op, call, &target)?;
    // A bucket's region may be asked for from anywhere; everything else goes to the region itself.
    if op.name != "GetBucketLocation" && !call.region.is_empty() && call.region != region {
        return Ok(elsewhere(name, &region));
    }
    abort_conflicting(world, op)?;
    match op.name.as_str() {
        "HeadBucket" => buckets::head(world, name),
        "DeleteBucket" => buckets::delete(world, name),
        "GetBucketLocation" => buckets::location(world, name),
        "GetPublicAccessBlock" => access::get_public_access_block(world, name),
        "PutPublicAccessBlock" => access::put_public_access_block(world, name, call),
        "DeletePublicAccessBlock" => access::delete_public_access_block(world, name),
        "GetBucketOwnershipControls" => access::get_ownership(world, name),
        "PutBucketOwnershipControls" => access::put_ownership(world, name, call),
        "DeleteBucketOwnershipControls" => access::delete_ownership(world, name),
        "GetBucketAcl" => access::get_acl(world, name),
        "PutBucketAcl" => access::put_acl(world, name, call),
        "GetBucketPolicy" => policy::get(world, name),
        "PutBucketPolicy" => policy::put(world, name, call),
        "DeleteBucketPolicy" => policy::delete(world, name),
        "GetBucketPolicyStatus" => policy::status(world, name),
        "GetBucketEncryption" => settings::get_encryption(world, name),
        "PutBucketEncryption" => settings::put_encryption(world, name, call),
        "DeleteBucketEncryption" => settings::delete_encryption(world, name),
        "GetBucketVersioning" => settings::get_versioning(world, name),
        "PutBucketVersioning" => settings::put_versioning(world, name, call),
        "GetBucketLogging" => settings::get_logging(world, name),
        "PutBucketLogging" => settings::put_logging(world, name, call),
        "GetBucketLifecycleConfiguration" => lifecycle::get(world, name),
        "PutBucketLifecycleConfiguration" => lifecycle::put(world, name, call),
        "DeleteBucketLifecycle" => lifecycle::delete(world, name),
        "GetBucketTagging" => tagging::get(world, name),
        "PutBucketTagging" => tagging::put(world, name, call),
        "DeleteBucketTagging" => tagging::delete(world, name),
        "GetBucketWebsite" => website::get(world, name),
        "PutBucketWebsite" => website::put(world, name, call),
        "DeleteBucketWebsite" => website::delete(world, name),
        "ListObjectsV2" => objects::list(world, name, call),
        "PutObject" => objects::put(world, name, &target, call),
        "HeadObject" => objects::head(world, name, &target),
        "DeleteObject" => objects::delete(world, name, &target),
        other => unset::answer(other).unwrap_or_else(|| Err(not_implemented(other))),
    }
}

/// Whether the caller may do this to the bucket at all; the region that the bucket is in.
fn admit(world: &World, op: &Operation, call: &Call, target: &Target) -> Result<String, Refusal> {
    let name = route::named(target)?;
    if world.s3.foreign.contains(name) {
        return Err(access_denied("Access Denied"));
    }
    let bucket = find(world, name)?;
    if header(call, "x-amz-expected-bucket-owner").is_some_and(|owner| owner != world.account) {
        return Err(access_denied("Access Denied"));
    }
    if let Some(policy) = &bucket.policy {
        let action = route::action(&op.name);
        let resource = match &target.key {
            Some(key) => format!("arn:aws:s3:::{name}/{key}"),
            None => format!("arn:aws:s3:::{name}"),
        };
        if policy::denies(policy, &world.account, &action, &resource) {
            return Err(access_denied(format!(
                "User: arn:aws:iam::{}:root is not authorized to perform: {action} on resource: \"{resource}\" with an explicit deny in a resource-based policy",
                world.account
            )));
        }
    }
    Ok(bucket.region.clone())
}

/// Another change of the same thing is under way, the account file says.
fn abort_conflicting(world: &mut World, op: &Operation) -> Result<(), Refusal> {
    if op.writes && world.s3.conflicts > 0 {
        world.s3.conflicts -= 1;
        let message = "A conflicting conditional operation is currently in progress against this resource. Please try again.";
        return Err(Refusal::new(409, "OperationAborted", message));
    }
    Ok(())
}

/// The redirect to a bucket's own region. It is an answer and no [`Refusal`] because clients follow its header.
fn elsewhere(name: &str, region: &str) -> Answer {
    let endpoint = format!("{name}.s3.{region}.amazonaws.com");
    let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
    let body = Xml::new().node("Error", |xml| {
        xml.text("Code", "PermanentRedirect")
            .text("Message", message)
            .text("Endpoint", endpoint)
            .text("Bucket", name)
            .text("Region", region)
    });
    Answer {
        status: StatusCode::MOVED_PERMANENTLY,
        headers: vec![("content-type", "application/xml".to_owned()), ("x-amz-bucket-region", region.to_owned())],
        body: body.document(),
    }
}

fn find<'a>(world: &'a World, name: &str) -> Result<&'a Bucket, Refusal> {
    world.s3.buckets.get(name).ok_or_else(no_such_bucket)
}

fn find_mut<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Bucket, Refusal> {
    world.s3.buckets.get_mut(name).ok_or_else(no_such_bucket)
}

fn no_such_bucket() -> Refusal {
    Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

/// The account's canonical user id, which S3 shows as the owner.
fn owner(account: &str) -> String {
    ids::sha256(account)
}

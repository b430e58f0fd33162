//! Buckets as such: listing, making, finding and removing them.

use std::net::Ipv4Addr;

use super::state::{Bucket, Ownership, PublicAccessBlock};
use super::tagging;
use super::wire::{self, document, done, gone, header, header_word, invalid_argument, moment, not_implemented};
use super::{access, find, owner};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::ids::{hex, unhex};
use crate::sandbox::protocol::rest::member;
use crate::sandbox::protocol::xml::escape;
use crate::sandbox::world::World;

/// S3 pages a listing of buckets only for who asks with one of its parameters, and names regions only then.
pub fn list(world: &World, call: &Call) -> Result<Answer, Refusal> {
    let prefix = member(call, "prefix");
    let region = member(call, "bucket-region");
    let token = member(call, "continuation-token").filter(|token| !token.is_empty());
    let most = match member(call, "max-buckets") {
        None => None,
        Some(text) => match text.parse::<usize>() {
            Ok(most) if (1..=10_000).contains(&most) => Some(most),
            _ => return Err(invalid_argument("Argument max-buckets must be an integer between 1 and 10000")),
        },
    };
    let asked = prefix.is_some() || region.is_some() || token.is_some() || most.is_some();
    let page = if asked { most.unwrap_or(10_000).min(world.page_size.max(1)) } else { usize::MAX };
    let after = match &token {
        None => None,
        Some(text) => Some(self::token(text).ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))?),
    };
    let mut buckets = world.s3.buckets.iter().filter(|(name, bucket)| {
        after.as_ref().is_none_or(|after| *name > after)
            && prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
            && region.as_ref().is_none_or(|region| bucket.region == *region)
    });
    let shown: Vec<(&String, &Bucket)> = buckets.by_ref().take(page).collect();
    let next = match buckets.next() {
        Some(_) => shown.last().map(|(name, _)| hex(name.as_bytes())),
        None => None,
    };
    Ok(document("ListAllMyBucketsResult", |xml| {
        xml.node("Owner", |xml| xml.text("ID", owner(&world.account)))
            .list("Buckets", "Bucket", shown, |xml, (name, bucket)| {
                let xml = xml.text("Name", name).text("CreationDate", moment(bucket.created));
                xml.maybe("BucketRegion", asked.then_some(&bucket.region))
            })
            .maybe("Prefix", prefix)
            .maybe("ContinuationToken", next)
    }))
}

/// The text behind a token, which is its hex digits.
pub fn token(token: &str) -> Option<String> {
    String::from_utf8(unhex(token)?).ok()
}

/// The naming rules of general purpose buckets.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let edge = |character: Option<char>| character.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let fine = (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix));
    if fine { Ok(()) } else { Err(Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid.")) }
}

pub fn create(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    if header(call, "x-amz-bucket-object-lock-enabled").is_some_and(|on| on.eq_ignore_ascii_case("true")) {
        return Err(not_implemented("CreateBucket with object lock"));
    }
    let ownership = header_word(call, "x-amz-object-ownership", Ownership::parse)?.unwrap_or(Ownership::BucketOwnerEnforced);
    let acl = match header(call, "x-amz-acl") {
        Some(canned) => access::canned(canned)?,
        None => Vec::new(),
    };
    if !acl.is_empty() {
        if ownership == Ownership::BucketOwnerEnforced {
            return Err(access::acl_with_ownership());
        }
        // New buckets block public ACLs from the first moment on.
        if access::is_public(&acl) {
            return Err(access::public_acl_blocked(&world.account, name));
        }
    }
    let (constraint, tags) = if call.body.is_empty() {
        (None, Vec::new())
    } else {
        wire::body(call, "CreateBucketConfiguration", |root| {
            root.only(&["LocationConstraint", "Location", "Bucket", "Tags"])?;
            if root.child("Location").is_some() || root.child("Bucket").is_some() {
                return Err(not_implemented("CreateBucket for directory buckets"));
            }
            let tags = root.child("Tags").map(tagging::read).transpose()?.unwrap_or_default();
            Ok((root.get("LocationConstraint").filter(|region| !region.is_empty()), tags))
        })?
    };
    let tags = tagging::check(tags)?;
    let here = if call.region.is_empty() { world.region.as_str() } else { call.region.as_str() };
    let region = place(here, constraint.as_deref())?;
    if world.s3.foreign.contains(name) {
        let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
        return Err(Refusal::new(409, "BucketAlreadyExists", message));
    }
    let location = vec![("location", format!("/{name}"))];
    if let Some(bucket) = world.s3.buckets.get_mut(name) {
        // For old clients' sake, us-east-1 takes the second creation for done, and resets the ACL.
        if region == "us-east-1" && bucket.region == "us-east-1" {
            bucket.acl.clear();
            return Ok(Answer { headers: location, ..done() });
        }
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(Refusal::new(409, "BucketAlreadyOwnedByYou", message));
    }
    let bucket = Bucket {
        region,
        created: world.now,
        public_access_block: Some(PublicAccessBlock::ALL),
        ownership: Some(ownership),
        acl,
        tags,
        ..Bucket::default()
    };
    world.s3.buckets.insert(name.to_owned(), bucket);
    Ok(Answer { headers: location, ..done() })
}

/// The region of a bucket made at the endpoint of `here`: only that of us-east-1 makes them elsewhere, too.
fn place(here: &str, constraint: Option<&str>) -> Result<String, Refusal> {
    let constraint = constraint.map(|region| if region == "EU" { "eu-west-1" } else { region });
    let incompatible = |region: &str| {
        let message =
            format!("The {region} location constraint is incompatible for the region specific endpoint this request was sent to.");
        Refusal::new(400, "IllegalLocationConstraintException", message)
    };
    match constraint {
        None if here == "us-east-1" => Ok(here.to_owned()),
        None => Err(incompatible("unspecified")),
        Some("us-east-1") if here == "us-east-1" => {
            Err(Refusal::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid"))
        }
        Some(region) if region.split('-').count() < 3 => {
            Err(Refusal::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid"))
        }
        Some(region) if here == "us-east-1" || here == region => Ok(region.to_owned()),
        Some(region) => Err(incompatible(region)),
    }
}

pub fn head(world: &World, name: &str) -> Result<Answer, Refusal> {
    let bucket = find(world, name)?;
    let headers = vec![
        ("x-amz-bucket-region", bucket.region.clone()),
        ("x-amz-bucket-arn", format!("arn:aws:s3:::{name}")),
        ("x-amz-access-point-alias", "false".to_owned()),
    ];
    Ok(Answer { headers, ..done() })
}

pub fn delete(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    if !find(world, name)?.objects.is_empty() {
        return Err(Refusal::new(409, "BucketNotEmpty", "The bucket you tried to delete is not empty"));
    }
    world.s3.buckets.remove(name);
    world.s3.versioning_before.remove(name);
    Ok(gone())
}

pub fn location(world: &World, name: &str) -> Result<Answer, Refusal> {
    // us-east-1 is the empty constraint.
    let region = Some(find(world, name)?.region.as_str()).filter(|region| *region != "us-east-1").unwrap_or_default();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"{}\">{}</LocationConstraint>",
        wire::NAMESPACE,
        escape(region)
    );
    Ok(Answer { body, headers: vec![("content-type", "application/xml".to_owned())], ..done() })
}

//! Who may reach a bucket, save by its policy: Block Public Access, object ownership, ACLs.

use super::state::{Grant, Grantee, Group, Ownership, Permission, PublicAccessBlock};
use super::wire::{self, Element, access_denied, document, done, gone, header, invalid_argument, malformed, not_implemented};
use super::{find, find_mut, owner};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

const CONFIGURATION: &str = "PublicAccessBlockConfiguration";

/// Reads the four flags, here as in S3 Control; one that is left out is off.
pub fn read_flags(call: &Call) -> Result<PublicAccessBlock, Refusal> {
    wire::body(call, CONFIGURATION, |root| {
        root.only(&["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"])?;
        Ok(PublicAccessBlock {
            block_public_acls: root.bool("BlockPublicAcls")?.unwrap_or(false),
            ignore_public_acls: root.bool("IgnorePublicAcls")?.unwrap_or(false),
            block_public_policy: root.bool("BlockPublicPolicy")?.unwrap_or(false),
            restrict_public_buckets: root.bool("RestrictPublicBuckets")?.unwrap_or(false),
        })
    })
}

/// Writes the four flags.
pub fn flags(xml: Xml, block: &PublicAccessBlock) -> Xml {
    xml.text("BlockPublicAcls", block.block_public_acls)
        .text("IgnorePublicAcls", block.ignore_public_acls)
        .text("BlockPublicPolicy", block.block_public_policy)
        .text("RestrictPublicBuckets", block.restrict_public_buckets)
}

pub fn get_public_access_block(world: &World, name: &str) -> Result<Answer, Refusal> {
    match &find(world, name)?.public_access_block {
        Some(block) => Ok(document(CONFIGURATION, |xml| flags(xml, block))),
        None => Err(Refusal::new(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")),
    }
}

pub fn put_public_access_block(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let block = read_flags(call)?;
    find_mut(world, name)?.public_access_block = Some(block);
    Ok(done())
}

pub fn delete_public_access_block(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    find_mut(world, name)?.public_access_block = None;
    Ok(gone())
}

/// What is in force for a bucket: a flag that is on for the account is on for all its buckets.
pub fn effective(world: &World, name: &str) -> Result<PublicAccessBlock, Refusal> {
    let bucket = find(world, name)?.public_access_block.unwrap_or_default();
    let account = world.s3control.public_access_block.unwrap_or_default();
    Ok(PublicAccessBlock {
        block_public_acls: bucket.block_public_acls || account.block_public_acls,
        ignore_public_acls: bucket.ignore_public_acls || account.ignore_public_acls,
        block_public_policy: bucket.block_public_policy || account.block_public_policy,
        restrict_public_buckets: bucket.restrict_public_buckets || account.restrict_public_buckets,
    })
}

pub fn get_ownership(world: &World, name: &str) -> Result<Answer, Refusal> {
    match find(world, name)?.ownership {
        Some(ownership) => Ok(document("OwnershipControls", |xml| xml.node("Rule", |xml| xml.text("ObjectOwnership", ownership.word())))),
        None => Err(Refusal::new(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found")),
    }
}

pub fn put_ownership(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let ownership = wire::body(call, "OwnershipControls", |root| {
        root.only(&["Rule"])?;
        let mut rules = root.children("Rule");
        match (rules.next(), rules.next()) {
            (Some(rule), None) => rule.word("ObjectOwnership", Ownership::parse)?.ok_or_else(malformed),
            _ => Err(malformed()),
        }
    })?;
    let bucket = find_mut(world, name)?;
    if ownership == Ownership::BucketOwnerEnforced && !bucket.acl.is_empty() {
        return Err(acl_with_ownership());
    }
    bucket.ownership = Some(ownership);
    Ok(done())
}

pub fn delete_ownership(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    find_mut(world, name)?.ownership = None;
    Ok(gone())
}

pub fn get_acl(world: &World, name: &str) -> Result<Answer, Refusal> {
    let bucket = find(world, name)?;
    let own = Grant { to: Grantee::CanonicalUser { id: owner(&world.account) }, permission: Permission::FullControl };
    Ok(document("AccessControlPolicy", |xml| {
        xml.node("Owner", |xml| xml.text("ID", owner(&world.account))).list(
            "AccessControlList",
            "Grant",
            std::iter::once(&own).chain(&bucket.acl),
            grant,
        )
    }))
}

fn grant(xml: Xml, grant: &Grant) -> Xml {
    let schema = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type";
    match &grant.to {
        Grantee::Group { group } => xml.node_with("Grantee", &format!("{schema}=\"Group\""), |xml| xml.text("URI", group.uri())),
        Grantee::CanonicalUser { id } => xml.node_with("Grantee", &format!("{schema}=\"CanonicalUser\""), |xml| xml.text("ID", id)),
    }
    .text("Permission", grant.permission.word())
}

pub fn put_acl(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let owner = owner(&world.account);
    let block = effective(world, name)?.block_public_acls;
    if call.headers.keys().any(|header| header.as_str().starts_with("x-amz-grant-")) {
        return Err(not_implemented("PutBucketAcl with grants in headers"));
    }
    let acl = match header(call, "x-amz-acl") {
        Some(canned_acl) => canned(canned_acl)?,
        None => wire::body(call, "AccessControlPolicy", |root| {
            root.only(&["Owner", "AccessControlList"])?;
            let grants = root.child("AccessControlList").ok_or_else(malformed)?;
            grants.only(&["Grant"])?;
            grants.children("Grant").map(read_grant).collect::<Result<Vec<Grant>, Refusal>>()
        })?,
    };
    let acl: Vec<Grant> = acl.into_iter().filter(|grant| grant.to != Grantee::CanonicalUser { id: owner.clone() }).collect();
    let public = is_public(&acl);
    let account = world.account.clone();
    let bucket = find_mut(world, name)?;
    // The ACL that the bucket has anyway may be put again.
    if bucket.ownership == Some(Ownership::BucketOwnerEnforced) && !acl.is_empty() {
        return Err(Refusal::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs"));
    }
    if block && public {
        return Err(public_acl_blocked(&account, name));
    }
    bucket.acl = acl;
    Ok(done())
}

fn read_grant(grant: Element<'_, '_>) -> Result<Grant, Refusal> {
    let to = grant.child("Grantee").ok_or_else(malformed)?;
    let to = match (to.get("URI"), to.get("ID")) {
        (Some(uri), None) => Grantee::Group { group: Group::of_uri(&uri).ok_or_else(|| invalid_argument("Invalid group uri"))? },
        (None, Some(id)) if id.len() == 64 => Grantee::CanonicalUser { id },
        (None, Some(_)) => return Err(invalid_argument("Invalid id")),
        _ => return Err(malformed()),
    };
    Ok(Grant { to, permission: grant.word("Permission", Permission::parse)?.ok_or_else(malformed)? })
}

/// The grants, beyond the owner's, of a canned ACL.
pub fn canned(name: &str) -> Result<Vec<Grant>, Refusal> {
    let group = |group: Group, permission: Permission| Grant { to: Grantee::Group { group }, permission };
    Ok(match name {
        "private" | "bucket-owner-read" | "bucket-owner-full-control" => Vec::new(),
        "public-read" => vec![group(Group::AllUsers, Permission::Read)],
        "public-read-write" => vec![group(Group::AllUsers, Permission::Read), group(Group::AllUsers, Permission::Write)],
        "authenticated-read" => vec![group(Group::AuthenticatedUsers, Permission::Read)],
        "log-delivery-write" => vec![group(Group::LogDelivery, Permission::Write), group(Group::LogDelivery, Permission::ReadAcp)],
        _ => return Err(invalid_argument("Invalid canned ACL")),
    })
}

/// A grant to everybody, or to everybody with an AWS account, is public.
pub fn is_public(acl: &[Grant]) -> bool {
    acl.iter().any(|grant| matches!(grant.to, Grantee::Group { group: Group::AllUsers | Group::AuthenticatedUsers }))
}

pub fn acl_with_ownership() -> Refusal {
    Refusal::new(
        400,
        "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )
}

pub fn public_acl_blocked(account: &str, name: &str) -> Refusal {
    access_denied(format!(
        "User: arn:aws:iam::{account}:root is not authorized to perform: s3:PutBucketAcl on resource: \"arn:aws:s3:::{name}\" because public access control lists (ACLs) are blocked by the BlockPublicAcls block public access setting."
    ))
}

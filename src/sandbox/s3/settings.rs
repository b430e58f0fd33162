//! What holds for all objects of a bucket: default encryption, versioning, access logging.

use std::time::Duration;

use super::state::{Algorithm, BlockedType, Bucket, Earlier, Encryption, KeyFormat, Logging, Versioning};
use super::wire::{self, Element, access_denied, document, done, gone, header, invalid_argument, malformed, not_implemented};
use super::{find, find_mut};
use crate::clock::later;
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::world::World;

/// How long reads of a bucket's versioning show the old state after a change. The user guide says up to 15 minutes;
/// half a minute is enough to catch whoever reads at once, and bearable for whoever waits on a real clock.
const VERSIONING_SPREADS: Duration = Duration::from_secs(30);

pub fn get_encryption(world: &World, name: &str) -> Result<Answer, Refusal> {
    let encryption = find(world, name)?.encryption.clone().unwrap_or_default();
    if encryption.algorithm == Algorithm::None {
        let message = "The server side encryption configuration was not found";
        return Err(Refusal::new(404, "ServerSideEncryptionConfigurationNotFoundError", message));
    }
    Ok(document("ServerSideEncryptionConfiguration", |xml| {
        xml.node("Rule", |xml| {
            let xml = xml
                .node("ApplyServerSideEncryptionByDefault", |xml| {
                    xml.text("SSEAlgorithm", encryption.algorithm.word()).maybe("KMSMasterKeyID", encryption.kms_key_id)
                })
                .text("BucketKeyEnabled", encryption.bucket_key_enabled);
            if encryption.blocked_encryption_types.is_empty() {
                return xml;
            }
            xml.texts("BlockedEncryptionTypes", "EncryptionType", encryption.blocked_encryption_types.into_iter().map(BlockedType::word))
        })
    }))
}

pub fn put_encryption(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let encryption = wire::body(call, "ServerSideEncryptionConfiguration", |root| {
        root.only(&["Rule"])?;
        let mut rules = root.children("Rule");
        match (rules.next(), rules.next()) {
            (Some(rule), None) => read_encryption(rule),
            _ => Err(malformed()),
        }
    })?;
    find_mut(world, name)?.encryption = Some(encryption);
    Ok(done())
}

/// The headers that say of an object how it is encrypted.
pub fn of_objects(bucket: &Bucket) -> Vec<(&'static str, String)> {
    let encryption = bucket.encryption.clone().unwrap_or_default();
    if encryption.algorithm == Algorithm::None {
        return Vec::new();
    }
    let mut headers = vec![("x-amz-server-side-encryption", encryption.algorithm.word().to_owned())];
    headers.extend(encryption.kms_key_id.map(|key| ("x-amz-server-side-encryption-aws-kms-key-id", key)));
    headers
}

fn read_encryption(rule: Element<'_, '_>) -> Result<Encryption, Refusal> {
    rule.only(&["ApplyServerSideEncryptionByDefault", "BucketKeyEnabled", "BlockedEncryptionTypes"])?;
    let (algorithm, kms_key_id) = match rule.child("ApplyServerSideEncryptionByDefault") {
        None => (Algorithm::Aes256, None),
        Some(default) => {
            default.only(&["SSEAlgorithm", "KMSMasterKeyID"])?;
            let algorithm = default.word("SSEAlgorithm", Algorithm::parse)?.filter(|algorithm| *algorithm != Algorithm::None);
            (algorithm.ok_or_else(malformed)?, default.get("KMSMasterKeyID").filter(|key| !key.is_empty()))
        }
    };
    let bucket_key_enabled = rule.bool("BucketKeyEnabled")?.unwrap_or(false);
    if algorithm == Algorithm::Aes256 && kms_key_id.is_some() {
        return Err(invalid_argument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"));
    }
    // The user guide: S3 Bucket Keys are not supported for DSSE-KMS.
    if algorithm == Algorithm::Dsse && bucket_key_enabled {
        return Err(invalid_argument("BucketKeyEnabled is not supported for aws:kms:dsse"));
    }
    let mut blocked_encryption_types = Vec::new();
    if let Some(blocked) = rule.child("BlockedEncryptionTypes") {
        blocked.only(&["EncryptionType"])?;
        for kind in blocked.children("EncryptionType") {
            blocked_encryption_types.push(BlockedType::parse(kind.text().trim()).ok_or_else(malformed)?);
        }
    }
    Ok(Encryption { algorithm, kms_key_id, bucket_key_enabled, blocked_encryption_types })
}

/// Back to SSE-S3: no bucket is without a default any more.
pub fn delete_encryption(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    find_mut(world, name)?.encryption = None;
    Ok(gone())
}

pub fn get_versioning(world: &World, name: &str) -> Result<Answer, Refusal> {
    let bucket = find(world, name)?;
    let status = world.s3.versioning_before.get(name).map_or(bucket.versioning, |earlier| earlier.value);
    Ok(document("VersioningConfiguration", |xml| {
        let mfa = bucket.mfa_delete.then_some("Enabled");
        xml.maybe("Status", status.map(Versioning::word)).maybe("MfaDelete", mfa)
    }))
}

pub fn put_versioning(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let (status, mfa) = wire::body(call, "VersioningConfiguration", |root| {
        root.only(&["Status", "MfaDelete"])?;
        let status = root.word("Status", Versioning::parse)?;
        let mfa = match root.get("MfaDelete").as_deref() {
            None => None,
            Some("Enabled") => Some(true),
            Some("Disabled") => Some(false),
            Some(_) => return Err(malformed()),
        };
        Ok((status, mfa))
    })?;
    let status =
        status.ok_or_else(|| Refusal::new(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified"))?;
    let now = world.now;
    let bucket = find_mut(world, name)?;
    let mfa_delete = mfa.unwrap_or(bucket.mfa_delete);
    // A device of the root user's proves itself in this header.
    if (bucket.mfa_delete || mfa_delete) && header(call, "x-amz-mfa").is_none() {
        return Err(access_denied("Mfa Authentication must be used for this request"));
    }
    if mfa_delete && bucket.lifecycle.is_some() {
        return Err(Refusal::new(409, "InvalidBucketState", "Mfa Authentication is not allowed on a bucket with lifecycle configuration."));
    }
    bucket.mfa_delete = mfa_delete;
    let before = bucket.versioning.replace(status);
    if before != Some(status) {
        let visible_at = later(now, VERSIONING_SPREADS);
        let earlier = world.s3.versioning_before.entry(name.to_owned());
        // Reads that still show something older go on doing so.
        earlier.and_modify(|earlier| earlier.visible_at = visible_at).or_insert(Earlier { value: before, visible_at });
    }
    Ok(done())
}

pub fn get_logging(world: &World, name: &str) -> Result<Answer, Refusal> {
    let logging = &find(world, name)?.logging;
    Ok(document("BucketLoggingStatus", |xml| match logging {
        None => xml,
        Some(logging) => xml.node("LoggingEnabled", |xml| {
            let xml = xml.text("TargetBucket", &logging.target_bucket).text("TargetPrefix", &logging.target_prefix);
            match logging.key_format {
                None => xml,
                Some(KeyFormat::Simple) => xml.node("TargetObjectKeyFormat", |xml| xml.node("SimplePrefix", |xml| xml)),
                Some(source) => xml.node("TargetObjectKeyFormat", |xml| {
                    xml.node("PartitionedPrefix", |xml| xml.text("PartitionDateSource", source.word()))
                }),
            }
        }),
    }))
}

pub fn put_logging(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let logging = wire::body(call, "BucketLoggingStatus", |root| {
        root.only(&["LoggingEnabled"])?;
        root.child("LoggingEnabled").map(read_logging).transpose()
    })?;
    if let Some(logging) = &logging {
        let invalid = |message: &str| Refusal::new(400, "InvalidTargetBucketForLogging", message);
        let target = world.s3.buckets.get(&logging.target_bucket);
        let target = target.ok_or_else(|| invalid("The target bucket for logging does not exist"))?;
        if target.region != find(world, name)?.region {
            return Err(Refusal::new(403, "CrossLocationLoggingProhibited", "Cross S3 location logging not allowed."));
        }
    }
    find_mut(world, name)?.logging = logging;
    Ok(done())
}

fn read_logging(enabled: Element<'_, '_>) -> Result<Logging, Refusal> {
    enabled.only(&["TargetBucket", "TargetGrants", "TargetPrefix", "TargetObjectKeyFormat"])?;
    if enabled.child("TargetGrants").is_some() {
        return Err(not_implemented("PutBucketLogging with TargetGrants"));
    }
    let key_format = match enabled.child("TargetObjectKeyFormat") {
        None => None,
        Some(format) => {
            format.only(&["SimplePrefix", "PartitionedPrefix"])?;
            match (format.child("SimplePrefix"), format.child("PartitionedPrefix")) {
                (Some(_), None) => Some(KeyFormat::Simple),
                (None, Some(partitioned)) => {
                    let source = partitioned.word("PartitionDateSource", KeyFormat::parse)?.filter(|source| *source != KeyFormat::Simple);
                    Some(source.ok_or_else(malformed)?)
                }
                _ => return Err(malformed()),
            }
        }
    };
    Ok(Logging { target_bucket: enabled.require("TargetBucket")?, target_prefix: enabled.require("TargetPrefix")?, key_format })
}

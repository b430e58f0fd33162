//! What CloudTrail asks of names, ARNs and the resources that a trail delivers to.

use super::super::call::Refusal;
use super::super::delivery::policy::{Access, allows};
use super::{Here, State, Trail, refusal};

/// CloudTrail's service principal.
const SERVICE: &str = "cloudtrail.amazonaws.com";
/// The organisation of an account file that names none.
const ORGANIZATION: &str = "o-exampleorgid";
/// Some member of the organisation.
const MEMBER: &str = "222222222222";

/// The account that a trail belongs to.
pub fn owner<'a>(state: &'a State, here: &Here<'a>, trail: &Trail) -> &'a str {
    match (&state.management_account, trail.is_organization_trail) {
        (Some(management), true) => management,
        _ => here.account,
    }
}

pub fn home<'a>(here: &Here<'a>, trail: &'a Trail) -> &'a str {
    trail.home_region.as_deref().unwrap_or(here.home)
}

pub fn arn(state: &State, here: &Here, name: &str, trail: &Trail) -> String {
    format!("arn:aws:cloudtrail:{}:{}:trail/{name}", home(here, trail), owner(state, here, trail))
}

/// The name of the trail that `given`, a name or an ARN, stands for. A trail is known by its name where it or its
/// shadow is; an organisation's trail is known to members by its ARN only.
pub fn find(state: &State, here: &Here, given: Option<&str>) -> Result<String, Refusal> {
    let given = given.unwrap_or_default();
    let unknown = || refusal("TrailNotFoundException", format!("Unknown trail: {given} for the user: {}", here.account));
    if given.starts_with("arn:") {
        let name = name_in_arn(given)?;
        let trail = state.trails.get(name).ok_or_else(unknown)?;
        return if arn(state, here, name, trail) == given { Ok(name.to_owned()) } else { Err(unknown()) };
    }
    valid_name(given)?;
    let trail = state.trails.get(given).ok_or_else(unknown)?;
    let seen = trail.is_multi_region_trail || home(here, trail) == here.region;
    if seen && owner(state, here, trail) == here.account { Ok(given.to_owned()) } else { Err(unknown()) }
}

/// Like [`find`], for a change: in the home region, by the account whose trail it is.
pub fn find_to_change(state: &State, here: &Here, given: Option<&str>) -> Result<String, Refusal> {
    let name = find(state, here, given)?;
    if let Some(trail) = state.trails.get(&name) {
        if owner(state, here, trail) != here.account {
            return Err(not_management());
        }
        let home = home(here, trail);
        if home != here.region {
            let message = format!("The trail {name} was created in {home}; it cannot be changed from {}.", here.region);
            return Err(refusal("InvalidHomeRegionException", message));
        }
    }
    Ok(name)
}

pub fn not_management() -> Refusal {
    refusal("NotOrganizationMasterAccountException", "The account is not the management account of the organization.")
}

/// Whether the account may have a trail for its whole organisation.
pub fn may_serve_organization(state: &State, here: &Here) -> Result<(), Refusal> {
    match &state.management_account {
        None => Err(refusal("OrganizationsNotInUseException", "The account is not a member of an organization.")),
        Some(management) if management == here.account => Ok(()),
        Some(_) => Err(not_management()),
    }
}

/// The trail's name in an ARN of the right form.
pub fn name_in_arn(arn: &str) -> Result<&str, Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "cloudtrail", region, account, resource]
            if !region.is_empty() && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            let name = resource.strip_prefix("trail/").filter(|name| valid_name(name).is_ok());
            name.ok_or_else(|| invalid_arn(arn))
        }
        _ => Err(invalid_arn(arn)),
    }
}

fn invalid_arn(arn: &str) -> Refusal {
    refusal("CloudTrailARNInvalidException", format!("The trail ARN is not valid: {arn}"))
}

/// The rules of CreateTrail's documentation for names.
pub fn valid_name(name: &str) -> Result<(), Refusal> {
    let problem = |message: String| Err(refusal("InvalidTrailNameException", message));
    let length = name.chars().count();
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    let mark = |character: char| matches!(character, '.' | '_' | '-');
    if length < 3 {
        problem(format!("Trail name too short. Minimum allowed length: 3 characters. Specified name length: {length} characters."))
    } else if length > 128 {
        problem(format!("Trail name too long. Maximum allowed length: 128 characters. Specified name length: {length} characters."))
    } else if !edge(name.chars().next()) {
        problem("Trail name must starts with a letter or number.".to_owned())
    } else if !edge(name.chars().next_back()) {
        problem("Trail name must ends with a letter or number.".to_owned())
    } else if !name.chars().all(|character| character.is_ascii_alphanumeric() || mark(character)) {
        problem(
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_)."
                .to_owned(),
        )
    } else if name.chars().zip(name.chars().skip(1)).any(|(one, next)| mark(one) && mark(next)) {
        problem("Trail name cannot have adjacent periods, hyphens or underscores.".to_owned())
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        problem("Trail name must not be formatted as an IP address.".to_owned())
    } else {
        Ok(())
    }
}

/// What CloudTrail checks before it makes or changes a trail, in its order.
pub fn deliverable(state: &State, here: &Here, name: &str, trail: &Trail) -> Result<(), Refusal> {
    if trail.is_multi_region_trail && !trail.include_global_service_events {
        return Err(refusal("InvalidParameterCombinationException", "Multi-Region trail must include global service events."));
    }
    if trail.s3_key_prefix.as_ref().is_some_and(|prefix| prefix.chars().count() > 200) {
        return Err(refusal("InvalidS3PrefixException", "The S3 key prefix must not be longer than 200 characters."));
    }
    log_group(here, trail)?;
    bucket(state, here, name, trail)?;
    key(state, here, name, trail)
}

/// "You must use a log group that exists in your account", and the same of the role. (CreateTrail)
fn log_group(here: &Here, trail: &Trail) -> Result<(), Refusal> {
    let (group, role) = (trail.cloud_watch_logs_log_group_arn.as_deref(), trail.cloud_watch_logs_role_arn.as_deref());
    match (group, role) {
        (None, None) => Ok(()),
        (Some(group), Some(role)) => {
            let place = format!("arn:aws:logs:{}:{}:log-group:", home(here, trail), here.account);
            if !group.starts_with(&place) {
                let message = "CloudTrail cannot validate the specified log group ARN.";
                return Err(refusal("InvalidCloudWatchLogsLogGroupArnException", message));
            }
            if !role.starts_with(&format!("arn:aws:iam::{}:role/", here.account)) {
                let message = "CloudTrail cannot validate the specified role ARN.";
                return Err(refusal("InvalidCloudWatchLogsRoleArnException", message));
            }
            Ok(())
        }
        _ => {
            let message = "You must specify both a CloudWatch Logs log group ARN and a role ARN, or neither.";
            Err(refusal("InvalidParameterCombinationException", message))
        }
    }
}

/// What is wrong with the bucket now, as CloudTrail would meet it.
fn bucket(state: &State, here: &Here, name: &str, trail: &Trail) -> Result<(), Refusal> {
    let bucket = &trail.s3_bucket_name;
    if bucket.len() < 3 || bucket.len() > 63 || !bucket.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')) {
        return Err(refusal("InvalidS3BucketNameException", format!("The bucket name is not valid: {bucket}")));
    }
    let Some(policy) = here.neighbours.bucket_policy(bucket) else {
        return Err(refusal("S3BucketDoesNotExistException", format!("S3 bucket {bucket} does not exist!")));
    };
    if policy.is_some_and(|policy| lets_in(&policy, state, here, name, trail)) {
        return Ok(());
    }
    Err(refusal("InsufficientS3BucketPolicyException", format!("Incorrect S3 bucket policy is detected for bucket: {bucket}")))
}

/// Whether a bucket policy lets CloudTrail read the ACL and write this trail's logs.
fn lets_in(policy: &str, state: &State, here: &Here, name: &str, trail: &Trail) -> bool {
    let bucket = format!("arn:aws:s3:::{}", trail.s3_bucket_name);
    let prefix = trail.s3_key_prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let object = format!("{bucket}/{prefix}AWSLogs/{}/CloudTrail/{}/log.json.gz", here.account, here.region);
    let source = arn(state, here, name, trail);
    let from = [("aws:sourcearn", source.as_str()), ("aws:sourceaccount", here.account)];
    let mut writing = from.to_vec();
    writing.push(("s3:x-amz-acl", "bucket-owner-full-control"));
    if let Some(key) = &trail.kms_key_id {
        writing.extend([("s3:x-amz-server-side-encryption", "aws:kms"), ("s3:x-amz-server-side-encryption-aws-kms-key-id", key)]);
    }
    let mut objects = vec![object];
    if trail.is_organization_trail {
        // Members' logs are written below the organisation's id. (user guide, "Amazon S3 bucket policy for CloudTrail", "Organization trails")
        let organization = state.organization_id.as_deref().unwrap_or(ORGANIZATION);
        objects.push(format!("{bucket}/{prefix}AWSLogs/{organization}/{MEMBER}/CloudTrail/{}/log.json.gz", here.region));
    }
    allows(policy, &Access { service: SERVICE, action: "s3:GetBucketAcl", resource: &bucket, context: &from })
        && objects
            .iter()
            .all(|object| allows(policy, &Access { service: SERVICE, action: "s3:PutObject", resource: object, context: &writing }))
}

fn key(state: &State, here: &Here, name: &str, trail: &Trail) -> Result<(), Refusal> {
    let Some(id) = &trail.kms_key_id else { return Ok(()) };
    let Some(key) = here.neighbours.key(id) else { return Err(key_not_found(id)) };
    // "When the S3 bucket and the KMS key are not in the same Region." (KmsKeyNotFoundException)
    if here.neighbours.bucket_region(&trail.s3_bucket_name).as_deref() != key.arn.split(':').nth(3) {
        return Err(key_not_found(id));
    }
    if !key.enabled {
        return Err(refusal("KmsKeyDisabledException", format!("The KMS key {id} is disabled.")));
    }
    let source = arn(state, here, name, trail);
    let context = [
        ("aws:sourcearn", source.as_str()),
        ("aws:sourceaccount", here.account),
        ("kms:encryptioncontext:aws:cloudtrail:arn", source.as_str()),
    ];
    let access = Access { service: SERVICE, action: "kms:GenerateDataKey", resource: &key.arn, context: &context };
    if key.policy.is_some_and(|policy| !allows(&policy, &access)) {
        let message = format!("Insufficient permissions to access S3 bucket {} or KMS key {id}.", trail.s3_bucket_name);
        return Err(refusal("InsufficientEncryptionPolicyException", message));
    }
    Ok(())
}

pub fn key_not_found(id: &str) -> Refusal {
    refusal("KmsKeyNotFoundException", format!("The KMS key {id} was not found."))
}

/// Why CloudTrail cannot deliver at present, in S3's words.
pub fn delivery_error(state: &State, here: &Here, name: &str, trail: &Trail) -> Option<&'static str> {
    match here.neighbours.bucket_policy(&trail.s3_bucket_name) {
        None => Some("NoSuchBucket"),
        Some(Some(policy)) if lets_in(&policy, state, here, name, trail) => None,
        Some(_) => Some("AccessDenied"),
    }
}

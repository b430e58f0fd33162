"""What boto3 must read back where a manifest was kept, field by field.

`fields` walks the manifest. For each declared field there is a function here that reads it from the account in AWS's own words; a field that
has none is a failure of this test, unless `limits` says that moto does not know it.
"""

import fnmatch
import json

from botocore.exceptions import BotoCoreError, ClientError

FLAGS = {
    "blockPublicAcls": "BlockPublicAcls",
    "ignorePublicAcls": "IgnorePublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


def leaves(value, path=""):
    """(path, value) of every field below; lists, and maps whose keys are the user's, are one field."""
    if isinstance(value, dict) and path not in WHOLE:
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}" if path else key)
    else:
        yield path, value


# Fields that are compared as one.
WHOLE = {"parameters", "tags", "features", "lifecycle", "publicAccessBlock", "selectors", "advancedEventSelectors"}
# What says how, and nothing of the account.
SILENT = {"name", "match", "bucket", "instance", "trail", "replicationGroupId", "create", "applyDuring", "sharedParameterGroup"}


def without_response(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def none_where(call, code):
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] == code:
            return None
        raise


# --- S3 ----------------------------------------------------------------------------------------------------------------


def account_flags(clients, _, wish):
    found = clients.s3control.get_public_access_block(AccountId=clients.account)["PublicAccessBlockConfiguration"]
    return {key: found[FLAGS[key]] for key in wish}


def bucket_flags(clients, bucket, wish):
    answer = none_where(lambda: clients.s3.get_public_access_block(Bucket=bucket), "NoSuchPublicAccessBlockConfiguration")
    return answer and {key: answer["PublicAccessBlockConfiguration"][FLAGS[key]] for key in wish}


def encryption(clients, bucket):
    (rule,) = clients.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    return rule


def denies_plain_http(clients, bucket, _):
    policy = json.loads(clients.s3.get_bucket_policy(Bucket=bucket)["Policy"])
    arn = f"arn:aws:s3:::{bucket}"
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] in ("*", {"AWS": "*"})
        and statement["Action"] in ("s3:*", ["s3:*"])
        and set(statement["Resource"]) == {arn, f"{arn}/*"}
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in policy["Statement"]
    )


def lifecycle(clients, bucket, wish):
    """The manifest's own words, made from what AWS has."""
    rules = clients.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    found = []
    for rule in rules:
        said = {"id": rule["ID"].removeprefix("holdfast-").removeprefix("holdfast:"), "enabled": rule["Status"] == "Enabled"}
        if "Transitions" in rule:
            said["transitions"] = [{"days": step["Days"], "storageClass": step["StorageClass"]} for step in rule["Transitions"]]
        if "Expiration" in rule:
            said["expiration"] = {"days": rule["Expiration"]["Days"]}
        if "AbortIncompleteMultipartUpload" in rule:
            said["abortMultipartAfterDays"] = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        found.append(said)
    # Consents are no part of the account.
    return {"rules": found} | {key: wish[key] for key in wish if key == "expiryApproved"}


S3_BUCKETS = {
    "publicAccessBlock": bucket_flags,
    "encryption.algorithm": lambda clients, bucket, _: encryption(clients, bucket)["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
    "encryption.kmsKeyId": lambda clients, bucket, _: encryption(clients, bucket)["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"],
    "encryption.bucketKey": lambda clients, bucket, _: encryption(clients, bucket)["BucketKeyEnabled"],
    "denyInsecureTransport": denies_plain_http,
    "versioning": lambda clients, bucket, _: clients.s3.get_bucket_versioning(Bucket=bucket).get("Status"),
    "ownership": lambda clients, bucket, _: clients.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
    "lifecycle": lifecycle,
    "tags": lambda clients, bucket, wish: {
        tag["Key"]: tag["Value"] for tag in clients.s3.get_bucket_tagging(Bucket=bucket)["TagSet"] if tag["Key"] in wish
    },
}


def buckets(clients, entry):
    match = entry.get("match")
    if not match:
        return [entry.get("bucket", entry["name"])]
    names = [bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]]
    chosen = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in match["names"])]
    return [name for name in chosen if name not in match.get("except", [])]


# --- RDS ---------------------------------------------------------------------------------------------------------------


def database(clients, name):
    return clients.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


def parameters(clients, name, wish):
    (group,) = database(clients, name)["DBParameterGroups"]
    if group["ParameterApplyStatus"] != "in-sync":
        return group
    set_to = {}
    for page in clients.rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group["DBParameterGroupName"]):
        set_to |= {found["ParameterName"]: found.get("ParameterValue") for found in page["Parameters"]}
    return {key: type(value)(set_to[key]) if key in set_to else None for key, value in wish.items()}


def plain(member):
    return lambda clients, name, _: database(clients, name)[member]


def at_least(member):
    """A number that protects: more than what was asked for is right, too."""
    return lambda clients, name, wish: max(wish, 0) if database(clients, name)[member] >= wish else database(clients, name)[member]


RDS_INSTANCES = {
    "storageEncrypted.enabled": plain("StorageEncrypted"),
    "parameters": parameters,
    "backupRetentionDays": at_least("BackupRetentionPeriod"),
    "backupWindow": plain("PreferredBackupWindow"),
    "maintenanceWindow": plain("PreferredMaintenanceWindow"),
    "multiAz": plain("MultiAZ"),
    "maxAllocatedStorageGiB": at_least("MaxAllocatedStorage"),
    "deletionProtection": plain("DeletionProtection"),
    "publiclyAccessible": plain("PubliclyAccessible"),
    "iamAuthentication": plain("IAMDatabaseAuthenticationEnabled"),
    "logExports": lambda clients, name, wish: [log for log in wish if log in database(clients, name)["EnabledCloudwatchLogsExports"]],
    "copyTagsToSnapshots": plain("CopyTagsToSnapshot"),
    "autoMinorVersionUpgrade": plain("AutoMinorVersionUpgrade"),
    "caCertificate": plain("CACertificateIdentifier"),
}

# --- CloudTrail --------------------------------------------------------------------------------------------------------


def trail(member):
    return lambda clients, name, _: clients.cloudtrail.get_trail(Name=name)["Trail"][member]


CLOUDTRAIL_TRAILS = {
    # An entry's `bucket` is a field here, and no name of the thing.
    "bucket": trail("S3BucketName"),
    "multiRegion": trail("IsMultiRegionTrail"),
    "globalEvents": trail("IncludeGlobalServiceEvents"),
    "logFileValidation": trail("LogFileValidationEnabled"),
    "logging": lambda clients, name, _: clients.cloudtrail.get_trail_status(Name=name)["IsLogging"],
    "kmsKeyId": trail("KmsKeyId"),
    "cloudWatchLogs.logGroupArn": trail("CloudWatchLogsLogGroupArn"),
    "cloudWatchLogs.roleArn": trail("CloudWatchLogsRoleArn"),
}

# --- GuardDuty ---------------------------------------------------------------------------------------------------------


def detector(clients):
    (only,) = clients.guardduty.list_detectors()["DetectorIds"]
    return clients.guardduty.get_detector(DetectorId=only)


def features(clients, _, wish):
    found = {feature["Name"]: feature for feature in detector(clients)["Features"]}
    return {key: {"enabled": found[key]["Status"] == "ENABLED"} if key in found else None for key in wish}


GUARDDUTY_DETECTOR = {
    "enabled": lambda clients, _, __: detector(clients)["Status"] == "ENABLED",
    "findingPublishingFrequency": lambda clients, _, __: detector(clients)["FindingPublishingFrequency"],
    "features": features,
}

KINDS = {
    "s3.account": {"publicAccessBlock": account_flags},
    "s3.buckets": S3_BUCKETS,
    "rds.instances": RDS_INSTANCES,
    "elasticache.replicationGroups": {},
    "cloudtrail.trails": CLOUDTRAIL_TRAILS,
    "guardduty.detector": GUARDDUTY_DETECTOR,
}


def entries(spec):
    """(kind, entry) of everything that the manifest declares of an account."""
    for kind in KINDS:
        service, part = kind.split(".")
        declared = spec.get(service, {}).get(part)
        if isinstance(declared, list):
            yield from ((kind, entry) for entry in declared)
        elif declared is not None:
            yield kind, declared


def things(clients, kind, entry):
    if kind == "s3.buckets":
        return buckets(clients, entry)
    name = entry.get("name", "the account")
    return [entry.get("instance") or entry.get("trail") or entry.get("replicationGroupId") or name]


def fields(clients, spec, lacking):
    """(name, what is wrong or None, what moto lacks or None) of every declared field of every thing."""
    for kind, entry in entries(spec):
        readers = KINDS[kind]
        for thing in things(clients, kind, entry):
            for path, wish in leaves(entry):
                if path.partition(".")[0] in SILENT and path not in readers or path.startswith("migration."):
                    continue
                name = f"{kind}/{thing} {path}"
                if f"{kind}.{path}" in lacking:
                    yield name, None, lacking[f"{kind}.{path}"]
                elif path not in readers:
                    yield name, "nothing in expect.py reads this field back", None
                else:
                    yield name, compare(readers[path], clients, thing, wish), None


def compare(reader, clients, thing, wish):
    try:
        found = reader(clients, thing, wish)
    except (BotoCoreError, ClientError, KeyError, IndexError, ValueError) as error:
        return f"declared is {wish!r}, reading it failed: {type(error).__name__}: {error}"
    return None if found == wish else f"declared is {wish!r}, found {found!r}"

#!/usr/bin/env python3
"""Shows that the check of requests can fail, and that it does not fail without a reason.

VALID: botocore itself writes each request; the check must read back exactly the parameters that went in, and find nothing wrong.
BROKEN: the same requests with one thing broken; each must be refused, for the reason that is named.
"""

import base64
import copy
import hashlib
import sys

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

import check
import models
import shapes
import wire

TRAIL = {"Name": "huntaze-trail", "S3BucketName": "huntaze-trail-logs", "IsMultiRegionTrail": True, "TagsList": [{"Key": "env", "Value": "prod"}]}
SELECTORS = {
    "TrailName": "huntaze-trail",
    "AdvancedEventSelectors": [{"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}],
}
GROUP = {"ReplicationGroupId": "huntaze-redis", "AuthToken": "a" * 20, "AuthTokenUpdateStrategy": "ROTATE", "SnapshotRetentionLimit": 7}
LOGS = {
    "ReplicationGroupId": "huntaze-redis",
    "LogDeliveryConfigurations": [
        {
            "LogType": "slow-log",
            "DestinationType": "cloudwatch-logs",
            "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": "redis"}},
            "LogFormat": "json",
            "Enabled": True,
        }
    ],
}
PARAMETERS = {
    "DBParameterGroupName": "huntaze-pg",
    "Parameters": [
        {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "pending-reboot"},
        {"ParameterName": "log_min_duration_statement", "ParameterValue": "1000", "ApplyMethod": "immediate"},
    ],
}
INSTANCE = {
    "DBInstanceIdentifier": "huntaze-db",
    "BackupRetentionPeriod": 7,
    "MultiAZ": True,
    "CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["postgresql", "upgrade"]},
    "ApplyImmediately": True,
}
BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
LIFECYCLE = {
    "Bucket": "huntaze-assets",
    "LifecycleConfiguration": {
        "Rules": [
            {
                "ID": "holdfast-archive",
                "Status": "Enabled",
                "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}},
                "Transitions": [{"Days": 30, "StorageClass": "INTELLIGENT_TIERING"}, {"Days": 180, "StorageClass": "GLACIER"}],
                "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
            },
            {"ID": "two", "Status": "Disabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        ]
    },
}
DETECTOR = {
    "Enable": True,
    "ClientToken": "0123456789abcdef",
    "FindingPublishingFrequency": "FIFTEEN_MINUTES",
    "Features": [{"Name": "RUNTIME_MONITORING", "Status": "ENABLED", "AdditionalConfiguration": [{"Name": "EKS_ADDON_MANAGEMENT", "Status": "ENABLED"}]}],
    "Tags": {"env": "prod"},
}

# (name, service, operation, parameters)
VALID = [
    ("trail", "cloudtrail", "CreateTrail", TRAIL),
    ("selectors", "cloudtrail", "PutEventSelectors", SELECTORS),
    ("identity", "sts", "GetCallerIdentity", {}),
    ("role", "sts", "AssumeRole", {"RoleArn": "arn:aws:iam::317805897534:role/holdfast", "RoleSessionName": "holdfast"}),
    ("group", "elasticache", "ModifyReplicationGroup", GROUP),
    ("log-delivery", "elasticache", "ModifyReplicationGroup", LOGS),
    ("groups", "elasticache", "DescribeReplicationGroups", {}),
    ("parameters", "rds", "ModifyDBParameterGroup", PARAMETERS),
    ("instance", "rds", "ModifyDBInstance", INSTANCE),
    ("instances", "rds", "DescribeDBInstances", {"Filters": [{"Name": "engine", "Values": ["postgres", "mysql"]}]}),
    ("tags", "rds", "AddTagsToResource", {"ResourceName": "arn:aws:rds:us-east-1:317805897534:pg:x", "Tags": [{"Key": "a", "Value": ""}]}),
    ("buckets", "s3", "ListBuckets", {"MaxBuckets": 100}),
    ("block", "s3", "PutPublicAccessBlock", {"Bucket": "huntaze-assets", "PublicAccessBlockConfiguration": BLOCK}),
    ("account-block", "s3control", "PutPublicAccessBlock", {"AccountId": "317805897534", "PublicAccessBlockConfiguration": BLOCK}),
    ("lifecycle", "s3", "PutBucketLifecycleConfiguration", LIFECYCLE),
    ("policy", "s3", "PutBucketPolicy", {"Bucket": "huntaze-assets", "Policy": '{"Version":"2012-10-17"}'}),
    ("tagging", "s3", "PutBucketTagging", {"Bucket": "huntaze-assets", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    (
        "encryption",
        "s3",
        "PutBucketEncryption",
        {
            "Bucket": "huntaze-assets",
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}, "BucketKeyEnabled": True}]
            },
        },
    ),
    ("versioning", "s3", "GetBucketVersioning", {"Bucket": "huntaze-assets", "ExpectedBucketOwner": "317805897534"}),
    ("detector", "guardduty", "CreateDetector", DETECTOR),
    ("detectors", "guardduty", "ListDetectors", {"MaxResults": 50}),
    ("update", "guardduty", "UpdateDetector", {"DetectorId": "12abc34d567e8fa901bc2d34e56789f0", "Enable": True}),
    ("untag", "guardduty", "UntagResource", {"ResourceArn": "arn:aws:guardduty:us-east-1:317805897534:detector/12abc34d567e8fa901bc2d34e56789f0", "TagKeys": ["a", "b"]}),
    ("key", "kms", "DescribeKey", {"KeyId": "alias/redis"}),
    ("secret", "secretsmanager", "DescribeSecret", {"SecretId": "redis"}),
    ("message", "sns", "Publish", {"TopicArn": "arn:aws:sns:us-east-1:317805897534:ops", "Message": "x", "MessageAttributes": {"id": {"DataType": "String", "StringValue": "1"}}}),
]


def put(field, value):
    return lambda request: request.__setitem__(field, value)


def swap(old, new):
    """The body with one thing replaced; an S3 checksum is made anew, so that only this one thing is wrong."""

    def change(request):
        assert old in request["body"], f"{old!r} is not in {request['body']!r}"
        request["body"] = request["body"].replace(old, new, 1)
        for name in [name for name in request["headers"] if name.startswith("x-amz-checksum")]:
            del request["headers"][name]
        if request["service"] == "s3":
            request["headers"]["content-md5"] = base64.b64encode(hashlib.md5(request["body"].encode()).digest()).decode()

    return change


def headers(**changes):
    def change(request):
        for name, value in changes.items():
            request["headers"].pop(name.replace("_", "-"), None)
            if value is not None:
                request["headers"][name.replace("_", "-")] = value

    return change


# (which valid request, what is broken, what the refusal must say)
BROKEN = [
    # AWS Query
    ("groups", swap("Action=DescribeReplicationGroups", "Action=DescribeReplicationGroup"), "no operation"),
    ("groups", swap("Version=2015-02-02", "Version=2014-10-31"), "Version"),
    ("groups", put("path", "/groups"), "POST to /"),
    ("groups", headers(content_type="application/json"), "content-type"),
    ("groups", put("operation", "DescribeSnapshots"), "on the wire it is"),
    ("group", swap("ReplicationGroupId=huntaze-redis", "ReplicationGroup=huntaze-redis"), "no such parameter"),
    ("group", swap("&ReplicationGroupId=huntaze-redis", ""), "ReplicationGroupId: required"),
    ("group", swap("SnapshotRetentionLimit=7", "SnapshotRetentionLimit=seven"), "is no integer"),
    ("group", swap("SnapshotRetentionLimit=7", "SnapshotRetentionLimit=7&SnapshotRetentionLimit=8"), "given twice"),
    ("group", swap("SnapshotRetentionLimit=7", "SnapshotRetentionLimit=70000000000"), "does not fit"),
    ("group", swap("ROTATE", "TURN"), "is none of"),
    ("log-delivery", swap(".LogFormat=json", ".Format=json"), "no such parameter"),
    ("log-delivery", swap("slow-log", "slowlog"), "is none of"),
    ("parameters", swap("Parameters.Parameter.1.ParameterName", "Parameters.member.1.ParameterName"), "Parameter.N"),
    ("parameters", lambda request: put("body", request["body"].replace("Parameter.2.", "Parameter.3."))(request), "numbered"),
    ("parameters", lambda request: put("body", request["body"].replace("Parameters.Parameter.", "Parameters."))(request), "Parameter.N"),
    ("parameters", swap("pending-reboot", "pending"), "is none of"),
    ("instance", swap("MultiAZ=true", "MultiAZ=yes"), "is no boolean"),
    ("instance", swap("MultiAZ=true", "MultiAZ=True"), "is no boolean"),
    ("instances", swap("Filters.Filter.1.Name=engine", "Filters.Filter.1.Nome=engine"), "no such parameter"),
    ("tags", swap("Tags.Tag.1", "Tags.member.1"), "Tag.N"),
    ("role", swap("RoleSessionName=holdfast", "RoleSessionName=h"), "below the minimum"),
    ("role", swap("RoleSessionName=holdfast", "RoleSessionName=hold%20fast"), "does not match"),
    ("message", swap("MessageAttributes.entry.1.Name", "MessageAttributes.entry.1.key"), "Name"),
    ("identity", swap("Action", "Deed"), "no Action"),
    # awsJson
    ("trail", swap('"Name"', '"TrailName"'), "no such member"),
    ("trail", swap('"Name": "huntaze-trail", ', ""), "Name: required"),
    ("trail", swap("true", '"true"'), "expected true or false"),
    ("trail", swap('"huntaze-trail-logs"', "7"), "expected a string"),
    ("trail", swap('"huntaze-trail-logs"', "null"), "null"),
    ("trail", swap('[{"Key": "env", "Value": "prod"}]', '{"env": "prod"}'), "expected an array"),
    ("trail", swap('"Key"', '"key"'), "no such member"),
    ("trail", put("body", "{"), "not JSON"),
    ("trail", put("body", "[]"), "not a JSON object"),
    ("trail", headers(x_amz_target="CloudTrail_20131101.MakeTrail"), "no operation"),
    ("trail", headers(x_amz_target="CloudTrail_20131102.CreateTrail"), "does not begin with"),
    ("trail", headers(content_type="application/json"), "content-type"),
    ("selectors", swap('"Equals": ["Management"]', '"Equals": []'), "below the minimum"),
    ("selectors", swap('"eventCategory"', '""'), "below the minimum"),
    ("key", swap('"alias/redis"', '""'), "below the minimum"),
    ("key", swap('"alias/redis"', '"' + "k" * 2049 + '"'), "above the maximum"),
    # REST with XML
    ("block", swap("<BlockPublicAcls>", "<BlockPublicAcl>"), "not XML"),
    ("block", lambda request: (swap("<BlockPublicAcls>", "<BlockAcls>")(request), swap("</BlockPublicAcls>", "</BlockAcls>")(request)), "no such element"),
    ("block", swap("true", "yes"), "is no boolean"),
    ("block", swap("http://s3.amazonaws.com/doc/2006-03-01/", "http://s3.amazonaws.com/doc/2007/"), "the document is"),
    ("block", swap("<BlockPublicAcls>", "<BlockPublicAcls>true</BlockPublicAcls><BlockPublicAcls>"), "there twice"),
    ("block", put("query", "publicAccessBlok"), "publicAccessBlok"),
    ("block", put("query", "publicAccessBlock&versionId=1"), "no such key"),
    ("block", put("method", "PATCH"), "fits no operation"),
    ("block", headers(x_amz_acl="private"), "no such header"),
    ("block", headers(x_amz_checksum_crc32="AAAAAA==", content_md5=None), "is not that of the body"),
    ("block", headers(x_amz_checksum_crc32=None, content_md5=None, x_amz_checksum_crc64nvme=None), "a checksum of the body is required"),
    ("block", put("body", ""), "PublicAccessBlockConfiguration: required"),
    ("account-block", headers(x_amz_account_id=None), "AccountId: required"),
    ("account-block", headers(x_amz_account_id="31780589753a"), "does not match"),
    ("lifecycle", swap("<Status>Enabled", "<Status>On"), "is none of"),
    ("lifecycle", swap("GLACIER", "GLACIAL"), "is none of"),
    ("lifecycle", swap("<Days>30", "<Days>30d"), "is no integer"),
    ("lifecycle", swap("<Days>30</Days>", "<Days><Value>30</Value></Days>"), "elements where a"),
    ("lifecycle", swap("<Status>Enabled</Status>", ""), "Status: required"),
    ("tagging", lambda request: put("body", request["body"].replace("Tag>", "Tug>"))(request), "Tag"),
    ("encryption", swap("aws:kms", "kms"), "is none of"),
    ("versioning", put("path", "/"), "recorded as"),
    ("versioning", put("query", "versioning&x-id=GetBucketAcl"), "x-id"),
    ("buckets", put("query", "max-buckets=0"), "below the minimum"),
    ("buckets", put("query", "max-buckets=many"), "is no integer"),
    # REST with JSON
    ("detector", swap('"enable": true', '"enable": 1'), "expected true or false"),
    ("detector", swap('"enable": true, ', ""), "Enable: required"),
    ("detector", swap('"enable"', '"Enable"'), "no such member"),
    ("detector", swap("FIFTEEN_MINUTES", "15_MINUTES"), "is none of"),
    ("detector", swap("EKS_ADDON_MANAGEMENT", "EKS_ADDON"), "is none of"),
    ("detector", swap('{"env": "prod"}', '[{"Key": "env", "Value": "prod"}]'), "expected an object"),
    ("detector", swap('{"env": "prod"}', "{}"), "below the minimum"),
    ("detectors", put("query", "maxResults=51"), "above the maximum"),
    ("detectors", put("body", '{"maxResults": 50}'), "has no body"),
    ("update", put("path", "/detector/" + "d" * 301), "above the maximum"),
    ("untag", put("query", ""), "TagKeys: required"),
    # The record itself
    ("identity", put("service", "elastic"), "no published model"),
]


class Captured(Exception):
    pass


def written(name, service, operation, parameters):
    """The request as botocore writes it, in the form of a recorded one."""
    config = Config(s3={"addressing_style": "path"}, inject_host_prefix=False)
    client = boto3.client(
        service, region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x", endpoint_url="http://127.0.0.1:9", config=config
    )
    caught = {}

    def catch(request, **_):
        caught["request"] = request
        return AWSResponse(request.url, 200, {}, _Empty())

    client.meta.events.register("before-send", catch)
    try:
        client._make_api_call(operation, parameters)  # noqa: SLF001 (the method's Python name is not needed)
    except Exception:
        if "request" not in caught:
            raise
    request = caught["request"]
    path, _, query = request.url.partition("127.0.0.1:9")[2].partition("?")
    text = lambda value: value.decode() if isinstance(value, bytes) else str(value)
    body = request.body
    body = body.read() if hasattr(body, "read") else body or b""
    return {
        "service": service,
        "operation": operation,
        "method": request.method,
        "path": path,
        "query": query,
        "headers": {key.lower(): text(value) for key, value in request.headers.items()},
        "body": text(body),
    }


class _Empty:
    def read(self, *_, **__):
        return b""

    def stream(self, *_, **__):
        yield b""


def main():
    failed = []
    requests = {}
    for name, service, operation, parameters in VALID:
        request = requests[name] = written(name, service, operation, parameters)
        _, problems = check.problems_of(request)
        read_back = dict(wire.read(request)[1] or {})
        if "ChecksumAlgorithm" not in parameters:
            # botocore adds it where an operation takes it.
            read_back.pop("ChecksumAlgorithm", None)
        if problems:
            failed.append(f"{name}: valid, and refused: {problems}")
        if read_back != parameters:
            failed.append(f"{name}: read back as {read_back}, sent was {parameters}")
    masked = copy.deepcopy(requests["group"])
    masked["body"] = masked["body"].replace("a" * 20, "*" * 20)
    if check.problems_of(masked)[1]:
        failed.append(f"a masked token is refused: {check.problems_of(masked)[1]}")
    for number, (name, change, reason) in enumerate(BROKEN, 1):
        request = copy.deepcopy(requests[name])
        change(request)
        _, problems = check.problems_of(request)
        if not any(reason in problem for problem in problems):
            failed.append(f"broken request {number} ({name}) was not refused with {reason!r}: {problems}")
    for service in models.SERVICES:
        model = models.service(service)
        for name in model.shape_names:
            pattern = model.shape_for(name).metadata.get("pattern")
            if pattern:
                shapes.pattern_of(pattern)
    if check.main([]) != 1:
        failed.append("no request at all was found right")
    for line in failed:
        print(line)
    print(f"{len(VALID) + 1} valid requests read back, {len(BROKEN)} broken ones refused, {len(failed)} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

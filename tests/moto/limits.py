"""What moto cannot do of what a manifest can say. The embedded AWS proves these instead.

Each entry is tried on every run: where moto has learnt it, the entry fails, so that the field is moved to `expect`.
"""

import urllib.request

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

# The last: where moto has no such operation, its answer is a page of HTML.
REFUSED = (ClientError, BotoCoreError, ResponseParserError)


def refuses(call):
    """Whether moto does not answer a call as AWS would."""
    try:
        call()
    except REFUSED:
        return True
    return False


def _instance(clients):
    return clients.rds.describe_db_instances()["DBInstances"][0]


def _no_insights(clients):
    name = _instance(clients)["DBInstanceIdentifier"]
    clients.rds.modify_db_instance(DBInstanceIdentifier=name, EnablePerformanceInsights=True, ApplyImmediately=True)
    clients.rds.modify_db_instance(DBInstanceIdentifier=name, EnablePerformanceInsights=False, ApplyImmediately=True)
    return "PerformanceInsightsEnabled" not in _instance(clients)


def _no_pending_reboot(clients):
    return not clients.rds.describe_db_parameters(DBParameterGroupName="default.postgres14")["Parameters"]


def _second_detector(clients):
    made = [clients.guardduty.create_detector(Enable=True)["DetectorId"] for _ in range(2)]
    for detector in made:
        clients.guardduty.delete_detector(DetectorId=detector)
    return len(made) == 2


def _features_replaced(clients):
    feature = lambda name: {"Name": name, "Status": "ENABLED"}
    detector = clients.guardduty.create_detector(Enable=True, Features=[feature("S3_DATA_EVENTS")])["DetectorId"]
    clients.guardduty.update_detector(DetectorId=detector, Features=[feature("EBS_MALWARE_PROTECTION")])
    names = {found["Name"] for found in clients.guardduty.get_detector(DetectorId=detector)["Features"]}
    clients.guardduty.delete_detector(DetectorId=detector)
    return "S3_DATA_EVENTS" not in names


def _lifecycle_sizes(clients):
    bucket = "limits-lifecycle"
    clients.s3.create_bucket(Bucket=bucket)
    rule = {"ID": "a", "Status": "Enabled", "Filter": {"ObjectSizeGreaterThan": 10}, "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2}}
    try:
        clients.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        return clients.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0] != rule
    except REFUSED:
        return True
    finally:
        clients.s3.delete_bucket(Bucket=bucket)


def _raw(clients, query):
    """An answer of S3's as moto sends it: `server` mends none for this client."""
    endpoint = clients.s3.meta.endpoint_url
    scope = "AWS4-HMAC-SHA256 Credential=moto/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(f"{endpoint}/huntaze-uploads?{query}", headers={"Authorization": scope, "User-Agent": "limits"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return answer.read()


def _no_logging_by_arn(clients):
    clients.s3.create_bucket(Bucket="limits-trail")
    trail = clients.cloudtrail.create_trail(Name="limits", S3BucketName="limits-trail")
    refused = refuses(lambda: clients.cloudtrail.start_logging(Name=trail["TrailARN"]))
    clients.cloudtrail.delete_trail(Name="limits")
    return refused


def _no_administrator(clients):
    """moto has an organisation's administrator, and refuses a member nothing."""
    detector = clients.guardduty.create_detector(Enable=True)["DetectorId"]
    clients.guardduty.enable_organization_admin_account(AdminAccountId="111122223333")
    try:
        clients.guardduty.update_detector(DetectorId=detector, Enable=False)
        return True
    except REFUSED:
        return False
    finally:
        clients.guardduty.delete_detector(DetectorId=detector)


# (fields of the manifest, what moto lacks, a try that is true while moto lacks it). A field ends at a list entry's name: what stands
# below `elasticache.replicationGroups` and is not named here is asked of moto.
LIMITS = [
    (
        ("rds.instances.performanceInsights.enabled", "rds.instances.performanceInsights.retentionDays"),
        "PerformanceInsightsEnabled in DescribeDBInstances",
        _no_insights,
    ),
    (("rds.instances.parameters",), "rds: the parameters of default groups, and with them ApplyType and pending-reboot", _no_pending_reboot),
    (
        (),
        "rds: DescribeDBEngineVersions",
        lambda clients: refuses(lambda: clients.rds.describe_db_engine_versions(Engine="postgres", EngineVersion="14.9")),
    ),
    (
        (),
        "rds: DescribeEngineDefaultParameters",
        lambda clients: refuses(lambda: clients.rds.describe_engine_default_parameters(DBParameterGroupFamily="postgres14")),
    ),
    (
        (
            "elasticache.replicationGroups.atRestEncryption.enabled",
            "elasticache.replicationGroups.transitEncryption",
            "elasticache.replicationGroups.auth.secretArn",
            "elasticache.replicationGroups.auth.key",
            "elasticache.replicationGroups.automaticFailover",
            "elasticache.replicationGroups.multiAz",
            "elasticache.replicationGroups.snapshotRetentionDays",
        ),
        "ModifyReplicationGroup",
        lambda clients: refuses(
            lambda: clients.elasticache.modify_replication_group(ReplicationGroupId="huntaze-redis", SnapshotRetentionLimit=1, ApplyImmediately=True)
        ),
    ),
    (
        (),
        "elasticache: cache parameter groups",
        lambda clients: refuses(lambda: clients.elasticache.describe_cache_parameters(CacheParameterGroupName="default.redis7")),
    ),
    (
        (),
        "guardduty: publishing destinations",
        lambda clients: refuses(lambda: clients.guardduty.list_publishing_destinations(DetectorId="0" * 32)),
    ),
    (
        (),
        "guardduty: tags",
        lambda clients: refuses(lambda: clients.guardduty.list_tags_for_resource(ResourceArn=f"arn:aws:guardduty:us-east-1:317805897534:detector/{'0' * 32}")),
    ),
    ((), "guardduty: the refusal of a second detector", _second_detector),
    ((), "guardduty: features that an update does not name keep their state", _features_replaced),
    ((), "guardduty: refusals to a member of an organisation", _no_administrator),
    ((), "s3: lifecycle filters by object size, NewerNoncurrentVersions", _lifecycle_sizes),
    ((), "cloudtrail: StartLogging by a trail's ARN (server.py mends it)", _no_logging_by_arn),
    ((), "s3: GetBucketPolicyStatus (server.py answers it)", lambda clients: b"<PolicyStatus" not in _raw(clients, "policyStatus")),
    ((), "s3: the root element of GetBucketVersioning's answer (server.py mends it)", lambda clients: b"<VersioningConfiguration" not in _raw(clients, "versioning")),
]

# Lacks that cannot be tried with one call: no group is ever on its way, nothing is throttled, refused by IAM, stale or paged.
NEVER = "states on their way, throttling, IAM's refusals, eventual consistency, faults"


def fields():
    """{field: what moto lacks}."""
    return {field: lack for names, lack, _ in LIMITS for field in names}


def check(clients):
    """What is wrong with the table above. It makes and changes things, so it comes last."""
    problems = []
    for _, lack, still in LIMITS:
        try:
            if not still(clients):
                problems.append(f"limits: moto has {lack!r} now: move its fields to expect.py")
        except REFUSED as error:
            problems.append(f"limits: trying {lack!r} failed: {str(error)[:200]}")
    return problems

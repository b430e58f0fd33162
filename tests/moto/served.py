"""`holdfast sandbox serve` for other clients, as the README says: boto3 and the AWS CLI look and write, and what they wrote is read back.

Terraform is not tried: neither it nor its provider is on a package registry, where everything else that these tests need comes from.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import boto3
import botocore.config
import botocore.exceptions

import server

# What AWS shows late is there within this many seconds, at the speed below.
PATIENCE = 60
REGION = "us-east-1"
# Of the account that is served: examples/accounts/huntaze-as-found.yaml.
TOPIC = f"arn:aws:sns:{REGION}:{server.ACCOUNT}:huntaze-ops-alerts"
KEY = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
ROLE = f"arn:aws:iam::{server.ACCOUNT}:role/somebody"
FLAGS = {flag: True for flag in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")}
# What CloudTrail demands of a bucket before it makes a trail.
FOR_CLOUDTRAIL = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl", "Resource": "arn:aws:s3:::huntaze-backups"},
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::huntaze-backups/AWSLogs/{server.ACCOUNT}/*",
            "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    ],
}


def as_in_etc_hosts(name):
    """Resolves `name` as a line `127.0.0.1 name` in /etc/hosts would, for this process."""
    real = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: real("127.0.0.1" if host in (name, name.encode()) else host, *rest, **more)


def trail(client):
    # In the form in which the sandbox records it, so that its checksum can be checked there.
    client("s3").put_bucket_policy(Bucket="huntaze-backups", Policy=json.dumps(FOR_CLOUDTRAIL, separators=(",", ":"), sort_keys=True))
    client("cloudtrail").create_trail(Name="served", S3BucketName="huntaze-backups")


def detector(client):
    """The one detector, as GuardDuty answers it."""
    ids = client("guardduty").list_detectors()["DetectorIds"]
    return client("guardduty").get_detector(DetectorId=ids[0]) if ids else {}


# Of each service: what is looked at before, what is written, and what is read back then. STS keeps nothing that could be written.
SERVICES = {
    "s3": (
        lambda client: "huntaze-assets" in [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        lambda client: client("s3").put_bucket_versioning(Bucket="huntaze-assets", VersioningConfiguration={"Status": "Enabled"}),
        lambda client: client("s3").get_bucket_versioning(Bucket="huntaze-assets").get("Status") == "Enabled",
    ),
    "s3control": (
        lambda client: refused(lambda: client("s3control").get_public_access_block(AccountId=server.ACCOUNT), "NoSuchPublicAccessBlockConfiguration"),
        lambda client: client("s3control").put_public_access_block(AccountId=server.ACCOUNT, PublicAccessBlockConfiguration=FLAGS),
        lambda client: client("s3control").get_public_access_block(AccountId=server.ACCOUNT)["PublicAccessBlockConfiguration"] == FLAGS,
    ),
    "rds": (
        lambda client: not database(client)["DeletionProtection"],
        lambda client: client("rds").modify_db_instance(DBInstanceIdentifier="huntaze-postgres", DeletionProtection=True, ApplyImmediately=True),
        lambda client: database(client)["DeletionProtection"],
    ),
    "elasticache": (
        lambda client: group(client)["SnapshotRetentionLimit"] == 1,
        lambda client: client("elasticache").modify_replication_group(ReplicationGroupId="huntaze-redis", SnapshotRetentionLimit=7, ApplyImmediately=True),
        lambda client: group(client)["SnapshotRetentionLimit"] == 7,
    ),
    "cloudtrail": (
        lambda client: client("cloudtrail").describe_trails()["trailList"] == [],
        trail,
        lambda client: client("cloudtrail").get_trail(Name="served")["Trail"]["S3BucketName"] == "huntaze-backups",
    ),
    "guardduty": (
        lambda client: detector(client) == {},
        lambda client: client("guardduty").create_detector(Enable=True, FindingPublishingFrequency="ONE_HOUR"),
        lambda client: detector(client)["FindingPublishingFrequency"] == "ONE_HOUR",
    ),
    "sts": (
        lambda client: client("sts").get_caller_identity()["Account"] == server.ACCOUNT,
        lambda client: None,
        lambda client: "somebody" in client("sts").assume_role(RoleArn=ROLE, RoleSessionName="served")["AssumedRoleUser"]["Arn"],
    ),
    "sns": (
        lambda client: TOPIC in [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]],
        lambda client: client("sns").set_topic_attributes(TopicArn=TOPIC, AttributeName="DisplayName", AttributeValue="served"),
        lambda client: client("sns").get_topic_attributes(TopicArn=TOPIC)["Attributes"]["DisplayName"] == "served",
    ),
    "kms": (
        lambda client: "alias/huntaze-audit" in [alias["AliasName"] for alias in client("kms").list_aliases()["Aliases"]],
        lambda client: client("kms").create_alias(AliasName="alias/served", TargetKeyId=KEY),
        lambda client: client("kms").describe_key(KeyId="alias/served")["KeyMetadata"]["KeyId"] == KEY,
    ),
    "secretsmanager": (
        lambda client: client("secretsmanager").describe_secret(SecretId="huntaze/redis-auth")["Name"] == "huntaze/redis-auth",
        lambda client: client("secretsmanager").put_secret_value(SecretId="huntaze/redis-auth", SecretString="served"),
        lambda client: client("secretsmanager").get_secret_value(SecretId="huntaze/redis-auth")["SecretString"] == "served",
    ),
    "ssm": (
        lambda client: parameter(client)["Version"] == 1,
        lambda client: client("ssm").put_parameter(Name="/huntaze/REDIS_URL", Value="redis://served:6379", Type="SecureString", Overwrite=True),
        lambda client: parameter(client)["Value"] == "redis://served:6379",
    ),
    "ecs": (
        lambda client: service(client)["desiredCount"] == 2,
        lambda client: client("ecs").update_service(cluster="main", service="api", forceNewDeployment=True),
        lambda client: len(service(client)["deployments"]) == 2,
    ),
}


def database(client):
    return client("rds").describe_db_instances(DBInstanceIdentifier="huntaze-postgres")["DBInstances"][0]


def group(client):
    return client("elasticache").describe_replication_groups(ReplicationGroupId="huntaze-redis")["ReplicationGroups"][0]


def parameter(client):
    return client("ssm").get_parameter(Name="/huntaze/REDIS_URL", WithDecryption=True)["Parameter"]


def service(client):
    return client("ecs").describe_services(cluster="main", services=["api"])["services"][0]


def refused(call, code):
    """Whether a call is refused by this code."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"] == code
    return False


def problem(check, patience=0):
    """What is wrong with what is looked at; nothing where it is as expected, at the latest when the patience is over."""
    until = time.monotonic() + patience
    while True:
        try:
            if check():
                return None
            said = "it is not as expected"
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, KeyError) as error:
            said = f"{type(error).__name__}: {error}"
        if time.monotonic() >= until:
            return said
        time.sleep(0.1)


def with_boto3(endpoint, verdicts):
    clients = {}

    def client(name):
        if name not in clients:
            config = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
            keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
            clients[name] = boto3.client(name, endpoint_url=endpoint, region_name=REGION, config=config, **keys)
        return clients[name]

    for name, (look, write, read_back) in SERVICES.items():
        verdicts.add(f"boto3 looks at {name}", problem(lambda: look(client)))
        verdicts.add(f"boto3 writes to {name}", problem(lambda: write(client) is not False))
        verdicts.add(f"boto3 reads back from {name}", problem(lambda: read_back(client), PATIENCE))
    return client


def with_the_cli(endpoint, client, verdicts):
    """The AWS CLI of the packages that these tests are run with, as a person types it."""
    program = pathlib.Path(sys.executable).with_name("aws")

    def aws(*arguments):
        environment = server.environment(endpoint) | {"AWS_DEFAULT_REGION": REGION}
        run = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return run.stdout if run.returncode == 0 else f"exit code {run.returncode}: {run.stderr}"

    def has(said, word):
        return None if word in said else said

    verdicts.add("aws s3 ls", has(aws("s3", "ls"), "huntaze-uploads"))
    written = aws("s3api", "put-bucket-versioning", "--bucket", "huntaze-uploads", "--versioning-configuration", "Status=Enabled")
    verdicts.add("aws s3api put-bucket-versioning", written or None)
    versioning = lambda: client("s3").get_bucket_versioning(Bucket="huntaze-uploads").get("Status") == "Enabled"
    verdicts.add("what the AWS CLI wrote is there", problem(versioning, PATIENCE))
    # Version 1 of the CLI sends RDS in us-east-1 to AWS whatever AWS_ENDPOINT_URL says, as the README warns.
    verdicts.add("aws rds describe-db-instances", has(aws("--endpoint-url", endpoint, "rds", "describe-db-instances"), '"DBInstanceIdentifier": "huntaze-postgres"'))


def run(program, records, verdicts):
    said = (server.root() / "README.md").read_text(encoding="utf-8")
    line = re.search(r"`127\.0\.0\.1 (\S+)` in\s+`/etc/hosts`", said)
    verdicts.add("the README says what /etc/hosts needs", None if line else "the sentence is gone")
    if not line:
        return
    as_in_etc_hosts(line.group(1))
    command = [program, "sandbox", "serve", "--listen", "127.0.0.1:0", "--speed", "60"]
    environment = {**os.environ, "HOLDFAST_SANDBOX_RECORD": str(records)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as served:
        try:
            port = re.search(r"http://127\.0\.0\.1:(\d+)", served.stderr.readline()).group(1)
            # By this name, as S3 Control puts the account before it.
            endpoint = f"http://localhost:{port}"
            with_the_cli(endpoint, with_boto3(endpoint, verdicts), verdicts)
        finally:
            served.terminate()

"""The owner's account as the audit found it, made with boto3 from the file that the embedded AWS begins with."""

import json

import boto3
import yaml
from botocore.config import Config

import server

AS_FOUND = server.root() / "examples" / "accounts" / "huntaze-as-found.yaml"


class Clients:
    """boto3's clients of one account: `clients.s3`, `clients.rds`."""

    def __init__(self, endpoint, region="us-east-1"):
        self._arguments = {
            "region_name": region,
            "endpoint_url": endpoint,
            "aws_access_key_id": "moto",
            "aws_secret_access_key": "moto",
            # One try: an operation that moto does not have answers 500, and would be asked again and again.
            # As a proxy, because S3 Control puts the account before the host, and no such name of 127.0.0.1 resolves.
            "config": Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={"http": endpoint}),
        }

    def __getattr__(self, service):
        client = boto3.client(service, **self._arguments)
        setattr(self, service, client)
        return client


def described():
    with open(AS_FOUND, encoding="utf-8") as file:
        return yaml.safe_load(file)


def secret_of(account):
    """The token that must show nowhere."""
    (secret,) = account["secretsmanager"]["secrets"].values()
    return json.loads(secret["secretString"])["token"]


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def build(clients, account):
    """Makes everything that the file describes. Returns what has another name here than there: text to be replaced in a manifest."""
    for name, bucket in account["s3"]["buckets"].items():
        arguments = {"ObjectOwnership": bucket["ownership"]} if "ownership" in bucket else {}
        clients.s3.create_bucket(Bucket=name, **arguments)
        clients.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(bucket["tags"])})
        if "policy" in bucket:
            clients.s3.put_bucket_policy(Bucket=name, Policy=bucket["policy"])
    for name, instance in account["rds"]["instances"].items():
        clients.rds.create_db_instance(
            DBInstanceIdentifier=name,
            Engine=instance["engine"],
            EngineVersion=instance["engineVersion"],
            DBInstanceClass=instance["class"],
            DBName=instance["databaseName"],
            AllocatedStorage=instance["allocatedStorage"],
            StorageEncrypted=instance["storageEncrypted"],
            BackupRetentionPeriod=instance["backupRetention"],
            MasterUsername="huntaze",
            MasterUserPassword="as-found-password",
            Tags=pairs(instance["tags"]),
        )
    subnets = [subnet["SubnetId"] for subnet in clients.ec2.describe_subnets()["Subnets"]][:2]
    for name, group in account["elasticache"]["subnetGroups"].items():
        clients.elasticache.create_cache_subnet_group(
            CacheSubnetGroupName=name, CacheSubnetGroupDescription=group["description"], SubnetIds=subnets
        )
    for name, group in account["elasticache"]["replicationGroups"].items():
        clients.elasticache.create_replication_group(
            ReplicationGroupId=name,
            ReplicationGroupDescription=group["description"],
            Engine=group["engine"],
            EngineVersion=group["engineVersion"],
            CacheNodeType=group["nodeType"],
            NumCacheClusters=group["nodes"],
            AutomaticFailoverEnabled=group["automaticFailover"],
            CacheSubnetGroupName=group["subnetGroup"],
            SnapshotRetentionLimit=group["snapshotRetentionLimit"],
            Tags=pairs(group["tags"]),
        )
    renamed = {}
    for name, secret in account["secretsmanager"]["secrets"].items():
        made = clients.secretsmanager.create_secret(Name=name, Description=secret["description"], SecretString=secret["secretString"])
        renamed[f":secret:{name}-{secret['arnSuffix']}"] = ":secret:" + made["ARN"].partition(":secret:")[2]
    for name in account["sns"]["topics"]:
        clients.sns.create_topic(Name=name)
    # What the owner's manifest points to, and holdfast does not make: the log group and the role of the trail.
    clients.logs.create_log_group(logGroupName="/huntaze/cloudtrail")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    clients.iam.create_role(RoleName="huntaze-cloudtrail-to-logs", AssumeRolePolicyDocument=json.dumps(trust))
    return renamed

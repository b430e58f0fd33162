//! A pass asks AWS for a fact once: no reading request of a dry run is sent twice with the same parameters.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use holdfast::sandbox::{Options, Sandbox};

/// What is read so many times on purpose: the account's flags are eventually consistent, and two equal answers in a row are believed.
const MEANT: &[(&str, &str, usize)] = &[("s3control", "GetPublicAccessBlock", 2)];

/// Buckets, an instance, a trail and a group that ask for the same facts: one key, one log target, a public bucket's flags and policy.
const SHARED: &str = r#"
account: "317805897534"
region: us-east-1
kms:
  keys: {1111aaaa-0000-4000-8000-000000000001: {}}
  aliases: {alias/data: 1111aaaa-0000-4000-8000-000000000001}
s3:
  buckets:
    site:
      website: true
      policy: '{"Version":"2012-10-17","Statement":[{"Sid":"Open","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::site/*"}]}'
    logs: {}
rds:
  instances:
    db: {engine: postgres, engineVersion: "14.9", storageEncrypted: true, kmsKeyId: arn:aws:kms:us-east-1:317805897534:key/1111aaaa-0000-4000-8000-000000000001}
cloudtrail: {trails: {audit: {s3BucketName: logs}}}
guardduty: {detector: {}}
elasticache:
  subnetGroups: {private: {description: private, vpcId: vpc-0a1b2c3d4e5f60718, subnets: [subnet-0a1b2c3d4e5f60711]}}
  replicationGroups:
    sessions: {engineVersion: "7.1.0", nodes: 2, subnetGroup: private}
"#;

const ALIKE: &str = r#"
apiVersion: holdfast.dev/v1alpha1
kind: AwsBaseline
metadata: {name: alike}
spec:
  account: "317805897534"
  region: us-east-1
  s3:
    account: {publicAccessBlock: {blockPublicPolicy: true}}
    buckets:
      - name: site
        publicAccessBlock: {blockPublicPolicy: true, restrictPublicBuckets: true}
        encryption: {algorithm: "aws:kms", kmsKeyId: alias/data}
        denyInsecureTransport: true
        logging: {targetBucket: logs, targetPrefix: site/}
        tags: {team: web}
      - {name: logs, encryption: {algorithm: AES256}, ownership: BucketOwnerEnforced}
      - {name: tagged, match: {names: ["*"], tags: {team: web}}, versioning: Enabled}
  rds: {instances: [{name: db, storageEncrypted: {enabled: true, kmsKeyId: alias/data}}]}
  cloudtrail: {trails: [{name: audit, bucket: logs, kmsKeyId: alias/data, tags: {team: web}}]}
  guardduty: {detector: {enabled: true, tags: {team: web}}}
  elasticache:
    replicationGroups:
      - {name: sessions, atRestEncryption: {enabled: true, kmsKeyId: alias/data}, tags: {team: web}, snapshotRetentionDays: 7}
"#;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a text")
}

/// The requests of one dry run that were sent more often than they are meant to be.
async fn asked_again(world: &str, manifest: &str) -> Vec<String> {
    let sandbox = Sandbox::from_yaml(world, Options::default()).expect("the account is right");
    support::dry(&sandbox, &support::baseline(manifest)).await.expect("a plan");
    let mut asked: BTreeMap<[String; 6], usize> = BTreeMap::new();
    let recorded = sandbox.recorded();
    assert!(recorded.iter().all(|call| !call.writes) && recorded.len() > 1, "{recorded:?}");
    for call in recorded {
        *asked.entry([call.service, call.operation, call.host, call.path, call.query, call.body]).or_default() += 1;
    }
    let meant = |of: &[String; 6]| MEANT.iter().find(|(service, operation, _)| of[0] == *service && of[1] == *operation);
    let more = asked.iter().filter(|(of, times)| **times > meant(of).map_or(1, |(.., times)| *times));
    more.map(|(of, times)| format!("{times} times {}", of.join(" "))).collect()
}

#[tokio::test]
async fn no_fact_is_asked_for_twice_in_a_pass() {
    let found = text("examples/accounts/huntaze-as-found.yaml");
    let mut all = vec![("what several kinds ask alike".to_owned(), asked_again(SHARED, ALIKE).await)];
    let kinds = holdfast::kinds::registry().iter().map(|kind| format!("examples/kinds/{}.yaml", kind.path()));
    for path in kinds.filter(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()) {
        all.push((path.clone(), asked_again(&found, &text(&path)).await));
    }
    let owners = "manifests/baselines/huntaze-production.yaml";
    all.push((owners.to_owned(), asked_again(&found, &text(owners)).await));
    assert!(all.len() > 6, "the examples are gone");
    let again: Vec<String> =
        all.iter().flat_map(|(manifest, again)| again.iter().map(move |request| format!("{manifest}: {request}"))).collect();
    assert!(again.is_empty(), "{}", again.join("\n"));
}

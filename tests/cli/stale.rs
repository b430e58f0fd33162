//! Reads that lag at the end of a run: what it saw done is not given up for one answer, and what is really left is said.

use super::{ACCOUNT, folder, holdfast};

#[test]
fn one_stale_read_while_planning_again_contradicts_nothing() {
    let spec = "  policy: {disruptive: Allow}\n  s3:\n    buckets: [{name: huntaze-trail, create: true, encryption: {algorithm: AES256}}]\n  \
        cloudtrail:\n    trails: [{name: trail-1, bucket: huntaze-trail, logging: true, tags: {a: b}}]\n";
    // The run's last look at the account is among these calls.
    for number in 26..=38 {
        let folder = folder(ACCOUNT, spec);
        let run = holdfast(folder.path())
            .args(["reconcile", "-f", "m.yaml", "--sandbox"])
            .env("HOLDFAST_SANDBOX_FAULTS", format!("stale-read@{number}"))
            .assert();
        let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
        assert_eq!(run.get_output().status.code(), Some(0), "a stale read at {number}: {out}");
        assert!(out.contains("planned again: nothing differs in 3 resources"), "{out}");
    }
}

/// That somebody changed it meanwhile is no explanation where the run itself failed.
#[test]
fn what_is_left_after_a_failure_is_not_said_to_be_somebody_elses() {
    let spec = "  policy: {disruptive: Allow}\n  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n      \
        - {name: huntaze-uploads, tags: {team: data}}\n";
    let folder = folder(ACCOUNT, spec);
    let run = holdfast(folder.path())
        .args(["reconcile", "-f", "m.yaml", "--sandbox"])
        .env("HOLDFAST_SANDBOX_FAULTS", "denied@PutBucketTagging")
        .assert()
        .code(4);
    let out = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(out.contains("failed       s3.buckets/huntaze-uploads") && out.contains("planned again, what is left"), "{out}");
    assert!(!out.contains("somebody changed it meanwhile"), "{out}");
}

/// A dry run over what cannot be read says in a line what to do, with the IAM action as IAM calls it.
#[test]
fn what_cannot_be_read_says_what_to_do() {
    let folder = folder(
        ACCOUNT,
        "  s3:\n    buckets: [{name: huntaze-assets, lifecycle: {rules: [{id: old, enabled: true, abortMultipartAfterDays: 9}]}}]\n  \
        rds: {instances: [{name: huntaze-postgres, deletionProtection: true}]}\n",
    );
    let run = |more: &[&str]| {
        let run = holdfast(folder.path())
            .args(["reconcile", "-f", "m.yaml", "--sandbox"])
            .args(more)
            .env("HOLDFAST_SANDBOX_FAULTS", "denied@GetBucketLifecycleConfiguration,denied@DescribeDBInstances")
            .assert()
            .code(3);
        String::from_utf8_lossy(&run.get_output().stdout).into_owned()
    };
    let dry = run(&["--dry-run"]);
    for action in ["s3:GetLifecycleConfiguration", "rds:DescribeDBInstances"] {
        assert!(dry.contains(&format!("what to do: allow {action} to the role that holdfast runs as")), "{dry}");
    }
    let wet = run(&[]);
    assert!(wet.contains("what to do: allow s3:GetLifecycleConfiguration to the role that holdfast runs as"), "{wet}");
    assert!(wet.contains("               could not be read: rds:DescribeDBInstances: "), "{wet}");
    assert!(!wet.contains("()") && !wet.contains("could not be read: could not be read"), "{wet}");
}

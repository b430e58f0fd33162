//! Reads that lag at the end of a run: what it saw done is not given up for one answer, and what is really left is said.

use assert_cmd::assert::Assert;

use super::state::stdout;
use super::{ACCOUNT, folder, holdfast, sent};

/// A run over this spec while this goes wrong.
fn disturbed(spec: &str, faults: &str, more: &[&str]) -> Assert {
    let folder = folder(ACCOUNT, spec);
    holdfast(folder.path())
        .args(["--log", "trace", "reconcile", "-f", "m.yaml", "--sandbox"])
        .args(more)
        .env("HOLDFAST_SANDBOX_FAULTS", faults)
        .assert()
}

#[test]
fn one_stale_read_while_planning_again_contradicts_nothing() {
    let spec = "  policy: {disruptive: Allow}\n  s3:\n    buckets: [{name: huntaze-trail, create: true, encryption: {algorithm: AES256}}]\n  \
        cloudtrail:\n    trails: [{name: trail-1, bucket: huntaze-trail, logging: true, tags: {a: b}}]\n";
    // The run's last look at the account is among these calls.
    for number in 26..=38 {
        let out = stdout(&disturbed(spec, &format!("stale-read@{number}"), &[]).code(0));
        assert!(out.contains("planned again: nothing differs in 3 resources"), "a stale read at {number}: {out}");
    }
}

/// Of many resources only the one that is in doubt is looked at again.
#[test]
fn what_is_in_doubt_alone_is_looked_at_again() {
    let names = ["huntaze-assets", "huntaze-uploads", "huntaze-backups", "huntaze-legacy-exports"];
    let buckets: String = names.iter().map(|name| format!("      - {{name: {name}, tags: {{owner: platform}}}}\n")).collect();
    let spec = format!("  s3:\n    buckets:\n{buckets}");
    let asked = |faults: &str| {
        let run = disturbed(&spec, faults, &[]).code(0);
        let out = stdout(&run);
        assert!(out.contains("planned again: nothing differs in 4 resources"), "{faults}: {out}");
        sent(&run).len()
    };
    let undisturbed = asked("");
    // The run's last look is its last requests, one a bucket: of each it is shown once what was before.
    for number in undisturbed - 3..=undisturbed {
        assert_eq!(asked(&format!("stale-read@{number}")), undisturbed + 1, "a stale read at {number}");
    }
}

/// That somebody changed it meanwhile is no explanation where the run itself failed.
#[test]
fn what_is_left_after_a_failure_is_not_said_to_be_somebody_elses() {
    let spec = "  policy: {disruptive: Allow}\n  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n      \
        - {name: huntaze-uploads, tags: {team: data}}\n";
    let out = stdout(&disturbed(spec, "denied@PutBucketTagging", &[]).code(4));
    assert!(out.contains("failed       s3.buckets/huntaze-uploads") && out.contains("planned again, what is left"), "{out}");
    assert!(!out.contains("somebody changed it meanwhile"), "{out}");
}

/// A dry run over what cannot be read says in a line what to do, with the IAM action as IAM calls it.
#[test]
fn what_cannot_be_read_says_what_to_do() {
    let spec = "  s3:\n    buckets: [{name: huntaze-assets, lifecycle: {rules: [{id: old, enabled: true, abortMultipartAfterDays: 9}]}}]\n  \
        rds: {instances: [{name: huntaze-postgres, deletionProtection: true}]}\n";
    let denied = "denied@GetBucketLifecycleConfiguration,denied@DescribeDBInstances";
    let run = |more: &[&str]| stdout(&disturbed(spec, denied, more).code(3));
    let dry = run(&["--dry-run"]);
    for action in ["s3:GetLifecycleConfiguration", "rds:DescribeDBInstances"] {
        assert!(dry.contains(&format!("what to do: allow {action} to the role that holdfast runs as")), "{dry}");
    }
    let wet = run(&[]);
    assert!(wet.contains("what to do: allow s3:GetLifecycleConfiguration to the role that holdfast runs as"), "{wet}");
    assert!(wet.contains("               could not be read: rds:DescribeDBInstances: "), "{wet}");
    assert!(!wet.contains("()") && !wet.contains("could not be read: could not be read"), "{wet}");
}

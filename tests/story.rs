//! The whole pipeline on the embedded account: drift is found, repaired, and gone.

mod support;

use holdfast::clock::Clock;
use holdfast::execute::End;
use holdfast::sandbox::{Options, Sandbox};

const ACCOUNT: &str = include_str!("../examples/accounts/huntaze-as-found.yaml");

fn account() -> Sandbox {
    let start = "2026-01-15T10:00:00Z".parse().expect("a time");
    Sandbox::from_yaml(ACCOUNT, Options { clock: Clock::simulated(start), ..Options::default() }).expect("the account is right")
}

#[tokio::test]
async fn what_differs_is_repaired_and_stays_so() {
    let sandbox = account();
    let state = tempfile::tempdir().expect("a folder");
    let baseline = support::baseline(
        "apiVersion: holdfast.dev/v1alpha1
kind: AwsBaseline
metadata: {name: story}
spec:
  account: \"317805897534\"
  region: us-east-1
  s3:
    account:
      publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true}
",
    );
    let found = support::dry(&sandbox, &baseline).await.expect("a plan");
    assert_eq!(found.resources[0].drifts.len(), 4);
    assert!(sandbox.writes().is_empty(), "a dry run wrote");

    let (plan, outcomes) = support::wet(&sandbox, &baseline, state.path(), true).await.expect("a run");
    assert_eq!(plan.hash, found.hash, "the apply had another plan than the dry run");
    assert!(outcomes.resources.iter().all(|one| one.end == End::Changed), "{outcomes:?}");

    sandbox.forget_records();
    let again = support::dry(&sandbox, &baseline).await.expect("a plan");
    assert!(again.in_sync(), "{again:?}");
    let (_, outcomes) = support::wet(&sandbox, &baseline, state.path(), true).await.expect("a run");
    assert!(outcomes.resources.iter().all(|one| one.end == End::Unchanged), "{outcomes:?}");
    assert!(sandbox.writes().is_empty(), "the second apply wrote");
}

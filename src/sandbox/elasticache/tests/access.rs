//! Who can connect, and how: TLS and AUTH in place.

use aws_sdk_elasticache::error::ProvideErrorMetadata;
use aws_sdk_elasticache::types::{AuthTokenUpdateStatus, AuthTokenUpdateStrategyType as Strategy, TransitEncryptionMode as Mode};

use super::{Account, FOUND, code};
use crate::sandbox::elasticache::state::Transit;
use crate::sandbox::ids::sha256;

const OLD: &str = "an-old-token-of-20ch";
const NEW: &str = "a-new-token!&#$^<>-x";

/// `FOUND` with TLS required.
async fn encrypted() -> Account {
    let account = Account::new(FOUND);
    account.sandbox.edit(|world| {
        for group in world.elasticache.replication_groups.values_mut() {
            group.transit_encryption = Transit::Required;
        }
    });
    account
}

#[tokio::test]
async fn transit_encryption_goes_by_preferred_to_required_and_never_in_one_jump() {
    let account = Account::new(FOUND);
    let modify = || account.modify("huntaze-redis");
    let refused = "InvalidParameterCombination";
    assert_eq!(code(modify().transit_encryption_enabled(true).send().await), refused);
    assert_eq!(code(modify().transit_encryption_enabled(true).transit_encryption_mode(Mode::Required).send().await), refused);
    assert_eq!(
        code(modify().transit_encryption_mode(Mode::Preferred).send().await),
        refused,
        "only together with TransitEncryptionEnabled"
    );
    assert_eq!(code(modify().transit_encryption_enabled(false).send().await), refused, "unchanged");
    let preferred = || modify().transit_encryption_enabled(true).transit_encryption_mode(Mode::Preferred);
    assert_eq!(code(preferred().apply_immediately(false).send().await), refused);

    let under_way = preferred().send().await.unwrap().replication_group.unwrap();
    assert_eq!(under_way.status(), Some("modifying"));
    assert_eq!(under_way.transit_encryption_enabled(), Some(false));
    let pending = under_way.pending_modified_values().unwrap();
    assert_eq!((pending.transit_encryption_enabled(), pending.transit_encryption_mode()), (Some(true), Some(&Mode::Preferred)));
    assert_eq!(code(modify().snapshot_retention_limit(7).send().await), "InvalidReplicationGroupState");

    account.wait(4);
    let group = account.group("huntaze-redis").await;
    assert_eq!((group.status(), group.transit_encryption_mode()), (Some("available"), Some(&Mode::Preferred)));
    let host = group.node_groups()[0].primary_endpoint().unwrap().address().unwrap().to_owned();
    assert!(host.starts_with("huntaze-redis."), "in place, the endpoint keeps its name: {host}");

    assert_eq!(code(modify().transit_encryption_enabled(true).transit_encryption_mode(Mode::Required).send().await), refused, "unchanged");
    modify().transit_encryption_mode(Mode::Required).send().await.unwrap();
    account.wait(4);
    assert_eq!(account.group("huntaze-redis").await.transit_encryption_mode(), Some(&Mode::Required));
    assert_eq!(code(modify().transit_encryption_enabled(false).send().await), refused, "not before preferred");
}

#[tokio::test]
async fn transit_encryption_in_place_needs_7_0_5_and_no_token() {
    let account = Account::new("elasticache: {replicationGroups: {old: {engineVersion: 7.0.4, nodes: 1}}}");
    let request = account.modify("old").transit_encryption_enabled(true).transit_encryption_mode(Mode::Preferred);
    assert_eq!(code(request.send().await), "InvalidParameterCombination");

    let account = encrypted().await;
    account.modify("huntaze-redis").auth_token(NEW).auth_token_update_strategy(Strategy::Rotate).send().await.unwrap();
    account.wait(4);
    let request = account.modify("huntaze-redis").transit_encryption_enabled(true);
    let refused = request.snapshotting_cluster_id("huntaze-redis-001").snapshot_retention_limit(3).send().await.unwrap_err();
    assert!(refused.into_service_error().to_string().contains("access control enabled"));
    assert_eq!(account.state("huntaze-redis").snapshot_retention_limit, 0, "a refused request changes nothing");
}

#[tokio::test]
async fn a_token_comes_by_rotate_then_set_and_nobody_is_locked_out_in_between() {
    let account = encrypted().await;
    let auth = || account.state("huntaze-redis").auth;
    let modify = |strategy| account.modify("huntaze-redis").auth_token(NEW).auth_token_update_strategy(strategy);
    assert_eq!(code(modify(Strategy::Set).send().await), "InvalidParameterCombination", "SET only after ROTATE");
    assert_eq!(code(modify(Strategy::Delete).send().await), "InvalidParameterCombination");
    assert_eq!(code(modify(Strategy::Rotate).apply_immediately(false).send().await), "InvalidParameterCombination");

    let answer = modify(Strategy::Rotate).send().await.unwrap().replication_group.unwrap();
    assert_eq!(answer.pending_modified_values().unwrap().auth_token_status(), Some(&AuthTokenUpdateStatus::Rotating));
    assert!(!auth().admits(Some(NEW)), "not before the modification is through");
    account.wait(4);
    assert!(auth().admits(Some(NEW)) && auth().admits(None));
    let group = account.group("huntaze-redis").await;
    assert_eq!(group.auth_token_enabled(), Some(true));
    assert!(group.auth_token_last_modified_date().is_some());

    let other = account.modify("huntaze-redis").auth_token(OLD).auth_token_update_strategy(Strategy::Set);
    assert_eq!(code(other.send().await), "InvalidParameterCombination", "SET takes the token of the last ROTATE only");
    modify(Strategy::Set).send().await.unwrap();
    assert!(auth().admits(None));
    account.wait(4);
    assert!(auth().admits(Some(NEW)) && !auth().admits(None));
    assert_eq!(code(modify(Strategy::Set).send().await), "InvalidParameterCombination", "nothing is left to set");
}

#[tokio::test]
async fn rotating_keeps_the_newest_two_tokens_and_never_opens_the_door() {
    let account = encrypted().await;
    account.sandbox.edit(|world| {
        let auth = &mut world.elasticache.replication_groups.get_mut("huntaze-redis").unwrap().auth;
        (auth.tokens, auth.passwordless) = (vec![sha256(OLD)], false);
    });
    let auth = || account.state("huntaze-redis").auth;
    // ROTATE is the default strategy.
    account.modify("huntaze-redis").auth_token(NEW).send().await.unwrap();
    account.wait(4);
    assert!(auth().admits(Some(OLD)) && auth().admits(Some(NEW)) && !auth().admits(None));
    account.modify("huntaze-redis").auth_token("the-third-token-of-all").send().await.unwrap();
    account.wait(4);
    assert!(!auth().admits(Some(OLD)) && auth().admits(Some(NEW)) && auth().admits(Some("the-third-token-of-all")));
    assert!(!auth().admits(None));
}

#[tokio::test]
async fn a_token_needs_tls_required_a_new_engine_and_the_right_shape() {
    let account = Account::new(FOUND);
    let rotate = |token: &str| account.modify("huntaze-redis").auth_token(token).auth_token_update_strategy(Strategy::Rotate);
    assert_eq!(code(rotate(NEW).send().await), "InvalidParameterCombination");
    account.modify("huntaze-redis").transit_encryption_enabled(true).transit_encryption_mode(Mode::Preferred).send().await.unwrap();
    account.wait(4);
    assert_eq!(code(rotate(NEW).send().await), "InvalidParameterCombination", "preferred and a token do not go together");
    let both = rotate(NEW).transit_encryption_mode(Mode::Required);
    assert_eq!(code(both.send().await), "InvalidParameterCombination");

    let account = encrypted().await;
    for token in ["only-15-letters", "with@one-forbidden-letter", "with a space in it, and more", &"x".repeat(129), "ünicode-is-not-ascii"]
    {
        let refused = account.modify("huntaze-redis").auth_token(token).send().await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some("InvalidParameterValue"), "{token}");
        assert!(!refused.to_string().contains(token), "the refusal does not repeat the token");
    }
    let alone = account.modify("huntaze-redis").auth_token_update_strategy(Strategy::Rotate);
    assert_eq!(code(alone.send().await), "InvalidParameterCombination");

    let old = Account::new("elasticache: {replicationGroups: {old: {engineVersion: 5.0.5, transitEncryption: required}}}");
    assert_eq!(code(old.modify("old").auth_token(NEW).send().await), "InvalidParameterCombination");
}

#[tokio::test]
async fn no_token_is_kept_or_shown() {
    let account = encrypted().await;
    account.modify("huntaze-redis").auth_token(NEW).send().await.unwrap();
    assert!(!account.sandbox.snapshot().to_string().contains(NEW));
    account.wait(4);
    assert!(!account.sandbox.snapshot().to_string().contains(NEW));
}

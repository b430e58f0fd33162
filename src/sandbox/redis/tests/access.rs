//! Who is let in, and what they may do.

use super::*;

/// SHA-256 of [`TOKEN`] and of [`NEXT`].
const HASH: &str = "bfae102175828d7c8603af5e4bab38689e995b9462bd3ecbe04d01f79bd5c838";
const NEXT: &str = "another-token-of-letters";
const NEXT_HASH: &str = "cf92f90a6d44e1257f0b1de3ce1f38237d849048da28329a3f6c190643f5492f";

fn secured() -> Group {
    Group { transit: Transit::Tls, tokens: vec![HASH.to_owned()], passwordless: false, ..group(1) }
}

async fn answers(fleet: &Fleet, tls: bool, token: Option<&str>) -> bool {
    match connect(&endpoint(fleet, &super::super::primary("g"), tls, token)).await {
        Ok(link) => text(&link, &["PING"]).await.as_deref() == Some("PONG"),
        Err(_) => false,
    }
}

#[tokio::test]
async fn tls_alone_is_spoken_where_it_is_required() {
    let Some(fleet) = fleet() else { return };
    // 6.2 in front: no server needs to know TLS itself.
    follow(&fleet, &wanted("g", Group { version: [6, 2], ..secured() }));
    assert!(answers(&fleet, true, Some(TOKEN)).await);
    assert!(!answers(&fleet, false, Some(TOKEN)).await, "plain text");
    assert!(!answers(&fleet, true, Some("a-token-that-is-not-it")).await);
    assert!(!answers(&fleet, true, None).await);
    // A node's own address does the same, and no one else's authority will do.
    let mut node = endpoint(&fleet, "g-001", true, Some(TOKEN));
    assert_eq!(text(&connect(&node).await.unwrap(), &["PING"]).await.as_deref(), Some("PONG"));
    node.login.tls = Tls::On { roots: None };
    assert!(connect(&node).await.is_err());
}

#[tokio::test]
async fn both_are_spoken_where_tls_is_preferred() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { transit: Transit::Either, ..group(1) }));
    assert!(answers(&fleet, true, None).await);
    assert!(answers(&fleet, false, None).await);
    follow(&fleet, &wanted("g", Group { transit: Transit::Plain, ..group(1) }));
    assert!(!answers(&fleet, true, None).await);
    assert!(answers(&fleet, false, None).await);
}

#[tokio::test]
async fn two_tokens_are_valid_while_they_rotate() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", secured()));
    let early = connect(&endpoint(&fleet, "g-001", true, Some(TOKEN))).await.unwrap();
    follow(&fleet, &wanted("g", Group { tokens: vec![HASH.to_owned(), NEXT_HASH.to_owned()], ..secured() }));
    assert!(answers(&fleet, true, Some(TOKEN)).await && answers(&fleet, true, Some(NEXT)).await);
    assert!(!answers(&fleet, true, None).await);
    follow(&fleet, &wanted("g", Group { tokens: vec![NEXT_HASH.to_owned()], ..secured() }));
    assert!(answers(&fleet, true, Some(NEXT)).await);
    assert!(!answers(&fleet, true, Some(TOKEN)).await);
    assert_eq!(text(&early, &["SET", "a", "1"]).await.as_deref(), Some("OK"), "who was in stays in");
}

#[tokio::test]
async fn a_first_token_leaves_the_door_open_for_those_without() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { passwordless: true, ..secured() }));
    assert!(answers(&fleet, true, None).await && answers(&fleet, true, Some(TOKEN)).await);
    assert!(!answers(&fleet, true, Some(NEXT)).await, "a wrong token is wrong");
    let link = connect(&endpoint(&fleet, "g-001", true, None)).await.unwrap();
    assert_eq!(text(&link, &["SET", "a", "1"]).await.as_deref(), Some("OK"));
    assert!(ask(&link, &["CONFIG", "GET", "port"]).await.is_err());
    follow(&fleet, &wanted("g", secured()));
    assert!(!answers(&fleet, true, None).await);
    assert_eq!(text(&link, &["GET", "a"]).await.as_deref(), Some("1"), "who was in stays in");
}

#[tokio::test]
async fn what_elasticache_forbids_is_forbidden() {
    let Some(fleet) = fleet() else { return };
    let mut versions = vec![[7, 0]];
    if std::env::var_os("HOLDFAST_REDIS_62").is_some() {
        versions.push([6, 2]);
    }
    for version in versions {
        let name = format!("g{}", version[0]);
        let group = Group { version, shards: vec![Shard { primary: Some(name.clone()), nodes: vec![name.clone()] }], ..group(1) };
        follow(&fleet, &wanted(&name, group));
        let link = plain(&fleet, &name).await;
        assert!(link.identity.version.starts_with(&format!("{}.{}.", version[0], version[1])), "{}", link.identity.version);
        for forbidden in [
            &["BGREWRITEAOF"][..],
            &["BGSAVE"],
            &["CONFIG", "GET", "port"],
            &["DEBUG", "SLEEP", "0"],
            &["MIGRATE", "127.0.0.1", "1", "k", "0", "1"],
            &["REPLICAOF", "NO", "ONE"],
            &["SLAVEOF", "NO", "ONE"],
            &["SAVE"],
            &["SHUTDOWN"],
            &["SYNC"],
            &["PSYNC", "?", "-1"],
            &["ACL", "SETUSER", "me"],
        ] {
            match ask(&link, forbidden).await {
                // 7.0 refuses DEBUG to everybody.
                Err(WireError::Refused { code, .. }) => assert!(code == "NOPERM" || forbidden[0] == "DEBUG", "{forbidden:?}: {code}"),
                other => panic!("{forbidden:?}: {other:?}"),
            }
        }
        text(&link, &["SET", "k", "v"]).await;
        for allowed in [
            &["SCAN", "0"][..],
            &["DUMP", "k"],
            &["PTTL", "k"],
            &["CLIENT", "PAUSE", "0"],
            &["CLIENT", "TRACKING", "ON", "BCAST"],
            &["CLIENT", "LIST"],
            &["INFO"],
            &["WAIT", "0", "1"],
            &["ACL", "WHOAMI"],
        ] {
            ask(&link, allowed).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_closed_group_lets_in_holdfast_alone() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", group(1)));
    let early = plain(&fleet, "g-001").await;
    follow(&fleet, &wanted("g", Group { application: false, ..group(1) }));
    assert!(!answers(&fleet, false, None).await);
    assert_eq!(text(&early, &["PING"]).await.as_deref(), Some("PONG"), "a connection that stands outlives a security group");
    let mut side = endpoint(&fleet, &super::super::primary("g"), false, None);
    side.host = super::super::for_holdfast(&side.host).unwrap();
    assert_eq!(text(&connect(&side).await.unwrap(), &["PING"]).await.as_deref(), Some("PONG"));
    follow(&fleet, &wanted("g", group(1)));
    assert!(answers(&fleet, false, None).await);
}

#[tokio::test]
async fn a_name_that_is_not_known_yet_answers_nobody() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { up: false, ..group(1) }));
    let early = at(&fleet, "g-001");
    assert!(!answers(&fleet, false, None).await && fleet.pids().is_empty());
    follow(&fleet, &wanted("g", Group { answers: false, ..group(1) }));
    assert!(!answers(&fleet, false, None).await);
    follow(&fleet, &wanted("g", group(1)));
    assert!(answers(&fleet, false, None).await);
    assert_eq!(at(&fleet, "g-001"), early);
}

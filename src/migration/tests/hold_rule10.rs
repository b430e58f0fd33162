//! Rule 10: all nodes are held, replicas after they have caught up, and a break is told.

use std::time::Duration;

use redis::Value;

use super::hold_ground::{Application, Group, Made, SECOND, asked, eventually, foreign, is_held, sent, tell, us};
use crate::migration::hold::{Failing, Hold, HoldError};
use crate::migration::side::Rules;

const LONG: Duration = Duration::from_secs(600);

async fn held(group: &Group, rules: Rules) -> Hold {
    Hold::take(&group.side, &us(2), LONG, rules, Failing::Releases).await.unwrap()
}

/// Makes the first replica a primary, as a failover does, and writes there.
async fn write_after_failover(group: &Group) -> bool {
    let replica = foreign(group.replica(0)).await;
    tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
    asked(&replica, &["SET", "after", "failover"], SECOND / 2).await.is_ok()
}

#[tokio::test]
async fn rule_10_a_replica_that_is_promoted_in_the_hold_takes_no_write() {
    let Some(made) = Made::plain(1) else { return };
    let group = made.start().await;
    let mut hold = held(&group, Rules::ALL).await;
    hold.prove().await.unwrap();
    assert!(!write_after_failover(&group).await);
    assert!(matches!(hold.prove().await, Err(HoldError::Wire(_))), "its role is another one");
    hold.release().await;

    let group = Made::plain(1).unwrap().start().await;
    let _hold = held(&group, Rules::without(10)).await;
    assert!(write_after_failover(&group).await, "without the rule the promoted replica takes a write in the hold");
}

#[tokio::test]
async fn rule_10_a_foreign_unpause_is_told() {
    for (rules, is_told) in [(Rules::ALL, true), (Rules::without(10), false)] {
        let Some(made) = Made::plain(1) else { return };
        let group = made.start().await;
        let mut hold = held(&group, rules).await;
        let mut broken = hold.broken();
        let person = foreign(group.primary()).await;
        tell(&person, &["CLIENT", "UNPAUSE"]).await;
        tell(&person, &["SET", "slipped", "through"]).await;
        // And held again, as if nothing had been.
        tell(&person, &["CLIENT", "PAUSE", "600000", "WRITE"]).await;
        let told = tokio::time::timeout(2 * SECOND, broken.wait_for(Option::is_some)).await.is_ok();
        assert_eq!(told, is_told);
        assert_eq!(matches!(hold.prove().await, Err(HoldError::Broken(_))), is_told);
    }
}

#[tokio::test]
async fn rule_10_a_pause_that_ends_by_itself_is_told() {
    let Some(made) = Made::plain(0) else { return };
    let group = made.start().await;
    let hold = Hold::take(&group.side, &us(2), SECOND / 2, Rules::ALL, Failing::Releases).await.unwrap();
    let mut broken = hold.broken();
    assert!(tokio::time::timeout(5 * SECOND, broken.wait_for(Option::is_some)).await.is_ok());
}

#[tokio::test]
async fn rule_10_a_hold_is_extended_without_a_gap() {
    for (rules, slips) in [(Rules::ALL, false), (Rules::without(10), true)] {
        let Some(made) = Made::plain(1) else { return };
        let group = made.start().await;
        let mut hold = Hold::take(&group.side, &us(2), 20 * SECOND, rules, Failing::Releases).await.unwrap();
        let ends = hold.ends();
        let api = foreign(group.primary()).await;
        let held = sent(&api, &["SET", "slipped", "through"]);
        is_held(&hold.nodes().primaries[0].link, api.id).await;
        hold.extend(LONG).await.unwrap();
        assert!(hold.ends() > ends + 500 * SECOND);
        if slips {
            assert!(held.await.unwrap().is_ok(), "UNPAUSE and PAUSE let a held write through");
        } else {
            hold.prove().await.unwrap();
            assert!(!held.is_finished());
            assert_eq!(hold.release().await.silent, [""; 0]);
            assert!(held.await.unwrap().is_ok());
        }
    }
}

#[tokio::test]
async fn rule_10_what_was_acknowledged_before_is_on_the_replicas() {
    for program in [crate::sandbox::redis::program(), std::env::var_os("HOLDFAST_REDIS_62").map(Into::into)].into_iter().flatten() {
        let Some(made) = Made::plain(2) else { return };
        let group = Made { program, ..made }.start().await;
        let application = Application::start(&group.side, 4);
        application.writes_more(500).await;
        let mut hold = held(&group, Rules::ALL).await;
        hold.prove().await.unwrap();
        // The primary is lost; its replica has everything.
        let mut group = group;
        group.shards[0].primary.kill();
        let replica = foreign(group.replica(1)).await;
        tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
        let mut promoted = group.side.clone();
        promoted.shards[0].primary = group.replica(1).clone();
        assert_eq!(application.lost(&promoted).await, 0);
        assert_eq!(hold.release().await.silent.len(), 1);
    }
}

#[tokio::test]
async fn rule_10_shown_raw_a_replica_held_before_it_caught_up_loses_writes() {
    let Some(made) = Made::plain(1) else { return };
    let group = made.start().await;
    let (primary, replica) = (foreign(group.primary()).await, foreign(group.replica(0)).await);
    tell(&replica, &["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    tell(&primary, &["SET", "acknowledged", "1"]).await;
    tell(&primary, &["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(tell(&replica, &["EXISTS", "acknowledged"]).await, Value::Int(0));
}

#[tokio::test]
async fn a_replica_that_nobody_knows_or_that_does_not_catch_up_prevents_the_hold() {
    let Some(made) = Made::plain(2) else { return };
    let group = made.start().await;
    let mut less = group.side.clone();
    less.shards[0].replicas.pop();
    let error = Hold::take(&less, &us(2), LONG, Rules::ALL, Failing::Releases).await.err().unwrap();
    assert!(error.to_string().contains("2 replicas are connected to it, and 1 are known"), "{error}");
    let api = foreign(group.primary()).await;
    tell(&api, &["SET", "not", "held"]).await;
    let mut other = group.side.clone();
    other.shards[0].primary = other.shards[0].replicas[0].clone();
    assert!(matches!(Hold::take(&other, &us(2), LONG, Rules::ALL, Failing::Releases).await, Err(HoldError::NotAsKnown { .. })));
}

#[tokio::test]
async fn a_hold_on_6_2_is_the_same_and_a_release_lets_all_go() {
    for program in [crate::sandbox::redis::program(), std::env::var_os("HOLDFAST_REDIS_62").map(Into::into)].into_iter().flatten() {
        let Some(made) = Made::plain(1) else { return };
        let group = Made { program, ..made }.start().await;
        let mut hold = held(&group, Rules::ALL).await;
        hold.prove().await.unwrap();
        let broken = hold.broken();
        let api = foreign(group.primary()).await;
        let write = sent(&api, &["SET", "a", "1"]);
        is_held(&hold.nodes().primaries[0].link, api.id).await;
        assert_eq!(hold.release().await.silent, [""; 0]);
        assert!(write.await.unwrap().is_ok());
        let replica = foreign(group.replica(0)).await;
        eventually("the replica takes its primary's stream again", async || tell(&replica, &["EXISTS", "a"]).await == Value::Int(1)).await;
        assert_eq!(*broken.borrow(), None, "a release is no break");
    }
}

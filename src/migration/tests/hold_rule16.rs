//! Rules 16 and 18: the ledger; replicas are released first.

use redis::Value;

use super::hold_ground::{Made, SECOND, foreign, tell, us};
use crate::migration::hold::{Failing, Hold, Ledger, Nodes};
use crate::migration::side::Rules;

#[tokio::test]
async fn rules_16_and_18_the_ledger_tells_every_kind_of_write() {
    for program in [crate::sandbox::redis::program(), std::env::var_os("HOLDFAST_REDIS_62").map(Into::into)].into_iter().flatten() {
        let Some(made) = Made::plain(0) else { return };
        // A writing command by another name.
        let group = Made { program, config: vec!["rename-command HSET hidden".to_owned()], ..made }.start().await;
        let nodes = Nodes::connect(&group.side, &us(2)).await.unwrap();
        let api = foreign(group.primary()).await;
        tell(&api, &["SET", "a", "1"]).await;
        tell(&api, &["XADD", "s", "1-1", "f", "v"]).await;
        let writes: &[(&[&str], &str)] = &[
            (&["SET", "a", "2"], "SET"),
            (&["hidden", "h", "f", "v"], "HSET"),
            (&["EVAL", "return redis.call('INCR', KEYS[1])", "1", "n"], "INCR"),
            (&["XGROUP", "CREATE", "s", "g", "0"], "XGROUP"),
            (&["DEL", "missing"], "DEL"),
            (&["FLUSHALL"], "FLUSHALL"),
            (&["SWAPDB", "0", "1"], "SWAPDB"),
        ];
        for (write, name) in writes {
            let then = Ledger::read(&nodes).await.unwrap();
            for harmless in [&["GET", "a"][..], &["PING"], &["PFCOUNT", "none"], &["SCAN", "0"], &["DUMP", "a"], &["EXISTS", "a"]] {
                tell(&api, harmless).await;
            }
            assert_eq!(Ledger::read(&nodes).await.unwrap().changed_since(&then), [""; 0]);
            tell(&api, write).await;
            let said = Ledger::read(&nodes).await.unwrap().changed_since(&then);
            assert!(said.len() == 1 && said[0].contains(name), "{write:?}: {said:?}");
        }
        // A snapshot is not a write.
        tell(&api, &["SET", "a", "3"]).await;
        let then = Ledger::read(&nodes).await.unwrap();
        tell(&api, &["SAVE"]).await;
        assert_eq!(Ledger::read(&nodes).await.unwrap().changed_since(&then), [""; 0]);
        tell(&api, &["CONFIG", "RESETSTAT"]).await;
        assert_eq!(Ledger::read(&nodes).await.unwrap().changed_since(&then).len(), 1);
    }
}

/// Releases the first half of the group only (the releasing process dies there), writes, loses the primary, promotes the replica, and says whether the
/// acknowledged write is there.
async fn survives_a_failover(replicas_first: bool) -> Option<bool> {
    let mut group = Made::plain(1)?.start().await;
    let hold = Hold::take(&group.side, &us(2), 60 * SECOND, Rules::ALL, Failing::Releases).await.unwrap();
    let (primary, replica) = (foreign(group.primary()).await, foreign(group.replica(0)).await);
    let first = if replicas_first { &replica } else { &primary };
    tell(first, &["CLIENT", "UNPAUSE"]).await;
    drop(hold);
    let acknowledged = super::hold_ground::asked(&primary, &["SET", "a", "1"], SECOND).await.is_ok();
    if acknowledged {
        super::hold_ground::asked(&primary, &["WAIT", "1", "500"], SECOND).await.unwrap();
    }
    group.shards[0].primary.kill();
    tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
    Some(!acknowledged || tell(&replica, &["EXISTS", "a"]).await == Value::Int(1))
}

#[tokio::test]
async fn rule_16_replicas_are_released_before_their_primaries() {
    let Some(survives) = survives_a_failover(true).await else { return };
    assert!(survives);
    assert_eq!(survives_a_failover(false).await, Some(false), "the other order loses an acknowledged write");
    // And that is the order which a release follows: a primary whose replicas do not answer stays held while they are asked.
    for (rules, replicas_first) in [(Rules::ALL, true), (Rules::without(16), false)] {
        let group = Made { config: vec!["enable-debug-command yes".to_owned()], ..Made::plain(1).unwrap() }.start().await;
        let mut hold = Hold::take(&group.side, &us(2), 60 * SECOND, rules, Failing::Releases).await.unwrap();
        let (api, replica) = (foreign(group.primary()).await, foreign(group.replica(0)).await);
        // The replica does not answer for a second.
        let sleeping = super::hold_ground::sent(&replica, &["DEBUG", "SLEEP", "1"]);
        tokio::time::sleep(SECOND / 10).await;
        let write = super::hold_ground::sent(&api, &["SET", "a", "1"]);
        let releasing = tokio::spawn(async move { hold.release().await });
        let _ = write.await.unwrap();
        assert_eq!(sleeping.is_finished(), replicas_first);
        releasing.await.unwrap();
    }
}

//! Rule 11: no slot migrates in a hold.

use redis::Value;

use super::hold_ground::{Made, SECOND, asked, foreign, tell, us, words};
use crate::migration::hold::{Failing, Hold, HoldError};
use crate::migration::side::Rules;
use crate::migration::slot;

#[tokio::test]
async fn rule_11_a_migrating_slot_prevents_the_hold_of_a_cluster() {
    for (rules, is_held) in [(Rules::ALL, false), (Rules::without(11), true)] {
        let Some(made) = Made::cluster(2, 1) else { return };
        let group = made.start().await;
        let (from, to) = (foreign(&group.side.shards[0].primary).await, foreign(&group.side.shards[1].primary).await);
        let key = (0..).map(|number| format!("key{number}")).find(|key| slot::of(key.as_bytes()) < 8192).unwrap();
        let number = slot::of(key.as_bytes()).to_string();
        let (from_id, to_id) = (words(&tell(&from, &["CLUSTER", "MYID"]).await), words(&tell(&to, &["CLUSTER", "MYID"]).await));
        tell(&to, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &from_id]).await;
        tell(&from, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &to_id]).await;
        let hold = Hold::take(&group.side, &us(2), 60 * SECOND, rules, Failing::Releases).await;
        if is_held {
            // The held node sends the client on.
            let hold = hold.unwrap();
            let answer = asked(&from, &["SET", &key, "1"], SECOND).await.unwrap_err();
            assert!(answer.to_string().contains("ASK"), "{answer}");
            drop(hold);
        } else {
            let error = hold.err().unwrap();
            assert_eq!(error, HoldError::Migrating { node: from.node().to_owned(), slot: number.parse().unwrap() });
            for (node, link) in [(&from, &from), (&to, &to)] {
                tell(link, &["CLUSTER", "SETSLOT", &number, "STABLE"]).await;
                assert_eq!(tell(node, &["PING"]).await, Value::SimpleString("PONG".to_owned()));
            }
            let mut hold = Hold::take(&group.side, &us(2), 60 * SECOND, rules, Failing::Releases).await.unwrap();
            hold.prove().await.unwrap();
            assert!(asked(&from, &["SET", &key, "1"], SECOND / 4).await.is_err());
            hold.release().await;
        }
    }
}

#[tokio::test]
async fn rule_11_shown_raw_a_slot_on_its_way_takes_writes_past_the_pause() {
    let Some(made) = Made::cluster(2, 0) else { return };
    let group = made.start().await;
    let (from, to) = (foreign(&group.side.shards[0].primary).await, foreign(&group.side.shards[1].primary).await);
    let key = (0..).map(|number| format!("key{number}")).find(|key| slot::of(key.as_bytes()) < 8192).unwrap();
    let number = slot::of(key.as_bytes()).to_string();
    let (from_id, to_id) = (words(&tell(&from, &["CLUSTER", "MYID"]).await), words(&tell(&to, &["CLUSTER", "MYID"]).await));
    tell(&to, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &from_id]).await;
    tell(&from, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &to_id]).await;
    // Only the shard that has the slot is held yet.
    tell(&from, &["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    assert!(asked(&from, &["SET", &key, "1"], SECOND).await.is_err());
    tell(&to, &["ASKING"]).await;
    tell(&to, &["SET", &key, "1"]).await;
}

#[tokio::test]
async fn rule_11_another_epoch_is_another_cluster() {
    let Some(made) = Made::cluster(3, 0) else { return };
    let group = made.start().await;
    let mut hold = Hold::take(&group.side, &us(2), 60 * SECOND, Rules::ALL, Failing::Releases).await.unwrap();
    hold.prove().await.unwrap();
    let person = foreign(&group.side.shards[0].primary).await;
    assert_eq!(words(&tell(&person, &["CLUSTER", "BUMPEPOCH"]).await), "BUMPED 4");
    let error = hold.prove().await.unwrap_err();
    assert!(error.to_string().contains("epoch"), "{error}");
}

//! Rule 19: a held side is reopened for us alone, and nothing that waited slips in between.

use redis::Value;

use super::hold_ground::{Made, SECOND, foreign, is_held, sent, tell, us};
use crate::migration::hold::{Failing, Hold, HoldError, Ledger, fence, reopen};
use crate::migration::side::Rules;

#[tokio::test]
async fn rule_19_what_waits_is_ended_in_the_moment_that_the_pause_is() {
    for (rules, slips) in [(Rules::ALL, false), (Rules::without(19), true)] {
        let Some(made) = Made::plain(1) else { return };
        let group = made.start().await;
        let mut hold = Hold::take(&group.side, &us(2), 60 * SECOND, rules, Failing::Releases).await.unwrap();
        let ledger = Ledger::read(hold.nodes()).await.unwrap();
        let broken = hold.broken();
        let mut late = Vec::new();
        for number in 0..20 {
            let api = foreign(group.primary()).await;
            late.push(sent(&api, &["SET", &format!("late{number}"), "1"]));
            is_held(&hold.nodes().primaries[0].link, api.id).await;
        }
        reopen(&mut hold, rules).await.unwrap();
        let now = Ledger::read(hold.nodes()).await.unwrap();
        assert_eq!(now.changed_since(&ledger).is_empty(), !slips, "{:?}", now.changed_since(&ledger));
        // It is open for us.
        tell(&hold.nodes().primaries[0].link, &["SET", "ours", "1"]).await;
        assert_eq!(tell(&hold.nodes().primaries[0].link, &["WAIT", "1", "5000"]).await, Value::Int(1));
        for late in late {
            assert_eq!(late.await.unwrap().is_ok(), slips);
        }
        assert_eq!(*broken.borrow(), None);
    }
}

#[tokio::test]
async fn rule_15_a_fence_ends_the_clients_and_makes_the_hold_last() {
    let Some(made) = Made::plain(1) else { return };
    let group = made.start().await;
    let mut hold = Hold::take(&group.side, &us(2), 20 * SECOND, Rules::ALL, Failing::Releases).await.unwrap();
    let ends = hold.ends();
    let api = foreign(group.primary()).await;
    let late = sent(&api, &["SET", "late", "1"]);
    is_held(&hold.nodes().primaries[0].link, api.id).await;
    let gone = fence(&mut hold, &us(2), Rules::ALL, SECOND, 600 * SECOND).await.unwrap();
    assert_eq!(gone.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["api-7"]);
    assert!(late.await.unwrap().is_err() && hold.ends() > ends + 500 * SECOND);
    assert_eq!(fence(&mut hold, &us(2), Rules::ALL, SECOND, 600 * SECOND).await.unwrap(), []);
    // A hold that broke cannot be fenced: something may have been written.
    tell(&foreign(group.primary()).await, &["CLIENT", "UNPAUSE"]).await;
    let mut broken = hold.broken();
    broken.wait_for(Option::is_some).await.unwrap();
    assert!(matches!(fence(&mut hold, &us(2), Rules::ALL, SECOND, 600 * SECOND).await, Err(HoldError::Broken(_))));
}

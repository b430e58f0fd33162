//! Rule 15: a held write is acknowledged the moment the pause ends, and one whose connection was ended never is.

use redis::Value;

use super::hold_ground::{Made, SECOND, foreign, is_held, sent, tell, us};
use crate::migration::hold::{Failing, Hold, Ledger, end_foreign};
use crate::migration::side::Rules;

#[tokio::test]
async fn rule_15_a_late_writer_is_ended_before_the_hold_is_and_the_ledger_tells_where_it_was_not() {
    for ended in [true, false] {
        let Some(made) = Made::plain(1) else { return };
        let group = made.start().await;
        let api = foreign(group.primary()).await;
        tell(&api, &["SET", "before", "1"]).await;
        let mut hold = Hold::take(&group.side, &us(2), 60 * SECOND, Rules::ALL, Failing::Releases).await.unwrap();
        let ledger = Ledger::read(hold.nodes()).await.unwrap();
        let late = sent(&api, &["SET", "late", "1"]);
        is_held(&hold.nodes().primaries[0].link, api.id).await;
        if ended {
            end_foreign(hold.nodes(), &us(2), SECOND).await.unwrap();
        }
        assert_eq!(Ledger::read(hold.nodes()).await.unwrap().changed_since(&ledger), [""; 0], "what is held has not run");
        hold.release().await;
        assert_eq!(late.await.unwrap().is_ok(), !ended);
        let said = Ledger::read(hold.nodes()).await.unwrap().changed_since(&ledger);
        match ended {
            true => assert_eq!(said, [""; 0]),
            false => assert_eq!(said, [format!("{}: SET ran once", api.node())]),
        }
        assert_eq!(tell(&hold.nodes().primaries[0].link, &["EXISTS", "late"]).await, Value::Int(i64::from(!ended)));
    }
}

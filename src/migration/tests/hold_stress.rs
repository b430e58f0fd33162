//! The trial on a new target.

use super::hold_ground::{Made, foreign, tell, us};
use crate::migration::hold::stress;
use crate::migration::side::Rules;

#[tokio::test]
async fn a_build_that_keeps_its_word_passes_and_is_left_empty() {
    let made = [Made::plain(1), Made::cluster(2, 1)];
    let old = std::env::var_os("HOLDFAST_REDIS_62").and_then(|program| Some(Made { program: program.into(), ..Made::plain(1)? }));
    for made in made.into_iter().chain([old]).flatten() {
        let group = made.start().await;
        let stressed = stress(&group.side, &us(2), Rules::ALL).await.unwrap();
        assert_eq!(stressed.findings, []);
        assert!(stressed.acknowledged > 100, "{stressed:?}");
        for shard in &group.side.shards {
            assert_eq!(tell(&foreign(&shard.primary).await, &["DBSIZE"]).await, redis::Value::Int(0));
        }
    }
}

#[tokio::test]
async fn a_build_that_does_not_track_or_does_not_hold_fails() {
    let Some(made) = Made::plain(0) else { return };
    let untracked = Made { config: vec!["user default on nopass ~* &* +@all -client|tracking".to_owned()], ..made }.start().await;
    let stressed = stress(&untracked.side, &us(2), Rules::ALL).await.unwrap();
    assert!(stressed.findings.len() == 1 && stressed.findings[0].blocks, "{stressed:?}");
    assert!(stressed.findings[0].what.contains("does not push changes"), "{stressed:?}");
    // One whose pause cannot be made longer without a gap.
    let group = Made::plain(0).unwrap().start().await;
    let stressed = stress(&group.side, &us(2), Rules::without(10)).await.unwrap();
    assert!(stressed.findings.iter().any(|finding| finding.what.contains("were acknowledged in the hold")), "{stressed:?}");
}

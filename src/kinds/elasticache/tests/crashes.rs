//! The process ends at every call of a run that turns TLS and AUTH on: the next run reaches the same end, with an empty journal too.

use super::account::{Account, SECRET, TOKEN, found};
use crate::execute::End;
use crate::kinds::testing::one_in;
use crate::sandbox::faults::{Fault, Faults};

fn wish() -> String {
    format!(
        "{{name: huntaze-redis, transitEncryption: Required, parameters: {{timeout: 300}}, tags: {{team: a}}, auth: {{secretArn: '{SECRET}', key: token}}}}"
    )
}

/// Every time that a write was done, somebody could connect: with the token, or without one as before.
fn never_locked_out(account: &Account) {
    assert!(account.admits(Some(TOKEN)) || account.admits(None), "nobody can connect");
}

#[tokio::test]
async fn a_run_that_ends_anywhere_is_finished_by_the_next() {
    let whole = Account::new(&found(", atRestEncryption: true"));
    whole.apply(&wish()).await;
    // Between two writes nothing changes: an end at a reading call is one before the next write.
    let writes: Vec<u64> = whole.sandbox.writes().iter().map(|write| write.number).collect();
    assert!(writes.len() >= 9, "{writes:?}");
    for number in one_in(4, writes) {
        for fault in [Fault::EndBefore, Fault::EndAfter] {
            let first =
                Account::with(serde_yaml::from_str(&found(", atRestEncryption: true")).unwrap(), Faults::once(number, fault.clone()));
            let wished = wish();
            tokio::select! {
                _ = first.apply(&wished) => {}
                _ = first.sandbox.ended() => {}
            }
            never_locked_out(&first);
            let next = Account::with(first.sandbox.world(), Faults::default());
            let outcomes = next.apply(&wish()).await;
            never_locked_out(&next);
            assert_eq!(outcomes.failed().count() + outcomes.blocked().count(), 0, "call {number}, {fault:?}: {outcomes:#?}");
            next.in_sync(&wish()).await;
            assert!(next.admits(Some(TOKEN)) && !next.admits(None), "call {number}, {fault:?}");
            assert_eq!(next.sandbox.world().elasticache.parameter_groups.len(), 1, "nothing is made twice");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_second_change() {
    let whole = Account::new(&found(", atRestEncryption: true"));
    whole.apply(&wish()).await;
    let applied = whole.writes().len();
    let writes: Vec<u64> = whole.sandbox.writes().iter().map(|write| write.number).collect();
    for number in one_in(4, writes) {
        let world = serde_yaml::from_str(&found(", atRestEncryption: true")).unwrap();
        let account = Account::with(world, Faults::once(number, Fault::CutAfter));
        let outcomes = account.apply(&wish()).await;
        assert_eq!(outcomes.failed().count() + outcomes.blocked().count(), 0, "call {number}: {outcomes:#?}");
        assert!(account.admits(Some(TOKEN)) && !account.admits(None));
        assert!(account.writes().len() <= applied + 1, "call {number}: a note may be written again, nothing else: {:?}", account.writes());
    }
}

/// A token is given to a group by a request that looks again at what it stands on: an older document on show is waited out, not taken for somebody's.
/// A look at the whole takes seven reads, and is waited for two minutes: of every fourth it would be stale more often than not.
#[tokio::test]
async fn a_token_is_set_though_reads_are_stale() {
    let points = (0..16).map(|seed| (0.125, seed)).chain((0..8).map(|seed| (0.25, seed)));
    for (rate, seed) in one_in(10, points.collect()) {
        let faults = Faults { rate, kinds: vec![Fault::StaleRead], seed, ..Faults::default() };
        let account = Account::with(serde_yaml::from_str(&found(", atRestEncryption: true")).unwrap(), faults);
        let outcomes = account.apply(&wish()).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{rate}, seed {seed}, after {:?}", outcomes.resources[0].done);
        assert!(account.admits(Some(TOKEN)) && !account.admits(None), "{rate}, seed {seed}");
    }
}

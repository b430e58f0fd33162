//! A manifest that is edited while clients are turned, with an application that writes all the time.

use super::super::pipeline::reasons;
use super::*;
use crate::kinds::Reason;

/// The process was ended when clients were turned; before another one goes on, somebody has edited or emptied `cutover`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_a_place_is_taken_out_or_edited_while_clients_are_turned() {
    let place = format!("{{secretsManager: {{secretArn: '{APP}'}}}}");
    for instead in ["", "{secretsManager: {secretArn: 'arn:aws:secretsmanager:us-east-1:317805897534:secret:redis-a1B2c3', key: token}}"] {
        let Some((account, application)) = serving(FLAT).await else { return };
        let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Turn the secret"));
        account.apply_until(&wish(), last).await;
        let edited = wish().replace(&place, instead);
        assert_ne!(edited, wish());
        let plan = account.planned(&edited).await;
        assert_eq!(reasons(&plan).iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), [Reason::Conflict], "{plan:#?}");
        let outcomes = account.apply(&edited).await;
        assert!(matches!(outcomes.resources[0].end, End::Blocked { .. }), "{:#?}", outcomes.resources[0]);
        assert!(account.sandbox.world().elasticache.replication_groups.len() == 2, "the new group was taken away under its clients");
        // As it was: they are turned back.
        let outcomes = account.apply(&wish()).await;
        assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
        application.writes_more(200).await;
        is_as_found(&account);
        assert_eq!(application.lost(&account).await, [""; 0]);
    }
}

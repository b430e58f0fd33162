//! Rule 2: earlier lives are ended; who is who on a node.

use super::hold_ground::{Made, eventually, foreign, foreign_as, is_held, sent, tell, us};
use crate::migration::hold::{HoldError, Nodes, clients, end_earlier, end_foreign, foreigners};
use crate::migration::wire::Link;

#[tokio::test]
async fn rule_2_connections_of_earlier_epochs_are_ended_and_later_ones_respected() {
    let Some(made) = Made::plain(1) else { return };
    let group = made.start().await;
    let earlier = Link::connect(group.primary(), 0, &us(3).for_role("copy"), None).await.unwrap();
    let on_replica = Link::connect(group.replica(0), 0, &us(3).for_role("copy"), None).await.unwrap();
    let api = foreign(group.primary()).await;
    let nodes = Nodes::connect(&group.side, &us(4)).await.unwrap();
    assert_eq!(end_earlier(&nodes, &us(4)).await.unwrap(), 2);
    eventually("the earlier connections end", async || earlier.is_broken() && on_replica.is_broken()).await;
    assert_eq!(end_earlier(&nodes, &us(4)).await.unwrap(), 0);
    tell(&api, &["SET", "a", "1"]).await;
    // The earlier life, were it to ask, is told that it is over.
    assert_eq!(Nodes::connect(&group.side, &us(3)).await.err(), Some(HoldError::Superseded { epoch: 4 }));
    let stranger = crate::migration::wire::Name { migration: "other".to_owned(), ..us(3) };
    let late = Nodes::connect(&group.side, &stranger).await.unwrap();
    assert_eq!(end_earlier(&late, &us(3)).await, Err(HoldError::Superseded { epoch: 4 }));
}

#[tokio::test]
async fn foreign_clients_are_named_and_ended_held_ones_too() {
    let Some(made) = Made::plain(1) else { return };
    let group = made.start().await;
    let api = foreign_as(group.primary(), "api-7").await;
    let reader = foreign_as(group.replica(0), "report").await;
    let nodes = Nodes::connect(&group.side, &us(2)).await.unwrap();
    let control = &nodes.primaries[0].link;
    tell(control, &["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    let held = sent(&api, &["SET", "late", "1"]);
    is_held(control, api.id).await;
    let mut names: Vec<String> = foreigners(&nodes, &us(2)).await.unwrap().into_iter().map(|foreigner| foreigner.name).collect();
    names.sort();
    assert_eq!(names, ["api-7", "report"]);
    let ended = end_foreign(&nodes, &us(2), super::hold_ground::SECOND).await.unwrap();
    assert_eq!(ended.len(), 2);
    assert!(held.await.unwrap().is_err(), "a held write of an ended client was acknowledged");
    tell(control, &["CLIENT", "UNPAUSE"]).await;
    assert_eq!(tell(control, &["EXISTS", "late"]).await, redis::Value::Int(0));
    eventually("the reader is gone", async || reader.is_broken()).await;
    assert!(clients(control).await.unwrap().len() >= 2, "replica and we ourselves are still there");
}

#[tokio::test]
async fn a_client_that_comes_back_again_and_again_is_named() {
    let Some(made) = Made::plain(0) else { return };
    let group = made.start().await;
    let application = super::hold_ground::Application::start(&group.side, 2);
    application.writes_more(10).await;
    let nodes = Nodes::connect(&group.side, &us(2)).await.unwrap();
    let error = end_foreign(&nodes, &us(2), super::hold_ground::SECOND / 2).await.unwrap_err();
    let HoldError::ClientsStay { clients, .. } = &error else { panic!("{error}") };
    assert!(!clients.is_empty() && error.to_string().contains("127.0.0.1:"), "{error}");
    // Left alone it loses nothing by that: an ended connection's write was not acknowledged.
    assert_eq!(application.lost(&group.side).await, 0);
}

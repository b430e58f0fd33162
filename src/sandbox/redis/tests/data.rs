//! Data: made up, saved, restored, kept.

use super::*;

fn with(mut wanted: Wanted, name: &str, snapshot: Snapshot) -> Wanted {
    wanted.snapshots.insert(name.to_owned(), snapshot);
    wanted
}

fn from(node: &str) -> Snapshot {
    Snapshot::Nodes { group: "g".to_owned(), nodes: vec![node.to_owned()] }
}

fn restored(shards: Vec<Shard>, snapshot: &str) -> Group {
    Group { shards, restored_from: Some(snapshot.to_owned()), ..group(1) }
}

fn alone(name: &str) -> Vec<Shard> {
    vec![Shard { nodes: vec![name.to_owned()], primary: Some(name.to_owned()) }]
}

#[tokio::test]
async fn a_snapshot_has_the_data_of_its_moment() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { keys: 1000, ..group(2) }));
    let source = plain(&fleet, "g-001").await;
    assert_eq!(text(&source, &["DBSIZE"]).await.as_deref(), Some("1000"));
    text(&source, &["SET", "before", "1"]).await;
    ask(&source, &["WAIT", "1", "10000"]).await.unwrap();
    // Of the replica.
    let mut account = with(wanted("g", Group { keys: 1000, ..group(2) }), "first", from("g-002"));
    follow(&fleet, &account);
    text(&source, &["SET", "after", "1"]).await;
    account = with(account, "second", Snapshot::Copy("first".to_owned()));
    account.groups.insert("target".to_owned(), restored(alone("t"), "first"));
    follow(&fleet, &account);
    let target = plain(&fleet, "t").await;
    assert_eq!(text(&target, &["DBSIZE"]).await.as_deref(), Some("1001"));
    assert_eq!(text(&target, &["GET", "after"]).await, None);
    assert_eq!(text(&target, &["GET", "before"]).await.as_deref(), Some("1"));

    account.snapshots.remove("first");
    account.groups.insert("late".to_owned(), restored(alone("late"), "first"));
    account.groups.insert("again".to_owned(), restored(alone("again"), "second"));
    let troubles = fleet.follow(|| account.clone());
    assert!(
        matches!(&troubles[..], [super::super::Trouble::Group { name, starting: true, why: super::super::FleetError::NoSnapshot(_) }] if name == "late"),
        "{troubles:?}"
    );
    assert_eq!(text(&plain(&fleet, "again").await, &["DBSIZE"]).await.as_deref(), Some("1001"));
}

#[tokio::test]
async fn a_group_that_ends_can_leave_a_last_snapshot() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { keys: 10, ..group(1) }));
    let pids = fleet.pids();
    follow(&fleet, &with(Wanted::default(), "last", from("g-001")));
    assert!(fleet.pids().is_empty() && pids.iter().all(|pid| !alive(*pid)));
    let mut account = with(wanted("new", restored(alone("n"), "last")), "last", from("g-001"));
    account.groups.entry("new".to_owned()).or_default().up = true;
    follow(&fleet, &account);
    assert_eq!(text(&plain(&fleet, "n").await, &["DBSIZE"]).await.as_deref(), Some("10"));
}

#[tokio::test]
async fn data_that_lasts_is_there_again_and_nothing_runs_meanwhile() {
    if fleet().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut address = None;
    for version in [[7, 0], [6, 2]] {
        let folder = folder.path().join(format!("v{}", version[0]));
        for round in 0..3 {
            let fleet = Fleet::lasting(&folder).unwrap();
            follow(&fleet, &wanted("g", Group { keys: 100, version, ..group(2) }));
            let link = plain(&fleet, "g-001").await;
            assert_eq!(text(&link, &["DBSIZE"]).await, Some((100 + round).to_string()));
            text(&link, &["SET", &format!("round {round}"), "1"]).await;
            assert_eq!(*address.get_or_insert(at(&fleet, "g-001")), at(&fleet, "g-001"));
            let pids = fleet.pids();
            drop(fleet);
            assert!(pids.len() == 2 && pids.iter().all(|pid| !alive(*pid)));
        }
        address = None;
    }
}

/// A folder of a user's may be called anything.
#[test]
fn a_server_runs_in_any_folder() {
    let Some(redis) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("my \"st\\ate\" # ü");
    std::fs::create_dir(&own).unwrap();
    let options = super::super::ServerOptions { program: redis, host: "127.0.0.1".to_owned(), port: 0, rdb: None, config: Vec::new() };
    let server = super::super::Server::start(&own, &options).unwrap();
    assert!(server.log().contains("eady to accept connections"), "{}", server.log());
}

#[test]
fn servers_end_with_their_owner() {
    let Some(redis) = program() else { return };
    // The owner is a shell that is killed; it has what Server gives a server: a pipe that only it holds.
    let folder = tempfile::tempdir().unwrap();
    let options = super::super::ServerOptions { program: redis, host: "127.0.0.1".to_owned(), port: 0, rdb: None, config: Vec::new() };
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let mut server = super::super::Server::start_in(&own, &options, Some(&own)).unwrap();
    let pid = server.pid();
    server.abandon();
    until("the server to end when its pipe breaks", || !alive(pid));
    until("its folder to go", || !own.exists());
}

//! What a dry run of a move with `writeGap: None` finds out, from real Redis servers, and that it changes nothing there.

use std::collections::BTreeMap;

use super::*;
use crate::hex::sha256;
use crate::kinds::Reason;
use crate::migration::hold::writing_commands;
use crate::migration::wire::{Link, Name};
use crate::plan::ResourcePlan;
use crate::sandbox::redis::Network;

/// An account whose secret names the group's address.
async fn found(more: &str) -> Option<(Account, String)> {
    found_with(more, "").await
}

async fn found_with(more: &str, faults: &str) -> Option<(Account, String)> {
    let account = account_with(&format!("{FLAT}{more}"), faults)?;
    let (host, port) = address(&account).await;
    write_secret(&account, &format!("redis://{host}:{port}/0"));
    Some((account, format!("{host}:{port}")))
}

/// A group with a token, as it was made with it.
fn secured(token: &str) -> String {
    let hash = sha256(token);
    format!(", transitEncryption: required, auth: {{tokens: ['{hash}'], passwordless: false}}")
}

fn blocks(plan: &ResourcePlan) -> Vec<(Reason, String)> {
    plan.all_blocks().map(|block| (block.reason, format!("{}: {}", block.message, block.what_to_do))).collect()
}

fn blocked(plan: &ResourcePlan, reason: Reason, words: &[&str]) {
    let blocks = blocks(plan);
    let is = |(found, said): &(Reason, String)| *found == reason && words.iter().all(|word| said.contains(word));
    assert!(blocks.iter().any(is), "{reason:?} {words:?}: {blocks:#?}");
    assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
}

fn forecast(plan: &ResourcePlan) -> Option<&String> {
    plan.notes.iter().find(|note| note.starts_with("forecast: "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_shows_the_forecast_and_writes_nothing() {
    let Some((account, at)) = found("").await else { return };
    let to = endpoint(&format!("redis://{at}"), &[]).unwrap();
    let link = Link::connect(&to, 0, &Name { migration: "check".to_owned(), epoch: 1, role: "check" }, None).await.unwrap();
    let writing = writing_commands(&link).await.unwrap();
    let calls = async || {
        let stats = link.info("commandstats").await.unwrap().command_stats().into_iter();
        let written = stats.filter(|(command, _)| writing.contains(command)).map(|(command, stats)| (command, stats.calls));
        (written.collect::<BTreeMap<String, u64>>(), link.info("persistence").await.unwrap().number("rdb_changes_since_last_save"))
    };
    let before = calls().await;
    account.sandbox.forget_records();
    let plan = account.plan(&wish()).await;
    assert_eq!(calls().await, before, "a dry run wrote to the group");
    assert_eq!(account.sandbox.writes().len(), 0, "a dry run wrote to AWS");
    let forecast = forecast(&plan.resources[0]).unwrap_or_else(|| panic!("{:#?}", plan.resources[0]));
    for words in [
        "forecast: copy ",
        "(2000 keys, ",
        " writes/s), writes wait 21 s (settle ",
        "20 s for AWS are assumed",
        "budget 2.0 h",
        "2 x cache.t3.micro more for 24 h: 48 node-hours",
    ] {
        assert!(forecast.contains(words), "{words}: {forecast}");
    }
    assert!(!plan.resources[0].steps.is_empty());
    // What is consented to holds no forecast: it is another one every time.
    let application = Application::start(&account, 4, Duration::from_millis(1));
    application.writes_more(500).await;
    let again = account.plan(&wish()).await;
    assert_eq!(again.hash, plan.hash);
    assert_ne!(self::forecast(&again.resources[0]), Some(forecast));
    drop(application);
    // What loses writes on purpose asks no node.
    let open = wish().replace("approved: true", "approved: true, writeGap: Accept");
    account.sandbox.redis().unwrap().network(OLD, Network::Cut).unwrap();
    assert!(!account.planned(&open).await.steps.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_the_budget_blocks() {
    let Some((account, _)) = found("").await else { return };
    let plan = account.planned(&wish().replace("freezeBudget: 2h", "freezeBudget: 10s")).await;
    blocked(&plan, Reason::InvalidWish, &["writes would wait about 21 s, and freezeBudget is 10 s", "raise migration.freezeBudget"]);
    assert!(forecast(&plan).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_cannot_be_reached_blocks_with_its_address() {
    let Some((account, _)) = found("").await else { return };
    account.sandbox.redis().unwrap().network(OLD, Network::Cut).unwrap();
    let plan = account.planned(&wish()).await;
    let node = account.sandbox.redis().unwrap().addresses().get("huntaze-redis-001").unwrap();
    blocked(&plan, Reason::Unreadable, &[&node.to_string(), "could not be reached", "run holdfast where it can be reached"]);
    assert_eq!(forecast(&plan), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_in_force_blocks_and_one_that_is_logs_in() {
    let Some((account, _)) = found(&secured("another-token-than-that-one")).await else { return };
    let plan = account.planned(&wish()).await;
    blocked(&plan, Reason::Unreadable, &["have the secret hold the token that is in force"]);
    let Some((account, _)) = found(&secured(TOKEN)).await else { return };
    let plan = account.planned(&wish()).await;
    assert!(forecast(&plan).is_some() && !plan.steps.is_empty(), "{plan:#?}");
    assert!(!format!("{plan:?}").contains(TOKEN));
    // Denied is unknown.
    let Some((account, _)) = found_with(&secured(TOKEN), "denied@GetSecretValue").await else { return };
    let plan = account.planned(&wish()).await;
    blocked(&plan, Reason::Unreadable, &["what the nodes of huntaze-redis allow: secretsmanager:GetSecretValue", "where it only looks"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_wrong_is_said_at_once() {
    let Some((account, _)) = found("").await else { return };
    let servers = account.sandbox.redis().unwrap();
    servers.forbid(OLD, "dump").unwrap();
    servers.forbid(OLD, "client|pause").unwrap();
    account.sandbox.edit(|world| {
        world.elasticache.subnet_groups.clear();
    });
    let plan = account.planned(&wish().replace("freezeBudget: 2h", "freezeBudget: 10s")).await;
    blocked(&plan, Reason::NotSupported, &["refuses DUMP", "allow it for holdfast's user"]);
    blocked(&plan, Reason::NotSupported, &["refuses CLIENT PAUSE"]);
    blocked(&plan, Reason::NotSupported, &["the subnet group private", "is not there"]);
    blocked(&plan, Reason::InvalidWish, &["freezeBudget"]);
}

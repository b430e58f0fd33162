//! Everything that the sandbox's account holds.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::redis::Addresses;
use super::{cloudtrail, ecs, elasticache, guardduty, ids, kms, rds, s3, s3control, secretsmanager, sns, ssm, sts};

/// An account. The file given with `--account` is one of these, written as YAML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct World {
    /// Twelve digits.
    pub account: String,
    pub region: String,
    /// How many entries a page of a listing holds at the most.
    pub page_size: usize,
    pub s3: s3::State,
    pub s3control: s3control::State,
    pub rds: rds::State,
    pub elasticache: elasticache::State,
    pub cloudtrail: cloudtrail::State,
    pub guardduty: guardduty::State,
    pub sns: sns::State,
    pub secretsmanager: secretsmanager::State,
    pub kms: kms::State,
    pub ssm: ssm::State,
    pub ecs: ecs::State,
    pub sts: sts::State,
    /// The time of the call under way; set before each.
    #[serde(skip)]
    pub now: Timestamp,
    /// Where its real servers are, while they run.
    #[serde(skip)]
    pub servers: Option<Addresses>,
}

impl Default for World {
    fn default() -> World {
        World {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            page_size: 100,
            s3: Default::default(),
            s3control: Default::default(),
            rds: Default::default(),
            elasticache: Default::default(),
            cloudtrail: Default::default(),
            guardduty: Default::default(),
            sns: Default::default(),
            secretsmanager: Default::default(),
            kms: Default::default(),
            ssm: Default::default(),
            ecs: Default::default(),
            sts: Default::default(),
            now: Timestamp::UNIX_EPOCH,
            servers: None,
        }
    }
}

impl World {
    /// What is wrong with this account as a whole.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("account: expected twelve digits in quotes, found {:?}", self.account));
        }
        if self.region.is_empty() {
            return Err("region: expected the name of a region, such as us-east-1".to_owned());
        }
        if self.page_size == 0 {
            return Err("pageSize: expected 1 or more".to_owned());
        }
        Ok(())
    }

    /// Lets everything that takes time become what it is by `now`.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.s3.settle(now, &self.region);
        self.s3control.settle(now);
        self.rds.settle(now);
        self.elasticache.settle(now);
        self.cloudtrail.settle(now);
        self.guardduty.settle(now);
        self.sns.settle(now);
        self.secretsmanager.settle(now);
        self.kms.settle(now);
        self.ssm.settle(now);
        self.ecs.settle(now);
        self.sts.settle(now);
    }

    /// The account as JSON, with the SHA-256 of each secret in its place.
    pub(super) fn shown(&self) -> Value {
        // The account is made of maps with text keys, lists and plain values: all of it can be JSON.
        let mut hidden = self.clone();
        hidden.ssm.hide();
        let mut shown = serde_json::to_value(&hidden).unwrap_or_default();
        hide(&mut shown);
        shown
    }

    /// Writes the account to a file, in one piece: a reader finds the old or the new one.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(&Saved { saved_at: self.now, world: self.clone() })?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, path)
    }
}

/// An account in a file of ours, with the time on its clock.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Saved {
    saved_at: Timestamp,
    world: World,
}

impl Saved {
    /// Whether the account in this file has real servers; none where there is no such file.
    pub(super) fn has_servers(path: &Path) -> Option<bool> {
        let saved: Value = serde_json::from_slice(&crate::plain::read(path).ok()?).ok()?;
        saved.pointer("/world/elasticache/servers")?.as_bool()
    }

    pub(super) fn into_world(self) -> World {
        World { now: self.saved_at, ..self.world }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if matches!(name.as_str(), "secretString" | "secretBinary") => {
                        *text = format!("sha256:{}", ids::sha256(text));
                    }
                    other => hide(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

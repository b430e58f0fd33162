//! Everything that the sandbox's account holds.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::redis::Addresses;
use super::{cloudtrail, ecs, elasticache, guardduty, ids, kms, rds, s3, s3control, secretsmanager, sns, ssm, sts};

/// An account of the sandbox, as `holdfast sandbox serve --account FILE` reads it, written as YAML. All of it may be left out. What is marked
/// `readOnly` the sandbox writes itself, while something is under way; nobody needs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Account", extend("$id" = "https://holdfast.dev/account/v1.json"))]
pub struct World {
    /// The number of the account: twelve digits, in quotes.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub account: String,
    /// The region of everything that names no other.
    #[schemars(length(min = 1))]
    pub region: String,
    /// How many entries a page of a listing holds at the most.
    #[schemars(range(min = 1))]
    pub page_size: usize,
    /// S3: buckets.
    pub s3: s3::State,
    /// S3's settings of the account as a whole.
    pub s3control: s3control::State,
    /// RDS: databases.
    pub rds: rds::State,
    /// ElastiCache: Redis and memcached.
    pub elasticache: elasticache::State,
    /// CloudTrail: trails.
    pub cloudtrail: cloudtrail::State,
    /// GuardDuty: the detector.
    pub guardduty: guardduty::State,
    /// SNS: topics, and what was published to them.
    pub sns: sns::State,
    /// Secrets Manager: secrets.
    pub secretsmanager: secretsmanager::State,
    /// KMS: keys and aliases.
    pub kms: kms::State,
    /// Systems Manager's Parameter Store: parameters.
    pub ssm: ssm::State,
    /// ECS: clusters and their services.
    pub ecs: ecs::State,
    /// STS: who asks, and the roles that may be assumed.
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
    /// The JSON schema of an account file, in one piece: several services have a type of the same name.
    pub fn schema() -> Value {
        let in_one_piece = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        in_one_piece.with_transform(RecursiveTransform(without_empty_defaults)).into_generator().into_root_schema_for::<World>().to_value()
    }

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

/// Takes out the defaults that say nothing: the description says what leaving out means, or the members inside do.
fn without_empty_defaults(schema: &mut Schema) {
    if schema.get("default").is_some_and(|value| value.is_null() || value.is_object() || value.is_array() || value == "") {
        schema.remove("default");
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if matches!(name.as_str(), "secretString" | "secretBinary") => {
                        *text = format!("sha256:{}", ids::sha256(&*text));
                    }
                    other => hide(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

#[cfg(test)]
mod tests;

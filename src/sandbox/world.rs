//! Everything that the sandbox's account holds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{cloudtrail, elasticache, guardduty, kms, rds, s3, s3control, secretsmanager, sns, sts};

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
    pub sts: sts::State,
    /// The time of the call under way; set before each.
    #[serde(skip)]
    pub now: Timestamp,
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
            sts: Default::default(),
            now: Timestamp::UNIX_EPOCH,
        }
    }
}

//! Default encryption.

use super::super::change::Change;
use super::super::observe::Encryption;
use super::{Maker, back};
use crate::kinds::{Fact, Impact, Reason, few, kms};

impl Maker<'_> {
    pub(super) fn encryption(&mut self) {
        let drifts = self.planning.below("encryption");
        if drifts.is_empty() {
            return;
        }
        let found = match &self.planning.seen.encryption {
            Fact::Present(found) => found.clone(),
            Fact::Absent => Encryption::of_a_new_bucket(),
            Fact::Unknown(why) => {
                let why = why.clone();
                return self.unreadable("encryption", &why);
            }
        };
        let text = |path: &str| self.planning.drift(path).and_then(|drift| drift.declared.as_str());
        let algorithm = match (text("encryption.algorithm"), found.algorithm.as_str()) {
            (Some(declared), _) => declared,
            // A bucket of before 2023 that nothing was set for: S3 encrypts so by itself.
            (None, "") => "AES256",
            (None, found) => found,
        };
        let logs: Vec<&String> = self.planning.sharing(self.bucket).iter().filter(|source| *source != self.bucket).collect();
        if algorithm != "AES256" && !found.algorithm.starts_with("aws:kms") && !logs.is_empty() {
            let message = format!(
                "access logs of {} go to {}, and S3 delivers none to a bucket whose default encryption is {algorithm}",
                few(&logs),
                self.bucket
            );
            let what_to_do = "declare encryption.algorithm: AES256, or another logging.targetBucket there";
            return self.steps.block(Reason::Conflict, "encryption.algorithm", message, what_to_do);
        }
        let key = match (text("encryption.kmsKeyId"), algorithm) {
            (Some(_), "AES256") => {
                let message = "only KMS encryption has a key, and the bucket's is SSE-S3";
                return self.steps.block(Reason::Conflict, "encryption.kmsKeyId", message, "let encryption.algorithm be aws:kms too");
            }
            (Some(declared), _) => match self.key(declared) {
                Some(key) => Some(key),
                None => return,
            },
            (None, "AES256") => None,
            (None, _) => found.raw_key.clone(),
        };
        let bucket_key = match self.planning.drift("encryption.bucketKey").and_then(|drift| drift.declared.as_bool()) {
            Some(declared) => Some(declared),
            // DSSE has none; else what was found stays.
            None => (found.bucket_key && algorithm != "aws:kms:dsse").then_some(true),
        };
        if bucket_key == Some(true) && algorithm == "aws:kms:dsse" {
            let message = "the bucket is encrypted in two layers (aws:kms:dsse), which knows no bucket key";
            return self.steps.block(
                Reason::Conflict,
                "encryption.bucketKey",
                message,
                "declare encryption.algorithm: aws:kms, or no bucketKey",
            );
        }
        let by = match &key {
            Some(key) => format!("{algorithm} with the key {key}"),
            None => algorithm.to_owned(),
        };
        let change = Change::Encryption { algorithm: algorithm.to_owned(), key, bucket_key, blocked: found.blocked.clone() };
        let mut step = self.step(format!("Encrypt new objects of {} by {by}", self.bucket), change, &drifts);
        if !self.made.is_empty() {
            step.impact = Impact::Online;
        } else if algorithm != "AES256" {
            step.takes = "whoever writes needs kms:GenerateDataKey on the key, whoever reads new objects kms:Decrypt".to_owned();
        } else if step.impact > Impact::Online {
            step.takes = "less protected: whoever may read the bucket needs no permission on a key any more".to_owned();
        }
        if algorithm != "AES256" {
            step = step.also_takes("requests to KMS are paid for");
        }
        let back = self.back(|bucket| back::encryption(bucket, &found), ": objects stay as they were written");
        self.steps.push(step.back(back));
    }

    /// The ARN of the declared key, where it can be used for this bucket, which is of the object's region as all that are changed.
    fn key(&mut self, declared: &str) -> Option<String> {
        let key = &self.planning.seen.key;
        if let Fact::Unknown(why) = key {
            let why = why.clone();
            self.unreadable("encryption.kmsKeyId", &why);
            return None;
        }
        let (field, region) = ("encryption.kmsKeyId", self.planning.scope.region.as_str());
        let elsewhere = kms::elsewhere((declared, region), field, (self.bucket, region));
        let fit = elsewhere.map_or_else(|| kms::usable(key, field, declared, self.planning.scope), Err);
        match fit {
            Ok(arn) => Some(arn),
            Err(wrong) => {
                self.steps.block(wrong.reason, field, wrong.message, wrong.what_to_do);
                None
            }
        }
    }
}

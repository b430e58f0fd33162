//! Where access logs go.

use super::super::change::Change;
use super::super::spec::Algorithm;
use super::{Maker, back};
use crate::kinds::{Fact, Impact, Reason, Why};

impl Maker<'_> {
    pub(super) fn logging(&mut self) {
        let drifts = self.planning.below("logging");
        if drifts.is_empty() {
            return;
        }
        let found = match &self.planning.seen.logging {
            Fact::Present(found) => Some(found),
            Fact::Absent => None,
            Fact::Unknown(why) => {
                let why = why.clone();
                return self.unreadable("logging", &why);
            }
        };
        if found.is_some_and(|found| found.grants) {
            let message = format!("log objects of {} carry grants, which a change would lose", self.bucket);
            return self.steps.block(
                Reason::NotSupported,
                "logging",
                message,
                "take the grants off (the target's policy can give the same), or change logging by hand",
            );
        }
        let text = |path: &str| self.planning.drift(path).and_then(|drift| drift.declared.as_str());
        let Some(target) = text("logging.targetBucket").or(found.map(|found| found.bucket.as_str())) else {
            let message = format!("{} has no access log whose prefix could be changed", self.bucket);
            return self.steps.block(Reason::Conflict, "logging.targetPrefix", message, "declare logging.targetBucket too");
        };
        if target == self.bucket {
            let message = format!("{} would log to itself, and log its own log, without end", self.bucket);
            return self.steps.block(Reason::InvalidWish, "logging.targetBucket", message, "except the target from the selector");
        }
        if let Some((reason, message, what_to_do)) = self.undelivered(target) {
            return self.steps.block(reason, "logging.targetBucket", message, what_to_do);
        }
        let change = Change::Logging {
            target: target.to_owned(),
            prefix: text("logging.targetPrefix").or(found.map(|found| found.prefix.as_str())).unwrap_or_default().to_owned(),
            key_format: found.and_then(|found| found.key_format.clone()),
        };
        let back = self.back(|bucket| back::logging(bucket, found), "");
        let step = self.step(format!("Deliver the access log of {} to {target}", self.bucket), change, &drifts);
        let moves =
            if step.impact > Impact::Online { "new log files appear in another place; whoever reads them must look there" } else { "" };
        let step = step.also_takes(moves).also_takes("log files are stored and paid for until they are deleted or expire");
        self.steps.push(step.back(back));
    }

    /// Why S3 would not deliver a log to `target`, as the manifest has it or else as it is: only SSE-S3 will do there.
    fn undelivered(&self, target: &str) -> Option<(Reason, String, String)> {
        let conflict = |how: String| {
            let message = format!("{target} {how}, and S3 delivers access logs only to buckets whose default encryption is SSE-S3");
            Some((Reason::Conflict, message, format!("declare encryption.algorithm: AES256 for {target}, or another logging.targetBucket")))
        };
        let declared = self.planning.peer(target).and_then(|peer| peer.encryption.as_ref()?.algorithm);
        match (declared, &self.planning.seen.log_encryption) {
            (Some(Algorithm::Aes256), _) => None,
            (Some(algorithm), _) => conflict(format!("is declared to be encrypted by {}", algorithm.as_str())),
            (None, Fact::Present(found)) if found.bucket == target && found.by_kms() => {
                conflict(format!("is encrypted by {}", found.algorithm))
            }
            (None, Fact::Unknown(why)) if why.why != Why::NotAsked => {
                let message = format!("how {target} is encrypted could not be read: {}: {}", why.call, why.message);
                Some((Reason::Unreadable, message, why.what_to_do()))
            }
            _ => None,
        }
    }
}

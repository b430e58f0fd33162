//! What a new group is made with, and everything that stands in the way of making it. Pure.

use super::plan::Plan;
use super::reference;
use super::seen::{Source, Target};
use crate::kinds::elasticache::migration::Migration;
use crate::kinds::elasticache::seen::Members;
use crate::kinds::elasticache::spec::TransitEncryption;
use crate::kinds::elasticache::token::TokenRef;
use crate::kinds::elasticache::version;
use crate::kinds::{Drift, Fact, Reason};

/// The families of node types that know no encryption at rest. [AWS documentation, "At-Rest Encryption in ElastiCache", conditions]
const NOT_ENCRYPTED: [&str; 4] = ["t1", "m1", "m2", "c1"];

/// What the new group is made with.
pub struct Wish {
    pub kms_key: Option<String>,
    pub tls: bool,
    pub token: Option<TokenRef>,
    /// The secret is there, and the token is not.
    pub makes_token: bool,
}

impl Plan<'_> {
    /// What the new group is made with; nothing, and the reason said, where it cannot be.
    pub fn wish(&mut self, source: &Source, members: &Members, lock: &str) -> Option<Wish> {
        let seen = self.planning.seen;
        let spec = self.planning.spec;
        let drift = |field: &str| -> Option<&Drift> { self.planning.drifts.iter().find(|drift| drift.field == field) };
        let declared_tls = drift("transitEncryption").is_some() || source.group.transit.is_some();
        let preferred =
            spec.transit_encryption == Some(TransitEncryption::Preferred) && source.group.transit != Some(TransitEncryption::Required);
        let mut blocks: Vec<(Reason, String, String)> = Vec::new();
        if preferred && declared_tls {
            blocks.push((
                Reason::NotSupported,
                "a new group is made with TLS required, and Preferred is declared".to_owned(),
                "declare transitEncryption: Required: clients are turned to the new address, and with it to TLS".to_owned(),
            ));
        }
        if source.group.global.is_some() {
            blocks.push((
                Reason::NotSupported,
                "the group belongs to a global datastore".to_owned(),
                "take it out of the global datastore first".to_owned(),
            ));
        }
        if source.group.user_groups {
            blocks.push((
                Reason::NotSupported,
                "access to the group is by user groups, which a move does not carry over".to_owned(),
                "take the user groups off, or move it by hand".to_owned(),
            ));
        }
        if !members.in_vpc {
            blocks.push((
                Reason::NotSupported,
                "it is in no VPC subnet group, and encryption needs one".to_owned(),
                "move it by hand into a VPC".to_owned(),
            ));
        }
        let generation = source.settings.node_type.split('.').nth(1).unwrap_or_default();
        if NOT_ENCRYPTED.contains(&generation) {
            blocks.push((
                Reason::NotSupported,
                format!(
                    "nodes of the type {} cannot be encrypted at rest, and those of cache.t1.micro take no snapshots",
                    source.settings.node_type
                ),
                "change the node type first".to_owned(),
            ));
        }
        let wants_key = spec.at_rest_encryption.as_ref().and_then(|at_rest| at_rest.kms_key_id.as_ref());
        let kms_key = match (&seen.key, wants_key) {
            (Fact::Present(key), _) => {
                blocks.extend(key.unusable.iter().map(|why| {
                    let what = format!("the KMS key {} {why}: nothing can be encrypted with it", key.words);
                    (Reason::InvalidWish, what, "enable it, or declare another key".to_owned())
                }));
                Some(key.arn.clone())
            }
            (Fact::Absent, Some(_)) => {
                blocks.push((
                    Reason::InvalidWish,
                    "there is no such KMS key".to_owned(),
                    "correct atRestEncryption.kmsKeyId, or make the key".to_owned(),
                ));
                None
            }
            // What was encrypted with a key is encrypted with that key again.
            _ => source.group.kms_key.clone(),
        };
        let mut makes_token = false;
        let token = match (&spec.auth, &seen.token) {
            (Some(_), Fact::Present(token)) => Some(token.clone()),
            (Some(auth), _) if seen.empty_secret.is_some() => {
                makes_token = true;
                let secret_arn = seen.empty_secret.clone().unwrap_or_default();
                // Named before it is made, so that a second try finds the first one.
                Some(TokenRef { version: self.names.turned(lock, &secret_arn), secret_arn, key: auth.key.clone() })
            }
            (Some(_), _) => {
                blocks.push((
                    Reason::InvalidWish,
                    "the secret of the token is not there, or has no current version".to_owned(),
                    "correct auth.secretArn, or make the secret".to_owned(),
                ));
                None
            }
            (None, _) if source.group.auth => {
                blocks.push((
                    Reason::InvalidWish,
                    "the group has a token, which a snapshot does not hold: without it the new group would be open to all".to_owned(),
                    "declare `auth` with the secret that holds the token".to_owned(),
                ));
                None
            }
            (None, _) => None,
        };
        let tls = declared_tls || token.is_some();
        if self.migration.cutover.is_none() {
            blocks.push((
                Reason::InvalidWish,
                "it is not declared where clients read the address".to_owned(),
                "list the places under migration.cutover; `cutover: []` says that there is none".to_owned(),
            ));
        }
        for (place, cutover) in self.migration.cutover.iter().flatten().enumerate() {
            let found = match self.moving.references.get(place) {
                Some(Fact::Present(found)) => found,
                // It is said where it matters.
                Some(Fact::Unknown(_)) => continue,
                Some(Fact::Absent) | None => {
                    blocks.push((
                        Reason::InvalidWish,
                        format!("{} is not there", reference::words(cutover)),
                        "correct migration.cutover".to_owned(),
                    ));
                    continue;
                }
            };
            if let Some((why, what_to_do)) = &found.cannot {
                blocks.push((Reason::NotSupported, why.clone(), what_to_do.clone()));
            }
            if let Some((why, what_to_do)) = &found.barred {
                let or = "; or leave it out of migration.cutover, and see to its clients yourself";
                let or = if self.moving.lock.is_absent() { or } else { "" };
                blocks.push((Reason::NotSupported, why.clone(), format!("{what_to_do}{or}")));
            }
            if found.plain && token.is_some() {
                let instead = match cutover.kubernetes {
                    Some(_) => "keep the address in a Secret, and name that",
                    None => "make it a SecureString (`aws ssm put-parameter --overwrite --type SecureString`)",
                };
                blocks.push((
                    Reason::InvalidWish,
                    format!("{} is not made for secrets, and the address would hold the token", reference::words(cutover)),
                    format!("{instead}, or have clients read the token elsewhere"),
                ));
            }
        }
        if self.holds() && !version::reaches(&members.version, version::HOLDS_WRITES) {
            let upgrade = match self.names.standalone {
                true => format!(
                    "upgrade the cluster first (`aws elasticache modify-cache-cluster --cache-cluster-id {} --engine-version 6.2 --apply-immediately`)",
                    self.names.source
                ),
                false => "declare engineVersion: \"6.2\" or newer to have it upgraded first".to_owned(),
            };
            blocks.push((
                Reason::NotSupported,
                format!("engine version {} cannot hold writes alone, which `writeGap: None` asks for: 6.2 and newer can", members.version),
                format!("{upgrade}, or `writeGap: Accept` where writes since the snapshot may be lost"),
            ));
        }
        let fine = blocks.is_empty();
        for (reason, message, what_to_do) in blocks {
            self.block(reason, message, what_to_do);
        }
        fine.then_some(Wish { kms_key, tls, token, makes_token })
    }

    /// Whether each place, and each workload that is restarted, is named once: the manifest's words are compared when it is read; here what they leave open is
    /// known, so that the same thing in other words is the same thing.
    pub fn names_nothing_twice(&mut self) -> bool {
        let mut cutover = self.cutover();
        // By several contexts one comes to one server.
        for entry in cutover.iter_mut().filter_map(|place| place.kubernetes.as_mut()).filter(|entry| entry.server.is_some()) {
            entry.context = None;
        }
        let problems = Migration { cutover: Some(cutover), ..Migration::default() }.problems();
        for problem in &problems {
            self.block(Reason::InvalidWish, format!("{} {}", problem.path, problem.message), problem.expected.clone());
        }
        problems.is_empty()
    }

    /// Whether a move may begin: nothing of an earlier one stands in its way.
    pub fn may_begin(&mut self, source: &Source) -> bool {
        let name = &self.planning.spec.name;
        if let Some(why) = &source.given_up {
            self.block(
                Reason::NeedsMigration,
                format!("an earlier move was taken back: {why}"),
                format!("mend its cause; `holdfast migration resume {name}` lets it be tried again"),
            );
            return false;
        }
        let foreign = |target: &Target| target.ours.present() != Some(&true);
        match self.moving.target.present() {
            Some(target) if foreign(target) => {
                self.block(
                    Reason::Conflict,
                    format!("there is a group {} already, and it is not of this move", self.names.target),
                    "see whose it is; delete it if it is nobody's".to_owned(),
                );
                false
            }
            Some(_) => {
                self.block(
                    Reason::UnexpectedState,
                    format!("{} is there, made by a move whose lock is gone", self.names.target),
                    format!(
                        "if nothing uses it: `aws elasticache delete-replication-group --replication-group-id {}`; then run again",
                        self.names.target
                    ),
                );
                false
            }
            None => true,
        }
    }
}

//! From drifts to steps. Whatever did not drift keeps what was found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::Bucket;
use super::change::{BucketOp, Change, lifecycle_basis};
use super::lifecycle::{self, ID_PREFIX, Rule};
use super::observe::{Encryption, Lifecycle};
use super::spec::Algorithm;
use crate::kinds::s3::{Flags, wants};
use crate::kinds::{Basis, Drift, Fact, Impact, Kind, Planning, Reason, Step, Steps, Unreadable, Why, back, few};

/// S3 documents up to 15 minutes until versioning holds everywhere.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html>
const VERSIONING: Duration = Duration::from_secs(20 * 60);

/// A bucket holds this many lifecycle rules, and this many tags.
const MOST_RULES: usize = 1000;
const MOST_TAGS: usize = 50;

struct Maker<'a> {
    planning: &'a Planning<'a, Bucket>,
    bucket: &'a str,
    steps: Steps<BucketOp>,
    /// The step that makes the bucket, which all others wait for.
    made: Vec<usize>,
}

pub(super) fn steps(planning: &Planning<'_, Bucket>) -> Steps<BucketOp> {
    let mut maker = Maker { planning, bucket: planning.id, steps: Steps::default(), made: Vec::new() };
    match &planning.seen.presence {
        Fact::Present(()) => {}
        Fact::Absent if Bucket::creates(planning.spec) && planning.drift("create").is_some() => maker.create(),
        Fact::Absent => {
            let message = format!("there is no bucket {}", planning.id);
            maker.steps.block(Reason::Missing, "", message, "make it, or declare `create: true`");
            return maker.steps;
        }
        Fact::Unknown(why) => {
            let why = why.clone();
            maker.unreadable("", &why);
            return maker.steps;
        }
    }
    maker.ownership();
    maker.public_access();
    maker.whole("encryption", Maker::encryption);
    maker.versioning();
    maker.whole("logging", Maker::logging);
    maker.lifecycle();
    maker.tags();
    maker.steps
}

impl Maker<'_> {
    /// What one request writes as a whole is blocked as a whole.
    fn whole(&mut self, group: &str, make: fn(&mut Self)) {
        let before = self.steps.blocks.len();
        make(self);
        let fields: Vec<String> = self.planning.below(group).into_iter().map(|drift| drift.field.clone()).collect();
        for block in self.steps.blocks.iter_mut().skip(before) {
            block.fields.clone_from(&fields);
        }
    }

    fn op<'d>(&self, change: Change, drifts: impl IntoIterator<Item = &'d Drift>) -> BucketOp {
        let (bucket, account) = (self.bucket.to_owned(), self.planning.scope.account.clone());
        let mut op = BucketOp { bucket, account, change, from: None, wants: wants(drifts) };
        op.from = match op.change.replaces(self.planning.seen, op.closes()) {
            Some(Fact::Present(found)) => Some(found),
            _ => None,
        };
        // A bucket of ours comes with our tags.
        if let (Change::Tags(_), false) = (&op.change, self.made.is_empty()) {
            op.from = Some(Basis::of(&self.ownership_tags()));
        }
        op
    }

    fn step(&self, title: String, change: Change, drifts: &[&Drift]) -> Step<BucketOp> {
        let impact = drifts.iter().map(|drift| drift.impact).max().unwrap_or(Impact::Online);
        let fields = drifts.iter().map(|drift| drift.field.clone());
        Step::online(title, self.op(change, drifts.iter().copied()), fields).impact(impact, "").after(self.made.iter().copied())
    }

    fn unreadable(&mut self, field: &str, why: &Unreadable) {
        self.steps.block(Reason::Unreadable, field, format!("{}: {}", why.call, why.message), why.what_to_do());
    }

    /// The tags by which a bucket of ours is known.
    fn ownership_tags(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("holdfast.dev/owner".to_owned(), "holdfast".to_owned()),
            ("holdfast.dev/object".to_owned(), self.planning.scope.object.clone()),
        ])
    }

    fn create(&mut self) {
        let drifts: Vec<_> = self.planning.drift("create").into_iter().collect();
        let region = self.planning.scope.region.clone();
        let title = format!("Make the bucket {} in {region}", self.bucket);
        let step = self.step(title, Change::Create { region, tags: self.ownership_tags() }, &drifts);
        let made = self.steps.push(step.back(format!("`aws s3api delete-bucket --bucket {}`, while it is empty", self.bucket)));
        self.made.push(made);
    }

    fn ownership(&mut self) {
        let Some(drift) = self.planning.drift("ownership") else { return };
        let Some(declared) = drift.declared.as_str() else { return };
        let enforced = declared == "BucketOwnerEnforced";
        match &self.planning.seen.grants {
            // S3 refuses the change with InvalidBucketAclWithObjectOwnership as long as the bucket's ACL grants anything to others.
            Fact::Present(true) if enforced => {
                let message =
                    format!("the ACL of {} grants something to others than its owner, so that S3 will not turn ACLs off", self.bucket);
                return self.steps.block(
                    Reason::Conflict,
                    "ownership",
                    message,
                    "grant it by the bucket's policy and reset the ACL to private",
                );
            }
            Fact::Unknown(why) if enforced && self.made.is_empty() => {
                let why = why.clone();
                return self.unreadable("ownership", &why);
            }
            _ => {}
        }
        let mut step =
            self.step(format!("Set object ownership of {} to {declared}", self.bucket), Change::Ownership(declared.to_owned()), &[drift]);
        if !self.made.is_empty() {
            step.impact = Impact::Online;
        } else if enforced {
            step.takes = "ACLs stop counting: whoever reaches the objects by an ACL alone no longer does".to_owned();
        }
        self.steps.push(step.back(was("set object ownership back to", &drift.found)));
    }

    fn public_access(&mut self) {
        let drifts = self.planning.below("publicAccessBlock");
        if drifts.is_empty() {
            return;
        }
        let found = match &self.planning.seen.flags {
            Fact::Present(found) => *found,
            Fact::Absent => Flags::ALL,
            Fact::Unknown(why) => {
                let why = why.clone();
                return self.unreadable("publicAccessBlock", &why);
            }
        };
        let title = format!("Set Block Public Access of {}", self.bucket);
        let mut step = self.step(title, Change::PublicAccessBlock(found.with(drifts.iter().copied())), &drifts);
        let closes = drifts.iter().any(|drift| drift.declared == Value::Bool(true));
        let ignores = drifts.iter().any(|drift| drift.field == "publicAccessBlock.ignorePublicAcls" && drift.declared == Value::Bool(true));
        match &self.planning.seen.object_acls {
            Fact::Present(true) if ignores => {
                step.impact = Impact::Disruptive;
                step.takes = "whoever reads an object by a public ACL of its own no longer can".to_owned();
                let note = format!("objects of {} may be public by their own ACLs; that was not looked at", self.bucket);
                self.steps.notes.push(note);
            }
            // It decides on the impact alone: the flags are set all the same, as if there were such an ACL.
            Fact::Unknown(why) if ignores && self.made.is_empty() => {
                step.impact = Impact::Disruptive;
                step.takes = "whoever reads an object by a public ACL of its own, if there is one, no longer can".to_owned();
                let note = format!(
                    "whether ACLs of objects count in {} could not be read ({}: {}): they are taken to let somebody in",
                    self.bucket, why.call, why.message
                );
                self.steps.notes.push(note);
            }
            _ => {}
        }
        match &self.planning.seen.exposure {
            Fact::Present(ways) if closes && !ways.is_empty() => {
                let ways = ways.join(", ");
                step.impact = Impact::Disruptive;
                step.takes = "whoever reads it without credentials no longer can".to_owned();
                self.steps.notes.push(format!("{} is public now: {ways}", self.bucket));
            }
            Fact::Unknown(why) if closes && self.made.is_empty() => {
                let why = why.clone();
                return self.unreadable("publicAccessBlock", &why);
            }
            _ => {}
        }
        self.steps.push(
            step.also_takes(&Flags::weakens(&drifts))
                .back(found.way_back(&format!("aws s3api {{}}-public-access-block --bucket {}", self.bucket))),
        );
    }

    fn encryption(&mut self) {
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
        }
        if algorithm != "AES256" {
            step = step.also_takes("requests to KMS are paid for");
        }
        let before = if found.algorithm.is_empty() { "nothing, which is SSE-S3" } else { &found.algorithm };
        let before = found.raw_key.as_ref().map_or(before.to_owned(), |key| format!("{before} with the key {key}"));
        self.steps.push(step.back(format!("set default encryption back to {before}; objects stay as they were written")));
    }

    /// The ARN of the declared key, where it can be used.
    fn key(&mut self, declared: &str) -> Option<String> {
        match &self.planning.seen.key {
            Fact::Present(key) if key.state == "Enabled" => return Some(key.arn.clone()),
            Fact::Present(key) => {
                let message = format!("the key {declared} is {}: what is written with it could not be read", key.state);
                self.steps.block(Reason::UnexpectedState, "encryption.kmsKeyId", message, "enable the key, or name another");
            }
            Fact::Absent => {
                let message = format!("there is no KMS key {declared} in this account and region");
                self.steps.block(Reason::InvalidWish, "encryption.kmsKeyId", message, "correct encryption.kmsKeyId, or make the key");
            }
            Fact::Unknown(why) => {
                let why = why.clone();
                self.unreadable("encryption.kmsKeyId", &why);
            }
        }
        None
    }

    fn versioning(&mut self) {
        let Some(drift) = self.planning.drift("versioning") else { return };
        let Some(declared) = drift.declared.as_str() else { return };
        if self.planning.seen.versioning.present().is_some_and(|found| found.mfa_delete) {
            let message =
                format!("MFA delete is on for {}: S3 lets only the root user, with its MFA device, change versioning", self.bucket);
            return self.steps.block(Reason::NotSupported, "versioning", message, "change it as the root user");
        }
        let title = match declared {
            "Enabled" => format!("Turn on versioning of {}", self.bucket),
            _ => format!("Suspend versioning of {}", self.bucket),
        };
        let mut step = self.step(title, Change::Versioning(declared.to_owned()), &[drift]).within(VERSIONING);
        step.takes = match (declared, step.impact) {
            ("Enabled", _) => "every version is stored and paid for until it is deleted or expires".to_owned(),
            (_, Impact::Online) => String::new(),
            _ => "what is overwritten or deleted from then on is gone".to_owned(),
        };
        let back = if declared == "Enabled" { "suspend versioning; versions made meanwhile stay" } else { "turn versioning on" };
        self.steps.push(step.back(back));
    }

    fn logging(&mut self) {
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
        let back = match found {
            Some(found) => format!("deliver the log to {} again, under {:?}", found.bucket, found.prefix),
            None => "turn access logging off".to_owned(),
        };
        let step = self.step(format!("Deliver the access log of {} to {target}", self.bucket), change, &drifts);
        let step = step.also_takes("log files are stored and paid for until they are deleted or expire");
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

    /// A request for each impact: rules that delete nothing, and have nothing wait in an archive, need nobody's consent.
    fn lifecycle(&mut self) {
        let drifts = self.planning.below("lifecycle");
        if drifts.is_empty() {
            return;
        }
        let none = Lifecycle::default();
        let found = match &self.planning.seen.lifecycle {
            Fact::Present(found) => found,
            Fact::Absent => &none,
            Fact::Unknown(why) => {
                let why = why.clone();
                return self.unreadable("lifecycle", &why);
            }
        };
        let of = |impact: Impact| drifts.iter().copied().filter(|drift| drift.impact == impact).collect::<Vec<&Drift>>();
        let mut groups = [Impact::Online, Impact::Disruptive, Impact::Irreversible].map(of);
        // Of a bucket that is to be made there are no others to remove: that asks for no step of its own.
        if let [online, others @ ..] = &mut groups
            && found.others.is_empty()
            && online.iter().all(|drift| drift.field == "lifecycle.exclusive")
            && let Some(first) = others.iter_mut().find(|group| !group.is_empty())
        {
            first.append(online);
        }
        let mut rules = found.rules.clone();
        if drifts.iter().any(|drift| drift.field == "lifecycle.exclusive") {
            rules.retain(|rule| !found.others.contains(&rule.id));
        }
        let mut after = None;
        for drifts in groups.into_iter().filter(|group| !group.is_empty()) {
            let deletes = drifts.iter().any(|drift| drift.impact == Impact::Irreversible);
            // The second is planned from what the first makes of the rules.
            let from = lifecycle_basis(if after.is_none() { &found.rules } else { &rules }, found.minimum_size.as_deref());
            for drift in &drifts {
                put(&mut rules, drift);
            }
            if rules.len() > MOST_RULES {
                let message = format!("{} would have {} lifecycle rules, and S3 takes {MOST_RULES}", self.bucket, rules.len());
                return self.steps.block(Reason::NotSupported, "lifecycle", message, "declare fewer rules, or remove others");
            }
            let change = Change::Lifecycle { rules: rules.clone(), minimum_size: found.minimum_size.clone() };
            let mut step = self.step(title(self.bucket, &drifts, &found.others), change, &drifts).after(after);
            step.op.from = Some(from);
            if deletes {
                step.takes = "what the rules expire is deleted by S3, for good where it has no other version".to_owned();
                step.consented = self.planning.spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.expiry_approved) == Some(true);
            }
            if moves_to(&drifts, &["GLACIER", "DEEP_ARCHIVE"]) {
                step = step
                    .also_takes("objects that reach GLACIER or DEEP_ARCHIVE must be restored before they can be read, which takes hours");
            }
            if moves_to(&drifts, &["ONEZONE_IA"]) {
                step = step.also_takes("objects that reach ONEZONE_IA are kept in one zone, and lost with it");
            }
            if moves(&drifts) {
                step = step.also_takes("each object that changes its storage class is paid for");
            }
            let mut back = rules_back(&drifts, found);
            if deletes {
                back.push_str("; what S3 deleted by then is gone");
            }
            after = Some(self.steps.push(step.back(back)));
        }
    }

    fn tags(&mut self) {
        let drifts = self.planning.below("tags");
        if drifts.is_empty() {
            return;
        }
        // S3 replaces the set, and refuses to lose the aws: tags of CloudFormation and others ("System Tags cannot be removed by
        // requester"): they are sent back as they are. https://github.com/hashicorp/terraform-provider-aws/issues/7323
        let mut tags = match &self.planning.seen.tags {
            Fact::Present(found) => found.clone(),
            Fact::Absent => self.ownership_tags(),
            Fact::Unknown(why) => {
                let why = why.clone();
                return self.unreadable("tags", &why);
            }
        };
        for drift in &drifts {
            let Some(key) = drift.field.strip_prefix("tags.") else { continue };
            match drift.declared.as_str() {
                Some(value) => drop(tags.insert(key.to_owned(), value.to_owned())),
                None => drop(tags.remove(key)),
            }
        }
        let ours = tags.keys().filter(|key| !key.starts_with("aws:")).count();
        if ours > MOST_TAGS {
            let message = format!("{} would have {ours} tags, and S3 takes {MOST_TAGS}", self.bucket);
            return self.steps.block(Reason::NotSupported, "tags", message, "remove tags that nobody needs");
        }
        let keys = |taken: bool| -> Vec<&str> {
            let drifts = drifts.iter().filter(|drift| drift.declared.is_null() == taken);
            drifts.filter_map(|drift| drift.field.strip_prefix("tags.")).collect()
        };
        let title = match (keys(false), keys(true)) {
            (set, taken) if taken.is_empty() => format!("Tag {} with {}", self.bucket, few(&set)),
            (set, taken) if set.is_empty() => format!("Take the tags {} off {}", few(&taken), self.bucket),
            (set, taken) => format!("Tag {} with {} and take off {}", self.bucket, few(&set), few(&taken)),
        };
        let step = self.step(title, Change::Tags(tags), &drifts);
        self.steps.push(step.back(back::tags(drifts.iter().copied())));
    }
}

/// Puts a declared rule in, in the place of the one under its id.
fn put(rules: &mut Vec<Rule>, drift: &Drift) {
    let Some(id) = drift.field.strip_prefix("lifecycle.rules.").map(|id| format!("{ID_PREFIX}{id}")) else { return };
    let Some(rule) = Rule::from_value(id, &drift.declared) else { return };
    match rules.iter_mut().find(|one| one.id == rule.id) {
        Some(place) => *place = rule,
        None => rules.push(rule),
    }
}

fn title(bucket: &str, drifts: &[&Drift], others: &[String]) -> String {
    let ids: Vec<_> = drifts.iter().filter_map(|drift| drift.field.strip_prefix("lifecycle.rules.")).collect();
    let removed =
        drifts.iter().any(|drift| drift.field == "lifecycle.exclusive").then(|| few(others)).filter(|removed| !removed.is_empty());
    match (ids.is_empty(), removed) {
        (false, None) => format!("Set the lifecycle rules {} of {bucket}", few(&ids)),
        (true, Some(removed)) => format!("Remove the lifecycle rules {removed} of {bucket}"),
        (true, None) => format!("Leave no other lifecycle rules on {bucket}"),
        (false, removed) => format!("Set the lifecycle rules {} of {bucket} and remove {}", few(&ids), removed.unwrap_or_default()),
    }
}

/// How to go back from rules: what each was, and those that were removed.
fn rules_back(drifts: &[&Drift], found: &Lifecycle) -> String {
    let of = |id: &str| found.rules.iter().find(|rule| rule.id == id).map_or(Value::Null, Rule::value);
    let mut each: Vec<String> = Vec::new();
    for drift in drifts {
        match drift.field.strip_prefix("lifecycle.rules.") {
            Some(id) if drift.found.is_null() => each.push(format!("remove the rule {ID_PREFIX}{id}")),
            Some(id) => each.push(format!("set the rule {ID_PREFIX}{id} to {}", drift.found)),
            None => each.extend(found.others.iter().map(|id| format!("put the rule {id} back: {}", of(id)))),
        }
    }
    if each.is_empty() { "nothing to take back".to_owned() } else { each.join(", ") }
}

/// The storage classes that the rules move objects to.
fn classes(drifts: &[&Drift]) -> Vec<lifecycle::StorageClass> {
    let of = |drift: &&Drift| {
        let rule = Rule::from_value(String::new(), &drift.declared).unwrap_or_default();
        let current = rule.transitions.into_iter().map(|transition| transition.storage_class);
        current.chain(rule.noncurrent_transitions.into_iter().map(|transition| transition.storage_class)).collect::<Vec<_>>()
    };
    drifts.iter().flat_map(of).collect()
}

fn moves_to(drifts: &[&Drift], some: &[&str]) -> bool {
    classes(drifts).iter().any(|class| some.contains(&class.0.as_str()))
}

fn moves(drifts: &[&Drift]) -> bool {
    !classes(drifts).is_empty()
}

fn was(words: &str, found: &Value) -> String {
    format!("{words} {}", found.as_str().unwrap_or("what it was"))
}

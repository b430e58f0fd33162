//! From drifts to steps. Whatever did not drift keeps what was found.

mod access;
mod back;
mod encryption;
mod logging;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Bucket;
use super::change::{BucketOp, Change};
use crate::kinds::s3::wants;
use crate::kinds::{Basis, Drift, Fact, Impact, Kind, Planning, Reason, Step, Steps, Unreadable, few};

/// S3 documents up to 15 minutes until versioning holds everywhere.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html>
const VERSIONING: Duration = Duration::from_secs(20 * 60);

/// A bucket holds this many tags.
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
        let (former, remains) = if declared == "Enabled" { ("Suspended", ": versions made meanwhile stay") } else { ("Enabled", "") };
        let back = self.back(|bucket| back::versioning(bucket, former), remains);
        self.steps.push(step.back(back));
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
        let back = self.back(|bucket| back::tags(bucket, self.planning.seen.tags.present()), "");
        self.steps.push(step.back(back));
    }
}

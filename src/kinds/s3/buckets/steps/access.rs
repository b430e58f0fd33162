//! Who reaches the objects: object ownership and Block Public Access.

use serde_json::Value;

use super::super::change::Change;
use super::super::observe::Exposure;
use super::{Maker, back};
use crate::kinds::s3::Flags;
use crate::kinds::{Fact, Impact, Reason};

impl Maker<'_> {
    pub(super) fn ownership(&mut self) {
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
        } else if drift.impact > Impact::Online {
            step.takes = "less protected: ACLs count again, and may let others in".to_owned();
        }
        let back = self.back(|bucket| back::ownership(bucket, drift.found.as_str()), "");
        self.steps.push(step.back(back));
    }

    pub(super) fn public_access(&mut self) {
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
            Fact::Present(exposure) if closes => {
                let cut = Cut::of(*exposure, found, found.with(drifts.iter().copied()));
                if let Some(takes) = cut.takes() {
                    step.impact = Impact::Disruptive;
                    step.takes = takes;
                }
                self.steps.notes.extend(cut.notes(self.bucket));
                if exposure.website {
                    self.steps.notes.push(format!("{} is set up as a website", self.bucket));
                }
            }
            Fact::Unknown(why) if closes && self.made.is_empty() => {
                let why = why.clone();
                return self.unreadable("publicAccessBlock", &why);
            }
            _ => {}
        }
        let back = self.back(|bucket| found.way_back(&format!("aws s3api {{}}-public-access-block --bucket {bucket}")), "");
        self.steps.push(step.also_takes(&Flags::weakens(&drifts)).back(back));
    }
}

/// By what everybody gets into a bucket now, in words: what a change of its flags ends, and what it leaves. Flags that refuse new ACLs and policies leave
/// those that are there in force.
struct Cut {
    ended: Vec<&'static str>,
    left: Vec<&'static str>,
    /// What is refused from then on to those who use what lets everybody in.
    refused: Vec<&'static str>,
}

impl Cut {
    fn of(exposure: Exposure, before: Flags, after: Flags) -> Cut {
        let mut cut = Cut { ended: Vec::new(), left: Vec::new(), refused: Vec::new() };
        for (what, lets_in, before, after) in [
            ("uploads with a public ACL", exposure.acl && !before.ignore_public_acls, before.block_public_acls, after.block_public_acls),
            (
                "changes of its public policy",
                exposure.policy && !before.restrict_public_buckets,
                before.block_public_policy,
                after.block_public_policy,
            ),
        ] {
            if lets_in && !before && after {
                cut.refused.push(what);
            }
        }
        for (way, lets_in, before, after) in [
            ("its ACL", exposure.acl, before.ignore_public_acls, after.ignore_public_acls),
            ("its policy", exposure.policy, before.restrict_public_buckets, after.restrict_public_buckets),
        ] {
            if lets_in && !before {
                if after { cut.ended.push(way) } else { cut.left.push(way) }
            }
        }
        cut
    }

    /// What those lose who get in, or keep it open; nothing where nobody does.
    fn takes(&self) -> Option<String> {
        let way = self.ended.first().map(|way| match self.left.is_empty() {
            true => "whoever reads it without credentials no longer can".to_owned(),
            false => format!("whoever reads it without credentials by {way} alone no longer can"),
        });
        // "Access to buckets with public policies [is restricted] to only AWS service principals and authorized users within the bucket owner's account":
        // <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>.
        let others = self.ended.contains(&"its policy").then(|| "other accounts that its policy names neither".to_owned());
        let refused = (!self.refused.is_empty()).then(|| format!("{} are refused", self.refused.join(" and ")));
        let all: Vec<String> = [way, others, refused].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn notes(&self, bucket: &str) -> Vec<String> {
        let lets_in = |ways: &[&str]| ways.iter().map(|way| format!("{way} lets everybody in")).collect::<Vec<_>>().join(", ");
        let mut notes = Vec::new();
        if !self.ended.is_empty() {
            notes.push(format!("{bucket} is public now: {}", lets_in(&self.ended)));
        }
        if !self.left.is_empty() {
            notes.push(format!("{bucket} is public now, and stays so: {}", lets_in(&self.left)));
        }
        notes
    }
}

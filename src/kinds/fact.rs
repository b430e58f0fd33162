//! What was observed, with its three values: absent, present, unknown.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::aws::{CallError, Class, calls};

/// One observed fact. What could not be read is never taken for absent (contract 2).
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<T> {
    /// AWS answered, and there is none.
    Absent,
    Present(T),
    /// Nobody knows: not asked, refused, throttled, or an answer that makes no sense.
    Unknown(Unreadable),
}

/// Why a fact is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    /// The request that would have told: `s3:GetBucketPolicy`.
    pub call: String,
    /// How reading failed.
    pub why: Why,
    /// What AWS said, cleaned.
    pub message: String,
}

impl Unreadable {
    /// The IAM action that allows the request: for some it is called otherwise (`s3:GetLifecycleConfiguration`).
    pub fn action(&self) -> &str {
        calls::all().find(|call| call.to_string() == self.call).map_or(self.call.as_str(), |call| call.action)
    }

    /// What a person does about it.
    pub fn what_to_do(&self) -> String {
        match self.why {
            Why::Denied => self.allow(),
            _ => self.again().to_owned(),
        }
    }

    fn allow(&self) -> String {
        match self.call.strip_prefix(KUBERNETES) {
            Some(asked) => format!("allow `{asked}` in that namespace to whom holdfast is there, by a Role and a RoleBinding"),
            None => allow(self.action()),
        }
    }

    fn again(&self) -> &'static str {
        match self.why {
            Why::Throttled => "run again later: AWS takes no more requests at the moment",
            _ if self.call.starts_with(KUBERNETES) => "see that kubectl reaches it with the same context, and run again",
            _ if self.call.starts_with(EXEC) => "run that command by hand, mend what it says, and run again",
            Why::Elsewhere => "take it out of this object, and declare it in one whose spec.region is the bucket's",
            _ => "run again; if it stays so, look at the message",
        }
    }

    /// What a person does about several, each thing said once.
    pub fn what_to_do_about<'u>(all: impl Iterator<Item = &'u Unreadable> + Clone) -> String {
        let in_cluster = |one: &&Unreadable| one.call.starts_with(KUBERNETES);
        let refused = all.clone().filter(|one| one.why == Why::Denied);
        let there: BTreeSet<String> = refused.clone().filter(in_cluster).map(Unreadable::allow).collect();
        let denied: BTreeSet<&str> = refused.filter(|one| !in_cluster(one)).map(Unreadable::action).collect();
        let again: BTreeSet<&str> = all.filter(|one| one.why != Why::Denied).map(Unreadable::again).collect();
        let denied = (!denied.is_empty()).then(|| allow(&denied.into_iter().collect::<Vec<_>>().join(", ")));
        denied.into_iter().chain(there).chain(again.into_iter().map(str::to_owned)).collect::<Vec<_>>().join("; ")
    }
}

/// How requests to others than AWS are called.
const KUBERNETES: &str = "kubernetes:";
const EXEC: &str = "exec:";

fn allow(actions: &str) -> String {
    format!("allow {actions} to the role that holdfast runs as")
}

/// The ways in which reading can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Why {
    /// The fact was not asked for in this pass.
    NotAsked,
    /// Access was denied: the message names the permission that is missing.
    Denied,
    /// AWS kept throttling until the time for it was over.
    Throttled,
    /// The bucket is in another region than the object is for.
    Elsewhere,
    /// Anything else: no connection, a server's fault, an answer that cannot be understood.
    Failed,
}

impl<T> Default for Fact<T> {
    fn default() -> Fact<T> {
        Fact::Unknown(Unreadable { call: String::new(), why: Why::NotAsked, message: "not asked for".to_owned() })
    }
}

impl<T> Fact<T> {
    /// A fact out of an answer; `absent` says which refusals mean that there is none.
    pub fn read(answer: Result<Option<T>, CallError>, absent: impl FnOnce(&CallError) -> bool) -> Fact<T> {
        match answer {
            Ok(Some(value)) => Fact::Present(value),
            Ok(None) => Fact::Absent,
            Err(error) if absent(&error) => Fact::Absent,
            Err(error) => Fact::Unknown(Unreadable::from(&error)),
        }
    }

    /// What an answer's optional member says: a member that is left out is absent.
    pub fn given(value: Option<T>) -> Fact<T> {
        value.map_or(Fact::Absent, Fact::Present)
    }

    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Fact::Absent => Fact::Absent,
            Fact::Present(value) => Fact::Present(map(value)),
            Fact::Unknown(why) => Fact::Unknown(why),
        }
    }

    pub fn and_then<U>(self, map: impl FnOnce(T) -> Fact<U>) -> Fact<U> {
        match self {
            Fact::Absent => Fact::Absent,
            Fact::Present(value) => map(value),
            Fact::Unknown(why) => Fact::Unknown(why),
        }
    }

    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Fact::Absent => Fact::Absent,
            Fact::Present(value) => Fact::Present(value),
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
        }
    }

    /// The value, where it is known to be there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Fact::Present(value) => Some(value),
            _ => None,
        }
    }

    pub fn unknown(&self) -> Option<&Unreadable> {
        match self {
            Fact::Unknown(why) => Some(why),
            _ => None,
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Fact::Absent)
    }
}

impl From<&CallError> for Unreadable {
    fn from(error: &CallError) -> Unreadable {
        let why = match error.class {
            Class::Denied | Class::Credentials => Why::Denied,
            Class::Throttled => Why::Throttled,
            _ if error.is_elsewhere() => Why::Elsewhere,
            _ => Why::Failed,
        };
        let message = match why {
            Why::Elsewhere => "the bucket is in another region than this object is for".to_owned(),
            _ => error.message.clone(),
        };
        Unreadable { call: error.call.to_string(), why, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not every action is called as its request is: `s3:GetBucketLifecycleConfiguration` is none.
    #[test]
    fn the_advice_for_a_denied_read_names_the_iam_action() {
        let denied = |call: &str| Unreadable { call: call.to_owned(), why: Why::Denied, message: String::new() };
        for call in calls::all().filter(|call| !call.writes) {
            let advice = denied(&call.to_string()).what_to_do();
            assert_eq!(advice, format!("allow {} to the role that holdfast runs as", call.action));
        }
        let lifecycle = denied("s3:GetBucketLifecycleConfiguration");
        assert_eq!(lifecycle.what_to_do(), "allow s3:GetLifecycleConfiguration to the role that holdfast runs as");
        let throttled = Unreadable { why: Why::Throttled, ..denied("s3:GetBucketTagging") };
        let failed = Unreadable { why: Why::Failed, ..denied("s3:GetBucketTagging") };
        assert!(throttled.what_to_do().starts_with("run again") && !throttled.what_to_do().contains("allow"));
        assert_eq!(
            Unreadable::what_to_do_about([&lifecycle, &failed, &denied("s3:GetBucketTagging"), &lifecycle, &failed].into_iter()),
            "allow s3:GetBucketTagging, s3:GetLifecycleConfiguration to the role that holdfast runs as; \
             run again; if it stays so, look at the message"
        );
    }
}

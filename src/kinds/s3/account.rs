//! Block Public Access of the whole account.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Flags, NO_FLAGS, PublicAccessBlock, explain_denied, reached, wants};
use crate::aws::{Call, CallError, Reads, Writes, calls};
use crate::kinds::{
    Basis, Contribution, Control, Fact, FactSet, Field, Impact, Kind, Multiplicity, Need, Planning, Progress, Reason, Scope, Step, Steps,
    Target, Unreadable, Why,
};

/// S3 as it is for the whole account.
pub struct Account;

/// What holds for every bucket of the account, present and to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSpec {
    /// Block Public Access for all buckets of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
}

/// The account's flags, read twice in a row.
#[derive(Debug, Default)]
pub struct AccountSeen {
    flags: Fact<Flags>,
    /// The two readings differ: a change is on its way through S3.
    unsettled: bool,
}

/// Sets the account's four flags at once, as S3 demands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountOp {
    account: String,
    flags: Flags,
    /// The flags that were found.
    from: Basis,
    /// The fields that it is sent for; the other flags are what was found.
    wants: BTreeMap<String, Value>,
}

// FSBP S3.1 and CIS AWS Foundations 3.0.0, 2.1.4: Block Public Access settings of the account are on.
const CONTROLS: &[Control] = &[Control { benchmark: "FSBP", id: "S3.1" }, Control { benchmark: "CIS", id: "3.0.0/2.1.4" }];

/// Whoever reads something public stops being able to; nobody is asked which bucket of the account that is.
fn cuts_off(_found: &Value, declared: &Value) -> Impact {
    if declared == &Value::Bool(true) { Impact::Disruptive } else { Impact::Online }
}

impl Kind for Account {
    const PATH: &'static str = "s3.account";
    const TITLE: &'static str = "S3 account settings";
    const SHAPE: Multiplicity = Multiplicity::One;
    const FIELDS: &'static [Field<Account>] = &[
        Field::<Account>::new(
            "publicAccessBlock.blockPublicAcls",
            |spec| spec.public_access_block.as_ref()?.block_public_acls.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.block_public_acls)),
        )
        .controls(CONTROLS),
        Field::<Account>::new(
            "publicAccessBlock.ignorePublicAcls",
            |spec| spec.public_access_block.as_ref()?.ignore_public_acls.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.ignore_public_acls)),
        )
        .impact(cuts_off)
        .controls(CONTROLS),
        Field::<Account>::new(
            "publicAccessBlock.blockPublicPolicy",
            |spec| spec.public_access_block.as_ref()?.block_public_policy.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.block_public_policy)),
        )
        .controls(CONTROLS),
        Field::<Account>::new(
            "publicAccessBlock.restrictPublicBuckets",
            |spec| spec.public_access_block.as_ref()?.restrict_public_buckets.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.restrict_public_buckets)),
        )
        .impact(cuts_off)
        .controls(CONTROLS),
    ];
    const CALLS: &'static [&'static Call] = &[&calls::s3control::GET_PUBLIC_ACCESS_BLOCK, &calls::s3control::PUT_PUBLIC_ACCESS_BLOCK];
    // The flags are the account's, whichever region they are set in.
    const GLOBAL: bool = true;

    type Spec = AccountSpec;
    type Seen = AccountSeen;
    type Op = AccountOp;

    fn name(_: &AccountSpec) -> String {
        "account".to_owned()
    }

    fn id(_: &AccountSpec, scope: &Scope) -> String {
        scope.account.clone()
    }

    /// The policies of all buckets come first: the account's BlockPublicPolicy leaves one that lets everybody in as it is, and takes no change of it any
    /// more.
    fn needs(spec: &AccountSpec, _: &str, _: &Scope, _: &[Contribution]) -> Vec<Need> {
        let blocks = spec.public_access_block.as_ref().is_some_and(|flags| flags.block_public_policy == Some(true));
        Vec::from_iter(blocks.then(|| Need::of_all("s3.bucketPolicies", Need::EVERY).order_only()))
    }

    async fn observe(reads: &Reads, target: &Target<'_, Account>, want: &FactSet) -> AccountSeen {
        if want.is_empty() {
            return AccountSeen::default();
        }
        // The account's flags are eventually consistent: one answer may come from before a change, two equal ones are believed.
        let first = Fact::read(flags(reads, target.id).await.map(Some), |_| false);
        // The policies of buckets ask for it as well, after this.
        let second = reads.once(flags_key(target.id), || flags(reads, target.id)).await;
        match (first, Fact::read(second.map(|second| Some(*second)), |_| false)) {
            (Fact::Present(first), Fact::Present(second)) if first != second => AccountSeen {
                flags: Fact::Unknown(Unreadable {
                    call: calls::s3control::GET_PUBLIC_ACCESS_BLOCK.to_string(),
                    why: Why::Failed,
                    message: "two readings in a row differ: a change is still on its way through S3; try again in a minute".to_owned(),
                }),
                unsettled: true,
            },
            (first @ Fact::Unknown(_), _) => AccountSeen { flags: first, unsettled: false },
            (_, second) => AccountSeen { flags: second, unsettled: false },
        }
    }

    fn presence(seen: &AccountSeen) -> Fact<()> {
        seen.flags.as_ref().map(|_| ())
    }

    fn steps(planning: &Planning<'_, Account>) -> Steps<AccountOp> {
        let mut steps = Steps::default();
        let Some(found) = planning.seen.flags.present() else {
            steps.block(
                Reason::Unreadable,
                "publicAccessBlock",
                "the account's Block Public Access flags are not known",
                "allow s3:GetAccountPublicAccessBlock",
            );
            return steps;
        };
        let drifts = planning.below("publicAccessBlock");
        if drifts.is_empty() {
            return steps;
        }
        let flags = found.with(drifts.iter().copied());
        let impact = drifts.iter().map(|drift| drift.impact).max().unwrap_or(Impact::Online);
        let takes = match drifts.iter().any(|drift| drift.impact > Impact::Online && drift.declared == Value::Bool(true)) {
            false => "",
            true => "whatever is public in any bucket of the account, websites too, can no longer be read by everybody",
        };
        let op = AccountOp { account: planning.id.to_owned(), flags, from: Basis::of(found), wants: wants(drifts.iter().copied()) };
        steps.push(
            Step::online(format!("Set Block Public Access of account {}", planning.id), op, drifts.iter().map(|drift| drift.field.clone()))
                .impact(impact, takes)
                .also_takes(&Flags::weakens(&drifts))
                .back(found.way_back(&format!(
                    "aws s3control {{}}-public-access-block --region {} --account-id {}",
                    planning.scope.region, planning.id
                ))),
        );
        steps
    }

    fn check(op: &AccountOp, seen: &AccountSeen) -> Progress {
        if seen.unsettled {
            return Progress::Running("the change is on its way through S3".to_owned());
        }
        match (reached::<Account>(seen, &op.wants), &seen.flags) {
            (Progress::Pending, Fact::Present(found)) => {
                op.from.pending(&Basis::of(found), &format!("Block Public Access of account {}", op.account))
            }
            (progress, _) => progress,
        }
    }

    async fn start(writes: &Writes, op: &AccountOp) -> Result<(), CallError> {
        writes
            .s3control()
            .put_public_access_block(|request| request.account_id(&op.account).public_access_block_configuration(op.flags.into()))
            .await
            .map_err(|error| {
                explain_denied(
                    error,
                    "either s3:PutAccountPublicAccessBlock is missing, or an organisation policy manages these flags: then they are managed above and only the organisation's management account can change them",
                )
            })?;
        Ok(())
    }
}

/// One reading. An account without a configuration has all four flags off.
pub(super) async fn flags(reads: &Reads, account: &str) -> Result<Flags, CallError> {
    match reads.s3control().get_public_access_block(|request| request.account_id(account)).await {
        Ok(answer) => Ok(answer.public_access_block_configuration().map(Flags::from).unwrap_or_default()),
        Err(error) if error.is(NO_FLAGS) => Ok(Flags::default()),
        Err(error) => Err(error),
    }
}

pub(super) fn flags_key(account: &str) -> String {
    format!("GetPublicAccessBlock of account {account}")
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::kinds::Drift;

    fn scope() -> Scope {
        Scope { object: "o".to_owned(), account: "317805897534".to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
    }

    fn drift(field: &str, impact: Impact) -> Drift {
        Drift { field: field.to_owned(), found: Value::Bool(false), declared: Value::Bool(true), impact }
    }

    fn steps(found: Flags, drifts: &[Drift]) -> Steps<AccountOp> {
        let seen = AccountSeen { flags: Fact::Present(found), unsettled: false };
        let peers = crate::kinds::KindPeers::default();
        Account::steps(&Planning { scope: &scope(), id: "317805897534", spec: &AccountSpec::default(), seen: &seen, drifts, peers: &peers })
    }

    #[test]
    fn flags_that_did_not_drift_keep_what_they_have() {
        let found = Flags { restrict_public_buckets: true, ..Flags::default() };
        let steps = steps(found, &[drift("publicAccessBlock.blockPublicAcls", Impact::Online)]);
        assert_eq!(steps.steps.len(), 1);
        assert_eq!(steps.steps[0].op.flags, Flags { block_public_acls: true, restrict_public_buckets: true, ..Flags::default() });
        assert_eq!(steps.steps[0].impact, Impact::Online);
    }

    #[test]
    fn opening_what_was_closed_is_said() {
        let open = Drift {
            found: Value::Bool(true),
            declared: Value::Bool(false),
            ..drift("publicAccessBlock.blockPublicPolicy", Impact::Online)
        };
        let steps = steps(Flags::ALL, &[open]);
        assert_eq!(steps.steps[0].takes, "less protected: public access is no longer kept out by blockPublicPolicy");
    }

    #[test]
    fn cutting_public_readers_off_is_disruptive() {
        let steps = steps(Flags::default(), &[drift("publicAccessBlock.restrictPublicBuckets", Impact::Disruptive)]);
        assert_eq!(steps.steps[0].impact, Impact::Disruptive);
        assert!(!steps.steps[0].takes.is_empty());
    }

    #[test]
    fn a_change_is_believed_after_two_equal_readings() {
        let op = steps(Flags::default(), &[drift("publicAccessBlock.ignorePublicAcls", Impact::Disruptive)]).steps.remove(0).op;
        let seen = |flags| AccountSeen { flags, unsettled: false };
        assert_eq!(Account::check(&op, &seen(Fact::Present(Flags::default()))), Progress::Pending);
        assert_eq!(Account::check(&op, &seen(Fact::Present(op.flags))), Progress::Done);
        // Somebody else set another flag in the meantime, which the request would set back.
        let other = Flags { block_public_policy: true, ..Flags::default() };
        assert!(matches!(Account::check(&op, &seen(Fact::Present(other))), Progress::Stale(_)));
        assert!(matches!(Account::check(&op, &AccountSeen { flags: Fact::default(), unsettled: true }), Progress::Running(_)));
        assert!(matches!(Account::check(&op, &seen(Fact::default())), Progress::Unknown(_)));
    }
}

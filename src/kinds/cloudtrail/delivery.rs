//! Whether the bucket that a trail delivers to now takes what CloudTrail writes. CloudTrail looks at it whenever a trail is updated, whatever is changed.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html>

use super::{SeenTrail, TrailSpec, Trails};
use crate::kinds::{Block, Fact, Planning, Reason, Scope, Unreadable, Why};

/// Why CloudTrail may refuse every update of a trail until it has left its bucket.
pub(super) enum Shut<'a> {
    /// What S3 answered when something was to be delivered.
    Known(&'a str),
    /// What it answered could not be read.
    Unknown(&'a Unreadable),
}

/// Whether this plan sees to the present bucket: that of a declared one is there first, with a policy that lets CloudTrail in.
pub(super) fn is_seen_to(spec: &TrailSpec, scope: &Scope, trail: &SeenTrail) -> bool {
    spec.own_bucket(scope).is_some_and(|bucket| trail.settings.bucket.as_ref() == Some(bucket))
}

/// What stands against an update of the trail where it delivers to now, as far as that was asked.
pub(super) fn shut<'a>(planning: &Planning<'a, Trails>, trail: &SeenTrail) -> Option<Shut<'a>> {
    if is_seen_to(planning.spec, planning.scope, trail) {
        return None;
    }
    match &planning.seen.delivery_error {
        // What S3 says of the key is no word about the bucket, and another key may be just what is declared.
        Fact::Present(error) if error.starts_with("KMS.") => None,
        // Nothing is delivered for one that does not log: that is what was said when it last did, and the bucket may have been mended since.
        Fact::Present(_) if planning.seen.logging.present() == Some(&false) => None,
        Fact::Present(error) => Some(Shut::Known(error)),
        Fact::Unknown(why) if why.why == Why::NotAsked => None,
        Fact::Unknown(why) => Some(Shut::Unknown(why)),
        Fact::Absent => None,
    }
}

impl Shut<'_> {
    /// Blocks what cannot be changed before the trail has left its bucket, where it does not leave it in this plan.
    pub(super) fn block(&self, planning: &Planning<'_, Trails>, trail: &SeenTrail, fields: Vec<String>) -> Block {
        let bucket = trail.settings.bucket.as_deref().unwrap_or("that it delivers to");
        let leaves = planning.drift("bucket").is_some();
        let refused = "CloudTrail refuses every change of a trail whose bucket takes nothing";
        let (reason, message) = match self {
            Shut::Known(error) if leaves => (
                Reason::WaitsForOther,
                format!("the trail's bucket takes nothing ({error}), and CloudTrail refuses every change until the trail has left it"),
            ),
            Shut::Known(error) => {
                (Reason::UnexpectedState, format!("the bucket {bucket} takes nothing of this trail ({error}): {refused}"))
            }
            Shut::Unknown(why) => (
                Reason::Unreadable,
                format!("whether the bucket {bucket} takes what is delivered could not be read ({}: {}): {refused}", why.call, why.message),
            ),
        };
        let mend = match (leaves, &planning.spec.bucket) {
            (true, _) => "see what stands against bucket".to_owned(),
            (false, Some(declared)) if trail.settings.bucket.as_ref() != Some(declared) => {
                format!("let the trail move to the declared bucket {declared}, which an exception keeps it from")
            }
            (false, Some(_)) => {
                format!("have the account that {bucket} belongs to make it again or let CloudTrail in, or declare another bucket")
            }
            (false, None) => format!(
                "declare bucket: {bucket}, for a policy that lets CloudTrail in (make it again first if it is gone), or another bucket"
            ),
        };
        let what_to_do = match self {
            Shut::Known(_) => mend,
            Shut::Unknown(why) => format!("{}; or {mend}", why.what_to_do()),
        };
        Block { reason, fields, message, what_to_do }
    }
}

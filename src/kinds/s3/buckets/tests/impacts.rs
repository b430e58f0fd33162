//! What a change means for those who use the bucket.

use super::*;

fn encrypted(algorithm: &str) -> BucketSeen {
    let algorithm = algorithm.to_owned();
    BucketSeen { encryption: Fact::Present(observe::Encryption { algorithm, key: Fact::Absent, ..Default::default() }), ..fresh() }
}

#[test]
fn whoever_has_no_permission_on_a_key_is_cut_off_by_kms() {
    for (found, declared, impact) in [
        ("AES256", "aws:kms", Impact::Disruptive),
        ("AES256", "aws:kms:dsse", Impact::Disruptive),
        ("", "aws:kms", Impact::Disruptive),
        ("aws:kms", "aws:kms:dsse", Impact::Online),
        ("aws:kms", "AES256", Impact::Disruptive),
        ("", "AES256", Impact::Online),
    ] {
        let step = only(plan(&format!("encryption: {{algorithm: '{declared}'}}"), encrypted(found)));
        assert_eq!(step.impact, impact, "{found:?} -> {declared}");
        assert_eq!(step.takes.contains("kms:GenerateDataKey"), declared != "AES256");
    }
    // Nobody uses a bucket that is made in the same run.
    let made = plan("create: true\nencryption: {algorithm: 'aws:kms'}", missing());
    assert!(made.steps.iter().all(|step| step.impact == Impact::Online), "{:?}", made.steps);
}

#[test]
fn objects_that_may_be_public_by_their_own_acls_are_closed_knowingly() {
    let seen = |acls: Fact<bool>| BucketSeen { flags: Fact::Present(Flags::default()), object_acls: acls, ..fresh() };
    let ignore = "publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true}";
    let steps = plan(ignore, seen(Fact::Present(true)));
    assert_eq!(steps.notes, ["objects of huntaze-assets may be public by their own ACLs; that was not looked at"]);
    let step = only(steps);
    assert_eq!(step.impact, Impact::Disruptive);
    assert!(step.takes.contains("ACL"), "{}", step.takes);
    assert_eq!(only(plan(ignore, seen(Fact::Present(false)))).impact, Impact::Online);
    // Not known is as if there were one: the flags are set, knowingly.
    let unknown = plan(ignore, seen(Fact::default()));
    assert!(unknown.notes[0].contains("could not be read"), "{:?}", unknown.notes);
    assert_eq!(only(unknown).impact, Impact::Disruptive);
    // Existing ACLs stay in force by this one.
    assert_eq!(only(plan("publicAccessBlock: {blockPublicAcls: true}", seen(Fact::Present(true)))).impact, Impact::Online);
}

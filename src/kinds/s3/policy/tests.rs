use super::observe::parsed;
use super::*;
use crate::kinds::Key;

const BUCKET: &str = "huntaze-assets";

fn scope() -> Scope {
    Scope { object: "o".to_owned(), account: "317805897534".to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
}

fn tls() -> Value {
    deny_insecure_transport(BUCKET, "aws", true).statement.unwrap()
}

fn seen(policy: &str) -> BucketPolicySeen {
    BucketPolicySeen { policy: parsed(policy), ..without() }
}

fn without() -> BucketPolicySeen {
    BucketPolicySeen {
        bucket: Fact::Present(()),
        region: None,
        policy: Fact::Present(Document::default()),
        website: Fact::Present(false),
        refused_by: Fact::Absent,
    }
}

fn plan(seen: &BucketPolicySeen, statements: Vec<Statement>) -> Steps<BucketPolicyOp> {
    let drifts: Vec<Drift> = statements
        .iter()
        .map(|one| {
            let declared = one.statement.clone().unwrap_or(Value::Null);
            Drift { field: format!("statements.{}", one.sid), found: Value::Null, impact: refuses(&Value::Null, &declared), declared }
        })
        .collect();
    let spec = BucketPolicySpec { bucket: BUCKET.to_owned(), bucket_is_made: None, statements };
    BucketPolicy::steps(&Planning {
        scope: &scope(),
        id: BUCKET,
        spec: &spec,
        seen,
        drifts: &drifts,
        peers: &crate::kinds::KindPeers::default(),
    })
}

fn statement(sid: &str, statement: Value) -> Statement {
    Statement { sid: sid.to_owned(), statement: Some(statement) }
}

#[test]
fn the_same_statement_written_in_other_ways() {
    let same = [
        (json!({"Effect": "Allow", "Action": "s3:GetObject"}), json!({"Effect": "Allow", "Action": ["S3:getobject"], "Sid": "x"})),
        (json!({"Action": ["a:B", "a:C"]}), json!({"Action": ["a:C", "a:B", "a:B"]})),
        (json!({"Principal": "*"}), json!({"Principal": {"AWS": ["*"]}})),
        (json!({"Principal": {"AWS": "317805897534"}}), json!({"Principal": {"AWS": ["arn:aws:iam::317805897534:root"]}})),
        (
            json!({"Principal": {"AWS": ["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"]}}),
            json!({"Principal": {"AWS": ["arn:aws:iam::1:role/b", "arn:aws:iam::1:role/a"]}}),
        ),
        (json!({"Resource": ["r"]}), json!({"Resource": "r"})),
        (
            json!({"Condition": {"Bool": {"aws:SecureTransport": false}}}),
            json!({"Condition": {"Bool": {"aws:securetransport": ["false"]}}}),
        ),
        (
            json!({"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}}),
            json!({"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}}),
        ),
    ];
    for (one, other) in same {
        assert!(compare::same(&one, &other), "{one} and {other}");
        assert!(compare::same(&other, &one), "{other} and {one}");
    }
    let different = [
        (json!({"Effect": "Allow"}), json!({"Effect": "Deny"})),
        (json!({"Resource": "r"}), json!({"Resource": "R"})),
        (json!({"Resource": "r"}), json!({"NotResource": "r"})),
        (json!({"Principal": {"AWS": "317805897534"}}), json!({"Principal": {"AWS": "arn:aws:iam::317805897534:user/root"}})),
        (json!({"Principal": {"Service": "*"}}), json!({"Principal": "*"})),
        (tls(), json!([tls(), tls()])),
    ];
    for (one, other) in different {
        assert!(!compare::same(&one, &other), "{one} and {other}");
    }
}

#[test]
fn a_stricter_tls_satisfies_and_nothing_else_does() {
    let old = |version: &str| deny_old_tls(BUCKET, "aws", version).statement.unwrap();
    let several = |versions: Value| {
        let mut statement = old("1.2");
        statement["Condition"] = json!({"NumericLessThan": {"S3:tlsversion": versions}});
        statement
    };
    for found in [old("1.2"), old("1.3"), several(json!(1.3)), several(json!(["1.1", "1.3"]))] {
        assert!(compare::satisfied(&found, &old("1.2")), "{found}");
    }
    let mut elsewhere = old("1.3");
    elsewhere["Resource"] = json!("arn:aws:s3:::huntaze-assets/*");
    let mut besides = old("1.3");
    besides["Condition"]["Bool"] = json!({"aws:SecureTransport": "false"});
    let mut allows = old("1.3");
    allows["Effect"] = json!("Allow");
    let odd = [several(json!([])), several(json!(["x", "1.3"])), several(json!("NaN"))];
    for found in odd.into_iter().chain([old("1.1"), elsewhere, besides, allows.clone(), tls()]) {
        assert!(!compare::satisfied(&found, &old("1.2")), "{found}");
    }
    // Letting fewer in is another thing than refusing more.
    let mut less = allows.clone();
    less["Condition"] = old("1.2")["Condition"].clone();
    assert!(!compare::satisfied(&allows, &less));
}

#[test]
fn other_statements_version_and_id_stay_as_they_are() {
    let theirs = json!({"Effect": "Allow", "Principal": {"AWS": ["b", "a"]}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::x/*"});
    let found = json!({"Version": "2008-10-17", "Id": "theirs", "Statement": theirs});
    let steps = plan(&seen(&found.to_string()), vec![deny_insecure_transport(BUCKET, "aws", true)]);
    let policy = steps.steps[0].op.policy.clone().unwrap();
    assert_eq!(policy["Version"], "2008-10-17");
    assert_eq!(policy["Id"], "theirs");
    assert_eq!(policy["Statement"][0], theirs);
    assert_eq!(policy["Statement"][1]["Sid"], "HoldfastDenyInsecureTransport");
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 2);
}

#[test]
fn our_statement_is_replaced_where_it_stands() {
    let found = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "HoldfastDenyInsecureTransport", "Effect": "Allow"}, {"Sid": "Theirs", "Effect": "Deny"},
        {"Sid": "HoldfastDenyInsecureTransport", "Effect": "Allow"},
    ]});
    let steps = plan(&seen(&found.to_string()), vec![deny_insecure_transport(BUCKET, "aws", true)]);
    let policy = steps.steps[0].op.policy.clone().unwrap();
    let sids: Vec<_> = policy["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids, ["HoldfastDenyInsecureTransport", "Theirs"]);
    assert_eq!(policy["Statement"][0]["Effect"], "Deny");
}

#[test]
fn the_last_statement_taken_out_deletes_the_policy() {
    let found = json!({"Version": "2012-10-17", "Statement": [{"Sid": "HoldfastDenyInsecureTransport", "Effect": "Deny"}]});
    let steps = plan(&seen(&found.to_string()), vec![deny_insecure_transport(BUCKET, "aws", false)]);
    assert_eq!(steps.steps[0].op.policy, None);
    assert_eq!(steps.steps[0].impact, Impact::Online);
    assert_eq!(BucketPolicy::check(&steps.steps[0].op, &seen(&found.to_string())), Progress::Pending);
    assert_eq!(BucketPolicy::check(&steps.steps[0].op, &without()), Progress::Done);
}

#[test]
fn a_written_policy_is_done_when_it_is_read_back() {
    let steps = plan(&without(), vec![deny_insecure_transport(BUCKET, "aws", true), deny_old_tls(BUCKET, "aws", "1.2")]);
    let op = &steps.steps[0].op;
    assert_eq!(steps.steps.len(), 1);
    assert_eq!(steps.steps[0].impact, Impact::Disruptive);
    assert_eq!(BucketPolicy::check(op, &without()), Progress::Pending);
    assert_eq!(BucketPolicy::check(op, &seen(&op.policy.clone().unwrap().to_string())), Progress::Done);
}

#[test]
fn a_website_is_named_before_its_plain_http_is_refused() {
    let mut seen = without();
    seen.website = Fact::Present(true);
    let steps = plan(&seen, vec![deny_insecure_transport(BUCKET, "aws", true)]);
    assert_eq!(steps.notes.len(), 1);
    assert!(steps.steps[0].takes.contains("website"));
}

#[test]
fn a_policy_that_is_not_understood_is_left_alone() {
    for text in ["", "[]", "{\"Statement\": 1}", "{\"Statement\": [1]}", "{"] {
        let seen = seen(text);
        assert!(seen.policy.unknown().is_some(), "{text}");
        let steps = plan(&seen, vec![deny_insecure_transport(BUCKET, "aws", true)]);
        assert!(steps.steps.is_empty());
        assert_eq!(steps.blocks[0].reason, Reason::Unreadable);
    }
}

#[test]
fn a_policy_that_would_be_too_large_is_not_written() {
    let theirs = json!({"Statement": [{"Effect": "Allow", "Resource": "x".repeat(20_400)}]});
    let steps = plan(&seen(&theirs.to_string()), vec![deny_insecure_transport(BUCKET, "aws", true)]);
    assert!(steps.steps.is_empty());
    assert_eq!(steps.blocks[0].reason, Reason::NotSupported);
}

#[test]
fn no_statement_may_deny_its_own_repair() {
    let arn = format!("arn:aws:s3:::{BUCKET}");
    let locking = [
        json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": arn}),
        json!({"Effect": "Deny", "Principal": {"AWS": "317805897534"}, "NotAction": "s3:GetObject", "Resource": arn}),
        json!({"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "S3:*", "NotResource": "arn:aws:s3:::other"}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arn, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arn, "Condition": {"StringNotEquals": {"aws:SourceVpce": "v"}}}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arn, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.4"}}}),
    ];
    for one in locking {
        assert!(lockout::denies_repair(&one, BUCKET), "{one}");
        let steps = plan(&without(), vec![statement("HoldfastX", one)]);
        assert!(steps.steps.is_empty());
        assert_eq!(steps.blocks[0].reason, Reason::Conflict);
    }
    let harmless = [
        tls(),
        deny_old_tls(BUCKET, "aws", "1.3").statement.unwrap(),
        json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": format!("{arn}/*")}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": format!("{arn}/*")}),
        json!({"Effect": "Deny", "Principal": {"Service": "guardduty.amazonaws.com"}, "Action": "s3:*", "Resource": "*"}),
    ];
    for one in harmless {
        assert!(!lockout::denies_repair(&one, BUCKET), "{one}");
    }
}

#[test]
fn two_wishes_for_one_sid_must_agree() {
    let allow = json!({"Effect": "Allow", "Action": "s3:GetObject"});
    let agreeing =
        vec![statement("HoldfastX", allow.clone()), statement("HoldfastX", json!({"Effect": "Allow", "Action": ["s3:GetObject"]}))];
    assert_eq!(
        BucketPolicySpec { bucket: BUCKET.to_owned(), bucket_is_made: None, statements: agreeing }.conflicts(),
        Vec::<String>::new()
    );
    let differing = vec![statement("HoldfastX", allow.clone()), Statement { sid: "HoldfastX".to_owned(), statement: None }];
    let spec = BucketPolicySpec { bucket: BUCKET.to_owned(), bucket_is_made: None, statements: differing.clone() };
    assert_eq!(BucketPolicy::problems(&spec, &scope()).len(), 1);
    assert_eq!(plan(&without(), differing).blocks[0].reason, Reason::Conflict);
    assert_eq!(plan(&without(), vec![statement("Theirs", allow)]).blocks[0].reason, Reason::InvalidWish);
}

#[test]
fn a_contribution_is_read_back_as_it_was_given() {
    let statements = [deny_insecure_transport(BUCKET, "aws", false), deny_old_tls(BUCKET, "aws", "1.2")];
    let contribution = contribution(BUCKET, &statements, "denyInsecureTransport");
    assert_eq!(contribution.to, Key::new("s3.bucketPolicies", BUCKET));
    assert_eq!(contribution.value["statements"][0], json!({"sid": "HoldfastDenyInsecureTransport", "statement": null}));
    let spec: BucketPolicySpec = serde_json::from_value(contribution.value).unwrap();
    assert_eq!(spec.statements, statements);
}

#[test]
fn a_policy_whose_bucket_is_missing_is_said_to_miss_its_bucket() {
    let scope = scope();
    let (message, what_to_do) = BucketPolicy::missing("huntaze-audit-logs", &scope);
    assert_eq!(message, "there is no bucket huntaze-audit-logs in account 317805897534, whose policy could be changed");
    assert!(what_to_do.contains("create: true"), "{what_to_do}");
}

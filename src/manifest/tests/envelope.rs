//! What the envelope says, and its checks.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{BadUntil, Disruptive, Exception, Mode, Until, closed, derived, lines, manifest, reading, schema};

#[test]
fn the_envelope_is_read() {
    let spec = "  assumeRole: {roleArn: \"arn:aws:iam::317805897534:role/holdfast\", externalId: abc}\n  policy:\n    mode: Observe\n    disruptive: Allow\n    maxChanges: 5\n    changeWindows: [{days: [Sat, Sun], from: 22:00, to: 04:00, timeZone: Europe/Paris}]\n  exceptions:\n  - {resource: s3.buckets/x, field: versioning, until: 2026-12-31, reason: later}\n  - {resource: s3.account, field: blockPublicAcls, until: \"2026-12-31T12:00:00+01:00\", reason: later}\n  notifications: {topicArn: \"arn:aws:sns:us-east-1:317805897534:ops\"}\n";
    let reading = reading(&manifest(spec));
    assert!(reading.problems.is_empty(), "{:?}", lines(&manifest(spec)));
    let spec = &reading.objects[0].object.spec;
    assert_eq!((spec.policy.mode, spec.policy.disruptive, spec.policy.max_changes), (Mode::Observe, Disruptive::Allow, 5));
    let ends: Vec<Timestamp> = spec.exceptions.iter().map(|exception| exception.until.at()).collect();
    assert_eq!(ends, ["2027-01-01T00:00:00Z".parse().unwrap(), "2026-12-31T11:00:00Z".parse::<Timestamp>().unwrap()]);
    assert_eq!(spec.exceptions.iter().map(Exception::target).collect::<Vec<_>>(), [("s3.buckets", Some("x")), ("s3.account", None)]);
}

#[test]
fn what_only_the_envelope_as_a_whole_can_say() {
    let cases = [
        (
            "notifications: {topicArn: \"arn:aws:sns:us-east-1:111122223333:ops\"}",
            vec!["notifications.topicArn: this is in account 111122223333; expected one in the account of the manifest, 317805897534"],
        ),
        (
            "notifications: {topicArn: \"arn:aws-cn:sns:us-east-1:317805897534:ops\"}",
            vec!["notifications.topicArn: this is in the partition aws-cn; expected one in aws, as us-east-1 is"],
        ),
        (
            "notifications: {topicArn: \"arn:aws:sns:eu-west-1:317805897534:ops\"}",
            vec!["notifications.topicArn: this is in the region eu-west-1; expected one in the region of the manifest, us-east-1"],
        ),
        (
            "notifications: {topicArn: ops}",
            vec![
                "notifications.topicArn: \"ops\" does not have the right form; expected text such as arn:aws:sns:us-east-1:317805897534:huntaze-ops-alerts",
            ],
        ),
        (
            "assumeRole: {roleArn: \"arn:aws:iam::111122223333:role/x\"}",
            vec!["assumeRole.roleArn: this is in account 111122223333; expected one in the account of the manifest, 317805897534"],
        ),
        (
            "policy: {changeWindows: [{days: [Mon], from: \"22:00\", to: \"22:00\", timeZone: UTC}]}",
            vec!["policy.changeWindows[0].to: the window opens and closes at the same time"],
        ),
        (
            "policy: {changeWindows: [{days: [Mo], from: \"22:00\", to: \"22:00\", timeZone: Europe/Pari}]}",
            vec![
                "policy.changeWindows[0].days[0]: \"Mo\" is not a known value; expected one of Mon, Tue, Wed, Thu, Fri, Sat, Sun; did you mean \"Mon\"?",
                "policy.changeWindows[0].to: the window opens and closes at the same time",
                "policy.changeWindows[0].timeZone: not the IANA name of a time zone; expected a name such as Europe/Paris; did you mean \"Europe/Paris\"?",
            ],
        ),
        (
            "policy: {changeWindows: [{days: [], from: \"22:00\", to: \"25:00\", timeZone: Europe/Pari}]}",
            vec![
                "policy.changeWindows[0].days: an empty list; expected at least one item",
                "policy.changeWindows[0].to: \"25:00\" does not have the right form; expected text such as 04:00",
                "policy.changeWindows[0].timeZone: not the IANA name of a time zone; expected a name such as Europe/Paris; did you mean \"Europe/Paris\"?",
            ],
        ),
        (
            "policy: {changeWindows: [{days: [Mon], from: \"22:00\", to: \"23:00\", timeZone: Europe/Pari}]}",
            vec![
                "policy.changeWindows[0].timeZone: not the IANA name of a time zone; expected a name such as Europe/Paris; did you mean \"Europe/Paris\"?",
            ],
        ),
        ("policy: {maxChanges: 5000000000}", vec!["policy.maxChanges: 5000000000 is too large; expected at most 1000000"]),
        (
            "exceptions: [{resource: s3.buckts/x, field: versioning, until: 2026-12-31, reason: x}]",
            vec![
                "exceptions[0].resource: \"s3.buckts\" is no kind of resource; expected one of rds.instances, s3.account, s3.buckets; did you mean \"s3.buckets\"?",
            ],
        ),
        (
            "exceptions: [{resource: s3.buckets, field: versionin, until: 2026-02-30, reason: \" \"}]",
            vec![
                "exceptions[0].resource: this names a kind and no resource; expected s3.buckets/NAME, where NAME is its name here or in AWS",
                "exceptions[0].field: s3.buckets has no field \"versionin\" that could differ; expected one of versioning, days, ownership, auth.secretArn, rules.KEY, tags.KEY; did you mean \"versioning\"?",
                "exceptions[0].until: neither a date such as 2026-12-31 nor a time such as 2026-12-31T18:00:00Z",
                "exceptions[0].reason: \" \" does not have the right form; expected text such as the old clients are gone in March",
            ],
        ),
        (
            "exceptions: [{resource: s3.account/x, field: blockPublicAcls, until: 2026-12-31, reason: x}]",
            vec!["exceptions[0].resource: an account has this once, without a name; expected s3.account"],
        ),
    ];
    for (field, expected) in cases {
        let text = manifest(&format!("  {field}\n"));
        let all = lines(&text);
        let said: Vec<&str> = all.iter().map(|line| line.split_once(": error: spec.").unwrap().1).collect();
        assert_eq!(said, expected, "{field}");
        assert!(reading(&text).objects.is_empty(), "{field}");
    }
}

#[test]
fn an_exception_names_what_the_plan_can_show_as_different() {
    let of = |field: &str| {
        let spec = format!("  exceptions: [{{resource: s3.buckets/x, field: '{field}', until: 2026-12-31, reason: x}}]\n");
        lines(&manifest(&spec)).len()
    };
    for field in ["versioning", "tags", "tags.owner", "tags.cost.center", "rules.old", "auth", "auth.secretArn"] {
        assert_eq!(of(field), 0, "{field}");
    }
    // What is not compared, and other ways to write a path, could never match.
    for field in ["bucket", "rules[0]", "rules[0].id", "tags[\"a\"]", "tags.", "auth.secret", "versioning.x", "a..b", "["] {
        assert_eq!(of(field), 1, "{field}");
    }
}

#[test]
fn the_schema_is_closed_at_every_level_and_has_no_references() {
    fn walk(at: &str, schema: &Value, open: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                if map.contains_key("$ref") || map.contains_key("$defs") {
                    open.push(format!("{at}: a reference"));
                }
                if map.get("type") == Some(&"object".into()) && map.get("additionalProperties").is_none_or(|more| more == true) {
                    open.push(at.to_owned());
                }
                if map.get("type") == Some(&"array".into()) && !map.contains_key("maxItems") {
                    open.push(format!("{at}: no maxItems"));
                }
                map.iter().for_each(|(key, inner)| walk(&format!("{at}/{key}"), inner, open));
            }
            Value::Array(items) => items.iter().enumerate().for_each(|(index, inner)| walk(&format!("{at}/{index}"), inner, open)),
            _ => {}
        }
    }
    let mut open = Vec::new();
    walk("", &schema(), &mut open);
    let kept = |field: &str| format!("/properties/metadata/properties/{field}/items");
    assert_eq!(open, [kept("managedFields"), kept("ownerReferences"), "/properties/status".to_owned()]);
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn derived_schemas_are_made_strict() {
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Example {
        /// How much.
        level: Option<Level>,
        count: Option<u16>,
        nested: Option<Vec<Example>>,
    }
    /// How much of it.
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is read")]
    enum Level {
        /// Nothing.
        None,
        /// Everything.
        All,
    }
    let schema = derived::<Example>();
    let level = &schema["properties"]["level"];
    assert_eq!(level["enum"], json!(["None", "All"]));
    assert_eq!(level["type"], "string");
    let description = level["description"].as_str().unwrap();
    assert!(description.starts_with("How much."), "{description}");
    assert_eq!(schema["properties"]["count"], json!({"type": "integer", "minimum": 0, "maximum": 65535}));
    assert_eq!(schema["properties"]["nested"]["items"], json!({"not": {}}));
    assert_eq!(closed(schema.clone()), schema);
}

#[test]
fn the_end_of_an_exception() {
    let ends = |text: &str| text.parse::<Until>().map(|until| until.at());
    assert_eq!(ends("2026-12-31"), Ok("2027-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!([ends("9999-12-31"), ends("9999-12-30")], [Ok(Timestamp::MAX), Ok(Timestamp::MAX)]);
    assert_eq!(ends("9999-12-29"), Ok("9999-12-30T00:00:00Z".parse().unwrap()));
    assert_eq!([ends("9999-12-31T23:59:59Z"), ends("-009999-01-01T00:00:00+23:00")], [Err(BadUntil::OutOfRange); 2]);
    for text in ["2026-02-30", "later", "", "2026-12-31T18:00:00", "2026-12-31T25:00:00Z", "10000-01-01"] {
        assert_eq!(ends(text), Err(BadUntil::Form), "{text}");
    }
    assert_eq!(BadUntil::OutOfRange.to_string(), "out of range: the last time that can be given is 9999-12-30T22:00:00Z");
}

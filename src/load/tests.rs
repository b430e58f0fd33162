//! What is said of a manifest as a whole, with the kinds that there are.

use super::*;
use crate::kinds::Contribution;

/// An object; `spec` stands below its region, from line 4 on.
fn object(metadata: &str, region: &str, spec: &str) -> String {
    format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {metadata}\nspec:\n{spec}  account: \"317805897534\"\n  region: {region}\n"
    )
}

fn said(text: &str) -> Vec<String> {
    load_text("a.yaml", text).problems.iter().map(|problem| problem.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

/// Place and path of every problem.
fn places(text: &str) -> Vec<String> {
    said(text).iter().map(|line| line.split(": ").filter(|part| *part != "error").take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// The ids that are enforced, by object.
fn enforced(manifests: &Manifests) -> Vec<(String, Vec<String>)> {
    let ids = |baseline: &Baseline| baseline.entries.iter().map(|entry| entry.kind.wish(entry.spec.clone(), &baseline.scope).id).collect();
    manifests.baselines.iter().map(|baseline| (baseline.scope.object.clone(), ids(baseline))).collect()
}

#[test]
fn no_mistake_hides_another() {
    let spec = "  policy: {disruptve: Allow}
  s3:
    buckets:
    - name: aaa
      encryption: {algorithm: AES256, kmsKeyId: alias/x}
      lifecycle: {rules: [{id: idle, enabled: true}]}
    - name: bbb
      versoning: Enabled
      encryption: {algorithm: AES256, kmsKeyId: alias/x}
    - name: ccc
      bucket: ddd
      match: {names: [\"*\"]}
";
    assert_eq!(
        places(&object("{name: a}", "us-east-1", spec)),
        [
            "a.yaml:5:12 spec.policy.disruptve",
            "a.yaml:9:49 spec.s3.buckets[0].encryption.kmsKeyId",
            "a.yaml:10:27 spec.s3.buckets[0].lifecycle.rules[0]",
            "a.yaml:12:7 spec.s3.buckets[1].versoning",
            "a.yaml:13:49 spec.s3.buckets[1].encryption.kmsKeyId",
            "a.yaml:16:7 spec.s3.buckets[2].match",
        ]
    );
    // What cannot be read at all of the head does not hide the rest, and nothing is said of what stands in for it.
    let headless = object("{name: 5}", "mars", spec).replace("\"317805897534\"", "x");
    assert_eq!(places(&headless).len(), 6 + 3, "{:#?}", said(&headless));
    assert!(!said(&headless).join("\n").contains("000000000000"));
}

#[test]
fn nothing_is_said_that_comes_of_what_was_taken_out() {
    for (entry, problems) in [
        // Without its algorithm a key would have none; without its selector the name would be a bucket's.
        ("{name: aaa, encryption: {algorithm: aws:kmss, kmsKeyId: alias/x}}", 1),
        ("{name: aaa, encryption: {algoritm: \"aws:kms\", kmsKeyId: alias/x}}", 1),
        ("{name: a, match: {nams: [x]}}", 2),
        ("{name: a, matches: {names: [x]}}", 1),
        ("{name: aaa, lifecycle: {rules: [{id: a, enabled: true, expiration: {days: x}}]}}", 1),
        ("{name: aaa, lifecycle: {rules: [{id: a, enabled: true, transitions: [{days: 1}]}]}}", 1),
        // These have nothing to do with each other.
        ("{name: a, versoning: Enabled}", 2),
        ("{name: aaa, tags: {\"aws:x\": z, b: [1]}}", 2),
        ("{name: aaa, lifecycle: {rules: [{id: a, enabled: x}, {id: b, enabled: true}]}}", 2),
        ("{name: aaa, lifecycle: {rules: [{enabled: true}, {id: b, enabled: true}]}}", 2),
        ("{bucket: aaa, encryption: {algorithm: AES256, kmsKeyId: alias/x}}", 2),
    ] {
        let text = object("{name: a}", "us-east-1", &format!("  s3:\n    buckets:\n    - {entry}\n"));
        assert_eq!(said(&text).len(), problems, "{entry}: {:#?}", said(&text));
    }
}

#[test]
fn a_mistake_hides_no_double_claim() {
    let instances = |entries: &str| format!("  rds:\n    instances:\n{entries}");
    let good = object("{name: good}", "us-east-1", &instances("    - {name: x, instance: db1}\n    - {name: w, instance: db2}\n"));
    for (bad, twice) in [
        (
            object("{name: bad}", "us-east-1", &instances("    - {name: x, instance: db1}\n")).replace("spec:\n", "spec:\n  nonsense: 1\n"),
            true,
        ),
        (object("{name: bad}", "us-east-1", &instances("    - {name: x, instance: db1, multiAzz: true}\n")), true),
        (object("{name: bad}", "us-east-1", &instances("    - {name: x, instance: db1, parameters: {a: \"\"}}\n")), true),
        // Which instance or region is meant is not known.
        (object("{name: bad}", "us-east-1", &instances("    - {name: db1, instanc: db3}\n")), false),
        (object("{name: bad}", "mars", &instances("    - {name: db1}\n")), false),
    ] {
        let text = format!("{good}---\n{bad}");
        let manifests = load_text("a.yaml", &text);
        let found = said(&text).iter().filter(|line| line.contains("declared twice")).count();
        assert_eq!(found, usize::from(twice), "{bad}\n{:#?}", said(&text));
        let ids: &[&str] = if twice { &["db2"] } else { &["db1", "db2"] };
        assert_eq!(enforced(&manifests).first(), Some(&("good".to_owned(), ids.iter().map(|id| (*id).to_owned()).collect())), "{bad}");
    }
    let same = object("{name: a}", "us-east-1", &instances("    - {name: x}\n    - {name: x}\n"));
    assert_eq!(said(&same).len(), 1, "{:#?}", said(&same));
}

/// A trail of all regions is shown in each under its name: two objects that say different things of it would change it for ever.
#[test]
fn a_trail_of_one_name_is_one_in_all_regions() {
    let trail = |name: &str, region: &str, says: &str| {
        object(&format!("{{name: {name}}}"), region, &format!("  cloudtrail:\n    trails:\n    - {{name: audit, trail: same{says}}}\n"))
    };
    for (one, other, twice) in [
        ("", "", true),
        (", multiRegion: true", "", true),
        (", multiRegion: true", ", multiRegion: false", true),
        (", multiRegion: false", ", multiRegion: false", false),
    ] {
        let text = format!("{}---\n{}", trail("a", "us-east-1", one), trail("b", "eu-west-1", other));
        let said = said(&text);
        let found = said.iter().filter(|line| line.contains("cloudtrail.trails same of account 317805897534 is declared twice")).count();
        assert_eq!(found, usize::from(twice), "{one}, {other}: {said:#?}");
    }
}

#[test]
fn objects_of_one_name_in_two_namespaces_are_two() {
    let entries = |first: &str, second: &str| {
        format!("  rds:\n    instances:\n    - {{name: x, instance: {first}}}\n    - {{name: z, instance: {second}}}\n")
    };
    let text = format!(
        "{}---\n{}",
        object("{name: prod, namespace: a}", "us-east-1", &entries("db1", "db1")),
        object("{name: prod, namespace: b}", "us-west-2", &entries("db2", "db3")),
    );
    let manifests = load_text("a.yaml", &text);
    assert_eq!(manifests.problems.len(), 1);
    assert_eq!(manifests.problems[0].object.as_deref(), Some("a/prod"));
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<String>>();
    assert_eq!(enforced(&manifests), [("a/prod".to_owned(), ids(&[])), ("b/prod".to_owned(), ids(&["db2", "db3"]))]);
    let long = object(&format!("{{name: {}, namespace: {}}}", "n".repeat(200), "s".repeat(56)), "us-east-1", "");
    assert!(said(&long)[0].contains("metadata.name: too long together with its namespace"), "{:?}", said(&long));
}

#[test]
fn what_a_kind_finds_wrong_is_marked_where_it_was_written() {
    let spec = "  s3:
    buckets:
    - name: aaa
      tags:
        \"aws:a[b\": x
        aws:cost.center: x
      lifecycle:
        rules:
        - {id: fine, enabled: true, expiration: {days: 1}}
        - id: idle
          enabled: true
";
    assert_eq!(
        said(&object("{name: a}", "us-east-1", spec)),
        [
            r#"a.yaml:9:20: error: spec.s3.buckets[0].tags["aws:a[b"]: only AWS itself sets tags that begin with aws:; expected another key"#,
            r#"a.yaml:10:26: error: spec.s3.buckets[0].tags["aws:cost.center"]: only AWS itself sets tags that begin with aws:; expected another key"#,
            "a.yaml:14:11: error: spec.s3.buckets[0].lifecycle.rules[1]: rule idle does nothing; expected transitions, expiration, noncurrentTransitions, noncurrentExpiration or abortMultipartAfterDays",
        ]
    );
}

#[test]
fn an_exception_can_name_whatever_the_plan_prints() {
    let of = |resource: &str, field: &str| {
        let exception = format!("  exceptions: [{{resource: {resource}, field: {field}, until: 2027-12-31, reason: r}}]\n");
        said(&object("{name: a}", "us-east-1", &exception))
    };
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let resource = if kind.shape() == Multiplicity::Many { format!("{}/x", kind.path()) } else { kind.path().to_owned() };
        for field in kind.fields() {
            assert_eq!(of(&resource, field.path), Vec::<String>::new(), "{resource} {}", field.path);
            if field.keyed {
                assert_eq!(of(&resource, &format!("{}.some.key", field.path)), Vec::<String>::new(), "{resource} {}", field.path);
            }
        }
    }
    for field in ["lifecycle.rules[0]", "match.names", "bucket", "lifecycle.expiryApproved", "tagz"] {
        assert_eq!(of("s3.buckets/x", field).len(), 1, "{field}");
    }
    assert!(of("s3.buckets/x", "versionin")[0].contains("did you mean \"versioning\"?"));
}

#[test]
fn whoever_contributes_to_another_thing_names_a_field_of_its_own() {
    let spec = "  s3: {buckets: [{name: aaa, create: true, denyInsecureTransport: true, minimumTlsVersion: \"1.2\"}]}
  cloudtrail: {trails: [{name: audit, bucket: aaa}]}
  guardduty: {detector: {publishingDestination: {bucket: aaa, kmsKeyArn: \"arn:aws:kms:us-east-1:317805897534:key/k\"}}}
";
    let manifests = load_text("a.yaml", &object("{name: a}", "us-east-1", spec));
    assert_eq!(manifests.problems, []);
    let baseline = &manifests.baselines[0];
    let mut seen = 0;
    for entry in &baseline.entries {
        let fields: Vec<&str> = entry.kind.fields().iter().map(|field| field.path).collect();
        for Contribution { field, .. } in entry.kind.contributes(&entry.kind.wish(entry.spec.clone(), &baseline.scope), &baseline.scope) {
            assert!(fields.contains(&field), "{}: {field}", entry.kind.path());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn a_difference_is_excepted_by_the_name_that_the_plan_prints() {
    let excepting = |resource: &str, field: &str| {
        let exception = format!("  exceptions: [{{resource: {resource}, field: {field}, until: 2030-01-01, reason: r}}]\n");
        said(&object("{name: a}", "us-east-1", &format!("{exception}  s3: {{buckets: [{{name: assets, denyInsecureTransport: true}}]}}\n")))
    };
    for field in ["statements", "statements.HoldfastDenyInsecureTransport"] {
        assert_eq!(excepting("s3.bucketPolicies/assets", field), Vec::<String>::new(), "{field}");
    }
    let said = excepting("s3.bucketPolicies", "statements");
    assert!(said[0].contains("this names a kind and no resource"), "{said:?}");
    let said = excepting("s3.bucketPolicies/assets", "versioning");
    assert!(said[0].contains("s3.bucketPolicies has no field \"versioning\" that could differ"), "{said:?}");
    // It still stands in no manifest.
    let said = said_of_unknown("bucketPolicies");
    assert!(said.iter().any(|line| line.contains("spec.s3.bucketPolicies")), "{said:?}");
}

fn said_of_unknown(kind: &str) -> Vec<String> {
    said(&object("{name: a}", "us-east-1", &format!("  s3: {{{kind}: []}}\n")))
}

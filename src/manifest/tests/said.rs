//! Every kind of problem, exactly as it is printed.

use super::{lines, manifest, read_text, reading, said};

/// What is in a manifest below the region, and what is said of it.
#[track_caller]
fn check(spec: &str, expected: &str) {
    assert_eq!(said(&manifest(spec)), expected, "\n--- of\n{spec}");
}

#[test]
fn an_unknown_field_is_shown_with_the_nearest_known_one() {
    check(
        "  rds:\n    instances:\n    - name: a\n      multiAzz: true\n",
        "a.yaml:10:7: error: spec.rds.instances[0].multiAzz: unknown field; expected one of multiAz, name; did you mean \"multiAz\"?\n   \
         |\n10 |       multiAzz …\n   |       ^^^^^^^^",
    );
    check(
        "  polcy: {}\n",
        "a.yaml:7:3: error: spec.polcy: unknown field; expected one of account, assumeRole, exceptions, notifications, policy, rds, region, s3; \
         did you mean \"policy\"?\n  |\n7 |   polcy …\n  |   ^^^^^",
    );
}

#[test]
fn all_problems_are_said_at_once() {
    let spec =
        "  s3:\n    bukets: []\n    buckets:\n    - versioning: maybe\n      days: 70000\n    - {name: b, ownership: Enforcd}\n  rds: 3\n";
    let expected = [
        "a.yaml:8:5: error: spec.s3.bukets: unknown field; expected one of account, buckets; did you mean \"buckets\"?",
        "a.yaml:10:7: error: spec.s3.buckets[0].name: missing",
        "a.yaml:10:19: error: spec.s3.buckets[0].versioning: this is text; expected true or false",
        "a.yaml:11:13: error: spec.s3.buckets[0].days: 70000 is too large; expected at most 65535",
        "a.yaml:12:28: error: spec.s3.buckets[1].ownership: \"Enforcd\" is not a known value; expected one of Enforced, Preferred; did you mean \"Enforced\"?",
        "a.yaml:13:8: error: spec.rds: this is a number; expected a mapping with fields of its own (instances)",
    ];
    assert_eq!(lines(&manifest(spec)), expected);
}

#[test]
fn values_that_yaml_takes_for_something_else() {
    let cases = [
        ("versioning: yes", "versioning: this is text; expected true or false; write true"),
        ("versioning: \"false\"", "versioning: this is text; expected true or false; write it without quotes"),
        ("versioning:", "versioning: this is empty; expected true or false; give it a value, or leave the field out"),
        ("bucket: 317805897534", "bucket: this is a number; expected text; write it in quotes: \"317805897534\""),
        ("bucket: 012345678901", "bucket: without quotes this is a number to other YAML readers; write it in quotes: \"012345678901\""),
        ("bucket: off", "bucket: without quotes this is a boolean to other YAML readers; write it in quotes: \"off\""),
        ("bucket: true", "bucket: this is a boolean; expected text; write it in quotes: \"true\""),
        ("days: 1_000", "days: this is text; expected a whole number; write 1000"),
        ("days: \"7\"", "days: this is text; expected a whole number; write 7"),
        ("days: 1.5", "days: this is a number; expected a whole number"),
        ("days: -1", "days: -1 is too small; expected at least 0"),
        ("ratio: .nan", "ratio: not a number that can be used; if it is text, write it in quotes"),
        ("days: 99999999999999999999999", "days: not a number that can be used; if it is text, write it in quotes"),
        ("rules: {id: a}", "rules: this is a mapping; expected a list; write it as a list: begin each item with \"- \""),
        ("tags: {no: x}", "tags.no: this key is a boolean to other YAML readers; write it in quotes: \"no\""),
        ("tags: {1: x}", "tags[1]: this key is a number; write it in quotes: \"1\""),
        ("tags: {a.b: 1}", "tags[\"a.b\"]: this is a number; expected text; write it in quotes: \"1\""),
    ];
    for (field, expected) in cases {
        let all = lines(&manifest(&format!("  s3:\n    buckets:\n    - name: a\n      {field}\n")));
        assert_eq!(all.len(), 1, "{field}: {all:?}");
        let (_, said) = all[0].split_once("buckets[0].").unwrap();
        assert_eq!(said, expected.replace("tags[1]", "tags.1"), "{field}");
    }
}

#[test]
fn an_account_without_quotes() {
    let text = manifest("").replace("\"317805897534\"", "317805897534");
    assert_eq!(
        said(&text),
        "a.yaml:5:12: error: spec.account: this is a number; expected text; write it in quotes: \"317805897534\"\n  \
         |\n5 |   account: 317805897534\n  |            ^^^^^^^^^^^^"
    );
}

#[test]
fn a_form_with_a_mistake_is_judged_as_the_form_that_was_meant() {
    let of = |target: &str| lines(&manifest(&format!("  s3: {{buckets: [{{name: a, target: {target}}}]}}\n")));
    assert_eq!(
        of("{ecs: {servce: x}}"),
        [
            "a.yaml:7:37: error: spec.s3.buckets[0].target.ecs.service: missing",
            "a.yaml:7:43: error: spec.s3.buckets[0].target.ecs.servce: unknown field; expected service",
        ]
    );
    assert_eq!(
        of("{lamda: x}"),
        [
            "a.yaml:7:28: error: spec.s3.buckets[0].target: fits none of the allowed forms; expected one of ecs, lambda; did you mean \"lambda\"?"
        ]
    );
    assert_eq!(of("x"), ["a.yaml:7:36: error: spec.s3.buckets[0].target: this is text; expected a mapping"]);
}

#[test]
fn duplicate_keys_are_all_said_with_both_places() {
    let spec = "  s3:\n    buckets:\n    - name: a\n      days: 1\n      days: 2\n      days: 3\n";
    assert_eq!(
        lines(&manifest(spec)),
        [
            "a.yaml:11:7: error: spec.s3.buckets[0].days: the same key twice; the other is at a.yaml:10:7",
            "a.yaml:12:7: error: spec.s3.buckets[0].days: the same key twice; the other is at a.yaml:10:7",
        ]
    );
}

#[test]
fn the_same_name_twice_in_a_list() {
    let spec = "  s3:\n    buckets:\n    - {name: a}\n    - {name: b}\n    - {name: a}\n";
    check(
        spec,
        "a.yaml:11:14: error: spec.s3.buckets[2].name: the name \"a\" is given twice; the other is at a.yaml:9:8 (spec.s3.buckets[0].name)\n   \
         |\n11 |     - {name: a}\n   |              ^",
    );
}

#[test]
fn text_that_is_not_yaml() {
    let cases = [
        ("spec:\n\taccount: x\n", "a.yaml:2:1: error: a tab in the indentation; YAML indents with spaces; replace it by spaces"),
        (
            "spec:\n  region: us-east-1\n\n\taccount: \"317805897534\"\n",
            "a.yaml:4:1: error: a tab in the indentation; YAML indents with spaces; replace it by spaces",
        ),
        (
            "---\nspec:\n  - name: x\n  \tbucket: y\n",
            "a.yaml:4:3: error: a tab in the indentation; YAML indents with spaces; replace it by spaces",
        ),
        ("spec:\n  name:\taaa\n", "a.yaml:2:8: error: a tab after ':'; replace it by a space"),
        ("spec:\n  -\taaa: 1\n", "a.yaml:2:4: error: a tab after '-'; replace it by a space"),
        // The tab of the next line is none of it.
        ("a: ]\n\tb: c\n", "a.yaml:1:4: error: not YAML: misplaced bracket"),
        ("a: *nowhere\n", "a.yaml:1:4: error: not YAML: while parsing node, found unknown anchor"),
        ("a: &a [*a]\n", "a.yaml:1:8: error: this alias stands inside the value that it names"),
        ("a: !secret x\n", "a.yaml:1:4: error: the tag !secret means nothing here; take it out"),
        (
            "? [a]\n: b\n",
            "a.yaml:1:1: error: this is no Kubernetes object: it has no kind; expected an object of holdfast.dev/v1alpha1, AwsBaseline",
        ),
        ("- a\n", "a.yaml:1:1: error: this is no object; expected an object of holdfast.dev/v1alpha1, AwsBaseline"),
        (
            "kind: Service\napiVersion: v1\n",
            "a.yaml:1:1: error: this is a Service; expected an object of holdfast.dev/v1alpha1, AwsBaseline",
        ),
        ("a\0b\n", "a.yaml:1:2: error: the character U+0000 is not allowed in YAML"),
        ("", "a.yaml: error: no AwsBaseline in this file"),
        ("# nothing\n---\n...\n---\n~\n", "a.yaml: error: no AwsBaseline in this file"),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(text), [expected], "{text:?}");
    }
}

#[test]
fn a_document_of_ours_with_a_mistake_in_its_head() {
    let text = "apiVersion: holdfast.dev/v1\nkind: AwsBaselin\nmetadata: {}\n";
    assert_eq!(
        lines(text),
        [
            "a.yaml:1:1: error: spec: missing",
            "a.yaml:1:13: error: apiVersion: \"holdfast.dev/v1\" is not a known value; expected holdfast.dev/v1alpha1",
            "a.yaml:2:7: error: kind: \"AwsBaselin\" is not a known value; expected AwsBaseline",
            "a.yaml:3:1: error: metadata.name: missing",
        ]
    );
}

#[test]
fn what_may_be_a_secret_is_not_shown() {
    let canary = "hunter2-canary";
    let cases = [
        format!("      auth: {{secretArn: {canary}}}\n"),
        format!("      auth:\n        secretArn:\n          {canary}\n"),
        format!("      auth: {{secretArn: {canary}, days: 1}}\n"),
        format!("      authToken: {canary}\n"),
        format!("      pw: {canary}\n"),
        format!("      auth: {canary}\n"),
        format!("      auth: [{canary}]\n"),
        format!("      days: x # the password is {canary}\n"),
        format!("      password: {canary}\n      password: {canary}\n"),
        format!("      tags: {{token: [{canary}]}}\n"),
        format!("      password: \"{canary}\n"),
        format!("      days: https://user:{canary}@host/\n"),
        format!("      ownership: \"https://user:{canary}@host/\"\n"),
    ];
    for case in cases {
        let text = manifest(&format!("  s3:\n    buckets:\n    - name: a\n{case}"));
        let reading = reading(&text);
        assert!(reading.has_errors(), "{case}");
        for problem in reading.problems {
            assert!(!problem.to_string().contains(canary), "{problem}");
            assert!(!serde_json::to_string(&problem).unwrap().contains(canary), "{problem}");
            assert!(!format!("{problem:?}").contains(canary), "{problem:?}");
        }
    }
}

#[test]
fn a_problem_as_json() {
    let reading = reading(&manifest("  s3:\n    buckets: [{name: a, dais: 3}]\n"));
    let json = serde_json::to_value(&reading.problems).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{
            "file": "a.yaml", "line": 8, "column": 25, "severity": "error", "object": "prod", "path": "spec.s3.buckets[0].dais",
            "message": "unknown field", "expected": "one of auth, bucket, days, name, ownership, ratio, rules, tags, target, versioning",
            "help": "did you mean \"days\"?", "scope": {"entry": {"path": "spec.s3.buckets[0]"}},
        }])
    );
}

#[test]
fn problems_of_one_file_are_counted_where_they_are_too_many() {
    let spec: String = (0..10_100).map(|n| format!("  field{n}: 1\n")).collect();
    let reading = reading(&manifest(&spec));
    assert_eq!((reading.problems.len(), reading.unlisted), (10_001, 99));
    assert_eq!(
        reading.problems[10_000].to_string(),
        "a.yaml:10007:1: error: 100 more problems from here on are not listed; mend those above, and validate again"
    );
}

#[test]
fn a_schema_that_is_none_is_said() {
    let reading = read_text("a.yaml", &manifest(""), &serde_json::json!({"type": 3}));
    assert!(reading.objects.is_empty());
    assert!(reading.problems[0].to_string().starts_with("schema: error: the schema of this build cannot be used: "));
}

//! What is kept when something is wrong, and that places stay right.

use std::fs;

use super::{Claim, FieldPath, Mark, Scope, claims, lines, manifest, read, read_value, reading, said, schema};

const GOOD: &str =
    "  s3:\n    account: {blockPublicAcls: true}\n    buckets:\n    - name: a\n      versioning: true\n    - name: b\n      days: 7\n";

#[test]
fn a_good_manifest_is_read() {
    let reading = reading(&manifest(GOOD));
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    let loaded = &reading.objects[0];
    assert_eq!(loaded.object.spec.account, "317805897534");
    assert_eq!(loaded.object.spec.policy.max_changes, 100);
    assert_eq!(loaded.object.spec.resources["s3"]["buckets"][1]["days"], 7);
    assert_eq!(loaded.positions.at("spec.s3.buckets[1].days"), Some((13, 7)));
    assert_eq!(loaded.positions.at("/spec/s3/buckets/1/days"), Some((13, 7)));
    assert_eq!(loaded.positions.at("spec.s3.buckets[2]"), None);
    let again = serde_json::to_value(&loaded.object).unwrap();
    let twice = read_value("server", again, &schema());
    assert_eq!((twice.problems.len(), &twice.objects[0].object), (0, &loaded.object));
}

#[test]
fn a_mistake_in_an_entry_stops_that_entry_only() {
    let spec = "  s3:\n    account: {blockPublicAcl: true}\n    buckets:\n    - name: a\n      versoning: true\n    - name: b\n    - name: c\n      days: x\n    - name: d\n      days: 4\n";
    let reading = reading(&manifest(spec));
    let loaded = &reading.objects[0];
    assert_eq!(loaded.object.spec.resources["s3"], serde_json::json!({"buckets": [{"name": "b"}, {"name": "d", "days": 4}]}));
    assert_eq!(loaded.positions.at("spec.s3.buckets[1].days"), Some((16, 7)));
    assert_eq!(loaded.positions.written("spec.s3.buckets[1].days"), "spec.s3.buckets[3].days");
    let scopes: Vec<&Scope> = reading.problems.iter().map(|problem| &problem.scope).collect();
    let entry = |path: &str| Scope::Entry { path: path.to_owned() };
    assert_eq!(scopes, [&entry("spec.s3.account"), &entry("spec.s3.buckets[0]"), &entry("spec.s3.buckets[2]")]);
    let later = loaded.problem(&FieldPath::fixed("spec.s3.buckets[1].days"), "too few");
    assert_eq!(later.to_string(), "a.yaml:16:13: error: spec.s3.buckets[3].days: too few\n   |\n16 |       days: 4\n   |             ^");
    assert_eq!(later.scope, entry("spec.s3.buckets[3]"));
}

#[test]
fn a_mistake_elsewhere_stops_the_object_and_no_other() {
    let bad = manifest("  policy: {disruptive: Alow}\n").replace("prod", "bad");
    let broken = "apiVersion: holdfast.dev/v1alpha1\nkind: [\n";
    let reading = reading(&format!("{bad}---\n{broken}---\n{}", manifest(GOOD)));
    let names: Vec<&str> = reading.objects.iter().map(|loaded| loaded.object.metadata.name.as_str()).collect();
    assert_eq!(names, ["prod"]);
    assert_eq!(reading.problems.len(), 2, "{:?}", reading.problems);
    assert!(reading.problems.iter().all(|problem| problem.scope == Scope::Object));
    // Lines count from the start of the file, not of the document.
    assert_eq!(reading.objects[0].positions.at("apiVersion"), Some((12, 1)));
}

#[test]
fn both_entries_of_one_name_are_stopped() {
    let reading = reading(&manifest("  s3: {buckets: [{name: a}, {name: b}, {name: a}]}\n"));
    assert_eq!(reading.objects[0].object.spec.resources["s3"]["buckets"], serde_json::json!([{"name": "b"}]));
}

#[test]
fn neither_of_two_objects_of_one_name_is_enforced() {
    let other = manifest("").replace("{name: prod}", "{name: prod, namespace: x}");
    let text = format!("{}---\n{}---\n{other}", manifest(GOOD), manifest(""));
    let reading = reading(&text);
    assert_eq!(reading.objects.len(), 1);
    assert_eq!(reading.objects[0].object.metadata.namespace.as_deref(), Some("x"));
    assert_eq!(
        lines(&text),
        ["a.yaml:17:18: error: metadata.name: another object has the name \"prod\" as well; the other is at a.yaml:3:18"]
    );
}

#[test]
fn anchors_and_merge_keys_keep_their_places() {
    let spec = "  s3:\n    buckets:\n    - &base\n      name: a\n      versioning: true\n      tags: &tags {owner: ops}\n    - &more\n      <<: *base\n      name: b\n      days: 3\n    - <<: [*more, *base]\n      name: c\n      tags: {<<: *tags, cost: x}\n";
    let reading = reading(&manifest(spec));
    assert!(reading.problems.is_empty(), "{}", said(&manifest(spec)));
    let loaded = &reading.objects[0];
    let third = serde_json::json!({"name": "c", "versioning": true, "days": 3, "tags": {"owner": "ops", "cost": "x"}});
    assert_eq!(loaded.object.spec.resources["s3"]["buckets"][2], third);
    assert_eq!(loaded.positions.at("spec.s3.buckets[2].versioning"), Some((11, 7)));
    assert_eq!(loaded.positions.at("spec.s3.buckets[2].tags.owner"), Some((12, 20)));
    assert_eq!(loaded.positions.at("spec.s3.buckets[2].days"), Some((16, 7)));
}

#[test]
fn a_mistake_in_an_anchor_is_said_where_it_was_written_for_each_use() {
    let spec = "  s3:\n    buckets:\n    - {name: a, <<: &x {days: -1}}\n    - {name: b, <<: *x}\n    - {name: c, <<: 3}\n    - {name: d, <<: *x, <<: *x}\n";
    let all = lines(&manifest(spec));
    assert_eq!(
        all,
        [
            "a.yaml:9:31: error: spec.s3.buckets[0].days: -1 is too small; expected at least 0",
            "a.yaml:9:31: error: spec.s3.buckets[1].days: -1 is too small; expected at least 0",
            "a.yaml:9:31: error: spec.s3.buckets[3].days: -1 is too small; expected at least 0",
            "a.yaml:11:17: error: spec.s3.buckets[2]: a merge key takes a mapping, or a list of mappings",
            "a.yaml:12:25: error: spec.s3.buckets[3]: a second merge key; merge several mappings with one: <<: [*a, *b]",
        ]
    );
}

#[test]
fn byte_order_mark_line_ends_and_empty_documents() {
    let text = manifest(GOOD);
    for (variant, line) in [
        (format!("\u{FEFF}{text}"), 13),
        (text.replace('\n', "\r\n"), 13),
        (text.replace('\n', "\r"), 13),
        (format!("---\n---\n# only a comment\n---\n{text}...\n---\n"), 17),
        (format!("%YAML 1.2\n---\n{text}"), 15),
        (text.trim_end().to_owned(), 13),
    ] {
        let reading = reading(&variant);
        assert!(reading.problems.is_empty(), "{variant:?}: {:?}", reading.problems);
        assert_eq!(reading.objects.len(), 1);
        assert_eq!(reading.objects[0].positions.at("spec.s3.buckets[1].days"), Some((line, 7)), "{variant:?}");
    }
}

#[test]
fn lists_of_objects_are_taken_apart() {
    let item = manifest(GOOD).lines().map(|line| format!("  {line}\n")).collect::<String>().replacen("  api", "- api", 1);
    let reading = reading(&format!("apiVersion: v1\nkind: List\nitems:\n{item}- {{apiVersion: v1, kind: Service}}\n"));
    assert_eq!(reading.objects.len(), 1);
    assert_eq!(reading.objects[0].positions.at("spec.s3.buckets[1].days"), Some((16, 9)));
    assert_eq!(reading.problems.len(), 1);
    assert!(reading.problems[0].to_string().starts_with("a.yaml:17:3: error: this is a Service; expected"), "{}", reading.problems[0]);
}

#[test]
fn an_object_of_the_api_server_has_no_places() {
    let value = serde_json::json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "AwsBaseline",
        "metadata": {"name": "prod", "uid": "x", "generation": 3, "managedFields": [{"manager": "kubectl"}]},
        "spec": {"account": "317805897534", "region": "us-east-1", "s3": {"buckets": [{"name": "a"}, {"name": "b", "dais": 1}]}},
        "status": {"phase": "Ready"},
    });
    let reading = read_value("AwsBaseline prod", value, &schema());
    assert_eq!(reading.objects[0].object.metadata.generation, Some(3));
    assert_eq!(reading.objects[0].object.spec.resources["s3"]["buckets"], serde_json::json!([{"name": "a"}]));
    let said = reading.problems[0].to_string();
    assert!(said.starts_with("AwsBaseline prod: error: spec.s3.buckets[1].dais: unknown field; "), "{said}");
}

/// As `kubectl get -o yaml` prints an object, and as `kubectl create --dry-run=client -o yaml` does.
#[test]
fn what_kubernetes_adds_to_the_metadata_is_accepted() {
    let kept = "  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"apiVersion\":\"holdfast.dev/v1alpha1\"}\n  \
        creationTimestamp: \"2026-05-01T12:00:00Z\"\n  deletionGracePeriodSeconds: 0\n  deletionTimestamp: \"2026-05-02T12:00:00Z\"\n  \
        finalizers:\n  - holdfast.dev/moves\n  generateName: prod-\n  generation: 3\n  labels:\n    team: data\n  managedFields:\n  \
        - apiVersion: holdfast.dev/v1alpha1\n    fieldsType: FieldsV1\n    fieldsV1:\n      f:spec:\n        .: {}\n        f:account: {}\n    \
        manager: kubectl\n    operation: Update\n    time: \"2026-05-01T12:00:00Z\"\n  name: prod\n  namespace: ops\n  ownerReferences:\n  \
        - apiVersion: v1\n    kind: ConfigMap\n    name: x\n    uid: 6c5f\n  resourceVersion: \"4711\"\n  selfLink: /apis/x\n  uid: 0f1e\n";
    for metadata in [kept, "  creationTimestamp: null\n  name: prod\n"] {
        let text = format!(
            "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata:\n{metadata}spec:\n  account: \"317805897534\"\n  region: us-east-1\n"
        );
        assert_eq!(lines(&text), Vec::<String>::new());
        assert_eq!(reading(&text).objects.len(), 1);
    }
}

/// What is misspelt there is as wrong as anywhere: a `namspace` would have the object be another one.
#[test]
fn an_unknown_field_of_the_metadata_stops_the_object() {
    let known = "expected one of annotations, creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, \
        generation, labels, managedFields, name, namespace, ownerReferences, resourceVersion, selfLink, uid";
    for (field, near) in [("namspace", "; did you mean \"namespace\"?"), ("owner", "")] {
        let text = manifest("").replace("{name: prod}", &format!("{{name: prod, {field}: x}}"));
        assert_eq!(lines(&text), [format!("a.yaml:3:24: error: metadata.{field}: unknown field; {known}{near}")]);
        assert!(reading(&text).objects.is_empty() && reading(&text).refused.len() == 1);
    }
}

#[test]
fn a_folder_is_read_in_order_and_passes_over_what_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("sub/.hidden")).unwrap();
    fs::write(at("b.yaml"), manifest("").replace("prod", "second")).unwrap();
    fs::write(at("a.yml"), format!("{}---\napiVersion: v1\nkind: Service\n", manifest("").replace("prod", "first"))).unwrap();
    fs::write(at("sub/c.yaml"), manifest("").replace("prod", "third")).unwrap();
    fs::write(at("sub/.hidden/d.yaml"), "broken: [").unwrap();
    fs::write(at("kustomization.yaml"), "broken: [").unwrap();
    fs::write(at("notes.txt"), "broken: [").unwrap();
    std::os::unix::fs::symlink(folder.path(), at("sub/loop")).unwrap();
    let reading = read(&[folder.path().to_owned()], &schema());
    let names: Vec<&str> = reading.objects.iter().map(|loaded| loaded.object.metadata.name.as_str()).collect();
    assert_eq!((names, reading.files), (vec!["first", "second", "third"], 3));
    let said: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, [format!("{}:8:1: note: this is a Service: passed over", at("a.yml").display())]);
    assert!(!reading.has_errors());
}

#[test]
fn two_files_cannot_have_one_name_and_a_folder_cannot_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        read(&[folder.path().to_owned()], &schema()).problems[0].to_string().ends_with("error: no AwsBaseline in this folder, in 0 files")
    );
    fs::write(folder.path().join("a.yaml"), manifest("")).unwrap();
    fs::write(folder.path().join("b.yaml"), manifest("")).unwrap();
    let reading = read(&[folder.path().to_owned()], &schema());
    assert!(reading.objects.is_empty());
    assert!(reading.problems[0].to_string().contains("the other is at ") && reading.problems[0].file.ends_with("b.yaml"));
    let missing = read(&[folder.path().join("c.yaml")], &schema()).problems[0].to_string();
    assert!(missing.ends_with("c.yaml: error: this file cannot be read: No such file or directory (os error 2)"), "{missing}");
}

#[test]
fn two_claims_on_one_thing_name_both_places() {
    let claim = |file: &str, object: &str, index: usize, region: &str| Claim {
        kind: "s3.buckets".into(),
        id: "assets".into(),
        account: "317805897534".into(),
        region: region.into(),
        file: file.into(),
        position: Some(Mark { line: 9, column: 7 }),
        path: format!("spec.s3.buckets[{index}]"),
        object: object.into(),
    };
    let problems =
        claims(&[claim("b.yaml", "two", 1, "us-east-1"), claim("a.yaml", "one", 0, "us-east-1"), claim("c.yaml", "three", 0, "eu-west-1")]);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = "b.yaml:9:7: error: spec.s3.buckets[1]: s3.buckets assets of account 317805897534 is declared twice; \
                    declare it in one place; the other is at a.yaml:9:7 (spec.s3.buckets[0])";
    assert_eq!(said, [expected]);
    assert_eq!(problems[0].related.as_ref().map(|other| &other.scope), Some(&Scope::Entry { path: "spec.s3.buckets[0]".into() }));
    assert!(claims(&[claim("a.yaml", "one", 0, ""), claim("a.yaml", "one", 0, "")]).is_empty());
    // What is in all regions meets with that of any.
    assert_eq!(claims(&[claim("a.yaml", "one", 0, ""), claim("b.yaml", "two", 1, "eu-west-1"), claim("c.yaml", "three", 0, "")]).len(), 2);
}

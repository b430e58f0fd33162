//! Text that was made to hurt: limits hold, nothing panics, nothing takes long.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{lines, manifest, read, read_text, schema};

/// What takes longer hangs: a twentieth of it is enough in a development build, the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// The one problem of `text`, found at once.
#[track_caller]
fn refused(text: &str) -> String {
    let started = Instant::now();
    let all = lines(text);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap_or_default()
}

const TOO_MANY: &str =
    "error: the file holds more than 500000 values, aliases followed; split it into several files, or say less through aliases";
const TOO_DEEP: &str = "error: lists and mappings stand more than 64 deep in each other";

#[test]
fn ten_megabytes_of_brackets() {
    for bracket in ["[", "{", "- ", "? ", "[{", "{a: ", "- - ? "] {
        let said = refused(&bracket.repeat((10 << 20) / bracket.len()));
        assert!(said.ends_with(TOO_DEEP), "{bracket}: {said}");
    }
}

#[test]
fn nesting_a_thousand_deep() {
    let mut text = String::new();
    for deep in 0..1000 {
        let _ = writeln!(text, "{}a:", " ".repeat(deep));
    }
    assert!(refused(&text).ends_with(TOO_DEEP));
}

#[test]
fn nesting_through_aliases() {
    let mut text = format!("a0: &a0 {}{}\n", "[".repeat(40), "]".repeat(40));
    text.push_str(&format!("b: {}*a0{}\n", "[".repeat(40), "]".repeat(40)));
    assert!(refused(&text).ends_with(TOO_DEEP));
}

#[test]
fn a_billion_laughs() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for n in 1..30 {
        let _ = writeln!(text, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
    }
    assert!(refused(&text).ends_with(TOO_MANY));
    let mut text = "a0: &a0 {k: lol}\n".to_owned();
    for n in 1..40 {
        let _ = writeln!(text, "a{n}: &a{n} {{<<: [*a{0}, *a{0}, *a{0}], k{n}: *a{0}}}", n - 1);
    }
    assert!(refused(&text).ends_with(TOO_MANY));
}

#[test]
fn large_files_are_answered() {
    let many = "- a\n".repeat((10 << 20) / 4);
    assert!(refused(&many).ends_with(TOO_MANY));
    let over = "#".repeat((16 << 20) + 1);
    assert_eq!(refused(&over), "a.yaml:1:1: error: the file is larger than 16 MiB; split it into several files");
    let documents = "---\n".repeat(1 << 20);
    assert_eq!(refused(&documents), "a.yaml: error: more than 5000 documents in one file");
    let comment = format!("{}\n{}", "# x\n".repeat((5 << 20) / 4), manifest(""));
    let started = Instant::now();
    assert_eq!(read_text("a.yaml", &comment, &schema()).objects.len(), 1);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let long = manifest(&format!("  region2: {}\n", "x".repeat(10 << 20)));
    assert!(refused(&long).contains("spec.region2: unknown field"));
    let key = manifest(&format!("  {}: 1\n", "x".repeat(900)));
    assert!(refused(&key).contains("unknown field"));
    let region = manifest("").replace("us-east-1", &"a-".repeat(5 << 20));
    assert!(read_text("a.yaml", &region, &schema()).objects.is_empty());
}

#[test]
fn the_largest_manifest_that_is_allowed_is_read() {
    let mut spec = "  s3:\n    buckets:\n".to_owned();
    for n in 0..1000 {
        let _ = write!(
            spec,
            "    - name: b{n}\n      versioning: true\n      tags: {{a: b, c: d, e: f}}\n      rules: [{{id: a}}, {{id: b}}]\n"
        );
    }
    let started = Instant::now();
    let reading = read_text("a.yaml", &manifest(&spec), &schema());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!((reading.objects.len(), reading.problems.len()), (1, 0));
    spec.push_str("    - name: more\n");
    assert_eq!(refused(&manifest(&spec)), "a.yaml:8:5: error: spec.s3.buckets: too long a list; expected at most 1000 items");
}

#[test]
fn bytes_that_are_no_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let of = |bytes: &[u8]| {
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, bytes).unwrap();
        read(std::slice::from_ref(&path), &schema()).problems[0].to_string().replace(&folder.path().display().to_string(), "")
    };
    assert_eq!(of(b"a: b\nc: d\xFFe\n"), "/a.yaml:2:5: error: not UTF-8: the byte at offset 9 begins no character; save the file as UTF-8");
    assert_eq!(of(b"\xFF\xFEa\0"), "/a.yaml:1:1: error: the file is UTF-16; save it as UTF-8");
}

const WHOLE: &str = "  policy: {changeWindows: [{days: [Sat], from: \"22:00\", to: \"04:00\", timeZone: UTC}]}\n  exceptions:\n  - {resource: s3.buckets/x, field: versioning, until: 2026-12-31, reason: x}\n  s3:\n    account: {blockPublicAcls: true}\n    buckets:\n    - &a\n      name: a\n      versioning: true\n      ownership: Enforced\n      target: {ecs: {service: x}}\n      auth:\n        secretArn: |\n          arn:x\n    - <<: *a\n      name: b\n      rules:\n      - id: \"x\\u0000\"\n---\napiVersion: v1\nkind: List\nitems: []\n";

/// Reads it, and holds the answer to what is true of every answer.
fn survives(text: &str) -> Result<(), TestCaseError> {
    let started = Instant::now();
    let reading = read_text("a.yaml", text, &schema());
    prop_assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    prop_assert!(!reading.objects.is_empty() || reading.problems.iter().any(super::Problem::is_error), "nothing read and nothing said");
    for problem in &reading.problems {
        prop_assert!(problem.to_string().starts_with("a.yaml"));
    }
    for loaded in &reading.objects {
        let again = super::read_value("again", serde_json::to_value(&loaded.object).unwrap(), &schema());
        prop_assert!(again.problems.is_empty(), "{:?}", again.problems);
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::kinds::testing::generated(400))]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        survives(&text)?;
    }

    #[test]
    fn anything_like_yaml_is_answered(parts in prop::collection::vec(prop::sample::select(vec![
        "a", ": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&x ", "*x", "<<", "|", ">", "\"", "'", "#", "---\n", "...\n", "%YAML 1.2\n", "%TAG ! x\n",
        "!", "!!str ", "? ", "\r", "\u{85}", "\u{2028}", "~", "\u{FEFF}", "0", "1e3", "\\", "@", "`", "\u{1F600}", "kind: AwsBaseline\n", "spec:\n", "|2-\n", "null",
    ]), 0..60)) {
        survives(&parts.concat())?;
    }

    #[test]
    fn a_damaged_manifest_is_answered(edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, "\\PC{0,3}|[\\[\\]{}:\\-#&*|>'\"\n\t ]{1,3}"), 1..6)) {
        let mut text: Vec<char> = manifest(WHOLE).chars().collect();
        for (at, cut, put) in edits {
            let from = at.index(text.len() + 1);
            let to = (from + cut).min(text.len());
            text.splice(from..to, put.chars());
        }
        survives(&text.into_iter().collect::<String>())?;
    }

    #[test]
    fn paths_are_read_as_they_are_printed(steps in prop::collection::vec(prop_oneof![
        "\\PC{0,6}".prop_map(super::Step::Key), (0_usize..2000).prop_map(super::Step::Index)], 0..6)) {
        let path = super::FieldPath(steps);
        // A path that begins with a slash is a JSON pointer.
        prop_assume!(!path.to_string().starts_with('/'));
        prop_assert_eq!(path.to_string().parse::<super::FieldPath>(), Ok(path));
    }
}

#[test]
fn the_manifest_that_is_damaged_there_is_whole() {
    assert_eq!(lines(&manifest(WHOLE)), [] as [&str; 0]);
}

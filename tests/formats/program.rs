//! The forms as the program prints them.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const MANIFEST: &str = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: forms}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n";
const BUCKETS: &str = "  s3:\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n      - {name: huntaze-uploads, ownership: BucketOwnerEnforced}\n";

/// A run in that folder: its exit code, and what it printed.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let of_this_machine = |name: &str| name.starts_with("AWS_") || name.starts_with("HOLDFAST_") && name != "HOLDFAST_SANDBOX_RECORD";
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_this_machine(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let run = command.current_dir(folder).env("HOME", folder).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(arguments).assert();
    let output = run.get_output();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("m.yaml"), text).expect("a file");
    folder
}

#[test]
fn a_document_is_all_that_is_printed_and_exits_as_text_does() {
    let folder = folder(&format!("{MANIFEST}{BUCKETS}"));
    for more in [&["--dry-run"][..], &["--dry-run", "--detailed-exitcode"], &["--dry-run", "--only", "s3.buckets/nothing"], &[]] {
        let (exit, ..) = run(folder.path(), &[more, &["--state-dir", "text"]].concat());
        for form in ["json", "markdown", "sarif", "junit"] {
            let (code, out, err) = run(folder.path(), &[more, &["-o", form, "--state-dir", form]].concat());
            assert_eq!(code, exit, "{form} {more:?}: {err}");
            match form {
                "json" | "sarif" => drop(serde_json::from_str::<Value>(&out).expect("JSON")),
                "junit" => drop(roxmltree::Document::parse(&out).expect("XML")),
                _ => assert!(out.starts_with("**holdfast: "), "{out}"),
            }
        }
    }
}

/// How to consent stands in the comment, word for word, and does what it says.
#[test]
fn the_command_of_a_comment_consents() {
    let folder = folder(&format!("{MANIFEST}{BUCKETS}"));
    let (code, page, _) = run(folder.path(), &["--dry-run", "-o", "markdown"]);
    assert_eq!(code, 3, "{page}");
    let command = page.lines().find_map(|line| line.strip_prefix("    holdfast reconcile -f m.yaml --sandbox ")).expect("a command");
    let arguments: Vec<&str> = command.split(' ').collect();
    let (code, page, err) = run(folder.path(), &[&arguments[..], &["-o", "markdown"]].concat());
    assert!(code == 0 && page.starts_with("**holdfast: done.** 2 resources: 2 changed"), "{page}{err}");
}

#[test]
fn what_a_commit_changes_is_held_apart_from_what_stood() {
    let folder = folder(&format!("{MANIFEST}{BUCKETS}"));
    let base = folder.path().join("base");
    std::fs::create_dir(&base).expect("a folder");
    std::fs::write(
        base.join("m.yaml"),
        format!("{MANIFEST}{}", BUCKETS.replace(", ownership: BucketOwnerEnforced", ", tags: {team: api}")),
    )
    .expect("a file");
    let compare = ["--dry-run", "--compare-to", "base"];
    let (code, text, err) = run(folder.path(), &compare);
    assert_eq!(code, 3, "{text}{err}");
    assert!(text.contains("compared with base: 1 difference with this manifest, 1 as before, 1 of the base stands no more"), "{text}");
    for line in [
        "with this manifest  s3.buckets/huntaze-uploads  ownership",
        "as before           s3.buckets/huntaze-assets  versioning",
        "no more             s3.buckets/huntaze-uploads  tags.team",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let (_, json, _) = run(folder.path(), &[&compare[..], &["-o", "json"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let one = &json["comparison"]["objects"][0];
    assert_eq!(one["changes"], serde_json::json!([{"kind": "s3.buckets", "id": "huntaze-uploads", "field": "ownership"}]));
    assert_eq!(one["before"], serde_json::json!([{"kind": "s3.buckets", "id": "huntaze-assets", "field": "versioning"}]));
    let (_, page, _) = run(folder.path(), &[&compare[..], &["-o", "markdown"]].concat());
    let (first, rest) = page.split_once("#### Drift that was there before").expect("two tables");
    let changes = first.split_once("#### What this commit changes").expect("two tables").1;
    assert!(changes.contains("huntaze-uploads` | `ownership`") && !changes.contains("huntaze-assets"), "{page}");
    let stood = rest.split("####").next().expect("a table");
    assert!(stood.contains("huntaze-assets` | `versioning`") && !stood.contains("huntaze-uploads"), "{page}");
    // A base that cannot be looked at is no empty one, and the plan is shown all the same.
    let (code, text, err) = run(folder.path(), &["--dry-run", "--compare-to", "not-there"]);
    assert!(
        code == 3 && text.contains("not-there holds nothing to compare with") && text.contains("of 2 it is not known"),
        "{code}: {text}{err}"
    );
    assert!(text.contains("give an empty folder") && text.contains("huntaze-assets"), "{text}");
    // Before the first manifest there was none.
    std::fs::create_dir(folder.path().join("none")).expect("a folder");
    for with in [None, Some("README.md"), Some("others.yaml")] {
        with.into_iter().for_each(|file| std::fs::write(folder.path().join("none").join(file), "").expect("a file"));
        let none = ["--dry-run", "--compare-to", "none"];
        let (code, text, err) = run(folder.path(), &none);
        let said = "compared with none, which holds no manifest: there was none before: 2 differences with this manifest, 0 as before";
        assert!(code == 3 && text.contains(said), "{code}: {text}{err}");
        let (_, page, _) = run(folder.path(), &[&none[..], &["-o", "markdown"]].concat());
        assert!(page.contains("there was none before") && !page.contains("#### Drift that was there before"), "{page}");
        let (_, json, _) = run(folder.path(), &[&none[..], &["-o", "json"]].concat());
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((&json["comparison"]["isEmpty"], json["error"].is_null()), (&true.into(), true));
    }
    std::fs::write(base.join("m.yaml"), format!("{MANIFEST}  s3:\n    buckets:\n      - {{name: huntaze-assets, versionin: Enabled}}\n"))
        .expect("a file");
    let (_, text, _) = run(folder.path(), &compare);
    assert!(text.contains("of 2 it is not known") && text.contains("`holdfast validate -f base` says what"), "{text}");
    assert_eq!(run(folder.path(), &["--compare-to", "base"]).0, 64, "an apply compares with nothing");
}

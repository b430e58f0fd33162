//! Every kind has an example that is right, declares each of its fields, and every manifest that is shipped is right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use holdfast::kinds::{Multiplicity, registry};
use holdfast::load::load;
use holdfast::sandbox::{Options, Sandbox};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(yaml_below(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "yaml") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

#[test]
fn every_kind_has_an_example_that_is_right() {
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let file = root().join("examples/kinds").join(format!("{}.yaml", kind.path()));
        assert!(file.is_file(), "{} has no example: {} is missing", kind.path(), file.display());
        let manifests = load(&file);
        assert!(manifests.problems.is_empty(), "{}", manifests.problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
        let kinds: BTreeSet<&str> = manifests.baselines.iter().flat_map(|one| &one.entries).map(|entry| entry.kind.path()).collect();
        assert!(kinds.contains(kind.path()), "{} does not show a {}", file.display(), kind.path());
    }
}

#[test]
fn no_example_is_left_of_a_kind_that_is_gone() {
    let known: BTreeSet<String> = registry().iter().map(|kind| format!("{}.yaml", kind.path())).collect();
    for file in yaml_below(&root().join("examples/kinds")) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(known.contains(&name), "{} shows no kind that there is", file.display());
    }
}

#[test]
fn every_baseline_is_right() {
    let files = yaml_below(&root().join("manifests/baselines"));
    assert!(!files.is_empty(), "there is no baseline");
    for file in files {
        let manifests = load(&file);
        assert!(manifests.problems.is_empty(), "{}", manifests.problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
        assert_eq!(manifests.baselines.len(), 1);
    }
}

#[test]
fn every_account_for_the_sandbox_is_right() {
    let files = yaml_below(&root().join("examples/accounts"));
    assert!(!files.is_empty(), "there is no account");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        if let Err(error) = Sandbox::from_yaml(&text, Options::default()) {
            panic!("{}: {error}", file.display());
        }
    }
}

#[test]
fn every_kind_says_what_it_is() {
    for kind in registry() {
        assert!(kind.path().split('.').count() == 2, "{} is no path of a group and a kind", kind.path());
        assert!(!kind.title().is_empty());
        assert!(!kind.calls().is_empty(), "{} names no request", kind.path());
        assert!(
            kind.calls().iter().any(|call| call.writes) && kind.calls().iter().any(|call| !call.writes),
            "{} reads or writes nothing",
            kind.path()
        );
        for call in kind.calls() {
            assert!(call.action.contains(':'), "{call} names no IAM action");
        }
        assert!(!kind.fields().is_empty(), "{} has no field", kind.path());
        let mut seen = BTreeSet::new();
        for field in kind.fields() {
            assert!(seen.insert(field.path), "{} declares {} twice", kind.path(), field.path);
        }
    }
}

/// Every field that is compared can be written in the manifest: its path leads through the kind's schema, and what it leads to is described.
#[test]
fn every_field_stands_in_the_schema_with_a_description() {
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let schema = kind.schema();
        for field in kind.fields() {
            let mut at = &schema;
            // What is implied stands in no manifest; what implies it does.
            for part in field.implied_by.unwrap_or(field.path).split('.') {
                let inside = at.get("items").unwrap_or(at);
                at = inside
                    .pointer(&format!("/properties/{part}"))
                    .or_else(|| inside.get("additionalProperties").filter(|open| open.is_object()))
                    .unwrap_or_else(|| panic!("{}: {} is not in the schema (at {part})", kind.path(), field.path));
            }
            let described = at.get("description").and_then(serde_json::Value::as_str).is_some_and(|text| text.len() > 10);
            assert!(described, "{}: {} has no description", kind.path(), field.path);
        }
    }
}

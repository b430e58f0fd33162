//! The published schemas, out of the packages that carry them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A file of a package that `tests/schemas/Cargo.toml` names.
pub fn file(package: &str, path: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(&manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let found = packages.iter().find(|one| one["name"] == package).expect("the package");
    let folder = Path::new(found["manifest_path"].as_str().expect("a path")).parent().expect("its folder");
    folder.join(path)
}

/// The schema of SARIF 2.1.0.
pub fn sarif() -> jsonschema::Validator {
    let text = std::fs::read_to_string(file("serde-sarif", "src/schema.json")).expect("the schema");
    // In two places one bracket too many, which some readers of regular expressions let pass.
    let wrong = "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$";
    assert!(text.contains(wrong), "the schema is another one");
    let schema: Value = serde_json::from_str(&text.replace(wrong, "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$")).expect("JSON");
    assert_eq!(schema["title"], "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

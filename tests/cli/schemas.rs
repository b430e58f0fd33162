//! The schemas that the program prints say what every member means, and which version they are of.

use serde_json::Value;

use super::{folder, holdfast};

fn schema(of: &str) -> Value {
    let run = holdfast(folder("1", "").path()).args(["schema", of]).assert().code(0);
    serde_json::from_slice(&run.get_output().stdout).expect("JSON")
}

/// The properties below a schema, wherever they stand in it, that no description says the meaning of; and how many there are.
fn without_description(schema: &Value, place: &str, into: &mut Vec<String>) -> usize {
    let mut count = 0;
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}/{name}");
                if let ("properties", Value::Object(properties)) = (name.as_str(), member) {
                    for (name, property) in properties {
                        count += 1;
                        let said = |of: &Value| of["description"].as_str().is_some_and(|said| !said.trim().is_empty());
                        // A word that tells one of several forms from the others means what that form does.
                        let tag = property.get("const").is_some() && said(schema);
                        if !tag && !said(property) {
                            into.push(format!("{place}/{name}"));
                        }
                        count += without_description(property, &format!("{place}/{name}"), into);
                    }
                } else {
                    count += without_description(member, &place, into);
                }
            }
        }
        Value::Array(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                count += without_description(entry, &format!("{place}/{at}"), into);
            }
        }
        _ => {}
    }
    count
}

#[test]
fn every_property_of_every_schema_has_a_meaning() {
    for (of, at_least) in [("manifest", 150), ("plan", 60), ("report", 60), ("account", 250)] {
        let mut silent = Vec::new();
        let count = without_description(&schema(of), "", &mut silent);
        assert!(count >= at_least, "schema {of} has {count} properties only: they were not looked at");
        assert!(silent.is_empty(), "schema {of} does not say what these mean:\n{}", silent.join("\n"));
    }
}

/// A program that reads a result can tell by the schema whether it is one of that version.
#[test]
fn every_schema_says_which_version_it_is_of() {
    for of in ["plan", "report"] {
        let schema = schema(of);
        let version = format!("holdfast.dev/{of}/v2");
        assert_eq!(schema["properties"]["schemaVersion"]["const"], version.as_str());
        assert_eq!(schema["$id"], format!("https://{version}.json"));
        assert_eq!(schema["$defs"]["Plan"]["properties"]["schemaVersion"]["const"], "holdfast.dev/plan/v2");
    }
    assert_eq!(schema("account")["$id"], "https://holdfast.dev/account/v1.json");
    assert_eq!(schema("manifest")["$id"], "https://holdfast.dev/v1alpha1/awsbaseline.json");
}

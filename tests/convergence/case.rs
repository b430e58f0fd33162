//! One generated case: an account and a manifest, which shrink by losing parts.

use std::path::{Path, PathBuf};

use proptest::arbitrary::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::draw::Draw;
use crate::{account, wishes};

/// An account, and the `spec` of a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    pub account: Value,
    pub spec: Value,
}

impl Case {
    pub fn new(seed: u64) -> Case {
        let mut draw = Draw::new(seed);
        let account = account::world(&mut draw);
        let spec = wishes::spec(&mut draw, &account);
        Case { account, spec }
    }

    /// The manifest. JSON is YAML.
    pub fn manifest(&self) -> String {
        let manifest = json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "AwsBaseline", "metadata": {"name": "generated"}, "spec": self.spec,
        });
        // Not as YAML's writer has it: it leaves `yes` without quotes.
        format!("{manifest:#}")
    }

    /// Writes the case where it can be kept: moved to `kept/`, it is tried in every run.
    pub fn keep(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("convergence");
        std::fs::create_dir_all(&folder).expect("the folder of generated cases");
        let path = folder.join(format!("{name}.yaml"));
        std::fs::write(&path, serde_yaml::to_string(self).expect("plain data")).expect("the case is written");
        path
    }
}

/// Cases from seeds.
#[derive(Clone, Copy, Debug)]
pub struct Cases;

impl Strategy for Cases {
    type Tree = Shrinking;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Cases> {
        Ok(Shrinking::new(Case::new(any::<u64>().new_tree(runner)?.current())))
    }
}

/// A case that is made smaller, part by part.
pub struct Shrinking {
    case: Case,
    /// The case before the last part was taken out.
    before: Option<Case>,
    /// The part to be taken out next.
    next: usize,
}

impl Shrinking {
    pub fn new(case: Case) -> Shrinking {
        Shrinking { case, before: None, next: 0 }
    }
}

impl ValueTree for Shrinking {
    type Value = Case;

    fn current(&self) -> Case {
        self.case.clone()
    }

    fn simplify(&mut self) -> bool {
        let mut smaller = self.case.clone();
        let mut left = self.next;
        if !take(&mut smaller.spec, &mut left) && !take(&mut smaller.account, &mut left) {
            return false;
        }
        self.before = Some(std::mem::replace(&mut self.case, smaller));
        true
    }

    fn complicate(&mut self) -> bool {
        match self.before.take() {
            Some(before) => {
                self.case = before;
                self.next += 1;
                self.simplify()
            }
            None => false,
        }
    }
}

/// Takes the part number `left` out, the larger parts before those in them.
fn take(value: &mut Value, left: &mut usize) -> bool {
    match value {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().filter(|name| !is_needed(name)).cloned().collect();
            for name in &names {
                if *left == 0 {
                    members.remove(name);
                    return true;
                }
                *left -= 1;
            }
            names.iter().any(|name| members.get_mut(name).is_some_and(|member| take(member, left)))
        }
        Value::Array(entries) => {
            if *left < entries.len() {
                entries.remove(*left);
                return true;
            }
            *left -= entries.len();
            entries.iter_mut().any(|entry| take(entry, left))
        }
        _ => false,
    }
}

/// What a smaller case keeps: an account without it could not be, since something else names it.
fn is_needed(name: &str) -> bool {
    let groups = ["parameterGroups", "orders-postgres14", "shared-postgres16", "cache-parameters", "family"];
    matches!(name, "account" | "region" | "name" | "policy" | "kms" | "secretsmanager" | "sns" | "engine" | "engineVersion")
        || groups.contains(&name)
}

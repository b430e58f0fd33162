//! A policy as it was found, and the same with our statements put in: nothing else in it moves.

use serde_json::{Map, Value, json};

use super::compare;
use super::spec::BucketPolicySpec;

/// A policy document. The default is that of a bucket without one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Document {
    /// Everything but the statements: `Version`, `Id`.
    head: Map<String, Value>,
    statements: Vec<Value>,
    found: bool,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Document, String> {
        let mut head = match serde_json::from_str(text) {
            Ok(Value::Object(head)) => head,
            Ok(_) => return Err("it is no JSON object".to_owned()),
            Err(error) => return Err(format!("it is not JSON: {error}")),
        };
        let statements = match head.remove("Statement") {
            None => Vec::new(),
            // A single statement may stand without a list around it.
            Some(one @ Value::Object(_)) => vec![one],
            Some(Value::Array(all)) if all.iter().all(Value::is_object) => all,
            Some(_) => return Err("its Statement is neither a statement nor a list of them".to_owned()),
        };
        Ok(Document { head, statements, found: true })
    }

    /// The policy as it was found; `None`: there was none.
    pub(super) fn text(&self) -> Option<String> {
        self.found.then(|| self.whole(&self.statements).to_string())
    }

    /// The statements by Sid, each without it. A Sid that several statements share names a list, which equals no statement.
    pub(super) fn by_sid(&self) -> Map<String, Value> {
        let mut all: Map<String, Value> = Map::new();
        for statement in &self.statements {
            let Some(sid) = sid(statement) else { continue };
            let mut bare = statement.clone();
            if let Value::Object(members) = &mut bare {
                members.remove("Sid");
            }
            let entry = match all.remove(sid) {
                None => bare,
                Some(Value::Array(mut several)) => {
                    several.push(bare);
                    Value::Array(several)
                }
                Some(first) => json!([first, bare]),
            };
            all.insert(sid.to_owned(), entry);
        }
        all
    }

    /// The statements that name everybody whom they let in, each by its Sid or its place, but for those under the Sids of `spec`, which are written anew.
    /// Whether a condition narrows that is S3's to judge.
    pub(super) fn naming_everybody(&self, spec: &BucketPolicySpec) -> Vec<String> {
        let stays = |statement: &Value| sid(statement).is_none_or(|sid| !spec.statements.iter().any(|one| one.sid == sid));
        let everybody = |principal: &Value| match principal {
            Value::Object(members) => members.values().any(|names| compare::each(names).iter().any(|name| name == "*")),
            principal => compare::each(principal).iter().any(|name| name == "*"),
        };
        let open = |statement: &&Value| {
            stays(statement)
                && statement.get("Effect").and_then(Value::as_str) == Some("Allow")
                && (statement.get("NotPrincipal").is_some() || statement.get("Principal").is_some_and(everybody))
        };
        let called = |(place, statement): (usize, &Value)| sid(statement).map_or_else(|| format!("number {}", place + 1), str::to_owned);
        self.statements.iter().enumerate().filter(|(_, statement)| open(statement)).map(called).collect()
    }

    /// The policy in a form in which two that mean the same are equal: S3 hands principals back in changing order.
    pub(super) fn canonical(&self) -> Value {
        let mut statements: Vec<Value> = self.statements.iter().map(compare::canonical).collect();
        statements.sort_by_cached_key(Value::to_string);
        json!({"head": self.head, "statements": statements})
    }

    /// The policy with these statements put in under their Sids, or taken out; `None`: no statement is left.
    pub(super) fn with<'a>(&self, changes: impl IntoIterator<Item = (&'a str, Option<&'a Value>)>) -> Option<Value> {
        let mut statements = self.statements.clone();
        for (id, change) in changes {
            let whole = change.map(|change| {
                let mut whole = change.clone();
                if let Value::Object(members) = &mut whole {
                    members.insert("Sid".to_owned(), Value::from(id));
                }
                whole
            });
            let place = statements.iter().position(|statement| sid(statement) == Some(id));
            statements.retain(|statement| sid(statement) != Some(id));
            if let Some(whole) = whole {
                // Everything before the first statement of that Sid is still there, so its place is too.
                statements.insert(place.unwrap_or(statements.len()).min(statements.len()), whole);
            }
        }
        (!statements.is_empty()).then(|| self.whole(&statements))
    }

    fn whole(&self, statements: &[Value]) -> Value {
        let mut whole = self.head.clone();
        if !self.found {
            whole.insert("Version".to_owned(), Value::from("2012-10-17"));
        }
        whole.insert("Statement".to_owned(), Value::from(statements.to_vec()));
        Value::Object(whole)
    }
}

fn sid(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str)
}

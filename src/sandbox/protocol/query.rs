//! AWS Query: a form in, XML out. RDS, ElastiCache, SNS and STS speak it.

use std::collections::BTreeMap;

use http::StatusCode;

use super::xml::Xml;
use crate::sandbox::call::{Answer, Call, Refusal};

/// The members of a request, under their dotted names.
#[derive(Clone, Debug, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    pub fn parse(call: &Call) -> Form {
        let query = form_urlencoded::parse(call.query.as_bytes()).into_owned();
        Form(query.chain(form_urlencoded::parse(&call.body).into_owned()).collect())
    }

    /// The `Action`, or a refusal as the service gives it.
    pub fn action(&self) -> Result<&str, Refusal> {
        self.get("Action").ok_or_else(|| Refusal::new(400, "MissingAction", "The request is missing an action."))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::new(400, "MissingParameter", format!("The request must contain the parameter {name}.")))
    }

    pub fn bool(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "True" | "TRUE" | "1") => Ok(Some(true)),
            Some("false" | "False" | "FALSE" | "0") => Ok(Some(false)),
            Some(other) => Err(invalid(format!("{name}: {other} is not a boolean."))),
        }
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.parse().map(Some).map_err(|_| invalid(format!("{name}: {value} is not an integer."))),
        }
    }

    /// Whether anything was sent under `name`: the scalar, or a list or structure below it (an empty list is sent as `name=`).
    pub fn has(&self, name: &str) -> bool {
        let below = format!("{name}.");
        self.0.contains_key(name) || self.0.range(below.clone()..).next().is_some_and(|(key, _)| key.starts_with(&below))
    }

    /// A list of texts: `Name.1`, `Name.member.1`, `Name.AnyItemName.1`.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.records(name)
            .into_iter()
            .filter_map(|record| record.0.into_iter().find(|(key, _)| key.is_empty()).map(|(_, value)| value))
            .collect()
    }

    /// A list of structures, each a form of its own; also where one is sent as `Name.ItemName.1.Member`.
    pub fn records(&self, name: &str) -> Vec<Form> {
        let below = format!("{name}.");
        let mut records: BTreeMap<usize, Form> = BTreeMap::new();
        for (key, value) in self.0.range(below.clone()..).take_while(|(key, _)| key.starts_with(&below)) {
            let rest = &key[below.len()..];
            let (head, tail) = rest.split_once('.').unwrap_or((rest, ""));
            let (number, member) = match head.parse::<usize>() {
                Ok(number) => (number, tail),
                // `head` is the item's name; the number follows.
                Err(_) => {
                    let (number, member) = tail.split_once('.').unwrap_or((tail, ""));
                    match number.parse::<usize>() {
                        Ok(number) => (number, member),
                        Err(_) => continue,
                    }
                }
            };
            records.entry(number).or_default().0.insert(member.to_owned(), value.clone());
        }
        records.into_values().collect()
    }

    /// A structure below this one.
    pub fn below(&self, name: &str) -> Form {
        let below = format!("{name}.");
        let range = self.0.range(below.clone()..).take_while(|(key, _)| key.starts_with(&below));
        Form(range.map(|(key, value)| (key[below.len()..].to_owned(), value.clone())).collect())
    }

    /// The names that were sent, for refusing what an operation does not know.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A success: `<{action}Response><{action}Result>..</..><ResponseMetadata/></..>`.
pub fn answer(action: &str, namespace: &str, result: Xml) -> Answer {
    let body = Xml::new().node_with(&format!("{action}Response"), &format!("xmlns=\"{namespace}\""), |xml| {
        xml.node(&format!("{action}Result"), |_| result)
            .node("ResponseMetadata", |xml| xml.text("RequestId", "00000000-0000-4000-8000-000000000000"))
    });
    Answer { status: StatusCode::OK, headers: vec![("content-type", "text/xml".to_owned())], body: body.document() }
}

/// A refusal in the form of AWS Query.
pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    let sender = if refusal.status >= 500 { "Receiver" } else { "Sender" };
    let body = Xml::new().node("ErrorResponse", |xml| {
        xml.node("Error", |xml| xml.text("Type", sender).text("Code", &refusal.code).text("Message", &refusal.message))
            .text("RequestId", request_id)
    });
    Answer {
        status: StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST),
        headers: vec![("content-type", "text/xml".to_owned())],
        body: body.document(),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new(400, "InvalidParameterValue", message)
}

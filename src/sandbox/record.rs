//! The requests that reached the sandbox: tests look at what was asked, and check it against the services' published models.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::call::{Call, Operation};
use super::dispatch::Service;

/// One request and what became of it.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Its number, from 1.
    pub number: u64,
    /// The service's name as botocore has it; where there is no such service, the name it was signed for.
    pub service: String,
    /// The operation; empty where it is not known.
    pub operation: String,
    /// Whether the operation changes anything.
    pub writes: bool,
    pub method: String,
    /// The path; S3's virtual hosts are written as paths.
    pub path: String,
    pub query: String,
    pub host: String,
    /// Without credentials.
    pub headers: BTreeMap<String, String>,
    /// As it was sent, secrets too; in files they are masked.
    pub body: String,
    /// The status of the answer; none where the connection was cut or the process ended.
    pub status: Option<u16>,
    /// The error code of a refusal.
    pub code: Option<String>,
    /// Whether a write was done.
    pub applied: bool,
    /// The fault that hit it.
    pub fault: Option<String>,
    pub at: Timestamp,
}

/// Headers that authenticate or hold a key.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key",
];

impl Recorded {
    pub(super) fn of(number: u64, at: Timestamp, service: Option<Service>, operation: Option<&Operation>, call: &Call) -> Recorded {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Recorded {
            number,
            service: service.map_or_else(|| call.service.clone(), |service| service.name().to_owned()),
            operation: operation.map(|operation| operation.name.clone()).unwrap_or_default(),
            writes: operation.is_some_and(|operation| operation.writes),
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            host: call.host.clone(),
            headers: call
                .headers
                .iter()
                .filter(|(name, _)| !SECRET_HEADERS.contains(&name.as_str()))
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: String::from_utf8_lossy(&call.body).into_owned(),
            status: None,
            code: None,
            applied: false,
            fault: None,
            at,
        }
    }

    /// With every secret in body and query replaced by as many asterisks, so that lengths can still be checked.
    fn masked(&self) -> Recorded {
        // Of all services, Parameter Store alone has its secrets under a name that others use for what is none.
        let body = if self.service == "ssm" { mask_value(&self.body) } else { mask(&self.body) };
        Recorded { body, query: mask_form(&self.query).unwrap_or_else(|| self.query.clone()), ..self.clone() }
    }
}

/// Without body, query and headers: a failing assertion prints this.
impl std::fmt::Debug for Recorded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "#{} {}:{} {} {}", self.number, self.service, self.operation, self.method, self.path)?;
        match (&self.status, &self.code) {
            (Some(status), Some(code)) => write!(formatter, " -> {status} {code}"),
            (Some(status), None) => write!(formatter, " -> {status}"),
            (None, _) => formatter.write_str(" -> cut"),
        }
    }
}

/// Whether a member of this name holds a secret: `AuthToken`, `MasterUserPassword`, `Passwords.member.1`, `SecretString`.
fn is_secret(name: &str) -> bool {
    name.split('.').any(|part| part.contains("Password") || matches!(part, "AuthToken" | "SecretString" | "SecretBinary"))
}

/// What holds no secret stays byte for byte: a checksum may have been sent with it.
fn mask(body: &str) -> String {
    if let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(body) {
        let mut masked = value.clone();
        mask_json(&mut masked);
        return if masked == value { body.to_owned() } else { masked.to_string() };
    }
    mask_form(body).unwrap_or_else(|| body.to_owned())
}

/// The same of a body whose member `Value` is a secret.
fn mask_value(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(mut members)) => {
            members.get_mut("Value").into_iter().for_each(hide);
            Value::Object(members).to_string()
        }
        _ => mask(body),
    }
}

fn mask_json(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if is_secret(name) { hide(member) } else { mask_json(member) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_json),
        _ => {}
    }
}

/// Everything below a member that is a secret is one.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) => *text = stars(text),
        Value::Object(members) => members.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// A form with its secrets masked; none where it has none, so that all else stays byte for byte.
fn mask_form(text: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    if !pairs.iter().any(|(name, _)| is_secret(name)) {
        return None;
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &pairs {
        form.append_pair(name, &if is_secret(name) { stars(value) } else { value.clone() });
    }
    Some(form.finish())
}

fn stars(text: &str) -> String {
    "*".repeat(text.chars().count())
}

/// The requests so far, in memory and, where asked for, in a file.
pub(super) struct Journal {
    remembered: VecDeque<Recorded>,
    limit: usize,
    file: Option<Arc<Mutex<Written>>>,
}

/// The file of this process in `folder`.
fn shared(folder: &Path) -> io::Result<Arc<Mutex<Written>>> {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = files.get(folder) {
        return Ok(Arc::clone(file));
    }
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("requests-{}.jsonl", std::process::id()));
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let written = Arc::new(Mutex::new(Written { file, known: HashSet::new() }));
    files.insert(folder.to_owned(), Arc::clone(&written));
    Ok(written)
}

/// What makes two requests the same.
fn fingerprint(recorded: &Recorded) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&recorded.method, &recorded.host, &recorded.path, &recorded.query, &recorded.body, &recorded.operation).hash(&mut hasher);
    hasher.finish()
}

/// A file of requests that several sandboxes of this process share: a test suite makes thousands of them, and sends the same request a
/// thousand times. Each is written once.
#[derive(Debug)]
struct Written {
    file: File,
    known: HashSet<u64>,
}

static FILES: Mutex<BTreeMap<PathBuf, Arc<Mutex<Written>>>> = Mutex::new(BTreeMap::new());

impl Journal {
    pub(super) fn open(folder: Option<&Path>, limit: usize) -> io::Result<Journal> {
        let file = folder.map(shared).transpose()?;
        Ok(Journal { remembered: VecDeque::new(), limit, file })
    }

    pub(super) fn add(&mut self, recorded: Recorded) {
        if let Some(file) = &self.file {
            let mut written = file.lock().unwrap_or_else(PoisonError::into_inner);
            if written.known.insert(fingerprint(&recorded))
                && let Ok(mut line) = serde_json::to_vec(&recorded.masked())
            {
                line.push(b'\n');
                // One write a line, so that a killed process leaves whole lines. A full disk costs the record, not the answer.
                let _ = written.file.write_all(&line);
            }
        }
        if self.limit > 0 {
            if self.remembered.len() >= self.limit {
                self.remembered.pop_front();
            }
            self.remembered.push_back(recorded);
        }
    }

    pub(super) fn recorded(&self) -> Vec<Recorded> {
        let mut recorded: Vec<Recorded> = self.remembered.iter().cloned().collect();
        // Slow calls come late.
        recorded.sort_by_key(|recorded| recorded.number);
        recorded
    }

    pub(super) fn forget(&mut self) {
        self.remembered.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_every_form_of_body() {
        let form = "Action=ModifyReplicationGroup&AuthToken=canary%21token-123456&ReplicationGroupId=huntaze";
        assert_eq!(mask(form), "Action=ModifyReplicationGroup&AuthToken=*******************&ReplicationGroupId=huntaze");
        let users = "Action=CreateUser&Passwords.member.1=canary";
        assert_eq!(mask(users), "Action=CreateUser&Passwords.member.1=******");
        let json = r#"{"Name":"redis","SecretString":"canary","Deep":[{"MasterUserPassword":"canary"}]}"#;
        assert!(!mask(json).contains("canary"));
        assert!(mask(json).contains(r#""Name":"redis""#));
    }

    #[test]
    fn what_holds_no_secret_stays_byte_for_byte() {
        for body in ["", "Action=A&Name=a%20b", "<Tagging>&amp;</Tagging>", r#"{"b": [1, 2], "a": 1.50}"#] {
            assert_eq!(mask(body), body);
        }
    }
}

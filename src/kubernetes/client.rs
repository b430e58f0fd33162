//! Sending requests to an API server.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::entry::{Change, Entry};
use super::find::{ASKING, Cluster};
use super::resource::MAY;
use super::{Object, RESTARTED_AT, Resource, Workload};
use crate::aws::{Call, CallError, Class, clean};

/// Who wrote a field, as the API server notes it.
pub(super) const MANAGER: &str = "holdfast";
/// Metadata alone: what it is of stays where it is.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
/// No object of etcd is larger than 1.5 MiB; base64 and managed fields come on top.
const LARGEST: usize = 8 << 20;

/// What can be read of one cluster.
#[derive(Clone)]
pub struct Reads {
    cluster: Arc<Cluster>,
}

/// What can be changed there.
#[derive(Clone)]
pub struct Writes {
    reads: Reads,
}

/// The metadata of any object.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    metadata: ObjectMeta,
}

/// How an API server says no. [API conventions, "Response Status Kind"]
#[derive(Deserialize)]
struct Refusal {
    kind: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
}

impl Reads {
    pub(super) fn of(cluster: Arc<Cluster>) -> Reads {
        Reads { cluster }
    }

    /// Which cluster it is.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// An object's metadata, without what it holds.
    pub async fn metadata(&self, object: &Object) -> Result<Option<ObjectMeta>, CallError> {
        let found: Option<Metadata> = self.get(object, METADATA).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// What kubectl's `rollout status` would say of a workload.
    pub async fn workload(&self, object: &Object) -> Result<Option<Workload>, CallError> {
        match object.resource {
            Resource::StatefulSets => Ok(self.get::<StatefulSet>(object, JSON).await?.as_ref().map(Workload::of_stateful_set)),
            Resource::DaemonSets => Ok(self.get::<DaemonSet>(object, JSON).await?.as_ref().map(Workload::of_daemon_set)),
            _ => Ok(self.get::<Deployment>(object, JSON).await?.as_ref().map(Workload::of_deployment)),
        }
    }

    /// Whether this verb would be allowed on an object.
    pub async fn may(&self, verb: &str, object: &Object) -> Result<bool, CallError> {
        let asked = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": verb, "group": object.resource.group(), "resource": object.resource.plural(),
                "namespace": object.namespace, "name": object.name,
            }},
        });
        let request = (Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON);
        let answer: SelfSubjectAccessReview = read(&MAY, &self.sent(&MAY, request, JSON, &asked).await?)?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, object: &Object, accept: &str) -> Result<Option<T>, CallError> {
        let call = object.resource.get();
        let path = path(call, object)?;
        match self.sent(call, (Method::GET, &path, accept), "", &Value::Null).await {
            Ok(bytes) => read(call, &bytes).map(Some),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request; answers with the body of what was answered, or why it was refused.
    async fn sent(
        &self,
        call: &'static Call,
        (method, path, accept): (Method, &str, &str),
        kind: &str,
        body: &Value,
    ) -> Result<Vec<u8>, CallError> {
        let server = &self.cluster.server;
        let mut request = Request::builder().method(method).uri(path).header("accept", accept);
        let mut bytes = Vec::new();
        if !body.is_null() {
            request = request.header("content-type", kind);
            bytes = body.to_string().into_bytes();
        }
        let request =
            request.body(Body::from(bytes)).map_err(|error| refused(call, Class::Invalid, "RequestNotBuilt", error.to_string()))?;
        let exchange = async {
            let answer = self.cluster.client.send(request).await.map_err(|error| no_answer(call, &error, server))?;
            let status = answer.status();
            let size = answer.headers().get("content-length").and_then(|size| size.to_str().ok()?.parse::<usize>().ok());
            if size.is_some_and(|size| size > LARGEST) {
                return Err(refused(call, Class::Invalid, "TooLarge", format!("{server} answers with more than any object holds")));
            }
            let bytes = answer.into_body().collect_bytes().await.map_err(|error| no_answer(call, &error, server))?;
            Ok((status, bytes))
        };
        let late = || refused(call, Class::Ambiguous, "Timeout", format!("{server} did not answer within {} s", ASKING.as_secs()));
        let (status, bytes) = tokio::time::timeout(ASKING, exchange).await.unwrap_or_else(|_| Err(late()))?;
        if status.is_success() { Ok(bytes.to_vec()) } else { Err(refusal(call, status, &bytes, server)) }
    }

    async fn patched(&self, call: &'static Call, object: &Object, patch: &Value) -> Result<(), CallError> {
        let path = format!("{}?fieldManager={MANAGER}", path(call, object)?);
        self.sent(call, (Method::PATCH, &path, METADATA), MERGE, patch).await.map(|_| ())
    }
}

impl Writes {
    pub(crate) fn of(reads: Reads) -> Writes {
        Writes { reads }
    }

    /// The reading side.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What a Secret or a ConfigMap holds under these keys, for a request that carries it and for nothing else.
    pub async fn entry(&self, object: &Object, keys: &[&str]) -> Result<Option<Entry>, CallError> {
        match self.reads.get::<Value>(object, JSON).await? {
            None => Ok(None),
            Some(found) => Entry::read(object.resource, found, keys)
                .map(Some)
                .map_err(|_| refused(object.resource.get(), Class::Ambiguous, "NotUnderstood", NOT_UNDERSTOOD.to_owned())),
        }
    }

    /// Changes a Secret or a ConfigMap, all of it at once or nothing: a change that somebody else made since it was read is a conflict.
    pub async fn change(&self, object: &Object, change: &Change) -> Result<(), CallError> {
        self.reads.patched(object.resource.patch(), object, &change.patch(object.resource)).await
    }

    /// Has the pods of a workload made anew, as `kubectl rollout restart` does. `mark` is what it notes on the pod template.
    pub async fn restart(&self, object: &Object, mark: &str) -> Result<(), CallError> {
        let patch = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: mark}}}}});
        self.reads.patched(object.resource.patch(), object, &patch).await
    }
}

const NOT_UNDERSTOOD: &str = "the answer is not what an API server answers";

fn path(call: &'static Call, object: &Object) -> Result<String, CallError> {
    let no_name = || format!("{}/{} is no name of an object", object.namespace, object.name);
    object.path().ok_or_else(|| refused(call, Class::Invalid, "NoName", no_name()))
}

/// Without the words of the parser: they quote what they cannot read.
fn read<T: DeserializeOwned>(call: &'static Call, bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|_| refused(call, Class::Ambiguous, "NotUnderstood", NOT_UNDERSTOOD.to_owned()))
}

/// An error of ours, or one in our words.
pub(super) fn refused(call: &'static Call, class: Class, code: &str, message: String) -> CallError {
    CallError { call, class, code: code.to_owned(), message: clean(&message), request_id: None }
}

fn refusal(call: &'static Call, status: StatusCode, bytes: &[u8], server: &str) -> CallError {
    let said = serde_json::from_slice::<Refusal>(bytes).ok().filter(|said| said.kind == "Status");
    let class = match status {
        // That there is no such thing only an API server can say: a proxy that is in the way says it too.
        StatusCode::NOT_FOUND if said.is_some() => Class::NotFound,
        StatusCode::FORBIDDEN => Class::Denied,
        StatusCode::UNAUTHORIZED => Class::Invalid,
        StatusCode::CONFLICT => Class::Busy,
        StatusCode::TOO_MANY_REQUESTS => Class::Throttled,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::METHOD_NOT_ALLOWED => Class::Invalid,
        _ => Class::Ambiguous,
    };
    let (code, message) = match said {
        Some(said) if !said.reason.is_empty() => (said.reason, said.message),
        Some(said) => (format!("HTTP {}", status.as_u16()), said.message),
        None => (format!("HTTP {}", status.as_u16()), "the answer is not an API server's".to_owned()),
    };
    refused(call, class, &clean(&code), format!("{message} ({server})"))
}

/// No answer came, or nobody could be logged in.
pub(super) fn no_answer(call: &'static Call, error: &kube::Error, server: &str) -> CallError {
    match error {
        // What a login plugin prints can be a token: its words are not repeated.
        kube::Error::Auth(_) => {
            let message = format!("the kubeconfig's way to log in to {server} fails: `kubectl auth whoami` with the same context says why");
            refused(call, Class::Invalid, "NoLogin", message)
        }
        error => refused(call, Class::Ambiguous, "NoAnswer", format!("{server}: {}", deepest(error))),
    }
}

/// The innermost reason of an error.
pub(super) fn deepest(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

//! The kinds of objects that are read and changed, and what each request is called.

use crate::aws::{Call, Service};

const fn call(operation: &'static str, writes: bool) -> Call {
    Call { service: Service::Kubernetes, operation, action: operation, writes }
}

/// Finding out which cluster is meant, and how to log in there.
pub static FIND: Call = call("find the cluster", false);
/// Asking whether a request would be allowed: every user may, and nothing is made.
pub static MAY: Call = call("create selfsubjectaccessreviews", false);

static GET_SECRET: Call = call("get secrets", false);
static PATCH_SECRET: Call = call("patch secrets", true);
static GET_CONFIG_MAP: Call = call("get configmaps", false);
static PATCH_CONFIG_MAP: Call = call("patch configmaps", true);
static GET_DEPLOYMENT: Call = call("get deployments", false);
static PATCH_DEPLOYMENT: Call = call("patch deployments", true);
static GET_STATEFUL_SET: Call = call("get statefulsets", false);
static PATCH_STATEFUL_SET: Call = call("patch statefulsets", true);
static GET_DAEMON_SET: Call = call("get daemonsets", false);
static PATCH_DAEMON_SET: Call = call("patch daemonsets", true);

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Secrets,
    ConfigMaps,
    Deployments,
    StatefulSets,
    DaemonSets,
}

impl Resource {
    /// The kind of a workload as kubectl's words name it: `deployment`.
    pub fn of_workload(kind: &str) -> Option<Resource> {
        match kind {
            "deployment" => Some(Resource::Deployments),
            "statefulset" => Some(Resource::StatefulSets),
            "daemonset" => Some(Resource::DaemonSets),
            _ => None,
        }
    }

    pub fn group(self) -> &'static str {
        match self {
            Resource::Secrets | Resource::ConfigMaps => "",
            Resource::Deployments | Resource::StatefulSets | Resource::DaemonSets => "apps",
        }
    }

    pub fn plural(self) -> &'static str {
        match self {
            Resource::Secrets => "secrets",
            Resource::ConfigMaps => "configmaps",
            Resource::Deployments => "deployments",
            Resource::StatefulSets => "statefulsets",
            Resource::DaemonSets => "daemonsets",
        }
    }

    pub fn get(self) -> &'static Call {
        match self {
            Resource::Secrets => &GET_SECRET,
            Resource::ConfigMaps => &GET_CONFIG_MAP,
            Resource::Deployments => &GET_DEPLOYMENT,
            Resource::StatefulSets => &GET_STATEFUL_SET,
            Resource::DaemonSets => &GET_DAEMON_SET,
        }
    }

    pub fn patch(self) -> &'static Call {
        match self {
            Resource::Secrets => &PATCH_SECRET,
            Resource::ConfigMaps => &PATCH_CONFIG_MAP,
            Resource::Deployments => &PATCH_DEPLOYMENT,
            Resource::StatefulSets => &PATCH_STATEFUL_SET,
            Resource::DaemonSets => &PATCH_DAEMON_SET,
        }
    }
}

/// One object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub resource: Resource,
    pub namespace: String,
    pub name: String,
}

impl Object {
    /// Its path on the API server; nothing where a name is none that an object can have.
    pub fn path(&self) -> Option<String> {
        let fits = |name: &str| {
            let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
            !name.is_empty() && name.bytes().all(known) && !name.starts_with('.')
        };
        let root = if self.resource.group().is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", self.resource.group()) };
        (fits(&self.namespace) && fits(&self.name))
            .then(|| format!("{root}/namespaces/{}/{}/{}", self.namespace, self.resource.plural(), self.name))
    }
}

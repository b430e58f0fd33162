//! Which cluster is meant, and how to log in there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError, NamedContext};
use kube::{Client, Config};

use super::client::{deepest, refused};
use super::{FIND, Reads};
use crate::aws::{CallError, Class};
use crate::kinds::few;

/// Where the service account's token stands in a pod. [Kubernetes documentation, "Accessing the Kubernetes API from a Pod"]
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CONNECTING: Duration = Duration::from_secs(5);
/// A request, and its answer.
pub(super) const ASKING: Duration = Duration::from_secs(20);

/// The clusters that a run may speak to, each found when a place asks for it. The default is none: what is no AWS (the sandbox) is beside no cluster of this
/// machine's.
#[derive(Clone, Default)]
pub struct Clusters {
    how: How,
    /// Those that were found, by the context and the server that were asked for.
    known: Arc<Mutex<HashMap<Asked, Arc<Cluster>>>>,
}

type Asked = (Option<String>, Option<String>);

#[derive(Clone, Default)]
enum How {
    #[default]
    Nowhere,
    Machine,
    File(PathBuf),
}

/// A cluster that was found.
pub struct Cluster {
    pub(super) client: Client,
    /// The kubeconfig's context; none: the service account of the pod that this runs in.
    pub context: Option<String>,
    /// The URL of its API server.
    pub server: String,
    /// Where an object is looked for whose namespace nobody names.
    pub namespace: String,
}

impl Clusters {
    /// Those of this machine: in a pod that of its service account, unless KUBECONFIG is set or a context is named; else those of KUBECONFIG or
    /// `~/.kube/config`.
    pub fn of_machine() -> Clusters {
        Clusters { how: How::Machine, known: Arc::default() }
    }

    /// Those of one kubeconfig.
    pub fn of_file(path: PathBuf) -> Clusters {
        Clusters { how: How::File(path), known: Arc::default() }
    }

    /// The cluster of a context; without one that of the context which leads to this server; without either the only one there is.
    pub(crate) async fn reads(&self, context: Option<&str>, server: Option<&str>) -> Result<Reads, CallError> {
        let key = (context.map(str::to_owned), server.map(str::to_owned));
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        // Certificates that a login plugin gave end; what logs in by tokens renews them by itself.
        let ended = |cluster: &Arc<Cluster>| cluster.client.valid_until().is_some_and(|until| until <= Timestamp::now());
        if let Some(cluster) = known.filter(|cluster| !ended(cluster)) {
            return Ok(Reads::of(cluster));
        }
        let cluster = Arc::new(self.found(context, server).await?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&cluster));
        Ok(Reads::of(cluster))
    }

    async fn found(&self, context: Option<&str>, server: Option<&str>) -> Result<Cluster, CallError> {
        let (mut config, context) = match &self.how {
            How::Nowhere => {
                let message = "where AWS is another one than AWS itself (--sandbox, AWS_ENDPOINT_URL), only a cluster whose kubeconfig is named is spoken to";
                let message = message.to_owned();
                return Err(refused(&FIND, Class::Invalid, "NoCluster", message));
            }
            How::File(path) => of_kubeconfig(Kubeconfig::read_from(path).map_err(unusable)?, context, server).await?,
            How::Machine => {
                let named = context.is_some() || std::env::var_os("KUBECONFIG").is_some_and(|files| !files.is_empty());
                let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && std::path::Path::new(POD_TOKEN).exists();
                if in_pod && !named {
                    let config = Config::incluster().map_err(|error| {
                        let message = format!("the pod's service account cannot be used: {}", deepest(&error));
                        refused(&FIND, Class::Invalid, "NoCluster", message)
                    })?;
                    (config, None)
                } else {
                    of_kubeconfig(Kubeconfig::read().map_err(unusable)?, context, server).await?
                }
            }
        };
        config.connect_timeout = Some(CONNECTING);
        (config.read_timeout, config.reset_reader_on_write) = (Some(ASKING), true);
        // Waits of its own would be as long as it likes: it is asked again in the next pass.
        config.default_retry = false;
        let (server, namespace) = (shown(&config.cluster_url), config.default_namespace.clone());
        // A login plugin is a program that is waited for.
        let login = tokio::task::spawn_blocking(move || Client::try_from(config));
        let no_login = |message: &str| refused(&FIND, Class::Ambiguous, "NoLogin", format!("{message} to log in to {server}"));
        let client = match tokio::time::timeout(ASKING, login).await {
            Ok(Ok(client)) => client.map_err(|error| super::client::no_answer(&FIND, &error, &server))?,
            Ok(Err(_)) => return Err(no_login("the kubeconfig's way broke off")),
            Err(_) => return Err(no_login("the kubeconfig's way takes too long")),
        };
        Ok(Cluster { client, context, server, namespace })
    }
}

async fn of_kubeconfig(kubeconfig: Kubeconfig, context: Option<&str>, server: Option<&str>) -> Result<(Config, Option<String>), CallError> {
    let name = match context {
        Some(name) => name.to_owned(),
        None => chosen(&kubeconfig, server)?,
    };
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(unusable)?;
    Ok((config, Some(name)))
}

/// The context that is meant where none is named. Which one is the current one says nothing of what a manifest means: it is whichever somebody used last,
/// for something else. It counts only between contexts that lead to the same server, as whom one is there.
fn chosen(kubeconfig: &Kubeconfig, server: Option<&str>) -> Result<String, CallError> {
    let refuse = |message: String| Err(refused(&FIND, Class::Invalid, "NoContext", message));
    let leads = |context: &NamedContext| {
        let cluster = &context.context.as_ref()?.cluster;
        let named = kubeconfig.clusters.iter().find(|named| named.name == *cluster)?;
        named.cluster.as_ref()?.server.as_ref()?.parse().ok().map(|url| shown(&url))
    };
    let wanted = server.map(|server| server.trim_end_matches('/'));
    let fits = |context: &&NamedContext| wanted.is_none_or(|wanted| leads(context).is_some_and(|leads| leads == wanted));
    let fitting: Vec<&str> = kubeconfig.contexts.iter().filter(fits).map(|context| context.name.as_str()).collect();
    let current = kubeconfig.current_context.as_deref().filter(|current| wanted.is_some() && fitting.contains(current));
    let named = || few(&fitting);
    match (fitting.as_slice(), current, wanted) {
        (&[one], ..) | (_, Some(one), _) => Ok(one.to_owned()),
        ([], None, Some(wanted)) => {
            refuse(format!("the kubeconfig has no context that leads to {wanted}: `kubectl config view` lists them"))
        }
        ([], None, None) => refuse("the kubeconfig has no context".to_owned()),
        (_, None, Some(wanted)) => {
            refuse(format!("several contexts of the kubeconfig lead to {wanted} ({}): name one in `context` of the place", named()))
        }
        (_, None, None) => refuse(format!(
            "the kubeconfig has several contexts ({}), and which is the current one says nothing of which is meant: name the cluster by `server` of the place, or by `context`",
            named()
        )),
    }
}

/// Without the words of whatever parses it: they quote what stands there, and tokens do.
fn unusable(error: KubeconfigError) -> CallError {
    use KubeconfigError as Error;
    let message = match &error {
        Error::FindPath | Error::ReadConfig(..) => {
            "there is no kubeconfig that could be read: neither by --kubeconfig, nor by KUBECONFIG, nor ~/.kube/config; and this is no pod with a service account"
                .to_owned()
        }
        Error::LoadContext(name) => format!("the kubeconfig has no context {name}: `kubectl config get-contexts` lists them"),
        Error::LoadClusterOfContext(name) => format!("the kubeconfig has no cluster {name}, which its context names"),
        Error::MissingClusterUrl | Error::ParseClusterUrl(_) => "the kubeconfig names no usable server for that context".to_owned(),
        Error::LoadCertificateAuthority(_) | Error::LoadClientCertificate(_) | Error::LoadClientKey(_) | Error::ParseCertificates(_) => {
            "a certificate or key of the kubeconfig cannot be read".to_owned()
        }
        _ => "the kubeconfig cannot be understood: `kubectl config view` says where".to_owned(),
    };
    refused(&FIND, Class::Invalid, "NoKubeconfig", message)
}

/// A server's URL without what somebody may have written before its host.
fn shown(url: &Uri) -> String {
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{}://{}{port}{path}", url.scheme_str().unwrap_or("https"), url.host().unwrap_or_default())
}

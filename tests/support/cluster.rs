//! A real API server with its etcd, and nothing else: no controller runs, and no pod. Tests play the controllers, by patching status through the API.
//!
//! Used by the library's own tests and by those of the program.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The token of whoever may do everything.
pub const ADMIN: &str = "the-token-of-the-admin";
/// The token of somebody who may do nothing until a role says otherwise; his name is `somebody`.
pub const SOMEBODY: &str = "the-token-of-somebody";

/// Servers under way.
pub struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
    children: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            // What it is watched by ends it then.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

impl Cluster {
    /// The servers of this process: begun by whoever needs them first, ended by whoever needs them last. None where the programs are not there, which is said.
    pub fn get() -> Option<Arc<Cluster>> {
        static SERVERS: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let program = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
        let (Some(server), Some(etcd)) = (program("HOLDFAST_KUBE_APISERVER"), program("HOLDFAST_ETCD")) else {
            // Past what a test's output is kept back by.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs HOLDFAST_KUBE_APISERVER and HOLDFAST_ETCD\n");
            return None;
        };
        let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = servers.upgrade() {
            return Some(running);
        }
        let begun = Arc::new(Cluster::begin(&server, &etcd));
        *servers = Arc::downgrade(&begun);
        Some(begun)
    }

    fn begin(server: &Path, etcd: &Path) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let [client, peer, port] = free_ports();
        let path = |name: &str| folder.path().join(name);
        let key = rcgen::KeyPair::generate().expect("a key");
        std::fs::write(path("service-accounts.pem"), key.serialize_pem()).expect("a file");
        std::fs::write(path("service-accounts.pub"), key.public_key_pem()).expect("a file");
        std::fs::write(path("tokens.csv"), format!("{ADMIN},admin,1,\"system:masters\"\n{SOMEBODY},somebody,2\n")).expect("a file");
        let text = |path: PathBuf| path.display().to_string();
        let (listens, peers) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let etcd = watched(
            etcd,
            &folder.path().join("etcd.log"),
            &[
                format!("--data-dir={}", text(path("etcd"))),
                format!("--listen-client-urls={listens}"),
                format!("--advertise-client-urls={listens}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        );
        let server = watched(
            server,
            &folder.path().join("kube-apiserver.log"),
            &[
                format!("--etcd-servers={listens}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", text(path("certificates"))),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", text(path("service-accounts.pub"))),
                format!("--service-account-signing-key-file={}", text(path("service-accounts.pem"))),
                format!("--token-auth-file={}", text(path("tokens.csv"))),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/24".to_owned(),
                // Both are a controller's to bring.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
            ],
        );
        let mut cluster = Cluster { folder, port, children: vec![server, etcd] };
        cluster.wait();
        cluster
    }

    /// Until a client of that certificate could be answered.
    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(120);
        while !self.certificate().exists() || !self.is_ready() {
            let log = || std::fs::read_to_string(self.folder.path().join("kube-apiserver.log")).unwrap_or_default();
            let ended = self.children.iter_mut().any(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            assert!(Instant::now() < until && !ended, "the API server did not come up:\n{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Asked by a client of its own runtime: whoever waits may be in another one.
    fn is_ready(&self) -> bool {
        let kubeconfig = self.kubeconfig("ready", ADMIN, "default");
        let ask = async move {
            let read = kube::config::Kubeconfig::read_from(&kubeconfig).ok()?;
            let config = kube::Config::from_custom_kubeconfig(read, &kube::config::KubeConfigOptions::default()).await.ok()?;
            let client = kube::Client::try_from(config).ok()?;
            let request = http::Request::get("/readyz").body(Vec::new()).ok()?;
            client.request_text(request).await.ok()
        };
        let asking = move || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(ask).is_some();
        std::thread::spawn(asking).join().unwrap_or_default()
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificates/apiserver.crt")
    }

    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A kubeconfig whose only context, of this name, is the current one.
    pub fn kubeconfig(&self, context: &str, token: &str, namespace: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{context}-{namespace}.kubeconfig"));
        let (server, certificate) = (self.server(), self.certificate().display().to_string());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
             clusters: [{{name: tests, cluster: {{server: \"{server}\", certificate-authority: \"{certificate}\"}}}}]\n\
             users: [{{name: user, user: {{token: {token}}}}}]\n\
             contexts: [{{name: {context}, context: {{cluster: tests, user: user, namespace: {namespace}}}}}]\n"
        );
        // Others read it at any moment.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let new = path.with_extension(format!("new-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(&new, &path).expect("a file");
        path
    }
}

/// A program that ends with this process, however that ends: what it is watched by reads from a pipe that closes then.
fn watched(program: &Path, log: &Path, arguments: &[String]) -> Child {
    let log = std::fs::File::create(log).expect("a file");
    Command::new("sh")
        .args([
            "-c",
            "exec 3<&0; \"$@\" </dev/null & server=$!; (cat <&3 >/dev/null; kill -9 $server) 2>/dev/null & exec 3<&-; wait $server",
            "sh",
        ])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("a server")
}

fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners: [TcpListener; COUNT] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

//! One `redis-server` process.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen: a large RDB file is read first.
const STARTING: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The program: [`program`] finds one.
    pub program: PathBuf,
    /// An address of loopback.
    pub host: String,
    /// 0: a free one.
    pub port: u16,
    /// An RDB file that it starts with.
    pub rdb: Option<PathBuf>,
    /// Lines of redis.conf.
    pub config: Vec<String>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("redis-server ended at once: {0}")]
    Ended(String),
    #[error("redis-server did not listen within {} s", STARTING.as_secs())]
    Silent,
}

/// A running server; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: PathBuf,
    pub host: String,
    pub port: u16,
}

/// The `redis-server` of this machine: what `HOLDFAST_REDIS_SERVER` names, or the first on the path.
pub fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("HOLDFAST_REDIS_SERVER") {
        return Some(PathBuf::from(named));
    }
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join("redis-server")).find(|file| file.is_file())
}

impl Server {
    /// Starts a server whose files are in `folder`, which must exist, and waits until it listens.
    pub fn start(folder: &Path, options: &ServerOptions) -> Result<Server, ServerError> {
        let port = match options.port {
            0 => TcpListener::bind((options.host.as_str(), 0))?.local_addr()?.port(),
            port => port,
        };
        if let Some(rdb) = &options.rdb {
            std::fs::copy(rdb, folder.join("dump.rdb"))?;
        }
        let mut config = format!(
            "bind {}\nport {port}\ndir {}\ndbfilename dump.rdb\nsave \"\"\ndaemonize no\nrepl-diskless-sync-delay 0\n",
            options.host,
            folder.display()
        );
        for line in &options.config {
            let _ = writeln!(config, "{line}");
        }
        let file = folder.join("redis.conf");
        std::fs::write(&file, config)?;
        let log = std::fs::File::create(folder.join("log"))?;
        let child = Command::new(&options.program).arg(&file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Server { child, folder: folder.to_owned(), host: options.host.clone(), port };
        server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<(), ServerError> {
        let began = Instant::now();
        while began.elapsed() < STARTING {
            if self.child.try_wait()?.is_some() {
                return Err(ServerError::Ended(self.log()));
            }
            if std::net::TcpStream::connect((self.host.as_str(), self.port)).is_ok() && self.log().contains("eady to accept connections") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(ServerError::Silent)
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

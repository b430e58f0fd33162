//! One `redis-server` process.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen: a large RDB file is read first.
const STARTING: Duration = Duration::from_secs(60);

/// Starts a server, and beside it a shell that reads a pipe whose other end is ours. The pipe breaks when this process ends, however it ends: the
/// shell then kills the server. A line on the pipe sends the shell away. The server takes the place of the first shell, so that its number is the
/// child's. The first argument is a folder to remove then, or nothing.
const WATCHED: &str = r#"own=$1
shift
exec 3<&0 </dev/null
{ read -r _ <&3 || { kill -9 $$; [ -z "$own" ] || rm -rf -- "$own"; }; } 2>/dev/null &
exec 3<&-
exec "$@""#;

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

/// A running server; killed when it is dropped, and when this process ends.
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

/// A path as the server's configuration takes it, whatever stands in it.
pub fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

impl Server {
    /// Starts a server whose files are in `folder`, which must exist, and waits until it listens.
    pub fn start(folder: &Path, options: &ServerOptions) -> Result<Server, ServerError> {
        Server::start_in(folder, options, None)
    }

    /// Like [`Server::start`]; the folder `own` is removed should this process be killed.
    pub fn start_in(folder: &Path, options: &ServerOptions, own: Option<&Path>) -> Result<Server, ServerError> {
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
            quoted(folder)
        );
        for line in &options.config {
            let _ = writeln!(config, "{line}");
        }
        let file = folder.join("redis.conf");
        std::fs::write(&file, config)?;
        let log = std::fs::File::create(folder.join("log"))?;
        let child = Command::new("sh")
            .args(["-c", WATCHED, "sh"])
            .arg(own.unwrap_or(Path::new("")))
            .arg(&options.program)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in a terminal is for us; what becomes of the servers is our business.
            .process_group(0)
            .spawn()?;
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

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets go of it as a process does that is killed.
    #[cfg(test)]
    pub(super) fn abandon(&mut self) {
        self.child.stdin = None;
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        // While it is not waited for, its number is nobody else's; so the watching shell is sent away before.
        let _ = self.child.kill();
        if let Some(mut watch) = self.child.stdin.take() {
            let _ = watch.write_all(b"\n");
        }
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

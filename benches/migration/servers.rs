//! Real servers, in folders of their own that go with them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::raw::Raw;

pub struct Server {
    pub port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    /// A server on loopback that keeps nothing on disk.
    pub fn start() -> Server {
        // A free port may be somebody else's a moment later.
        for _ in 0..5 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port").port();
            let memory = std::path::Path::new("/dev/shm");
            let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
            let options = format!("--port {port} --bind 127.0.0.1 --appendonly no --loglevel warning");
            let process = Command::new("redis-server")
                .args(options.split(' '))
                .args(["--save", ""])
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is installed");
            let mut server = Server { port, process, _folder: folder };
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(5) && server.process.try_wait().expect("its state").is_none() {
                if let Ok(mut raw) = Raw::connect(port) {
                    raw.ask(&["PING"]);
                    return server;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        panic!("no server");
    }

    pub fn raw(&self) -> Raw {
        Raw::connect(self.port).expect("it is there")
    }

    pub fn empty(&self) {
        self.raw().ask(&["FLUSHALL", "SYNC"]);
    }

    /// How many keys it holds.
    pub fn keys(&self) -> u64 {
        let mut raw = self.raw();
        let mut ask = Vec::new();
        super::raw::command(&mut ask, &[b"DBSIZE"]);
        raw.send(&ask);
        let mut keys = 0;
        raw.answer(&mut |text| keys = String::from_utf8_lossy(text).parse().expect("a number"));
        keys
    }

    /// CPU time that it has taken.
    pub fn cpu(&self) -> Duration {
        cpu(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// CPU time that a process has taken, out of /proc (proc(5): fields 14 and 15, in hundredths of a second).
pub fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

//! What is measured, in a process of its own: its memory and its CPU time are the copier's alone.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::migration::copy::{CatchUp, Epoch, Phase, Settings};
use holdfast::migration::mover::{Lengths, Mover, Order, Setup};
use holdfast::migration::side::{Shard, Side};
use holdfast::migration::wire::{Endpoint, Login, Name};

use super::servers::{Server, cpu};

/// The first argument of the process that copies.
pub const ROLE: &str = "copier";

/// The other end of it.
pub struct Copier {
    process: Child,
    orders: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Copier {
    /// `what` is `pass` or `move`, `load` the percentage that `sourceLoad` would be.
    pub fn start(what: &str, source: &Server, target: &Server, load: u8) -> Copier {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .args([ROLE, what, &source.port.to_string(), &target.port.to_string(), &load.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (orders, says) = (process.stdin.take(), process.stdout.take().expect("its output"));
        Copier { process, orders, says: BufReader::new(says) }
    }

    /// Waits for the next thing it says: seconds.
    pub fn says(&mut self) -> f64 {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line");
        line.trim().parse().unwrap_or_else(|_| panic!("the copier said {line:?}"))
    }

    /// Tells it to go on.
    pub fn go_on(&mut self) {
        use std::io::Write;
        self.orders.as_mut().expect("its input").write_all(b"\n").expect("it listens");
    }

    pub fn cpu(&self) -> Duration {
        cpu(self.process.id())
    }

    /// The most memory that was resident so far, in MB.
    pub fn peak(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok());
        high.expect("its memory") * 1024.0 / 1e6
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

/// The process that copies, by its arguments after [`ROLE`].
pub fn run(arguments: &[String]) {
    let [what, source, target, load] = arguments else { panic!("{arguments:?}") };
    let side = |port: &String| {
        let primary = Endpoint { host: "127.0.0.1".to_owned(), port: port.parse().expect("a port"), login: Login::default() };
        Side { shards: vec![Shard { primary, replicas: vec![], slots: vec![] }], databases: 16 }
    };
    let settings = Settings { load: load.parse().expect("a percentage"), ..Settings::new(Epoch::new(1)) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match what.as_str() {
        "pass" => runtime.block_on(pass(side(source), side(target), settings)),
        "move" => runtime.block_on(moves(side(source), side(target), settings)),
        other => panic!("{other}"),
    }
}

fn name(role: &'static str) -> Name {
    Name { migration: "bench".to_owned(), epoch: 1, role }
}

/// Says how long the first pass took, and goes on until the other end is gone.
async fn pass(source: Side, target: Side, settings: Settings) {
    let began = Instant::now();
    let copier = CatchUp::start(source, target, name("copy"), settings).await.expect("it starts");
    let passed = async {
        while copier.progress().passes == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        println!("{}", began.elapsed().as_secs_f64());
        std::future::pending::<()>().await;
    };
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        () = passed => {}
        _ = ended => {}
    }
    let progress = copier.progress();
    assert_eq!((progress.restarts, progress.last_trouble.as_deref()), (0, None));
}

/// Says when it follows, and then at each word from the other end how long it settled. Writes go on after each.
async fn moves(source: Side, target: Side, copy: Settings) {
    let setup = Setup {
        source,
        target,
        name: name("move"),
        copy,
        lengths: Lengths::new(Duration::from_secs(60)),
        patience: Duration::from_secs(5),
        looking: Duration::from_secs(1),
    };
    let began = Instant::now();
    let mover = Mover::start(setup).await.expect("it starts");
    let follows = || mover.state().progress.is_some_and(|progress| progress.passes > 0 && progress.phase == Phase::Following);
    let mut said = began;
    loop {
        while !follows() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        println!("{}", said.elapsed().as_secs_f64());
        if !tokio::task::spawn_blocking(|| std::io::stdin().lines().next().is_some()).await.expect("a word") {
            return;
        }
        mover.order(Order::Freeze).await.expect("both are held, and equal");
        let settle = mover.state().settle.expect("how long it took");
        mover.order(Order::Undo).await.expect("both are let go");
        println!("{}", settle.as_secs_f64());
        said = Instant::now();
    }
}

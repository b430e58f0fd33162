//! What the servers do by themselves, asked by a client that does nothing with the answers.

use std::time::Instant;

use super::keys::{in_pipelines, name};
use super::raw::command;
use super::servers::Server;

/// Keys a second that a server does with a core to itself.
#[derive(Clone, Copy, Default)]
pub struct Rates {
    /// SCAN COUNT 1000.
    pub scan: f64,
    /// PTTL and DUMP, pipelined.
    pub dump: f64,
    /// RESTORE, pipelined.
    pub restore: f64,
}

/// Keys that are dumped and restored.
const SOME: usize = 200_000;

impl Rates {
    /// `target` is empty, and is so again.
    pub fn measure(source: &Server, target: &Server, keys: usize) -> Rates {
        let rate = |keys: usize, began: Instant| keys as f64 / began.elapsed().as_secs_f64();
        let mut raw = source.raw();
        let began = Instant::now();
        let (mut cursor, mut seen) = (b"0".to_vec(), 0);
        loop {
            let mut ask = Vec::new();
            command(&mut ask, &[b"SCAN", &cursor, b"COUNT", b"1000"]);
            raw.send(&ask);
            let mut first = true;
            raw.answer(&mut |text| match std::mem::take(&mut first) {
                true => cursor = text.to_vec(),
                false => seen += 1,
            });
            if cursor == b"0" {
                break;
            }
        }
        let scan = rate(seen, began);
        let some = SOME.min(keys);
        // Spread over all of them: neighbours were stored side by side.
        let spread = |number: usize| number * 7919 % keys;
        let mut payloads = Vec::new();
        let dumps = |to: &mut Vec<u8>, number| {
            command(to, &[b"DUMP", &name(spread(number))]);
            1
        };
        in_pipelines(&mut raw, some, dumps, |payload| payloads.push(payload.to_vec()));
        let began = Instant::now();
        let reads = |to: &mut Vec<u8>, number| {
            command(to, &[b"PTTL", &name(spread(number))]);
            command(to, &[b"DUMP", &name(spread(number))]);
            2
        };
        in_pipelines(&mut raw, some, reads, |_| {});
        let dump = rate(some, began);
        let mut raw = target.raw();
        let began = Instant::now();
        let writes = |to: &mut Vec<u8>, number: usize| {
            command(to, &[b"RESTORE", &name(spread(number)), b"0", &payloads[number], b"REPLACE", b"ABSTTL"]);
            1
        };
        in_pipelines(&mut raw, some, writes, |_| {});
        let restore = rate(some, began);
        target.empty();
        Rates { scan, dump, restore }
    }

    /// The better of two measurements, each by itself.
    pub fn or(self, other: Rates) -> Rates {
        Rates { scan: self.scan.max(other.scan), dump: self.dump.max(other.dump), restore: self.restore.max(other.restore) }
    }

    /// Keys a second that are copied where whoever copies costs nothing: each is scanned, dumped and restored. A server has one core, and all have two.
    pub fn copying(self) -> f64 {
        let source = 1.0 / (1.0 / self.scan + 1.0 / self.dump);
        source.min(self.restore).min(self.copying_on_two_cores())
    }

    /// The same, could a server use both cores.
    pub fn copying_on_two_cores(self) -> f64 {
        2.0 / (1.0 / self.scan + 1.0 / self.dump + 1.0 / self.restore)
    }

    /// Keys a second that are compared: each is scanned and dumped on both sides, a core each.
    pub fn comparing(self) -> f64 {
        1.0 / (1.0 / self.scan + 1.0 / self.dump)
    }
}

//! What moving a Redis costs, on two real servers: `cargo bench --bench migration`. It ends with an error where a bound is not kept.
//!
//! The servers' own rates are measured in the same run, and what they would do with a core each if the copier cost nothing is the measure of the copier,
//! which shares these two cores with them. All the while an application writes 5,000 times a second.

mod application;
mod copier;
mod keys;
mod rates;
mod raw;
mod servers;

use std::cell::Cell;
use std::time::Duration;

use application::Application;
use copier::Copier;
use rates::Rates;
use servers::Server;

/// Each pass is measured as often, and the best counts: the machine may be somebody else's too.
const TIMES: usize = 3;
/// `sourceLoad`: no limit, and what it is where nobody says.
const FREE: u8 = 100;
const DEFAULT: u8 = 25;

/// For how long the application's writes are looked at.
const LOOKED_AT: Duration = Duration::from_secs(8);

thread_local!(static BROKEN: Cell<bool> = const { Cell::new(false) });

/// Which side of its bound a figure has to be on.
enum Bound {
    Most(f64),
    Least(f64),
}

/// Prints a figure with its bound.
fn figure(what: &str, value: f64, bound: Bound, unit: &str) {
    let (kept, bound) = match bound {
        Bound::Most(most) => (value <= most, format!("at most {most}")),
        Bound::Least(least) => (value >= least, format!("at least {least}")),
    };
    println!("{what:<64} {value:>9.2} {unit} ({bound} {unit}){}", if kept { "" } else { "  <- not kept" });
    if !kept {
        BROKEN.set(true);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|role| role == copier::ROLE) {
        return copier::run(&arguments[1..]);
    }
    let (source, target) = (Server::start(), Server::start());
    let small = settles(&source, &target, 100_000);
    source.empty();
    target.empty();
    passes(&source, &target, 1_000_000);
    let large = settles(&source, &target, 1_000_000);
    figure("  times as long as with 100,000 keys", large / small, Bound::Most(2.0), "");
    target.empty();
    catching_up(&source, &target, 1_000_000);
    assert!(!BROKEN.get(), "a bound is not kept");
}

/// A copying pass into an empty target, and a comparing pass into an equal one.
fn passes(source: &Server, target: &Server, keys: usize) {
    keys::fill(&mut source.raw(), keys);
    let _application = Application::start(source, keys);
    let mut rates = Rates::default();
    let mut best = [0.0_f64; 2];
    for time in 0..TIMES {
        target.empty();
        rates = rates.or(Rates::measure(source, target, keys));
        for (what, best) in ["copying", "comparing"].into_iter().zip(&mut best) {
            let before = [source.cpu(), target.cpu()];
            let mut copier = Copier::start("pass", source, target, FREE);
            let took = copier.says();
            let rate = source.keys() as f64 / took;
            *best = best.max(rate);
            let a_key = |cpu: Duration| cpu.as_secs_f64() * 1e6 / keys as f64;
            println!(
                "{what} pass {}: {:.0} k keys/s; CPU a key: copier {:.1} us, source {:.1} us, target {:.1} us; {:.0} MB resident",
                time + 1,
                rate / 1e3,
                a_key(copier.cpu()),
                a_key(source.cpu() - before[0]),
                a_key(target.cpu() - before[1]),
                copier.peak()
            );
        }
    }
    println!(
        "the servers alone, a core each: SCAN COUNT 1000 {:.0} k keys/s, PTTL and DUMP {:.0} k, RESTORE {:.0} k",
        rates.scan / 1e3,
        rates.dump / 1e3,
        rates.restore / 1e3
    );
    let bounds = [rates.copying(), rates.comparing()];
    println!("were the copier free, with a core for each server: copied {:.0} k keys/s, the least of", bounds[0] / 1e3);
    println!("  1 / (1/SCAN + 1/DUMP), RESTORE, and, on both cores, 2 / (1/SCAN + 1/DUMP + 1/RESTORE);");
    println!("  compared {:.0} k keys/s, which is 1 / (1/SCAN + 1/DUMP)", bounds[1] / 1e3);
    for ((what, best), bound) in ["copying pass into an empty target", "comparing pass of equal sides"].into_iter().zip(best).zip(bounds) {
        println!("{what}: {:.0} k keys/s, the best of {TIMES}", best / 1e3);
        figure("  of what the servers allow", 100.0 * best / bound, Bound::Least(60.0), "%");
    }
    println!("  copied, of what both cores would allow could a server use both: {:.0} %", 100.0 * best[0] / rates.copying_on_two_cores());
}

/// How long it takes from the hold to "target proven equal".
fn settles(source: &Server, target: &Server, keys: usize) -> f64 {
    keys::fill(&mut source.raw(), keys);
    let application = Application::start(source, keys);
    let mut copier = Copier::start("move", source, target, FREE);
    copier.says();
    application.took();
    let mut settled: Vec<f64> = (0..TIMES)
        .map(|_| {
            // What the default load has left undone in this time is not much, and what was written in it is there.
            std::thread::sleep(Duration::from_secs(2));
            copier.go_on();
            let settle = copier.says();
            copier.says();
            settle
        })
        .collect();
    settled.sort_by(f64::total_cmp);
    let longest = application.took().last().copied().unwrap_or_default();
    figure(&format!("settle, {keys} keys, 5,000 writes/s: median of {TIMES}"), settled[TIMES / 2], Bound::Most(1.0), "s");
    println!("  the longest that a write waited, from the hold until both were let go again: {:.2} s", longest.as_secs_f64());
    settled[TIMES / 2]
}

/// What the application notices while its keys are copied with the default load; then what the copier takes, at most, while every key changes.
fn catching_up(source: &Server, target: &Server, keys: usize) {
    let application = Application::start(source, keys);
    let before = application.p99(LOOKED_AT);
    let copier = Copier::start("pass", source, target, DEFAULT);
    let copying = application.p99(LOOKED_AT);
    let copied = target.keys() as f64 / LOOKED_AT.as_secs_f64();
    drop(copier);
    println!(
        "p99 of the application's writes: {:.2} ms before, {:.2} ms while {:.0} k keys/s are copied",
        ms(before),
        ms(copying),
        copied / 1e3
    );
    figure("  with the default sourceLoad, times before", ms(copying) / ms(before), Bound::Most(2.0), "");
    let mut copier = Copier::start("pass", source, target, FREE);
    copier.says();
    figure("resident at the most, 1 M keys copied", copier.peak(), Bound::Most(100.0), "MB");
    // As fast as the source takes them.
    let mut raw = source.raw();
    keys::change_all(&mut raw, keys);
    keys::change_all(&mut raw, keys);
    std::thread::sleep(Duration::from_secs(5));
    figure("  after each of them was changed, twice", copier.peak(), Bound::Most(100.0), "MB");
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

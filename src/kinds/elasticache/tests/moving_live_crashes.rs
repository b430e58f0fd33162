//! The process ends at every AWS call, every exchange with a Redis node that matters and every write of the journal of a live move, and of its ways back.
//! Another one goes on, or a person takes the move back: no write is lost, and the end is that of an undisturbed run.

use std::fmt;

use super::super::gate::Place;
use super::super::moving::ground::sweep_on;
use super::ground::{Ground, Way, is_an_end, quietly, stands_back};
use crate::kinds::testing::one_in;
use crate::migration::wire::moments::Next;

/// A live move takes seconds: of each sweep so many are tried as one in so many of `HOLDFAST_CASES`; all of them from a million on.
const SHARE: u64 = 500;
/// What changes something, or proves something, on a node.
const MATTERS: [&str; 10] = ["PAUSE", "UNPAUSE", "KILL", "TRACKING", "PFCOUNT", "WAIT", "RESTORE", "UNLINK", "FUNCTION", "SET"];
/// AWS calls that change nothing.
const READS: [&str; 3] = ["Describe", "List", "Get"];

/// What another process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoesOn,
    TakesBack,
}

struct At {
    way: Way,
    place: Place,
    next: Next,
    then: Then,
    /// Where the next process ends, too.
    second: Option<Place>,
}

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}, {:?}, {:?}: {}", self.way, self.next, self.then, self.place)?;
        self.second.as_ref().map_or(Ok(()), |second| write!(out, ", then {second}"))
    }
}

/// The moments of an undisturbed run that are worth an end. Between two changes nothing changes: of what only looks, the first and the last of a step.
fn places(way: Way) -> Option<Vec<Place>> {
    let reference = way.reference()?;
    let mut places = Vec::new();
    for ((step, what, after), count) in &reference.counted {
        let count = *count;
        let of_redis = what.chars().all(|letter| !letter.is_ascii_lowercase());
        let changes = match of_redis {
            true => MATTERS.iter().any(|one| what.contains(one)),
            false => !READS.iter().any(|one| what.starts_with(one)),
        };
        let nths: Vec<usize> = match (changes, what.as_str()) {
            (_, "the journal") => (1..=count.min(6)).collect(),
            (true, _) => (1..=count.min(3)).chain((count > 3).then_some(count)).collect(),
            (false, _) if *after => [1].into_iter().chain((count > 1).then_some(count)).collect(),
            (false, _) => Vec::new(),
        };
        // Before the first step nothing was done.
        let nths = if step.is_empty() && way == Way::There { nths.into_iter().take(usize::from(of_redis)).collect() } else { nths };
        places.extend(nths.into_iter().map(|nth| Place { step: step.clone(), what: what.clone(), nth, after: *after }));
    }
    Some(places)
}

fn all(way: Way, next: Next, then: Then) -> Vec<At> {
    let places = places(way).unwrap_or_default();
    places.into_iter().map(|place| At { way, place, next, then, second: None }).collect()
}

fn ended(at: &At) -> Result<(), String> {
    quietly(|| {
        let Some(mut ground) = Ground::new() else { return Ok(()) };
        let (first, gate) = ground.run(at.way, Some((at.place.clone(), at.next)), &|_| {});
        gate.judged()?;
        if !gate.reached() {
            eprintln!("not reached: {at}");
        }
        let was_ended = first.is_none();
        let asked = at.then == Then::TakesBack && ground.is_taken_back();
        let mut second = at.second.clone();
        let outcomes = loop {
            let (outcomes, gate) = ground.goes_on(second.take());
            gate.judged()?;
            if let Some(outcomes) = outcomes {
                break outcomes;
            }
        };
        is_an_end(&outcomes).map_err(|why| format!("{why}; before that {:?}", first.map(|first| first.resources[0].end.clone())))?;
        // What fails after the commit stops the way back: the new group serves on, and a person asks again.
        if at.way == Way::Return && at.next == Next::Breaks && !stands_back(&ground) && ground.is_taken_back() {
            let (outcomes, gate) = ground.goes_on(None);
            gate.judged()?;
            is_an_end(&outcomes.ok_or("it ended")?)?;
        }
        let back = stands_back(&ground);
        if !back && (asked || at.way != Way::There) {
            return Err("it was not taken back".to_owned());
        }
        // Before a place was turned another process goes on to the same end.
        let turns = ["Turn ", "Send ", "Prove ", "Let "].iter().any(|begins| at.place.step.starts_with(begins));
        if back && at.way == Way::There && !asked && was_ended && at.second.is_none() && !turns {
            return Err(format!("it was taken back: {:?}", outcomes.resources[0].end));
        }
        ground.ends(back)
    })
    .and_then(|tried| tried)
}

#[test]
fn the_process_ended_at_every_moment_of_a_live_move() {
    let points = all(Way::There, Next::Never, Then::GoesOn);
    if !points.is_empty() {
        sweep_on(1, &one_in(SHARE, points), ended);
    }
}

#[test]
fn a_live_move_is_taken_back_from_wherever_the_process_ended() {
    let points = all(Way::There, Next::Never, Then::TakesBack);
    if !points.is_empty() {
        sweep_on(1, &one_in(SHARE, points), ended);
    }
}

#[test]
fn the_process_ended_at_every_moment_of_the_ways_back() {
    let points: Vec<At> = [Way::Back, Way::Return].into_iter().flat_map(|way| all(way, Next::Never, Then::GoesOn)).collect();
    if !points.is_empty() {
        sweep_on(1, &one_in(SHARE, points), ended);
    }
}

#[test]
fn two_processes_ended_one_after_the_other() {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(3);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut points = Vec::new();
    for way in [Way::There, Way::Return] {
        let Some(places) = places(way) else { return };
        points.extend(places.iter().map(|place| {
            let second = random.choice(&places).cloned();
            At { way, place: place.clone(), next: Next::Never, then: Then::GoesOn, second }
        }));
    }
    sweep_on(1, &one_in(SHARE, points), ended);
}

/// A connection breaks, at AWS or at a node, once, at any moment: what it was for is done all the same, or taken back.
#[test]
fn a_connection_that_breaks_at_any_moment_loses_nothing() {
    let ways = [Way::There, Way::Back, Way::Return];
    let points: Vec<At> = ways.into_iter().flat_map(|way| all(way, Next::Breaks, Then::GoesOn)).collect();
    if !points.is_empty() {
        sweep_on(1, &one_in(SHARE, points), ended);
    }
}

//! How the nodes' clocks differ: a key's expiry is a moment of the clock of the node that holds it (rule 4).

use std::time::{Duration, Instant};

use super::nodes::{Nodes, SHORT, Use, microseconds};
use super::trouble::Trouble;

/// Clocks that differ by more are refused: RESTORE with a time that is past on the target answers OK and deletes. EC2's time service keeps nodes
/// within a millisecond.
pub const LIMIT: Duration = Duration::from_secs(1);
/// What differs by less is not told from the noise of the measurement, and counts as equal.
const NOISE: Duration = Duration::from_millis(10);
/// Questions a node: the quickest answer says most.
const QUESTIONS: usize = 5;

/// What to add to an expiry of a source's node for it to be the same moment on a target's node, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// By source's shard, then target's.
    ahead: Vec<Vec<i64>>,
}

impl Clocks {
    pub async fn measure(source: &Nodes, target: &Nodes) -> Result<Clocks, Trouble> {
        let base = Instant::now();
        let (from, to) = futures::future::try_join(offsets(source, base), offsets(target, base)).await?;
        let mut ahead = Vec::new();
        for (one, here) in from.iter().enumerate() {
            let mut row = Vec::new();
            for (other, there) in to.iter().enumerate() {
                let milliseconds = there.shown.saturating_sub(here.shown) / 1000;
                row.push(allowed(milliseconds, here.known_to + there.known_to).ok_or_else(|| Trouble::Clocks {
                    one: source.node(one),
                    other: target.node(other),
                    milliseconds,
                    limit: LIMIT.as_millis() as i64,
                })?);
            }
            ahead.push(row);
        }
        Ok(Clocks { ahead })
    }

    /// How far the target's node is ahead, in milliseconds.
    pub fn ahead(&self, source: usize, target: usize) -> i64 {
        self.ahead.get(source).and_then(|row| row.get(target)).copied().unwrap_or(0)
    }

    /// Whether no clock has moved since, as far as can be told.
    pub fn agree(&self, now: &Clocks) -> bool {
        let pairs = self.ahead.iter().flatten().zip(now.ahead.iter().flatten());
        self.ahead.len() == now.ahead.len() && pairs.into_iter().all(|(was, is)| was.abs_diff(*is) <= 2 * NOISE.as_millis() as u64)
    }
}

/// Nothing where it is too much, 0 where it is noise or not known well enough to be told from it.
fn allowed(milliseconds: i64, known_to: Duration) -> Option<i64> {
    match Duration::from_millis(milliseconds.unsigned_abs()).saturating_sub(known_to) {
        difference if difference > LIMIT => None,
        difference if difference <= NOISE => Some(0),
        _ => Some(milliseconds),
    }
}

/// What a clock shows.
struct Shown {
    /// At the base, in microseconds.
    shown: i64,
    /// It was looked at somewhere within the time that the answer took.
    known_to: Duration,
}

/// What each primary's clock shows at `base`.
async fn offsets(nodes: &Nodes, base: Instant) -> Result<Vec<Shown>, Trouble> {
    let mut all = Vec::new();
    for shard in 0..nodes.shards() {
        let link = nodes.link(shard, 0, Use::Ask).await?;
        let mut best: Option<(Duration, i64)> = None;
        for _ in 0..QUESTIONS {
            let asked = Instant::now();
            let answer = link.ask(&redis::cmd("TIME"), SHORT).await?;
            let took = asked.elapsed();
            let shown = microseconds(&answer).ok_or_else(|| link.strange("TIME"))?;
            let at = (asked + took / 2).duration_since(base).as_micros() as i64;
            if best.is_none_or(|(quickest, _)| took < quickest) {
                best = Some((took, shown.saturating_sub(at)));
            }
        }
        all.extend(best.map(|(took, shown)| Shown { shown, known_to: took / 2 }));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_are_noise_and_large_ones_are_refused() {
        let expected = [
            (0, Some(0)),
            (10, Some(0)),
            (-10, Some(0)),
            (11, Some(11)),
            (-700, Some(-700)),
            (1000, Some(1000)),
            (1001, None),
            (-1001, None),
        ];
        for (milliseconds, adjustment) in expected {
            assert_eq!(allowed(milliseconds, Duration::ZERO), adjustment, "{milliseconds}");
        }
        // A slow answer says little.
        assert_eq!((allowed(25, Duration::from_millis(20)), allowed(1020, Duration::from_millis(20))), (Some(0), Some(1020)));
        let clocks = |ahead| Clocks { ahead: vec![vec![ahead]] };
        assert_eq!((clocks(700).ahead(0, 0), clocks(700).ahead(1, 0)), (700, 0));
        assert!(clocks(0).agree(&clocks(20)));
        assert!(!clocks(0).agree(&clocks(500)));
        assert!(!clocks(0).agree(&Clocks::default()));
    }
}

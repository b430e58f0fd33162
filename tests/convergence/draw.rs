//! The choices of one generated case: a random generator with the few questions that the generators ask.

/// Answers from a seed.
pub struct Draw(fastrand::Rng);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(fastrand::Rng::with_seed(seed))
    }

    /// Whether something with a chance of `percent` in a hundred happens.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    pub fn flag(&mut self) -> bool {
        self.0.bool()
    }

    /// A number from `low` to `high`, both included; often one of the two.
    pub fn number(&mut self, low: i64, high: i64) -> i64 {
        match self.0.u32(0..6) {
            0 => low,
            1 => high,
            // Near the lower end, where real values are.
            2..=4 => self.0.i64(low..=high.min(low.saturating_add(60)).max(low)),
            _ => self.0.i64(low..=high.max(low)),
        }
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.usize(0..all.len())]
    }

    pub fn word(&mut self, all: &[&'static str]) -> &'static str {
        all[self.0.usize(0..all.len())]
    }

    /// Each of these with a chance of `percent` in a hundred, in their order.
    pub fn some<'a, T>(&mut self, all: &'a [T], percent: u32) -> Vec<&'a T> {
        all.iter().filter(|_| self.chance(percent)).collect()
    }
}

//! Chance that is the same on every machine: ChaCha8 words, integers, and floating point only where IEEE 754 fixes
//! the result (no logarithms, no powers).

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// A stream of chance.
#[derive(Debug)]
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// One of the 2^64 independent streams of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut words = ChaCha8Rng::seed_from_u64(seed);
        words.set_stream(stream);
        Self(words)
    }

    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// From 0 to below 1, in steps of 2^-32.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// True with a probability; below 2^-32 never.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From 0 to below `end` (0 when that is 0), by the widening product; the bias is below `end` / 2^64.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// From `low` to `high`, both included; `low` when they are the wrong way round.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        let width = u64::from(high.saturating_sub(low)) + 1;
        low + u32::try_from(self.below(width)).unwrap_or(0)
    }

    /// One of several, each as likely.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = self.below(u64::try_from(from.len()).unwrap_or(0));
        from.get(usize::try_from(place).ok()?)
    }

    /// One of several by their weights; `None` when no weight is above 0.
    pub fn weighted<'a, T>(&mut self, from: &'a [T], weight: impl Fn(&T) -> f64) -> Option<&'a T> {
        let mut left = self.unit() * from.iter().map(&weight).sum::<f64>();
        let mut last = None;
        for item in from.iter().filter(|item| weight(item) > 0.0) {
            last = Some(item);
            left -= weight(item);
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

//! The best guess between two states of a source, from the intervals an attacker was given.
//!
//! The attacker knows everything but which of the two it is: how the noise is made, and what each answer would be
//! without noise in either state. The best test is then the likelihood ratio (Neyman and Pearson 1933).

use std::collections::{BTreeSet, HashMap};

use cv3_backend::domain::queries::RecordRange;
use cv3_backend::engine::privacy::{EPSILON, Noise, interval};

/// Simulated sources.
pub const SOURCES: u32 = 10_000;

/// One range answer: what it is drawn for, and the true numbers in the two states.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The plan's digest, the same in both states.
    pub plan: [u8; 32],
    pub states: [u64; 2],
    pub record_count: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Answers that were paid for, the same for every source.
    pub charges: usize,
    /// Share of right guesses.
    pub success: f64,
}

impl Outcome {
    /// What nobody can beat by more than chance: e^ε ÷ (1 + e^ε) for the ε spent, and three standard deviations.
    pub fn bound(&self) -> f64 {
        let odds = (self.charges as f64 * EPSILON).exp();
        let bound = odds / (1.0 + odds);
        bound + 3.0 * (bound * (1.0 - bound) / f64::from(SOURCES)).sqrt()
    }

    /// Prints the row of `docs/security.md` and checks it.
    pub fn holds(&self, attack: &str) {
        println!("{attack}: {} paid, guessed {:.4}, bound {:.4}", self.charges, self.success, self.bound());
        assert!(
            self.success <= self.bound(),
            "{attack} succeeds: {self:?}, the bound is {:.4}",
            self.bound()
        );
    }
}

/// Attacks `sources` of them, each in a state of its own chance, with the first `prefixes` of the answers.
pub fn attack(sources: u32, answers: &[Answer], prefixes: &[usize]) -> Vec<Outcome> {
    let ratios: Vec<_> = answers.iter().map(Ratios::new).collect();
    let mut right = vec![0u32; prefixes.len()];
    let mut charges = vec![BTreeSet::new(); prefixes.len()];
    for source in 0..sources {
        let coin = chance(u64::from(source));
        let state = (coin & 1) as usize;
        let id = format!("source {source}");
        let mut ratio = 0.0;
        let mut paid = BTreeSet::new();
        for (at, (answer, ratios)) in answers.iter().zip(&ratios).enumerate() {
            let noise = Noise {
                key: b"a key of the tests",
                acting: "mallory",
                source_id: &id,
                data_version: 1,
                plan: answer.plan,
                epsilon: EPSILON,
            };
            let given = interval(answer.states[state], answer.record_count, &noise);
            // The same draw again tells nothing; the attacker knows that, too.
            if paid.insert(answer.plan) {
                ratio += ratios.of(given);
            }
            for (which, prefix) in prefixes.iter().enumerate().filter(|(_, prefix)| **prefix == at + 1) {
                let _ = prefix;
                // Where the answers favour neither, a coin does.
                let guess = if ratio == 0.0 { (coin >> 1 & 1) as usize } else { usize::from(ratio > 0.0) };
                right[which] += u32::from(guess == state);
                charges[which].insert(paid.len());
            }
        }
    }
    let outcome = |(right, charges): (u32, BTreeSet<usize>)| {
        assert_eq!(charges.len(), 1, "what is charged depends on the source: {charges:?}");
        Outcome {
            charges: charges.into_iter().next().unwrap(),
            success: f64::from(right) / f64::from(sources),
        }
    };
    right.into_iter().zip(charges).map(outcome).collect()
}

/// How much likelier an interval is in the second state than in the first, as a logarithm.
struct Ratios(HashMap<(u64, u64), f64>);

impl Ratios {
    fn new(answer: &Answer) -> Self {
        let [first, second] = answer.states.map(|n| likelihoods(n, answer.record_count));
        let seen: BTreeSet<(u64, u64)> = first.keys().chain(second.keys()).copied().collect();
        let ratio = |range| {
            let of = |state: &HashMap<(u64, u64), f64>| state.get(&range).copied().unwrap_or(0.0);
            let difference = of(&second).ln() - of(&first).ln();
            // Sums of the same numbers in another order differ in the last bits only.
            (range, if difference.abs() < 1e-9 { 0.0 } else { difference })
        };
        Self(seen.into_iter().map(ratio).collect())
    }

    fn of(&self, given: RecordRange) -> f64 {
        self.0[&(given.min, given.max)]
    }
}

/// Every interval with its probability, as the specification (§8.6) says it is made.
fn likelihoods(n: u64, record_count: u64) -> HashMap<(u64, u64), f64> {
    let alpha = (-EPSILON).exp();
    let (n, most) = (n as i64, record_count as i64);
    let mut intervals = HashMap::new();
    // |noise| > 300 has a probability of 1e-19, less than the generator can give.
    for noise in -300..=300i64 {
        let noisy = n + noise;
        let max = (noisy + 20).max(0).min(most);
        let min = (noisy - 20).max(0).min(max);
        let probability = (1.0 - alpha) / (1.0 + alpha) * alpha.powi(noise.unsigned_abs() as i32);
        *intervals.entry((min as u64, max as u64)).or_insert(0.0) += probability;
    }
    intervals
}

/// SplitMix64.
pub fn chance(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

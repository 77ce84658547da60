//! Local allele frequencies as seen by who may not count.
//!
//! A filter on local frequency (specification §8.3) compares the number of alleles in the source with a threshold.
//! Asked again with other thresholds, yes or no, for nothing, it gives that number exactly. So below the level
//! `count` the number compared has noise: one draw for everybody, source, gene, mutation and number.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::privacy::{EPSILON, draw};
use crate::domain::subjects::Mutation;

/// What the numbers of alleles of one source are blurred with.
#[derive(Debug, Clone)]
pub struct Blur {
    /// Known only here: derived from the privacy key for one source and ε.
    seed: [u8; 32],
    epsilon: f64,
}

impl Blur {
    /// For one source; `epsilon` is what a subject's alleles may be told by.
    pub fn new(key: &[u8], source_id: &str, epsilon: f64) -> Self {
        let epsilon = if epsilon.is_finite() && epsilon > 0.0 { epsilon } else { EPSILON };
        let seed =
            tag(key, &[b"cv3 local frequency 1", source_id.as_bytes(), &epsilon.to_bits().to_le_bytes()]);
        Self { seed, epsilon }
    }

    /// The number to compare instead of the true one.
    ///
    /// The true number is in the seed and the data version is not: data that come again with the same number give no
    /// second draw to average, and with another number no difference to read off.
    pub fn alleles(&self, held: u64, gene: &str, mutation: Mutation) -> u64 {
        let bits = tag(&self.seed, &[gene.as_bytes(), mutation.as_str().as_bytes(), &held.to_le_bytes()]);
        let bits = bits.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // A subject has at most two alleles.
        held.saturating_add_signed(draw(bits, self.epsilon / 2.0))
    }
}

fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length; the error arm is for MACs that do not.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

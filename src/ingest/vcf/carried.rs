//! Who carries what: for each sample the genes and mutations with their smallest frequency and allele count.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::domain::subjects::{Mutation, Variant};

/// A gene by its number and a mutation.
pub(super) type Effect = (u32, Mutation);

/// Why a line or a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The bound on what may be held is reached.
    Full,
    /// The line breaks the format: the column and the reason.
    Line(&'static str, &'static str),
}

#[derive(Debug, Clone, Copy)]
struct Held {
    /// Negative when unknown: an `Option` would take twice the room.
    af: f64,
    alleles: u8,
}

/// What each sample carries.
#[derive(Debug)]
pub(super) struct Carried {
    samples: Vec<HashMap<Effect, Held>>,
    held: usize,
    limit: usize,
}

impl Carried {
    pub(super) fn new(samples: usize, limit: usize) -> Self {
        Self { samples: vec![HashMap::new(); samples], held: 0, limit }
    }

    /// Notes that a sample carries 1 or 2 alleles of a variant with an effect. Over several variants of one effect
    /// the smallest known frequency and the largest count stay.
    pub(super) fn note(
        &mut self,
        sample: usize,
        effect: Effect,
        af: Option<f64>,
        alleles: u8,
    ) -> Result<(), Refused> {
        let Some(effects) = self.samples.get_mut(sample) else { return Ok(()) };
        match effects.entry(effect) {
            Entry::Vacant(place) => {
                if self.held >= self.limit {
                    return Err(Refused::Full);
                }
                self.held += 1;
                place.insert(Held { af: af.unwrap_or(-1.0), alleles });
            }
            Entry::Occupied(mut place) => {
                let held = place.get_mut();
                held.alleles = held.alleles.max(alleles);
                if let Some(af) = af
                    && (held.af < 0.0 || af < held.af)
                {
                    held.af = af;
                }
            }
        }
        Ok(())
    }

    /// Each sample's variants in turn, by gene and mutation; `genes` are the symbols by number.
    pub(super) fn into_variants(self, genes: &[String]) -> impl Iterator<Item = Vec<Variant>> {
        self.samples.into_iter().map(|effects| {
            let mut variants: Vec<Variant> = effects
                .into_iter()
                .filter_map(|((gene, mutation), held)| {
                    Some(Variant {
                        gene: genes.get(usize::try_from(gene).ok()?)?.clone(),
                        mutation,
                        af: (held.af >= 0.0).then_some(held.af),
                        allele_count: Some(held.alleles),
                    })
                })
                .collect();
            variants.sort_by(|a, b| (&a.gene, a.mutation).cmp(&(&b.gene, b.mutation)));
            variants
        })
    }
}

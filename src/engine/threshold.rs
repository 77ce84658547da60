//! At least k of n sets, for a whole chunk at once: per subject a binary counter, spread over bit planes.

use super::words::{WORDS, Words};

/// Counts, for each subject of a chunk, how many of the sets given it is in.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Plane i holds bit i of every subject's counter.
    planes: Vec<Words>,
    used: usize,
}

impl Counters {
    /// Back to zero.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// Adds one to the counter of every subject in the set.
    pub(crate) fn add(&mut self, set: &Words) {
        let mut carry = *set;
        for plane in self.planes.iter_mut().take(self.used) {
            let mut any = 0;
            for (bit, carry) in plane.iter_mut().zip(&mut carry) {
                let both = *bit & *carry;
                *bit ^= *carry;
                *carry = both;
                any |= both;
            }
            if any == 0 {
                return;
            }
        }
        match self.planes.get_mut(self.used) {
            Some(plane) => plane.copy_from_slice(&carry),
            None => self.planes.push(carry),
        }
        self.used += 1;
    }

    /// Keeps of `words` those whose counter is at least `count`.
    pub(crate) fn at_least(&self, count: usize, words: &mut Words) {
        if self.used < usize::BITS as usize && count >> self.used != 0 {
            words.fill(0);
            return;
        }
        let (mut above, mut equal): (Words, Words) = ([0; WORDS], [u64::MAX; WORDS]);
        for (bit, plane) in self.planes.iter().take(self.used).enumerate().rev() {
            let wanted = if count >> bit & 1 == 1 { u64::MAX } else { 0 };
            for ((above, equal), plane) in above.iter_mut().zip(&mut equal).zip(plane) {
                *above |= *equal & plane & !wanted;
                *equal &= !(plane ^ wanted);
            }
        }
        for ((word, above), equal) in words.iter_mut().zip(&above).zip(&equal) {
            *word &= above | equal;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn counters_agree_with_counting(sets in proptest::collection::vec(proptest::num::u64::ANY, 0..40), count in 0usize..45) {
            let mut counters = Counters::default();
            counters.add(&[u64::MAX; WORDS]);
            counters.clear();
            for set in &sets {
                counters.add(&[*set; WORDS]);
            }
            let mut words = [u64::MAX; WORDS];
            counters.at_least(count, &mut words);
            for bit in 0..64 {
                let held = sets.iter().filter(|set| *set >> bit & 1 == 1).count();
                proptest::prop_assert_eq!(words[17] >> bit & 1 == 1, held >= count);
            }
        }
    }
}

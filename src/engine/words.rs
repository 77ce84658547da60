//! A chunk: 262,144 subjects as one bit each. A plan runs chunk by chunk: small enough that its sets stay in the
//! near caches, large enough that a posting is read in long stretches.

/// Subjects per chunk.
pub(crate) const CHUNK: usize = 1 << 18;
/// 64-bit words per chunk.
pub(crate) const WORDS: usize = CHUNK / 64;

/// One bit per subject of a chunk; bit i of word w is subject 64·w + i.
pub(crate) type Words = [u64; WORDS];

/// Sets the bit of a position within the chunk.
pub(crate) fn set(words: &mut Words, position: usize) {
    if let Some(word) = words.get_mut(position >> 6) {
        *word |= 1 << (position & 63);
    }
}

/// Keeps what `other` has too.
pub(crate) fn and(words: &mut Words, other: &Words) {
    words.iter_mut().zip(other).for_each(|(word, other)| *word &= other);
}

/// Adds what `other` has.
pub(crate) fn or(words: &mut Words, other: &Words) {
    words.iter_mut().zip(other).for_each(|(word, other)| *word |= other);
}

/// Removes what `other` has.
pub(crate) fn and_not(words: &mut Words, other: &Words) {
    words.iter_mut().zip(other).for_each(|(word, other)| *word &= !other);
}

/// How many bits are set.
pub(crate) fn count(words: &Words) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Positions of set bits, ascending.
#[cfg(test)]
pub(crate) fn positions(words: &Words) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(index, word)| bits(*word).map(move |bit| index * 64 + bit))
}

/// Positions of the set bits of one word, ascending.
pub(crate) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

/// The first `subjects` bits of chunk number `chunk` of a part with `subjects` subjects.
pub(crate) fn full(chunk: usize, subjects: usize, words: &mut Words) {
    let mut left = subjects.saturating_sub(chunk * CHUNK);
    for word in words {
        *word = if left >= 64 { u64::MAX } else { (1u64 << left) - 1 };
        left = left.saturating_sub(64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_beyond_the_last_subject_is_empty_and_the_last_is_cut() {
        let mut words = [0; WORDS];
        full(0, CHUNK + 3, &mut words);
        assert_eq!(count(&words), CHUNK);
        full(1, CHUNK + 3, &mut words);
        assert_eq!(positions(&words).collect::<Vec<_>>(), [0, 1, 2]);
        full(2, CHUNK + 3, &mut words);
        assert_eq!(count(&words), 0);
    }

    #[test]
    fn positions_are_those_that_were_set() {
        let mut words = [0; WORDS];
        for position in [0, 63, 64, 4_095, 262_143] {
            set(&mut words, position);
        }
        assert_eq!(positions(&words).collect::<Vec<_>>(), [0, 63, 64, 4_095, 262_143]);
    }
}

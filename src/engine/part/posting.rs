//! A posting: the ordinals that have a key, as containers of 65,536 ordinals each after Roaring bitmaps (Lemire et al. 2016,
//! "Consistently faster and smaller compressed bitmaps with Roaring").
//!
//! A container is `number: u16, cardinality − 1: u16`, then sorted `u16` positions, or 8 KiB of bits from
//! [`DENSE`] positions on. Roaring switches at 4,096, where sizes are equal; here a union over hundreds of
//! postings is the common operation and eight sequential kilobytes are merged faster than 1,024 scattered bits
//! are set, so parts grow by a few bytes per subject and answers come several times sooner.
//! A container is applied straight from the mapped file to a chunk in the cache; nothing is unpacked on the heap.

use super::super::words::{CHUNK, Words, bits};

/// From this cardinality on a container holds bits.
const DENSE: usize = 1_024;
const SPAN: usize = 1 << 16;
const BITS: usize = SPAN / 8;
/// Containers per chunk.
const PER_CHUNK: usize = CHUNK / SPAN;
/// The words of one container.
type Block = [u64; SPAN / 64];

fn set(block: &mut Block, position: u16) {
    if let Some(word) = block.get_mut(usize::from(position >> 6)) {
        *word |= 1 << (position & 63);
    }
}

/// Appends the containers of ascending ordinals.
pub(super) fn encode(ordinals: &[u32], out: &mut Vec<u8>) {
    for chunk in ordinals.chunk_by(|a, b| a >> 16 == b >> 16) {
        let Some(first) = chunk.first() else { continue };
        let number = (first >> 16) as u16;
        let last = u16::try_from(chunk.len() - 1).unwrap_or(u16::MAX);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&last.to_le_bytes());
        if chunk.len() < DENSE {
            out.extend(chunk.iter().flat_map(|ordinal| (*ordinal as u16).to_le_bytes()));
        } else {
            let mut words: Block = [0; SPAN / 64];
            chunk.iter().for_each(|ordinal| set(&mut words, *ordinal as u16));
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
    }
}

/// A posting being walked forward, chunk by chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posting<'a> {
    left: &'a [u8],
}

/// One container.
#[derive(Debug, Clone, Copy)]
struct Container<'a> {
    number: usize,
    cardinality: usize,
    body: &'a [u8],
}

impl Container<'_> {
    fn or_into(&self, block: &mut Block) {
        if self.cardinality >= DENSE {
            let (bits, _) = self.body.as_chunks::<8>();
            block.iter_mut().zip(bits).for_each(|(word, bits)| *word |= u64::from_le_bytes(*bits));
        } else {
            let (positions, _) = self.body.as_chunks::<2>();
            positions.iter().for_each(|position| set(block, u16::from_le_bytes(*position)));
        }
    }
}

impl<'a> Posting<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Bytes that are left to read.
    pub(crate) fn bytes(&self) -> usize {
        self.left.len()
    }

    fn peek(&self) -> Option<(Container<'a>, &'a [u8])> {
        let (head, rest) = self.left.split_first_chunk::<4>()?;
        let [c0, c1, n0, n1] = *head;
        let cardinality = usize::from(u16::from_le_bytes([n0, n1])) + 1;
        let size = if cardinality < DENSE { cardinality * 2 } else { BITS };
        let (body, rest) = rest.split_at_checked(size)?;
        Some((Container { number: usize::from(u16::from_le_bytes([c0, c1])), cardinality, body }, rest))
    }

    /// Skips to the containers of `chunk`; those of earlier chunks are gone for good.
    pub(crate) fn seek(&mut self, chunk: usize) {
        while let Some((container, rest)) = self.peek() {
            if container.number >= chunk * PER_CHUNK {
                return;
            }
            self.left = rest;
        }
    }

    /// Adds the ordinals of `chunk`, to which the posting must have been moved by [`Self::seek`].
    pub(crate) fn or_into(&self, chunk: usize, words: &mut Words) {
        let (blocks, _) = words.as_chunks_mut::<{ SPAN / 64 }>();
        let mut walk = *self;
        while let Some((container, rest)) = walk.peek() {
            let Some(block) =
                container.number.checked_sub(chunk * PER_CHUNK).and_then(|at| blocks.get_mut(at))
            else {
                return;
            };
            container.or_into(block);
            walk.left = rest;
        }
    }

    /// Calls `see` with every ordinal, ascending.
    pub(crate) fn each(&self, mut see: impl FnMut(u32)) {
        let mut walk = *self;
        while let Some((container, rest)) = walk.peek() {
            let first = (container.number * SPAN) as u32;
            if container.cardinality >= DENSE {
                let (words, _) = container.body.as_chunks::<8>();
                for (word, at) in words.iter().zip((first..).step_by(64)) {
                    bits(u64::from_le_bytes(*word)).for_each(|bit| see(at + bit as u32));
                }
            } else {
                let (positions, _) = container.body.as_chunks::<2>();
                positions.iter().for_each(|position| see(first + u32::from(u16::from_le_bytes(*position))));
            }
            walk.left = rest;
        }
    }

    /// Whether the bytes are containers in ascending order of a part with `subjects` subjects, to the last byte.
    pub(super) fn is_sound(&self, subjects: usize, cardinality: u64) -> bool {
        let mut walk = *self;
        let mut next = 0;
        let mut seen = 0u64;
        while let Some((container, rest)) = walk.peek() {
            if container.number < next || container.number * SPAN >= subjects {
                return false;
            }
            next = container.number + 1;
            seen += container.cardinality as u64;
            walk.left = rest;
        }
        walk.left.is_empty() && seen == cardinality
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::words::positions;

    #[rstest::rstest]
    #[case::one(vec![70_000])]
    #[case::two_chunks(vec![0, 1, 65_535, 65_536, 200_000, 262_143, 262_144])]
    #[case::at_the_limit((0..1_024).map(|i| i * 3).collect())]
    #[case::below_the_limit((0..1_023).map(|i| i * 3).collect())]
    #[case::all((0..65_536).collect())]
    fn what_is_written_is_read(#[case] ordinals: Vec<u32>) {
        let mut bytes = Vec::new();
        encode(&ordinals, &mut bytes);
        let mut posting = Posting::new(&bytes);
        assert!(posting.is_sound(300_000, ordinals.len() as u64));
        assert!(!posting.is_sound(300_000, ordinals.len() as u64 + 1));
        let mut read = Vec::new();
        for chunk in 0..2 {
            posting.seek(chunk);
            let mut words: Words = [0; CHUNK / 64];
            posting.or_into(chunk, &mut words);
            read.extend(positions(&words).map(|position| (chunk * CHUNK + position) as u32));
        }
        assert_eq!(read, ordinals);
        let mut each = Vec::new();
        Posting::new(&bytes).each(|ordinal| each.push(ordinal));
        assert_eq!(each, ordinals);
    }
}

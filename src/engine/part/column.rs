//! A column: a dictionary of distinct values, sorted (numbers, then truth values, then texts), and per subject
//! the code of its value in it.
//!
//! A comparison or regex runs over the dictionary and yields codes; subjects are then found by comparing small
//! integers. Code 0 says "no value". *Dense*: one code per subject. *Sparse*: pairs of ordinal and code, when few
//! subjects have the attribute or one of them has several values.

use super::super::words::{CHUNK, Words, bits, set};
use crate::engine::keys::Cell;

pub(super) const DENSE: u8 = 1;
pub(super) const SPARSE: u8 = 2;

/// Selected codes of one column of one part, at least one.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    /// Inclusive.
    Interval(u32, u32),
    /// By code.
    Table(Vec<bool>),
}

impl Codes {
    /// From ascending codes; `None` when there is none.
    pub(crate) fn new(codes: impl Iterator<Item = u32> + Clone, bound: u32) -> Option<Self> {
        let first = codes.clone().next()?;
        let (last, count) = codes.clone().fold((first, 0u32), |(_, count), code| (code, count + 1));
        if last.wrapping_sub(first).wrapping_add(1) == count {
            return Some(Self::Interval(first, last));
        }
        let mut table = vec![false; bound as usize + 1];
        for code in codes {
            if let Some(flag) = table.get_mut(code as usize) {
                *flag = true;
            }
        }
        Some(Self::Table(table))
    }

    fn has(&self, code: u32) -> bool {
        match self {
            Self::Interval(low, high) => (*low..=*high).contains(&code),
            Self::Table(table) => table.get(code as usize).copied().unwrap_or(false),
        }
    }

    /// How many codes are selected.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Interval(low, high) => (high - low) as usize + 1,
            Self::Table(table) => table.iter().filter(|flag| **flag).count(),
        }
    }
}

/// A selection of a column, ready to be applied to chunks.
#[derive(Debug, Clone)]
pub(crate) struct Selected<'a> {
    pub column: ColumnReader<'a>,
    pub codes: Codes,
}

/// A column in a mapped part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnReader<'a> {
    pub(super) numbers: &'a [[u8; 8]],
    /// Bit 0: `false` occurs, bit 1: `true` occurs.
    pub(super) bools: u8,
    pub(super) ends: &'a [[u8; 4]],
    pub(super) texts: &'a [u8],
    /// Empty when dense.
    pub(super) ordinals: &'a [[u8; 4]],
    pub(super) codes: &'a [u8],
    pub(super) width: usize,
    pub(super) dense: bool,
}

fn code(bytes: &[u8]) -> u32 {
    match bytes {
        [a] => u32::from(*a),
        [a, b] => u32::from(u16::from_le_bytes([*a, *b])),
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// 64 flags to one word: eight bytes of 0 or 1 are gathered by one multiplication (Warren, Hacker's Delight §7).
fn pack(flags: &[u8; 64]) -> u64 {
    let (eights, _) = flags.as_chunks::<8>();
    eights.iter().rev().fold(0, |word, eight| {
        let spread = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080);
        (word << 8) | (spread >> 56)
    })
}

/// Adds the subjects whose code matches; outside `among` it may do as it likes, so few are looked at one by one.
fn find<const N: usize>(
    codes: &[u8],
    among: &Words,
    few: bool,
    words: &mut Words,
    matches: impl Fn([u8; N]) -> bool,
) {
    let (codes, _) = codes.as_chunks::<N>();
    let blocks = words.iter_mut().zip(codes.chunks(64)).zip(among);
    if few {
        for ((word, block), among) in blocks.filter(|(_, among)| **among != 0) {
            let hits = bits(*among).filter(|bit| block.get(*bit).is_some_and(|code| matches(*code)));
            *word |= hits.fold(0, |hits, bit| hits | 1 << bit);
        }
    } else {
        for ((word, block), _) in blocks {
            let mut flags = [0u8; 64];
            flags.iter_mut().zip(block).for_each(|(flag, code)| *flag = u8::from(matches(*code)));
            *word |= pack(&flags);
        }
    }
}

impl<'a> ColumnReader<'a> {
    /// Distinct values; also the highest code.
    pub(crate) fn values(&self) -> u32 {
        (self.numbers.len() + self.bools.count_ones() as usize + self.ends.len()) as u32
    }

    /// The number with a code.
    fn number(&self, index: usize) -> Option<f64> {
        self.numbers.get(index).map(|bytes| f64::from_le_bytes(*bytes))
    }

    /// Distinct numbers, ascending.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> + Clone + 'a {
        self.numbers.iter().map(|bytes| f64::from_le_bytes(*bytes))
    }

    /// How many distinct numbers are below `bound`, or not above it when `included`.
    fn rank(&self, bound: f64, included: bool) -> usize {
        self.numbers.partition_point(|bytes| {
            let number = f64::from_le_bytes(*bytes);
            number < bound || (included && number == bound)
        })
    }

    /// The smallest number ≥ `bound`, or > `bound` when it is `excluded`.
    pub(crate) fn at_least(&self, bound: f64, excluded: bool) -> Option<f64> {
        self.number(self.rank(bound, excluded))
    }

    /// The greatest number ≤ `bound`, or < `bound` when it is `excluded`.
    pub(crate) fn at_most(&self, bound: f64, excluded: bool) -> Option<f64> {
        self.rank(bound, !excluded).checked_sub(1).and_then(|index| self.number(index))
    }

    /// Codes of the numbers in any of the inclusive intervals, ascending and disjoint.
    pub(crate) fn of_numbers(&self, intervals: &[[f64; 2]]) -> Option<Codes> {
        let codes = intervals
            .iter()
            .flat_map(|[low, high]| (self.rank(*low, false) as u32 + 1)..(self.rank(*high, true) as u32 + 1));
        Codes::new(codes, self.values())
    }

    /// Codes of every number.
    pub(crate) fn all_numbers(&self) -> Option<Codes> {
        Codes::new(1..self.numbers.len() as u32 + 1, self.values())
    }

    /// Codes of truth values.
    pub(crate) fn of_bools(&self, wanted: &[bool]) -> Option<Codes> {
        let first = self.numbers.len() as u32 + 1;
        let codes = [false, true].into_iter().filter(|is| self.bools & (1 << u8::from(*is)) != 0);
        let codes = codes.zip(first..).filter(|(is, _)| wanted.contains(is)).map(|(_, code)| code);
        Codes::new(codes, self.values())
    }

    fn first_text(&self) -> u32 {
        self.values() - self.ends.len() as u32 + 1
    }

    /// Codes of every text.
    pub(crate) fn all_texts(&self) -> Option<Codes> {
        Codes::new(self.first_text()..=self.values(), self.values())
    }

    /// The text at a place among the texts.
    pub(crate) fn text(&self, index: usize) -> Option<&'a str> {
        let end = |index: usize| self.ends.get(index).map(|end| u32::from_le_bytes(*end) as usize);
        let start = index.checked_sub(1).map_or(Some(0), end)?;
        std::str::from_utf8(self.texts.get(start..end(index)?)?).ok()
    }

    /// Distinct texts in byte order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a str> + Clone {
        let this = *self;
        (0..self.ends.len()).map(move |index| this.text(index).unwrap_or_default())
    }

    /// Whether a text occurs.
    pub(crate) fn has_text(&self, text: &str) -> bool {
        self.find_text(text).is_some()
    }

    fn find_text(&self, text: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.text(middle)?.cmp(text) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Codes of texts, given in byte order.
    pub(crate) fn of_texts(&self, texts: &[String]) -> Option<Codes> {
        let first = self.first_text();
        let codes: Vec<u32> =
            texts.iter().filter_map(|text| self.find_text(text)).map(|index| first + index as u32).collect();
        Codes::new(codes.into_iter(), self.values())
    }

    /// The value of a code; `None` for 0 and codes beyond the last.
    pub(crate) fn value(&self, code: u32) -> Option<Cell<'a>> {
        let index = code.checked_sub(1)? as usize;
        if let Some(number) = self.number(index) {
            return Some(Cell::Number(number));
        }
        let index = index - self.numbers.len();
        let bools = self.bools.count_ones() as usize;
        if index < bools {
            return Some(Cell::Bool(index == 1 || self.bools == 2));
        }
        self.text(index - bools).map(Cell::Text)
    }

    /// Entries of the sparse form that belong to a chunk.
    fn entries(&self, chunk: usize) -> impl Iterator<Item = (usize, u32)> + 'a {
        let at = |ordinal: usize| {
            self.ordinals.partition_point(|bytes| (u32::from_le_bytes(*bytes) as usize) < ordinal)
        };
        let (start, end) = (at(chunk * CHUNK), at((chunk + 1) * CHUNK));
        let ordinals = self.ordinals.get(start..end).unwrap_or_default();
        let codes = self.codes.get(start * self.width..end * self.width).unwrap_or_default();
        ordinals
            .iter()
            .map(move |bytes| u32::from_le_bytes(*bytes) as usize % CHUNK)
            .zip(codes.chunks_exact(self.width).map(code))
    }

    /// Codes of a chunk in the dense form.
    fn block(&self, chunk: usize) -> &'a [u8] {
        let (start, end) = (chunk * CHUNK * self.width, (chunk + 1) * CHUNK * self.width);
        self.codes.get(start..end.min(self.codes.len())).unwrap_or_default()
    }

    /// Calls `see` with each (position, code) of a chunk, positions ascending, no value left out.
    pub(crate) fn each(&self, chunk: usize, mut see: impl FnMut(usize, u32)) {
        if self.dense {
            for (position, bytes) in self.block(chunk).chunks_exact(self.width).enumerate() {
                see(position, code(bytes));
            }
        } else {
            self.entries(chunk).for_each(|(position, code)| see(position, code));
        }
    }

    /// Bytes of codes, and of ordinals in the sparse form.
    pub(crate) fn bytes(&self) -> usize {
        self.codes.len() + self.ordinals.len() * 4
    }

    /// Entries in all.
    pub(crate) fn rows(&self) -> usize {
        self.codes.len() / self.width
    }
}

impl Selected<'_> {
    /// Adds the subjects of a chunk with a selected value. Bits outside `among` may or may not be set;
    /// `expected` is how many bits `among` has.
    pub(crate) fn or_into(&self, chunk: usize, among: &Words, expected: usize, words: &mut Words) {
        let column = &self.column;
        if !column.dense {
            for (position, _) in column.entries(chunk).filter(|(_, code)| self.codes.has(*code)) {
                set(words, position);
            }
            return;
        }
        let block = column.block(chunk);
        // A look at one subject costs about as much as scanning a dozen or two.
        let few = expected < CHUNK / 16;
        match (column.width, &self.codes) {
            (1, Codes::Interval(low, high)) => {
                let (low, span) = (*low as u8, (*high - *low) as u8);
                find(block, among, few, words, |[code]: [u8; 1]| code.wrapping_sub(low) <= span);
            }
            (2, Codes::Interval(low, high)) => {
                let (low, span) = (*low as u16, (*high - *low) as u16);
                find(block, among, few, words, |code| u16::from_le_bytes(code).wrapping_sub(low) <= span);
            }
            (4, Codes::Interval(low, high)) => {
                let (low, span) = (*low, *high - *low);
                find(block, among, few, words, |code| u32::from_le_bytes(code).wrapping_sub(low) <= span);
            }
            (1, codes) => find(block, among, few, words, |[code]: [u8; 1]| codes.has(u32::from(code))),
            (2, codes) => {
                find(block, among, few, words, |code| codes.has(u32::from(u16::from_le_bytes(code))))
            }
            (_, codes) => find(block, among, few, words, |code| codes.has(u32::from_le_bytes(code))),
        }
    }
}

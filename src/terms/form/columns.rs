//! Columns of numbers and tables of texts, read where they lie; every access is bounds-checked.

use std::ops::Range;

use super::{FormError, u32_at};

/// A column of little-endian numbers of `W` bytes.
#[derive(Clone, Copy)]
pub struct Numbers<'a, const W: usize> {
    data: &'a [u8],
}

impl<'a, const W: usize> Numbers<'a, W> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    pub fn len(self) -> usize {
        self.data.len() / W
    }

    pub fn get(self, index: usize) -> Option<u32> {
        let at = index.checked_mul(W)?;
        let bytes = self.data.get(at..at.checked_add(W)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + 'a {
        self.data
            .chunks_exact(W)
            .map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Reads item `index` of an offset column: the range of rows that belong to it.
    pub fn range(self, index: usize) -> Range<usize> {
        let bound = |at| self.get(at).and_then(|n| usize::try_from(n).ok());
        match (bound(index), index.checked_add(1).and_then(bound)) {
            (Some(start), Some(end)) if start <= end => start..end,
            _ => 0..0,
        }
    }

    /// Index of `wanted` in a rising column.
    pub fn find(self, wanted: u32) -> Option<usize> {
        let at = self.lower_bound(wanted);
        (self.get(at) == Some(wanted)).then_some(at)
    }

    /// First index whose number is not below `wanted` in a rising column.
    pub fn lower_bound(self, wanted: u32) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|number| number < wanted) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        low
    }

    /// Accepts a column of exactly `len` numbers, each below `bound`.
    pub fn check(self, name: &str, len: usize, bound: u64) -> Result<(), FormError> {
        if self.data.len() != len.saturating_mul(W) {
            return Err(FormError::damaged(format!("section {name} has not {len} rows")));
        }
        if self.iter().any(|number| u64::from(number) >= bound) {
            return Err(FormError::damaged(format!("section {name} points beyond its target")));
        }
        Ok(())
    }

    /// Accepts an offset column over `rows` rows for `len` items: from 0 to `rows`, never falling.
    pub fn check_offsets(self, name: &str, len: usize, rows: usize) -> Result<(), FormError> {
        self.check(name, len.saturating_add(1), u64::MAX)?;
        let last = self.get(len).and_then(|n| usize::try_from(n).ok());
        if self.get(0) != Some(0) || last != Some(rows) || !self.iter().is_sorted() {
            return Err(FormError::damaged(format!("the offsets of section {name} are not in order")));
        }
        Ok(())
    }

    /// Accepts a column that rises strictly.
    pub fn check_rising(self, name: &str) -> Result<(), FormError> {
        if self.data.len().is_multiple_of(W) && self.iter().is_sorted_by(|a, b| a < b) {
            Ok(())
        } else {
            Err(FormError::damaged(format!("section {name} is not in order")))
        }
    }
}

/// A table of texts: count, count + 1 offsets, then one UTF-8 blob.
#[derive(Clone, Copy)]
pub struct Strings<'a> {
    offsets: Numbers<'a, 4>,
    blob: &'a [u8],
    count: usize,
}

impl<'a> Strings<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        let count = u32_at(data, 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let end = count.checked_add(2).and_then(|n| n.checked_mul(4)).unwrap_or(usize::MAX);
        match (data.get(4..end), data.get(end..)) {
            (Some(offsets), Some(blob)) => Self { offsets: Numbers { data: offsets }, blob, count },
            _ => Self { offsets: Numbers { data: &[] }, blob: &[], count: 0 },
        }
    }

    pub fn len(self) -> usize {
        self.count
    }

    /// The text at `index`, empty when there is none.
    pub fn get(self, index: usize) -> &'a str {
        let bytes = self.blob.get(self.offsets.range(index)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.count).map(move |index| self.get(index))
    }

    pub fn check(self, name: &str, len: usize) -> Result<(), FormError> {
        if self.count != len {
            return Err(FormError::damaged(format!("section {name} has not {len} texts")));
        }
        if len == 0 && self.offsets.data.is_empty() {
            return Ok(());
        }
        self.offsets.check_offsets(name, len, self.blob.len())?;
        for index in 0..len {
            let bytes = self.blob.get(self.offsets.range(index)).unwrap_or_default();
            if std::str::from_utf8(bytes).is_err() {
                return Err(FormError::damaged(format!("section {name} holds bytes that are not UTF-8")));
            }
        }
        Ok(())
    }
}

//! Reading a part: mapped or from memory, checked once, then trusted only through bounded access.

use std::fs::File;
use std::path::Path;

use super::checksum::Checksum;
use super::column::{self, ColumnReader};
use super::ids::Ids;
use super::unions::{Union, Unions};
use super::{COLUMN_ENTRY, FOOT, HEAD, KEY_ENTRY, MAGIC, PartError, Posting, SECTIONS, VERSION};
use crate::engine::keys::{Column, Key};
use crate::engine::words::{CHUNK, WORDS, Words};

enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// An index part, open.
pub struct Part {
    bytes: Bytes,
    sections: [(usize, usize); SECTIONS],
    subjects: usize,
    tombstones: usize,
    checksum: u64,
    unions: Unions,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("subjects", &self.subjects).field("bytes", &self.bytes.len()).finish()
    }
}

/// A cursor over the footer's integers.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<usize> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    }

    fn place(&mut self) -> Option<(usize, usize)> {
        let start = usize::try_from(self.u64()?).ok()?;
        Some((start, start.checked_add(usize::try_from(self.u64()?).ok()?)?))
    }
}

/// A key of the part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<'a> {
    /// In the table of keys.
    pub place: u32,
    pub posting: Posting<'a>,
    pub cardinality: u64,
}

struct KeyEntry {
    name: (usize, usize),
    posting: (usize, usize),
    cardinality: u64,
}

struct ColumnEntry {
    name: (usize, usize),
    numbers: usize,
    form: [u8; 4],
    texts: usize,
    rows: usize,
    data: (usize, usize),
}

impl Part {
    /// Maps a part and checks all of it: checksum, bounds, order.
    ///
    /// The file must not be changed while it is mapped; parts live in a folder only this program writes, are
    /// published under a new name by renaming and removed by unlinking, which leaves mappings intact.
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe because others could change it; see the doc comment"
    )]
    pub fn open(path: &Path) -> Result<Self, PartError> {
        let file = File::open(path)?;
        // SAFETY: read-only mapping of a file nobody writes to; everything read from it is bounds-checked.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Self::check(Bytes::Mapped(map))
    }

    /// Reads a part from memory, with the same checks.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, PartError> {
        Self::check(Bytes::Owned(bytes))
    }

    fn check(bytes: Bytes) -> Result<Self, PartError> {
        let head = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
        if !bytes.starts_with(&head) {
            return Err(PartError::Corrupt("head"));
        }
        let length = bytes.len();
        let foot =
            length.checked_sub(FOOT).filter(|foot| *foot >= HEAD).ok_or(PartError::Corrupt("length"))?;
        let mut fields = Fields(bytes.get(foot..).unwrap_or_default());
        let mut footer = || {
            let mut sections = [(0, 0); SECTIONS];
            for section in &mut sections {
                *section = fields.place()?;
            }
            let (subjects, tombstones) = (fields.u32()?, fields.u32()?);
            Some((sections, subjects, tombstones, fields.u64()?, fields.u64()?))
        };
        let (sections, subjects, tombstones, said, checksum) =
            footer().ok_or(PartError::Corrupt("footer"))?;
        if said != length as u64 || Checksum::of(bytes.get(..length - 8).unwrap_or_default()) != checksum {
            return Err(PartError::Corrupt("checksum"));
        }
        if sections.iter().any(|(start, end)| start > end || *end > foot) {
            return Err(PartError::Corrupt("sections"));
        }
        let part = Self { bytes, sections, subjects, tombstones, checksum, unions: Unions::default() };
        part.check_structure()?;
        Ok(part)
    }

    /// A checksum does not prove that the writer was right; this does, as far as reading goes.
    fn check_structure(&self) -> Result<(), PartError> {
        let sound = |table: Option<Ids<'_>>| table.is_some_and(|ids| ids.is_sound());
        if !sound(self.ids()) || !sound(self.buried()) {
            return Err(PartError::Corrupt("subject ids"));
        }
        let keys = self.table(4).len() / KEY_ENTRY;
        let key = |index| -> Option<&[u8]> {
            let entry = self.key_entry(index)?;
            let posting = Posting::new(self.bytes.get(entry.posting.0..entry.posting.1)?);
            let name = self.key_name(&entry)?;
            posting.is_sound(self.subjects, entry.cardinality).then_some(name)
        };
        let named = (0..keys).map(key);
        if !self.table(4).len().is_multiple_of(KEY_ENTRY)
            || named.clone().any(|name| name.is_none())
            || !named.is_sorted_by(|a, b| a < b)
        {
            return Err(PartError::Corrupt("keys"));
        }
        let columns = self.table(6).len() / COLUMN_ENTRY;
        let column = |index| -> Option<&[u8]> {
            let entry = self.column_entry(index)?;
            let name = self.column_name(&entry)?;
            self.column_reader(&entry).filter(|column| is_sound(column, self.subjects)).map(|_| name)
        };
        let named = (0..columns).map(column);
        if !self.table(6).len().is_multiple_of(COLUMN_ENTRY)
            || named.clone().any(|name| name.is_none())
            || !named.is_sorted_by(|a, b| a < b)
            || std::str::from_utf8(self.table(8)).is_err()
        {
            return Err(PartError::Corrupt("columns"));
        }
        Ok(())
    }

    fn table(&self, section: usize) -> &[u8] {
        let place = self.sections.get(section).copied().unwrap_or_default();
        self.bytes.get(place.0..place.1).unwrap_or_default()
    }

    fn ids(&self) -> Option<Ids<'_>> {
        Ids::new(self.table(0), self.subjects)
    }

    fn buried(&self) -> Option<Ids<'_>> {
        Ids::new(self.table(1), self.tombstones)
    }

    fn key_entry(&self, index: usize) -> Option<KeyEntry> {
        let mut fields = Fields(self.table(4).get(index.checked_mul(KEY_ENTRY)?..)?);
        let name = fields.u32()?;
        let name = (name, name.checked_add(fields.u32()?)?);
        let start = usize::try_from(fields.u64()?).ok()?;
        let end = start.checked_add(fields.u32()?)?;
        Some(KeyEntry { name, posting: (start, end), cardinality: fields.u32()? as u64 })
    }

    fn key_name(&self, entry: &KeyEntry) -> Option<&[u8]> {
        self.table(5).get(entry.name.0..entry.name.1)
    }

    fn column_entry(&self, index: usize) -> Option<ColumnEntry> {
        let mut fields = Fields(self.table(6).get(index.checked_mul(COLUMN_ENTRY)?..)?);
        let name = fields.u32()?;
        let name = (name, name.checked_add(fields.u32()?)?);
        let numbers = fields.u32()?;
        let form = (fields.u32()? as u32).to_le_bytes();
        let (texts, rows) = (fields.u32()?, fields.u32()?);
        Some(ColumnEntry { name, numbers, form, texts, rows, data: fields.place()? })
    }

    fn column_name(&self, entry: &ColumnEntry) -> Option<&[u8]> {
        self.table(7).get(entry.name.0..entry.name.1)
    }

    fn column_reader(&self, entry: &ColumnEntry) -> Option<ColumnReader<'_>> {
        let [bools, form, width, _] = entry.form;
        let width = usize::from(width);
        let dense = form == column::DENSE;
        if bools > 3 || !(dense || form == column::SPARSE) || !matches!(width, 1 | 2 | 4) {
            return None;
        }
        let data = self.bytes.get(entry.data.0..entry.data.1)?;
        let (numbers, data) = data.split_at_checked(entry.numbers.checked_mul(8)?)?;
        let (ends, data) = data.split_at_checked(entry.texts.checked_mul(4)?)?;
        let ends = ends.as_chunks::<4>().0;
        let length = ends.last().map_or(0, |end| u32::from_le_bytes(*end) as usize);
        let (texts, data) = data.split_at_checked(length)?;
        let listed = if dense { 0 } else { entry.rows.checked_mul(4)? };
        let (ordinals, codes) = data.split_at_checked(listed)?;
        (codes.len() == entry.rows.checked_mul(width)?).then_some(ColumnReader {
            numbers: numbers.as_chunks::<8>().0,
            bools,
            ends,
            texts,
            ordinals: ordinals.as_chunks::<4>().0,
            codes,
            width,
            dense,
        })
    }

    /// How many subjects the part has, hidden ones included.
    pub fn subjects(&self) -> usize {
        self.subjects
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The biomedical terms in force when it was written.
    pub fn release(&self) -> &str {
        std::str::from_utf8(self.table(8)).unwrap_or_default()
    }

    /// XXH64 of the file.
    pub fn checksum(&self) -> u64 {
        self.checksum
    }

    /// The id of a subject.
    pub fn subject_id(&self, ordinal: usize) -> Option<String> {
        self.ids()?.get(ordinal)
    }

    /// The ordinal of a subject.
    pub fn find(&self, subject_id: &str) -> Option<usize> {
        self.ids()?.find(subject_id)
    }

    /// The ids of subjects of older parts that the part removes.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.tombstones).filter_map(|index| self.buried()?.get(index))
    }

    /// Calls `see` with the ordinals of subjects that a later part hides: by its own of the same id or a tombstone.
    pub(crate) fn find_hidden(&self, later: &Self, mut see: impl FnMut(usize)) {
        let Some(own) = self.ids() else { return };
        for other in [later.ids(), later.buried()].into_iter().flatten() {
            own.shared(&other, &mut see);
        }
    }

    /// Chunks of the part.
    pub(crate) fn chunks(&self) -> usize {
        self.subjects.div_ceil(CHUNK)
    }

    fn search(
        count: usize,
        mut name: impl FnMut(usize) -> Option<std::cmp::Ordering>,
    ) -> Result<usize, usize> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match name(middle) {
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                _ => high = middle,
            }
        }
        Err(low)
    }

    fn search_key(&self, name: &[u8]) -> Result<usize, usize> {
        Self::search(self.table(4).len() / KEY_ENTRY, |index| {
            self.key_entry(index).and_then(|entry| self.key_name(&entry)).map(|held| held.cmp(name))
        })
    }

    /// The postings of keys with their cardinalities. Keys given in the order of parts, as those of one kind are when
    /// sorted, are found by going on from the one before.
    pub(crate) fn postings<'a>(&'a self, keys: &'a [Key]) -> impl Iterator<Item = Option<Located<'a>>> {
        let count = self.table(4).len() / KEY_ENTRY;
        let (mut name, mut last, mut from) = (Vec::with_capacity(32), Vec::with_capacity(32), 0);
        keys.iter().map(move |key| {
            std::mem::swap(&mut name, &mut last);
            name.clear();
            key.encode(&mut name);
            let held = |index| Some(self.key_name(&self.key_entry(index)?)?.cmp(name.as_slice()));
            let (mut low, mut step) = (if name < last { 0 } else { from }, 1);
            while low + step < count && held(low + step) == Some(std::cmp::Ordering::Less) {
                low += step;
                step *= 2;
            }
            let found = Self::search(count.min(low + step + 1) - low, |index| held(low + index));
            from = low + found.unwrap_or_else(|place| place);
            let place = low + found.ok()?;
            let (posting, cardinality) = self.posting_at(place)?;
            Some(Located { place: place as u32, posting, cardinality })
        })
    }

    /// The union of the keys at these places, if it is one that is kept; `unite` makes it for one chunk.
    pub(crate) fn union(&self, places: &[u32], mut unite: impl FnMut(usize, &mut Words)) -> Option<Union> {
        self.unions.get(places, || {
            let chunk = |chunk| {
                let mut words = Box::new([0; WORDS]);
                unite(chunk, &mut words);
                words
            };
            (0..self.chunks()).map(chunk).collect()
        })
    }

    /// Drops the unions that are kept.
    pub(crate) fn forget_unions(&self) {
        self.unions.forget();
    }

    /// The posting of a key with its cardinality.
    pub(crate) fn posting(&self, key: &Key) -> Option<(Posting<'_>, u64)> {
        let mut name = Vec::with_capacity(32);
        key.encode(&mut name);
        self.search_key(&name).ok().and_then(|index| self.posting_at(index))
    }

    fn posting_at(&self, index: usize) -> Option<(Posting<'_>, u64)> {
        let entry = self.key_entry(index)?;
        let bytes = self.bytes.get(entry.posting.0..entry.posting.1)?;
        Some((Posting::new(bytes), entry.cardinality))
    }

    /// Every key that begins with a prefix, with its posting.
    pub(crate) fn keys_with<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], Posting<'a>)> {
        let first = self.search_key(prefix).unwrap_or_else(|place| place);
        (first..)
            .map_while(|index| Some((self.key_name(&self.key_entry(index)?)?, self.posting_at(index)?.0)))
            .take_while(move |(name, _)| name.starts_with(prefix))
    }

    /// A column, if any subject of the part has a value of it.
    pub(crate) fn column(&self, column: &Column) -> Option<ColumnReader<'_>> {
        let mut name = Vec::with_capacity(32);
        column.encode(&mut name);
        let found = Self::search(self.table(6).len() / COLUMN_ENTRY, |index| {
            self.column_entry(index).and_then(|entry| self.column_name(&entry)).map(|held| held.cmp(&name))
        });
        self.column_entry(found.ok()?).and_then(|entry| self.column_reader(&entry))
    }

    /// Every column with its name as parts spell it, in byte order of that.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&[u8], ColumnReader<'_>)> {
        (0..self.table(6).len() / COLUMN_ENTRY).filter_map(|index| {
            let entry = self.column_entry(index)?;
            Some((self.column_name(&entry)?, self.column_reader(&entry)?))
        })
    }

    /// Every free attribute with its column, in byte order of its name.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&str, ColumnReader<'_>)> {
        self.columns().filter_map(|(name, column)| Some((Column::decode_eav(name)?, column)))
    }
}

fn is_sound(column: &ColumnReader<'_>, subjects: usize) -> bool {
    let numbers = column.numbers();
    let texts = (0..column.ends.len()).map(|index| column.text(index));
    let ordinals = column.ordinals.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let placed =
        if column.dense { column.rows() == subjects } else { column.rows() == column.ordinals.len() };
    let values = column.numbers.len() + column.bools.count_ones() as usize + column.ends.len();
    placed
        && u32::try_from(values).is_ok()
        && numbers.clone().all(f64::is_finite)
        && numbers.is_sorted_by(|a, b| a < b)
        && texts.clone().all(|text| text.is_some())
        && texts.is_sorted_by(|a, b| a < b)
        && ordinals.clone().all(|ordinal| ordinal < subjects)
        && ordinals.is_sorted()
}

//! Writing a part: subjects stream in, ascending by id; the file streams out.

use std::collections::HashMap;
use std::io::Write;

use super::checksum::Checksum;
use super::ids::IdWriter;
use super::{COLUMN_ENTRY, HEAD, KEY_ENTRY, MAGIC, PartError, SECTIONS, VERSION, column, posting};
use crate::domain::subjects::Subject;
use crate::engine::keys::{self, Cell};

/// Builds one part in memory of about the part's own size.
#[derive(Debug)]
pub struct PartBuilder {
    release: String,
    ids: IdWriter,
    tombstones: IdWriter,
    keys: HashMap<Box<[u8]>, Vec<u32>>,
    columns: HashMap<Box<[u8]>, ColumnBuilder>,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartStats {
    pub subjects: u64,
    pub tombstones: u64,
    pub keys: u64,
    pub columns: u64,
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct ColumnBuilder {
    numbers: HashMap<u64, u32>,
    bools: [Option<u32>; 2],
    texts: HashMap<Box<str>, u32>,
    /// Codes by first appearance, from 1.
    codes: Vec<u32>,
    /// Ordinals of the codes; empty as long as entry i belongs to subject i.
    ordinals: Vec<u32>,
    values: u32,
    repeated: bool,
}

impl ColumnBuilder {
    fn code(&mut self, cell: Cell<'_>) -> u32 {
        let next = self.values + 1;
        let code = match cell {
            // −0 and 0 are one value.
            Cell::Number(number) => *self.numbers.entry((number + 0.0).to_bits()).or_insert(next),
            Cell::Bool(is) => {
                let [no, yes] = &mut self.bools;
                *(if is { yes } else { no }).get_or_insert(next)
            }
            Cell::Text(text) => match self.texts.get(text) {
                Some(code) => *code,
                None => *self.texts.entry(text.into()).or_insert(next),
            },
        };
        self.values = self.values.max(code);
        code
    }

    fn push(&mut self, ordinal: u32, code: u32) {
        if self.ordinals.is_empty() && self.codes.len() != ordinal as usize {
            self.ordinals = (0..self.codes.len() as u32).collect();
            self.ordinals.push(ordinal);
        } else if !self.ordinals.is_empty() {
            self.ordinals.push(ordinal);
        }
        self.codes.push(code);
    }

    /// Takes the values one subject has, repeats removed.
    fn add(&mut self, ordinal: u32, cells: &mut dyn Iterator<Item = Cell<'_>>) {
        let Some(first) = cells.next().map(|cell| self.code(cell)) else { return };
        let mut more: Vec<u32> = cells.map(|cell| self.code(cell)).collect();
        if more.is_empty() {
            return self.push(ordinal, first);
        }
        more.push(first);
        more.sort_unstable();
        more.dedup();
        self.repeated |= more.len() > 1;
        more.into_iter().for_each(|code| self.push(ordinal, code));
    }

    fn write(self, subjects: u32, out: &mut Sink<impl Write>) -> Result<[u8; COLUMN_ENTRY - 8], PartError> {
        let start = out.at;
        let mut final_codes = vec![0u32; self.values as usize + 1];
        let mut next = 0u32;
        let mut place = |given: u32| {
            next += 1;
            if let Some(slot) = final_codes.get_mut(given as usize) {
                *slot = next;
            }
        };
        let mut numbers: Vec<(f64, u32)> =
            self.numbers.into_iter().map(|(bits, code)| (f64::from_bits(bits), code)).collect();
        numbers.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        for (number, code) in &numbers {
            out.write(&number.to_le_bytes())?;
            place(*code);
        }
        let mut bools = 0u8;
        for (bit, code) in self.bools.into_iter().enumerate().filter_map(|(bit, code)| Some((bit, code?))) {
            bools |= 1 << bit;
            place(code);
        }
        let mut texts: Vec<(Box<str>, u32)> = self.texts.into_iter().collect();
        texts.sort_unstable();
        let mut end = 0u32;
        for (text, code) in &texts {
            let length = u32::try_from(text.len()).ok();
            end = length
                .and_then(|length| end.checked_add(length))
                .ok_or(PartError::TooLarge("texts of one attribute"))?;
            out.write(&end.to_le_bytes())?;
            place(*code);
        }
        texts.iter().try_for_each(|(text, _)| out.write(text.as_bytes()))?;
        let width = match self.values {
            0..=0xFF => 1usize,
            0x100..=0xFFFF => 2,
            _ => 4,
        };
        let rows =
            u32::try_from(self.codes.len()).map_err(|_| PartError::TooLarge("values of one attribute"))?;
        let dense = !self.repeated && subjects as usize * width <= self.codes.len() * (4 + width);
        let narrow = |given: u32| final_codes.get(given as usize).copied().unwrap_or(0).to_le_bytes();
        let mut give = |given: u32| out.write(narrow(given).get(..width).unwrap_or_default());
        if dense {
            let mut next = 0u32;
            for (index, given) in (0u32..).zip(&self.codes) {
                let ordinal = self.ordinals.get(index as usize).copied().unwrap_or(index);
                (next..ordinal).try_for_each(|_| give(0))?;
                give(*given)?;
                next = ordinal + 1;
            }
            (next..subjects).try_for_each(|_| give(0))?;
        } else {
            for index in 0..rows {
                let ordinal = self.ordinals.get(index as usize).copied().unwrap_or(index);
                out.write(&ordinal.to_le_bytes())?;
            }
            self.codes
                .iter()
                .try_for_each(|given| out.write(narrow(*given).get(..width).unwrap_or_default()))?;
        }
        let mut entry = [0; COLUMN_ENTRY - 8];
        let form = [bools, if dense { column::DENSE } else { column::SPARSE }, width as u8, 0];
        let fields = [
            (numbers.len() as u32).to_le_bytes(),
            form,
            (texts.len() as u32).to_le_bytes(),
            if dense { subjects } else { rows }.to_le_bytes(),
        ];
        let places = [start.to_le_bytes(), (out.at - start).to_le_bytes()];
        let bytes = fields.as_flattened().iter().chain(places.as_flattened());
        entry.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(entry)
    }
}

struct Sink<W> {
    out: W,
    sum: Checksum,
    at: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.buffer.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        if self.buffer.len() >= 1 << 16 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), PartError> {
        self.sum.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Names in one blob, addressed by offset and length.
#[derive(Default)]
struct Names(Vec<u8>);

impl Names {
    fn add(&mut self, name: &[u8]) -> Result<[[u8; 4]; 2], PartError> {
        let too_large = |_| PartError::TooLarge("names");
        let offset = u32::try_from(self.0.len()).map_err(too_large)?;
        self.0.extend_from_slice(name);
        Ok([offset.to_le_bytes(), u32::try_from(name.len()).map_err(too_large)?.to_le_bytes()])
    }
}

impl PartBuilder {
    /// Starts a part; `release` names the biomedical terms in force.
    pub fn new(release: impl Into<String>) -> Self {
        Self {
            release: release.into(),
            ids: IdWriter::default(),
            tombstones: IdWriter::default(),
            keys: HashMap::new(),
            columns: HashMap::new(),
        }
    }

    /// Adds the next subject; ids must ascend in byte order.
    pub fn add(&mut self, subject: &Subject) -> Result<(), PartError> {
        let ordinal = self.ids.count();
        self.ids.push(&subject.subject_id)?;
        let (keys, columns) = (&mut self.keys, &mut self.columns);
        keys::of(
            subject,
            |key| match keys.get_mut(key) {
                Some(ordinals) if ordinals.last() == Some(&ordinal) => {}
                Some(ordinals) => ordinals.push(ordinal),
                None => {
                    keys.insert(key.into(), vec![ordinal]);
                }
            },
            |name, cells| {
                let mut cells = cells.peekable();
                if cells.peek().is_none() {
                    return;
                }
                match columns.get_mut(name) {
                    Some(column) => column.add(ordinal, &mut cells),
                    None => columns.entry(name.into()).or_default().add(ordinal, &mut cells),
                }
            },
        );
        Ok(())
    }

    /// Hides a subject of older parts; ids must ascend in byte order.
    pub fn tombstone(&mut self, subject_id: &str) -> Result<(), PartError> {
        self.tombstones.push(subject_id)
    }

    /// Writes the file.
    pub fn finish(self, out: &mut impl Write) -> Result<PartStats, PartError> {
        let mut out = Sink { out, sum: Checksum::new(), at: 0, buffer: Vec::with_capacity(1 << 17) };
        let (subjects, tombstones) = (self.ids.count(), self.tombstones.count());
        let mut stats = PartStats {
            subjects: subjects.into(),
            tombstones: tombstones.into(),
            keys: self.keys.len() as u64,
            columns: self.columns.len() as u64,
            bytes: 0,
        };
        let mut starts = Vec::with_capacity(SECTIONS);
        out.write(&MAGIC)?;
        out.write(&VERSION.to_le_bytes())?;
        debug_assert_eq!(out.at, HEAD as u64);
        starts.push(out.at);
        self.ids.finish(|piece| out.write(piece))?;
        starts.push(out.at);
        self.tombstones.finish(|piece| out.write(piece))?;

        starts.push(out.at);
        let mut names = Names::default();
        let mut table = Vec::with_capacity(self.keys.len() * KEY_ENTRY);
        let mut keys: Vec<_> = self.keys.into_iter().collect();
        keys.sort_unstable();
        let mut body = Vec::new();
        for (key, ordinals) in keys {
            body.clear();
            posting::encode(&ordinals, &mut body);
            let length = u32::try_from(body.len()).map_err(|_| PartError::TooLarge("postings of one key"))?;
            table.extend_from_slice(names.add(&key)?.as_flattened());
            table.extend_from_slice(&out.at.to_le_bytes());
            table.extend_from_slice(&length.to_le_bytes());
            table.extend_from_slice(&(ordinals.len() as u32).to_le_bytes());
            out.write(&body)?;
        }

        starts.push(out.at);
        let mut column_names = Names::default();
        let mut column_table = Vec::with_capacity(self.columns.len() * COLUMN_ENTRY);
        let mut columns: Vec<_> = self.columns.into_iter().collect();
        columns.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (name, column) in columns {
            column_table.extend_from_slice(column_names.add(&name)?.as_flattened());
            column_table.extend_from_slice(&column.write(subjects, &mut out)?);
        }
        for section in [&table, &names.0, &column_table, &column_names.0, self.release.as_bytes()] {
            starts.push(out.at);
            out.write(section)?;
        }

        let end = out.at;
        let ends = starts.iter().skip(1).chain([&end]);
        for (start, end) in starts.iter().zip(ends) {
            out.write(&start.to_le_bytes())?;
            out.write(&(end - start).to_le_bytes())?;
        }
        out.write(&subjects.to_le_bytes())?;
        out.write(&tombstones.to_le_bytes())?;
        out.write(&(out.at + 16).to_le_bytes())?;
        out.flush()?;
        out.write(&out.sum.finish().to_le_bytes())?;
        out.flush()?;
        out.out.flush()?;
        stats.bytes = out.at;
        Ok(stats)
    }
}

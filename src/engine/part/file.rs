//! The file of a part as it streams out: ids, tombstones, keys, columns, in this order and each in its own.

use std::io::Write;

use super::checksum::Checksum;
use super::ids::{IdWriter, Ranking};
use super::{COLUMN_ENTRY, HEAD, MAGIC, PartError, SECTIONS, VERSION, column, posting};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartStats {
    pub subjects: u64,
    pub tombstones: u64,
    pub keys: u64,
    pub columns: u64,
    pub bytes: u64,
}

/// One column: its dictionary, and which subjects have which of its values.
#[derive(Debug, Default)]
pub(crate) struct Values<T> {
    /// Ascending, each once.
    pub numbers: Vec<f64>,
    /// Whether `false` and `true` occur.
    pub bools: [bool; 2],
    /// In byte order, each once.
    pub texts: Vec<T>,
    /// From 1, by place in the dictionary: numbers, truth values, texts.
    pub codes: Vec<u32>,
    /// Ordinals of the codes, ascending; empty when entry i belongs to subject i.
    pub ordinals: Vec<u32>,
    /// Some subject has several values.
    pub repeated: bool,
}

/// A part being written.
pub(crate) struct PartFile<W> {
    out: Sink<W>,
    starts: Vec<u64>,
    subjects: u32,
    tombstones: u32,
    stats: PartStats,
    names: Names,
    table: Vec<u8>,
    column_names: Names,
    column_table: Vec<u8>,
    body: Vec<u8>,
}

impl<W: Write> PartFile<W> {
    /// Writes who is in the part.
    pub(crate) fn begin(
        out: W,
        ids: IdWriter,
        ranking: Option<&Ranking>,
        tombstones: IdWriter,
    ) -> Result<Self, PartError> {
        let mut out = Sink { out, sum: Checksum::new(), at: 0, buffer: Vec::with_capacity(1 << 17) };
        out.write(&MAGIC)?;
        out.write(&VERSION.to_le_bytes())?;
        debug_assert_eq!(out.at, HEAD as u64);
        let mut starts = Vec::with_capacity(SECTIONS);
        starts.push(out.at);
        let subjects = ids.finish(ranking, |piece| out.write(piece))?;
        starts.push(out.at);
        let buried = tombstones.ranking();
        let tombstones = tombstones.finish(buried.as_ref(), |piece| out.write(piece))?;
        starts.push(out.at);
        let stats =
            PartStats { subjects: subjects.into(), tombstones: tombstones.into(), ..PartStats::default() };
        Ok(Self {
            out,
            starts,
            subjects,
            tombstones,
            stats,
            names: Names::default(),
            table: Vec::new(),
            column_names: Names::default(),
            column_table: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Writes the next key, in byte order, with its ascending ordinals.
    pub(crate) fn key(&mut self, name: &[u8], ordinals: &[u32]) -> Result<(), PartError> {
        self.body.clear();
        posting::encode(ordinals, &mut self.body);
        let length =
            u32::try_from(self.body.len()).map_err(|_| PartError::TooLarge("postings of one key"))?;
        self.table.extend_from_slice(self.names.add(name)?.as_flattened());
        self.table.extend_from_slice(&self.out.at.to_le_bytes());
        self.table.extend_from_slice(&length.to_le_bytes());
        self.table.extend_from_slice(&(ordinals.len() as u32).to_le_bytes());
        self.stats.keys += 1;
        self.out.write(&self.body)
    }

    /// Says that all keys are written and columns follow.
    pub(crate) fn columns(&mut self) {
        self.starts.push(self.out.at);
    }

    /// Writes the next column, in byte order of its name.
    pub(crate) fn column<T: AsRef<str>>(&mut self, name: &[u8], values: &Values<T>) -> Result<(), PartError> {
        self.column_table.extend_from_slice(self.column_names.add(name)?.as_flattened());
        let entry = values.write(self.subjects, &mut self.out)?;
        self.column_table.extend_from_slice(&entry);
        self.stats.columns += 1;
        Ok(())
    }

    /// Writes the tables and the footer; `release` names the biomedical terms in force.
    pub(crate) fn finish(self, release: &str) -> Result<PartStats, PartError> {
        let Self { mut out, mut starts, mut stats, .. } = self;
        let tables =
            [&self.table, &self.names.0, &self.column_table, &self.column_names.0, release.as_bytes()];
        for section in tables {
            starts.push(out.at);
            out.write(section)?;
        }
        let end = out.at;
        let ends = starts.iter().skip(1).chain([&end]);
        for (start, end) in starts.iter().zip(ends) {
            out.write(&start.to_le_bytes())?;
            out.write(&(end - start).to_le_bytes())?;
        }
        out.write(&self.subjects.to_le_bytes())?;
        out.write(&self.tombstones.to_le_bytes())?;
        out.write(&(out.at + 16).to_le_bytes())?;
        out.flush()?;
        out.write(&out.sum.finish().to_le_bytes())?;
        out.flush()?;
        out.out.flush()?;
        stats.bytes = out.at;
        Ok(stats)
    }
}

impl<T: AsRef<str>> Values<T> {
    /// How many distinct values.
    fn count(&self) -> usize {
        self.numbers.len() + self.bools.iter().filter(|occurs| **occurs).count() + self.texts.len()
    }

    fn write(&self, subjects: u32, out: &mut Sink<impl Write>) -> Result<[u8; COLUMN_ENTRY - 8], PartError> {
        let start = out.at;
        self.numbers.iter().try_for_each(|number| out.write(&number.to_le_bytes()))?;
        let mut end = 0u32;
        for text in &self.texts {
            let length = u32::try_from(text.as_ref().len()).ok();
            end = length
                .and_then(|length| end.checked_add(length))
                .ok_or(PartError::TooLarge("texts of one attribute"))?;
            out.write(&end.to_le_bytes())?;
        }
        self.texts.iter().try_for_each(|text| out.write(text.as_ref().as_bytes()))?;
        let width = match self.count() {
            0..=0xFF => 1usize,
            0x100..=0xFFFF => 2,
            _ => 4,
        };
        let rows =
            u32::try_from(self.codes.len()).map_err(|_| PartError::TooLarge("values of one attribute"))?;
        let dense = !self.repeated && subjects as usize * width <= self.codes.len() * (4 + width);
        let mut give = |code: u32| out.write(code.to_le_bytes().get(..width).unwrap_or_default());
        if dense {
            let mut next = 0u32;
            for (index, code) in (0u32..).zip(&self.codes) {
                let ordinal = self.ordinals.get(index as usize).copied().unwrap_or(index);
                (next..ordinal).try_for_each(|_| give(0))?;
                give(*code)?;
                next = ordinal + 1;
            }
            (next..subjects).try_for_each(|_| give(0))?;
        } else {
            for index in 0..rows {
                let ordinal = self.ordinals.get(index as usize).copied().unwrap_or(index);
                out.write(&ordinal.to_le_bytes())?;
            }
            let mut give = |code: u32| out.write(code.to_le_bytes().get(..width).unwrap_or_default());
            self.codes.iter().try_for_each(|code| give(*code))?;
        }
        let mut entry = [0; COLUMN_ENTRY - 8];
        let [no, yes] = self.bools.map(u8::from);
        let form = [no | yes << 1, if dense { column::DENSE } else { column::SPARSE }, width as u8, 0];
        let fields = [
            (self.numbers.len() as u32).to_le_bytes(),
            form,
            (self.texts.len() as u32).to_le_bytes(),
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

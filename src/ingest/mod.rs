//! Reads patient files into staged rows or subjects (specification §7.2 to §7.4), without waiting and without a store.
//!
//! Lives here: what is in a file (`csv`, `sheet`, `json`, `phenopacket`, `vcf`), how it is packed (`archive`), which
//! subject a row belongs to (`file_pipeline`), how staged rows become subjects (`remap`), and how pieces of one
//! subject become one (`merge`, `demographics`). Does not: jobs, uploads, staging blobs (`service`), the store.
//! To add a format: a [`Format`] variant, its extensions in `format.rs`, a line in `dispatch.rs`, and a file with
//! `read(&Entry, bytes, &mut dyn Sink) -> Result<(), IngestError>` that bounds whatever it holds by [`Limits`].
//!
//! A reader may send several [`Row::Subject`] with one id (packets of one person): they are pieces of one subject, in
//! file order, and whoever stores them absorbs each into what it holds (`merge`).

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::clock::Random;
use crate::domain::ids::SourceId;
use crate::domain::pipelines::FilePipeline;
use crate::domain::subjects::Subject;
use crate::terms::Terms;

pub mod ages;
mod archive;
pub mod codes;
pub mod consequence;
pub mod csv;
pub mod demographics;
mod dispatch;
mod error;
pub mod file_pipeline;
mod format;
pub mod json;
pub mod merge;
mod naming;
pub mod phenopacket;
pub mod remap;
pub mod sheet;
pub mod vcf;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use dispatch::read;
pub use error::IngestError;
pub use format::{Format, extension_of, format_of};

/// One file to read. Reading blocks; call it off the runtime.
pub struct Input<'a> {
    /// Where the bytes are.
    pub path: &'a Path,
    /// As the client named it; decides the format, never a path.
    pub filename: &'a str,
    /// Part of the ids made by expansion.
    pub source: &'a SourceId,
    pub pipeline: &'a FilePipeline,
    pub limits: &'a Limits,
    /// Gives the highest number already used in the source after a batch prefix (`assignPerBatch`), 0 if none.
    pub next_number: &'a dyn Fn(&str) -> u64,
    pub terms: &'a dyn Terms,
    pub random: &'a dyn Random,
    /// Asked every few rows; `true` ends the reading with [`IngestError::Stopped`].
    pub cancelled: &'a dyn Fn() -> bool,
}

/// One readable file: the input itself, or an entry of it when the input is an archive.
pub struct Entry<'a> {
    pub input: &'a Input<'a>,
    /// The file name, or the name inside the archive; shown in errors and rejects, never a path.
    pub name: &'a str,
    /// The number last given to a batch in this reading (`assignPerBatch`), `None` before the first: the numbering
    /// goes on over the entries of an archive.
    pub last_number: &'a Cell<Option<u64>>,
}

impl Entry<'_> {
    /// The failure of reading the entry's bytes: a bound that was reached, a damaged archive, or the disk.
    pub fn unreadable(&self, error: std::io::Error) -> IngestError {
        IngestError::of_io(self.input.filename, self.name, error)
    }
}

/// How much of anything a file may make this process hold or do.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Unpacked bytes of one entry.
    pub max_entry_bytes: u64,
    /// Unpacked bytes of all entries together.
    pub max_total_bytes: u64,
    /// Unpacked over packed bytes of the whole upload, looked at from 16 MiB on. Real genotype tables reach 100.
    pub max_ratio: u64,
    /// Entries of all archives of a file together.
    pub max_entries: u64,
    /// Archives within archives; 1 = an archive of plain files.
    pub max_depth: u32,
    /// Brackets within brackets in JSON.
    pub max_json_depth: usize,
    /// Bytes of one cell, one text or one line's field.
    pub max_cell_bytes: usize,
    /// Columns of one table, or samples of one VCF.
    pub max_columns: usize,
    /// Subjects one row may expand into.
    pub max_rows_per_expansion: u64,
    /// Rejects handed on in detail; all are counted.
    pub max_rejects_reported: u64,
    /// Bytes of one JSON object that is read as a whole (one packet, one record), and of one line.
    pub max_record_bytes: usize,
    /// Bytes of one file that can only be read as a whole (a spreadsheet, a zip inside an archive).
    pub max_buffered_bytes: u64,
    /// (subject, gene, mutation) triples one VCF may make this process hold, at some 30 bytes each.
    pub max_carried: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entry_bytes: 64 << 30,
            max_total_bytes: 64 << 30,
            max_ratio: 500,
            max_entries: 1_000_000,
            max_depth: 2,
            max_json_depth: 64,
            max_cell_bytes: 1 << 20,
            max_columns: 1_000_000,
            max_rows_per_expansion: 100_000,
            max_rejects_reported: 1_000,
            max_record_bytes: 64 << 20,
            max_buffered_bytes: 512 << 20,
            max_carried: 30_000_000,
        }
    }
}

/// One row of a file with its subject's id, before remapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StagedRow {
    pub subject_id: String,
    /// Columns in the order of the source; a cell that was split is an array, a group an object.
    pub columns: Vec<(Arc<str>, Value)>,
}

/// What a reader makes of a piece of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// Needs a remap pipeline.
    Staged(StagedRow),
    /// Is a subject, or a piece of one.
    Subject(Box<Subject>),
}

/// A row, or a value of it, that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reject {
    /// The file, or the entry of the archive.
    pub file: String,
    /// Counted from 1: the line of a table or VCF, the number of the object in JSON.
    pub row: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub reason: String,
    /// At most 40 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Something the operator should know about the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// What was seen and what it means, a lowercase sentence without numbers of its own.
    pub text: String,
    /// How often.
    pub count: u64,
    /// The first ten values concerned, at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// The receiver wants no more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Receives what a reader finds, in file order.
pub trait Sink {
    /// Takes a row; `Err` ends the reading.
    fn row(&mut self, row: Row) -> Result<(), Stopped>;
    /// Takes one of the first [`Limits::max_rejects_reported`] rejects; the rest is only counted in [`Summary`].
    fn reject(&mut self, reject: Reject);
    /// Takes a remark about the whole file. Readers may repeat a text as often as they like: [`read`] adds the counts
    /// up and hands each text on once, at the end.
    fn warn(&mut self, warning: Warning);
    /// Tells how many bytes of the uploaded file were read, of how many.
    fn progress(&mut self, done: u64, total: u64);
    /// Gives a display name for a stored value, e.g. `OMIM:154700` and `Marfan syndrome`.
    fn value_label(&mut self, value: &str, label: &str);
}

/// What was read, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Files read: 1, or the entries of the archive.
    pub files: u64,
    /// Rows that need a remap pipeline.
    pub staged: u64,
    /// Subjects, or pieces of subjects.
    pub subjects: u64,
    /// All rejects, reported in detail or not.
    pub rejected: u64,
    /// Bytes after unpacking.
    pub bytes: u64,
    /// The number last given to a batch (`assignPerBatch`), for the numbering to go on after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_number: Option<u64>,
}

impl Warning {
    /// A remark about one value.
    pub fn one(text: &str, example: impl Into<String>) -> Self {
        Self { text: text.to_owned(), count: 1, examples: vec![example.into()] }
    }
}

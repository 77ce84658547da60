//! Failures that end the reading of a whole file; a single bad row is a `Reject`.

use std::io;

use crate::domain::error::{Kind, Kinded};

use super::Stopped;

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The stored bytes cannot be opened or read.
    #[error("cannot read {file}: {source}")]
    Unreadable { file: String, source: std::io::Error },
    /// No reader is known for the name, or the content is not what the name says.
    #[error(
        "{file} has no readable format: {reason}; give it one of the extensions csv, tsv, xls, xlsx, json, jsonl, vcf, with gz, zip, tar, tar.gz or tar.xz around it if packed"
    )]
    UnknownFormat { file: String, reason: String },
    /// Nothing to read.
    #[error("{file} is empty; upload a file with at least one record")]
    Empty { file: String },
    /// An archive or compressed file is damaged or of a form that is not read.
    #[error("cannot unpack {file} at {entry}: {reason}; pack it again and upload it once more")]
    Archive { file: String, entry: String, reason: String },
    /// A bound of `Limits` was reached.
    #[error("{file} exceeds the limit of {limit} {what}; split it, or raise the limit")]
    TooLarge { file: String, what: &'static str, limit: u64 },
    /// The content breaks its own format; `line` counts from 1, 0 if the format has no lines.
    #[error("{file} is not valid {format} at line {line}: {reason}")]
    Malformed { file: String, format: &'static str, line: u64, reason: String },
    /// The file pipeline does not fit the file.
    #[error("the file pipeline does not fit {file}: {reason}")]
    Pipeline { file: String, reason: String },
    /// The job was cancelled or the receiver wants no more rows.
    #[error("reading was stopped before the end of the file")]
    Stopped,
}

impl IngestError {
    /// Tells apart what an `io::Error` from below a reader means: a bound of ours, damaged packing, or the disk.
    pub(super) fn of_io(file: &str, entry: &str, error: io::Error) -> Self {
        let bound = error.get_ref().and_then(|inner| inner.downcast_ref::<Bound>());
        if let Some(bound) = bound {
            return Self::TooLarge { file: entry.into(), what: bound.what, limit: bound.limit };
        }
        // The tar reader says so in words only.
        let cut =
            error.kind() == io::ErrorKind::UnexpectedEof || error.to_string().starts_with("unexpected EOF");
        match error.kind() {
            _ if cut => Self::Archive {
                file: file.into(),
                entry: entry.into(),
                reason: "it ends too early, the upload or the archive is incomplete".into(),
            },
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Self::Archive { file: file.into(), entry: entry.into(), reason: error.to_string() }
            }
            _ => Self::Unreadable { file: file.into(), source: error },
        }
    }

    /// Whether only this entry of an archive is concerned, so that the others can still be read.
    pub(super) fn spares_other_entries(&self) -> bool {
        matches!(self, Self::Empty { .. } | Self::Malformed { .. } | Self::UnknownFormat { .. })
    }
}

/// A bound of `Limits` that was reached below a reader; travels inside an `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("more than {limit} {what}")]
pub(super) struct Bound {
    pub what: &'static str,
    pub limit: u64,
}

impl From<Bound> for io::Error {
    fn from(bound: Bound) -> Self {
        Self::other(bound)
    }
}

impl From<Stopped> for IngestError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl Kinded for IngestError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreadable { .. } => Kind::Unavailable,
            Self::TooLarge { .. } => Kind::Limited,
            Self::Pipeline { .. } => Kind::Unprocessable,
            Self::Stopped => Kind::Conflict,
            Self::UnknownFormat { .. }
            | Self::Empty { .. }
            | Self::Archive { .. }
            | Self::Malformed { .. } => Kind::Invalid,
        }
    }
}

//! The index part: one immutable file that answers every predicate for a run of subjects.
//!
//! Lives here: the format, writing it ([`PartBuilder`]) and reading it mapped ([`Part`]). Does not live here: which
//! parts make a version (`view.rs`), making several one (`merge.rs`) and where they are kept (blobs). To change the
//! format: raise `VERSION`; a part is a cache, so an unknown version is rebuilt, never converted.
//!
//! Layout, little endian: magic and version; subject ids; tombstones; postings; column data; key table and names;
//! column table and names; release; footer (places and counts of the sections, length of the file, XXH64 of all
//! before it). Subjects are numbered in byte order of their id, so the id table is also the way back.

mod checksum;
mod column;
mod file;
mod ids;
mod posting;
mod read;
mod unions;
mod write;

use thiserror::Error;

pub(crate) use column::{Codes, ColumnReader, Selected};
pub use file::PartStats;
pub(crate) use file::{PartFile, Values};
pub(crate) use ids::IdWriter;
pub(crate) use posting::Posting;
pub(crate) use read::Located;
pub use read::Part;
pub(crate) use unions::Union;
pub use unions::kept_bytes;
pub use write::PartBuilder;

const MAGIC: [u8; 8] = *b"CV3PART\n";
const VERSION: u32 = 1;
/// Magic and version.
const HEAD: usize = 12;
/// ids, tombstones, postings, column data, key table, key names, column table, column names, release.
const SECTIONS: usize = 9;
/// Section places, subjects, tombstones, file length, checksum.
const FOOT: usize = SECTIONS * 16 + 4 + 4 + 8 + 8;
const KEY_ENTRY: usize = 24;
const COLUMN_ENTRY: usize = 40;

/// Why a part cannot be written or opened.
#[derive(Debug, Error)]
pub enum PartError {
    #[error("cannot read or write the index part")]
    Io(#[from] std::io::Error),
    /// The file is not what was written; rebuild it.
    #[error("the index part is damaged or of another version ({0}); it must be rebuilt")]
    Corrupt(&'static str),
    /// A section outgrew its offsets.
    #[error("{0} of one index part exceed 4 GiB or 4 billion; split the part")]
    TooLarge(&'static str),
}

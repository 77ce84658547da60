//! The term file on disk: header, section table, checksums, and typed views over its bytes.
//!
//! ```text
//! magic "CV3TERMS" | format u32 | sections u32 | table crc u32 | zero u32 | content SHA-256 (32)
//! per section: name (24, zero padded) | encoding u32 | crc u32 | offset u64 | stored u64 | length u64
//! section bytes …
//! ```
//! All numbers are little-endian. A section is stored as it is (encoding 0) or deflated (1); the content
//! digest covers names and inflated bytes, so it does not depend on how well the writer compresses.
//! Sections that a query needs are stored raw and read in place, never copied into owned strings; text shown
//! only on request is deflated and inflated at first use. What the sections mean is in `ontology.rs`,
//! `mapping.rs`, `diseases.rs`; who writes them is `build/`.
//!
//! `read.rs` opens and checks, `columns.rs` reads numbers and texts in place, `write.rs` writes. A change of
//! the header or of a section's layout raises [`FORMAT`].

mod columns;
mod read;
mod write;

pub use columns::{Numbers, Strings};
pub use read::{Bytes, Sections};
pub use write::Writer;

use sha2::{Digest, Sha256};

pub const MAGIC: [u8; 8] = *b"CV3TERMS";
pub const FORMAT: u32 = 1;
const HEADER: usize = 56;
const ENTRY: usize = 56;
const NAME: usize = 24;

/// Why a term file was not accepted; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    #[error("the term file {path} cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the term file {path} has {bytes} bytes, more than the {limit} accepted")]
    TooLarge { path: String, bytes: u64, limit: u64 },
    #[error("not a term file (it does not start with CV3TERMS); make one with `cv3-backend terms build`")]
    NotATermFile,
    #[error("term file of format {found}, this program reads format {FORMAT}; build it again")]
    Format { found: u32 },
    #[error("damaged term file, {what}; build or copy it again")]
    Damaged { what: String },
}

impl FormError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

fn digest_section(hash: &mut Sha256, name: &str, bytes: &[u8]) {
    hash.update(name.as_bytes());
    hash.update([0]);
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    hash.update(bytes);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

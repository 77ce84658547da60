//! Writing a term file.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::{ENTRY, FORMAT, HEADER, MAGIC, NAME, crc32, digest_section};

/// Collects sections and writes the file; the order of `add` calls is the order in the file.
#[derive(Default)]
pub struct Writer {
    sections: Vec<(String, bool, Vec<u8>)>,
}

impl Writer {
    pub fn add(&mut self, name: &str, deflate: bool, bytes: Vec<u8>) {
        debug_assert!(name.len() <= NAME, "section name too long");
        self.sections.push((name.to_owned(), deflate, bytes));
    }

    pub fn add_u32s(&mut self, name: &str, deflate: bool, numbers: impl IntoIterator<Item = u32>) {
        self.add(name, deflate, numbers.into_iter().flat_map(u32::to_le_bytes).collect());
    }

    pub fn add_u16s(&mut self, name: &str, deflate: bool, numbers: impl IntoIterator<Item = u16>) {
        self.add(name, deflate, numbers.into_iter().flat_map(u16::to_le_bytes).collect());
    }

    pub fn add_strings<S: AsRef<str>>(&mut self, name: &str, deflate: bool, texts: &[S]) {
        let mut bytes = offset(texts.len()).to_le_bytes().to_vec();
        let mut end = 0_usize;
        bytes.extend(offset(end).to_le_bytes());
        for text in texts {
            end += text.as_ref().len();
            bytes.extend(offset(end).to_le_bytes());
        }
        for text in texts {
            bytes.extend(text.as_ref().as_bytes());
        }
        self.add(name, deflate, bytes);
    }

    /// Writes the file and returns its content digest.
    pub fn write(self, out: &mut impl Write) -> std::io::Result<[u8; 32]> {
        let mut hash = Sha256::new();
        let mut table = Vec::with_capacity(self.sections.len() * ENTRY);
        let mut body = Vec::new();
        let start = HEADER + self.sections.len() * ENTRY;
        for (name, deflate, bytes) in &self.sections {
            digest_section(&mut hash, name, bytes);
            let stored = if *deflate { deflated(bytes)? } else { bytes.clone() };
            let mut padded = name.as_bytes().to_vec();
            padded.resize(NAME, 0);
            table.extend(padded);
            table.extend(u32::from(*deflate).to_le_bytes());
            table.extend(crc32(&stored).to_le_bytes());
            for number in [start + body.len(), stored.len(), bytes.len()] {
                table.extend(u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
            }
            body.extend(stored);
        }
        let digest: [u8; 32] = hash.finalize().into();
        out.write_all(&MAGIC)?;
        out.write_all(&FORMAT.to_le_bytes())?;
        out.write_all(&offset(self.sections.len()).to_le_bytes())?;
        out.write_all(&crc32(&table).to_le_bytes())?;
        out.write_all(&[0; 4])?;
        out.write_all(&digest)?;
        out.write_all(&table)?;
        out.write_all(&body)?;
        Ok(digest)
    }
}

/// Sections stay far below 4 GiB (inputs are bounded); a larger one would fail the reader's length check.
fn offset(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn deflated(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

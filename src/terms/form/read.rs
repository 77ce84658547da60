//! Opening a term file: header, section table, checksums, inflating at first use.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::{
    ENTRY, FORMAT, FormError, HEADER, MAGIC, NAME, Numbers, Strings, crc32, digest_section, u32_at, u64_at,
};

/// More sections than any builder writes: bounds the table before it is read.
const MAX_SECTIONS: usize = 256;
/// Largest inflated section accepted, so that a small crafted file cannot take all memory.
const MAX_SECTION_BYTES: u64 = 256 << 20;

/// The whole file, either part of the program or read once.
#[derive(Clone)]
pub enum Bytes {
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
}

impl Bytes {
    fn all(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// One named section; `data` inflates a deflated one at first use and keeps it.
pub struct Section {
    name: String,
    file: Bytes,
    range: Range<usize>,
    deflated: bool,
    length: usize,
    inflated: OnceLock<Vec<u8>>,
}

impl Section {
    /// The section's bytes. A deflated section that does not inflate to its declared length reads as empty;
    /// `inflate` reports that as an error beforehand.
    pub fn data(&self) -> &[u8] {
        if self.deflated {
            self.inflated.get_or_init(|| self.inflate().unwrap_or_default())
        } else {
            self.stored()
        }
    }

    fn stored(&self) -> &[u8] {
        self.file.all().get(self.range.clone()).unwrap_or_default()
    }

    fn inflate(&self) -> Result<Vec<u8>, FormError> {
        let mut out = Vec::with_capacity(self.length.min(self.range.len().saturating_mul(1032)));
        let limit = u64::try_from(self.length).unwrap_or(u64::MAX).saturating_add(1);
        flate2::read::DeflateDecoder::new(self.stored()).take(limit).read_to_end(&mut out).map_err(
            |error| FormError::damaged(format!("section {} does not inflate: {error}", self.name)),
        )?;
        if out.len() != self.length {
            return Err(FormError::damaged(format!("section {} has not its declared length", self.name)));
        }
        Ok(out)
    }
}

/// The section table of a file whose checksums were compared.
pub struct Sections {
    list: Vec<Section>,
    digest: [u8; 32],
}

static EMPTY: &[u8] = &[];

impl Sections {
    /// Reads header and table and compares every checksum; does not inflate anything.
    pub fn read(file: Bytes) -> Result<Self, FormError> {
        let all = file.all();
        if all.get(..8) != Some(MAGIC.as_slice()) {
            return Err(FormError::NotATermFile);
        }
        let cut = || FormError::damaged("it ends within its header");
        let format = u32_at(all, 8).ok_or_else(cut)?;
        if format != FORMAT {
            return Err(FormError::Format { found: format });
        }
        let count = usize::try_from(u32_at(all, 12).ok_or_else(cut)?).unwrap_or(usize::MAX);
        if count > MAX_SECTIONS {
            return Err(FormError::damaged(format!("it claims {count} sections")));
        }
        let table_crc = u32_at(all, 16).ok_or_else(cut)?;
        if u32_at(all, 20) != Some(0) {
            return Err(FormError::damaged("its header has unknown fields"));
        }
        let digest = all.get(24..HEADER).and_then(|b| b.try_into().ok()).ok_or_else(cut)?;
        let table = all.get(HEADER..HEADER + count * ENTRY).ok_or_else(cut)?;
        if crc32(table) != table_crc {
            return Err(FormError::damaged("the checksum of its section table is wrong"));
        }
        let mut list = Vec::with_capacity(count);
        for entry in table.chunks_exact(ENTRY) {
            list.push(read_entry(&file, entry)?);
        }
        if list.iter().map(|section| section.range.end).max().unwrap_or(0) != all.len() {
            return Err(FormError::damaged("bytes follow its last section"));
        }
        Ok(Self { list, digest })
    }

    /// Inflates everything once and compares the content digest; leaves nothing cached.
    pub fn check_content(&self) -> Result<(), FormError> {
        let mut hash = Sha256::new();
        for section in &self.list {
            let bytes = if section.deflated { section.inflate()? } else { section.stored().to_vec() };
            digest_section(&mut hash, &section.name, &bytes);
        }
        if <[u8; 32]>::from(hash.finalize()) == self.digest {
            Ok(())
        } else {
            Err(FormError::damaged("its content digest is wrong"))
        }
    }

    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Names of all sections in the order of the file, and whether they are stored deflated.
    pub fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.list.iter().map(|section| (section.name.as_str(), section.deflated))
    }

    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|section| section.name == name)
    }

    /// Bytes of a section; an absent section reads as empty.
    pub fn data(&self, name: &str) -> &[u8] {
        self.list.iter().find(|section| section.name == name).map_or(EMPTY, Section::data)
    }

    pub fn strings(&self, name: &str) -> Strings<'_> {
        Strings::new(self.data(name))
    }

    pub fn u8s(&self, name: &str) -> &[u8] {
        self.data(name)
    }

    pub fn u16s(&self, name: &str) -> Numbers<'_, 2> {
        Numbers::new(self.data(name))
    }

    pub fn u32s(&self, name: &str) -> Numbers<'_, 4> {
        Numbers::new(self.data(name))
    }
}

fn read_entry(file: &Bytes, entry: &[u8]) -> Result<Section, FormError> {
    let bad = |what: &str| FormError::damaged(what.to_owned());
    let name = entry.get(..NAME).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).map_err(|_| bad("a section name is not text"))?.to_owned();
    let number = |at| u64_at(entry, at).unwrap_or(u64::MAX);
    let (offset, stored, length) = (number(32), number(40), number(48));
    let deflated = match u32_at(entry, 24) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(bad("a section has an unknown encoding")),
    };
    let end = offset.checked_add(stored).ok_or_else(|| bad("a section reaches beyond the file"))?;
    let (Ok(start), Ok(end), Ok(length_bytes)) =
        (usize::try_from(offset), usize::try_from(end), usize::try_from(length))
    else {
        return Err(bad("a section reaches beyond the file"));
    };
    let Some(bytes) = file.all().get(start..end) else {
        return Err(bad("a section reaches beyond the file"));
    };
    if length > MAX_SECTION_BYTES || (!deflated && length != stored) {
        return Err(bad("a section has an impossible length"));
    }
    if Some(crc32(bytes)) != u32_at(entry, 28) {
        return Err(FormError::damaged(format!("the checksum of section {name} is wrong")));
    }
    let inflated = OnceLock::new();
    Ok(Section { name, file: file.clone(), range: start..end, deflated, length: length_bytes, inflated })
}

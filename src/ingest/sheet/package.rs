//! Checks an xlsx file before it is opened: what its parts unpack to is measured, not believed.

use std::io::{Cursor, Read};

use crate::ingest::{Entry, IngestError};

/// Parts of one workbook; real ones have some dozens.
const MAX_PARTS: usize = 10_000;
/// Unpacked bytes of one sheet; sheets are streamed.
const MAX_SHEET_BYTES: u64 = 2 << 30;
/// Unpacked bytes from which on the ratio is looked at.
const RATIO_FROM: u64 = 16 << 20;
/// Bytes between two `<` beyond the text of a cell: tags and their attributes.
const MARKUP: usize = 64 << 10;

/// Unpacks every part once and counts: bytes of sheets, bytes of the parts that are held in memory, bytes over all
/// against the file's size, and the longest text, which a parser holds as one.
pub(super) fn check(entry: &Entry<'_>, file: &[u8]) -> Result<(), IngestError> {
    let limits = entry.input.limits;
    let damaged = |error: &dyn std::fmt::Display| IngestError::Archive {
        file: entry.input.filename.to_owned(),
        entry: entry.name.to_owned(),
        reason: error.to_string().chars().take(200).collect(),
    };
    let too_large = |what, limit| IngestError::TooLarge { file: entry.name.to_owned(), what, limit };
    let mut package = zip::ZipArchive::new(Cursor::new(file)).map_err(|error| damaged(&error))?;
    if package.len() > MAX_PARTS {
        return Err(too_large("parts in one workbook", MAX_PARTS as u64));
    }
    let packed = u64::try_from(file.len()).unwrap_or(u64::MAX);
    // An entity such as `&quot;` takes six bytes for one.
    let longest = limits.max_cell_bytes.saturating_mul(6).saturating_add(MARKUP);
    let (mut total, mut held) = (0_u64, 0_u64);
    let mut buffer = vec![0; 64 << 10];
    for index in 0..package.len() {
        let mut part = package.by_index(index).map_err(|error| damaged(&error))?;
        let is_sheet = part.name().starts_with("xl/worksheets/");
        let (mut size, mut text) = (0_u64, 0_usize);
        loop {
            let count = part.read(&mut buffer).map_err(|error| damaged(&error))?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
            let added = u64::try_from(count).unwrap_or(u64::MAX);
            size = size.saturating_add(added);
            total = total.saturating_add(added);
            held = held.saturating_add(if is_sheet { 0 } else { added });
            if size > limits.max_entry_bytes.min(MAX_SHEET_BYTES) || total > limits.max_total_bytes {
                return Err(too_large(
                    "unpacked bytes in one workbook",
                    limits.max_entry_bytes.min(MAX_SHEET_BYTES),
                ));
            }
            if held > limits.max_buffered_bytes {
                return Err(too_large(
                    "unpacked bytes of texts and styles in one workbook",
                    limits.max_buffered_bytes,
                ));
            }
            if total > RATIO_FROM && total / packed.max(1) > limits.max_ratio {
                return Err(too_large("times its packed size", limits.max_ratio));
            }
            match piece.iter().position(|byte| *byte == b'<') {
                None => text += count,
                Some(first) => {
                    if text + first > longest {
                        return Err(too_large("bytes in one cell", limits.max_cell_bytes as u64));
                    }
                    text = piece.iter().rev().position(|byte| *byte == b'<').unwrap_or(0);
                }
            }
            if text > longest && has_text(part.name()) {
                return Err(too_large("bytes in one cell", limits.max_cell_bytes as u64));
            }
        }
    }
    Ok(())
}

/// Pictures have no markup; only parts that are parsed count.
fn has_text(part: &str) -> bool {
    part.ends_with(".xml") || part.ends_with(".rels")
}

//! Checks an xls file before it is opened: its cells are laid out in one rectangle a sheet, so two cells far apart in
//! each of many sheets would take all memory.
//!
//! Reads just enough of the compound file ([MS-CFB]) and of the records ([MS-XLS] 2.1.4) to find where cells are.

use crate::ingest::{Entry, IngestError};

/// Cells of all sheets' rectangles together; one full sheet has as many.
const MAX_CELLS: u64 = 16 << 20;
const SECTOR: usize = 512;
const SMALL_SECTOR: usize = 64;
const ENTRY: usize = 128;
/// Sector numbers from here on are marks, not sectors.
const FIRST_MARK: u32 = 0xFFFF_FFFA;

/// Refuses a workbook whose sheets span more cells than one full sheet has.
pub(super) fn check(entry: &Entry<'_>, file: &[u8]) -> Result<(), IngestError> {
    let Some(book) = workbook(file) else {
        let reason = "its workbook cannot be found".to_owned();
        return Err(IngestError::Malformed { file: entry.name.to_owned(), format: "xls", line: 0, reason });
    };
    match spanned(&book) > MAX_CELLS {
        true => Err(IngestError::TooLarge {
            file: entry.name.to_owned(),
            what: "cells spanned by its sheets",
            limit: MAX_CELLS,
        }),
        false => Ok(()),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// The stream `Workbook`, or `Book` of Excel 95.
fn workbook(file: &[u8]) -> Option<Vec<u8>> {
    let size = if u16_at(file, 30)? == 12 { 8 * SECTOR } else { SECTOR };
    let sector = |number: u32| {
        let start = usize::try_from(number).ok()?.checked_add(1)?.checked_mul(size)?;
        // The last sector of a file may be cut.
        file.get(start..start.checked_add(size)?.min(file.len()))
    };
    let fat = fat(file, size, &sector);
    let directory = chain(u32_at(file, 48)?, &fat, &sector, file.len());
    let entries = || directory.chunks_exact(ENTRY);
    let named = |name: &str| {
        let wanted: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(wanted.len()).ok()?;
        entries().find(|entry| u16_at(entry, 64) == Some(length) && entry.starts_with(&wanted))
    };
    let found = named("Workbook").or_else(|| named("Book"))?;
    let (start, length) = (u32_at(found, 116)?, usize::try_from(u32_at(found, 120)?).ok()?);
    let mut stream = if length >= usize::try_from(u32_at(file, 56)?).ok()? {
        chain(start, &fat, &sector, file.len())
    } else {
        let small = chain(u32_at(entries().next()?, 116)?, &fat, &sector, file.len());
        let small_fat = numbers(&chain(u32_at(file, 60)?, &fat, &sector, file.len()));
        let small_sector = |number: u32| {
            let start = usize::try_from(number).ok()?.checked_mul(SMALL_SECTOR)?;
            small.get(start..start.checked_add(SMALL_SECTOR)?)
        };
        chain(start, &small_fat, &small_sector, file.len())
    };
    stream.truncate(length);
    Some(stream)
}

/// The next sector of each sector; its own sectors are listed in the header and, for large files, in a chain of lists.
fn fat<'f>(file: &'f [u8], size: usize, sector: &dyn Fn(u32) -> Option<&'f [u8]>) -> Vec<u32> {
    let mut listed: Vec<u32> = (0..109).filter_map(|index| u32_at(file, 76 + 4 * index)).collect();
    let mut next = u32_at(file, 68).unwrap_or(FIRST_MARK);
    let most = file.len() / size;
    for _ in 0..most {
        let Some(list) = sector(next).filter(|_| next < FIRST_MARK) else { break };
        let mut list = numbers(list);
        next = list.pop().unwrap_or(FIRST_MARK);
        listed.append(&mut list);
    }
    listed.retain(|number| *number < FIRST_MARK);
    listed.truncate(most);
    listed.iter().filter_map(|number| sector(*number)).flat_map(numbers).collect()
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).filter_map(|four| u32_at(four, 0)).collect()
}

/// The sectors of a chain one after the other, at most `most` bytes.
fn chain<'f>(start: u32, next: &[u32], sector: &dyn Fn(u32) -> Option<&'f [u8]>, most: usize) -> Vec<u8> {
    let (mut bytes, mut number) = (Vec::new(), start);
    while let Some(piece) = sector(number).filter(|_| number < FIRST_MARK && bytes.len() <= most) {
        bytes.extend_from_slice(piece);
        let following = usize::try_from(number).ok().and_then(|at| next.get(at));
        let Some(following) = following else { break };
        number = *following;
    }
    bytes
}

/// Rows times columns from the first to the last cell, summed over the sheets.
fn spanned(book: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut sheet: Option<(u16, u16, u16, u16)> = None;
    let cells = |sheet: Option<(u16, u16, u16, u16)>| {
        sheet.map_or(0, |(top, bottom, left, right)| {
            (u64::from(bottom - top) + 1) * (u64::from(right - left) + 1)
        })
    };
    let mut rest = book;
    while let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let data = rest.get(4..4 + usize::from(length)).unwrap_or_else(|| rest.get(4..).unwrap_or_default());
        match kind {
            // A substream begins: the next sheet.
            0x0809 => {
                sum = sum.saturating_add(cells(sheet));
                sheet = None;
            }
            // The records that hold values: Formula, MulRk, RString, LabelSst, Number, Label, BoolErr, Rk.
            0x0006 | 0x00BD | 0x00D6 | 0x00FD | 0x0203..=0x0205 | 0x027E => {
                let (Some(row), Some(first)) = (u16_at(data, 0), u16_at(data, 2)) else { break };
                let last = match kind {
                    0x00BD => {
                        data.len().checked_sub(2).and_then(|at| u16_at(data, at)).unwrap_or(first).max(first)
                    }
                    _ => first,
                };
                let (top, bottom, left, right) = sheet.unwrap_or((row, row, first, last));
                sheet = Some((top.min(row), bottom.max(row), left.min(first), right.max(last)));
            }
            _ => {}
        }
        rest = rest.get(4 + usize::from(length)..).unwrap_or_default();
    }
    sum.saturating_add(cells(sheet))
}

//! Reads spreadsheets: xlsx and xls (specification §7.2). The first visible sheet with a header row and data is taken.
//!
//! Lives here: choosing the sheet, its header and rows. Does not: what a column is for (`file_pipeline`). Before a
//! workbook is opened it is checked to be no bomb (`package.rs` for xlsx, `compound.rs` for xls), because opening
//! holds its texts, and for xls its cells, in memory. Values become JSON in `value.rs`.
//!
//! The header is the first row that is not blank; columns run from its first to its last cell. A value outside them
//! rejects its row. Merged cells have their value in the first cell only, as in the file.

mod compound;
mod package;
mod value;

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{
    Cell as SheetCell, Data, Range, Reader, Sheet, SheetType, SheetVisible, Xls, XlsOptions, Xlsx,
};
use serde_json::Value;

use super::file_pipeline::{Cell, Stager};
use super::{Entry, IngestError, Sink, Warning};

/// Rows between two looks at cancellation.
const ROWS_PER_LOOK: u32 = 1_000;
/// The widest row either format has.
const MAX_COLUMNS: u32 = 16_384;

type Bytes = Cursor<Vec<u8>>;

/// Reads a workbook and stages the rows of its first sheet with data.
pub fn read(entry: &Entry<'_>, bytes: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let limit = entry.input.limits.max_buffered_bytes;
    let mut held = Vec::new();
    bytes.take(limit.saturating_add(1)).read_to_end(&mut held).map_err(|error| entry.unreadable(error))?;
    if u64::try_from(held.len()).unwrap_or(u64::MAX) > limit {
        let what = "bytes in one spreadsheet";
        return Err(IngestError::TooLarge { file: entry.name.to_owned(), what, limit });
    }
    match held.as_slice() {
        [] => Err(IngestError::Empty { file: entry.name.to_owned() }),
        [b'P', b'K', ..] => {
            package::check(entry, &held)?;
            let book = guarded(entry, "xlsx", || Xlsx::new(Cursor::new(held)))?;
            read_book(entry, NewBook(book), sink)
        }
        [0xD0, 0xCF, 0x11, 0xE0, ..] => {
            compound::check(entry, &held)?;
            let book =
                guarded(entry, "xls", || Xls::new_with_options(Cursor::new(held), XlsOptions::default()))?;
            read_book(entry, OldBook(book), sink)
        }
        _ => {
            let reason = "it is neither an xlsx nor an xls workbook".to_owned();
            Err(IngestError::UnknownFormat { file: entry.name.to_owned(), reason })
        }
    }
}

/// A workbook that gives the cells of a sheet in the order of the file, until `take` wants no more.
trait Book {
    fn sheets(&self) -> Vec<Sheet>;
    fn cells(
        &mut self,
        entry: &Entry<'_>,
        sheet: &str,
        take: &mut dyn FnMut((u32, u32), Data) -> Result<bool, IngestError>,
    ) -> Result<(), IngestError>;
}

struct NewBook(Xlsx<Bytes>);
struct OldBook(Xls<Bytes>);

impl Book for NewBook {
    fn sheets(&self) -> Vec<Sheet> {
        self.0.sheets_metadata().to_vec()
    }

    fn cells(
        &mut self,
        entry: &Entry<'_>,
        sheet: &str,
        take: &mut dyn FnMut((u32, u32), Data) -> Result<bool, IngestError>,
    ) -> Result<(), IngestError> {
        let mut reader = guarded(entry, "xlsx", || self.0.worksheet_cells_reader(sheet))?;
        while let Some(cell) = guarded(entry, "xlsx", || reader.next_cell())? {
            let position = SheetCell::get_position(&cell);
            if !take(position, Data::from(cell.get_value().clone()))? {
                break;
            }
        }
        Ok(())
    }
}

impl Book for OldBook {
    fn sheets(&self) -> Vec<Sheet> {
        self.0.sheets_metadata().to_vec()
    }

    fn cells(
        &mut self,
        entry: &Entry<'_>,
        sheet: &str,
        take: &mut dyn FnMut((u32, u32), Data) -> Result<bool, IngestError>,
    ) -> Result<(), IngestError> {
        let range: Range<Data> = guarded(entry, "xls", || self.0.worksheet_range(sheet))?;
        let (top, left) = range.start().unwrap_or_default();
        for (row, column, data) in range.used_cells() {
            let at =
                |start: u32, offset: usize| start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
            if !take((at(top, row), at(left, column)), data.clone())? {
                break;
            }
        }
        Ok(())
    }
}

fn read_book(entry: &Entry<'_>, mut book: impl Book, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let (mut chosen, mut header_only, mut others) = (None, None, Vec::new());
    for sheet in book.sheets() {
        if sheet.typ != SheetType::WorkSheet || sheet.visible != SheetVisible::Visible {
            continue;
        }
        match rows_at_most_two(entry, &mut book, &sheet.name)? {
            0 => {}
            1 => header_only = header_only.or(Some(sheet.name)),
            _ if chosen.is_none() => chosen = Some(sheet.name),
            _ => others.push(sheet.name),
        }
    }
    let Some(sheet) = chosen.or(header_only) else {
        return Err(IngestError::Empty { file: entry.name.to_owned() });
    };
    if !others.is_empty() {
        let text = "further sheets with data were not read; upload each as a file of its own".to_owned();
        let count = u64::try_from(others.len()).unwrap_or(u64::MAX);
        let examples = others.iter().take(10).map(|name| name.chars().take(100).collect()).collect();
        sink.warn(Warning { text, count, examples });
    }
    read_sheet(entry, &mut book, &sheet, sink)
}

/// How many rows have values: 0, 1, or 2 for more.
fn rows_at_most_two(entry: &Entry<'_>, book: &mut impl Book, sheet: &str) -> Result<u8, IngestError> {
    let (mut first, mut rows) = (None, 0);
    book.cells(entry, sheet, &mut |(row, _), data| {
        if value::of(data).is_some() && first != Some(row) {
            rows += 1;
            first = Some(row);
        }
        Ok(rows < 2)
    })?;
    Ok(rows)
}

/// The cells of one row, by column.
#[derive(Default)]
struct Gathered {
    row: u32,
    cells: Vec<(u32, Value)>,
}

fn read_sheet(
    entry: &Entry<'_>,
    book: &mut impl Book,
    sheet: &str,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let mut table: Option<Table<'_>> = None;
    let mut gathered = Gathered::default();
    let mut rows = 0_u32;
    let mut flush = |gathered: &mut Gathered, sink: &mut dyn Sink| {
        let row = std::mem::take(gathered);
        if row.cells.is_empty() {
            return Ok(());
        }
        match &mut table {
            None => table = Some(Table::new(entry, &row)?),
            Some(table) => table.row(row, sink)?,
        }
        rows += 1;
        match rows.is_multiple_of(ROWS_PER_LOOK) && (entry.input.cancelled)() {
            true => Err(IngestError::Stopped),
            false => Ok(()),
        }
    };
    book.cells(entry, sheet, &mut |(row, column), data| {
        if row != gathered.row {
            flush(&mut gathered, sink)?;
            gathered.row = row;
        }
        if let Some(value) = value::of(data) {
            gathered.cells.push((column, value));
        }
        Ok(true)
    })?;
    flush(&mut gathered, sink)?;
    if let Some(table) = table {
        table.stager.finish(sink);
    }
    Ok(())
}

struct Table<'a> {
    entry: &'a Entry<'a>,
    stager: Stager<'a>,
    /// Column of the first header cell.
    left: u32,
}

impl<'a> Table<'a> {
    fn new(entry: &'a Entry<'a>, header: &Gathered) -> Result<Self, IngestError> {
        let columns = header.cells.iter().map(|(column, _)| *column);
        let left = columns.clone().min().unwrap_or(0);
        let width = columns.max().unwrap_or(0).saturating_sub(left).saturating_add(1).min(MAX_COLUMNS);
        let mut names = vec![String::new(); usize::try_from(width).unwrap_or(0)];
        for (column, value) in &header.cells {
            let slot = column.checked_sub(left).and_then(|at| names.get_mut(usize::try_from(at).ok()?));
            if let Some(name) = slot {
                *name = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
            }
        }
        Ok(Self { entry, stager: Stager::with_header(entry, &names)?, left })
    }

    fn row(&mut self, row: Gathered, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let number = u64::from(row.row) + 1;
        let mut cells = vec![Value::Null; self.stager.width()];
        for (column, value) in row.cells {
            let at = column.checked_sub(self.left).and_then(|at| usize::try_from(at).ok());
            let Some((at, slot)) = at.and_then(|at| Some((at, cells.get_mut(at)?))) else {
                let name = column_letters(column);
                let reason = "a value outside the columns of the header";
                self.stager.reject(number, Some(&name), reason, value.as_str(), sink);
                return Ok(());
            };
            let limit = self.entry.input.limits.max_cell_bytes;
            if value.as_str().is_some_and(|text| text.len() > limit) {
                let name = self.stager.column_name(at);
                let reason = format!("the cell is longer than {limit} bytes");
                self.stager.reject(number, name, reason, value.as_str(), sink);
                return Ok(());
            }
            *slot = value;
        }
        Ok(self.stager.table_row(number, cells.into_iter().map(Cell::Value), sink)?)
    }
}

/// `A`, `B`, …, `AA`: how the spreadsheet names a column counted from 0.
fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut left = Some(column);
    while let Some(number) = left {
        letters.push(char::from(b'A' + u8::try_from(number % 26).unwrap_or(0)));
        left = (number / 26).checked_sub(1);
    }
    letters.iter().rev().collect()
}

/// Calls into the workbook reader, which panics on some damaged files: that is a malformed file, not a defect of a job.
fn guarded<T, E: std::fmt::Display>(
    entry: &Entry<'_>,
    format: &'static str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, IngestError> {
    // What the call borrows is dropped by whoever sees the error.
    let reason = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it is damaged".to_owned(),
    };
    let reason = reason.chars().take(200).collect();
    Err(IngestError::Malformed { file: entry.name.to_owned(), format, line: 0, reason })
}

#[cfg(test)]
mod tests;

//! Opens an upload, unpacks it and hands each file in it to the reader of its format.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;

use super::archive::{Meter, Metered, Unpacker};
use super::format::{Format, format_of};
use super::phenopacket::Packets;
use super::{Entry, IngestError, Input, Reject, Row, Sink, Stopped, Summary, Warning, json, vcf};

/// Examples a remark keeps.
const MAX_EXAMPLES: usize = 10;
/// Different remarks kept of one upload.
const MAX_WARNINGS: usize = 1_000;
/// Characters of a rejected value that are kept.
const MAX_VALUE: usize = 40;
/// Rows between two looks at the clock and the cancel flag.
const ROWS_BETWEEN_LOOKS: u64 = 256;

/// Reads one upload to its end. In an archive a file that cannot be read is rejected and the others go on, unless
/// none could be read; everything else that is wrong with a whole file ends the reading.
pub fn read(input: &Input<'_>, sink: &mut dyn Sink) -> Result<Summary, IngestError> {
    let unreadable = |source| IngestError::Unreadable { file: input.filename.into(), source };
    let file = File::open(input.path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size == 0 {
        return Err(IngestError::Empty { file: input.filename.into() });
    }
    let meter = Meter::new(input.limits, size);
    let is_sheet = |name: &str| format_of(name) == Some(Format::Sheet);
    let unpacker = Unpacker { input, meter: &meter, is_sheet: &is_sheet };
    let mut run =
        Run { input, last_number: Cell::new(None), packets: Packets::new(input.terms), first_failure: None };
    let mut counted = Counted::new(input, &meter, sink);
    let outcome = unpacker.upload(&mut Metered::new(file, &meter), &mut |name, first, bytes| {
        run.file(name, first, bytes, &mut counted)
    });
    counted.summary.bytes = meter.unpacked.get();
    counted.summary.last_number = run.last_number.get();
    counted.flush();
    outcome?;
    match run.first_failure {
        Some(error) if counted.summary.files == 0 => Err(error),
        None if counted.summary.files == 0 => Err(IngestError::Empty { file: input.filename.into() }),
        _ => Ok(counted.summary),
    }
}

struct Run<'a> {
    input: &'a Input<'a>,
    last_number: Cell<Option<u64>>,
    packets: Packets<'a>,
    /// Why the first unreadable file of an archive was left out.
    first_failure: Option<IngestError>,
}

impl Run<'_> {
    fn file(
        &mut self,
        name: &str,
        first: &[u8],
        bytes: &mut dyn Read,
        sink: &mut Counted<'_>,
    ) -> Result<(), IngestError> {
        if (self.input.cancelled)() {
            return Err(IngestError::Stopped);
        }
        match self.format(name, first).and_then(|format| self.dispatch(format, name, bytes, sink)) {
            Ok(()) => {
                sink.summary.files += 1;
                Ok(())
            }
            Err(error) if error.spares_other_entries() && name != self.input.filename => {
                sink.reject(Reject {
                    file: name.into(),
                    row: 0,
                    column: None,
                    reason: error.to_string(),
                    value: None,
                });
                self.first_failure.get_or_insert(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// By content where that is certain, else by name.
    fn format(&self, name: &str, first: &[u8]) -> Result<Format, IngestError> {
        let unknown = |reason: &str| IngestError::UnknownFormat { file: name.into(), reason: reason.into() };
        if first.is_empty() {
            return Err(IngestError::Empty { file: name.into() });
        }
        match (Format::of_content(first), format_of(name)) {
            // A table may begin with a bracket; plain text says nothing.
            (Some(Format::Json), Some(Format::Csv)) if !name.to_ascii_lowercase().ends_with(".txt") => {
                Ok(Format::Csv)
            }
            (Some(certain), _) => Ok(certain),
            (None, Some(Format::Archive)) => {
                Err(unknown("the name promises an archive, the content is none"))
            }
            (None, Some(named)) => Ok(named),
            (None, None) => Err(unknown("neither its name nor its first bytes tell it")),
        }
    }

    /// The one place that knows which reader reads which format.
    fn dispatch(
        &mut self,
        format: Format,
        name: &str,
        bytes: &mut dyn Read,
        sink: &mut Counted<'_>,
    ) -> Result<(), IngestError> {
        let entry = Entry { input: self.input, name, last_number: &self.last_number };
        match format {
            Format::Json => json::read(&entry, bytes, &mut self.packets, sink),
            Format::Vcf => vcf::read(&entry, bytes, sink),
            Format::Csv => super::csv::read(&entry, bytes, sink),
            Format::Sheet => super::sheet::read(&entry, bytes, sink),
            Format::Archive => Err(IngestError::UnknownFormat {
                file: name.into(),
                reason: "it is an archive of a kind that is not unpacked".into(),
            }),
        }
    }
}

/// Counts what goes to the caller's sink, bounds rejects, adds up remarks and tells the progress.
struct Counted<'s> {
    input: &'s Input<'s>,
    meter: &'s Meter<'s>,
    sink: &'s mut dyn Sink,
    summary: Summary,
    warnings: Vec<Warning>,
    rows: u64,
}

impl<'s> Counted<'s> {
    fn new(input: &'s Input<'s>, meter: &'s Meter<'s>, sink: &'s mut dyn Sink) -> Self {
        Self { input, meter, sink, summary: Summary::default(), warnings: Vec::new(), rows: 0 }
    }

    fn flush(&mut self) {
        for warning in self.warnings.drain(..) {
            self.sink.warn(warning);
        }
        self.sink.progress(self.meter.packed.get(), self.meter.size);
    }
}

impl Sink for Counted<'_> {
    fn row(&mut self, row: Row) -> Result<(), Stopped> {
        match row {
            Row::Staged(_) => self.summary.staged += 1,
            Row::Subject(_) => self.summary.subjects += 1,
        }
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            if (self.input.cancelled)() {
                return Err(Stopped);
            }
            self.sink.progress(self.meter.packed.get(), self.meter.size);
        }
        self.sink.row(row)
    }

    fn reject(&mut self, mut reject: Reject) {
        self.summary.rejected += 1;
        if self.summary.rejected > self.input.limits.max_rejects_reported {
            return;
        }
        if let Some(value) = &mut reject.value
            && let Some((end, _)) = value.char_indices().nth(MAX_VALUE)
        {
            value.truncate(end);
        }
        self.sink.reject(reject);
    }

    fn warn(&mut self, warning: Warning) {
        let room = self.warnings.len() < MAX_WARNINGS;
        match self.warnings.iter_mut().find(|known| known.text == warning.text) {
            Some(known) => {
                known.count += warning.count;
                for example in warning.examples {
                    if known.examples.len() < MAX_EXAMPLES && !known.examples.contains(&example) {
                        known.examples.push(example);
                    }
                }
            }
            None if room => {
                let mut warning = warning;
                warning.examples.truncate(MAX_EXAMPLES);
                self.warnings.push(warning);
            }
            None => {}
        }
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.sink.progress(done, total);
    }

    fn value_label(&mut self, value: &str, label: &str) {
        self.sink.value_label(value, label);
    }
}

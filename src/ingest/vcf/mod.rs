//! Variant Call Format: each sample column is a subject (specification §7.2, *VCF*; VCF 4.1 to 4.5).
//!
//! Lives here: the walk over the lines (`mod.rs`), header lines that say how annotations are written (`header.rs`),
//! genes, consequences and frequencies of a line (`annotation.rs`, `frequency.rs`), who carries what (`carried.rs`).
//! Does not: consequence names (`consequence`). To read another annotator: its INFO key in `header.rs`.
//!
//! A subject is complete only when the last line was read, so all that is carried is held, bounded by
//! `Limits::max_carried`: an entry for each (sample, gene, mutation), never one for each variant.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use crate::domain::pipelines::SubjectIdRule;
use crate::domain::subjects::Subject;

mod annotation;
mod carried;
mod frequency;
mod header;
#[cfg(test)]
mod tests;

use super::codes::subject_id;
use super::naming::{Numbers, Rule, file_id};
use super::{Entry, IngestError, Reject, Row, Sink, Warning};
use annotation::Effects;
use carried::{Carried, Refused};
use header::Header;

/// Lines between two looks at the cancel flag.
const LINES_BETWEEN_LOOKS: u64 = 256;
/// Fixed columns before the samples: CHROM POS ID REF ALT QUAL FILTER INFO FORMAT.
const FIXED: usize = 9;

/// Reads one VCF and sends one subject for each sample, also those that carry nothing.
pub fn read(entry: &Entry<'_>, bytes: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let mut lines = Lines::new(entry, bytes);
    let mut header = Header::default();
    let samples = loop {
        let Some(line) = lines.next()? else {
            return Err(lines.broken("there is no #CHROM line"));
        };
        let text = String::from_utf8_lossy(line);
        if text.starts_with("##") {
            header.meta(&text);
        } else if text.starts_with("#CHROM") {
            break text.split('\t').skip(FIXED).map(str::to_owned).collect::<Vec<_>>();
        } else {
            return Err(lines.broken("the line before #CHROM is no header line"));
        }
    };
    check(entry, &lines, &samples)?;
    let count = samples.len();
    let ids = ids(entry, samples, sink)?;
    let mut carried = Carried::new(count, entry.input.limits.max_carried);
    let mut effects = Effects::new(&header, count);
    while let Some(line) = lines.next()? {
        if line.is_empty() {
            continue;
        }
        match effects.read(line, &mut carried) {
            Ok(()) => {}
            Err(Refused::Full) => {
                let what = "different (sample, gene, mutation) in one VCF";
                return Err(too_large(entry, what, entry.input.limits.max_carried));
            }
            Err(Refused::Line(column, reason)) => sink.reject(Reject {
                file: entry.name.into(),
                row: lines.number,
                column: Some(column.into()),
                reason: reason.into(),
                value: None,
            }),
        }
        if lines.number.is_multiple_of(LINES_BETWEEN_LOOKS) && (entry.input.cancelled)() {
            return Err(IngestError::Stopped);
        }
    }
    effects.remarks(sink);
    let genes = effects.into_genes();
    for (id, variants) in ids.into_iter().zip(carried.into_variants(&genes)) {
        let mut subject = Subject::new(id);
        subject.variant = variants;
        sink.row(Row::Subject(Box::new(subject)))?;
    }
    Ok(())
}

fn too_large(entry: &Entry<'_>, what: &'static str, limit: usize) -> IngestError {
    IngestError::TooLarge { file: entry.name.into(), what, limit: u64::try_from(limit).unwrap_or(u64::MAX) }
}

fn check(entry: &Entry<'_>, lines: &Lines<'_>, samples: &[String]) -> Result<(), IngestError> {
    if samples.is_empty() {
        return Err(lines.broken("it has no sample columns, so there are no subjects in it"));
    }
    if samples.len() > entry.input.limits.max_columns {
        return Err(too_large(entry, "samples in one VCF", entry.input.limits.max_columns));
    }
    let mut seen = HashSet::with_capacity(samples.len());
    for sample in samples {
        let id = subject_id(sample).map_err(|reason| lines.broken(&format!("in a sample name, {reason}")))?;
        if !seen.insert(id) {
            return Err(lines.broken(&format!("the sample {id} has two columns")));
        }
    }
    Ok(())
}

/// Subject ids by the pipeline's rule; a VCF has no attributes, so every rule that names one means the sample name.
fn ids(entry: &Entry<'_>, samples: Vec<String>, sink: &mut dyn Sink) -> Result<Vec<String>, IngestError> {
    if entry.input.pipeline.subject_id == SubjectIdRule::AttributeInName && samples.len() > 1 {
        return Err(IngestError::Pipeline {
            file: entry.name.into(),
            reason: format!(
                "it makes the whole file one subject, but there are {} samples in it; use a pipeline with attributeInFile",
                samples.len()
            ),
        });
    }
    let mut numbers = Numbers::default();
    Ok(match Rule::of(entry, sink) {
        Rule::Own | Rule::Path(_) => samples,
        Rule::FileName => vec![file_id(entry)],
        Rule::Batch { prefix, size } => samples.iter().map(|_| numbers.next(entry, prefix, size)).collect(),
    })
}

/// Lines without their ends, counted from 1 and bounded in length.
struct Lines<'r> {
    entry: &'r Entry<'r>,
    bytes: BufReader<&'r mut dyn Read>,
    line: Vec<u8>,
    number: u64,
}

impl<'r> Lines<'r> {
    fn new(entry: &'r Entry<'r>, bytes: &'r mut dyn Read) -> Self {
        Self { entry, bytes: BufReader::with_capacity(256 << 10, bytes), line: Vec::new(), number: 0 }
    }

    fn next(&mut self) -> Result<Option<&[u8]>, IngestError> {
        self.line.clear();
        let limit = self.entry.input.limits.max_record_bytes;
        let read = self
            .bytes
            .by_ref()
            .take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1))
            .read_until(b'\n', &mut self.line)
            .map_err(|error| self.entry.unreadable(error))?;
        if read == 0 {
            return Ok(None);
        }
        if read > limit {
            return Err(too_large(self.entry, "bytes in one line", limit));
        }
        self.number += 1;
        while matches!(self.line.last(), Some(b'\n' | b'\r')) {
            self.line.pop();
        }
        if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        Ok(Some(&self.line))
    }

    fn broken(&self, reason: &str) -> IngestError {
        IngestError::Malformed {
            file: self.entry.name.into(),
            format: "VCF",
            line: self.number,
            reason: reason.into(),
        }
    }
}

/// Tells what was left out of a whole file.
fn remark(sink: &mut dyn Sink, text: &str, count: u64) {
    if count > 0 {
        sink.warn(Warning { text: text.into(), count, examples: Vec::new() });
    }
}

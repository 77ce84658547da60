//! JSON files: an array, one object, or objects one after the other (JSON lines); specification §7.2.
//!
//! Lives here: cutting a file of any size into records (`records.rs`), telling what a record is (`shape.rs`),
//! subjects as they are stored (`subject.rs`), other objects as flat columns (`flatten.rs`). Does not: packets
//! (`phenopacket`), the id rules of flat rows (`file_pipeline`). To add a shape: a variant of `Shape` and its arm here.

use std::io::Read;

use serde::Deserialize;
use serde_json::Value;

mod flatten;
mod records;
mod shape;
mod subject;
#[cfg(test)]
mod tests;

use super::naming::Rule;
use super::phenopacket::{Cohort, Family, Origin, Packet, Packets};
use super::{Entry, IngestError, Reject, Sink};
use records::Records;
use shape::Shape;

/// Why one record gives no subject.
enum Bad {
    /// This record only.
    Record(String),
    /// The whole file.
    File(IngestError),
}

impl From<IngestError> for Bad {
    fn from(error: IngestError) -> Self {
        Self::File(error)
    }
}

impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Self {
        Self::Record(error.to_string())
    }
}

/// Reads one JSON file; a bad record is rejected, a file without a single good one is refused.
pub(super) fn read<'e>(
    entry: &'e Entry<'e>,
    bytes: &mut dyn Read,
    packets: &mut Packets<'_>,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let rule = Rule::of(entry, sink);
    let mut records = Records::new(entry, bytes);
    let mut rows = flatten::Rows::new(entry);
    let mut expected = Shape::Packet;
    let mut row = 0;
    let mut good = 0_u64;
    let mut first_failure = None;
    while let Some((record, line)) = records.next()? {
        row += 1;
        if row % 64 == 0 && (entry.input.cancelled)() {
            return Err(IngestError::Stopped);
        }
        let origin = Origin { entry, rule: &rule, row };
        match one(origin, record, &mut expected, packets, &mut rows, sink) {
            Ok(()) => good += 1,
            Err(Bad::File(error)) => return Err(error),
            Err(Bad::Record(reason)) => {
                first_failure.get_or_insert((line, reason.clone()));
                sink.reject(Reject { file: entry.name.into(), row, column: None, reason, value: None });
            }
        }
    }
    rows.finish(sink);
    match first_failure {
        Some((line, reason)) if good == 0 => {
            Err(IngestError::Malformed { file: entry.name.into(), format: "JSON", line, reason })
        }
        _ if row == 0 => Err(IngestError::Empty { file: entry.name.into() }),
        _ => Ok(()),
    }
}

/// Reads one record. Packets are by far the most common and largest, so that shape is tried before looking.
fn one(
    origin: Origin<'_>,
    record: &[u8],
    expected: &mut Shape,
    packets: &mut Packets<'_>,
    rows: &mut flatten::Rows<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Bad> {
    let value = || serde_json::from_slice::<Value>(record).ok();
    if *expected == Shape::Packet
        && let Ok(packet) = serde_json::from_slice::<Packet<'_>>(record)
        && shape::is_surely_a_packet(&packet)
    {
        packets.packet(origin, &packet, value, sink)?;
        return Ok(());
    }
    *expected = shape::of(record)?;
    match *expected {
        Shape::Packet => packets.packet(origin, &parse(record)?, value, sink)?,
        Shape::Family => packets.family(origin, &parse::<Family<'_>>(record)?, value, sink)?,
        Shape::Cohort => packets.cohort(origin, &parse::<Cohort<'_>>(record)?, value, sink)?,
        Shape::Subject => subject::read(origin, &parse(record)?, &mut packets.resolver, sink)?,
        Shape::Other => rows.stage(origin.row, &parse(record)?, sink)?,
    }
    Ok(())
}

fn parse<'de, T: Deserialize<'de>>(record: &'de [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(record)
}

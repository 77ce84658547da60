//! What a JSON object is, told by its keys.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::phenopacket::Packet;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Packet,
    Family,
    Cohort,
    /// As stored: `subjectId` and a field in upper case (specification §7.2).
    Subject,
    /// A row for a remap pipeline.
    Other,
}

/// Whether what was read as a packet can be nothing else.
pub(super) fn is_surely_a_packet(packet: &Packet<'_>) -> bool {
    !packet.phenotypic_features.is_empty() && packet.meta_data.is_some()
}

/// Tells the shape of an object; other values are an error.
pub(super) fn of(record: &[u8]) -> Result<Shape, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(record);
    let shape = json.deserialize_map(Keys)?;
    json.end()?;
    Ok(shape)
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object for each record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let (mut packet, mut meta, mut proband, mut members, mut id, mut upper) = Default::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value: &RawValue = map.next_value()?;
            let (object, array) = (value.get().starts_with('{'), value.get().starts_with('['));
            match key.as_ref() {
                "phenotypicFeatures" | "phenotypic_features" => packet |= array,
                "subject" => packet |= object,
                "metaData" | "meta_data" => meta = object,
                "proband" => proband = object,
                "members" => members = array,
                "subjectId" => id = true,
                "HPO" | "ORDO" | "SNOMED" | "NCIT" | "ALLELES" | "VARIANT" | "EAV" => upper = true,
                _ => {}
            }
        }
        Ok(match () {
            () if id && upper => Shape::Subject,
            () if proband => Shape::Family,
            () if members && meta => Shape::Cohort,
            () if packet || (meta && !id) => Shape::Packet,
            () => Shape::Other,
        })
    }
}

//! Names of collections, and one subject as a document.

use mongodb::bson::{Bson, Document};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::ids::SourceId;
use crate::domain::subjects::Subject;
use crate::store::mongodb::value::{to_document, to_object};
use crate::store::{Room, StoreError};

/// One document per source.
pub(super) const MANIFESTS: &str = "manifests";
/// The change a subject of the base comes from.
pub(super) const CHANGE: &str = "_c";
/// The life of the source that a subject of the base belongs to.
pub(super) const LIFE: &str = "_l";
/// The field of a change's document that holds the subject; a deletion has none.
pub(super) const SUBJECT: &str = "subject";
pub(super) const SUBJECT_ID: &str = "subjectId";
/// What `Subject` writes beside its id; a field left out is one that is empty.
pub(super) const KNOWN: [&str; 9] =
    ["HPO", "ORDO", "SNOMED", "NCIT", "ALLELES", "VARIANT", "EAV", "_demo", "_given"];

const BASES: &str = "sources.";
const CHANGES: &str = "changes.";
/// Longer ids, and those with other characters than ids of the original, are named by their hash.
const LONGEST_NAME: usize = 100;

/// Whether an id can be part of a collection's name as it is.
fn plain(id: &str) -> bool {
    id.len() <= LONGEST_NAME
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && Room::ALL.iter().all(|room| room.collection() != format!("{BASES}{id}"))
}

fn name(source: &SourceId) -> String {
    if plain(source.as_str()) {
        return source.as_str().to_owned();
    }
    let hash = Sha256::digest(source.as_str());
    hash.iter().take(20).fold(String::from("~"), |text, byte| format!("{text}{byte:02x}"))
}

/// The collection of a source's base.
pub(super) fn base(source: &SourceId) -> String {
    format!("{BASES}{}", name(source))
}

/// The collection of notes about deletions.
pub(super) fn gone(source: &SourceId, life: i64) -> String {
    format!("gone.{}.{life}", name(source))
}

/// The collection of change `n` in a slot.
pub(super) fn change(source: &SourceId, n: u64, slot: i64) -> String {
    format!("{CHANGES}{}.{n}.{slot}", name(source))
}

/// Change and slot that a collection is for, if it is one of the source.
pub(super) fn change_of(source: &SourceId, collection: &str) -> Option<(u64, i64)> {
    let rest = collection.strip_prefix(CHANGES)?.strip_prefix(&name(source))?.strip_prefix('.')?;
    let (n, slot) = rest.split_once('.')?;
    Some((n.parse().ok()?, slot.parse().ok()?))
}

/// Whether a collection has notes about deletions in a source.
pub(super) fn is_gone_of(source: &SourceId, collection: &str) -> bool {
    let rest = collection.strip_prefix("gone.").and_then(|rest| rest.strip_prefix(&name(source)));
    rest.is_some_and(|rest| rest.strip_prefix('.').is_some_and(|life| life.parse::<i64>().is_ok()))
}

/// The source whose base a collection may be.
pub(super) fn source_of(collection: &str) -> Option<SourceId> {
    let id = collection.strip_prefix(BASES).filter(|id| plain(id))?;
    SourceId::parse(id).ok()
}

/// The subject's fields in the original's shape.
pub(super) fn stored(subject: &Subject) -> Result<Document, StoreError> {
    match serde_json::to_value(subject).map_err(StoreError::engine)? {
        Value::Object(fields) => Ok(to_document(&fields)),
        _ => Err(StoreError::engine("a subject is not an object")),
    }
}

/// A stored document as a subject.
pub(super) fn read(source: &SourceId, stored: Document) -> Result<Subject, StoreError> {
    let id = stored.get_str(SUBJECT_ID).unwrap_or_default().to_owned();
    serde_json::from_value(Value::Object(to_object(stored))).map_err(|error| StoreError::Corrupt {
        room: "subjects",
        reason: format!("source {source}, subject {id:?}: {error}"),
    })
}

/// A number of ours; what is absent is 0.
pub(super) fn number(document: &Document, field: &str) -> i64 {
    match document.get(field) {
        Some(Bson::Int64(number)) => *number,
        Some(Bson::Int32(number)) => i64::from(*number),
        _ => 0,
    }
}

/// A change or version as MongoDB holds it.
pub(super) fn integer(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::engine(format!("{n} is no change or version of a source")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: &str) -> SourceId {
        SourceId::parse(id).unwrap()
    }

    #[test]
    fn ids_of_the_original_are_names_and_others_are_hashed() {
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(base(&source(uuid)), format!("sources.{uuid}"));
        assert_eq!(source_of(&base(&source(uuid))), Some(source(uuid)));
        let long = "x".repeat(255);
        for odd in ["meta", "a.b", "a b", "~", "$", "ü", long.as_str()] {
            let name = base(&source(odd));
            assert!(name.len() < 60 && name.starts_with("sources.~"), "{name}");
            assert!(Room::ALL.iter().all(|room| room.collection() != name));
            assert_eq!(source_of(&name), None);
        }
    }

    #[test]
    fn collections_of_one_source_are_not_taken_for_those_of_another() {
        let (one, other) = (source("a"), source("a-1"));
        assert_eq!(change_of(&one, &change(&one, 3, 77)), Some((3, 77)));
        assert_eq!(change_of(&other, &change(&one, 3, 77)), None);
        assert_eq!(change_of(&one, &change(&other, 3, 77)), None);
        assert!(is_gone_of(&one, &gone(&one, 5)) && !is_gone_of(&other, &gone(&one, 5)));
    }

    #[test]
    fn every_field_of_a_subject_is_known() {
        let mut whole = Subject::new("a");
        whole.hpo = vec![crate::domain::subjects::Term::Present("0001250".into())];
        whole.snomed.clone_from(&whole.hpo);
        whole.ordo = vec!["1".into()];
        whole.ncit = vec!["C1".into()];
        whole.alleles = vec![crate::domain::subjects::GeneAlleles::default()];
        whole.variant = vec![crate::domain::subjects::Variant {
            gene: "TTN".into(),
            mutation: crate::domain::subjects::Mutation::Indel,
            af: None,
            allele_count: None,
        }];
        whole.eav.insert("a".into(), crate::domain::subjects::EavValue::Many(Vec::new()));
        whole.demo.age = Some(1.0);
        whole.given.explicit.age = Some(1.0);
        let mut fields: Vec<String> = stored(&whole).unwrap().keys().cloned().collect();
        let mut known: Vec<String> = KNOWN.iter().map(ToString::to_string).collect();
        known.push(SUBJECT_ID.to_owned());
        fields.sort();
        known.sort();
        assert_eq!(fields, known);
        // A field added to `Subject` does not compile here until it is set above.
        let Subject {
            subject_id: _,
            hpo: _,
            ordo: _,
            snomed: _,
            ncit: _,
            alleles: _,
            variant: _,
            eav: _,
            demo: _,
            given: _,
        } = whole;
    }
}

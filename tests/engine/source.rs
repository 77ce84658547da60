//! From subjects to a view, in one part or several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Part, PartBuilder, SourceView};
use serde::{Deserialize, Serialize};

/// What one part brings: new or changed subjects, and ids of those removed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    pub subjects: BTreeMap<String, Subject>,
    pub removed: BTreeSet<String>,
}

/// The bytes of a part.
pub fn part_bytes(change: &Change) -> Vec<u8> {
    let mut builder = PartBuilder::new("world 1");
    // BTreeMap of String iterates in byte order.
    change.subjects.values().for_each(|subject| builder.add(subject).unwrap());
    change.removed.iter().for_each(|id| builder.tombstone(id).unwrap());
    let mut bytes = Vec::new();
    let stats = builder.finish(&mut bytes).unwrap();
    assert_eq!(stats.bytes, bytes.len() as u64);
    bytes
}

/// A view over changes, oldest first.
pub fn view(changes: &[Change]) -> SourceView {
    let part = |change| Arc::new(Part::from_bytes(part_bytes(change)).unwrap());
    SourceView::open(changes.iter().map(part).collect())
}

/// A view of one part.
pub fn view_of(subjects: &[Subject]) -> SourceView {
    let subjects = subjects.iter().map(|subject| (subject.subject_id.clone(), subject.clone())).collect();
    view(&[Change { subjects, removed: BTreeSet::new() }])
}

/// What is there after all changes.
pub fn folded(changes: &[Change]) -> Vec<Subject> {
    let mut all: BTreeMap<String, Subject> = BTreeMap::new();
    for change in changes {
        change.removed.iter().for_each(|id| {
            all.remove(id);
        });
        all.extend(change.subjects.clone());
    }
    all.into_values().collect()
}

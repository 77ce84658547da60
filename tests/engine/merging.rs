//! Parts made from parts, and from subjects in any order, are byte for byte those made from what is there in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Part, PartBuilder, merge};

use super::dice::Dice;
use super::generate;
use super::source::{Change, folded, part_bytes};

fn at_once(subjects: &[Subject]) -> Vec<u8> {
    let subjects: BTreeMap<_, _> = subjects.iter().map(|s| (s.subject_id.clone(), s.clone())).collect();
    part_bytes(&Change { subjects, removed: BTreeSet::new() })
}

fn merged(parts: &[Vec<u8>], older: bool) -> Vec<u8> {
    let parts = parts.iter().map(|bytes| Arc::new(Part::from_bytes(bytes.clone()).unwrap()));
    let mut out = Vec::new();
    let stats = merge(parts.collect(), older, &mut out).unwrap();
    assert_eq!(stats.bytes, out.len() as u64);
    out
}

#[test]
fn merged_parts_are_the_part_of_what_they_show() {
    let mut dice = Dice(7);
    for round in 0..300 {
        let changes = generate::changes(&mut dice);
        let parts: Vec<Vec<u8>> = changes.iter().map(part_bytes).collect();
        let whole = at_once(&folded(&changes));
        assert!(merged(&parts, false) == whole, "round {round}");
        // A run of the newest beside an older part hides in it what its members hid.
        for first in 1..parts.len() {
            let mut fewer = parts[..first].to_vec();
            fewer.push(merged(&parts[first..], true));
            assert!(merged(&fewer, false) == whole, "round {round}, merged from {first}");
        }
    }
}

#[test]
fn subjects_in_any_order_and_repeatedly_make_the_part_of_the_last_of_each() {
    let mut dice = Dice(8);
    for round in 0..300 {
        let changes = generate::changes(&mut dice);
        let mut arrivals: Vec<Subject> =
            changes.iter().flat_map(|change| change.subjects.values().cloned()).collect();
        dice.shuffle(&mut arrivals);
        let last: BTreeMap<_, _> = arrivals.iter().map(|s| (s.subject_id.clone(), s.clone())).collect();
        let mut builder = PartBuilder::new("world 1");
        arrivals.iter().for_each(|subject| builder.add(subject).unwrap());
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        assert!(bytes == at_once(&last.into_values().collect::<Vec<_>>()), "round {round}");
    }
}

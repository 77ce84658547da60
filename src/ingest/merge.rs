//! Makes one subject of several pieces (specification §7.2, *Merge*; design, `mode: merge`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use crate::domain::subjects::{EavValue, GeneAlleles, Scalar, Subject, Term, Variant};

use super::demographics;

/// Attributes of which a person may have several, whatever form a single one came in: pieces add to them.
const LISTS: [&str; 1] = ["disease"];

/// What merging had to decide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Terms that were both present and excluded; present won.
    pub contradictions: u64,
}

/// Adds a newer piece to a subject and resolves its demographics again; absorbing the same piece twice changes
/// nothing. Lists are united, a single attribute takes the newer value, a present term beats an excluded one, a
/// variant keeps the smallest frequency and the largest allele count.
pub fn absorb(held: &mut Subject, newer: Subject, report: &mut MergeReport) {
    merge_terms(&mut held.hpo, newer.hpo, report);
    merge_terms(&mut held.snomed, newer.snomed, report);
    unite(&mut held.ordo, newer.ordo);
    unite(&mut held.ncit, newer.ncit);
    merge_alleles(&mut held.alleles, newer.alleles);
    merge_variants(&mut held.variant, newer.variant);
    for (name, value) in newer.eav {
        match held.eav.remove(&name) {
            Some(old) => {
                let merged = merge_attribute(&name, old, value);
                held.eav.insert(name, merged);
            }
            None => {
                held.eav.insert(name, value);
            }
        }
    }
    held.given.explicit = newer.given.explicit.or(held.given.explicit);
    held.given.packet = newer.given.packet.or(held.given.packet);
    demographics::resolve(held);
}

/// Brings a subject read as it stands into the form merging leaves: no repeated terms, variants or list elements.
pub fn tidy(subject: &mut Subject, report: &mut MergeReport) {
    let piece = std::mem::replace(subject, Subject::new(subject.subject_id.clone()));
    absorb(subject, piece, report);
}

/// Adds terms, one id an element, to a list: present beats excluded, a value beats none, a newer value an older one.
fn merge_terms(held: &mut Vec<Term>, newer: Vec<Term>, report: &mut MergeReport) {
    if newer.is_empty() {
        return;
    }
    let mut order: Vec<(String, Option<Value>)> = Vec::with_capacity(held.len() + newer.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(held.len() + newer.len());
    for (id, value) in std::mem::take(held).into_iter().chain(newer).flat_map(single) {
        match places.entry(id) {
            Entry::Vacant(place) => {
                order.push((place.key().clone(), value));
                place.insert(order.len() - 1);
            }
            Entry::Occupied(place) => {
                if let Some((_, known)) = order.get_mut(*place.get()) {
                    settle(known, value, report);
                }
            }
        }
    }
    *held = order
        .into_iter()
        .map(|(id, value)| match value {
            None => Term::Present(id),
            Some(value) => Term::qualified(id, value),
        })
        .collect();
}

/// A term's ids with their values one by one.
fn single(term: Term) -> Vec<(String, Option<Value>)> {
    match term {
        Term::Present(id) => vec![(id, None)],
        Term::Qualified(values) => values.into_iter().map(|(id, value)| (id, Some(value))).collect(),
    }
}

fn settle(known: &mut Option<Value>, newer: Option<Value>, report: &mut MergeReport) {
    let excluding = |value: &Option<Value>| *value == Some(Value::Bool(false));
    match (excluding(known), excluding(&newer)) {
        (true, true) => {}
        (true, false) => {
            report.contradictions += 1;
            *known = newer;
        }
        (false, true) => report.contradictions += 1,
        (false, false) => {
            if newer.is_some() {
                *known = newer;
            }
        }
    }
}

fn unite<T: PartialEq + Clone + std::hash::Hash + Eq>(held: &mut Vec<T>, newer: Vec<T>) {
    if newer.is_empty() {
        return;
    }
    let mut seen: std::collections::HashSet<T> =
        std::collections::HashSet::with_capacity(held.len() + newer.len());
    held.extend(newer);
    held.retain(|item| seen.insert(item.clone()));
}

/// Pairs of the same names in another order are the same; an entry without names adds nothing to one with names.
fn merge_alleles(held: &mut Vec<GeneAlleles>, newer: Vec<GeneAlleles>) {
    if newer.is_empty() {
        return;
    }
    held.extend(newer);
    let named: std::collections::HashSet<String> =
        held.iter().filter(|entry| !entry.alleles.is_empty()).map(|entry| entry.gene.clone()).collect();
    let mut seen = std::collections::HashSet::new();
    held.retain(|entry| {
        let mut alleles = entry.alleles.clone();
        alleles.sort();
        let superseded = alleles.is_empty() && named.contains(&entry.gene);
        !superseded && seen.insert((entry.gene.clone(), alleles))
    });
}

pub(super) fn merge_variants(held: &mut Vec<Variant>, newer: Vec<Variant>) {
    if newer.is_empty() {
        return;
    }
    let all: Vec<Variant> = std::mem::take(held).into_iter().chain(newer).collect();
    let mut places = HashMap::with_capacity(all.len());
    for variant in all {
        match places.entry((variant.gene.clone(), variant.mutation)) {
            Entry::Vacant(place) => {
                place.insert(held.len());
                held.push(variant);
            }
            Entry::Occupied(place) => {
                if let Some(known) = held.get_mut(*place.get()) {
                    known.af = match (known.af, variant.af) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                    known.allele_count = known.allele_count.max(variant.allele_count);
                }
            }
        }
    }
}

fn merge_attribute(name: &str, old: EavValue, newer: EavValue) -> EavValue {
    let list =
        LISTS.contains(&name) || matches!(old, EavValue::Many(_)) || matches!(newer, EavValue::Many(_));
    if !list {
        return newer;
    }
    let was_one = matches!((&old, &newer), (EavValue::One(_), EavValue::One(_)));
    let mut values: Vec<Scalar> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for scalar in scalars(old).into_iter().chain(scalars(newer)) {
        // Numbers are compared as they are written.
        let key = match &scalar {
            Scalar::Bool(value) => (0, value.to_string()),
            Scalar::Number(value) => (1, value.to_string()),
            Scalar::Text(value) => (2, value.clone()),
        };
        if seen.insert(key) {
            values.push(scalar);
        }
    }
    match values.pop() {
        Some(only) if was_one && values.is_empty() => EavValue::One(only),
        Some(last) => {
            values.push(last);
            EavValue::Many(values)
        }
        None => EavValue::Many(values),
    }
}

fn scalars(value: EavValue) -> Vec<Scalar> {
    match value {
        EavValue::One(value) => vec![value],
        EavValue::Many(values) => values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subject(mut document: Value) -> Subject {
        document["subjectId"] = json!("a");
        serde_json::from_value(document).unwrap()
    }

    #[rstest::rstest]
    #[case(json!({"HPO": ["1"]}), json!({"HPO": ["2", "1"]}), json!({"HPO": ["1", "2"]}), 0)]
    #[case(json!({"HPO": [{"1": false}]}), json!({"HPO": ["1"]}), json!({"HPO": ["1"]}), 1)]
    #[case(json!({"HPO": [{"1": 4}]}), json!({"HPO": [{"1": false}]}), json!({"HPO": [{"1": 4}]}), 1)]
    #[case(json!({"HPO": [{"1": false}]}), json!({"HPO": [{"1": false}]}), json!({"HPO": [{"1": false}]}), 0)]
    #[case(json!({"HPO": [{"1": 0}]}), json!({"HPO": ["1"]}), json!({"HPO": [{"1": 0}]}), 0)]
    #[case(json!({"HPO": [{"1": 3}]}), json!({"HPO": [{"1": 5}]}), json!({"HPO": [{"1": 5}]}), 0)]
    #[case(json!({"SNOMED": [{"1": 3, "2": false}]}), json!({"SNOMED": ["2"]}), json!({"SNOMED": [{"1": 3}, "2"]}), 1)]
    #[case(json!({"ORDO": ["5", "6"]}), json!({"ORDO": ["6", "7"]}), json!({"ORDO": ["5", "6", "7"]}), 0)]
    #[case(json!({"EAV": {"x": 1, "y": "k"}}), json!({"EAV": {"x": "2"}}), json!({"EAV": {"x": "2", "y": "k"}}), 0)]
    #[case(json!({"EAV": {"x": [1, 2]}}), json!({"EAV": {"x": 2}}), json!({"EAV": {"x": [1, 2]}}), 0)]
    #[case(json!({"EAV": {"disease": "OMIM:1"}}), json!({"EAV": {"disease": "OMIM:2"}}),
           json!({"EAV": {"disease": ["OMIM:1", "OMIM:2"]}}), 0)]
    #[case(json!({"EAV": {"disease": "OMIM:1"}}), json!({"EAV": {"disease": "OMIM:1"}}),
           json!({"EAV": {"disease": "OMIM:1"}}), 0)]
    #[case(json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}, {"gene": "CFH", "alleles": []}]}),
           json!({"ALLELES": [{"gene": "APOE", "alleles": ["e4", "e3"]}, {"gene": "CFH", "alleles": ["x"]}]}),
           json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}, {"gene": "CFH", "alleles": ["x"]}]}), 0)]
    #[case(json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.5, "_ac": 2}]}),
           json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.1, "_ac": 1},
                              {"gene": "TTN", "mutation": "splice"}]}),
           json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.1, "_ac": 2},
                              {"gene": "TTN", "mutation": "splice"}]}), 0)]
    fn pieces_become_one(
        #[case] held: Value,
        #[case] newer: Value,
        #[case] expected: Value,
        #[case] contradictions: u64,
    ) {
        let (mut held, newer) = (subject(held), subject(newer));
        let mut report = MergeReport::default();
        absorb(&mut held, newer.clone(), &mut report);
        assert_eq!(held, subject(expected));
        assert_eq!(report.contradictions, contradictions);
        let once = held.clone();
        absorb(&mut held, newer, &mut report);
        assert_eq!(held, once, "absorbing again changes nothing");
    }

    #[test]
    fn newer_demographics_win_and_are_resolved() {
        let mut held = subject(json!({"_given": {"packet": {"age": 4.0, "gender": "male"}}}));
        let newer = subject(json!({"_given": {"packet": {"age": 5.0}}}));
        absorb(&mut held, newer, &mut MergeReport::default());
        assert_eq!((held.demo.age, held.demo.gender.is_some()), (Some(5.0), true));
    }

    #[test]
    fn tidying_removes_repetitions_inside_one_piece() {
        let mut one = subject(json!({"HPO": ["1", {"1": false}, "1"], "NCIT": ["C1", "C1"]}));
        let mut report = MergeReport::default();
        tidy(&mut one, &mut report);
        assert_eq!(one, subject(json!({"HPO": ["1"], "NCIT": ["C1"]})));
        assert_eq!(report.contradictions, 1);
    }
}

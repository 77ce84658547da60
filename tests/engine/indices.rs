//! What is published about a source and what is kept back (specification §6.5).

use std::collections::BTreeMap;

use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{IndexRules, Indices};
use serde_json::{Value, json};

use super::source::{Change, view, view_of};

fn rules() -> IndexRules {
    IndexRules { minimum_value_count: 3, ..IndexRules::default() }
}

fn index(documents: impl Iterator<Item = Value>, rules: &IndexRules) -> Indices {
    let subjects: Vec<Subject> = documents
        .enumerate()
        .map(|(n, mut document)| {
            document["subjectId"] = json!(format!("{n:04}"));
            serde_json::from_value(document).unwrap()
        })
        .collect();
    view_of(&subjects).index(rules)
}

#[test]
fn categorical_attributes_list_values_and_numeric_ones_do_not() {
    let documents = (0..12).map(|n| {
        json!({"EAV": {
            "visits-to-hospital": n,
            "homeSite": if n < 10 { "rome" } else { "oslo" },
            "smoker": n % 2 == 0,
            "mixed": if n < 6 { json!([n, "yes"]) } else { json!(n) }
        }})
    });
    let found = index(documents, &rules()).record.eav_index;
    let names = [
        ("homeSite", "Home Site"),
        ("mixed", "Mixed"),
        ("smoker", "Smoker"),
        ("visits-to-hospital", "Visits To Hospital"),
    ];
    let named = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    assert_eq!(found.attributes, named(&names));
    // Oslo has two subjects, one fewer than may be listed.
    let mappings = json!({"homeSite": ["rome"], "mixed": ["yes"], "smoker": ["false", "true"]});
    assert_eq!(serde_json::to_value(&found.mappings).unwrap(), mappings);
    assert_eq!(
        found.values,
        named(&[("false", "False"), ("rome", "Rome"), ("true", "True"), ("yes", "Yes")])
    );
}

#[test]
fn display_names_of_administrators_come_before_labels_of_the_data() {
    let mut rules = rules();
    rules.attribute_names.insert("dx".into(), "Diagnosis".into());
    rules.value_labels.insert("558".into(), "Marfan syndrome".into());
    rules.value_labels.insert("7".into(), "label".into());
    rules.value_names.insert("7".into(), "name".into());
    let documents = (0..8).map(|n| json!({"EAV": {"dx": if n % 2 == 0 { "558" } else { "7" }}}));
    let found = index(documents, &rules).record.eav_index;
    assert_eq!(found.attributes["dx"], "Diagnosis");
    assert_eq!((found.values["558"].as_str(), found.values["7"].as_str()), ("Marfan syndrome", "name"));
}

#[test]
fn identifying_attributes_are_withheld_with_the_reason() {
    let documents = || {
        (0..60).map(|n| {
            json!({"EAV": {
                "name": format!("Ada {n}"),
                "patient_id": n,
                "subject%2Eid": n,
                "ward": format!("w{}", n % 25),
                "city": format!("c{}", n % 15),
                "marked": "same"
            }})
        })
    };
    let mut rules = rules();
    rules.identifying.insert("marked".into(), true);
    let found = index(documents(), &rules);
    let withheld: Vec<&str> = found.withheld.iter().map(|one| one.attribute.as_str()).collect();
    assert_eq!(withheld, ["marked", "name", "patient_id", "subject%2Eid", "ward"]);
    assert!(found.withheld.iter().all(|one| !one.reason.is_empty()));
    assert_eq!(found.record.eav_index.attributes.keys().collect::<Vec<_>>(), ["city"]);

    rules.identifying.insert("ward".into(), false);
    let found = index(documents(), &rules);
    assert!(found.record.eav_index.attributes.contains_key("ward"));
}

#[test]
fn display_names_show_points_as_they_were_written() {
    let documents = (0..8).map(|n| json!({"EAV": {"visits-0%2E0": n}}));
    let found = index(documents, &rules()).record.eav_index;
    assert_eq!(found.attributes["visits-0%2E0"], "Visits 0.0");
}

#[test]
fn the_thousand_most_frequent_values_are_listed() {
    let documents = (0..5_000)
        .map(|n| json!({"EAV": {"x": format!("v{:04}", if n < 3_300 { n % 1_100 } else { n % 900 })}}));
    let found = index(documents, &IndexRules::default()).record.eav_index.mappings["x"].clone();
    assert_eq!(found.len(), 1_000);
    assert!((0..900).all(|n| found.contains(&format!("v{n:04}"))), "frequent values first");
}

#[test]
fn allele_names_of_few_subjects_are_not_listed() {
    let gene = |n: usize| if n == 0 { "apoe" } else { "APOE" };
    let allele = |n: usize| if n < 2 { "e2" } else { "e4" };
    let documents =
        (0..6).map(|n| json!({"ALLELES": [{"gene": gene(n), "alleles": ["e3", allele(n), allele(n)]}]}));
    let found = index(documents, &rules()).record.allele_index;
    assert_eq!(serde_json::to_value(found).unwrap(), json!({"APOE": ["e3", "e4"]}));
}

#[test]
fn capability_counts_and_order_follow_what_is_visible() {
    let subject = |id: &str, document: Value| {
        let mut document = document;
        document["subjectId"] = json!(id);
        (id.to_owned(), serde_json::from_value::<Subject>(document).unwrap())
    };
    let base = Change {
        subjects: [
            subject("a", json!({"HPO": ["0000001"], "EAV": {"gone": "x"}})),
            subject("b", json!({"HPO": ["0000001"], "_demo": {"age": 3}})),
            subject("c", json!({"HPO": ["0000001"], "_demo": {"age": 3}, "SNOMED": ["100001"]})),
        ]
        .into(),
        ..Change::default()
    };
    let later = Change { removed: ["a".to_owned()].into(), ..Change::default() };
    let found = view(&[base, later]).index(&IndexRules::default());
    let record = &found.record;
    assert_eq!(record.record_count, 2);
    let capability = serde_json::to_value(record.capability).unwrap();
    let on = |name: &str| capability[name].as_bool().unwrap();
    assert_eq!(["hpo", "snomed", "subject"].map(on), [true; 3]);
    assert_eq!(["ordo", "genes", "variant", "eav", "source"].map(on), [false; 5]);
    assert!(record.capability.subject_capability.age && !record.capability.subject_capability.gender);
    assert!(record.eav_index.attributes.is_empty(), "an attribute of removed subjects is listed");
    // 2 ordo, 3 genes, 5 variant, 6 eav: none; 4 snomed: one; 0 subject, 1 hpo and 7 source: both.
    assert_eq!(found.pipeline, [2, 3, 5, 6, 4, 0, 1, 7]);
}

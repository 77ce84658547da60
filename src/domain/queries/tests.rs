//! Reading builders: the published spelling, the sample's, and everything that must be refused.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn read(document: Value) -> Builder {
    Builder::read(&document).unwrap()
}

/// Paths of all problems.
fn problems(document: Value) -> Vec<String> {
    Builder::read(&document).unwrap_err().problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn aliases_prefixes_and_the_contract_s_names_read_alike() {
    let sample = json!({
        "subject": {"familyType": {"trio": true}},
        "hpo": [{"terms": ["HP:0000969", "0000969"], "useOrphanet": true}],
        "ordo": [{"terms": ["ORPHA:1", "Orphanet_22", "ordo:333", "0004"], "matchScale": 0.7, "useHPO": true}],
        "snomed": [{"terms": ["SNOMEDCT:194891000000101"]}],
        "variants": [{"genes": ["SEBOX"], "mutation": ["lossOfStart"], "maxAf": 5, "unheardOf": 1}]
    });
    let contract = json!({
        "subject": {"familyType": {"trios": true}},
        "hpo": [{"terms": ["0000969"], "useOrphaNet": true, "similarity": 1, "minimumMatch": 1}],
        "ordo": [{"terms": ["1", "22", "333", "4"], "minimumMatch": 3, "useHPO": true}],
        "snomed": [{"terms": ["194891000000101"]}],
        "variant": [{"genes": ["SEBOX"], "mutation": ["lossOfStart"], "maxAf": 0.05}]
    });
    let builder = read(sample);
    assert_eq!(builder, read(contract));
    assert_eq!(builder.ordo.first().map(|filter| filter.minimum_match), Some(3));
    assert!(builder.hpo.first().is_some_and(|filter| filter.cross && filter.terms == ["0000969"]));
}

#[rstest]
#[case(json!({}))]
#[case(json!({"subject": null, "hpo": null, "sources": {"sources": []}, "advanced": {}}))]
#[case(json!({"subject": {"gender": "any", "age": {"min": 0, "max": 100}, "affectedOnly": false, "familyType": {"family": false}}}))]
#[case(json!({"hpo": [{"terms": []}], "snomed": [{"terms": []}], "genes": [{"alleles": []}]}))]
#[case(json!({"variant": [{"genes": [], "reactome": [], "mutation": [], "maxAf": 0.5}]}))]
#[case(json!({"somethingNew": [1, 2, 3]}))]
fn empty_filters_are_not_given(#[case] document: Value) {
    assert_eq!(read(document), Builder::default());
}

#[rstest]
#[case(json!({"min": 16, "max": 99}), Some(16), Some(99))]
#[case(json!({"min": 16, "max": 100}), Some(16), None)]
#[case(json!({"min": 0, "max": 79}), None, Some(79))]
#[case(json!({"max": 79}), None, Some(79))]
#[case(json!({"min": 0, "max": 0}), None, Some(0))]
#[case(json!({"min": 5.0, "max": 5}), Some(5), Some(5))]
fn open_ends_of_ages_are_no_bounds(#[case] age: Value, #[case] min: Option<u8>, #[case] max: Option<u8>) {
    assert_eq!(read(json!({"subject": {"age": age}})).subject.age, Some(AgeRange { min, max }));
}

#[rstest]
#[case(0.0, 1)]
#[case(0.1, 3)]
#[case(0.34, 11)]
#[case(1.0, 30)]
fn a_match_scale_is_a_share_rounded_up(#[case] scale: f64, #[case] expected: usize) {
    let terms: Vec<String> = (1..=30).map(|term| term.to_string()).collect();
    let builder = read(json!({"ordo": [{"terms": terms, "matchScale": scale}]}));
    assert_eq!(builder.ordo.first().map(|filter| filter.minimum_match), Some(expected));
}

#[rstest]
#[case(json!([]), "builder")]
#[case(json!({"subject": 5}), "subject")]
#[case(json!({"subject": {"gender": "both"}}), "subject.gender")]
#[case(json!({"subject": {"age": {"min": -1, "max": 5}}}), "subject.age.min")]
#[case(json!({"subject": {"age": {"min": 1.5}}}), "subject.age.min")]
#[case(json!({"subject": {"ageFirstSymptoms": {"min": 50, "max": 40}}}), "subject.ageFirstSymptoms")]
#[case(json!({"subject": {"affectedOnly": "yes"}}), "subject.affectedOnly")]
#[case(json!({"hpo": {}}), "hpo")]
#[case(json!({"hpo": [5]}), "hpo[0]")]
#[case(json!({"hpo": [{}]}), "hpo[0].terms")]
#[case(json!({"hpo": [{"terms": ["0000001", "0000002", "HP:12"]}]}), "hpo[0].terms[2]")]
#[case(json!({"hpo": [{"terms": ["MP:0000001"]}]}), "hpo[0].terms[0]")]
#[case(json!({"hpo": [{"terms": ["0000001"], "similarity": 1.1}]}), "hpo[0].similarity")]
#[case(json!({"hpo": [{"terms": ["0000001"], "minimumMatch": 2}]}), "hpo[0].minimumMatch")]
#[case(json!({"hpo": [{"terms": ["0000001", "HP:0000001"], "minimumMatch": 2}]}), "hpo[0].minimumMatch")]
#[case(json!({"hpo": [{"terms": ["0000001"], "minimumMatch": 0}]}), "hpo[0].minimumMatch")]
#[case(json!({"ordo": [{"terms": ["1234567"]}]}), "ordo[0].terms[0]")]
#[case(json!({"ordo": [{"terms": ["1"], "matchScale": 2}]}), "ordo[0].matchScale")]
#[case(json!({"snomed": [{"terms": ["12345"]}]}), "snomed[0].terms[0]")]
#[case(json!({"genes": [{"alleles": [{"alleles": ["e3"]}]}]}), "genes[0].alleles[0].gene")]
#[case(json!({"genes": [{"alleles": [{"gene": "APOE", "alleles": [3]}]}]}), "genes[0].alleles[0].alleles[0]")]
#[case(json!({"variant": [{"genes": [], "mutation": ["missense"]}]}), "variant[0].genes")]
#[case(json!({"variant": [{"genes": ["TTN"]}]}), "variant[0].mutation")]
#[case(json!({"variants": [{"genes": ["TTN"], "mutation": ["wild"]}]}), "variants[0].mutation[0]")]
#[case(json!({"variant": [{"genes": ["TTN"], "mutation": [], "maxAf": 101}]}), "variant[0].maxAf")]
#[case(json!({"eav": [{"attribute": "", "relation": "stringIs", "value": "x"}]}), "eav[0].attribute")]
#[case(json!({"eav": [{"attribute": "a", "relation": "like", "value": "x"}]}), "eav[0].relation")]
#[case(json!({"eav": [{"attribute": "a", "relation": "numericEquals", "value": "5"}]}), "eav[0].value")]
#[case(json!({"eav": [{"attribute": "a", "relation": "stringIs", "value": 5}]}), "eav[0].value")]
#[case(json!({"eav": [{"attribute": "a", "relation": "regexContains", "value": "("}]}), "eav[0].value")]
#[case(json!({"eav": [{"attribute": "a", "relation": "regexContains", "value": "(a{500}){500}"}]}), "eav[0].value")]
#[case(json!({"eav": [{"attribute": "a", "relation": "regexContains", "value": "a".repeat(1_001)}]}), "eav[0].value")]
#[case(json!({"eav": [{"attribute": "a".repeat(1_025), "relation": "stringIs", "value": ""}]}), "eav[0].attribute")]
#[case(json!({"sources": {"sources": ["ok", ""]}}), "sources.sources[1]")]
#[case(json!({"advanced": {"granularity": "noAccess"}}), "advanced.granularity")]
#[case(json!({"advanced": {"granularity": "everything"}}), "advanced.granularity")]
#[case(json!({"advanced": {"requiredFilters": {"hpo": 1}}}), "advanced.requiredFilters.hpo")]
#[case(json!({"hpo": vec![json!({"terms": []}); 101]}), "hpo")]
#[case(json!({"hpo": [{"terms": vec!["0000001"; 1_001]}]}), "hpo[0].terms")]
#[case(json!({"hpo": vec![json!({"terms": vec!["0000001"; 1_000]}); 6]}), "hpo")]
fn what_is_wrong_is_named_by_its_place(#[case] document: Value, #[case] path: &str) {
    assert_eq!(problems(document), [path]);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let document = json!({
        "subject": {"gender": 5, "age": {"min": 90, "max": 20}},
        "hpo": [{"terms": ["x", "0000001", "y"]}, {"terms": []}],
        "advanced": {"granularity": 7}
    });
    let paths =
        ["subject.gender", "subject.age", "hpo[0].terms[0]", "hpo[0].terms[2]", "advanced.granularity"];
    assert_eq!(problems(document.clone()), paths);
    let text = Builder::read(&document).unwrap_err().to_string();
    assert!(text.contains("hpo[0].terms[2]: expected an HPO id"), "{text}");
}

#[test]
fn requests_and_requirements_are_kept() {
    let builder = read(json!({
        "sources": {"sources": ["s1"]},
        "hpo": [{"terms": ["0000001"], "includeDescendants": true}],
        "advanced": {"granularity": "count", "requiredFilters": {"variant": true, "subjectCapability": {"familyType": true}}}
    }));
    assert_eq!(builder.granularity, Some(Granularity::Count));
    assert!(
        builder.required.variant && builder.required.subject_capability.family_type && !builder.required.hpo
    );
    assert_eq!(builder.sources.first().map(SourceId::as_str), Some("s1"));
    assert!(builder.hpo.first().is_some_and(|filter| filter.include_descendants));
}

/// The published example, where it is at hand.
#[test]
fn the_published_example_reads() {
    let folder = std::env::var("CV3_SHARED")
        .map_or_else(|_| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), Into::into);
    let Ok(text) = std::fs::read_to_string(folder.join("contract/record-query.example.json")) else {
        println!("skipped: the published contract is not at hand");
        return;
    };
    let builder = read(serde_json::from_str(&text).unwrap());
    assert_eq!((builder.hpo.len(), builder.variant.len(), builder.eav.len()), (1, 1, 1));
    assert_eq!(builder.ordo.first().map(|filter| filter.minimum_match), Some(2));
    assert_eq!(builder.variant.first().map(|filter| filter.max_af), Some(0.05));
}

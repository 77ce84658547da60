//! What a source would execute alike has one digest (specification §8.6); what it would not has another.

use cv3_backend::domain::queries::Builder;
use cv3_backend::engine::{Plan, Scope, SourceView, execute};
use cv3_backend::terms::Ontology;
use rstest::rstest;
use serde_json::{Value, json};

use super::source::view_of;
use super::world::World;

fn world() -> World {
    let pair = |a: &str, b: &str| ((Ontology::Hpo, a.to_owned(), b.to_owned()), 0.6);
    World { similar: [pair("0000001", "0000002"), pair("0000002", "0000001")].into(), ..World::default() }
}

fn view() -> SourceView {
    let subjects: Vec<_> = (0..30u32)
        .map(|n| {
            let site = ["Rome", "Oslo", "Bonn"][n as usize % 3];
            serde_json::from_value(json!({
                "subjectId": format!("s{n:02}"),
                "HPO": [format!("000000{}", n % 4 + 1)],
                "ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}],
                "EAV": {"visits": n % 7 * 2, "site": site},
                "_demo": {"age": n}
            }))
            .unwrap()
        })
        .collect();
    view_of(&subjects)
}

fn digest(builder: &Value) -> [u8; 32] {
    Plan::make(&Builder::read(builder).unwrap(), &view(), &world(), &Scope::default()).digest()
}

fn eav(relation: &str, value: Value) -> Value {
    let attribute = if relation.starts_with("numeric") { "visits" } else { "site" };
    json!({"attribute": attribute, "relation": relation, "value": value})
}

#[rstest]
#[case::prefix(json!({"hpo": [{"terms": ["HP:0000001"]}]}), json!({"hpo": [{"terms": ["0000001"]}]}))]
#[case::threshold(json!({"hpo": [{"terms": ["0000001"], "similarity": 0.5}]}), json!({"hpo": [{"terms": ["0000001"], "similarity": 0.5000001}]}))]
#[case::order(json!({"hpo": [{"terms": ["0000001", "0000003"]}]}), json!({"hpo": [{"terms": ["0000003", "0000001"]}]}))]
#[case::groups_that_unite_alike(json!({"hpo": [{"terms": ["0000001", "0000002"], "similarity": 0.5}]}), json!({"hpo": [{"terms": ["0000001"], "similarity": 0.5}]}))]
#[case::repeated_filter(json!({"hpo": [{"terms": ["0000001"]}, {"terms": ["0000001"]}]}), json!({"hpo": [{"terms": ["0000001"]}]}))]
#[case::repeated_in_another_order(json!({"hpo": [{"terms": ["0000001", "0000003", "0000004"], "minimumMatch": 2}, {"terms": ["0000004", "0000003", "0000001"], "minimumMatch": 2}]}), json!({"hpo": [{"terms": ["0000001", "0000003", "0000004"], "minimumMatch": 2}]}))]
#[case::all_is_each(json!({"hpo": [{"terms": ["0000001", "0000003"], "minimumMatch": 2}]}), json!({"hpo": [{"terms": ["0000001"]}, {"terms": ["0000003"]}]}))]
#[case::wider_beside_narrower(json!({"hpo": [{"terms": ["0000001"]}, {"terms": ["0000001", "0000003"]}]}), json!({"hpo": [{"terms": ["0000001"]}]}))]
#[case::not_given(json!({"subject": {"gender": "any", "age": {"min": 0, "max": 100}, "affectedOnly": false}}), json!({}))]
#[case::unknown_attribute(json!({"eav": [{"attribute": "nothing", "relation": "stringIs", "value": "x"}]}), json!({}))]
#[case::regexes(json!({"eav": [eav("regexContains", json!(".*"))]}), json!({"eav": [eav("regexContains", json!("^.+$"))]}))]
#[case::regex_for_text(json!({"eav": [eav("regexContains", json!("^Ro"))]}), json!({"eav": [eav("stringIs", json!("Rome"))]}))]
#[case::regex_beside_text(json!({"eav": [eav("regexContains", json!("o")), eav("stringIs", json!("Rome"))]}), json!({"eav": [eav("stringIs", json!("Rome"))]}))]
#[case::between_values(json!({"eav": [eav("numericGreaterThan", json!(4))]}), json!({"eav": [eav("numericGreaterThanOrEqual", json!(5.5))]}))]
#[case::beyond_values(json!({"eav": [eav("numericGreaterThan", json!(-1))]}), json!({"eav": [eav("numericLessThan", json!(1e9))]}))]
#[case::comparisons_implied(json!({"eav": [eav("numericGreaterThan", json!(4)), eav("numericGreaterThan", json!(2))]}), json!({"eav": [eav("numericGreaterThan", json!(4))]}))]
#[case::exclusions_joined(json!({"eav": [eav("stringIsNot", json!("Rome")), eav("stringIsNot", json!("Oslo"))]}), json!({"eav": [eav("regexDoesNotContain", json!("Rome|Oslo"))]}))]
#[case::ages_beyond_the_oldest(json!({"subject": {"age": {"min": 10, "max": 50}}}), json!({"subject": {"age": {"min": 10, "max": 90}}}))]
#[case::allele_order(json!({"genes": [{"alleles": [{"gene": "APOE", "alleles": ["e3", "e4"]}]}]}), json!({"genes": [{"alleles": [{"gene": "apoe", "alleles": ["e4", "e3"]}]}]}))]
fn equal_questions_have_equal_digests(#[case] one: Value, #[case] other: Value) {
    assert_eq!(digest(&one), digest(&other));
}

#[rstest]
#[case::terms(json!({"hpo": [{"terms": ["0000001"]}]}), json!({"hpo": [{"terms": ["0000002"]}]}))]
#[case::minimum(json!({"hpo": [{"terms": ["0000001", "0000002", "0000003"], "minimumMatch": 2}]}), json!({"hpo": [{"terms": ["0000001", "0000002", "0000003"]}]}))]
#[case::threshold(json!({"hpo": [{"terms": ["0000001"], "similarity": 0.5}]}), json!({"hpo": [{"terms": ["0000001"], "similarity": 0.7}]}))]
#[case::presence(json!({"eav": [eav("regexContains", json!(".*"))]}), json!({}))]
#[case::positive_and_negative(json!({"eav": [eav("stringIs", json!("Rome"))]}), json!({"eav": [eav("stringIsNot", json!("Rome"))]}))]
#[case::across_a_value(json!({"eav": [eav("numericGreaterThan", json!(4))]}), json!({"eav": [eav("numericGreaterThan", json!(3.9))]}))]
#[case::term_and_sibling_family(json!({"hpo": [{"terms": ["0000001"]}]}), json!({"ordo": [{"terms": ["1"]}], "advanced": {"requiredFilters": {"ordo": true}}}))]
fn different_questions_have_different_digests(#[case] one: Value, #[case] other: Value) {
    assert_ne!(digest(&one), digest(&other));
}

#[test]
fn a_plan_for_another_version_is_refused() {
    let view = view();
    let plan = Plan::make(&Builder::default(), &view_of(&[]), &world(), &Scope::default());
    assert!(execute(&plan, &view).is_err());
}

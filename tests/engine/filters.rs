//! The rules of single filters, a line a case.

use std::collections::BTreeSet;

use cv3_backend::domain::queries::{
    AgeRange, Builder, EavFilter, ExactFilter, GeneFilter, Granularity, Relation, TermFilter, VariantFilter,
};
use cv3_backend::domain::subjects::{GeneAlleles, Mutation, Subject};
use cv3_backend::engine::{Plan, Scope, execute};
use cv3_backend::terms::Ontology;
use rstest::rstest;
use serde_json::{Value, json};

use super::source::view_of;
use super::world::World;

/// Subjects `a`, `b`, … from documents without ids.
fn subjects(documents: &[Value]) -> Vec<Subject> {
    let name = |index: usize| char::from(b'a' + index as u8).to_string();
    let read = |(index, document): (usize, &Value)| {
        let mut document = document.clone();
        document["subjectId"] = json!(name(index));
        serde_json::from_value(document).unwrap()
    };
    documents.iter().enumerate().map(read).collect()
}

/// Matching ids joined, e.g. `ac`, and the plan's notices.
fn ask(documents: &[Value], builder: &Builder, world: &World, scope: &Scope) -> (String, Vec<String>) {
    let view = view_of(&subjects(documents));
    let plan = Plan::make(builder, &view, world, scope);
    (execute(&plan, &view).unwrap().into_ids().collect::<String>(), plan.notices)
}

fn matching(documents: &[Value], builder: &Builder) -> String {
    ask(documents, builder, &World::default(), &Scope::default()).0
}

fn eav(attribute: &str, relation: Relation, value: Value) -> Builder {
    Builder { eav: vec![EavFilter { attribute: attribute.into(), relation, value }], ..Builder::default() }
}

/// a: text, b: number, c: truth, d: several, e: nothing, f: an empty list.
fn mixed() -> Vec<Value> {
    vec![
        json!({"EAV": {"x": "five"}}),
        json!({"EAV": {"x": 5}}),
        json!({"EAV": {"x": true}}),
        json!({"EAV": {"x": ["five", 5.0, 7, "six"]}}),
        json!({}),
        json!({"EAV": {"x": []}}),
    ]
}

#[rstest]
#[case(Relation::StringIs, json!("five"), "ad")]
#[case(Relation::StringIs, json!("Five"), "")]
#[case(Relation::StringIs, json!("true"), "")]
#[case(Relation::StringIs, json!(true), "c")]
#[case(Relation::StringIs, json!(false), "")]
#[case(Relation::StringIsNot, json!("six"), "a")]
#[case(Relation::StringIsNot, json!("nobody"), "ad")]
#[case(Relation::StringIsNot, json!(false), "c")]
#[case(Relation::RegexContains, json!("i"), "ad")]
#[case(Relation::RegexContains, json!("^s"), "d")]
#[case(Relation::RegexContains, json!("(?i)FIVE"), "ad")]
#[case(Relation::RegexContains, json!("5"), "")]
#[case(Relation::RegexDoesNotContain, json!("^s"), "a")]
#[case(Relation::RegexDoesNotContain, json!("zzz"), "ad")]
#[case(Relation::NumericEquals, json!(5), "bd")]
#[case(Relation::NumericEquals, json!(5.0), "bd")]
#[case(Relation::NumericNotEquals, json!(7), "b")]
#[case(Relation::NumericNotEquals, json!(6), "bd")]
#[case(Relation::NumericGreaterThan, json!(5), "d")]
#[case(Relation::NumericGreaterThan, json!(6.5), "d")]
#[case(Relation::NumericLessThan, json!(5), "")]
#[case(Relation::NumericLessThan, json!(5.1), "bd")]
#[case(Relation::NumericGreaterThanOrEqual, json!(5), "bd")]
#[case(Relation::NumericGreaterThanOrEqual, json!(7.5), "")]
#[case(Relation::NumericLessThanOrEqual, json!(5), "bd")]
#[case(Relation::NumericLessThanOrEqual, json!(-1), "")]
fn relations_compare_within_their_type(
    #[case] relation: Relation,
    #[case] value: Value,
    #[case] expected: &str,
) {
    assert_eq!(matching(&mixed(), &eav("x", relation, value)), expected);
}

#[rstest]
#[case::gene_alone("APOE", &[], "abcd")]
#[case::gene_in_any_case("apoe", &[], "abcd")]
#[case::one("APOE", &["e3"], "abc")]
#[case::homozygous("APOE", &["e3", "e3"], "a")]
#[case::order("APOE", &["e4", "e3"], "b")]
#[case::allele_names_keep_their_case("APOE", &["E3"], "")]
#[case::not_across_elements("APOE", &["e2", "e3"], "")]
#[case::another_gene("TTN", &["e3"], "")]
fn alleles_are_multisets_of_one_element(
    #[case] gene: &str,
    #[case] alleles: &[&str],
    #[case] expected: &str,
) {
    let documents = [
        json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e3"]}]}),
        json!({"ALLELES": [{"gene": "ApoE", "alleles": ["e3", "e4"]}]}),
        json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3"]}, {"gene": "APOE", "alleles": ["e2"]}]}),
        json!({"ALLELES": [{"gene": "APOE", "alleles": []}]}),
        json!({"ALLELES": [{"gene": "TTN", "alleles": ["t1"]}]}),
    ];
    let alleles = alleles.iter().map(|name| (*name).to_owned()).collect();
    let filter = GeneFilter { alleles: vec![GeneAlleles { gene: gene.into(), alleles }] };
    assert_eq!(matching(&documents, &Builder { genes: vec![filter], ..Builder::default() }), expected);
}

/// Of TTN missense: carriers a (two alleles), b, c of four subjects, so locally 4 ÷ 8; BRCA1: d, 1 ÷ 8.
#[rstest]
#[case::off("TTN", 1.0, false, "abc")]
#[case::stored("TTN", 0.1, false, "a")]
#[case::stored_and_missing("TTN", 0.5, false, "ac")]
#[case::just_below_local("TTN", 0.49, false, "a")]
#[case::local("TTN", 0.5, true, "abc")]
#[case::local_too_common("TTN", 0.4, true, "")]
#[case::missing_is_local("BRCA1", 0.125, false, "d")]
#[case::rarer_than_local("BRCA1", 0.12, false, "")]
fn frequencies_are_stored_or_local(
    #[case] gene: &str,
    #[case] max_af: f64,
    #[case] use_local_af: bool,
    #[case] expected: &str,
) {
    let documents = [
        json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.1, "_ac": 2}]}),
        json!({"VARIANT": [{"gene": "ttn", "mutation": "missense", "af": 0.9}]}),
        json!({"VARIANT": [{"gene": "TTN", "mutation": "missense"}]}),
        json!({"VARIANT": [{"gene": "BRCA1", "mutation": "missense", "_ac": 1}, {"gene": "TTN", "mutation": "splice", "af": 0.01}]}),
    ];
    let filter = VariantFilter {
        genes: vec![gene.into()],
        reactome: vec![],
        mutation: vec![Mutation::Missense],
        max_af,
        use_local_af,
    };
    assert_eq!(matching(&documents, &Builder { variant: vec![filter], ..Builder::default() }), expected);
}

#[test]
fn one_variant_must_satisfy_everything_at_once() {
    let documents = [
        json!({"VARIANT": [{"gene": "TTN", "mutation": "splice", "af": 0.5}, {"gene": "TTN", "mutation": "missense", "af": 0.9}]}),
        json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.5}]}),
    ];
    let filter = VariantFilter {
        genes: vec!["TTN".into()],
        reactome: vec![],
        mutation: vec![Mutation::Missense],
        max_af: 0.6,
        use_local_af: false,
    };
    assert_eq!(matching(&documents, &Builder { variant: vec![filter], ..Builder::default() }), "b");
}

#[test]
fn pathways_stand_for_their_genes_and_unknown_ones_are_noticed() {
    let documents = [
        json!({"VARIANT": [{"gene": "TTN", "mutation": "missense"}]}),
        json!({"VARIANT": [{"gene": "APOE", "mutation": "missense"}]}),
    ];
    let world =
        World { pathways: [("R-HSA-1".to_owned(), vec!["TTN".to_owned()])].into(), ..World::default() };
    let mut filter = VariantFilter {
        genes: vec![],
        reactome: vec!["R-HSA-1".into()],
        mutation: vec![],
        max_af: 1.0,
        use_local_af: false,
    };
    let builder = Builder { variant: vec![filter.clone()], ..Builder::default() };
    assert_eq!(ask(&documents, &builder, &world, &Scope::default()), ("a".to_owned(), vec![]));
    filter.reactome = vec!["R-HSA-404".into()];
    let (ids, notices) =
        ask(&documents, &Builder { variant: vec![filter], ..Builder::default() }, &world, &Scope::default());
    assert_eq!((ids.as_str(), notices.len()), ("", 1));
}

fn hpo(terms: &[&str], minimum_match: usize) -> TermFilter {
    TermFilter {
        terms: terms.iter().map(|term| (*term).to_owned()).collect(),
        similarity: 1.0,
        minimum_match,
        cross: false,
        include_descendants: false,
    }
}

#[rstest]
#[case(1, "abc")]
#[case(2, "ab")]
#[case(3, "a")]
fn minimum_match_counts_original_terms(#[case] minimum_match: usize, #[case] expected: &str) {
    let documents = [
        json!({"HPO": ["0000001", "0000002", "0000003"]}),
        json!({"HPO": ["0000001", "0000002", {"0000003": false}]}),
        json!({"HPO": [{"0000001": 12}, {"0000002": false}]}),
        json!({"HPO": ["0000009"]}),
    ];
    let filter = hpo(&["0000001", "0000002", "0000003"], minimum_match);
    assert_eq!(matching(&documents, &Builder { hpo: vec![filter], ..Builder::default() }), expected);
}

#[rstest]
#[case::alone(false, false, 1.0, "a")]
#[case::similar(false, false, 0.5, "ab")]
#[case::less_similar(false, false, 0.4, "abc")]
#[case::never_below_a_fifth(false, false, 0.0, "abc")]
#[case::mapped(true, false, 1.0, "ae")]
#[case::descendants(false, true, 1.0, "ad")]
fn groups_hold_what_the_filter_asks_for(
    #[case] cross: bool,
    #[case] include_descendants: bool,
    #[case] similarity: f64,
    #[case] expected: &str,
) {
    let similar = |b: &str, s: f64| ((Ontology::Hpo, "0000001".to_owned(), b.to_owned()), s);
    let world = World {
        similar: [similar("0000002", 0.5), similar("0000003", 0.4), similar("0000004", 0.1)].into(),
        below: [((Ontology::Hpo, "0000001".to_owned()), vec!["0000004".to_owned()])].into(),
        annotated: vec![("0000001".into(), "558".into())],
        ..World::default()
    };
    let documents = [
        json!({"HPO": ["0000001"]}),
        json!({"HPO": ["0000002"]}),
        json!({"HPO": ["0000003"]}),
        json!({"HPO": ["0000004"]}),
        json!({"ORDO": ["558"]}),
    ];
    let filter = TermFilter { cross, include_descendants, similarity, ..hpo(&["0000001"], 1) };
    let builder = Builder { hpo: vec![filter], ..Builder::default() };
    assert_eq!(ask(&documents, &builder, &world, &Scope::default()).0, expected);
}

#[rstest]
#[case::nobody_has_it(&[json!({}), json!({})], false, "ab", 1)]
#[case::nobody_has_it_but_it_is_required(&[json!({}), json!({})], true, "", 0)]
#[case::some_have_it(&[json!({"SNOMED": ["100001"]}), json!({})], false, "a", 0)]
#[case::some_have_another(&[json!({"SNOMED": ["100002"]}), json!({})], false, "", 0)]
#[case::only_excluded(&[json!({"SNOMED": [{"100001": false}]}), json!({})], false, "", 0)]
fn soft_match_ignores_what_a_source_cannot_answer(
    #[case] documents: &[Value],
    #[case] required: bool,
    #[case] expected: &str,
    #[case] notices: usize,
) {
    let filter = ExactFilter { terms: vec!["100001".into()], minimum_match: 1 };
    let mut builder = Builder { snomed: vec![filter], ..Builder::default() };
    builder.required.snomed = required;
    let (ids, told) = ask(documents, &builder, &World::default(), &Scope::default());
    assert_eq!((ids.as_str(), told.len()), (expected, notices));
}

#[test]
fn each_age_is_soft_matched_on_its_own() {
    let documents = [json!({"_demo": {"age": 20.5}}), json!({"_demo": {"age": 30}}), json!({})];
    let mut builder = Builder::default();
    builder.subject.age = Some(AgeRange { min: Some(18), max: Some(20) });
    assert_eq!(matching(&documents, &builder), "");
    builder.subject.age = Some(AgeRange { min: Some(18), max: None });
    builder.subject.age_first_symptoms = Some(AgeRange { min: None, max: Some(1) });
    assert_eq!(matching(&documents, &builder), "ab");
    builder.required.subject_capability.age = true;
    assert_eq!(matching(&documents, &builder), "");
}

#[test]
fn a_withheld_attribute_cannot_be_told_from_an_unknown_one() {
    let documents = mixed();
    let scope = |level| Scope { withheld: BTreeSet::from(["x".to_owned()]), level };
    let known = eav("x", Relation::StringIs, json!("five"));
    let unknown = eav("y", Relation::StringIs, json!("five"));
    let world = World::default();
    let (hidden, notices) = ask(&documents, &known, &world, &scope(Granularity::Count));
    let (absent, words) = ask(&documents, &unknown, &world, &scope(Granularity::Count));
    assert_eq!(hidden, absent);
    assert_eq!(notices, words.iter().map(|text| text.replace("\"y\"", "\"x\"")).collect::<Vec<_>>());
    assert_eq!(ask(&documents, &known, &world, &scope(Granularity::List)).0, "ad");
}

#[test]
fn an_empty_query_matches_everybody_and_an_empty_source_nobody() {
    assert_eq!(matching(&mixed(), &Builder::default()), "abcdef");
    assert_eq!(matching(&[], &Builder::default()), "");
}

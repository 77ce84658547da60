use std::collections::HashSet;

use serde_json::{Value, json};

use crate::domain::pipelines::{Grouping, SubjectIdRule};
use crate::domain::subjects::{FamilyType, Gender};
use crate::ingest::fixture::{Kept, by, read_all, read_with, shared};
use crate::ingest::merge::{MergeReport, absorb};
use crate::ingest::{Limits, Summary};

fn read_json(document: &Value) -> Kept {
    read_all("p.json", document.to_string().as_bytes())
}

fn packet(id: &str, rest: Value) -> Value {
    let mut packet =
        json!({"id": id, "subject": {"id": "Patient 1"}, "metaData": {"created": "2024-05-01T00:00:00Z"}});
    for (key, value) in rest.as_object().unwrap() {
        packet[key] = value.clone();
    }
    packet
}

/// What becomes of one part of a packet: `key` of the stored subject.
#[rstest::rstest]
#[case::present(json!({"phenotypicFeatures": [{"type": {"id": "HP:0001250"}}]}), "HPO", json!(["0001250"]))]
#[case::excluded(json!({"phenotypicFeatures": [{"type": {"id": "HP:0001250"}, "excluded": true}]}), "HPO",
    json!([{"0001250": false}]))]
#[case::negated_in_version_1(json!({"phenotypicFeatures": [{"type": {"id": "HP:0001250"}, "negated": true}]}), "HPO",
    json!([{"0001250": false}]))]
#[case::onset(json!({"phenotypicFeatures":
    [{"type": {"id": "HP:0001250"}, "onset": {"age": {"iso8601duration": "P12Y3M"}}}]}), "HPO", json!([{"0001250": 12}]))]
#[case::onset_in_version_1(json!({"phenotypicFeatures":
    [{"type": {"id": "HP:0001250"}, "ageOfOnset": {"age": "P7M"}}]}), "HPO", json!([{"0001250": 0}]))]
#[case::congenital(json!({"phenotypicFeatures":
    [{"type": {"id": "HP:0001250"}, "onset": {"ontologyClass": {"id": "HP:0003577"}}}]}), "HPO", json!([{"0001250": 0}]))]
#[case::a_class_that_spans_years(json!({"phenotypicFeatures":
    [{"type": {"id": "HP:0001250"}, "onset": {"ontologyClass": {"id": "HP:0003581"}}}]}), "HPO", json!(["0001250"]))]
#[case::range(json!({"phenotypicFeatures": [{"type": {"id": "HP:0001250"}, "onset":
    {"ageRange": {"start": {"iso8601duration": "P2Y"}, "end": {"iso8601duration": "P4Y"}}}}]}), "HPO", json!([{"0001250": 2}]))]
#[case::alternative_id(json!({"phenotypicFeatures": [{"type": {"id": "HP:0001251"}}]}), "HPO", json!(["0001250"]))]
#[case::present_wins(json!({"phenotypicFeatures": [{"type": {"id": "HP:0001250"}, "excluded": true},
    {"type": {"id": "HP:0001251"}}]}), "HPO", json!(["0001250"]))]
#[case::earliest_onset(json!({"phenotypicFeatures":
    [{"type": {"id": "HP:0001250"}, "onset": {"age": {"iso8601duration": "P5Y"}}}, {"type": {"id": "HP:0001250"}},
     {"type": {"id": "HP:0001250"}, "onset": {"age": {"iso8601duration": "P3Y"}}}]}), "HPO", json!([{"0001250": 3}]))]
#[case::snake_case(json!({"phenotypic_features": [{"type": {"id": "HP:0001250"}}]}), "HPO", json!(["0001250"]))]
#[case::other_vocabularies(json!({"phenotypicFeatures": [{"type": {"id": "SNOMEDCT:248153007"}}]}), "SNOMED",
    json!(["248153007"]))]
#[case::disease(json!({"diseases": [{"term": {"id": "MONDO:0007947"}}]}), "EAV", json!({"disease": "MONDO:0007947"}))]
#[case::two_diseases(json!({"diseases": [{"term": {"id": "OMIM:1"}}, {"term": {"id": "OMIM:2"}},
    {"term": {"id": "OMIM:1"}}, {"term": {"id": "OMIM:3"}, "excluded": true}]}), "EAV", json!({"disease": ["OMIM:1", "OMIM:2"]}))]
#[case::orpha(json!({"diseases": [{"term": {"id": "ORPHA:98896"}}]}), "ORDO", json!(["98896"]))]
#[case::omim(json!({"diseases": [{"term": {"id": "OMIM:154700"}}]}), "ORDO", json!(["558"]))]
#[case::measurement(json!({"measurements": [{"assay": {"id": "LOINC:2986-8", "label": "Testosterone"},
    "value": {"quantity": {"unit": {"id": "UCUM:ng/dL"}, "value": 127.5}}}]}), "EAV", json!({"Testosterone (ng/dL)": 127.5}))]
#[case::measured_class(json!({"measurements": [{"assay": {"id": "LOINC:1"},
    "value": {"ontologyClass": {"id": "NCIT:C1", "label": "Positive"}}}]}), "EAV", json!({"LOINC:1": "NCIT:C1"}))]
#[case::vital_status(json!({"subject": {"id": "a", "vitalStatus": {"status": "DECEASED"}}}), "EAV",
    json!({"vitalStatus": "DECEASED"}))]
#[case::variant(json!({"interpretations": [{"diagnosis": {"genomicInterpretations": [{"variantInterpretation":
    {"variationDescriptor": {"geneContext": {"symbol": "APOA1"}, "allelicState": {"id": "GENO:0000136"},
     "extensions": [{"name": "allele-frequency", "value": "0.001"}],
     "expressions": [{"syntax": "hgvs.p", "value": "NP_000030.1:p.(Arg173Pro)"}]}}}]}}]}), "VARIANT",
    json!([{"gene": "APOA1", "mutation": "missense", "af": 0.001, "_ac": 2}]))]
#[case::variants_of_one_kind(json!({"interpretations": [{"diagnosis": {"genomic_interpretations": [
    {"variant_interpretation": {"variation_descriptor": {"gene_context": {"symbol": "A"},
        "vcf_record": {"ref": "C", "alt": "T", "info": "DP=3;AF=0.5"}}}},
    {"variant_interpretation": {"variation_descriptor": {"gene_context": {"symbol": "A"},
        "vcf_record": {"ref": "C", "alt": "G", "info": "AF=0.25"}}}}]}}]}), "VARIANT",
    json!([{"gene": "A", "mutation": "nonCoding", "af": 0.25}]))]
#[case::structural(json!({"interpretations": [{"diagnosis": {"genomicInterpretations": [{"variantInterpretation":
    {"variationDescriptor": {"geneContext": {"symbol": "NF1"}, "structuralType": {"id": "SO:1000029"}}}}]}}]}), "VARIANT",
    json!([{"gene": "NF1", "mutation": "indel"}]))]
#[case::gene_without_variant(json!({"interpretations": [{"diagnosis": {"genomicInterpretations":
    [{"gene": {"valueId": "HGNC:600", "symbol": "APOA1"}}]}}]}), "ALLELES", json!([{"gene": "APOA1", "alleles": []}]))]
#[case::version_1_variant(json!({"genes": [{"id": "HGNC:1", "symbol": "FBN1"}],
    "variants": [{"hgvsAllele": {"hgvs": "NM_000138.5:c.7331-2A>G"}, "zygosity": {"id": "GENO:0000135"}}]}), "VARIANT",
    json!([{"gene": "FBN1", "mutation": "splice", "_ac": 1}]))]
fn each_part_of_a_packet_is_kept(#[case] part: Value, #[case] key: &str, #[case] expected: Value) {
    let kept = read_json(&packet("p", part));
    assert_eq!(kept.stored()[0][key], expected);
    assert!(kept.rejects.is_empty(), "{:?}", kept.rejects);
}

#[rstest::rstest]
#[case(json!({"sex": "MALE"}), json!({"gender": "male", "affected": false}))]
#[case(json!({"sex": 1}), json!({"gender": "female", "affected": false}))]
#[case(json!({"sex": "UNKNOWN_SEX"}), json!({"affected": false}))]
#[case(json!({"timeAtLastEncounter": {"age": {"iso8601duration": "P33Y11M"}}}), json!({"age": 33.0, "affected": false}))]
#[case(json!({"time_at_last_encounter": {"age": {"iso8601duration": "P1Y"}}}), json!({"age": 1.0, "affected": false}))]
#[case(json!({"ageAtCollection": {"age": "P8Y"}}), json!({"age": 8.0, "affected": false}))]
#[case(json!({"timeAtLastEncounter": {"gestationalAge": {"weeks": 33}}}), json!({"age": 0.0, "affected": false}))]
#[case(json!({"dateOfBirth": "1990-06-01T00:00:00Z", "timeAtLastEncounter": {"timestamp": "2020-05-31T00:00:00Z"}}),
    json!({"age": 29.0, "affected": false}))]
#[case(json!({"dateOfBirth": "1990-06-01T00:00:00Z"}), json!({"age": 33.0, "affected": false}))]
fn the_subject_gives_sex_and_age(#[case] subject: Value, #[case] expected: Value) {
    let kept = read_json(&packet("p", json!({"subject": subject})));
    assert_eq!(json!(kept.subjects[0].given.packet), expected);
    assert_eq!(json!(kept.subjects[0].demo), expected);
}

#[test]
fn onsets_give_first_symptoms_and_diagnosis() {
    let kept = read_json(&packet(
        "p",
        json!({
            "phenotypicFeatures": [
                {"type": {"id": "HP:0000001"}, "excluded": true, "onset": {"age": {"iso8601duration": "P1Y"}}},
                {"type": {"id": "HP:0000002"}, "onset": {"age": {"iso8601duration": "P9Y"}}},
                {"type": {"id": "HP:0000003"}, "onset": {"age": {"iso8601duration": "P4Y"}}}],
            "diseases": [{"term": {"id": "OMIM:1"}, "onset": {"age": {"iso8601duration": "P10Y"}}},
                {"term": {"id": "OMIM:2"}, "ageOfOnset": {"age": "P7Y"}}]
        }),
    ));
    let demo = kept.subjects[0].demo;
    assert_eq!((demo.age_first_symptoms, demo.age_first_diagnosis), (Some(4.0), Some(7.0)));
    assert_eq!(demo.affected, Some(true));
}

#[test]
fn what_has_no_place_is_counted_and_names_are_handed_on() {
    let kept = read_json(&packet(
        "p",
        json!({
            "biosamples": [{}, {}], "medicalActions": [{"treatment": {}}], "files": null,
            "phenotypicFeatures": [{"type": {"id": "HP:0000000"}}, {"type": {"id": "MP:0000001"}}],
            "diseases": [{"term": {"id": "OMIM:154700", "label": "Marfan syndrome"}}],
            "interpretations": [{"diagnosis": {"genomicInterpretations":
                [{"variantInterpretation": {"variationDescriptor": {"id": "v"}}}]}}]
        }),
    ));
    assert_eq!(kept.warned("no place in a subject"), 3);
    assert_eq!(kept.warned("loaded term release"), 1);
    assert_eq!(kept.warned("without a gene symbol"), 1);
    assert_eq!(kept.labels["OMIM:154700"], "Marfan syndrome");
    assert_eq!(kept.rejects.len(), 1);
    assert_eq!(kept.rejects[0].value.as_deref(), Some("MP:0000001"));
    assert_eq!(kept.stored()[0]["HPO"], json!(["0000000"]), "unknown ids are kept");
}

fn two_of_one_person() -> String {
    let feature = |id: &str| json!([{"type": {"id": id}}]);
    let one = packet(
        "p1",
        json!({"phenotypicFeatures": feature("HP:0000001"), "subject": {"id": "K", "sex": "MALE"}}),
    );
    let two = packet(
        "p2",
        json!({"phenotypicFeatures": feature("HP:0000002"), "subject": {"id": "K", "sex": "FEMALE"}}),
    );
    format!("{one}\n{two}\n")
}

#[rstest::rstest]
#[case::own(by(""), &["p1", "p2"], "stay different subjects", 1)]
#[case::id(by("id"), &["p1", "p2"], "disagree in sex", 1)]
#[case::subject(by("subject.id"), &["K", "K"], "disagree in sex", 1)]
#[case::path(by("metaData.created"), &["2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z"], "disagree in sex", 1)]
#[case::absent(by("pid"), &["p1", "p2"], "keep their own id", 2)]
#[case::file_name(SubjectIdRule::AttributeInName, &["p", "p"], "disagree in sex", 1)]
#[case::batch(SubjectIdRule::AssignPerBatch { prefix: "S-".into(), batch_size: 1 }, &["S-41", "S-42"], "disagree in sex", 1)]
#[case::pairs(SubjectIdRule::AssignPerBatch { prefix: "S-".into(), batch_size: 2 }, &["S-41", "S-41"], "disagree in sex", 1)]
#[case::expansion(SubjectIdRule::AssignByExpansion {
    columns: Vec::new(), expansion_policy: Grouping::Individual, new_attribute: "x".into() },
    &["p1", "p2"], "expands table rows", 1)]
fn the_pipeline_names_the_subject(
    #[case] rule: SubjectIdRule,
    #[case] ids: &[&str],
    #[case] remark: &str,
    #[case] times: u64,
) {
    let (outcome, kept) = read_with("p.jsonl", two_of_one_person().as_bytes(), rule, &Limits::default());
    outcome.unwrap();
    assert_eq!(kept.subjects.iter().map(|s| s.subject_id.as_str()).collect::<Vec<_>>(), ids);
    assert_eq!(kept.warned(remark), times, "{:?}", kept.warnings);
}

#[test]
fn a_packet_without_any_id_gets_a_fresh_one() {
    let kept = read_json(&packet(
        "",
        json!({"subject": {}, "phenotypicFeatures": [{"type": {"id": "HP:0000001"}}]}),
    ));
    assert_eq!(kept.subjects[0].subject_id.len(), 36);
    assert_eq!(kept.warned("without any id"), 1);
}

fn family(persons: Value, relatives: usize) -> Value {
    let relatives: Vec<Value> = (0..relatives)
        .map(|n| packet(&format!("r{n}"), json!({"subject": {"id": format!("R{n}"), "sex": "MALE"}})))
        .collect();
    json!({"id": "F", "proband": packet("pro", json!({"subject": {"id": "P"}})), "relatives": relatives,
           "pedigree": {"persons": persons}, "metaData": {}})
}

#[rstest::rstest]
#[case(json!([]), 0, FamilyType::Singleton)]
#[case(json!([]), 1, FamilyType::Family)]
#[case(json!([]), 2, FamilyType::Trio)]
#[case(json!([]), 3, FamilyType::Family)]
#[case(json!([{"individualId": "P", "paternalId": "R0", "maternalId": "R1"}, {"individualId": "R0"}, {"individualId": "R1"}]),
    0, FamilyType::Trio)]
#[case(json!([{"individualId": "P", "paternalId": "R0"}, {"individualId": "R0"}, {"individualId": "R1"}]),
    0, FamilyType::Family)]
#[case(json!([{"individualId": "P"}]), 0, FamilyType::Singleton)]
#[case(json!([{"individualId": "P"}]), 2, FamilyType::Family)]
#[case(json!([{"individualId": "P", "paternalId": "R0", "maternalId": "R1"}, {"individualId": "R0"}, {"individualId": "R1"}]),
    3, FamilyType::Family)]
fn a_family_has_a_type(#[case] persons: Value, #[case] relatives: usize, #[case] expected: FamilyType) {
    let kept = read_json(&family(persons, relatives));
    assert_eq!(kept.subjects.len(), 1 + relatives);
    assert!(kept.subjects.iter().all(|subject| subject.demo.family_type == Some(expected)));
}

#[test]
fn members_are_named_after_their_group() {
    let persons = json!([{"individualId": "R0", "affectedStatus": "AFFECTED"}, {"individualId": "P"}]);
    let kept = read_json(&family(persons, 1));
    let ids: Vec<_> = kept.subjects.iter().map(|subject| subject.subject_id.as_str()).collect();
    assert_eq!(ids, ["F/pro", "F/r0"]);
    assert_eq!(kept.subjects[1].demo.gender, Some(Gender::Male));
    assert_eq!(kept.subjects[1].demo.affected, Some(true), "the pedigree says so");
    let cohort =
        json!({"id": "C", "members": [packet("m", json!({})), packet("", json!({}))], "metaData": {}});
    let ids: Vec<_> = read_json(&cohort).subjects.into_iter().map(|subject| subject.subject_id).collect();
    assert_eq!(ids, ["C/m", "C/Patient 1"]);
}

#[test]
fn members_are_named_by_the_pipeline_s_path() {
    let text = family(json!([]), 2).to_string();
    for (path, expected) in [("subject.id", ["P", "R0", "R1"]), ("subject.sex", ["F/pro", "MALE", "MALE"])] {
        let kept = read_with("p.json", text.as_bytes(), by(path), &Limits::default()).1;
        assert_eq!(kept.subjects.iter().map(|s| s.subject_id.as_str()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn repeated_reading_gives_the_same_subjects() {
    let text = two_of_one_person();
    assert_eq!(read_all("a.jsonl", text.as_bytes()).subjects, read_all("a.jsonl", text.as_bytes()).subjects);
}

/// Real data, where present: the counts of specification §7.2, and what must hold of every packet.
#[test]
fn the_real_collection_is_read_whole() {
    let Some(path) = shared("phenopackets.tar.xz") else { return };
    let bytes = std::fs::read(path).unwrap();
    let (summary, by_packet) = read_with("p.tar.xz", &bytes, by(""), &Limits::default());
    let summary = summary.unwrap();
    println!("{summary:?}");
    for warning in &by_packet.warnings {
        println!("{} × {} ({:?})", warning.count, warning.text, warning.examples);
    }
    let expected =
        Summary { files: 6_876, subjects: 6_876, rejected: 0, bytes: summary.bytes, ..Summary::default() };
    assert_eq!(summary, expected);
    let distinct: HashSet<_> = by_packet.subjects.iter().map(|subject| &subject.subject_id).collect();
    assert_eq!(distinct.len(), 6_876);
    assert_eq!(by_packet.warned("stay different subjects"), 6_876 - 4_828);

    // Against a plain walk over the same JSON.
    let (mut present, mut excluded, mut variants) = (0, 0, 0);
    let mut archive = tar::Archive::new(liblzma::read::XzDecoder::new(bytes.as_slice()));
    let mut subjects = by_packet.subjects.iter();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        let packet: Value = serde_json::from_str(&text).unwrap();
        let subject = subjects.next().unwrap();
        assert_eq!(packet["id"], json!(subject.subject_id));
        let ids = |wanted: bool| -> HashSet<String> {
            let features = packet["phenotypicFeatures"].as_array().map_or(&[][..], Vec::as_slice);
            let with = features.iter().filter(|f| f["excluded"].as_bool().unwrap_or(false) == wanted);
            with.map(|f| f["type"]["id"].as_str().unwrap()[3..].replace("0001251", "0001250")).collect()
        };
        let (mine_present, mine_excluded): (Vec<_>, Vec<_>) =
            subject.hpo.iter().flat_map(|t| t.ids()).partition(|(_, p)| *p);
        let expected_present = ids(false);
        assert_eq!(
            mine_present.iter().map(|(id, _)| (*id).to_owned()).collect::<HashSet<_>>(),
            expected_present
        );
        let expected_excluded: HashSet<_> = ids(true).difference(&expected_present).cloned().collect();
        assert_eq!(
            mine_excluded.iter().map(|(id, _)| (*id).to_owned()).collect::<HashSet<_>>(),
            expected_excluded
        );
        present += mine_present.len();
        excluded += mine_excluded.len();
        variants += subject.variant.len();
        let genes: HashSet<&str> = packet["interpretations"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|i| i["diagnosis"]["genomicInterpretations"].as_array().into_iter().flatten())
            .filter_map(|g| {
                g["variantInterpretation"]["variationDescriptor"]["geneContext"]["symbol"].as_str()
            })
            .collect();
        assert_eq!(subject.variant.iter().map(|v| v.gene.as_str()).collect::<HashSet<_>>(), genes);
        assert!(subject.eav.contains_key("disease"));
    }
    println!("{present} present and {excluded} excluded terms, {variants} variants");
    assert!(present > 50_000 && excluded > 80_000);

    let (outcome, merged) = read_with("p.tar.xz", &bytes, by("subject.id"), &Limits::default());
    outcome.unwrap();
    let mut people: std::collections::HashMap<String, crate::domain::subjects::Subject> = Default::default();
    let mut report = MergeReport::default();
    for subject in merged.subjects {
        match people.get_mut(&subject.subject_id) {
            Some(held) => absorb(held, subject, &mut report),
            None => {
                people.insert(subject.subject_id.clone(), subject);
            }
        }
    }
    println!("{} people, {} contradictions", people.len(), report.contradictions);
    assert_eq!(people.len(), 4_828);
    for warning in merged.warnings.iter().filter(|warning| warning.text.contains("disagree")) {
        println!("{} × {} ({:?})", warning.count, warning.text, warning.examples);
        assert_eq!(warning.examples.len(), 10);
    }
}

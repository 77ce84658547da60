//! The embedded release and, where the data is at hand, the operator-supplied ones.

use std::path::PathBuf;
use std::sync::OnceLock;

use rstest::rstest;

use super::super::build::{BuildInputs, build};
use super::super::{Frequency, Ontology, Sex, TermFile, Terms, onset_years};
use super::{shared_data, sorted};

const HPO: Ontology = Ontology::Hpo;

/// The embedded HPO with Orphanet and Reactome; `None` where their files are not at hand.
pub fn with_orphanet() -> Option<&'static TermFile> {
    static FILE: OnceLock<Option<TermFile>> = OnceLock::new();
    let build_once = || {
        let inputs = BuildInputs {
            orphanet: Some(shared_data("orphanet-2025-12.tar.xz")?),
            reactome: Some(shared_data("reactome-pathways-2024-09-18.gmt.xz")?),
            ..BuildInputs::default()
        };
        let mut bytes = Vec::new();
        build(&inputs, &mut bytes).unwrap();
        Some(TermFile::from_bytes(bytes).unwrap())
    };
    FILE.get_or_init(build_once).as_ref()
}

#[test]
fn the_embedded_release_has_the_published_counts() {
    let file = TermFile::embedded().unwrap();
    assert_eq!(file.release(), "HPO 2025-01-16");
    assert_eq!(file.count(HPO), 19_034);
    let edges: usize =
        (0..19_034).map(|term| file.vocabulary(Ontology::Hpo).unwrap().graph.parents(term).len()).sum();
    assert_eq!(edges, 23_392);
    let several = (0..19_034)
        .filter(|term| file.vocabulary(Ontology::Hpo).unwrap().graph.parents(*term).len() > 1)
        .count();
    assert_eq!(several, 3_627);
    let obsolete =
        file.sections().strings("hpo.retired.labels").iter().filter(|label| !label.is_empty()).count();
    assert_eq!(obsolete, 450);
    assert_eq!(file.sections().u32s("hpo.genes").len(), 259_012);
    assert_eq!(file.root(HPO).as_deref(), Some("0000001"));
}

#[test]
fn the_embedded_file_passes_the_checks_of_a_supplied_one() {
    TermFile::from_bytes(include_bytes!("../data/hpo-2025-01-16.terms").to_vec()).unwrap();
}

#[test]
fn the_embedded_file_shows_version_licence_and_acknowledgement() {
    let file = TermFile::embedded().unwrap();
    let [source] = file.sources() else { panic!("one source expected") };
    assert_eq!((source.key.as_str(), source.version.as_str()), ("hpo", "2025-01-16"));
    assert!(source.licence.contains("neither the content of the HPO file(s)"));
    assert!(source.attribution.contains("uses the Human Phenotype Ontology (2025-01-16)"));
}

#[test]
fn published_similarities_of_the_release_come_out() {
    let file = TermFile::embedded().unwrap();
    assert!((file.similarity(HPO, "0001250", "0001250") - 0.988036).abs() < 5e-7);
    assert!((file.similarity(HPO, "0000270", "0011329") - 0.892113).abs() < 5e-7);
}

#[rstest]
#[case(0.5, 99)]
#[case(0.6, 43)]
#[case(0.8, 2)]
#[case(1.0, 1)]
fn the_group_of_seizure_has_the_published_size(#[case] threshold: f64, #[case] members: usize) {
    let file = TermFile::embedded().unwrap();
    let group = file.expand(HPO, "0001250", threshold);
    assert_eq!(group.first().map(String::as_str), Some("0001250"));
    let count = group.len();
    assert_eq!(count, members);
    let mut unique = sorted(group);
    unique.dedup();
    assert_eq!(unique.len(), count, "a member occurs twice");
}

#[test]
fn retired_ids_stand_for_their_replacement_and_stay_in_the_group() {
    let file = TermFile::embedded().unwrap();
    // 0000057 is obsolete and replaced, 0004715 an alternative id of 0000003.
    assert_eq!(file.resolve(HPO, "0000057"), "0008665");
    assert_eq!(file.label(HPO, "0000057").as_deref(), Some("obsolete Clitoromegaly"));
    assert_eq!(file.resolve(HPO, "0004715"), "0000003");
    assert_eq!(file.label(HPO, "0004715").as_deref(), Some("Multicystic kidney dysplasia"));
    assert_eq!(file.expand(HPO, "0004715", 1.0), ["0004715", "0000003"]);
    let of_primary = sorted(file.expand(HPO, "0000003", 0.5));
    let of_retired = file.expand(HPO, "0004715", 0.5);
    assert_eq!(of_retired.first().map(String::as_str), Some("0004715"));
    assert_eq!(sorted(of_retired.into_iter().skip(1).collect()), of_primary);
    assert_eq!(file.descendants(HPO, "0004715").get(..2).unwrap(), ["0004715", "0000003"]);
}

#[rstest]
#[case("9999999")]
#[case("HP:0001250")]
#[case("1250")]
#[case("")]
fn an_unknown_id_only_stands_for_itself(#[case] id: &str) {
    let file = TermFile::embedded().unwrap();
    assert!(!file.contains(HPO, id));
    assert_eq!(file.resolve(HPO, id), id);
    assert_eq!(file.expand(HPO, id, 0.5), [id]);
    assert_eq!(file.descendants(HPO, id), [id]);
    assert_eq!(file.label(HPO, id), None);
    assert!(file.ordo_of_hpo(id).is_empty());
    assert_eq!(file.similarity(HPO, id, "0001250"), 0.0);
}

#[test]
fn details_give_texts_and_neighbours() {
    let file = TermFile::embedded().unwrap();
    let term = file.details(HPO, "0000003").unwrap();
    assert_eq!(term.label, "Multicystic kidney dysplasia");
    assert_eq!(term.parents, ["0000107"]);
    assert_eq!(term.synonyms.first().map(String::as_str), Some("Multicystic dysplastic kidney"));
    assert!(term.definition.unwrap().starts_with("Multicystic dysplasia of the kidney"));
    assert!(term.comment.unwrap().starts_with("Multicystic kidney dysplasia is the result"));
    assert_eq!(file.details(HPO, "0000057").unwrap().replaced_by.as_deref(), Some("0008665"));
}

#[test]
fn without_orphanet_its_annotated_diseases_are_known_by_name_and_link() {
    let file = TermFile::embedded().unwrap();
    assert_eq!(file.label(Ontology::Ordo, "558").as_deref(), Some("Marfan syndrome"));
    assert!(file.contains(Ontology::Ordo, "558"));
    assert!(!file.contains(Ontology::Ordo, "999999"));
    assert!(file.hpo_of_ordo("558").contains(&"0001519".to_owned()));
    assert!(file.ordo_of_hpo("0001519").contains(&"558".to_owned()));
    assert_eq!(file.expand(Ontology::Ordo, "558", 0.5), ["558"]);
    assert_eq!(file.genes_of_pathway("R-HSA-73843"), None);
    assert!(file.ordo_of_omim("154700").is_empty());
    assert_eq!(file.notices().len(), 4);
}

#[test]
fn diseases_carry_what_a_synthetic_patient_needs() {
    let file = TermFile::embedded().unwrap();
    assert_eq!(file.diseases().count(), 12_687);
    let links: usize = file.sections().u32s("links.ordo").len();
    assert_eq!(links, 114_899);
    let marfan = file.disease("ORPHA:558").unwrap();
    assert_eq!((marfan.id.as_str(), marfan.name.as_str()), ("ORPHA:558", "Marfan syndrome"));
    let tall = marfan.phenotypes.iter().find(|p| p.hpo == "0001519").unwrap();
    assert_eq!((tall.frequency, tall.fraction, tall.excluded), (Frequency::VeryFrequent, Some(0.895), false));
    let developmental = file.disease("OMIM:619340").unwrap();
    let counted = developmental.phenotypes.iter().find(|p| p.hpo == "0011097").unwrap();
    assert_eq!((counted.fraction, counted.frequency), (Some(0.5), Frequency::Frequent));
    assert!(developmental.inheritance.contains(&"0000006".to_owned()));
    let onsets: Vec<_> = file.diseases().flat_map(|disease| disease.onsets).collect();
    assert!(onsets.len() > 1000);
    assert!(
        onsets.iter().filter(|onset| onset_years(&onset.hpo).is_some()).count() * 100 > onsets.len() * 99
    );
    let sexes = file.diseases().flat_map(|d| d.phenotypes).filter(|p| p.sex == Some(Sex::Female)).count();
    assert!(sexes > 100, "{sexes}");
    assert_eq!(file.disease("OMIM:1"), None);
}

#[test]
fn gene_symbols_compare_without_case() {
    let file = TermFile::embedded().unwrap();
    assert_eq!(file.symbol("aars1").as_deref(), Some("AARS1"));
    assert_eq!(file.symbol("-"), None);
    assert!(file.genes_of(HPO, "0002460").contains(&"AARS1".to_owned()));
    assert!(file.terms_of_gene(HPO, "aars1").contains(&"0002460".to_owned()));
}

#[test]
fn the_committed_file_is_what_the_official_files_build() {
    let Some(folder) = std::env::var_os("CV3_TERM_SOURCES").map(PathBuf::from) else {
        println!("skipped: CV3_TERM_SOURCES does not name a folder with the official files");
        return;
    };
    let inputs = BuildInputs {
        hp_obo: Some(folder.join("hp.obo")),
        genes_to_phenotype: Some(folder.join("genes_to_phenotype.txt")),
        phenotype_hpoa: Some(folder.join("phenotype.hpoa")),
        ..BuildInputs::default()
    };
    let mut bytes = Vec::new();
    let report = build(&inputs, &mut bytes).unwrap();
    assert_eq!(report.digest, TermFile::embedded().unwrap().digest());
}

#[test]
fn orphanet_and_reactome_come_out_with_their_published_counts() {
    let Some(file) = with_orphanet() else { return };
    assert_eq!(file.release(), "HPO 2025-01-16, Orphanet 2025-12, Reactome 2024-09-18");
    assert_eq!(file.count(Ontology::Ordo), 9_960);
    let graph = &file.vocabulary(Ontology::Ordo).unwrap().graph;
    // 53 concepts state no parent at all, 32 only such that the release does not define.
    assert_eq!(graph.children(graph.root()).len(), 53 + 32);
    assert!(!graph.is_term(graph.root()));
    assert_eq!(file.root(Ontology::Ordo), None);
    assert_eq!(file.details(Ontology::Ordo, "558").unwrap().synonyms, ["MFS"]);
    assert!(file.expand(Ontology::Ordo, "558", 0.5).len() > 1);
    assert!(file.descendants(Ontology::Ordo, "98053").iter().all(|id| !id.is_empty()));
    assert!(file.hpo_of_ordo("558").contains(&"0001519".to_owned()));
    assert_eq!(file.ordo_of_omim("154700"), ["558", "284963"]);
    assert_eq!(sorted(file.omim_of_ordo("558")), ["154700", "610168"]);
    assert_eq!(file.genes_of(Ontology::Ordo, "100"), ["ATM"]);
    assert_eq!(file.pathways().count(), 2_694);
    assert_eq!(file.genes_of_pathway("R-HSA-73843").unwrap(), ["PRPS1", "PRPS1L1", "PRPS2"]);
    assert_eq!(file.genes_of_pathway("R-HSA-0"), None);
    assert_eq!(file.count(HPO), 19_034);
    assert_eq!(file.notices().len(), 1);
}

#[rstest]
#[case(Ontology::Hpo, "HP:0001250", Some("0001250"))]
#[case(Ontology::Hpo, "hp_0001250", Some("0001250"))]
#[case(Ontology::Hpo, "0001250", Some("0001250"))]
#[case(Ontology::Hpo, "1250", None)]
#[case(Ontology::Hpo, "ORPHA:0001250", None)]
#[case(Ontology::Ordo, "ORPHA:558", Some("558"))]
#[case(Ontology::Ordo, "Orphanet_558", Some("558"))]
#[case(Ontology::Ordo, "558", Some("558"))]
#[case(Ontology::Ordo, "0558", None)]
#[case(Ontology::Ordo, "", None)]
fn usual_spellings_lead_to_the_stored_id(
    #[case] ontology: Ontology,
    #[case] text: &str,
    #[case] expected: Option<&str>,
) {
    assert_eq!(ontology.local_id(text).as_deref(), expected);
    if let Some(id) = expected {
        assert_eq!(ontology.id(ontology.number(id).unwrap()), id);
    }
}

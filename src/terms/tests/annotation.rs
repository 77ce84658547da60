//! Links, frequencies and auto-completion on small releases.

use rstest::rstest;

use super::super::{Frequency, Mapped, Ontology, Sex, TermFile, Terms};
use super::Release;

fn annotated() -> TermFile {
    Release::default()
        .term(1, "All", &[], "")
        .term(2, "Fit", &[1], "alt_id: HP:0000020")
        .term(3, "Cough", &[1], "")
        .term(4, "Fever", &[1], "")
        .term(3674, "Onset", &[1], "")
        .term(5, "Adult onset", &[3674], "")
        .term(6, "Death", &[1], "")
        .genes(2, 3)
        .row("ORPHA:7", "", 20, "HP:0040281", "", "P")
        .row("ORPHA:7", "", 3, "HP:0040285", "", "P")
        .row("ORPHA:7", "NOT", 4, "", "", "P")
        .row("ORPHA:8", "", 4, "", "", "P")
        .row("OMIM:100100", "", 2, "1/4", "FEMALE", "P")
        .row("OMIM:100100", "", 2, "3/4", "FEMALE", "P")
        .row("OMIM:100100", "", 3, "25%", "FEMALE", "P")
        .row("OMIM:100100", "NOT", 4, "0/8", "", "P")
        .row("OMIM:100100", "", 5, "1/1", "", "C")
        .row("OMIM:100100", "", 6, "1/1", "", "C")
        .file()
}

#[test]
fn excluded_links_are_mapped_with_their_code_but_never_used_to_widen_a_query() {
    let file = annotated();
    assert_eq!(file.hpo_of_ordo("7"), ["0000002"]);
    assert_eq!(file.ordo_of_hpo("0000003"), [""; 0]);
    assert_eq!(file.ordo_of_hpo("0000004"), ["8"]);
    let mapped = |id: &str, frequency| Mapped { id: id.to_owned(), frequency };
    let expected = [
        mapped("0000002", Frequency::VeryFrequent),
        mapped("0000003", Frequency::Excluded),
        mapped("0000004", Frequency::Excluded),
    ];
    assert_eq!(file.map_to_hpo("7"), expected);
    assert_eq!(
        file.map_to_ordo("0000004"),
        [mapped("7", Frequency::Excluded), mapped("8", Frequency::Unknown)]
    );
    assert_eq!(file.ordo_of_hpo("0000020"), ["7"], "an alternative id maps as its primary one");
}

#[test]
fn repeated_statements_about_a_disease_are_merged() {
    let disease = annotated().disease("OMIM:100100").unwrap();
    let read: Vec<_> = disease.phenotypes.iter().map(|p| (p.hpo.as_str(), p.fraction, p.excluded)).collect();
    assert_eq!(
        read,
        [("0000002", Some(0.5), false), ("0000003", Some(0.25), false), ("0000004", Some(0.0), true)]
    );
    assert_eq!(disease.sex, Some(Sex::Female));
    assert_eq!(disease.onsets.iter().map(|onset| onset.hpo.as_str()).collect::<Vec<_>>(), ["0000005"]);
}

fn completing() -> TermFile {
    Release::default()
        .term(1, "All", &[], "")
        .term(11, "Phenotypic abnormality", &[1], "def: \"What shows (in general).\" []")
        .term(12, "Echophenomenon", &[1], "")
        .term(13, "Repetition", &[1], "synonym: \"Echo phenomenon\" EXACT []\nsynonym: \"Again\" EXACT []")
        .term(14, "Größe", &[1], "def: \"Pheno is named here; c++ too.\" []")
        .term(20, "pheno 14", &[1], "")
        .file()
}

#[rstest]
#[case("phen", &["0000020", "0000012", "0000011", "0000013", "0000014"])]
#[case("PHEN", &["0000020", "0000012", "0000011", "0000013", "0000014"])]
#[case("\"phenotypic' abnormality", &["0000011"])]
#[case("abnormality phenotypic", &["0000011"])]
#[case("0000014", &["0000014"])]
#[case("000001", &["0000001", "0000014", "0000013", "0000012", "0000011"])]
#[case("echo phenomenon", &["0000012", "0000013"])]
#[case("again echo", &["0000013"])]
#[case("repetition again", &["0000013"])]
#[case("(in", &["0000011"])]
#[case("c++", &["0000014"])]
#[case("GRÖSSE", &[])]
#[case("GRÖßE", &["0000014"])]
#[case(".*", &[])]
#[case("  ", &[])]
fn completion_follows_its_rules(#[case] query: &str, #[case] expected: &[&str]) {
    let found: Vec<String> =
        completing().complete(Ontology::Hpo, query, 0).into_iter().map(|found| found.id).collect();
    assert_eq!(found, expected);
}

#[test]
fn completion_stops_at_its_limit_and_carries_the_definition() {
    let file = completing();
    let found = file.complete(Ontology::Hpo, "pheno", 3);
    assert_eq!(found.len(), 3);
    assert_eq!(found[2].definition.as_deref(), Some("What shows (in general)."));
    assert_eq!(found[1].definition, None);
    assert!(file.complete(Ontology::Ordo, "pheno", 3).is_empty());
}

#[test]
fn quotes_and_outer_white_space_do_not_count_towards_a_query() {
    assert_eq!(TermFile::query_length(" \"ab\" "), 2);
    assert_eq!(TermFile::query_length("a  b"), 3);
}

#[test]
fn expansion_goes_breadth_first_to_a_depth() {
    let file = Release::default()
        .term(1, "A", &[], "")
        .term(2, "B", &[1], "")
        .term(3, "C", &[1], "")
        .term(4, "D", &[2, 3], "")
        .term(5, "E", &[4], "")
        .file();
    assert_eq!(file.below(Ontology::Hpo, "0000001", 1).unwrap(), ["0000002", "0000003"]);
    assert_eq!(
        file.below(Ontology::Hpo, "0000001", 0).unwrap(),
        ["0000002", "0000003", "0000004", "0000005"]
    );
    assert_eq!(file.below(Ontology::Hpo, "0000009", 0), None);
    assert_eq!(file.max_depth(Ontology::Hpo), 3);
    assert_eq!(file.descendants(Ontology::Hpo, "0000004"), ["0000004", "0000005"]);
}

//! Numbers worked out by hand or published, beyond those of `similarity.rs` and `released.rs`.

use std::collections::HashSet;

use rstest::rstest;

use super::super::build::{BuildInputs, build};
use super::super::{Frequency, Ontology, TermFile, Terms};
use super::{Release, diamond, sorted};

const HPO: Ontology = Ontology::Hpo;

#[test]
fn a_threshold_is_compared_with_the_unrounded_similarity() {
    let file = diamond().file();
    // 0.523649 to six decimals.
    let exact = file.similarity(HPO, "0000002", "0000004");
    let group = |threshold| sorted(file.expand(HPO, "0000004", threshold));
    assert_eq!(group(exact), ["0000002", "0000004"]);
    assert_eq!(group(0.523_65), ["0000004"]);
    assert_eq!(group(0.523_64), ["0000002", "0000004"]);
}

#[test]
fn similar_terms_come_best_first_and_the_term_itself_is_listed() {
    let scores: Vec<(String, String)> = diamond()
        .file()
        .similar(HPO, "0000004", 0.0)
        .into_iter()
        .map(|(id, score)| (id, format!("{score:.4}")))
        .collect();
    let expected = [("0000004", "0.8667"), ("0000002", "0.5236"), ("0000003", "0.4211")];
    assert_eq!(scores, expected.map(|(id, score)| (id.to_owned(), score.to_owned())));
}

/// Two parentless concepts under the virtual root: 1 → 3, 4; 2.
///
/// Leaves and ancestors: root 3 and 1, concept 1 2 and 2, concept 2 none and 2, concepts 3 and 4 none and 3; so
/// p = 1, ½, ¼, ¼, ¼ and IC = 0, ln 2, ln 4, ln 4, ln 4.
#[rstest]
#[case("3", "4", 0.25)]
#[case("3", "3", 0.75)]
#[case("1", "3", 1.0 / 3.0)]
#[case("1", "1", 0.5)]
#[case("2", "3", 0.0)]
#[case("2", "9", 0.0)]
fn intrinsic_similarity_comes_out_as_by_hand(#[case] a: &str, #[case] b: &str, #[case] expected: f64) {
    let folder = tempfile::tempdir().unwrap();
    let terms = ["1", "2", "3", "4"].map(|code| format!("{code}\tConcept {code}\tDisease\t\t\n")).concat();
    std::fs::write(folder.path().join("ordo_terms.tsv"), terms).unwrap();
    std::fs::write(folder.path().join("ordo_edges.tsv"), "3\t1\n4\t1\n2\t9\n").unwrap();
    let inputs = BuildInputs { orphanet: Some(folder.path().to_owned()), ..BuildInputs::default() };
    let mut bytes = Vec::new();
    build(&inputs, &mut bytes).unwrap();
    let file = TermFile::from_bytes(bytes).unwrap();
    let found = file.similarity(Ontology::Ordo, a, b);
    assert!((found - expected).abs() < 1e-12, "Rel({a}, {b}) = {found}, expected {expected}");
}

/// Counting each gene once below a term, as other tools do, gives Rel(t, t) = 0.602 where path counts give 0.988.
#[test]
fn the_textbook_s_union_of_genes_is_another_measure() {
    let file = TermFile::embedded().unwrap();
    let genes = |id: &str| -> usize {
        let below = file.descendants(HPO, id);
        below.iter().flat_map(|id| file.genes_of(HPO, id)).collect::<HashSet<_>>().len()
    };
    let textbook = 1.0 - genes("0001250") as f64 / genes("0000001") as f64;
    assert_eq!(format!("{textbook:.3}"), "0.602");
    assert_eq!(format!("{:.3}", file.similarity(HPO, "0001250", "0001250")), "0.988");
}

#[test]
fn depth_is_the_longest_of_the_shortest_distances() {
    // 4 is reached in one step and in three; 5, below it, is the deepest by the shortest way together with 3.
    let file = Release::default()
        .term(1, "A", &[], "")
        .term(2, "B", &[1], "")
        .term(3, "C", &[2], "")
        .term(4, "D", &[1, 3], "")
        .term(5, "E", &[4], "")
        .file();
    assert_eq!(file.max_depth(HPO), 2);
}

#[rstest]
#[case("Obligate (100%)", Frequency::Obligate, "O")]
#[case("Very frequent (99-80%)", Frequency::VeryFrequent, "VF")]
#[case("Frequent (79-30%)", Frequency::Frequent, "F")]
#[case("Occasional (29-5%)", Frequency::Occasional, "OC")]
#[case("Very rare (<4-1%)", Frequency::VeryRare, "VR")]
#[case("Excluded (0%)", Frequency::Excluded, "E")]
#[case("", Frequency::Unknown, "UN")]
fn each_frequency_is_read_mapped_and_widens_a_query_unless_it_excludes(
    #[case] stated: &str,
    #[case] frequency: Frequency,
    #[case] code: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ordo_terms.tsv", "1\tOne\tDisease\t\t\n");
    write("ordo_edges.tsv", "");
    write("hoom.tsv", &format!("1\tHP:0001250\t{stated}\n"));
    let inputs = BuildInputs { orphanet: Some(folder.path().to_owned()), ..BuildInputs::default() };
    let mut bytes = Vec::new();
    build(&inputs, &mut bytes).unwrap();
    let file = TermFile::from_bytes(bytes).unwrap();
    let mapped = file.map_to_ordo("0001250");
    assert_eq!(mapped.iter().map(|m| (m.id.as_str(), m.frequency)).collect::<Vec<_>>(), [("1", frequency)]);
    assert_eq!(frequency.code(), code);
    assert_eq!(file.ordo_of_hpo("0001250").is_empty(), frequency == Frequency::Excluded);
}

use rstest::rstest;

use super::super::{Ontology, TermFile, Terms};
use super::input::date_in;
use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

const OBO: &str = "data-version: hp/releases/1\n\n[Term]\nid: HP:0000001\nname: All\n";
const GENES: &str = "ncbi_gene_id\tgene_symbol\thpo_id\n1\tA1BG\tHP:0000001\n";

fn message(obo: &str, genes: &str, hpoa: Option<&str>) -> String {
    let folder = Folder::new();
    let inputs = BuildInputs {
        hp_obo: Some(folder.file("hp.obo", obo.as_bytes())),
        genes_to_phenotype: Some(folder.file("genes_to_phenotype.txt", genes.as_bytes())),
        phenotype_hpoa: hpoa.map(|text| folder.file("phenotype.hpoa", text.as_bytes())),
        ..BuildInputs::default()
    };
    let mut out = Vec::new();
    let error = build(&inputs, &mut out).unwrap_err();
    assert!(out.is_empty(), "something was written");
    error.to_string()
}

const HPOA: &str = "database_id\tdisease_name\tqualifier\thpo_id\tfrequency\tsex\taspect\n";

#[rstest]
#[case("data-version: 1\n[Term]\nid: MP:1\n", GENES, "", "hp.obo, line 3: MP:1 is not an HPO id")]
#[case(
    "[Term]\nid: HP:0000001\n",
    GENES,
    "",
    "hp.obo: it has no data-version; read is hp.obo, the OBO format"
)]
#[case(
    "data-version: 1\n[Term]\nid: HP:0000001\nis_a: HP:0000002\n",
    GENES,
    "",
    "hp.obo, line 3: is_a HP:0000002, which is no live term"
)]
#[case(
    "data-version: 1\n[Term]\nid: HP:0000001\nis_a: HP:0000002\n[Term]\nid: HP:0000002\nis_a: HP:0000001\n",
    GENES,
    "",
    "hp.obo: the edges form a cycle"
)]
#[case(
    "data-version: 1\n[Term]\nid: HP:0000001\n[Term]\nid: HP:0000001\n",
    GENES,
    "",
    "hp.obo, line 5: this id was given before"
)]
#[case(OBO, "gene\thpo_id\n", "", "genes_to_phenotype.txt, line 1: the header has no column ncbi_gene_id")]
#[case(
    OBO,
    "ncbi_gene_id\tgene_symbol\thpo_id\nx\tA\tHP:0000001\n",
    "",
    "genes_to_phenotype.txt, line 2: \"x\" is no NCBI gene number"
)]
#[case(
    OBO,
    "ncbi_gene_id\tgene_symbol\thpo_id\n1\tA\n",
    "",
    "genes_to_phenotype.txt, line 2: 2 columns instead of at least 3"
)]
#[case(OBO, GENES, "ORPHA:1\tX\t\tHP:0000001\t5/2\t\tP\n", "phenotype.hpoa, line 2: \"5/2\" is no frequency")]
#[case(
    OBO,
    GENES,
    "MONDO:1\tX\t\tHP:0000001\t\t\tP\n",
    "phenotype.hpoa, line 2: \"MONDO:1\" is no OMIM, ORPHA or DECIPHER id"
)]
fn an_unusable_input_is_named_with_its_line(
    #[case] obo: &str,
    #[case] genes: &str,
    #[case] hpoa: &str,
    #[case] expected: &str,
) {
    let hpoa = (!hpoa.is_empty()).then(|| format!("{HPOA}{hpoa}"));
    assert_eq!(message(obo, genes, hpoa.as_deref()), expected);
}

#[test]
fn bytes_that_are_not_text_are_named_with_their_line() {
    let folder = Folder::new();
    let inputs = BuildInputs {
        hp_obo: Some(folder.file("hp.obo", b"data-version: 1\n\xff\n")),
        genes_to_phenotype: Some(folder.file("genes_to_phenotype.txt", GENES.as_bytes())),
        ..BuildInputs::default()
    };
    let error = build(&inputs, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "hp.obo, line 2: it holds bytes that are not UTF-8");
}

#[test]
fn annotation_without_its_ontology_is_refused() {
    let inputs = BuildInputs { phenotype_hpoa: Some("phenotype.hpoa".into()), ..BuildInputs::default() };
    assert!(matches!(build(&inputs, &mut Vec::new()), Err(BuildError::Missing(_))));
}

#[test]
fn compressed_inputs_and_another_order_of_rows_give_the_same_content() {
    let folder = Folder::new();
    let gz = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let xz = |text: &str| {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let inputs = |obo: PathBuf, genes: PathBuf| BuildInputs {
        hp_obo: Some(obo),
        genes_to_phenotype: Some(genes),
        ..BuildInputs::default()
    };
    let digest = |inputs: &BuildInputs| {
        let mut out = Vec::new();
        build(inputs, &mut out).unwrap();
        let sections = TermFile::from_bytes(out).unwrap();
        (sections.sections().data("hpo.genes").to_vec(), sections.sections().data("genes.symbols").to_vec())
    };
    let rows = "1\tA1BG\tHP:0000001\n2\tA2M\tHP:0000001\n";
    let turned = "2\tA2M\tHP:0000001\n1\tA1BG\tHP:0000001\n1\tA1BG\tHP:0000001\n";
    let header = "ncbi_gene_id\tgene_symbol\thpo_id\n";
    let plain = inputs(
        folder.file("hp.obo", OBO.as_bytes()),
        folder.file("genes_to_phenotype.txt", format!("{header}{rows}").as_bytes()),
    );
    let packed = inputs(
        folder.file("hp.obo.gz", &gz(OBO)),
        folder.file("genes_to_phenotype.txt.xz", &xz(&format!("{header}{turned}"))),
    );
    assert_eq!(digest(&plain), digest(&packed));
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_the_report_counts_them() {
    let folder = Folder::new();
    let inputs = BuildInputs {
        orphanet: Some(orphanet_folder(&folder)),
        orphanet_version: Some("December 2025".into()),
        reactome: Some(
            folder.file("ReactomePathways.gmt", b"Path two\tR-HSA-2\tB\tA\nPath one\tR-HSA-1\tA\n"),
        ),
        reactome_version: Some("90".into()),
        hgnc: Some(folder.file(
            "hgnc_complete_set_2026-01-02.txt",
            b"hgnc_id\tsymbol\tname\tstatus\talias_symbol\tprev_symbol\n\
              HGNC:1\tNEW1\tNew one\tApproved\t\"N1|SAME\"\tOLD1\n\
              HGNC:2\tNEW2\tNew two\tApproved\tSAME\tNEW1\n\
              HGNC:3\tGONE\tGone\tEntry Withdrawn\t\t\n",
        )),
        ..BuildInputs::default()
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let report = build(&inputs, &mut first).unwrap();
    build(&inputs, &mut second).unwrap();
    assert!(first == second);
    let file = TermFile::from_bytes(first).unwrap();
    assert_eq!(file.digest(), report.digest);
    assert_eq!(file.release(), "HPO 2025-01-16, Orphanet December 2025, Reactome 90, HGNC 2026-01-02");
    assert!(report.counts.contains(&("ORDO concepts".into(), 3)));
    assert_eq!(
        report.notes,
        [
            "1 ORDO edges name a code that is no concept",
            "1 links of ORDO name an HPO term that this HPO release does not have",
        ]
    );
    assert_eq!(file.label(Ontology::Ordo, "2").as_deref(), Some("Two"));
    assert_eq!(file.descendants(Ontology::Ordo, "1"), ["1", "2"]);
    assert_eq!(file.hpo_of_ordo("2"), ["0001250"]);
    assert_eq!(file.map_to_hpo("2").len(), 2);
    assert_eq!(file.ordo_of_omim("100100"), ["2"]);
    assert_eq!(file.omim_of_ordo("2"), ["100100"]);
    assert_eq!(file.genes_of(Ontology::Ordo, "2"), ["ATM"]);
    assert_eq!(file.genes_of_pathway("R-HSA-2").unwrap(), ["A", "B"]);
    assert_eq!(file.symbol("old1").as_deref(), Some("NEW1"));
    assert_eq!(file.symbol("n1").as_deref(), Some("NEW1"));
    assert_eq!(file.symbol("new1").as_deref(), Some("NEW1"), "an approved symbol goes before a previous one");
    assert_eq!(file.symbol("same"), None, "an alias of two genes names neither");
    assert_eq!(file.symbol("gone"), None);
    assert!(file.notices().is_empty());
}

fn orphanet_folder(folder: &Folder) -> PathBuf {
    let path = folder.0.path().join("orphanet");
    std::fs::create_dir(&path).unwrap();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write(
        "ordo_terms.tsv",
        "2\tTwo\tDisease\tII|Deux\tThe second.\n1\tOne\tCategory\t\t\n3\tThree\tDisease\t\t\n",
    );
    write("ordo_edges.tsv", "2\t1\n2\t9\n");
    write(
        "hoom.tsv",
        "2\tHP:0001250\tFrequent (79-30%)\n2\tHP:0001251\tExcluded (0%)\n3\tHP:9999999\tObligate (100%)\n",
    );
    write("ordo_genes.tsv", "2\tATM\t795\n");
    write("ordo_omim.tsv", "2\t100100\tE\n");
    path
}

#[rstest]
#[case("reactome-pathways-2024-09-18.gmt", Some("2024-09-18"))]
#[case("orphanet-2025-12.tar", Some("2025-12"))]
#[case("hgnc_complete_set.txt", None)]
#[case("v1-2.gmt", None)]
fn a_release_date_is_found_in_a_file_name(#[case] name: &str, #[case] expected: Option<&str>) {
    assert_eq!(date_in(name).as_deref(), expected);
}

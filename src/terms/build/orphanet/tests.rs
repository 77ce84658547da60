//! Orphadata's XML in made files of its published structure, against the same content as tables.

use std::path::Path;

use rstest::rstest;

use super::super::{BuildInputs, BuildReport, build};
use super::products::without_tags;
use crate::terms::{Frequency, Ontology, TermFile, Terms};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<JDBOR date="2025-12-09 07:06:32" version="1.3.42 / 4.1.8" copyright="Orphanet (c) 2025">
  <Availability><Licence>
    <FullName lang="en">Creative Commons Attribution 4.0 International</FullName>
  </Licence></Availability>
"#;

fn disorder(code: u32, name: &str, kind: &str, rest: &str) -> String {
    format!(
        r#"<Disorder id="1{code}"><OrphaCode>{code}</OrphaCode>
           <ExpertLink lang="en">http://www.orpha.net/?lng=en&amp;Expert={code}</ExpertLink>
           <Name lang="en">{name}</Name>
           <DisorderType id="21394"><Name lang="en">{kind}</Name></DisorderType>
           <DisorderGroup id="36547"><Name lang="en">Disorder</Name></DisorderGroup>{rest}</Disorder>"#
    )
}

fn reference(source: &str, number: &str, relation: &str) -> String {
    format!(
        r#"<ExternalReference id="7"><Source>{source}</Source><Reference>{number}</Reference>
           <DisorderMappingRelation id="21527"><Name lang="en">{relation}</Name></DisorderMappingRelation>
           <DisorderMappingICDRelation/>
           <DisorderMappingValidationStatus id="21611"><Name lang="en">Validated</Name>
           </DisorderMappingValidationStatus></ExternalReference>"#
    )
}

fn nomenclature() -> String {
    let references = [
        reference("OMIM", "100100", "E (Exact mapping: the two concepts are equivalent)"),
        reference("ICD-10", "Q87.4", "NTBT (ORPHAcode's Narrower Term maps to a Broader Term)"),
        reference("OMIM", "100200", "BTNT (ORPHAcode's Broader Term maps to a Narrower Term)"),
        reference("OMIM", "100300", "W (Wrong mapping)"),
    ];
    let second = format!(
        r#"<SynonymList count="2"><Synonym lang="en">II</Synonym><Synonym lang="en">Deux</Synonym></SynonymList>
           <ExternalReferenceList count="4">{}</ExternalReferenceList>
           <SummaryInformationList count="1"><SummaryInformation id="1" lang="en"><TextSectionList count="1">
             <TextSection id="2" lang="en"><TextSectionType id="16907"><Name lang="en">Definition</Name></TextSectionType>
             <Contents>The &lt;i&gt;second&lt;/i&gt; &amp; last.</Contents></TextSection>
           </TextSectionList></SummaryInformation></SummaryInformationList>"#,
        references.concat()
    );
    let old = format!(
        r#"<DisorderFlagList count="1"><DisorderFlag id="495"><Value>8192</Value><Label>Inactive</Label></DisorderFlag>
           </DisorderFlagList><ExternalReferenceList count="1">{}</ExternalReferenceList>"#,
        reference("OMIM", "100400", "E (Exact mapping)")
    );
    let none = r#"<ExternalReferenceList count="0"/>"#;
    let all = [
        disorder(2, "Two", "Disease", &second),
        disorder(1, "One", "Category", none),
        disorder(3, "Three", "Disease", none),
        disorder(4, "Four, no longer used", "Disease", &old),
    ];
    format!(r#"{HEAD}<DisorderList count="4">{}</DisorderList></JDBOR>"#, all.concat())
}

fn node(disorder: &str, children: &[String]) -> String {
    let count = children.len();
    let children = children.concat();
    format!(
        r#"<ClassificationNode>{disorder}
           <ClassificationNodeChildList count="{count}">{children}</ClassificationNodeChildList></ClassificationNode>"#
    )
}

fn classification() -> String {
    let leaf = node(&disorder(3, "Three", "Disease", ""), &[]);
    let inner = node(&disorder(2, "Two", "Disease", ""), &[leaf]);
    let root = node(&disorder(1, "One", "Category", ""), &[inner]);
    format!(
        r#"{HEAD}<ClassificationList count="1"><Classification id="146"><Name lang="en">Made classification</Name>
           <ClassificationNodeRootList count="1">{root}</ClassificationNodeRootList></Classification>
           </ClassificationList></JDBOR>"#
    )
}

fn phenotypes() -> String {
    let link = |id: &str, frequency: &str| {
        format!(
            r#"<HPODisorderAssociation id="9"><HPO id="4"><HPOId>{id}</HPOId><HPOTerm>any</HPOTerm></HPO>
               <HPOFrequency id="28412"><Name lang="en">{frequency}</Name></HPOFrequency><DiagnosticCriteria/>
               </HPODisorderAssociation>"#
        )
    };
    let links = [
        link("HP:0001250", "Very frequent (99-80%)"),
        link("HP:0001251", "Excluded (0%)"),
        link("HP:9999999", "Obligate (100%)"),
    ];
    let rest =
        format!(r#"<HPODisorderAssociationList count="3">{}</HPODisorderAssociationList>"#, links.concat());
    format!(
        r#"{HEAD}<HPODisorderSetStatusList count="1"><HPODisorderSetStatus id="1">{}
           <Source>1[PMID]</Source><ValidationStatus>y</ValidationStatus></HPODisorderSetStatus>
           </HPODisorderSetStatusList></JDBOR>"#,
        disorder(2, "Two", "Disease", &rest)
    )
}

fn genes() -> String {
    let gene = |symbol: &str| {
        format!(
            r#"<DisorderGeneAssociation><SourceOfValidation>1[PMID]</SourceOfValidation>
               <Gene id="2"><Name lang="en">any</Name>{symbol}<SynonymList count="1"><Synonym lang="en">AT1</Synonym>
               </SynonymList><ExternalReferenceList count="1"><ExternalReference id="3"><Source>OMIM</Source>
               <Reference>607585</Reference></ExternalReference></ExternalReferenceList></Gene>
               <DisorderGeneAssociationType id="17949"><Name lang="en">Disease-causing</Name>
               </DisorderGeneAssociationType></DisorderGeneAssociation>"#
        )
    };
    let both = gene("<Symbol>ATM</Symbol>") + &gene("");
    let rest = format!(r#"<DisorderGeneAssociationList count="2">{both}</DisorderGeneAssociationList>"#);
    format!(
        r#"{HEAD}<DisorderList count="1">{}</DisorderList></JDBOR>"#,
        disorder(2, "Two", "Disease", &rest)
    )
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn built(orphanet: &Path) -> Result<(TermFile, BuildReport), String> {
    let inputs = BuildInputs { orphanet: Some(orphanet.to_owned()), ..BuildInputs::default() };
    let mut bytes = Vec::new();
    let report = build(&inputs, &mut bytes).map_err(|error| error.to_string())?;
    Ok((TermFile::from_bytes(bytes).unwrap(), report))
}

#[test]
fn orphadata_s_xml_says_what_the_tables_say() {
    let products = folder(&[
        ("en_product1.xml", &nomenclature()),
        ("en_product3_146.xml", &classification()),
        ("en_product4.xml", &phenotypes()),
        ("en_product6.xml", &genes()),
        ("en_product9_prev.xml", &format!("{HEAD}<DisorderList count=\"0\"/></JDBOR>")),
    ]);
    let tables = folder(&[
        (
            "ordo_terms.tsv",
            "1\tOne\tCategory\t\t\n2\tTwo\tDisease\tII|Deux\tThe second & last.\n3\tThree\tDisease\t\t\n",
        ),
        ("ordo_edges.tsv", "2\t1\n3\t2\n"),
        ("hoom.tsv", "2\tHP:0001250\tVery frequent (99-80%)\n2\tHP:0001251\tExcluded (0%)\n"),
        ("ordo_genes.tsv", "2\tATM\t795\n"),
        ("ordo_omim.tsv", "2\t100100\tE\n2\t100200\tBTNT\n"),
    ]);
    let (file, report) = built(products.path()).unwrap();
    let (expected, _) = built(tables.path()).unwrap();
    for (name, _) in expected.sections().names().filter(|(name, _)| *name != "provenance") {
        assert_eq!(file.sections().data(name), expected.sections().data(name), "{name}");
    }
    assert_eq!(file.release(), "HPO 2025-01-16, Orphanet 2025-12-09");
    assert_eq!(
        report.notes,
        [
            "en_product9_prev.xml holds nothing that is read and was left out",
            "1 inactive concepts of Orphanet",
            "1 OMIM numbers that Orphanet marks as wrongly mapped",
            "1 links of ORDO name an HPO term that this HPO release does not have",
        ]
    );
    assert_eq!(file.descendants(Ontology::Ordo, "1"), ["1", "2", "3"]);
    assert_eq!(file.hpo_of_ordo("2"), ["0001250"]);
    assert_eq!(file.map_to_hpo("2").iter().filter(|m| m.frequency == Frequency::Excluded).count(), 1);
    assert_eq!((file.ordo_of_omim("100100"), file.ordo_of_omim("100400")), (vec!["2".into()], Vec::new()));
    assert_eq!(file.genes_of(Ontology::Ordo, "2"), ["ATM"]);
}

#[test]
fn a_single_product_is_read_and_what_it_lacks_is_noted() {
    let one = folder(&[("nomenclature.xml", &nomenclature())]);
    let (file, report) = built(&one.path().join("nomenclature.xml")).unwrap();
    assert_eq!(file.count(Ontology::Ordo), 3);
    assert!(report.notes.iter().any(|note| note.starts_with("no classification")), "{:?}", report.notes);
    // The embedded links between ORDO and HPO stay where Orphanet's own are not given.
    assert!(file.hpo_of_ordo("558").contains(&"0001519".to_owned()));
}

#[test]
fn older_products_in_latin_1_with_orpha_numbers_are_read() {
    let text = phenotypes()
        .replace("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"")
        .replace("OrphaCode", "OrphaNumber")
        .replace(">Two<", ">Ménière<");
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let folder = folder(&[]);
    let path = folder.path().join("en_product4_HPO.xml");
    std::fs::write(&path, latin).unwrap();
    let (file, _) = built(&path).unwrap();
    assert_eq!(file.label(Ontology::Ordo, "2").as_deref(), Some("Ménière"));
    assert_eq!(file.hpo_of_ordo("2"), ["0001250"]);
}

#[rstest]
#[case("x.xml", "<owl:Ontology/>", "x.xml: its root element is owl:Ontology, not JDBOR; read are ")]
#[case("x.xml", "<JDBOR><DisorderList/></JDBOR>", "x.xml: it holds no product that is known; read are ")]
#[case("x.xml", "<JDBOR>\n<Disorder>", "x.xml: it is no well-formed XML: it ends within Disorder")]
#[case("x.xml", "<JDBOR>\n<a>\n</b></JDBOR>", "x.xml, line 3: it is no well-formed XML: ")]
#[case(
    "x.xml",
    "<JDBOR>\n&nbsp;</JDBOR>",
    "x.xml, line 2: it is no well-formed XML: &nbsp; stands for nothing"
)]
#[case(
    "x.xml",
    "<JDBOR><Disorder><OrphaCode>x</OrphaCode></Disorder></JDBOR>",
    "x.xml, line 1: \"x\" is no ORDO number"
)]
#[case("x.xml", "<JDBOR><Disorder/></JDBOR>", "x.xml, line 1: a disorder has no OrphaCode")]
#[case("ordo.json", "{\"graphs\": []}", "ordo.json: it is neither a tar archive nor XML; read are ")]
fn a_file_that_is_not_known_is_refused_with_what_is_read(
    #[case] name: &str,
    #[case] text: &str,
    #[case] expected: &str,
) {
    let folder = folder(&[(name, text)]);
    let message = built(&folder.path().join(name)).unwrap_err();
    assert!(message.starts_with(expected), "{message}");
    if expected.ends_with("read are ") {
        assert!(message.contains("ordo_terms.tsv") && message.contains("en_product4.xml"), "{message}");
    }
}

#[test]
fn a_folder_without_known_files_is_refused_with_what_is_read() {
    let folder = folder(&[("readme.txt", "nothing")]);
    let message = built(folder.path()).unwrap_err();
    assert!(message.contains("holds no file that is known; read are "), "{message}");
}

#[rstest]
#[case("plain", "plain")]
#[case("an <i>italic</i> word", "an italic word")]
#[case("IQ < 70 and a > b", "IQ < 70 and a > b")]
fn mark_up_is_taken_out_of_definitions(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(without_tags(text), expected);
}

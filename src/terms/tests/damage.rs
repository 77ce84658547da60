//! Damaged and crafted term files are refused with a reason, or read without a panic.

use proptest::prelude::*;
use rstest::rstest;

use super::super::form::{Bytes, FormError, Sections, Writer};
use super::super::{Ontology, TermFile, Terms};
use super::{Release, diamond};

fn rich() -> Release {
    diamond()
        .term(5, "E", &[1], "alt_id: HP:0000050\nsynonym: \"Ee\" EXACT []\ndef: \"About E.\" []")
        .term(6, "F", &[], "is_obsolete: true\nreplaced_by: HP:0000005")
        .row("ORPHA:7", "", 2, "HP:0040281", "", "P")
        .row("OMIM:1", "", 5, "1/2", "MALE", "P")
}

#[test]
fn any_changed_byte_is_noticed() {
    let good = rich().bytes();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(TermFile::from_bytes(bad).is_err(), "byte {at} of {}", good.len());
    }
}

#[test]
fn a_cut_or_lengthened_file_is_noticed() {
    let good = rich().bytes();
    for end in 0..good.len() {
        assert!(TermFile::from_bytes(good[..end].to_vec()).is_err(), "cut at {end} of {}", good.len());
    }
    let mut longer = good;
    longer.push(0);
    assert!(TermFile::from_bytes(longer).is_err());
}

#[test]
fn refusals_say_what_is_wrong() {
    let error = |bytes: Vec<u8>| TermFile::from_bytes(bytes).unwrap_err();
    assert!(matches!(error(b"PK\x03\x04 something else".to_vec()), FormError::NotATermFile));
    let mut newer = rich().bytes();
    newer[8] = 9;
    assert!(matches!(error(newer), FormError::Format { found: 9 }));
    let missing = TermFile::open(std::path::Path::new("no/such.terms")).unwrap_err();
    assert!(missing.to_string().starts_with("the term file no/such.terms cannot be read"));
}

/// The file again with one section's bytes replaced and every checksum right.
fn crafted(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let sections = Sections::read(Bytes::Shared(rich().bytes().into())).unwrap();
    assert!(sections.has(name), "no section {name}");
    let mut change = Some(change);
    let mut writer = Writer::default();
    for (known, deflated) in sections.names() {
        let mut data = sections.data(known).to_vec();
        if known == name {
            change.take().unwrap()(&mut data);
        }
        writer.add(known, deflated, data);
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    bytes
}

#[rstest]
#[case("hpo.parents", 0, 9, "section hpo.parents points beyond its target")]
#[case("hpo.parents", 0, 3, "section hpo.parents: the edges form a cycle")]
#[case("hpo.ids", 0, 200, "section hpo.ids is not in order")]
#[case("hpo.parents.of", 4, 200, "the offsets of section hpo.parents.of are not in order")]
#[case("hpo.genes.of", 0, 200, "the offsets of section hpo.genes.of are not in order")]
#[case("hpo.genes", 0, 200, "section hpo.genes points beyond its target")]
#[case("hpo.retired.to", 0, 200, "section hpo.retired.to points beyond its target")]
#[case("hpo.labels", 0, 200, "section hpo.labels has not 5 texts")]
#[case("hpo.labels", 28, 255, "section hpo.labels holds bytes that are not UTF-8")]
#[case("links.hpo", 0, 200, "section links.hpo points beyond its target")]
#[case("links.frequency", 0, 200, "section links.frequency has wrong rows")]
#[case("diseases.term", 0, 200, "section diseases.term points beyond its target")]
#[case("diseases.flags", 0, 255, "section diseases.flags has wrong rows")]
#[case("diseases.prefix", 0, 200, "section diseases.prefix has wrong rows")]
fn content_that_contradicts_itself_is_refused(
    #[case] name: &str,
    #[case] at: usize,
    #[case] value: u8,
    #[case] expected: &str,
) {
    let error = TermFile::from_bytes(crafted(name, |data| data[at] = value)).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_section_that_inflates_to_more_than_it_says_is_refused() {
    let mut bytes = rich().bytes();
    let sections = Sections::read(Bytes::Shared(bytes.clone().into())).unwrap();
    let entry = sections.names().position(|(name, deflated)| deflated && name == "hpo.definitions").unwrap();
    let length = 56 + entry * 56 + 48;
    bytes[length..length + 8].copy_from_slice(&3_u64.to_le_bytes());
    let count = sections.names().count();
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[56..56 + count * 56]);
    bytes[16..20].copy_from_slice(&crc.sum().to_le_bytes());
    let error = TermFile::from_bytes(bytes).unwrap_err().to_string();
    assert!(error.contains("section hpo.definitions has not its declared length"), "{error}");
}

proptest! {
    #[test]
    fn crafted_sections_never_panic(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let good = Sections::read(Bytes::Shared(rich().bytes().into())).unwrap();
        let filled: Vec<&str> = good.names().map(|(name, _)| name).filter(|n| !good.data(n).is_empty()).collect();
        let bytes = crafted(filled[pick.index(filled.len())], |data| {
            let at = at.index(data.len());
            if cut { data.truncate(at) } else { data[at] = value }
        });
        if let Ok(file) = TermFile::from_bytes(bytes) {
            for id in file.ids(Ontology::Hpo) {
                file.expand(Ontology::Hpo, &id, 0.2);
                file.details(Ontology::Hpo, &id);
                file.map_to_ordo(&id);
                file.genes_of(Ontology::Hpo, &id);
            }
            file.complete(Ontology::Hpo, "e", 0);
            file.diseases().count();
        }
    }
}

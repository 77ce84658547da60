//! Whole uploads: packing, bounds, cancelling, damage.

use std::io::Write;

use proptest::prelude::*;

use super::fixture::{Kept, by, read_all, read_into, read_with, refusal};
use super::{IngestError, Limits};

const PACKET: &str = r#"{"id":"p1","subject":{"id":"s","sex":"MALE"},"phenotypicFeatures":[{"type":{"id":"HP:0000001"},"onset":{"age":{"iso8601duration":"P3Y"}}}],"diseases":[{"term":{"id":"OMIM:154700","label":"x"}}],"metaData":{"created":"2020-01-01"}}"#;
const VCF: &str = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n1\t5\t.\tC\tT\t.\t.\tAF=0.5;ANN=T|stop_gained|H|TTN\tGT\t0/1\n";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn two() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("a/one.json", PACKET.as_bytes()),
        ("__MACOSX/x.json", b"?"),
        ("a/._one.json", b"?"),
        ("two.vcf", VCF.as_bytes()),
    ]
}

#[rstest::rstest]
#[case::gz("p.json.gz", gz(PACKET.as_bytes()), 1)]
#[case::xz("p.json.xz", xz(PACKET.as_bytes()), 1)]
#[case::zip("a.zip", zip(&two()), 2)]
#[case::tar("a.tar", tar(&two()), 2)]
#[case::tar_gz("a.tar.gz", gz(&tar(&two())), 2)]
#[case::tar_xz("a.tar.xz", xz(&tar(&two())), 2)]
#[case::tgz("a.tgz", gz(&tar(&two())), 2)]
#[case::gz_in_zip("a.zip", zip(&[("v.vcf.gz", &gz(VCF.as_bytes())), ("p.json", PACKET.as_bytes())]), 2)]
#[case::zip_in_tar("a.tar", tar(&[("b.zip", &zip(&two()))]), 2)]
#[case::tar_gz_in_zip("a.zip", zip(&[("b.tar.gz", &gz(&tar(&two())))]), 2)]
#[case::content_over_name("p.csv", gz(VCF.as_bytes()), 1)]
#[case::no_name("upload", PACKET.as_bytes().to_vec(), 1)]
#[case::long_name("a.tar", tar(&[(&format!("{}/p.json", "d".repeat(300)), PACKET.as_bytes())]), 1)]
fn a_packed_file_is_unpacked(#[case] name: &str, #[case] bytes: Vec<u8>, #[case] subjects: usize) {
    let kept = read_all(name, &bytes);
    assert_eq!(kept.subjects.len(), subjects);
    assert!(kept.rejects.is_empty(), "{:?}", kept.rejects);
    assert_eq!(kept.progress.1, bytes.len() as u64);
}

#[test]
fn a_workbook_is_not_taken_for_an_archive() {
    for (name, bytes) in [("a.xlsx", zip(&two())), ("a.xlsx.gz", gz(&zip(&two())))] {
        let message = refusal(name, &bytes);
        assert!(message.starts_with("a.xlsx"), "{message}");
    }
}

#[test]
fn names_in_archives_are_shown_and_never_used() {
    let archive = zip(&[("../../etc/passwd.json", b"{broken"), ("ok.json", PACKET.as_bytes())]);
    let kept = read_all("a.zip", &archive);
    assert_eq!(kept.subjects.len(), 1);
    assert_eq!(kept.rejects[0].file, "../../etc/passwd.json");
    assert!(!std::path::Path::new("../../etc/passwd.json").exists());
}

#[test]
fn links_and_folders_are_passed_over() {
    let mut builder = tar::Builder::new(Vec::new());
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, "x.json", "/etc/passwd").unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(PACKET.len() as u64);
    builder.append_data(&mut header, "p.json", PACKET.as_bytes()).unwrap();
    assert_eq!(read_all("a.tar", &builder.into_inner().unwrap()).subjects.len(), 1);
}

#[test]
fn a_truncated_archive_names_the_entry() {
    let big = format!("[{}]", vec![PACKET; 500].join(","));
    let whole = tar(&[("first.json", PACKET.as_bytes()), ("second.json", big.as_bytes())]);
    let message = refusal("a.tar", &whole[..whole.len() - 20_000]);
    assert!(message.contains("second.json") && message.contains("incomplete"), "{message}");
    let packed = gz(&whole);
    let message = refusal("a.tar.gz", &packed[..packed.len() - 30]);
    assert!(message.contains("incomplete") || message.contains("unpack"), "{message}");
    let message = refusal("a.zip", &zip(&two())[..200]);
    assert!(message.contains("a.zip"), "{message}");
    let mut damaged = gz(big.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let message = refusal("a.json.gz", &damaged);
    assert!(message.contains("a.json") || message.contains("JSON"), "{message}");
}

#[rstest::rstest]
#[case::entry(Limits { max_entry_bytes: 1_000, ..Limits::default() }, gz(&[b' '; 4_000]), "limit of 1000 unpacked bytes in one file")]
#[case::ratio(Limits::default(), gz(&vec![b' '; 64 << 20]), "limit of 500 unpacked bytes for each packed one")]
#[case::nested_ratio(Limits::default(), gz(&gz(&vec![b' '; 64 << 20])), "limit of 500 unpacked bytes for each packed one")]
#[case::layers(Limits::default(), gz(&gz(&gz(&gz(&gz(b"{}"))))), "layers of compression")]
#[case::depth(Limits::default(), tar(&[("b.tar", &tar(&[("c.tar", &tar(&[("d.json", b"{}")]))]))]), "archives inside one another")]
#[case::entries(Limits { max_entries: 1, ..Limits::default() }, tar(&two()), "limit of 1 entries")]
#[case::total(Limits { max_total_bytes: 300, ..Limits::default() }, tar(&[("a.json", PACKET.as_bytes()), ("b.json", PACKET.as_bytes())]),
    "limit of 300 unpacked bytes")]
#[case::nested_zip(Limits { max_buffered_bytes: 100, ..Limits::default() }, tar(&[("b.zip", &zip(&two()))]), "read as a whole")]
fn bombs_are_stopped(#[case] limits: Limits, #[case] bytes: Vec<u8>, #[case] reason: &str) {
    let message = read_with("a.json", &bytes, by(""), &limits).0.unwrap_err().to_string();
    assert!(message.contains(reason), "{message}");
}

#[rstest::rstest]
#[case("a.json", b"", "is empty")]
#[case("a.csv.gz", b"\x1f\x8b", "incomplete")]
#[case("a.png", b"\x89PNG", "neither its name nor its first bytes")]
#[case("a.zip", b"hello", "the content is none")]
#[case("a.tar", b"hello", "the content is none")]
fn a_file_that_is_nothing_is_refused(#[case] name: &str, #[case] bytes: &[u8], #[case] reason: &str) {
    let message = refusal(name, bytes);
    assert!(message.contains(reason), "{message}");
}

#[test]
fn unreadable_files_of_an_archive_are_rejected_and_counted() {
    let entries: Vec<(&str, &[u8])> = vec![
        ("readme.md", b"hello"),
        ("empty.json", b""),
        ("bad.json", b"{"),
        ("ok.json", PACKET.as_bytes()),
    ];
    let (outcome, kept) = read_with("a.zip", &zip(&entries), by(""), &Limits::default());
    let summary = outcome.unwrap();
    assert_eq!((summary.files, summary.subjects, summary.rejected), (1, 1, 3));
    assert_eq!(
        kept.rejects.iter().map(|r| r.file.as_str()).collect::<Vec<_>>(),
        ["readme.md", "empty.json", "bad.json"]
    );
    let none = read_with("a.zip", &zip(&entries[..2]), by(""), &Limits::default()).0;
    assert!(matches!(none, Err(IngestError::UnknownFormat { .. })));
}

#[test]
fn only_the_first_rejects_are_detailed_and_values_are_cut() {
    let feature = format!(r#"{{"type":{{"id":"MP:{}"}}}}"#, "é".repeat(100));
    let text = format!(
        r#"{{"id":"p","subject":{{}},"phenotypicFeatures":[{}]}}"#,
        vec![feature.as_str(); 50].join(",")
    );
    let limits = Limits { max_rejects_reported: 10, ..Limits::default() };
    let (outcome, kept) = read_with("a.json", text.as_bytes(), by(""), &limits);
    assert_eq!(outcome.unwrap().rejected, 50);
    assert_eq!(kept.rejects.len(), 10);
    assert_eq!(kept.rejects[0].value.as_ref().unwrap().chars().count(), 40);
}

#[test]
fn remarks_come_once_with_ten_examples() {
    let packets: Vec<String> =
        (0..40).map(|n| format!(r#"{{"id":"p{n}","subject":{{"id":"s{}"}}}}"#, n / 2)).collect();
    let kept = read_all("a.jsonl", packets.join("\n").as_bytes());
    let remarks: Vec<_> = kept.warnings.iter().filter(|w| w.text.contains("stay different")).collect();
    assert_eq!((remarks.len(), remarks[0].count, remarks[0].examples.len()), (1, 20, 10));
}

#[test]
fn reading_stops_when_asked() {
    let text = vec![PACKET; 2_000].join("\n");
    let mut kept = Kept::default();
    let outcome = read_into("a.jsonl", text.as_bytes(), by(""), &Limits::default(), &|| true, &mut kept);
    assert!(matches!(outcome, Err(IngestError::Stopped)));
    let mut kept = Kept { stop_after: Some(7), ..Kept::default() };
    let outcome = read_into("a.jsonl", text.as_bytes(), by(""), &Limits::default(), &|| false, &mut kept);
    assert!(matches!(outcome, Err(IngestError::Stopped)));
    assert_eq!(kept.subjects.len(), 7);
}

#[test]
fn the_number_of_the_last_batch_is_told() {
    let rule = crate::domain::pipelines::SubjectIdRule::AssignPerBatch { prefix: "S-".into(), batch_size: 1 };
    let outcome = read_with("a.tar", &tar(&two()), rule, &Limits::default()).0.unwrap();
    assert_eq!(outcome.last_number, Some(42), "one packet and one sample after number 40");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_break_a_reader(
        name in prop::sample::select(vec!["a.json", "a.vcf", "a.zip", "a.tar", "a.gz", "a.csv", "a", "a.xz"]),
        bytes in prop::collection::vec(any::<u8>(), 1..2_000),
    ) {
        let _ = read_with(name, &bytes, by(""), &small());
    }

    #[test]
    fn no_change_of_a_good_file_breaks_a_reader(
        which in 0_usize..6,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let (name, mut bytes) = match which {
            0 => ("a.json", PACKET.as_bytes().to_vec()),
            1 => ("a.vcf", VCF.as_bytes().to_vec()),
            2 => ("a.zip", zip(&two())),
            3 => ("a.tar", tar(&two())),
            4 => ("a.tar.gz", gz(&tar(&two()))),
            _ => ("a.tar.xz", xz(&tar(&two()))),
        };
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, byte),
                _ => { bytes.remove(at); if bytes.is_empty() { bytes.push(0); } }
            }
        }
        let _ = read_with(name, &bytes, by(""), &small());
    }

    #[test]
    fn json_like_text_never_breaks_the_reader(text in r#"[\[\]{}",:a-c0-9\\ \n]{0,80}"#) {
        if !text.is_empty() {
            let _ = read_with("a.json", text.as_bytes(), by("a.b"), &small());
        }
    }
}

fn small() -> Limits {
    Limits {
        max_entry_bytes: 1 << 20,
        max_total_bytes: 1 << 21,
        max_record_bytes: 1 << 20,
        ..Limits::default()
    }
}

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::domain::pipelines::SubjectIdRule;
use crate::ingest::Limits;
use crate::ingest::fixture::{Kept, by, read_all, read_with, refusal, shared};

const HEAD: &str = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";

fn vcf(samples: &[&str], lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| line.replace(' ', "\t")).collect();
    format!("{HEAD}\t{}\n{}\n", samples.join("\t"), lines.join("\n"))
}

/// VARIANT of the first sample after one line with the INFO, ALT, FORMAT and genotype.
fn variants(alt: &str, info: &str, format: &str, genotype: &str) -> Value {
    let line = format!("1 5 . CA {alt} . PASS {info} {format} {genotype}");
    read_all("a.vcf", vcf(&["s1"], &[&line]).as_bytes()).stored()[0]["VARIANT"].clone()
}

#[rstest::rstest]
#[case("0/0", json!(null))]
#[case("0|1", json!(1))]
#[case("1/0", json!(1))]
#[case("1|1", json!(2))]
#[case("1", json!(1))]
#[case("0", json!(null))]
#[case("./1", json!(1))]
#[case("./.", json!(null))]
#[case(".", json!(null))]
#[case("1/1/1", json!(2))]
#[case("0/7", json!(null))]
#[case("x/y", json!(null))]
#[case("", json!(null))]
fn a_genotype_tells_how_many_alleles_are_carried(#[case] genotype: &str, #[case] expected: Value) {
    let found = variants("T", "AF=0.5;ANN=T|missense_variant|MODERATE|TTN|x", "GT", genotype);
    assert_eq!(found[0]["_ac"], expected);
}

#[rstest::rstest]
#[case::two_parts("T", "ANN=T|missense_variant&splice_region_variant|M|TTN", json!([["TTN", "missense"], ["TTN", "splice"]]))]
#[case::non_coding_beside_another("T", "ANN=T|splice_region_variant&intron_variant|M|TTN", json!([["TTN", "splice"]]))]
#[case::every_entry_once("T", "ANN=T|intron_variant|M|B,T|stop_gained|H|A,T|stop_gained|H|A", json!([["A", "nonsense"], ["B", "nonCoding"]]))]
#[case::a_pair_of_genes("T", "ANN=T|intergenic_region|M|A-B", json!(null))]
#[case::an_antisense_gene("T", "ANN=T|upstream_gene_variant|M|POTEH-AS1", json!([["POTEH-AS1", "nonCoding"]]))]
#[case::no_gene("T", "ANN=T|intron_variant|M|", json!(null))]
#[case::no_annotation("T", "AF=0.1", json!(null))]
#[case::vep("T", "CSQ=T|missense_variant|M|TTN", json!([["TTN", "missense"]]))]
#[case::short_entries("T", "ANN=T,|,T|x", json!(null))]
fn annotations_give_genes_and_mutations(#[case] alt: &str, #[case] info: &str, #[case] expected: Value) {
    let found = variants(alt, info, "GT", "0/1");
    let pairs =
        found.as_array().map(|all| all.iter().map(|v| json!([v["gene"], v["mutation"]])).collect::<Vec<_>>());
    assert_eq!(json!(pairs), expected);
}

#[rstest::rstest]
#[case("0/1", json!(["A"]))]
#[case("0|2", json!(["B"]))]
#[case("1/2", json!(["A", "B"]))]
fn only_the_alleles_that_are_carried_count(#[case] genotype: &str, #[case] expected: Value) {
    let ann = "AF=0.25,0.5;ANN=T|missense_variant|M|A,C|missense_variant|M|B";
    let found = variants("T,C", ann, "DP:GT", &format!("9:{genotype}"));
    let genes: Vec<_> = found.as_array().unwrap().iter().map(|v| v["gene"].clone()).collect();
    assert_eq!(json!(genes), expected);
    let vep = variants("C,CAT", "CSQ=-|frameshift_variant|H|A,AT|inframe_insertion|M|B", "GT", genotype);
    let genes: Vec<_> = vep.as_array().unwrap().iter().map(|v| v["gene"].clone()).collect();
    assert_eq!(json!(genes), expected, "VEP writes alleles without the shared base");
}

#[test]
fn several_variants_of_one_kind_are_one_entry_with_the_smallest_frequency() {
    let text = vcf(
        &["s1", "s2"],
        &[
            "1 5 . C T . . AF=0.5;ANN=T|missense_variant|M|TTN GT 1|1 0|1",
            "1 6 . C T . . AF=0.125;ANN=T|missense_variant|M|TTN GT 0|1 0|0",
            "1 7 . C T . . ANN=T|missense_variant|M|TTN GT 0|1 0|0",
        ],
    );
    let stored = read_all("a.vcf", text.as_bytes()).stored();
    assert_eq!(stored[0]["VARIANT"], json!([{"gene": "TTN", "mutation": "missense", "af": 0.125, "_ac": 2}]));
    assert_eq!(stored[1]["VARIANT"], json!([{"gene": "TTN", "mutation": "missense", "af": 0.5, "_ac": 1}]));
}

#[test]
fn what_is_left_out_is_counted_and_bad_lines_are_rejected() {
    let text = vcf(
        &["s1"],
        &[
            "1 5 . C T . . ANN=T|intergenic_region|M|A-B,T|intergenic_variant|M| GT 0/1",
            "1 6 . C T . . ANN=T|intron_variant|M| GT 0/1",
            "1 7 . C T . . AF=0.5 GT 0/1",
            "1 8 . C T . . ANN=T|intron_variant|M|A DP 3",
            "1 9 . C T . . ANN=T|intron_variant|M|A GT 0/1 0/1",
            "1 10 . C",
        ],
    );
    let kept = read_all("a.vcf", text.as_bytes());
    assert_eq!(kept.warned("between genes"), 2);
    assert_eq!(kept.warned("without a gene symbol"), 1);
    assert_eq!(kept.warned("without an ANN or CSQ"), 1);
    assert_eq!(kept.warned("without genotypes"), 1);
    assert_eq!(kept.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(kept.stored(), json!([{"subjectId": "s1"}]), "a sample that carries nothing is a subject too");
}

#[rstest::rstest]
#[case("##fileformat=VCFv4.2\n", "no #CHROM line")]
#[case("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n", "no sample columns")]
#[case("##fileformat=VCFv4.2\n1\t2\n", "no header line")]
#[case("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\ta\n", "two columns")]
#[case("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\t\n", "empty")]
fn a_file_without_samples_is_refused(#[case] text: &str, #[case] reason: &str) {
    assert!(refusal("a.vcf", text.as_bytes()).contains(reason), "{}", refusal("a.vcf", text.as_bytes()));
}

#[rstest::rstest]
#[case(by("anything"), &["s1", "s2"])]
#[case(SubjectIdRule::AssignPerBatch { prefix: "B".into(), batch_size: 1 }, &["B41", "B42"])]
fn samples_are_named_by_the_pipeline(#[case] rule: SubjectIdRule, #[case] expected: &[&str]) {
    let text = vcf(&["s1", "s2"], &[]);
    let (outcome, kept) = read_with("a.vcf", text.as_bytes(), rule, &Limits::default());
    outcome.unwrap();
    assert_eq!(kept.subjects.iter().map(|s| s.subject_id.as_str()).collect::<Vec<_>>(), expected);
}

#[test]
fn a_whole_file_is_one_subject_only_with_one_sample() {
    let rule = || SubjectIdRule::AttributeInName;
    let one = read_with("K7.vcf", vcf(&["s1"], &[]).as_bytes(), rule(), &Limits::default());
    assert_eq!(one.1.subjects[0].subject_id, "K7");
    let two = read_with("K7.vcf", vcf(&["s1", "s2"], &[]).as_bytes(), rule(), &Limits::default());
    assert!(two.0.unwrap_err().to_string().contains("2 samples"));
}

#[test]
fn what_may_be_held_is_bounded() {
    let lines = ["1 5 . C T . . ANN=T|intron_variant|M|A,T|intron_variant|M|B GT 0/1"];
    let limits = Limits { max_carried: 1, ..Limits::default() };
    let outcome = read_with("a.vcf", vcf(&["s1"], &lines).as_bytes(), by(""), &limits).0;
    assert!(outcome.unwrap_err().to_string().contains("limit of 1 different"));
    let limits = Limits { max_record_bytes: 20, ..Limits::default() };
    let outcome = read_with("a.vcf", vcf(&["s1"], &lines).as_bytes(), by(""), &limits).0;
    assert!(outcome.unwrap_err().to_string().contains("limit of 20 bytes in one line"));
}

#[test]
fn every_member_of_a_block_compressed_file_is_read() {
    let text = vcf(&["s1"], &["1 5 . C T . . ANN=T|stop_gained|H|TTN GT 0/1"]);
    let mut packed = Vec::new();
    for part in text.as_bytes().chunks(40) {
        let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(read_all("a.vcf.bgz", &packed).stored()[0]["VARIANT"][0]["mutation"], json!("nonsense"));
}

/// Gene and mutation with the smallest frequency and the largest number of alleles.
type Carries = BTreeMap<(String, String), (f64, u64)>;

/// A plain second reading of ANN lines with one alternate allele, by text only.
fn naive(text: &str) -> BTreeMap<String, Carries> {
    let mut samples: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, Carries> = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        if line.starts_with("#CHROM") {
            samples = cells[9..].iter().map(|s| (*s).to_owned()).collect();
            found = samples.iter().map(|s| (s.clone(), BTreeMap::new())).collect();
        }
        if line.starts_with('#') {
            continue;
        }
        let info = |key: &str| cells[7].split(';').find_map(|f| f.strip_prefix(key)?.strip_prefix('='));
        let Some(annotations) = info("ANN") else { continue };
        let af: f64 = info("AF").unwrap().parse().unwrap();
        let mut effects = Vec::new();
        for entry in annotations.split(',') {
            let parts: Vec<&str> = entry.split('|').collect();
            if parts[1] == "intergenic_region" {
                continue;
            }
            let mut names: Vec<&str> = Vec::new();
            for term in parts[1].split('&') {
                names.push(match term {
                    "missense_variant" => "missense",
                    "stop_gained" => "nonsense",
                    "splice_acceptor_variant" | "splice_region_variant" => "splice",
                    "conservative_inframe_deletion" => "indel",
                    _ => "nonCoding",
                });
            }
            if names.iter().any(|name| *name != "nonCoding") {
                names.retain(|name| *name != "nonCoding");
            }
            effects.extend(names.into_iter().map(|name| (parts[3].to_owned(), name.to_owned())));
        }
        for (sample, genotype) in samples.iter().zip(&cells[9..]) {
            let copies = genotype.matches('1').count() as u64;
            if copies == 0 {
                continue;
            }
            for effect in &effects {
                let held = found.get_mut(sample).unwrap().entry(effect.clone()).or_insert((af, copies));
                *held = (held.0.min(af), held.1.max(copies));
            }
        }
    }
    found
}

#[test]
fn the_real_file_agrees_with_a_plain_reading() {
    let Some(path) = shared("cineca-annotated.vcf.gz") else { return };
    let bytes = std::fs::read(path).unwrap();
    let kept: Kept = read_all("c.vcf.gz", &bytes);
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    let expected = naive(&text);
    assert_eq!(kept.subjects.len(), 2_504);
    assert_eq!(expected.len(), 2_504);
    let mut total = 0;
    for subject in &kept.subjects {
        let mine: Carries = subject
            .variant
            .iter()
            .map(|v| {
                let key = (v.gene.clone(), v.mutation.as_str().to_owned());
                (key, (v.af.unwrap(), u64::from(v.allele_count.unwrap())))
            })
            .collect();
        assert_eq!(mine, expected[&subject.subject_id], "{}", subject.subject_id);
        total += mine.len();
    }
    println!("2504 subjects, {total} (gene, mutation) entries");
    for warning in &kept.warnings {
        println!("{} × {}", warning.count, warning.text);
    }
    assert_eq!(kept.warned("between genes"), 3_572);
    assert!(kept.rejects.is_empty());
}

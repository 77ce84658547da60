//! Files of the same form as the shared ones, of a hundred people who do not exist.

use std::fmt::Write;
use std::io::Write as _;

use super::{Files, IDENTIFIERS};
use crate::support::Dice;

const PEOPLE: usize = 120;

/// Attribute columns and what may stand in them.
const COLUMNS: [(&str, &[&str]); 12] = [
    ("Sex", &["male", "female"]),
    ("Ethnic background-0.0", &["Mixed", "British", "African", "Caribbean"]),
    ("Body mass index (BMI)-0.0", &["18.5", "24.25", "29.99", "30", "31.125", "44.5"]),
    ("Ever smoked-0.0", &["Yes", "No"]),
    ("Diabetes diagnosed by doctor-0.0", &["Yes", "No", "Do not know"]),
    ("Fasting time-0.0", &["1.0", "2.0", "3.0", "3", "4.0"]),
    ("Qualifications-0.0", &["College or University degree", "A levels/AS levels", "None of the above"]),
    ("Circulatory system disorders", &["", "haemorrhoids", "cardiomyopathy"]),
    ("Age at recruitment-0.0", &["#REF!", "39", "40", "55", "60", "61", "#REF!"]),
    ("Age diabetes diagnosed-0.0", &["#REF!", "", "31", "64"]),
    ("Age at death-0.0", &["#REF!"]),
    ("Records of Covid-19 test results", &[""]),
];

/// Gene, consequence, allele frequency, how many of a hundred carry it.
const VARIANTS: [(&str, &str, f64, u64); 11] = [
    ("POTEH", "missense_variant", 0.25, 40),
    ("POTEH", "missense_variant&splice_region_variant", 0.0015, 9),
    ("POTEH", "stop_gained", 0.004, 8),
    ("POTEH", "conservative_inframe_deletion", 0.0036, 6),
    ("POTEH", "intron_variant", 0.4, 50),
    ("DUXAP8", "splice_acceptor_variant&intron_variant", 0.0016, 7),
    ("DUXAP8", "non_coding_transcript_exon_variant", 0.3, 40),
    ("IL17RA", "missense_variant", 0.001, 6),
    ("IL17RA", "missense_variant", 0.02, 20),
    ("IL17RA", "synonymous_variant", 0.1, 30),
    ("CHR_START-DUXAP8", "intergenic_region", 0.2, 30),
];

/// A tab-separated table and compressed variants, made from a seed.
pub fn files(seed: u64) -> Files {
    let mut dice = Dice::seeded("made people", seed);
    let ids: Vec<String> = (0..PEOPLE).map(|n| format!("MADE{n:05}")).collect();
    Files {
        table: ("made.tsv", table(&mut dice, &ids)),
        variants: ("made.vcf.gz", variants(&mut dice, &ids)),
    }
}

fn table(dice: &mut Dice, ids: &[String]) -> Vec<u8> {
    let mut rows: Vec<String> = Vec::new();
    for (n, id) in (1..).zip(ids) {
        let mut row = format!("fake{n}\tsynthetic_sample_{n}\tSAMEA9{n:06}\t{id}\tEGAN9{n:06}");
        for (_, values) in COLUMNS {
            write!(row, "\t{}", dice.pick(values)).unwrap();
        }
        rows.push(row);
    }
    // Who comes first in the file says nothing about who comes first in the other.
    dice.shuffle(&mut rows);
    let header: Vec<&str> = IDENTIFIERS.into_iter().chain(COLUMNS.map(|(name, _)| name)).collect();
    format!("{}\n{}\n", header.join("\t"), rows.join("\n")).into_bytes()
}

fn variants(dice: &mut Dice, ids: &[String]) -> Vec<u8> {
    let mut text = String::from("##fileformat=VCFv4.2\n");
    writeln!(text, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}", ids.join("\t")).unwrap();
    for (at, (gene, consequence, af, share)) in (1..).zip(VARIANTS) {
        let annotation = format!("G|{consequence}|LOW|{gene}|{gene}|transcript|T1|||n.1A>G||||||");
        write!(text, "22\t{}\t.\tA\tG\t100\tPASS\tAF={af};ANN={annotation}\tGT:DP", 16_000_000 + at * 10)
            .unwrap();
        for _ in ids {
            let carried = ["0/1", "1|0", "1/1", "./1"];
            let none = ["0/0", "./.", "0|0"];
            let genotype = if dice.chance(share) { dice.pick(&carried) } else { dice.pick(&none) };
            write!(text, "\t{genotype}:11").unwrap();
        }
        text.push('\n');
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

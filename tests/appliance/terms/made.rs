//! Files of the official forms with invented content: small enough to check by hand.

/// A diamond with a twig and a second branch; ids that no release has.
///
/// `…01` → `…02`, `…03`; `…02`, `…03` → `…04`; `…04` → `…05`; `…03` → `…06`; `…01` → `…07` → `…08`.
const TERMS: [(&str, &[&str], u32); 8] = [
    ("9900001", &[], 10),
    ("9900002", &["9900001"], 5),
    ("9900003", &["9900001"], 7),
    ("9900004", &["9900002", "9900003"], 4),
    ("9900005", &["9900004"], 2),
    ("9900006", &["9900003"], 3),
    ("9900007", &["9900001"], 9),
    ("9900008", &["9900007"], 1),
];

pub fn obo() -> String {
    let mut text = "format-version: 1.2\ndata-version: hp/releases/made\n".to_owned();
    for (id, parents, _) in TERMS {
        text += &format!("\n[Term]\nid: HP:{id}\nname: made {id}\n");
        for parent in parents {
            text += &format!("is_a: HP:{parent} ! made {parent}\n");
        }
    }
    text
}

pub fn genes_to_phenotype() -> String {
    let mut text = "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\n".to_owned();
    for (id, _, genes) in TERMS {
        for gene in 0..genes {
            let number = id.parse::<u32>().unwrap() * 100 + gene;
            text += &format!("{number}\tMADE{number}\tHP:{id}\tmade {id}\t-\tOMIM:1\n");
        }
    }
    text
}

/// Two roots; 9001 holds a group of three diseases, of which two are close, and a disease with two parents.
pub const ORDO_TERMS: &str = "\
9001\tMade diseases\tCategory\t\t
9002\tOther made diseases\tCategory\t\t
9010\tMade group\tClinical group\t\tDiseases nobody has.
9011\tFirst made disease\tDisease\tFMD|The first\t
9012\tSecond made disease\tDisease\t\t
9013\tThird made disease\tDisease\t\t
9014\tA subtype of the first\tClinical subtype\t\t
9015\tAnother subtype of the first\tClinical subtype\t\t
9020\tA disease of two groups\tDisease\t\t
9021\tA disease of the other group\tDisease\t\t
";

pub const ORDO_EDGES: &str = "\
9010\t9001
9011\t9010
9012\t9010
9013\t9010
9014\t9011
9015\t9011
9020\t9002
9020\t9010
9021\t9002
9021\t9999
";

pub const HOOM: &str = "\
9011\tHP:9900004\tVery frequent (99-80%)
9011\tHP:9900006\tOccasional (29-5%)
9012\tHP:9900008\tExcluded (0%)
9012\tHP:9900002\tFrequent (79-30%)
9013\tHP:9900008\tObligate (100%)
9014\tHP:9900005\tVery rare (<4-1%)
9020\tHP:9900003\tExcluded (0%)
9021\tHP:9900007\tFrequent (79-30%)
";

pub const OMIM: &str = "\
9011\t990011\tE
9014\t990012\tNTBT
9015\t990012\tNTBT
9021\t990021\tE
";

pub const GENES: &str = "9011\tMADE1\t1\n9021\tMADE3\t3\n";

pub const GMT: &str = "\
A made pathway\tR-HSA-990001\tMADE1\tMADE2
Another made pathway\tR-HSA-990002\tMADE2\tMADE3\tMADE4
A pathway that no patient's gene is in\tR-HSA-990003\tMADE9
";

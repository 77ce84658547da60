//! Tests of the engine as a whole; rules of one file are tested beside it.

mod annotation;
mod damage;
mod released;
mod similarity;
mod vectors;

use std::fmt::Write as _;
use std::path::PathBuf;

use super::TermFile;
use super::build::{BuildInputs, build};

/// Texts of official files, written to a folder and built into a term file.
#[derive(Default)]
pub struct Release {
    pub obo: String,
    pub genes: String,
    pub hpoa: String,
}

impl Release {
    /// Adds a term; `n` is its number, `lines` further OBO tags.
    pub fn term(mut self, n: u32, name: &str, parents: &[u32], lines: &str) -> Self {
        write!(self.obo, "\n[Term]\nid: HP:{n:07}\nname: {name}\n").unwrap();
        for parent in parents {
            writeln!(self.obo, "is_a: HP:{parent:07} ! parent").unwrap();
        }
        for line in lines.lines() {
            writeln!(self.obo, "{line}").unwrap();
        }
        self
    }

    /// Annotates a term with `count` genes of its own.
    pub fn genes(mut self, n: u32, count: u32) -> Self {
        for gene in 0..count {
            let ncbi = n * 1000 + gene;
            writeln!(self.genes, "{ncbi}\tG{ncbi}\tHP:{n:07}\tname\t-\tOMIM:1").unwrap();
        }
        self
    }

    pub fn row(
        mut self,
        disease: &str,
        qualifier: &str,
        n: u32,
        frequency: &str,
        sex: &str,
        aspect: &str,
    ) -> Self {
        let row = [
            disease,
            "A disease",
            qualifier,
            &format!("HP:{n:07}"),
            "REF",
            "PCS",
            "",
            frequency,
            sex,
            "",
            aspect,
            "",
        ];
        writeln!(self.hpoa, "{}", row.join("\t")).unwrap();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| -> Option<PathBuf> {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let header = "database_id\tdisease_name\tqualifier\thpo_id\treference\tevidence\tonset\tfrequency\tsex\tmodifier\taspect\tbiocuration\n";
        let inputs = BuildInputs {
            hp_obo: file("hp.obo", format!("data-version: hp/releases/test\n{}", self.obo)),
            genes_to_phenotype: file(
                "genes_to_phenotype.txt",
                format!("ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\n{}", self.genes),
            ),
            phenotype_hpoa: file("phenotype.hpoa", format!("#version: test\n{header}{}", self.hpoa)),
            ..BuildInputs::default()
        };
        let mut bytes = Vec::new();
        build(&inputs, &mut bytes).unwrap();
        bytes
    }

    pub fn file(&self) -> TermFile {
        TermFile::from_bytes(self.bytes()).unwrap()
    }
}

/// The published example: A(10) → B(5), C(7); B, C → D(4); A…D are terms 1…4.
pub fn diamond() -> Release {
    Release::default()
        .term(1, "A", &[], "")
        .term(2, "B", &[1], "")
        .term(3, "C", &[1], "")
        .term(4, "D", &[2, 3], "")
        .genes(1, 10)
        .genes(2, 5)
        .genes(3, 7)
        .genes(4, 4)
}

/// The shared data folder, or `None` with a printed line.
pub fn shared_data(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CV3_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = folder.join("data").join(file);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {file} is not in the shared data folder (CV3_SHARED)");
    None
}

pub fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

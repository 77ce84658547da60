//! `terms show|build`: what terms are loaded, and new term files from official ones.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Common;
use super::output::Output;
use crate::terms::{TermFile, Terms, build};

/// What to do with term files.
#[derive(Debug, Subcommand)]
pub enum TermsVerb {
    /// Show the sources, versions and licences of a term file (the built-in one unless a file is given)
    Show { file: Option<PathBuf> },
    /// Make a term file from official files; what is not given is taken from the built-in one
    Build(Build),
}

/// Official files, each plain, .gz or .xz.
#[derive(Debug, Args)]
pub struct Build {
    /// Where to write the term file
    #[arg(long)]
    out: PathBuf,
    /// hp.obo
    #[arg(long)]
    hp_obo: Option<PathBuf>,
    /// genes_to_phenotype.txt
    #[arg(long)]
    genes_to_phenotype: Option<PathBuf>,
    /// phenotype.hpoa
    #[arg(long)]
    phenotype_hpoa: Option<PathBuf>,
    /// Folder or tar archive of Orphanet's tables, or of Orphadata's XML (en_product1, en_product3_*, en_product4,
    /// en_product6)
    #[arg(long)]
    orphanet: Option<PathBuf>,
    /// ReactomePathways.gmt
    #[arg(long)]
    reactome: Option<PathBuf>,
    /// hgnc_complete_set.txt
    #[arg(long)]
    hgnc: Option<PathBuf>,
}

impl TermsVerb {
    /// Runs the command.
    pub fn run(self, _: &Common, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Show { file } => {
                let opened;
                let embedded;
                let terms = match &file {
                    Some(file) => {
                        opened = TermFile::open(file).with_context(|| file.display().to_string())?;
                        &opened
                    }
                    None => {
                        embedded = TermFile::embedded()?;
                        &*embedded
                    }
                };
                let sources: Vec<_> = terms
                    .sources()
                    .iter()
                    .map(|s| json!({"name": s.name, "version": s.version, "licence": s.licence, "attribution": s.attribution}))
                    .collect();
                output.result(
                    &json!({"release": terms.release(), "sources": sources, "notices": terms.notices()}),
                    || {
                        let mut text = format!("{}\n", terms.release());
                        for source in terms.sources() {
                            text.push_str(&format!(
                                "\n{} {}\n{}\n",
                                source.name, source.version, source.attribution
                            ));
                        }
                        for notice in terms.notices() {
                            text.push_str(&format!("\n{notice}\n"));
                        }
                        text
                    },
                )
            }
            Self::Build(build) => build.run(output),
        }
    }
}

impl Build {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let inputs = build::BuildInputs {
            hp_obo: self.hp_obo,
            genes_to_phenotype: self.genes_to_phenotype,
            phenotype_hpoa: self.phenotype_hpoa,
            orphanet: self.orphanet,
            reactome: self.reactome,
            hgnc: self.hgnc,
            ..build::BuildInputs::default()
        };
        let temporary = self.out.with_extension("new");
        let mut file = std::fs::File::create(&temporary).with_context(|| temporary.display().to_string())?;
        let report = build::build(&inputs, &mut file).inspect_err(|_| {
            // Nothing was written; what cannot be removed is overwritten by the next build.
            let _left = std::fs::remove_file(&temporary);
        })?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.out)?;
        output.result(&json!({"file": self.out, "notes": report.notes}), || {
            format!(
                "{} written\n{}\nuse it with Appliance.Terms.File",
                self.out.display(),
                report.notes.join("\n")
            )
        })
    }
}

//! Official releases → one term file, deterministically: the same inputs give the same content.
//!
//! Each release has a reader of its own: `hpo.rs` (with `obo.rs`, `annotation.rs`), `orphanet/`,
//! `reactome.rs`, `hgnc.rs`; `input.rs` opens plain, gzip and xz files. Without an `hp.obo` the HPO data of the
//! embedded file is taken over unchanged, so that an operator needs to supply only what is added.
//! Not here: what sections mean (`form.rs` and the modules that read them). To add a release: a path in
//! [`BuildInputs`], a reader that adds sections, and a [`Source`] with its licence.

mod annotation;
mod genes;
mod hgnc;
mod hpo;
mod input;
mod obo;
mod orphanet;
mod reactome;

use std::io::Write;
use std::path::PathBuf;

use super::form::Writer;
use super::provenance::{self, Source};
use genes::Genes;
use input::Input;

/// Official files to read; each may be plain, `.gz` or `.xz`.
#[derive(Debug, Clone, Default)]
pub struct BuildInputs {
    /// `hp.obo`; without it the embedded HPO data is used.
    pub hp_obo: Option<PathBuf>,
    /// `genes_to_phenotype.txt`, needed together with `hp.obo`: it carries the information content.
    pub genes_to_phenotype: Option<PathBuf>,
    /// `phenotype.hpoa`, optional with `hp.obo`: diseases, and links between ORDO and HPO.
    pub phenotype_hpoa: Option<PathBuf>,
    /// A folder or tar archive with `ordo_terms.tsv`, `ordo_edges.tsv` and, optionally, `hoom.tsv`,
    /// `ordo_genes.tsv`, `ordo_omim.tsv`; or with Orphadata's XML products 1, 3, 4 and 6, of which one may also be
    /// named alone.
    pub orphanet: Option<PathBuf>,
    /// Release of the Orphanet files; without it the date that the XML states or a date in the file name is taken.
    pub orphanet_version: Option<String>,
    /// `ReactomePathways.gmt`.
    pub reactome: Option<PathBuf>,
    /// Release of the Reactome file, as for Orphanet.
    pub reactome_version: Option<String>,
    /// `hgnc_complete_set.txt`.
    pub hgnc: Option<PathBuf>,
    /// Release of the HGNC file, as for Orphanet.
    pub hgnc_version: Option<String>,
}

/// What a build read and left out.
#[derive(Debug, Clone, Default)]
pub struct BuildReport {
    pub sources: Vec<Source>,
    /// What was counted, in the order read: `("HPO terms", 19034)`.
    pub counts: Vec<(String, usize)>,
    /// Rows left out and why.
    pub notes: Vec<String>,
    /// SHA-256 of the content written.
    pub digest: [u8; 32],
}

impl BuildReport {
    fn count(&mut self, what: &str, number: usize) {
        self.counts.push((what.to_owned(), number));
    }

    /// Notes that `number` rows were left out, if any.
    fn left_out(&mut self, number: usize, what: &str) {
        if number > 0 {
            self.notes.push(format!("{number} {what}"));
        }
    }
}

/// Why no file was written; names the input and, where there is one, its line.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{file} cannot be read: {source}")]
    Unreadable { file: String, source: std::io::Error },
    #[error("{file} is larger than the {limit} bytes accepted")]
    TooLarge { file: String, limit: u64 },
    #[error("{file}, line {line}: {what}")]
    Line { file: String, line: usize, what: String },
    #[error("{file}: {what}")]
    Content { file: String, what: String },
    #[error("{0}")]
    Missing(&'static str),
    #[error("the embedded terms cannot be read: {0}")]
    Embedded(#[from] super::FormError),
    #[error("the term file cannot be written: {0}")]
    Write(std::io::Error),
}

/// Reads the inputs and writes a term file to `out`; nothing is written when an input is refused.
pub fn build(inputs: &BuildInputs, out: &mut impl Write) -> Result<BuildReport, BuildError> {
    let mut report = BuildReport::default();
    let mut writer = Writer::default();
    let mut genes = Genes::default();
    let mut hpo = match &inputs.hp_obo {
        Some(obo) => {
            let annotation = inputs.genes_to_phenotype.as_deref().ok_or(BuildError::Missing(
                "hp.obo needs genes_to_phenotype.txt of the same release beside it: similarity is counted from it",
            ))?;
            hpo::read(
                obo,
                annotation,
                inputs.phenotype_hpoa.as_deref(),
                &mut genes,
                &mut writer,
                &mut report,
            )?
        }
        None if inputs.genes_to_phenotype.is_some() || inputs.phenotype_hpoa.is_some() => {
            return Err(BuildError::Missing("HPO annotation is given without its hp.obo"));
        }
        None => hpo::embedded(&mut genes, &mut writer, &mut report)?,
    };
    if let Some(path) = &inputs.orphanet {
        let version = inputs.orphanet_version.as_deref();
        let links = orphanet::read(path, version, &hpo.terms, &mut genes, &mut writer, &mut report)?;
        // Orphanet's own statements replace those the HPO project derives from an earlier release of them.
        hpo.links = links.unwrap_or(hpo.links);
    }
    hpo::write_links(&hpo.links, &mut writer);
    report.count("links between ORDO and HPO", hpo.links.len());
    if let Some(path) = &inputs.reactome {
        let input = Input::read(path)?;
        reactome::read(&input, inputs.reactome_version.as_deref(), &mut genes, &mut writer, &mut report)?;
    }
    if let Some(path) = &inputs.hgnc {
        let input = Input::read(path)?;
        hgnc::read(&input, inputs.hgnc_version.as_deref(), &mut writer, &mut report)?;
    }
    genes.write(&mut writer);
    let texts: Vec<&str> = report.sources.iter().flat_map(Source::fields).collect();
    writer.add_strings(provenance::SECTION, false, &texts);
    report.digest = writer.write(out).map_err(BuildError::Write)?;
    Ok(report)
}

#[cfg(test)]
mod tests;

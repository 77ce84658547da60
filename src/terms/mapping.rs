//! Direct annotations between sets: HPO–ORDO with frequency, OMIM–ORDO, genes, Reactome pathways.
//!
//! Sections are columns of equal length. HPO–ORDO rows are sorted by (ORDO number, HPO term); OMIM–ORDO rows
//! by (OMIM, ORDO); pathways by id. Gene rows point into the gene table. Nothing here chains two mappings.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::form::{FormError, Sections};
use super::{Frequency, Ontology};

/// A term at the other end of an annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    pub id: String,
    pub frequency: Frequency,
}

pub(super) mod names {
    pub const LINK_ORDO: &str = "links.ordo";
    pub const LINK_HPO: &str = "links.hpo";
    pub const LINK_FREQUENCY: &str = "links.frequency";
    pub const OMIM: &str = "omim.ids";
    pub const OMIM_ORDO: &str = "omim.ordo";
    pub const OMIM_RELATION: &str = "omim.relation";
    pub const GENES: &str = "genes.symbols";
    pub const GENES_NCBI: &str = "genes.ncbi";
    pub const PATHWAYS: &str = "reactome.ids";
    pub const PATHWAY_NAMES: &str = "reactome.names";
    pub const PATHWAY_GENES_OF: &str = "reactome.genes.of";
    pub const PATHWAY_GENES: &str = "reactome.genes";
    pub const HGNC: &str = "hgnc.ids";
    pub const HGNC_SYMBOLS: &str = "hgnc.symbols";
    pub const HGNC_NAMES: &str = "hgnc.names";
    pub const HGNC_ALIASES: &str = "hgnc.aliases";
}
use names::*;

/// What is derived from the columns at first use.
#[derive(Default)]
pub(super) struct Derived {
    /// Rows of the HPO–ORDO columns ordered by HPO term, with the start of each term's rows.
    by_hpo: OnceLock<(Vec<u32>, Vec<u32>)>,
    /// Upper-case symbol or alias to the symbol; `None` where an alias belongs to several genes.
    symbols: OnceLock<HashMap<String, Option<Box<str>>>>,
}

/// Checks every column; `terms` is the number of HPO terms.
pub(super) fn check(sections: &Sections, terms: usize) -> Result<(), FormError> {
    let links = sections.u32s(LINK_ORDO).len();
    if !sections.u32s(LINK_ORDO).iter().is_sorted() {
        return Err(FormError::damaged(format!("section {LINK_ORDO} is not in order")));
    }
    sections.u16s(LINK_HPO).check(LINK_HPO, links, u64::try_from(terms).unwrap_or(0))?;
    check_bytes(sections, LINK_FREQUENCY, links, Frequency::ALL.len())?;
    let omim = sections.u32s(OMIM).len();
    if !sections.u32s(OMIM).iter().is_sorted() {
        return Err(FormError::damaged(format!("section {OMIM} is not in order")));
    }
    sections.u32s(OMIM_ORDO).check(OMIM_ORDO, omim, u64::MAX)?;
    check_bytes(sections, OMIM_RELATION, omim, usize::from(u8::MAX) + 1)?;
    let genes = sections.strings(GENES).len();
    sections.strings(GENES).check(GENES, genes)?;
    sections.u32s(GENES_NCBI).check(GENES_NCBI, genes, u64::MAX)?;
    let pathways = sections.strings(PATHWAYS);
    pathways.check(PATHWAYS, pathways.len())?;
    if !pathways.iter().is_sorted() {
        return Err(FormError::damaged(format!("section {PATHWAYS} is not in order")));
    }
    sections.strings(PATHWAY_NAMES).check(PATHWAY_NAMES, pathways.len())?;
    let rows = sections.u32s(PATHWAY_GENES);
    rows.check(PATHWAY_GENES, rows.len(), u64::try_from(genes).unwrap_or(0))?;
    if sections.has(PATHWAYS) {
        sections.u32s(PATHWAY_GENES_OF).check_offsets(PATHWAY_GENES_OF, pathways.len(), rows.len())?;
    }
    let hgnc = sections.u32s(HGNC).len();
    sections.u32s(HGNC).check_rising(HGNC)?;
    for name in [HGNC_SYMBOLS, HGNC_NAMES, HGNC_ALIASES] {
        sections.strings(name).check(name, hgnc)?;
    }
    Ok(())
}

fn check_bytes(sections: &Sections, name: &str, len: usize, bound: usize) -> Result<(), FormError> {
    let bytes = sections.u8s(name);
    if bytes.len() == len && bytes.iter().all(|byte| usize::from(*byte) < bound) {
        Ok(())
    } else {
        Err(FormError::damaged(format!("section {name} has wrong rows")))
    }
}

fn frequency(sections: &Sections, row: usize) -> Frequency {
    Frequency::of_byte(sections.u8s(LINK_FREQUENCY).get(row).copied().unwrap_or(0))
}

/// ORDO numbers with frequency annotated with one HPO term.
pub(super) fn ordo_of_hpo(sections: &Sections, derived: &Derived, terms: usize, hpo: u16) -> Vec<Mapped> {
    let (starts, rows) = derived.by_hpo.get_or_init(|| by_hpo(sections, terms));
    let bound = |at: usize| starts.get(at).and_then(|start| usize::try_from(*start).ok()).unwrap_or(0);
    let (start, end) = (bound(usize::from(hpo)), bound(usize::from(hpo) + 1));
    let numbers = sections.u32s(LINK_ORDO);
    let rows = rows.get(start..end).unwrap_or_default().iter().filter_map(|row| usize::try_from(*row).ok());
    rows.filter_map(|row| {
        Some(Mapped { id: Ontology::Ordo.id(numbers.get(row)?), frequency: frequency(sections, row) })
    })
    .collect()
}

fn by_hpo(sections: &Sections, terms: usize) -> (Vec<u32>, Vec<u32>) {
    let column = sections.u16s(LINK_HPO);
    let mut rows: Vec<(u32, u32)> = column.iter().zip(0..).collect();
    rows.sort_unstable();
    let mut starts = vec![0_u32; terms + 1];
    for (hpo, _) in &rows {
        if let Some(count) = usize::try_from(*hpo).ok().and_then(|at| starts.get_mut(at + 1)) {
            *count += 1;
        }
    }
    let mut total = 0;
    for start in &mut starts {
        total += *start;
        *start = total;
    }
    (starts, rows.into_iter().map(|(_, row)| row).collect())
}

/// HPO term numbers with frequency annotated to one ORDO number.
pub(super) fn hpo_of_ordo(sections: &Sections, ordo: u32) -> Vec<(u16, Frequency)> {
    let numbers = sections.u32s(LINK_ORDO);
    let terms = sections.u16s(LINK_HPO);
    (numbers.lower_bound(ordo)..numbers.len())
        .take_while(|row| numbers.get(*row) == Some(ordo))
        .filter_map(|row| Some((u16::try_from(terms.get(row)?).ok()?, frequency(sections, row))))
        .collect()
}

pub(super) fn ordo_of_omim(sections: &Sections, omim: u32) -> Vec<String> {
    let numbers = sections.u32s(OMIM);
    let ordo = sections.u32s(OMIM_ORDO);
    (numbers.lower_bound(omim)..numbers.len())
        .take_while(|row| numbers.get(*row) == Some(omim))
        .filter_map(|row| ordo.get(row).map(|number| Ontology::Ordo.id(number)))
        .collect()
}

pub(super) fn omim_of_ordo(sections: &Sections, ordo: u32) -> Vec<String> {
    let numbers = sections.u32s(OMIM);
    let rows = sections.u32s(OMIM_ORDO).iter().zip(numbers.iter());
    rows.filter(|(number, _)| *number == ordo).map(|(_, omim)| format!("{omim:06}")).collect()
}

/// Position of a pathway id among the sorted ids.
pub(super) fn pathway(sections: &Sections, id: &str) -> Option<usize> {
    let ids = sections.strings(PATHWAYS);
    let (mut low, mut high) = (0, ids.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if ids.get(middle) < id { low = middle + 1 } else { high = middle }
    }
    (low < ids.len() && ids.get(low) == id).then_some(low)
}

pub(super) fn pathway_genes(sections: &Sections, pathway: usize) -> Vec<String> {
    genes(sections, PATHWAY_GENES_OF, PATHWAY_GENES, pathway)
}

/// Gene symbols of row `index` of a pair of columns. The releases write `-` for a gene without a symbol of
/// its own; that is no symbol.
pub(super) fn genes(sections: &Sections, of: &str, rows: &str, index: usize) -> Vec<String> {
    let symbols = sections.strings(GENES);
    let column = sections.u32s(rows);
    let mut found: Vec<String> = sections
        .u32s(of)
        .range(index)
        .filter_map(|row| column.get(row).and_then(|gene| usize::try_from(gene).ok()))
        .map(|gene| symbols.get(gene))
        .filter(|symbol| !symbol.is_empty() && *symbol != "-")
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Terms of an ontology annotated with a gene symbol, compared without case.
pub(super) fn terms_of_gene(sections: &Sections, of: &str, rows: &str, symbol: &str) -> Vec<u16> {
    let wanted: Vec<u32> = sections
        .strings(GENES)
        .iter()
        .zip(0..)
        .filter(|(known, _)| *known != "-" && known.eq_ignore_ascii_case(symbol))
        .map(|(_, gene)| gene)
        .collect();
    let column = sections.u32s(rows);
    let starts = sections.u32s(of);
    (0..starts.len().saturating_sub(1))
        .filter(|term| {
            starts.range(*term).any(|row| column.get(row).is_some_and(|gene| wanted.contains(&gene)))
        })
        .filter_map(|term| u16::try_from(term).ok())
        .collect()
}

/// The approved spelling of a gene symbol, alias or previous symbol.
pub(super) fn symbol(sections: &Sections, derived: &Derived, text: &str) -> Option<String> {
    let known = derived.symbols.get_or_init(|| symbols(sections));
    known.get(&text.trim().to_ascii_uppercase())?.as_deref().map(str::to_owned)
}

fn symbols(sections: &Sections) -> HashMap<String, Option<Box<str>>> {
    let mut known = HashMap::new();
    // The nomenclature committee's spelling goes before those of annotation files.
    for symbol in sections.strings(HGNC_SYMBOLS).iter().chain(sections.strings(GENES).iter()) {
        if !symbol.is_empty() && symbol != "-" {
            known.entry(symbol.to_ascii_uppercase()).or_insert_with(|| Some(Box::from(symbol)));
        }
    }
    let mut aliases: HashMap<String, Option<Box<str>>> = HashMap::new();
    for (symbol, others) in sections.strings(HGNC_SYMBOLS).iter().zip(sections.strings(HGNC_ALIASES).iter()) {
        for alias in others.lines() {
            aliases
                .entry(alias.to_ascii_uppercase())
                .and_modify(|one| {
                    if one.as_deref() != Some(symbol) {
                        *one = None;
                    }
                })
                .or_insert_with(|| Some(Box::from(symbol)));
        }
    }
    let approved: std::collections::HashSet<String> =
        sections.strings(HGNC_SYMBOLS).iter().map(str::to_ascii_uppercase).collect();
    for (alias, symbol) in aliases {
        if !approved.contains(&alias) {
            known.insert(alias, symbol);
        }
    }
    known
}

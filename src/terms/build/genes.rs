//! The gene table all annotations point into: HPO's genes by NCBI number, others by symbol.

use std::collections::HashMap;

use super::super::form::Writer;
use super::super::mapping::names;

#[derive(Default)]
pub struct Genes {
    list: Vec<(u32, String)>,
    by_ncbi: HashMap<u32, u32>,
    by_symbol: HashMap<String, u32>,
}

impl Genes {
    /// The gene of an NCBI number, entered at first sight.
    pub fn numbered(&mut self, ncbi: u32, symbol: &str) -> u32 {
        match self.by_ncbi.get(&ncbi) {
            Some(gene) => *gene,
            None => self.enter(ncbi, symbol),
        }
    }

    /// The gene of a symbol, entered without number when no other source knows it.
    pub fn named(&mut self, symbol: &str) -> u32 {
        match self.by_symbol.get(symbol) {
            Some(gene) => *gene,
            None => self.enter(0, symbol),
        }
    }

    fn enter(&mut self, ncbi: u32, symbol: &str) -> u32 {
        let gene = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push((ncbi, symbol.to_owned()));
        if ncbi != 0 {
            self.by_ncbi.insert(ncbi, gene);
        }
        self.by_symbol.entry(symbol.to_owned()).or_insert(gene);
        gene
    }

    pub fn write(&self, writer: &mut Writer) {
        let symbols: Vec<&str> = self.list.iter().map(|(_, symbol)| symbol.as_str()).collect();
        writer.add_strings(names::GENES, true, &symbols);
        writer.add_u32s(names::GENES_NCBI, true, self.list.iter().map(|(ncbi, _)| *ncbi));
    }
}

/// Writes rows grouped by item as an offset column and a value column.
pub fn write_rows(writer: &mut Writer, of: (&str, bool), rows: (&str, bool), grouped: &[Vec<u32>]) {
    let mut end = 0_u32;
    let mut starts = vec![0];
    for group in grouped {
        end = end.saturating_add(u32::try_from(group.len()).unwrap_or(u32::MAX));
        starts.push(end);
    }
    writer.add_u32s(of.0, of.1, starts);
    writer.add_u32s(rows.0, rows.1, grouped.iter().flatten().copied());
}

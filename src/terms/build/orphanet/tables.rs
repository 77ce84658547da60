//! Orphanet's tables, without header lines: `ordo_terms.tsv` (code, label, type, synonyms, definition),
//! `ordo_edges.tsv` (child, parent), `hoom.tsv` (code, HPO id, frequency), `ordo_genes.tsv` (code, symbol, HGNC number)
//! and `ordo_omim.tsv` (code, OMIM number, relation).

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::Ontology;
use super::super::hpo::number;
use super::super::input::Input;
use super::{BuildError, Concept, Release, frequency, nothing, relation_byte};

pub const NAMES: [&str; 5] =
    ["ordo_terms.tsv", "ordo_edges.tsv", "hoom.tsv", "ordo_genes.tsv", "ordo_omim.tsv"];

pub fn read(shown: &str, files: Vec<(String, Vec<u8>)>) -> Result<Release, BuildError> {
    let mut tables = BTreeMap::new();
    for (name, bytes) in files {
        if let Some(known) = NAMES.into_iter().find(|known| *known == name) {
            tables.insert(known, Input::from_bytes(name, bytes)?);
        }
    }
    let table = |name: &'static str| tables.get(name);
    let needed =
        |name: &'static str| table(name).ok_or_else(|| nothing(shown, &format!("it holds no {name}")));
    Ok(Release {
        concepts: concepts(needed("ordo_terms.tsv")?)?,
        edges: edges(needed("ordo_edges.tsv")?)?,
        links: table("hoom.tsv").map(links).transpose()?,
        genes: table("ordo_genes.tsv").map(genes).transpose()?.unwrap_or_default(),
        omim: table("ordo_omim.tsv").map(omim).transpose()?,
        version: None,
        files: tables.values().map(Input::line).collect(),
    })
}

/// The first `N` cells of a row.
fn cells<'a, const N: usize>(input: &Input, at: usize, line: &'a str) -> Result<[&'a str; N], BuildError> {
    let mut cells = line.split('\t');
    let mut row = [""; N];
    for slot in &mut row {
        *slot = cells.next().ok_or_else(|| input.wrong(at, format!("fewer than {N} columns")))?;
    }
    Ok(row)
}

fn code(input: &Input, at: usize, text: &str) -> Result<u32, BuildError> {
    let number = Ontology::Ordo.number(text);
    number.ok_or_else(|| input.wrong(at, format!("{text:?} is no ORDO number")))
}

fn concepts(input: &Input) -> Result<BTreeMap<u32, Concept>, BuildError> {
    let mut concepts = BTreeMap::new();
    for (at, line) in input.lines() {
        let [number, label, kind, synonyms, definition] = cells(input, at, line)?;
        let concept = Concept {
            label: label.to_owned(),
            kind: kind.to_owned(),
            synonyms: synonyms.replace('|', "\n"),
            definition: definition.to_owned(),
        };
        if concepts.insert(code(input, at, number)?, concept).is_some() {
            return Err(input.wrong(at, "this code was given before"));
        }
    }
    Ok(concepts)
}

fn edges(input: &Input) -> Result<BTreeSet<(u32, u32)>, BuildError> {
    let edge = |(at, line)| {
        let [child, parent] = cells(input, at, line)?;
        Ok((code(input, at, child)?, code(input, at, parent)?))
    };
    input.lines().map(edge).collect()
}

fn genes(input: &Input) -> Result<BTreeSet<(String, u32)>, BuildError> {
    let pair = |(at, line)| {
        let [ordo, symbol] = cells(input, at, line)?;
        Ok((symbol.to_owned(), code(input, at, ordo)?))
    };
    input.lines().map(pair).collect()
}

fn omim(input: &Input) -> Result<BTreeMap<(u32, u32), u8>, BuildError> {
    let row = |(at, line)| {
        let [ordo, omim, relation] = cells(input, at, line)?;
        let omim: u32 = omim.parse().map_err(|_| input.wrong(at, format!("{omim:?} is no OMIM number")))?;
        Ok(((omim, code(input, at, ordo)?), relation_byte(relation)))
    };
    input.lines().map(row).collect()
}

fn links(input: &Input) -> Result<Vec<(u32, u32, super::Frequency)>, BuildError> {
    let row = |(at, line)| {
        let [ordo, id, stated] = cells(input, at, line)?;
        let ordo = code(input, at, ordo)?;
        let id = number(id).ok_or_else(|| input.wrong(at, format!("{id:?} is no HPO id")))?;
        let frequency =
            frequency(stated).ok_or_else(|| input.wrong(at, format!("{stated:?} is no frequency")))?;
        Ok((ordo, id, frequency))
    };
    input.lines().map(row).collect()
}

//! Orphanet's tables: `ordo_terms.tsv` (code, label, type, synonyms, definition), `ordo_edges.tsv` (child,
//! parent), `hoom.tsv` (code, HPO id, frequency), `ordo_genes.tsv` (code, symbol, HGNC number) and
//! `ordo_omim.tsv` (code, OMIM number, relation), without header lines, in a folder or a tar archive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use super::super::Frequency;
use super::super::form::Writer;
use super::super::graph::Graph;
use super::super::mapping::names;
use super::super::provenance::Source;
use super::super::vocabulary::ORDO;
use super::annotation;
use super::genes::{Genes, write_rows};
use super::hpo::{Links, TermIndex, number, write_parents};
use super::input::{self, Input};
use super::{BuildError, BuildReport};

const TABLES: [&str; 5] = ["ordo_terms.tsv", "ordo_edges.tsv", "hoom.tsv", "ordo_genes.tsv", "ordo_omim.tsv"];
/// An archive is read up to this many entries.
const MAX_ENTRIES: usize = 1000;

type Tables = BTreeMap<&'static str, Input>;

/// Adds ORDO and returns its links to HPO, `None` when there is no `hoom.tsv`.
pub fn read(
    path: &Path,
    version: Option<&str>,
    hpo: &TermIndex,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<Option<Links>, BuildError> {
    let tables = tables(path)?;
    let table = |name: &str| tables.get(name);
    let shown = input::file_name(path);
    let needed = |name: &'static str| {
        let what = format!("it holds no {name}");
        table(name).ok_or(BuildError::Content { file: shown.clone(), what })
    };
    let (terms, edges) = (needed("ordo_terms.tsv")?, needed("ordo_edges.tsv")?);
    let index = write_terms(terms, writer, report)?;
    write_edges(edges, &index, writer, report)?;
    write_genes(table("ordo_genes.tsv"), &index, genes, writer, report)?;
    if let Some(input) = table("ordo_omim.tsv") {
        write_omim(input, writer, report)?;
    }
    let links = table("hoom.tsv").map(|input| links(input, hpo, report)).transpose()?;
    let version = version.map(str::to_owned).or_else(|| input::date_in(&shown));
    let version = version.unwrap_or_else(|| terms.version(None));
    report.sources.push(Source {
        key: "ordo".into(),
        name: "Orphanet".into(),
        version: version.clone(),
        address: "https://www.orphadata.com".into(),
        licence: "Creative Commons Attribution 4.0 International (CC BY 4.0), \
                  https://creativecommons.org/licenses/by/4.0/"
            .into(),
        attribution: format!(
            "Orphanet / INSERM US14, release {version}, CC BY 4.0. The data was converted to another form."
        ),
        files: tables.values().map(Input::line).collect::<Vec<_>>().join("\n"),
    });
    Ok(links)
}

fn tables(path: &Path) -> Result<Tables, BuildError> {
    let mut tables = Tables::new();
    if path.is_dir() {
        for name in TABLES {
            let suffixes = ["", ".xz", ".gz"].map(|suffix| path.join(format!("{name}{suffix}")));
            if let Some(file) = suffixes.iter().find(|file| file.is_file()) {
                tables.insert(name, Input::read(file)?);
            }
        }
        return Ok(tables);
    }
    let bytes = input::bytes(path)?;
    let unreadable = |source| BuildError::Unreadable { file: path.display().to_string(), source };
    let mut archive = tar::Archive::new(bytes.as_slice());
    for entry in archive.entries().map_err(unreadable)?.take(MAX_ENTRIES) {
        let mut entry = entry.map_err(unreadable)?;
        let name =
            entry.path().map_err(unreadable)?.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = TABLES.iter().find(|known| name.as_deref() == Some(**known)) else { continue };
        // The archive is in memory already, so an entry cannot be larger than what was accepted.
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        tables.insert(name, Input::from_bytes((*name).to_owned(), content)?);
    }
    Ok(tables)
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
    let number = super::super::Ontology::Ordo.number(text);
    number.ok_or_else(|| input.wrong(at, format!("{text:?} is no ORDO number")))
}

fn write_terms(
    input: &Input,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<HashMap<u32, u16>, BuildError> {
    let mut terms: BTreeMap<u32, [&str; 5]> = BTreeMap::new();
    for (at, line) in input.lines() {
        let row = cells::<5>(input, at, line)?;
        if terms.insert(code(input, at, row[0])?, row).is_some() {
            return Err(input.wrong(at, "this code was given before"));
        }
    }
    let mut index = HashMap::new();
    for (at, number) in terms.keys().enumerate() {
        index
            .insert(*number, u16::try_from(at).map_err(|_| input.unusable("it has more than 65,535 terms"))?);
    }
    let text = |of: fn(&[&str; 5]) -> String| terms.values().map(of).collect::<Vec<String>>();
    writer.add_u32s(ORDO.ids, false, terms.keys().copied());
    writer.add_u32s(ORDO.retired, false, []);
    writer.add_u32s(ORDO.retired_to, false, []);
    writer.add_strings(ORDO.retired_labels, false, &[""; 0]);
    writer.add_strings(ORDO.labels, false, &text(|[_, label, ..]| (*label).to_owned()));
    writer.add_strings(ORDO.comments, true, &text(|[_, _, kind, ..]| (*kind).to_owned()));
    writer.add_strings(ORDO.synonyms, true, &text(|[_, _, _, synonyms, _]| synonyms.replace('|', "\n")));
    writer.add_strings(ORDO.definitions, true, &text(|[.., definition]| (*definition).to_owned()));
    report.count("ORDO concepts", terms.len());
    Ok(index)
}

fn write_edges(
    input: &Input,
    index: &HashMap<u32, u16>,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<(), BuildError> {
    let mut edges = BTreeSet::new();
    let mut unknown = 0;
    for (at, line) in input.lines() {
        let [child, parent] = cells(input, at, line)?;
        match (index.get(&code(input, at, child)?), index.get(&code(input, at, parent)?)) {
            (Some(child), Some(parent)) => _ = edges.insert((*child, *parent)),
            _ => unknown += 1,
        }
    }
    let edges: Vec<(u16, u16)> = edges.into_iter().collect();
    Graph::new(index.len(), &edges).map_err(|error| input.unusable(error.to_string()))?;
    let mut parents: Vec<Vec<u32>> = vec![Vec::new(); index.len()];
    for (child, parent) in &edges {
        if let Some(list) = parents.get_mut(usize::from(*child)) {
            list.push(u32::from(*parent));
        }
    }
    write_parents(writer, ORDO.parents_of, ORDO.parents, &parents);
    report.count("ORDO edges", edges.len());
    report.left_out(unknown, "ORDO edges name a code that ordo_terms.tsv does not have");
    Ok(())
}

fn write_genes(
    input: Option<&Input>,
    index: &HashMap<u32, u16>,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<(), BuildError> {
    let mut pairs = BTreeSet::new();
    let mut unknown = 0;
    if let Some(input) = input {
        for (at, line) in input.lines() {
            let [ordo, symbol] = cells(input, at, line)?;
            match index.get(&code(input, at, ordo)?) {
                Some(term) => _ = pairs.insert((symbol, *term)),
                None => unknown += 1,
            }
        }
    }
    let mut grouped: Vec<Vec<u32>> = vec![Vec::new(); index.len()];
    for (symbol, term) in &pairs {
        if let Some(list) = grouped.get_mut(usize::from(*term)) {
            list.push(genes.named(symbol));
        }
    }
    write_rows(writer, (ORDO.genes_of, true), (ORDO.genes, true), &grouped);
    report.count("pairs of gene and ORDO concept", pairs.len());
    report.left_out(unknown, "ORDO gene links name a code that ordo_terms.tsv does not have");
    Ok(())
}

fn write_omim(input: &Input, writer: &mut Writer, report: &mut BuildReport) -> Result<(), BuildError> {
    let mut rows: BTreeMap<(u32, u32), u8> = BTreeMap::new();
    for (at, line) in input.lines() {
        let [ordo, omim, relation] = cells(input, at, line)?;
        let omim: u32 = omim.parse().map_err(|_| input.wrong(at, format!("{omim:?} is no OMIM number")))?;
        rows.insert((omim, code(input, at, ordo)?), relation_byte(relation));
    }
    writer.add_u32s(names::OMIM, true, rows.keys().map(|(omim, _)| *omim));
    writer.add_u32s(names::OMIM_ORDO, true, rows.keys().map(|(_, ordo)| *ordo));
    writer.add(names::OMIM_RELATION, true, rows.values().copied().collect());
    report.count("pairs of OMIM number and ORDO concept", rows.len());
    Ok(())
}

/// Orphanet's mapping relation: exact, broader to narrower, narrower to broader, anything else.
fn relation_byte(relation: &str) -> u8 {
    match relation {
        "E" => 1,
        "BTNT" => 2,
        "NTBT" => 3,
        _ => 0,
    }
}

fn links(input: &Input, hpo: &TermIndex, report: &mut BuildReport) -> Result<Links, BuildError> {
    let mut links = Links::new();
    let mut unknown = 0;
    for (at, line) in input.lines() {
        let [ordo, id, stated] = cells(input, at, line)?;
        let ordo = code(input, at, ordo)?;
        let id = number(id).ok_or_else(|| input.wrong(at, format!("{id:?} is no HPO id")))?;
        let frequency =
            frequency(stated).ok_or_else(|| input.wrong(at, format!("{stated:?} is no frequency")))?;
        match hpo.get(&id) {
            Some(term) => annotation::enter(&mut links, (ordo, *term), frequency),
            None => unknown += 1,
        }
    }
    report.left_out(unknown, "links of ORDO name an HPO term that this HPO release does not have");
    Ok(links)
}

/// `Very frequent (99-80%)` and its like.
fn frequency(text: &str) -> Option<Frequency> {
    Some(match text.split('(').next().unwrap_or_default().trim() {
        "" => Frequency::Unknown,
        "Obligate" => Frequency::Obligate,
        "Very frequent" => Frequency::VeryFrequent,
        "Frequent" => Frequency::Frequent,
        "Occasional" => Frequency::Occasional,
        "Very rare" => Frequency::VeryRare,
        "Excluded" => Frequency::Excluded,
        _ => return None,
    })
}

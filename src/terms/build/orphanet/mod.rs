//! Orphanet: concepts, hierarchy, links to HPO and OMIM, genes; from its tables (`tables.rs`) or from Orphadata's XML
//! (`products.rs`), in a folder or a tar archive.
//!
//! Lives here: what a release says (`Release`) and how it is written. To read another form: a function that answers
//! a `Release`, its files in `FORMATS`.

mod products;
mod tables;
mod xml;

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
use super::hpo::{Links, TermIndex, write_parents};
use super::input;
use super::{BuildError, BuildReport};

/// An archive is read up to this many entries.
const MAX_ENTRIES: usize = 1000;

/// What is read, for whoever gave something else.
const FORMATS: &str = "read are a folder or tar archive of tables (ordo_terms.tsv, ordo_edges.tsv, hoom.tsv, \
                       ordo_genes.tsv, ordo_omim.tsv) or of Orphadata's XML: en_product1.xml (names and OMIM numbers), \
                       en_product3_*.xml (classifications), en_product4.xml (HPO terms), en_product6.xml (genes)";

/// A concept as the release describes it.
#[derive(Debug, Default)]
struct Concept {
    label: String,
    /// `Disease`, `Category`, `Clinical subtype` …
    kind: String,
    /// One a line.
    synonyms: String,
    definition: String,
}

/// What a release says. Codes that are no concept may occur everywhere but in `concepts`.
#[derive(Debug, Default)]
struct Release {
    concepts: BTreeMap<u32, Concept>,
    /// (child, parent).
    edges: BTreeSet<(u32, u32)>,
    /// (code, HPO number, frequency); `None` when no file speaks of HPO.
    links: Option<Vec<(u32, u32, Frequency)>>,
    /// (gene symbol, code).
    genes: BTreeSet<(String, u32)>,
    /// (OMIM number, code) with the relation; `None` when no file speaks of OMIM.
    omim: Option<BTreeMap<(u32, u32), u8>>,
    /// As the files state it.
    version: Option<String>,
    /// Names and digests of the files read.
    files: Vec<String>,
}

/// Adds ORDO and returns its links to HPO, `None` when no file holds any.
pub fn read(
    path: &Path,
    version: Option<&str>,
    hpo: &TermIndex,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<Option<Links>, BuildError> {
    let shown = input::file_name(path);
    let files = files(path)?;
    let release = if files.iter().any(|(name, _)| tables::NAMES.contains(&name.as_str())) {
        tables::read(&shown, files)?
    } else {
        products::read(&shown, files, report)?
    };
    let index = write_concepts(&shown, &release, writer, report)?;
    write_edges(&shown, &release, &index, writer, report)?;
    write_genes(&release, &index, genes, writer, report);
    if let Some(omim) = &release.omim {
        write_omim(omim, writer, report);
    }
    let links = release.links.as_ref().map(|links| link(links, hpo, report));
    let stated = release.version.clone();
    let version = version.map(str::to_owned).or(stated).or_else(|| input::date_in(&shown));
    let version = version.unwrap_or_else(|| "of unknown date".into());
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
        files: release.files.join("\n"),
    });
    Ok(links)
}

fn nothing(shown: &str, why: &str) -> BuildError {
    BuildError::Content { file: shown.to_owned(), what: format!("{why}; {FORMATS}") }
}

/// Names, without compression suffix, and decompressed contents of the files that may be meant, by name.
fn files(path: &Path) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let shown = input::file_name(path);
    let unreadable = |source| BuildError::Unreadable { file: path.display().to_string(), source };
    let wanted = |name: &str| tables::NAMES.contains(&name) || name.ends_with(".xml");
    let mut files = BTreeMap::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unreadable)?.take(MAX_ENTRIES) {
            let file = entry.map_err(unreadable)?.path();
            let name = input::file_name(&file);
            if file.is_file() && wanted(&name) {
                files.insert(name, input::bytes(&file)?);
            }
        }
        if files.is_empty() {
            return Err(nothing(&shown, "the folder holds no file that is known"));
        }
        return Ok(files.into_iter().collect());
    }
    let bytes = input::bytes(path)?;
    if xml::looks_like(&bytes) {
        return Ok(vec![(shown, bytes)]);
    }
    let no_archive = |_| nothing(&shown, "it is neither a tar archive nor XML");
    for entry in tar::Archive::new(bytes.as_slice()).entries().map_err(unreadable)?.take(MAX_ENTRIES) {
        let mut entry = entry.map_err(no_archive)?;
        let name = entry.path().map_err(no_archive)?.file_name().map(Path::new).map(input::file_name);
        let Some(name) = name.filter(|name| wanted(name)) else { continue };
        // The archive is in memory already, so an entry cannot be larger than what was accepted.
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        files.insert(name, content);
    }
    if files.is_empty() {
        return Err(nothing(&shown, "it holds no file that is known"));
    }
    Ok(files.into_iter().collect())
}

fn write_concepts(
    shown: &str,
    release: &Release,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<HashMap<u32, u16>, BuildError> {
    let concepts = &release.concepts;
    let mut index = HashMap::new();
    for (at, number) in concepts.keys().enumerate() {
        let at = u16::try_from(at).map_err(|_| BuildError::Content {
            file: shown.to_owned(),
            what: "it has more than 65,535 terms".into(),
        })?;
        index.insert(*number, at);
    }
    let text = |of: fn(&Concept) -> &String| concepts.values().map(of).collect::<Vec<&String>>();
    writer.add_u32s(ORDO.ids, false, concepts.keys().copied());
    writer.add_u32s(ORDO.retired, false, []);
    writer.add_u32s(ORDO.retired_to, false, []);
    writer.add_strings(ORDO.retired_labels, false, &[""; 0]);
    writer.add_strings(ORDO.labels, false, &text(|concept| &concept.label));
    writer.add_strings(ORDO.comments, true, &text(|concept| &concept.kind));
    writer.add_strings(ORDO.synonyms, true, &text(|concept| &concept.synonyms));
    writer.add_strings(ORDO.definitions, true, &text(|concept| &concept.definition));
    report.count("ORDO concepts", concepts.len());
    Ok(index)
}

fn write_edges(
    shown: &str,
    release: &Release,
    index: &HashMap<u32, u16>,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<(), BuildError> {
    let known = |(child, parent): &(u32, u32)| Some((*index.get(child)?, *index.get(parent)?));
    let edges: Vec<(u16, u16)> = release.edges.iter().filter_map(known).collect();
    Graph::new(index.len(), &edges)
        .map_err(|error| BuildError::Content { file: shown.to_owned(), what: error.to_string() })?;
    let mut parents: Vec<Vec<u32>> = vec![Vec::new(); index.len()];
    for (child, parent) in &edges {
        if let Some(list) = parents.get_mut(usize::from(*child)) {
            list.push(u32::from(*parent));
        }
    }
    write_parents(writer, ORDO.parents_of, ORDO.parents, &parents);
    report.count("ORDO edges", edges.len());
    report.left_out(release.edges.len() - edges.len(), "ORDO edges name a code that is no concept");
    Ok(())
}

fn write_genes(
    release: &Release,
    index: &HashMap<u32, u16>,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) {
    let mut grouped: Vec<Vec<u32>> = vec![Vec::new(); index.len()];
    let mut pairs = 0;
    for (symbol, code) in &release.genes {
        if let Some(list) = index.get(code).and_then(|term| grouped.get_mut(usize::from(*term))) {
            list.push(genes.named(symbol));
            pairs += 1;
        }
    }
    write_rows(writer, (ORDO.genes_of, true), (ORDO.genes, true), &grouped);
    report.count("pairs of gene and ORDO concept", pairs);
    report.left_out(release.genes.len() - pairs, "ORDO gene links name a code that is no concept");
}

fn write_omim(omim: &BTreeMap<(u32, u32), u8>, writer: &mut Writer, report: &mut BuildReport) {
    writer.add_u32s(names::OMIM, true, omim.keys().map(|(omim, _)| *omim));
    writer.add_u32s(names::OMIM_ORDO, true, omim.keys().map(|(_, ordo)| *ordo));
    writer.add(names::OMIM_RELATION, true, omim.values().copied().collect());
    report.count("pairs of OMIM number and ORDO concept", omim.len());
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

fn link(links: &[(u32, u32, Frequency)], hpo: &TermIndex, report: &mut BuildReport) -> Links {
    let mut found = Links::new();
    let mut unknown = 0;
    for (code, number, frequency) in links {
        match hpo.get(number) {
            Some(term) => annotation::enter(&mut found, (*code, *term), *frequency),
            None => unknown += 1,
        }
    }
    report.left_out(unknown, "links of ORDO name an HPO term that this HPO release does not have");
    found
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

#[cfg(test)]
mod tests;

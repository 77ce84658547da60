//! HPO: graph and texts from `hp.obo`, genes from `genes_to_phenotype.txt`, diseases from `phenotype.hpoa`;
//! or all of it from the embedded file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::super::file::TermFile;
use super::super::form::Writer;
use super::super::graph::Graph;
use super::super::mapping::names as link;
use super::super::provenance::Source;
use super::super::vocabulary::HPO;
use super::super::{Frequency, Ontology};
use super::genes::{Genes, write_rows};
use super::input::{Input, Table};
use super::obo::{self, Stanza};
use super::{BuildError, BuildReport, annotation};

const LICENCE: &str = include_str!("../data/LICENSE-HPO");

/// HPO numbers, live and retired, to the index of the live term they stand for.
pub type TermIndex = HashMap<u32, u16>;
/// (ORDO number, HPO term) to frequency.
pub type Links = BTreeMap<(u32, u16), Frequency>;

/// What other releases need of HPO.
pub struct Hpo {
    pub terms: TermIndex,
    pub links: Links,
}

/// The number of an id written `HP:0001250`.
pub fn number(id: &str) -> Option<u32> {
    id.strip_prefix("HP:").and_then(|digits| Ontology::Hpo.number(digits))
}

pub fn read(
    obo: &Path,
    genes_to_phenotype: &Path,
    hpoa: Option<&Path>,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<Hpo, BuildError> {
    let input = Input::read(obo)?;
    let (version, stanzas) = obo::read(&input)?;
    let version = version.rsplit('/').next().unwrap_or_default().to_owned();
    let mut files = vec![input.line()];
    let terms = write_terms(&input, stanzas, writer, report)?;

    let annotation = Input::read(genes_to_phenotype)?;
    files.push(annotation.line());
    write_genes(&annotation, &terms, genes, writer, report)?;

    let links = match hpoa {
        Some(path) => {
            let input = Input::read(path)?;
            files.push(input.line());
            annotation::read(&input, &version, &terms, writer, report)?
        }
        None => Links::new(),
    };
    report.sources.push(Source {
        key: "hpo".into(),
        name: "HPO".into(),
        version: version.clone(),
        address: "http://www.human-phenotype-ontology.org".into(),
        licence: LICENCE.into(),
        attribution: format!(
            "This product uses the Human Phenotype Ontology ({version}). Find out more at \
             http://www.human-phenotype-ontology.org"
        ),
        files: files.join("\n"),
    });
    Ok(Hpo { terms, links })
}

fn write_terms(
    input: &Input,
    stanzas: Vec<Stanza>,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<TermIndex, BuildError> {
    let mut live: BTreeMap<u32, Stanza> = BTreeMap::new();
    let mut obsolete: BTreeMap<u32, Stanza> = BTreeMap::new();
    for stanza in stanzas {
        let Some(number) = number(&stanza.id) else {
            return Err(input.wrong(stanza.line, format!("{} is not an HPO id", stanza.id)));
        };
        let line = stanza.line;
        let place = if stanza.obsolete { &mut obsolete } else { &mut live };
        if place.insert(number, stanza).is_some() {
            return Err(input.wrong(line, "this id was given before"));
        }
    }
    let mut terms = TermIndex::new();
    for (index, number) in live.keys().enumerate() {
        let index = u16::try_from(index).map_err(|_| input.unusable("it has more than 65,535 terms"))?;
        terms.insert(*number, index);
    }
    let edges = edges(input, &live, &terms)?;
    Graph::new(live.len(), &edges).map_err(|error| input.unusable(error.to_string()))?;
    let retired = retired(&live, &obsolete, &terms);
    report.count("HPO terms", live.len());
    report.count("HPO is_a edges", edges.len());
    report.count("HPO obsolete terms", obsolete.len());
    report.count("HPO alternative and obsolete ids", retired.len());

    let mut parents: Vec<Vec<u32>> = vec![Vec::new(); live.len()];
    for (child, parent) in &edges {
        if let Some(list) = parents.get_mut(usize::from(*child)) {
            list.push(u32::from(*parent));
        }
    }
    writer.add_u32s(HPO.ids, false, live.keys().copied());
    write_parents(writer, HPO.parents_of, HPO.parents, &parents);
    writer.add_u32s(HPO.retired, false, retired.iter().map(|(old, _, _)| *old));
    writer.add_u32s(
        HPO.retired_to,
        false,
        retired.iter().map(|(_, to, _)| to.map_or(0, |to| u32::from(to) + 1)),
    );
    let text = |read: fn(&Stanza) -> String| live.values().map(read).collect::<Vec<String>>();
    writer.add_strings(HPO.labels, false, &text(|term| term.name.clone()));
    let labels: Vec<&str> = retired.iter().map(|(_, _, label)| *label).collect();
    writer.add_strings(HPO.retired_labels, true, &labels);
    writer.add_strings(HPO.synonyms, true, &text(|term| term.synonyms.join("\n")));
    writer.add_strings(HPO.definitions, true, &text(|term| term.definition.clone()));
    writer.add_strings(HPO.comments, true, &text(|term| term.comment.clone()));

    let to = |(old, to, _): &(u32, Option<u16>, &str)| to.map(|to| (*old, to));
    terms.extend(retired.iter().filter_map(to).collect::<Vec<_>>());
    Ok(terms)
}

/// (child, parent) pairs, each once, in order.
fn edges(
    input: &Input,
    live: &BTreeMap<u32, Stanza>,
    terms: &TermIndex,
) -> Result<Vec<(u16, u16)>, BuildError> {
    let mut edges = BTreeSet::new();
    for (stanza, child) in live.iter().filter_map(|(number, stanza)| Some((stanza, *terms.get(number)?))) {
        for parent in &stanza.parents {
            match number(parent).and_then(|number| terms.get(&number)) {
                Some(parent) => edges.insert((child, *parent)),
                None => return Err(input.wrong(stanza.line, format!("is_a {parent}, which is no live term"))),
            };
        }
    }
    Ok(edges.into_iter().collect())
}

/// Ids that are not live: (old number, live term it stands for, label of an obsolete term).
fn retired<'a>(
    live: &'a BTreeMap<u32, Stanza>,
    obsolete: &'a BTreeMap<u32, Stanza>,
    terms: &TermIndex,
) -> Vec<(u32, Option<u16>, &'a str)> {
    let mut primary: HashMap<u32, u32> = HashMap::new();
    for (id, stanza) in live {
        for old in stanza.alternatives.iter().filter_map(|id| number(id)) {
            primary.entry(old).or_insert(*id);
        }
    }
    // A replacement may be retired itself; the walk is bounded, so a circle ends without one.
    let follow = |start: u32| {
        let mut at = start;
        for _ in 0..16 {
            if let Some(term) = terms.get(&at) {
                return Some(*term);
            }
            let replaced = obsolete.get(&at).and_then(|stanza| number(stanza.replaced_by.as_deref()?));
            at = replaced.or_else(|| primary.get(&at).copied())?;
        }
        None
    };
    let old: BTreeSet<u32> =
        primary.keys().chain(obsolete.keys()).copied().filter(|old| !live.contains_key(old)).collect();
    old.into_iter()
        .map(|old| (old, follow(old), obsolete.get(&old).map_or("", |stanza| stanza.name.as_str())))
        .collect()
}

/// Parents as an offset column and a column of u16.
pub fn write_parents(writer: &mut Writer, of: &str, rows: &str, parents: &[Vec<u32>]) {
    let mut end = 0_u32;
    let mut starts = vec![0];
    for list in parents {
        end = end.saturating_add(u32::try_from(list.len()).unwrap_or(u32::MAX));
        starts.push(end);
    }
    writer.add_u32s(of, false, starts);
    writer.add_u16s(rows, false, parents.iter().flatten().filter_map(|parent| u16::try_from(*parent).ok()));
}

fn write_genes(
    input: &Input,
    terms: &TermIndex,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<(), BuildError> {
    let mut lines = input.lines();
    let header = lines.next().ok_or_else(|| input.unusable("it is empty"))?;
    let table = Table::new(input, header, &["ncbi_gene_id", "gene_symbol", "hpo_id"])?;
    let mut pairs: BTreeSet<(u16, u32)> = BTreeSet::new();
    let mut symbols: BTreeMap<u32, &str> = BTreeMap::new();
    let mut unknown = 0;
    for (at, line) in lines {
        let [ncbi, symbol, hpo] = table.row(at, line)?;
        let ncbi: u32 =
            ncbi.parse().map_err(|_| input.wrong(at, format!("{ncbi:?} is no NCBI gene number")))?;
        let hpo = number(hpo).ok_or_else(|| input.wrong(at, format!("{hpo:?} is no HPO id")))?;
        symbols.entry(ncbi).or_insert(symbol);
        match terms.get(&hpo) {
            Some(term) => _ = pairs.insert((*term, ncbi)),
            None => unknown += 1,
        }
    }
    // Genes are numbered by NCBI number, so that the table does not depend on the order of the rows.
    for (ncbi, symbol) in &symbols {
        genes.numbered(*ncbi, symbol);
    }
    let live = terms.values().copied().max().map_or(0, |last| usize::from(last) + 1);
    let mut grouped: Vec<Vec<u32>> = vec![Vec::new(); live];
    for (term, ncbi) in &pairs {
        if let Some(list) = grouped.get_mut(usize::from(*term)) {
            list.push(genes.numbered(*ncbi, ""));
        }
    }
    write_rows(writer, (HPO.genes_of, false), (HPO.genes, true), &grouped);
    report.count("genes annotated with HPO terms", symbols.len());
    report.count("pairs of gene and HPO term", pairs.len());
    report.left_out(unknown, "gene annotations name an HPO term that hp.obo does not have");
    Ok(())
}

pub fn write_links(links: &Links, writer: &mut Writer) {
    writer.add_u32s(link::LINK_ORDO, true, links.keys().map(|(ordo, _)| *ordo));
    writer.add_u16s(link::LINK_HPO, true, links.keys().map(|(_, hpo)| *hpo));
    writer.add(link::LINK_FREQUENCY, true, links.values().map(|frequency| frequency.byte()).collect());
}

/// Takes the HPO part of the embedded file over, byte for byte.
pub fn embedded(genes: &mut Genes, writer: &mut Writer, report: &mut BuildReport) -> Result<Hpo, BuildError> {
    let file = TermFile::embedded()?;
    let sections = file.sections();
    for (name, deflated) in sections.names() {
        if name.starts_with("hpo.") || name.starts_with("diseases.") {
            writer.add(name, deflated, sections.data(name).to_vec());
        }
    }
    for (ncbi, symbol) in sections.u32s(link::GENES_NCBI).iter().zip(sections.strings(link::GENES).iter()) {
        genes.numbered(ncbi, symbol);
    }
    let mut terms = TermIndex::new();
    terms.extend(sections.u32s(HPO.ids).iter().zip(0..));
    for (old, to) in sections.u32s(HPO.retired).iter().zip(sections.u32s(HPO.retired_to).iter()) {
        if let Some(Ok(to)) = to.checked_sub(1).map(u16::try_from) {
            terms.insert(old, to);
        }
    }
    let keys = sections.u32s(link::LINK_ORDO).iter().zip(sections.u16s(link::LINK_HPO).iter());
    let links = keys.zip(sections.u8s(link::LINK_FREQUENCY)).filter_map(|((ordo, hpo), frequency)| {
        Some(((ordo, u16::try_from(hpo).ok()?), Frequency::of_byte(*frequency)))
    });
    report.sources.extend(file.sources().iter().cloned());
    report.count("HPO terms", file.count(Ontology::Hpo));
    Ok(Hpo { terms, links: links.collect() })
}

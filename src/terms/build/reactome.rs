//! `ReactomePathways.gmt`: one pathway a line, name, id, then gene symbols, separated by tabs.

use std::collections::{BTreeMap, BTreeSet};

use super::super::form::Writer;
use super::super::mapping::names;
use super::super::provenance::Source;
use super::genes::{Genes, write_rows};
use super::input::Input;
use super::{BuildError, BuildReport};

pub fn read(
    input: &Input,
    version: Option<&str>,
    genes: &mut Genes,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<(), BuildError> {
    let mut pathways: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
    for (at, line) in input.lines().filter(|(_, line)| !line.is_empty()) {
        let mut cells = line.split('\t');
        let (Some(name), Some(id)) = (cells.next(), cells.next().filter(|id| id.starts_with("R-"))) else {
            return Err(
                input.wrong(at, "not a pathway: name, id (R-HSA-…) and symbols separated by tabs expected")
            );
        };
        let symbols = cells.map(str::trim).filter(|symbol| !symbol.is_empty()).collect();
        if pathways.insert(id, (name, symbols)).is_some() {
            return Err(input.wrong(at, format!("pathway {id} was given before")));
        }
    }
    let grouped: Vec<Vec<u32>> = pathways
        .values()
        .map(|(_, symbols)| symbols.iter().map(|symbol| genes.named(symbol)).collect())
        .collect();
    writer.add_strings(names::PATHWAYS, true, &pathways.keys().collect::<Vec<_>>());
    writer.add_strings(
        names::PATHWAY_NAMES,
        true,
        &pathways.values().map(|(name, _)| name).collect::<Vec<_>>(),
    );
    write_rows(writer, (names::PATHWAY_GENES_OF, true), (names::PATHWAY_GENES, true), &grouped);
    report.count("Reactome pathways", pathways.len());
    let version = input.version(version);
    report.sources.push(Source {
        key: "reactome".into(),
        name: "Reactome".into(),
        version: version.clone(),
        address: "https://reactome.org".into(),
        licence: "Creative Commons CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/"
            .into(),
        attribution: format!("Reactome pathways, release {version}, https://reactome.org"),
        files: input.line(),
    });
    Ok(())
}

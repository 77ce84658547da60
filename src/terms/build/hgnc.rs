//! `hgnc_complete_set.txt`: approved symbols with names, aliases and previous symbols.

use std::collections::BTreeMap;

use super::super::form::Writer;
use super::super::mapping::names;
use super::super::provenance::Source;
use super::input::{Input, Table};
use super::{BuildError, BuildReport};

const COLUMNS: [&str; 6] = ["hgnc_id", "symbol", "name", "status", "alias_symbol", "prev_symbol"];

pub fn read(
    input: &Input,
    version: Option<&str>,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<(), BuildError> {
    let mut lines = input.lines();
    let header = lines.next().ok_or_else(|| input.unusable("it is empty"))?;
    let table = Table::new(input, header, &COLUMNS)?;
    let mut genes: BTreeMap<u32, (String, String, String)> = BTreeMap::new();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let [id, symbol, name, status, aliases, previous] = table.row(at, line)?;
        let number = id.strip_prefix("HGNC:").and_then(|digits| digits.parse().ok());
        let number: u32 = number.ok_or_else(|| input.wrong(at, format!("{id:?} is no HGNC id")))?;
        if status != "Approved" {
            continue;
        }
        let others = [aliases, previous].map(unquoted).join("|");
        let others: Vec<&str> = others.split('|').map(str::trim).filter(|other| !other.is_empty()).collect();
        genes.insert(number, (symbol.to_owned(), unquoted(name).to_owned(), others.join("\n")));
    }
    writer.add_u32s(names::HGNC, true, genes.keys().copied());
    let column = |of: fn(&(String, String, String)) -> &String| genes.values().map(of).collect::<Vec<_>>();
    writer.add_strings(names::HGNC_SYMBOLS, true, &column(|gene| &gene.0));
    writer.add_strings(names::HGNC_NAMES, true, &column(|gene| &gene.1));
    writer.add_strings(names::HGNC_ALIASES, true, &column(|gene| &gene.2));
    report.count("HGNC genes", genes.len());
    let version = input.version(version);
    report.sources.push(Source {
        key: "hgnc".into(),
        name: "HGNC".into(),
        version: version.clone(),
        address: "https://www.genenames.org".into(),
        licence: "Creative Commons CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/"
            .into(),
        attribution: format!("HUGO Gene Nomenclature Committee, complete set, release {version}"),
        files: input.line(),
    });
    Ok(())
}

fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell)
}

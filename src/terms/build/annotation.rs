//! `phenotype.hpoa`: diseases with their phenotypes, and through its ORPHA rows links between ORDO and HPO.
//!
//! The release's column meanings are in the HPO documentation, "phenotype.hpoa format".

use std::collections::BTreeMap;

use super::super::Frequency;
use super::super::diseases::{ASPECT_SHIFT, ASPECTS, NEGATED, PREFIXES, SEX_SHIFT, Stated, names};
use super::super::form::Writer;
use super::hpo::{Links, TermIndex, number};
use super::input::{Input, Table};
use super::{BuildError, BuildReport};

const COLUMNS: [&str; 7] =
    ["database_id", "disease_name", "qualifier", "hpo_id", "frequency", "sex", "aspect"];

/// A row of a disease: term, frequency text, flags.
type Row<'a> = (u16, &'a str, u8);

pub fn read(
    input: &Input,
    hpo_version: &str,
    terms: &TermIndex,
    writer: &mut Writer,
    report: &mut BuildReport,
) -> Result<Links, BuildError> {
    let mut table = None;
    let mut diseases: BTreeMap<(usize, u32), (&str, Vec<Row>)> = BTreeMap::new();
    let mut unknown = 0;
    for (at, line) in input.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            if let Some(version) = comment.strip_prefix("version: ").filter(|version| *version != hpo_version)
            {
                report.notes.push(format!("{} is of release {version}, hp.obo of {hpo_version}", input.name));
            }
            continue;
        }
        let Some(table) = &table else {
            table = Some(Table::new(input, (at, line), &COLUMNS)?);
            continue;
        };
        let [id, name, qualifier, hpo, frequency, sex, aspect] = table.row(at, line)?;
        let key =
            disease(id).ok_or_else(|| input.wrong(at, format!("{id:?} is no OMIM, ORPHA or DECIPHER id")))?;
        if Stated::parse(frequency).is_none() {
            return Err(input.wrong(at, format!("{frequency:?} is no frequency")));
        }
        let flags = flags(qualifier, sex, aspect).ok_or_else(|| {
            input.wrong(at, format!("unknown qualifier, sex or aspect {qualifier:?} {sex:?} {aspect:?}"))
        })?;
        let hpo = number(hpo).ok_or_else(|| input.wrong(at, format!("{hpo:?} is no HPO id")))?;
        let entry = diseases.entry(key).or_insert((name, Vec::new()));
        match terms.get(&hpo) {
            Some(term) => entry.1.push((*term, frequency, flags)),
            None => unknown += 1,
        }
    }
    if table.is_none() {
        return Err(input.unusable("it has no header line"));
    }
    for (_, rows) in diseases.values_mut() {
        rows.sort_unstable();
    }
    write(input, &diseases, writer)?;
    report.count("diseases", diseases.len());
    report.count("disease annotations", diseases.values().map(|(_, rows)| rows.len()).sum());
    report.left_out(unknown, "disease annotations name an HPO term that hp.obo does not have");
    Ok(links(&diseases))
}

fn disease(id: &str) -> Option<(usize, u32)> {
    let (prefix, digits) = id.split_once(':')?;
    Some((PREFIXES.iter().position(|known| *known == prefix)?, digits.parse().ok()?))
}

fn flags(qualifier: &str, sex: &str, aspect: &str) -> Option<u8> {
    let negated = match qualifier {
        "" => 0,
        "NOT" => NEGATED,
        _ => return None,
    };
    let sex = match sex.to_ascii_uppercase().as_str() {
        "" => 0,
        "MALE" => 1,
        "FEMALE" => 2,
        _ => return None,
    };
    let aspect = ASPECTS.iter().zip(0_u8..).find(|(known, _)| **known == aspect)?.1;
    Some(negated | sex << SEX_SHIFT | aspect << ASPECT_SHIFT)
}

fn write(
    input: &Input,
    diseases: &BTreeMap<(usize, u32), (&str, Vec<Row>)>,
    writer: &mut Writer,
) -> Result<(), BuildError> {
    let rows = || diseases.values().flat_map(|(_, rows)| rows);
    let mut stated: Vec<&str> = rows().map(|(_, frequency, _)| *frequency).collect();
    stated.sort_unstable();
    stated.dedup();
    if stated.len() > usize::from(u16::MAX) {
        return Err(input.unusable("it has more than 65,535 different frequencies"));
    }
    let position =
        |text: &&str| stated.binary_search(text).ok().and_then(|at| u16::try_from(at).ok()).unwrap_or(0);
    let mut end = 0_u32;
    let mut starts = vec![0];
    for (_, rows) in diseases.values() {
        end = end.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        starts.push(end);
    }
    writer.add_u32s(names::NUMBER, true, diseases.keys().map(|(_, number)| *number));
    writer.add(
        names::PREFIX,
        true,
        diseases.keys().filter_map(|(prefix, _)| u8::try_from(*prefix).ok()).collect(),
    );
    let labels: Vec<&str> = diseases.values().map(|(name, _)| *name).collect();
    writer.add_strings(names::NAME, true, &labels);
    writer.add_u32s(names::ROWS_OF, true, starts);
    writer.add_u16s(names::TERM, true, rows().map(|(term, _, _)| *term));
    writer.add_u16s(names::FREQUENCY, true, rows().map(|(_, frequency, _)| position(frequency)));
    writer.add(names::FLAGS, true, rows().map(|(_, _, flags)| *flags).collect());
    writer.add_strings(names::FREQUENCIES, true, &stated);
    Ok(())
}

/// The ORPHA rows as links; where a pair is stated twice the more frequent statement stays.
fn links(diseases: &BTreeMap<(usize, u32), (&str, Vec<Row>)>) -> Links {
    let mut links = Links::new();
    for ((prefix, ordo), (_, rows)) in diseases {
        if PREFIXES.get(*prefix) != Some(&"ORPHA") {
            continue;
        }
        for (term, frequency, flags) in rows {
            let stated = match Stated::parse(frequency) {
                _ if flags & NEGATED != 0 => Frequency::Excluded,
                Some(stated) => stated.class(),
                None => Frequency::Unknown,
            };
            enter(&mut links, (*ordo, *term), stated);
        }
    }
    links
}

/// Enters a link; of two statements the more frequent one stays, and excluded gives way to any other.
pub fn enter(links: &mut Links, pair: (u32, u16), frequency: Frequency) {
    let rank = |frequency| {
        if frequency == Frequency::Excluded { 7 } else { Frequency::byte(frequency).wrapping_sub(1) % 7 }
    };
    let kept = links.entry(pair).or_insert(frequency);
    if rank(frequency) < rank(*kept) {
        *kept = frequency;
    }
}

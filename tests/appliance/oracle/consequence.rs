//! The mutation type of a variant from its description (specification §7.2, *Mutation*), by regular expressions.

use regex::Regex;
use serde_json::Value as Json;

/// Sequence Ontology terms that say what a variant does.
const CONSEQUENCES: [(&str, &str); 13] = [
    ("SO:0002012", "lossOfStart"),
    ("SO:0001578", "lossOfStop"),
    ("SO:0001587", "nonsense"),
    ("SO:0001589", "frameshift"),
    ("SO:0001574", "splice"),
    ("SO:0001575", "splice"),
    ("SO:0001630", "splice"),
    ("SO:0001583", "missense"),
    ("SO:0001821", "indel"),
    ("SO:0001822", "indel"),
    ("SO:0001819", "nonCoding"),
    ("SO:0001627", "nonCoding"),
    ("SO:0001636", "nonCoding"),
];

/// By the first rule that decides.
pub fn mutation(descriptor: &Json) -> &'static str {
    let structural = descriptor["structuralType"]["id"].as_str();
    let stated = descriptor["molecularConsequences"].as_array().into_iter().flatten();
    for id in stated.filter_map(|class| class["id"].as_str()).chain(structural) {
        if let Some((_, mutation)) = CONSEQUENCES.iter().find(|(known, _)| *known == id) {
            return mutation;
        }
    }
    let expressions: Vec<&str> = descriptor["expressions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|expression| expression["value"].as_str())
        .map(|text| text.rsplit(':').next().unwrap_or_default().trim())
        .collect();
    let protein = expressions.iter().find_map(|text| of_protein(text.strip_prefix("p.")?));
    let coding = || expressions.iter().find_map(|text| of_coding(text.strip_prefix("c.")?));
    let spelled = !expressions.is_empty() || descriptor["vcfRecord"]["alt"].is_string();
    protein.or_else(coding).unwrap_or(if structural.is_some() && !spelled { "indel" } else { "nonCoding" })
}

fn is(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

fn of_protein(text: &str) -> Option<&'static str> {
    let text = text.trim_matches(['(', ')']);
    if is(r"^Met1([^0-9=e]|$)", text) {
        return Some("lossOfStart");
    }
    if is(r"^Ter\d+[A-Z*]", text) && !text.contains(['=', '?'])
        || is(r"^Ter\d+.*ext", text) && !text.contains('?')
    {
        return Some("lossOfStop");
    }
    if text.contains("fs") {
        return Some("frameshift");
    }
    if text.contains(['=', '?']) {
        return None;
    }
    if is(r"\d.*(Ter|\*)", text) {
        return Some("nonsense");
    }
    if is("del|ins|dup", text) {
        return Some("indel");
    }
    is(r"^[A-Z][a-z]{2}\d+[A-Z][a-z]{2}$", text).then_some("missense")
}

fn of_coding(text: &str) -> Option<&'static str> {
    let place = Regex::new(r"^([*-]?\d+)([+-]\d+)?(?:_([*-]?\d+)([+-]\d+)?)?(.*)$").unwrap();
    let parts = place.captures(text)?;
    let part = |index: usize| parts.get(index).map(|part| part.as_str());
    let offset = |index: usize| part(index).map_or(0, |offset| offset.parse::<i64>().unwrap());
    let (from, to) = (part(1)?, part(3).or(part(1))?);
    let (first, last) = (offset(2), if part(3).is_some() { offset(4) } else { offset(2) });
    // Anything that touches one of the two bases on either side of an exon's border.
    let at_border = |offset: i64| offset != 0 && offset.abs() <= 2;
    // Both ends in introns: the same one, or an exon with its borders lies between them.
    let apart = first != 0 && last != 0 && {
        let (from, to) = (from.parse::<i64>().unwrap_or(0), to.parse::<i64>().unwrap_or(0));
        let same = from == to && first.signum() == last.signum() || from + 1 == to && first > 0 && last < 0;
        !same
    };
    let crosses = (first == 0) != (last == 0) || apart;
    if at_border(first) || at_border(last) || crosses {
        return Some("splice");
    }
    let untranslated = from.starts_with(['*', '-']) || to.starts_with(['*', '-']);
    if first != 0 || untranslated {
        return None;
    }
    let span = to.parse::<i64>().ok()? - from.parse::<i64>().ok()? + 1;
    let change = part(5)?;
    let inserted = Regex::new(r"ins([A-Z]+|\d+)$")
        .unwrap()
        .captures(change)
        .map(|found| found[1].parse::<i64>().unwrap_or_else(|_| i64::try_from(found[1].len()).unwrap()));
    let gained = match (inserted, change) {
        (Some(length), change) if change.starts_with("del") => length - span,
        (Some(length), _) => length,
        (None, change) if change.starts_with("del") || change.starts_with("dup") => span,
        _ => return None,
    };
    Some(if gained % 3 == 0 { "indel" } else { "frameshift" })
}

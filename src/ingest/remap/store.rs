//! Puts one result into the field its destination names (specification §6.4, §7.4): prefixes stripped, form checked,
//! duplicates dropped.

use std::collections::btree_map::Entry;

use serde_json::Value;

use super::Made;
use super::types::{Own, by_itself, json_by_itself};
use crate::domain::attributes::stored_name;
use crate::domain::pipelines::Destination;
use crate::domain::subjects::{EavValue, GeneAlleles, Mutation, Scalar, Subject, Term, Variant};
use crate::ingest::codes;
use crate::terms::{Ontology, Terms};

const MAX_SYMBOL_BYTES: usize = 100;
const MAX_ATTRIBUTE_CHARS: usize = 1_000;
const MAX_ALLELES: usize = 100;

type Outcome = Result<(), &'static str>;

/// Stores what a cell became; `attribute` is the stored name for `basic` results of `eav`, ids the release does not
/// know are added to `unknown`.
pub(super) fn store(
    subject: &mut Subject,
    destination: Destination,
    attribute: &str,
    own: Own,
    made: Made,
    terms: &dyn Terms,
    unknown: &mut Vec<String>,
) -> Outcome {
    let (text, value) = match made {
        Made::Basic(text) => (text, None),
        Made::Qualified(qualifier, value) => (qualifier, Some(value)),
        Made::Unmatched | Made::Empty | Made::TooSlow => return Ok(()),
    };
    match destination {
        Destination::Hpo => {
            let id = codes::hpo(last_segment(&text)).ok_or("is not an HPO id of seven digits")?;
            let id = resolved(terms, Ontology::Hpo, id, "HP", unknown);
            add(&mut subject.hpo, term(id, value));
        }
        Destination::SnomedCt => {
            let id = codes::snomed(without_release(last_segment(&text)));
            let id = id.ok_or("is not a SNOMED CT id of at least six digits")?.to_owned();
            add(&mut subject.snomed, term(id, value));
        }
        Destination::Ordo => {
            let id =
                codes::ordo(last_segment(&text)).ok_or("is not an Orphanet number of one to six digits")?;
            if value.is_none_or(truthy) {
                let id = resolved(terms, Ontology::Ordo, id, "ORPHA", unknown);
                add(&mut subject.ordo, id);
            }
        }
        Destination::Ncit => {
            let id = codes::ncit(last_segment(&text)).ok_or("is not an NCIT id: C and digits")?;
            if value.is_none_or(truthy) {
                add(&mut subject.ncit, id.to_owned());
            }
        }
        Destination::Gene => add_alleles(subject, symbol(&text)?, value.as_deref())?,
        Destination::Variant => {
            let value = value.ok_or("has no mutation")?;
            let (mutation, af) = mutation(&value)?;
            add(&mut subject.variant, Variant { gene: symbol(&text)?, mutation, af, allele_count: None });
        }
        Destination::Eav => match value {
            None => add_attribute(subject, attribute.to_owned(), own.scalar(text)?),
            Some(_) if text.chars().nth(MAX_ATTRIBUTE_CHARS).is_some() => {
                return Err("is too long for the name of an attribute");
            }
            Some(value) => add_attribute(subject, stored_name(&text), by_itself(value)),
        },
        // Demographics are settled at the end of the row.
        Destination::Subject => {}
    }
    Ok(())
}

/// Ids also come as addresses: `http://purl.obolibrary.org/obo/HP_0001250`.
fn last_segment(text: &str) -> &str {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => text.rsplit('/').next().unwrap_or(text),
        false => text,
    }
}

/// `SNOMEDCT_US:248153007` names a national release.
fn without_release(text: &str) -> &str {
    match text.split_once(':') {
        Some((prefix, id))
            if prefix.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("SNOMEDCT_")) =>
        {
            id
        }
        _ => text,
    }
}

fn resolved(
    terms: &dyn Terms,
    ontology: Ontology,
    id: &str,
    prefix: &str,
    unknown: &mut Vec<String>,
) -> String {
    let resolved = terms.resolve(ontology, id);
    if !terms.contains(ontology, &resolved) {
        unknown.push(format!("{prefix}:{id}"));
    }
    resolved
}

fn term(id: String, value: Option<String>) -> Term {
    match value {
        None => Term::Present(id),
        Some(value) => Term::qualified(id, json_by_itself(value)),
    }
}

fn truthy(value: String) -> bool {
    match json_by_itself(value) {
        Value::Bool(truth) => truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    }
}

fn add<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// An HGNC symbol, `HGNC:` before it allowed; HGNC numbers are not symbols.
fn symbol(text: &str) -> Result<String, &'static str> {
    let symbol = match text.split_once(':') {
        Some((prefix, symbol)) if prefix.eq_ignore_ascii_case("HGNC") => symbol,
        _ => text,
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '#');
    let plain = symbol.len() <= MAX_SYMBOL_BYTES && symbol.chars().all(legal);
    let named = symbol.chars().any(|c| c.is_ascii_alphabetic());
    if plain && named { Ok(symbol.to_owned()) } else { Err("is not a gene symbol") }
}

/// A gene named alone gives way to the same gene with alleles.
fn add_alleles(subject: &mut Subject, gene: String, alleles: Option<&str>) -> Outcome {
    let parts = alleles.unwrap_or_default().split(['/', ',', ';']).map(str::trim);
    let alleles: Vec<String> = parts.filter(|allele| !allele.is_empty()).map(str::to_owned).collect();
    if alleles.len() > MAX_ALLELES {
        return Err("has more than 100 alleles");
    }
    match subject
        .alleles
        .iter_mut()
        .find(|known| known.gene == gene && (known.alleles.is_empty() || alleles.is_empty()))
    {
        Some(known) if known.alleles.is_empty() => known.alleles = alleles,
        Some(_) => {}
        None => add(&mut subject.alleles, GeneAlleles { gene, alleles }),
    }
    Ok(())
}

/// `mutation[@af]`, e.g. `missense@0.01`.
fn mutation(text: &str) -> Result<(Mutation, Option<f64>), &'static str> {
    let (name, af) = text.split_once('@').map_or((text, None), |(name, af)| (name, Some(af)));
    let known =
        Mutation::ALL.into_iter().find(|mutation| mutation.as_str().eq_ignore_ascii_case(name.trim()));
    let mutation = known.ok_or("is not a mutation type")?;
    let af = af.map(|text| {
        let frequency = text.trim().parse::<f64>().ok().filter(|af| (0.0..=1.0).contains(af));
        frequency.ok_or("has an allele frequency that is not between 0 and 1")
    });
    Ok((mutation, af.transpose()?))
}

/// A second value turns the attribute into a list.
fn add_attribute(subject: &mut Subject, name: String, value: Scalar) {
    match subject.eav.entry(name) {
        Entry::Vacant(place) => {
            place.insert(EavValue::One(value));
        }
        Entry::Occupied(mut place) => match place.get_mut() {
            EavValue::Many(values) => add(values, value),
            EavValue::One(first) if *first == value => {}
            EavValue::One(first) => {
                let first = first.clone();
                place.insert(EavValue::Many(vec![first, value]));
            }
        },
    }
}

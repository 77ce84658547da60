//! What is published about a source: capability, counts, attributes with their values, allele names
//! (specification §6.5), and what is kept back because it could name people.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::{Cell, Column, Field, Key};
use super::part::Posting;
use super::view::SourceView;
use crate::domain::attributes::shown_name;
use crate::domain::sources::{EavIndex, RecordIndex};

/// Values listed per attribute, and alleles per gene, most frequent first.
const MAX_VALUES: usize = 1_000;
/// Text with more distinct values than this may be identifying.
const FEW_VALUES: usize = 20;
/// ... if half of them are carried by fewer subjects than this.
const FEW_SUBJECTS: u64 = 3;

/// How an administrator wants a source described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexRules {
    /// A text value or allele name of fewer subjects is not listed.
    pub minimum_value_count: u64,
    /// Attributes marked as identifying (`true`) or harmless (`false`).
    pub identifying: BTreeMap<String, bool>,
    /// Display names of attributes.
    pub attribute_names: BTreeMap<String, String>,
    /// Display names of values.
    pub value_names: BTreeMap<String, String>,
    /// Labels found in the data, used where no display name was given.
    pub value_labels: BTreeMap<String, String>,
}

/// Everything recomputed when a source changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indices {
    /// `capability.source` is left `false`: whether the source is online is not in its data.
    pub record: RecordIndex,
    /// Filter families by ascending share of subjects having the field: 0 subject, 1 hpo, 2 ordo, 3 genes,
    /// 4 snomed, 5 variant, 6 eav, 7 source.
    pub pipeline: Vec<u8>,
    /// Identifying attributes, by name.
    pub withheld: Vec<Withheld>,
    /// Attributes that the data alone make identifying, whatever an administrator says of them, by name.
    pub identifying: Vec<String>,
}

/// An attribute kept out of listings and low-level filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    pub attribute: String,
    /// In words, for the data manager.
    pub reason: String,
}

/// How often each text and truth value of one attribute occurs, in subjects.
#[derive(Default)]
struct Attribute {
    texts: BTreeMap<String, u64>,
    bools: BTreeMap<bool, u64>,
    any: bool,
}

/// Makes the indices of a view.
pub(super) fn make(view: &SourceView, rules: &IndexRules) -> Indices {
    let mut indices = Indices {
        record: RecordIndex {
            capability: view.capability(),
            record_count: view.record_count(),
            eav_index: EavIndex::default(),
            allele_index: alleles(view, rules.minimum_value_count),
        },
        pipeline: pipeline(view),
        withheld: Vec::new(),
        identifying: Vec::new(),
    };
    let names: BTreeSet<&str> =
        view.parts().iter().flat_map(|part| part.part.attributes().map(|(name, _)| name)).collect();
    for name in names {
        let attribute = survey(view, name);
        if !attribute.any {
            continue;
        }
        let found = identifying(name, &attribute);
        if found.is_some() {
            indices.identifying.push(name.to_owned());
        }
        // An administrator's mark has the last word.
        let reason = match rules.identifying.get(name) {
            Some(true) => Some("marked as identifying by an administrator".to_owned()),
            Some(false) => None,
            None => found,
        };
        match reason {
            Some(reason) => indices.withheld.push(Withheld { attribute: name.to_owned(), reason }),
            None => list(name, &attribute, rules, &mut indices.record.eav_index),
        }
    }
    indices
}

fn survey(view: &SourceView, name: &str) -> Attribute {
    let column = Column::Eav(name.to_owned());
    let mut attribute = Attribute::default();
    for part in view.parts() {
        let Some(reader) = part.part.column(&column) else { continue };
        let mut counts = vec![0u64; reader.values() as usize + 1];
        part.each_code(&reader, |_, code| {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
            true
        });
        for (code, count) in (0u32..).zip(counts).filter(|(_, count)| *count > 0) {
            attribute.any = true;
            match reader.value(code) {
                Some(Cell::Text(text)) => *attribute.texts.entry(text.to_owned()).or_default() += count,
                Some(Cell::Bool(is)) => *attribute.bools.entry(is).or_default() += count,
                Some(Cell::Number(_)) | None => {}
            }
        }
    }
    attribute
}

/// Why an attribute is identifying (specification §6.5).
fn identifying(name: &str, attribute: &Attribute) -> Option<String> {
    if names_the_subject(name) {
        return Some("it names the subject".to_owned());
    }
    let mut counts: Vec<u64> = attribute.texts.values().copied().collect();
    counts.sort_unstable();
    let (half, odd) = (counts.len() / 2, counts.len() % 2 == 1);
    let at = |index: usize| counts.get(index).copied().unwrap_or(0);
    // Twice the median, so that the middle of an even number stays whole.
    let twice = if odd { at(half) * 2 } else { at(half.saturating_sub(1)) + at(half) };
    (counts.len() > FEW_VALUES && twice < 2 * FEW_SUBJECTS).then(|| {
        format!(
            "text with {} different values, most of them of fewer than {FEW_SUBJECTS} subjects",
            counts.len()
        )
    })
}

fn names_the_subject(name: &str) -> bool {
    let name = shown_name(name);
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let ids =
        ["id", "subjectid", "patientid", "individualid", "participantid", "personid", "subject", "patient"];
    ids.contains(&plain.as_str())
}

fn list(name: &str, attribute: &Attribute, rules: &IndexRules, index: &mut EavIndex) {
    let display = rules.attribute_names.get(name).cloned().unwrap_or_else(|| title(&shown_name(name)));
    index.attributes.insert(name.to_owned(), display);
    if attribute.texts.is_empty() && attribute.bools.is_empty() {
        return;
    }
    let bools = attribute.bools.iter().map(|(is, count)| (is.to_string(), *count));
    let texts = attribute.texts.iter().map(|(text, count)| (text.clone(), *count));
    let values: BTreeMap<String, u64> = texts.chain(bools).collect();
    let values = most_frequent(values, rules.minimum_value_count);
    for value in &values {
        let given = rules.value_names.get(value).or_else(|| rules.value_labels.get(value));
        let display = given.cloned().unwrap_or_else(|| value_title(value));
        index.values.insert(value.clone(), display);
    }
    index.mappings.insert(name.to_owned(), values);
}

/// Up to [`MAX_VALUES`] names of at least `minimum` subjects, most frequent kept, in byte order.
fn most_frequent(counts: BTreeMap<String, u64>, minimum: u64) -> Vec<String> {
    let mut listed: Vec<(String, u64)> = counts.into_iter().filter(|(_, count)| *count >= minimum).collect();
    listed.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    listed.truncate(MAX_VALUES);
    let mut names: Vec<String> = listed.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

/// `visits-to-hospital`, `visits_to_hospital` and `visitsToHospital` all read `Visits To Hospital`.
fn title(name: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let hump = c.is_uppercase() && (before.is_lowercase() || before.is_numeric());
        if (hump || matches!(c, '_' | '-' | ' ')) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if !matches!(c, '_' | '-' | ' ')
            && let Some(word) = words.last_mut()
        {
            if word.is_empty() { word.extend(c.to_uppercase()) } else { word.push(c) }
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    if words.is_empty() { name.to_owned() } else { words.join(" ") }
}

/// Values that are names of the machine kind are titled as attributes are; free text stays as it is.
fn value_title(value: &str) -> String {
    let machine = value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if machine { title(value) } else { value.to_owned() }
}

/// Gene symbol, as most subjects spell it, to the allele names of at least `minimum` subjects.
fn alleles(view: &SourceView, minimum: u64) -> BTreeMap<String, Vec<String>> {
    let mut spellings: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let all = Key::alleles_of(None);
    for part in view.parts() {
        for (name, posting) in part.part.keys_with(Key::SPELLINGS) {
            let Some((gene, names)) = Key::decode_gene(name) else { continue };
            let count = part.carriers(&mut [posting]);
            for spelling in names {
                *spellings.entry(gene.to_owned()).or_default().entry(spelling.to_owned()).or_default() +=
                    count;
            }
        }
        // A subject with an allele in two elements counts once, hence the union before counting.
        let mut carriers: BTreeMap<(&str, &str), Vec<Posting<'_>>> = BTreeMap::new();
        for (name, posting) in part.part.keys_with(&all) {
            let Some((gene, mut names)) = Key::decode_gene(name) else { continue };
            names.dedup();
            for allele in names {
                carriers.entry((gene, allele)).or_default().push(posting);
            }
        }
        for ((gene, allele), mut postings) in carriers {
            let count = part.carriers(&mut postings);
            *counts.entry(gene.to_owned()).or_default().entry(allele.to_owned()).or_default() += count;
        }
    }
    let spelled = |gene: &str| {
        let best = spellings.get(gene)?.iter().max_by(|(a, m), (b, n)| m.cmp(n).then_with(|| b.cmp(a)))?;
        (*best.1 > 0).then(|| best.0.clone())
    };
    counts
        .into_iter()
        .filter_map(|(gene, counts)| Some((spelled(&gene)?, most_frequent(counts, minimum.max(1)))))
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

fn pipeline(view: &SourceView) -> Vec<u8> {
    let families =
        [Field::Subject, Field::Hpo, Field::Ordo, Field::Genes, Field::Snomed, Field::Variant, Field::Eav];
    let mut shares: Vec<(u64, u8)> =
        families.into_iter().map(|field| view.having(field)).zip(0u8..).collect();
    // Every subject has a source.
    shares.push((view.record_count(), 7));
    shares.sort_unstable();
    shares.into_iter().map(|(_, code)| code).collect()
}

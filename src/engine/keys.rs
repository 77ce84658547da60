//! What of a subject is searchable: keys (a subject has it or not) and columns (a subject has values of it).

use serde::{Deserialize, Serialize};

use crate::domain::subjects::{FamilyType, Gender, GeneAlleles, Mutation, Scalar, Subject};

/// Fields whose presence counts: for soft match, capability and the pipeline index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    Hpo,
    Ordo,
    Snomed,
    Genes,
    Variant,
    Eav,
    /// Any demographic.
    Subject,
    Gender,
    Age,
    AgeFirstDiagnosis,
    AgeFirstSymptoms,
    Affected,
    FamilyType,
}

/// Demographics that are true or not of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trait {
    Male,
    Female,
    Affected,
    Singleton,
    Trio,
    Family,
}

impl From<Gender> for Trait {
    fn from(gender: Gender) -> Self {
        match gender {
            Gender::Male => Self::Male,
            Gender::Female => Self::Female,
        }
    }
}

impl From<FamilyType> for Trait {
    fn from(family: FamilyType) -> Self {
        match family {
            FamilyType::Singleton => Self::Singleton,
            FamilyType::Trio => Self::Trio,
            FamilyType::Family => Self::Family,
        }
    }
}

/// Something a subject has or has not. Gene symbols are folded (see [`fold`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Key {
    Has(Field),
    Is(Trait),
    Hpo(String),
    Ordo(String),
    Snomed(String),
    Ncit(String),
    /// One `ALLELES` element: the gene with its alleles, sorted, repeats kept.
    Alleles {
        gene: String,
        alleles: Vec<String>,
    },
    /// A spelling of a gene symbol in `ALLELES`; for display only.
    Spelling {
        gene: String,
        spelling: String,
    },
    /// At least one `VARIANT` element of the gene and mutation.
    Carrier {
        gene: String,
        mutation: Mutation,
    },
    /// A carrier of two alleles.
    Double {
        gene: String,
        mutation: Mutation,
    },
    /// At least one `VARIANT` element of the gene and mutation without a stored frequency.
    NoFrequency {
        gene: String,
        mutation: Mutation,
    },
}

/// Something a subject has values of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Column {
    Age,
    AgeFirstDiagnosis,
    AgeFirstSymptoms,
    /// Stored allele frequencies of the subject's `VARIANT` elements of a gene and mutation.
    Frequency {
        gene: String,
        mutation: Mutation,
    },
    /// A free attribute by its stored name.
    Eav(String),
}

/// One value of a column. Numbers are IEEE doubles, so 3 and 3.0 are the same value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Number(f64),
    Bool(bool),
    Text(&'a str),
}

/// Gene symbols are compared case-insensitively (specification §8.3): by Unicode lower case.
pub fn fold(gene: &str) -> String {
    gene.to_lowercase()
}

fn text(out: &mut Vec<u8>, text: &str) {
    // The length first makes every key with the same leading fields share a prefix and no other key have it.
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

fn gene_and_mutation(out: &mut Vec<u8>, gene: &str, mutation: Mutation) {
    text(out, gene);
    out.push(mutation as u8);
}

impl Key {
    /// The beginning of the key as a number that is never greater for a smaller key: sorting compares it first.
    pub(crate) fn leading(&self) -> u64 {
        let (kind, text) = match self {
            Self::Has(_) => (0, ""),
            Self::Is(_) => (1, ""),
            Self::Hpo(id) => (2, id.as_str()),
            Self::Ordo(id) => (3, id.as_str()),
            Self::Snomed(id) => (4, id.as_str()),
            Self::Ncit(id) => (5, id.as_str()),
            Self::Alleles { gene, .. } => (6, gene.as_str()),
            Self::Spelling { gene, .. } => (7, gene.as_str()),
            Self::Carrier { gene, .. } => (8, gene.as_str()),
            Self::Double { gene, .. } => (9, gene.as_str()),
            Self::NoFrequency { gene, .. } => (10, gene.as_str()),
        };
        let mut leading = [0; 8];
        leading.iter_mut().zip(std::iter::once(kind).chain(text.bytes())).for_each(|(to, from)| *to = from);
        u64::from_be_bytes(leading)
    }

    /// Appends the key as parts spell it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Has(field) => out.extend([b'f', *field as u8]),
            Self::Is(is) => out.extend([b'd', *is as u8]),
            Self::Hpo(id) => term(out, b'h', id),
            Self::Ordo(id) => term(out, b'o', id),
            Self::Snomed(id) => term(out, b's', id),
            Self::Ncit(id) => term(out, b'n', id),
            Self::Alleles { gene, alleles } => {
                gene_prefix(out, b'a', gene);
                alleles.iter().for_each(|allele| text(out, allele));
            }
            Self::Spelling { gene, spelling } => {
                gene_prefix(out, b'g', gene);
                text(out, spelling);
            }
            Self::Carrier { gene, mutation } => variant(out, b'v', gene, *mutation),
            Self::Double { gene, mutation } => variant(out, b'w', gene, *mutation),
            Self::NoFrequency { gene, mutation } => variant(out, b'x', gene, *mutation),
        }
    }

    /// Reads an `Alleles` or `Spelling` key back: gene and what follows it. `None` for any other key.
    pub(crate) fn decode_gene(mut bytes: &[u8]) -> Option<(&str, Vec<&str>)> {
        let (tag, rest) = bytes.split_first()?;
        if !matches!(tag, b'a' | b'g') {
            return None;
        }
        bytes = rest;
        let gene = take(&mut bytes)?;
        let mut names = Vec::new();
        while !bytes.is_empty() {
            names.push(take(&mut bytes)?);
        }
        Some((gene, names))
    }

    /// What all `Alleles` keys of a gene begin with; of any gene for `None`.
    pub(crate) fn alleles_of(gene: Option<&str>) -> Vec<u8> {
        gene.map_or_else(
            || vec![b'a'],
            |gene| {
                let mut out = Vec::new();
                gene_prefix(&mut out, b'a', gene);
                out
            },
        )
    }

    /// What all `Spelling` keys begin with.
    pub(crate) const SPELLINGS: &'static [u8] = b"g";
}

fn term(out: &mut Vec<u8>, tag: u8, id: &str) {
    out.push(tag);
    out.extend_from_slice(id.as_bytes());
}

fn gene_prefix(out: &mut Vec<u8>, tag: u8, gene: &str) {
    out.push(tag);
    text(out, gene);
}

fn variant(out: &mut Vec<u8>, tag: u8, gene: &str, mutation: Mutation) {
    out.push(tag);
    gene_and_mutation(out, gene, mutation);
}

impl Column {
    /// Appends the column's name as parts spell it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Age => out.push(b'A'),
            Self::AgeFirstDiagnosis => out.push(b'D'),
            Self::AgeFirstSymptoms => out.push(b'S'),
            Self::Frequency { gene, mutation } => variant(out, b'F', gene, *mutation),
            Self::Eav(name) => term(out, Self::EAV, name),
        }
    }

    const EAV: u8 = b'E';

    /// The attribute a column name stands for; `None` when it is no free attribute.
    pub(crate) fn decode_eav(bytes: &[u8]) -> Option<&str> {
        bytes.strip_prefix(&[Self::EAV]).and_then(|name| std::str::from_utf8(name).ok())
    }
}

/// The alleles of one element, sorted: the form in which multisets are compared.
pub(crate) fn multiset(element: &GeneAlleles) -> Vec<&str> {
    let mut alleles: Vec<&str> = element.alleles.iter().map(String::as_str).collect();
    alleles.sort_unstable();
    alleles
}

/// Calls `key` with every key of the subject (repeats possible) and `value` with every value of every column.
///
/// The byte slices are keys and column names as parts spell them; they are only valid during the call.
pub(crate) fn of<'s>(
    subject: &'s Subject,
    mut key: impl FnMut(&[u8]),
    mut value: impl FnMut(&[u8], &mut dyn Iterator<Item = Cell<'s>>),
) {
    let mut buffer = Vec::with_capacity(64);
    let mut give = |build: &dyn Fn(&mut Vec<u8>)| {
        buffer.clear();
        build(&mut buffer);
        key(&buffer);
    };
    for field in fields(subject) {
        give(&|out| Key::Has(field).encode(out));
    }
    let demo = &subject.demo;
    let traits = [
        demo.gender.map(Trait::from),
        demo.affected.and_then(|affected| affected.then_some(Trait::Affected)),
        demo.family_type.map(Trait::from),
    ];
    for is in traits.into_iter().flatten() {
        give(&|out| Key::Is(is).encode(out));
    }
    let listed = [(b'h', &subject.hpo), (b's', &subject.snomed)];
    for (tag, terms) in listed {
        for id in terms.iter().flat_map(|one| one.present()) {
            give(&|out| term(out, tag, id));
        }
    }
    for (tag, ids) in [(b'o', &subject.ordo), (b'n', &subject.ncit)] {
        for id in ids {
            give(&|out| term(out, tag, id));
        }
    }
    for element in &subject.alleles {
        let gene = fold(&element.gene);
        give(&|out| {
            gene_prefix(out, b'a', &gene);
            multiset(element).into_iter().for_each(|allele| text(out, allele));
        });
        give(&|out| {
            gene_prefix(out, b'g', &gene);
            text(out, &element.gene);
        });
    }
    let mut variants: Vec<(String, &_)> = subject.variant.iter().map(|v| (fold(&v.gene), v)).collect();
    variants.sort_by(|(a, v), (b, w)| (a, v.mutation).cmp(&(b, w.mutation)));
    let mut name = Vec::new();
    for same in variants.chunk_by(|(a, v), (b, w)| a == b && v.mutation == w.mutation) {
        let Some((gene, first)) = same.first() else { continue };
        give(&|out| variant(out, b'v', gene, first.mutation));
        if same.iter().any(|(_, v)| v.allele_count.is_some_and(|count| count >= 2)) {
            give(&|out| variant(out, b'w', gene, first.mutation));
        }
        let frequency = |v: &crate::domain::subjects::Variant| v.af.filter(|af| af.is_finite());
        if same.iter().any(|(_, v)| frequency(v).is_none()) {
            give(&|out| variant(out, b'x', gene, first.mutation));
        }
        name.clear();
        variant(&mut name, b'F', gene, first.mutation);
        value(&name, &mut same.iter().filter_map(|(_, v)| frequency(v)).map(Cell::Number));
    }
    let ages = [
        (Column::Age, demo.age),
        (Column::AgeFirstDiagnosis, demo.age_first_diagnosis),
        (Column::AgeFirstSymptoms, demo.age_first_symptoms),
    ];
    for (column, age) in ages {
        name.clear();
        column.encode(&mut name);
        value(&name, &mut finite(age).map(Cell::Number).into_iter());
    }
    for (attribute, stored) in &subject.eav {
        name.clear();
        term(&mut name, Column::EAV, attribute);
        value(&name, &mut stored.scalars().iter().filter_map(cell));
    }
}

fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

fn cell(scalar: &Scalar) -> Option<Cell<'_>> {
    match scalar {
        Scalar::Bool(is) => Some(Cell::Bool(*is)),
        Scalar::Number(number) => finite(number.as_f64()).map(Cell::Number),
        Scalar::Text(text) => Some(Cell::Text(text)),
    }
}

/// The fields a subject has. A list is had when it is not empty, even if all its terms are excluded ones; a free
/// attribute when it has at least one value.
pub fn fields(subject: &Subject) -> impl Iterator<Item = Field> {
    let demo = &subject.demo;
    let has = [
        (Field::Hpo, !subject.hpo.is_empty()),
        (Field::Ordo, !subject.ordo.is_empty()),
        (Field::Snomed, !subject.snomed.is_empty()),
        (Field::Genes, !subject.alleles.is_empty()),
        (Field::Variant, !subject.variant.is_empty()),
        (Field::Eav, subject.eav.values().any(|value| !value.scalars().is_empty())),
        (Field::Subject, !demo.is_empty()),
        (Field::Gender, demo.gender.is_some()),
        (Field::Age, finite(demo.age).is_some()),
        (Field::AgeFirstDiagnosis, finite(demo.age_first_diagnosis).is_some()),
        (Field::AgeFirstSymptoms, finite(demo.age_first_symptoms).is_some()),
        (Field::Affected, demo.affected.is_some()),
        (Field::FamilyType, demo.family_type.is_some()),
    ];
    has.into_iter().filter_map(|(field, has)| has.then_some(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_gene_share_a_prefix_that_no_other_gene_has() {
        let mut e4 = Vec::new();
        Key::Alleles { gene: "apoe".into(), alleles: vec!["e3".into(), "e4".into()] }.encode(&mut e4);
        assert!(e4.starts_with(&Key::alleles_of(Some("apoe"))));
        assert!(!e4.starts_with(&Key::alleles_of(Some("apo"))));
        assert_eq!(Key::decode_gene(&e4), Some(("apoe", vec!["e3", "e4"])));
    }

    #[test]
    fn a_cut_key_is_not_read() {
        let mut key = Key::alleles_of(Some("apoe"));
        key.pop();
        assert_eq!(Key::decode_gene(&key), None);
    }

    #[test]
    fn excluded_terms_are_no_keys_but_make_the_field_present() {
        let mut subject = Subject::new("a");
        subject.hpo.push(crate::domain::subjects::Term::excluded("0001250"));
        let mut seen = Vec::new();
        of(&subject, |key| seen.push(key.to_vec()), |_, _| {});
        assert_eq!(seen, [vec![b'f', Field::Hpo as u8]]);
    }
}

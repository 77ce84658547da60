//! All parts of one version of a source, oldest first: a later part's subjects and tombstones hide an earlier's.

use std::sync::Arc;

use super::index::{self, IndexRules, Indices};
use super::keys::{Column, Field, Key};
use super::part::{ColumnReader, Part};
use super::words::{CHUNK, WORDS, Words, and, bits, count, full};
use crate::domain::sources::{Capability, SubjectCapability};

/// One part with what of it is still visible.
#[derive(Debug)]
pub(crate) struct Visible {
    pub part: Arc<Part>,
    /// A bit per subject; `None` = all.
    live: Option<Vec<Words>>,
    pub count: u64,
}

impl Visible {
    /// The visible subjects of a chunk.
    pub(crate) fn live(&self, chunk: usize, words: &mut Words) {
        match &self.live {
            None => full(chunk, self.part.subjects(), words),
            Some(live) => match live.get(chunk) {
                Some(live) => words.copy_from_slice(live),
                None => words.fill(0),
            },
        }
    }

    /// The visible subjects, ascending.
    pub(crate) fn ordinals(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.part.chunks()).flat_map(|chunk| {
            let mut words = [0; WORDS];
            self.live(chunk, &mut words);
            (0..WORDS).flat_map(move |word| {
                bits(words.get(word).copied().unwrap_or(0)).map(move |bit| chunk * CHUNK + word * 64 + bit)
            })
        })
    }

    /// Whether nothing of the part is hidden.
    pub(crate) fn is_whole(&self) -> bool {
        self.live.is_none()
    }

    /// How many visible subjects have any of the keys whose postings are given.
    pub(crate) fn carriers(&self, postings: &mut [super::part::Posting<'_>]) -> u64 {
        let mut total = 0;
        let (mut have, mut live): (Words, Words) = ([0; WORDS], [0; WORDS]);
        for chunk in 0..self.part.chunks() {
            have.fill(0);
            for posting in postings.iter_mut() {
                posting.seek(chunk);
                posting.or_into(chunk, &mut have);
            }
            self.live(chunk, &mut live);
            and(&mut have, &live);
            total += count(&have) as u64;
        }
        total
    }

    /// Calls `see` with each (ordinal, code) of a column whose subject is visible; stops when it says `false`.
    pub(crate) fn each_code(&self, column: &ColumnReader<'_>, mut see: impl FnMut(usize, u32) -> bool) {
        let mut live = [0; WORDS];
        let mut going = true;
        for chunk in 0..self.part.chunks() {
            self.live(chunk, &mut live);
            column.each(chunk, |position, code| {
                let word = live.get(position >> 6).copied().unwrap_or(0);
                if going && code != 0 && word & (1 << (position & 63)) != 0 {
                    going = see(chunk * CHUNK + position, code);
                }
            });
            if !going {
                return;
            }
        }
    }
}

/// One version of a source, open for queries.
#[derive(Debug)]
pub struct SourceView {
    parts: Vec<Visible>,
    record_count: u64,
    fields: Vec<(Field, u64)>,
    identity: u64,
}

const FIELDS: [Field; 13] = [
    Field::Hpo,
    Field::Ordo,
    Field::Snomed,
    Field::Genes,
    Field::Variant,
    Field::Eav,
    Field::Subject,
    Field::Gender,
    Field::Age,
    Field::AgeFirstDiagnosis,
    Field::AgeFirstSymptoms,
    Field::Affected,
    Field::FamilyType,
];

impl SourceView {
    /// Takes the parts of one version, oldest first. Looks for the subjects of each part in all earlier ones.
    pub fn open(parts: Vec<Arc<Part>>) -> Self {
        let identity = parts.iter().fold(parts.len() as u64, |sum, part| {
            sum.rotate_left(7).wrapping_mul(0x9E37_79B1_85EB_CA87) ^ part.checksum()
        });
        let mut visible = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let mut live: Option<Vec<Words>> = None;
            for later in parts.iter().skip(index + 1) {
                part.find_hidden(later, |ordinal| {
                    let live = live.get_or_insert_with(|| all_live(part));
                    if let Some(word) =
                        live.get_mut(ordinal / CHUNK).and_then(|chunk| chunk.get_mut(ordinal % CHUNK / 64))
                    {
                        *word &= !(1 << (ordinal % 64));
                    }
                });
            }
            let count = match &live {
                None => part.subjects() as u64,
                Some(live) => live.iter().map(|words| count(words) as u64).sum(),
            };
            visible.push(Visible { part: Arc::clone(part), live, count });
        }
        let record_count = visible.iter().map(|part| part.count).sum();
        let mut view = Self { parts: visible, record_count, fields: Vec::new(), identity };
        view.fields = FIELDS.into_iter().map(|field| (field, view.carriers(&Key::Has(field)))).collect();
        view
    }

    /// How many threads the execution of a plan can use at most.
    pub fn shares(&self) -> usize {
        self.parts.iter().map(|part| part.part.chunks()).max().unwrap_or(1)
    }

    pub(crate) fn parts(&self) -> &[Visible] {
        &self.parts
    }

    /// The biomedical terms in force when each part was built.
    pub fn releases(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.part.release())
    }

    /// Tells views apart: a plan is only good for the view it was made from.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Drops what earlier queries left behind, so that the next one can be measured as if it were the first.
    pub fn forget_unions(&self) {
        self.parts.iter().for_each(|part| part.part.forget_unions());
    }

    /// Bytes in memory that say which subjects of older parts are hidden.
    pub fn hidden_bytes(&self) -> usize {
        self.parts
            .iter()
            .filter_map(|part| part.live.as_ref())
            .map(|live| live.len() * size_of::<Words>())
            .sum()
    }

    /// Visible subjects.
    pub fn record_count(&self) -> u64 {
        self.record_count
    }

    /// Visible subjects that have a key.
    pub(crate) fn carriers(&self, key: &Key) -> u64 {
        let of_part = |part: &Visible| {
            part.part.posting(key).map_or(0, |(posting, cardinality)| {
                if part.is_whole() { cardinality } else { part.carriers(&mut [posting]) }
            })
        };
        self.parts.iter().map(of_part).sum()
    }

    /// Visible subjects that have a field.
    pub fn having(&self, field: Field) -> u64 {
        self.fields.iter().find(|(held, _)| *held == field).map_or(0, |(_, count)| *count)
    }

    /// What the source can be asked (specification §6.5); `source`, which says online, is left `false`.
    pub fn capability(&self) -> Capability {
        let has = |field| self.having(field) > 0;
        let ages = [Field::Age, Field::AgeFirstDiagnosis, Field::AgeFirstSymptoms];
        Capability {
            subject: has(Field::Subject),
            genes: has(Field::Genes),
            hpo: has(Field::Hpo),
            ordo: has(Field::Ordo),
            snomed: has(Field::Snomed),
            variant: has(Field::Variant),
            source: false,
            eav: has(Field::Eav),
            subject_capability: SubjectCapability {
                age: ages.into_iter().any(has),
                gender: has(Field::Gender),
                family_type: has(Field::FamilyType),
                affected: has(Field::Affected),
            },
        }
    }

    /// Whether any visible subject has a value of the attribute.
    pub(crate) fn knows(&self, attribute: &str) -> bool {
        let column = Column::Eav(attribute.to_owned());
        self.parts.iter().any(|part| {
            let Some(reader) = part.part.column(&column) else { return false };
            let mut seen = part.is_whole();
            if !seen {
                part.each_code(&reader, |_, _| {
                    seen = true;
                    false
                });
            }
            seen
        })
    }

    /// The readers of a column in all parts that have it.
    pub(crate) fn columns<'a>(&'a self, column: &Column) -> Vec<ColumnReader<'a>> {
        self.parts.iter().filter_map(|part| part.part.column(column)).collect()
    }

    /// The published indices of this version.
    pub fn index(&self, rules: &IndexRules) -> Indices {
        index::make(self, rules)
    }
}

fn all_live(part: &Part) -> Vec<Words> {
    let mut live = vec![[0; WORDS]; part.chunks()];
    for (chunk, words) in live.iter_mut().enumerate() {
        full(chunk, part.subjects(), words);
    }
    live
}

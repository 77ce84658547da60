//! A naive reading of phenopackets and a naive scan over them, written from the specification alone (§6.4, §7.2,
//! §8.2, §8.3): plain loops, no index, no plan, nothing of the engine. Of the library only the term release is used,
//! one pair of terms at a time.
//!
//! Lives here: what matches. `person.rs` reads packets, `consequence.rs` a variant's description, `question.rs`
//! draws questions and writes them as builders, `made.rs` makes packets where none are shared.

mod consequence;
mod made;
mod person;
mod question;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use cv3_backend::terms::{Ontology, TermFile, Terms};

pub use made::packets as made_packets;
pub use person::{Person, Value};
pub use question::{Ask, Family, Filter, draw};

/// People and the terms they are described with.
pub struct Scan<'a> {
    pub people: &'a [Person],
    pub terms: &'a TermFile,
    /// What was found of pairs so far: thousands of people hold the same terms, and a scan asks again for each.
    pairs: RefCell<HashMap<String, HashMap<String, bool>>>,
    frequencies: RefCell<HashMap<(String, String), f64>>,
}

impl<'a> Scan<'a> {
    pub fn new(people: &'a [Person], terms: &'a TermFile) -> Self {
        Self { people, terms, pairs: RefCell::default(), frequencies: RefCell::default() }
    }

    /// Ids of everyone who matches, in byte order.
    pub fn answer(&self, ask: &Ask) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        // Which filters are ignored depends on the source alone.
        let judged: Vec<&Filter> = ask.filters.iter().filter(|filter| self.counts(filter, ask)).collect();
        if judged.iter().any(|filter| !self.supported(filter)) {
            return ids;
        }
        for person in self.people {
            if judged.iter().all(|filter| self.matches(person, filter)) {
                ids.push(person.id.clone());
            }
        }
        ids.sort_unstable();
        ids
    }

    /// Whether a filter is applied: somebody has the field, or the question insists (§8.2, *Soft match*).
    fn counts(&self, filter: &Filter, ask: &Ask) -> bool {
        self.supported(filter) || ask.required.contains(&filter.family())
    }

    fn supported(&self, filter: &Filter) -> bool {
        let anyone = |has: &dyn Fn(&Person) -> bool| self.people.iter().any(has);
        match filter {
            Filter::Hpo(terms) => {
                anyone(&|p| !p.hpo.is_empty()) || (terms.cross && anyone(&|p| !p.ordo.is_empty()))
            }
            Filter::Ordo(terms) => {
                anyone(&|p| !p.ordo.is_empty()) || (terms.cross && anyone(&|p| !p.hpo.is_empty()))
            }
            Filter::Snomed { .. } => anyone(&|p| !p.snomed.is_empty()),
            Filter::Genes(_) => anyone(&|p| !p.genes.is_empty()),
            Filter::Variant { .. } => anyone(&|p| !p.variants.is_empty()),
            Filter::Eav { attribute, .. } => anyone(&|p| p.attributes.contains_key(attribute)),
            Filter::Gender(_) => anyone(&|p| p.gender.is_some()),
            Filter::Age { which, .. } => anyone(&|p| p.ages[*which].is_some()),
            Filter::Affected => anyone(&|p| p.affected.is_some()),
            Filter::FamilyType(_) => anyone(&|p| p.family_type.is_some()),
        }
    }

    fn matches(&self, person: &Person, filter: &Filter) -> bool {
        match filter {
            Filter::Hpo(terms) => {
                let mut matched = 0;
                for term in &terms.terms {
                    let own = person.present().any(|held| self.in_group(Ontology::Hpo, term, held, terms));
                    let other =
                        terms.cross && person.ordo.iter().any(|held| self.annotated(term, held, terms, true));
                    matched += usize::from(own || other);
                }
                matched >= terms.minimum
            }
            Filter::Ordo(terms) => {
                let mut matched = 0;
                for term in &terms.terms {
                    let own = person.ordo.iter().any(|held| self.in_group(Ontology::Ordo, term, held, terms));
                    let other =
                        terms.cross && person.present().any(|held| self.annotated(term, held, terms, false));
                    matched += usize::from(own || other);
                }
                matched >= terms.minimum
            }
            Filter::Snomed { terms, minimum } => {
                let held = |term: &&String| person.snomed.get(*term) == Some(&true);
                terms.iter().filter(held).count() >= *minimum
            }
            Filter::Genes(entries) => {
                let same = |a: &str, b: &str| a.to_uppercase() == b.to_uppercase();
                // Packets name no alleles, so an entry that asks for some matches nobody.
                entries.iter().any(|(gene, alleles)| {
                    alleles.is_empty() && person.genes.iter().any(|held| same(held, gene))
                })
            }
            Filter::Variant { genes, mutations, max_af, local } => person.variants.iter().any(|variant| {
                let gene = genes.iter().any(|gene| gene.to_uppercase() == variant.gene.to_uppercase());
                let mutation = mutations.is_empty() || mutations.contains(&variant.mutation);
                let stored = if *local { None } else { variant.af };
                let af = || stored.unwrap_or_else(|| self.local_af(&variant.gene, &variant.mutation));
                gene && mutation && (*max_af >= 1.0 || af() <= *max_af)
            }),
            Filter::Eav { attribute, relation, value } => {
                person.attributes.get(attribute).is_some_and(|values| related(values, relation, value))
            }
            Filter::Gender(wanted) => person.gender.as_deref() == Some(*wanted),
            Filter::Age { which, min, max } => person.ages[*which]
                .is_some_and(|years| years >= f64::from(*min) && (*max == 100 || years <= f64::from(*max))),
            Filter::Affected => person.affected == Some(true),
            Filter::FamilyType(types) => person.family_type.is_some_and(|held| types.contains(&held)),
        }
    }

    /// Whether a held term belongs to the group of a wanted one: itself, its replacement, similar enough, below it.
    fn in_group(&self, ontology: Ontology, wanted: &str, held: &str, terms: &question::TermsAsked) -> bool {
        let asked = format!("{ontology:?} {wanted} {} {}", terms.similarity, terms.descendants);
        self.remembered(asked, held, || {
            let live = self.terms.resolve(ontology, wanted);
            let similar = || self.terms.similarity(ontology, &live, held) >= terms.similarity.max(0.2);
            held == wanted
                || held == live
                || (terms.similarity < 1.0 && similar())
                || (terms.descendants && self.is_below(ontology, held, &live))
        })
    }

    /// Whether a held term of the other ontology is annotated to a member of the group of a wanted one.
    fn annotated(&self, wanted: &str, held: &str, terms: &question::TermsAsked, hpo_wanted: bool) -> bool {
        let asked = format!("cross {hpo_wanted} {wanted} {} {}", terms.similarity, terms.descendants);
        self.remembered(asked, held, || {
            if hpo_wanted {
                self.terms
                    .hpo_of_ordo(held)
                    .iter()
                    .any(|hpo| self.in_group(Ontology::Hpo, wanted, hpo, terms))
            } else {
                self.terms
                    .ordo_of_hpo(held)
                    .iter()
                    .any(|ordo| self.in_group(Ontology::Ordo, wanted, ordo, terms))
            }
        })
    }

    fn remembered(&self, asked: String, held: &str, look: impl FnOnce() -> bool) -> bool {
        let known = self.pairs.borrow().get(&asked).and_then(|found| found.get(held)).copied();
        known.unwrap_or_else(|| {
            let found = look();
            self.pairs.borrow_mut().entry(asked).or_default().insert(held.to_owned(), found);
            found
        })
    }

    /// Walks up from a term, parent by parent.
    fn is_below(&self, ontology: Ontology, term: &str, ancestor: &str) -> bool {
        let mut left = vec![term.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(at) = left.pop() {
            let parents =
                self.terms.details(ontology, &at).map(|details| details.parents).unwrap_or_default();
            for parent in parents {
                if parent == ancestor {
                    return true;
                }
                if seen.insert(parent.clone()) {
                    left.push(parent);
                }
            }
        }
        false
    }

    /// Alleles of a mutation of a gene among all alleles of all people (§7.2, *VCF*; §8.3, *useLocalAf*).
    fn local_af(&self, gene: &str, mutation: &str) -> f64 {
        let key = (gene.to_uppercase(), mutation.to_owned());
        if let Some(known) = self.frequencies.borrow().get(&key) {
            return *known;
        }
        let mut alleles = 0;
        for person in self.people {
            let of = person.variants.iter();
            let mine = of.filter(|v| v.gene.to_uppercase() == key.0 && v.mutation == mutation);
            alleles += u32::from(mine.map(|variant| variant.alleles).max().unwrap_or(0));
        }
        let frequency = (f64::from(alleles) / (2.0 * self.people.len() as f64)).min(1.0);
        self.frequencies.borrow_mut().insert(key, frequency);
        frequency
    }

    /// How many people exclude a term they do not also have.
    pub fn excluding(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for person in self.people {
            for (term, present) in &person.hpo {
                if !present {
                    *counts.entry(term.as_str()).or_default() += 1;
                }
            }
        }
        counts
    }
}

/// One relation of §8.3 over the values of an attribute; values of another type never match.
fn related(values: &[Value], relation: &str, wanted: &serde_json::Value) -> bool {
    let compare = |test: &dyn Fn(f64, f64) -> bool| {
        let pairs = values.iter().filter_map(|value| match value {
            Value::Number(held) => Some(test(*held, wanted.as_f64()?)),
            Value::Text(_) => None,
        });
        pairs.collect::<Vec<bool>>()
    };
    let texts = |test: &dyn Fn(&str) -> bool| {
        let held = values.iter().filter_map(|value| match value {
            Value::Text(held) => Some(test(held)),
            Value::Number(_) => None,
        });
        held.collect::<Vec<bool>>()
    };
    let same = |held: &str| Some(held) == wanted.as_str();
    let regex = std::cell::LazyCell::new(|| regex::Regex::new(wanted.as_str().unwrap_or_default()).unwrap());
    let any = |found: Vec<bool>| found.contains(&true);
    let none = |found: Vec<bool>| !found.is_empty() && !found.contains(&true);
    match relation {
        "stringIs" => any(texts(&same)),
        "stringIsNot" => none(texts(&same)),
        "regexContains" => any(texts(&|held| regex.is_match(held))),
        "regexDoesNotContain" => none(texts(&|held| regex.is_match(held))),
        "numericEquals" => any(compare(&|held, bound| held == bound)),
        "numericNotEquals" => none(compare(&|held, bound| held == bound)),
        "numericGreaterThan" => any(compare(&|held, bound| held > bound)),
        "numericLessThan" => any(compare(&|held, bound| held < bound)),
        "numericGreaterThanOrEqual" => any(compare(&|held, bound| held >= bound)),
        "numericLessThanOrEqual" => any(compare(&|held, bound| held <= bound)),
        other => panic!("no relation {other}"),
    }
}

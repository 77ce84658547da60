//! The specification §8 as textbook loops over documents: no index, no plan, nothing shared but domain types.

use std::collections::BTreeSet;

use cv3_backend::domain::queries::{Builder, EavFilter, Granularity, Relation, TermFilter, VariantFilter};
use cv3_backend::domain::subjects::{FamilyType, GeneAlleles, Mutation, Scalar, Subject, Term, Variant};
use cv3_backend::terms::Ontology;
use serde_json::Value;

use super::world::World;

/// A source as the oracle sees it.
pub struct Oracle<'a> {
    pub subjects: &'a [Subject],
    pub world: &'a World,
    pub withheld: &'a BTreeSet<String>,
    pub level: Granularity,
}

fn terms(list: &[Term]) -> Vec<String> {
    let mut present = Vec::new();
    for term in list {
        match term {
            Term::Present(id) => present.push(id.clone()),
            Term::Qualified(map) => {
                for (id, value) in map {
                    if value != &Value::Bool(false) {
                        present.push(id.clone());
                    }
                }
            }
        }
    }
    present
}

fn same_gene(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn alleles_match(subject: &Subject, wanted: &GeneAlleles) -> bool {
    subject.alleles.iter().any(|held| {
        let mut left = held.alleles.clone();
        same_gene(&held.gene, &wanted.gene)
            && wanted.alleles.iter().all(|allele| match left.iter().position(|other| other == allele) {
                Some(at) => {
                    left.remove(at);
                    true
                }
                None => false,
            })
    })
}

impl Oracle<'_> {
    /// Ids of matching subjects, in byte order.
    pub fn answer(&self, builder: &Builder) -> Vec<String> {
        let mut ids: Vec<String> = self
            .subjects
            .iter()
            .filter(|subject| self.matches(subject, builder))
            .map(|subject| subject.subject_id.clone())
            .collect();
        ids.sort_unstable();
        ids
    }

    fn any(&self, has: impl Fn(&Subject) -> bool) -> bool {
        self.subjects.iter().any(has)
    }

    fn matches(&self, subject: &Subject, builder: &Builder) -> bool {
        let required = &builder.required;
        self.demographics(subject, builder)
            && builder.hpo.iter().all(|f| self.term_filter(Ontology::Hpo, subject, f, required.hpo))
            && builder.ordo.iter().all(|f| self.term_filter(Ontology::Ordo, subject, f, required.ordo))
            && builder.snomed.iter().all(|filter| {
                let supported = self.any(|s| !s.snomed.is_empty());
                let held = terms(&subject.snomed);
                let matched = filter.terms.iter().filter(|term| held.contains(term)).count();
                (!supported && !required.snomed) || matched >= filter.minimum_match
            })
            && builder.genes.iter().all(|filter| {
                let supported = self.any(|s| !s.alleles.is_empty());
                (!supported && !required.genes)
                    || filter.alleles.iter().any(|one| alleles_match(subject, one))
            })
            && builder.variant.iter().all(|filter| {
                let supported = self.any(|s| !s.variant.is_empty());
                (!supported && !required.variant) || self.variant(subject, filter)
            })
            && builder.eav.iter().all(|filter| self.eav(subject, filter, required.eav))
    }

    fn demographics(&self, subject: &Subject, builder: &Builder) -> bool {
        let (filter, required) = (&builder.subject, &builder.required);
        let strict = |sub: bool| required.subject || sub;
        let demo = &subject.demo;
        if let Some(gender) = filter.gender {
            let supported =
                self.any(|s| s.demo.gender.is_some()) || strict(required.subject_capability.gender);
            if supported && demo.gender != Some(gender) {
                return false;
            }
        }
        let of = |s: &Subject, which: usize| {
            [s.demo.age, s.demo.age_first_diagnosis, s.demo.age_first_symptoms][which]
        };
        let ranges = [filter.age, filter.age_first_diagnosis, filter.age_first_symptoms];
        for (which, range) in ranges.into_iter().enumerate() {
            let Some(range) = range else { continue };
            let supported = self.any(|s| of(s, which).is_some()) || strict(required.subject_capability.age);
            if supported && !of(subject, which).is_some_and(|years| range.contains(years)) {
                return false;
            }
        }
        if filter.affected_only {
            let supported =
                self.any(|s| s.demo.affected.is_some()) || strict(required.subject_capability.affected);
            if supported && demo.affected != Some(true) {
                return false;
            }
        }
        if let Some(types) = filter.family_type {
            let supported =
                self.any(|s| s.demo.family_type.is_some()) || strict(required.subject_capability.family_type);
            let checked = match demo.family_type {
                Some(FamilyType::Singleton) => types.singleton,
                Some(FamilyType::Trio) => types.trio,
                Some(FamilyType::Family) => types.family,
                None => false,
            };
            if supported && !checked {
                return false;
            }
        }
        true
    }

    fn term_filter(
        &self,
        ontology: Ontology,
        subject: &Subject,
        filter: &TermFilter,
        required: bool,
    ) -> bool {
        let (has_hpo, has_ordo) = (self.any(|s| !s.hpo.is_empty()), self.any(|s| !s.ordo.is_empty()));
        let (own, other) = if ontology == Ontology::Hpo { (has_hpo, has_ordo) } else { (has_ordo, has_hpo) };
        if !(own || filter.cross && other || required) {
            return true;
        }
        let hpo = terms(&subject.hpo);
        let mut matched = 0;
        for term in &filter.terms {
            let replacement = self.world.replaced.get(&(ontology, term.clone())).unwrap_or(term);
            let mut group = vec![term.clone(), replacement.clone()];
            if filter.similarity < 1.0 {
                for ((o, a, b), similarity) in &self.world.similar {
                    if *o == ontology
                        && a == replacement
                        && *similarity >= filter.similarity
                        && *similarity >= 0.2
                    {
                        group.push(b.clone());
                    }
                }
            }
            if filter.include_descendants {
                group.extend(
                    self.world.below.get(&(ontology, replacement.clone())).cloned().unwrap_or_default(),
                );
            }
            let mut others = Vec::new();
            if filter.cross {
                for (hpo, ordo) in &self.world.annotated {
                    match ontology {
                        Ontology::Hpo if group.contains(hpo) => others.push(ordo.clone()),
                        Ontology::Ordo if group.contains(ordo) => others.push(hpo.clone()),
                        _ => {}
                    }
                }
            }
            let (in_hpo, in_ordo) = if ontology == Ontology::Hpo { (group, others) } else { (others, group) };
            if hpo.iter().any(|id| in_hpo.contains(id)) || subject.ordo.iter().any(|id| in_ordo.contains(id))
            {
                matched += 1;
            }
        }
        matched >= filter.minimum_match
    }

    fn local_af(&self, gene: &str, mutation: Mutation) -> f64 {
        let mut alleles = 0u64;
        for subject in self.subjects {
            let of: Vec<&Variant> = subject
                .variant
                .iter()
                .filter(|v| same_gene(&v.gene, gene) && v.mutation == mutation)
                .collect();
            if !of.is_empty() {
                let two = of.iter().any(|v| v.allele_count.unwrap_or(1) >= 2);
                alleles += if two { 2 } else { 1 };
            }
        }
        (alleles as f64 / (2.0 * self.subjects.len() as f64)).min(1.0)
    }

    fn variant(&self, subject: &Subject, filter: &VariantFilter) -> bool {
        let mut genes = filter.genes.clone();
        for pathway in &filter.reactome {
            genes.extend(self.world.pathways.get(pathway).cloned().unwrap_or_default());
        }
        subject.variant.iter().any(|v| {
            let rare = filter.max_af >= 1.0 || {
                let af = if filter.use_local_af { None } else { v.af };
                af.unwrap_or_else(|| self.local_af(&v.gene, v.mutation)) <= filter.max_af
            };
            rare && genes.iter().any(|gene| same_gene(gene, &v.gene))
                && (filter.mutation.is_empty() || filter.mutation.contains(&v.mutation))
        })
    }

    fn eav(&self, subject: &Subject, filter: &EavFilter, required: bool) -> bool {
        let attribute = &filter.attribute;
        let hidden = self.level < Granularity::List && self.withheld.contains(attribute);
        let known = self.any(|s| s.eav.get(attribute).is_some_and(|value| !value.scalars().is_empty()));
        if hidden || !known {
            return !required;
        }
        let Some(value) = subject.eav.get(attribute) else { return false };
        let typed: Vec<&Scalar> =
            value.scalars().iter().filter(|s| comparable(s, filter.relation, &filter.value)).collect();
        let any = typed.iter().any(|scalar| holds(scalar, filter.relation, &filter.value));
        if filter.relation.is_negative() { !typed.is_empty() && !any } else { any }
    }
}

/// Whether the stored value is of the type the relation and its value speak of.
fn comparable(scalar: &Scalar, relation: Relation, value: &Value) -> bool {
    use Relation as R;
    match (relation, scalar) {
        (R::StringIs | R::StringIsNot, Scalar::Text(_)) => value.is_string(),
        (R::StringIs | R::StringIsNot, Scalar::Bool(_)) => value.is_boolean(),
        (R::RegexContains | R::RegexDoesNotContain, Scalar::Text(_)) => true,
        (R::StringIs | R::StringIsNot | R::RegexContains | R::RegexDoesNotContain, _) => false,
        (_, Scalar::Number(_)) => true,
        _ => false,
    }
}

/// The relation without its negation.
fn holds(scalar: &Scalar, relation: Relation, value: &Value) -> bool {
    use Relation as R;
    match scalar {
        Scalar::Bool(stored) => value.as_bool() == Some(*stored),
        Scalar::Text(stored) => match relation {
            R::RegexContains | R::RegexDoesNotContain => {
                regex::Regex::new(value.as_str().unwrap()).unwrap().is_match(stored)
            }
            _ => value.as_str() == Some(stored),
        },
        Scalar::Number(stored) => {
            let (stored, bound) = (stored.as_f64().unwrap(), value.as_f64().unwrap());
            match relation {
                R::NumericGreaterThan => stored > bound,
                R::NumericLessThan => stored < bound,
                R::NumericGreaterThanOrEqual => stored >= bound,
                R::NumericLessThanOrEqual => stored <= bound,
                _ => stored == bound,
            }
        }
    }
}

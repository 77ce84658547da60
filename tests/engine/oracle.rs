//! The specification §8 as textbook loops over documents: no index, no plan, nothing shared but domain types.
//!
//! A filter becomes a condition on one subject; what it needs of the source as a whole (has anybody the field,
//! local frequencies) or of terms (groups) is worked out once per question.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cv3_backend::domain::queries::{
    AgeRange, Builder, EavFilter, ExactFilter, Granularity, Relation, TermFilter, VariantFilter,
};
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

type Condition<'a> = Box<dyn Fn(&Subject) -> bool + 'a>;
type Age = fn(&Subject) -> Option<f64>;

fn present(list: &[Term]) -> impl Iterator<Item = &str> {
    list.iter().flat_map(|term| -> Vec<&str> {
        match term {
            Term::Present(id) => vec![id],
            Term::Qualified(map) => map
                .iter()
                .filter(|(_, value)| **value != Value::Bool(false))
                .map(|(id, _)| id.as_str())
                .collect(),
        }
    })
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

impl<'a> Oracle<'a> {
    /// Ids of matching subjects, in byte order.
    pub fn answer(&self, builder: &Builder) -> Vec<String> {
        let conditions = self.conditions(builder);
        let matching = self.subjects.iter().filter(|subject| conditions.iter().all(|holds| holds(subject)));
        let mut ids: Vec<String> = matching.map(|subject| subject.subject_id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// Soft match: without the field in any subject the filter is ignored, unless it is required.
    fn soft<'c>(
        &self,
        required: bool,
        has: impl Fn(&Subject) -> bool,
        condition: impl Fn(&Subject) -> bool + 'c,
    ) -> Condition<'c> {
        if !required && !self.subjects.iter().any(has) {
            return Box::new(|_| true);
        }
        Box::new(condition)
    }

    fn conditions<'c>(&'c self, builder: &'c Builder) -> Vec<Condition<'c>> {
        let required = &builder.required;
        let mut all = self.demographics(builder);
        all.extend(builder.hpo.iter().map(|filter| self.terms(Ontology::Hpo, filter, required.hpo)));
        all.extend(builder.ordo.iter().map(|filter| self.terms(Ontology::Ordo, filter, required.ordo)));
        all.extend(builder.snomed.iter().map(|filter| self.snomed(filter, required.snomed)));
        all.extend(builder.genes.iter().map(|filter| {
            let any = move |s: &Subject| filter.alleles.iter().any(|one| alleles_match(s, one));
            self.soft(required.genes, |s| !s.alleles.is_empty(), any)
        }));
        all.extend(
            builder
                .variant
                .iter()
                .map(|filter| self.soft(required.variant, |s| !s.variant.is_empty(), self.variant(filter))),
        );
        all.extend(builder.eav.iter().map(|filter| self.eav(filter, required.eav)));
        all
    }

    fn demographics<'c>(&'c self, builder: &'c Builder) -> Vec<Condition<'c>> {
        let (filter, required) = (&builder.subject, &builder.required);
        let strict = |sub: bool| required.subject || sub;
        let sub = &required.subject_capability;
        let mut all = Vec::new();
        if let Some(gender) = filter.gender {
            let is = move |s: &Subject| s.demo.gender == Some(gender);
            all.push(self.soft(strict(sub.gender), |s| s.demo.gender.is_some(), is));
        }
        let ages: [(_, Age); 3] = [
            (filter.age, |s| s.demo.age),
            (filter.age_first_diagnosis, |s| s.demo.age_first_diagnosis),
            (filter.age_first_symptoms, |s| s.demo.age_first_symptoms),
        ];
        for (range, of) in ages {
            if let Some(AgeRange { min, max }) = range {
                let within = move |years: f64| {
                    min.is_none_or(|min| f64::from(min) <= years)
                        && max.is_none_or(|max| years <= f64::from(max))
                };
                let has = move |s: &Subject| of(s).is_some();
                all.push(self.soft(strict(sub.age), has, move |s| of(s).is_some_and(within)));
            }
        }
        if filter.affected_only {
            let is = |s: &Subject| s.demo.affected == Some(true);
            all.push(self.soft(strict(sub.affected), |s| s.demo.affected.is_some(), is));
        }
        if let Some(types) = filter.family_type {
            let checked = move |s: &Subject| match s.demo.family_type {
                Some(FamilyType::Singleton) => types.singleton,
                Some(FamilyType::Trio) => types.trio,
                Some(FamilyType::Family) => types.family,
                None => false,
            };
            all.push(self.soft(strict(sub.family_type), |s| s.demo.family_type.is_some(), checked));
        }
        all
    }

    fn snomed<'c>(&self, filter: &'c ExactFilter, required: bool) -> Condition<'c> {
        self.soft(
            required,
            |s| !s.snomed.is_empty(),
            move |s| {
                let held: BTreeSet<&str> = present(&s.snomed).collect();
                let matched = filter.terms.iter().filter(|term| held.contains(term.as_str())).count();
                matched >= filter.minimum_match
            },
        )
    }

    /// HPO ids and ORDO ids any of which matches the term.
    fn group(&self, ontology: Ontology, term: &str, filter: &TermFilter) -> [BTreeSet<String>; 2] {
        let of = |id: &str| (ontology, id.to_owned());
        let replacement = self.world.replaced.get(&of(term)).map_or(term, String::as_str);
        let mut group = BTreeSet::from([term.to_owned(), replacement.to_owned()]);
        if filter.similarity < 1.0 {
            for ((o, a, b), similarity) in &self.world.similar {
                // Pairs below 0.2 are not stored.
                if *o == ontology
                    && a == replacement
                    && *similarity >= filter.similarity
                    && *similarity >= 0.2
                {
                    group.insert(b.clone());
                }
            }
        }
        if filter.include_descendants {
            group.extend(self.world.below.get(&of(replacement)).into_iter().flatten().cloned());
        }
        let mut others = BTreeSet::new();
        for (hpo, ordo) in self.world.annotated.iter().filter(|_| filter.cross) {
            match ontology {
                Ontology::Hpo if group.contains(hpo) => others.insert(ordo.clone()),
                Ontology::Ordo if group.contains(ordo) => others.insert(hpo.clone()),
                _ => false,
            };
        }
        if ontology == Ontology::Hpo { [group, others] } else { [others, group] }
    }

    fn terms<'c>(&self, ontology: Ontology, filter: &'c TermFilter, required: bool) -> Condition<'c> {
        let has = |s: &Subject| {
            let (own, other) = match ontology {
                Ontology::Hpo => (!s.hpo.is_empty(), !s.ordo.is_empty()),
                Ontology::Ordo => (!s.ordo.is_empty(), !s.hpo.is_empty()),
            };
            own || filter.cross && other
        };
        let groups: Vec<_> = filter.terms.iter().map(|term| self.group(ontology, term, filter)).collect();
        self.soft(required, has, move |s| {
            let matched = groups.iter().filter(|[hpo, ordo]| {
                present(&s.hpo).any(|id| hpo.contains(id)) || s.ordo.iter().any(|id| ordo.contains(id))
            });
            matched.count() >= filter.minimum_match
        })
    }

    /// Alleles carried ÷ (2 × subjects); who has no count carries one.
    fn local_af(&self, gene: &str, mutation: Mutation) -> f64 {
        let mut alleles = 0u64;
        for subject in self.subjects {
            let of: Vec<&Variant> = subject
                .variant
                .iter()
                .filter(|v| v.mutation == mutation && same_gene(&v.gene, gene))
                .collect();
            if !of.is_empty() {
                let two = of.iter().any(|v| v.allele_count.unwrap_or(1) >= 2);
                alleles += if two { 2 } else { 1 };
            }
        }
        (alleles as f64 / (2.0 * self.subjects.len() as f64)).min(1.0)
    }

    fn variant<'c>(&'c self, filter: &'c VariantFilter) -> impl Fn(&Subject) -> bool + 'c {
        let mut genes: BTreeSet<String> = filter.genes.iter().map(|gene| gene.to_lowercase()).collect();
        for pathway in &filter.reactome {
            let more = self.world.pathways.get(pathway).into_iter().flatten();
            genes.extend(more.map(|gene| gene.to_lowercase()));
        }
        let known: RefCell<BTreeMap<(String, Mutation), f64>> = RefCell::default();
        let local = move |gene: &str, mutation: Mutation| {
            let key = (gene.to_lowercase(), mutation);
            *known.borrow_mut().entry(key).or_insert_with(|| self.local_af(gene, mutation))
        };
        move |subject| {
            subject.variant.iter().any(|v| {
                let wanted = genes.contains(&v.gene.to_lowercase())
                    && (filter.mutation.is_empty() || filter.mutation.contains(&v.mutation));
                let af = || match v.af {
                    Some(stored) if !filter.use_local_af => stored,
                    _ => local(&v.gene, v.mutation),
                };
                wanted && (filter.max_af >= 1.0 || af() <= filter.max_af)
            })
        }
    }

    fn eav<'c>(&self, filter: &'c EavFilter, required: bool) -> Condition<'c> {
        let attribute = &filter.attribute;
        let hidden = self.level < Granularity::List && self.withheld.contains(attribute);
        let has = |s: &Subject| s.eav.get(attribute).is_some_and(|value| !value.scalars().is_empty());
        if hidden {
            return Box::new(move |_| !required);
        }
        let pattern = matches!(filter.relation, Relation::RegexContains | Relation::RegexDoesNotContain)
            .then(|| regex::Regex::new(filter.value.as_str().unwrap()).unwrap());
        self.soft(required, has, move |s| {
            let scalars = s.eav.get(attribute).map_or(&[][..], |value| value.scalars());
            let mut typed =
                scalars.iter().filter(|s| comparable(s, filter.relation, &filter.value)).peekable();
            let some = typed.peek().is_some();
            let any = typed.any(|scalar| holds(scalar, filter.relation, &filter.value, pattern.as_ref()));
            if filter.relation.is_negative() { some && !any } else { any }
        })
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
fn holds(scalar: &Scalar, relation: Relation, value: &Value, pattern: Option<&regex::Regex>) -> bool {
    use Relation as R;
    match scalar {
        Scalar::Bool(stored) => value.as_bool() == Some(*stored),
        Scalar::Text(stored) => match pattern {
            Some(pattern) => pattern.is_match(stored),
            None => value.as_str() == Some(stored),
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

//! Changes of a question whose effect on the answer is known beforehand (metamorphic rules): they hold the engine
//! against itself and need no oracle.

use std::collections::BTreeSet;

use cv3_backend::domain::queries::{Builder, TermFilter};
use cv3_backend::domain::sources::{Capability, SubjectCapability};
use cv3_backend::domain::subjects::Mutation;
use cv3_backend::engine::Plan;
use cv3_backend::terms::Ontology;

use super::case::{Asked, Ready};
use super::dice::Dice;
use super::generate::questions::{self, FAMILIES};
use super::generate::terms::Vocabulary;

/// What a change may do to the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    AddsNobody,
    RemovesNobody,
    ChangesNothing,
}
use Effect::{AddsNobody, ChangesNothing, RemovesNobody};

type Change = fn(&mut Dice, &Vocabulary, &mut Builder);

const RULES: [(&str, Effect, Change); 10] = [
    ("a further filter", AddsNobody, further_filter),
    ("a higher minimumMatch", AddsNobody, |_, _, builder| {
        let terms = builder.hpo.iter_mut().chain(&mut builder.ordo);
        let terms = terms.map(|filter| (filter.terms.len(), &mut filter.minimum_match));
        let snomed = builder.snomed.iter_mut().map(|filter| (filter.terms.len(), &mut filter.minimum_match));
        terms.chain(snomed).filter(|(most, least)| **least < *most).for_each(|(_, least)| *least += 1);
    }),
    ("requiring every field", AddsNobody, |_, _, builder| builder.required = everything()),
    ("a lower similarity", RemovesNobody, |dice, _, builder| {
        let lower = f64::from(dice.below(100) as u32) / 100.0;
        let filters = builder.hpo.iter_mut().chain(&mut builder.ordo);
        filters.for_each(|filter| filter.similarity = filter.similarity.min(lower));
    }),
    ("descendants too", RemovesNobody, |_, _, builder| {
        let filters = builder.hpo.iter_mut().chain(&mut builder.ordo);
        filters.for_each(|filter| filter.include_descendants = true);
    }),
    ("a further choice", RemovesNobody, further_choice),
    ("a higher maxAf", RemovesNobody, |dice, _, builder| {
        let higher = *dice.pick(&[0.01, 0.1, 0.3, 1.0]);
        builder.variant.iter_mut().for_each(|filter| filter.max_af = filter.max_af.max(higher));
    }),
    ("a wider age", RemovesNobody, |dice, _, builder| {
        let subject = &mut builder.subject;
        let ages = [&mut subject.age, &mut subject.age_first_diagnosis, &mut subject.age_first_symptoms];
        for range in ages.into_iter().flatten() {
            let (lower, higher) = (dice.below(30) as u8, dice.below(60) as u8);
            range.min = range.min.and_then(|min| min.checked_sub(lower)).filter(|min| *min > 0);
            range.max = range.max.map(|max| max + higher).filter(|max| *max < 100);
        }
    }),
    ("another order", ChangesNothing, |dice, _, builder| {
        dice.shuffle(&mut builder.hpo);
        dice.shuffle(&mut builder.ordo);
        dice.shuffle(&mut builder.snomed);
        dice.shuffle(&mut builder.genes);
        dice.shuffle(&mut builder.variant);
        dice.shuffle(&mut builder.eav);
        builder.hpo.iter_mut().chain(&mut builder.ordo).for_each(|filter| dice.shuffle(&mut filter.terms));
        builder.snomed.iter_mut().for_each(|filter| dice.shuffle(&mut filter.terms));
        builder.genes.iter_mut().for_each(|filter| dice.shuffle(&mut filter.alleles));
        for filter in &mut builder.variant {
            dice.shuffle(&mut filter.genes);
            dice.shuffle(&mut filter.mutation);
        }
    }),
    ("a repeated filter", ChangesNothing, |_, _, builder| {
        // In another order, so that it is the same in meaning only.
        let turned = |filter: &TermFilter| {
            let terms = filter.terms.iter().rev().cloned().collect();
            TermFilter { terms, ..filter.clone() }
        };
        builder.hpo.extend(builder.hpo.first().map(turned));
        builder.ordo.extend(builder.ordo.first().map(turned));
        builder.snomed.extend(builder.snomed.first().cloned().map(|mut filter| {
            filter.terms.reverse();
            filter
        }));
        builder.genes.extend(builder.genes.first().cloned());
        builder.variant.extend(builder.variant.first().cloned());
        builder.eav.extend(builder.eav.first().cloned());
    }),
];

/// Which rule is broken, and the answer that breaks it.
pub fn broken(
    seed: u64,
    ready: &Ready<'_>,
    asked: &Asked,
    builder: &Builder,
    before: &[String],
    answer: impl Fn(&Builder) -> Vec<String>,
) -> Option<(String, Vec<String>)> {
    let mut dice = Dice(seed);
    let vocabulary = vocabulary(ready);
    let digest =
        |builder: &Builder| Plan::make(builder, &ready.view, ready.terms.as_ref(), &asked.scope()).digest();
    let held: BTreeSet<&String> = before.iter().collect();
    for (what, effect, change) in RULES {
        let mut changed = builder.clone();
        change(&mut dice, &vocabulary, &mut changed);
        let after = answer(&changed);
        let common = after.iter().filter(|id| held.contains(id)).count();
        let (added, removed) = (common < after.len(), common < before.len());
        if added && effect != RemovesNobody {
            return Some((format!("{what} added subjects"), after));
        }
        if removed && effect != AddsNobody {
            return Some((format!("{what} removed subjects"), after));
        }
        if effect == ChangesNothing && digest(builder) != digest(&changed) {
            return Some((format!("{what} changed the digest of the plan"), after));
        }
    }
    None
}

/// Words of the source itself.
fn vocabulary(ready: &Ready<'_>) -> Vocabulary {
    let of = |ontology: Ontology, one: &str| {
        let pairs = ready.world.similar.keys().filter(|(o, ..)| *o == ontology).map(|(_, a, _)| a.clone());
        let ids: BTreeSet<String> = pairs.chain([one.to_owned()]).collect();
        ids.into_iter().collect()
    };
    Vocabulary { hpo: of(Ontology::Hpo, "0000001"), ordo: of(Ontology::Ordo, "1"), similarities: Vec::new() }
}

fn further_filter(dice: &mut Dice, vocabulary: &Vocabulary, builder: &mut Builder) {
    let family = *dice.pick(&FAMILIES);
    let more = Builder::read(&questions::single(dice, vocabulary, family)).unwrap();
    builder.hpo.extend(more.hpo);
    builder.ordo.extend(more.ordo);
    builder.snomed.extend(more.snomed);
    builder.genes.extend(more.genes);
    builder.variant.extend(more.variant);
    builder.eav.extend(more.eav);
    // What is given already would be replaced, not narrowed.
    let subject = &mut builder.subject;
    subject.gender = subject.gender.or(more.subject.gender);
    subject.age = subject.age.or(more.subject.age);
    subject.age_first_diagnosis = subject.age_first_diagnosis.or(more.subject.age_first_diagnosis);
    subject.age_first_symptoms = subject.age_first_symptoms.or(more.subject.age_first_symptoms);
    subject.affected_only |= more.subject.affected_only;
    subject.family_type = subject.family_type.or(more.subject.family_type);
}

/// One more of what is ORed within a filter.
fn further_choice(dice: &mut Dice, vocabulary: &Vocabulary, builder: &mut Builder) {
    let further = |terms: &mut Vec<String>, one: &str| {
        if !terms.iter().any(|term| term == one) {
            terms.push(one.to_owned());
        }
    };
    builder
        .hpo
        .iter_mut()
        .for_each(|filter| further(&mut filter.terms, dice.pick::<String>(&vocabulary.hpo)));
    builder
        .ordo
        .iter_mut()
        .for_each(|filter| further(&mut filter.terms, dice.pick::<String>(&vocabulary.ordo)));
    builder.snomed.iter_mut().for_each(|filter| further(&mut filter.terms, "100003"));
    for filter in &mut builder.genes {
        filter.alleles.extend(filter.alleles.first().cloned().map(|mut one| {
            one.alleles.pop();
            one
        }));
    }
    for filter in &mut builder.variant {
        further(&mut filter.genes, "TTN");
        // An empty list means any: one in it would be fewer.
        let kind = *dice.pick(&Mutation::ALL);
        if !filter.mutation.is_empty() && !filter.mutation.contains(&kind) {
            filter.mutation.push(kind);
        }
    }
    if let Some(types) = &mut builder.subject.family_type {
        types.family = true;
    }
}

/// Every flag set.
pub fn everything() -> Capability {
    Capability {
        subject: true,
        genes: true,
        hpo: true,
        ordo: true,
        snomed: true,
        variant: true,
        source: true,
        eav: true,
        subject_capability: SubjectCapability { age: true, gender: true, family_type: true, affected: true },
    }
}

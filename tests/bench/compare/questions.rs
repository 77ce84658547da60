//! The ten questions, each drawn many times, as our builder and spelled out for the peers: terms as the lists our term
//! engine expands them to.

use std::collections::BTreeSet;

use cv3_backend::domain::queries::{
    AgeRange, Builder, EavFilter, GeneFilter, Relation, TermFilter, VariantFilter,
};
use cv3_backend::domain::subjects::{Gender, GeneAlleles, Mutation, Subject, Term};
use cv3_backend::terms::{Ontology, TermFile, Terms};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::people::{OUTCOMES, Registry};

pub const DRAWS: usize = 100;

/// What the questions are called, in their order.
pub const QUESTIONS: [&str; 10] = [
    "one phenotype, exact",
    "2 of 3 phenotypes at 0.5, age, attribute",
    "one disease",
    "phenotype at 0.5 or its diseases",
    "variant in 3 genes, rare",
    "attribute between two numbers",
    "attribute matches a regex",
    "attribute is not a text",
    "age and sex",
    "phenotype at 0.5, allele, sex, attribute",
];

/// The question the design sets its target for.
pub const DESIGNED: usize = 1;

/// One condition.
pub enum Filter {
    Terms { ontology: Ontology, filter: TermFilter },
    Age { from: u8, to: u8 },
    Gender(Gender),
    Allele { gene: String, allele: String },
    Variant { genes: Vec<String>, mutations: Vec<Mutation>, max_af: f64 },
    Eav { attribute: &'static str, relation: Relation, value: Value },
}

/// A conjunction.
pub type Question = Vec<Filter>;

/// Every question with all its draws.
pub fn draw_all(registry: &Registry<'_>) -> Vec<Vec<Question>> {
    let mut dice = Dice(47);
    let mut draw = Draw { sample: &registry.sample, dice: &mut dice };
    let each = |number| (0..DRAWS).map(|_| draw.question(number)).collect();
    (0..QUESTIONS.len()).map(each).collect()
}

/// The same as peers read them.
pub fn spelled_out(drawn: &[Vec<Question>], terms: &TermFile) -> Value {
    let question =
        |question: &Question| question.iter().map(|filter| filter.spelled_out(terms)).collect::<Value>();
    drawn.iter().map(|draws| draws.iter().map(question).collect::<Value>()).collect()
}

struct Draw<'a> {
    sample: &'a [Subject],
    dice: &'a mut Dice,
}

impl Draw<'_> {
    fn question(&mut self, number: usize) -> Question {
        match number {
            0 => vec![self.phenotypes(1, 1.0, 1, false)],
            1 => vec![
                self.phenotypes(3, 0.5, 2, false),
                self.age(20),
                self.visits(Relation::NumericGreaterThanOrEqual),
            ],
            2 => vec![self.disease()],
            3 => vec![self.phenotypes(1, 0.5, 1, true)],
            4 => vec![self.variant()],
            5 => self.between(),
            6 => vec![text("clinic", Relation::RegexContains, self.pattern())],
            7 => vec![text("outcome", Relation::StringIsNot, self.outcome())],
            8 => vec![self.age(10), self.gender()],
            _ => vec![
                self.phenotypes(1, 0.5, 1, false),
                Filter::Allele { gene: "APOE".into(), allele: "e4".into() },
                self.gender(),
                text("outcome", Relation::StringIs, self.outcome()),
            ],
        }
    }

    /// Something of some subject, so that what is frequent is asked for often.
    fn by_frequency<T: PartialEq>(&mut self, count: usize, of: impl Fn(&Subject) -> Vec<T>) -> Vec<T> {
        let mut drawn: Vec<T> = Vec::new();
        while drawn.len() < count {
            let mut held = self.dice.one_of(self.sample).map(&of).unwrap_or_default();
            if !held.is_empty() {
                let one = held.swap_remove(self.dice.below(held.len()));
                if !drawn.contains(&one) {
                    drawn.push(one);
                }
            }
        }
        drawn
    }

    fn phenotypes(&mut self, count: usize, similarity: f64, minimum_match: usize, cross: bool) -> Filter {
        let present = |subject: &Subject| {
            subject.hpo.iter().flat_map(Term::present).map(str::to_owned).collect::<Vec<_>>()
        };
        let terms = self.by_frequency(count, present);
        let filter = TermFilter { terms, similarity, minimum_match, cross, include_descendants: false };
        Filter::Terms { ontology: Ontology::Hpo, filter }
    }

    fn disease(&mut self) -> Filter {
        let terms = self.by_frequency(1, |subject| subject.ordo.clone());
        let filter =
            TermFilter { terms, similarity: 1.0, minimum_match: 1, cross: false, include_descendants: false };
        Filter::Terms { ontology: Ontology::Ordo, filter }
    }

    fn variant(&mut self) -> Filter {
        let of = |subject: &Subject| subject.variant.iter().map(|one| one.gene.clone()).collect::<Vec<_>>();
        let mutations =
            self.by_frequency(2, |subject| subject.variant.iter().map(|one| one.mutation).collect());
        Filter::Variant { genes: self.by_frequency(3, of), mutations, max_af: 0.001 }
    }

    fn age(&mut self, years: u8) -> Filter {
        let from = 1 + self.dice.below(60) as u8;
        Filter::Age { from, to: from + years }
    }

    fn gender(&mut self) -> Filter {
        Filter::Gender(if self.dice.below(2) == 0 { Gender::Male } else { Gender::Female })
    }

    fn visits(&mut self, relation: Relation) -> Filter {
        Filter::Eav { attribute: "visits", relation, value: json!(self.dice.below(300)) }
    }

    fn between(&mut self) -> Question {
        let low = self.dice.below(250);
        let bound = |relation, value| Filter::Eav { attribute: "visits", relation, value: json!(value) };
        vec![
            bound(Relation::NumericGreaterThanOrEqual, low),
            bound(Relation::NumericLessThanOrEqual, low + 30),
        ]
    }

    fn pattern(&mut self) -> String {
        let start = ["neuro|onco", "card", "(endo|genet)", "paed"];
        let start = self.dice.one_of(&start).copied().unwrap_or_default();
        format!("^({start}).*ward {}[0-9]$", 1 + self.dice.below(3))
    }

    fn outcome(&mut self) -> String {
        self.dice.one_of(&OUTCOMES).map_or_else(String::new, |outcome| (*outcome).to_owned())
    }
}

fn text(attribute: &'static str, relation: Relation, value: String) -> Filter {
    Filter::Eav { attribute, relation, value: json!(value) }
}

/// The question as the engine takes it.
pub fn builder(question: &Question) -> Builder {
    let mut builder = Builder::default();
    for filter in question {
        match filter {
            Filter::Terms { ontology: Ontology::Hpo, filter } => builder.hpo.push(filter.clone()),
            Filter::Terms { ontology: Ontology::Ordo, filter } => builder.ordo.push(filter.clone()),
            Filter::Age { from, to } => {
                builder.subject.age = Some(AgeRange { min: Some(*from), max: Some(*to) });
            }
            Filter::Gender(gender) => builder.subject.gender = Some(*gender),
            Filter::Allele { gene, allele } => builder.genes.push(GeneFilter {
                alleles: vec![GeneAlleles { gene: gene.clone(), alleles: vec![allele.clone()] }],
            }),
            Filter::Variant { genes, mutations, max_af } => builder.variant.push(VariantFilter {
                genes: genes.clone(),
                reactome: Vec::new(),
                mutation: mutations.clone(),
                max_af: *max_af,
                use_local_af: false,
            }),
            Filter::Eav { attribute, relation, value } => builder.eav.push(EavFilter {
                attribute: (*attribute).into(),
                relation: *relation,
                value: value.clone(),
            }),
        }
    }
    builder
}

impl Filter {
    fn spelled_out(&self, terms: &TermFile) -> Value {
        match self {
            Self::Terms { ontology, filter } => {
                let groups = filter.terms.iter().map(|term| group(*ontology, term, filter, terms));
                json!({"kind": "terms", "atLeast": filter.minimum_match, "groups": groups.collect::<Value>()})
            }
            Self::Age { from, to } => json!({"kind": "age", "from": from, "to": to}),
            Self::Gender(gender) => json!({"kind": "gender", "is": gender}),
            Self::Allele { gene, allele } => json!({"kind": "allele", "gene": gene, "allele": allele}),
            Self::Variant { genes, mutations, max_af } => {
                json!({"kind": "variant", "genes": genes, "mutations": mutations, "maxAf": max_af})
            }
            Self::Eav { attribute, relation, value } => {
                json!({"kind": "eav", "attribute": attribute, "relation": relation, "value": value})
            }
        }
    }
}

/// What a term stands for (specification §8.3), by the field of the document that holds it.
fn group(ontology: Ontology, term: &str, filter: &TermFilter, terms: &TermFile) -> Value {
    let mut own: BTreeSet<String> = terms.expand(ontology, term, filter.similarity).into_iter().collect();
    own.insert(term.to_owned());
    match ontology {
        Ontology::Hpo => {
            let mapped: BTreeSet<String> =
                own.iter().filter(|_| filter.cross).flat_map(|id| terms.ordo_of_hpo(id)).collect();
            json!({"present": own, "ORDO": mapped})
        }
        Ontology::Ordo => json!({"present": [], "ORDO": own}),
    }
}

//! Questions over every filter family, drawn from the people they are asked about so that filters meet data.

use cv3_backend::terms::{Ontology, TermFile};
use serde_json::{Value as Json, json};

use super::person::{Person, Value};
use crate::support::Dice;

/// What soft match is switched off for, as `advanced.requiredFilters` spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Hpo,
    Ordo,
    Snomed,
    Genes,
    Variant,
    Eav,
    Gender,
    Age,
    Affected,
    Relatives,
}

impl Family {
    pub const ALL: [Self; 10] = [
        Self::Hpo,
        Self::Ordo,
        Self::Snomed,
        Self::Genes,
        Self::Variant,
        Self::Eav,
        Self::Gender,
        Self::Age,
        Self::Affected,
        Self::Relatives,
    ];
}

#[derive(Debug, Clone)]
pub struct TermsAsked {
    pub terms: Vec<String>,
    pub similarity: f64,
    pub minimum: usize,
    pub cross: bool,
    pub descendants: bool,
}

#[derive(Debug, Clone)]
pub enum Filter {
    Hpo(TermsAsked),
    Ordo(TermsAsked),
    Snomed {
        terms: Vec<String>,
        minimum: usize,
    },
    Genes(Vec<(String, Vec<String>)>),
    Variant {
        genes: Vec<String>,
        mutations: Vec<String>,
        max_af: f64,
        local: bool,
    },
    Eav {
        attribute: String,
        relation: &'static str,
        value: Json,
    },
    Gender(&'static str),
    /// 0 = at the last encounter, 1 = at the first diagnosis, 2 = at the first symptom.
    Age {
        which: usize,
        min: u8,
        max: u8,
    },
    Affected,
    FamilyType(Vec<&'static str>),
}

impl Filter {
    /// One HPO term, itself only.
    pub fn exactly(term: &str) -> Self {
        let terms = vec![term.to_owned()];
        Self::Hpo(TermsAsked { terms, similarity: 1.0, minimum: 1, cross: false, descendants: false })
    }

    fn is_demographic(&self) -> bool {
        matches!(self, Self::Gender(_) | Self::Age { .. } | Self::Affected | Self::FamilyType(_))
    }

    pub fn family(&self) -> Family {
        match self {
            Self::Hpo(_) => Family::Hpo,
            Self::Ordo(_) => Family::Ordo,
            Self::Snomed { .. } => Family::Snomed,
            Self::Genes(_) => Family::Genes,
            Self::Variant { .. } => Family::Variant,
            Self::Eav { .. } => Family::Eav,
            Self::Gender(_) => Family::Gender,
            Self::Age { .. } => Family::Age,
            Self::Affected => Family::Affected,
            Self::FamilyType(_) => Family::Relatives,
        }
    }
}

/// A question: filters, ANDed, and the families that must be supported.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub filters: Vec<Filter>,
    pub required: Vec<Family>,
}

impl Ask {
    /// The question as a query builder.
    pub fn builder(&self, granularity: &str) -> Json {
        let mut required = json!({"subjectCapability": {}});
        for family in &self.required {
            let (sub, name) = match family {
                Family::Hpo => (false, "hpo"),
                Family::Ordo => (false, "ordo"),
                Family::Snomed => (false, "snomed"),
                Family::Genes => (false, "genes"),
                Family::Variant => (false, "variant"),
                Family::Eav => (false, "eav"),
                Family::Gender => (true, "gender"),
                Family::Age => (true, "age"),
                Family::Affected => (true, "affected"),
                Family::Relatives => (true, "familyType"),
            };
            if sub {
                required["subjectCapability"][name] = true.into();
            } else {
                required[name] = true.into();
            }
        }
        let mut builder = json!({
            "subject": {}, "hpo": [], "ordo": [], "snomed": [], "genes": [], "variant": [], "eav": [],
            "advanced": {"granularity": granularity, "requiredFilters": required},
        });
        for filter in &self.filters {
            filter.write(&mut builder);
        }
        builder
    }
}

impl Filter {
    fn write(&self, builder: &mut Json) {
        let mut push = |family: &str, filter: Json| builder[family].as_array_mut().unwrap().push(filter);
        match self {
            Self::Hpo(asked) => push("hpo", asked.filter("HP:", "useOrphaNet")),
            Self::Ordo(asked) => push("ordo", asked.filter("ORPHA:", "useHPO")),
            Self::Snomed { terms, minimum } => {
                push("snomed", json!({"terms": terms, "minimumMatch": minimum}))
            }
            Self::Genes(entries) => {
                let entry =
                    |(gene, alleles): &(String, Vec<String>)| json!({"gene": gene, "alleles": alleles});
                push("genes", json!({"alleles": entries.iter().map(entry).collect::<Vec<_>>()}));
            }
            Self::Variant { genes, mutations, max_af, local } => push(
                "variant",
                json!({"genes": genes, "reactome": [], "mutation": mutations, "maxAf": max_af, "useLocalAf": local}),
            ),
            Self::Eav { attribute, relation, value } => {
                push("eav", json!({"attribute": attribute, "relation": relation, "value": value}));
            }
            Self::Gender(gender) => builder["subject"]["gender"] = (*gender).into(),
            Self::Age { which, min, max } => {
                let name = ["age", "ageFirstDiagnosis", "ageFirstSymptoms"][*which];
                builder["subject"][name] = json!({"min": min, "max": max});
            }
            Self::Affected => builder["subject"]["affectedOnly"] = true.into(),
            Self::FamilyType(types) => {
                for name in types {
                    builder["subject"]["familyType"][*name] = true.into();
                }
            }
        }
    }
}

impl TermsAsked {
    fn filter(&self, prefix: &str, cross: &str) -> Json {
        let terms: Vec<String> = self.terms.iter().map(|term| format!("{prefix}{term}")).collect();
        let mut filter = json!({
            "terms": terms, "similarity": self.similarity, "minimumMatch": self.minimum,
            "includeDescendants": self.descendants,
        });
        filter[cross] = self.cross.into();
        filter
    }
}

/// Draws a question whose first filter is of the family.
pub fn draw(dice: &mut Dice, people: &[Person], terms: &TermFile, first: Family) -> Ask {
    let mut families = vec![first];
    for _ in 0..*dice.pick(&[0, 0, 0, 1, 1, 2]) {
        families.push(*dice.pick(&Family::ALL));
    }
    let person = dice.pick(people).clone();
    let mut filters: Vec<Filter> = Vec::new();
    for family in families {
        let filter = filter(dice, people, &person, terms, family);
        // A builder has one place for each demographic.
        let taken = filters.iter().any(|held| match (held, &filter) {
            (Filter::Age { which: a, .. }, Filter::Age { which: b, .. }) => a == b,
            (held, new) => held.family() == new.family() && held.is_demographic(),
        });
        if !taken {
            filters.push(filter);
        }
    }
    let mut required: Vec<Family> = Family::ALL.to_vec();
    required.retain(|_| dice.chance(10));
    Ask { filters, required }
}

/// A few terms somebody like `person` has.
fn some(
    dice: &mut Dice,
    people: &[Person],
    own: &[String],
    of: impl Fn(&Person) -> Vec<String>,
) -> Vec<String> {
    let mut pool = own.to_vec();
    for _ in 0..3 {
        pool.extend(of(dice.pick(people)));
    }
    dice.shuffle(&mut pool);
    pool.truncate(1 + dice.below(4));
    let mut seen = std::collections::BTreeSet::new();
    pool.retain(|term| seen.insert(term.clone()));
    pool
}

fn asked(dice: &mut Dice, terms: Vec<String>) -> TermsAsked {
    let minimum = if dice.chance(60) { 1 } else { 1 + dice.below(terms.len()) };
    let similarity = *dice.pick(&[1.0, 1.0, 1.0, 0.9, 0.7, 0.5, 0.3, 0.0]);
    TermsAsked { terms, similarity, minimum, cross: dice.chance(25), descendants: dice.chance(25) }
}

fn filter(dice: &mut Dice, people: &[Person], person: &Person, terms: &TermFile, family: Family) -> Filter {
    match family {
        Family::Hpo => {
            let own: Vec<String> = person.hpo.keys().cloned().collect();
            let mut picked = some(dice, people, &own, |p| p.hpo.keys().cloned().collect());
            if picked.is_empty() || dice.chance(20) {
                // A term above, which nobody may have by name.
                let below = picked.pop().unwrap_or_else(|| "0001250".into());
                let parents = terms.details(Ontology::Hpo, &below).map(|d| d.parents).unwrap_or_default();
                picked.push(parents.first().cloned().unwrap_or(below));
            }
            let mut seen = std::collections::BTreeSet::new();
            picked.retain(|term| seen.insert(term.clone()));
            Filter::Hpo(asked(dice, picked))
        }
        Family::Ordo => {
            let mut picked = some(dice, people, &person.ordo, |p| p.ordo.clone());
            if picked.is_empty() {
                picked = vec![(*dice.pick(&["558", "284963", "732"])).to_owned()];
            }
            Filter::Ordo(asked(dice, picked))
        }
        Family::Snomed => {
            let own: Vec<String> = person.snomed.keys().cloned().collect();
            let mut terms = some(dice, people, &own, |p| p.snomed.keys().cloned().collect());
            if terms.is_empty() {
                terms.push("248153007".into());
            }
            let minimum = 1 + dice.below(terms.len());
            Filter::Snomed { terms, minimum }
        }
        Family::Genes => {
            let mut genes = some(dice, people, &person.genes, |p| p.genes.clone());
            genes.push((*dice.pick(&["FBN1", "apoe", "TP53"])).to_owned());
            let alleles = |dice: &mut Dice| if dice.chance(20) { vec!["e4".to_owned()] } else { Vec::new() };
            Filter::Genes(genes.into_iter().map(|gene| (gene, alleles(dice))).collect())
        }
        Family::Variant => {
            let genes = |p: &Person| p.variants.iter().map(|v| v.gene.clone()).collect::<Vec<_>>();
            let mut picked = some(dice, people, &genes(person), genes);
            if picked.is_empty() {
                picked.push("FBN1".into());
            }
            if dice.chance(20) {
                picked = picked.iter().map(|gene| gene.to_lowercase()).collect();
            }
            let mut mutations =
                ["missense", "nonsense", "frameshift", "splice", "indel", "nonCoding", "lossOfStart"]
                    .to_vec();
            dice.shuffle(&mut mutations);
            mutations.truncate(*dice.pick(&[0, 0, 1, 2, 3]));
            Filter::Variant {
                genes: picked,
                mutations: mutations.into_iter().map(str::to_owned).collect(),
                max_af: *dice.pick(&[1.0, 1.0, 0.05, 0.01, 0.001, 0.0001]),
                local: dice.chance(40),
            }
        }
        Family::Eav => eav(dice, people, person),
        Family::Gender => Filter::Gender(if dice.chance(50) { "male" } else { "female" }),
        Family::Age => {
            let mut ends = [*dice.pick(&[0, 1, 5, 18, 40]), *dice.pick(&[0, 3, 17, 30, 65, 100])];
            ends.sort_unstable();
            // The whole range would mean no filter.
            let min = if ends == [0, 100] { 1 } else { ends[0] };
            Filter::Age { which: dice.below(3), min, max: ends[1] }
        }
        Family::Affected => Filter::Affected,
        Family::Relatives => {
            Filter::FamilyType(if dice.chance(50) { vec!["trios"] } else { vec!["singletons", "family"] })
        }
    }
}

fn eav(dice: &mut Dice, people: &[Person], person: &Person) -> Filter {
    // Attributes few people have are met on purpose.
    let numeric = |p: &&Person| p.attributes.values().any(|v| matches!(v[..], [Value::Number(_), ..]));
    let measured: Vec<&Person> = people.iter().filter(numeric).collect();
    let from = if dice.chance(45) && !measured.is_empty() { dice.pick(&measured) } else { person };
    let held: Vec<(&String, &Value)> =
        from.attributes.iter().flat_map(|(k, v)| v.iter().map(move |v| (k, v))).collect();
    if held.is_empty() || dice.chance(8) {
        return Filter::Eav {
            attribute: "no such attribute".into(),
            relation: "stringIs",
            value: "x".into(),
        };
    }
    let (attribute, value) = *dice.pick(&held);
    let (relation, value) = match value {
        Value::Text(text) => match dice.below(5) {
            0 | 1 => ("stringIs", json!(text)),
            2 => ("stringIsNot", json!(text)),
            3 => ("regexContains", json!(format!("^{}", &text[..text.len().min(6)]))),
            _ => ("regexDoesNotContain", json!(format!("(?i){}$", &text[text.len().saturating_sub(1)..]))),
        },
        Value::Number(number) => {
            let relations = [
                "numericEquals",
                "numericNotEquals",
                "numericGreaterThan",
                "numericLessThan",
                "numericGreaterThanOrEqual",
                "numericLessThanOrEqual",
            ];
            (*dice.pick(&relations), json!(number))
        }
    };
    Filter::Eav { attribute: attribute.clone(), relation, value }
}

//! Record queries that show on a synthetic cohort what the filters do.
//!
//! Every question goes in steps that change one thing each. Diseases, genes and terms are chosen from the cohort so
//! that no step finds nothing, everybody, or as many as the step before; how many records a step finds is counted
//! here from the patients themselves, without the query engine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::simulate::{Patient, Simulator};
use crate::domain::subjects::Mutation;
use crate::terms::{Ontology, Sex, TermFile, Terms};

/// Similarity of the second step of the question about phenotypes.
const SIMILARITY: f64 = 0.5;
/// Effects that usually leave no working product.
const LOSS: [Mutation; 4] =
    [Mutation::Nonsense, Mutation::Frameshift, Mutation::Splice, Mutation::LossOfStart];
/// Diseases or genes tried, most frequent first.
const TRIED: usize = 25;

/// Findings of a disease passed over, one more after each round of diseases: the most informative ones have few terms
/// like them.
const SKIPPED: usize = 6;

/// What a demonstration asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What it shows, one sentence.
    pub shows: String,
    pub steps: Vec<Step>,
}

/// One query of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it asks, in words.
    pub asks: String,
    /// The published query builder (specification §8.1).
    pub builder: Value,
    /// Records it finds in the cohort when that is the only source.
    pub records: usize,
}

/// Up to three questions, about phenotypes, about age and sex, and about variants; one is left out when the cohort is
/// too small to give instructive answers.
pub fn questions(terms: &TermFile, simulator: &Simulator) -> Vec<Question> {
    let patients: Vec<Patient<'_>> = simulator.patients().collect();
    let cohort = Cohort { terms, patients: &patients };
    let found = [cohort.by_phenotype(), cohort.by_age_and_sex(), cohort.by_variant()];
    found.into_iter().flatten().collect()
}

struct Cohort<'a> {
    terms: &'a TermFile,
    patients: &'a [Patient<'a>],
}

impl<'a> Cohort<'a> {
    fn count(&self, matches: impl Fn(&Patient<'_>) -> bool) -> usize {
        self.patients.iter().filter(|patient| matches(patient)).count()
    }

    /// Steps that find more than nothing and less than all, each another number.
    fn instructive(&self, steps: &[Step]) -> bool {
        let counts: BTreeSet<usize> = steps.iter().map(|step| step.records).collect();
        counts.len() == steps.len() && counts.iter().all(|count| (1..self.patients.len()).contains(count))
    }

    /// Id and name of recorded diseases, most frequent first.
    fn diseases(&self) -> Vec<(&'a str, &'a str)> {
        ranked(self.patients.iter().filter_map(Patient::disease))
    }

    fn label(&self, hpo: &str) -> String {
        self.terms.label(Ontology::Hpo, hpo).unwrap_or_else(|| hpo.to_owned())
    }

    /// Three findings that many with the disease have, none like another, most informative first after the first
    /// `skipped` ones; fewer when there are no more.
    fn typical(&self, disease: &str, skipped: usize) -> Vec<&'a str> {
        let of_it =
            self.patients.iter().filter(|patient| patient.disease().is_some_and(|(id, _)| id == disease));
        let having = of_it.clone().count();
        let mut often = BTreeMap::<&str, usize>::new();
        for hpo in of_it.flat_map(Patient::present) {
            *often.entry(hpo).or_default() += 1;
        }
        let mut candidates: Vec<(&str, f64)> = often
            .into_iter()
            .filter(|(_, count)| count * 10 >= having * 3)
            .map(|(hpo, _)| (hpo, self.terms.information(Ontology::Hpo, hpo).unwrap_or(0.0)))
            .collect();
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        let mut chosen: Vec<&str> = Vec::new();
        for (hpo, _) in candidates.into_iter().skip(skipped) {
            let unlike = |other: &&str| self.terms.similarity(Ontology::Hpo, hpo, other) < SIMILARITY / 2.0;
            if chosen.iter().all(unlike) {
                chosen.push(hpo);
            }
            if chosen.len() == 3 {
                break;
            }
        }
        chosen
    }

    /// Patients with at least `minimum` of the groups that terms stand for.
    fn with_groups(&self, terms: &[&str], similarity: f64, minimum: usize) -> usize {
        let expand = |term: &&str| self.terms.expand(Ontology::Hpo, term, similarity).into_iter().collect();
        let groups: Vec<BTreeSet<String>> = terms.iter().map(expand).collect();
        self.count(|patient| {
            groups.iter().filter(|group| patient.present().any(|hpo| group.contains(hpo))).count() >= minimum
        })
    }

    fn by_phenotype(&self) -> Option<Question> {
        let diseases = self.diseases();
        let mut tried =
            (0..SKIPPED).flat_map(|skipped| diseases.iter().take(TRIED).map(move |of| (*of, skipped)));
        tried.find_map(|((disease, name), skipped)| {
            let terms = self.typical(disease, skipped);
            if terms.len() < 3 {
                return None;
            }
            let labels: Vec<String> = terms.iter().map(|hpo| self.label(hpo)).collect();
            let labels = labels.join(", ");
            let step = |asks: String, similarity: f64, minimum: usize| Step {
                asks,
                builder: json!({"hpo": [hpo(&terms, similarity, minimum)]}),
                records: self.with_groups(&terms, similarity, minimum),
            };
            let steps = vec![
                step(format!("any of: {labels}"), 1.0, 1),
                step(format!("any of them or a term at least {SIMILARITY} similar"), SIMILARITY, 1),
                step("at least two of the three, or terms similar to them".to_owned(), SIMILARITY, 2),
            ];
            let records: Vec<usize> = steps.iter().map(|step| step.records).collect();
            let shrinks = matches!(records.as_slice(), [exact, similar, two] if two < exact && exact < similar);
            (shrinks && self.instructive(&steps)).then(|| Question {
                shows: format!(
                    "Findings are described in many words: similarity also finds related terms, a minimum match \
                     then keeps the records that look like {name}, diagnosed or not."
                ),
                steps,
            })
        })
    }

    fn by_age_and_sex(&self) -> Option<Question> {
        self.diseases().into_iter().take(TRIED).find_map(|(disease, name)| {
            let has = |patient: &Patient<'_>| patient.disease().is_some_and(|(id, _)| id == disease);
            let is = |patient: &Patient<'_>| has(patient) && patient.sex == Some(Sex::Female);
            let mut ages: Vec<u32> =
                self.patients.iter().filter(|p| is(p)).filter_map(|patient| patient.years()).collect();
            ages.sort_unstable();
            let middle = *ages.get(ages.len() / 2)?;
            if !(1..100).contains(&middle) {
                return None;
            }
            let eav = json!([{"attribute": "disease", "relation": "stringIs", "value": disease}]);
            let steps = vec![
                Step {
                    asks: format!("diagnosed with {name} ({disease})"),
                    builder: json!({"eav": eav}),
                    records: self.count(has),
                },
                Step {
                    asks: "and female".to_owned(),
                    builder: json!({"subject": {"gender": "female"}, "eav": eav}),
                    records: self.count(is),
                },
                Step {
                    asks: format!("and at least {middle} years old at the last encounter"),
                    builder: json!({
                        "subject": {"gender": "female", "age": {"min": middle, "max": 100}}, "eav": eav
                    }),
                    records: self.count(|p| is(p) && p.years().is_some_and(|years| years >= middle)),
                },
            ];
            self.instructive(&steps).then(|| Question {
                shows: "Filters of different families all have to match, and a record without a stated sex or age \
                        matches no filter on it."
                    .to_owned(),
                steps,
            })
        })
    }

    fn by_variant(&self) -> Option<Question> {
        let genes = |patient: &Patient<'a>| patient.variants().next().map(|(gene, _)| (gene, gene));
        ranked(self.patients.iter().filter_map(genes)).into_iter().take(TRIED).find_map(|(gene, _)| {
            let carries = |patient: &Patient<'_>, effects: &[Mutation]| {
                patient.variants().any(|(of, effect)| of == gene && effects.contains(&effect))
            };
            // The finding that divides the carriers best.
            let mut often = BTreeMap::<&str, usize>::new();
            let losing = self.patients.iter().filter(|patient| carries(patient, &LOSS));
            for hpo in losing.clone().flat_map(Patient::present) {
                *often.entry(hpo).or_default() += 1;
            }
            let all = losing.count();
            let (term, _) = often.iter().min_by_key(|(hpo, count)| ((**count * 2).abs_diff(all), **hpo))?;
            let variant = |effects: &[Mutation]| {
                let effects: Vec<&str> = effects.iter().map(|effect| effect.as_str()).collect();
                json!([{
                    "genes": [gene], "reactome": [], "mutation": effects, "maxAf": 1, "useLocalAf": false
                }])
            };
            let steps = vec![
                Step {
                    asks: format!("any variant in {gene}"),
                    builder: json!({"variant": variant(&[])}),
                    records: self.count(|patient| carries(patient, &Mutation::ALL)),
                },
                Step {
                    asks: "only nonsense, frameshift, splice and loss of start".to_owned(),
                    builder: json!({"variant": variant(&LOSS)}),
                    records: self.count(|patient| carries(patient, &LOSS)),
                },
                Step {
                    asks: format!("and {}", self.label(term)),
                    builder: json!({"variant": variant(&LOSS), "hpo": [hpo(&[*term], 1.0, 1)]}),
                    records: self
                        .count(|patient| carries(patient, &LOSS) && patient.present().any(|hpo| hpo == *term)),
                },
            ];
            self.instructive(&steps).then(|| Question {
                shows: "Gene and effect must belong to the same variant, and a record answers to genotype and phenotype \
                        together; positions are never stored, so none can be asked for."
                    .to_owned(),
                steps,
            })
        })
    }
}

fn hpo(terms: &[&str], similarity: f64, minimum: usize) -> Value {
    json!({"terms": terms, "similarity": similarity, "minimumMatch": minimum, "useOrphaNet": false})
}

/// Distinct pairs, the most frequent first, then by text.
fn ranked<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let mut often = BTreeMap::<(&str, &str), usize>::new();
    for pair in pairs {
        *often.entry(pair).or_default() += 1;
    }
    let mut ranked: Vec<_> = often.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.into_iter().map(|(pair, _)| pair).collect()
}

/// Questions that make sense of any cohort with phenotypes, for files of one's own; nothing is known of the answers.
pub fn of_any_cohort() -> Vec<Question> {
    let step = |asks: &str, builder: Value| Step { asks: asks.to_owned(), builder, records: 0 };
    let seizure = |similarity: f64| json!({"hpo": [{"terms": ["HP:0001250"], "similarity": similarity}]});
    vec![Question {
        shows: "What is there, and what similarity adds to an exact term".to_owned(),
        steps: vec![
            step("everyone", json!({})),
            step("seizure, exactly this term", seizure(1.0)),
            step("seizure, or a term at least 0.5 similar", seizure(0.5)),
        ],
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(seed: u64, patients: u32) -> Vec<Question> {
        let terms = TermFile::embedded().unwrap();
        let simulator = Simulator::new(&terms, seed, patients).unwrap();
        questions(&terms, &simulator)
    }

    #[rstest::rstest]
    #[case(1, 5000)]
    #[case(2, 1000)]
    fn every_step_finds_some_records_and_another_number_than_the_others(
        #[case] seed: u64,
        #[case] patients: u32,
    ) {
        let questions = asked(seed, patients);
        assert_eq!(questions.len(), 3);
        for question in &questions {
            let counts: BTreeSet<usize> = question.steps.iter().map(|step| step.records).collect();
            assert_eq!(counts.len(), 3, "{question:?}");
            assert!(counts.iter().all(|count| *count > 0 && *count < patients as usize), "{question:?}");
        }
        let [exact, similar, two] = questions[0].steps.as_slice() else { panic!("three steps") };
        assert!(similar.records > exact.records && exact.records > two.records);
    }

    #[test]
    fn the_counts_are_those_of_the_written_packets() {
        let terms = TermFile::embedded().unwrap();
        let simulator = Simulator::new(&terms, 4, 2000).unwrap();
        let packets: Vec<Value> = simulator.packets().collect();
        let questions = questions(&terms, &simulator);

        let wanted = questions[1].steps[2].builder.clone();
        let middle = wanted["subject"]["age"]["min"].as_u64().unwrap();
        let found = packets.iter().filter(|packet| {
            let age = packet["subject"]["timeAtLastEncounter"]["age"]["iso8601duration"].as_str();
            let years = age.map_or(0, |age| {
                age.trim_start_matches('P').split_once('Y').map_or(0, |(years, _)| years.parse().unwrap())
            });
            packet["subject"]["sex"] == "FEMALE"
                && packet["diseases"][0]["term"]["id"] == wanted["eav"][0]["value"]
                && age.is_some()
                && years >= middle
        });
        assert_eq!(found.count(), questions[1].steps[2].records);

        let exact = &questions[0].steps[0];
        let terms: Vec<String> = exact.builder["hpo"][0]["terms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|term| format!("HP:{}", term.as_str().unwrap()))
            .collect();
        let found = packets.iter().filter(|packet| {
            packet["phenotypicFeatures"].as_array().unwrap().iter().any(|feature| {
                feature.get("excluded").is_none()
                    && terms.iter().any(|term| feature["type"]["id"] == term.as_str())
            })
        });
        assert_eq!(found.count(), exact.records);
    }

    #[test]
    fn a_cohort_too_small_for_an_answer_gets_no_question_about_it() {
        assert!(asked(5, 1).is_empty());
    }
}

//! Questions as clients write them: every filter, every alias of the specification §8.1, prefixes, shares instead
//! of counts, per cent instead of fractions, repeats, and everything that may be left out or left empty.

use cv3_backend::domain::queries::{Granularity, Relation};
use cv3_backend::domain::subjects::Mutation;
use serde_json::{Map, Value, json};

use super::subjects::{ALLELES, ATTRIBUTES, GENES, SNOMED, TEXTS, number, some};
use super::terms::{PATHWAYS, Vocabulary};
use crate::dice::Dice;

const REGEXES: [&str; 9] = [".*", "^$", "(?i)leicester", "Lei", "e$", "ü", r"a\.b\(", "[0-9]", "^(true|5)$"];

/// The filter families a question is drawn from.
pub const FAMILIES: [&str; 7] = ["subject", "hpo", "ordo", "snomed", "genes", "variant", "eav"];

/// Every way of writing that must occur in a run.
pub const SPELLINGS: [&str; 23] = [
    "HP: prefix",
    "ORPHA: prefix",
    "Orphanet_ prefix",
    "ORDO: prefix",
    "leading zero",
    "repeated term",
    "similarity left out",
    "minimumMatch left out",
    "matchScale",
    "useOrphaNet",
    "useOrphanet",
    "useHPO",
    "includeDescendants",
    "variant",
    "variants",
    "maxAf in per cent",
    "maxAf left out",
    "no genes but pathways",
    "trio",
    "trios",
    "open age",
    "empty filters",
    "required",
];

/// A question, the families it filters by, and the ways of writing in it.
#[derive(Debug, Clone)]
pub struct Question {
    pub text: Value,
    pub families: Vec<&'static str>,
    pub spellings: Vec<&'static str>,
}

/// Writes filters into a document.
pub struct Writer<'a> {
    pub dice: &'a mut Dice,
    vocabulary: &'a Vocabulary,
    document: Map<String, Value>,
    spellings: Vec<&'static str>,
    /// One name for all variant filters of a question.
    variant: &'static str,
}

/// Filters of one to three families, and what belongs beside them.
pub fn question(dice: &mut Dice, vocabulary: &Vocabulary) -> Question {
    let mut families = FAMILIES.to_vec();
    dice.shuffle(&mut families);
    families.truncate(*dice.pick(&[1, 1, 1, 2, 2, 3]));
    if dice.chance(1) {
        families.clear();
    }
    let mut writer = Writer::new(dice, vocabulary);
    for family in &families {
        writer.add(family);
        if writer.dice.chance(15) {
            writer.add(family);
        }
    }
    writer.beside();
    Question { text: Value::Object(writer.document), families, spellings: writer.spellings }
}

/// A question of one filter.
pub fn single(dice: &mut Dice, vocabulary: &Vocabulary, family: &str) -> Value {
    let mut writer = Writer::new(dice, vocabulary);
    writer.add(family);
    Value::Object(writer.document)
}

fn distinct(dice: &mut Dice, from: &[impl AsRef<str>], most: usize) -> Vec<String> {
    let mut all: Vec<&str> = from.iter().map(AsRef::as_ref).collect();
    dice.shuffle(&mut all);
    all.truncate(1 + dice.below(most));
    all.into_iter().map(str::to_owned).collect()
}

impl<'a> Writer<'a> {
    fn new(dice: &'a mut Dice, vocabulary: &'a Vocabulary) -> Self {
        let variant = *dice.pick(&["variant", "variants"]);
        Self { dice, vocabulary, document: Map::new(), spellings: Vec::new(), variant }
    }

    fn spelled(&mut self, how: &'static str) {
        self.spellings.push(how);
    }

    fn push(&mut self, family: &str, filter: Value) {
        let list = self.document.entry(family).or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(filter);
    }

    fn add(&mut self, family: &str) {
        match family {
            "subject" => self.subject(),
            "hpo" => {
                let filter = self.hpo();
                self.push("hpo", filter);
            }
            "ordo" => {
                let filter = self.ordo();
                self.push("ordo", filter);
            }
            "snomed" => {
                let terms = distinct(self.dice, &SNOMED, 4);
                let mut filter = Map::new();
                let minimum = 1 + if self.dice.chance(70) { 0 } else { self.dice.below(terms.len().min(2)) };
                self.minimum(&mut filter, minimum);
                filter.insert("terms".into(), json!(terms));
                self.push("snomed", Value::Object(filter));
            }
            "genes" => {
                let mut entries = Vec::new();
                for _ in 0..1 + self.dice.below(3) {
                    let alleles = some(self.dice, &ALLELES, 2);
                    entries.push(match alleles.is_empty() && self.dice.chance(50) {
                        true => json!({"gene": self.dice.pick(&GENES)}),
                        false => json!({"gene": self.dice.pick(&GENES), "alleles": alleles}),
                    });
                }
                self.push("genes", json!({"alleles": entries}));
            }
            "variant" => {
                let filter = self.variant();
                self.push(self.variant, filter);
                self.spelled(self.variant);
            }
            _ => {
                let filter = self.eav();
                self.push("eav", filter);
            }
        }
    }

    fn subject(&mut self) {
        let (name, value) = match self.dice.below(6) {
            0 => ("gender", json!(self.dice.pick(&["male", "female"]))),
            1 => ("age", self.age()),
            2 => ("ageFirstDiagnosis", self.age()),
            3 => ("ageFirstSymptoms", self.age()),
            4 => ("affectedOnly", json!(true)),
            _ => {
                let (singletons, trio) = (self.dice.chance(50), self.dice.chance(50));
                let name = *self.dice.pick(&["trio", "trios"]);
                self.spelled(name);
                ("familyType", json!({"singletons": singletons, name: trio, "family": !singletons && !trio}))
            }
        };
        let subject = self.document.entry("subject").or_insert_with(|| json!({}));
        subject.as_object_mut().unwrap().insert(name.into(), value);
    }

    fn age(&mut self) -> Value {
        let mut ends = [*self.dice.pick(&[0, 1, 16, 18, 40, 65]), *self.dice.pick(&[18, 65, 90, 99, 100])];
        ends.sort_unstable();
        let mut range = Map::new();
        for (name, years, open) in [("min", ends[0], 0), ("max", ends[1], 100)] {
            if years == open && self.dice.chance(50) {
                self.spelled("open age");
            } else {
                range.insert(name.into(), json!(years));
            }
        }
        Value::Object(range)
    }

    /// Terms, how similar, how many of them; what hpo and ordo share.
    fn terms(&mut self, from: &[String], spell: impl Fn(&mut Self, &str) -> String) -> Map<String, Value> {
        let terms = distinct(self.dice, from, 5);
        let mut written: Vec<String> = terms.iter().map(|term| spell(self, term)).collect();
        if self.dice.chance(10) {
            written.push(spell(self, &terms[0]));
            self.spelled("repeated term");
        }
        let mut filter = Map::from_iter([("terms".to_owned(), json!(written))]);
        let similarities = &self.vocabulary.similarities;
        let similarity = match !similarities.is_empty() && self.dice.chance(25) {
            true => *self.dice.pick(similarities),
            false => *self.dice.pick(&[0.0, 0.2, 0.5, 0.7, 0.9, 1.0, 1.0]),
        };
        if similarity == 1.0 && self.dice.chance(50) {
            self.spelled("similarity left out");
        } else {
            filter.insert("similarity".into(), json!(similarity));
        }
        let minimum = 1 + if self.dice.chance(50) { 0 } else { self.dice.below(terms.len().min(3)) };
        self.minimum(&mut filter, minimum);
        if self.dice.chance(20) {
            filter.insert("includeDescendants".into(), json!(true));
            self.spelled("includeDescendants");
        }
        filter
    }

    fn minimum(&mut self, filter: &mut Map<String, Value>, minimum: usize) {
        if minimum == 1 && self.dice.chance(50) {
            self.spelled("minimumMatch left out");
        } else {
            filter.insert("minimumMatch".into(), json!(minimum));
        }
    }

    fn hpo(&mut self) -> Value {
        let vocabulary = self.vocabulary;
        let mut filter = self.terms(&vocabulary.hpo, |this, term| {
            if this.dice.chance(30) {
                this.spelled("HP: prefix");
                format!("HP:{term}")
            } else {
                term.to_owned()
            }
        });
        if self.dice.chance(25) {
            let name = *self.dice.pick(&["useOrphaNet", "useOrphanet"]);
            filter.insert(name.into(), json!(true));
            self.spelled(name);
        }
        Value::Object(filter)
    }

    fn ordo(&mut self) -> Value {
        let vocabulary = self.vocabulary;
        let mut filter = self.terms(&vocabulary.ordo, |this, term| {
            let (how, text) = match this.dice.below(10) {
                0 => ("ORPHA: prefix", format!("ORPHA:{term}")),
                1 => ("Orphanet_ prefix", format!("Orphanet_{term}")),
                2 => ("ORDO: prefix", format!("ORDO:{term}")),
                3 if term.len() < 6 => ("leading zero", format!("0{term}")),
                _ => return term.to_owned(),
            };
            this.spelled(how);
            text
        });
        if self.dice.chance(30) {
            filter.remove("minimumMatch");
            filter
                .insert("matchScale".into(), json!(f64::from(*self.dice.pick(&[0, 10, 34, 50, 66])) / 100.0));
            self.spelled("matchScale");
        }
        if self.dice.chance(25) {
            filter.insert("useHPO".into(), json!(true));
            self.spelled("useHPO");
        }
        Value::Object(filter)
    }

    fn variant(&mut self) -> Value {
        let reactome = some(self.dice, &PATHWAYS, 1);
        let mut filter = Map::from_iter([("reactome".to_owned(), json!(reactome))]);
        if reactome.is_empty() || self.dice.chance(70) {
            filter.insert("genes".into(), json!(distinct(self.dice, &GENES, 3)));
        } else {
            self.spelled("no genes but pathways");
        }
        let mut mutation: Vec<&str> = Mutation::ALL[..4].iter().map(|kind| kind.as_str()).collect();
        self.dice.shuffle(&mut mutation);
        mutation.truncate(self.dice.below(4));
        filter.insert("mutation".into(), json!(mutation));
        // In per cent, which 1 is not.
        let per_mille = *self.dice.pick(&[1_000, 500, 250, 100, 50, 10, 1]);
        match per_mille {
            1_000 if self.dice.chance(50) => self.spelled("maxAf left out"),
            11.. if self.dice.chance(30) => {
                filter.insert("maxAf".into(), json!(per_mille / 10));
                self.spelled("maxAf in per cent");
            }
            _ => _ = filter.insert("maxAf".into(), json!(f64::from(per_mille) / 1_000.0)),
        }
        if self.dice.chance(40) {
            filter.insert("useLocalAf".into(), json!(true));
        }
        Value::Object(filter)
    }

    fn eav(&mut self) -> Value {
        let attribute = *self.dice.pick(&ATTRIBUTES);
        let numeric = match attribute {
            "visits" | "Größe" | "serial" => self.dice.chance(95),
            "site" | "smoker" => self.dice.chance(5),
            _ => self.dice.chance(50),
        };
        let relation = match numeric {
            true => *self.dice.pick(&Relation::ALL[4..]),
            false if attribute == "smoker" => *self.dice.pick(&Relation::ALL[..2]),
            false => *self.dice.pick(&Relation::ALL[..4]),
        };
        let value = match relation {
            Relation::StringIs | Relation::StringIsNot if attribute == "smoker" || self.dice.chance(15) => {
                json!(self.dice.chance(50))
            }
            Relation::StringIs | Relation::StringIsNot => json!(self.dice.pick(&TEXTS)),
            Relation::RegexContains | Relation::RegexDoesNotContain => json!(self.dice.pick(&REGEXES)),
            _ if attribute == "serial" => json!(self.dice.below(2_000)),
            _ => Value::Number(number(self.dice)),
        };
        json!({"attribute": attribute, "relation": relation, "value": value})
    }

    /// What filters nothing: requirements, sources, a level, fields nobody knows, filters that are empty.
    fn beside(&mut self) {
        let mut flags = Map::new();
        for name in ["subject", "hpo", "ordo", "snomed", "genes", "variant", "eav"] {
            if self.dice.chance(8) {
                flags.insert(name.into(), json!(true));
            }
        }
        let mut sub = Map::new();
        for name in ["age", "gender", "affected", "familyType"] {
            if self.dice.chance(8) {
                sub.insert(name.into(), json!(true));
            }
        }
        let mut advanced = Map::new();
        if !flags.is_empty() || !sub.is_empty() {
            flags.insert("subjectCapability".into(), Value::Object(sub));
            advanced.insert("requiredFilters".into(), Value::Object(flags));
            self.spelled("required");
        }
        if self.dice.chance(10) {
            advanced.insert("granularity".into(), json!(self.dice.pick(&Granularity::ALL[1..])));
        }
        if !advanced.is_empty() || self.dice.chance(20) {
            self.document.insert("advanced".into(), Value::Object(advanced));
        }
        if self.dice.chance(10) {
            self.document.insert("sources".into(), json!({"sources": some(self.dice, &["one", "two"], 2)}));
        }
        if self.dice.chance(15) {
            self.empty();
            self.spelled("empty filters");
        }
    }

    fn empty(&mut self) {
        let subject = self.document.entry("subject").or_insert_with(|| json!({}));
        let subject = subject.as_object_mut().unwrap();
        let defaults = [
            ("gender", json!("any")),
            ("age", json!({"min": 0, "max": 100})),
            ("ageFirstDiagnosis", json!({})),
            ("ageFirstSymptoms", Value::Null),
            ("affectedOnly", json!(false)),
            ("familyType", json!({"singletons": false, "trios": false, "family": false})),
        ];
        for (name, default) in defaults {
            if self.dice.chance(40) {
                subject.entry(name).or_insert(default);
            }
        }
        let empties = [
            ("hpo", json!({"terms": [], "similarity": 0.5, "useOrphaNet": true})),
            ("ordo", json!({"terms": [], "matchScale": 0.5})),
            ("snomed", json!({"terms": []})),
            ("genes", json!({"alleles": []})),
            (self.variant, json!({"genes": [], "reactome": [], "mutation": [], "maxAf": 5, "format": "^$"})),
        ];
        for (family, filter) in empties {
            if self.dice.chance(30) {
                self.push(family, filter);
            }
        }
        for (name, value) in [("eav", json!([])), ("sources", json!({})), ("somethingNew", json!([1]))] {
            if self.dice.chance(30) {
                self.document.entry(name).or_insert(value);
            }
        }
    }
}

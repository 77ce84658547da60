//! Subjects: every field, present or missing, with repeats, qualifiers, lists, Unicode and extreme numbers.

use std::collections::BTreeMap;

use cv3_backend::domain::subjects::{
    EavValue, FamilyType, Gender, GeneAlleles, Mutation, Scalar, Subject, Term, Variant,
};
use serde_json::{Number, Value, json};

use super::terms::Vocabulary;
use crate::dice::Dice;

pub const SNOMED: [&str; 6] = ["100001", "100002", "100003", "100004", "100005", "424144002"];
pub const GENES: [&str; 5] = ["APOE", "apoe", "C9orf72", "TTN", "ΓΕΝ"];
pub const ALLELES: [&str; 4] = ["e2", "e3", "e4", "E4"];
pub const TEXTS: [&str; 8] = ["Leicester", "leicester", "", "true", "5", "Zürich", "日本 site", "a.b(c"];
const NUMBERS: [f64; 11] =
    [0.0, -0.0, 1.0, 5.0, 5.5, -3.0, 1e308, -1e308, 5e-324, 9_007_199_254_740_993.0, 100.0];
/// The last one nobody has.
pub const ATTRIBUTES: [&str; 8] = ["visits", "site", "smoker", "mixed", "Größe", "serial", "rare", "never"];

/// How likely subjects of one source have each field, in per cent.
#[derive(Debug, Clone)]
pub struct Habits(BTreeMap<&'static str, u64>);

impl Habits {
    pub fn draw(dice: &mut Dice) -> Self {
        let fields = [
            "hpo",
            "ordo",
            "snomed",
            "ncit",
            "alleles",
            "variant",
            "eav",
            "gender",
            "age",
            "diagnosis",
            "symptoms",
            "affected",
            "family",
        ];
        // One field in ten is missing in the whole source: soft match.
        let habit = |dice: &mut Dice| *dice.pick(&[0, 40, 60, 70, 80, 90, 90, 95, 100, 100]);
        Self(fields.into_iter().map(|field| (field, habit(dice))).collect())
    }

    fn has(&self, dice: &mut Dice, field: &str) -> bool {
        let chance = self.0[field];
        dice.chance(chance)
    }
}

/// Up to `most`, repeats possible.
pub fn some(dice: &mut Dice, from: &[impl AsRef<str>], most: usize) -> Vec<String> {
    (0..dice.below(most + 1)).map(|_| dice.pick(from).as_ref().to_owned()).collect()
}

fn observed(dice: &mut Dice, id: String) -> Term {
    match dice.below(9) {
        0 => Term::excluded(id),
        1 => Term::qualified(id, 12),
        2 => Term::qualified(id, true),
        3 => Term::qualified(id, Value::Null),
        4 => Term::qualified(id, json!({"onset": "HP:0003577", "severity": [1, null]})),
        _ => Term::Present(id),
    }
}

/// Small whole numbers, bounds of integers, notable doubles, and doubles of any bits.
pub fn number(dice: &mut Dice) -> Number {
    if dice.chance(40) {
        return Number::from(dice.below(12) as u64);
    }
    if dice.chance(10) {
        return Number::from(*dice.pick(&[i64::MIN, i64::MAX, -1]));
    }
    if dice.chance(2) {
        return Number::from(u64::MAX);
    }
    let any = f64::from_bits(dice.next());
    let double = if dice.chance(20) && any.is_finite() { any } else { *dice.pick(&NUMBERS) };
    Number::from_f64(double).unwrap()
}

fn scalar(dice: &mut Dice, attribute: &str) -> Scalar {
    match attribute {
        "visits" | "Größe" => Scalar::Number(number(dice)),
        "site" => Scalar::Text((*dice.pick(&TEXTS)).into()),
        "smoker" => Scalar::Bool(dice.chance(50)),
        // More different values than one byte can tell apart, in large sources.
        "serial" => Scalar::Number(Number::from(dice.below(2_000))),
        _ => match dice.below(3) {
            0 => Scalar::Bool(dice.chance(50)),
            1 => Scalar::Number(number(dice)),
            _ => Scalar::Text((*dice.pick(&TEXTS)).into()),
        },
    }
}

fn variant(dice: &mut Dice) -> Variant {
    Variant {
        gene: (*dice.pick(&GENES)).into(),
        mutation: *dice.pick(&Mutation::ALL[..4]),
        af: dice.chance(60).then(|| *dice.pick(&[0.0, 0.001, 0.05, 0.25, 0.5, 1.0])),
        allele_count: dice.chance(50).then(|| *dice.pick(&[1, 2])),
    }
}

/// One subject.
pub fn subject(dice: &mut Dice, habits: &Habits, vocabulary: &Vocabulary, id: &str) -> Subject {
    let mut subject = Subject::new(id);
    if habits.has(dice, "hpo") {
        subject.hpo = some(dice, &vocabulary.hpo, 4).into_iter().map(|id| observed(dice, id)).collect();
    }
    if habits.has(dice, "ordo") {
        subject.ordo = some(dice, &vocabulary.ordo, 3);
    }
    if habits.has(dice, "snomed") {
        subject.snomed = some(dice, &SNOMED, 3).into_iter().map(|id| observed(dice, id)).collect();
    }
    if habits.has(dice, "ncit") {
        subject.ncit = vec!["C12345".into()];
    }
    if habits.has(dice, "alleles") {
        for _ in 0..dice.below(3) {
            let alleles = some(dice, &ALLELES, 3);
            subject.alleles.push(GeneAlleles { gene: (*dice.pick(&GENES)).into(), alleles });
        }
    }
    if habits.has(dice, "variant") {
        subject.variant = (0..dice.below(4)).map(|_| variant(dice)).collect();
    }
    if habits.has(dice, "eav") {
        for attribute in &ATTRIBUTES[..7] {
            if !dice.chance(if *attribute == "rare" { 10 } else { 70 }) {
                continue;
            }
            let value = match dice.below(5) {
                0 => EavValue::Many((0..dice.below(4)).map(|_| scalar(dice, attribute)).collect()),
                _ => EavValue::One(scalar(dice, attribute)),
            };
            subject.eav.insert((*attribute).into(), value);
        }
    }
    let ages = [0.0, 0.5, 1.0, 16.0, 18.0, 40.0, 65.0, 65.25, 99.0, 100.0, 104.0];
    let demo = &mut subject.demo;
    demo.gender = habits.has(dice, "gender").then(|| *dice.pick(&[Gender::Male, Gender::Female]));
    demo.age = habits.has(dice, "age").then(|| *dice.pick(&ages));
    demo.age_first_diagnosis = habits.has(dice, "diagnosis").then(|| *dice.pick(&ages));
    demo.age_first_symptoms = habits.has(dice, "symptoms").then(|| *dice.pick(&ages));
    demo.affected = habits.has(dice, "affected").then(|| dice.chance(60));
    demo.family_type = habits
        .has(dice, "family")
        .then(|| *dice.pick(&[FamilyType::Singleton, FamilyType::Trio, FamilyType::Family]));
    subject
}

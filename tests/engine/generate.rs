//! Random sources and builders from a small vocabulary, so that filters meet data.

use std::collections::BTreeMap;

use cv3_backend::domain::queries::{
    AgeRange, Builder, EavFilter, ExactFilter, FamilyTypes, GeneFilter, Relation, TermFilter, VariantFilter,
};
use cv3_backend::domain::subjects::{
    EavValue, FamilyType, Gender, GeneAlleles, Mutation, Scalar, Subject, Term, Variant,
};
use cv3_backend::terms::Ontology;
use serde_json::{Number, Value, json};

use super::source::Change;
use super::world::World;

/// SplitMix64 (Steele, Lea and Flood 2014): a run is repeated from its seed alone.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `below` − 1.
    pub fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    pub fn chance(&mut self, of_hundred: u64) -> bool {
        self.next() % 100 < of_hundred
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            let other = self.below(at + 1);
            list.swap(at, other);
        }
    }
}

const HPO: [&str; 10] = [
    "0000001", "0000002", "0000003", "0000004", "0000005", "0000006", "0000007", "0000008", "0000009",
    "0000010",
];
const ORDO: [&str; 7] = ["1", "22", "333", "4444", "55555", "666666", "7"];
const SNOMED: [&str; 6] = ["100001", "100002", "100003", "100004", "100005", "424144002"];
const GENES: [&str; 5] = ["APOE", "apoe", "C9orf72", "TTN", "ΓΕΝ"];
const ALLELES: [&str; 4] = ["e2", "e3", "e4", "E4"];
const TEXTS: [&str; 8] = ["Leicester", "leicester", "", "true", "5", "Zürich", "日本 site", "a.b(c"];
const NUMBERS: [f64; 11] =
    [0.0, -0.0, 1.0, 5.0, 5.5, -3.0, 1e308, -1e308, 5e-324, 9_007_199_254_740_993.0, 100.0];
const REGEXES: [&str; 9] = [".*", "^$", "(?i)leicester", "Lei", "e$", "ü", r"a\.b\(", "[0-9]", "^(true|5)$"];
const ATTRIBUTES: [&str; 7] = ["visits", "site", "smoker", "mixed", "Größe", "rare", "never"];

/// A world over the vocabulary.
pub fn world(dice: &mut Dice) -> World {
    let mut world = World::default();
    let ids: Vec<(Ontology, &str)> = HPO
        .iter()
        .map(|id| (Ontology::Hpo, *id))
        .chain(ORDO.iter().map(|id| (Ontology::Ordo, *id)))
        .collect();
    for (ontology, a) in &ids {
        if dice.chance(90) {
            world.known.push((*ontology, (*a).to_owned()));
        }
        for (other, b) in &ids {
            if ontology == other && a < b && dice.chance(40) {
                let similarity = dice.below(101) as f64 / 100.0;
                world.similar.insert((*ontology, (*a).into(), (*b).into()), similarity);
                world.similar.insert((*ontology, (*b).into(), (*a).into()), similarity);
            }
            if ontology == other && a < b && dice.chance(12) {
                world.below.entry((*ontology, (*a).into())).or_default().push((*b).into());
            }
        }
        if dice.chance(8) {
            let to = ids.iter().filter(|(o, id)| o == ontology && id != a).nth(dice.below(6)).unwrap().1;
            world.replaced.insert((*ontology, (*a).into()), to.into());
        }
    }
    for hpo in HPO {
        for ordo in ORDO {
            if dice.chance(12) {
                world.annotated.push((hpo.into(), ordo.into()));
            }
        }
    }
    world.pathways.insert("R-HSA-1".into(), vec!["TTN".into(), "C9ORF72".into()]);
    world.pathways.insert("R-HSA-2".into(), vec!["APOE".into()]);
    world
}

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

fn some<'a>(dice: &mut Dice, from: &[&'a str], most: usize) -> Vec<&'a str> {
    (0..dice.below(most + 1)).map(|_| *dice.pick(from)).collect()
}

fn observed(dice: &mut Dice, id: &str) -> Term {
    match dice.below(8) {
        0 => Term::excluded(id),
        1 => Term::qualified(id, 12),
        2 => Term::qualified(id, true),
        3 => Term::qualified(id, Value::Null),
        _ => Term::Present(id.to_owned()),
    }
}

fn number(dice: &mut Dice) -> Number {
    if dice.chance(40) {
        return Number::from(dice.below(12) as u64);
    }
    if dice.chance(10) {
        return Number::from(*dice.pick(&[i64::MIN, i64::MAX, -1]));
    }
    Number::from_f64(*dice.pick(&NUMBERS)).unwrap()
}

fn scalar(dice: &mut Dice, attribute: &str) -> Scalar {
    match attribute {
        "visits" | "Größe" => Scalar::Number(number(dice)),
        "site" => Scalar::Text((*dice.pick(&TEXTS)).into()),
        "smoker" => Scalar::Bool(dice.chance(50)),
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
pub fn subject(dice: &mut Dice, habits: &Habits, id: &str) -> Subject {
    let mut subject = Subject::new(id);
    if habits.has(dice, "hpo") {
        subject.hpo = some(dice, &HPO, 4).into_iter().map(|id| observed(dice, id)).collect();
    }
    if habits.has(dice, "ordo") {
        subject.ordo = some(dice, &ORDO, 3).into_iter().map(str::to_owned).collect();
    }
    if habits.has(dice, "snomed") {
        subject.snomed = some(dice, &SNOMED, 3).into_iter().map(|id| observed(dice, id)).collect();
    }
    if habits.has(dice, "ncit") {
        subject.ncit = vec!["C12345".into()];
    }
    if habits.has(dice, "alleles") {
        for _ in 0..dice.below(3) {
            let mut alleles: Vec<String> = some(dice, &ALLELES, 3).into_iter().map(str::to_owned).collect();
            dice.shuffle(&mut alleles);
            subject.alleles.push(GeneAlleles { gene: (*dice.pick(&GENES)).into(), alleles });
        }
    }
    if habits.has(dice, "variant") {
        subject.variant = (0..dice.below(4)).map(|_| variant(dice)).collect();
    }
    if habits.has(dice, "eav") {
        for attribute in &ATTRIBUTES[..6] {
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

/// A source as one to four changes that override and remove what came before.
pub fn changes(dice: &mut Dice) -> Vec<Change> {
    let habits = Habits::draw(dice);
    let size = *dice.pick(&[0, 1, 5, 20, 30, 40, 60]);
    let uuids = dice.chance(50);
    let ids: Vec<String> = (0..size)
        .map(|index| match uuids {
            true => {
                uuid::Uuid::from_u128(u128::from(dice.next()) << 64 | u128::from(dice.next())).to_string()
            }
            false => format!("Pátient {index}"),
        })
        .collect();
    let mut changes: Vec<Change> = vec![Change::default(); 1 + dice.below(4)];
    let parts = changes.len();
    for id in &ids {
        let first = dice.below(parts);
        for (index, change) in changes.iter_mut().enumerate().skip(first) {
            if index == first || dice.chance(25) {
                change.subjects.insert(id.clone(), subject(dice, &habits, id));
            } else if dice.chance(10) {
                change.removed.insert(id.clone());
            }
        }
    }
    changes
}

/// The filter families a builder is drawn from.
pub const FAMILIES: [&str; 7] = ["subject", "hpo", "ordo", "snomed", "genes", "variant", "eav"];

fn distinct(dice: &mut Dice, from: &[&str], most: usize) -> Vec<String> {
    let mut all: Vec<&str> = from.to_vec();
    dice.shuffle(&mut all);
    all.truncate(1 + dice.below(most));
    all.into_iter().map(str::to_owned).collect()
}

fn term_filter(dice: &mut Dice, from: &[&str]) -> TermFilter {
    let terms = distinct(dice, from, 5);
    TermFilter {
        minimum_match: 1 + if dice.chance(50) { 0 } else { dice.below(terms.len().min(3)) },
        terms,
        similarity: *dice.pick(&[0.0, 0.2, 0.5, 0.7, 0.9, 1.0, 1.0]),
        cross: dice.chance(25),
        include_descendants: dice.chance(20),
    }
}

fn age(dice: &mut Dice) -> AgeRange {
    let mut ends = [*dice.pick(&[0, 1, 16, 18, 40, 65]), *dice.pick(&[18, 65, 90, 99, 100])];
    ends.sort_unstable();
    AgeRange { min: (ends[0] > 0).then_some(ends[0]), max: (ends[1] < 100).then_some(ends[1]) }
}

fn eav(dice: &mut Dice) -> EavFilter {
    let attribute = (*dice.pick(&ATTRIBUTES)).to_owned();
    let numeric = match attribute.as_str() {
        "visits" | "Größe" => dice.chance(95),
        "site" | "smoker" => dice.chance(5),
        _ => dice.chance(50),
    };
    let relation = match numeric {
        true => *dice.pick(&Relation::ALL[4..]),
        false if attribute == "smoker" => *dice.pick(&Relation::ALL[..2]),
        false => *dice.pick(&Relation::ALL[..4]),
    };
    let value = match relation {
        Relation::StringIs | Relation::StringIsNot if attribute == "smoker" || dice.chance(15) => {
            json!(dice.chance(50))
        }
        Relation::StringIs | Relation::StringIsNot => json!(dice.pick(&TEXTS)),
        Relation::RegexContains | Relation::RegexDoesNotContain => json!(dice.pick(&REGEXES)),
        _ => Value::Number(number(dice)),
    };
    EavFilter { attribute, relation, value }
}

/// Adds a filter of a family.
pub fn add(dice: &mut Dice, family: &str, builder: &mut Builder) {
    match family {
        "subject" => {
            let subject = &mut builder.subject;
            match dice.below(6) {
                0 => subject.gender = Some(*dice.pick(&[Gender::Male, Gender::Female])),
                1 => subject.age = Some(age(dice)),
                2 => subject.age_first_diagnosis = Some(age(dice)),
                3 => subject.age_first_symptoms = Some(age(dice)),
                4 => subject.affected_only = true,
                _ => {
                    let mut types =
                        FamilyTypes { singleton: dice.chance(50), trio: dice.chance(50), family: false };
                    types.family = types == FamilyTypes::default();
                    subject.family_type = Some(types);
                }
            }
        }
        "hpo" => builder.hpo.push(term_filter(dice, &HPO)),
        "ordo" => builder.ordo.push(term_filter(dice, &ORDO)),
        "snomed" => {
            let terms = distinct(dice, &SNOMED, 4);
            let minimum_match = 1 + if dice.chance(70) { 0 } else { dice.below(terms.len().min(2)) };
            builder.snomed.push(ExactFilter { terms, minimum_match });
        }
        "genes" => {
            let entry = |dice: &mut Dice| GeneAlleles {
                gene: (*dice.pick(&GENES)).into(),
                alleles: some(dice, &ALLELES, 2).into_iter().map(str::to_owned).collect(),
            };
            let alleles = (0..1 + dice.below(3)).map(|_| entry(dice)).collect();
            builder.genes.push(GeneFilter { alleles });
        }
        "variant" => {
            let genes = distinct(dice, &GENES, 3);
            let reactome = some(dice, &["R-HSA-1", "R-HSA-2", "R-HSA-404"], 1);
            let mut mutation: Vec<Mutation> = Mutation::ALL[..4].to_vec();
            dice.shuffle(&mut mutation);
            mutation.truncate(dice.below(4));
            builder.variant.push(VariantFilter {
                genes,
                reactome: reactome.into_iter().map(str::to_owned).collect(),
                mutation,
                max_af: *dice.pick(&[1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001]),
                use_local_af: dice.chance(40),
            });
        }
        _ => builder.eav.push(eav(dice)),
    }
}

/// A builder with filters of one to three families, and those families.
pub fn builder(dice: &mut Dice) -> (Builder, Vec<&'static str>) {
    let mut builder = Builder::default();
    let mut families = FAMILIES.to_vec();
    dice.shuffle(&mut families);
    families.truncate(*dice.pick(&[1, 1, 1, 2, 2, 3]));
    for family in &families {
        add(dice, family, &mut builder);
        if dice.chance(15) {
            add(dice, family, &mut builder);
        }
    }
    let required = &mut builder.required;
    for flag in [
        &mut required.subject,
        &mut required.hpo,
        &mut required.ordo,
        &mut required.snomed,
        &mut required.genes,
        &mut required.variant,
        &mut required.eav,
        &mut required.subject_capability.age,
        &mut required.subject_capability.gender,
        &mut required.subject_capability.affected,
        &mut required.subject_capability.family_type,
    ] {
        *flag = dice.chance(8);
    }
    (builder, families)
}

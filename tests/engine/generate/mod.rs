//! Random sources and questions from a small vocabulary, so that filters meet data.
//!
//! Lives here: how large a source is and how it is spread over changes. Beside it: what subjects have
//! (`subjects.rs`), what is known of terms (`terms.rs`), what is asked and how it is spelled (`questions.rs`).
//! A source is drawn from its seed alone, so it is the same whichever thread draws it.

pub mod questions;
pub mod subjects;
pub mod terms;

use cv3_backend::domain::queries::Granularity;
use cv3_backend::domain::subjects::{EavValue, Gender, Scalar, Subject, Term};

use super::case::{Asked, Source};
use super::dice::Dice;
use super::source::Change;
use questions::Question;
use subjects::Habits;
use terms::Vocabulary;

/// Sizes of nineteen sources in twenty; half of them below 60, half above.
const SIZES: [usize; 15] = [0, 1, 2, 5, 20, 40, 50, 63, 70, 80, 90, 100, 120, 150, 200];

/// Every twentieth source is large.
const LARGE: u64 = 20;

/// Every five hundredth source spreads its subjects among so many plain ones that a chunk of 262,144 is exceeded.
const CROWDED: u64 = 500;
const CROWD: u32 = 280_000;

/// A source and the words to ask about it.
pub fn source(seed: u64) -> (Source, Vocabulary, Dice) {
    let mut dice = Dice(seed);
    let (terms, vocabulary) = terms::knowledge(&mut dice);
    let crowded = seed % CROWDED == CROWDED - 1;
    let size = match seed % LARGE == LARGE - 1 {
        _ if crowded => 200,
        true => 1_000 + dice.below(3_001),
        false => *dice.pick(&SIZES),
    };
    let mut changes = spread(&mut dice, &vocabulary, size, crowded || size % 2 == 0);
    if crowded {
        crowd(&mut dice, &vocabulary, &mut changes);
    }
    (Source { terms, changes }, vocabulary, dice)
}

/// A question to a source, at some level, rarely with an attribute withheld; one in ten is changed by every rule.
pub fn asked(dice: &mut Dice, vocabulary: &Vocabulary) -> (Asked, Question) {
    let question = questions::question(dice, vocabulary);
    let asked = Asked {
        question: question.text.clone(),
        withheld: dice.chance(15).then(|| "site".to_owned()).into_iter().collect(),
        level: *dice.pick(&Granularity::ALL),
        rules: dice.chance(10).then(|| dice.next()),
    };
    (asked, question)
}

/// The changes of a source that is not large, for tests that ask nothing.
pub fn changes(dice: &mut Dice) -> Vec<Change> {
    let (_, vocabulary) = terms::given(dice);
    let (size, uuids) = (*dice.pick(&SIZES), dice.chance(50));
    spread(dice, &vocabulary, size, uuids)
}

/// One to four changes that override and remove what came before.
pub fn spread(dice: &mut Dice, vocabulary: &Vocabulary, size: usize, uuids: bool) -> Vec<Change> {
    let habits = Habits::draw(dice);
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
                change.subjects.insert(id.clone(), subjects::subject(dice, &habits, vocabulary, id));
            } else if dice.chance(10) {
                change.removed.insert(id.clone());
            }
        }
    }
    if dice.chance(20) {
        changes[parts - 1].removed.insert("never there".into());
    }
    changes
}

/// Many subjects of few fields in the oldest change, their ids spread among UUIDs; later one in a hundred is removed.
fn crowd(dice: &mut Dice, vocabulary: &Vocabulary, changes: &mut [Change]) {
    let [oldest, later @ ..] = changes else { return };
    for index in 0..CROWD {
        let id = format!("{:08x}-plain", index * 15_000);
        let mut subject = Subject::new(&id);
        match dice.below(8) {
            0 => subject.hpo.push(Term::Present(dice.pick(&vocabulary.hpo).clone())),
            1 => subject.demo.age = Some(dice.below(100) as f64),
            2 => subject.demo.gender = Some(*dice.pick(&[Gender::Male, Gender::Female])),
            3 => {
                let visits = Scalar::Number(serde_json::Number::from(dice.below(12)));
                subject.eav.insert("visits".into(), EavValue::One(visits));
            }
            _ => {}
        }
        if let Some(last) = later.last_mut().filter(|_| dice.chance(1)) {
            last.removed.insert(id.clone());
        }
        oldest.subjects.insert(id, subject);
    }
}

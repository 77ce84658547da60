//! Thresholds of local allele frequency, tried yes or no until the number of alleles is known.

use std::collections::HashMap;

use cv3_backend::domain::queries::{Builder, Granularity};
use cv3_backend::domain::subjects::{Mutation, Subject};
use cv3_backend::engine::privacy::EPSILON;
use cv3_backend::engine::{Blur, Plan, Scope, SourceView, execute};
use serde_json::json;

use super::attack::{Outcome, SOURCES, chance};
use super::registry::{view_of, world};

const RECORDS: u64 = 400;
const CARRIERS: u64 = 60;

fn source(carriers: u64) -> SourceView {
    let subject = |n: u64| -> Subject {
        let variants =
            if n < carriers { json!([{"gene": "BRCA1", "mutation": "missense"}]) } else { json!([]) };
        serde_json::from_value(
            json!({"subjectId": format!("s{n:04}"), "HPO": ["0000001"], "VARIANT": variants}),
        )
        .unwrap()
    };
    view_of(&(0..RECORDS).map(subject).collect::<Vec<_>>())
}

/// Halves the interval of possible numbers with yes or no questions, which cost nothing; answers it and how many.
fn bisected(view: &SourceView, blur: Option<&Blur>) -> (u64, u32) {
    let (mut low, mut high, mut asked) = (0, 2 * RECORDS, 0);
    while low < high {
        let middle = (low + high) / 2;
        let max_af = (middle as f64 + 0.5) / (2.0 * RECORDS as f64);
        let variant =
            json!([{"genes": ["BRCA1"], "mutation": ["missense"], "maxAf": max_af, "useLocalAf": true}]);
        let builder = Builder::read(&json!({"variant": variant})).unwrap();
        let scope = Scope { level: Granularity::Boolean, ..Scope::default() };
        let plan = Plan::make_blurred(&builder, view, &world(), &scope, blur);
        let exist = !execute(&plan, view).unwrap().is_empty();
        if exist {
            high = middle
        } else {
            low = middle + 1
        }
        asked += 1;
    }
    (low, asked)
}

/// Why there is a blur, and that bisecting finds no more than what is blurred.
#[test]
fn thresholds_give_the_compared_number_and_below_count_it_is_blurred() {
    let view = source(CARRIERS);
    let (found, asked) = bisected(&view, None);
    println!("without blur: {found} alleles after {asked} questions");
    assert_eq!(found, CARRIERS);
    assert!(asked <= 10, "{asked}");
    let mut differ = 0;
    for number in 0..10 {
        let blur = Blur::new(b"a key of the tests", &format!("source {number}"), EPSILON);
        let compared = blur.alleles(CARRIERS, "brca1", Mutation::Missense);
        assert_eq!(bisected(&view, Some(&blur)).0, compared);
        differ += u32::from(compared != CARRIERS);
    }
    assert!(differ > 5, "{differ}");
}

/// One subject more or less has one allele or two; nothing is charged, and as much is known as ε allows.
#[rstest::rstest]
#[case::heterozygous(60, 61)]
#[case::homozygous(60, 62)]
#[case::the_first(0, 1)]
#[case::the_first_and_homozygous(0, 2)]
fn the_best_guess_at_alleles_is_bounded(#[case] without: u64, #[case] with: u64) {
    let [first, second] = [without, with].map(likelihoods);
    let mut right = 0;
    for number in 0..SOURCES {
        let coin = chance(u64::from(number));
        let state = (coin & 1) as usize;
        let blur = Blur::new(b"a key of the tests", &format!("source {number}"), EPSILON);
        // Asked as often as one likes: the same number.
        let seen = blur.alleles([without, with][state], "brca1", Mutation::Missense);
        assert_eq!(seen, blur.alleles([without, with][state], "brca1", Mutation::Missense));
        let guess = match first[&seen].total_cmp(&second[&seen]) {
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => (coin >> 1 & 1) as usize,
        };
        right += u32::from(guess == state);
    }
    let outcome = Outcome { charges: 1, success: f64::from(right) / f64::from(SOURCES) };
    outcome.holds(&format!("{without} or {with} alleles by thresholds"));
    assert!(outcome.success > 0.505, "the attack is a real one: {outcome:?}");
}

fn likelihoods(alleles: u64) -> HashMap<u64, f64> {
    let alpha = (-EPSILON / 2.0).exp();
    let mut seen = HashMap::new();
    for noise in -600..=600i64 {
        let number = (alleles as i64 + noise).max(0) as u64;
        *seen.entry(number).or_insert(0.0) += alpha.powi(noise.unsigned_abs() as i32);
    }
    seen
}

/// Data that come again, and other data.
#[test]
fn the_same_number_is_blurred_alike_and_another_anew() {
    let blur = |source: &str, epsilon| Blur::new(b"a key of the tests", source, epsilon);
    let of = |blur: &Blur, gene: &str, mutation| {
        (0..40).map(|n| blur.alleles(1_000 + n, gene, mutation)).collect::<Vec<_>>()
    };
    let one = of(&blur("s", EPSILON), "brca1", Mutation::Missense);
    assert_eq!(of(&blur("s", EPSILON), "brca1", Mutation::Missense), one);
    let differences: std::collections::BTreeSet<_> =
        one.windows(2).map(|pair| pair[1] as i64 - pair[0] as i64).collect();
    assert!(differences.len() > 10, "differences of the true numbers do not show: {differences:?}");
    for other in [
        of(&blur("t", EPSILON), "brca1", Mutation::Missense),
        of(&blur("s", 0.2), "brca1", Mutation::Missense),
        of(&blur("s", EPSILON), "brca2", Mutation::Missense),
        of(&blur("s", EPSILON), "brca1", Mutation::Splice),
    ] {
        assert_ne!(other, one);
    }
}

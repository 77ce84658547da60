//! n or n + 1: the attacker asks questions that each depend on one subject, and averages.

use super::attack::{Answer, SOURCES, attack};

/// Questions that all have `n` or `n + 1` subjects, each with a plan of its own.
fn answers(n: u64, record_count: u64, many: usize) -> Vec<Answer> {
    let plan = |number: usize| {
        let mut plan = [0; 32];
        plan[..8].copy_from_slice(&(number as u64).to_le_bytes());
        plan
    };
    (0..many).map(|number| Answer { plan: plan(number), states: [n, n + 1], record_count }).collect()
}

/// In the middle, at either end, where the interval is cut at both, and in a source of one subject.
#[rstest::rstest]
#[case::middle(500, 1_000)]
#[case::none_or_one(0, 1_000)]
#[case::all_but_one_or_all(999, 1_000)]
#[case::cut_at_both_ends(12, 25)]
#[case::one_subject(0, 1)]
fn the_best_guess_is_no_better_than_what_was_spent(#[case] n: u64, #[case] record_count: u64) {
    let outcomes = attack(SOURCES, &answers(n, record_count, 20), &[1, 5, 20]);
    for (outcome, many) in outcomes.iter().zip([1, 5, 20]) {
        assert_eq!(outcome.charges, many);
        outcome.holds(&format!("{n} or {} of {record_count}, {many} answers", n + 1));
    }
    if n == 500 {
        // The attack is a real one: it is at the bound for one answer, and more answers tell more.
        assert!(outcomes[0].success > 0.52 && outcomes[2].success > 0.6, "{outcomes:?}");
    }
}

/// What the budget is for: with five hundred draws the same attacker nearly always knows.
#[test]
fn without_a_budget_averaging_wins() {
    let outcomes = attack(400, &answers(500, 1_000, 500), &[500]);
    println!("500 answers: guessed {:.4}", outcomes[0].success);
    assert!(outcomes[0].success > 0.88, "{outcomes:?}");
}

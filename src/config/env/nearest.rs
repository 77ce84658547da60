//! The known variable that somebody probably meant.

use super::{PROCESS, UPSTREAM};
use crate::config::tree::tree;

/// Counts the letters to insert, drop or change to get from one text to the other (Levenshtein).
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Gives the known variable that differs least from the name (upper case).
pub fn nearest(name: &str) -> String {
    let keys = tree().values.iter().map(|known| known.env.as_str());
    let others = PROCESS.iter().map(|variable| variable.name).chain(UPSTREAM.iter().map(|(name, _)| *name));
    // The name of a variable has no natural bound, the comparison is quadratic.
    let name: String = name.chars().take(100).collect();
    keys.chain(others).min_by_key(|known| distance(&name, known)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// The definition, without the table.
    fn slow(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a_rest @ ..], [y, b_rest @ ..]) => {
                (slow(a_rest, b_rest) + usize::from(x != y)).min(slow(a_rest, b) + 1).min(slow(a, b_rest) + 1)
            }
        }
    }

    proptest! {
        #[test]
        fn the_distance_is_the_defined_one(a in "[ab_]{0,6}", b in "[ab_]{0,6}") {
            prop_assert_eq!(distance(&a, &b), slow(a.as_bytes(), b.as_bytes()));
        }
    }

    #[rstest]
    #[case("CV3_MONGODB__HOTS", "CV3_MONGODB__HOST")]
    #[case("CV3_MONGODB_HOST", "CV3_MONGODB__HOST")]
    #[case("CV3_BNID", "CV3_BIND")]
    #[case("CV3_VAULT_ROLE_ID", "CV3_VAULT__ROLEID")]
    fn a_slip_leads_to_the_name_that_was_meant(#[case] written: &str, #[case] meant: &str) {
        assert_eq!(nearest(written), meant);
    }
}

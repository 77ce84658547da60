//! Every permitted level with every requested one, and every number around the minimum (specification §8.5, §8.6).

use cv3_backend::domain::groups::Permit;
use cv3_backend::domain::queries::{Granularity, RecordRange};
use cv3_backend::engine::privacy::{EPSILON, Noise, Shaped, interval, shape};

const RECORDS: u64 = 1_000;

fn noise() -> Noise<'static> {
    Noise { key: b"k", acting: "ada", source_id: "s", data_version: 1, plan: [7; 32], epsilon: EPSILON }
}

/// Rows: permitted; columns: requested; both from noAccess to detailedList. What is said: nothing, yes or no, a range,
/// a count, ids, documents.
const CELLS: [[char; 6]; 6] = [
    ['-', '-', '-', '-', '-', '-'],
    ['-', 'b', 'b', 'b', 'b', 'b'],
    ['-', 'b', 'r', 'r', 'r', 'r'],
    ['-', 'b', 'r', 'c', 'c', 'c'],
    ['-', 'b', 'r', 'c', 'l', 'l'],
    ['-', 'b', 'r', 'c', 'l', 'd'],
];

/// What is said of a number under a minimum, per level: `no`, `yes`, `below` (0 to minimum − 1), `noisy`, `exact`.
#[rstest::rstest]
#[case(0, 0, false, ["no", "noisy", "exact", "exact"])]
#[case(1, 0, false, ["yes", "noisy", "exact", "exact"])]
#[case(7, 0, false, ["yes", "noisy", "exact", "exact"])]
#[case(1_000, 0, false, ["yes", "noisy", "exact", "exact"])]
#[case(0, 1, false, ["no", "noisy", "exact", "exact"])]
#[case(1, 1, false, ["yes", "noisy", "exact", "exact"])]
#[case(0, 5, false, ["no", "below", "below", "below"])]
#[case(1, 5, false, ["no", "below", "below", "below"])]
#[case(4, 5, false, ["no", "below", "below", "below"])]
#[case(5, 5, false, ["yes", "noisy", "exact", "exact"])]
#[case(0, 5, true, ["no", "below", "below", "exact"])]
#[case(4, 5, true, ["no", "below", "below", "exact"])]
#[case(5, 5, true, ["yes", "noisy", "exact", "exact"])]
// A minimum beyond the source hides everything in it.
#[case(0, 2_000, false, ["no", "below", "below", "below"])]
#[case(1_000, 2_000, false, ["no", "below", "below", "below"])]
fn each_cell_says_its_own_and_no_more(
    #[case] n: u64,
    #[case] minimum_count: u64,
    #[case] list_below_minimum: bool,
    #[case] said: [&str; 4],
) {
    let below = Some(RecordRange { min: 0, max: minimum_count.saturating_sub(1) });
    let drawn = interval(n, RECORDS, &noise());
    for (level, row) in Granularity::ALL.into_iter().zip(CELLS) {
        let permit = Permit { level, minimum_count, list_below_minimum };
        for (requested, cell) in Granularity::ALL.into_iter().zip(row) {
            let column = match cell {
                'b' => said[0],
                'r' => said[1],
                'c' => said[2],
                'l' | 'd' => said[3],
                _ => "nothing",
            };
            let lists = matches!(cell, 'l' | 'd') && column == "exact";
            let expected = match column {
                "nothing" => Shaped::default(),
                "no" | "yes" => Shaped { exist: Some(column == "yes"), ..Shaped::default() },
                "below" => Shaped { exist: Some(true), range: below, ..Shaped::default() },
                "noisy" => Shaped { exist: Some(drawn.max > 0), range: Some(drawn), ..Shaped::default() },
                _ => Shaped {
                    exist: Some(n > 0),
                    count: Some(n),
                    lists_subjects: lists,
                    shows_documents: lists && cell == 'd',
                    ..Shaped::default()
                },
            };
            let what = format!("{requested:?} asked of {level:?}, {n} with a minimum of {minimum_count}");
            assert_eq!(shape(n, RECORDS, requested, &permit, &noise()), expected, "{what}");
        }
    }
}

/// Whatever is below the minimum is one answer, field for field, at each level below `list`.
#[test]
fn below_the_minimum_every_number_is_the_same_answer() {
    for k in [2, 3, 5, 20] {
        for level in Granularity::ALL {
            for requested in Granularity::ALL.into_iter().filter(|asked| *asked < Granularity::List) {
                for list_below_minimum in [false, true] {
                    let permit = Permit { level, minimum_count: k, list_below_minimum };
                    let said = |n: u64, plan: u8| {
                        shape(n, RECORDS, requested, &permit, &Noise { plan: [plan; 32], ..noise() })
                    };
                    let none = said(0, 0);
                    assert!((1..k).all(|n| said(n, n as u8) == none), "{requested:?} of {level:?}, {k}");
                }
            }
        }
    }
}

//! A damaged part is refused or, where the damage is made to look whole, answers without panic.

use cv3_backend::domain::queries::Builder;
use cv3_backend::engine::{IndexRules, Part, PartBuilder, PartError, Plan, Scope, SourceView, execute};
use std::sync::Arc;

use super::dice::Dice;
use super::generate;
use super::generate::terms::Vocabulary;
use super::source::{Change, part_bytes};

fn sample(dice: &mut Dice, vocabulary: &Vocabulary) -> Change {
    loop {
        let size = *dice.pick(&[20, 30, 40, 60]);
        let change = generate::spread(dice, vocabulary, size, true).pop().unwrap();
        if change.subjects.len() > 5 && !change.removed.is_empty() {
            return change;
        }
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_refused() {
    let mut dice = Dice(1);
    let (_, vocabulary) = generate::terms::given(&mut dice);
    let bytes = part_bytes(&sample(&mut dice, &vocabulary));
    Part::from_bytes(bytes.clone()).unwrap();
    for _ in 0..2_000 {
        let mut damaged = bytes.clone();
        let at = dice.below(damaged.len());
        damaged[at] ^= 1 << dice.below(8);
        assert!(matches!(Part::from_bytes(damaged), Err(PartError::Corrupt(_))), "byte {at}");
        let cut = dice.below(bytes.len());
        assert!(
            matches!(Part::from_bytes(bytes[..cut].to_vec()), Err(PartError::Corrupt(_))),
            "cut at {cut}"
        );
    }
}

/// XXH64 of everything before it, as the format asks: what a faulty writer would produce.
fn reseal(bytes: &mut [u8]) {
    let body = bytes.len() - 8;
    let sum = xxh64(&bytes[..body]);
    bytes[body..].copy_from_slice(&sum.to_le_bytes());
}

fn xxh64(bytes: &[u8]) -> u64 {
    const P: [u64; 5] = [
        11_400_714_785_074_694_791,
        14_029_467_366_897_019_727,
        1_609_587_929_392_839_161,
        9_650_029_242_287_828_579,
        2_870_177_450_012_600_261,
    ];
    let word = |b: &[u8]| u64::from_le_bytes(b[..8].try_into().unwrap());
    let round =
        |acc: u64, input: u64| acc.wrapping_add(input.wrapping_mul(P[1])).rotate_left(31).wrapping_mul(P[0]);
    let mut lanes = [P[0].wrapping_add(P[1]), P[1], 0, 0u64.wrapping_sub(P[0])];
    let stripes = bytes.len() / 32 * 32;
    for stripe in bytes[..stripes].chunks(32) {
        (0..4).for_each(|i| lanes[i] = round(lanes[i], word(&stripe[8 * i..])));
    }
    let turns = [1, 7, 12, 18];
    let mut sum = (0..4).fold(0u64, |sum, i| sum.wrapping_add(lanes[i].rotate_left(turns[i])));
    for lane in lanes {
        sum = (sum ^ round(0, lane)).wrapping_mul(P[0]).wrapping_add(P[3]);
    }
    sum = sum.wrapping_add(bytes.len() as u64);
    let mut rest = &bytes[stripes..];
    while rest.len() >= 8 {
        sum = (sum ^ round(0, word(rest))).rotate_left(27).wrapping_mul(P[0]).wrapping_add(P[3]);
        rest = &rest[8..];
    }
    if rest.len() >= 4 {
        let input = u64::from(u32::from_le_bytes(rest[..4].try_into().unwrap()));
        sum = (sum ^ input.wrapping_mul(P[0])).rotate_left(23).wrapping_mul(P[1]).wrapping_add(P[2]);
        rest = &rest[4..];
    }
    for byte in rest {
        sum = (sum ^ u64::from(*byte).wrapping_mul(P[4])).rotate_left(11).wrapping_mul(P[0]);
    }
    sum = (sum ^ (sum >> 33)).wrapping_mul(P[1]);
    sum = (sum ^ (sum >> 29)).wrapping_mul(P[2]);
    sum ^ (sum >> 32)
}

#[test]
fn damage_under_a_right_checksum_never_panics() {
    let mut dice = Dice(2);
    let (world, vocabulary) = generate::terms::given(&mut dice);
    let (mut refused, mut opened) = (0, 0);
    for _ in 0..20 {
        let bytes = part_bytes(&sample(&mut dice, &vocabulary));
        for _ in 0..150 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + dice.below(3) {
                // Half of the damage goes where places and counts are.
                let from = if dice.chance(50) { damaged.len() * 2 / 3 } else { 12 };
                let at = from + dice.below(damaged.len() - 8 - from);
                damaged[at] = *dice.pick(&[0, 1, 0x7F, 0xFF, damaged[at] ^ 1, damaged[at].wrapping_add(1)]);
            }
            reseal(&mut damaged);
            let Ok(part) = Part::from_bytes(damaged) else {
                refused += 1;
                continue;
            };
            opened += 1;
            let view = SourceView::open(vec![Arc::new(part)]);
            view.index(&IndexRules::default());
            for _ in 0..10 {
                let question = generate::questions::question(&mut dice, &vocabulary);
                let builder = Builder::read(&question.text).unwrap();
                let plan = Plan::make(&builder, &view, &world, &Scope::default());
                let hits = execute(&plan, &view).unwrap();
                assert!(hits.len() <= view.record_count());
                let _: usize = hits.into_ids().map(|id| id.len()).sum();
            }
        }
    }
    println!("{refused} refused, {opened} opened");
    assert!(refused > 300 && opened > 300, "the damage is too mild or too gross: {refused}, {opened}");
}

#[test]
fn another_version_and_foreign_files_are_refused() {
    let mut bytes = Vec::new();
    PartBuilder::new("r").finish(&mut bytes).unwrap();
    assert_eq!(Part::from_bytes(bytes.clone()).unwrap().subjects(), 0);
    bytes[8] = 2;
    reseal(&mut bytes);
    assert!(matches!(Part::from_bytes(bytes), Err(PartError::Corrupt("head"))));
    assert!(Part::from_bytes(b"subjectId,HPO\n".to_vec()).is_err());
    assert!(Part::from_bytes(Vec::new()).is_err());
}

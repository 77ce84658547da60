//! How much of a count is said: levels, small counts, and intervals instead of numbers (specification §8.5, §8.6).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::groups::Permit;
use crate::domain::queries::{Granularity, RecordRange};

/// What a range answer's noise is drawn from. The same asker, data and plan always get the same interval, so
/// asking again averages nothing out. Whatever changes the draw is in here, and what is in here is what a charge is
/// for ([`Noise::charge_id`]): no draw is free that another was paid for.
#[derive(Debug, Clone, Copy)]
pub struct Noise<'a> {
    /// The privacy key: derived for this use alone.
    pub key: &'a [u8],
    /// Acting id.
    pub acting: &'a str,
    pub source_id: &'a str,
    pub data_version: u64,
    /// [`super::Plan::digest`].
    pub plan: [u8; 32],
    /// Privacy loss per fresh answer; the specification's default is [`EPSILON`].
    pub epsilon: f64,
}

/// Default ε of one interval.
pub const EPSILON: f64 = 0.15;

/// What one source may say about a number of matches; absent fields stay unsaid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shaped {
    pub exist: Option<bool>,
    pub range: Option<RecordRange>,
    pub count: Option<u64>,
    /// Subject ids may follow (`list` and `detailedList`).
    pub lists_subjects: bool,
    /// Whole documents may follow (`detailedList`).
    pub shows_documents: bool,
}

/// Says of `n` matches among `record_count` subjects what the effective level and the permit allow.
///
/// `effective` is the smaller of requested and permitted level; below `boolean` nothing is said. Fewer matches
/// than `permit.minimum_count` look exactly like none.
pub fn shape(
    n: u64,
    record_count: u64,
    effective: Granularity,
    permit: &Permit,
    noise: &Noise<'_>,
) -> Shaped {
    let level = effective.min(permit.level);
    let k = permit.minimum_count;
    let small = is_small(n, permit);
    match level {
        Granularity::NoAccess => Shaped::default(),
        Granularity::Boolean => Shaped { exist: Some(n > 0 && !small), ..Shaped::default() },
        Granularity::Range | Granularity::Count if small => hidden(k),
        Granularity::Range => {
            let range = interval(n, record_count, noise);
            Shaped { exist: Some(range.max >= 1), range: Some(range), ..Shaped::default() }
        }
        Granularity::Count => Shaped { exist: Some(n > 0), count: Some(n), ..Shaped::default() },
        Granularity::List | Granularity::DetailedList if small && !permit.list_below_minimum => hidden(k),
        Granularity::List | Granularity::DetailedList => Shaped {
            exist: Some(n > 0),
            count: Some(n),
            lists_subjects: true,
            shows_documents: level == Granularity::DetailedList,
            ..Shaped::default()
        },
    }
}

/// Whether `n` is too few to be told from none. Such an answer is the same for every small `n` and needs no noise.
pub fn is_small(n: u64, permit: &Permit) -> bool {
    // With k = 1 there is nothing between none and enough; an exact zero would only be given away.
    permit.minimum_count > 1 && n < permit.minimum_count
}

/// A number below `k`, zero included: only that it is below, in the form of a range answer.
fn hidden(k: u64) -> Shaped {
    let range = RecordRange { min: 0, max: k.saturating_sub(1) };
    Shaped { exist: Some(range.max >= 1), range: Some(range), ..Shaped::default() }
}

impl Noise<'_> {
    /// Names the draw in the record of what was paid for: same draw, same id. Says nothing without the key.
    pub fn charge_id(&self) -> String {
        self.tag(b"cv3 range charge 1").iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// 64 uniform bits that only the holder of the key can compute.
    fn uniform(&self) -> u64 {
        self.tag(b"cv3 range noise 2").first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn tag(&self, purpose: &[u8]) -> [u8; 32] {
        // HMAC takes keys of any length; the error arm is for MACs that do not.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key) else { return [0; 32] };
        let version = self.data_version.to_le_bytes();
        // One draw under two ε would tell more than both together cost.
        let epsilon = self.epsilon().to_bits().to_le_bytes();
        // Lengths first: no two different inputs are one byte string.
        for part in
            [purpose, self.acting.as_bytes(), self.source_id.as_bytes(), &version, &epsilon, &self.plan]
        {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn epsilon(&self) -> f64 {
        if self.epsilon.is_finite() && self.epsilon > 0.0 { self.epsilon } else { EPSILON }
    }
}

/// The interval published for `n`: ± w around the noisy number, cut to what is possible; covers n in 95 of 100
/// draws or more.
pub fn interval(n: u64, record_count: u64, noise: &Noise<'_>) -> RecordRange {
    let epsilon = noise.epsilon();
    let noisy = i128::from(n) + i128::from(draw(noise.uniform(), epsilon));
    let width = (20f64.ln() / epsilon).ceil() as i128;
    let cut = |value: i128| u64::try_from(value.max(0)).unwrap_or(u64::MAX);
    let max = cut(noisy + width).min(record_count);
    RecordRange { min: cut(noisy - width).min(max), max }
}

/// Two-sided geometric noise, P(z) ∝ e^(−ε|z|) (Ghosh, Roughgarden and Sundararajan 2009), by inverting its
/// distribution function.
pub(super) fn draw(bits: u64, epsilon: f64) -> i64 {
    let alpha = (-epsilon).exp();
    let negative = bits & 1 == 1;
    // 53 bits, never 0 nor 1.
    let u = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    // |z| ≥ m ≥ 1 has probability 2α^m ÷ (1 + α).
    let size = ((u * (1.0 + alpha) / 2.0).ln() / -epsilon).floor().max(0.0);
    let size = size.min(1e15) as i64;
    if negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(plan: u8) -> Noise<'static> {
        let plan = [plan; 32];
        Noise { key: b"key", acting: "ada", source_id: "s", data_version: 3, plan, epsilon: EPSILON }
    }

    fn permit(level: Granularity, minimum_count: u64) -> Permit {
        Permit { level, minimum_count, list_below_minimum: false }
    }

    fn range(min: u64, max: u64) -> Option<RecordRange> {
        Some(RecordRange { min, max })
    }

    #[rstest::rstest]
    #[case::nothing(Granularity::NoAccess, 7, 0, Shaped::default())]
    #[case::yes(Granularity::Boolean, 7, 0, Shaped { exist: Some(true), ..Shaped::default() })]
    #[case::no(Granularity::Boolean, 0, 0, Shaped { exist: Some(false), ..Shaped::default() })]
    #[case::small_is_no(Granularity::Boolean, 4, 5, Shaped { exist: Some(false), ..Shaped::default() })]
    #[case::at_the_minimum(Granularity::Boolean, 5, 5, Shaped { exist: Some(true), ..Shaped::default() })]
    #[case::a_minimum_of_one_hides_nothing(Granularity::Count, 0, 1, Shaped { exist: Some(false), count: Some(0), ..Shaped::default() })]
    #[case::number(Granularity::Count, 7, 5, Shaped { exist: Some(true), count: Some(7), ..Shaped::default() })]
    #[case::zero(Granularity::Count, 0, 0, Shaped { exist: Some(false), count: Some(0), ..Shaped::default() })]
    #[case::small(Granularity::Count, 4, 5, Shaped { exist: Some(true), range: range(0, 4), ..Shaped::default() })]
    #[case::small_zero(Granularity::Count, 0, 5, Shaped { exist: Some(true), range: range(0, 4), ..Shaped::default() })]
    #[case::small_range(Granularity::Range, 4, 5, Shaped { exist: Some(true), range: range(0, 4), ..Shaped::default() })]
    #[case::small_list(Granularity::List, 4, 5, Shaped { exist: Some(true), range: range(0, 4), ..Shaped::default() })]
    #[case::list(Granularity::List, 7, 5, Shaped { exist: Some(true), count: Some(7), lists_subjects: true, ..Shaped::default() })]
    #[case::detailed(Granularity::DetailedList, 7, 0, Shaped { exist: Some(true), count: Some(7), lists_subjects: true, shows_documents: true, ..Shaped::default() })]
    fn each_level_says_its_own_and_no_more(
        #[case] level: Granularity,
        #[case] n: u64,
        #[case] k: u64,
        #[case] shaped: Shaped,
    ) {
        assert_eq!(shape(n, 100, level, &permit(level, k), &noise(1)), shaped);
    }

    #[test]
    fn a_request_beyond_the_permit_is_answered_at_the_permit() {
        let shaped = shape(7, 100, Granularity::DetailedList, &permit(Granularity::Boolean, 0), &noise(1));
        assert_eq!(shaped, Shaped { exist: Some(true), ..Shaped::default() });
    }

    #[test]
    fn small_lists_are_given_where_the_group_says_so() {
        let permit = Permit { level: Granularity::List, minimum_count: 5, list_below_minimum: true };
        assert!(shape(2, 100, Granularity::List, &permit, &noise(1)).lists_subjects);
    }

    /// The specification's example: 50 true and noise −5 give 25–65.
    #[test]
    fn the_width_at_the_default_epsilon_is_twenty() {
        assert_eq!((20f64.ln() / EPSILON).ceil() as i64, 20);
        let range =
            (0..=255).map(|plan| interval(50, 1_000, &noise(plan))).find(|range| range.min == 25).unwrap();
        assert_eq!(range.max, 65);
    }

    #[test]
    fn the_same_question_gets_the_same_interval_and_another_person_another() {
        let one = interval(50, 1_000, &noise(1));
        assert_eq!(interval(50, 1_000, &noise(1)), one);
        let others: Vec<_> = ["bob", "eve", "mallory", "trent"]
            .map(|acting| interval(50, 1_000, &Noise { acting, ..noise(1) }))
            .into_iter()
            .filter(|other| *other != one)
            .collect();
        assert!(!others.is_empty());
    }

    /// Whatever gives another draw has to be paid for, and nothing else.
    #[test]
    fn another_draw_is_another_charge() {
        let one = noise(1);
        let others = [
            Noise { acting: "bob", ..one },
            Noise { source_id: "t", ..one },
            Noise { data_version: 4, ..one },
            Noise { plan: [2; 32], ..one },
            Noise { epsilon: 0.2, ..one },
            Noise { key: b"another", ..one },
            // The same letters, cut elsewhere.
            Noise { acting: "ad", source_id: "as", ..one },
        ];
        assert_eq!(noise(1).charge_id(), one.charge_id());
        for other in others {
            assert_ne!(other.charge_id(), one.charge_id(), "{other:?}");
            assert_ne!(other.uniform(), one.uniform(), "{other:?}");
        }
    }

    #[test]
    fn intervals_stay_within_what_is_possible() {
        for plan in 0..=255 {
            for (n, all) in [(0, 0), (0, 3), (3, 3), (500, 501)] {
                let range = interval(n, all, &noise(plan));
                assert!(range.min <= range.max && range.max <= all, "{n} of {all}: {range:?}");
            }
        }
    }

    #[test]
    fn nineteen_in_twenty_intervals_cover_the_truth_and_noise_is_centred() {
        let draws: Vec<i64> =
            (0..20_000u64).map(|i| draw(Noise { data_version: i, ..noise(1) }.uniform(), EPSILON)).collect();
        let covering = draws.iter().filter(|noise| noise.abs() <= 20).count();
        assert!(covering >= 19_000, "{covering}");
        // The standard deviation of one draw is √(2α) ÷ (1 − α) = 9.4, of the mean 0.07.
        let mean = draws.iter().sum::<i64>() as f64 / draws.len() as f64;
        assert!(mean.abs() < 0.4, "{mean}");
        let zero = draws.iter().filter(|noise| **noise == 0).count() as f64 / draws.len() as f64;
        let alpha = (-EPSILON).exp();
        assert!((zero - (1.0 - alpha) / (1.0 + alpha)).abs() < 0.01, "{zero}");
    }
}

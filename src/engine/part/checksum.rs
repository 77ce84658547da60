//! XXH64, the checksum of a part (xxHash specification 0.1.1, seed 0): detects damage, not forgery. Parts come by
//! a SHA-256 name, which does the latter.

const PRIMES: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];

/// A running checksum.
#[derive(Debug, Clone)]
pub(super) struct Checksum {
    lanes: [u64; 4],
    total: u64,
    carry: [u8; 32],
    held: usize,
}

fn round(lane: u64, input: u64) -> u64 {
    lane.wrapping_add(input.wrapping_mul(PRIMES[1])).rotate_left(31).wrapping_mul(PRIMES[0])
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn stripe(lanes: &mut [u64; 4], stripe: &[u8]) {
    for (lane, input) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
        *lane = round(*lane, word(input));
    }
}

impl Checksum {
    pub(super) fn new() -> Self {
        let [p0, p1, ..] = PRIMES;
        Self { lanes: [p0.wrapping_add(p1), p1, 0, 0u64.wrapping_sub(p0)], total: 0, carry: [0; 32], held: 0 }
    }

    /// Of one slice.
    pub(super) fn of(bytes: &[u8]) -> u64 {
        let mut sum = Self::new();
        sum.update(bytes);
        sum.finish()
    }

    /// Takes more bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.total = self.total.wrapping_add(bytes.len() as u64);
        if self.held > 0 {
            let room = self.carry.get_mut(self.held..).unwrap_or_default();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.held += now.len();
            bytes = later;
            if self.held < self.carry.len() {
                return;
            }
            stripe(&mut self.lanes, &self.carry);
            self.held = 0;
        }
        let mut stripes = bytes.chunks_exact(32);
        for full in &mut stripes {
            stripe(&mut self.lanes, full);
        }
        let rest = stripes.remainder();
        self.carry.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.held = rest.len();
    }

    /// The checksum of everything taken.
    pub(super) fn finish(&self) -> u64 {
        let [p0, p1, p2, p3, p4] = PRIMES;
        let [a, b, c, d] = self.lanes;
        let mut sum = if self.total >= 32 {
            let turned = [a.rotate_left(1), b.rotate_left(7), c.rotate_left(12), d.rotate_left(18)];
            let start = turned.into_iter().fold(0u64, u64::wrapping_add);
            self.lanes
                .into_iter()
                .fold(start, |sum, lane| (sum ^ round(0, lane)).wrapping_mul(p0).wrapping_add(p3))
        } else {
            p4
        };
        sum = sum.wrapping_add(self.total);
        let mut left = self.carry.get(..self.held).unwrap_or_default();
        while let Some((eight, rest)) = left.split_first_chunk::<8>() {
            sum = (sum ^ round(0, u64::from_le_bytes(*eight)))
                .rotate_left(27)
                .wrapping_mul(p0)
                .wrapping_add(p3);
            left = rest;
        }
        if let Some((four, rest)) = left.split_first_chunk::<4>() {
            let input = u64::from(u32::from_le_bytes(*four)).wrapping_mul(p0);
            sum = (sum ^ input).rotate_left(23).wrapping_mul(p1).wrapping_add(p2);
            left = rest;
        }
        for byte in left {
            sum = (sum ^ u64::from(*byte).wrapping_mul(p4)).rotate_left(11).wrapping_mul(p0);
        }
        sum = (sum ^ (sum >> 33)).wrapping_mul(p1);
        sum = (sum ^ (sum >> 29)).wrapping_mul(p2);
        sum ^ (sum >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values of the xxHash project.
    #[rstest::rstest]
    #[case(b"", 0xEF46_DB37_51D8_E999)]
    #[case(b"a", 0xD24E_C4F1_A98C_6E5B)]
    #[case(b"abc", 0x44BC_2CF5_AD77_0999)]
    #[case(b"Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1)]
    fn known_texts_have_known_sums(#[case] text: &[u8], #[case] sum: u64) {
        assert_eq!(Checksum::of(text), sum);
    }

    #[test]
    fn the_sum_does_not_depend_on_how_bytes_arrive() {
        let bytes: Vec<u8> = (0..1_000u32).map(|i| (i * 7) as u8).collect();
        for step in [1, 3, 31, 32, 33, 64, 999] {
            let mut sum = Checksum::new();
            bytes.chunks(step).for_each(|piece| sum.update(piece));
            assert_eq!(sum.finish(), Checksum::of(&bytes), "pieces of {step}");
        }
    }
}

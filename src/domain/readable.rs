//! Secrets that people type: 128 bits in Crockford's base 32, in groups.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Writes 128 bits as `XXXXX-XXXXX-XXXXX-XXXXX-XXXXXX` (26 characters, 4 hyphens).
pub fn readable(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    let mut text = String::with_capacity(30);
    for place in (0..26).rev() {
        let digit = usize::try_from((number >> (5 * place)) & 31).unwrap_or_default();
        text.push(ALPHABET.get(digit).copied().map_or('0', char::from));
        // Five groups; the last has six.
        if place % 5 == 1 && place > 1 {
            text.push('-');
        }
    }
    text
}

/// Undoes what people do when they type one: lower case, spaces, O for 0, I and L for 1.
pub fn retyped(text: &str) -> String {
    let plain = text.chars().filter(|c| c.is_ascii_alphanumeric());
    plain
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_groups_are_short_enough_to_read_aloud() {
        assert_eq!(readable([0xff; 16]), "7ZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZZ");
        assert_eq!(readable([0; 16]), "00000-00000-00000-00000-000000");
    }

    #[test]
    fn what_is_easily_mistaken_is_the_same() {
        assert_eq!(retyped(" o1l-i 9z\n"), "01119Z");
    }

    proptest! {
        #[test]
        fn no_two_secrets_look_alike(a: u128, b: u128) {
            let text = |n: u128| retyped(&readable(n.to_be_bytes()));
            prop_assert_eq!(a == b, text(a) == text(b));
            prop_assert_eq!(u128::from_str_radix(&format!("{a:x}"), 16).unwrap(), decode(&text(a)));
        }
    }

    fn decode(text: &str) -> u128 {
        text.bytes()
            .fold(0, |n, c| n << 5 | u128::try_from(ALPHABET.iter().position(|a| *a == c).unwrap()).unwrap())
    }
}

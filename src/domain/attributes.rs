//! Names of attributes as stored: MongoDB keys cannot safely hold `.` or a leading `$` (specification §6.1).

/// The stored form of an attribute's name: `.` and a leading `$` percent-encoded, `%` only where it would be read as
/// such an encoding, so that [`shown_name`] gives the name back.
pub fn stored_name(name: &str) -> String {
    let mut stored = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        match c {
            '.' => stored.push_str("%2E"),
            '$' if at == 0 => stored.push_str("%24"),
            '%' if name.get(at..).and_then(decoded).is_some() => stored.push_str("%25"),
            '\0' => stored.push('\u{FFFD}'),
            c => stored.push(c),
        }
    }
    stored
}

/// The name an attribute had before it was stored.
pub fn shown_name(stored: &str) -> String {
    let mut name = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some(c) = rest.chars().next() {
        let (c, length) = decoded(rest).map_or((c, c.len_utf8()), |c| (c, 3));
        name.push(c);
        rest = rest.get(length..).unwrap_or_default();
    }
    name
}

/// The character one of the three encodings at the start of the text stands for.
fn decoded(text: &str) -> Option<char> {
    match text.as_bytes() {
        [b'%', b'2', b'E' | b'e', ..] => Some('.'),
        [b'%', b'2', b'4', ..] => Some('$'),
        [b'%', b'2', b'5', ..] => Some('%'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("Platelet count-0.0", "Platelet count-0%2E0")]
    #[case("$where", "%24where")]
    #[case("a$b", "a$b")]
    #[case("100%", "100%")]
    #[case("%2E", "%252E")]
    #[case("a.b.", "a%2Eb%2E")]
    fn points_and_a_leading_dollar_are_encoded(#[case] name: &str, #[case] stored: &str) {
        assert_eq!(stored_name(name), stored);
    }

    proptest::proptest! {
        #[test]
        fn a_stored_name_is_safe_and_gives_the_name_back(name in "[a%.$2Ee45é]{0,12}") {
            let stored = stored_name(&name);
            assert!(!stored.contains('.') && !stored.starts_with('$'));
            assert_eq!(shown_name(&stored), name);
        }
    }
}

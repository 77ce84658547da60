//! Term ids as clients write them, to ids as subjects store them.

/// The three vocabularies of term filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    Hpo,
    Ordo,
    Snomed,
}

/// The id without namespace prefix; `None` when it is no id of the vocabulary (patterns of specification §8.1).
pub(super) fn local(vocabulary: Vocabulary, text: &str) -> Option<String> {
    let prefixes: &[&str] = match vocabulary {
        Vocabulary::Hpo => &["HP", "HPO"],
        Vocabulary::Ordo => &["ORPHA", "Orphanet", "ORDO"],
        Vocabulary::Snomed => &["SNOMEDCT", "SNOMED", "SCTID", "SCT"],
    };
    let text = text.trim();
    let digits = match text.split_once([':', '_']) {
        Some((prefix, rest)) if prefixes.iter().any(|known| known.eq_ignore_ascii_case(prefix)) => rest,
        Some(_) => return None,
        None => text,
    };
    let lengths = match vocabulary {
        Vocabulary::Hpo => 7..=7,
        Vocabulary::Ordo => 1..=6,
        Vocabulary::Snomed => 6..=18,
    };
    if !lengths.contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match vocabulary {
        // Orphanet numbers are numbers: 0558 is 558.
        Vocabulary::Ordo => digits.parse::<u32>().ok().map(|number| number.to_string()),
        _ => Some(digits.to_owned()),
    }
}

/// What an id of the vocabulary looks like.
pub(super) fn expected(vocabulary: Vocabulary) -> &'static str {
    match vocabulary {
        Vocabulary::Hpo => "an HPO id: seven digits, with or without HP:",
        Vocabulary::Ordo => "an Orphanet number: 1 to 6 digits, with or without ORPHA:",
        Vocabulary::Snomed => "a SNOMED CT id: 6 to 18 digits",
    }
}

//! Words that can be told over the telephone: the English list of BIP-39, as the peers use it (federation notes §2).

/// One word a line; where it is from stands beside it, in `bip39-english.LICENSE`.
const LIST: &str = include_str!("bip39-english.txt");

/// How many words there are.
const WORDS: u16 = 2_048;

/// The word of a number; every word has as many numbers as every other.
pub fn word(number: u16) -> &'static str {
    LIST.lines().nth(usize::from(number % WORDS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_list_is_the_published_one_and_no_two_words_are_the_same() {
        let digest: String = Sha256::digest(LIST).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
        let all: std::collections::BTreeSet<_> = (0..WORDS).map(word).collect();
        assert_eq!(all.len(), 2_048);
        assert!(all.iter().all(|word| (3..=8).contains(&word.len())));
        assert_eq!([word(0), word(2_047), word(2_048)], ["abandon", "zoo", "abandon"]);
    }
}

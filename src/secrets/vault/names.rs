//! How the names of secrets and keys look in Vault's paths.
//!
//! A secret's name is its path, a `/` in it a folder. Vault refuses some paths and folds others into one, so characters
//! other than letters, digits and `-_.:@` are written as `~` and their two hexadecimal digits, an empty part as `~`
//! alone. What the original names has none of these and stays as it is.

use crate::secrets::SecretsError;

/// Bytes of a name at most.
const LONGEST: usize = 512;

/// Checks a secret's name, by the rule of every adapter.
pub(super) fn legal(name: &str) -> Result<(), SecretsError> {
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        return Err(SecretsError::Engine(format!("a name has 1 to {LONGEST} printable characters")));
    }
    Ok(())
}

/// Checks the name of a key: transit has no others.
pub(super) fn legal_key(name: &str) -> Result<(), SecretsError> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = name.starts_with(word) && name.ends_with(word);
    if !ends || name.len() > LONGEST || !name.chars().all(|c| word(c) || c == '-' || c == '.') {
        return Err(SecretsError::Engine(format!(
            "a key's name in Vault has up to {LONGEST} letters, digits, - _ and . and ends with a letter or digit"
        )));
    }
    // `a..b` would be refused as a way upwards.
    if name.contains("..") {
        return Err(SecretsError::Engine("a key's name in Vault has no two dots in a row".to_owned()));
    }
    Ok(())
}

/// The path of a name.
pub(super) fn path_of(name: &str) -> String {
    let parts: Vec<String> = name.split('/').map(part).collect();
    parts.join("/")
}

fn part(name: &str) -> String {
    if name.is_empty() {
        return "~".to_owned();
    }
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        let dot = byte == b'.' && (path.is_empty() || path.ends_with('.'));
        if !dot && (byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte)) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("~{byte:02x}"));
        }
    }
    path
}

/// The name of a path; `None` if no name has it.
pub(super) fn name_of(path: &str) -> Option<String> {
    let mut name = Vec::with_capacity(path.len());
    for (number, part) in path.split('/').enumerate() {
        if number > 0 {
            name.push(b'/');
        }
        if part == "~" {
            continue;
        }
        let mut bytes = part.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'~' {
                name.push(byte);
                continue;
            }
            let digits = [bytes.next()?, bytes.next()?];
            name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        }
    }
    let name = String::from_utf8(name).ok()?;
    (path_of(&name) == path).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("network/7d2c/nodes/a_b-c.d", "network/7d2c/nodes/a_b-c.d")]
    #[case("nexus/credentials/a realm?#%", "nexus/credentials/a~20realm~3f~23~25")]
    #[case("../up", "~2e./up")]
    #[case("a...b", "a.~2e.b")]
    #[case("/a//b/", "~/a/~/b/~")]
    #[case("~", "~7e")]
    #[case("ü", "~c3~bc")]
    fn every_name_has_its_own_path(#[case] name: &str, #[case] path: &str) {
        assert_eq!(path_of(name), path);
        assert_eq!(name_of(path).as_deref(), Some(name));
        assert!(!path.contains("..") && !path.contains("//"));
    }

    #[rstest::rstest]
    #[case("a b")]
    #[case("~2")]
    #[case("~41")]
    #[case("~FF")]
    fn a_path_that_no_name_has_is_not_taken(#[case] path: &str) {
        assert_eq!(name_of(path), None);
    }

    #[rstest::rstest]
    #[case("user-1", true)]
    #[case("0b0e1f5e-3c54-4f0e-9c07-8f6d1f4f6a10", true)]
    #[case("a.b_c", true)]
    #[case("", false)]
    #[case("-a", false)]
    #[case("a/config", false)]
    #[case("a..b", false)]
    #[case("a b", false)]
    fn names_of_keys_are_those_of_transit(#[case] name: &str, #[case] legal: bool) {
        assert_eq!(legal_key(name).is_ok(), legal);
    }
}

//! A value that is never shown.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What stands in place of a secret wherever it would be written.
pub const REDACTED: &str = "[redacted]";

/// A secret: readable only by [`Secret::expose`]; debugging, displaying and serialising it give a mark.
///
/// An empty secret is written as such, so that "no password" is visible and distinct from a hidden one.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the secret itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// Tells whether no secret is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Default + PartialEq> Secret<T> {
    fn mark(&self) -> &'static str {
        if self.0 == T::default() { "" } else { REDACTED }
    }
}

impl<T: Default + PartialEq> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.mark())
    }
}

impl<T: Default + PartialEq> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mark())
    }
}

impl<T: Default + PartialEq> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.mark())
    }
}

impl From<&str> for Secret<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nowhere() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret}"), REDACTED);
        assert_eq!(format!("{secret:?}"), "\"[redacted]\"");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn an_empty_secret_is_seen_to_be_empty() {
        assert_eq!(serde_json::to_string(&Secret::<String>::default()).unwrap(), "\"\"");
    }
}

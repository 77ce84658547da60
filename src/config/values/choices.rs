//! Settings that are one word of a few.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! choices {
    ($($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $about:literal])* $variant:ident = $word:literal),* $(,)? })*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name { $($(#[doc = $about])* $variant),* }

        impl $name {
            /// The words, as they are written.
            pub const NAMES: &'static [&'static str] = &[$($word),*];
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, &'static str> {
                $( if text.trim().eq_ignore_ascii_case($word) { return Ok(Self::$variant); } )*
                Err("expected one of the listed words")
            }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str((*self).into())
            }
        }
    )* };
}

choices! {
    /// How much is logged, in the words of the original (Python's levels); caseless.
    Level { Debug = "DEBUG", Info = "INFO", Warning = "WARNING", Error = "ERROR", Critical = "CRITICAL" }
    /// How an access token is checked (design: Tokens).
    Validation {
        /// Asks Keycloak about every token that is not in the short cache.
        Introspect = "introspect",
        /// Checks the signature against the published keys.
        Local = "local",
    }
    /// How the mail connection is protected when it is not left to the port and the server's offer.
    SmtpTls { None = "none", Starttls = "starttls", Tls = "tls" }
    /// How the connection to PostgreSQL is protected.
    DatabaseTls { Disable = "disable", Prefer = "prefer", Require = "require", VerifyFull = "verify-full" }
    /// Which store holds the documents.
    Engine { Sqlite = "sqlite", MongoDb = "mongodb", PostgreSql = "postgresql" }
}

impl Level {
    /// Gives the level of `tracing` (there is nothing above ERROR).
    pub fn tracing(self) -> tracing::Level {
        match self {
            Self::Debug => tracing::Level::DEBUG,
            Self::Info => tracing::Level::INFO,
            Self::Warning => tracing::Level::WARN,
            Self::Error | Self::Critical => tracing::Level::ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_in_any_case_and_write_as_listed() {
        let level: Level = serde_json::from_str("\"warning\"").unwrap();
        assert_eq!(level, Level::Warning);
        assert_eq!(serde_json::to_string(&level).unwrap(), "\"WARNING\"");
        assert!(serde_json::from_str::<Level>("\"LOUD\"").is_err());
    }

    #[test]
    fn critical_is_logged_as_an_error() {
        assert_eq!(Level::Critical.tracing(), tracing::Level::ERROR);
    }
}

//! What is wrong with a configuration, all of it at once.
//!
//! No text in here quotes a value: a password written into the wrong key must not reach a log.

use std::{fmt, path::PathBuf};

/// Collects what the checks of the sections find.
#[derive(Debug, Default)]
pub struct Findings {
    /// Key path and expectation of each value that cannot be used.
    pub problems: Vec<(String, String)>,
    /// Key path and advice for each value that is used although it should not be.
    pub warnings: Vec<(String, String)>,
}

impl Findings {
    /// Notes a problem unless the condition holds.
    pub fn need(&mut self, path: &str, holds: bool, expected: &str) {
        if !holds {
            self.problems.push((path.to_owned(), expected.to_owned()));
        }
    }

    /// Notes a warning.
    pub fn warn(&mut self, path: &str, advice: &str) {
        self.warnings.push((path.to_owned(), advice.to_owned()));
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    Default,
    File(PathBuf),
    /// The variable.
    Environment(String),
    /// The flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One reason why the configuration cannot be used: where, which key, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {path}: {expectation}")]
pub struct Problem {
    /// File, variable or flag.
    pub origin: String,
    /// Key path such as `MongoDB.Port`.
    pub path: String,
    /// What is expected there.
    pub expectation: String,
}

/// All reasons why the configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

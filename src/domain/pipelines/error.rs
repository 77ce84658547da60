//! What is wrong with a pipeline, all of it at once.

use std::fmt;

use thiserror::Error;

use crate::domain::error::{Kind, Kinded};

/// Problems listed; a pipeline with more has one root cause.
const MAX_PROBLEMS: usize = 100;

/// One thing wrong with a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON path, e.g. `$.directives[0].origin`.
    pub path: String,
    /// What it must be, after "the field …".
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.message)
    }
}

/// A pipeline that cannot be used, with its first 100 problems.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the pipeline cannot be used: {}", list(.problems))]
pub struct PipelineError {
    pub problems: Vec<Problem>,
}

impl Kinded for PipelineError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

/// Collects problems while a pipeline is read or compiled.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem at a JSON path.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(Problem { path: path.into(), message: message.into() });
        }
    }

    /// The value if nothing is wrong with it.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, PipelineError> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(PipelineError { problems: self.0 }),
        }
    }
}

//! Compiled patterns and replacements of pattern sets (specification §7.4): Python's dialect, bounded work.
//!
//! A pattern is searched, not anchored. Its result is the *expanded replacement of the first match*, not the cell with
//! the match replaced in it: directives turn a cell into a term, so `(?i)short stature` → `0004322` on
//! `mild short stature` gives `0004322`. The two agree for patterns that span the cell.

use thiserror::Error;

use super::dialect::{self, Reference};

/// Characters a pattern or replacement may have.
pub const MAX_PATTERN_CHARS: usize = 2_000;
/// Steps a backtracking match may take before it is given up.
const MAX_STEPS: usize = 100_000;
/// Bytes one compiled pattern may take.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// Why a pattern or replacement cannot be used, in the author's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A match was given up after too many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the pattern needs too many steps on this value; make it simpler")]
pub struct TooManySteps;

/// A pattern in Python's dialect, ready to search.
#[derive(Debug)]
pub struct Pattern {
    engine: Engine,
}

/// Patterns without look-around and back-references run in linear time; the others backtrack, with a limit.
#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// The groups of a match.
#[derive(Debug)]
pub enum Found<'t> {
    /// Only that it matches was asked.
    Nothing,
    Linear(regex::Captures<'t>),
    Backtracking(fancy_regex::Captures<'t, str>),
}

impl<'t> Found<'t> {
    /// A group's text; `None` if it took no part in the match. Group 0 is the whole match.
    pub fn group(&self, index: usize) -> Option<&'t str> {
        match self {
            Self::Nothing => None,
            Self::Linear(captures) => captures.get(index).map(|m| m.as_str()),
            Self::Backtracking(captures) => captures.get(index).map(|m| m.as_str()),
        }
    }
}

impl Pattern {
    /// Compiles a pattern of at most 2,000 characters; what Python refuses is refused.
    pub fn compile(python: &str) -> Result<Self, PatternError> {
        bounded(python)?;
        let translated = dialect::translate(python).map_err(PatternError)?;
        let text = translated.text.as_str();
        let engine = if translated.backtracks {
            let built = fancy_regex::RegexBuilder::new(text)
                .backtrack_limit(MAX_STEPS)
                .delegate_size_limit(MAX_COMPILED_BYTES)
                .delegate_dfa_size_limit(MAX_COMPILED_BYTES)
                .build();
            Engine::Backtracking(Box::new(built.map_err(|error| PatternError(summary(&error.to_string())))?))
        } else {
            let built = regex::RegexBuilder::new(text)
                .size_limit(MAX_COMPILED_BYTES)
                .dfa_size_limit(MAX_COMPILED_BYTES)
                .build();
            Engine::Linear(built.map_err(|error| PatternError(summary(&error.to_string())))?)
        };
        Ok(Self { engine })
    }

    /// Searches the text for the first match with its groups.
    pub fn search<'t>(&self, text: &'t str) -> Result<Option<Found<'t>>, TooManySteps> {
        match &self.engine {
            Engine::Linear(regex) => Ok(regex.captures(text).map(Found::Linear)),
            Engine::Backtracking(regex) => {
                regex.captures(text).map(|found| found.map(Found::Backtracking)).map_err(|_| TooManySteps)
            }
        }
    }

    /// Whether the text has a match; cheaper than [`Self::search`].
    pub fn matches(&self, text: &str) -> Result<bool, TooManySteps> {
        match &self.engine {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|_| TooManySteps),
        }
    }

    fn group_count(&self) -> usize {
        match &self.engine {
            Engine::Linear(regex) => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        }
    }

    fn group_named(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.capture_names().position(|n| n == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|n| n == Some(name)),
        }
    }
}

/// A replacement: literal text and groups, as `re.sub` reads it (`\1`, `\g<1>`, `\g<name>`; `$` is literal).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Group(usize),
}

impl Template {
    /// Compiles a replacement of at most 2,000 characters for one pattern; a group the pattern lacks is an error.
    pub fn compile(text: &str, pattern: &Pattern) -> Result<Self, PatternError> {
        bounded(text)?;
        let mut template = Self { parts: Vec::new() };
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '\\' {
                template.push(c);
                continue;
            }
            let escaped = rest
                .next()
                .ok_or_else(|| PatternError("the replacement ends with a backslash".to_owned()))?;
            match escaped {
                'g' => {
                    let open = rest.next() == Some('<');
                    let closed = rest.clone().any(|c| c == '>');
                    if !open || !closed {
                        return Err(PatternError(r"\g must be followed by <number> or <name>".to_owned()));
                    }
                    let name: String = rest.by_ref().take_while(|c| *c != '>').collect();
                    let number =
                        name.bytes().all(|b| b.is_ascii_digit()).then(|| name.parse().ok()).flatten();
                    let group = number.or_else(|| pattern.group_named(&name));
                    template.group(group, &name, pattern)?;
                }
                '0' => template.push(dialect::octal('0', &mut rest, 3).map_err(PatternError)?),
                '1'..='9' => match dialect::reference(escaped, &mut rest).map_err(PatternError)? {
                    Reference::Group(group) => template.group(Some(group), &group.to_string(), pattern)?,
                    Reference::Char(c) => template.push(c),
                },
                'a' => template.push('\u{7}'),
                'b' => template.push('\u{8}'),
                'f' => template.push('\u{c}'),
                'n' => template.push('\n'),
                'r' => template.push('\r'),
                't' => template.push('\t'),
                'v' => template.push('\u{b}'),
                '\\' => template.push('\\'),
                c if c.is_ascii_alphabetic() => return Err(PatternError(format!("\\{c} is not known"))),
                c => {
                    template.push('\\');
                    template.push(c);
                }
            }
        }
        Ok(template)
    }

    fn push(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Literal(text)) => text.push(c),
            _ => self.parts.push(Part::Literal(c.to_string())),
        }
    }

    fn group(&mut self, group: Option<usize>, name: &str, pattern: &Pattern) -> Result<(), PatternError> {
        match group.filter(|g| *g < pattern.group_count()) {
            Some(group) => {
                self.parts.push(Part::Group(group));
                Ok(())
            }
            None => Err(PatternError(format!("the pattern has no group {name}"))),
        }
    }

    /// The text if it does not depend on the match.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The replacement for one match; groups that took no part are empty.
    pub fn expand(&self, found: &Found<'_>) -> String {
        match self.parts.as_slice() {
            [Part::Group(group)] => found.group(*group).unwrap_or_default().to_owned(),
            parts => parts
                .iter()
                .map(|part| match part {
                    Part::Literal(text) => text.as_str(),
                    Part::Group(group) => found.group(*group).unwrap_or_default(),
                })
                .collect(),
        }
    }
}

fn bounded(text: &str) -> Result<(), PatternError> {
    match text.chars().nth(MAX_PATTERN_CHARS) {
        None => Ok(()),
        Some(_) => Err(PatternError(format!("is longer than {MAX_PATTERN_CHARS} characters"))),
    }
}

/// The last line of an engine's message: the others draw the pattern.
fn summary(message: &str) -> String {
    let line = message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(message);
    line.trim().trim_start_matches("error: ").chars().take(200).collect()
}

#[cfg(test)]
mod tests;

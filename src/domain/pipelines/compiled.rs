//! Pattern sets ready to run, and whether a directive makes sense for its destination.

use super::error::Problems;
use super::pattern::{Pattern, PatternError, Template};
use super::{Demographic, Destination, Directive, PatternSet, RemapPipeline};

/// A pattern set ready to run.
#[derive(Debug)]
pub struct CompiledSet {
    pub pattern: Pattern,
    pub output: Output,
    /// The replacements do not depend on the match.
    pub literal: bool,
}

/// What a match becomes.
#[derive(Debug)]
pub enum Output {
    Basic(Template),
    Qualifier { qualifier: Template, value: Template },
}

impl PatternSet {
    /// Compiles pattern and replacements; problems are noted under `path`.
    pub fn compile(&self, path: &str, problems: &mut Problems) -> Option<CompiledSet> {
        let pattern = noted(Pattern::compile(self.pattern()), path, "pattern", problems)?;
        let mut template = |text, name| noted(Template::compile(text, &pattern), path, name, problems);
        let output = match self {
            Self::Basic { replacement, .. } => Output::Basic(template(replacement, "replacement")?),
            Self::Qualifier { qualifier_replacement, value_replacement, .. } => {
                let qualifier = template(qualifier_replacement, "qualifierReplacement");
                let value = template(value_replacement, "valueReplacement");
                Output::Qualifier { qualifier: qualifier?, value: value? }
            }
        };
        let literal = match &output {
            Output::Basic(template) => template.literal().is_some(),
            Output::Qualifier { qualifier, value } => {
                qualifier.literal().is_some() && value.literal().is_some()
            }
        };
        Some(CompiledSet { pattern, output, literal })
    }

    fn pattern(&self) -> &str {
        match self {
            Self::Basic { pattern, .. } | Self::Qualifier { pattern, .. } => pattern,
        }
    }
}

impl Directive {
    /// Compiles the sets and refuses combinations that could never store anything.
    pub fn compile(&self, path: &str, problems: &mut Problems) -> Option<Vec<CompiledSet>> {
        let compiled = self.pattern_sets.iter().enumerate().map(|(index, set)| {
            let at = format!("{path}.patternSets[{index}]");
            let compiled = set.compile(&at, problems)?;
            match (self.destination, &compiled.output) {
                (Destination::Variant, Output::Basic(_)) => problems.add(
                    format!("{at}.patternSetType"),
                    "must be qualifier for destination variant: the gene, and mutation@af as the value",
                ),
                (Destination::Subject, Output::Basic(_)) if Demographic::parse(&self.origin).is_none() => {
                    problems.add(
                        format!("{at}.patternSetType"),
                        "must be qualifier for destination subject unless the column is named like a demographic",
                    );
                }
                (Destination::Subject, Output::Qualifier { qualifier, .. })
                    if qualifier.literal().is_some_and(|name| Demographic::parse(name).is_none()) =>
                {
                    problems.add(
                        format!("{at}.qualifierReplacement"),
                        "must be gender, age, ageFirstDiagnosis, ageFirstSymptoms, affected, familyType or dateOfBirth",
                    );
                }
                _ => {}
            }
            Some(compiled)
        });
        let compiled: Vec<Option<CompiledSet>> = compiled.collect();
        compiled.into_iter().collect()
    }
}

impl RemapPipeline {
    /// Notes everything that keeps the directives from running.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (index, directive) in self.directives.iter().enumerate() {
            directive.compile(&format!("{path}.directives[{index}]"), problems);
        }
    }
}

fn noted<T>(result: Result<T, PatternError>, path: &str, name: &str, problems: &mut Problems) -> Option<T> {
    result.map_err(|error| problems.add(format!("{path}.{name}"), format!("cannot be used: {error}"))).ok()
}

//! The query builder as validated, levels of detail, and what a source answers (specification §8).
//!
//! `Builder` is the canonical form: aliases resolved, prefixes stripped, ranges checked, empty filters gone.
//! Reading the published (and the sample's) spelling into it is `Builder::read` in `queries/read.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::SourceId;
use super::sources::Capability;
use super::subjects::{Gender, Mutation};

mod read;
mod terms;
#[cfg(test)]
mod tests;
pub use read::{BuilderError, Problem, eav_regex};

/// How much a source reveals, from nothing to whole records; ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Granularity {
    #[default]
    NoAccess,
    Boolean,
    Range,
    Count,
    List,
    DetailedList,
}

impl Granularity {
    /// All levels, least first.
    pub const ALL: [Self; 6] =
        [Self::NoAccess, Self::Boolean, Self::Range, Self::Count, Self::List, Self::DetailedList];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAccess => "noAccess",
            Self::Boolean => "boolean",
            Self::Range => "range",
            Self::Count => "count",
            Self::List => "list",
            Self::DetailedList => "detailedList",
        }
    }
}

/// A record query, validated; filters are ANDed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Builder {
    pub subject: SubjectFilter,
    pub hpo: Vec<TermFilter>,
    pub ordo: Vec<TermFilter>,
    pub genes: Vec<GeneFilter>,
    pub snomed: Vec<ExactFilter>,
    pub variant: Vec<VariantFilter>,
    pub eav: Vec<EavFilter>,
    /// Restrict to these sources; empty = all.
    pub sources: Vec<SourceId>,
    /// Requested level; `None` = as much as is permitted.
    pub granularity: Option<Granularity>,
    /// Families (and subject sub-families) whose soft match is off.
    pub required: Capability,
}

/// Demographic conditions; `None` = not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubjectFilter {
    pub gender: Option<Gender>,
    pub age: Option<AgeRange>,
    pub age_first_diagnosis: Option<AgeRange>,
    pub age_first_symptoms: Option<AgeRange>,
    pub affected_only: bool,
    pub family_type: Option<FamilyTypes>,
}

/// Inclusive range of years; an open end is `None`. The subject must have a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeRange {
    /// `None` when the builder says 0.
    pub min: Option<u8>,
    /// `None` when the builder says 100.
    pub max: Option<u8>,
}

impl AgeRange {
    /// Whether an age in years lies in the range.
    pub fn contains(&self, years: f64) -> bool {
        self.min.is_none_or(|min| years >= f64::from(min))
            && self.max.is_none_or(|max| years <= f64::from(max))
    }
}

/// Checked family types, ORed; at least one is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyTypes {
    pub singleton: bool,
    pub trio: bool,
    pub family: bool,
}

/// HPO or ORDO terms; ids without prefix, duplicates gone, never empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TermFilter {
    pub terms: Vec<String>,
    /// 0 to 1; 1 = exact only.
    pub similarity: f64,
    /// How many of `terms` must be matched; 1 ≤ it ≤ `terms.len()`.
    pub minimum_match: usize,
    /// HPO filter: ORDO codes annotated to the group also match; ORDO filter: HPO codes.
    pub cross: bool,
    /// Descendants of each term also match (our addition).
    #[serde(default)]
    pub include_descendants: bool,
}

/// SNOMED concepts, exact; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExactFilter {
    pub terms: Vec<String>,
    pub minimum_match: usize,
}

/// Alleles of genes; entries are ORed, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneFilter {
    pub alleles: Vec<super::subjects::GeneAlleles>,
}

/// One `VARIANT` element must satisfy all of it at once; `genes` or `reactome` is not empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VariantFilter {
    pub genes: Vec<String>,
    pub reactome: Vec<String>,
    /// Empty = any.
    pub mutation: Vec<Mutation>,
    /// 0 to 1; 1 = off.
    pub max_af: f64,
    pub use_local_af: bool,
}

/// A condition on one free attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EavFilter {
    /// Stored name.
    pub attribute: String,
    pub relation: Relation,
    /// Text, number or truth value, as the relation demands.
    pub value: Value,
}

/// The ten relations of an EAV filter (specification §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Relation {
    StringIs,
    StringIsNot,
    RegexContains,
    RegexDoesNotContain,
    NumericEquals,
    NumericNotEquals,
    NumericGreaterThan,
    NumericLessThan,
    NumericGreaterThanOrEqual,
    NumericLessThanOrEqual,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Self; 10] = [
        Self::StringIs,
        Self::StringIsNot,
        Self::RegexContains,
        Self::RegexDoesNotContain,
        Self::NumericEquals,
        Self::NumericNotEquals,
        Self::NumericGreaterThan,
        Self::NumericLessThan,
        Self::NumericGreaterThanOrEqual,
        Self::NumericLessThanOrEqual,
    ];

    /// No element of the attribute may match (the attribute must still be present).
    pub fn is_negative(self) -> bool {
        matches!(self, Self::StringIsNot | Self::RegexDoesNotContain | Self::NumericNotEquals)
    }
}

/// An interval instead of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRange {
    pub min: u64,
    pub max: u64,
}

/// What one source answers at the effective level; fields a level may not show are absent (specification §8.5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryResponse {
    pub source_id: String,
    pub source_name: String,
    pub source_owner: String,
    pub owner_email: String,
    pub source_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exist: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_range: Option<RecordRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_details: Option<ResultDetails>,
    /// `ok`, `error` or `skipped` (addition).
    pub state: AnswerState,
    /// Why the source gave no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the reader must know about the answer, e.g. a filter ignored or a budget spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Whether a source answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerState {
    #[default]
    Ok,
    Error,
    Skipped,
}

/// The subjects behind an answer; ids alone at `list`, whole documents at `detailedList`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultDetails {
    pub subjects: Vec<Value>,
}

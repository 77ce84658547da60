//! How a raw file becomes staged rows (file pipeline) and staged rows become subjects (remap pipeline); specification §7.3, §7.4.

use serde::{Deserialize, Serialize};

use super::ids::PipelineId;

mod compiled;
mod dialect;
mod error;
pub mod pattern;
mod read;

pub use compiled::{CompiledSet, Output};
pub use error::{PipelineError, Problem, Problems};
pub use read::{PipelineDraft, separator_byte};

/// Stored processing instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    pub pipeline_id: PipelineId,
    pub pipeline_name: String,
    #[serde(flatten)]
    pub steps: Steps,
}

/// What kind of pipeline it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "pipelineType", rename_all = "camelCase")]
pub enum Steps {
    FilePipeline(FilePipeline),
    RemapPipeline(RemapPipeline),
}

/// Raw file to staged rows with subject ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePipeline {
    #[serde(default)]
    pub grouping: Grouping,
    /// Splits inside cells; empty = cells are not split.
    #[serde(default)]
    pub internal_delimiter: String,
    /// Overrides the detected column separator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column_delimiter: Option<String>,
    /// The header text that separates groups of columns (grouping `customized`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_columns: Option<String>,
    /// Texts that mean "no value"; absent = the default list of specification §7.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_values: Option<Vec<String>>,
    #[serde(flatten)]
    pub subject_id: SubjectIdRule,
}

/// Whether columns stand alone or in groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Grouping {
    #[default]
    Individual,
    Customized,
}

/// Where subject ids come from. The canonical values are distinct here; the contract's doubled constant is told
/// apart by its fields when a pipeline is read from a request ([`Pipeline::read`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "subjectIdLocation", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SubjectIdRule {
    /// Value of a column, trimmed; rows with the same value are one subject; empty = fresh UUIDv4.
    AttributeInFile { attribute: String },
    /// File name without extension; the whole file is one subject.
    AttributeInName,
    /// `<prefix><n>` for every `batchSize` rows, continuing after the highest number with that prefix in the source.
    AssignPerBatch { prefix: String, batch_size: u64 },
    /// One row becomes several subjects.
    #[serde(alias = "assignByExtension")]
    AssignByExpansion { columns: Vec<String>, expansion_policy: Grouping, new_attribute: String },
}

/// Staged rows to subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemapPipeline {
    pub directives: Vec<Directive>,
    /// Texts that mean "no value"; absent = the default list of specification §7.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_values: Option<Vec<String>>,
}

/// What happens to one staged column. All directives run on every row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directive {
    #[serde(default)]
    pub directive_type: DirectiveType,
    /// Staged column, or `group.field`.
    pub origin: String,
    pub destination: Destination,
    /// Tried in order, the first match wins.
    pub pattern_sets: Vec<PatternSet>,
    /// How an `eav` value is typed.
    #[serde(default)]
    pub value_type: ValueType,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DirectiveType {
    #[default]
    TermSet,
}

/// Which field of the subject a directive fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    Hpo,
    Ordo,
    Gene,
    #[serde(rename = "snomedCT", alias = "snomed")]
    SnomedCt,
    Eav,
    Ncit,
    Variant,
    Subject,
}

/// What destination `subject` can fill (specification §6.4, §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demographic {
    Gender,
    Age,
    AgeFirstDiagnosis,
    AgeFirstSymptoms,
    Affected,
    FamilyType,
    /// Not stored: what ages given as dates are counted from.
    DateOfBirth,
}

impl Demographic {
    /// Reads a qualifier or attribute name of §6.4; case, `_`, `-` and spaces do not matter.
    pub fn parse(name: &str) -> Option<Self> {
        let plain = |c: &char| !matches!(c, '_' | '-' | ' ');
        let name: String = name.chars().filter(plain).collect::<String>().to_ascii_lowercase();
        match name.as_str() {
            "gender" | "sex" => Some(Self::Gender),
            "age" => Some(Self::Age),
            "agefirstdiagnosis" | "ageatdiagnosis" => Some(Self::AgeFirstDiagnosis),
            "agefirstsymptoms" | "ageatonset" => Some(Self::AgeFirstSymptoms),
            "affected" | "affectedstatus" => Some(Self::Affected),
            "familytype" => Some(Self::FamilyType),
            "dateofbirth" | "birthdate" | "dob" => Some(Self::DateOfBirth),
            _ => None,
        }
    }
}

/// How `eav` values made by `basic` are typed (specification §7.4 *Types*).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueType {
    /// Per source and attribute, from all its values.
    #[default]
    Auto,
    Text,
    Number,
    Boolean,
}

/// One pattern in the Python dialect, searched, not anchored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "patternSetType", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PatternSet {
    /// A match becomes the replacement.
    Basic { pattern: String, replacement: String },
    /// A match becomes `{qualifier: value}`.
    Qualifier { pattern: String, qualifier_replacement: String, value_replacement: String },
}

/// Texts that mean "no value" unless the pipeline lists its own (specification §7.4).
pub const MISSING_VALUES: [&str; 11] =
    ["", "#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "NA", "N/A", "NaN", "null", "#NUM!"];

/// The texts that mean "no value" for one pipeline: its own list or the default one, compared exactly after trimming.
#[derive(Debug, Clone)]
pub struct MissingValues(Vec<String>);

impl MissingValues {
    /// The given list, or the default one.
    pub fn new(listed: Option<&[String]>) -> Self {
        let listed = listed.map(<[String]>::to_vec);
        Self(listed.unwrap_or_else(|| MISSING_VALUES.map(str::to_owned).to_vec()))
    }

    /// Whether a trimmed cell has no value; an empty one never has.
    pub fn contains(&self, trimmed: &str) -> bool {
        trimmed.is_empty() || self.0.iter().any(|missing| missing == trimmed)
    }
}

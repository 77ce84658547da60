//! Reads a pipeline from a request. The published schema cannot validate any file pipeline (specification §7.3, §16
//! rows 5 and 6), so this is written by hand: every problem is reported with its path, what is not known is ignored.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::Problems;
use super::{
    Destination, Directive, DirectiveType, FilePipeline, Grouping, PatternSet, Pipeline, PipelineError,
};
use super::{RemapPipeline, Steps, SubjectIdRule, ValueType};
use crate::domain::ids::PipelineId;

/// Directives of one pipeline.
pub const MAX_DIRECTIVES: usize = 200;
/// Pattern sets of one directive.
pub const MAX_PATTERN_SETS: usize = 200;
/// Pattern sets of one pipeline: each is a compiled program held in memory while a file is remapped.
pub const MAX_ALL_PATTERN_SETS: usize = 10_000;
const MAX_NAME_CHARS: usize = 1_000;
const MAX_LIST: usize = 1_000;
const MAX_BATCH: u64 = 1_000_000_000;

/// A pipeline as a client sends it; a new one has no id yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineDraft {
    pub pipeline_id: Option<PipelineId>,
    pub pipeline_name: String,
    pub steps: Steps,
}

impl Pipeline {
    /// Reads a request body; the error lists every problem with its JSON path.
    pub fn read(body: &Value) -> Result<PipelineDraft, PipelineError> {
        let mut problems = Problems::default();
        let draft = match body {
            Value::Object(fields) => read(&Fields { fields, path: "$".to_owned() }, &mut problems),
            _ => {
                problems.add("$", "must be an object");
                None
            }
        };
        problems.finish(draft)
    }
}

fn read(fields: &Fields<'_>, problems: &mut Problems) -> Option<PipelineDraft> {
    let id = match fields.text("pipelineId", problems) {
        Some(text) if !text.is_empty() => match PipelineId::parse(text) {
            Ok(id) => Some(id),
            Err(error) => {
                problems.add(fields.at("pipelineId"), error.to_string());
                None
            }
        },
        _ => None,
    };
    let name = fields.required_text("pipelineName", problems);
    let kind = match fields.text("pipelineType", problems) {
        // The remap schema does not require the type: the fields tell.
        None if fields.get("directives").is_some() => "remapPipeline",
        None if fields.get("subjectIdLocation").is_some() => "filePipeline",
        given => given.unwrap_or_default(),
    };
    let steps = match kind {
        "filePipeline" => file(fields, problems).map(Steps::FilePipeline),
        "remapPipeline" => remap(fields, problems).map(Steps::RemapPipeline),
        _ => {
            problems.add(fields.at("pipelineType"), "must be filePipeline or remapPipeline");
            None
        }
    };
    Some(PipelineDraft { pipeline_id: id, pipeline_name: name?.to_owned(), steps: steps? })
}

fn file(fields: &Fields<'_>, problems: &mut Problems) -> Option<FilePipeline> {
    let grouping =
        fields.choice::<Grouping>("grouping", "individual or customized", problems).unwrap_or_default();
    let internal_delimiter = delimiter(fields.text("internalDelimiter", problems).unwrap_or_default());
    if internal_delimiter.chars().count() > 16 || internal_delimiter.contains(['\r', '\n', '\0']) {
        problems.add(fields.at("internalDelimiter"), "must have at most 16 characters and no line break");
    }
    let column_delimiter =
        fields.text("columnDelimiter", problems).filter(|text| !text.is_empty()).map(delimiter);
    if column_delimiter.as_deref().is_some_and(|text| separator_byte(text).is_none()) {
        problems.add(
            fields.at("columnDelimiter"),
            "must be one ASCII character, not a quote, digit, letter or line break",
        );
    }
    let group_columns = fields.text("groupColumns", problems).map(str::trim).filter(|text| !text.is_empty());
    if grouping == Grouping::Customized && group_columns.is_none() {
        problems.add(
            fields.at("groupColumns"),
            "is needed when grouping is customized: the header text between groups",
        );
    }
    let missing_values = missing_values(fields, problems);
    let subject_id = subject_id(fields, problems)?;
    Some(FilePipeline {
        grouping,
        internal_delimiter,
        column_delimiter,
        group_columns: group_columns.map(str::to_owned),
        missing_values,
        subject_id,
    })
}

/// Tabs cannot be typed into most forms: `\t` stands for one.
fn delimiter(text: &str) -> String {
    if text == "\\t" { "\t".to_owned() } else { text.to_owned() }
}

/// The text as a column separator: one ASCII character that can stand between cells.
pub fn separator_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [b'\t'] => Some(b'\t'),
        [byte] if (byte.is_ascii_punctuation() || *byte == b' ') && *byte != b'"' => Some(*byte),
        _ => None,
    }
}

fn missing_values(fields: &Fields<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    fields.get("missingValues")?;
    let values = fields.texts("missingValues", problems)?;
    if values.len() > MAX_LIST || values.iter().any(|value| value.chars().count() > 100) {
        problems.add(fields.at("missingValues"), "must have at most 1,000 texts of at most 100 characters");
    }
    Some(values)
}

/// Canonical names decide; the published schemas write `attributeInFile` for three rules, told apart by their fields.
fn subject_id(fields: &Fields<'_>, problems: &mut Problems) -> Option<SubjectIdRule> {
    let has = |name| fields.get(name).is_some();
    if !has("subjectIdLocation") {
        problems.add(fields.at("subjectIdLocation"), "is missing: say where subject ids come from");
    }
    let rule = match (fields.text("subjectIdLocation", problems)?, has("attribute")) {
        ("attributeInName", _) => "attributeInName",
        ("assignPerBatch", _) => "assignPerBatch",
        ("assignByExpansion" | "assignByExtension", _) => "assignByExpansion",
        ("attributeInFile", true) if has("prefix") || has("batchSize") => {
            problems.add(
                fields.at("subjectIdLocation"),
                "attribute and prefix with batchSize exclude each other",
            );
            return None;
        }
        ("attributeInFile", true) => "attributeInFile",
        ("attributeInFile", false) if has("prefix") || has("batchSize") => "assignPerBatch",
        ("attributeInFile", false) => "attributeInName",
        _ => {
            problems.add(
                fields.at("subjectIdLocation"),
                "must be attributeInFile, attributeInName, assignPerBatch or assignByExpansion",
            );
            return None;
        }
    };
    match rule {
        "attributeInFile" => {
            // Empty = the record's own id, for formats that have one (specification §7.2 *Phenopacket id*).
            let attribute = fields.text("attribute", problems).unwrap_or_default().trim().to_owned();
            Some(SubjectIdRule::AttributeInFile { attribute })
        }
        "attributeInName" => Some(SubjectIdRule::AttributeInName),
        "assignPerBatch" => {
            let prefix = fields.required_text("prefix", problems);
            if prefix.is_some_and(|prefix| prefix.len() > 100) {
                problems.add(fields.at("prefix"), "must have at most 100 bytes");
            }
            let size =
                fields.get("batchSize").and_then(Value::as_u64).filter(|n| (1..=MAX_BATCH).contains(n));
            if size.is_none() {
                problems.add(fields.at("batchSize"), "must be a whole number of rows, at least 1");
            }
            Some(SubjectIdRule::AssignPerBatch { prefix: prefix?.to_owned(), batch_size: size? })
        }
        _ => expansion(fields, problems),
    }
}

fn expansion(fields: &Fields<'_>, problems: &mut Problems) -> Option<SubjectIdRule> {
    let columns = fields.texts("columns", problems);
    if let Some(columns) = &columns {
        let distinct: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
        let named = columns.iter().all(|column| !column.trim().is_empty());
        if columns.is_empty() || columns.len() > MAX_LIST || !named || distinct.len() < columns.len() {
            problems.add(fields.at("columns"), "must name 1 to 1,000 different columns");
        }
    }
    let policy = fields.choice::<Grouping>("expansionPolicy", "individual or customized", problems);
    if policy.is_none() && fields.get("expansionPolicy").is_none() {
        problems.add(fields.at("expansionPolicy"), "is missing: individual or customized");
    }
    let new_attribute = fields.required_text("newAttribute", problems);
    Some(SubjectIdRule::AssignByExpansion {
        columns: columns?.iter().map(|column| column.trim().to_owned()).collect(),
        expansion_policy: policy?,
        new_attribute: new_attribute?.trim().to_owned(),
    })
}

fn remap(fields: &Fields<'_>, problems: &mut Problems) -> Option<RemapPipeline> {
    let missing_values = missing_values(fields, problems);
    let items = fields.objects("directives", MAX_DIRECTIVES, problems)?;
    let directives: Vec<Directive> = items.iter().filter_map(|item| directive(item, problems)).collect();
    if directives.iter().map(|directive| directive.pattern_sets.len()).sum::<usize>() > MAX_ALL_PATTERN_SETS {
        problems.add(fields.at("directives"), "must have at most 10,000 pattern sets in all");
        return None;
    }
    let pipeline = RemapPipeline { directives, missing_values };
    if pipeline.directives.len() == items.len() {
        pipeline.check(&fields.path, problems);
    }
    Some(pipeline)
}

fn directive(fields: &Fields<'_>, problems: &mut Problems) -> Option<Directive> {
    fields.choice::<DirectiveType>("directiveType", "termSet", problems);
    let origin = fields.required_text("origin", problems);
    let destinations = "hpo, ordo, gene, snomedCT, eav, ncit, variant or subject";
    let destination = fields.choice::<Destination>("destination", destinations, problems);
    if destination.is_none() && fields.get("destination").is_none() {
        problems.add(fields.at("destination"), format!("is missing: {destinations}"));
    }
    let value_type = fields.choice::<ValueType>("valueType", "auto, text, number or boolean", problems);
    let sets = fields.objects("patternSets", MAX_PATTERN_SETS, problems)?;
    let pattern_sets: Option<Vec<PatternSet>> = sets.iter().map(|set| pattern_set(set, problems)).collect();
    Some(Directive {
        directive_type: DirectiveType::TermSet,
        origin: origin?.trim().to_owned(),
        destination: destination?,
        pattern_sets: pattern_sets?,
        value_type: value_type.unwrap_or_default(),
    })
}

fn pattern_set(fields: &Fields<'_>, problems: &mut Problems) -> Option<PatternSet> {
    let pattern = fields.required_text("pattern", problems);
    let mut replacement = |name| match fields.get(name) {
        // An empty replacement is legal: its result is skipped, so it can say "take no value from these cells".
        Some(_) => fields.text(name, problems).map(str::to_owned),
        None => {
            problems.add(fields.at(name), "is missing");
            None
        }
    };
    match fields.fields.get("patternSetType").and_then(Value::as_str) {
        Some("basic") => {
            let replacement = replacement("replacement");
            Some(PatternSet::Basic { pattern: pattern?.to_owned(), replacement: replacement? })
        }
        Some("qualifier") => {
            let qualifier_replacement = replacement("qualifierReplacement");
            let value_replacement = replacement("valueReplacement");
            Some(PatternSet::Qualifier {
                pattern: pattern?.to_owned(),
                qualifier_replacement: qualifier_replacement?,
                value_replacement: value_replacement?,
            })
        }
        _ => {
            problems.add(fields.at("patternSetType"), "must be basic or qualifier");
            None
        }
    }
}

/// The fields of one JSON object and where it stands.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A field that is there; `null` counts as absent.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str, problems: &mut Problems) -> Option<&'a str> {
        let value = self.get(name)?;
        if value.as_str().is_none() {
            problems.add(self.at(name), "must be a text");
        }
        value.as_str()
    }

    fn required_text(&self, name: &str, problems: &mut Problems) -> Option<&'a str> {
        match self.get(name).map(Value::as_str) {
            None => problems.add(self.at(name), "is missing"),
            Some(Some(text)) if text.trim().is_empty() => problems.add(self.at(name), "must not be empty"),
            // Patterns have their own, larger bound.
            Some(Some(text)) if name != "pattern" && text.chars().count() > MAX_NAME_CHARS => {
                problems.add(self.at(name), "must have at most 1,000 characters");
            }
            Some(Some(text)) => return Some(text),
            Some(None) => problems.add(self.at(name), "must be a text"),
        }
        None
    }

    fn choice<T: DeserializeOwned>(&self, name: &str, choices: &str, problems: &mut Problems) -> Option<T> {
        let value = self.get(name)?;
        let chosen = T::deserialize(value).ok();
        if chosen.is_none() {
            problems.add(self.at(name), format!("must be {choices}"));
        }
        chosen
    }

    fn texts(&self, name: &str, problems: &mut Problems) -> Option<Vec<String>> {
        let texts = self.get(name).and_then(|value| Vec::<String>::deserialize(value).ok());
        if texts.is_none() {
            problems.add(self.at(name), "must be a list of texts");
        }
        texts
    }

    fn objects(&self, name: &str, most: usize, problems: &mut Problems) -> Option<Vec<Fields<'a>>> {
        let Some(Value::Array(items)) = self.get(name) else {
            problems.add(self.at(name), "must be a list");
            return None;
        };
        if items.is_empty() || items.len() > most {
            problems.add(self.at(name), format!("must have 1 to {most} entries"));
            return None;
        }
        let read = items.iter().enumerate().map(|(index, item)| {
            let path = format!("{}[{index}]", self.at(name));
            let Value::Object(fields) = item else {
                problems.add(path, "must be an object");
                return None;
            };
            Some(Fields { fields, path })
        });
        let read: Vec<Option<Fields<'a>>> = read.collect();
        read.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;

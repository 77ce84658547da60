//! Meta sources: descriptions of cohorts, datasets and the like, with or without data here (specification §10).
//!
//! `read.rs` makes one from what a client sends, `words.rs` has the closed lists, `index.rs` what can be asked for and
//! `query.rs` the asking. A meta source holds no subjects, and its ids are not those of sources.

pub mod index;
pub mod query;
pub mod read;
pub mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{MetaSourceId, SourceId};

/// What is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MetaSourceType {
    Custom,
    Cohort,
    Catalog,
    /// The published list writes it with a capital inside.
    #[serde(alias = "bioBank")]
    Biobank,
    Registry,
    Guideline,
    Dataset,
    DataCollection,
}

impl MetaSourceType {
    /// All types.
    pub const ALL: [Self; 8] = [
        Self::Custom,
        Self::Cohort,
        Self::Catalog,
        Self::Biobank,
        Self::Registry,
        Self::Guideline,
        Self::Dataset,
        Self::DataCollection,
    ];

    /// The type as stored and answered.
    pub fn name(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Cohort => "cohort",
            Self::Catalog => "catalog",
            Self::Biobank => "biobank",
            Self::Registry => "registry",
            Self::Guideline => "guideline",
            Self::Dataset => "dataset",
            Self::DataCollection => "dataCollection",
        }
    }

    /// The type of that name, in either spelling.
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "bioBank" { "biobank" } else { name };
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Who publishes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Publisher {
    pub publisher_type: String,
    pub name: String,
    pub contact_email: String,
    pub contact_name: String,
    pub url: String,
    pub location: String,
}

/// The value of a custom field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CustomValue {
    One(String),
    Many(Vec<String>),
}

impl CustomValue {
    /// Its values, however many.
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// Where and when a cohort is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CohortDetails {
    pub site_type: String,
    pub country: String,
    pub year_start: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub center_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ongoing: Option<bool>,
}

/// The people of a cohort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Participants {
    pub diseases: Vec<String>,
    pub number_of_subjects: u64,
}

/// What a cohort collects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CollectedTypes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Participants>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bio_samples: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cognitive_data: Vec<String>,
}

/// When a dataset or data collection was published, and the words it is found by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// Of a version of a dataset only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub published_date: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub update_date: String,
}

/// What a dataset or data collection contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Content {
    pub number_of_subjects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diseases: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sex: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clinical: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub electrophysiology: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_types: Vec<String>,
}

/// One version of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DatasetVersion {
    pub dataset_details: Details,
    pub dataset_content: Content,
}

/// A meta source; of the last fields each type has its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetaSource {
    pub source_id: MetaSourceId,
    pub source_name: String,
    pub source_type: MetaSourceType,
    #[serde(default)]
    pub publisher: Publisher,
    #[serde(default)]
    pub resource_urls: Vec<String>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub themes: Vec<String>,
    #[serde(default)]
    pub release_license: String,
    #[serde(default)]
    pub language: String,
    /// The source of this installation that holds its data; always here, wherever it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<SourceId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_fields: BTreeMap<String, CustomValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort_details: Option<CohortDetails>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort_collected_types: Option<CollectedTypes>,
    /// Of cohorts and catalogues: the meta sources they are about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset_ids: Vec<MetaSourceId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset_versions: Vec<DatasetVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_collection_details: Option<Details>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_collection_content: Option<Content>,
}

impl MetaSource {
    /// The details and contents it has: one of a data collection, one a version of a dataset.
    pub fn contents(&self) -> Vec<(Option<&Details>, Option<&Content>)> {
        if self.source_type == MetaSourceType::DataCollection {
            return vec![(self.data_collection_details.as_ref(), self.data_collection_content.as_ref())];
        }
        self.dataset_versions.iter().map(|v| (Some(&v.dataset_details), Some(&v.dataset_content))).collect()
    }

    /// As answered: `connectionId` is there too, for the published form requires it (specification §10.2).
    pub fn shown(&self) -> serde_json::Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = shown.as_object_mut() {
            fields.entry("connectionId").or_insert_with(|| "".into());
        }
        shown
    }
}

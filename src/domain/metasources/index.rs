//! The meta index: the values that meta sources have and can be asked for (specification §10.4).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{MetaSource, MetaSourceType};

/// Most custom fields of an index, and most values of one: what a front end can still show.
const MOST: usize = 1_000;

type Values = BTreeSet<String>;

/// Values of cohorts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CohortIndex {
    /// Kinds of sites.
    pub available_types: Values,
    pub available_countries: Values,
    pub diseases: Values,
    pub bio_samples: Values,
    pub images: Values,
    pub cognitive_data: Values,
}

/// Values of datasets or of data collections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentIndex {
    /// Types of data.
    pub available_types: Values,
    pub keywords: Values,
    pub available_countries: Values,
    pub diseases: Values,
    pub sex: Values,
    pub clinical: Values,
    pub markers: Values,
    pub images: Values,
    pub electrophysiology: Values,
}

/// Values of all meta sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetaIndex {
    pub available_types: Values,
    pub publisher_types: Values,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<CohortIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<ContentIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_collection: Option<ContentIndex>,
    pub custom_fields: BTreeMap<String, Values>,
}

fn add(held: &mut Values, values: &[String]) {
    held.extend(values.iter().filter(|value| !value.is_empty()).cloned());
}

impl MetaIndex {
    /// The index of these.
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a MetaSource>) -> Self {
        let mut index = Self::default();
        sources.into_iter().for_each(|source| index.add(source));
        index
    }

    fn add(&mut self, source: &MetaSource) {
        self.available_types.insert(source.source_type.name().to_owned());
        add(&mut self.publisher_types, std::slice::from_ref(&source.publisher.publisher_type));
        for (key, value) in &source.custom_fields {
            if self.custom_fields.len() < MOST || self.custom_fields.contains_key(key) {
                let held = self.custom_fields.entry(key.clone()).or_default();
                let room = MOST.saturating_sub(held.len());
                held.extend(value.values().iter().filter(|value| !value.is_empty()).take(room).cloned());
            }
        }
        match source.source_type {
            MetaSourceType::Cohort => self.cohort.get_or_insert_default().add(source),
            MetaSourceType::Dataset => self.dataset.get_or_insert_default().add(source),
            MetaSourceType::DataCollection => self.data_collection.get_or_insert_default().add(source),
            _ => {}
        }
    }
}

impl CohortIndex {
    fn add(&mut self, source: &MetaSource) {
        if let Some(details) = &source.cohort_details {
            add(&mut self.available_types, std::slice::from_ref(&details.site_type));
            add(&mut self.available_countries, std::slice::from_ref(&details.country));
        }
        if let Some(collected) = &source.cohort_collected_types {
            add(&mut self.diseases, collected.participants.as_ref().map_or(&[], |p| &p.diseases));
            add(&mut self.bio_samples, &collected.bio_samples);
            add(&mut self.images, &collected.images);
            add(&mut self.cognitive_data, &collected.cognitive_data);
        }
    }
}

impl ContentIndex {
    fn add(&mut self, source: &MetaSource) {
        for (details, content) in source.contents() {
            add(&mut self.keywords, details.map_or(&[], |details| &details.keywords));
            let Some(content) = content else { continue };
            add(&mut self.available_types, &content.data_types);
            add(&mut self.available_countries, &content.countries);
            add(&mut self.diseases, &content.diseases);
            add(&mut self.sex, &content.sex);
            add(&mut self.clinical, &content.clinical);
            add(&mut self.markers, &content.markers);
            add(&mut self.images, &content.images);
            add(&mut self.electrophysiology, &content.electrophysiology);
        }
    }
}

//! Meta queries: which meta sources have these values (specification §10.5).
//!
//! Within an array one value suffices, between fields all must be met. A block (`cohort`, `dataset`,
//! `dataCollection`) speaks of meta sources of its own type: once there is a block that asks something, only types
//! with such a block are found. What is asked of a dataset is met by one of its versions as a whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Content, Details, MetaSource, MetaSourceType, words};

/// Longest array and longest text.
const LIST: usize = 1_000;
const TEXT: usize = 1_000;

/// Fields of a cohort block, as the index has them.
const COHORT: [&str; 6] =
    ["availableTypes", "availableCountries", "diseases", "bioSamples", "images", "cognitiveData"];

/// Fields of the other two blocks.
const CONTENT: [&str; 9] = [
    "availableTypes",
    "keywords",
    "availableCountries",
    "diseases",
    "sex",
    "clinical",
    "markers",
    "images",
    "electrophysiology",
];

/// The fields a block asks about, each with the values that meet it.
type Block = BTreeMap<&'static str, Vec<String>>;

/// What is asked; what is empty is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetaQuery {
    types: Vec<MetaSourceType>,
    publisher_types: Vec<String>,
    words: Vec<String>,
    custom_fields: BTreeMap<String, Vec<String>>,
    min_subjects: Option<u64>,
    age: (Option<u64>, Option<u64>),
    cohort: Block,
    dataset: Block,
    data_collection: Block,
}

/// What was expected where.
fn expected(path: &str, what: &str) -> String {
    format!("{path}: expected {what}")
}

fn texts(fields: &Map<String, Value>, block: &str, name: &str) -> Result<Vec<String>, String> {
    let Some(value) = fields.get(name).filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let path = if block.is_empty() { name.to_owned() } else { format!("{block}.{name}") };
    let items = value.as_array().filter(|items| items.len() <= LIST);
    let texts: Option<Vec<String>> =
        items.and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| expected(&path, &format!("an array of at most {LIST} strings")))
}

fn object<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match fields.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => value.as_object().map(Some).ok_or_else(|| expected(name, "an object")),
    }
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| expected(name, "a whole number from 0 on")),
    }
}

fn block(body: &Map<String, Value>, name: &str, known: &[&'static str]) -> Result<Block, String> {
    let mut block = Block::new();
    let Some(fields) = object(body, name)? else { return Ok(block) };
    for field in known {
        let mut values = texts(fields, name, field)?;
        if *field == "availableCountries" {
            for value in &mut values {
                if let Some(code) = words::country(value) {
                    *value = code.to_owned();
                }
            }
        }
        if !values.is_empty() {
            block.insert(field, values);
        }
    }
    Ok(block)
}

impl MetaQuery {
    /// Reads a query; unknown fields are ignored. The refusal says where and what was expected.
    pub fn read(body: &Value) -> Result<Self, String> {
        let Some(body) = body.as_object() else { return Err("a meta query must be a JSON object".into()) };
        let mut types = Vec::new();
        let mut all = false;
        for field in ["types", "availableTypes"] {
            for name in texts(body, "", field)? {
                match MetaSourceType::parse(&name) {
                    Some(one) => types.push(one),
                    None if name == "all" => all = true,
                    None => {
                        let names = MetaSourceType::ALL.map(MetaSourceType::name).join(", ");
                        return Err(expected(field, &format!("all, or some of {names}; not {name:?}")));
                    }
                }
            }
        }
        if all {
            types.clear();
        }
        let text = match body.get("text").filter(|value| !value.is_null()) {
            None => "",
            Some(value) => value
                .as_str()
                .filter(|text| text.len() <= TEXT)
                .ok_or_else(|| expected("text", &format!("a string of at most {TEXT} bytes")))?,
        };
        let mut custom_fields = BTreeMap::new();
        if let Some(fields) = object(body, "customFields")? {
            for key in fields.keys().take(LIST) {
                let values = texts(fields, "customFields", key)?;
                if !values.is_empty() {
                    custom_fields.insert(key.clone(), values);
                }
            }
        }
        let age = match object(body, "age")? {
            Some(age) => (number(age, "min")?, number(age, "max")?),
            None => (number(body, "minAge")?, number(body, "maxAge")?),
        };
        if age.0.zip(age.1).is_some_and(|(min, max)| min > max) {
            return Err(expected("age", "min not to be greater than max"));
        }
        Ok(Self {
            types,
            publisher_types: texts(body, "", "publisherTypes")?,
            words: text.split_whitespace().map(str::to_lowercase).collect(),
            custom_fields,
            min_subjects: number(body, "minSubjects")?,
            age,
            cohort: block(body, "cohort", &COHORT)?,
            dataset: block(body, "dataset", &CONTENT)?,
            data_collection: block(body, "dataCollection", &CONTENT)?,
        })
    }

    /// Whether a meta source is one of those asked for.
    pub fn meets(&self, source: &MetaSource) -> bool {
        (self.types.is_empty() || self.types.contains(&source.source_type))
            && one_of(&self.publisher_types, std::slice::from_ref(&source.publisher.publisher_type))
            && self.custom_fields.iter().all(|(key, asked)| {
                source.custom_fields.get(key).is_some_and(|held| one_of(asked, held.values()))
            })
            && self.meets_text(source)
            && self.meets_data(source)
    }

    fn meets_text(&self, source: &MetaSource) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let publisher = &source.publisher;
        let mut text = vec![
            source.source_name.as_str(),
            &source.description,
            &publisher.name,
            &publisher.contact_name,
            &publisher.location,
        ];
        let contents = source.contents();
        text.extend(contents.iter().filter_map(|(d, _)| *d).flat_map(|d| &d.keywords).map(String::as_str));
        let text = text.join("\n").to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }

    fn meets_data(&self, source: &MetaSource) -> bool {
        let blocks = [&self.cohort, &self.dataset, &self.data_collection];
        let own = match source.source_type {
            MetaSourceType::Cohort => &self.cohort,
            MetaSourceType::Dataset => &self.dataset,
            MetaSourceType::DataCollection => &self.data_collection,
            // Other types have no block of their own.
            _ => &Block::new(),
        };
        if own.is_empty() && blocks.iter().any(|block| !block.is_empty()) {
            return false;
        }
        let sized = self.min_subjects.is_some() || self.age != (None, None);
        if own.is_empty() && !sized {
            return true;
        }
        if source.source_type == MetaSourceType::Cohort {
            return self.meets_cohort(source);
        }
        source.contents().into_iter().any(|(details, content)| self.meets_content(own, details, content))
    }

    fn meets_cohort(&self, source: &MetaSource) -> bool {
        let details = source.cohort_details.as_ref();
        let collected = source.cohort_collected_types.as_ref();
        let people = collected.and_then(|c| c.participants.as_ref());
        // A cohort says nothing about ages.
        self.age == (None, None)
            && self.min_subjects.is_none_or(|least| people.is_some_and(|p| p.number_of_subjects >= least))
            && self.cohort.iter().all(|(field, asked)| {
                let held: &[String] = match *field {
                    "availableTypes" => details.map_or(&[], |d| std::slice::from_ref(&d.site_type)),
                    "availableCountries" => details.map_or(&[], |d| std::slice::from_ref(&d.country)),
                    "diseases" => people.map_or(&[], |p| &p.diseases),
                    "bioSamples" => collected.map_or(&[], |c| &c.bio_samples),
                    "images" => collected.map_or(&[], |c| &c.images),
                    _ => collected.map_or(&[], |c| &c.cognitive_data),
                };
                one_of(asked, held)
            })
    }

    fn meets_content(&self, block: &Block, details: Option<&Details>, content: Option<&Content>) -> bool {
        self.min_subjects.is_none_or(|least| content.is_some_and(|c| c.number_of_subjects >= least))
            && (self.age == (None, None) || content.is_some_and(|c| self.overlaps(c)))
            && block.iter().all(|(field, asked)| {
                if *field == "keywords" {
                    return one_of(asked, details.map_or(&[], |d| &d.keywords));
                }
                content.is_some_and(|c| {
                    let held = match *field {
                        "availableTypes" => &c.data_types,
                        "availableCountries" => &c.countries,
                        "diseases" => &c.diseases,
                        "sex" => &c.sex,
                        "clinical" => &c.clinical,
                        "markers" => &c.markers,
                        "images" => &c.images,
                        _ => &c.electrophysiology,
                    };
                    one_of(asked, held)
                })
            })
    }

    /// An open end reaches everywhere; who says nothing of ages is not found by them.
    fn overlaps(&self, content: &Content) -> bool {
        let said = content.min_age.is_some() || content.max_age.is_some();
        let below = self.age.1.is_none_or(|max| content.min_age.is_none_or(|min| min <= max));
        let above = self.age.0.is_none_or(|min| content.max_age.is_none_or(|max| max >= min));
        said && below && above
    }
}

/// Whether any value asked for is held; nothing asked is met by all.
fn one_of(asked: &[String], held: &[String]) -> bool {
    asked.is_empty() || asked.iter().any(|value| held.contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metasources::{index::MetaIndex, read};
    use serde_json::json;

    fn sources() -> Vec<MetaSource> {
        let publisher =
            |kind: &str| json!({"publisherType": kind, "name": "Leicester", "contactEmail": "a@b.example"});
        let bodies = json!([
            {"sourceName": "cohort", "sourceType": "cohort", "publisher": publisher("organization"),
             "cohortDetails": {"siteType": "multiSite", "country": "UK", "yearStart": 2000},
             "collectedTypes": {"participants": {"diseases": ["pd"], "numberOfSubjects": 500}, "images": ["mri"]},
             "customFields": {"Study": ["S1", "S2"]}},
            {"sourceName": "dataset", "sourceType": "dataset", "publisher": publisher("individual"),
             "description": "Gait of walkers",
             "datasetVersions": [
                {"datasetDetails": {"keywords": ["Gait"]},
                 "datasetContent": {"numberOfSubjects": 10, "minAge": 40, "diseases": ["pd"], "countries": ["FR"]}},
                {"datasetContent": {"numberOfSubjects": 200, "maxAge": 30, "diseases": ["ad"], "countries": ["UK"]}}]},
            {"sourceName": "collection", "sourceType": "dataCollection", "publisher": publisher("organization"),
             "dataCollectionContent": {"numberOfSubjects": 50, "diseases": ["hd"]}, "customFields": {"Study": "S3"}},
            {"sourceName": "biobank", "sourceType": "bioBank", "publisher": publisher("agency")},
        ]);
        let mut next = 0;
        let mut fresh = || {
            next += 1;
            uuid::Builder::from_random_bytes([next; 16]).into_uuid()
        };
        let all = bodies.as_array().unwrap().iter();
        all.map(|body| read::read(body, &mut fresh).unwrap()).collect()
    }

    #[rstest::rstest]
    #[case(json!({}), &["cohort", "dataset", "collection", "biobank"])]
    #[case(json!({"types": ["all", "cohort"]}), &["cohort", "dataset", "collection", "biobank"])]
    #[case(json!({"types": ["bioBank"], "availableTypes": ["cohort"]}), &["cohort", "biobank"])]
    #[case(json!({"publisherTypes": ["organization", "agency"]}), &["cohort", "collection", "biobank"])]
    #[case(json!({"types": ["cohort"], "publisherTypes": ["agency"]}), &[])]
    #[case(json!({"text": "GAIT leic"}), &["dataset"])]
    #[case(json!({"text": "gait mri"}), &[])]
    #[case(json!({"customFields": {"Study": ["S2", "S3"]}}), &["cohort", "collection"])]
    #[case(json!({"minSubjects": 100}), &["cohort", "dataset"])]
    #[case(json!({"age": {"min": 35}}), &["dataset"])]
    #[case(json!({"minAge": 31, "maxAge": 39}), &[])]
    #[case(json!({"cohort": {"diseases": ["pd"]}}), &["cohort"])]
    #[case(json!({"cohort": {"diseases": ["pd"], "availableCountries": ["FR"]}}), &[])]
    #[case(json!({"cohort": {"availableCountries": ["UK"]}, "dataset": {"keywords": ["Gait"]}}), &["cohort", "dataset"])]
    #[case(json!({"dataset": {"diseases": ["pd"], "availableCountries": ["GB"]}}), &[])]
    #[case(json!({"dataset": {"diseases": ["pd"]}, "minSubjects": 100}), &[])]
    #[case(json!({"dataset": {}, "dataCollection": {"diseases": ["hd"]}}), &["collection"])]
    fn one_value_of_an_array_and_all_fields(#[case] asked: Value, #[case] found: &[&str]) {
        let query = MetaQuery::read(&asked).unwrap();
        let sources = sources();
        let names: Vec<_> = sources.iter().filter(|s| query.meets(s)).map(|s| &*s.source_name).collect();
        assert_eq!(names, found, "{asked}");
    }

    #[rstest::rstest]
    #[case(json!([]), "a meta query")]
    #[case(json!({"types": ["martian"]}), "types: ")]
    #[case(json!({"publisherTypes": "all"}), "publisherTypes: ")]
    #[case(json!({"cohort": {"diseases": [1]}}), "cohort.diseases: ")]
    #[case(json!({"dataset": []}), "dataset: ")]
    #[case(json!({"minSubjects": -1}), "minSubjects: ")]
    #[case(json!({"age": {"min": 9, "max": 8}}), "age: ")]
    #[case(json!({"text": "x".repeat(1_001)}), "text: ")]
    fn a_refusal_says_where(#[case] asked: Value, #[case] begins: &str) {
        let refusal = MetaQuery::read(&asked).unwrap_err();
        assert!(refusal.starts_with(begins), "{refusal}");
    }

    #[test]
    fn the_index_has_each_value_once_and_no_block_without_sources() {
        let sources = sources();
        let index = serde_json::to_value(MetaIndex::of(&sources)).unwrap();
        assert_eq!(index["availableTypes"], json!(["biobank", "cohort", "dataCollection", "dataset"]));
        assert_eq!(index["dataset"]["availableCountries"], json!(["FR", "GB"]));
        assert_eq!(index["customFields"], json!({"Study": ["S1", "S2", "S3"]}));
        let empty = serde_json::to_value(MetaIndex::default()).unwrap();
        assert_eq!(empty, json!({"availableTypes": [], "publisherTypes": [], "customFields": {}}));
    }
}

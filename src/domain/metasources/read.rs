//! From what a client sends to a meta source, by the table of specification §10.2.
//!
//! The published schemas cannot be met (no. 5 of §16), so nothing is compiled from them. Unknown fields are dropped;
//! every problem is found, not the first alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    CohortDetails, CollectedTypes, Content, CustomValue, DatasetVersion, Details, MetaSource, MetaSourceType,
    Participants, Publisher, words,
};
use crate::domain::ids::{MetaSourceId, SourceId};
use crate::domain::settings::merge;

/// Longest text of one line, in bytes.
const LINE: usize = 4_096;

/// Longest description, in bytes.
const PROSE: usize = 65_536;

/// Longest list.
const LIST: usize = 1_000;

/// Most problems that are told of one meta source.
const PROBLEMS: usize = 100;

/// A field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub path: String,
    pub reason: String,
}

type Object = Map<String, Value>;

/// Makes a meta source; `fresh` gives a UUID for it and for versions that come without.
pub fn read(body: &Value, fresh: &mut dyn FnMut() -> uuid::Uuid) -> Result<MetaSource, Vec<Problem>> {
    let Some(fields) = body.as_object() else {
        return Err(vec![Problem { path: String::new(), reason: "must be a JSON object".into() }]);
    };
    let mut fields = fields.clone();
    normalise(&mut fields);
    let mut problems = Vec::new();
    let made = Place { fields: &fields, path: String::new() }.meta_source(&mut problems, fresh);
    problems.truncate(PROBLEMS);
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// Lays a change over a meta source: absent is unchanged, `null` removes, lists are replaced, the id stays.
pub fn change(
    held: &MetaSource,
    change: &Value,
    fresh: &mut dyn FnMut() -> uuid::Uuid,
) -> Result<MetaSource, Vec<Problem>> {
    let Some(fields) = change.as_object() else {
        return Err(vec![Problem { path: String::new(), reason: "must be a JSON object".into() }]);
    };
    let mut fields = fields.clone();
    normalise(&mut fields);
    fields.insert("sourceId".into(), held.source_id.as_str().into());
    let mut body = held.shown();
    merge(&mut body, &Value::Object(fields));
    without_nulls(&mut body);
    read(&body, fresh)
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

/// Brings the spellings in use to one: `collectedTypes`, and `connectionId` inside the details of the data.
fn normalise(fields: &mut Object) {
    if let Some(collected) = fields.remove("collectedTypes") {
        fields.entry("cohortCollectedTypes").or_insert(collected);
    }
    let said = fields.get("connectionId").is_some_and(|id| id != "");
    if said {
        return;
    }
    let connection = |details: Option<&Value>| {
        details.and_then(|d| d.get("connectionId")).filter(|id| !id.is_null() && *id != "").cloned()
    };
    let versions = fields.get("datasetVersions").and_then(Value::as_array).into_iter().flatten().rev();
    let inside = connection(fields.get("dataCollectionDetails"))
        .or_else(|| versions.filter_map(|version| connection(version.get("datasetDetails"))).next());
    if let Some(id) = inside {
        fields.insert("connectionId".into(), id);
    }
}

/// An object and where it is.
struct Place<'a> {
    fields: &'a Object,
    path: String,
}

impl<'a> Place<'a> {
    fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn problem(&self, problems: &mut Vec<Problem>, name: &str, reason: impl Into<String>) {
        if problems.len() < PROBLEMS {
            problems.push(Problem { path: self.at(name), reason: reason.into() });
        }
    }

    /// A field that is there and not null.
    fn given(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text; empty where there is none.
    fn text(&self, problems: &mut Vec<Problem>, name: &str, most: usize) -> String {
        let Some(value) = self.given(name) else { return String::new() };
        match value.as_str().map(str::trim) {
            Some(text) if text.len() <= most => return text.to_owned(),
            Some(_) => self.problem(problems, name, format!("must have at most {most} bytes")),
            None => self.problem(problems, name, "must be a string"),
        }
        String::new()
    }

    /// A text that must not be empty.
    fn needed(&self, problems: &mut Vec<Problem>, name: &str) -> String {
        let before = problems.len();
        let text = self.text(problems, name, LINE);
        if text.is_empty() && problems.len() == before {
            self.problem(problems, name, "is required and must not be empty");
        }
        text
    }

    /// A text that is empty or meets a condition.
    fn like(&self, problems: &mut Vec<Problem>, name: &str, what: &str, is: impl Fn(&str) -> bool) -> String {
        let text = self.text(problems, name, LINE);
        if text.is_empty() || is(&text) {
            return text;
        }
        self.problem(problems, name, format!("must be {what}"));
        String::new()
    }

    /// A text of a closed list that must be there.
    fn needed_word(&self, problems: &mut Vec<Problem>, name: &str, list: &str) -> String {
        let text = self.needed(problems, name);
        if !text.is_empty() && !words::has(list, &text) {
            self.problem(problems, name, format!("must be one of: {list}"));
        }
        text
    }

    fn uuid(&self, problems: &mut Vec<Problem>, name: &str) -> Option<String> {
        let text = self.text(problems, name, LINE);
        let uuid = uuid(&text);
        if uuid.is_none() && !text.is_empty() {
            self.problem(problems, name, "must be a UUID");
        }
        uuid
    }

    /// A version 4 UUID, or a fresh one where there is none.
    fn own_id(
        &self,
        problems: &mut Vec<Problem>,
        name: &str,
        fresh: &mut dyn FnMut() -> uuid::Uuid,
    ) -> String {
        let text = self.text(problems, name, LINE);
        if text.is_empty() {
            return fresh().to_string();
        }
        let id = uuid(&text).filter(|id| id.get(14..15) == Some("4"));
        if id.is_none() {
            self.problem(problems, name, "must be a version 4 UUID; leave it out to be given one");
        }
        id.unwrap_or_default()
    }

    /// A list of texts, each made good by a rule or refused; duplicates collapse.
    fn list<T: PartialEq>(
        &self,
        problems: &mut Vec<Problem>,
        name: &str,
        what: &str,
        rule: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.given(name) else { return Vec::new() };
        let Some(items) = value.as_array().filter(|items| items.len() <= LIST) else {
            self.problem(problems, name, format!("must be an array of at most {LIST} strings"));
            return Vec::new();
        };
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let text = item.as_str().map(str::trim).filter(|text| text.len() <= LINE);
            match text.and_then(&rule) {
                Some(one) if !list.contains(&one) => list.push(one),
                Some(_) => {}
                None => self.problem(problems, &format!("{name}[{index}]"), format!("must be {what}")),
            }
        }
        list
    }

    /// A list of words of a closed list.
    fn words(&self, problems: &mut Vec<Problem>, name: &str, list: &str) -> Vec<String> {
        let rule = |word: &str| words::has(list, word).then(|| word.to_owned());
        self.list(problems, name, &format!("one of: {list}"), rule)
    }

    fn uris(&self, problems: &mut Vec<Problem>, name: &str) -> Vec<String> {
        self.list(problems, name, "an absolute URI", |uri| is_uri(uri).then(|| uri.to_owned()))
    }

    fn number(&self, problems: &mut Vec<Problem>, name: &str) -> Option<u64> {
        let value = self.given(name)?;
        let number = value.as_u64().filter(|number| *number <= MOST);
        if number.is_none() {
            self.problem(problems, name, format!("must be a whole number from 0 to {MOST}"));
        }
        number
    }

    /// An object inside this one.
    fn inside(&self, problems: &mut Vec<Problem>, name: &str) -> Option<Place<'a>> {
        let value = self.given(name)?;
        let fields = value.as_object();
        if fields.is_none() {
            self.problem(problems, name, "must be an object");
        }
        fields.map(|fields| Place { fields, path: self.at(name) })
    }

    /// The same where it must be there.
    fn needed_inside(&self, problems: &mut Vec<Problem>, name: &str) -> Option<Place<'a>> {
        if self.given(name).is_none() {
            self.problem(problems, name, "is required");
        }
        self.inside(problems, name)
    }

    fn meta_source(&self, p: &mut Vec<Problem>, fresh: &mut dyn FnMut() -> uuid::Uuid) -> MetaSource {
        let source_type = self.source_type(p);
        let id = self.own_id(p, "sourceId", fresh);
        let mut made = MetaSource {
            source_id: MetaSourceId::parse(id).unwrap_or_else(|_| MetaSourceId::from_uuid(uuid::Uuid::nil())),
            source_name: self.needed(p, "sourceName"),
            source_type,
            publisher: self.needed_inside(p, "publisher").map(|at| at.publisher(p)).unwrap_or_default(),
            resource_urls: self.uris(p, "resourceUrls"),
            description: self.text(p, "description", PROSE),
            themes: self.uris(p, "themes"),
            release_license: self.like(p, "releaseLicense", "an absolute URI", is_uri),
            language: self.like(p, "language", "a lower-case ISO 639-1 code", words::is_language),
            connection_id: self.uuid(p, "connectionId").and_then(|id| SourceId::parse(id).ok()),
            custom_fields: self.custom_fields(p),
            cohort_details: None,
            cohort_collected_types: None,
            dataset_ids: Vec::new(),
            dataset_versions: Vec::new(),
            data_collection_details: None,
            data_collection_content: None,
        };
        if matches!(source_type, MetaSourceType::Cohort | MetaSourceType::Catalog) {
            let rule = |id: &str| uuid(id).and_then(|id| MetaSourceId::parse(id).ok());
            made.dataset_ids = self.list(p, "datasetIds", "a UUID", rule);
        }
        match source_type {
            MetaSourceType::Cohort => {
                made.cohort_details = self.needed_inside(p, "cohortDetails").map(|at| at.cohort_details(p));
                let collected = self.inside(p, "cohortCollectedTypes").map(|at| at.collected_types(p));
                made.cohort_collected_types = collected.filter(|c| *c != CollectedTypes::default());
            }
            MetaSourceType::Dataset => made.dataset_versions = self.versions(p, fresh),
            MetaSourceType::DataCollection => {
                let details = self.inside(p, "dataCollectionDetails").map(|at| at.details(p));
                made.data_collection_details = details.filter(|d| *d != Details::default());
                made.data_collection_content =
                    self.inside(p, "dataCollectionContent").map(|at| at.content(p));
            }
            _ => {}
        }
        made
    }

    fn source_type(&self, problems: &mut Vec<Problem>) -> MetaSourceType {
        let name = self.needed(problems, "sourceType");
        let found = MetaSourceType::parse(&name);
        if found.is_none() && !name.is_empty() {
            let names = MetaSourceType::ALL.map(MetaSourceType::name).join(" ");
            self.problem(problems, "sourceType", format!("must be one of: {names}"));
        }
        // Uploads in use describe data collections as datasets without versions.
        let collection =
            ["dataCollectionContent", "dataCollectionDetails"].iter().any(|f| self.given(f).is_some());
        let versions =
            self.given("datasetVersions").is_some_and(|v| v.as_array().is_none_or(|v| !v.is_empty()));
        match found {
            Some(MetaSourceType::Dataset) if collection && !versions => MetaSourceType::DataCollection,
            found => found.unwrap_or(MetaSourceType::Custom),
        }
    }

    fn publisher(&self, p: &mut Vec<Problem>) -> Publisher {
        let publisher = Publisher {
            publisher_type: self.needed_word(p, "publisherType", words::PUBLISHERS),
            name: self.needed(p, "name"),
            contact_email: self.needed(p, "contactEmail"),
            contact_name: self.text(p, "contactName", LINE),
            url: self.like(p, "url", "an absolute URI", is_uri),
            location: self.text(p, "location", LINE),
        };
        if !publisher.contact_email.is_empty() && !is_email(&publisher.contact_email) {
            self.problem(p, "contactEmail", "must be an e-mail address");
        }
        publisher
    }

    fn custom_fields(&self, problems: &mut Vec<Problem>) -> BTreeMap<String, CustomValue> {
        let Some(at) = self.inside(problems, "customFields") else { return BTreeMap::new() };
        if at.fields.len() > LIST {
            self.problem(problems, "customFields", format!("must have at most {LIST} fields"));
            return BTreeMap::new();
        }
        let mut custom = BTreeMap::new();
        for (key, value) in at.fields {
            // The original keeps them as keys of its database, which cannot hold these.
            if key.trim().is_empty() || key.len() > 255 || key.contains(['.', '$', '/', '\\', '\0']) {
                at.problem(problems, key, "a field's name has 1 to 255 bytes and none of . $ / \\");
                continue;
            }
            let value = match value {
                Value::String(_) => CustomValue::One(at.text(problems, key, LINE)),
                Value::Array(_) => {
                    CustomValue::Many(at.list(problems, key, "a string", |text| Some(text.to_owned())))
                }
                _ => {
                    at.problem(problems, key, "must be a string or an array of strings");
                    continue;
                }
            };
            custom.insert(key.clone(), value);
        }
        custom
    }

    fn cohort_details(&self, p: &mut Vec<Problem>) -> CohortDetails {
        let country = self.needed(p, "country");
        let found = words::country(&country).map(str::to_owned);
        if found.is_none() && !country.is_empty() {
            self.problem(p, "country", format!("must be {COUNTRY}"));
        }
        let before = p.len();
        let year = self.number(p, "yearStart").filter(|year| (1900..=9999).contains(year));
        if year.is_none() && p.len() == before {
            self.problem(p, "yearStart", "is required: a year of four digits from 1900 on");
        }
        let ongoing = self.given("ongoing");
        if ongoing.is_some_and(|value| !value.is_boolean()) {
            self.problem(p, "ongoing", "must be true or false");
        }
        CohortDetails {
            site_type: self.needed_word(p, "siteType", words::SITES),
            country: found.unwrap_or_default(),
            year_start: year.unwrap_or_default(),
            center_name: self.text(p, "centerName", LINE),
            ongoing: ongoing.and_then(Value::as_bool),
        }
    }

    fn collected_types(&self, p: &mut Vec<Problem>) -> CollectedTypes {
        let participants = self.inside(p, "participants").map(|at| Participants {
            diseases: at.words(p, "diseases", words::DISEASES),
            number_of_subjects: at.number(p, "numberOfSubjects").unwrap_or_default(),
        });
        CollectedTypes {
            // Without diseases or without people it says nothing.
            participants: participants.filter(|p| !p.diseases.is_empty() && p.number_of_subjects > 0),
            bio_samples: self.words(p, "bioSamples", words::BIO_SAMPLES),
            images: self.words(p, "images", words::IMAGES),
            cognitive_data: self.words(p, "cognitiveData", words::COGNITIVE),
        }
    }

    fn versions(&self, p: &mut Vec<Problem>, fresh: &mut dyn FnMut() -> uuid::Uuid) -> Vec<DatasetVersion> {
        let items = self.given("datasetVersions").and_then(Value::as_array);
        let Some(items) = items.filter(|items| (1..=LIST).contains(&items.len())) else {
            self.problem(p, "datasetVersions", format!("is required: an array of 1 to {LIST} versions"));
            return Vec::new();
        };
        let mut versions: Vec<DatasetVersion> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = self.at(&format!("datasetVersions[{index}]"));
            let Some(fields) = item.as_object() else {
                self.problem(p, &format!("datasetVersions[{index}]"), "must be an object");
                continue;
            };
            let at = Place { fields, path };
            let details = at.inside(p, "datasetDetails");
            let id = match &details {
                Some(details) => details.own_id(p, "versionId", fresh),
                None => fresh().to_string(),
            };
            let dataset_details = Details {
                version_id: id,
                ..details
                    .map(|details| Details {
                        version_name: details.text(p, "versionName", LINE),
                        ..details.details(p)
                    })
                    .unwrap_or_default()
            };
            let taken = versions.iter().any(|v| v.dataset_details.version_id == dataset_details.version_id);
            if taken && !dataset_details.version_id.is_empty() {
                at.problem(p, "datasetDetails.versionId", "is the id of an earlier version too");
            }
            let content = at.needed_inside(p, "datasetContent");
            let dataset_content = content.map(|content| content.content(p)).unwrap_or_default();
            versions.push(DatasetVersion { dataset_details, dataset_content });
        }
        versions
    }

    /// What versions and data collections have in common.
    fn details(&self, p: &mut Vec<Problem>) -> Details {
        let not_empty = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Details {
            keywords: self.list(p, "keywords", "a string that is not empty", not_empty),
            published_date: self.like(p, "publishedDate", DATE, is_date),
            update_date: self.like(p, "updateDate", DATE, is_date),
            ..Details::default()
        }
    }

    fn content(&self, p: &mut Vec<Problem>) -> Content {
        let before = p.len();
        let number_of_subjects = self.number(p, "numberOfSubjects").unwrap_or_default();
        if number_of_subjects == 0 && p.len() == before {
            self.problem(p, "numberOfSubjects", "is required and must be greater than 0");
        }
        let (min_age, max_age) = (self.number(p, "minAge"), self.number(p, "maxAge"));
        if min_age.zip(max_age).is_some_and(|(min, max)| min > max) {
            self.problem(p, "minAge", "must not be greater than maxAge");
        }
        Content {
            number_of_subjects,
            min_age,
            max_age,
            countries: self.list(p, "countries", COUNTRY, |code| words::country(code).map(str::to_owned)),
            diseases: self.words(p, "diseases", words::DISEASES),
            sex: self.words(p, "sex", words::SEX),
            clinical: self.words(p, "clinical", words::CLINICAL),
            markers: self.words(p, "markers", words::MARKERS),
            images: self.words(p, "images", words::IMAGES),
            electrophysiology: self.words(p, "electrophysiology", words::ELECTROPHYSIOLOGY),
            data_types: self.words(p, "dataTypes", words::DATA_TYPES),
        }
    }
}

/// Largest number of subjects or years.
const MOST: u64 = 1_000_000_000_000;

const COUNTRY: &str = "an ISO 3166-1 code of two capital letters";
const DATE: &str = "a date as YYYY-MM-DD";

/// A UUID in its usual form, in lower case.
fn uuid(text: &str) -> Option<String> {
    let parsed = uuid::Uuid::parse_str(text).ok().filter(|_| text.len() == 36)?;
    Some(parsed.to_string())
}

/// Absolute, and nothing that a page would run when it is followed.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"{}|\\^`".contains(c);
    let harmful = ["javascript", "vbscript", "data"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad));
    named && !harmful && !rest.trim_start_matches('/').is_empty() && rest.chars().all(legal)
}

fn is_email(text: &str) -> bool {
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"".contains(c);
    text.rsplit_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && !name.contains('@')
            && !host.is_empty()
            && !host.starts_with('.')
            && !host.ends_with('.')
    }) && text.chars().all(legal)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

#[cfg(test)]
mod tests;

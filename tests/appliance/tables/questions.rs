//! What is asked, once as a query and once as a plain condition on a person.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::counts::Person;
use super::ids_where;

type Condition = Box<dyn Fn(&Person<'_>) -> bool + Send + Sync>;

/// A question with the condition it stands for.
pub struct Question {
    pub name: &'static str,
    pub builder: Value,
    holds: Condition,
}

impl Question {
    pub fn count(&self, people: &[Person<'_>]) -> usize {
        people.iter().filter(|person| (self.holds)(person)).count()
    }

    pub fn ids(&self, people: &[Person<'_>]) -> Vec<String> {
        ids_where(people, &self.holds)
    }
}

fn question(
    name: &'static str,
    builder: Value,
    holds: impl Fn(&Person<'_>) -> bool + Send + Sync + 'static,
) -> Question {
    Question { name, builder, holds: Box::new(holds) }
}

/// Attributes go by their stored names, in which points are encoded.
fn eav(attribute: &str, relation: &str, value: impl Into<Value>) -> Value {
    json!({"attribute": attribute.replace('.', "%2E"), "relation": relation, "value": value.into()})
}

const BMI: &str = "Body mass index (BMI)-0.0";
const SMOKED: &str = "Ever smoked-0.0";
const DIABETES: &str = "Diabetes diagnosed by doctor-0.0";
const HEART: &str = "Circulatory system disorders";
const ANY: f64 = 1.0;

/// Attributes, ages, genes, mutation types and frequencies of the cohort.
pub fn of_the_cohort() -> Vec<Question> {
    let needs_age = json!({"requiredFilters": {"subjectCapability": {"age": true}}});
    let share = OnceLock::new();
    let from = |min: u32, max: u32| json!({"min": min, "max": max});
    vec![
        question("women", json!({"subject": {"gender": "female"}}), |p| p.is("Sex", "female")),
        question(
            "of an ethnic background",
            json!({"eav": [eav("Ethnic background-0.0", "stringIs", "Mixed")]}),
            |p| p.is("Ethnic background-0.0", "Mixed"),
        ),
        question(
            "heavy smokers of their time: two attributes at once",
            json!({"eav": [eav(BMI, "numericGreaterThanOrEqual", 30), eav(SMOKED, "stringIs", "Yes")]}),
            |p| p.number(BMI, |bmi| bmi >= 30.0) && p.is(SMOKED, "Yes"),
        ),
        question(
            "a number that is written with and without decimals",
            json!({"eav": [eav("Fasting time-0.0", "numericEquals", 3)]}),
            |p| p.number("Fasting time-0.0", |hours| (hours - 3.0).abs() < f64::EPSILON),
        ),
        question(
            "a pattern in a text",
            json!({"eav": [eav("Qualifications-0.0", "regexContains", "(?i)degree|a levels")]}),
            |p| {
                let text = p.text("Qualifications-0.0").map(str::to_lowercase).unwrap_or_default();
                text.contains("degree") || text.contains("a levels")
            },
        ),
        question(
            "another disorder than one: those without any do not count",
            json!({"eav": [eav(HEART, "stringIsNot", "haemorrhoids")]}),
            |p| p.text(HEART).is_some_and(|disorder| disorder != "haemorrhoids"),
        ),
        question(
            "middle-aged, where ages are needed and broken cells are none",
            json!({"subject": {"age": from(40, 60)}, "advanced": needs_age}),
            |p| p.number("Age at recruitment-0.0", |age| (40.0..=60.0).contains(&age)),
        ),
        question(
            "carriers of any change in a gene",
            json!({"variant": [{"genes": ["POTEH"], "mutation": [], "maxAf": 1}]}),
            |p| p.carries(&["POTEH"], &[], ANY),
        ),
        question(
            "carriers of a missense change",
            json!({"variant": [{"genes": ["POTEH"], "mutation": ["missense"], "maxAf": 1}]}),
            |p| p.carries(&["POTEH"], &["missense"], ANY),
        ),
        question(
            "carriers of a rare missense change",
            json!({"variant": [{"genes": ["POTEH"], "mutation": ["missense"], "maxAf": 0.002}]}),
            |p| p.carries(&["POTEH"], &["missense"], 0.002),
        ),
        question(
            "carriers of a premature stop or a deletion in frame",
            json!({"variant": [{"genes": ["POTEH"], "mutation": ["nonsense", "indel"], "maxAf": 1}]}),
            |p| p.carries(&["POTEH"], &["nonsense", "indel"], ANY),
        ),
        question(
            "carriers in one of several genes, of several kinds",
            json!({"variant": [{"genes": ["IL17RA", "DUXAP8"], "mutation": ["missense", "splice"], "maxAf": 0.005}]}),
            |p| p.carries(&["IL17RA", "DUXAP8"], &["missense", "splice"], 0.005),
        ),
        question(
            "carriers of what is rare among these people",
            json!({"variant": [{"genes": ["POTEH"], "mutation": ["indel"], "maxAf": 0.1, "useLocalAf": true}]}),
            move |p| p.carries_locally_rare("POTEH", "indel", 0.1, &share),
        ),
        question(
            "men with diabetes and a missense change: both files at once",
            json!({
                "subject": {"gender": "male"}, "eav": [eav(DIABETES, "stringIs", "Yes")],
                "variant": [{"genes": ["POTEH"], "mutation": ["missense"], "maxAf": 0.3}],
            }),
            |p| p.is("Sex", "male") && p.is(DIABETES, "Yes") && p.carries(&["POTEH"], &["missense"], 0.3),
        ),
    ]
}

const TREATMENT: &str = "imageStudy|disease|treatment|label";
const AT_DIAGNOSIS: &str = "imageStudy|disease|ageAtDiagnosis";

/// Ages and cells of several values of the imaging table.
pub fn of_the_images() -> Vec<Question> {
    let ages = |min: u32, max: u32| json!({"ageFirstDiagnosis": {"min": min, "max": max}});
    vec![
        question("women", json!({"subject": {"gender": "female"}}), |p| p.is("sex|label", "Female")),
        question("diagnosed from 40 to 59", json!({"subject": ages(40, 59)}), |p| {
            p.number(AT_DIAGNOSIS, |age| (40.0..=59.0).contains(&age))
        }),
        question("diagnosed at 70 or later", json!({"subject": ages(70, 100)}), |p| {
            p.number(AT_DIAGNOSIS, |age| age >= 70.0)
        }),
        question(
            "operated on, alone or beside another treatment",
            json!({"eav": [eav(TREATMENT, "stringIs", "Surgery")]}),
            |p| p.has(TREATMENT, "Surgery"),
        ),
        question("never operated on", json!({"eav": [eav(TREATMENT, "stringIsNot", "Surgery")]}), |p| {
            p.text(TREATMENT).is_some() && !p.has(TREATMENT, "Surgery")
        }),
        question(
            "a tumour that grows fast",
            json!({"eav": [eav("imageStudy|disease|tumorMetadata|KI67", "numericGreaterThan", 5)]}),
            |p| p.number("imageStudy|disease|tumorMetadata|KI67", |ki67| ki67 > 5.0),
        ),
    ]
}

//! Resolves the six demographics of a subject from all that is known of it (specification §6.4, table; §7.4 *subject*).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::subjects::{Demographics, EavValue, FamilyType, Gender, Scalar, Subject, Term};

use super::ages::{plausible, years_of_text};

const MALE: &str = "248153007";
const FEMALE: &str = "248152002";
const AGE: &str = "424144002";
const AGE_AT_DIAGNOSIS: &str = "423493009";
const AGE_AT_ONSET: &str = "445518008";
const NCIT_MALE: &str = "C20197";
const NCIT_FEMALE: &str = "C16576";

/// Sets the hidden demographics from what was given explicitly, else EAV, else SNOMED, else NCIT, else the phenopacket.
pub fn resolve(subject: &mut Subject) {
    subject.demo = subject
        .given
        .explicit
        .or(of_eav(&subject.eav))
        .or(of_snomed(&subject.snomed))
        .or(Demographics { gender: of_ncit(&subject.ncit), ..Demographics::default() })
        .or(subject.given.packet);
}

/// Sex from the words people write; numbers only mean something where a pipeline declares them.
pub fn gender_of_text(text: &str) -> Option<Gender> {
    match text.trim().to_lowercase().as_str() {
        "m" | "male" | "man" => Some(Gender::Male),
        "f" | "female" | "woman" => Some(Gender::Female),
        _ => None,
    }
}

/// Years from a number, a numeric text or an ISO 8601 duration; 0 to 150.
pub fn years_of_scalar(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Number(number) => number.as_f64().and_then(plausible),
        Scalar::Text(text) => years_of_text(text),
        Scalar::Bool(_) => None,
    }
}

/// Whether someone is affected, from a truth value or the usual words.
pub fn affected_of_scalar(value: &Scalar) -> Option<bool> {
    match value {
        Scalar::Bool(affected) => Some(*affected),
        Scalar::Text(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "affected" => Some(true),
            "false" | "no" | "unaffected" => Some(false),
            _ => None,
        },
        Scalar::Number(_) => None,
    }
}

/// The family type by its name.
pub fn family_type_of_text(text: &str) -> Option<FamilyType> {
    match text.trim().to_lowercase().as_str() {
        "singleton" => Some(FamilyType::Singleton),
        "trio" => Some(FamilyType::Trio),
        "family" => Some(FamilyType::Family),
        _ => None,
    }
}

fn text(value: &Scalar) -> Option<&str> {
    match value {
        Scalar::Text(text) => Some(text),
        Scalar::Bool(_) | Scalar::Number(_) => None,
    }
}

/// The first element an attribute of one of the names (letter case ignored) can be read from.
fn attribute<T>(
    eav: &BTreeMap<String, EavValue>,
    names: &[&str],
    read: impl Fn(&Scalar) -> Option<T>,
) -> Option<T> {
    names.iter().find_map(|wanted| {
        eav.iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .find_map(|(_, value)| value.scalars().iter().find_map(&read))
    })
}

fn of_eav(eav: &BTreeMap<String, EavValue>) -> Demographics {
    if eav.is_empty() {
        return Demographics::default();
    }
    Demographics {
        gender: attribute(eav, &["gender", "sex"], |value| text(value).and_then(gender_of_text)),
        age: attribute(eav, &["age"], years_of_scalar),
        age_first_diagnosis: attribute(eav, &["ageFirstDiagnosis", "age_at_diagnosis"], years_of_scalar),
        age_first_symptoms: attribute(eav, &["ageFirstSymptoms", "age_at_onset"], years_of_scalar),
        affected: attribute(eav, &["affected", "affectedStatus"], affected_of_scalar),
        family_type: attribute(eav, &["familyType"], |value| text(value).and_then(family_type_of_text)),
    }
}

fn of_snomed(terms: &[Term]) -> Demographics {
    let mut found = Demographics::default();
    for term in terms {
        for id in term.present() {
            let gender = match id {
                MALE => Some(Gender::Male),
                FEMALE => Some(Gender::Female),
                _ => None,
            };
            found.gender = found.gender.or(gender);
        }
        let Term::Qualified(values) = term else { continue };
        let years = |observable: &str| values.get(observable).and_then(years_of_value);
        found.age = found.age.or_else(|| years(AGE));
        found.age_first_diagnosis = found.age_first_diagnosis.or_else(|| years(AGE_AT_DIAGNOSIS));
        found.age_first_symptoms = found.age_first_symptoms.or_else(|| years(AGE_AT_ONSET));
    }
    found
}

fn years_of_value(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().and_then(plausible),
        Value::String(text) => years_of_text(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn of_ncit(ids: &[String]) -> Option<Gender> {
    ids.iter().find_map(|id| match id.as_str() {
        NCIT_MALE => Some(Gender::Male),
        NCIT_FEMALE => Some(Gender::Female),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolved(document: Value) -> Value {
        let mut subject: Subject = serde_json::from_value(document).unwrap();
        resolve(&mut subject);
        serde_json::to_value(subject.demo).unwrap()
    }

    #[rstest::rstest]
    #[case(json!({}), json!({}))]
    #[case(json!({"EAV": {"Sex": "F", "AGE": "47"}}), json!({"gender": "female", "age": 47.0}))]
    #[case(json!({"EAV": {"sex": "1", "age": "unknown"}}), json!({}))]
    #[case(json!({"EAV": {"sex": 1, "age": -4}}), json!({}))]
    #[case(json!({"EAV": {"gender": ["n/a", "man"], "age": "P12Y7M"}}), json!({"gender": "male", "age": 12.0}))]
    #[case(json!({"EAV": {"age_at_diagnosis": 3.5, "age_at_onset": "P8M"}}),
           json!({"ageFirstDiagnosis": 3.5, "ageFirstSymptoms": 0.0}))]
    #[case(json!({"EAV": {"affectedStatus": "Unaffected", "familytype": "Trio"}}),
           json!({"affected": false, "familyType": "trio"}))]
    #[case(json!({"SNOMED": ["248153007", {"424144002": 47}, {"423493009": "30"}, {"445518008": 28}]}),
           json!({"gender": "male", "age": 47.0, "ageFirstDiagnosis": 30.0, "ageFirstSymptoms": 28.0}))]
    #[case(json!({"SNOMED": [{"248153007": false}], "NCIT": ["C16576"]}), json!({"gender": "female"}))]
    #[case(json!({"EAV": {"sex": "m"}, "SNOMED": ["248152002"], "NCIT": ["C16576"]}), json!({"gender": "male"}))]
    #[case(json!({"SNOMED": ["248152002"], "NCIT": ["C20197"]}), json!({"gender": "female"}))]
    #[case(json!({"NCIT": ["C20197"], "_given": {"packet": {"gender": "female", "age": 5.0}}}),
           json!({"gender": "male", "age": 5.0}))]
    #[case(json!({"EAV": {"age": 9}, "_given": {"explicit": {"age": 7.0}, "packet": {"age": 5.0}}}),
           json!({"age": 7.0}))]
    fn the_first_hit_decides(#[case] mut document: Value, #[case] expected: Value) {
        document["subjectId"] = json!("a");
        assert_eq!(resolved(document), expected);
    }

    #[test]
    fn resolving_again_forgets_what_no_longer_holds() {
        let mut subject = Subject::new("a");
        subject.demo.age = Some(99.0);
        resolve(&mut subject);
        assert!(subject.demo.is_empty());
    }
}

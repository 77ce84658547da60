//! What one user wants to see (the published `user_setting`); it never changes an answer (specification §6.3).

use serde_json::{Map, Value, json};

use super::InvalidUser;

/// The filters that can be shown or hidden.
const TOGGLES: [&str; 8] = ["subject", "genes", "hpo", "ordo", "snomed", "variant", "source", "eav"];

/// Those of demographics.
const SUBJECT_TOGGLES: [&str; 4] = ["age", "gender", "familyType", "affected"];

/// Reads display settings: what is known and has its published form is kept, what is unknown is ignored, null is the
/// same as absent.
pub fn read_settings(body: &Value) -> Result<Value, InvalidUser> {
    let fields =
        body.as_object().ok_or(InvalidUser { field: "the settings", expected: "must be a JSON object" })?;
    let mut kept = Map::new();
    if let Some(color) = given(fields, "colorSetting") {
        kept.insert("colorSetting".into(), read_color(color)?);
    }
    if let Some(capability) = given(fields, "capability") {
        let mut toggles = read_toggles(capability, "capability", &TOGGLES)?;
        if let Some(subject) = capability.as_object().and_then(|fields| given(fields, "subjectCapability")) {
            let subject = read_toggles(subject, "capability.subjectCapability", &SUBJECT_TOGGLES)?;
            toggles.insert("subjectCapability".into(), subject.into());
        }
        kept.insert("capability".into(), toggles.into());
    }
    Ok(kept.into())
}

fn given<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn read_color(color: &Value) -> Result<Value, InvalidUser> {
    let seed = color.get("seedColor").and_then(Value::as_str);
    let seed = seed
        .filter(|text| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or(InvalidUser {
            field: "colorSetting.seedColor",
            expected: "must be six hexadecimal digits, e.g. 336699",
        })?;
    let mode =
        color.get("themeMode").and_then(Value::as_u64).filter(|mode| *mode <= 2).ok_or(InvalidUser {
            field: "colorSetting.themeMode",
            expected: "must be 0 (as the system), 1 (light) or 2 (dark)",
        })?;
    Ok(json!({"seedColor": seed, "themeMode": mode}))
}

fn read_toggles(
    toggles: &Value,
    field: &'static str,
    known: &[&str],
) -> Result<Map<String, Value>, InvalidUser> {
    let wrong = || InvalidUser { field, expected: "must be an object of names and true or false" };
    let fields = toggles.as_object().ok_or_else(wrong)?;
    let mut kept = Map::new();
    for name in known {
        if let Some(value) = given(fields, name) {
            kept.insert((*name).to_owned(), value.as_bool().ok_or_else(wrong)?.into());
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(json!({}), json!({}))]
    #[case(json!({"colorSetting": {"seedColor": "33aaFF", "themeMode": 2, "x": 1}, "y": 2}),
        json!({"colorSetting": {"seedColor": "33aaFF", "themeMode": 2}}))]
    #[case(json!({"colorSetting": null, "capability": {"hpo": true, "eav": null, "other": 7}}),
        json!({"capability": {"hpo": true}}))]
    #[case(json!({"capability": {"subjectCapability": {"age": false}}}),
        json!({"capability": {"subjectCapability": {"age": false}}}))]
    fn what_is_known_is_kept(#[case] body: Value, #[case] kept: Value) {
        assert_eq!(read_settings(&body), Ok(kept));
    }

    #[rstest::rstest]
    #[case(json!("blue"), "the settings")]
    #[case(json!({"colorSetting": {"seedColor": "33669", "themeMode": 0}}), "colorSetting.seedColor")]
    #[case(json!({"colorSetting": {"seedColor": "33669g", "themeMode": 0}}), "colorSetting.seedColor")]
    #[case(json!({"colorSetting": {"seedColor": "336699"}}), "colorSetting.themeMode")]
    #[case(json!({"colorSetting": {"seedColor": "336699", "themeMode": 3}}), "colorSetting.themeMode")]
    #[case(json!({"colorSetting": []}), "colorSetting.seedColor")]
    #[case(json!({"capability": true}), "capability")]
    #[case(json!({"capability": {"hpo": "yes"}}), "capability")]
    #[case(json!({"capability": {"subjectCapability": {"age": 1}}}), "capability.subjectCapability")]
    fn what_is_malformed_is_named(#[case] body: Value, #[case] field: &str) {
        assert_eq!(read_settings(&body).unwrap_err().field, field);
    }
}

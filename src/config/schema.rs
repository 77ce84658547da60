//! The JSON Schema of the file, made from the types.

use serde_json::{Map, Value, json};

use super::tree::{ALIASES, Field, Form, Leaf, Section as _, Shape};

/// Describes one value in the spelling that is written; text that is read as well is allowed where published.
fn leaf(leaf: &Leaf) -> Value {
    match &leaf.form {
        Form::Text | Form::Path => json!({"type": "string"}),
        Form::Secret => json!({"type": "string", "writeOnly": true}),
        Form::Boolean => json!({"type": "boolean"}),
        Form::Integer { max } => json!({"type": "integer", "minimum": 0, "maximum": max}),
        Form::Number => json!({"type": "number"}),
        Form::Port => json!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": u16::MAX},
            {"type": "string", "pattern": "^\\s*[0-9]{1,5}\\s*$"},
        ]}),
        Form::Url => json!({"type": "string", "pattern": "^\\s*([Hh][Tt][Tt][Pp][Ss]?://\\S+)?\\s*$"}),
        Form::Address => json!({"type": "string", "pattern": "^\\s*\\S+:[0-9]{1,5}\\s*$"}),
        Form::Network => json!({"type": "string", "pattern": "^\\s*[0-9A-Fa-f.:]+(/[0-9]{1,3})?\\s*$"}),
        Form::Size => amount("[kKmMgGtT]?[iI]?[bB]?"),
        Form::Seconds => amount("([sSmMhHdD]|[mM][iI][nN])?"),
        Form::Days => amount("[dDwW]?"),
        // Words are read in any case, which a schema cannot say: they are examples, the pattern is the rule.
        Form::Choice(words) => {
            let any_case = |word: &&str| {
                word.chars()
                    .map(|c| format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()))
                    .collect()
            };
            let words_any: Vec<String> = words.iter().map(any_case).collect();
            json!({"type": "string", "pattern": format!("^\\s*({})\\s*$", words_any.join("|")), "examples": words})
        }
        Form::List(item) => json!({"type": "array", "items": self::leaf(item)}),
        Form::Map => json!({"type": "object", "additionalProperties": {"type": "string"}}),
    }
}

fn amount(units: &str) -> Value {
    let pattern = format!("^\\s*[0-9]+\\s*{units}\\s*$");
    json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": pattern}]})
}

fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Describes one key with its meaning and, unless it is secret or absent, its default.
fn field(field: &Field) -> Value {
    let mut schema = match &field.shape {
        Shape::Section { fields, .. } => nullable(section(fields)),
        Shape::Leaf(it) => nullable(leaf(it)),
    };
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), json!(field.meaning));
        let plain = matches!(&field.shape, Shape::Leaf(leaf) if !leaf.secret());
        if plain && !field.default.is_null() {
            object.insert("default".to_owned(), field.default.clone());
        }
    }
    schema
}

fn section(fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields.iter().map(|it| (it.key.to_owned(), field(it))).collect();
    // Further keys are ignored with a warning (spec §3.1), so they are no fault of the file.
    json!({"type": "object", "properties": properties, "additionalProperties": true})
}

/// Finds what describes a key path of the schema.
fn find<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(schema, |schema, key| {
        let object = schema.get("anyOf").and_then(|any| any.get(0)).unwrap_or(schema);
        object.get("properties")?.get(key)
    })
}

/// Makes the JSON Schema (draft 2020-12) of `instance_config.json`.
pub fn json_schema() -> Value {
    let mut schema = section(&super::InstanceConfig::fields());
    let aliases: Vec<(&str, Value)> = ALIASES
        .iter()
        .filter(|(from, _)| !from.contains('.'))
        .filter_map(|(from, to)| Some((*from, find(&schema, to)?.clone())))
        .collect();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("instance_config.json"));
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(aliases.into_iter().map(|(key, schema)| (key.to_owned(), schema)));
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::tree;

    #[test]
    fn every_setting_is_described_and_no_default_of_a_secret_is() {
        let schema = json_schema();
        for known in &tree().values {
            let found = find(&schema, &known.path).unwrap_or_else(|| panic!("{} is missing", known.path));
            assert_eq!(found["description"], known.meaning, "{}", known.path);
            assert!(!known.leaf.secret() || found.get("default").is_none(), "{}", known.path);
        }
    }

    #[test]
    fn other_spellings_at_the_top_are_described() {
        let schema = json_schema();
        assert_eq!(find(&schema, "Instance.URL"), find(&schema, "Appliance.Instance.URL"));
        assert!(find(&schema, "PostgreSQL.Host").is_some());
    }
}

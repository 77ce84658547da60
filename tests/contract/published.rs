//! The published documents, and a value judged by one of their schemas.
//!
//! Types, constants, enumerations and required fields count. Formats and patterns do not: some of the published ones
//! cannot be met (specification §16, no. 5). Stray requirements are listed in [`STRAY`].

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Required by a published schema that no property of the same schema describes.
const STRAY: [&str; 1] = ["sourceType"];

/// A published document.
pub struct Published(pub Value);

/// What judging values by schemas found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Where a value is not what the schema says.
    pub wrong: Vec<String>,
    /// Properties of the schemas, as `schema.property.property`.
    pub known: BTreeSet<String>,
    /// Those that a value had.
    pub seen: BTreeSet<String>,
}

impl Published {
    /// Reads a document, or prints that the test is skipped.
    pub fn open(name: &str) -> Option<Self> {
        let shared = std::env::var_os("CV3_SHARED")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), Into::into);
        let Ok(text) = std::fs::read(shared.join("contract").join(name)) else {
            println!("the published {name} is not present, skipped");
            return None;
        };
        Some(Self(serde_json::from_slice(&text).unwrap()))
    }

    /// The schema of an operation's answer.
    pub fn answer(&self, method: &str, path: &str, status: &str) -> &Value {
        let response = self.resolved(&self.0["paths"][path][method]["responses"][status]);
        let content = &response["content"]["application/json"];
        let schema = &content["schema"];
        assert!(schema.is_object(), "{method} {path} publishes no {status} answer");
        schema
    }

    /// The schema of an operation's request.
    pub fn request(&self, method: &str, path: &str) -> &Value {
        let schema = &self.0["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} publishes no request");
        schema
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                self.resolved(self.0.pointer(reference.trim_start_matches('#')).expect(reference))
            }
            None => schema,
        }
    }

    /// Judges a value; `at` names the place, starting with the schema.
    pub fn judge(&self, schema: &Value, value: &Value, at: &str, findings: &mut Findings) {
        let schema = self.resolved(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.judge(part, value, at, findings);
        }
        if let Some(ways) = schema["oneOf"].as_array() {
            let tried = ways.iter().map(|way| {
                let mut tried = Findings::default();
                self.judge(way, value, at, &mut tried);
                tried
            });
            let best = tried.min_by_key(|tried| tried.wrong.len()).unwrap();
            findings.wrong.extend(best.wrong);
            findings.known.extend(best.known);
            findings.seen.extend(best.seen);
        }
        if !matches_type(schema, value) {
            findings.wrong.push(format!("{at} is {value}, published is {}", schema["type"]));
            return;
        }
        if schema.get("const").is_some_and(|only| only != value) {
            findings.wrong.push(format!("{at} is {value}, published is {}", schema["const"]));
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
            findings.wrong.push(format!("{at} is {value}, published is one of {}", schema["enum"]));
        }
        match value {
            Value::Object(fields) => self.judge_fields(schema, fields, at, findings),
            Value::Array(items) if schema["items"].is_object() => {
                items.iter().for_each(|item| self.judge(&schema["items"], item, at, findings));
            }
            _ => {}
        }
    }

    fn judge_fields(&self, schema: &Value, fields: &Map<String, Value>, at: &str, findings: &mut Findings) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) && !STRAY.contains(&name) {
                findings.wrong.push(format!("{at} has no {name}, which is required"));
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            findings.known.insert(at.clone());
            if let Some(value) = fields.get(name) {
                findings.seen.insert(at.clone());
                self.judge(property, value, &at, findings);
            }
        }
        if schema["additionalProperties"].is_object() {
            fields.values().for_each(|value| {
                self.judge(&schema["additionalProperties"], value, &format!("{at}.*"), findings);
            });
        }
    }

    /// A body with every required field and nothing else, in the first published way.
    pub fn least(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(known) = ["const", "example", "default"].iter().find_map(|key| schema.get(*key)) {
            return known.clone();
        }
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        let mut body = match schema["oneOf"].get(0) {
            Some(first) => self.least(first),
            None => match schema["type"].as_str() {
                Some("string") if schema["format"] == "uuid" => json!("5065179a-d608-4aba-8728-2f131ec68127"),
                Some("string") => json!("x"),
                Some("integer" | "number") => json!(1),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                _ => json!({}),
            },
        };
        let Some(fields) = body.as_object_mut() else { return body };
        for part in schema["allOf"].as_array().into_iter().flatten() {
            fields.extend(self.least(part).as_object().unwrap().clone());
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(property) = schema["properties"].get(name) {
                fields.insert(name.to_owned(), self.least(property));
            }
        }
        // The kind of a pipeline is a constant that no schema requires.
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(only) = self.resolved(property).get("const") {
                fields.insert(name.clone(), only.clone());
            }
        }
        body
    }
}

fn matches_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}

#[test]
fn a_value_is_judged_by_types_constants_and_required_fields() {
    let published = Published(json!({"components": {"schemas": {
        "shared": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        "whole": {"allOf": [{"$ref": "#/components/schemas/shared"}], "type": "object",
            "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}, "list": {"items": {"type": "boolean"}}}},
    }}}));
    let schema = json!({"$ref": "#/components/schemas/whole"});
    let judge = |value: Value| {
        let mut findings = Findings::default();
        published.judge(&schema, &value, "w", &mut findings);
        findings
    };
    let good = judge(json!({"id": "x", "kind": "a", "extra": 1}));
    assert_eq!(good.wrong, [""; 0]);
    assert_eq!(good.known.difference(&good.seen).collect::<Vec<_>>(), ["w.list", "w.n"]);
    for bad in [
        json!({}),
        json!({"id": 1}),
        json!({"id": "x", "kind": "b"}),
        json!({"id": "x", "n": 1.5}),
        json!([]),
    ] {
        assert!(!judge(bad.clone()).wrong.is_empty(), "{bad}");
    }
    assert_eq!(judge(json!({"id": "x", "list": [true, 1]})).wrong.len(), 1);
    assert_eq!(published.least(&schema), json!({"id": "x", "kind": "a"}));
}

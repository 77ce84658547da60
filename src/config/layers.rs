//! The layers defaults < file < environment < flags, held as values by key path until they are all known.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    env::distance,
    findings::{Origin, Problem},
    tree::{Form, Known, Leaf, Node, canonical, join, tree},
    values::REDACTED,
};

/// A value that stands in a layer.
#[derive(Debug)]
struct Given {
    value: Value,
    origin: Origin,
    as_written: String,
}

/// Everything that the layers say; a later layer replaces what an earlier one gave.
#[derive(Debug, Default)]
pub struct Layers {
    values: BTreeMap<String, Given>,
    present: BTreeSet<String>,
    /// Paths of keys that are not known, as written, each with the key beside it that was perhaps meant.
    pub unknown: Vec<(String, Option<String>)>,
    pub warnings: Vec<String>,
    pub problems: Vec<Problem>,
}

/// Whether a key is a remark: the samples carry `_comment` (spec §3.1), editors put `$schema`.
fn is_comment(key: &str) -> bool {
    key.starts_with("_comment") || key == "$schema"
}

/// Gives the known key of a section that differs from an unknown one by no more than a slip.
fn meant(section: &str, key: &str) -> Option<String> {
    let Some(Node::Section { keys, .. }) = tree().nodes.get(section) else { return None };
    let key: String = key.chars().take(100).map(|c| c.to_ascii_lowercase()).collect();
    let slips = |known: &String| distance(&key, &known.to_ascii_lowercase());
    keys.iter().filter(|known| slips(known) <= 2).min_by_key(|known| slips(known)).cloned()
}

/// Names what stands where something else is expected.
fn found(form: &Form, value: &Value) -> &'static str {
    let number = matches!(
        form,
        Form::Integer { .. } | Form::Number | Form::Port | Form::Size | Form::Seconds | Form::Days
    );
    match value {
        Value::String(_) => "other text",
        Value::Number(_) if number => "another number",
        other => kind(other),
    }
}

/// Names the kind of a JSON value without giving the value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Turns text into the JSON that a value of this form is made of; text that does not fit stays text.
pub fn from_text(form: &Form, text: &str) -> Value {
    let trimmed = text.trim();
    let as_text = || Value::String(text.to_owned());
    match form {
        Form::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Value::Bool(true),
            "false" | "no" | "off" | "0" => Value::Bool(false),
            _ => as_text(),
        },
        Form::Integer { .. } => trimmed.parse::<u64>().map_or_else(|_| as_text(), Value::from),
        Form::Number => trimmed.parse::<f64>().map_or_else(|_| as_text(), Value::from),
        Form::List(item) => match serde_json::from_str::<Value>(trimmed) {
            Ok(list @ Value::Array(_)) => list,
            _ => trimmed
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| from_text(&item.form, part))
                .collect(),
        },
        Form::Map => match serde_json::from_str::<Value>(trimmed) {
            Ok(map @ Value::Object(_)) => map,
            _ => {
                let pairs = trimmed.split(',').map(str::trim).filter(|pair| !pair.is_empty());
                let read = |pair: &str| {
                    let (key, value) = pair.split_once('=')?;
                    Some((key.trim().to_owned(), Value::from(value.trim())))
                };
                pairs.map(read).collect::<Option<Map<_, _>>>().map_or_else(as_text, Value::Object)
            }
        },
        _ => as_text(),
    }
}

/// Checks one value; an error is the place inside it (`[2]` or nothing) and what was expected.
fn check(leaf: &Leaf, value: Value) -> Result<Value, (String, String)> {
    let value = match value {
        Value::String(text) => from_text(&leaf.form, &text),
        other => other,
    };
    if leaf.secret() && value == REDACTED {
        let expected = "expected the secret itself, found the mark that stands for a hidden one";
        return Err((String::new(), expected.to_owned()));
    }
    if let (Form::List(item), Value::Array(list)) = (&leaf.form, &value) {
        for (at, element) in list.iter().enumerate() {
            check(item, element.clone()).map_err(|(inner, expected)| (format!("[{at}]{inner}"), expected))?;
        }
    }
    if leaf.reads(&value) {
        return Ok(value);
    }
    Err((String::new(), format!("expected {}, found {}", leaf.expects, found(&leaf.form, &value))))
}

impl Layers {
    /// Notes a problem with what the origin gives at a path.
    pub fn refuse(&mut self, origin: &Origin, path: &str, expectation: impl Into<String>) {
        self.problems.push(Problem {
            origin: origin.to_string(),
            path: path.to_owned(),
            expectation: expectation.into(),
        });
    }

    /// Gives a value to a key that is known; `as_written` is how the origin spells the path.
    pub fn give(&mut self, known: &Known, as_written: &str, value: Value, origin: &Origin) {
        let value = match check(&known.leaf, value) {
            Ok(value) => value,
            Err((inside, expected)) => {
                return self.refuse(origin, &format!("{as_written}{inside}"), expected);
            }
        };
        if let Some(earlier) = self.values.get(&known.path).filter(|earlier| earlier.origin == *origin) {
            let (used, other) = if earlier.as_written == known.path {
                (earlier.as_written.as_str(), as_written)
            } else {
                (as_written, earlier.as_written.as_str())
            };
            self.warnings.push(format!("{origin}: {used} and {other} say the same; {used} is used"));
            if used != as_written {
                return;
            }
        }
        let given = Given { value, origin: origin.clone(), as_written: as_written.to_owned() };
        self.values.insert(known.path.clone(), given);
    }

    /// Selects the optional sections that enclose a path, as if they stood in the file.
    pub fn select(&mut self, path: &str) {
        self.present.extend(tree().optional_sections(path));
    }

    /// Tells whether every optional section that encloses a path is present.
    pub fn selected(&self, path: &str) -> bool {
        tree().optional_sections(path).iter().all(|section| self.present.contains(section))
    }

    /// Takes in a whole document.
    pub fn document(&mut self, document: Value, origin: &Origin) {
        match document {
            Value::Object(_) => self.object(document, "", "", origin),
            other => {
                let found = format!("expected one object with the sections, found {}", kind(&other));
                self.refuse(origin, "(document)", found);
            }
        }
    }

    fn object(&mut self, value: Value, path: &str, as_written: &str, origin: &Origin) {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return,
            other => {
                let found =
                    format!("expected an object with the keys of this section, found {}", kind(&other));
                return self.refuse(origin, as_written, found);
            }
        };
        // A section without any key, remarks aside, counts as absent (design: Absent means embedded).
        if object.keys().any(|key| !is_comment(key)) {
            self.present.extend(tree().optional_sections(&join(path, "")));
        }
        for (key, value) in object {
            if is_comment(&key) {
                continue;
            }
            let written = join(as_written, &key);
            let at = canonical(&join(path, &key));
            // A dot would make one key look like a path of several.
            let node = if key.contains('.') { None } else { tree().nodes.get(&at) };
            match node {
                Some(Node::Section { .. }) => self.object(value, &at, &written, origin),
                Some(Node::Leaf(_)) if value.is_null() => {}
                Some(Node::Leaf(known)) => {
                    self.select(&at);
                    self.give(known, &written, value, origin);
                }
                None => self.unknown.push((written, meant(path, &key))),
            }
        }
    }

    /// Gives where each value that is not a default comes from.
    pub fn origins(&self) -> BTreeMap<String, Origin> {
        self.values.iter().map(|(path, given)| (path.clone(), given.origin.clone())).collect()
    }

    /// Gives the document that all layers together amount to, without defaults.
    pub fn merged(self) -> Value {
        let mut root = Map::new();
        for section in &self.present {
            descend(&mut root, section);
        }
        for (path, given) in self.values {
            match path.rsplit_once('.') {
                Some((section, key)) => {
                    if let Some(section) = descend(&mut root, section) {
                        section.insert(key.to_owned(), given.value);
                    }
                }
                None => {
                    root.insert(path, given.value);
                }
            }
        }
        Value::Object(root)
    }
}

/// Walks to a section, making it where it is missing.
fn descend<'a>(root: &'a mut Map<String, Value>, path: &str) -> Option<&'a mut Map<String, Value>> {
    path.split('.').try_fold(root, |section, key| {
        section.entry(key).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
    })
}

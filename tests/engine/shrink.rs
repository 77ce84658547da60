//! Smaller cases that still fail (delta debugging, Zeller and Hildebrandt 2002): from every list and object of
//! the document, all elements, halves, quarters, … and single ones are left out while the failure stays.

use serde_json::Value;

use super::case::Case;

/// So that a stubborn failure ends too.
const TRIES: usize = 20_000;

/// The smallest case found for which `fails` still holds.
pub fn shrink(case: &Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut best = serde_json::to_value(case).unwrap();
    let mut tries = TRIES;
    loop {
        let mut smaller = false;
        let mut paths = Vec::new();
        containers(&best, &mut String::new(), &mut paths);
        for path in paths {
            smaller |= thin(&mut best, &path, &mut tries, &fails);
        }
        if !smaller || tries == 0 {
            break;
        }
    }
    Case { about: case.about.clone(), ..serde_json::from_value(best).unwrap() }
}

/// Pointers (RFC 6901) to all lists and objects, outer ones first.
fn containers(value: &Value, at: &mut String, paths: &mut Vec<String>) {
    if value.is_array() || value.is_object() {
        paths.push(at.clone());
    }
    let length = at.len();
    let mut below = |key: String, value: &Value, at: &mut String| {
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        containers(value, at, paths);
        at.truncate(length);
    };
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| below(index.to_string(), value, at));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| below(key.clone(), value, at)),
        _ => {}
    }
}

fn len(value: &Value, path: &str) -> usize {
    match value.pointer(path) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

/// Without `count` elements from place `from` on.
fn without(value: &Value, path: &str, from: usize, count: usize) -> Value {
    let mut value = value.clone();
    match value.pointer_mut(path) {
        Some(Value::Array(list)) => _ = list.drain(from..(from + count).min(list.len())),
        Some(Value::Object(map)) => {
            let gone: Vec<String> = map.keys().skip(from).take(count).cloned().collect();
            gone.iter().for_each(|key| _ = map.remove(key));
        }
        _ => {}
    }
    value
}

fn thin(best: &mut Value, path: &str, tries: &mut usize, fails: &impl Fn(&Case) -> bool) -> bool {
    let mut smaller = false;
    let mut step = len(best, path);
    while step > 0 {
        let mut from = 0;
        while from < len(best, path) && *tries > 0 {
            *tries -= 1;
            let candidate = without(best, path, from, step);
            match serde_json::from_value::<Case>(candidate.clone()) {
                Ok(case) if fails(&case) => {
                    *best = candidate;
                    smaller = true;
                }
                _ => from += step,
            }
        }
        step /= 2;
    }
    smaller
}

//! What the published documents say of each answer and request, as a short table of facts that is part of this project
//! (`facts.txt`), and that our own documents (`docs/openapi`) say the same and more.
//!
//! A line is an operation, then its required headers and query parameters with `?`, then the properties of its request with `>` and of its
//! answer with `<`, each with its type. Where the published documents are present the table is held against them;
//! `CV3_REGENERATE=1` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::operations::SHARED_FILES;
use crate::published::Published;

/// Published in a form that cannot be kept, with why (specification §6.7, §16, no. 32).
const OTHERWISE: [(&str, &str); 1] =
    [("admin get /dashboard/statistics/network", "one object for several networks")];

const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

/// Deeper properties are parts that several schemas share.
const DEEP: usize = 1;

type Properties = BTreeMap<String, String>;

/// What a document says of one operation.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    parameters: Vec<String>,
    request: Properties,
    answer: Properties,
}

struct Document<'a>(&'a Value);

impl<'a> Document<'a> {
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.resolved(self.0.pointer(reference.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }

    fn flatten(&self, schema: &'a Value, at: &str, depth: usize, found: &mut Properties) {
        let schema = self.resolved(schema);
        for parts in ["allOf", "oneOf", "anyOf"] {
            schema[parts]
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|part| self.flatten(part, at, depth, found));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            found.insert(at.clone(), kind(self.resolved(property)));
            if depth < DEEP {
                self.flatten(property, &at, depth + 1, found);
            }
        }
        if schema["items"].is_object() {
            self.flatten(&schema["items"], &format!("{at}[]"), depth, found);
        }
    }

    fn body(&self, body: &'a Value) -> Properties {
        let content = self.resolved(body)["content"].as_object();
        let json = content.into_iter().flatten().find(|(name, _)| name.starts_with("application/json"));
        let mut found = Properties::new();
        if let Some((_, json)) = json {
            self.flatten(&json["schema"], "", 0, &mut found);
        }
        found
    }

    /// By `service method path`.
    fn facts(&self, service: &str) -> BTreeMap<String, Facts> {
        let mut all = BTreeMap::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            let methods = methods.as_object().unwrap().iter();
            for (method, about) in methods.filter(|(name, _)| METHODS.contains(&name.as_str())) {
                let answer = ["200", "202"].iter().map(|status| &about["responses"][status]);
                let parameters = about["parameters"].as_array().into_iter().flatten();
                let parameters = parameters
                    .map(|one| self.resolved(one))
                    .filter(|one| one["required"] == true && one["in"] != "path");
                let facts = Facts {
                    parameters: parameters.map(|one| one["name"].as_str().unwrap().to_owned()).collect(),
                    request: self.body(&about["requestBody"]),
                    answer: answer.flat_map(|answer| self.body(answer)).collect(),
                };
                all.insert(format!("{service} {method} {path}"), facts);
            }
        }
        all
    }
}

fn kind(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join("|"),
        _ if ["properties", "allOf"].iter().any(|part| schema.get(part).is_some()) => "object".into(),
        _ => "any".into(),
    }
}

fn written(facts: &BTreeMap<String, Facts>) -> String {
    let mut text = String::new();
    for (operation, facts) in facts {
        text.push_str(operation);
        facts.parameters.iter().for_each(|name| write!(text, " ?{name}").unwrap());
        facts.request.iter().for_each(|(name, kind)| write!(text, " >{name}:{kind}").unwrap());
        facts.answer.iter().for_each(|(name, kind)| write!(text, " <{name}:{kind}").unwrap());
        text.push('\n');
    }
    text
}

fn read(text: &str) -> BTreeMap<String, Facts> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let operation: Vec<&str> = words.by_ref().take(3).collect();
        let mut facts = Facts::default();
        for word in words {
            let (mark, rest) = word.split_at(1);
            match (mark, rest.rsplit_once(':')) {
                ("?", _) => facts.parameters.push(rest.to_owned()),
                (">", Some((name, kind))) => drop(facts.request.insert(name.into(), kind.into())),
                ("<", Some((name, kind))) => drop(facts.answer.insert(name.into(), kind.into())),
                _ => panic!("{word} in {line}"),
            }
        }
        (operation.join(" "), facts)
    };
    text.lines().map(line).collect()
}

fn own(service: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/openapi/{service}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn table() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/facts.txt")
}

#[test]
fn the_table_says_what_is_published() {
    let (Some(admin), Some(query)) = (Published::open("admin.json"), Published::open("query.json")) else {
        return;
    };
    let mut facts = Document(&admin.0).facts("admin");
    facts.extend(Document(&query.0).facts("query"));
    facts.retain(|operation, _| !SHARED_FILES.contains(&operation.as_str()));
    let text = written(&facts);
    assert_eq!(read(&text), facts, "a table that is read again is the same");
    if std::env::var_os("CV3_REGENERATE").is_some() {
        std::fs::write(table(), &text).unwrap();
    }
    assert!(std::fs::read_to_string(table()).unwrap() == text, "facts.txt is out of date");
}

#[test]
fn our_documents_say_all_that_is_published() {
    let table = read(&std::fs::read_to_string(table()).unwrap());
    let mut own: BTreeMap<String, Facts> =
        ["admin", "query"].into_iter().flat_map(|service| Document(&own(service)).facts(service)).collect();
    let (mut checks, mut wrong, mut absent) = (0, Vec::new(), Vec::new());
    for (operation, published) in &table {
        let Some(own) = own.remove(operation) else {
            absent.push(operation.as_str());
            continue;
        };
        if OTHERWISE.iter().any(|(other, _)| other == operation) {
            continue;
        }
        let missing = own.parameters.iter().filter(|name| !published.parameters.contains(name));
        wrong.extend(missing.map(|name| format!("{operation} demands {name}, which is not published")));
        for (part, published, own) in
            [("request", &published.request, &own.request), ("answer", &published.answer, &own.answer)]
        {
            for (name, kind) in published {
                checks += 1;
                let found = own.get(name).map_or("absent", String::as_str);
                // A value that may have several types is documented as having any.
                if found != kind
                    && !(found == "any" && kind.contains('|') || kind == "any" && found != "absent")
                {
                    wrong.push(format!("{operation}: {part} {name} is {found}, published is {kind}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checks}: {wrong:#?}", wrong.len());
    assert_eq!(absent, [""; 0], "published operations that are not served");
    println!("{} operations, {checks} properties as published", table.len() - absent.len());
}

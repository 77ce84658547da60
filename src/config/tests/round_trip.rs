//! What is read is written again: the shipped files, the published sample and random ones.

use std::path::PathBuf;

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::*;
use crate::config::{
    Origin, check,
    layers::Layers,
    tree::{Form, Known, Leaf, Node, tree},
    values::REDACTED,
};

fn project(name: &str) -> PathBuf {
    // The crate may be built from another folder; this file knows where it lies.
    let here = Path::new(file!()).canonicalize().ok();
    let root = here.and_then(|here| here.ancestors().nth(4).map(Path::to_path_buf));
    root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR"))).join(name)
}

/// Walks to a value of a document.
fn at<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(document, |value, key| value.get(key))
}

/// What a value is when it is written again: numbers as numbers, secrets hidden.
fn rewritten(leaf: &Leaf, value: &Value) -> Value {
    match (&leaf.form, value) {
        (Form::Secret, Value::String(text)) if !text.is_empty() => json!(REDACTED),
        (Form::Port, Value::String(text)) => json!(text.parse::<u16>().unwrap()),
        (Form::Size, Value::String(text)) => {
            let (number, unit) = text.split_once(' ').unwrap();
            let power = ["KiB", "MiB", "GiB"].iter().position(|known| *known == unit).unwrap() as u32 + 1;
            json!(number.parse::<u64>().unwrap() * 1024u64.pow(power))
        }
        (Form::Network, Value::String(text)) if !text.contains('/') => json!(format!("{text}/32")),
        (Form::List(item), Value::Array(list)) => list.iter().map(|value| rewritten(item, value)).collect(),
        _ => value.clone(),
    }
}

/// Compares every value that the file gives with what is written again.
fn assert_written_again(file: &Value, config: &InstanceConfig) {
    let written = serde_json::to_value(config).unwrap();
    for known in &tree().values {
        let Some(value) = at(file, &known.path).filter(|value| !value.is_null()) else { continue };
        assert_eq!(at(&written, &known.path), Some(&rewritten(&known.leaf, value)), "{}", known.path);
    }
}

#[test]
fn the_full_file_has_every_key_and_is_written_again() {
    let path = project("etc/instance_config.full.json");
    let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for known in &tree().values {
        assert!(at(&file, &known.path).is_some(), "{} is missing in the full file", known.path);
    }
    let loaded = load_file(&path, &[("VAULT_ROLE_ID", "r"), ("VAULT_SECRET_ID", "s")]).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_written_again(&file, &loaded.config);
}

#[test]
fn the_shipped_file_is_embedded_and_equals_no_file() {
    let loaded = load_file(&project("etc/instance_config.json"), &[]).unwrap();
    assert_eq!(loaded.config, InstanceConfig::default());
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(check(&loaded).passed);
}

#[test]
fn the_published_sample_is_read_whole() {
    let shared = std::env::var_os("CV3_SHARED").map(PathBuf::from);
    let path = shared.unwrap_or_else(|| project("../shared")).join("contract/instance_config.example.json");
    if !path.is_file() {
        println!("skipped: the published sample is not here");
        return;
    }
    let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let loaded = load_file(&path, &[("VAULT_ROLE_ID", "r"), ("VAULT_SECRET_ID", "s")]).unwrap();
    assert_eq!(loaded.unknown, Vec::<String>::new());
    assert_written_again(&file, &loaded.config);
    let leaves = |value: &Value| -> usize {
        fn count(value: &Value, path: &str) -> usize {
            match value {
                Value::Object(object) if tree().value(path).is_none() => object
                    .iter()
                    .map(|(key, value)| count(value, &crate::config::tree::join(path, key)))
                    .sum(),
                _ => 1,
            }
        }
        count(value, "")
    };
    let used = loaded.origins.values().filter(|origin| matches!(origin, Origin::File(_))).count();
    assert_eq!(used, leaves(&file), "every value of the sample is used");
    // A drop-in must start (design: Modes): what is unsafe in the sample is only advice.
    assert!(loaded.warnings.iter().any(|warning| warning.contains("CORS.AllowOrigin")));
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = project("docs/settings.md");
    let page = crate::config::reference_markdown();
    if std::env::var_os("CV3_REGENERATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/settings.md is stale: CV3_REGENERATE=1 cargo test config::");
}

/// Gives values that a form can read; that they make sense together is not asked.
fn value(leaf: &Leaf) -> BoxedStrategy<Value> {
    let text = || "[ -~äß€]{0,12}".prop_map(Value::from);
    match &leaf.form {
        // What looks like credentials or a mark is hidden in addresses, which text here may be.
        Form::Text => "[a-zA-Z0-9 _.:,+äß€-]{0,12}".prop_map(|text| Value::from(text.trim())).boxed(),
        Form::Secret | Form::Path => text().boxed(),
        Form::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Form::Integer { max } => (0..=*max).prop_map(Value::from).boxed(),
        Form::Number => any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)).boxed(),
        Form::Port => (1..=u16::MAX, any::<bool>())
            .prop_map(|(port, quoted)| if quoted { json!(port.to_string()) } else { json!(port) })
            .boxed(),
        Form::Url => {
            "(https?://[a-z]{1,8}(:[1-9][0-9]{0,3})?(/[a-z]{0,4}){0,2})?".prop_map(Value::from).boxed()
        }
        Form::Address => (any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(ip, port)| json!(std::net::SocketAddr::from((ip, port)).to_string()))
            .boxed(),
        Form::Network => (any::<[u8; 4]>(), proptest::option::of(0..=32u8))
            .prop_map(|(ip, prefix)| {
                let ip = std::net::Ipv4Addr::from(ip);
                json!(prefix.map_or(ip.to_string(), |prefix| format!("{ip}/{prefix}")))
            })
            .boxed(),
        Form::Size => prop_oneof![
            (0..=u64::from(u32::MAX)).prop_map(Value::from),
            (0..1000u32, select(vec!["KiB", "MiB", "GiB"]))
                .prop_map(|(n, unit)| json!(format!("{n} {unit}"))),
        ]
        .boxed(),
        Form::Seconds | Form::Days => any::<u32>().prop_map(Value::from).boxed(),
        Form::Choice(words) => select(words.to_vec()).prop_map(Value::from).boxed(),
        Form::List(item) => proptest::collection::vec(value(item), 0..4).prop_map(Value::from).boxed(),
        Form::Map => proptest::collection::btree_map("[a-z.]{1,5}", "[ -~]{0,5}", 0..3)
            .prop_map(|map| serde_json::to_value(map).unwrap())
            .boxed(),
    }
}

/// Gives documents with any selection of the known keys.
fn document() -> impl Strategy<Value = Value> {
    let one =
        |known: &'static Known| proptest::option::of(value(&known.leaf).prop_map(move |it| (known, it)));
    tree().values.iter().map(one).collect::<Vec<_>>().prop_map(|values| {
        let mut root = json!({});
        for (known, value) in values.into_iter().flatten() {
            let (section, key) = known.path.rsplit_once('.').unwrap();
            let place = section.split('.').fold(&mut root, |at, key| {
                at.as_object_mut().unwrap().entry(key).or_insert_with(|| Value::Object(Map::new()))
            });
            place[key] = value;
        }
        root
    })
}

/// The part of JSON Schema that ours uses.
fn conforms(schema: &Value, value: &Value) -> bool {
    let schema = schema.as_object().unwrap();
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    schema.iter().all(|(key, rule)| match key.as_str() {
        "anyOf" => rule.as_array().unwrap().iter().any(|schema| conforms(schema, value)),
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.is_u64(),
            "null" => value.is_null(),
            other => panic!("unknown type {other}"),
        },
        "minimum" | "maximum" => value.as_f64().is_none_or(|it| {
            number("minimum").is_none_or(|least| it >= least)
                && number("maximum").is_none_or(|most| it <= most)
        }),
        "pattern" => value
            .as_str()
            .is_none_or(|text| regex::Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
        "items" => value.as_array().is_none_or(|list| list.iter().all(|item| conforms(rule, item))),
        "properties" => value.as_object().is_none_or(|object| {
            object.iter().all(|(key, value)| rule.get(key).is_none_or(|schema| conforms(schema, value)))
        }),
        "additionalProperties" => {
            rule == true || {
                value.as_object().is_none_or(|object| object.values().all(|value| conforms(rule, value)))
            }
        }
        "description" | "default" | "examples" | "writeOnly" | "$schema" | "title" => true,
        other => panic!("unknown keyword {other}"),
    })
}

#[test]
fn the_schema_tells_right_from_wrong() {
    let schema = crate::config::json_schema();
    for name in ["etc/instance_config.json", "etc/instance_config.full.json"] {
        let file: Value = serde_json::from_str(&fs::read_to_string(project(name)).unwrap()).unwrap();
        assert!(conforms(&schema, &file), "{name}");
    }
    for wrong in [
        json!({"MongoDB": {"Port": 70000}}),
        json!({"MongoDB": "db"}),
        json!({"Logging": {"Level": "LOUD"}}),
        json!({"Instance": {"URL": "cv.example.org"}}),
        json!({"Data": {"ValidFileFormats": [1]}}),
        json!({"Appliance": {"Limits": {"MaxUploadBytes": "big"}}}),
    ] {
        assert!(!conforms(&schema, &wrong), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The oracle is the document itself: reading and writing gives its values back, with defaults around them.
    #[test]
    fn any_document_of_known_keys_is_written_again(file in document()) {
        let origin = Origin::File("x".into());
        let mut layers = Layers::default();
        layers.document(file.clone(), &origin);
        prop_assert_eq!(&layers.problems, &vec![]);
        prop_assert_eq!(&layers.unknown, &vec![]);
        prop_assert!(conforms(&crate::config::json_schema(), &file), "the schema refuses {}", file);
        let config: InstanceConfig = serde_json::from_value(layers.merged()).unwrap();
        assert_written_again(&file, &config);
        for (path, node) in &tree().nodes {
            if let Node::Section { optional: true, .. } = node {
                let written = serde_json::to_value(&config).unwrap();
                let present = at(&written, path).is_some_and(|section| !section.is_null());
                prop_assert_eq!(present, at(&file, path).is_some(), "{}", path);
            }
        }
        // What is written without its secrets reads as the same again.
        let again = without_nulls(serde_json::to_value(&config).unwrap());
        let hidden = again.to_string().contains(REDACTED);
        let mut layers = Layers::default();
        layers.document(again, &origin);
        prop_assert_eq!(layers.problems.is_empty(), !hidden);
        if !hidden {
            let second: InstanceConfig = serde_json::from_value(layers.merged()).unwrap();
            prop_assert_eq!(second, config);
        }
    }

    /// The same text gives the same setting, whether it stands in the file, a variable or a flag.
    #[test]
    fn the_environment_says_the_same_as_the_file(at in 0..tree().values.len(), seed in any::<[u8; 32]>()) {
        let known = &tree().values[at];
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(
            ProptestConfig::default(),
            proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed),
        );
        let value = value(&known.leaf).new_tree(&mut runner).unwrap().current();
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        prop_assume!(!text.is_empty());
        let origin = Origin::File("x".into());
        let mut by_file = Layers::default();
        let file = known.path.split('.').rev().fold(value, |inner, key| json!({ key: inner }));
        by_file.document(file, &origin);
        let mut by_env = Layers::default();
        let env = [(known.env.clone(), text.clone())].into();
        by_env.environment(&env, Path::new("."));
        let mut by_flag = Layers::default();
        by_flag.flag("--set", &known.path, &text);
        prop_assert_eq!(&by_env.problems, &by_file.problems);
        let read = |layers: Layers| {
            serde_json::from_value::<InstanceConfig>(layers.merged()).unwrap()
        };
        let config = read(by_file);
        prop_assert_eq!(&read(by_env), &config);
        prop_assert_eq!(&read(by_flag), &config);
    }
}

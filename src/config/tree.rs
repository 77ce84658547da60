//! What a setting is: the types describe themselves here, and everything else that knows the keys
//! (file merge, environment, reference page, schema, `show`) reads this description.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The written form of one value: decides how text becomes JSON, what the schema and the reference say.
#[derive(Clone, Debug)]
pub enum Form {
    Text,
    Secret,
    Boolean,
    Integer { max: u64 },
    Number,
    Port,
    Url,
    Address,
    Network,
    Path,
    Size,
    Seconds,
    Days,
    Choice(&'static [&'static str]),
    List(Box<Leaf>),
    Map,
}

/// One value: its form and the check that it can be read, which never reports the value itself.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub form: Form,
    pub expects: &'static str,
    pub optional: bool,
    reads: fn(&Value) -> bool,
}

impl Leaf {
    /// Describes values of type `T`, which deserialise from JSON in the given form.
    pub fn of<T: DeserializeOwned>(form: Form, expects: &'static str) -> Self {
        Self { form, expects, optional: false, reads: |value| T::deserialize(value).is_ok() }
    }

    /// Tells whether the value can be read.
    pub fn reads(&self, value: &Value) -> bool {
        (self.reads)(value)
    }

    /// Tells whether the value may never be shown.
    pub fn secret(&self) -> bool {
        matches!(self.form, Form::Secret)
    }
}

/// What stands under a key: a value or a section of further keys.
#[derive(Clone, Debug)]
pub enum Shape {
    Leaf(Leaf),
    Section { fields: Vec<Field>, optional: bool },
}

/// One key of a section.
#[derive(Clone, Debug)]
pub struct Field {
    pub key: &'static str,
    pub meaning: String,
    pub default: Value,
    pub restart: bool,
    pub shape: Shape,
}

impl Field {
    /// Joins the doc lines of a field to its meaning in the reference.
    pub fn new<T: Setting + Serialize>(key: &'static str, doc: &[&str], default: &T, restart: bool) -> Self {
        let meaning = doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let default = serde_json::to_value(default).unwrap_or(Value::Null);
        Self { key, meaning, default, restart, shape: T::shape() }
    }
}

/// A type that may stand in the configuration.
pub trait Setting {
    /// Describes the type.
    fn shape() -> Shape;
}

/// A section: a struct declared with `section!`.
pub trait Section {
    /// Describes the keys in the order in which they are declared.
    fn fields() -> Vec<Field>;
}

impl<T: Setting> Setting for Option<T> {
    fn shape() -> Shape {
        match T::shape() {
            Shape::Leaf(leaf) => Shape::Leaf(Leaf { optional: true, ..leaf }),
            Shape::Section { fields, .. } => Shape::Section { fields, optional: true },
        }
    }
}

/// Declares a section: a struct whose keys, defaults and meanings are also readable by the program.
///
/// A line is `"Key" field: Type = default;`, with `, restart` before the semicolon when a change needs a
/// restart; the doc comment of the line is its text in the reference.
macro_rules! section {
    ($(#[doc = $about:literal])* pub struct $name:ident {
        $( $(#[doc = $doc:literal])* $key:literal $field:ident : $kind:ty = $default:expr $(, $when:ident)? ; )*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[doc = $doc])* #[serde(rename = $key)] pub $field: $kind, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::config::tree::Section for $name {
            fn fields() -> Vec<$crate::config::tree::Field> {
                let default = Self::default();
                vec![ $( $crate::config::tree::Field::new(
                    $key, &[$($doc),*], &default.$field, $crate::config::tree::section!(@when $($when)?),
                ), )* ]
            }
        }

        impl $crate::config::tree::Setting for $name {
            fn shape() -> $crate::config::tree::Shape {
                let fields = <Self as $crate::config::tree::Section>::fields();
                $crate::config::tree::Shape::Section { fields, optional: false }
            }
        }
    };
    (@when restart) => { true };
    (@when) => { false };
}
pub(crate) use section;

/// A value with its full path, as the reference and the environment name it.
#[derive(Clone, Debug)]
pub struct Known {
    /// `MongoDB.Host`
    pub path: String,
    /// `CV3_MONGODB__HOST`
    pub env: String,
    pub meaning: String,
    pub default: Value,
    pub restart: bool,
    pub leaf: Leaf,
}

/// What a path names.
#[derive(Clone, Debug)]
pub enum Node {
    Section { optional: bool, keys: Vec<String>, meaning: String },
    Leaf(Known),
}

/// All keys by path, and the values in the order of declaration.
#[derive(Debug)]
pub struct Tree {
    pub nodes: HashMap<String, Node>,
    pub values: Vec<Known>,
    folded: BTreeMap<String, String>,
}

/// Other spellings of a path or of the start of one, which are read as if the second were written.
///
/// Keys of ours live under `Appliance`; the specification writes some of them at the top level (§3.1).
pub const ALIASES: &[(&str, &str)] = &[
    ("CORS.AllowedOrigin", "CORS.AllowOrigin"),
    ("Data.MaxUploadBytes", "Appliance.Limits.MaxUploadBytes"),
    ("Data.RetainRaw", "Appliance.Retention.RawDays"),
    ("Appliance.Data", "Data"),
    ("Instance", "Appliance.Instance"),
    ("Federation", "Appliance.Federation"),
    ("Terms", "Appliance.Terms"),
    ("Privacy", "Appliance.Privacy"),
    ("Peers", "Appliance.Peers"),
    ("PostgreSQL", "Appliance.PostgreSQL"),
];

/// The tree of all keys, made once from the types.
pub fn tree() -> &'static Tree {
    static TREE: LazyLock<Tree> =
        LazyLock::new(|| Tree::from_fields(&<super::InstanceConfig as Section>::fields()));
    &TREE
}

/// Gives the one spelling of a path under which the tree knows it.
pub fn canonical(path: &str) -> String {
    match ALIASES.iter().find(|(from, _)| *from == path) {
        Some((_, to)) => (*to).to_owned(),
        None => path.to_owned(),
    }
}

/// Puts a key under a path.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Gives the environment variable of a path: `MongoDB.Host` is `CV3_MONGODB__HOST`.
pub fn env_name(path: &str) -> String {
    format!("CV3_{}", path.to_ascii_uppercase().replace('.', "__"))
}

/// Folds what people write differently in environment variables: case, and `_` inside a name.
pub fn fold(path: &str) -> String {
    path.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

impl Tree {
    fn from_fields(fields: &[Field]) -> Self {
        let mut tree = Self { nodes: HashMap::new(), values: Vec::new(), folded: BTreeMap::new() };
        tree.add(fields, "", "", false);
        for known in &tree.values {
            tree.folded.insert(fold(&known.path), known.path.clone());
        }
        for (from, to) in ALIASES {
            for known in &tree.values {
                let rest = if known.path == *to {
                    Some("")
                } else {
                    known.path.strip_prefix(to).filter(|r| r.starts_with('.'))
                };
                if let Some(rest) = rest {
                    tree.folded.entry(fold(&format!("{from}{rest}"))).or_insert_with(|| known.path.clone());
                }
            }
        }
        tree
    }

    fn add(&mut self, fields: &[Field], path: &str, meaning: &str, optional: bool) {
        let keys = fields.iter().map(|field| field.key.to_owned()).collect();
        self.nodes.insert(path.to_owned(), Node::Section { optional, keys, meaning: meaning.to_owned() });
        for field in fields {
            let at = join(path, field.key);
            match &field.shape {
                Shape::Section { fields, optional } => self.add(fields, &at, &field.meaning, *optional),
                Shape::Leaf(leaf) => {
                    let known = Known {
                        env: env_name(&at),
                        path: at.clone(),
                        meaning: field.meaning.clone(),
                        default: field.default.clone(),
                        restart: field.restart,
                        leaf: leaf.clone(),
                    };
                    self.values.push(known.clone());
                    self.nodes.insert(at, Node::Leaf(known));
                }
            }
        }
    }

    /// Finds a value by its canonical path.
    pub fn value(&self, path: &str) -> Option<&Known> {
        match self.nodes.get(path) {
            Some(Node::Leaf(known)) => Some(known),
            _ => None,
        }
    }

    /// Finds a value by a path in any case and by any alias, with `_` ignored.
    pub fn value_caseless(&self, path: &str) -> Option<&Known> {
        self.folded.get(&fold(path)).and_then(|path| self.value(path))
    }

    /// Gives the optional sections that enclose a path, outermost first.
    pub fn optional_sections(&self, path: &str) -> Vec<String> {
        let dots = path.match_indices('.').map(|(at, _)| at);
        dots.filter_map(|at| path.get(..at))
            .filter(|start| matches!(self.nodes.get(*start), Some(Node::Section { optional: true, .. })))
            .map(str::to_owned)
            .collect()
    }
}

//! JSON bodies whose documented shape is inferred from an example, and the answer to a successful change.

use std::borrow::Cow;
use std::marker::PhantomData;

use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::{Value, json};

/// How a body looks in the documents.
pub trait Shape: Send + Sync + 'static {
    /// Name of the schema.
    const NAME: &'static str;
    /// One sentence about it.
    const ABOUT: &'static str;
    /// A body that is accepted or answered as it stands; property names and types are taken from it.
    fn example() -> Value;
    /// More properties, by example: those the server adds, and those that do not go together with the example's. Null
    /// stands for a value of any type.
    fn more() -> Value {
        json!({})
    }
}

/// All properties of both.
fn merged(example: Value, more: &Value) -> Value {
    match (example, more) {
        (Value::Object(mut fields), Value::Object(more)) => {
            for (name, more) in more {
                let merged = match fields.remove(name) {
                    Some(own) => merged(own, more),
                    None => more.clone(),
                };
                fields.insert(name.clone(), merged);
            }
            Value::Object(fields)
        }
        (Value::Array(items), Value::Array(more)) => match (items.into_iter().next(), more.first()) {
            (Some(item), Some(more)) => Value::Array(vec![merged(item, more)]),
            (item, more) => item.or_else(|| more.cloned()).into_iter().collect(),
        },
        (_, Value::Null) => Value::Null,
        (example, _) => example,
    }
}

/// A body of shape `S`.
#[derive(Debug)]
pub struct Doc<S>(pub Value, PhantomData<fn() -> S>);

impl<S> Doc<S> {
    /// Wraps what can be serialised.
    pub fn of(value: impl Serialize) -> Self {
        Self(serde_json::to_value(value).unwrap_or_default(), PhantomData)
    }
}

impl<S: Shape> Type for Doc<S> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        S::NAME.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(S::NAME.into())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(S::NAME.into(), |_| {
            let example = S::example();
            let all = merged(example.clone(), &S::more());
            MetaSchema { description: Some(S::ABOUT), example: Some(example), ..infer(&all) }
        });
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<S: Shape> ParseFromJSON for Doc<S> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        // An empty body is read as null; no operation takes either.
        match value {
            None | Some(Value::Null) => Err(ParseError::expected_input()),
            Some(value) => Ok(Self(value, PhantomData)),
        }
    }
}

impl<S: Shape> ToJSON for Doc<S> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone())
    }
}

/// The schema of an example. Names are leaked once per document, at start.
fn infer(example: &Value) -> MetaSchema {
    match example {
        Value::Null => MetaSchema::ANY,
        Value::Bool(_) => MetaSchema::new("boolean"),
        Value::Number(number) if number.is_f64() => MetaSchema::new("number"),
        Value::Number(_) => MetaSchema::new("integer"),
        Value::String(_) => MetaSchema::new("string"),
        Value::Array(items) => {
            let items = items.first().map_or(MetaSchema::ANY, infer);
            MetaSchema {
                items: Some(Box::new(MetaSchemaRef::Inline(Box::new(items)))),
                ..MetaSchema::new("array")
            }
        }
        Value::Object(fields) => {
            let properties = fields.iter().map(|(name, value)| {
                let name: &'static str = name.clone().leak();
                (name, MetaSchemaRef::Inline(Box::new(infer(value))))
            });
            MetaSchema { properties: properties.collect(), ..MetaSchema::new("object") }
        }
    }
}

/// A successful change: `Success` as text, or JSON where the caller prefers it (specification §2.4).
#[derive(Default, Clone)]
pub struct Done {
    id: Option<String>,
    location: Option<String>,
    more: Vec<(&'static str, String)>,
}

/// Put on the response so that the outermost layer can render it as the caller wants.
#[derive(Debug, Clone)]
pub struct DoneMark(pub Value);

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Done").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Done {
    /// Something was changed.
    pub fn changed() -> Self {
        Self::default()
    }

    /// Something was created, to be found under the path.
    pub fn created(id: impl Into<String>, path: impl Into<String>) -> Self {
        Self { id: Some(id.into()), location: Some(path.into()), more: Vec::new() }
    }

    /// Work was begun that goes on in the background.
    pub fn begun(job: impl Into<String>) -> Self {
        Self { id: Some(job.into()), ..Self::default() }
    }

    /// Adds a field to the JSON form, where there is something to say.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: Option<String>) -> Self {
        self.more.extend(value.map(|value| (field, value)));
        self
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut body = json!({"status": "Success"});
        if let (Some(id), Some(fields)) = (&self.id, body.as_object_mut()) {
            fields.insert("id".into(), id.as_str().into());
        }
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.more.into_iter().map(|(field, value)| (field.to_owned(), value.into())));
        }
        let mut response =
            Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8").body("Success");
        if let Some(location) = self.location.as_deref().and_then(|l| HeaderValue::from_str(l).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response.extensions_mut().insert(DoneMark(body));
        response
    }
}

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        let content = |content_type, schema| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(schema)),
        };
        let text = MetaSchema { example: Some("Success".into()), ..MetaSchema::new("string") };
        let object = infer(&json!({"status": "Success", "id": "5065179a-d608-4aba-8728-2f131ec68127"}));
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Operation successful; JSON with the new id where Accept prefers it",
                status: Some(200),
                status_range: None,
                content: vec![content("text/html", text), content("application/json", object)],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// Declares shapes from their examples.
#[macro_export]
macro_rules! shapes {
    ($($name:ident = $schema:literal, $about:literal, $example:tt $(, more $more:tt)?;)*) => {$(
        #[doc = $about]
        #[derive(Debug)]
        pub struct $name;
        impl $crate::http::body::Shape for $name {
            const NAME: &'static str = $schema;
            const ABOUT: &'static str = $about;
            fn example() -> serde_json::Value {
                serde_json::json!($example)
            }
            $(fn more() -> serde_json::Value {
                serde_json::json!($more)
            })?
        }
    )*};
}

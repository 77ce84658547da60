//! The documents at `/docs`, and that every operation in them does what all operations do.

use std::collections::BTreeSet;

use cv3_backend::domain::access::{self, Api, Permission};
use serde_json::{Value, json};

use super::{Caller, NOTHING};
use crate::support::Installation;

/// An operation of a document.
#[derive(Debug)]
pub(super) struct Operation {
    pub api: Api,
    pub method: String,
    pub path: String,
    pub about: Value,
}

impl Operation {
    /// Whom the table of permissions says it admits.
    pub fn permission(&self) -> Permission {
        let row = access::Operation::find(self.api, &self.method, &self.path);
        row.unwrap_or_else(|| panic!("{self:?} has no row in domain/access")).permission
    }

    /// `public`, `optional` or `gated`, by what the document says about security.
    fn gate(&self) -> &'static str {
        match self.about["security"].as_array() {
            None => "public",
            Some(ways) if ways.contains(&json!({})) => "optional",
            Some(ways) => {
                assert!(
                    ways.iter().any(|way| way.get("userAccessToken").or(way.get("sharedSecret")).is_some()),
                    "{self:?}"
                );
                "gated"
            }
        }
    }

    pub fn line(&self) -> String {
        format!("{} {} {} {}", self.gate(), self.api.name(), self.method, self.path)
    }

    /// Its address at the front door, with ids that nothing has.
    fn address(&self) -> String {
        self.address_with(&|_| NOTHING.to_owned())
    }

    /// Its address at the front door with these ids, each by the name of its parameter.
    pub fn address_with(&self, id: &dyn Fn(&str) -> String) -> String {
        let prefix = if self.api == Api::Admin { "/api" } else { "/query" };
        let segments = self.path.split('/').map(|segment| {
            let parameter = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            parameter.map_or_else(|| segment.to_owned(), id)
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let wanted = self.about["parameters"].as_array().into_iter().flatten();
        let wanted = wanted.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let query: Vec<String> = wanted.map(|one| format!("{}=1", one["name"].as_str().unwrap())).collect();
        format!("{prefix}{path}?{}", query.join("&"))
    }

    /// Whether it asks for the secret shared with the fleet tool instead of a user's token.
    fn wants_secret(&self) -> bool {
        let ways = self.about["security"].as_array().into_iter().flatten();
        ways.filter_map(Value::as_object).any(|way| way.contains_key("sharedSecret"))
    }

    pub fn takes_json(&self) -> bool {
        let kinds = self.about["requestBody"]["content"].as_object();
        kinds.is_some_and(|kinds| kinds.keys().any(|kind| kind.starts_with("application/json")))
    }
}

/// Every operation of both documents.
pub(super) async fn operations(caller: &Caller) -> Vec<Operation> {
    let mut all = Vec::new();
    for api in [Api::Admin, Api::Query] {
        let answer = caller.get(&format!("/docs/{}.json", api.name()), None).await;
        assert_eq!(answer.status, 200);
        let document = answer.json();
        is_openapi(&document);
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, about) in methods.as_object().unwrap() {
                all.push(Operation {
                    api,
                    method: method.to_uppercase(),
                    path: path.clone(),
                    about: about.clone(),
                });
            }
        }
    }
    all
}

/// What OpenAPI 3 demands of a document: versions, paths, responses, parameters, and references that lead somewhere.
fn is_openapi(document: &Value) {
    assert!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")),
        "{}",
        document["openapi"]
    );
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    assert!(document.pointer("/components/securitySchemes/userAccessToken/type").is_some());
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'), "{path}");
        for (method, about) in methods.as_object().unwrap() {
            assert!(["get", "post", "patch", "put", "delete"].contains(&method.as_str()), "{method} {path}");
            assert!(about["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
            let named: BTreeSet<&str> =
                path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect();
            let parameters = about["parameters"].as_array().into_iter().flatten();
            let declared: BTreeSet<&str> = parameters
                .filter(|one| one["in"] == "path")
                .map(|one| one["name"].as_str().unwrap())
                .collect();
            assert_eq!(named, declared, "{method} {path}");
        }
    }
    references(document, &mut |reference| {
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        assert!(target.is_some(), "{reference} leads nowhere");
    });
}

fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                found(reference);
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Operations the documents must hold whatever else they lose.
const KNOWN: [&str; 8] = [
    "gated admin POST /users/",
    "gated query POST /config/maintenance",
    "gated admin GET /config/global",
    "gated admin POST /config/global",
    "gated admin POST /sources/",
    "gated admin POST /source/{source_id}/ingest",
    "optional query POST /record/",
    "gated query GET /record/history",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_is_documented_and_has_the_gate_of_its_permission() {
    let installation = Installation::new();
    let node = installation.serve().set("Legacy.NexusMode.Enabled", "true").start().await;
    let caller = Caller::of(&node);
    let developer = node.client("ada").await.token().await;
    let secret = super::running::secret(&installation);
    let all = operations(&caller).await;

    let lines: BTreeSet<String> = all.iter().map(Operation::line).collect();
    for operation in &all {
        let gate = match operation.permission() {
            Permission::Public => "public",
            Permission::Holder | Permission::Anonymous => "optional",
            _ => "gated",
        };
        assert_eq!(operation.gate(), gate, "{} against domain/access", operation.line());
    }
    assert_eq!(all.len(), access::OPERATIONS.len(), "the table has operations that are not served");
    for known in KNOWN {
        assert!(lines.contains(known), "{known} is not documented: {lines:#?}");
    }

    for operation in &all {
        let (method, address, what) = (&*operation.method, operation.address(), operation.line());
        let summary = operation.about["summary"].as_str().unwrap_or_default();
        assert!(!summary.trim().is_empty(), "{what} has no summary");
        // What the document says about its gate is so.
        let empty = async |token| {
            let request = caller.request(method, &address, token);
            caller.send(if operation.takes_json() { request.json(&json!({})) } else { request }).await
        };
        match operation.gate() {
            "gated" => empty(None).await.refused(401, &what),
            "optional" => assert!([401, 404].contains(&empty(None).await.status), "{what}"),
            _ => assert_ne!(empty(None).await.status, 401, "{what}"),
        }
        if operation.gate() != "public" {
            empty(Some("eyJhbGciOiJub25lIn0.e30.")).await.refused(401, &what);
        }
        // RFC 9110 §15.5.6: who tries another method is told which there are.
        let other = caller.send(caller.request("TRACE", &address, None)).await;
        other.refused(405, &what);
        let allowed = other.header("allow").unwrap_or_default();
        assert!(allowed.split(", ").any(|one| one == method), "{what}: {allowed}");
        if operation.takes_json() {
            for body in ["", "{", "{\"a\":1}}", "\u{feff}{}"] {
                let bearer = if operation.wants_secret() { &secret } else { &developer };
                let request = caller.request(method, &address, Some(bearer));
                let request = request.header("content-type", "application/json").body(body);
                caller.send(request).await.refused(400, &format!("{what} with the body {body:?}"));
            }
        } else if operation.path.contains('{') && operation.path != "/sources/{source_id}/upload" {
            empty(Some(&developer)).await.refused(404, &format!("{what} of something unknown"));
        }
    }
    pages(&caller).await;
    node.stop().await;
}

/// Every field that the documents require is missed where it is absent, and the example they give has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn required_fields_are_required() {
    let installation = Installation::new();
    let node = installation.serve().set("Legacy.NexusMode.Enabled", "true").start().await;
    let caller = Caller::of(&node);
    let developer = node.client("ada").await.token().await;
    let secret = super::running::secret(&installation);
    let mut tried = 0;
    for api in ["admin", "query"] {
        let document = caller.get(&format!("/docs/{api}.json"), None).await.json();
        for operation in operations(&caller).await.iter().filter(|one| one.api.name() == api) {
            let content = operation.about["requestBody"]["content"].as_object().into_iter().flatten();
            let schemas = content.filter(|(kind, _)| kind.starts_with("application/json"));
            let Some(parts) = schemas.filter_map(|(_, body)| body["schema"]["allOf"].as_array()).next()
            else {
                continue;
            };
            let shape = parts[0]["$ref"].as_str().unwrap().trim_start_matches('#');
            let example = document.pointer(shape).unwrap()["example"].as_object().unwrap().clone();
            let address = operation.address();
            let bearer = if operation.wants_secret() { &secret } else { &developer };
            for name in parts[1]["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
                let mut body = example.clone();
                assert!(body.remove(name).is_some(), "the example of {} has no {name}", operation.line());
                let answer = caller.with_body(&operation.method, &address, Some(bearer), &body.into()).await;
                answer.refused(400, &format!("{} without {name}", operation.line()));
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
    node.stop().await;
}

/// The documents as they are checked in (`docs/openapi`), with the default address. `CV3_REGENERATE=1` writes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_documents_are_those_that_are_served() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    for api in ["admin", "query"] {
        let served = caller.get(&format!("/docs/{api}.json"), None).await.json();
        let text = serde_json::to_string_pretty(&served).unwrap();
        let text = text.replace(&installation.base(), "http://127.0.0.1:5080") + "\n";
        let path = format!("{}/docs/openapi/{api}.json", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("CV3_REGENERATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{path} is out of date: `just generate` writes it anew");
    }
    node.stop().await;
}

/// The page and everything it names come from this address.
async fn pages(caller: &Caller) {
    let page = caller.get("/docs/", None).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    for mark in ["src=\"", "href=\""] {
        for rest in page.body.split(mark).skip(1) {
            let target = rest.split('"').next().unwrap();
            assert!(!target.contains("//"), "{target} is fetched from elsewhere");
            let path = if target.starts_with('/') { target.to_owned() } else { format!("/docs/{target}") };
            let asset = caller.get(&path, None).await;
            assert!(asset.status == 200 && !asset.body.is_empty(), "{path}: {}", asset.status);
        }
    }
}

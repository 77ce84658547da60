//! What the documents say of each operation that its handler's types do not: whom it admits, how it refuses, and which
//! fields a new resource cannot be without.

use serde_json::{Map, Value, json};

use crate::domain::access::{Api, Operation, Permission};

/// Fields without which a body is refused, by the address it is posted to; all others may be left out.
const REQUIRED: [(&str, &[&str]); 18] = [
    ("/access-requests/", &["affiliation", "email", "firstName", "justification", "lastName"]),
    ("/auth/token", &["grant_type"]),
    ("/beacon/", &["beaconAuthMethod", "endpointPath", "networkId"]),
    ("/config/maintenance", &["maintenance"]),
    ("/groups/", &["discoveryPolicy", "groupName", "networkId"]),
    ("/log/error", &["error", "timestamp", "uuid"]),
    ("/log/info", &["error", "timestamp", "uuid"]),
    ("/meta/sources", &["publisher", "sourceName", "sourceType"]),
    ("/nexus/credentials", &["clientId", "realm"]),
    ("/nexus/installations", &["baseUrl", "email", "installationName"]),
    ("/nexus/networks", &["networkName"]),
    ("/networks/", &["networkName"]),
    ("/networks/join", &["baseUrl", "networkID"]),
    ("/networks/{network_id}/invite", &["baseUrl"]),
    ("/pipelines/", &["pipelineName"]),
    ("/source/{source_id}/ingest", &["dataFileIDs", "pipelineID"]),
    ("/source/{source_id}/remap", &["dataFileIDs", "pipelineID"]),
    ("/sources/", &["sourceName"]),
];

/// Adds all of it to a document.
pub fn annotate(api: Api, document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let method = method.to_uppercase();
            let known = Operation::find(api, &method, path);
            let (Some(known), Some(fields)) = (known, operation.as_object_mut()) else { continue };
            say_who_may(known.permission, fields);
            say_what_is_required(known, fields);
            say_how_it_refuses(known, fields);
        }
    }
    for place in QUERIES {
        if let Some(schema) = document.pointer_mut(&format!("/components/schemas{place}")) {
            allow_null(schema);
        }
    }
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert(
            "responses".into(),
            json!({"refused": {
                "description": "Refused; the reason in words",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/refusal"}}},
            }}),
        );
        if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
            schemas.insert("refusal".into(), json!({
                "type": "object", "required": ["error"],
                "description": "Why something was refused or failed.",
                "properties": {
                    "error": {"type": "string", "description": "What, where and what to do"},
                    "code": {"type": "string", "description": "For programs, where they have to tell apart"},
                },
                "example": {"error": "there is no source 5065179a-d608-4aba-8728-2f131ec68127"},
            }));
        }
    }
}

/// Where a query stands as its asker wrote it: null anywhere in it is the same as absent.
const QUERIES: [&str; 3] = [
    "/query_builder",
    "/record_data_query/properties/messageData",
    "/record_history_entry/properties/query/properties/messageData",
];

fn allow_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for property in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        allow_null(property.1);
    }
    if let Some(items) = fields.get_mut("items") {
        allow_null(items);
    }
    fields.insert("nullable".into(), true.into());
}

/// As text and as `x-permission`.
fn say_who_may(permission: Permission, fields: &mut Map<String, Value>) {
    let who = permission.describe();
    let about = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\nWho may: {who}.").trim_start().to_owned();
    fields.insert("description".into(), about.into());
    fields.insert("x-permission".into(), who.into());
}

fn say_what_is_required(operation: &Operation, fields: &mut Map<String, Value>) {
    let found = REQUIRED.iter().find(|(path, _)| operation.method == "POST" && *path == operation.path);
    let Some((_, required)) = found else { return };
    let kinds = fields.get_mut("requestBody").and_then(|body| body.get_mut("content"));
    for kind in kinds.and_then(Value::as_object_mut).into_iter().flat_map(|kinds| kinds.values_mut()) {
        if let Some(schema) = kind.get_mut("schema") {
            let all = json!([schema.take(), {"type": "object", "required": required}]);
            *schema = json!({"allOf": all});
        }
    }
}

/// The statuses of specification §2.4 that can come of it.
fn say_how_it_refuses(operation: &Operation, fields: &mut Map<String, Value>) {
    let body = fields.contains_key("requestBody");
    let changes = operation.method != "GET";
    let open = operation.permission == Permission::Public;
    let possible = [
        ("400", true),
        ("401", !open || operation.path == "/auth/token"),
        ("403", !open || operation.path == "/auth/token"),
        // Without nexus mode nothing is at its addresses.
        ("404", operation.path.contains('{') || changes || operation.path.starts_with("/nexus/")),
        ("409", changes),
        ("411", body),
        ("413", body),
        ("415", body),
        ("422", changes),
        ("429", open && changes || operation.path == "/record/"),
        ("503", true),
        ("504", true),
    ];
    let Some(responses) = fields.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, _) in possible.into_iter().filter(|(_, possible)| *possible) {
        responses.entry(status).or_insert_with(|| json!({"$ref": "#/components/responses/refused"}));
    }
}

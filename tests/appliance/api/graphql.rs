//! GraphQL answers and refuses what REST does, and no more.

use cv3_backend::domain::access::{Api, Operation};
use cv3_backend::domain::users::Role;
use serde_json::{Value, json};

use super::{Answer, Caller, NOTHING, change_with, patch};
use crate::support::{Installation, steps};

/// A field, and the operation of REST that it is. Ids in capitals stand for nothing that is there.
const FIELDS: [(&str, Api, &str, &str); 36] = [
    ("{me {username}}", Api::Admin, "GET", "/auth/user-info"),
    ("{sources {sourceName recordIndex {recordCount}}}", Api::Admin, "GET", "/sources/"),
    ("{source(sourceId: ID) {sourceName}}", Api::Admin, "GET", "/sources/{source_id}"),
    ("{networks {networkName nodes {nodeName}}}", Api::Admin, "GET", "/networks/"),
    ("{network(networkId: ID) {networkName}}", Api::Admin, "GET", "/networks/{network_id}"),
    ("{groups {groupName}}", Api::Admin, "GET", "/groups/"),
    ("{group(groupId: ID) {groupName}}", Api::Admin, "GET", "/groups/{group_id}"),
    ("{users {username}}", Api::Admin, "GET", "/users/"),
    ("{localUsers {username}}", Api::Admin, "GET", "/users/local"),
    ("{user(userId: ID) {username}}", Api::Admin, "GET", "/users/{user_id}"),
    ("{metaSources}", Api::Admin, "GET", "/meta/sources"),
    ("{pipelines}", Api::Admin, "GET", "/pipelines/"),
    ("{queries {query status}}", Api::Query, "GET", "/record/history"),
    ("{settings}", Api::Admin, "GET", "/config/global"),
    ("mutation {createSource(source: {})}", Api::Admin, "POST", "/sources/"),
    ("mutation {changeSource(sourceId: ID, change: {})}", Api::Admin, "PATCH", "/sources/{source_id}"),
    ("mutation {deleteSource(sourceId: ID)}", Api::Admin, "DELETE", "/sources/{source_id}"),
    ("mutation {indexSource(sourceId: ID)}", Api::Admin, "POST", "/sources/{source_id}/index"),
    ("mutation {createGroup(group: {})}", Api::Admin, "POST", "/groups/"),
    ("mutation {changeGroup(groupId: ID, change: {})}", Api::Admin, "PATCH", "/groups/{group_id}"),
    ("mutation {deleteGroup(groupId: ID)}", Api::Admin, "DELETE", "/groups/{group_id}"),
    ("mutation {createUser(user: {}) {userId}}", Api::Admin, "POST", "/users/"),
    ("mutation {changeUser(userId: ID, change: {})}", Api::Admin, "PATCH", "/users/{user_id}"),
    ("mutation {deleteUser(userId: ID)}", Api::Admin, "DELETE", "/users/{user_id}"),
    ("mutation {activateUser(userId: ID)}", Api::Admin, "POST", "/users/{user_id}/activate"),
    ("mutation {deactivateUser(userId: ID)}", Api::Admin, "POST", "/users/{user_id}/deactivate"),
    ("mutation {permitLogin(userId: ID)}", Api::Admin, "POST", "/users/{user_id}/permit-login"),
    ("mutation {revokeLogin(userId: ID)}", Api::Admin, "POST", "/users/{user_id}/revoke-login"),
    ("mutation {createPipeline(pipeline: {})}", Api::Admin, "POST", "/pipelines/"),
    (
        "mutation {changePipeline(pipelineId: ID, change: {})}",
        Api::Admin,
        "PATCH",
        "/pipelines/{pipeline_id}",
    ),
    ("mutation {deletePipeline(pipelineId: ID)}", Api::Admin, "DELETE", "/pipelines/{pipeline_id}"),
    ("mutation {createMetaSource(source: {})}", Api::Admin, "POST", "/meta/sources"),
    (
        "mutation {changeMetaSource(sourceId: ID, change: {})}",
        Api::Admin,
        "PATCH",
        "/meta/sources/{source_id}",
    ),
    ("mutation {deleteMetaSource(sourceId: ID)}", Api::Admin, "DELETE", "/meta/sources/{source_id}"),
    ("mutation {changeSettings(settings: {})}", Api::Admin, "POST", "/config/global"),
    ("mutation {__typename}", Api::Admin, "GET", "/auth/user-info"),
];

async fn ask(caller: &Caller, token: Option<&str>, query: &str) -> Answer {
    caller.with_body("POST", "/api/graphql", token, &json!({"query": query})).await
}

/// The code of the first error, if there is one.
fn code(answer: &Value) -> Option<&str> {
    answer["errors"][0]["extensions"]["code"].as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_field_admits_the_roles_of_its_operation() {
    let installation = Installation::empty();
    for role in Role::ALL {
        installation.add_user(role.name(), role.name());
    }
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let mut names: Vec<&str> = Vec::new();
    for (field, api, method, path) in FIELDS {
        let query = field.replace("ID", &format!("\"{NOTHING}\""));
        names.push(
            field.trim_start_matches("mutation ").trim_matches('{').split([' ', '(', '}']).next().unwrap(),
        );
        let permission = Operation::find(api, method, path).unwrap_or_else(|| panic!("{path}")).permission;
        ask(&caller, None, &query).await.refused(401, field);
        ask(&caller, Some("forged"), &query).await.refused(401, field);
        for role in Role::ALL {
            let token = node.client(role.name()).await.token().await;
            let answer = ask(&caller, Some(&token), &query).await;
            let refused = code(&answer.json()) == Some("FORBIDDEN");
            assert_eq!(answer.status, 200, "{field} as {role:?}: {answer:?}");
            assert_eq!(refused, !permission.admits(role), "{field} as {role:?}: {answer:?}");
        }
    }
    // No field without a row.
    let token = node.client("user").await.token().await;
    let all = "{__schema {queryType {fields {name}} mutationType {fields {name}}}}";
    let all = ask(&caller, Some(&token), all).await.json();
    for kind in ["queryType", "mutationType"] {
        for field in all["data"]["__schema"][kind]["fields"].as_array().unwrap() {
            assert!(names.contains(&field["name"].as_str().unwrap()), "{field} has no row");
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_by_one_is_read_by_the_other() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let ada = node.client("ada").await;
    let token = ada.token().await;
    let graphql = async |query: &str| ask(&caller, Some(&token), query).await.json();

    let made =
        graphql(r#"mutation {createSource(source: {sourceName: "clinic", displayName: "Clinic"})}"#).await;
    let source = made["data"]["createSource"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert_eq!(ada.get(&format!("/sources/{source}")).await.ok()["displayName"], "Clinic");
    patch(&ada, &format!("/sources/{source}"), &json!({"displayName": "The clinic"})).await;
    let read =
        graphql("{sources {sourceId displayName online recordIndex {recordCount}} me {username role}}").await;
    let expected = json!({"sources": [{"sourceId": source, "displayName": "The clinic", "online": false,
        "recordIndex": {"recordCount": 0}}], "me": {"username": "ada", "role": "developer"}});
    assert_eq!(read["data"], expected);

    let again = graphql(r#"mutation {createSource(source: {sourceName: "clinic"})}"#).await;
    let rest = ada.post("/sources/", &json!({"sourceName": "clinic"})).await;
    assert_eq!((rest.status.as_u16(), code(&again)), (409, Some("CONFLICT")), "{again}");
    assert_eq!(again["errors"][0]["message"], rest.json()["error"], "the same words");
    let absent = graphql(&format!(r#"{{source(sourceId: "{NOTHING}") {{sourceName}}}}"#)).await;
    assert_eq!(code(&absent), Some("NOT_FOUND"), "{absent}");

    let group = steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    let change =
        format!(r#"mutation {{changeGroup(groupId: "{group}", change: {{discoveryPolicy: "boolean"}})}}"#);
    assert_eq!(graphql(&change).await["data"]["changeGroup"], true);
    assert_eq!(ada.get(&format!("/groups/{group}")).await.ok()["discoveryPolicy"], "boolean");
    let made =
        graphql(r#"mutation {createUser(user: {email: "eve@example.org"}) {userId oneTimePassword}}"#).await;
    let user = &made["data"]["createUser"];
    assert!(user["oneTimePassword"].is_string(), "{made}");
    let last = format!(r#"mutation {{deactivateUser(userId: "{}")}}"#, ada.user_id);
    assert_eq!(code(&graphql(&last).await), Some("CONFLICT"), "the last developer stays");
    assert_eq!(
        graphql(&format!(r#"mutation {{deleteSource(sourceId: "{source}")}}"#)).await["data"]["deleteSource"],
        true
    );
    assert_eq!(ada.get(&format!("/sources/{source}")).await.status, 404);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_malformed_too_deep_or_too_much_is_refused() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let token = node.client("ada").await.token().await;
    let deep = |levels: usize| {
        let inner = "ofType {".repeat(levels) + "name" + &"}".repeat(levels);
        format!("{{__type(name: \"Query\") {{fields {{type {{{inner}}}}}}}}}")
    };
    let aliases = |n: usize| {
        let fields: Vec<String> = (0..n).map(|i| format!("a{i}: networks {{nodes {{nodeId}}}}")).collect();
        format!("{{{}}}", fields.join(" "))
    };
    assert_eq!(ask(&caller, Some(&token), &deep(3)).await.status, 200);
    assert_eq!(ask(&caller, Some(&token), &aliases(5)).await.status, 200);
    for (what, query) in [
        ("too deep", deep(12)),
        ("too many fields", aliases(60)),
        ("no such field", "{nothing}".to_owned()),
        ("no GraphQL", "{".to_owned()),
        ("nothing", String::new()),
    ] {
        let answer = ask(&caller, Some(&token), &query).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert!(answer.json()["errors"][0]["message"].is_string(), "{what}: {answer:?}");
    }
    for body in [json!([{"query": "{me {username}}"}]), json!("{me {username}}")] {
        caller.with_body("POST", "/api/graphql", Some(&token), &body).await.refused(400, &body.to_string());
    }
    let long = json!({"query": format!("{{me {{username}}}} # {}", "x".repeat(70_000))});
    caller.with_body("POST", "/api/graphql", Some(&token), &long).await.refused(413, "a long text");
    let other = caller.get("/api/graphql", Some(&token)).await;
    other.refused(405, "another method");
    assert_eq!(other.header("allow"), Some("POST, OPTIONS"));
    node.stop().await;
}

/// `docs/graphql/schema.graphql` is the schema that is served. `CV3_REGENERATE=1` writes it.
#[test]
fn the_written_schema_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/graphql/schema.graphql");
    let sdl = cv3_backend::http::admin::graphql::sdl();
    if std::env::var_os("CV3_REGENERATE").is_some() {
        std::fs::write(path, &sdl).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == sdl, "{path} is out of date: `just generate` writes it anew");
}

/// The code of a refusal, checked to be one of the whole request.
fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 400, "{answer:?}");
    code(&answer.json()).unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_asks_for_too_much_is_refused_by_name_and_usual_ones_pass() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let token = node.client("ada").await.token().await;
    let graphql = async |query: &str| ask(&caller, Some(&token), query).await;
    let lists = "{me {username role} sources {sourceId sourceName displayName owner online recordIndex {recordCount}}
        groups {groupId groupName discoveryPolicy assignedUsers} users {userId username email role active}
        networks {networkId networkName nodes {nodeId nodeName nodeUrl}} pipelines metaSources queries {query status}}";
    for query in [
        lists,
        "{users(limit: 1000) {userId username email firstName lastName role active budget}}",
        USUAL_INTROSPECTION,
    ] {
        let answer = graphql(query).await;
        assert!(answer.status == 200 && answer.json()["errors"].is_null(), "{answer:?}");
    }
    let wide: Vec<String> = (0..60).map(|n| format!("a{n}: users(limit: 1000) {{userId email}}")).collect();
    let inner = "ofType {".repeat(13) + "name" + &"}".repeat(13);
    let deep = format!("{{__type(name: \"Query\") {{fields {{type {{{inner}}}}}}}}}");
    let doubled: String =
        (1..30).map(|n| format!("fragment f{n} on Query {{...f{} ...f{}}} ", n + 1, n + 1)).collect();
    for (query, expected) in [
        (format!("{{{}}}", wide.join(" ")), "TOO_COMPLEX"),
        ("{networks(limit: 1000) {nodes(limit: 1000) {nodeId}}}".into(), "TOO_COMPLEX"),
        (deep, "TOO_DEEP"),
        (format!("{{...f1}} {doubled} fragment f30 on Query {{me {{userId}}}}"), "TOO_MANY_FIELDS"),
        (format!("{{__schema {{{}}}}}", "types {name} ".repeat(300)), "TOO_MANY_FIELDS"),
    ] {
        assert_eq!(refusal(&graphql(&query).await), expected, "{query:.200}");
    }
    // What a variable says weighs as if it stood there.
    let paged = "query($limit: Int!) {networks(limit: $limit) {nodes(limit: $limit) {nodeId}}}";
    for (limit, status) in [(10, 200), (1_000, 400)] {
        let body = json!({"query": paged, "variables": {"limit": limit}});
        let answer = caller.with_body("POST", "/api/graphql", Some(&token), &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_in_pages() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let ada = node.client("ada").await;
    let token = ada.token().await;
    for name in ["one", "three", "two"] {
        steps::source(&ada, name).await;
    }
    let names = async |page: &str| {
        let answer = ask(&caller, Some(&token), &format!("{{sources{page} {{sourceName}}}}")).await.json();
        let sources = answer["data"]["sources"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        sources.iter().map(|source| source["sourceName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["one", "three", "two"]);
    assert_eq!(names("(limit: 2)").await, ["one", "three"]);
    assert_eq!(names("(skip: 2, limit: 2)").await, ["two"]);
    assert!(names("(skip: 9)").await.is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_removes_what_it_removes_in_rest() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let ada = node.client("ada").await;
    let token = ada.token().await;
    let graphql = async |query: &str| ask(&caller, Some(&token), query).await.json();
    let described = json!({"sourceName": "clinic", "sourceDescription": "old", "owner": "old",
        "sourceUrl": "https://example.org", "indexUrl": "https://example.org/index"});
    let (one, two) = (steps::create(&ada, "/sources/", &described).await, {
        let mut other = described.clone();
        other["sourceName"] = "other".into();
        steps::create(&ada, "/sources/", &other).await
    });
    patch(&ada, &format!("/sources/{one}"), &json!({"sourceDescription": null, "sourceUrl": null})).await;
    let change = format!(
        r#"mutation {{changeSource(sourceId: "{two}", change: {{sourceDescription: null, sourceUrl: null}})}}"#
    );
    assert_eq!(graphql(&change).await["data"]["changeSource"], true);
    for id in [&one, &two] {
        let read = ada.get(&format!("/sources/{id}")).await.ok();
        assert_eq!((&read["sourceDescription"], &read["owner"]), (&json!(""), &json!("old")), "{read}");
        assert!(read.get("sourceUrl").is_none() && read["indexUrl"] == "https://example.org/index", "{read}");
    }
    let required = format!(r#"mutation {{changeSource(sourceId: "{two}", change: {{sourceName: null}})}}"#);
    let refused = graphql(&required).await;
    let rest =
        change_with(&ada, reqwest::Method::PATCH, &format!("/sources/{one}"), &json!({"sourceName": null}))
            .await;
    assert_eq!((code(&refused), rest.status.as_u16()), (Some("INVALID"), 400), "{refused}");
    assert_eq!(refused["errors"][0]["message"], rest.json()["error"], "the same words");

    let group = steps::grant(&ada, "count", &[&ada.user_id], &[&one]).await;
    patch(&ada, &format!("/groups/{group}"), &json!({"groupDescription": "old", "minimumCount": 5})).await;
    let change = format!(
        r#"mutation {{changeGroup(groupId: "{group}", change: {{groupDescription: null, assignedSources: null}})}}"#
    );
    assert_eq!(graphql(&change).await["data"]["changeGroup"], true);
    let read = ada.get(&format!("/groups/{group}")).await.ok();
    assert_eq!((&read["groupDescription"], &read["assignedSources"]), (&json!(""), &json!([])), "{read}");
    assert_eq!((&read["minimumCount"], &read["assignedUsers"]), (&json!(5), &json!([ada.user_id])), "{read}");

    let made = r#"mutation {createUser(user: {email: "eve@example.org", firstName: "Eve", affiliation: "Old", role: null}) {userId}}"#;
    let user = graphql(made).await["data"]["createUser"]["userId"].as_str().unwrap().to_owned();
    let change = format!(r#"mutation {{changeUser(userId: "{user}", change: {{affiliation: null}})}}"#);
    assert_eq!(graphql(&change).await["data"]["changeUser"], true);
    let read = ada.get(&format!("/users/{user}")).await.ok();
    assert_eq!((&read["affiliation"], &read["firstName"]), (&json!(""), &json!("Eve")), "{read}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_to_try_graphql_is_there_in_development_alone_and_fetches_nothing_from_elsewhere() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    assert_eq!(Caller::of(&node).get("/docs/graphiql/", None).await.status, 404);
    node.stop().await;

    let node = installation.serve().env("CV3_ENV", "development").start().await;
    let caller = Caller::of(&node);
    let page = caller.get("/docs/graphiql/", None).await;
    assert_eq!(page.status, 200, "{page:?}");
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    let named: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.body.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(named.len(), 4, "{named:?}");
    for address in named {
        assert!(address.starts_with("/docs"), "{address} lies elsewhere");
        let plain = caller.get(address, None).await;
        assert!(
            plain.status == 200 && plain.header("content-encoding").is_none(),
            "{address}: {}",
            plain.status
        );
    }
    let script = caller.get("/docs/graphiql/graphiql.js", None).await;
    assert!(script.body.contains("GraphiQL") && script.body.len() > 1_000_000, "{} bytes", script.body.len());
    let packed =
        caller.request("GET", "/docs/graphiql/graphiql.js", None).header("accept-encoding", "br, gzip");
    let packed = packed.send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    // The schema is shown to nobody without a token.
    let asked = ask(&caller, None, "{__schema {types {name}}}").await;
    asked.refused(401, "introspection without a token");
    node.stop().await;
}

/// What usual tools send to learn a schema: `getIntrospectionQuery()` of graphql-js 16.
const USUAL_INTROSPECTION: &str = include_str!("introspection.graphql");

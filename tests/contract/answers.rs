//! Published requests are accepted, and real answers have the published fields with the published types.

use reqwest::Method;
use serde_json::{Value, json};

use crate::published::{Findings, Published};
use crate::support::client::Reply;
use crate::support::{Client, Installation, steps};

/// Published properties that no answer of this release has.
const ABSENT: [(&str, &str); 5] = [
    (
        "beacon_configuration.response.entryTypes.*.filteringTerms",
        "which terms there are to ask for is not told yet",
    ),
    ("beacon_endpoint.beaconAuthKey", "a key is mailed, never answered"),
    ("meta_source.dataCollectionDetails.connectionId", "it is kept at the top, where it is required"),
    (
        "meta_source.datasetVersions.datasetDetails.connectionId",
        "it is kept at the top, where it is required",
    ),
    ("node.userMapping", "there are no other nodes yet"),
];

/// Answered beside the published values: the list of types lacks one that is published elsewhere (specification §16).
const BESIDE: &str = "availableTypes is \"dataCollection\", published is one of";

/// Where a query is repeated in its asker's own words, which are not ours to complete.
const ECHOES: [&str; 2] = ["entry.query.messageData.", "message.messageData."];

/// The documents with what was found so far.
struct Judge {
    admin: Published,
    query: Published,
    findings: Findings,
}

impl Judge {
    fn admin(&mut self, path: &str, value: &Value, name: &str) {
        let schema = self.admin.answer("get", path, "200").clone();
        self.admin.judge(&schema, value, name, &mut self.findings);
    }

    fn query(&mut self, path: &str, value: &Value, name: &str) {
        let schema = self.query.answer("get", path, "200").clone();
        self.query.judge(&schema, value, name, &mut self.findings);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_answers_have_the_published_fields() {
    let (Some(admin), Some(query)) = (Published::open("admin.json"), Published::open("query.json")) else {
        return;
    };
    let installation = Installation::new();
    let node = installation.serve().set("Legacy.NexusMode.Enabled", "true").start().await;
    let ada = node.client("ada").await;
    let mut judge = Judge { admin, query, findings: Findings::default() };

    let source = accepted(&ada, &judge.admin).await;
    let pipeline = a_pipeline(&ada, &judge.admin).await;
    let file = steps::upload(&ada, &source, "rows.csv", b"x,age\nA1,4\nA2,5\n".to_vec()).await;
    let files = ada.get(&format!("/source/{source}/datafiles")).await.ok();
    judge.admin("/source/{source_id}/datafiles", &files, "data_file");
    let body = json!({"pipelineID": pipeline, "dataFileIDs": [file]});
    ada.post(&format!("/source/{source}/ingest"), &body).await.ok();
    let staged = steps::settled(&ada, &source, std::slice::from_ref(&file)).await;
    judge.admin("/source/{source_id}/datafiles", &json!(staged), "data_file");
    let sample = ada.get(&format!("/datafiles/{file}/sample")).await.ok();
    judge.admin("/datafiles/{datafile_id}/sample", &sample, "sample");
    let subject = |id: &str| json!({"subjectId": id, "HPO": ["0001250"], "EAV": {"ward": "a"}});
    let subjects = json!(["A1", "A2", "A3"].map(subject));
    let subjects = steps::upload(&ada, &source, "subjects.json", subjects.to_string().into_bytes()).await;
    let reader = steps::file_pipeline(&ada, "subjectId").await;
    steps::read_in(&ada, &source, &reader, &[subjects]).await;
    steps::indexed(&ada, &source, 3).await;

    descriptions(&ada).await;
    let group = a_group(&ada, &judge.admin, &source).await;
    people(&ada, &mut judge).await;
    resources(&ada, &mut judge, [&source, &pipeline, &group]).await;
    queries(&ada, &mut judge, &group).await;
    beacon(&ada, &mut judge).await;
    nexus(&ada, &mut judge).await;

    judge.findings.wrong.retain(|line| !line.contains(BESIDE));
    assert_eq!(judge.findings.wrong, [""; 0], "answers that are not as published");
    let findings = &judge.findings;
    let absent = findings.known.difference(&findings.seen).map(String::as_str);
    let absent: Vec<&str> = absent.filter(|name| !ECHOES.iter().any(|echo| name.starts_with(echo))).collect();
    assert_eq!(absent, ABSENT.map(|(name, _)| name), "published properties that no answer had");
    node.stop().await;
}

/// Creates a source from what is required of one, and nothing else.
async fn accepted(ada: &Client, admin: &Published) -> String {
    let body = admin.least(admin.request("post", "/sources/"));
    steps::create(ada, "/sources/", &body).await
}

/// Creates a pipeline from what is required of one; another groups columns, so that all of it is read again.
async fn a_pipeline(ada: &Client, admin: &Published) -> String {
    let mut body = admin.least(admin.request("post", "/pipelines/"));
    let pipeline = steps::create(ada, "/pipelines/", &body).await;
    body["grouping"] = "customized".into();
    body["groupColumns"] = "visit".into();
    steps::create(ada, "/pipelines/", &body).await;
    pipeline
}

/// Makes a user, asks for access and reports as published, and reads what comes of it.
async fn people(ada: &Client, judge: &mut Judge) {
    let least = |judge: &Judge, path: &str, over: Value| {
        let mut body = judge.admin.least(judge.admin.request("post", path));
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        body
    };
    let user = least(judge, "/users/", json!({"email": "john@example.com", "role": "user"}));
    let user = steps::create(ada, "/users/", &user).await;
    let request = least(judge, "/access-requests/", json!({"email": "jane@example.com"}));
    let request = steps::create(ada, "/access-requests/", &request).await;
    for path in ["/log/error", "/log/info"] {
        ada.post(path, &least(judge, path, json!({"timestamp": "2026-01-31T12:00:00Z"}))).await.ok();
    }
    for (published, name) in [
        ("/users/", "user"),
        ("/users/{user_id}", "user"),
        ("/access-requests/", "access_request"),
        ("/access-requests/{request_id}", "access_request"),
        ("/dashboard/statistics", "statistics"),
    ] {
        let path = published.replace("{user_id}", &user).replace("{request_id}", &request);
        judge.admin(published, &ada.get(&path).await.ok(), name);
    }
    // Published as one object, although there may be many (specification §6.7).
    let networks = ada.get("/dashboard/statistics/network").await.ok();
    judge.admin("/dashboard/statistics/network", &networks[0], "network_statistics");
}

async fn a_group(ada: &Client, admin: &Published, source: &str) -> String {
    let mut body = admin.least(admin.request("post", "/groups/"));
    let networks = ada.get("/networks/").await.ok();
    body["networkId"] = networks[0]["networkId"].clone();
    let group = steps::create(ada, "/groups/", &body).await;
    let change = json!({"assignedUsers": [ada.user_id], "assignedSources": [source]});
    Reply::of(ada.api(Method::PATCH, &format!("/groups/{group}")).await.json(&change)).await.ok();
    group
}

/// Uploads a meta source of each published type.
async fn descriptions(ada: &Client) {
    let mut all: Value = serde_json::from_str(include_str!("../appliance/api/metasources.json")).unwrap();
    let all = all.as_array_mut().unwrap();
    all.retain(|one| !["bioBank", "registry", "guideline"].contains(&one["sourceType"].as_str().unwrap()));
    for one in all.iter_mut() {
        // What is not said is answered as empty text, which is no published language.
        one["language"] = "en".into();
    }
    ada.post("/meta/sources/upload", &json!(all)).await.ok();
}

async fn resources(ada: &Client, judge: &mut Judge, [source, pipeline, group]: [&str; 3]) {
    let own = json!({
        "colorSetting": {"seedColor": "336699", "themeMode": 1},
        "capability": ada.get("/config/global").await.ok()["discoverySettings"]["capability"],
    });
    ada.post("/config/user", &own).await.ok();
    // A network that is made here has its key at once.
    let made = steps::create(ada, "/networks/", &json!({"networkName": "Made"})).await;
    let nodes = ada.get(&format!("/networks/{made}/nodes")).await.ok();
    judge.admin("/networks/{network_id}/nodes", &nodes, "node");
    Reply::of(ada.api(Method::DELETE, &format!("/networks/{made}")).await).await.ok();
    let network = ada.get("/networks/").await.ok()[0]["networkId"].as_str().unwrap().to_owned();
    for (published, name) in [
        ("/", "root"),
        ("/auth/user-info", "user"),
        ("/config/global", "system_config"),
        ("/config/keycloak", "keycloak"),
        ("/config/user", "user_setting"),
        ("/groups/", "discovery_group"),
        ("/groups/{group_id}", "discovery_group"),
        ("/meta/index", "meta_index"),
        ("/meta/sources", "meta_source"),
        ("/networks/", "discovery_network"),
        ("/networks/{network_id}", "discovery_network"),
        ("/networks/{network_id}/eav-index", "eav_index"),
        ("/networks/{network_id}/meta-index", "meta_index"),
        ("/networks/{network_id}/nodes", "node"),
        ("/networks/{network_id}/sources", "source"),
        ("/pipelines/", "pipeline"),
        ("/pipelines/{pipeline_id}", "pipeline"),
        ("/pipelines/attributes", "attributes"),
        ("/sources/", "source"),
        ("/sources/{source_id}", "source"),
        ("/sources/{source_id}/eav-index", "eav_index"),
        ("/sources/upload-token", "upload_token"),
        ("/users/local", "user"),
    ] {
        let path = [("source", source), ("pipeline", pipeline), ("group", group), ("network", &network)]
            .iter()
            .fold(published.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}_id}}"), id));
        let answer = ada.get(&path).await.ok();
        judge.admin(published, &answer, name);
        if judge.query.0["paths"][published]["get"].is_object() {
            let answer = Reply::of(ada.query(Method::GET, &path).await).await.ok();
            judge.query(published, &answer, name);
        }
    }
    let answer = Reply::of(ada.query(Method::GET, "/sources/").await).await.ok();
    judge.query("/sources/", &answer, "source");
}

/// Asks what is published as an example, and reads the answers at every level.
async fn queries(ada: &Client, judge: &mut Judge, group: &str) {
    let mut builders = vec![judge.query.least(judge.query.request("post", "/record/"))];
    builders.extend(Published::open("record-query.example.json").map(|example| example.0));
    for builder in builders {
        let asked = Reply::of(ada.query(Method::POST, "/record/").await.json(&builder)).await;
        assert_eq!(asked.status, 202, "{builder}: {}", asked.body);
        let schema = judge.query.answer("post", "/record/", "202").clone();
        judge.query.judge(&schema, &asked.json(), "asked", &mut judge.findings);
    }
    for level in ["boolean", "range", "count", "list", "detailedList"] {
        let change = json!({"discoveryPolicy": level});
        Reply::of(ada.api(Method::PATCH, &format!("/groups/{group}")).await.json(&change)).await.ok();
        let asked = Reply::of(ada.query(Method::POST, "/record/").await.json(&json!({"eav": []}))).await.ok();
        let query = asked["queryID"].as_str().unwrap().to_owned();
        let answers = steps::answers(ada, &query).await;
        assert_eq!(answers.len(), 1, "{level}: {answers:?}");
        let read = async |path: String| Reply::of(ada.query(Method::GET, &path).await).await.ok();
        let entry = read(format!("/record/history/{query}")).await;
        judge.query("/record/history/{query_id}", &entry, "entry");
        let message = read(format!("/record/{query}")).await;
        judge.query("/record/{query_id}", &message, "message");
    }
    let history = Reply::of(ada.query(Method::GET, "/record/history").await).await.ok();
    judge.query("/record/history", &history, "entry");
}

/// Exposes the network as a Beacon, from what is required of an endpoint, and reads what it says of itself.
async fn beacon(ada: &Client, judge: &mut Judge) {
    let mut body = judge.admin.least(judge.admin.request("post", "/beacon/"));
    body["endpointPath"] = "published".into();
    body["networkId"] = ada.get("/networks/").await.ok()[0]["networkId"].clone();
    body["userMapping"] = ada.user_id.clone().into();
    let endpoint = steps::create(ada, "/beacon/", &body).await;
    for path in ["/beacon/", "/beacon/{beacon_id}"] {
        let answer = ada.get(&path.replace("{beacon_id}", &endpoint)).await.ok();
        judge.admin(path, &answer, "beacon_endpoint");
    }
    let url = "https://www.example.org";
    let settings = json!({
        "beaconSettings": {
            "welcomeUrl": url, "alternativeUrl": url, "beaconId": "org.example.cafe", "apiVersion": "v2.0",
            "description": "Two clinics", "environment": "prod", "createDateTime": "2026-01-31T12:00:00Z",
            "updateDateTime": "2026-01-31T12:00:00Z",
        },
        "ownershipSettings": {
            "address": "Leicester", "email": "data@example.org", "name": "Example University",
            "description": "A university", "logo": url, "url": url, "organizationId": "org.example",
        },
    });
    ada.post("/config/global", &settings).await.ok();
    for (rest, name) in [
        ("/", "beacon_info"),
        ("/info", "beacon_info"),
        ("/service-info", "service_info"),
        ("/configuration", "beacon_configuration"),
    ] {
        let path = format!("/beacon/published{rest}");
        let answer = Reply::of(ada.query(Method::GET, &path).await).await.ok();
        judge.query(&format!("/beacon/{{beacon_path}}{rest}"), &answer, name);
    }
}

/// Registers a V2 installation as published, and reads what comes of it.
async fn nexus(ada: &Client, judge: &mut Judge) {
    for (path, key, over, change) in [
        ("/nexus/credentials", "realm", json!({}), json!({"clientId": "other"})),
        (
            "/nexus/installations",
            "installationKey",
            json!({"baseUrl": "https://cv2.example.org", "email": "data@example.org"}),
            json!({"installationStatus": "offline"}),
        ),
        ("/nexus/networks", "networkKey", json!({"networkName": "rare"}), json!({"clientId": "other"})),
    ] {
        let mut body = judge.admin.least(judge.admin.request("post", path));
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let made = ada.post(path, &body).await.ok();
        let name = format!("nexus.{}", path.trim_start_matches("/nexus/"));
        let schema = judge.admin.answer("post", path, "200").clone();
        judge.admin.judge(&schema, &made, &name, &mut judge.findings);
        let one = made[key].as_str().map_or_else(|| made[key].to_string(), str::to_owned);
        let changed = ada.api(Method::PATCH, &format!("{path}/{one}")).await.json(&change);
        let changed = Reply::of(changed).await.ok();
        judge.admin.judge(&schema, &changed, &name, &mut judge.findings);
        judge.admin(path, &ada.get(path).await.ok(), &name);
    }
    judge.admin("/nexus/requests", &ada.get("/nexus/requests").await.ok(), "nexus.requests");
}

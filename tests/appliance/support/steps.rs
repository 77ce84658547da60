//! The usual way from a file to an answer, one function a step, over HTTP only.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::client::{Client, Reply};
use super::eventually;
use super::node::text;

/// Makes a resource and answers its id.
pub async fn create(client: &Client, path: &str, body: &Value) -> String {
    text(&client.post(path, body).await.ok(), "id")
}

/// Makes an internal source that is online.
pub async fn source(client: &Client, name: &str) -> String {
    let body = json!({
        "sourceName": name.replace(' ', "-"), "displayName": name, "sourceDescription": "made by a test", "owner": "Example Registry",
        "ownerEmail": "data@example.org", "online": true, "sourceType": "internal",
    });
    create(client, "/sources/", &body).await
}

/// Makes a file pipeline whose subjects are named by an attribute; an empty one means the record's own id.
pub async fn file_pipeline(client: &Client, attribute: &str) -> String {
    let body = json!({
        "pipelineName": format!("subjects by '{attribute}'"), "pipelineType": "filePipeline",
        "grouping": "individual", "internalDelimiter": ";", "subjectIdLocation": "attributeInFile",
        "attribute": attribute,
    });
    create(client, "/pipelines/", &body).await
}

/// A token for uploading.
pub async fn upload_token(client: &Client) -> String {
    text(&client.get("/sources/upload-token").await.ok(), "token")
}

/// Sends one chunk; numbers count from 1.
pub async fn chunk(
    client: &Client,
    token: &str,
    source: &str,
    filename: &str,
    (number, total): (usize, usize),
    bytes: Vec<u8>,
) -> Reply {
    let form = Form::new()
        .text("resumableChunkNumber", number.to_string())
        .text("resumableTotalChunks", total.to_string())
        .text("resumableIdentifier", format!("{source}-{filename}"))
        .text("resumableFilename", filename.to_owned())
        .part("file", Part::bytes(bytes).file_name("blob"));
    let request = client.api(Method::POST, &format!("/sources/{source}/upload")).await;
    // The upload token takes the place of the access token.
    let mut request = request.multipart(form).build().unwrap();
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert(reqwest::header::AUTHORIZATION, bearer);
    Reply::of(reqwest::RequestBuilder::from_parts(client.http.clone(), request)).await
}

/// Uploads a file in one chunk and answers its id.
pub async fn upload(client: &Client, source: &str, filename: &str, bytes: Vec<u8>) -> String {
    let token = upload_token(client).await;
    text(&chunk(client, &token, source, filename, (1, 1), bytes).await.ok(), "dataFileId")
}

/// Uploads a file in chunks sent in the order given (numbers from 1, repeats allowed) and answers its id.
pub async fn upload_in(
    client: &Client,
    source: &str,
    filename: &str,
    bytes: &[u8],
    order: &[usize],
) -> String {
    let total = order.iter().copied().max().unwrap();
    let size = bytes.len().div_ceil(total);
    let token = upload_token(client).await;
    let mut id = String::new();
    for number in order {
        let piece = bytes.chunks(size).nth(number - 1).unwrap().to_vec();
        id = text(&chunk(client, &token, source, filename, (*number, total), piece).await.ok(), "dataFileId");
    }
    id
}

/// Asks for the files to be read with a file pipeline.
pub async fn ingest(client: &Client, source: &str, pipeline: &str, files: &[String]) -> Reply {
    client
        .post(&format!("/source/{source}/ingest"), &json!({"pipelineID": pipeline, "dataFileIDs": files}))
        .await
}

/// The files of a source as listed.
pub async fn files(client: &Client, source: &str) -> Vec<Value> {
    let listed = client.get(&format!("/source/{source}/datafiles?all=true")).await.ok();
    listed.as_array().unwrap().clone()
}

/// Waits until none of the files is being worked on and answers them, in the order given.
pub async fn settled(client: &Client, source: &str, ids: &[String]) -> Vec<Value> {
    let what = format!("the files of source {source} to be read");
    eventually(&what, || async {
        let listed = files(client, source).await;
        let find = |id: &String| listed.iter().find(|file| file["dataFileId"] == id.as_str()).cloned();
        let mine: Vec<Value> =
            ids.iter().map(|id| find(id).unwrap_or_else(|| panic!("no file {id}"))).collect();
        let busy = |file: &Value| {
            ["uploading", "ingesting", "remapping"].iter().any(|state| file["state"] == *state)
        };
        (!mine.iter().any(busy)).then_some(mine)
    })
    .await
}

/// Reads files into a source and waits; panics unless each is done. Answers the files.
pub async fn read_in(client: &Client, source: &str, pipeline: &str, ids: &[String]) -> Vec<Value> {
    ingest(client, source, pipeline, ids).await.ok();
    let files = settled(client, source, ids).await;
    for file in &files {
        assert_eq!(file["state"], "done", "{file}");
    }
    files
}

/// Waits until the index of a source speaks of this many subjects.
pub async fn indexed(client: &Client, source: &str, subjects: usize) -> Value {
    let path = format!("/sources/{source}");
    eventually(&format!("an index of {subjects} subjects"), || async {
        let found = client.get(&path).await.ok();
        (found["recordIndex"]["recordCount"] == subjects).then_some(found)
    })
    .await
}

/// Lets users ask sources at a level, in the only network; answers the group's id.
pub async fn grant(client: &Client, level: &str, users: &[&str], sources: &[&str]) -> String {
    let networks = client.get("/networks/").await.ok();
    let body = json!({
        "groupName": format!("{level} {}", sources.len()), "networkId": networks[0]["networkId"],
        "discoveryPolicy": level, "assignedUsers": users, "assignedSources": sources,
    });
    create(client, "/groups/", &body).await
}

/// Asks a record query and waits for the answers of the sources.
pub async fn ask(client: &Client, builder: &Value) -> Vec<Value> {
    let asked = Reply::of(client.query(Method::POST, "/record/").await.json(builder)).await;
    assert_eq!(asked.status, 202, "{builder} was answered {}", asked.body);
    answers(client, &text(&asked.json(), "queryID")).await
}

/// Waits for the answers of the sources to a query.
pub async fn answers(client: &Client, query: &str) -> Vec<Value> {
    let path = format!("/record/history/{query}");
    let entry = eventually("a query to be complete", || async {
        let entry = Reply::of(client.query(Method::GET, &path).await).await.ok();
        (entry["status"]["state"] == "complete").then_some(entry)
    })
    .await;
    let responses = entry["responses"].as_array().unwrap();
    responses.iter().flat_map(|response| response["messageData"].as_array().unwrap().clone()).collect()
}

/// Asks and answers what one source said.
pub async fn ask_one(client: &Client, source: &str, builder: &Value) -> Value {
    let all = ask(client, builder).await;
    let one = all.iter().find(|answer| answer["sourceId"] == source);
    one.unwrap_or_else(|| panic!("source {source} gave no answer to {builder}: {all:?}")).clone()
}

/// The ids of the subjects of an answer, in byte order.
pub fn ids(answer: &Value) -> Vec<String> {
    let subjects = answer["resultDetails"]["subjects"].as_array();
    let subjects = subjects.unwrap_or_else(|| panic!("no subjects in {answer}"));
    let mut ids: Vec<String> = subjects.iter().map(|subject| text(subject, "subjectId")).collect();
    ids.sort_unstable();
    ids
}

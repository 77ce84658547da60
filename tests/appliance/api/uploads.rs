//! Files on their way in: chunk by chunk, by whom, and what is refused (specification §7.1).

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Answer, Caller, NOTHING, change_with};
use crate::support::{Client, Installation, steps};

/// A table of two subjects, one of whose phenotypes is not a term.
const TABLE: &str = "subject_id,phenotype\nA1,HP:0001250\nA2,not a term\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_arrive_chunk_by_chunk_and_are_read_in_two_steps() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let caller = Caller::of(&node);
    let [source, other] = [steps::source(&ada, "one").await, steps::source(&ada, "other").await];
    let file = resumed(&caller, &ada, &source).await;
    bound_tokens(&caller, &ada, [&source, &other]).await;
    refusals(&caller, &ada, &source).await;
    read_in_two_steps(&ada, &source, &other, &file).await;
    node.stop().await;
}

/// Sends a form with these fields and this piece.
async fn send(
    caller: &Caller,
    token: &str,
    source: &str,
    fields: &[(&str, &str)],
    piece: Option<&str>,
) -> Answer {
    let mut form = Form::new();
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    if let Some(piece) = piece {
        form = form.part("file", Part::text(piece.to_owned()).file_name("table.csv"));
    }
    let request = caller.request("POST", &format!("/api/sources/{source}/upload"), Some(token));
    caller.send(request.multipart(form)).await
}

fn numbered<'a>(number: &'a str, total: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("resumableChunkNumber", number),
        ("resumableTotalChunks", total),
        ("resumableIdentifier", "table-1"),
        ("resumableFilename", "table.csv"),
    ]
}

/// 204 until a chunk is here, 200 from then on; the same file id for every chunk.
async fn resumed(caller: &Caller, ada: &Client, source: &str) -> String {
    let token = steps::upload_token(ada).await;
    let is_here = async |number: &str| {
        let query: Vec<String> =
            numbered(number, "2").iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!("/api/sources/{source}/upload?{}", query.join("&"));
        caller.get(&path, Some(&token)).await.status
    };
    let (head, tail) = TABLE.split_at(30);
    assert_eq!([is_here("1").await, is_here("2").await], [204, 204]);
    let second = send(caller, &token, source, &numbered("2", "2"), Some(tail)).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(second.json()["status"], "The file chunk uploaded successfully");
    assert_eq!([is_here("1").await, is_here("2").await], [204, 200]);
    let listed = ada.get(&format!("/source/{source}/datafiles")).await.ok();
    assert_eq!((&listed[0]["state"], &listed[0]["isProcessed"]), (&json!("uploading"), &json!(false)));
    let first = send(caller, &token, source, &numbered("1", "2"), Some(head)).await;
    assert_eq!(first.json()["dataFileId"], second.json()["dataFileId"]);
    assert_eq!([is_here("1").await, is_here("2").await], [200, 200]);
    let listed = ada.get(&format!("/source/{source}/datafiles")).await.ok();
    assert_eq!((&listed[0]["state"], &listed[0]["size"]), (&json!("uploaded"), &json!(TABLE.len())));
    let file = second.json()["dataFileId"].as_str().unwrap().to_owned();
    assert_eq!(ada.get(&format!("/datafiles/{file}")).await.ok(), listed[0]);
    file
}

/// A token may be bound to one source, opens nothing but uploads, and cannot be altered.
async fn bound_tokens(caller: &Caller, ada: &Client, [source, other]: [&str; 2]) {
    let bound = ada.get(&format!("/sources/upload-token?sourceId={source}")).await.ok()["token"].clone();
    let bound = bound.as_str().unwrap();
    send(caller, bound, other, &numbered("1", "1"), Some("a\n1\n")).await.refused(403, "another source");
    assert_eq!(send(caller, bound, source, &numbered("1", "3"), Some("a\n1\n")).await.status, 200);
    caller.get("/api/sources/", Some(bound)).await.refused(401, "an upload token elsewhere");
    let (signed, mac) = bound.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    for forged in [
        format!("{header}.e30.{mac}"),
        format!("{signed}."),
        format!("{signed}.{}", mac.replace(&mac[..1], "_")),
    ] {
        send(caller, &forged, source, &numbered("1", "1"), Some("a\n1\n")).await.refused(401, &forged);
    }
    let own = ada.token().await;
    assert_eq!(send(caller, &own, other, &numbered("1", "1"), Some("a\n1\n")).await.status, 200);
}

async fn refusals(caller: &Caller, ada: &Client, source: &str) {
    let token = steps::upload_token(ada).await;
    send(caller, &token, NOTHING, &numbered("1", "1"), Some("x")).await.refused(404, "an unknown source");
    send(caller, &token, source, &numbered("1", "1"), None).await.refused(400, "no part named file");
    for [number, total] in [["0", "1"], ["3", "2"], ["1", "0"], ["one", "1"], ["1", "100001"]] {
        let what = format!("chunk {number} of {total}");
        send(caller, &token, source, &numbered(number, total), Some("x")).await.refused(400, &what);
    }
    for name in ["table.exe", "table", "../../table", "line\nbreak.csv"] {
        let fields = [("resumableFilename", name)];
        send(caller, &token, source, &fields, Some("x")).await.refused(400, name);
    }
    let fields = [("resumableTotalSize", "999999999999999")];
    send(caller, &token, source, &fields, Some("x")).await.refused(413, "a file of 999 TB");
    let request = caller.request("POST", &format!("/api/sources/{source}/upload"), Some(&token));
    let request = request.header("content-type", "multipart/form-data; boundary=b").body("--b\r\nnonsense");
    caller.send(request).await.refused(400, "a broken form");
    let path = format!("/api/sources/{source}/upload");
    caller.get(&path, Some(&token)).await.refused(400, "a question without a chunk number");
}

/// Raw file to rows, rows to subjects; what is left out is reported, and steps out of order are refused.
async fn read_in_two_steps(ada: &Client, source: &str, other: &str, file: &str) {
    let rows = steps::file_pipeline(ada, "subject_id").await;
    let terms = json!({
        "pipelineName": "terms", "pipelineType": "remapPipeline", "directives": [{
            "directiveType": "termSet", "origin": "phenotype", "destination": "hpo",
            "patternSets": [{"patternSetType": "basic", "pattern": "^HP:(\\d{7})$", "replacement": "\\1"}]}],
    });
    let terms = steps::create(ada, "/pipelines/", &terms).await;
    let files = [file.to_owned()];
    let asked = async |of: &str, step: &str, pipeline: &str, file: &str| {
        let body = json!({"pipelineID": pipeline, "dataFileIDs": [file]});
        ada.post(&format!("/source/{of}/{step}"), &body).await.status.as_u16()
    };
    assert_eq!(asked(source, "ingest", NOTHING, file).await, 404);
    assert_eq!(asked(source, "ingest", &rows, NOTHING).await, 404);
    assert_eq!(asked(source, "ingest", &terms, file).await, 400, "a remap pipeline cannot read files");
    assert!([400, 404].contains(&asked(other, "ingest", &rows, file).await), "a file of another source");
    assert_eq!(asked(source, "remap", &terms, file).await, 409, "nothing is staged yet");
    for body in [
        json!({"pipelineID": rows}),
        json!({"dataFileIDs": files}),
        json!({"pipelineID": 7, "dataFileIDs": []}),
    ] {
        assert_eq!(ada.post(&format!("/source/{source}/ingest"), &body).await.status, 400, "{body}");
    }
    assert_eq!(ada.get(&format!("/datafiles/{file}/sample")).await.ok(), json!([]));

    assert_eq!(asked(source, "ingest", &rows, file).await, 200);
    let staged = steps::settled(ada, source, &files).await;
    assert_eq!(
        (&staged[0]["state"], &staged[0]["stagedCount"]),
        (&json!("staged"), &json!(2)),
        "{}",
        staged[0]
    );
    let sample = ada.get(&format!("/datafiles/{file}/sample")).await.ok();
    let ids: Vec<&Value> = sample.as_array().unwrap().iter().map(|row| &row["subjectId"]).collect();
    assert_eq!(ids, ["A1", "A2"]);
    assert_eq!(sample[0]["phenotype"], "HP:0001250");
    let seen = ada.get("/pipelines/attributes").await.ok();
    assert!(seen.as_array().unwrap().contains(&json!("phenotype")), "{seen}");

    assert_eq!(asked(source, "remap", &terms, file).await, 200);
    let done = steps::settled(ada, source, &files).await;
    assert_eq!((&done[0]["state"], &done[0]["isProcessed"]), (&json!("done"), &json!(true)), "{}", done[0]);
    let rejects = ada.get(&format!("/datafiles/{file}/rejects")).await;
    assert!(rejects.status == 200, "{}", rejects.body);
    for line in rejects.body.lines() {
        let reject: Value = serde_json::from_str(line).unwrap();
        assert!(reject["reason"].is_string(), "{reject}");
    }
    let open = ada.get(&format!("/source/{source}/datafiles")).await.ok();
    assert!(!open.as_array().unwrap().iter().any(|one| one["dataFileId"] == file), "{open}");
    steps::indexed(ada, source, 2).await;

    let path = format!("/datafiles/{file}");
    assert_eq!(change_with(ada, reqwest::Method::DELETE, &path, &json!({})).await.status, 200);
    assert_eq!(ada.get(&path).await.status, 404);
}

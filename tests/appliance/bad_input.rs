//! What refused input is told: every case has the status and the words it gets, and changes nothing.
//!
//! Lives here: the run over the cases. Does not: what is sent (`bad_input/files.rs`, `uploads.rs`, `requests.rs`, one
//! list each) and how files are broken (`broken.rs`). To add a case: a line in the list it belongs to.

mod broken;
mod files;
mod requests;
mod uploads;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::client::Reply;
use crate::support::node::text;
use crate::support::{Client, Installation, Node, PATIENCE, steps};

/// Bytes the installation under test takes of one file; small, so that too much is quickly sent.
const MOST_UPLOADED: usize = 6 << 20;

/// One bad input and what becomes of it.
pub struct Case {
    pub name: &'static str,
    pub send: Send,
    /// A status, or the state a file ends in.
    pub becomes: &'static str,
    /// What the answer, the file's error or the file's first reject says.
    pub says: &'static str,
}

/// How an input reaches the installation.
pub enum Send {
    /// A file, uploaded and read with a pipeline of [`World`].
    File(&'static str, Vec<u8>, Reader),
    /// One chunk as a form, with a token.
    Chunk(Box<dyn Fn() -> Form + std::marker::Send>, Bearer),
    /// A request of the admin API.
    Api(Method, String, Body),
    /// A JSON body of so many bytes for a path, of which only the announcement is sent: it must be refused unread.
    Announced(&'static str, u64),
    /// A record query.
    Query(Body),
    /// A request that shows a token.
    Token(Bearer),
}

/// Which file pipeline reads a file.
#[derive(Clone, Copy)]
pub enum Reader {
    /// Subjects by the column `pid`.
    Rows,
    /// Subjects by their own ids.
    Own,
    /// The whole file is one subject.
    WholeFile,
    /// The column `n` says how many subjects a row is.
    Expanding,
}

/// What stands in a request.
pub enum Body {
    Nothing,
    Json(Value),
    /// A text that is said to be JSON.
    Text(String),
    Typed(&'static str, &'static str),
}

/// Whose token is shown.
#[derive(Clone, Copy)]
pub enum Bearer {
    Upload,
    /// Only for the other source.
    UploadElsewhere,
    PlainUser,
    Header(&'static str),
    /// The developer's with one character of its signature changed.
    Forged,
    /// The developer's claims without a signature.
    Unsigned,
    None,
}

/// An installation with a source of one subject, and what the cases refer to.
pub struct World {
    pub node: Node,
    pub base: String,
    /// Folder of the installation, which no answer may name.
    data: String,
    pub ada: Client,
    pub grace: Client,
    pub source: String,
    pub elsewhere: String,
    pub rows: String,
    pub own: String,
    pub whole_file: String,
    pub expanding: String,
    pub remap: String,
    /// A file of the source that is done, and one that waits for remapping.
    pub done: String,
    pub staged: String,
    upload: String,
    upload_elsewhere: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_told_what_is_wrong_and_changes_nothing() {
    let installation = Installation::new();
    installation.add_user("user", "grace");
    let world = World::new(&installation).await;
    let cases: Vec<Case> =
        files::cases().into_iter().chain(uploads::cases()).chain(requests::cases(&world)).collect();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let before = world.holdings().await;
    let mut wrong = Vec::new();
    for case in &cases {
        let (became, said) = world.send(&case.send).await;
        let short: String = said.chars().take(150).collect();
        println!("{:<58} {became:<8} {short}", case.name);
        if became != case.becomes || !said.contains(case.says) {
            wrong.push(format!(
                "{}: expected {} … {}, got {became} {said}",
                case.name, case.becomes, case.says
            ));
        }
        let healthy = Reply::of(world.ada.http.get(format!("{}/healthz", world.base))).await;
        assert_eq!(healthy.status, 200, "after {}: {}", case.name, healthy.body);
        assert_eq!(world.holdings().await, before, "{} changed what the source holds", case.name);
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(broken::escaped(&installation.data()).is_none(), "a name became a path");
    assert!(!world.node.log().contains("panicked"), "{}", world.node.log());

    let good = json!([{"subjectId": "late", "HPO": ["0001250"]}]).to_string();
    let id = steps::upload(&world.ada, &world.source, "good.json", good.into_bytes()).await;
    steps::read_in(&world.ada, &world.source, &world.own, &[id]).await;
    steps::indexed(&world.ada, &world.source, 2).await;
    world.node.stop().await;
}

impl World {
    async fn new(installation: &Installation) -> Self {
        let limit = MOST_UPLOADED.to_string();
        let node = installation.serve().set("Appliance.Limits.MaxUploadBytes", &limit).start().await;
        let (ada, grace) = (node.client("ada").await, node.client("grace").await);
        let source = steps::source(&ada, "held").await;
        let elsewhere = steps::source(&ada, "elsewhere").await;
        let rule = |name: &str, rule: Value| {
            let mut body =
                json!({"pipelineName": name, "pipelineType": "filePipeline", "internalDelimiter": ";"});
            body.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
            body
        };
        let by = |attribute| json!({"subjectIdLocation": "attributeInFile", "attribute": attribute});
        let expanding = json!({
            "subjectIdLocation": "assignByExpansion", "columns": ["n"], "expansionPolicy": "individual",
            "newAttribute": "which",
        });
        let rows = steps::create(&ada, "/pipelines/", &rule("rows", by("pid"))).await;
        let own = steps::create(&ada, "/pipelines/", &rule("own", by(""))).await;
        let whole = rule("whole file", json!({"subjectIdLocation": "attributeInName"}));
        let whole_file = steps::create(&ada, "/pipelines/", &whole).await;
        let expanding = steps::create(&ada, "/pipelines/", &rule("expanding", expanding)).await;
        let remap = steps::create(&ada, "/pipelines/", &requests::remap_with(json!({}))).await;
        let first = json!([{"subjectId": "first", "HPO": ["0001250"], "EAV": {"ward": "A"}}]).to_string();
        let done = steps::upload(&ada, &source, "first.json", first.into_bytes()).await;
        steps::read_in(&ada, &source, &own, std::slice::from_ref(&done)).await;
        let staged = steps::upload(&ada, &source, "staged.csv", b"pid,a\nK1,2\n".to_vec()).await;
        steps::ingest(&ada, &source, &rows, std::slice::from_ref(&staged)).await.ok();
        steps::settled(&ada, &source, std::slice::from_ref(&staged)).await;
        steps::indexed(&ada, &source, 1).await;
        steps::grant(&ada, "list", &[&ada.user_id, &grace.user_id], &[&source]).await;
        let upload = steps::upload_token(&ada).await;
        let one = ada.get(&format!("/sources/upload-token?sourceId={elsewhere}")).await.ok();
        Self {
            upload_elsewhere: text(&one, "token"),
            base: installation.base(),
            data: installation.data().display().to_string(),
            node,
            ada,
            grace,
            source,
            elsewhere,
            rows,
            own,
            whole_file,
            expanding,
            remap,
            done,
            staged,
            upload,
        }
    }

    /// What must not change: the number of subjects, and what each of them is.
    async fn holdings(&self) -> (Value, Value) {
        let source = self.ada.get(&format!("/sources/{}", self.source)).await.ok();
        (source["recordIndex"].clone(), source["dataVersion"].clone())
    }

    /// Sends an input; answers a status or a file's state, and what was said.
    async fn send(&self, send: &Send) -> (String, String) {
        match send {
            Send::File(name, bytes, reader) => return self.read(name, bytes.clone(), *reader).await,
            Send::Chunk(form, bearer) => {
                let url = format!("{}/api/sources/{}/upload", self.base, self.source);
                self.refused(self.bearing(self.ada.http.post(url), *bearer).await.multipart(form())).await
            }
            Send::Api(method, path, body) => {
                let path = path.replace("{source}", &self.source);
                self.refused(body.added_to(self.ada.api(method.clone(), &path).await)).await
            }
            Send::Announced(path, bytes) => self.announce(path, *bytes).await,
            Send::Query(body) => {
                self.refused(body.added_to(self.ada.query(Method::POST, "/record/").await)).await
            }
            Send::Token(bearer) => {
                let url = format!("{}/api/pipelines/", self.base);
                self.refused(self.bearing(self.ada.http.get(url), *bearer).await).await
            }
        }
    }

    async fn announce(&self, path: &str, bytes: u64) -> (String, String) {
        let address = self.base.strip_prefix("http://").unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n",
            self.ada.token().await
        );
        let mut answer = String::new();
        let exchange = async {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.read_to_string(&mut answer).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer to what was announced");
        let status = answer.split(' ').nth(1).unwrap().to_owned();
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        (status, text(&body, "error"))
    }

    async fn bearing(&self, request: reqwest::RequestBuilder, bearer: Bearer) -> reqwest::RequestBuilder {
        let token = match bearer {
            Bearer::Upload => self.upload.clone(),
            Bearer::UploadElsewhere => self.upload_elsewhere.clone(),
            Bearer::PlainUser => self.grace.token().await,
            Bearer::Header(text) => return request.header(header::AUTHORIZATION, text),
            Bearer::Forged => {
                let token = self.ada.token().await;
                let (signed, signature) = token.rsplit_once('.').unwrap();
                let other = if signature.starts_with('A') { 'B' } else { 'A' };
                format!("{signed}.{other}{}", &signature[1..])
            }
            Bearer::Unsigned => {
                let token = self.ada.token().await;
                // {"alg":"none","typ":"JWT"}
                format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", token.split('.').nth(1).unwrap())
            }
            Bearer::None => return request,
        };
        request.bearer_auth(token)
    }

    /// A refusal is JSON with a reason in words, and says nothing of the inside.
    async fn refused(&self, request: reqwest::RequestBuilder) -> (String, String) {
        let reply = Reply::of(request).await;
        let status = reply.status.as_u16().to_string();
        if reply.status.is_success() {
            return (status, reply.body);
        }
        let reason = reply.json()["error"].as_str().map(str::to_owned);
        let reason = reason.unwrap_or_else(|| panic!("{status} without a reason: {:?}", reply.body));
        let inside = [self.data.clone(), "panicked".into(), ".rs:".into(), "SELECT".into()];
        assert!(!inside.iter().any(|word| reason.contains(word)), "{status} tells of the inside: {reason}");
        (status, reason)
    }

    /// Uploads and reads a file; answers its state with its error, its first reject or its first remark.
    async fn read(&self, name: &str, bytes: Vec<u8>, reader: Reader) -> (String, String) {
        let token = self.upload.as_str();
        let sent = steps::chunk(&self.ada, token, &self.source, name, (1, 1), bytes).await;
        if !sent.status.is_success() {
            return (sent.status.as_u16().to_string(), sent.body);
        }
        let id = text(&sent.json(), "dataFileId");
        let pipeline = match reader {
            Reader::Rows => &self.rows,
            Reader::Own => &self.own,
            Reader::WholeFile => &self.whole_file,
            Reader::Expanding => &self.expanding,
        };
        steps::ingest(&self.ada, &self.source, pipeline, std::slice::from_ref(&id)).await.ok();
        let file = steps::settled(&self.ada, &self.source, std::slice::from_ref(&id)).await.remove(0);
        let state = text(&file, "state");
        if let Some(error) = file["error"].as_str() {
            let inside = self.data.clone();
            assert!(!error.contains(&inside), "an error tells of the inside: {error}");
            return (state, error.to_owned());
        }
        if file["rejected"].as_u64().unwrap() > 0 {
            let rejects =
                Reply::of(self.ada.api(Method::GET, &format!("/datafiles/{id}/rejects")).await).await;
            return (state, rejects.body.lines().next().unwrap_or_default().to_owned());
        }
        (state, file["warnings"][0].as_str().unwrap_or_default().to_owned())
    }
}

impl Body {
    fn added_to(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self {
            Self::Nothing => request,
            Self::Json(body) => request.json(body),
            Self::Text(text) => request.header(header::CONTENT_TYPE, "application/json").body(text.clone()),
            Self::Typed(kind, text) => request.header(header::CONTENT_TYPE, *kind).body(*text),
        }
    }
}

/// A chunk's form with these fields and bytes.
pub fn form(fields: &[(&'static str, String)], bytes: &[u8]) -> Form {
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, value.clone()));
    form.part("file", Part::bytes(bytes.to_vec()).file_name("blob"))
}

//! `POST /record/` to a readable result at level count: the real binary under an open loop of questions.
//!
//! Questions come at fixed moments, whether earlier ones are answered or not, and each is timed from its moment on, so
//! a stall counts for everything that had to wait. At most `USERS` are waiting for results at a time, for thousands who
//! keep looking for theirs would be what is measured. The client's work is done by the same machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cv3_backend::terms::TermFile;
use serde_json::{Value, json};

use crate::Bench;
use crate::cohort::Cohort;
use crate::dice::Dice;
use crate::home::Folder;
use crate::machine::processor_time;
use crate::packets::Packets;
use crate::query::Question;
use crate::report::Target::{AtLeast, AtMost, Open};
use crate::report::{Unit, quantile};
use crate::server::Server;

/// Questions a second.
const RATE: u32 = 300;

/// Users among whom the questions are dealt out as they become free; the time until one is counts.
const USERS: usize = 64;

/// A client waits a quarter of the time it has waited already before it looks again, at least 1 ms and at most this:
/// one that does not slow down turns every stall into a flood.
const LONGEST: Duration = Duration::from_secs(1);

/// A data folder with cohort P in one source and a user who may count there.
pub struct Installed {
    pub folder: Folder,
    pub cohort: Cohort,
    token: String,
}

/// Makes an installation of so many subjects.
pub async fn installed(terms: &TermFile, subjects: usize) -> anyhow::Result<Installed> {
    let folder = Folder::new()?;
    let home = folder.open().await?;
    let naming = json!({"grouping": "individual", "internalDelimiter": "",
        "subjectIdLocation": "attributeInFile", "attribute": ""});
    let naming = home.pipeline("packets", "filePipeline", naming).await?;
    let path = Packets::new(terms)?.file(folder.path(), "p.jsonl", 1, subjects)?;
    let source = home.source("p").await?;
    home.ingest(&source, &path, &naming, None, subjects).await?;
    std::fs::remove_file(path)?;
    let user = home.user(vec![source]).await?;
    let token = home.token(&user).await?;
    Ok(Installed { folder, cohort: Cohort::p(terms)?, token })
}

/// A user's program.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Arc<str>,
}

impl Client {
    pub fn new(installed: &Installed) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let base = format!("http://{}/query/record", installed.folder.address);
        Ok(Self { http, base, token: installed.token.as_str().into() })
    }

    /// Asks a question and waits for its result; answers the query's id.
    pub async fn ask(&self, body: &str) -> anyhow::Result<String> {
        let request = self.http.post(format!("{}/", self.base)).bearer_auth(&self.token);
        let asked = request.header("content-type", "application/json").body(body.to_owned()).send().await?;
        if asked.status() != 202 {
            bail!("asking: {} {}", asked.status(), asked.text().await?);
        }
        let asked: Value = asked.json().await?;
        let id = asked.get("queryID").and_then(Value::as_str).context("no queryID")?.to_owned();
        let asked = Instant::now();
        loop {
            let request = self.http.get(format!("{}/history/{id}", self.base)).bearer_auth(&self.token);
            let entry: Value = request.send().await?.error_for_status()?.json().await?;
            if entry.pointer("/status/state").and_then(Value::as_str) == Some("complete") {
                let count = entry.pointer("/responses/0/messageData/0/recordCount");
                count.and_then(Value::as_u64).with_context(|| format!("no count in {entry}"))?;
                return Ok(id);
            }
            tokio::time::sleep((asked.elapsed() / 4).clamp(Duration::from_millis(1), LONGEST)).await;
        }
    }
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let subjects = bench.size(100_000, 5_000);
    let installed = runtime.block_on(installed(&bench.terms, subjects))?;
    let mut server = Server::start(&installed.folder, false)?;
    server.first("/readyz")?;
    let client = Client::new(&installed)?;
    let mut dice = Dice(41);
    // One after the other: what a single user waits.
    let mut alone = Vec::new();
    for round in 0..130 {
        let body = Question::draw(&installed.cohort, &mut dice).body().to_string();
        let start = Instant::now();
        runtime.block_on(client.ask(&body))?;
        if round >= 30 {
            alone.push(start.elapsed());
        }
    }
    alone.sort_unstable();
    bench.report.time(
        &format!("{subjects} subjects, one user: asked to readable, p50"),
        &[quantile(&alone, 500)],
        Open,
    );
    let users = 8;
    let (start, before) = (Instant::now(), processor_time(server.process()));
    let mut asking = Vec::new();
    for _ in 0..users {
        let bodies: Vec<String> =
            (0..100).map(|_| Question::draw(&installed.cohort, &mut dice).body().to_string()).collect();
        let client = client.clone();
        asking.push(runtime.spawn(async move {
            for body in bodies {
                client.ask(&body).await?;
            }
            anyhow::Ok(())
        }));
    }
    asking.into_iter().try_for_each(|asked| runtime.block_on(asked)?)?;
    let what = format!("{subjects} subjects, {users} users one after the other: answered");
    bench.report.rate(&what, users * 100, "queries", &[start.elapsed()], Open);
    let spent = processor_time(server.process()).saturating_sub(before) / (users as u32 * 100);
    bench.report.time("… processor time of the server for a query and the looks for it", &[spent], Open);
    let seconds = bench.size(20, 5) as u32;
    let bodies: Vec<String> = (0..RATE * seconds)
        .map(|_| Question::draw(&installed.cohort, &mut dice).body().to_string())
        .collect();
    let total = bodies.len();
    let (mut times, mut ids, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let users = Arc::new(tokio::sync::Semaphore::new(USERS));
    let start = Instant::now();
    let mut asking = Vec::with_capacity(total);
    // A thread's sleep is finer than the runtime's timer.
    for (number, body) in (0..).zip(bodies) {
        let due = start + Duration::from_secs(1) * number / RATE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (client, users) = (client.clone(), users.clone());
        asking.push(runtime.spawn(async move {
            let _user = users.acquire().await;
            let asked = client.ask(&body).await;
            (due.elapsed(), asked)
        }));
    }
    for asked in asking {
        match runtime.block_on(asked)? {
            (time, Ok(id)) => {
                times.push(time);
                ids.push(id);
            }
            (_, Err(error)) => failed.push(error),
        }
    }
    let took = start.elapsed();
    times.sort_unstable();
    let answered = times.len() as f64 / took.as_secs_f64();
    bench.report.time(
        &format!("{subjects} subjects, {RATE}/s for {seconds} s: p50"),
        &[quantile(&times, 500)],
        Open,
    );
    bench.report.time("… p99", &[quantile(&times, 990)], AtMost(0.01));
    bench.report.figure(
        "… answered",
        &[answered],
        Unit::PerSecond("queries"),
        AtLeast(f64::from(RATE) * 0.95),
    );
    if let Some(first) = failed.first() {
        bench.report.note(&format!("{} of {total} failed: {first:#}", failed.len()));
    }
    server.kill()?;
    let token = installed.token.clone();
    let held = runtime.block_on(async { installed.folder.open().await?.answered(&token, &ids).await })?;
    bench.report.figure(
        "… of the answered queries, still there after kill -9",
        &[held as f64 / ids.len().max(1) as f64],
        Unit::Ratio,
        AtLeast(1.0),
    );
    Ok(())
}

//! `demo`: a working node with synthetic (or one's own) patients in one command.

mod questions;
mod simulate;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::Common;
use super::ingest::{default_pipeline, run_files};
use super::output::{Output, table};
use super::query::{as_user, ask};
use crate::appliance::applet::Service;
use crate::appliance::wiring::{self, Wired};
use crate::appliance::{applet, lifecycle};
use crate::config::Loaded;
use crate::domain::ids::SourceId;
use crate::domain::users::{Profile, Role};
use crate::service::auth::{DataAdmin, SystemAdmin};
use crate::service::commit::Mode;

/// The demo account; exists only where demo data is allowed.
const USER: &str = "demo";

/// How the demo runs.
#[derive(Debug, Args)]
pub struct Demo {
    /// Files to load instead of the synthetic cohort
    files: Vec<PathBuf>,
    /// Exit after the questions
    #[arg(long)]
    once: bool,
    /// Patients to simulate
    #[arg(long, default_value_t = 5_000)]
    patients: u32,
    /// Seed of the simulation
    #[arg(long, default_value_t = 2025)]
    seed: u64,
}

impl Demo {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let mut common = common.clone();
        if common.data.is_none() {
            common.data = Some(PathBuf::from("cv3-demo"));
        }
        common.set.push(("Appliance.AllowDemo".into(), "true".into()));
        let loaded = common.load_as_development()?;
        anyhow::ensure!(
            loaded.config.keycloak.is_none(),
            "the demo signs people in itself; take the section Keycloak out of its configuration"
        );
        let wired = wiring::open(&loaded, wiring::Purpose::Tool).await?;
        wired.services.setup.seed().await?;
        output.say(&format!("data folder: {}", loaded.data_directory.display()));
        let password = account(&wired, output).await?;
        let loaded = Arc::new(loaded);
        let stop = lifecycle::Stop::default();
        let tracker = TaskTracker::new();
        let chosen = if self.once {
            vec![Service::DatabaseManager, Service::QueryCompiler]
        } else {
            super::serve::log_quietly(&loaded);
            applet::default_services(loaded.config.exporter().is_some())
        };
        let single = self.once;
        let failed = lifecycle::spawn(&loaded, &wired, &chosen, single, &stop, &tracker).await?;
        let simulator = simulate::Simulator::new(&wired.terms, self.seed, self.patients)?;
        let name = self.load(&wired, output, &loaded, &simulator).await?;
        let asked = if self.files.is_empty() {
            questions::questions(&wired.terms, &simulator)
        } else {
            questions::of_any_cohort()
        };
        ask_all(&wired, output, &name, &asked).await?;
        if self.once {
            lifecycle::drain(&loaded, &stop, &tracker).await;
            return Ok(());
        }
        let options = wired.services.options();
        let base = &options.public_url;
        let tool = std::env::current_exe()?.display().to_string();
        let data = loaded.data_directory.display().to_string();
        output.say(&sign_in(base, &tool, &data, password.as_deref()));
        let again: crate::appliance::Again = Box::new(move || common.load_as_development());
        lifecycle::until_stopped(&loaded, &again, &wired, failed, &stop, &tracker).await
    }

    /// Fills the demo source unless an earlier run did; answers the source's name.
    async fn load(
        &self,
        wired: &Wired,
        output: &Output,
        loaded: &Loaded,
        simulator: &simulate::Simulator,
    ) -> anyhow::Result<String> {
        let admin = wired.services.auth.operator::<DataAdmin>();
        let own = !self.files.is_empty();
        let name = if own { "your-files" } else { "synthetic-cohort" };
        let existing = wired.services.sources.list(&admin).await?.into_iter().find(|s| s.source_name == name);
        if let Some(source) = existing.as_ref().filter(|s| !own && s.record_index.record_count > 0) {
            output.say(&format!("using the {} subjects of an earlier run", source.record_index.record_count));
            return Ok(name.into());
        }
        let source: SourceId = match existing {
            Some(source) => source.source_id,
            None => {
                let display =
                    if own { "Your files" } else { "Synthetic cohort (simulated, no real patients)" };
                let body =
                    json!({"sourceName": name, "displayName": display, "owner": "Demo", "ownerEmail": ""});
                let source = wired.services.sources.create(&admin, body).await?;
                let system = wired.services.auth.operator::<SystemAdmin>();
                let user = wired.services.users.find(&system, USER).await?;
                super::manage::grant(wired, name, "detailedList", vec![user], vec![source.clone()], 0)
                    .await?;
                source
            }
        };
        let files = if own {
            self.files.clone()
        } else {
            let started = Instant::now();
            let path = loaded.data_directory.join("synthetic-cohort.jsonl");
            let stats = simulated(simulator, &path)?;
            output.say(&format!(
                "simulated {} synthetic patients with {} diseases from HPO's disease annotations in {:.1} s",
                stats.patients,
                simulator.diseases(),
                started.elapsed().as_secs_f64()
            ));
            vec![path]
        };
        let pipeline = default_pipeline(wired).await?;
        let outcome = run_files(wired, output, &source, &files, pipeline, None, Mode::Merge).await?;
        if !own {
            std::fs::remove_file(loaded.data_directory.join("synthetic-cohort.jsonl"))?;
        }
        let count = super::manage::source_named(wired, name).await?.record_index.record_count;
        output.say(&format!("{count} subjects ingested and indexed in {:.1} s\n", outcome.seconds));
        for file in &outcome.files {
            if let Some(error) = &file.error {
                output.say(&format!("{}: {error}", file.filename));
            }
        }
        Ok(name.into())
    }
}

/// Asks each question step by step and shows the answers as one small table.
async fn ask_all(
    wired: &Wired,
    output: &Output,
    source: &str,
    questions: &[questions::Question],
) -> anyhow::Result<()> {
    let caller = as_user(wired, USER).await?;
    let id = super::manage::source_named(wired, source).await?.source_id;
    let mut shown = Vec::new();
    for question in questions {
        let mut rows = vec![["asked", "subjects", "answered in"].map(str::to_owned).to_vec()];
        for step in &question.steps {
            let mut builder = step.builder.clone();
            if let Some(fields) = builder.as_object_mut() {
                fields.insert("sources".into(), json!({"sources": [id]}));
                fields.insert("advanced".into(), json!({"granularity": "count"}));
            }
            let started = Instant::now();
            let entry = ask(wired, &caller, &builder).await?;
            let millis = started.elapsed().as_secs_f64() * 1e3;
            let answer = entry.pointer("/responses/0/messageData/0").cloned().unwrap_or_default();
            let count = answer.get("recordCount").map_or_else(|| "?".to_owned(), Value::to_string);
            rows.push(vec![step.asks.clone(), count.clone(), format!("{millis:.0} ms")]);
            shown.push(
                json!({"question": question.shows, "asks": step.asks, "builder": builder, "answer": answer}),
            );
        }
        if !output.is_json() {
            output.line(&format!("{}\n\n{}", question.shows, table(&rows)))?;
        }
    }
    if output.is_json() {
        output.line(&serde_json::to_string_pretty(&json!({"questions": shown}))?)?;
    }
    Ok(())
}

fn simulated(simulator: &simulate::Simulator, path: &Path) -> anyhow::Result<simulate::Stats> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).context("the synthetic cohort")?);
    let stats = simulator.write_json_lines(&mut out)?;
    std::io::Write::flush(&mut out)?;
    Ok(stats)
}

/// Makes the demo account at the first run; answers its fresh one-time password.
async fn account(wired: &Wired, output: &Output) -> anyhow::Result<Option<String>> {
    let system = wired.services.auth.operator::<SystemAdmin>();
    if wired.services.users.find(&system, USER).await.is_ok() {
        return Ok(None);
    }
    output.say("making the demo account and its keys …");
    let mut bytes = [0; 12];
    wired.random.fill(&mut bytes);
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let profile = Profile {
        username: USER.into(),
        email: "demo@localhost.invalid".into(),
        first_name: "Demo".into(),
        last_name: "Account".into(),
        affiliation: "Demo".into(),
    };
    wired.services.users.create(&system, profile, Role::Developer, Some(&password)).await?;
    Ok(Some(password))
}

/// What to do next, with lines that work as printed.
fn sign_in(base: &str, tool: &str, data: &str, password: Option<&str>) -> String {
    let password = match password {
        Some(password) => format!("password {password}"),
        None => format!(
            "the password of the first run; a new one: {tool} user reset-password --user {USER} --data {data}"
        ),
    };
    let query: Value = json!({"hpo": [{"terms": ["HP:0001250"], "similarity": 0.5}]});
    format!(
        "serving at {base}\n\
         documentation  {base}/docs   (Authorize: user {USER}, {password})\n\n\
         try it with curl (a token lasts five minutes):\n\
         TOKEN=$({tool} token --user {USER} --data {data})\n\
         curl -s {base}/query/record/history/$(curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '{query}' {base}/query/record/ | cut -d'\"' -f4) -H \"Authorization: Bearer $TOKEN\"\n\n\
         stop with Ctrl-C; run the same command again to go on with the same data"
    )
}

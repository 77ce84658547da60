//! `query FILE|--hpo …`: a record query asked by the operator, answered as a small table.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Common;
use super::output::{Output, table};
use crate::appliance::applet::Service;
use crate::appliance::services::Beside;
use crate::appliance::wiring::Wired;
use crate::domain::ids::UserId;
use crate::service::auth::{Asker, Caller};

/// What to ask.
#[derive(Debug, Args)]
pub struct Query {
    /// A query builder as JSON
    file: Option<PathBuf>,
    /// HPO term that must be present (may be repeated)
    #[arg(long = "hpo", value_name = "TERM")]
    hpo: Vec<String>,
    /// How similar a term may be, 0 to 1; 1 = exact
    #[arg(long, default_value_t = 1.0)]
    similarity: f64,
    /// How many of the terms must match
    #[arg(long, default_value_t = 1)]
    minimum_match: usize,
    /// Ask as this user (user name or e-mail)
    #[arg(long)]
    user: String,
}

impl Query {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let builder: Value = match &self.file {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
                serde_json::from_str(&text).with_context(|| file.display().to_string())?
            }
            None if self.hpo.is_empty() => bail!("give a file with a query, or at least one --hpo term"),
            None => json!({"hpo": [{
                "terms": self.hpo, "similarity": self.similarity, "minimumMatch": self.minimum_match,
            }]}),
        };
        let caller = as_user(&wired, &self.user).await?;
        let working = Beside::start(Service::QueryCompiler, &wired);
        let entry = ask(&wired, &caller, &builder).await;
        working.stop().await?;
        let entry = entry?;
        output.result(&entry, || answers(&entry))
    }
}

/// The account of a user as a caller, through a token like anyone else's.
pub async fn as_user(wired: &Wired, name: &str) -> anyhow::Result<Caller> {
    let admin = wired.services.auth.operator();
    let id: UserId = wired.services.users.find(&admin, name).await?;
    match &wired.issuer {
        Some(issuer) => Ok(wired.services.auth.user(&issuer.operator_token(&id).await?.access_token).await?),
        // Nobody but the provider can make its tokens.
        None => Ok(wired.services.auth.in_place_of(&admin, &id).await?),
    }
}

/// Asks a query and waits for its answers; some worker must be running.
pub async fn ask(wired: &Wired, caller: &Caller, builder: &Value) -> anyhow::Result<Value> {
    let asker = Asker::User(caller.clone());
    let services = &wired.services;
    let network = services.networks.chosen(&asker, None).await?;
    let id = services.queries.ask(&services.auth, &asker, &network, builder.to_string()).await?;
    loop {
        let entry = services.queries.entry(Some(caller), &id).await?;
        if entry.pointer("/status/state").and_then(Value::as_str) == Some("complete") {
            return Ok(entry);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The answers of a history entry as a table.
pub fn answers(entry: &Value) -> String {
    let mut rows = vec![["source", "answer", "notes"].map(str::to_owned).to_vec()];
    let responses = entry.get("responses").and_then(Value::as_array);
    for answer in responses.into_iter().flatten().filter_map(|r| r.get("messageData")?.as_array()).flatten() {
        let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let result = if let Some(count) = answer.get("recordCount") {
            format!("{count} subjects")
        } else if let Some(range) = answer.get("recordRange") {
            format!(
                "{}–{} subjects",
                range.get("min").unwrap_or(&Value::Null),
                range.get("max").unwrap_or(&Value::Null)
            )
        } else {
            match answer.get("exist").and_then(Value::as_bool) {
                Some(true) => "yes".into(),
                Some(false) => "no".into(),
                None => text("error"),
            }
        };
        let notes: Vec<&str> = answer
            .get("notices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        rows.push(vec![text("sourceName"), result, notes.join("; ")]);
    }
    for failure in entry.pointer("/status/failures").and_then(Value::as_array).into_iter().flatten() {
        rows.push(vec![
            String::new(),
            "failed".into(),
            failure.get("reason").map(Value::to_string).unwrap_or_default(),
        ]);
    }
    table(&rows)
}

//! `source`, `pipeline` and `group`: what a data manager sets up, from the terminal.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Common;
use super::output::{Output, table};
use crate::appliance::wiring::Wired;
use crate::domain::ids::{PipelineId, SourceId, UserId};
use crate::domain::sources::Source;
use crate::service::auth::{Asker, DataAdmin, SystemAdmin};

/// What to do with sources.
#[derive(Debug, Subcommand)]
pub enum SourceVerb {
    /// List all sources
    List,
    /// Create a source
    Add(SourceAdd),
    /// Remove a source with everything of it
    Remove { name: String },
    /// Build the index of a source anew
    Index { name: String },
}

/// A new source.
#[derive(Debug, Args)]
pub struct SourceAdd {
    /// Short name: letters, digits, _ and -
    name: String,
    /// What users see
    #[arg(long)]
    display_name: Option<String>,
    #[arg(long, default_value = "")]
    description: String,
    #[arg(long, default_value = "")]
    owner: String,
    #[arg(long, default_value = "")]
    owner_email: String,
}

/// What to do with pipelines.
#[derive(Debug, Subcommand)]
pub enum PipelineVerb {
    /// List all pipelines
    List,
    /// Create a pipeline from a JSON file
    Add { file: PathBuf },
    /// Remove a pipeline
    Remove { id: String },
}

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub enum GroupVerb {
    /// List all discovery groups
    List,
    /// Let users discover sources at a level
    Add(GroupAdd),
    /// Remove a discovery group
    Remove { id: String },
}

/// A new grant.
#[derive(Debug, Args)]
pub struct GroupAdd {
    name: String,
    /// noAccess, boolean, range, count, list or detailedList
    #[arg(long, default_value = "count")]
    level: String,
    /// User name or e-mail (may be repeated); `anonymous` for everyone where anonymous access is on
    #[arg(long = "user")]
    users: Vec<String>,
    /// Source by name (may be repeated)
    #[arg(long = "source")]
    sources: Vec<String>,
    /// Hide counts below this number
    #[arg(long, default_value_t = 0)]
    minimum_count: u64,
}

/// The source of this name.
pub async fn source_named(wired: &Wired, name: &str) -> anyhow::Result<Source> {
    let admin = wired.services.auth.operator::<DataAdmin>();
    let all = wired.services.sources.list(&admin).await?;
    let names: Vec<_> = all.iter().map(|s| s.source_name.clone()).collect();
    all.into_iter().find(|s| s.source_name == name || s.source_id.as_str() == name).with_context(|| {
        let there = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        format!("there is no source {name}; there are: {there}")
    })
}

/// Indices to be made anew.
#[derive(Debug, Args)]
pub struct Index {
    /// `all`, or sources by name
    #[arg(required = true)]
    sources: Vec<String>,
}

impl Index {
    /// Asks for the indices; a running installation makes them.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<DataAdmin>();
        let sources = if self.sources.iter().any(|name| name == "all") {
            wired.services.sources.list(&admin).await?
        } else {
            let mut named = Vec::new();
            for name in &self.sources {
                named.push(source_named(&wired, name).await?);
            }
            named
        };
        for source in &sources {
            wired.services.sources.request_index(&admin, &source.source_id).await?;
        }
        let ids: Vec<_> = sources.iter().map(|source| &source.source_id).collect();
        output.result(&json!({"requested": ids}), || {
            format!("{} indices are made anew, at once where services run, else at the next start", ids.len())
        })
    }
}

impl SourceVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<DataAdmin>();
        let sources = &wired.services.sources;
        match self {
            Self::List => {
                let all = sources.list(&admin).await?;
                output.result(
                    &json!(all.iter().map(crate::service::sources::published).collect::<Vec<_>>()),
                    || {
                        let mut rows =
                            vec![["name", "subjects", "online", "indexed", "id"].map(str::to_owned).to_vec()];
                        rows.extend(all.iter().map(|s| {
                            vec![
                                s.source_name.clone(),
                                s.record_index.record_count.to_string(),
                                if s.online { "yes" } else { "no" }.into(),
                                s.indexed_at.map_or_else(
                                    || "never".into(),
                                    |t| t.format("%Y-%m-%d %H:%M").to_string(),
                                ),
                                s.source_id.to_string(),
                            ]
                        }));
                        table(&rows)
                    },
                )
            }
            Self::Add(add) => {
                let body = json!({
                    "sourceName": add.name, "displayName": add.display_name.unwrap_or_else(|| add.name.clone()),
                    "sourceDescription": add.description, "owner": add.owner, "ownerEmail": add.owner_email,
                });
                let id = sources.create(&admin, body).await?;
                output.result(&json!({"sourceId": id}), || format!("source {} created: {id}", add.name))
            }
            Self::Remove { name } => {
                let source = source_named(&wired, &name).await?;
                sources.delete(&admin, &source.source_id).await?;
                super::ingest::drain_jobs(&wired).await?;
                output.result(&json!({"removed": source.source_id}), || format!("source {name} removed"))
            }
            Self::Index { name } => {
                let source = source_named(&wired, &name).await?;
                sources.request_index(&admin, &source.source_id).await?;
                super::ingest::drain_jobs(&wired).await?;
                output.result(&json!({"indexed": source.source_id}), || format!("source {name} indexed"))
            }
        }
    }
}

impl PipelineVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<DataAdmin>();
        let pipelines = &wired.services.pipelines;
        match self {
            Self::List => {
                let all = json!(pipelines.list(&admin).await?);
                output.result(&all, || {
                    let mut rows = vec![["name", "type", "id"].map(str::to_owned).to_vec()];
                    rows.extend(all.as_array().into_iter().flatten().map(|p| {
                        ["pipelineName", "pipelineType", "pipelineId"]
                            .map(|f| p.get(f).and_then(Value::as_str).unwrap_or_default().to_owned())
                            .to_vec()
                    }));
                    table(&rows)
                })
            }
            Self::Add { file } => {
                let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                let body: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
                let id = pipelines.create(&admin, &body).await?;
                output.result(&json!({"pipelineId": id}), || format!("pipeline created: {id}"))
            }
            Self::Remove { id } => {
                pipelines.delete(&admin, &PipelineId::parse(id)?).await?;
                output.result(&json!({"status": "Success"}), || "pipeline removed".into())
            }
        }
    }
}

impl GroupVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<DataAdmin>();
        let groups = &wired.services.groups;
        match self {
            Self::List => {
                let all = groups.list(&admin).await?;
                output.result(&json!(all), || {
                    let mut rows =
                        vec![["name", "level", "users", "sources", "id"].map(str::to_owned).to_vec()];
                    rows.extend(all.iter().map(|g| {
                        let level = json!(g.discovery_policy).as_str().unwrap_or_default().to_owned();
                        let (users, sources) = (g.assigned_users.len(), g.assigned_sources.len());
                        vec![
                            g.group_name.clone(),
                            level,
                            users.to_string(),
                            sources.to_string(),
                            g.group_id.to_string(),
                        ]
                    }));
                    table(&rows)
                })
            }
            Self::Add(add) => {
                let system = wired.services.auth.operator::<SystemAdmin>();
                let mut users = Vec::new();
                for name in &add.users {
                    users.push(match name.as_str() {
                        "anonymous" => UserId::anonymous(),
                        name => wired.services.users.find(&system, name).await?,
                    });
                }
                let mut sources: Vec<SourceId> = Vec::new();
                for name in &add.sources {
                    sources.push(source_named(&wired, name).await?.source_id);
                }
                let id = grant(&wired, &add.name, &add.level, users, sources, add.minimum_count).await?;
                output
                    .result(&json!({"groupId": id}), || format!("discovery group {} created: {id}", add.name))
            }
            Self::Remove { id } => {
                groups.delete(&admin, &crate::domain::ids::GroupId::parse(id)?).await?;
                output.result(&json!({"status": "Success"}), || "discovery group removed".into())
            }
        }
    }
}

/// Creates a discovery group in this installation's own network.
pub async fn grant(
    wired: &Wired,
    name: &str,
    level: &str,
    users: Vec<UserId>,
    sources: Vec<SourceId>,
    minimum_count: u64,
) -> anyhow::Result<crate::domain::ids::GroupId> {
    let admin = wired.services.auth.operator::<DataAdmin>();
    let asker = Asker::User(admin.caller().clone());
    let network = wired.services.networks.chosen(&asker, None).await?;
    let body = json!({
        "groupName": name, "networkId": network.network_id, "discoveryPolicy": level,
        "assignedUsers": users, "assignedSources": sources, "minimumCount": minimum_count,
    });
    Ok(wired.services.groups.create(&admin, body).await?)
}

//! An installation in a temporary folder, opened as the operator's tools open it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cv3_backend::appliance::applet::Service;
use cv3_backend::appliance::services::Beside;
use cv3_backend::appliance::wiring::{self, Purpose, Wired};
use cv3_backend::config::{Flags, Sources};
use cv3_backend::domain::ids::{PipelineId, SourceId, UserId};
use cv3_backend::domain::sources::{FileState, PartRef};
use cv3_backend::domain::users::{Profile, Role};
use cv3_backend::service::JobState;
use cv3_backend::service::auth::{Asker, DataAdmin, SystemAdmin};
use cv3_backend::service::commit::Mode;
use cv3_backend::service::ingest::Request;
use serde_json::{Value, json};

/// A data folder and the address its front door will have.
pub struct Folder {
    folder: tempfile::TempDir,
    pub address: SocketAddr,
}

impl Folder {
    /// An empty data folder and a free port.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("config.json"), "{}")?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Self { folder, address })
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the installation in this process.
    pub async fn open(&self) -> anyhow::Result<Home> {
        let sources = Sources {
            flags: Flags {
                config: Some(self.config()),
                data_directory: Some(self.data()),
                listen: Some(self.address),
                set: Vec::new(),
            },
            env: BTreeMap::new(),
            working_dir: self.folder.path().to_owned(),
            exe: None,
        };
        let wired = wiring::open(&cv3_backend::appliance::configure(&sources)?, Purpose::Tool).await?;
        wired.services.setup.seed().await?;
        Ok(Home { wired })
    }
}

/// An open installation.
pub struct Home {
    wired: Wired,
}

impl Home {
    pub async fn source(&self, name: &str) -> anyhow::Result<SourceId> {
        let admin = self.wired.services.auth.operator::<DataAdmin>();
        Ok(self.wired.services.sources.create(&admin, json!({"sourceName": name})).await?)
    }

    /// Stores a pipeline given without its name and kind.
    pub async fn pipeline(&self, name: &str, kind: &str, mut body: Value) -> anyhow::Result<PipelineId> {
        let fields = body.as_object_mut().context("a pipeline is an object")?;
        fields.insert("pipelineName".into(), name.into());
        fields.insert("pipelineType".into(), kind.into());
        let admin = self.wired.services.auth.operator::<DataAdmin>();
        Ok(self.wired.services.pipelines.create(&admin, &body).await?)
    }

    /// Uploads a file, then measures from the request to the end of its job, index published and folded.
    pub async fn ingest(
        &self,
        source: &SourceId,
        path: &Path,
        pipeline: &PipelineId,
        then_remap: Option<&PipelineId>,
        subjects: usize,
    ) -> anyhow::Result<Duration> {
        let services = &self.wired.services;
        let admin = services.auth.operator::<DataAdmin>();
        let name = path.file_name().and_then(|name| name.to_str()).context("a file name")?;
        let file = services.uploads.put_local(&admin, source, name, path.to_owned()).await?;
        let working = Beside::start(Service::DatabaseManager, &self.wired);
        let start = Instant::now();
        let request = Request {
            pipeline: pipeline.clone(),
            files: vec![file.clone()],
            mode: Mode::Merge,
            then_remap: then_remap.cloned(),
        };
        let job = services.ingest.request(&admin, source, request).await?;
        loop {
            match services.broker().job(&job).await?.context("the job is gone")? {
                ended if ended.state == JobState::Failed => bail!("{:?}", ended.error),
                ended if ended.state == JobState::Done => break,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        let took = start.elapsed();
        working.stop().await?;
        let ended = services.datafiles.one(&admin, &file).await?;
        ensure!(ended.state == FileState::Done, "{name} ended as {:?}: {:?}", ended.state, ended.error);
        let all = services.sources.list(&admin).await?;
        let count = all
            .iter()
            .find(|held| held.source_id == *source)
            .map_or(0, |held| held.record_index.record_count);
        ensure!(count == subjects as u64, "{count} of {subjects} subjects are searchable");
        Ok(took)
    }

    /// The index parts of a source, oldest first.
    pub async fn parts(&self, source: &SourceId) -> anyhow::Result<Vec<PartRef>> {
        let admin = self.wired.services.auth.operator::<DataAdmin>();
        Ok(self.wired.services.indices.parts(&admin, source).await?)
    }

    /// A user who may count in the sources.
    pub async fn user(&self, sources: Vec<SourceId>) -> anyhow::Result<UserId> {
        let services = &self.wired.services;
        let system = services.auth.operator::<SystemAdmin>();
        let profile = Profile {
            username: "bench".into(),
            email: "bench@localhost.invalid".into(),
            first_name: "Bench".into(),
            last_name: "Account".into(),
            affiliation: String::new(),
        };
        let password = self.wired.random.uuid().to_string();
        let user = services.users.create(&system, profile, Role::Developer, Some(&password)).await?;
        let admin = services.auth.operator::<DataAdmin>();
        let network = services.networks.chosen(&Asker::User(admin.caller().clone()), None).await?;
        let body = json!({
            "groupName": "bench", "networkId": network.network_id, "discoveryPolicy": "count",
            "assignedUsers": [user], "assignedSources": sources, "minimumCount": 0,
        });
        services.groups.create(&admin, body).await?;
        Ok(user)
    }

    /// An access token, good for five minutes.
    pub async fn token(&self, user: &UserId) -> anyhow::Result<String> {
        let issuer =
            self.wired.issuer.as_ref().ok_or_else(|| anyhow::anyhow!("the bench signs people in itself"))?;
        Ok(issuer.operator_token(user).await?.access_token)
    }

    /// How many of the queries are stored with an answer.
    pub async fn answered(&self, token: &str, queries: &[String]) -> anyhow::Result<usize> {
        let caller = self.wired.services.auth.user(token).await?;
        let mut found = 0;
        for query in queries {
            let id = cv3_backend::domain::ids::QueryId::parse(query.clone())?;
            let entry = self.wired.services.queries.entry(Some(&caller), &id).await?;
            found += usize::from(entry.pointer("/status/state").and_then(Value::as_str) == Some("complete"));
        }
        Ok(found)
    }
}

//! Stored processing instructions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Failure;
use super::auth::{As, DataAdmin};
use crate::domain::filter::Filter;
use crate::domain::ids::PipelineId;
use crate::domain::pipelines::Pipeline;
use crate::domain::settings::merge;
use crate::ports::Ports;

/// Manages pipelines.
#[derive(Debug, Clone)]
pub struct Pipelines {
    ports: Ports,
}

impl Pipelines {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// All pipelines, by name.
    pub async fn list(&self, _: &As<DataAdmin>) -> Result<Vec<Pipeline>, Failure> {
        Ok(self.ports.store.pipelines().find(&Filter::all().sorted("pipelineName")).await?)
    }

    /// One pipeline.
    pub async fn one(&self, _: &As<DataAdmin>, id: &PipelineId) -> Result<Pipeline, Failure> {
        let found = self.ports.store.pipelines().get(id.as_str()).await?;
        found.ok_or_else(|| Failure::not_found("pipeline", id.as_str()))
    }

    /// Creates a pipeline; the id is ours, whatever the body says.
    pub async fn create(&self, _: &As<DataAdmin>, body: &Value) -> Result<PipelineId, Failure> {
        let id = PipelineId::from_uuid(self.ports.random.uuid());
        let pipeline = read(&id, body)?;
        self.ports.store.pipelines().insert(id.as_str(), &pipeline).await?;
        Ok(id)
    }

    /// Merges a change into a pipeline.
    pub async fn change(
        &self,
        admin: &As<DataAdmin>,
        id: &PipelineId,
        change: &Value,
    ) -> Result<(), Failure> {
        let mut body = serde_json::to_value(self.one(admin, id).await?).map_err(Failure::internal)?;
        merge(&mut body, change);
        let pipeline = read(id, &body)?;
        self.ports.store.pipelines().put(id.as_str(), &pipeline).await?;
        Ok(())
    }

    /// Removes a pipeline.
    pub async fn delete(&self, _: &As<DataAdmin>, id: &PipelineId) -> Result<(), Failure> {
        if self.ports.store.pipelines().delete(id.as_str()).await? {
            Ok(())
        } else {
            Err(Failure::not_found("pipeline", id.as_str()))
        }
    }

    /// Sorted distinct column names seen in staged data and EAV indices (specification §7.3).
    pub async fn attributes(&self, _: &As<DataAdmin>) -> Result<Vec<String>, Failure> {
        let mut names = BTreeSet::new();
        for source in self.ports.store.sources().find(&Filter::all()).await? {
            names.extend(source.record_index.eav_index.attributes.into_keys());
        }
        for file in self.ports.store.datafiles().find(&Filter::all()).await? {
            names.extend(file.columns);
        }
        Ok(names.into_iter().collect())
    }
}

fn read(id: &PipelineId, body: &Value) -> Result<Pipeline, Failure> {
    let draft = Pipeline::read(body).map_err(|e| Failure::Invalid(e.to_string()))?;
    Ok(Pipeline { pipeline_id: id.clone(), pipeline_name: draft.pipeline_name, steps: draft.steps })
}

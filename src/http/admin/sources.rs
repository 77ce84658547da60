//! `/sources/*` and `/source/*`: data sources and what is done with their files.

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use serde_json::Value;

use super::shapes::{DataFileShape, EavIndexChange, IngestRequest, SourceShape, TokenShape};
use crate::domain::access::Duty;
use crate::domain::ids::{DataFileId, PipelineId, SourceId};
use crate::domain::sources::{DataFile, Source};
use crate::http::body::{Doc, Done};
use crate::http::gate::{Data, User};
use crate::http::shared::networks::{EavIndexShape, id};
use crate::service::auth::Asker;
use crate::service::commit::Mode;
use crate::service::ingest::Request;
use crate::service::sources::{published, published_to_admin};
use crate::service::{Failure, Services};

/// Data sources.
#[derive(Debug)]
pub struct SourcesApi(pub Services);

#[OpenApi]
impl SourcesApi {
    /// Sources the caller may see
    #[oai(path = "/sources/", method = "get")]
    async fn list(&self, user: User) -> poem::Result<Json<Vec<Doc<SourceShape>>>> {
        let full = user.0.may(Duty::Data);
        let sources = self.0.sources.visible(&Asker::User(user.0)).await?;
        Ok(Json(sources.iter().map(|s| show(s, full)).collect()))
    }

    /// Create a source
    #[oai(path = "/sources/", method = "post")]
    async fn create(&self, admin: Data, body: Json<Doc<SourceShape>>) -> poem::Result<Done> {
        let id = self.0.sources.create(&admin.0, body.0.0).await?;
        let path = format!("{}/api/sources/{id}", self.0.options().public_url);
        Ok(Done::created(id, path))
    }

    /// A token for uploading files
    #[oai(path = "/sources/upload-token", method = "get")]
    async fn upload_token(
        &self,
        admin: Data,
        #[oai(name = "sourceId")] source_id: Query<Option<String>>,
    ) -> poem::Result<Json<Doc<TokenShape>>> {
        let source =
            source_id.0.map(SourceId::parse).transpose().map_err(|e| Failure::Invalid(e.to_string()))?;
        let token = self.0.auth.upload_token(&admin.0, source).await?;
        Ok(Json(Doc::of(serde_json::json!({"token": token}))))
    }

    /// One source
    #[oai(path = "/sources/:source_id", method = "get")]
    async fn one(&self, user: User, source_id: Path<String>) -> poem::Result<Json<Doc<SourceShape>>> {
        let full = user.0.may(Duty::Data);
        let source = self.0.sources.one(&Asker::User(user.0), &id(SourceId::parse(source_id.0))?).await?;
        Ok(Json(show(&source, full)))
    }

    /// Change a source
    #[oai(path = "/sources/:source_id", method = "patch")]
    async fn change(
        &self,
        admin: Data,
        source_id: Path<String>,
        body: Json<Doc<SourceShape>>,
    ) -> poem::Result<Done> {
        self.0.sources.change(&admin.0, &id(SourceId::parse(source_id.0))?, body.0.0).await?;
        Ok(Done::changed())
    }

    /// Remove a source with everything of it
    #[oai(path = "/sources/:source_id", method = "delete")]
    async fn delete(&self, admin: Data, source_id: Path<String>) -> poem::Result<Done> {
        self.0.sources.delete(&admin.0, &id(SourceId::parse(source_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Names and values of the free attributes of a source
    #[oai(path = "/sources/:source_id/eav-index", method = "get")]
    async fn eav_index(&self, user: User, source_id: Path<String>) -> poem::Result<Json<Doc<EavIndexShape>>> {
        let source = id(SourceId::parse(source_id.0))?;
        Ok(Json(Doc::of(self.0.sources.eav_index(&Asker::User(user.0), &source).await?)))
    }

    /// Change display names, or mark attributes as identifying
    #[oai(path = "/sources/:source_id/eav-index", method = "patch")]
    async fn change_eav_index(
        &self,
        admin: Data,
        source_id: Path<String>,
        body: Json<Doc<EavIndexChange>>,
    ) -> poem::Result<Done> {
        self.0.sources.change_eav_index(&admin.0, &id(SourceId::parse(source_id.0))?, &body.0.0).await?;
        Ok(Done::changed())
    }

    /// Build the index of a source anew
    #[oai(path = "/sources/:source_id/index", method = "post")]
    async fn index(&self, admin: Data, source_id: Path<String>) -> poem::Result<Done> {
        self.0.sources.request_index(&admin.0, &id(SourceId::parse(source_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Files of a source that are not fully processed; `all=true` lists every one
    #[oai(path = "/source/:source_id/datafiles", method = "get")]
    async fn datafiles(
        &self,
        admin: Data,
        source_id: Path<String>,
        all: Query<Option<bool>>,
    ) -> poem::Result<Json<Vec<Doc<DataFileShape>>>> {
        let source = id(SourceId::parse(source_id.0))?;
        let files = self.0.datafiles.of_source(&admin.0, &source, all.0.unwrap_or(false)).await?;
        Ok(Json(files.iter().map(show_file).collect()))
    }

    /// Read uploaded files with a file pipeline
    #[oai(path = "/source/:source_id/ingest", method = "post")]
    async fn ingest(
        &self,
        admin: Data,
        source_id: Path<String>,
        body: Json<Doc<IngestRequest>>,
    ) -> poem::Result<Done> {
        let source = id(SourceId::parse(source_id.0))?;
        let job = self.0.ingest.request(&admin.0, &source, request(&body.0.0)?).await?;
        Ok(Done::begun(job))
    }

    /// Turn the staged rows of files into subjects with a remap pipeline
    #[oai(path = "/source/:source_id/remap", method = "post")]
    async fn remap(
        &self,
        admin: Data,
        source_id: Path<String>,
        body: Json<Doc<IngestRequest>>,
    ) -> poem::Result<Done> {
        let source = id(SourceId::parse(source_id.0))?;
        let job = self.0.ingest.request_remap(&admin.0, &source, request(&body.0.0)?).await?;
        Ok(Done::begun(job))
    }
}

pub(super) fn show(source: &Source, full: bool) -> Doc<SourceShape> {
    Doc::of(if full { published_to_admin(source) } else { published(source) })
}

/// A data file without the names of its blobs.
pub(super) fn show_file(file: &DataFile) -> Doc<DataFileShape> {
    let mut shown = serde_json::to_value(file).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        for hidden in ["blob", "staged", "report", "columns"] {
            fields.remove(hidden);
        }
        fields.insert("hasReport".into(), file.report.is_some().into());
    }
    Doc::of(shown)
}

/// Reads `pipelineID` and `dataFileIDs`, in either spelling (specification §2.4).
fn request(body: &Value) -> Result<Request, Failure> {
    let field = |names: [&str; 2]| names.into_iter().find_map(|name| body.get(name));
    let text = |value: &Value, name: &str| {
        value.as_str().map(str::to_owned).ok_or_else(|| Failure::Invalid(format!("{name} must be a string")))
    };
    let pipeline = field(["pipelineID", "pipelineId"])
        .ok_or_else(|| Failure::Invalid("pipelineID is missing: name the pipeline to use".into()))?;
    let pipeline = id(PipelineId::parse(text(pipeline, "pipelineID")?))?;
    let files = field(["dataFileIDs", "dataFileIds"])
        .and_then(Value::as_array)
        .ok_or_else(|| Failure::Invalid("dataFileIDs is missing: list the files to process".into()))?;
    let mut ids = Vec::with_capacity(files.len());
    for file in files {
        let file = id(DataFileId::parse(text(file, "dataFileIDs")?))?;
        if !ids.contains(&file) || files.len() > 1_000 {
            ids.push(file);
        }
    }
    let mode = match body.get("mode").and_then(Value::as_str) {
        None | Some("merge") => Mode::Merge,
        Some("replace") => Mode::Replace,
        Some(_) => return Err(Failure::Invalid("mode must be merge or replace".into())),
    };
    Ok(Request { pipeline, files: ids, mode, then_remap: None })
}

//! `/datafiles/*`: one uploaded file.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::{Json, PlainText};

use super::shapes::{DataFileShape, StagedRowShape};
use super::sources::show_file;
use crate::domain::ids::DataFileId;
use crate::http::body::{Doc, Done};
use crate::http::gate::Data;
use crate::http::shared::networks::id;
use crate::service::Services;

/// Data files.
#[derive(Debug)]
pub struct DataFilesApi(pub Services);

#[OpenApi]
impl DataFilesApi {
    /// One file with its state, progress and error
    #[oai(path = "/datafiles/:datafile_id", method = "get")]
    async fn one(&self, admin: Data, datafile_id: Path<String>) -> poem::Result<Json<Doc<DataFileShape>>> {
        let file = self.0.datafiles.one(&admin.0, &id(DataFileId::parse(datafile_id.0))?).await?;
        Ok(Json(show_file(&file)))
    }

    /// Remove a file with its staged rows
    #[oai(path = "/datafiles/:datafile_id", method = "delete")]
    async fn delete(&self, admin: Data, datafile_id: Path<String>) -> poem::Result<Done> {
        self.0.datafiles.delete(&admin.0, &id(DataFileId::parse(datafile_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Up to 20 staged rows of a file
    #[oai(path = "/datafiles/:datafile_id/sample", method = "get")]
    async fn sample(
        &self,
        admin: Data,
        datafile_id: Path<String>,
    ) -> poem::Result<Json<Vec<Doc<StagedRowShape>>>> {
        let rows = self.0.datafiles.sample(&admin.0, &id(DataFileId::parse(datafile_id.0))?).await?;
        Ok(Json(rows.into_iter().map(Doc::of).collect()))
    }

    /// Rows and values that were left out, as JSON lines
    #[oai(path = "/datafiles/:datafile_id/rejects", method = "get")]
    async fn rejects(&self, admin: Data, datafile_id: Path<String>) -> poem::Result<PlainText<String>> {
        let report = self.0.datafiles.report(&admin.0, &id(DataFileId::parse(datafile_id.0))?).await?;
        Ok(PlainText(String::from_utf8_lossy(&report.unwrap_or_default()).into_owned()))
    }
}

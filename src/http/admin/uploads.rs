//! `/sources/{id}/upload`: files in chunks, as resumable-upload libraries send them (specification §7.1).

use std::path::PathBuf;

use poem::http::StatusCode;
use poem::web::Multipart as PoemMultipart;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi};
use tokio::io::AsyncWriteExt;

use super::shapes::UploadAnswer;
use crate::domain::ids::SourceId;
use crate::http::body::Doc;
use crate::http::gate::Upload;
use crate::http::shared::networks::id;
use crate::service::uploads::ChunkInfo;
use crate::service::{Failure, Services};

/// The longest text field of the form, in bytes.
const MOST_FIELD: usize = 4096;

/// Chunked uploads.
#[derive(Debug)]
pub struct UploadsApi(pub Services);

/// A spooled chunk with its description.
#[derive(Debug)]
pub struct Chunk {
    info: ChunkInfo,
    spooled: Spooled,
}

/// A temporary file that is removed unless it is taken.
#[derive(Debug)]
struct Spooled(Option<PathBuf>);

impl Spooled {
    fn take(mut self) -> Option<PathBuf> {
        self.0.take()
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Nothing can be done about a file that will not go; the scratch folder is emptied at the next start.
            let _ignored = std::fs::remove_file(path);
        }
    }
}

/// Whether a chunk is stored.
#[derive(Debug, ApiResponse)]
pub enum Presence {
    /// The chunk is stored
    #[oai(status = 200)]
    Present,
    /// The chunk is not stored yet
    #[oai(status = 204)]
    Absent,
}

#[OpenApi]
impl UploadsApi {
    /// Store a chunk of a file; the last missing one completes the file
    #[oai(path = "/sources/:source_id/upload", method = "post")]
    async fn put(
        &self,
        by: Upload,
        source_id: Path<String>,
        chunk: Chunk,
    ) -> poem::Result<Json<Doc<UploadAnswer>>> {
        let source = id(SourceId::parse(source_id.0))?;
        let Chunk { info, spooled } = chunk;
        let Some(path) = spooled.take() else {
            return Err(Failure::Invalid("the form has no part named file".into()).into());
        };
        let file = self.0.uploads.put(&by.0, &source, &info, path).await?;
        Ok(Json(Doc::of(serde_json::json!({
            "status": "The file chunk uploaded successfully", "dataFileId": file,
        }))))
    }

    /// Ask whether a chunk is stored
    #[oai(path = "/sources/:source_id/upload", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter of the resumable-upload protocol")]
    async fn has(
        &self,
        by: Upload,
        source_id: Path<String>,
        #[oai(name = "resumableChunkNumber")] number: Query<u32>,
        #[oai(name = "resumableTotalChunks")] total: Query<u32>,
        #[oai(name = "resumableFilename")] filename: Query<Option<String>>,
        #[oai(name = "resumableIdentifier")] identifier: Query<Option<String>>,
        #[oai(name = "resumableTotalSize")] total_size: Query<Option<u64>>,
    ) -> poem::Result<Presence> {
        let info = ChunkInfo {
            number: number.0,
            total: total.0,
            filename: filename.0.unwrap_or_else(|| "unnamed.csv".into()),
            identifier: identifier.0,
            total_size: total_size.0,
        };
        let there = self.0.uploads.has(&by.0, &id(SourceId::parse(source_id.0))?, &info).await?;
        Ok(if there { Presence::Present } else { Presence::Absent })
    }
}

impl<'a> ApiExtractor<'a> for Chunk {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let text = || inline(MetaSchema::new("string"));
        let number = || inline(MetaSchema::new("integer"));
        let properties = vec![
            ("file", inline(MetaSchema { format: Some("binary"), ..MetaSchema::new("string") })),
            ("resumableChunkNumber", number()),
            ("resumableTotalChunks", number()),
            ("resumableIdentifier", text()),
            ("resumableFilename", text()),
            ("resumableTotalSize", number()),
        ];
        let schema = MetaSchema { properties, required: vec!["file"], ..MetaSchema::new("object") };
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema: inline(schema) }];
        Some(MetaRequest { description: Some("A chunk and which one it is"), content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let Some(services) = request.extensions().get::<Services>() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into());
        };
        let mut form = <PoemMultipart as FromRequest>::from_request(request, body).await?;
        let mut info =
            ChunkInfo { number: 1, total: 1, filename: String::new(), identifier: None, total_size: None };
        let mut spooled = Spooled(None);
        let mut named = None;
        let bad =
            |e: poem::error::ParseMultipartError| Failure::Invalid(format!("the form cannot be read: {e}"));
        while let Some(field) = form.next_field().await.map_err(bad)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                named = named.or_else(|| field.file_name().map(str::to_owned));
                if spooled.0.is_some() {
                    return Err(
                        Failure::Invalid("the form has two parts named file; send one chunk".into()).into()
                    );
                }
                spooled = spool(services, field).await?;
                continue;
            }
            let value = short_text(field, &name).await?;
            let number = || {
                value.trim().parse().map_err(|_| Failure::Invalid(format!("{name} must be a whole number")))
            };
            match name.as_str() {
                "resumableChunkNumber" => info.number = number()?,
                "resumableTotalChunks" => info.total = number()?,
                "resumableTotalSize" if !value.trim().is_empty() => {
                    let size = value.trim().parse();
                    let wrong = |_| Failure::Invalid(format!("{name} must be a whole number of bytes"));
                    info.total_size = Some(size.map_err(wrong)?);
                }
                "resumableIdentifier" if !value.is_empty() => info.identifier = Some(value),
                "resumableFilename" if !value.is_empty() => info.filename = value,
                _ => {}
            }
        }
        if info.filename.is_empty() {
            info.filename = named.unwrap_or_default();
        }
        Ok(Self { info, spooled })
    }
}

async fn short_text(field: poem::web::Field, name: &str) -> Result<String, Failure> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    field
        .into_async_read()
        .take(MOST_FIELD as u64 + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|e| Failure::Invalid(format!("the form cannot be read: {e}")))?;
    if bytes.len() > MOST_FIELD {
        return Err(Failure::Invalid(format!("{name} is longer than {MOST_FIELD} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::Invalid(format!("{name} is not UTF-8 text")))
}

async fn spool(services: &Services, field: poem::web::Field) -> Result<Spooled, Failure> {
    use tokio::io::AsyncReadExt;
    let path = services.uploads.scratch().join(format!("chunk-{}", uuid::Uuid::new_v4()));
    let spooled = Spooled(Some(path.clone()));
    let mut file = tokio::fs::File::create(&path).await.map_err(Failure::internal)?;
    let limit = services.uploads.limit();
    let mut reader = field.into_async_read().take(limit + 1);
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0u64;
    loop {
        let n = reader
            .read(&mut buffer)
            .await
            .map_err(|e| Failure::Invalid(format!("the chunk was cut off: {e}")))?;
        let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else { break };
        total += n as u64;
        if total > limit {
            return Err(Failure::TooLarge(format!("the chunk is larger than the {limit} bytes accepted")));
        }
        file.write_all(piece).await.map_err(Failure::internal)?;
    }
    file.flush().await.map_err(Failure::internal)?;
    Ok(spooled)
}

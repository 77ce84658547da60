//! Files uploaded in chunks, in any order, repeatedly if need be (specification §7.1).

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::auth::{Inside, Uploader};
use super::{Failure, Live};
use crate::domain::filter::{Condition, Filter};
use crate::domain::ids::{DataFileId, SourceId};
use crate::domain::sources::{DataFile, FileState, Progress};
use crate::ingest;
use crate::ports::Ports;
use crate::store::{Collection, Room};

/// Chunks one upload may have.
const MOST_CHUNKS: u32 = 100_000;

/// Which piece of which file a request carries, as resumable-upload libraries say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkInfo {
    /// 1-based.
    pub number: u32,
    pub total: u32,
    /// Shown only; never part of a path.
    pub filename: String,
    /// Tells concurrent uploads apart; absent = (user, source, file name, total).
    pub identifier: Option<String>,
    /// Size of the whole file in bytes, where the client says it.
    pub total_size: Option<u64>,
}

/// An upload under way as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Upload {
    upload_id: String,
    source_id: SourceId,
    data_file_id: DataFileId,
    filename: String,
    total: u32,
    /// Chunk number to (blob, bytes).
    chunks: BTreeMap<u32, (String, u64)>,
    /// The file is assembled; kept for a while so that a repeated chunk is recognised.
    done: bool,
    updated_at: DateTime<Utc>,
}

/// Takes chunks and assembles files.
#[derive(Debug, Clone)]
pub struct Uploads {
    ports: Ports,
    options: Live,
}

impl Uploads {
    pub(super) fn new(ports: Ports, options: Live) -> Self {
        Self { ports, options }
    }

    fn room(&self) -> Collection<'_, Upload> {
        Collection::new(self.ports.store.documents(), Room::Uploads)
    }

    /// A folder on the blobs' file system for spooling a request body.
    pub fn scratch(&self) -> PathBuf {
        self.ports.blobs.scratch().to_owned()
    }

    /// The largest file accepted, in bytes.
    pub fn limit(&self) -> u64 {
        self.options.now().max_upload_bytes
    }

    /// Whether a chunk is here already.
    pub async fn has(&self, by: &Uploader, source: &SourceId, chunk: &ChunkInfo) -> Result<bool, Failure> {
        self.check(by, source, chunk).await?;
        let held = self.room().get(&upload_id(by, source, chunk)).await?;
        let Some(upload) = held.filter(|upload| upload.chunks.contains_key(&chunk.number)) else {
            return Ok(false);
        };
        if upload.done {
            return self.still_wanted(&upload.data_file_id).await;
        }
        // All chunks but no file: the process ended in between. A chunk sent again has the file assembled.
        Ok(upload.chunks.len() < upload.total as usize)
    }

    /// Whether an assembled file is still to be processed; if not, the same file may be sent anew.
    async fn still_wanted(&self, file: &DataFileId) -> Result<bool, Failure> {
        let file = self.ports.store.datafiles().get(file.as_str()).await?;
        Ok(file.is_some_and(|file| !file.is_processed))
    }

    /// Stores a chunk (the spooled file is taken) and, with the last missing one, assembles the data file.
    pub async fn put(
        &self,
        by: &Uploader,
        source: &SourceId,
        chunk: &ChunkInfo,
        spooled: PathBuf,
    ) -> Result<DataFileId, Failure> {
        self.check(by, source, chunk).await?;
        let bytes = tokio::fs::metadata(&spooled).await.map_err(Failure::internal)?.len();
        let stored = self.ports.blobs.put_file(spooled).await?;
        let id = upload_id(by, source, chunk);
        let upload = self.remember(&id, source, chunk, (stored.name().to_owned(), bytes)).await?;
        drop(stored);
        if upload.done {
            return Ok(upload.data_file_id);
        }
        let total: u64 = upload.chunks.values().map(|(_, bytes)| bytes).sum();
        if total > self.options.now().max_upload_bytes {
            self.abandon(&upload).await?;
            return Err(Failure::TooLarge(format!(
                "the file is larger than the {} bytes this installation accepts (Data.MaxUploadBytes)",
                self.options.now().max_upload_bytes
            )));
        }
        let complete = upload.chunks.len() == upload.total as usize;
        if let Some(size) = chunk.total_size.filter(|size| complete && *size != total) {
            self.abandon(&upload).await?;
            return Err(Failure::Invalid(format!(
                "resumableTotalSize says {size} bytes, the chunks have {total} together; send the file again"
            )));
        }
        self.show(&upload, total).await?;
        if complete {
            self.assemble(&upload, total).await?;
        }
        Ok(upload.data_file_id)
    }

    /// Checks what can be known before any byte is stored.
    async fn check(&self, by: &Uploader, source: &SourceId, chunk: &ChunkInfo) -> Result<(), Failure> {
        if self.ports.store.sources().get(source.as_str()).await?.is_none() {
            return Err(Failure::not_found("source", source.as_str()));
        }
        if !by.allows(source) {
            return Err(Failure::Forbidden("this upload token is for another source".into()));
        }
        if chunk.total == 0 || chunk.total > MOST_CHUNKS || chunk.number == 0 || chunk.number > chunk.total {
            return Err(Failure::Invalid(format!(
                "resumableChunkNumber {} of resumableTotalChunks {}: numbers run from 1 to the total, at most {MOST_CHUNKS}",
                chunk.number, chunk.total
            )));
        }
        let named = !chunk.filename.is_empty() && chunk.filename.len() <= 255;
        if !named || chunk.filename.chars().any(char::is_control) {
            return Err(Failure::Invalid("the file name must have 1 to 255 printable characters".into()));
        }
        if chunk.total_size.is_some_and(|size| size > self.options.now().max_upload_bytes) {
            return Err(Failure::TooLarge(format!(
                "the file is larger than the {} bytes this installation accepts (Data.MaxUploadBytes)",
                self.options.now().max_upload_bytes
            )));
        }
        self.accepts(&chunk.filename)
    }

    /// Checks a file name's format against what is read and what the operator admits (design §2).
    pub fn accepts(&self, filename: &str) -> Result<(), Failure> {
        if ingest::format_of(filename).is_none() {
            return Err(Failure::Invalid(format!(
                "{filename}: this kind of file is not read; send csv, tsv, xls, xlsx, json, vcf, or one of them inside .gz, .zip, .tar.gz or .tar.xz"
            )));
        }
        let options = self.options.now();
        let Some(admitted) = &options.formats else { return Ok(()) };
        let extension = ingest::extension_of(filename);
        let implied =
            |listed: &str| matches!((listed, extension.as_str()), ("csv", "tsv") | ("vcf", "vcf.gz"));
        let ok = admitted.iter().any(|listed| *listed == extension || implied(listed));
        if ok {
            Ok(())
        } else {
            Err(Failure::Invalid(format!(
                "{filename}: {extension} files are not admitted here; the administrator can add \"{extension}\" to Data.ValidFileFormats"
            )))
        }
    }

    async fn remember(
        &self,
        id: &str,
        source: &SourceId,
        chunk: &ChunkInfo,
        held: (String, u64),
    ) -> Result<Upload, Failure> {
        let now = self.ports.clock.now();
        let fresh = Upload {
            upload_id: id.to_owned(),
            source_id: source.clone(),
            data_file_id: DataFileId::from_uuid(self.ports.random.uuid()),
            filename: chunk.filename.clone(),
            total: chunk.total,
            chunks: BTreeMap::from([(chunk.number, held.clone())]),
            done: false,
            updated_at: now,
        };
        match self.room().insert(id, &fresh).await {
            Ok(()) => return Ok(fresh),
            Err(crate::store::StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
        let earlier = self.room().get(id).await?.map(|u| u.data_file_id);
        let still_wanted = match earlier {
            Some(file) => self.still_wanted(&file).await?,
            None => false,
        };
        let stored = self
            .room()
            .update(id, |upload| {
                upload.updated_at = now;
                let repeated = still_wanted && upload.chunks.get(&chunk.number) == Some(&held);
                if upload.done && !repeated {
                    // The same file sent anew after the first was assembled.
                    *upload = fresh.clone();
                } else if !upload.done {
                    upload.chunks.insert(chunk.number, held.clone());
                }
                Ok::<(), Failure>(())
            })
            .await?;
        Ok(stored.unwrap_or(fresh))
    }

    /// Shows the upload in the list of files.
    async fn show(&self, upload: &Upload, bytes: u64) -> Result<(), Failure> {
        let progress = Progress { done: upload.chunks.len() as u64, total: u64::from(upload.total) };
        let file = DataFile {
            data_file_id: upload.data_file_id.clone(),
            source_id: upload.source_id.clone(),
            filename: upload.filename.clone(),
            file_format: ingest::extension_of(&upload.filename),
            is_processed: false,
            state: FileState::Uploading,
            size: bytes,
            staged_count: 0,
            progress,
            rejected: 0,
            error: None,
            warnings: Vec::new(),
            columns: Vec::new(),
            blob: None,
            staged: None,
            report: None,
            created_at: upload.updated_at,
            updated_at: Some(upload.updated_at),
        };
        if self.ports.store.datafiles().insert(upload.data_file_id.as_str(), &file).await.is_err() {
            self.ports
                .store
                .datafiles()
                .update(upload.data_file_id.as_str(), |held| {
                    if held.state == FileState::Uploading {
                        held.progress = progress;
                        held.size = bytes;
                        held.updated_at = Some(upload.updated_at);
                    }
                    Ok::<(), Failure>(())
                })
                .await?;
        }
        Ok(())
    }

    async fn assemble(&self, upload: &Upload, bytes: u64) -> Result<(), Failure> {
        let (blob, stored) = if let (1, Some((blob, _))) = (upload.total, upload.chunks.get(&1)) {
            (blob.clone(), None)
        } else {
            let name = format!("assemble-{}", self.ports.random.uuid());
            let path = self.ports.blobs.scratch().join(name);
            let mut out = tokio::fs::File::create(&path).await.map_err(Failure::internal)?;
            for (blob, _) in upload.chunks.values() {
                let Some(piece) = self.ports.blobs.open(blob).await? else {
                    return self.assembled_elsewhere(upload).await;
                };
                let mut piece = tokio::fs::File::open(piece).await.map_err(Failure::internal)?;
                tokio::io::copy(&mut piece, &mut out).await.map_err(Failure::internal)?;
            }
            out.flush().await.map_err(Failure::internal)?;
            drop(out);
            let stored = self.ports.blobs.put_file(path).await?;
            (stored.name().to_owned(), Some(stored))
        };
        let now = self.ports.clock.now();
        self.ports
            .store
            .datafiles()
            .update(upload.data_file_id.as_str(), |file| {
                if file.state == FileState::Uploading {
                    file.state = FileState::Uploaded;
                    file.blob = Some(blob.clone());
                    file.size = bytes;
                    file.progress = Progress::default();
                    file.updated_at = Some(now);
                }
                Ok::<(), Failure>(())
            })
            .await?;
        drop(stored);
        self.room()
            .update(&upload.upload_id, |held| {
                held.done = held.data_file_id == upload.data_file_id;
                Ok::<(), Failure>(())
            })
            .await?;
        self.release(upload).await
    }

    /// A chunk is gone because another replica has assembled the file meanwhile; anything else is a failure.
    async fn assembled_elsewhere(&self, upload: &Upload) -> Result<(), Failure> {
        let file = self.ports.store.datafiles().get(upload.data_file_id.as_str()).await?;
        if file.is_some_and(|file| file.state == FileState::Uploading) {
            return Err(Failure::internal("a chunk of an upload under way is missing"));
        }
        Ok(())
    }

    /// Deletes an upload's chunks as far as nothing else has the same content.
    async fn release(&self, upload: &Upload) -> Result<(), Failure> {
        let chunks = upload.chunks.values().map(|(chunk, _)| chunk.clone()).collect();
        super::datafiles::release_blobs(&self.ports, chunks).await
    }

    async fn abandon(&self, upload: &Upload) -> Result<(), Failure> {
        self.ports.store.datafiles().delete(upload.data_file_id.as_str()).await?;
        self.room().delete(&upload.upload_id).await?;
        self.release(upload).await
    }

    /// Registers a file that is on this machine already as uploaded (operator's tool).
    pub async fn put_local(
        &self,
        _: &super::auth::As<super::auth::DataAdmin>,
        source: &SourceId,
        filename: &str,
        path: PathBuf,
    ) -> Result<DataFileId, Failure> {
        self.accepts(filename)?;
        let copy = self.ports.blobs.scratch().join(format!("local-{}", self.ports.random.uuid()));
        let bytes = tokio::fs::copy(&path, &copy)
            .await
            .map_err(|e| Failure::Invalid(format!("{}: {e}", path.display())))?;
        if bytes > self.options.now().max_upload_bytes {
            tokio::fs::remove_file(&copy).await.map_err(Failure::internal)?;
            return Err(Failure::TooLarge(format!("{filename} is larger than Data.MaxUploadBytes")));
        }
        let stored = self.ports.blobs.put_file(copy).await?;
        let upload = Upload {
            upload_id: String::new(),
            source_id: source.clone(),
            data_file_id: DataFileId::from_uuid(self.ports.random.uuid()),
            filename: filename.to_owned(),
            total: 1,
            chunks: BTreeMap::new(),
            done: true,
            updated_at: self.ports.clock.now(),
        };
        self.show(&upload, bytes).await?;
        self.ports
            .store
            .datafiles()
            .update(upload.data_file_id.as_str(), |file| {
                file.state = FileState::Uploaded;
                file.blob = Some(stored.name().to_owned());
                file.progress = Progress::default();
                Ok::<(), Failure>(())
            })
            .await?;
        Ok(upload.data_file_id)
    }

    /// Removes uploads nobody continued for a day; answers how many.
    pub async fn expire(&self, _: &Inside) -> Result<usize, Failure> {
        let before = self.ports.clock.now() - chrono::TimeDelta::hours(24);
        let stamp = serde_json::to_value(before).map_err(Failure::internal)?;
        let old = self.room().find(&Filter::all().and(Condition::Below("updatedAt", stamp))).await?;
        for upload in &old {
            let file = self.ports.store.datafiles().get(upload.data_file_id.as_str()).await?;
            // Assembled, though the process ended before the upload said so: the file is not the upload's any more.
            let assembled = file.is_some_and(|file| file.state != FileState::Uploading);
            if upload.done || assembled {
                self.room().delete(&upload.upload_id).await?;
                self.release(upload).await?;
            } else {
                self.abandon(upload).await?;
            }
        }
        Ok(old.len())
    }
}

fn upload_id(by: &Uploader, source: &SourceId, chunk: &ChunkInfo) -> String {
    let mut digest = Sha256::new();
    let name = chunk.identifier.as_deref().unwrap_or(&chunk.filename);
    for piece in [by.user().as_str(), source.as_str(), name, &chunk.total.to_string()] {
        digest.update((piece.len() as u64).to_le_bytes());
        digest.update(piece.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

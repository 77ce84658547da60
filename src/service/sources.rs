//! Data sources: created, described, taken off line, removed with everything of them.

use serde_json::{Value, json};

use super::Failure;
use super::auth::{As, Asker, DataAdmin, Inside};
use super::indices::Indices;
use crate::broker::{NewJob, Queue};
use crate::domain::access::Duty;
use crate::domain::filter::Filter;
use crate::domain::ids::SourceId;
use crate::domain::settings::merge;
use crate::domain::sources::{EavIndex, Source, SourceType};
use crate::ports::Ports;

/// Manages data sources.
#[derive(Debug, Clone)]
pub struct Sources {
    ports: Ports,
    indices: Indices,
}

impl Sources {
    pub(super) fn new(ports: Ports, indices: Indices) -> Self {
        Self { ports, indices }
    }

    /// All sources for data administrators, else those a group grants; unknown and forbidden look alike.
    pub async fn visible(&self, asker: &Asker) -> Result<Vec<Source>, Failure> {
        let all = self.ports.store.sources().find(&Filter::all().sorted("sourceName")).await?;
        if asker.may(Duty::Data) {
            return Ok(all);
        }
        let groups =
            self.ports.store.groups().find(&Filter::contains("assignedUsers", asker.id().as_str())).await?;
        let granted = |id: &SourceId| {
            groups.iter().any(|g| {
                g.discovery_policy > crate::domain::queries::Granularity::NoAccess
                    && g.assigned_sources.contains(id)
            })
        };
        Ok(all.into_iter().filter(|s| granted(&s.source_id)).collect())
    }

    /// One of the asker's sources.
    pub async fn one(&self, asker: &Asker, id: &SourceId) -> Result<Source, Failure> {
        let mine = self.visible(asker).await?;
        mine.into_iter().find(|s| s.source_id == *id).ok_or_else(|| Failure::not_found("source", id.as_str()))
    }

    /// All sources, for data administrators.
    pub async fn list(&self, _: &As<DataAdmin>) -> Result<Vec<Source>, Failure> {
        Ok(self.ports.store.sources().find(&Filter::all().sorted("sourceName")).await?)
    }

    /// Creates a source; offline until its first index.
    pub async fn create(&self, _: &As<DataAdmin>, mut body: Value) -> Result<SourceId, Failure> {
        let id = SourceId::from_uuid(self.ports.random.uuid());
        if let Some(fields) = body.as_object_mut() {
            keep_published(fields);
            fields.insert("sourceId".into(), id.as_str().into());
            fields.insert("online".into(), false.into());
            if !fields.contains_key("sourceType") {
                fields.insert("sourceType".into(), "internal".into());
            }
        }
        let mut source = checked(body)?;
        if source.display_name.is_empty() {
            source.display_name.clone_from(&source.source_name);
        }
        match self.ports.store.sources().insert(id.as_str(), &source).await {
            Err(crate::store::StoreError::Conflict(_)) => Err(Failure::Conflict(format!(
                "sourceName: a source named {} exists already",
                source.source_name
            ))),
            other => other.map(|()| id).map_err(Failure::from),
        }
    }

    /// Merges a change into the published fields of a source.
    pub async fn change(&self, _: &As<DataAdmin>, id: &SourceId, mut change: Value) -> Result<(), Failure> {
        let Some(fields) = change.as_object_mut() else {
            return Err(Failure::Invalid("a source must be a JSON object".into()));
        };
        keep_published(fields);
        fields.retain(|key, _| !matches!(key.as_str(), "sourceId" | "sourceType"));
        let found = self
            .ports
            .store
            .sources()
            .update(id.as_str(), |source| {
                let mut body = serde_json::to_value(&*source).map_err(Failure::internal)?;
                merge(&mut body, &change);
                // `null` removes an optional field; a required one is then missing (specification §2.4).
                if let Some(fields) = body.as_object_mut() {
                    fields.retain(|_, value| !value.is_null());
                }
                *source = checked(body)?;
                source.record_index.capability.source = source.online;
                Ok::<(), Failure>(())
            })
            .await?;
        if found.is_none() {
            return Err(Failure::not_found("source", id.as_str()));
        }
        self.indices.refresh_networks().await
    }

    /// Takes a source out of every listing at once and removes everything of it in a job.
    pub async fn delete(&self, _: &As<DataAdmin>, id: &SourceId) -> Result<(), Failure> {
        if self.ports.store.sources().get(id.as_str()).await?.is_none() {
            return Err(Failure::not_found("source", id.as_str()));
        }
        for group in self.ports.store.groups().find(&Filter::contains("assignedSources", id.as_str())).await?
        {
            self.ports
                .store
                .groups()
                .update(group.group_id.as_str(), |g| {
                    g.assigned_sources.retain(|s| s != id);
                    Ok::<(), Failure>(())
                })
                .await?;
        }
        // First the job, which removes the source as well: whatever happens next, nothing of it stays.
        self.ports
            .broker
            .enqueue(NewJob {
                queue: Queue::DatabaseManager,
                kind: "drop-source".into(),
                key: Some(id.to_string()),
                payload: json!({"sourceId": id}),
            })
            .await?;
        self.ports.store.sources().delete(id.as_str()).await?;
        Ok(())
    }

    /// The job behind `delete`: subjects, manifest, files, uploads and their blobs. Idempotent.
    pub async fn drop_data(&self, _: &Inside, id: &SourceId) -> Result<(), Failure> {
        self.ports.store.sources().delete(id.as_str()).await?;
        self.indices.refresh_networks().await?;
        let mine = Filter::equals("sourceId", id.as_str());
        let mut blobs = Vec::new();
        for file in self.ports.store.datafiles().find(&mine).await? {
            self.ports.store.datafiles().delete(file.data_file_id.as_str()).await?;
            blobs.extend([file.blob, file.staged, file.report].into_iter().flatten());
        }
        for upload in self.ports.store.uploads().find(&mine).await? {
            blobs.extend(super::datafiles::chunks(&upload));
        }
        self.ports.store.uploads().delete_where(&mine).await?;
        let manifest = self.ports.store.subjects().manifest(id).await?;
        blobs.extend(manifest.into_iter().flat_map(|m| m.parts).map(|part| part.blob));
        self.ports.store.subjects().drop_source(id).await?;
        super::datafiles::release_blobs(&self.ports, blobs).await
    }

    /// The stored EAV index, for whoever may see the source.
    pub async fn eav_index(&self, asker: &Asker, id: &SourceId) -> Result<EavIndex, Failure> {
        Ok(self.one(asker, id).await?.record_index.eav_index)
    }

    /// Changes display names (and identifying marks, our addition); unknown keys are ignored.
    pub async fn change_eav_index(
        &self,
        _: &As<DataAdmin>,
        id: &SourceId,
        change: &Value,
    ) -> Result<(), Failure> {
        let texts = |field: &str| -> Vec<(String, String)> {
            let map = change.get(field).and_then(Value::as_object);
            map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
        };
        let (attributes, values) = (texts("attributes"), texts("values"));
        let marks: Vec<(String, bool)> = change
            .get("identifying")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.clone(), v.as_bool()?)))
            .collect();
        if attributes.iter().chain(&values).any(|(_, name)| name.len() > 1024) {
            return Err(Failure::Invalid("a display name has at most 1024 bytes".into()));
        }
        let found = self
            .ports
            .store
            .sources()
            .update(id.as_str(), |source| {
                let index = &mut source.record_index.eav_index;
                for (stored, name) in &attributes {
                    if let Some(shown) = index.attributes.get_mut(stored) {
                        shown.clone_from(name);
                        source.attribute_names.insert(stored.clone(), name.clone());
                    }
                }
                for (stored, name) in &values {
                    if let Some(shown) = index.values.get_mut(stored) {
                        shown.clone_from(name);
                        source.value_names.insert(stored.clone(), name.clone());
                    }
                }
                source.identifying.extend(marks.iter().cloned());
                Ok::<(), Failure>(())
            })
            .await?;
        if found.is_none() {
            return Err(Failure::not_found("source", id.as_str()));
        }
        if !marks.is_empty() {
            self.request_index_job(id).await?;
        }
        Ok(())
    }

    /// Asks for a fresh index of a source.
    pub async fn request_index(&self, _: &As<DataAdmin>, id: &SourceId) -> Result<(), Failure> {
        if self.ports.store.sources().get(id.as_str()).await?.is_none() {
            return Err(Failure::not_found("source", id.as_str()));
        }
        self.request_index_job(id).await
    }

    pub(super) async fn request_index_job(&self, id: &SourceId) -> Result<(), Failure> {
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: "index".into(),
            key: Some(id.to_string()),
            payload: json!({"sourceId": id}),
        };
        self.ports.broker.enqueue(job).await?;
        Ok(())
    }
}

/// Fields a client may write; everything else is the server's and is dropped silently (specification §2.4).
fn keep_published(fields: &mut serde_json::Map<String, Value>) {
    const WRITABLE: [&str; 11] = [
        "sourceId",
        "sourceName",
        "displayName",
        "sourceDescription",
        "owner",
        "ownerEmail",
        "online",
        "sourceType",
        "sourceUrl",
        "indexUrl",
        "beaconAuthMethod",
    ];
    fields.retain(|key, _| WRITABLE.contains(&key.as_str()));
}

/// Rules of specification §6.2.
fn checked(body: Value) -> Result<Source, Failure> {
    // A list would be read as the fields in their order, ours among them.
    if !body.is_object() {
        return Err(Failure::Invalid("a source must be a JSON object".into()));
    }
    let source: Source =
        serde_json::from_value(body).map_err(|e| Failure::Invalid(format!("source: {e}")))?;
    let name = &source.source_name;
    let legal = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !legal {
        return Err(Failure::Invalid(
            "sourceName must have 1 to 64 of the characters A-Z, a-z, 0-9, _ and -; put the name users see into displayName"
                .into(),
        ));
    }
    let texts = [&source.display_name, &source.source_description, &source.owner, &source.owner_email];
    if texts.iter().any(|text| text.len() > 4096) {
        return Err(Failure::Invalid("a text of a source has at most 4096 bytes".into()));
    }
    let remote = matches!(source.source_type, SourceType::Beacon | SourceType::Molgenis);
    if remote && !source.source_url.as_deref().unwrap_or_default().starts_with("http") {
        return Err(Failure::Invalid(
            "sourceUrl must be an http or https address for this type of source".into(),
        ));
    }
    Ok(source)
}

/// A source as the contract publishes it, without the fields that are ours.
pub fn published(source: &Source) -> Value {
    let mut body = serde_json::to_value(source).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        for hidden in [
            "identifying",
            "withheld",
            "attributeNames",
            "valueNames",
            "valueLabels",
            "attributeTypes",
            "batchNumbers",
        ] {
            fields.remove(hidden);
        }
    }
    body
}

/// The same for administrators, who also see what is withheld.
pub fn published_to_admin(source: &Source) -> Value {
    let mut body = published(source);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("withheldAttributes".into(), json!(source.withheld));
    }
    body
}

//! A data source, its data files, what it can be asked (capability) and which of its versions is visible (manifest).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{DataFileId, SourceId};

/// Which filters there is data for; also the shape of `requiredFilters` (specification §6.5, §8.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capability {
    pub subject: bool,
    pub genes: bool,
    pub hpo: bool,
    pub ordo: bool,
    pub snomed: bool,
    pub variant: bool,
    pub source: bool,
    pub eav: bool,
    pub subject_capability: SubjectCapability,
}

/// Which demographics there is data for; the three ages share one flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubjectCapability {
    pub age: bool,
    pub gender: bool,
    pub family_type: bool,
    pub affected: bool,
}

/// Display names of attributes and values, and the values of categorical attributes (specification §6.5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EavIndex {
    /// Stored name to display name.
    pub attributes: BTreeMap<String, String>,
    /// Stored value to display name, one map for all attributes.
    pub values: BTreeMap<String, String>,
    /// Categorical attribute to its values.
    pub mappings: BTreeMap<String, Vec<String>>,
}

/// What a source, node or network can be asked and how much it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordIndex {
    pub capability: Capability,
    pub record_count: u64,
    pub eav_index: EavIndex,
    /// Gene to allele names; beside the published fields (specification §6.5).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allele_index: BTreeMap<String, Vec<String>>,
}

impl RecordIndex {
    /// Adds another index to this one, as a node or network does (specification §6.5, *Aggregation upwards*).
    pub fn absorb(&mut self, other: &Self) {
        let (mine, theirs) = (&mut self.capability, &other.capability);
        mine.subject |= theirs.subject;
        mine.genes |= theirs.genes;
        mine.hpo |= theirs.hpo;
        mine.ordo |= theirs.ordo;
        mine.snomed |= theirs.snomed;
        mine.variant |= theirs.variant;
        mine.source |= theirs.source;
        mine.eav |= theirs.eav;
        let (mine, theirs) = (&mut mine.subject_capability, &theirs.subject_capability);
        mine.age |= theirs.age;
        mine.gender |= theirs.gender;
        mine.family_type |= theirs.family_type;
        mine.affected |= theirs.affected;
        self.record_count += other.record_count;
        union_names(&mut self.eav_index.attributes, &other.eav_index.attributes);
        union_names(&mut self.eav_index.values, &other.eav_index.values);
        union_lists(&mut self.eav_index.mappings, &other.eav_index.mappings);
        union_lists(&mut self.allele_index, &other.allele_index);
    }
}

/// On conflict the smallest display name wins.
fn union_names(mine: &mut BTreeMap<String, String>, theirs: &BTreeMap<String, String>) {
    for (stored, name) in theirs {
        mine.entry(stored.clone())
            .and_modify(|held| {
                if name < held {
                    held.clone_from(name);
                }
            })
            .or_insert_with(|| name.clone());
    }
}

fn union_lists(mine: &mut BTreeMap<String, Vec<String>>, theirs: &BTreeMap<String, Vec<String>>) {
    for (key, values) in theirs {
        let held = mine.entry(key.clone()).or_default();
        held.extend(values.iter().cloned());
        held.sort();
        held.dedup();
    }
}

/// Where the subjects of a source are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceType {
    #[default]
    Internal,
    Beacon,
    Molgenis,
    Legacy,
}

/// A data source as stored in the room `sources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub source_id: SourceId,
    pub source_name: String,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub source_description: String,
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub owner_email: String,
    /// Offline sources are ignored by queries.
    #[serde(default)]
    pub online: bool,
    #[serde(default)]
    pub source_type: SourceType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beacon_auth_method: Option<String>,
    #[serde(default)]
    pub record_index: RecordIndex,
    #[serde(default)]
    pub pipeline_index: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexed_at: Option<DateTime<Utc>>,
    /// Attributes an administrator marked as identifying (`true`) or harmless (`false`); never sent to clients.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identifying: BTreeMap<String, bool>,
    /// Attributes withheld from listings and filters below level `list`, as the last index decided; never sent out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// Display names set by an administrator; they survive re-indexing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attribute_names: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub value_names: BTreeMap<String, String>,
    /// Types of attributes as remapping decided them (specification §7.4 *Types*).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attribute_types: BTreeMap<String, super::pipelines::ValueType>,
    /// Highest number handed out per batch prefix (specification §7.3 `assignPerBatch`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub batch_numbers: BTreeMap<String, u64>,
    /// Labels ingestion found in the data (for example disease names), lowest precedence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub value_labels: BTreeMap<String, String>,
}

/// Where an uploaded file stands (specification §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    Uploading,
    Uploaded,
    Ingesting,
    Staged,
    Remapping,
    Done,
    Failed,
}

/// Rows handled so far and in all (0 = not known yet).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// An uploaded file as stored in the room `datafiles`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataFile {
    pub data_file_id: DataFileId,
    pub source_id: SourceId,
    /// As the client named it; shown only, never a path.
    pub filename: String,
    pub file_format: String,
    #[serde(default)]
    pub is_processed: bool,
    pub state: FileState,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub staged_count: u64,
    #[serde(default)]
    pub progress: Progress,
    #[serde(default)]
    pub rejected: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Warnings in words, for the list of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Column names seen in the staged rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// SHA-256 of the raw file's blob once assembled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// SHA-256 of the staged rows' blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<String>,
    /// SHA-256 of the reject report's blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
}

/// One immutable index part of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartRef {
    /// SHA-256 of the part's blob.
    pub blob: String,
    pub bytes: u64,
    /// Live and dead subjects in the part.
    pub subjects: u64,
    /// The changes `from..=to` the part covers.
    pub from: u64,
    pub to: u64,
}

/// Which version of a source is visible: replaced by one conditional write (design: generations).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub source_id: SourceId,
    /// 0 = never committed.
    pub data_version: u64,
    /// Changes up to this one are folded into the base.
    pub folded: u64,
    /// Oldest first; a later part's subjects and tombstones hide an earlier part's.
    pub parts: Vec<PartRef>,
    pub record_count: u64,
    /// Subjects carrying each attribute etc. are in the parts; this counts index builds so that caches notice.
    #[serde(default)]
    pub build: u64,
    /// The job that made the last commit, so that a restarted job knows its own work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_job: Option<String>,
    /// The jobs of the commits before, newest last, as far back as another job may have overtaken one that waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_jobs: Vec<String>,
    /// The last change that replaced everything before it; 0 = none did.
    #[serde(default)]
    pub replaced_at: u64,
    /// Attributes that this version's data make identifying (specification §6.5): decided before the version is
    /// visible and written with it, so that nobody can ask for one in between. Absent in adopted manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifying: Option<Vec<String>>,
}

impl Manifest {
    /// Jobs remembered besides the last.
    const MOST_EARLIER: usize = 32;

    /// Whether a job has committed already.
    pub fn made_by(&self, job: &str) -> bool {
        self.last_job.as_deref() == Some(job) || self.earlier_jobs.iter().any(|earlier| earlier == job)
    }

    /// The attributes withheld below level `list` at this version; an administrator's mark has the last word.
    pub fn withheld(&self, source: &Source) -> BTreeSet<String> {
        let Some(identifying) = &self.identifying else { return source.withheld.iter().cloned().collect() };
        let found = identifying.iter().filter(|name| source.identifying.get(*name) != Some(&false));
        let marked = source.identifying.iter().filter(|(_, is)| **is).map(|(name, _)| name);
        found.chain(marked).cloned().collect()
    }

    /// Notes the job of a new commit.
    pub fn note_job(&mut self, job: &str) {
        self.earlier_jobs.extend(self.last_job.replace(job.to_owned()));
        let surplus = self.earlier_jobs.len().saturating_sub(Self::MOST_EARLIER);
        self.earlier_jobs.drain(..surplus);
    }

    /// The manifest of a source nothing was ever committed to.
    pub fn empty(source_id: SourceId) -> Self {
        Self {
            source_id,
            data_version: 0,
            folded: 0,
            parts: Vec::new(),
            record_count: 0,
            build: 0,
            replaced_at: 0,
            identifying: None,
            last_job: None,
            earlier_jobs: Vec::new(),
        }
    }
}

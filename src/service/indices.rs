//! What a source can be asked: built from its index parts after every commit, on request and nightly (specification §6.5).

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::auth::Inside;
use super::views::Views;
use super::{Failure, Live};
use crate::broker::Notice;
use crate::domain::filter::Filter;
use crate::domain::ids::SourceId;
use crate::domain::sources::{Manifest, PartRef, RecordIndex, Source, SourceType};
use crate::domain::subjects::Subject;
use crate::engine::{IndexRules, Part, PartBuilder, SourceView};
use crate::ports::Ports;
use crate::store::Change;

/// Subjects handled at a time while an index part is built.
const PAGE: usize = 2_000;

/// Parts a source may have before they are merged into one.
pub(super) const MOST_PARTS: usize = 8;

/// Builds and publishes indices.
#[derive(Debug, Clone)]
pub struct Indices {
    ports: Ports,
    options: Live,
    views: Views,
}

/// Where the subjects of a part come from.
pub(super) enum Subjects {
    /// One change, deletions included.
    Change(u64),
    /// Everything visible in a version.
    Version(u64),
}

impl Indices {
    pub(super) fn new(ports: Ports, options: Live, views: Views) -> Self {
        Self { ports, options, views }
    }

    /// Streams subjects in id order into one part file and stores it as a blob.
    pub(super) async fn build_part(
        &self,
        source: &SourceId,
        from: &Subjects,
        (first, last): (u64, u64),
    ) -> Result<PartRef, Failure> {
        let path = self.ports.blobs.scratch().join(format!("part-{}", self.ports.random.uuid()));
        let release = self.ports.terms.release();
        let (send, mut receive) = tokio::sync::mpsc::channel::<Vec<Change>>(4);
        let out = path.clone();
        let building = tokio::task::spawn_blocking(move || {
            let mut builder = PartBuilder::new(&release);
            while let Some(page) = receive.blocking_recv() {
                for change in page {
                    match change {
                        Change::Upsert(subject) => builder.add(&subject).map_err(Failure::internal)?,
                        Change::Delete(id) => builder.tombstone(&id).map_err(Failure::internal)?,
                    }
                }
            }
            let file = std::fs::File::create(&out).map_err(Failure::internal)?;
            let mut file = BufWriter::with_capacity(1 << 20, file);
            let stats = builder.finish(&mut file).map_err(Failure::internal)?;
            file.flush().map_err(Failure::internal)?;
            Ok::<_, Failure>(stats)
        });
        let mut after: Option<String> = None;
        loop {
            let store = self.ports.store.subjects();
            let page = match from {
                Subjects::Change(n) => store.scan_change(source, *n, after.as_deref(), PAGE).await?,
                Subjects::Version(version) => {
                    let subjects = store.scan(source, *version, after.as_deref(), PAGE).await?;
                    subjects.into_iter().map(Change::Upsert).collect()
                }
            };
            let Some(last) = page.last() else { break };
            after = Some(match last {
                Change::Upsert(subject) => subject.subject_id.clone(),
                Change::Delete(id) => id.clone(),
            });
            if send.send(page).await.is_err() {
                break;
            }
        }
        drop(send);
        let stats = building.await.map_err(Failure::internal)??;
        let blob = self.ports.blobs.put_file(path).await?;
        Ok(PartRef { blob, bytes: stats.bytes, subjects: stats.subjects, from: first, to: last })
    }

    /// How many subjects a list of parts shows together.
    pub(super) async fn count(&self, parts: &[PartRef]) -> Result<u64, Failure> {
        let mut files = Vec::new();
        for part in parts {
            let path = self.ports.blobs.open(&part.blob).await?;
            files.push(path.ok_or_else(|| Failure::internal("an index part is missing"))?);
        }
        tokio::task::spawn_blocking(move || {
            let parts = files.iter().map(|f| Part::open(f).map(Arc::new));
            let parts = parts.collect::<Result<Vec<_>, _>>().map_err(Failure::internal)?;
            Ok(SourceView::open(parts).record_count())
        })
        .await
        .map_err(Failure::internal)?
    }

    /// Rebuilds the whole index of a source from its subjects and makes it the visible one.
    pub async fn rebuild(&self, _: &Inside, source: &SourceId) -> Result<(), Failure> {
        let Some(source_type) = self.ports.store.sources().get(source.as_str()).await?.map(|s| s.source_type)
        else {
            return Ok(());
        };
        if source_type != SourceType::Internal {
            return Err(Failure::Unprocessable(
                "only internal sources can be indexed by this release".into(),
            ));
        }
        let Some(mut manifest) = self.ports.store.subjects().manifest(source).await? else {
            return self.publish(source).await;
        };
        let version = manifest.data_version;
        let part = self.build_part(source, &Subjects::Version(version), (0, version)).await?;
        let old = std::mem::replace(&mut manifest.parts, vec![part]);
        manifest.record_count = self.count(&manifest.parts).await?;
        manifest.build += 1;
        self.ports.store.subjects().commit(version, &manifest).await?;
        self.publish(source).await?;
        self.collect(&old, &manifest).await
    }

    /// Merges the parts of a source that has gathered too many.
    pub(super) async fn compact(&self, source: &SourceId, inside: &Inside) -> Result<(), Failure> {
        let manifest = self.ports.store.subjects().manifest(source).await?;
        if manifest.is_some_and(|m| m.parts.len() > MOST_PARTS) {
            self.rebuild(inside, source).await?;
        }
        Ok(())
    }

    /// Removes the blobs of parts no manifest names any more.
    pub(super) async fn collect(&self, old: &[PartRef], manifest: &Manifest) -> Result<(), Failure> {
        let kept: BTreeSet<&str> = manifest.parts.iter().map(|p| p.blob.as_str()).collect();
        let gone = old.iter().filter(|p| !kept.contains(p.blob.as_str())).map(|p| p.blob.clone()).collect();
        super::datafiles::release_blobs(&self.ports, gone).await
    }

    /// Writes what the visible version can be asked into the source, its networks and our nodes.
    pub(super) async fn publish(&self, source: &SourceId) -> Result<(), Failure> {
        let (_, view) = self.views.current(source).await?;
        let Some(stored) = self.ports.store.sources().get(source.as_str()).await? else { return Ok(()) };
        let rules = IndexRules {
            minimum_value_count: self.options.now().minimum_value_count,
            identifying: stored.identifying.clone(),
            attribute_names: stored.attribute_names.clone(),
            value_names: stored.value_names.clone(),
            value_labels: stored.value_labels.clone(),
        };
        let built =
            tokio::task::spawn_blocking(move || view.index(&rules)).await.map_err(Failure::internal)?;
        let now = self.ports.clock.now();
        self.ports
            .store
            .sources()
            .update(source.as_str(), |source: &mut Source| {
                source.record_index = built.record.clone();
                source.pipeline_index.clone_from(&built.pipeline);
                source.withheld = built.withheld.iter().map(|w| w.attribute.clone()).collect();
                source.online = source.online || source.indexed_at.is_none();
                source.record_index.capability.source = source.online;
                source.indexed_at = Some(now);
                Ok::<(), Failure>(())
            })
            .await?;
        self.refresh_networks().await?;
        self.ports.broker.publish(Notice { topic: "index".into(), subject: source.to_string() }).await?;
        Ok(())
    }

    /// Aggregates the indices of the sources each network's groups share.
    pub(super) async fn refresh_networks(&self) -> Result<(), Failure> {
        let store = &self.ports.store;
        let groups = store.groups().find(&Filter::all()).await?;
        let sources = store.sources().find(&Filter::equals("online", true)).await?;
        for network in store.networks().find(&Filter::all()).await? {
            let mut sum = RecordIndex::default();
            let shared = |s: &&Source| {
                groups
                    .iter()
                    .any(|g| g.network_id == network.network_id && g.assigned_sources.contains(&s.source_id))
            };
            for source in sources.iter().filter(shared) {
                sum.absorb(&source.record_index);
            }
            store
                .networks()
                .update(network.network_id.as_str(), |n| {
                    n.record_index = Some(sum.clone());
                    Ok::<(), Failure>(())
                })
                .await?;
            store
                .nodes()
                .update(network.instance_id.as_str(), |n| {
                    n.record_index = Some(sum.clone());
                    Ok::<(), Failure>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Sources whose index is older than a day, for the nightly round.
    pub async fn stale(&self, _: &Inside) -> Result<Vec<SourceId>, Failure> {
        let before = self.ports.clock.now() - chrono::TimeDelta::hours(24);
        let all = self.ports.store.sources().find(&Filter::all()).await?;
        let old =
            |s: &Source| s.source_type == SourceType::Internal && s.indexed_at.is_some_and(|at| at < before);
        Ok(all.into_iter().filter(old).map(|s| s.source_id).collect())
    }

    /// Adds the Orphanet numbers that the loaded terms know for a subject's OMIM diseases; `true` if any was new.
    pub(super) fn map_diseases(&self, subject: &mut Subject) -> bool {
        let Some(diseases) = subject.eav.get("disease") else { return false };
        let omim = diseases.scalars().iter().filter_map(|value| match value {
            crate::domain::subjects::Scalar::Text(text) => text.strip_prefix("OMIM:"),
            _ => None,
        });
        let known: Vec<String> = omim.flat_map(|id| self.ports.terms.ordo_of_omim(id)).collect();
        let before = subject.ordo.len();
        for id in known {
            if !subject.ordo.contains(&id) {
                subject.ordo.push(id);
            }
        }
        subject.ordo.len() > before
    }
}

//! What a source can be asked: built from its index parts after every commit, on request and nightly (specification §6.5).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use super::auth::{As, DataAdmin, Inside};
use super::views::Views;
use super::{Failure, Live};
use crate::blobs::Stored;
use crate::broker::Notice;
use crate::domain::filter::Filter;
use crate::domain::ids::SourceId;
use crate::domain::sources::{Manifest, PartRef, RecordIndex, Source, SourceType};
use crate::domain::subjects::{Demographics, Subject};
use crate::engine::{IndexRules, Indices as Built, PartBuilder, PartError, PartStats, SourceView, merge};
use crate::ingest::demographics;
use crate::ports::Ports;

/// Subjects handled at a time while an index part is built.
const PAGE: usize = 2_000;

/// Subjects of one part while it is built: bounds the memory of ingestion; parts are merged later.
pub(super) const PART_SUBJECTS: u32 = 1_000_000;

/// Parts a source may have before the newest are merged.
const MOST_PARTS: usize = 8;

/// Builds and publishes indices.
#[derive(Debug, Clone)]
pub struct Indices {
    ports: Ports,
    options: Live,
    views: Views,
}

/// A part that is written and no blob yet: until a manifest is about to name it, nobody may collect it.
pub(super) struct Written {
    path: PathBuf,
    stats: PartStats,
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What is left of it goes when the process starts again.
            let _ignored = std::fs::remove_file(&self.path);
        }
    }
}

/// What a version can be asked, found out before it is the visible one.
pub(super) struct Surveyed {
    view: Arc<SourceView>,
    built: Built,
}

impl Surveyed {
    /// Writes what a manifest says of its parts.
    pub(super) fn describe(&self, manifest: &mut Manifest) {
        manifest.record_count = self.view.record_count();
        manifest.identifying = Some(self.built.identifying.clone());
    }
}

impl Indices {
    pub(super) fn new(ports: Ports, options: Live, views: Views) -> Self {
        Self { ports, options, views }
    }

    /// A builder of index parts under the terms in force.
    pub(super) fn builder(&self) -> PartBuilder {
        PartBuilder::new(self.ports.terms.release())
    }

    /// Writes a part on a blocking thread.
    pub(super) async fn write_part(
        &self,
        write: impl FnOnce(&mut BufWriter<File>) -> Result<PartStats, PartError> + Send + 'static,
    ) -> Result<Written, Failure> {
        let path = self.ports.blobs.scratch().join(format!("part-{}", self.ports.random.uuid()));
        let mut written = Written { path, stats: PartStats::default() };
        let writing = tokio::task::spawn_blocking(move || {
            let file = File::create(&written.path).map_err(Failure::internal)?;
            written.stats = write(&mut BufWriter::with_capacity(1 << 20, file)).map_err(Failure::internal)?;
            Ok(written)
        });
        writing.await.map_err(Failure::internal)?
    }

    /// Stores a written part of the changes `first..=last` as a blob, which is held till a manifest names it.
    pub(super) async fn store_part(
        &self,
        mut written: Written,
        (first, last): (u64, u64),
    ) -> Result<(PartRef, Stored), Failure> {
        let stored = self.ports.blobs.put_file(std::mem::take(&mut written.path)).await?;
        let part = PartRef {
            blob: stored.name().to_owned(),
            bytes: written.stats.bytes,
            subjects: written.stats.subjects,
            from: first,
            to: last,
        };
        Ok((part, stored))
    }

    /// Builds parts anew from everything visible in a version.
    async fn rebuild_parts(
        &self,
        source: &SourceId,
        version: u64,
    ) -> Result<(Vec<PartRef>, Vec<Stored>), Failure> {
        let (mut parts, mut held) = (Vec::new(), Vec::new());
        let mut builder = self.builder();
        let mut after: Option<String> = None;
        loop {
            let page = self.ports.store.subjects().scan(source, version, after.as_deref(), PAGE).await?;
            let ended = page.is_empty();
            if !ended {
                after = page.last().map(|subject| subject.subject_id.clone());
                builder = tokio::task::spawn_blocking(move || {
                    let mut page = page;
                    // Subjects that another program stored have none of what is only searched.
                    let unresolved = |subject: &&mut Subject| subject.demo == Demographics::default();
                    page.iter_mut().filter(unresolved).for_each(demographics::resolve);
                    page.iter().try_for_each(|subject| builder.add(subject)).map(|()| builder)
                })
                .await
                .map_err(Failure::internal)?
                .map_err(Failure::internal)?;
            }
            if builder.added() >= PART_SUBJECTS || (ended && (builder.added() > 0 || parts.is_empty())) {
                let full = std::mem::replace(&mut builder, self.builder());
                let written = self.write_part(|out| full.finish(out)).await?;
                let (part, stored) = self.store_part(written, (0, version)).await?;
                parts.push(part);
                held.push(stored);
            }
            if ended {
                return Ok((parts, held));
            }
        }
    }

    /// Finds out what a list of parts shows together.
    pub(super) async fn survey(&self, source: &SourceId, parts: &[PartRef]) -> Result<Surveyed, Failure> {
        let parts = self.views.parts(parts).await?;
        let view = tokio::task::spawn_blocking(move || SourceView::open(parts));
        let view = Arc::new(view.await.map_err(Failure::internal)?);
        let built = self.describe(source, &view).await?;
        Ok(Surveyed { view, built: built.unwrap_or_default() })
    }

    /// The indices of a view under the marks and names its source has; `None` without such a source.
    async fn describe(&self, source: &SourceId, view: &Arc<SourceView>) -> Result<Option<Built>, Failure> {
        let Some(stored) = self.ports.store.sources().get(source.as_str()).await? else { return Ok(None) };
        let rules = IndexRules {
            minimum_value_count: self.options.now().minimum_value_count,
            identifying: stored.identifying,
            attribute_names: stored.attribute_names,
            value_names: stored.value_names,
            value_labels: stored.value_labels,
        };
        let view = view.clone();
        let built = tokio::task::spawn_blocking(move || view.index(&rules));
        Ok(Some(built.await.map_err(Failure::internal)?))
    }

    /// Keeps the view of a version that was just committed.
    pub(super) fn keep(&self, manifest: &Manifest, surveyed: Surveyed) {
        self.views.keep(&manifest.source_id, (manifest.data_version, manifest.build), surveyed.view);
    }

    /// The parts of the visible version of a source, oldest first.
    pub async fn parts(&self, _: &As<DataAdmin>, source: &SourceId) -> Result<Vec<PartRef>, Failure> {
        Ok(self.ports.store.subjects().manifest(source).await?.map(|m| m.parts).unwrap_or_default())
    }

    /// Makes the subjects that another program left of a source its first version, with an index; `false` if there are none
    /// (design: *Generations*).
    pub(super) async fn adopt(&self, source: &SourceId) -> Result<bool, Failure> {
        let subjects = self.ports.store.subjects();
        if subjects.manifest(source).await?.is_some() || !subjects.adopted(source).await? {
            return Ok(false);
        }
        let (parts, held) = self.rebuild_parts(source, 0).await?;
        let mut manifest = Manifest::empty(source.clone());
        (manifest.data_version, manifest.parts) = (1, parts);
        let surveyed = self.survey(source, &manifest.parts).await?;
        surveyed.describe(&mut manifest);
        subjects.commit(0, &manifest).await?;
        drop(held);
        tracing::info!(%source, subjects = manifest.record_count, "a source of another program is taken over");
        self.keep(&manifest, surveyed);
        Ok(true)
    }

    /// Sources with subjects of another program that nobody has indexed yet.
    pub async fn left(&self, _: &Inside) -> Result<Vec<SourceId>, Failure> {
        let (subjects, sources) = (self.ports.store.subjects(), self.ports.store.sources());
        let mut left = Vec::new();
        for id in subjects.sources().await? {
            if subjects.manifest(&id).await?.is_none()
                && subjects.adopted(&id).await?
                && sources.get(id.as_str()).await?.is_some_and(|s| s.source_type == SourceType::Internal)
            {
                left.push(id);
            }
        }
        Ok(left)
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
        let (parts, held) = self.rebuild_parts(source, version).await?;
        let old = std::mem::replace(&mut manifest.parts, parts);
        self.replace_parts(manifest, &old, held).await
    }

    /// Makes other parts with the same content the visible ones; what of them is new is held till then.
    async fn replace_parts(
        &self,
        mut manifest: Manifest,
        old: &[PartRef],
        held: Vec<Stored>,
    ) -> Result<(), Failure> {
        let source = manifest.source_id.clone();
        let surveyed = self.survey(&source, &manifest.parts).await?;
        surveyed.describe(&mut manifest);
        manifest.build += 1;
        self.ports.store.subjects().commit(manifest.data_version, &manifest).await?;
        drop(held);
        self.keep(&manifest, surveyed);
        self.publish(&source).await?;
        self.collect(old, &manifest).await
    }

    /// Merges the newest parts of a source that has gathered too many, from the parts alone.
    pub(super) async fn compact(&self, source: &SourceId) -> Result<(), Failure> {
        let Some(mut manifest) = self.ports.store.subjects().manifest(source).await? else { return Ok(()) };
        let sizes: Vec<u64> = manifest.parts.iter().map(|part| part.subjects).collect();
        let first = first_to_merge(&sizes);
        let merged = manifest.parts.split_off(first);
        let (Some(from), Some(to)) = (merged.first().map(|p| p.from), merged.last().map(|p| p.to)) else {
            return Ok(());
        };
        let parts = self.views.parts(&merged).await?;
        let written = self.write_part(move |out| merge(parts, first > 0, out)).await?;
        let (part, stored) = self.store_part(written, (from, to)).await?;
        manifest.parts.push(part);
        self.replace_parts(manifest, &merged, vec![stored]).await
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
        let Some(built) = self.describe(source, &view).await? else { return Ok(()) };
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

    /// Whether any part was built with other biomedical terms than those in force.
    pub(super) async fn is_of_other_terms(&self, source: &SourceId) -> Result<bool, Failure> {
        let (_, view) = self.views.current(source).await?;
        let release = self.ports.terms.release();
        Ok(view.releases().any(|other| other != release))
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
            crate::domain::subjects::Scalar::Text(text) => text
                .split_once(':')
                .filter(|(prefix, _)| prefix.eq_ignore_ascii_case("OMIM"))
                .map(|(_, number)| number),
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

/// The first of the parts to be merged with all after it, of so many subjects each and oldest first; all of them stay
/// if that is behind the last.
///
/// Older parts join the run as long as they are not much larger than it, so that each subject is written again a
/// logarithmic number of times and a small change beside a large source never rewrites that.
fn first_to_merge(sizes: &[u64]) -> usize {
    if sizes.len() <= MOST_PARTS {
        return sizes.len();
    }
    let mut first = sizes.len();
    let mut run = 0u64;
    for (index, size) in sizes.iter().enumerate().rev() {
        if sizes.len() - first >= 2 && *size > run.saturating_mul(2) {
            break;
        }
        run += size;
        first = index;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::few(&[5, 5, 5], 3)]
    #[case::alike(&[9; 9], 0)]
    #[case::a_large_old_one_is_left_alone(&[10_000_000, 9, 9, 9, 9, 9, 9, 9, 9], 1)]
    #[case::at_least_two_become_one(&[1 << 40, 1 << 35, 1 << 30, 1 << 25, 1 << 20, 1 << 15, 1 << 10, 1 << 5, 1], 7)]
    fn small_parts_are_merged_and_large_ones_left(#[case] sizes: &[u64], #[case] first: usize) {
        assert_eq!(first_to_merge(sizes), first);
    }

    /// A part of 10 in each of 2,000 changes: every subject is written again a few times only.
    #[test]
    fn merging_writes_each_subject_a_logarithmic_number_of_times() {
        let (mut sizes, mut written) = (Vec::new(), 0);
        for _ in 0..2_000 {
            sizes.push(10);
            let run = sizes.split_off(first_to_merge(&sizes));
            let sum: u64 = run.iter().sum();
            if sum > 0 {
                written += sum;
                sizes.push(sum);
            }
            assert!(sizes.len() <= MOST_PARTS);
        }
        assert!(written < 2_000 * 10 * 8, "{written}");
    }
}

//! One query on our own sources: the same call for own users, peers, Beacon clients and anonymous users.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Queries;
use super::details::{PAGE, Sealer};
use crate::domain::filter::Filter;
use crate::domain::groups::{Permit, permits};
use crate::domain::ids::SourceId;
use crate::domain::queries::{AnswerState, Builder, Granularity, QueryResponse};
use crate::domain::sources::{Source, SourceType};
use crate::engine::{Blur, Plan, Scope, execute_on, privacy};
use crate::secrets::Purpose;
use crate::service::Failure;
use crate::service::auth::{Acting, user_key};

/// Subjects a source gives in detail at most; the answer says so when there are more.
const MOST_DETAILS: usize = 100_000;

impl Queries {
    /// Answers a builder for whoever acts, source by source; a failing source does not hide the others. Subjects go
    /// to the sealer.
    pub(super) async fn answer(
        &self,
        builder: &Builder,
        acting: &Acting,
        sealer: &Sealer<'_>,
    ) -> Result<Vec<QueryResponse>, Failure> {
        let candidates = self.candidates(builder, acting).await?;
        let has_key = self.ports.secrets.has_key(&user_key(acting.original_id())).await?;
        let answers = candidates.into_iter().map(|(source, permit)| async move {
            let mut head = heading(&source);
            let level = builder.granularity.unwrap_or(permit.level).min(permit.level);
            // Details are stored encrypted for their reader; without a key there are none (§8.8).
            let level = if has_key { level } else { level.min(Granularity::Count) };
            let work = self.answer_source(&source, (permit, level), builder, acting, sealer, &mut head);
            let reason = match tokio::time::timeout(self.options.now().source_limit, work).await {
                Ok(Ok(())) => return head,
                Ok(Err(failure)) => {
                    tracing::warn!(source = %source.source_id, error = %chain(&failure), "source could not be asked");
                    failure.to_string()
                }
                Err(_) => format!("no answer within {} s", self.options.now().source_limit.as_secs()),
            };
            sealer.forget(&source.source_id);
            failed(&source, reason)
        });
        Ok(join_all(answers).await)
    }

    /// Online sources the acting user's groups grant in the query's network (§8.4).
    async fn candidates(
        &self,
        builder: &Builder,
        acting: &Acting,
    ) -> Result<Vec<(Arc<Source>, Permit)>, Failure> {
        let filter = Filter::contains("assignedUsers", acting.acting_id().as_str());
        let groups = self.ports.store.groups().find(&filter).await?;
        let mut granted: BTreeMap<SourceId, Permit> =
            permits(&groups, acting.acting_id(), acting.network_id());
        if !builder.sources.is_empty() {
            granted.retain(|id, _| builder.sources.contains(id));
        }
        let mut candidates = Vec::new();
        for (id, permit) in granted {
            let source = self.sources.get(self.ports.store.documents(), id.as_str()).await?;
            if let Some(source) = source.filter(|source| source.online) {
                candidates.push((source, permit));
            }
        }
        // What acts under a cap is permitted no more than that, in filters on withheld attributes either (§5.5).
        for (_, permit) in &mut candidates {
            permit.level = permit.level.min(acting.cap());
        }
        Ok(candidates)
    }

    async fn answer_source(
        &self,
        source: &Source,
        (permit, level): (Permit, Granularity),
        builder: &Builder,
        acting: &Acting,
        sealer: &Sealer<'_>,
        head: &mut QueryResponse,
    ) -> Result<(), Failure> {
        if source.source_type != SourceType::Internal {
            head.state = AnswerState::Skipped;
            head.error = Some("sources of this type cannot be asked by this release".into());
            return Ok(());
        }
        let (manifest, view) = self.views.current(&source.source_id).await?;
        let scope = Scope { withheld: manifest.withheld(source), level: permit.level };
        let key = self.ports.secrets.derived(Purpose::PrivacyNoise).await?;
        let epsilon = self.options.now().epsilon;
        let blur =
            (permit.level < Granularity::Count).then(|| Blur::new(&key, source.source_id.as_str(), epsilon));
        let (builder, terms) = (builder.clone(), self.ports.terms.clone());
        let core = self.cores.acquire().await.map_err(Failure::internal)?;
        // Cores that nobody waits for help with large sources.
        let more = Idle::of(&self.cores, view.shares());
        let threads = 1 + more.0.len();
        let (plan, total, hits) = tokio::task::spawn_blocking(move || {
            let plan = Plan::make_blurred(&builder, &view, &*terms, &scope, blur.as_ref());
            let hits = execute_on(&plan, &view, threads).map_err(Failure::internal)?;
            Ok::<_, Failure>((plan, view.record_count(), hits))
        })
        .await
        .map_err(Failure::internal)??;
        let n = hits.len();
        drop((core, more));
        head.notices.extend(plan.notices.iter().cloned());
        let noise = privacy::Noise {
            key: &key,
            acting: acting.acting_id().as_str(),
            source_id: source.source_id.as_str(),
            data_version: manifest.data_version,
            plan: plan.digest(),
            epsilon,
        };
        let mut level = level;
        // Below the minimum nothing is drawn. Were it charged, "nobody" would cost once and "somebody" each time.
        let drawn = level == Granularity::Range && !privacy::is_small(n, &permit);
        if drawn
            && permit.level < Granularity::Count
            && !self.spend(acting.acting_id(), &noise.charge_id()).await?
        {
            level = Granularity::Boolean;
            head.notices.push("your privacy budget is spent: this source answers yes or no only".into());
        }
        let shaped = privacy::shape(n, total, level, &permit, &noise);
        head.exist = shaped.exist;
        head.record_range = shaped.range;
        head.record_count = shaped.count;
        if shaped.lists_subjects {
            if n > MOST_DETAILS as u64 {
                head.notices.push(format!("only the first {MOST_DETAILS} subjects are listed"));
            }
            self.details(source, manifest.data_version, level, hits.into_ids().take(MOST_DETAILS), sealer)
                .await?;
        }
        Ok(())
    }

    /// Seals the subjects page by page: their ids alone at `list`, whole documents at `detailedList`.
    async fn details(
        &self,
        source: &Source,
        version: u64,
        level: Granularity,
        mut ids: impl Iterator<Item = String> + Send,
        sealer: &Sealer<'_>,
    ) -> Result<(), Failure> {
        let source = &source.source_id;
        sealer.begin(source);
        loop {
            let page: Vec<String> = ids.by_ref().take(PAGE).collect();
            if page.is_empty() {
                return Ok(());
            }
            let subjects: Vec<serde_json::Value> = if level < Granularity::DetailedList {
                page.into_iter().map(|id| serde_json::json!({"subjectId": id})).collect()
            } else {
                let mut documents = self.ports.store.subjects().get_many(source, version, &page).await?;
                documents.sort_by(|a, b| a.subject_id.cmp(&b.subject_id));
                documents.iter().map(crate::domain::subjects::Subject::published).collect()
            };
            sealer.add(source, &subjects).await?;
        }
    }
}

/// Places of cores that were free.
struct Idle<'a>(Vec<SemaphorePermit<'a>>);

impl<'a> Idle<'a> {
    /// Takes as many as are free and can be used, besides the one the asker has.
    fn of(cores: &'a Semaphore, usable: usize) -> Self {
        Self(std::iter::from_fn(|| cores.try_acquire().ok()).take(usable.saturating_sub(1)).collect())
    }
}

/// What every answer says of its source.
fn heading(source: &Source) -> QueryResponse {
    QueryResponse {
        source_id: source.source_id.to_string(),
        source_name: source.display_name.clone(),
        source_owner: source.owner.clone(),
        owner_email: source.owner_email.clone(),
        source_url: source.source_url.clone().unwrap_or_default(),
        ..QueryResponse::default()
    }
}

fn failed(source: &Source, reason: String) -> QueryResponse {
    QueryResponse { state: AnswerState::Error, error: Some(reason), ..heading(source) }
}

/// An error with its causes, for the log.
fn chain(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

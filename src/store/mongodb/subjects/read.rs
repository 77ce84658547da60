//! What a reader sees of a source: newest first over the changes and the base, asked again if a fold moved meanwhile.

use std::collections::{BTreeSet, HashMap, VecDeque};

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::layout::{self, CHANGE, LIFE, SUBJECT, SUBJECT_ID, number};
use super::source::{self, Found, Source};
use crate::domain::ids::SourceId;
use crate::domain::subjects::Subject;
use crate::store::mongodb::Base;
use crate::store::{Change, StoreError};

/// How often an answer is looked for again while changes are folded.
const TRIES: usize = 200;
/// Most ids asked for, and most documents fetched, at once.
const MOST: usize = 2_000;

/// What must stand still for an answer to be of one version.
#[derive(Debug, PartialEq)]
struct Stamp(Option<(i64, u64, u64, u64)>);

fn stamp(found: &Found) -> Stamp {
    match found {
        Found::Live(source) => Stamp(Some((source.life, source.level, source.folded, source.replaced_at))),
        Found::Adopted | Found::Leaving => Stamp(None),
    }
}

/// Where a version of a source lies.
#[derive(Debug)]
struct View {
    /// Collections of unfolded changes, newest first.
    changes: Vec<String>,
    base: String,
    /// Of the base: life and lowest change that count; without a life only what the original left.
    life: Option<i64>,
    lowest: i64,
    gone: Option<String>,
}

impl View {
    /// The place of a version, if there is anything to look at.
    fn of(id: &SourceId, found: &Found, version: u64) -> Result<Option<Self>, StoreError> {
        let base = layout::base(id);
        let live = match found {
            Found::Leaving => return Ok(None),
            Found::Adopted => {
                let (changes, gone) = (Vec::new(), None);
                return Ok(Some(Self { changes, base, life: None, lowest: 0, gone }));
            }
            Found::Live(live) => live,
        };
        let highest = version.max(live.level).min(live.data_version);
        let lowest = live.replaced_at.max(live.folded.saturating_add(1));
        let changes = (lowest..=highest).rev().filter_map(|n| live.change(n)).collect();
        Ok(Some(Self {
            changes,
            base,
            life: Some(live.life),
            lowest: layout::integer(live.replaced_at)?,
            gone: live.has_gone.then(|| layout::gone(id, live.life)),
        }))
    }

    /// The change that a document of the base comes from, if it counts.
    fn change_of(&self, stored: &Document) -> Option<i64> {
        match stored.contains_key(LIFE).then(|| number(stored, LIFE)) {
            Some(life) if Some(life) != self.life => None,
            Some(_) => Some(number(stored, CHANGE)).filter(|change| *change >= self.lowest),
            None => Some(0).filter(|_| self.lowest == 0),
        }
    }

    /// Of documents of the base in the order of ids: one per subject, the newest that counts and is not deleted.
    async fn living(&self, base: &Base, page: Vec<Document>) -> Result<Vec<(String, Document)>, StoreError> {
        let mut kept: Vec<(String, i64, Document)> = Vec::with_capacity(page.len());
        for stored in page {
            let Some(change) = self.change_of(&stored) else { continue };
            let Ok(id) = stored.get_str(SUBJECT_ID).map(str::to_owned) else { continue };
            match kept.last_mut().filter(|last| last.0 == id) {
                Some(last) if last.1 >= change => {}
                Some(last) => *last = (id, change, stored),
                None => kept.push((id, change, stored)),
            }
        }
        if let Some(gone) = self.gone.as_ref().filter(|_| !kept.is_empty()) {
            let ids: Vec<&str> = kept.iter().map(|(id, ..)| id.as_str()).collect();
            let notes = base.collection::<Document>(gone, false);
            let notes: Vec<Document> =
                notes.find(doc! { "_id": { "$in": ids } }).await?.try_collect().await?;
            let notes: HashMap<&str, i64> = notes
                .iter()
                .filter_map(|note| Some((note.get_str("_id").ok()?, number(note, CHANGE))))
                .collect();
            kept.retain(|(id, change, _)| notes.get(id.as_str()).is_none_or(|gone| gone <= change));
        }
        Ok(kept.into_iter().map(|(id, _, stored)| (id, stored)).collect())
    }
}

/// Whether the source stood still since it was found; else it is found anew, and the answer with it.
async fn stood_still(base: &Base, id: &SourceId, found: &mut Found) -> Result<bool, StoreError> {
    let now = source::find(base, id).await?;
    let still = stamp(&now) == stamp(found);
    *found = now;
    Ok(still)
}

fn restless(id: &SourceId) -> StoreError {
    StoreError::Unavailable(format!("source {id} is being folded all the time, try again"))
}

/// Those of the subjects that exist in the version.
pub(super) async fn get_many(
    base: &Base,
    id: &SourceId,
    version: u64,
    ids: &[String],
) -> Result<Vec<Subject>, StoreError> {
    let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut found = source::find(base, id).await?;
    for _ in 0..TRIES {
        let answer = all(base, id, &found, version, &ids).await;
        if stood_still(base, id, &mut found).await? {
            return decode(id, answer?).await;
        }
    }
    Err(restless(id))
}

async fn all(
    base: &Base,
    id: &SourceId,
    found: &Found,
    version: u64,
    ids: &[&str],
) -> Result<Vec<Document>, StoreError> {
    let Some(view) = View::of(id, found, version)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for part in ids.chunks(MOST) {
        all.append(&mut some(base, &view, part).await?);
    }
    Ok(all)
}

async fn some(base: &Base, view: &View, ids: &[&str]) -> Result<Vec<Document>, StoreError> {
    let mut wanted: BTreeSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut found = Vec::new();
    for change in &view.changes {
        if wanted.is_empty() {
            break;
        }
        let which = doc! { "_id": { "$in": wanted.iter().collect::<Vec<_>>() } };
        let states: Vec<Document> =
            base.collection::<Document>(change, false).find(which).await?.try_collect().await?;
        for mut state in states {
            wanted.remove(state.get_str("_id").unwrap_or_default());
            found.extend(subject_of(&mut state));
        }
    }
    if !wanted.is_empty() {
        let which = doc! { SUBJECT_ID: { "$in": wanted.iter().collect::<Vec<_>>() } };
        let mut stored: Vec<Document> =
            base.collection::<Document>(&view.base, false).find(which).await?.try_collect().await?;
        stored.sort_by(|a, b| a.get_str(SUBJECT_ID).ok().cmp(&b.get_str(SUBJECT_ID).ok()));
        found.extend(view.living(base, stored).await?.into_iter().map(|(_, stored)| stored));
    }
    Ok(found)
}

/// The subject of a change's document; a deletion has none.
fn subject_of(state: &mut Document) -> Option<Document> {
    state.remove(SUBJECT).and_then(|subject| subject.as_document().cloned())
}

async fn decode(id: &SourceId, documents: Vec<Document>) -> Result<Vec<Subject>, StoreError> {
    let id = id.clone();
    let read = move || documents.into_iter().map(|stored| layout::read(&id, stored)).collect();
    tokio::task::spawn_blocking(read).await.map_err(StoreError::engine)?
}

/// Those of the subjects that the change `n`, not committed yet, sets.
pub(super) async fn staged(
    base: &Base,
    id: &SourceId,
    n: u64,
    ids: &[String],
) -> Result<Vec<Subject>, StoreError> {
    let Some(live) = source::find(base, id).await?.live().filter(|live| n > live.data_version) else {
        return Ok(Vec::new());
    };
    let Some(change) = live.change(n) else { return Ok(Vec::new()) };
    let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for part in ids.into_iter().collect::<Vec<_>>().chunks(MOST) {
        let which = doc! { "_id": { "$in": part } };
        let states: Vec<Document> =
            base.collection::<Document>(&change, false).find(which).await?.try_collect().await?;
        found.extend(states.into_iter().filter_map(|mut state| subject_of(&mut state)));
    }
    decode(id, found).await
}

/// A page of change `n` itself. A change that is folded is part of the base; asking for it is a `Conflict`, for an
/// empty page would pass for an empty change.
pub(super) async fn scan_change(
    base: &Base,
    id: &SourceId,
    n: u64,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let folded = |live: &Source| match n <= live.level {
        true => Err(StoreError::Conflict(format!("change {n} of source {id} is folded into its base"))),
        false => Ok(()),
    };
    let Some(live) = source::find(base, id).await?.live() else { return Ok(Vec::new()) };
    folded(&live)?;
    let Some(change) = live.change(n) else { return Ok(Vec::new()) };
    let rest = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
    let states: Result<Vec<Document>, _> = async {
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = base.collection(&change, false).find(rest).sort(doc! { "_id": 1 }).limit(most).await?;
        found.try_collect().await
    }
    .await;
    // A fold that began meanwhile may have dropped it.
    if let Some(now) = source::find(base, id).await?.live() {
        folded(&now)?;
    }
    let id = id.clone();
    let states = states?;
    let read = move || {
        let change = |mut state: Document| match subject_of(&mut state) {
            Some(subject) => Ok(Change::Upsert(layout::read(&id, subject)?)),
            None => state.get_str("_id").map(|id| Change::Delete(id.to_owned())).map_err(StoreError::engine),
        };
        states.into_iter().map(change).collect()
    };
    tokio::task::spawn_blocking(read).await.map_err(StoreError::engine)?
}

/// A page of the subjects of a version in byte order (MongoDB compares texts so), after the given id.
pub(super) async fn scan(
    base: &Base,
    id: &SourceId,
    version: u64,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Subject>, StoreError> {
    let mut found = source::find(base, id).await?;
    for _ in 0..TRIES {
        let answer = match View::of(id, &found, version)? {
            Some(view) => page(base, &view, after, limit).await,
            None => Ok(Vec::new()),
        };
        if stood_still(base, id, &mut found).await? {
            return decode(id, answer?).await;
        }
    }
    Err(restless(id))
}

async fn page(
    base: &Base,
    view: &View,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Document>, StoreError> {
    // One more than wanted says whether a document that counts is the last of its subject.
    let chunk = limit.saturating_add(1).min(MOST);
    let mut layers: Vec<Layer<'_>> =
        view.changes.iter().map(|change| Layer::new(change, "_id", view, after, chunk)).collect();
    layers.push(Layer::new(&view.base, SUBJECT_ID, view, after, chunk));
    let mut page = Vec::new();
    while page.len() < limit {
        let mut next: Option<String> = None;
        for layer in &mut layers {
            let head = layer.head(base).await?;
            if let Some(head) = head.filter(|head| next.as_deref().is_none_or(|next| *head < next)) {
                next = Some(head.to_owned());
            }
        }
        let Some(next) = next else { break };
        // Every layer passes the subject; the first that has it, the newest, is the one that counts.
        let states: Vec<Document> = layers.iter_mut().filter_map(|layer| layer.take(&next)).collect();
        if let Some(stored) = states.into_iter().next() {
            page.extend(if stored.contains_key(SUBJECT_ID) {
                Some(stored)
            } else {
                subject_of(&mut { stored })
            });
        }
    }
    Ok(page)
}

/// A collection in the order of its ids, fetched as it is needed.
struct Layer<'a> {
    collection: &'a str,
    key: &'static str,
    view: &'a View,
    chunk: usize,
    after: Option<String>,
    buffer: VecDeque<(String, Document)>,
    ended: bool,
}

impl<'a> Layer<'a> {
    fn new(
        collection: &'a str,
        key: &'static str,
        view: &'a View,
        after: Option<&str>,
        chunk: usize,
    ) -> Self {
        let (after, buffer) = (after.map(str::to_owned), VecDeque::new());
        Self { collection, key, view, chunk, after, buffer, ended: false }
    }

    /// The next id, fetched if need be.
    async fn head(&mut self, base: &Base) -> Result<Option<&str>, StoreError> {
        while self.buffer.is_empty() && !self.ended {
            self.fetch(base).await?;
        }
        Ok(self.buffer.front().map(|(id, _)| id.as_str()))
    }

    /// Passes the id; the document if there is one.
    fn take(&mut self, id: &str) -> Option<Document> {
        let there = self.buffer.front().is_some_and(|(head, _)| head == id);
        self.buffer.pop_front_if(|_| there).map(|(_, stored)| stored)
    }

    async fn fetch(&mut self, base: &Base) -> Result<(), StoreError> {
        let is_base = self.key == SUBJECT_ID;
        if is_base && self.after.is_none() {
            self.look_for_index(base).await?;
        }
        // The empty text is the least; what is no text is no id.
        let rest = match &self.after {
            Some(after) => doc! { self.key: { "$gt": after } },
            None => doc! { self.key: { "$gte": "" } },
        };
        let mut fetched: Vec<Document> = base
            .collection::<Document>(self.collection, false)
            .find(rest)
            .sort(doc! { self.key: 1 })
            .limit(i64::try_from(self.chunk).unwrap_or(i64::MAX))
            .allow_disk_use(true)
            .await?
            .try_collect()
            .await?;
        self.ended = fetched.len() < self.chunk;
        let key = |stored: &Document| stored.get_str(self.key).unwrap_or_default().to_owned();
        if is_base && !self.ended {
            // Adopted duplicates of the last subject may follow: unless it is the only one, it is fetched anew.
            let last = fetched.last().map(key);
            let before = fetched.iter().filter(|stored| Some(key(stored)) != last).count();
            if before > 0 {
                fetched.truncate(before);
            }
        }
        self.after = fetched.last().map(key).or_else(|| self.after.take());
        self.buffer = if is_base {
            self.view.living(base, fetched).await?.into()
        } else {
            fetched.into_iter().map(|stored| (key(&stored), stored)).collect()
        };
        Ok(())
    }

    /// An adopted base has no index of ours until it is read.
    async fn look_for_index(&self, base: &Base) -> Result<(), StoreError> {
        let subjects = base.collection::<Document>(self.collection, false);
        if subjects.find_one(Document::new()).projection(doc! { "_id": 1 }).await?.is_some() {
            base.indexes.of_subjects(base, self.collection).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Layer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").field("collection", &self.collection).field("after", &self.after).finish()
    }
}

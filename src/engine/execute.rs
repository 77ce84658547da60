//! Running a plan: chunk by chunk, cheapest condition first, every chunk to the end.
//!
//! Boolean, range and count run exactly this; nobody can tell from the time which one was asked for.

use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use super::part::{Codes, ColumnReader, Located, Part, Selected, Union};
use super::plan::{Group, Plan, Predicate, Test};
use super::threshold::Counters;
use super::view::{SourceView, Visible};
use super::words::{CHUNK, WORDS, Words, and, and_not, count, or};

/// The plan belongs to another version of the source.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the plan was made for another version of the source; make it anew for this one")]
pub struct PlanMismatch;

/// The subjects that satisfy a plan.
#[derive(Debug, Default)]
pub struct Hits {
    parts: Vec<PartHits>,
    len: u64,
}

#[derive(Debug)]
struct PartHits {
    part: Arc<Part>,
    /// Ascending. Those without a hit are kept too, and all are counted once: the time does not tell none from some.
    chunks: Vec<(usize, Box<Words>)>,
    len: u64,
}

/// Executes a plan on the view it was made from.
pub fn execute(plan: &Plan, view: &SourceView) -> Result<Hits, PlanMismatch> {
    execute_on(plan, view, 1)
}

/// The same with parts of several chunks shared out among up to `threads` threads.
pub fn execute_on(plan: &Plan, view: &SourceView, threads: usize) -> Result<Hits, PlanMismatch> {
    if plan.view != view.identity() {
        return Err(PlanMismatch);
    }
    let mut hits = Hits::default();
    for visible in view.parts() {
        let found = run(plan, visible, threads);
        hits.len += found.len;
        hits.parts.push(found);
    }
    Ok(hits)
}

/// A group bound to a part: only keys and values the part has.
struct BoundGroup<'a> {
    keys: Vec<usize>,
    /// The keys united, where that was asked before.
    union: Option<Union>,
    tests: Vec<Selected<'a>>,
    /// Subjects at most.
    size: u64,
}

enum Bound<'a> {
    Within { at_least: usize, groups: Vec<BoundGroup<'a>> },
    Without(Box<Without<'a>>),
    Never,
}

struct Without<'a> {
    /// Subjects with a value of the test's type.
    typed: Selected<'a>,
    /// `None` when the part has nothing that passes the test.
    test: Option<Selected<'a>>,
}

fn run(plan: &Plan, visible: &Visible, threads: usize) -> PartHits {
    let part = &visible.part;
    let mut found = PartHits { part: Arc::clone(part), chunks: Vec::new(), len: 0 };
    let mut cursors: Vec<Located<'_>> = Vec::new();
    let mut places = Vec::with_capacity(plan.keys.len());
    for found in part.postings(&plan.keys) {
        places.push(found.map(|located| {
            cursors.push(located);
            cursors.len() - 1
        }));
    }
    let mut bound: Vec<((u8, f64), Bound<'_>)> = Vec::with_capacity(plan.predicates.len());
    for predicate in &plan.predicates {
        let predicate = bind(predicate, part, &places, &cursors);
        if matches!(predicate, Bound::Never) {
            return found;
        }
        bound.push((rank(&predicate, part.subjects() as f64, part.chunks() as f64), predicate));
    }
    bound.sort_by(|((a, x), _), ((b, y), _)| a.cmp(b).then_with(|| x.total_cmp(y)));
    let chunks = part.chunks();
    let share = chunks.div_ceil(threads.clamp(1, chunks.max(1))).max(1);
    let mut ranges = (0..chunks).step_by(share).map(|first| first..chunks.min(first + share));
    // The first share is done here: most parts have no other. A chunk is worth a thread.
    let own = ranges.next().unwrap_or(0..0);
    std::thread::scope(|scope| {
        let others: Vec<_> = ranges
            .map(|range| {
                let (bound, cursors) = (&bound, cursors.clone());
                scope.spawn(move || walk(bound, cursors, visible, range))
            })
            .collect();
        (found.chunks, found.len) = walk(&bound, cursors, visible, own);
        for other in others {
            match other.join() {
                Ok((chunks, len)) => {
                    found.chunks.extend(chunks);
                    found.len += len;
                }
                Err(defect) => std::panic::resume_unwind(defect),
            }
        }
    });
    found
}

/// The subjects of some chunks that satisfy every condition, applied in the order given, and how many.
fn walk(
    bound: &[((u8, f64), Bound<'_>)],
    mut cursors: Vec<Located<'_>>,
    visible: &Visible,
    chunks: Range<usize>,
) -> (Vec<(usize, Box<Words>)>, u64) {
    let mut found = Vec::with_capacity(chunks.len());
    let mut len = 0;
    let mut scratch = Scratch::default();
    for chunk in chunks {
        let mut acc = Box::new([0; WORDS]);
        visible.live(chunk, &mut acc);
        let mut left = count(&acc);
        for (_, predicate) in bound {
            if left == 0 {
                break;
            }
            scratch.apply(predicate, chunk, &mut cursors, left, &mut acc);
            left = count(&acc);
        }
        found.push((chunk, acc));
        len += left as u64;
    }
    (found, len)
}

fn bind<'a>(
    predicate: &Predicate,
    part: &'a Part,
    places: &[Option<usize>],
    cursors: &[Located<'_>],
) -> Bound<'a> {
    match predicate {
        Predicate::Within { at_least, groups } => {
            let mut groups: Vec<_> =
                groups.iter().map(|group| bind_group(group, part, places, cursors)).collect();
            groups.retain(|group| !group.keys.is_empty() || !group.tests.is_empty());
            if groups.len() < *at_least {
                return Bound::Never;
            }
            groups.sort_by_key(|group| group.size);
            Bound::Within { at_least: *at_least, groups }
        }
        Predicate::Without { column, test } => {
            let Some(column) = part.column(column) else { return Bound::Never };
            let typed = match test {
                Test::Numbers(_) => column.all_numbers(),
                Test::Texts(_) => column.all_texts(),
                Test::Bools(_) => column.of_bools(&[false, true]),
            };
            let Some(codes) = typed else { return Bound::Never };
            let test = select(column, test).map(|codes| Selected { column, codes });
            Bound::Without(Box::new(Without { typed: Selected { column, codes }, test }))
        }
    }
}

fn bind_group<'a>(
    group: &Group,
    part: &'a Part,
    places: &[Option<usize>],
    cursors: &[Located<'_>],
) -> BoundGroup<'a> {
    let keys: Vec<usize> =
        group.keys.iter().filter_map(|key| places.get(*key as usize).copied().flatten()).collect();
    let tests: Vec<Selected<'a>> = group
        .tests
        .iter()
        .filter_map(|(column, test)| {
            let column = part.column(column)?;
            Some(Selected { column, codes: select(column, test)? })
        })
        .collect();
    let by_key: u64 = keys.iter().filter_map(|key| cursors.get(*key)).map(|cursor| cursor.cardinality).sum();
    let by_test: u64 = tests.iter().map(expected).sum();
    let place = |key: &usize| cursors.get(*key).map(|located| located.place);
    let table: Vec<u32> = keys.iter().filter_map(place).collect();
    let mut walked = None;
    let union = part.union(&table, |chunk, words| {
        unite_keys(&keys, chunk, walked.get_or_insert_with(|| cursors.to_vec()), words);
    });
    BoundGroup { keys, union, tests, size: by_key + by_test }
}

/// How many subjects a selection is expected to have if all values are equally frequent.
fn expected(selected: &Selected<'_>) -> u64 {
    let share = selected.codes.len() as f64 / f64::from(selected.column.values().max(1));
    (selected.column.rows() as f64 * share) as u64
}

fn select(column: ColumnReader<'_>, test: &Test) -> Option<Codes> {
    match test {
        Test::Numbers(intervals) => column.of_numbers(intervals),
        Test::Texts(texts) => column.of_texts(texts),
        Test::Bools(bools) => column.of_bools(bools),
    }
}

/// When a condition is applied: lowest first.
///
/// Uniting postings costs the same however few subjects are left, unless none is; looking into a column costs
/// less the fewer are left. So what empties most chunks comes first, then keys, then columns, each by cost per
/// subject removed (Hellerstein and Stonebraker 1993, "Predicate migration").
fn rank(predicate: &Bound<'_>, subjects: f64, chunks: f64) -> (u8, f64) {
    let (cost, kept, by_key) = match predicate {
        Bound::Within { at_least, groups } => {
            let scanned: usize =
                groups.iter().flat_map(|group| &group.tests).map(|test| test.column.rows()).sum();
            let sizes: f64 = groups.iter().map(|group| group.size as f64).sum();
            let cost = if scanned == 0 { sizes } else { scanned as f64 / 8.0 };
            // At least k of n holds of no more than the sum of sizes ÷ k.
            (cost, sizes / (*at_least).max(1) as f64, scanned == 0)
        }
        Bound::Without(without) => (without.typed.column.rows() as f64 / 4.0, subjects * 0.9, false),
        Bound::Never => (0.0, 0.0, true),
    };
    let class = match by_key {
        _ if kept * 2.0 < chunks => 0,
        true => 1,
        false => 2,
    };
    (class, cost / (subjects - kept).max(subjects * 0.01).max(1.0))
}

struct Scratch {
    one: Box<Words>,
    two: Box<Words>,
    counters: Counters,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { one: Box::new([0; WORDS]), two: Box::new([0; WORDS]), counters: Counters::default() }
    }
}

impl Scratch {
    fn apply(
        &mut self,
        predicate: &Bound<'_>,
        chunk: usize,
        cursors: &mut [Located<'_>],
        left: usize,
        acc: &mut Words,
    ) {
        match predicate {
            Bound::Within { at_least: 1, groups } => {
                self.one.fill(0);
                for group in groups {
                    unite(group, chunk, cursors, left, acc, &mut self.one);
                }
                and(acc, &self.one);
            }
            Bound::Within { at_least, groups } => {
                self.counters.clear();
                for group in groups {
                    self.one.fill(0);
                    unite(group, chunk, cursors, left, acc, &mut self.one);
                    self.counters.add(&self.one);
                }
                self.counters.at_least(*at_least, acc);
            }
            Bound::Without(without) => {
                self.one.fill(0);
                without.typed.or_into(chunk, acc, left, &mut self.one);
                if let Some(test) = &without.test {
                    self.two.fill(0);
                    test.or_into(chunk, acc, left, &mut self.two);
                    and_not(&mut self.one, &self.two);
                }
                and(acc, &self.one);
            }
            Bound::Never => acc.fill(0),
        }
    }
}

/// Adds the subjects of a group; those outside `acc` may be left out.
fn unite(
    group: &BoundGroup<'_>,
    chunk: usize,
    cursors: &mut [Located<'_>],
    left: usize,
    acc: &Words,
    words: &mut Words,
) {
    match group.union.as_ref().and_then(|union| union.get(chunk)) {
        Some(union) => or(words, union),
        None => unite_keys(&group.keys, chunk, cursors, words),
    }
    for test in &group.tests {
        test.or_into(chunk, acc, left, words);
    }
}

fn unite_keys(keys: &[usize], chunk: usize, cursors: &mut [Located<'_>], words: &mut Words) {
    for key in keys {
        if let Some(located) = cursors.get_mut(*key) {
            located.posting.seek(chunk);
            located.posting.or_into(chunk, words);
        }
    }
}

impl Hits {
    /// How many subjects.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ids of the subjects in byte order, one after the other.
    pub fn into_ids(self) -> Ids {
        Ids { walks: self.parts.into_iter().map(Walk::start).filter(|walk| walk.head.is_some()).collect() }
    }
}

/// Walks through the ids of found subjects; holds the parts open, but never more than one id of each.
#[derive(Debug)]
pub struct Ids {
    walks: Vec<Walk>,
}

/// A part on the way; `head` is its next id, `None` at its end.
#[derive(Debug)]
struct Walk {
    found: PartHits,
    /// Among the chunks found.
    chunk: usize,
    word: usize,
    /// What is left of the word.
    left: u64,
    head: Option<String>,
}

impl Iterator for Ids {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // Parts are few, and a subject is visible in one of them only.
        let first =
            self.walks.iter_mut().filter(|walk| walk.head.is_some()).min_by(|a, b| a.head.cmp(&b.head))?;
        let next = first.next_id();
        std::mem::replace(&mut first.head, next)
    }
}

impl Walk {
    fn start(found: PartHits) -> Self {
        let left = found.chunks.first().and_then(|(_, words)| words.first()).copied().unwrap_or(0);
        let mut walk = Self { found, chunk: 0, word: 0, left, head: None };
        walk.head = walk.next_id();
        walk
    }

    fn next_id(&mut self) -> Option<String> {
        loop {
            let (number, words) = self.found.chunks.get(self.chunk)?;
            if self.left != 0 {
                let bit = self.left.trailing_zeros() as usize;
                self.left &= self.left - 1;
                return self.found.part.subject_id(number * CHUNK + self.word * 64 + bit);
            }
            self.word += 1;
            if self.word == words.len() {
                (self.chunk, self.word) = (self.chunk + 1, 0);
            }
            let words = self.found.chunks.get(self.chunk).map(|(_, words)| words);
            self.left = words.and_then(|words| words.get(self.word)).copied().unwrap_or(0);
        }
    }
}

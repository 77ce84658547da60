//! Counting in cohort P on one thread, warm, without a cache of results.
//!
//! A query takes three terms drawn by frequency at similarity 0.5, two of which must match, twenty years of age, and
//! one numeric attribute. Its time is that of planning (expansion included) and execution.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cv3_backend::domain::queries::{AgeRange, Builder, EavFilter, Granularity, Relation, TermFilter};
use cv3_backend::engine::{Part, PartBuilder, Plan, Scope, SourceView, execute};
use cv3_backend::terms::Terms;
use serde_json::{Value, json};

use crate::Bench;
use crate::cohort::Cohort;
use crate::dice::Dice;
use crate::report::Target::{AtMost, Open};
use crate::report::Unit::{Bytes, Count, Ratio};
use crate::report::quantile;

const QUERIES: usize = 1_000;
const WARMING: usize = 100;
const BATCH: usize = 50_000;

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let cohort = Cohort::p(&bench.terms)?;
    let usual = if bench.quick { vec![10_000, 100_000] } else { vec![10_000, 100_000, 1_000_000] };
    let sizes = if bench.sizes.is_empty() { usual } else { bench.sizes.clone() };
    sizes.into_iter().try_for_each(|size| count(bench, &cohort, size))
}

/// The terms, ages and number of one question.
pub struct Question {
    terms: Vec<String>,
    from: u8,
    visits: usize,
}

impl Question {
    pub fn draw(cohort: &Cohort, dice: &mut Dice) -> Self {
        let mut terms: Vec<String> = Vec::new();
        while terms.len() < 3 {
            let term = cohort.term(dice);
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        Self { terms, from: dice.below(60) as u8, visits: dice.below(300) }
    }

    pub fn builder(&self) -> Builder {
        let mut builder = Builder::default();
        builder.hpo.push(TermFilter {
            terms: self.terms.clone(),
            similarity: 0.5,
            minimum_match: 2,
            cross: false,
            include_descendants: false,
        });
        builder.subject.age = Some(AgeRange { min: Some(self.from), max: Some(self.from + 20) });
        builder.eav.push(EavFilter {
            attribute: "visits".into(),
            relation: Relation::NumericGreaterThan,
            value: json!(self.visits),
        });
        builder
    }

    /// The same as a client sends it; the attribute is left to those who have it.
    pub fn body(&self) -> Value {
        json!({
            "subject": {"age": {"min": self.from, "max": self.from + 20}},
            "hpo": [{
                "terms": self.terms.iter().map(|term| format!("HP:{term}")).collect::<Vec<_>>(),
                "similarity": 0.5, "minimumMatch": 2,
            }],
            "advanced": {"granularity": "count"},
        })
    }
}

fn count(bench: &mut Bench, cohort: &Cohort, size: usize) -> anyhow::Result<()> {
    let mut dice = Dice(23);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("part");
    let mut builder = PartBuilder::new(bench.terms.release());
    for batch in dice.uuids(size).chunks(BATCH) {
        for subject in cohort.subjects(&mut dice, batch) {
            builder.add(&subject)?;
        }
    }
    builder.finish(&mut std::io::BufWriter::new(std::fs::File::create(&path)?))?;
    let start = Instant::now();
    let view = SourceView::open(vec![Arc::new(Part::open(&path)?)]);
    bench.report.time(&format!("{size} subjects: index opened and checked"), &[start.elapsed()], Open);
    ensure!(view.record_count() == size as u64, "{} of {size} subjects indexed", view.record_count());
    let scope = Scope { level: Granularity::Count, ..Scope::default() };
    let (mut planned, mut whole, mut found) = (Vec::new(), Vec::new(), 0);
    let (mut keys, mut bytes) = (Vec::new(), Vec::new());
    for round in 0..WARMING + QUERIES {
        let builder = Question::draw(cohort, &mut dice).builder();
        // Each query is as if it were the first; those that follow one another are measured below.
        view.forget_unions();
        let start = Instant::now();
        let plan = Plan::make(&builder, &view, &*bench.terms, &scope);
        let planning = start.elapsed();
        let hits = execute(&plan, &view)?.len();
        let all = start.elapsed();
        if round >= WARMING {
            planned.push(planning);
            whole.push(all);
            found += hits;
            let work = plan.work(&view);
            keys.push(work.keys as f64);
            bytes.push(work.bytes() as f64);
        }
    }
    ensure!(found > 0, "no query found anything");
    planned.sort_unstable();
    whole.sort_unstable();
    let [half, most] = if size >= 1_000_000 { [AtMost(1e-3), AtMost(4e-3)] } else { [Open, Open] };
    let at = |of: &[Duration], thousandth| [quantile(of, thousandth)];
    bench.report.time(&format!("{size} subjects: count, p50 of {QUERIES}"), &at(&whole, 500), half);
    bench.report.time(&format!("{size} subjects: count, p99"), &at(&whole, 990), most);
    bench.report.time(&format!("{size} subjects: planning in it, p50"), &at(&planned, 500), Open);
    bench.report.note(&format!("{} found on average", found / QUERIES as u64));
    bench.report.time(
        &format!("{size} subjects: count, p50, terms asked before"),
        &[again(bench, cohort, &view)?],
        Open,
    );
    bound(bench, size, &keys, &bytes, quantile(&whole, 500));
    Ok(())
}

/// The median where the same terms come again and again with other ages and numbers, as from a search page.
fn again(bench: &Bench, cohort: &Cohort, view: &SourceView) -> anyhow::Result<Duration> {
    let scope = Scope { level: Granularity::Count, ..Scope::default() };
    let mut dice = Dice(41);
    let mut times = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES / 10 {
        let asked = Question::draw(cohort, &mut dice);
        for round in 0..12 {
            let other =
                Question { from: dice.below(60) as u8, visits: dice.below(300), terms: asked.terms.clone() };
            let builder = other.builder();
            let start = Instant::now();
            execute(&Plan::make(&builder, view, &*bench.terms, &scope), view)?;
            if round >= 2 {
                times.push(start.elapsed());
            }
        }
    }
    times.sort_unstable();
    Ok(quantile(&times, 500))
}

/// What the machine allows: the bytes of a query's postings and columns, each read once as fast as memory gives them.
fn bound(bench: &mut Bench, size: usize, keys: &[f64], bytes: &[f64], half: Duration) {
    let per_second = bandwidth();
    let least = Duration::from_secs_f64(median(bytes) / per_second);
    bench.report.figure(
        &format!("{size} subjects: postings united for a query"),
        keys,
        Count("postings"),
        Open,
    );
    bench.report.figure(&format!("{size} subjects: bytes read for a query"), bytes, Bytes, Open);
    bench.report.time(&format!("{size} subjects: … at the speed of memory"), &[least], Open);
    let times = half.as_secs_f64() / least.as_secs_f64();
    bench.report.figure(&format!("{size} subjects: count, p50 in units of that"), &[times], Ratio, Open);
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Bytes a second that one thread reads of 512 MiB: the best of five runs, adding up words.
fn bandwidth() -> f64 {
    let words = vec![1u64; 1 << 26];
    let once = || {
        let start = Instant::now();
        std::hint::black_box(
            std::hint::black_box(&words).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)),
        );
        (words.len() * 8) as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

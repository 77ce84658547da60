//! Whether the time of an answer tells how many there are: Welch's t between answers that differ only in that.
//!
//! After Reparaz, Balasch and Verbauwhede 2017, "Dude, is my code constant time?": queries of the classes interleaved
//! by chance, the slowest of all cut off, |t| below 4.5. A query is planned, executed, shaped at the level count with
//! `minimumCount` k, and written as JSON.

use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use cv3_backend::domain::groups::Permit;
use cv3_backend::domain::queries::{Builder, Granularity, QueryResponse};
use cv3_backend::engine::privacy::{EPSILON, Noise, shape};
use cv3_backend::engine::{Part, PartBuilder, Plan, Scope, SourceView, execute};
use cv3_backend::terms::Terms;
use serde_json::json;

use crate::Bench;
use crate::dice::Dice;
use crate::report::{Target, Unit};

const SUBJECTS: usize = 100_000;
const QUERIES: usize = 100_000;
/// Subjects with each term.
const CARRIERS: usize = 1_000;
const K: usize = 10;
/// Of a thousand times the longest are left out: in them something else ran.
const KEPT: usize = 950;

/// How many have both terms of a question.
const CLASSES: [(&str, usize); 4] = [("0", 0), ("1", 1), ("k − 1", K - 1), ("k", K)];

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let (queries, subjects) = (bench.size(QUERIES, QUERIES / 10), bench.size(SUBJECTS, SUBJECTS / 10));
    let mut dice = Dice(41);
    let view = source(bench, subjects)?;
    let both =
        |class: usize| json!({"hpo": [{"terms": ["HP:9000000"]}, {"terms": [format!("HP:900001{class}")]}]});
    let questions = [0, 1, 2, 3].map(both);
    let classes = times(bench, &view, &questions, CLASSES.map(|(_, n)| n), queries, &mut dice)?;
    bench
        .report
        .note(&format!("{queries} queries, two terms of {CARRIERS} each of {subjects} subjects, k = {K}"));
    let named: Vec<_> = CLASSES.iter().map(|(name, _)| name).zip(&classes).collect();
    for (at, (one, a)) in named.iter().enumerate() {
        for (other, b) in named.iter().skip(at + 1) {
            let what = format!("{one} against {other} subjects: |t|");
            bench.report.figure(&what, &[welch(a, b).abs()], Unit::Plain, Target::AtMost(4.5));
        }
    }
    // A term that no subject has is not in the index at all.
    let alone = ["HP:9000020", "HP:9000021"].map(|term| json!({"hpo": [{"terms": [term]}]}));
    let classes = times(bench, &view, &alone, [0, K - 1], queries / 10, &mut dice)?;
    if let [none, few] = &*classes {
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
        bench.report.figure(
            "a term nobody has against one of k − 1: |t|",
            &[welch(none, few).abs()],
            Unit::Plain,
            Target::Open,
        );
        bench.report.figure("… by how much later", &[mean(few) - mean(none)], Unit::Seconds, Target::Open);
    }
    Ok(())
}

/// Everyone's first term has the same subjects but for the few they share with the second.
fn source(bench: &Bench, subjects: usize) -> anyhow::Result<SourceView> {
    let every = (subjects / CARRIERS).max(4);
    let mut builder = PartBuilder::new(bench.terms.release());
    for number in 0..subjects {
        let (group, place) = (number / every, number % every);
        let mut terms = Vec::new();
        if place == 0 {
            terms.push("9000000".to_owned());
        }
        for (class, (_, n)) in CLASSES.iter().enumerate() {
            if place == usize::from(group >= *n) {
                terms.push(format!("900001{class}"));
            }
        }
        if place == 2 && group < K - 1 {
            terms.push("9000021".to_owned());
        }
        let subject = json!({"subjectId": format!("{number:08}"), "HPO": terms});
        builder.add(&serde_json::from_value(subject)?)?;
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes)?;
    Ok(SourceView::open(vec![Arc::new(Part::from_bytes(bytes)?)]))
}

/// Seconds of each class of question, asked in an order of chance.
fn times<const N: usize>(
    bench: &Bench,
    view: &SourceView,
    questions: &[serde_json::Value; N],
    expected: [usize; N],
    queries: usize,
    dice: &mut Dice,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let builders = questions.iter().map(Builder::read).collect::<Result<Vec<_>, _>>()?;
    let permit = Permit { level: Granularity::Count, minimum_count: K as u64, list_below_minimum: false };
    let scope = Scope { level: permit.level, ..Scope::default() };
    let mut taken: Vec<Vec<f64>> = vec![Vec::with_capacity(queries / N * 2); N];
    for round in 0..queries + queries / 100 {
        let class = dice.below(N);
        let (Some(builder), Some(taken)) = (builders.get(class), taken.get_mut(class)) else { continue };
        let start = Instant::now();
        let plan = Plan::make(builder, view, &*bench.terms, &scope);
        let n = execute(&plan, view)?.len();
        let noise = Noise {
            key: b"key",
            acting: "bench",
            source_id: "bench",
            data_version: 1,
            plan: plan.digest(),
            epsilon: EPSILON,
        };
        let shaped = shape(n, view.record_count(), Granularity::Count, &permit, &noise);
        let answer = QueryResponse {
            exist: shaped.exist,
            record_range: shaped.range,
            record_count: shaped.count,
            ..QueryResponse::default()
        };
        let text = serde_json::to_vec(&answer)?;
        let time = start.elapsed().as_secs_f64();
        std::hint::black_box(text);
        ensure!(expected.get(class) == Some(&(n as usize)), "{n} found in class {class}");
        // The first are for warming.
        if round >= queries / 100 {
            taken.push(time);
        }
    }
    let mut all: Vec<f64> = taken.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let longest = all.get(all.len() * KEPT / 1_000).copied().unwrap_or(f64::INFINITY);
    taken.iter_mut().for_each(|times| times.retain(|time| *time <= longest));
    Ok(taken)
}

/// Welch's t of two samples of unequal variance (Welch 1947).
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let of = |sample: &[f64]| {
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((a, v), (b, w)) = (of(one), of(other));
    (a - b) / (v + w).sqrt()
}

//! What an index weighs: on disk, while it is built, and open, for each subject of a large source.

use std::sync::Arc;

use anyhow::{Context, ensure};
use cv3_backend::domain::queries::{AgeRange, Builder};
use cv3_backend::engine::{Part, PartBuilder, Plan, Scope, SourceView, execute};
use cv3_backend::terms::Terms;

use crate::Bench;
use crate::cohort::Cohort;
use crate::dice::Dice;
use crate::machine;
use crate::query::Question;
use crate::report::Target::{AtMost, Open};
use crate::report::Unit;

/// Subjects of a part, as ingestion makes them.
const PART: usize = 1_000_000;
const BATCH: usize = 20_000;
const QUERIES: usize = 200;

/// Bytes.
const MOST_MEMORY: f64 = 4.0 * (1u64 << 30) as f64;

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let sizes =
        if bench.sizes.is_empty() { vec![bench.size(1_000_000, 50_000)] } else { bench.sizes.clone() };
    for size in sizes {
        let cohort = Cohort::p(&bench.terms)?;
        let asked = |dice: &mut Dice| Question::draw(&cohort, dice).builder();
        weigh(bench, ("P", 150.0), &cohort, size, &asked)?;
        let cohort = Cohort::w(&bench.terms)?;
        weigh(bench, ("W", 600.0), &cohort, size, &by_age)?;
    }
    Ok(())
}

/// What can be asked of a registry without terms.
fn by_age(dice: &mut Dice) -> Builder {
    let from = dice.below(60) as u8;
    let mut builder = Builder::default();
    builder.subject.age = Some(AgeRange { min: Some(from), max: Some(from + 20) });
    builder
}

fn weigh(
    bench: &mut Bench,
    (name, most): (&str, f64),
    cohort: &Cohort,
    size: usize,
    asked: &dyn Fn(&mut Dice) -> Builder,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut dice = Dice(31);
    let (mut paths, mut left, mut bytes) = (Vec::new(), size, 0);
    machine::forget_peak()?;
    while left > 0 {
        let count = left.min(PART);
        left -= count;
        let mut builder = PartBuilder::new(bench.terms.release());
        for batch in dice.uuids(count).chunks(BATCH) {
            for id in batch {
                builder.add(&cohort.subject(&mut dice, *id))?;
            }
        }
        let path = folder.path().join(paths.len().to_string());
        bytes += builder.finish(&mut std::io::BufWriter::new(std::fs::File::create(&path)?))?.bytes;
        paths.push(path);
    }
    let peak = machine::peak().context("the peak of resident memory")?;
    let before = machine::mapped().context("resident memory")?;
    let parts = paths.iter().map(|path| Part::open(path).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let view = SourceView::open(parts);
    let scope = Scope::default();
    let mut found = 0;
    for _ in 0..QUERIES {
        let plan = Plan::make(&asked(&mut dice), &view, &*bench.terms, &scope);
        found += execute(&plan, &view)?.len();
    }
    ensure!(view.record_count() == size as u64, "{} of {size} subjects", view.record_count());
    let after = machine::mapped().context("resident memory")?;
    let each = |bytes: f64| [bytes / size as f64];
    let mut line = |what: &str, value: f64, target| {
        bench.report.figure(
            &format!("{name}, {size} subjects: {what}"),
            &each(value),
            Unit::Count("B a subject"),
            target,
        );
    };
    line("index on disk", bytes as f64, AtMost(most));
    line("mapped memory of the open index after 200 queries", (after - before).max(0.0), Open);
    let target = if size >= 10_000_000 { AtMost(MOST_MEMORY) } else { Open };
    let whole = format!("{name}, {size} subjects: peak of the process while building");
    bench.report.figure(&whole, &[peak], Unit::Bytes, target);
    bench.report.note(&format!("{} parts; {} found on average", paths.len(), found / QUERIES as u64));
    Ok(())
}

//! Building index parts from subjects in memory, and what they weigh.

use std::time::{Duration, Instant};

use cv3_backend::engine::PartBuilder;
use cv3_backend::terms::Terms;

use crate::Bench;
use crate::cohort::Cohort;
use crate::dice::Dice;
use crate::report::Target::{AtLeast, AtMost};
use crate::report::Unit;

/// Subjects held at a time: only building is timed, and memory stays small.
const BATCH: usize = 20_000;

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let cohort = Cohort::p(&bench.terms)?;
    let count = bench.size(200_000, 50_000);
    build(bench, "P", &cohort, count, (500_000.0, 150.0))?;
    let cohort = Cohort::w(&bench.terms)?;
    let count = bench.size(40_000, 10_000);
    build(bench, "W", &cohort, count, (60_000.0, 600.0))
}

fn build(
    bench: &mut Bench,
    name: &str,
    cohort: &Cohort,
    count: usize,
    (rate, size): (f64, f64),
) -> anyhow::Result<()> {
    bench.report.note(&format!("{name}: {}", cohort.shape()));
    let ids = Dice(17).uuids(count);
    let (mut runs, mut bytes) = (Vec::new(), 0);
    for run in 0..bench.size(5, 3) {
        let mut dice = Dice(run as u64);
        let mut builder = PartBuilder::new(bench.terms.release());
        let mut building = Duration::ZERO;
        for batch in ids.chunks(BATCH) {
            let subjects = cohort.subjects(&mut dice, batch);
            let start = Instant::now();
            subjects.iter().try_for_each(|subject| builder.add(subject))?;
            building += start.elapsed();
        }
        let mut part = Vec::new();
        let start = Instant::now();
        bytes = builder.finish(&mut part)?.bytes;
        runs.push(building + start.elapsed());
    }
    bench.report.rate(
        &format!("{name}: index of {count} subjects built from memory"),
        count,
        "subjects",
        &runs,
        AtLeast(rate),
    );
    bench.report.figure(
        &format!("{name}: bytes of index a subject"),
        &[bytes as f64 / count as f64],
        Unit::Bytes,
        AtMost(size),
    );
    Ok(())
}

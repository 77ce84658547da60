//! Growth: how memory and time go with the number of subjects, and what a small change costs beside a large source.
//!
//! Each size has a process of its own, since memory is measured at its peak.

use anyhow::{Context, ensure};

use crate::Bench;
use crate::home::Folder;
use crate::machine;
use crate::report::Target::{AtMost, Open};
use crate::report::Unit;
use crate::table::narrow;

/// Rows of a change.
const CHANGE: usize = 10_000;

/// Changes, so many that parts are merged on the way.
const CHANGES: usize = 12;

/// Bytes.
const MOST_MEMORY: f64 = 4.0 * (1u64 << 30) as f64;

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let sizes =
        if bench.sizes.is_empty() { vec![bench.size(1_000_000, 50_000)] } else { bench.sizes.clone() };
    ensure!(sizes.len() == 1, "give one number of subjects: memory is measured at its peak");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    sizes.into_iter().try_for_each(|size| runtime.block_on(run(bench, size)))
}

async fn run(bench: &mut Bench, size: usize) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let home = folder.open().await?;
    let source = home.source("large").await?;
    let table = narrow(&bench.terms, folder.path(), "base.csv", 5, size)?;
    machine::forget_peak()?;
    let rows = home.pipeline("rows", "filePipeline", table.file_pipeline.clone()).await?;
    let meaning = home.pipeline("meaning", "remapPipeline", table.remap.clone()).await?;
    let took = home.ingest(&source, &table.path, &rows, Some(&meaning), size).await?;
    bench.report.rate(
        &format!("{size} rows of 8 columns, uploaded to searchable"),
        size,
        "rows",
        &[took],
        Open,
    );
    std::fs::remove_file(&table.path)?;
    memory(
        bench,
        "… peak of the whole process",
        if size >= 10_000_000 { AtMost(MOST_MEMORY) } else { Open },
    )?;
    let base = home.parts(&source).await?;
    let bytes: u64 = base.iter().map(|part| part.bytes).sum();
    bench.report.figure("… index", &[bytes as f64 / size as f64], Unit::Count("B a subject"), Open);
    bench.report.note(&format!("{} parts", base.len()));

    let (mut times, mut most_parts) = (Vec::new(), 0);
    for change in 1..=CHANGES {
        let table =
            narrow(&bench.terms, folder.path(), &format!("{change}.csv"), 100 + change as u64, CHANGE)?;
        let expected = size + change * CHANGE;
        times.push(home.ingest(&source, &table.path, &rows, Some(&meaning), expected).await?);
        let parts = home.parts(&source).await?;
        let kept = base.iter().filter(|part| parts.iter().any(|other| other.blob == part.blob)).count();
        ensure!(kept > 0 || size < 20 * CHANGE, "change {change} rewrote the base");
        most_parts = most_parts.max(parts.len());
    }
    bench.report.time(&format!("{CHANGE} rows more, uploaded to searchable"), &times, Open);
    let (first, last) =
        (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default());
    bench.report.note(&format!(
        "first {:.2} s, last {:.2} s; {most_parts} parts at most, {} in the end",
        first.as_secs_f64(),
        last.as_secs_f64(),
        home.parts(&source).await?.len()
    ));
    memory(bench, "… peak of the whole process", Open)?;
    Ok(())
}

fn memory(bench: &mut Bench, what: &str, target: crate::report::Target) -> anyhow::Result<()> {
    let peak = machine::peak().context("the peak of resident memory")?;
    bench.report.figure(what, &[peak], Unit::Bytes, target);
    Ok(())
}

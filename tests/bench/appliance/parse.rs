//! Reading files, without storing anything.

use std::time::Instant;

use anyhow::ensure;
use cv3_backend::ingest::remap::Remap;

use crate::Bench;
use crate::cohort::{remapped, self_naming};
use crate::packets::Packets;
use crate::reading::{Kept, read};
use crate::report::Target::{AtLeast, Open};
use crate::table::{Sheet, Table, narrow};

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let packets = Packets::new(&bench.terms)?;
    let count = bench.size(40_000, 10_000);
    let path = packets.file(folder.path(), "p.jsonl", 1, count)?;
    bench.report.note(&format!(
        "P: {count} packets drawn from {}, {:.1} KB each",
        packets.templates(),
        std::fs::metadata(&path)?.len() as f64 / count as f64 / 1e3
    ));
    let mut runs = Vec::new();
    for _ in 0..bench.size(5, 3) {
        let mut kept = Kept { drop: true, ..Kept::default() };
        let start = Instant::now();
        let summary = read(&path, &self_naming()?, &*bench.terms, &mut kept)?;
        runs.push(start.elapsed());
        ensure!(summary.subjects == count as u64, "{} of {count} packets read", summary.subjects);
    }
    bench.report.rate("P: packets parsed, one thread", count, "packets", &runs, AtLeast(20_000.0));
    let rows = bench.size(100_000, 30_000);
    let csv = narrow(&bench.terms, folder.path(), "narrow.csv", 2, rows)?;
    table(bench, "CSV of 8 columns: rows parsed and remapped, one thread", &csv, AtLeast(150_000.0))?;
    let rows = bench.size(10_000, 3_000);
    let wide = Sheet::new()?.file(folder.path(), "wide.tsv", 3, rows)?;
    table(bench, "W: rows of 80 columns parsed and remapped, one thread", &wide, Open)
}

fn table(bench: &mut Bench, what: &str, table: &Table, target: crate::report::Target) -> anyhow::Result<()> {
    let (pipeline, remap) = table.pipelines()?;
    let remap = Remap::compile(&remap)?;
    let (mut parsed, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..bench.size(5, 3) {
        let mut kept = Kept::default();
        let start = Instant::now();
        read(&table.path, &pipeline, &*bench.terms, &mut kept)?;
        parsed.push(start.elapsed());
        let subjects = remapped(&remap, &kept, &bench.terms)?;
        whole.push(start.elapsed());
        ensure!(subjects.len() == table.rows, "{} of {} rows remapped", subjects.len(), table.rows);
    }
    bench.report.rate(what, table.rows, "rows", &whole, target);
    bench.report.rate("… parsed only", table.rows, "rows", &parsed, Open);
    Ok(())
}

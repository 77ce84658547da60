//! From uploaded file to committed and searchable, by the project's use cases over the embedded store.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cv3_backend::domain::subjects::Subject;
use cv3_backend::ingest::remap::Remap;
use serde_json::json;

use crate::Bench;
use crate::cohort::remapped;
use crate::home::{Folder, Home};
use crate::packets::Packets;
use crate::reading::{Kept, read};
use crate::report::Target::{AtLeast, Open};
use crate::report::Unit;
use crate::table::{Sheet, Table, narrow};

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(bench))
}

async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let home = folder.open().await?;
    let times = bench.size(3, 1);
    let count = bench.size(40_000, 5_000);
    let packets = Packets::new(&bench.terms)?;
    let naming = json!({"grouping": "individual", "internalDelimiter": "",
        "subjectIdLocation": "attributeInFile", "attribute": ""});
    let naming = home.pipeline("packets", "filePipeline", naming).await?;
    let mut runs = Vec::new();
    for run in 0..times {
        let path = packets.file(folder.path(), &format!("p{run}.jsonl"), 1 + run as u64, count)?;
        let source = home.source(&format!("p{run}")).await?;
        runs.push(home.ingest(&source, &path, &naming, None, count).await?);
        std::fs::remove_file(path)?;
    }
    bench.report.rate("P: phenopackets, uploaded to searchable", count, "subjects", &runs, AtLeast(10_000.0));

    let rows = bench.size(200_000, 20_000);
    let csv = narrow(&bench.terms, folder.path(), "narrow.csv", 2, rows)?;
    let runs = ingest(&home, "narrow", &csv, times).await?;
    bench.report.rate("CSV of 8 columns, uploaded to searchable", rows, "rows", &runs, AtLeast(100_000.0));

    let rows = bench.size(20_000, 3_000);
    let wide = Sheet::new()?.file(folder.path(), "wide.tsv", 3, rows)?;
    let runs = ingest(&home, "wide", &wide, times).await?;
    bench.report.rate(
        "W: rows of 80 columns, uploaded to searchable",
        rows,
        "rows",
        &runs,
        AtLeast(20_000.0),
    );
    let (pipeline, remap) = wide.pipelines()?;
    let mut kept = Kept::default();
    read(&wide.path, &pipeline, &*bench.terms, &mut kept)?;
    let subjects = remapped(&Remap::compile(&remap)?, &kept, &bench.terms)?;
    let bare = bare(folder.path(), &subjects, times)?;
    bench.report.rate("… bare insert of the same subjects into SQLite", rows, "rows", &bare, Open);
    // Each with the next: both kinds of runs vary with whatever else the machine does.
    let shares: Vec<f64> =
        runs.iter().zip(&bare).map(|(whole, bare)| bare.as_secs_f64() / whole.as_secs_f64()).collect();
    bench.report.figure("… share of that rate", &shares, Unit::Ratio, AtLeast(0.5));
    Ok(())
}

async fn ingest(home: &Home, name: &str, table: &Table, times: usize) -> anyhow::Result<Vec<Duration>> {
    let by_column =
        home.pipeline(&format!("{name} rows"), "filePipeline", table.file_pipeline.clone()).await?;
    let remap = home.pipeline(&format!("{name} meaning"), "remapPipeline", table.remap.clone()).await?;
    let mut runs = Vec::new();
    for run in 0..times {
        let source = home.source(&format!("{name}{run}")).await?;
        runs.push(home.ingest(&source, &table.path, &by_column, Some(&remap), table.rows).await?);
    }
    Ok(runs)
}

/// What inserting the finished documents costs with nothing around it, in the store's own settings.
fn bare(folder: &Path, subjects: &[Subject], times: usize) -> anyhow::Result<Vec<Duration>> {
    let documents: Vec<(&str, String)> = subjects
        .iter()
        .map(|subject| Ok((subject.subject_id.as_str(), serde_json::to_string(subject)?)))
        .collect::<anyhow::Result<_>>()?;
    let mut runs = Vec::new();
    for run in 0..times {
        let path = folder.join(format!("bare{run}.db"));
        let mut connection = rusqlite::Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch("CREATE TABLE bare (id TEXT PRIMARY KEY, body TEXT NOT NULL)")?;
        let start = Instant::now();
        for slice in documents.chunks(5_000) {
            let transaction = connection.transaction()?;
            let mut insert = transaction.prepare_cached("INSERT INTO bare VALUES (?1, ?2)")?;
            for (id, body) in slice {
                insert.execute([*id, body.as_str()])?;
            }
            drop(insert);
            transaction.commit()?;
        }
        runs.push(start.elapsed());
        let count: i64 = connection.query_row("SELECT count(*) FROM bare", [], |row| row.get(0))?;
        ensure!(usize::try_from(count) == Ok(documents.len()), "{count} of {} inserted", documents.len());
    }
    Ok(runs)
}

//! Measures the appliance against its targets and prints both; `docs/benchmarks.md` says what each section means.
//!
//! `cargo bench --bench appliance`, with names of sections and `--quick` after `--`. Real data is resampled where the
//! shared folder lies beside the checkout (or `CV3_SHARED` names it), else made. To add a figure: a `report` line in
//! its section's file; to add a section: a file here, a line in `SECTIONS`, a paragraph in the document.

mod cohort;
mod dice;
mod home;
mod index;
mod ingest;
mod load;
mod machine;
mod memory;
mod packets;
mod parse;
mod query;
mod reading;
mod report;
mod scale;
mod server;
mod start;
mod table;
mod terms;
mod timing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use cv3_backend::terms::TermFile;

use report::Report;

/// What every section is given.
pub struct Bench {
    pub report: Report,
    pub terms: Arc<TermFile>,
    /// What opening the terms took; later openings in one process share them.
    pub terms_opened: Duration,
    pub quick: bool,
    /// Subjects to count among, where the command line says.
    pub sizes: Vec<usize>,
}

impl Bench {
    /// The size of something: as usual, or in a quick run.
    pub fn size(&self, usual: usize, quick: usize) -> usize {
        if self.quick { quick } else { usual }
    }
}

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Section = fn(&mut Bench) -> anyhow::Result<()>;

const SECTIONS: [(&str, Section); 11] = [
    ("terms", terms::measure),
    ("parse", parse::measure),
    ("ingest", ingest::measure),
    ("index", index::measure),
    ("query", query::measure),
    ("timing", timing::measure),
    ("api", load::measure),
    ("start", start::first_answers),
    ("idle", start::idle),
    ("memory", memory::measure),
    ("scale", scale::measure),
];

fn main() -> anyhow::Result<()> {
    // The provider is installed once for everything that speaks TLS; a second call would only say so.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let start = Instant::now();
    let terms = TermFile::embedded()?;
    let terms_opened = start.elapsed();
    let mut bench = Bench { report: Report::default(), terms, terms_opened, quick: false, sizes: Vec::new() };
    let mut chosen = Vec::new();
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--quick" => bench.quick = true,
            // What cargo adds.
            "--bench" => {}
            number if number.parse::<usize>().is_ok() => bench.sizes.extend(number.parse::<usize>()),
            name => match SECTIONS.iter().find(|(known, _)| *known == name) {
                Some(section) => chosen.push(section),
                None => bail!(
                    "there is no section {name}; there are {}; also --quick, and numbers of subjects for query, memory and scale",
                    SECTIONS.map(|(known, _)| known).join(", ")
                ),
            },
        }
    }
    if chosen.is_empty() {
        // Memory is measured at its peak, which is that of whatever ran before.
        chosen.extend(SECTIONS.iter().filter(|(name, _)| !matches!(*name, "memory" | "scale")));
    }
    println!("{}", machine::describe());
    println!("load before: {}", machine::load());
    println!("data: {}", cohort::origin());
    let started = Instant::now();
    for (name, measure) in chosen {
        bench.report.section(name);
        measure(&mut bench)?;
    }
    bench.report.finish();
    println!("{:.0} s in all; load after: {}", started.elapsed().as_secs_f64(), machine::load());
    Ok(())
}

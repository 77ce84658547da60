//! The result as a section of `docs/benchmarks.md` and a plot beside it.

use std::path::Path;

use anyhow::Context;
use cv3_backend::domain::clock::{Clock, SystemClock};

use crate::cohort;
use crate::plot;
use crate::result::{Run, size};

const BEGIN: &str = "<!-- compare: written by the benchmark -->\n";
const END: &str = "<!-- compare: end -->\n";

/// Replaces what stands between the marks, and the plot of the largest cohort.
pub fn write(runs: &[Run], machine: &str, load: &str) -> anyhow::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("benchmarks.md");
    let text = std::fs::read_to_string(&page)?;
    let (before, rest) =
        text.split_once(BEGIN).with_context(|| format!("no line {BEGIN:?} in benchmarks.md"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?} in benchmarks.md"))?;
    let largest = runs.iter().max_by_key(|run| run.size).context("nothing was measured")?;
    std::fs::write(docs.join("benchmarks-compare.svg"), plot::draw(largest))?;
    std::fs::write(page, format!("{before}{BEGIN}{}{END}{after}", section(runs, machine, load, largest)))?;
    Ok(())
}

fn section(runs: &[Run], machine: &str, load: &str, largest: &Run) -> String {
    let measured = largest.outcomes.iter().filter_map(|(_, outcome)| outcome.measured());
    let mut versions: Vec<&str> = measured.map(|one| one.version.as_str()).collect();
    versions.dedup();
    let sizes: Vec<String> = runs.iter().map(|run| run.size.to_string()).collect();
    let mut text = format!(
        "\nMeasured on {} with `cargo bench --bench compare -- {} --write`: {machine}, load average {}. {}. \
         Data: {}.\n\n\
         ![Median and 99th percentile of each question]({})\n",
        SystemClock.now().format("%Y-%m-%d"),
        sizes.join(" "),
        load,
        versions.join(", "),
        if cohort::shared("phenopackets.tar.xz").is_some() { "real phenopackets, resampled" } else { "made" },
        "benchmarks-compare.svg",
    );
    for run in runs {
        text.push_str(&format!("\n{} subjects, {} as JSON lines:\n\n", run.size, size(run.documents)));
        for (number, row) in run.grid().iter().enumerate() {
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            if number == 0 {
                text.push_str(&format!("|{}\n", "---|".repeat(row.len())));
            }
        }
        let notes = run.notes();
        if !notes.is_empty() {
            text.push_str(&format!("\n{}\n", notes.join("\n\n")));
        }
    }
    text.push('\n');
    text
}

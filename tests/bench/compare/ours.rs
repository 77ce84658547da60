//! The engine itself: an index part from the same lines, mapped, and each question planned and executed on one thread.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cv3_backend::domain::queries::{Builder, Granularity};
use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Part, PartBuilder, Plan, Scope, SourceView, execute};
use cv3_backend::terms::{TermFile, Terms};

use crate::questions::{Question, builder};
use crate::result::{Answer, Measured};

pub const NAME: &str = "cv3-backend";
/// How often every draw is timed, once more for warming.
const ROUNDS: usize = 10;

pub fn measure(
    subjects: &Path,
    drawn: &[Vec<Question>],
    terms: &TermFile,
    folder: &Path,
) -> anyhow::Result<Measured> {
    let path = folder.join("part");
    let start = Instant::now();
    let view = load(subjects, &path, terms)?;
    let loaded = start.elapsed();
    let mut answers = Vec::new();
    for draws in drawn {
        let builders: Vec<Builder> = draws.iter().map(builder).collect();
        let mut answer = Answer::default();
        for round in 0..=ROUNDS {
            for builder in &builders {
                // As if it were the first question: nothing of the rounds before helps.
                view.forget_unions();
                let start = Instant::now();
                let count = count(builder, &view, terms)?;
                if round > 0 {
                    answer.times.push(start.elapsed().as_secs_f64());
                } else {
                    answer.counts.push(count);
                }
            }
        }
        answers.push(answer);
    }
    let bytes = Some(std::fs::metadata(&path)?.len());
    let version = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    Ok(Measured { version, note: None, load: loaded.as_secs_f64(), bytes, empty: Vec::new(), answers })
}

fn load(subjects: &Path, path: &Path, terms: &TermFile) -> anyhow::Result<SourceView> {
    let mut builder = PartBuilder::new(terms.release());
    for line in std::io::BufReader::new(std::fs::File::open(subjects)?).lines() {
        builder.add(&serde_json::from_str::<Subject>(&line?)?)?;
    }
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    builder.finish(&mut out)?;
    drop(out);
    Ok(SourceView::open(vec![Arc::new(Part::open(path)?)]))
}

fn count(builder: &Builder, view: &SourceView, terms: &TermFile) -> anyhow::Result<u64> {
    let scope = Scope { level: Granularity::Count, ..Scope::default() };
    Ok(execute(&Plan::make(builder, view, terms, &scope), view)?.len())
}

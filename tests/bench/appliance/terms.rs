//! Loading the built-in terms and expanding every HPO term.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cv3_backend::terms::{Ontology, Terms};

use crate::Bench;
use crate::report::Target::{AtMost, Open};

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.report.time("built-in terms opened", &[bench.terms_opened], Open);
    let ids: Vec<String> = bench.terms.ids(Ontology::Hpo).collect();
    let rounds = bench.size(7, 5);
    let (mut counted, mut collected, mut members) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        members = 0;
        let start = Instant::now();
        for id in &ids {
            bench.terms.expand_each(Ontology::Hpo, id, 0.5, &mut |member| {
                members += usize::from(!member.is_empty())
            });
        }
        counted.push(mean(start.elapsed(), ids.len()));
        let start = Instant::now();
        for id in &ids {
            black_box(bench.terms.expand(Ontology::Hpo, id, 0.5));
        }
        collected.push(mean(start.elapsed(), ids.len()));
    }
    let what = format!("expansion at 0.5, mean over {} HPO terms", ids.len());
    bench.report.time(&what, &counted, AtMost(5e-6));
    bench.report.time("… with the members collected as text", &collected, Open);
    bench.report.note(&format!("{:.0} members in a group on average", members as f64 / ids.len() as f64));
    Ok(())
}

fn mean(total: Duration, of: usize) -> Duration {
    total / u32::try_from(of.max(1)).unwrap_or(u32::MAX)
}

//! Measures the query engine: build rate, size, opening, and counts; also an example of its use.
//!
//! Subjects have nine phenotypes of 8,000 (weights 1 ÷ (rank + 10), about as skewed as published case series), two
//! attributes, age and sex. A query takes three phenotypes drawn by frequency, each standing for a group of 100,
//! two of which must match, an age range and one attribute. Arguments: numbers of subjects (10000 100000 1000000).

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cv3_backend::domain::queries::{AgeRange, Builder, EavFilter, Granularity, Relation, TermFilter};
use cv3_backend::domain::subjects::{EavValue, Gender, Scalar, Subject, Term};
use cv3_backend::engine::{IndexRules, Part, PartBuilder, Plan, Scope, SourceView, execute};
use cv3_backend::terms::{Ontology, Terms};

const TERMS: usize = 8_000;
const GROUP: usize = 100;
const QUERIES: usize = 1_000;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }
}

/// Groups of neighbouring numbers; rank and number are unrelated, so a group mixes frequent and rare terms.
#[derive(Debug)]
struct Neighbours;

fn id(number: usize) -> String {
    format!("{number:07}")
}

impl Terms for Neighbours {
    fn release(&self) -> String {
        "neighbours".into()
    }
    fn contains(&self, _: Ontology, _: &str) -> bool {
        true
    }
    fn resolve(&self, _: Ontology, id: &str) -> String {
        id.into()
    }
    fn label(&self, _: Ontology, _: &str) -> Option<String> {
        None
    }
    fn expand_each(&self, _: Ontology, term: &str, _: f64, each: &mut dyn FnMut(&str)) {
        let number: usize = term.parse().unwrap_or(0);
        for step in 0..GROUP {
            each(&id((number + step) % TERMS));
        }
    }
    fn descendants(&self, _: Ontology, id: &str) -> Vec<String> {
        vec![id.into()]
    }
    fn ordo_of_hpo(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn hpo_of_ordo(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn ordo_of_omim(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn genes_of_pathway(&self, _: &str) -> Option<Vec<String>> {
        None
    }
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Draws term numbers by frequency.
struct Frequencies(Vec<f64>);

impl Frequencies {
    fn new() -> Self {
        let mut sum = 0.0;
        let weights = (0..TERMS).map(|rank| 1.0 / (rank as f64 + 10.0));
        Self(
            weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, dice: &mut Dice) -> usize {
        let total = self.0.last().copied().unwrap_or(1.0);
        let at = (dice.next() >> 11) as f64 / (1u64 << 53) as f64 * total;
        let rank = self.0.partition_point(|sum| *sum <= at).min(TERMS - 1);
        // 3,001 and 8,000 have no common divisor: ranks are spread over all numbers.
        rank * 3_001 % TERMS
    }
}

fn subject(dice: &mut Dice, terms: &Frequencies, id_text: String) -> Subject {
    let mut subject = Subject::new(id_text);
    subject.hpo = (0..9).map(|_| Term::Present(id(terms.draw(dice)))).collect();
    let site = format!("site {}", dice.below(40));
    subject.eav.insert("site".into(), EavValue::One(Scalar::Text(site)));
    let visits = serde_json::Number::from(dice.below(300) as u64);
    subject.eav.insert("visits".into(), EavValue::One(Scalar::Number(visits)));
    subject.demo.age = Some(dice.below(95) as f64);
    subject.demo.gender = Some(if dice.below(2) == 0 { Gender::Male } else { Gender::Female });
    subject
}

fn query(dice: &mut Dice, terms: &Frequencies) -> Builder {
    let mut builder = Builder::default();
    let mut wanted: Vec<String> = Vec::new();
    while wanted.len() < 3 {
        let term = id(terms.draw(dice));
        if !wanted.contains(&term) {
            wanted.push(term);
        }
    }
    builder.hpo.push(TermFilter {
        terms: wanted,
        similarity: 0.5,
        minimum_match: 2,
        cross: false,
        include_descendants: false,
    });
    let from = dice.below(60) as u8;
    builder.subject.age = Some(AgeRange { min: Some(from), max: Some(from + 20) });
    builder.eav.push(EavFilter {
        attribute: "visits".into(),
        relation: Relation::NumericGreaterThan,
        value: serde_json::json!(dice.below(300)),
    });
    builder
}

fn percentile(times: &[Duration], of_hundred: usize) -> Duration {
    times
        .get((times.len() * of_hundred / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

fn measure(size: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut dice = Dice(7);
    let terms = Frequencies::new();
    let mut ids: Vec<u128> =
        (0..size).map(|_| u128::from(dice.next()) << 64 | u128::from(dice.next())).collect();
    ids.sort_unstable();
    ids.dedup();
    // Made in batches, so that only building is timed and memory stays small.
    let mut builder = PartBuilder::new("neighbours");
    let mut building = Duration::ZERO;
    for batch in ids.chunks(50_000) {
        let made: Vec<Subject> = batch
            .iter()
            .map(|id| subject(&mut dice, &terms, uuid::Uuid::from_u128(*id).to_string()))
            .collect();
        let start = Instant::now();
        made.iter().try_for_each(|subject| builder.add(subject))?;
        building += start.elapsed();
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("part");
    let start = Instant::now();
    let mut file = std::fs::File::create(&path)?;
    let stats = builder.finish(&mut file)?;
    file.flush()?;
    building += start.elapsed();
    println!(
        "{size} subjects: built at {:.0}/s, {:.1} B/subject",
        size as f64 / building.as_secs_f64(),
        stats.bytes as f64 / size as f64
    );
    let start = Instant::now();
    let view = SourceView::open(vec![Arc::new(Part::open(&path)?)]);
    println!("  opened and checked in {:?}", start.elapsed());
    let start = Instant::now();
    let indices = view.index(&IndexRules { minimum_value_count: 3, ..IndexRules::default() });
    println!(
        "  indices of {} attributes in {:?}",
        indices.record.eav_index.attributes.len(),
        start.elapsed()
    );

    let scope = Scope { level: Granularity::Count, ..Scope::default() };
    let (mut planning, mut running, mut found) = (Vec::new(), Vec::new(), 0);
    for round in 0..QUERIES + 100 {
        let builder = query(&mut dice, &terms);
        let start = Instant::now();
        let plan = Plan::make(&builder, &view, &Neighbours, &scope);
        let planned = start.elapsed();
        let start = Instant::now();
        found += execute(&plan, &view)?.len();
        if round >= 100 {
            planning.push(planned);
            running.push(start.elapsed());
        }
    }
    planning.sort_unstable();
    running.sort_unstable();
    let [p50, p99] = [50, 99].map(|of_hundred| percentile(&running, of_hundred));
    println!("  executed: p50 {p50:?}, p99 {p99:?}; {} found on average", found / (QUERIES as u64 + 100));
    println!("  planned: p50 {:?}, p99 {:?}", percentile(&planning, 50), percentile(&planning, 99));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    sizes.into_iter().try_for_each(measure)
}

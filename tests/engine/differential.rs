//! Engine and oracle answer generated questions alike: ≥ 2,000 sources × 50 questions in full (`just prove`), fewer
//! by default. `CV3_PAIRS` says how many pairs, `CV3_SEED` where the sources start.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::case::{Case, Ready, Source, Verdict, compare, engine};
use super::generate::questions::{Question, SPELLINGS};
use super::{generate, kept, shrink};

const PER_SOURCE: u64 = 50;
/// From how many pairs on a run must meet every spelling and median.
const TELLING: u64 = 2_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What was asked and how much it told.
#[derive(Default)]
struct Tally {
    pairs: u64,
    with_rules: u64,
    /// Subjects per source.
    sizes: Vec<usize>,
    parts: u64,
    /// Sources whose term file the product built.
    releases: u64,
    /// Per family, pairs with some but not all subjects in the answer, and all pairs.
    families: BTreeMap<&'static str, (u64, u64)>,
    spellings: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn source(&mut self, source: &Source, subjects: usize) {
        self.sizes.push(subjects);
        self.parts += source.changes.len() as u64;
        self.releases += u64::from(matches!(source.terms, super::case::Knowledge::Release(_)));
    }

    fn pair(&mut self, question: Question, tells: bool, rules: bool) {
        self.pairs += 1;
        self.with_rules += u64::from(rules);
        for family in question.families.into_iter().chain(["all"]) {
            let (of, all) = self.families.entry(family).or_default();
            *of += u64::from(tells);
            *all += 1;
        }
        for spelling in question.spellings {
            *self.spellings.entry(spelling).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.with_rules += other.with_rules;
        self.sizes.extend(other.sizes);
        self.parts += other.parts;
        self.releases += other.releases;
        for (family, (of, all)) in other.families {
            let sum = self.families.entry(family).or_default();
            *sum = (sum.0 + of, sum.1 + all);
        }
        for (spelling, times) in other.spellings {
            *self.spellings.entry(spelling).or_default() += times;
        }
    }

    fn print_and_check(&mut self) {
        self.sizes.sort_unstable();
        let median = self.sizes.get(self.sizes.len() / 2).copied().unwrap_or(0);
        let large = self.sizes.iter().filter(|size| **size >= 900).count();
        println!(
            "{} sources in {} parts, median {median} subjects, {large} of 900 or more, greatest {}; {} with a term file",
            self.sizes.len(),
            self.parts,
            self.sizes.last().copied().unwrap_or(0),
            self.releases
        );
        println!("{} pairs, {} of them also changed by every rule", self.pairs, self.with_rules);
        for (family, (of, all)) in &self.families {
            println!("{family}: {of} of {all} pairs with some but not all subjects ({} %)", 100 * of / all);
            assert!(100 * of >= 30 * all, "the questions on {family} tell too little");
        }
        println!("spellings: {:?}", self.spellings);
        if self.pairs >= TELLING {
            let missing: Vec<_> = SPELLINGS.iter().filter(|how| !self.spellings.contains_key(*how)).collect();
            assert!(missing.is_empty(), "never written: {missing:?}");
        }
    }
}

/// Asks one source all its questions; the first case that differs.
fn ask(seed: u64, questions: u64, tally: &mut Tally) -> Option<Case> {
    let (source, vocabulary, mut dice) = generate::source(seed);
    let ready = Ready::new(&source).unwrap();
    let subjects = ready.subjects.len();
    assert_eq!(ready.view.record_count(), subjects as u64, "seed {seed}");
    tally.source(&source, subjects);
    for number in 0..questions {
        let (asked, question) = generate::asked(&mut dice, &vocabulary);
        match compare(&ready, &asked, &engine) {
            Verdict::Agree(found) => {
                tally.pair(question, 0 < found && found < subjects, asked.rules.is_some());
            }
            Verdict::Differ { what, .. } => {
                let about = format!("seed {seed}, question {number}: {what}");
                drop(ready);
                return Some(Case { about, source, asked });
            }
            Verdict::Refused(why) => panic!("seed {seed}, question {number} is refused: {why}"),
        }
    }
    None
}

#[test]
fn engine_and_oracle_agree_on_generated_questions() {
    let (pairs, seed) = (setting("CV3_PAIRS", TELLING), setting("CV3_SEED", 20_260_100));
    let started = Instant::now();
    let kept = kept::ask_again();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{kept} kept cases agree; {pairs} pairs from seed {seed} on {threads} threads");
    let next = AtomicU64::new(0);
    let failure: Mutex<Option<(u64, Case)>> = Mutex::default();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut tally = Tally::default();
            while failure.lock().unwrap().is_none() {
                let round = next.fetch_add(1, Ordering::Relaxed);
                let left = pairs.saturating_sub(round.saturating_mul(PER_SOURCE));
                if left == 0 {
                    break;
                }
                let seed = seed.wrapping_add(round);
                if let Some(case) = ask(seed, left.min(PER_SOURCE), &mut tally) {
                    failure.lock().unwrap().get_or_insert((seed, case));
                }
            }
            tally
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| tally.add(worker.join().unwrap()));
    });
    if let Some((seed, case)) = failure.into_inner().unwrap() {
        println!("{}; shrinking", case.about);
        let small = shrink::shrink(&case, |case| case.ask(&engine).differs());
        println!("{}", serde_json::to_string_pretty(&small).unwrap());
        let path = kept::keep(&small, &format!("seed-{seed}"));
        panic!("{}, kept in {}: {:#?}", case.about, path.display(), small.ask(&engine));
    }
    tally.print_and_check();
    println!("seed {seed}, {:.1} seconds", started.elapsed().as_secs_f64());
}

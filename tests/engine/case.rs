//! One (source, question) pair as a document that says everything: it is asked, shrunk, kept and asked again.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cv3_backend::domain::queries::{Builder, Granularity};
use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Plan, Scope, SourceView, execute};
use cv3_backend::terms::Terms;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::oracle::Oracle;
use super::source::{Change, folded, view};
use super::textbook::Release;
use super::world::World;
use super::{reading, rules};

/// What a source knows of terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Knowledge {
    /// As written down; the engine looks it up.
    World(World),
    /// The engine uses a term file built from it, the oracle the textbook.
    Release(Release),
}

/// A source: its subjects in changes, oldest first, and its terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub terms: Knowledge,
    pub changes: Vec<Change>,
}

/// What is asked, as text, and how much may be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub question: Value,
    #[serde(default)]
    pub withheld: BTreeSet<String>,
    #[serde(default)]
    pub level: Granularity,
    /// Changes of the question whose effect is known beforehand are tried too, drawn from this seed.
    #[serde(default)]
    pub rules: Option<u64>,
}

impl Asked {
    pub fn scope(&self) -> Scope {
        Scope { withheld: self.withheld.clone(), level: self.level }
    }
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What it shows, or how it was found.
    #[serde(default)]
    pub about: String,
    #[serde(flatten)]
    pub source: Source,
    #[serde(flatten)]
    pub asked: Asked,
}

/// What comes of asking both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// On this many subjects.
    Agree(usize),
    Differ {
        what: String,
        expected: Vec<String>,
        found: Vec<String>,
    },
    /// The source or question cannot be.
    Refused(String),
}

impl Verdict {
    pub fn differs(&self) -> bool {
        matches!(self, Self::Differ { .. })
    }
}

/// A source made ready for both sides.
pub struct Ready<'a> {
    pub source: &'a Source,
    pub view: SourceView,
    pub terms: Box<dyn Terms>,
    pub subjects: Vec<Subject>,
    pub world: World,
}

impl<'a> Ready<'a> {
    /// Why the source cannot be: only a shrunk one may be so.
    pub fn new(source: &'a Source) -> Result<Self, String> {
        let (terms, world): (Box<dyn Terms>, World) = match &source.terms {
            Knowledge::World(world) => (Box::new(world.clone()), world.clone()),
            Knowledge::Release(release) => (Box::new(release.term_file()?), release.world()),
        };
        let misplaced = |change: &Change| change.subjects.iter().any(|(id, one)| *id != one.subject_id);
        if source.changes.iter().any(misplaced) {
            return Err("a subject is not under its id".into());
        }
        let (view, subjects) = (view(&source.changes), folded(&source.changes));
        Ok(Self { source, view, terms, subjects, world })
    }
}

/// Answers a builder; the product's engine is [`engine`], tests also have broken ones.
pub trait Engine: Fn(&Ready<'_>, &Builder, &Scope) -> Vec<String> {}
impl<F: Fn(&Ready<'_>, &Builder, &Scope) -> Vec<String>> Engine for F {}

/// The product: a plan, sent and read again, executed.
pub fn engine(ready: &Ready<'_>, builder: &Builder, scope: &Scope) -> Vec<String> {
    let plan = Plan::make(builder, &ready.view, ready.terms.as_ref(), scope);
    // What is executed is what survives being sent and stored.
    let plan: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    run(&plan, &ready.view)
}

/// Executes a plan and checks that the number of hits is that of their ids.
pub fn run(plan: &Plan, view: &SourceView) -> Vec<String> {
    let hits = execute(plan, view).unwrap();
    let found = hits.len();
    let ids: Vec<String> = hits.into_ids().collect();
    assert_eq!(ids.len() as u64, found, "the number of hits and of their ids differ");
    ids
}

/// Asks both sides.
pub fn compare(ready: &Ready<'_>, asked: &Asked, engine: &impl Engine) -> Verdict {
    // Through text, as it comes from a client.
    let question: Value = serde_json::from_str(&asked.question.to_string()).unwrap();
    let builder = match Builder::read(&question) {
        Ok(builder) => builder,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    let differ = |what: &str, expected, found| Verdict::Differ { what: what.to_owned(), expected, found };
    let own = reading::builder(&question);
    if builder != own {
        let (expected, found) = (vec![format!("{own:?}")], vec![format!("{builder:?}")]);
        return differ("the question was read otherwise", expected, found);
    }
    let (withheld, level) = (&asked.withheld, asked.level);
    let oracle = Oracle { subjects: &ready.subjects, world: &ready.world, withheld, level };
    let expected = oracle.answer(&own);
    let answer = |builder: &Builder| engine(ready, builder, &asked.scope());
    match catch_unwind(AssertUnwindSafe(|| answer(&builder))) {
        Err(_) => return differ("the engine panicked", expected, Vec::new()),
        Ok(found) if found != expected => return differ("the answers differ", expected, found),
        Ok(_) => {}
    }
    let Some(seed) = asked.rules else { return Verdict::Agree(expected.len()) };
    match catch_unwind(AssertUnwindSafe(|| rules::broken(seed, ready, asked, &builder, &expected, answer))) {
        Err(_) => differ("the engine panicked on a changed question", expected, Vec::new()),
        Ok(Some((what, found))) => differ(&what, expected, found),
        Ok(None) => Verdict::Agree(expected.len()),
    }
}

impl Case {
    /// Asks both sides.
    pub fn ask(&self, engine: &impl Engine) -> Verdict {
        match Ready::new(&self.source) {
            Ok(ready) => compare(&ready, &self.asked, engine),
            Err(why) => Verdict::Refused(why),
        }
    }
}

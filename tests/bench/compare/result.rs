//! What came out: agreement of the counts, and the table.

use serde::Deserialize;

use crate::peers::PEERS;
use crate::questions::{DESIGNED, DRAWS, QUESTIONS};

/// Times of all repetitions of one question, and the count of each draw.
#[derive(Default, Deserialize)]
pub struct Answer {
    pub times: Vec<f64>,
    pub counts: Vec<u64>,
}

impl Answer {
    /// The time below which so many of a hundred lie.
    pub fn quantile(&self, of_hundred: usize) -> f64 {
        quantile(&self.times, of_hundred)
    }
}

/// What an engine did.
#[derive(Deserialize)]
pub struct Measured {
    pub version: String,
    /// What its reader must know.
    pub note: Option<String>,
    pub load: f64,
    /// On disk; nothing where all is in memory.
    pub bytes: Option<u64>,
    /// Times of a statement that does nothing, where there is a way to the engine.
    pub empty: Vec<f64>,
    /// By question.
    pub answers: Vec<Answer>,
}

pub enum Outcome {
    Measured(Measured),
    NotMeasured(String),
}

impl Outcome {
    pub fn measured(&self) -> Option<&Measured> {
        match self {
            Self::Measured(measured) => Some(measured),
            Self::NotMeasured(_) => None,
        }
    }
}

/// One cohort and every engine's outcome, ours first.
pub struct Run {
    pub size: usize,
    /// Bytes of the cohort as JSON lines.
    pub documents: u64,
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Run {
    fn ours(&self) -> Option<&Measured> {
        self.outcomes.first().and_then(|(_, outcome)| outcome.measured())
    }

    /// Draws on which a peer counts differently, and questions that found nobody.
    pub fn differences(&self) -> Vec<String> {
        let mut said = Vec::new();
        let Some(ours) = self.ours() else { return said };
        for (title, outcome) in self.outcomes.iter().skip(1) {
            let Some(theirs) = outcome.measured() else { continue };
            for ((question, mine), other) in QUESTIONS.iter().zip(&ours.answers).zip(&theirs.answers) {
                let pairs = mine.counts.iter().zip(&other.counts).enumerate();
                let Some((draw, (mine, other))) = pairs.into_iter().find(|(_, (mine, other))| mine != other)
                else {
                    continue;
                };
                said.push(format!(
                    "{} subjects, {title}, {question}, draw {draw}: {other} instead of {mine}",
                    self.size
                ));
            }
            if theirs.answers.len() != QUESTIONS.len() {
                said.push(format!("{title} answered {} questions", theirs.answers.len()));
            }
        }
        for (question, answer) in QUESTIONS.iter().zip(&ours.answers) {
            if answer.counts.iter().sum::<u64>() == 0 {
                said.push(format!("{} subjects, {question}: found nobody", self.size));
            }
        }
        said
    }

    /// Rows of cells, the first the heading.
    pub fn grid(&self) -> Vec<Vec<String>> {
        let titles = self.outcomes.iter().map(|(title, _)| (*title).to_owned());
        let mut rows: Vec<Vec<String>> = vec![std::iter::once(String::new()).chain(titles).collect()];
        rows.push(self.row("loaded and indexed in", |of| time(of.load)));
        rows.push(self.row("on disk", |of| of.bytes.map_or_else(|| "–".into(), size)));
        rows.push(self.row("round trip of nothing", |of| match of.empty.as_slice() {
            [] => "–".into(),
            times => time(quantile(times, 50)),
        }));
        for (number, question) in QUESTIONS.iter().enumerate() {
            let mine = self.ours().and_then(|ours| ours.answers.get(number));
            rows.push(self.row(question, |of| match of.answers.get(number) {
                Some(answer) => cell(answer, mine),
                None => "–".into(),
            }));
        }
        rows
    }

    fn row(&self, title: &str, cell: impl Fn(&Measured) -> String) -> Vec<String> {
        let cells = self
            .outcomes
            .iter()
            .map(|(_, outcome)| outcome.measured().map_or_else(|| "not measured".into(), &cell));
        std::iter::once(title.to_owned()).chain(cells).collect()
    }

    /// What the table does not say by itself.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .outcomes
            .iter()
            .filter_map(|(title, outcome)| match outcome {
                Outcome::NotMeasured(why) => Some(format!("{title}: not measured: {why}.")),
                Outcome::Measured(measured) => {
                    let note = measured.note.as_ref()?;
                    Some(format!("{title}: {}: {note}.", measured.version))
                }
            })
            .collect();
        notes.extend(self.of_target());
        notes
    }

    /// The promise of the design: the second question at least 200 times faster than PostgreSQL with JSONB, among a
    /// million.
    fn of_target(&self) -> Option<String> {
        let of = |measured: &Measured| Some(measured.answers.get(DESIGNED)?.quantile(50));
        let theirs = self.outcomes.iter().find(|(title, _)| *title == PEERS[0].title)?.1.measured();
        let ratio = of(theirs?)? / of(self.ours()?)?;
        let verdict = match ratio {
            _ if self.size < 1_000_000 => "among a million",
            met if met >= 200.0 => "met",
            _ => "MISSED",
        };
        Some(format!("Question 2 against {}: {ratio:.0}×; target ≥ 200×, {verdict}.", PEERS[0].title))
    }

    /// The table for a terminal.
    pub fn text(&self) -> String {
        let grid = self.grid();
        let wide = |column: usize| {
            grid.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=self.outcomes.len()).map(wide).collect();
        let mut text = format!("{} subjects, {} as JSON lines\n", self.size, size(self.documents));
        for row in &grid {
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(&format!("{cell}{}  ", " ".repeat(width.saturating_sub(cell.chars().count()))));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        self.notes().iter().for_each(|note| text.push_str(&format!("{note}\n")));
        text
    }
}

/// Half and nearly all, how often it was asked if not of all draws, and how many times ours.
fn cell(answer: &Answer, mine: Option<&Answer>) -> String {
    let (half, most) = (answer.quantile(50), answer.quantile(99));
    let asked = if answer.times.len() < DRAWS { format!(" ({})", answer.times.len()) } else { String::new() };
    let times = format!("{} / {}{asked}", time(half), time(most));
    match mine.filter(|mine| !std::ptr::eq(*mine, answer)) {
        Some(mine) => {
            let ratio = half / mine.quantile(50);
            format!("{times}, {}×", if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") })
        }
        None => times,
    }
}

fn quantile(times: &[f64], of_hundred: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * of_hundred / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Seconds with three digits.
pub fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

pub fn size(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

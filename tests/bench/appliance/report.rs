//! The table: what was measured, how much it varied, what it should be.

use std::time::Duration;

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// No target is set for it.
    Open,
}

/// How a figure is written.
#[derive(Clone, Copy)]
pub enum Unit {
    PerSecond(&'static str),
    Seconds,
    Bytes,
    Ratio,
    /// A number without a unit.
    Plain,
    Count(&'static str),
}

/// Collects figures and prints each as soon as it is there.
#[derive(Default)]
pub struct Report {
    missed: Vec<String>,
    figures: usize,
}

const WIDTHS: [usize; 4] = [66, 20, 32, 14];

impl Report {
    /// Starts a section of the table.
    pub fn section(&self, name: &str) {
        println!("\n{name}");
        line(["", "median", "spread (runs)", "target"], "of target");
    }

    /// Prints what the figures of a section were made from.
    pub fn note(&self, text: &str) {
        println!("  {text}");
    }

    /// Prints the median of some runs beside its target.
    pub fn figure(&mut self, what: &str, runs: &[f64], unit: Unit, target: Target) {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let Some(median) = sorted.get(sorted.len() / 2).copied() else { return };
        let (least, most) =
            (sorted.first().copied().unwrap_or(median), sorted.last().copied().unwrap_or(median));
        let spread = match sorted.len() {
            1 => "(1)".to_owned(),
            n => format!("{} to {} ({n})", write(least, unit, false), write(most, unit, false)),
        };
        let (wanted, reached) = match target {
            Target::AtLeast(wanted) => {
                (format!("≥ {}", write(wanted, unit, false)), Some((median / wanted, median >= wanted)))
            }
            Target::AtMost(wanted) => {
                (format!("≤ {}", write(wanted, unit, false)), Some((median / wanted, median <= wanted)))
            }
            Target::Open => ("–".to_owned(), None),
        };
        let verdict = match reached {
            None => String::new(),
            Some((ratio, true)) => format!("{ratio:.2}×"),
            Some((ratio, false)) => {
                self.missed.push(format!("{what}: {} instead of {wanted}", write(median, unit, true)));
                format!("{ratio:.2}× MISSED")
            }
        };
        self.figures += 1;
        line([what, &write(median, unit, true), &spread, &wanted], &verdict);
    }

    /// Prints a time.
    pub fn time(&mut self, what: &str, runs: &[Duration], target: Target) {
        let seconds: Vec<f64> = runs.iter().map(Duration::as_secs_f64).collect();
        self.figure(what, &seconds, Unit::Seconds, target);
    }

    /// Prints `count` things in each of the times as a rate.
    pub fn rate(&mut self, what: &str, count: usize, of: &'static str, runs: &[Duration], target: Target) {
        let rates: Vec<f64> = runs.iter().map(|run| count as f64 / run.as_secs_f64()).collect();
        self.figure(what, &rates, Unit::PerSecond(of), target);
    }

    /// Says at the end which targets were missed.
    pub fn finish(&self) {
        println!("\n{} figures, {} targets missed", self.figures, self.missed.len());
        for missed in &self.missed {
            println!("  {missed}");
        }
    }
}

fn line([what, median, spread, target]: [&str; 4], verdict: &str) {
    let cell = |text: &str, width: usize| {
        format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
    };
    let [a, b, c, d] = WIDTHS;
    println!("  {}{}{}{}{verdict}", cell(what, a), cell(median, b), cell(spread, c), cell(target, d));
}

fn write(value: f64, unit: Unit, named: bool) -> String {
    match unit {
        Unit::PerSecond(of) if named => format!("{} {of}/s", grouped(value)),
        Unit::PerSecond(_) => grouped(value),
        Unit::Seconds if value < 1e-3 => format!("{:.2} µs", value * 1e6),
        Unit::Seconds if value < 1.0 => format!("{:.2} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Bytes if value >= 1e6 => format!("{:.1} MiB", value / f64::from(1 << 20)),
        Unit::Bytes => format!("{value:.1} B"),
        Unit::Ratio => format!("{value:.2}×"),
        Unit::Plain => format!("{value:.2}"),
        Unit::Count(of) if named => format!("{} {of}", grouped(value)),
        Unit::Count(_) => grouped(value),
    }
}

/// A number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value below which so many of a thousand lie.
pub fn quantile(sorted: &[Duration], of_thousand: usize) -> Duration {
    let at = (sorted.len() * of_thousand / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

//! Counting without waiting: a process adds up by itself and tells the broker now and then, where all processes'
//! numbers meet (specification §14.1).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::names::{BOUNDS, Counted};
use super::{Family, Kind, Sample, Value};
use crate::broker::{Broker, BrokerError};

/// What the names of our counters at the broker start with.
const PREFIX: &str = "metric|";

/// Different counters a process may have waiting; labels come from tables of ours, so this is never met.
const MOST: usize = 10_000;

/// Of a histogram: the sum of its times, in microseconds.
const SUM: &str = "sum";

/// Counts of this process that the broker has not been told yet, by the counter's name there.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<HashMap<String, i64>>);

impl Tally {
    /// Adds one.
    pub fn count(&self, counted: Counted, labels: &[(&str, &str)]) {
        self.add(key(counted, labels, None), 1);
    }

    /// Adds a time.
    pub fn observe(&self, counted: Counted, labels: &[(&str, &str)], time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.add(key(counted, labels, Some(&bucket.to_string())), 1);
        self.add(key(counted, labels, Some(SUM)), i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    }

    fn add(&self, key: String, by: i64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST || waiting.contains_key(&key) {
            let held = waiting.entry(key).or_default();
            *held = held.saturating_add(by);
        }
    }

    /// Tells the broker; what it does not take is told next time.
    pub async fn flush(&self, broker: &dyn Broker) -> Result<(), BrokerError> {
        let mut waiting: Vec<(String, i64)> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        while let Some((key, by)) = waiting.pop() {
            if let Err(error) = broker.count(&key, by, None).await {
                waiting.push((key, by));
                waiting.into_iter().for_each(|(key, by)| self.add(key, by));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// `metric|name|label=value|…`, of a histogram with the bucket's number or `sum` at the end.
fn key(counted: Counted, labels: &[(&str, &str)], part: Option<&str>) -> String {
    let mut key = format!("{PREFIX}{}", counted.name);
    for (label, value) in labels {
        key.push('|');
        key.push_str(label);
        key.push('=');
        key.extend(value.chars().take(120).map(|c| if c == '|' || c.is_control() { '_' } else { c }));
    }
    if let Some(part) = part {
        key.push('|');
        key.push_str(part);
    }
    key
}

/// The counters of all processes as Prometheus wants them.
pub(super) async fn families(broker: &dyn Broker, counted: &[Counted]) -> Result<Vec<Family>, BrokerError> {
    let all = broker.counters(PREFIX).await?;
    Ok(counted.iter().map(|each| family(*each, &all)).filter(|family| !family.samples.is_empty()).collect())
}

fn family(counted: Counted, all: &[(String, i64)]) -> Family {
    let ours = all.iter().filter_map(|(key, value)| {
        let rest = key.strip_prefix(PREFIX)?.strip_prefix(counted.name)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('|')? };
        Some((rest, u64::try_from(*value).unwrap_or(0)))
    });
    let kind = if counted.timed { Kind::Histogram } else { Kind::Counter };
    let samples = if counted.timed { histograms(ours) } else { ours.map(counter).collect() };
    Family { name: counted.name, help: counted.help, kind, samples }
}

fn labels(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('|').filter_map(|pair| pair.split_once('='));
    pairs.map(|(label, value)| (label.to_owned(), value.to_owned())).collect()
}

fn counter((text, value): (&str, u64)) -> Sample {
    Sample { labels: labels(text), value: Value::Number(value as f64) }
}

fn histograms<'a>(parts: impl Iterator<Item = (&'a str, u64)>) -> Vec<Sample> {
    let mut found: BTreeMap<&str, ([u64; BOUNDS.len() + 1], f64)> = BTreeMap::new();
    for (text, value) in parts {
        let (labels, part) = text.rsplit_once('|').unwrap_or(("", text));
        let (counts, sum) = found.entry(labels).or_default();
        if part == SUM {
            *sum = value as f64 / 1e6;
        } else if let Some(count) = part.parse::<usize>().ok().and_then(|number| counts.get_mut(number)) {
            *count = value;
        }
    }
    found
        .into_iter()
        .map(|(text, (counts, sum))| Sample { labels: labels(text), value: Value::Times { counts, sum } })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: Counted = Counted { name: "cv3_requests", help: "", timed: false };
    const TIMES: Counted = Counted { name: "cv3_requests_seconds", help: "", timed: true };

    fn told(tally: &Tally) -> Vec<(String, i64)> {
        tally.0.lock().unwrap().iter().map(|(key, by)| (key.clone(), *by)).collect()
    }

    #[test]
    fn what_is_counted_is_what_is_read() {
        let tally = Tally::default();
        let labels = [("service", "admin"), ("route", "/sources/{source_id}|x")];
        tally.count(REQUESTS, &labels);
        tally.count(REQUESTS, &labels);
        tally.count(REQUESTS, &[]);
        for millis in [1, 2, 40_000] {
            tally.observe(TIMES, &[("service", "admin")], Duration::from_millis(millis));
        }
        let all = told(&tally);
        let mut read = family(REQUESTS, &all);
        read.samples.sort_by_key(|sample| sample.labels.len());
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(read.samples[0], Sample { labels: Vec::new(), value: Value::Number(1.0) });
        let named = owned(&[("service", "admin"), ("route", "/sources/{source_id}_x")]);
        assert_eq!(read.samples[1], Sample { labels: named, value: Value::Number(2.0) });
        let mut counts = [0; BOUNDS.len() + 1];
        (counts[0], counts[1], counts[BOUNDS.len()]) = (1, 1, 1);
        let times =
            Sample { labels: owned(&[("service", "admin")]), value: Value::Times { counts, sum: 40.003 } };
        assert_eq!(family(TIMES, &all).samples, [times]);
    }
}

//! The exporter: figures as Prometheus reads them (specification §14.1).

use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::error;
use crate::service::metrics::{BOUNDS, Family, Kind, Sample, Value};
use crate::service::{Failure, Services};

/// Answers at the configured path, and nowhere else.
pub struct Exporter(pub Services);

impl Endpoint for Exporter {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path();
        let trimmed = path.trim_end_matches('/');
        let authorization =
            request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = authorization.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
        let families = match self.0.metrics.read(if trimmed.is_empty() { "/" } else { trimmed }, key).await {
            Ok(families) => families,
            Err(failure) => return Ok(error::render(failure.into()).await),
        };
        let families: Vec<_> = families.into_iter().map(family).collect();
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text).map_err(Failure::internal)?;
        Ok(Response::builder().status(StatusCode::OK).content_type(prometheus::TEXT_FORMAT).body(text))
    }
}

/// A family in Prometheus's own terms.
fn family(family: Family) -> MetricFamily {
    let mut told = MetricFamily::default();
    told.set_name(family.name.to_owned());
    told.set_help(family.help.to_owned());
    told.set_field_type(match family.kind {
        Kind::Gauge => MetricType::GAUGE,
        Kind::Counter => MetricType::COUNTER,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    told.set_metric(family.samples.into_iter().map(|sample| metric(family.kind, sample)).collect());
    told
}

fn metric(kind: Kind, sample: Sample) -> Metric {
    let mut told = Metric::default();
    let pair = |(name, value): (String, String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name);
        pair.set_value(value);
        pair
    };
    told.set_label(sample.labels.into_iter().map(pair).collect());
    match (kind, sample.value) {
        (Kind::Counter, Value::Number(number)) => {
            let mut counter = Counter::default();
            counter.set_value(number);
            told.set_counter(counter);
        }
        (_, Value::Number(number)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            told.set_gauge(gauge);
        }
        (_, Value::Times { counts, sum }) => told.set_histogram(histogram(&counts, sum)),
    }
    told
}

/// Prometheus adds buckets up: each has what is not above its bound. The last one, for everything, the encoder adds.
fn histogram(counts: &[u64], sum: f64) -> Histogram {
    let mut so_far = 0;
    let buckets = BOUNDS.into_iter().zip(counts).map(|(bound, count)| {
        so_far += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(so_far);
        bucket
    });
    let mut told = Histogram::default();
    told.set_bucket(buckets.collect());
    told.set_sample_count(counts.iter().sum());
    told.set_sample_sum(sum);
    told
}

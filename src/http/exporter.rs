//! The exporter: figures as Prometheus reads them (specification §14.1).

use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response};
use prometheus::core::Collector;
use prometheus::{Encoder, IntGauge, TextEncoder};

use super::error;
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
        let gauges = match self.0.metrics.read(if trimmed.is_empty() { "/" } else { trimmed }, key).await {
            Ok(gauges) => gauges,
            Err(failure) => return Ok(error::render(failure.into()).await),
        };
        let mut families = Vec::with_capacity(gauges.len());
        for figure in gauges {
            let gauge = IntGauge::new(figure.name, figure.help).map_err(Failure::internal)?;
            gauge.set(i64::try_from(figure.value).unwrap_or(i64::MAX));
            families.extend(gauge.collect());
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text).map_err(Failure::internal)?;
        Ok(Response::builder().status(StatusCode::OK).content_type(prometheus::TEXT_FORMAT).body(text))
    }
}

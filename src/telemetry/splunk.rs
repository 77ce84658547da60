//! Splunk's HTTP event collector (Splunk, *Format events for HTTP Event Collector*: JSON objects one after another).

use http::header;
use serde_json::json;

use super::ship::{Collector, Record};
use crate::config::logging::SplunkHec as Settings;

/// The collector as configured.
pub(super) struct Splunk {
    endpoint: String,
    sign_in: String,
    source: String,
    service: String,
    host: String,
}

impl Splunk {
    /// An address without a path means the event interface of that server.
    pub fn new(settings: &Settings, source: &str, service: &str) -> Self {
        let address = settings.hec_endpoint.base().to_owned();
        let bare = address.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        let host = rustix::system::uname();
        Self {
            endpoint: if bare { format!("{address}/services/collector/event") } else { address },
            sign_in: format!("Splunk {}", settings.token.expose()),
            source: source.to_owned(),
            service: service.to_owned(),
            host: host.nodename().to_string_lossy().into_owned(),
        }
    }
}

impl Collector for Splunk {
    fn name(&self) -> &'static str {
        "Splunk"
    }

    fn request(&self, batch: &[Record]) -> Option<http::Request<Vec<u8>>> {
        let mut body = String::new();
        for record in batch {
            let service = record.service.as_deref().unwrap_or(&self.service);
            let event = json!({
                "time": record.at.timestamp_micros() as f64 / 1e6,
                "host": self.host,
                "source": self.source,
                "sourcetype": "_json",
                "fields": {"service": service, "level": record.level.to_ascii_lowercase()},
                "event": record.line,
            });
            body.push_str(&event.to_string());
            body.push('\n');
        }
        http::Request::post(&self.endpoint)
            .header(header::AUTHORIZATION, &self.sign_in)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into_bytes())
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_follow_each_other_with_their_time() {
        let settings = Settings {
            hec_endpoint: "https://splunk.example:8088".into(),
            token: "t0k".into(),
            ..Settings::default()
        };
        let splunk = Splunk::new(&settings, "Our Node", "admin");
        let record = |service: Option<&str>| Record {
            at: chrono::DateTime::from_timestamp_micros(1_600_000_000_250_000).unwrap(),
            level: "ERROR".into(),
            service: service.map(str::to_owned),
            line: json!({"fields": {"message": "said"}}),
        };
        let request = splunk.request(&[record(None), record(Some("query"))]).unwrap();
        assert_eq!(request.uri(), "https://splunk.example:8088/services/collector/event");
        assert_eq!(request.headers()["authorization"], "Splunk t0k");
        let events: Vec<serde_json::Value> = std::str::from_utf8(request.body())
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(events[0]["time"], json!(1_600_000_000.25));
        assert_eq!(events[0]["source"], "Our Node");
        assert_eq!(events[0]["event"], json!({"fields": {"message": "said"}}));
        let services: Vec<_> = events.iter().map(|event| event["fields"]["service"].clone()).collect();
        assert_eq!(services, ["admin", "query"]);
    }
}

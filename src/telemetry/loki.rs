//! Grafana Loki's push interface (Loki HTTP API, *Ingest logs*: `POST /loki/api/v1/push`, JSON).

use std::collections::BTreeMap;

use base64::Engine as _;
use http::header;
use serde_json::json;

use super::ship::{Collector, Record};
use crate::config::logging::Loki as Settings;

/// Loki as configured.
pub(super) struct Loki {
    endpoint: String,
    tags: BTreeMap<String, String>,
    sign_in: Option<String>,
    service: String,
}

impl Loki {
    /// An address without a path means the push interface of that server.
    pub fn new(settings: &Settings, service: &str) -> Self {
        let address = settings.endpoint.base().to_owned();
        let bare = address.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        let auth = &settings.auth;
        let words = || format!("{}:{}", auth.username, auth.password.expose());
        Self {
            endpoint: if bare { format!("{address}/loki/api/v1/push") } else { address },
            tags: settings.tags.iter().map(|(name, value)| (label(name), value.clone())).collect(),
            sign_in: auth
                .enabled
                .then(|| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(words()))),
            service: service.to_owned(),
        }
    }
}

/// Names of labels are letters, digits and `_`, not a digit first (Prometheus data model).
fn label(name: &str) -> String {
    let mut label: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if label.starts_with(|c: char| c.is_ascii_digit()) {
        label.insert(0, '_');
    }
    label
}

impl Collector for Loki {
    fn name(&self) -> &'static str {
        "Loki"
    }

    fn request(&self, batch: &[Record]) -> Option<http::Request<Vec<u8>>> {
        let mut streams: BTreeMap<(&str, &str), Vec<[String; 2]>> = BTreeMap::new();
        for record in batch {
            let service = record.service.as_deref().unwrap_or(&self.service);
            let at = record.at.timestamp_nanos_opt().unwrap_or_default().to_string();
            streams.entry((service, &record.level)).or_default().push([at, record.line.to_string()]);
        }
        let streams: Vec<_> = streams
            .into_iter()
            .map(|((service, level), values)| {
                let mut labels = self.tags.clone();
                labels.insert("service".into(), service.into());
                labels.insert("level".into(), level.to_ascii_lowercase());
                json!({"stream": labels, "values": values})
            })
            .collect();
        let mut request =
            http::Request::post(&self.endpoint).header(header::CONTENT_TYPE, "application/json");
        if let Some(words) = &self.sign_in {
            request = request.header(header::AUTHORIZATION, words);
        }
        request.body(json!({"streams": streams}).to_string().into_bytes()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(level: &str, service: Option<&str>, second: i64) -> Record {
        Record {
            at: chrono::DateTime::from_timestamp(second, 5).unwrap(),
            level: level.into(),
            service: service.map(str::to_owned),
            line: json!({"said": second}),
        }
    }

    #[test]
    fn lines_are_streams_by_service_and_level_with_the_tags() {
        let settings = Settings {
            endpoint: "http://loki.example:3100/".into(),
            tags: BTreeMap::from([("site.name".to_owned(), "north".to_owned())]),
            ..Settings::default()
        };
        let loki = Loki::new(&settings, "all");
        let batch = [record("INFO", None, 1), record("INFO", Some("query"), 2), record("INFO", None, 3)];
        let request = loki.request(&batch).unwrap();
        assert_eq!(request.uri(), "http://loki.example:3100/loki/api/v1/push");
        assert!(request.headers().get("authorization").is_none());
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        let labels = |service: &str| json!({"site_name": "north", "service": service, "level": "info"});
        let expected = json!({"streams": [
            {"stream": labels("all"), "values": [["1000000005", "{\"said\":1}"], ["3000000005", "{\"said\":3}"]]},
            {"stream": labels("query"), "values": [["2000000005", "{\"said\":2}"]]},
        ]});
        assert_eq!(body, expected);
    }

    #[test]
    fn whoever_must_sign_in_does() {
        let mut settings = Settings { endpoint: "http://l/push".into(), ..Settings::default() };
        settings.auth.enabled = true;
        settings.auth.username = "Aladdin".into();
        settings.auth.password = "open sesame".into();
        let request = Loki::new(&settings, "all").request(&[]).unwrap();
        assert_eq!(request.uri(), "http://l/push");
        // The example of RFC 7617, section 2.
        assert_eq!(request.headers()["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}

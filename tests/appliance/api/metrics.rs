//! Figures for Prometheus: who may read them and what they say after a query.

use super::{Caller, asking, filled};
use crate::support::{Installation, eventually, steps};

/// The value of a figure in the text format.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_read_with_their_key_at_their_path_and_tell_of_memory() {
    let installation = Installation::new();
    let launch = installation.serve().set("Metrics.Prometheus.Enabled", "true");
    let launch = launch
        .set("Metrics.Prometheus.Path", "/figures")
        .set("Metrics.Prometheus.Key", "a key of some length");
    let node = launch.start().await;
    let ada = node.client("ada").await;
    let base = format!("http://{}", node.addresses["exporter"]);
    let exporter = Caller { http: reqwest::Client::new(), base };
    exporter.get("/figures", None).await.refused(401, "no key");
    exporter.get("/figures", Some("another key")).await.refused(401, "a wrong key");
    exporter.get("/metrics", Some("a key of some length")).await.refused(404, "another path");
    Caller::of(&node).get("/figures", Some("a key of some length")).await.refused(404, "the front door");

    let source = filled(&ada, "measured", 3, 2).await;
    steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    steps::ask_one(&ada, &source, &asking("HP:0001250", None)).await;
    let read = async || {
        let answer = exporter.get("/figures/", Some("a key of some length")).await;
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"), "{answer:?}");
        (value(&answer.body, "cv3_index_subjects") == Some(5.0)).then_some(answer.body)
    };
    let text = eventually("the index to be open", read).await;
    assert_eq!(value(&text, "cv3_index_sources"), Some(1.0), "{text}");
    assert_eq!(value(&text, "cv3_index_parts"), Some(1.0), "{text}");
    assert!(value(&text, "cv3_index_mapped_bytes").unwrap() > 100.0, "{text}");
    assert!(value(&text, "process_resident_memory_bytes").unwrap() > 1e6, "{text}");
    assert!(
        value(&text, r#"cv3_record_queries_total{level="any",outcome="answered"}"#).unwrap() >= 1.0,
        "{text}"
    );
    assert_eq!(
        value(&text, "cv3_record_query_seconds_count"),
        value(&text, r#"cv3_record_query_seconds_bucket{le="+Inf"}"#)
    );
    assert!(value(&text, "cv3_record_query_seconds_sum").unwrap() > 0.0, "{text}");
    let jobs = r#"cv3_jobs_total{kind="ingest",outcome="done",queue="database-manager"}"#;
    assert!(
        text.contains(jobs)
            || text.contains(r#"cv3_jobs_total{queue="database-manager",kind="ingest",outcome="done"}"#),
        "{text}"
    );
    assert!(text.contains(r#"cv3_jobs{queue="query-compiler",state="waiting"} 0"#), "{text}");
    assert!(text.contains("# TYPE cv3_http_request_seconds histogram"), "{text}");
    let routed: Vec<_> =
        text.lines().filter(|line| line.contains(r#"route="/source/{source_id}/ingest""#)).collect();
    assert!(!routed.is_empty() && routed.iter().all(|line| line.contains(r#"status="2"#)), "{text}");
    assert!(
        !text.contains(source.as_str()) && !text.contains(ada.user_id.as_str()),
        "an id is a label: {text}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_count_together_and_a_restart_forgets_nothing() {
    let installation = Installation::new();
    let launch =
        |services: &str| installation.serve().services(services).set("Metrics.Prometheus.Enabled", "true");
    let exporter = launch("exporter").start().await;
    let base = format!("http://{}", exporter.addresses["exporter"]);
    let exporter_of = Caller { http: reqwest::Client::new(), base };
    for round in 1..=2 {
        let admin = launch("admin").start().await;
        let base = format!("http://{}", admin.addresses["admin"]);
        for _ in 0..3 {
            reqwest::get(format!("{base}/config/keycloak")).await.unwrap();
        }
        reqwest::get(format!("{base}/made-up-{round}")).await.unwrap();
        admin.stop().await;
        let text = exporter_of.get("/metrics", None).await.body;
        let counted = |route: &str, status: u16| {
            let found = text.lines().find(|line| {
                line.starts_with("cv3_http_requests_total")
                    && line.contains(&format!("route=\"{route}\""))
                    && line.contains(&format!("status=\"{status}\""))
            });
            found.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        assert_eq!(counted("/config/keycloak", 200), 3 * round, "{text}");
        assert_eq!(counted("other", 404), round, "{text}");
    }
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_that_are_switched_off_are_not_there() {
    let installation = Installation::new();
    let node = installation.serve().services("exporter,admin").start().await;
    let base = format!("http://{}", node.addresses["exporter"]);
    Caller { http: reqwest::Client::new(), base }.get("/metrics", None).await.refused(404, "switched off");
    node.stop().await;
}

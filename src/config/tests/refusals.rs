use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::config::{
    tree::{Form, tree},
    values::REDACTED,
};

#[rstest]
#[case("MongoDB.Port", json!({"MongoDB": {"Port": 70000}}))]
#[case("MongoDB.MaxJobs", json!({"MongoDB": {"MaxJobs": 0}}))]
#[case("MongoDB.Database", json!({"MongoDB": {"Database": "a.b"}}))]
#[case("MongoDB.Host", json!({"MongoDB": {"Host": ["db"]}}))]
#[case("MongoDB", json!({"MongoDB": "mongodb://db"}))]
#[case("Redis.Password", json!({"Redis": {"User": "me"}}))]
#[case("Keycloak.URL", json!({"Keycloak": {"URL": "localhost:8080"}}))]
#[case("Keycloak.Realm", json!({"Keycloak": {"Realm": " "}}))]
#[case("Keycloak.RedirectURLs[1]", json!({"Keycloak": {"RedirectURLs": ["https://cv", "cv"]}}))]
#[case("Keycloak.Validation", json!({"Keycloak": {"Validation": "trust"}}))]
#[case("Vault.KV2Path", json!({"Vault": {"KV2Path": "kv/../sys"}}))]
#[case("CORS.AllowHeaders", json!({"CORS": {"AllowHeaders": ["X-A\r\nX-B"]}}))]
#[case("Metrics.Prometheus.Path", json!({"Metrics": {"Prometheus": {"Path": "/../x"}}}))]
#[case("Email.From.Address", json!({"Email": {"SMTP": {"Host": "smtp"}}}))]
#[case("Logging.Level", json!({"Logging": {"Level": "LOUD"}}))]
#[case("Logging.SplunkHEC.Token", json!({"Logging": {"SplunkHEC": {"Enabled": true, "HecEndpoint": "https://h"}}}))]
#[case("Logging.Loki.Endpoint", json!({"Logging": {"Loki": {"Enabled": true}}}))]
#[case("Data.ChunkSize", json!({"Data": {"ChunkSize": 0}}))]
#[case("Appliance.Listen", json!({"Appliance": {"Listen": "everywhere"}}))]
#[case("Appliance.Listen", json!({"Appliance": {"Listen": "127.0.0.1:5100"}}))]
#[case("Appliance.TLS.Key", json!({"Appliance": {"TLS": {"Certificate": "c.pem"}}}))]
#[case("Appliance.TrustedProxies[0]", json!({"Appliance": {"TrustedProxies": ["10.0.0.0/40"]}}))]
#[case("Appliance.Secrets.Passphrase", json!({"Appliance": {"Secrets": {"Passphrase": "short"}}}))]
#[case("Appliance.Privacy.Epsilon", json!({"Appliance": {"Privacy": {"Epsilon": 0}}}))]
#[case("Privacy.Epsilon", json!({"Privacy": {"Epsilon": "much"}}))]
#[case("Appliance.Limits.NodeSeconds", json!({"Appliance": {"Limits": {"NodeSeconds": 5}}}))]
#[case("Appliance.Limits.MaxBodyBytes", json!({"Appliance": {"Limits": {"MaxBodyBytes": "1 EiB"}}}))]
#[case("Appliance.Retention.QueriesDays", json!({"Appliance": {"Retention": {"QueriesDays": 0}}}))]
#[case("Appliance.Workers.QueryCompiler", json!({"Appliance": {"Workers": {"QueryCompiler": 0}}}))]
#[case("Appliance.Federation.TrustedIssuers", json!({"Federation": {"TrustedIssuers": ["http://id.example"]}}))]
#[case("Appliance.Lisen", json!({"Appliance": {"Lisen": "127.0.0.1:1"}}))]
#[case("Instance.Urll", json!({"Instance": {"Urll": "https://cv"}}))]
#[case("Appliance.Engine", json!({"Appliance": {"Engine": "mongodb"}}))]
#[case("Appliance.Engine", json!({"Appliance": {"Engine": "sqlite"}, "MongoDB": {"Host": "db"}}))]
#[case("Appliance.Engine", json!({"PostgreSQL": {"Host": "db"}, "MongoDB": {"Host": "db"}}))]
#[case("Appliance.PostgreSQL.Schema", json!({"PostgreSQL": {"Schema": "pg_catalog"}}))]
#[case("Appliance.PostgreSQL.MaxConnections", json!({"PostgreSQL": {"MaxConnections": 1}}))]
#[case("PostgreSQL.TLS", json!({"PostgreSQL": {"TLS": "verify"}}))]
#[case("Appliance.AllowDemo", json!({"Appliance": {"AllowDemo": true}}))]
fn what_cannot_be_used_is_refused_with_its_path(#[case] path: &str, #[case] file: Value) {
    assert_eq!(Case::file(file).refused(), [path]);
}

#[rstest]
#[case("CV3_ENV", "staging")]
#[case("CV3_BIND", "5000")]
#[case("CV3_BIND", "127.0.0.1:65000")]
#[case("CV3_GRACEFUL_TIMEOUT", "soon")]
fn a_variable_that_cannot_be_used_is_named(#[case] name: &str, #[case] text: &str) {
    assert_eq!(Case::new().env(name, text).refused(), [name]);
}

#[test]
fn everything_wrong_is_told_at_once_with_its_origin() {
    let case = Case::file(json!({"MongoDB": {"Port": 0, "MaxJobs": 0}, "Data": {"ChunkSize": "x"}}))
        .env("CV3_REDIS__PORT", "no")
        .set("Logging.Level", "LOUD");
    let errors = case.load().unwrap_err();
    let lines: Vec<_> =
        errors.0.iter().map(|problem| (problem.origin.as_str(), problem.path.as_str())).collect();
    let file = case.path().join("instance_config.json").display().to_string();
    for expected in [
        (file.as_str(), "MongoDB.Port"),
        (file.as_str(), "MongoDB.MaxJobs"),
        (file.as_str(), "Data.ChunkSize"),
        ("CV3_REDIS__PORT", "Redis.Port"),
        ("--set", "Logging.Level"),
    ] {
        assert!(lines.contains(&expected), "{expected:?} is missing in {errors}");
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn every_setting_that_can_be_wrong_is_refused_with_its_path() {
    for known in &tree().values {
        // A list and a map take any text apart; the others have no reading of this.
        let file = known.path.split('.').rev().fold(json!([[]]), |inner, key| json!({ key: inner }));
        let refused = Case::file(file).refused();
        assert!(refused.iter().any(|path| path.starts_with(&known.path)), "{}: {refused:?}", known.path);
    }
}

#[rstest]
#[case(json!({"Listen": "0.0.0.0:5080"}), "Appliance.Listen")]
#[case(json!({"Listen": "[::]:5080", "PublicURL": "https://cv.example"}), "Appliance.Listen")]
#[case(json!({"Listen": "0.0.0.0:5080", "PublicURL": "http://cv.example", "TrustedProxies": ["10.0.0.1"]}), "Appliance.Listen")]
fn the_built_in_issuer_stays_on_loopback_without_encryption(#[case] ours: Value, #[case] path: &str) {
    let case = Case::file(json!({"Appliance": ours}));
    assert_eq!(case.refused(), [path]);
    let case = case.env("CV3_ENV", "development");
    assert!(case.warned("refused in production"));
}

#[rstest]
#[case(json!({"Appliance": {"Listen": "0.0.0.0:5080", "TLS": {"Certificate": "c", "Key": "k"}}}))]
#[case(json!({"Appliance": {"Listen": "0.0.0.0:5080", "PublicURL": "https://cv.example", "TrustedProxies": ["10.0.0.1"]}}))]
#[case(json!({"Appliance": {"Listen": "0.0.0.0:5080"}, "Keycloak": {"URL": "https://id.example"}}))]
fn off_loopback_is_served_with_encryption_or_another_issuer(#[case] file: Value) {
    Case::file(file).load().unwrap();
}

#[test]
fn services_off_loopback_need_the_same() {
    let case = Case::new().env("CV3_BIND", "0.0.0.0:5000");
    assert_eq!(case.refused(), ["CV3_BIND"]);
    case.write("instance_config.json", r#"{"Appliance": {"ServicePorts": false}}"#);
    case.load().unwrap();
}

#[rstest]
#[case("CORS.AllowOrigin", json!({"CORS": {"AllowOrigin": ["*"]}}))]
#[case("Keycloak.URL", json!({"Keycloak": {"URL": "http://keycloak:8080"}}))]
#[case("Keycloak.BackendURL", json!({"Keycloak": {"URL": "https://id", "BackendURL": "http://keycloak:8080"}}))]
#[case("Vault.Host", json!({"Vault": {"Host": "http://vault:8200"}}))]
#[case("MongoDB.Password", json!({"MongoDB": {"User": "", "Password": ""}}))]
#[case("Redis.Password", json!({"Redis": {"Host": "redis"}}))]
#[case("Appliance.PostgreSQL.Password", json!({"PostgreSQL": {"Host": "db"}}))]
#[case("Appliance.PostgreSQL.TLS", json!({"PostgreSQL": {"Host": "db"}}))]
#[case("Appliance.PostgreSQL.TLS", json!({"PostgreSQL": {"Host": "localhost,db", "TLS": "require"}}))]
#[case("Appliance.TrustedProxies", json!({"Appliance": {"TrustedProxies": ["0.0.0.0/0"]}}))]
fn what_existing_installations_have_is_served_with_a_warning(#[case] path: &str, #[case] file: Value) {
    assert!(Case::file(file).warned(path));
}

#[test]
fn unknown_keys_of_ours_only_warn_in_development() {
    let case = Case::file(json!({"Appliance": {"Lisen": 1}})).env("CV3_ENV", "development");
    assert!(case.warned("Appliance.Lisen"));
}

/// Writes a secret into every place that takes text, one after the other, and looks for it in all output.
#[test]
fn no_secret_shows_anywhere() {
    let canary = "hunter2-hunter2";
    for known in tree().values.iter().filter(|known| known.leaf.secret()) {
        let file = known.path.split('.').rev().fold(json!(canary), |inner, key| json!({ key: inner }));
        let mut case = Case::file(file).env("CV3_EMAIL__FROM__ADDRESS", "a@example.org");
        let loaded = case.load().unwrap();
        assert!(!format!("{loaded:?}").contains(canary), "{}", known.path);
        assert!(!serde_json::to_string(&loaded.config).unwrap().contains(canary), "{}", known.path);
        case = case.env("CV3_DATA__CHUNKSIZE", "0");
        assert!(!case.load().unwrap_err().to_string().contains(canary), "{}", known.path);
    }
}

#[test]
fn an_error_never_quotes_what_it_refuses() {
    let canary = "hunter2 hunter2";
    for known in tree().values.iter().filter(|known| !matches!(known.leaf.form, Form::Text | Form::Secret)) {
        for value in [json!(canary), json!([canary]), json!({canary: canary})] {
            let file = known.path.split('.').rev().fold(value, |inner, key| json!({ key: inner }));
            if let Err(errors) = Case::file(file).load() {
                assert!(!format!("{errors} {errors:?}").contains(canary), "{}", known.path);
            }
        }
    }
}

#[test]
fn the_mark_of_a_hidden_secret_is_not_taken_for_one() {
    assert_eq!(Case::file(json!({"MongoDB": {"Password": REDACTED}})).refused(), ["MongoDB.Password"]);
}

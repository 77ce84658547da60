use std::path::{Path, PathBuf};

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::config::values::Level;

#[test]
fn without_any_file_everything_is_embedded() {
    if Path::new("/etc/cv3-backend/instance_config.json").exists() {
        println!("skipped: this machine has a configuration");
        return;
    }
    let case = Case::new();
    fs::remove_file(case.path().join("instance_config.json")).unwrap();
    let loaded = case.load().unwrap();
    assert_eq!(loaded.config, InstanceConfig::default());
    assert_eq!(loaded.path, None);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.bind.to_string(), "127.0.0.1:5000");
    assert_eq!(loaded.graceful.as_secs(), 30);
}

#[rstest]
#[case(json!({}))]
#[case(json!({"MongoDB": {}, "Redis": {}, "Keycloak": {}, "Vault": {}, "Email": {}, "Metrics": {}}))]
#[case(json!({"MongoDB": null, "Redis": {"_comment": "later"}}))]
#[case(json!({"PostgreSQL": {}, "Appliance": {"PostgreSQL": {}, "TLS": {}}}))]
#[case(json!({"$schema": "schema.json", "_comment": "nothing", "Appliance": {"_comment": ["still", "nothing"]}}))]
fn empty_sections_are_absent(#[case] file: Value) {
    let loaded = Case::file(file).load().unwrap();
    assert_eq!(loaded.config, InstanceConfig::default());
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_section_that_is_present_takes_the_published_defaults() {
    let config = Case::file(json!({"MongoDB": {"User": "me"}, "Vault": {"KV2Prefix": "x"}})).config();
    let mongodb = config.mongodb.unwrap();
    assert_eq!((mongodb.host.expose(), mongodb.port.get(), mongodb.max_jobs), ("localhost", 27017, 40));
    assert_eq!(mongodb.user, "me");
    let vault = config.vault.unwrap();
    assert_eq!((vault.transit(), vault.kv2(), vault.prefix()), ("transit_cv3", "kv", "x"));
    assert!(config.redis.is_none());
}

#[test]
fn names_that_no_rule_makes_are_read() {
    let file = json!({
        "MongoDB": {"Host": "db"},
        "Keycloak": {"URL": "https://id/", "BackendURL": "", "RedirectURLs": ["https://cv/callback.html"]},
        "Vault": {"KV2Path": "kv2", "Host": "https://vault"},
        "CORS": {"AllowOrigin": ["https://cv"]},
        "Email": {"From": {"Address": "a@example.org"}, "SMTP": {"Host": "smtp", "TLS": "starttls"}},
        "Logging": {"SplunkHEC": {"HecEndpoint": "https://hec"}},
        "Redis": {"TLS": true},
        "Appliance": {"PublicURL": "https://cv", "TLS": {"Certificate": "c", "Key": "k"}},
    });
    let config = Case::file(file).config();
    assert_eq!(config.mongodb.unwrap().host.expose(), "db");
    let keycloak = config.keycloak.unwrap();
    assert_eq!(keycloak.backend().expose(), "https://id/");
    assert_eq!(keycloak.redirect_urls.len(), 1);
    assert_eq!(config.vault.unwrap().kv2(), "kv2");
    assert_eq!(config.cors.allow_origin, ["https://cv"]);
    assert_eq!(config.email.unwrap().smtp.host, "smtp");
    assert_eq!(config.logging.splunk_hec.hec_endpoint.expose(), "https://hec");
    assert!(config.redis.unwrap().tls);
    assert_eq!(config.appliance.public_url.expose(), "https://cv");
    assert_eq!(config.appliance.tls.unwrap().key, Path::new("k"));
}

#[rstest]
#[case(json!("27017"))]
#[case(json!(27017))]
fn ports_are_numbers_or_text(#[case] port: Value) {
    assert_eq!(Case::file(json!({"MongoDB": {"Port": port}})).config().mongodb.unwrap().port.get(), 27017);
}

#[test]
fn other_spellings_lead_to_the_same_setting() {
    let file = json!({
        "Instance": {"URL": "https://cv.example.org"},
        "Federation": {"AllowLoopback": true, "RequireChallenge": false},
        "Terms": {"File": "terms.bin"},
        "Privacy": {"MinimumValueCount": 7},
        "Peers": {"AllowNetworks": ["10.0.0.0/8"]},
        "Data": {"MaxUploadBytes": "1 GiB", "RetainRaw": 3},
        "CORS": {"AllowedOrigin": ["https://cv.example.org"]},
        "PostgreSQL": {"Host": "db", "Password": "p"},
    });
    let loaded = Case::file(file).load().unwrap();
    let ours = loaded.config.appliance;
    assert_eq!(loaded.unknown, Vec::<String>::new());
    assert_eq!(ours.instance.url.expose(), "https://cv.example.org");
    assert!(ours.federation.allow_loopback && !ours.federation.require_challenge);
    assert_eq!(ours.terms.file, Some(PathBuf::from("terms.bin")));
    assert_eq!(ours.privacy.minimum_value_count, 7);
    assert_eq!(ours.peers.allow_networks.len(), 1);
    assert_eq!((ours.limits.max_upload_bytes.get(), ours.retention.raw.get()), (1 << 30, 3));
    assert_eq!(loaded.config.cors.allow_origin, ["https://cv.example.org"]);
    assert_eq!(ours.postgresql.unwrap().host.expose(), "db");
}

#[rstest]
#[case("Appliance.Limits.MaxUploadBytes", json!({"Limits": {"MaxUploadBytes": 5}, "Data": {"MaxUploadBytes": 6}}))]
#[case("Appliance.Limits.MaxUploadBytes", json!({"Data": {"MaxUploadBytes": 6}, "Limits": {"MaxUploadBytes": 5}}))]
fn the_proper_spelling_wins_over_another(#[case] path: &str, #[case] ours: Value) {
    let case = Case::file(json!({"Appliance": ours}));
    assert_eq!(case.config().appliance.limits.max_upload_bytes.get(), 5);
    assert!(case.warned(path));
}

#[test]
fn unknown_keys_are_named_by_path_and_not_used() {
    let file =
        json!({"MongoDB": {"Hots": "x"}, "Mongo": {"Host": "x"}, "Logging": {"Loki": {"Auth": {"Pass": 1}}}});
    let loaded = Case::file(file).load().unwrap();
    let mut unknown = loaded.unknown.clone();
    unknown.sort();
    assert_eq!(unknown, ["Logging.Loki.Auth.Pass", "Mongo", "MongoDB.Hots"]);
    assert_eq!(loaded.warnings.iter().filter(|warning| warning.contains("not known")).count(), 3);
    let hint = "MongoDB.Hots: the key is not known and not used; the nearest key is Host";
    assert!(loaded.warnings.iter().any(|warning| warning.ends_with(hint)), "{:?}", loaded.warnings);
    assert!(loaded.config.mongodb.is_some(), "a section with a slip in it is not taken for absent");
}

#[test]
fn places_are_looked_at_in_order() {
    let case = Case::text(r#"{"Logging": {"Level": "debug"}}"#);
    assert_eq!(case.config().logging.level, Level::Debug);
    case.write("etc/instance_config.json", r#"{"Logging": {"Level": "error"}}"#);
    assert_eq!(case.config().logging.level, Level::Error);
    let case = case.env("CV3_CONFIG", "instance_config.json");
    assert_eq!(case.config().logging.level, Level::Debug);
    let flags = Flags { config: Some("etc/instance_config.json".into()), ..Flags::default() };
    let loaded = case.flags(flags).load().unwrap();
    assert_eq!(loaded.config.logging.level, Level::Error);
    assert!(loaded.path.unwrap().ends_with("etc/instance_config.json"));
}

#[test]
fn the_folder_of_the_program_is_looked_at_behind_and_beside_a_link() {
    let mut case = Case::new();
    fs::remove_file(case.path().join("instance_config.json")).unwrap();
    case.write("opt/real", "");
    case.write("opt/etc/instance_config.json", r#"{"Logging": {"Name": "behind"}}"#);
    case.write("bin/etc/instance_config.json", r#"{"Logging": {"Name": "beside"}}"#);
    let link = case.path().join("bin/cv3-backend");
    std::os::unix::fs::symlink(case.path().join("opt/real"), &link).unwrap();
    case.sources.exe = Some(link);
    assert_eq!(case.config().logging.name, "behind");
    std::fs::remove_dir_all(case.path().join("opt/etc")).unwrap();
    assert_eq!(case.config().logging.name, "beside");
}

#[test]
fn a_named_file_must_exist() {
    let flags = Flags { config: Some("nowhere.json".into()), ..Flags::default() };
    let error = Case::new().flags(flags).load().unwrap_err().to_string();
    assert!(error.contains("--config") && error.contains("nowhere.json"), "{error}");
    let error = Case::new().env("CV3_CONFIG", "nowhere.json").load().unwrap_err().to_string();
    assert!(error.contains("CV3_CONFIG") && error.contains("nowhere.json"), "{error}");
}

#[test]
fn broken_json_is_named_by_line_and_column_without_its_text() {
    let error = Case::text("{\n  \"MongoDB\": {\"Password\": \"hunter2\" \"x\"}\n}").load().unwrap_err();
    assert_eq!(error.0[0].path, "line 2 column 37");
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_file_of_another_kind_is_refused() {
    assert_eq!(Case::text("[]").refused(), ["(document)"]);
    assert_eq!(Case::text(&" ".repeat((1 << 20) + 1)).refused(), ["(document)"]);
    assert_eq!(Case::text(&"[".repeat(100_000)).refused().len(), 1);
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    assert_eq!(Case::text("\u{feff}{\"Logging\": {\"Name\": \"x\"}}").config().logging.name, "x");
}

#[test]
fn the_data_directory_is_found_in_order() {
    let folder =
        |case: &Case| case.load().unwrap().data_directory.strip_prefix(case.path()).unwrap().to_path_buf();
    assert_eq!(folder(&Case::new()), Path::new("cv3-data"));
    let case = Case::new().env("STATE_DIRECTORY", "state:other");
    assert_eq!(folder(&case), Path::new("state"));
    let case = case.env("CV3_DATA_DIRECTORY", "env");
    assert_eq!(folder(&case), Path::new("env"));
    case.write("instance_config.json", r#"{"Appliance": {"DataDirectory": "file"}}"#);
    assert_eq!(folder(&case), Path::new("file"));
    let flags = Flags { data_directory: Some("flag".into()), ..Flags::default() };
    assert_eq!(folder(&case.flags(flags)), Path::new("flag"));
}

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::config::{Mode, Origin, tree::tree};

#[rstest]
#[case("CV3_MONGODB__HOST")]
#[case("cv3_mongodb__host")]
#[case("CV3_MongoDB__Host")]
fn variables_are_matched_without_case(#[case] name: &str) {
    let loaded = Case::new().env(name, "db").load().unwrap();
    assert_eq!(loaded.config.mongodb.unwrap().host.expose(), "db");
    assert_eq!(loaded.origins["MongoDB.Host"], Origin::Environment(name.to_owned()));
}

#[test]
fn every_setting_has_a_variable_of_its_own_that_reaches_it() {
    for known in &tree().values {
        let rest = known.env.strip_prefix("CV3_").unwrap().to_lowercase().replace("__", ".");
        assert_eq!(tree().value_caseless(&rest).unwrap().path, known.path);
    }
    let mut names: Vec<_> =
        tree().values.iter().map(|known| crate::config::tree::fold(&known.path)).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "two settings share a variable");
}

#[test]
fn nested_and_typed_values_are_read() {
    let config = Case::new()
        .env("CV3_EMAIL__FROM__ADDRESS", "a@example.org")
        .env("CV3_EMAIL__SMTP__AUTHENTICATION__REQUIRED", "yes")
        .env("CV3_EMAIL__SMTP__AUTHENTICATION__USERNAME", "me")
        .env("CV3_EMAIL__SMTP__PORT", "465")
        .env("CV3_MONGODB__MAX_JOBS", "7")
        .env("CV3_PRIVACY__EPSILON", "0.5")
        .env("CV3_APPLIANCE__LIMITS__MAXBODYBYTES", "1 MiB")
        .env("CV3_LOGGING__LOKI__TAGS", "site=north, kind=test")
        .config();
    let smtp = config.email.unwrap().smtp;
    assert!(smtp.authentication.required);
    assert_eq!((smtp.port.get(), config.mongodb.unwrap().max_jobs), (465, 7));
    assert_eq!(config.appliance.privacy.epsilon, 0.5);
    assert_eq!(config.appliance.limits.max_body_bytes.get(), 1 << 20);
    assert_eq!(config.logging.loki.tags["kind"], "test");
}

#[rstest]
#[case("https://a.example,https://b.example")]
#[case(r#"["https://a.example", "https://b.example"]"#)]
#[case(" https://a.example , https://b.example, ")]
fn lists_are_json_or_separated_by_commas(#[case] text: &str) {
    let config = Case::new().env("CV3_CORS__ALLOWORIGIN", text).config();
    assert_eq!(config.cors.allow_origin, ["https://a.example", "https://b.example"]);
}

#[test]
fn file_gives_way_to_environment_and_environment_to_flags() {
    let case = Case::file(json!({"Redis": {"Host": "file", "Port": 1, "User": "file", "Password": "p"}}))
        .env("CV3_REDIS__HOST", "env")
        .env("CV3_REDIS__PORT", "2")
        .set("redis.host", "flag");
    let loaded = case.load().unwrap();
    let redis = loaded.config.redis.unwrap();
    assert_eq!((redis.host.expose(), redis.port.get(), redis.user.as_str()), ("flag", 2, "file"));
    assert_eq!(loaded.origins["Redis.Host"].to_string(), "--set");
    assert_eq!(loaded.origins["Redis.Port"].to_string(), "CV3_REDIS__PORT");
    assert!(loaded.origins["Redis.User"].to_string().ends_with("instance_config.json"));
    assert!(!loaded.origins.contains_key("Redis.Cluster"));
}

#[test]
fn listen_is_a_flag_of_its_own() {
    let flags = Flags { listen: Some("127.0.0.1:9999".parse().unwrap()), ..Flags::default() };
    let config = Case::file(json!({"Appliance": {"Listen": "127.0.0.1:1"}})).flags(flags).config();
    assert_eq!(config.appliance.listen.0.port(), 9999);
}

#[test]
fn an_unknown_setting_on_the_command_line_is_a_mistake() {
    assert_eq!(Case::new().set("MongoDB.Hots", "x").refused(), ["MongoDB.Hots"]);
}

#[rstest]
#[case("CV3_MONGODB__PASSWORD_FILE", "MongoDB")]
#[case("cv3_mongodb__password_file", "MongoDB")]
fn a_secret_is_read_from_a_file(#[case] name: &str, #[case] _section: &str) {
    let case = Case::new().env(name, "secret.txt");
    case.write("secret.txt", "hunter2\n");
    assert_eq!(case.config().mongodb.unwrap().password.expose(), "hunter2");
}

#[test]
fn a_file_that_is_missing_or_huge_or_doubled_is_refused() {
    let case = Case::new().env("CV3_MONGODB__PASSWORD_FILE", "secret.txt");
    assert_eq!(case.refused(), ["MongoDB.Password"]);
    case.write("secret.txt", &"x".repeat(70_000));
    assert_eq!(case.refused(), ["MongoDB.Password"]);
    case.write("secret.txt", "x");
    assert_eq!(case.env("CV3_MONGODB__PASSWORD", "y").refused(), ["MongoDB.Password"]);
}

#[test]
fn only_secrets_come_from_files() {
    let case = Case::new().env("CV3_MONGODB__HOST_FILE", "host.txt");
    assert!(case.warned("CV3_MONGODB__HOST_FILE is not known; the nearest name is CV3_MONGODB__HOST"));
}

#[test]
fn the_names_of_the_original_complete_a_section_but_do_not_select_it() {
    let case = Case::new().env("VAULT_ROLE_ID", "role").env("VAULT_SECRET_ID", "hunter2");
    assert!(case.config().vault.is_none());
    assert!(case.warned("VAULT_ROLE_ID is set but not used"));
    case.write("instance_config.json", r#"{"Vault": {"Host": "https://vault"}}"#);
    let vault = case.config().vault.unwrap();
    assert_eq!(vault.role_id.unwrap().expose(), "role");
    assert_eq!(vault.secret_id.unwrap().expose(), "hunter2");
}

#[test]
fn the_names_of_the_original_have_files_too() {
    let case = Case::file(json!({"Vault": {"KV2Path": "kv"}, "Keycloak": {"Realm": "r"}}))
        .env("VAULT_ROLE_ID_FILE", "role.txt")
        .env("VAULT_SECRET_ID_FILE", "fresh.txt")
        .env("KEYCLOAK_CLIENT_SECRET_FILE", "client.txt");
    case.write("role.txt", "role\n");
    case.write("client.txt", "hunter2\r\n");
    let config = case.config();
    let vault = config.vault.unwrap();
    assert_eq!(vault.role_id.unwrap().expose(), "role");
    assert_eq!(vault.secret_id_file.unwrap().to_str(), Some("fresh.txt"), "read at every login, so not now");
    assert_eq!(config.keycloak.unwrap().client_secret.unwrap().expose(), "hunter2");
}

#[test]
fn workers_address_and_administrator_come_from_the_names_of_the_original() {
    let loaded = Case::new()
        .env("DB_MANAGER_WORKER", "3")
        .env("QUERY_COMPILER_WORKER", "4")
        .env("META_QUERY_WORKER", "5")
        .env("INSTANCE_URL", "https://cv.example.org")
        .env("ADMIN_EMAIL", "admin@example.org")
        .env("ADMIN_AFFILIATION", "Example")
        .env("CV3_BIND", "127.0.0.1:6000")
        .env("CV3_GRACEFUL_TIMEOUT", "5")
        .env("CV3_APP_PATH", "app")
        .env("CV3_APP_MODULE", "ignored")
        .env("CV3_LOGFILE", "h.log")
        .env("CV3_ACCESS_LOG_FILE", "/var/log/access.log")
        .env("CV3_ERROR_LOG_FILE", "e.log")
        .env("CV3_PIDFILE", "p.pid")
        .env("CV3_ENV", "development")
        .load()
        .unwrap();
    let workers = &loaded.config.appliance.workers;
    assert_eq!(
        (workers.database_manager, workers.query_compiler, workers.meta_query),
        (Some(3), Some(4), Some(5))
    );
    assert_eq!(loaded.config.appliance.instance.url.expose(), "https://cv.example.org");
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!((loaded.bind.port(), loaded.graceful.as_secs(), loaded.mode), (6000, 5, Mode::Development));
    let process = &loaded.process;
    assert!(process.bind_given);
    assert_eq!(process.log_file, Some(loaded.working_dir.join("app/h.log")));
    assert_eq!(process.access_log_file, Some("/var/log/access.log".into()));
    assert_eq!(process.pid_file, Some(loaded.working_dir.join("app/p.pid")));
    assert_eq!(process.admin_email.as_deref(), Some("admin@example.org"));
}

#[test]
fn our_full_name_wins_over_the_name_of_the_original() {
    let case = Case::new()
        .env("INSTANCE_URL", "https://old.example.org")
        .env("CV3_INSTANCE__URL", "https://short.example.org")
        .env("CV3_APPLIANCE__INSTANCE__URL", "https://full.example.org");
    assert_eq!(case.config().appliance.instance.url.expose(), "https://full.example.org");
}

#[test]
fn an_unknown_variable_leads_to_the_nearest_known_one() {
    let case = Case::new().env("CV3_MONGODB__HOTS", "db");
    assert!(case.warned("CV3_MONGODB__HOTS is not known; the nearest name is CV3_MONGODB__HOST"));
    assert!(case.config().mongodb.is_none());
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert!(Case::new().env("CV3_MONGODB__HOST", "").config().mongodb.is_none());
}

#[test]
fn credentials_of_the_service_manager_are_secrets_and_paths_by_the_names_of_their_variables() {
    let case = Case::new();
    let folder = case.path().join("credentials");
    case.write("credentials/CV3_MONGODB__PASSWORD", "quiet herons\n");
    case.write("credentials/CV3_APPLIANCE__SECRETS__KEYFILE", "00");
    case.write("credentials/CV3_MONGODB__HOST", "evil.example.org");
    case.write("credentials/other", "not ours");
    let case = case.env("CREDENTIALS_DIRECTORY", &folder.to_string_lossy());
    let config = case.config();
    let mongodb = config.mongodb.unwrap();
    assert_eq!(mongodb.password.expose(), "quiet herons");
    assert_eq!(mongodb.host.expose(), "localhost");
    assert_eq!(config.appliance.secrets.key_file, Some(folder.join("CV3_APPLIANCE__SECRETS__KEYFILE")));
    assert!(case.warned("the credential CV3_MONGODB__HOST is not used"));
    assert!(!case.warned("other"));
}

#[test]
fn a_variable_wins_over_a_credential_of_its_name() {
    let case = Case::new();
    let folder = case.path().join("credentials");
    case.write("credentials/CV3_MONGODB__PASSWORD", "of the file");
    let case = case.env("CREDENTIALS_DIRECTORY", &folder.to_string_lossy());
    let case = case.env("cv3_mongodb__password", "of the variable");
    assert_eq!(case.config().mongodb.unwrap().password.expose(), "of the variable");
}

#[test]
fn credentials_that_cannot_be_read_are_said() {
    let case = Case::new().env("CREDENTIALS_DIRECTORY", "nowhere");
    assert!(case.warned("CREDENTIALS_DIRECTORY: nowhere cannot be read"));
}

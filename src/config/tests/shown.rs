use serde_json::json;

use super::*;
use crate::config::{Origin, Shown, check, restart_needed, show};

fn line<'a>(shown: &'a [Shown], path: &str) -> &'a Shown {
    shown.iter().find(|line| line.path == path).unwrap_or_else(|| panic!("{path} is not shown"))
}

#[test]
fn each_setting_is_shown_with_its_origin_and_without_its_secret() {
    let loaded = Case::file(json!({"MongoDB": {"Password": "hunter2", "Host": "mongodb://u:hunter2@db"}}))
        .env("CV3_MONGODB__PORT", "1234")
        .set("MongoDB.User", "me")
        .load()
        .unwrap();
    let shown = show(&loaded);
    assert!(!format!("{shown:?}").contains("hunter2"));
    assert_eq!(line(&shown, "MongoDB.Password").value, "\"[redacted]\"");
    assert_eq!(line(&shown, "MongoDB.Host").value, "\"mongodb://[redacted]@db\"");
    let port = line(&shown, "MongoDB.Port");
    assert_eq!((port.value.as_str(), port.origin.to_string().as_str()), ("1234", "CV3_MONGODB__PORT"));
    assert_eq!(line(&shown, "MongoDB.User").origin, Origin::Flag("--set".to_owned()));
    assert!(matches!(line(&shown, "MongoDB.Password").origin, Origin::File(_)));
    assert_eq!(line(&shown, "MongoDB.MaxJobs").origin, Origin::Default);
}

#[test]
fn an_absent_section_is_one_line() {
    let shown = show(&Case::new().load().unwrap());
    assert_eq!(line(&shown, "Redis").value, "absent");
    assert!(!shown.iter().any(|line| line.path.starts_with("Redis.")));
    assert_eq!(shown.iter().filter(|line| line.path == "Appliance.TLS").count(), 1);
}

#[test]
fn a_check_names_the_adapters_and_fails_on_unknown_keys() {
    let report = check(&Case::file(json!({"Redis": {"Port": 1}, "Rediss": {}})).load().unwrap());
    assert!(!report.passed);
    assert_eq!(report.unknown, ["Rediss"]);
    assert!(report.facts.contains(&"broker: redis".to_owned()), "{:?}", report.facts);
    assert!(report.facts.contains(&"store: sqlite".to_owned()), "{:?}", report.facts);
    assert!(check(&Case::new().load().unwrap()).passed);
}

#[test]
fn a_reload_tells_what_needs_a_restart() {
    let old = Case::file(json!({"Logging": {"Level": "INFO"}, "MongoDB": {"Password": "a"}})).load().unwrap();
    let change = |file| {
        let mut new = Case::file(file).load().unwrap();
        new.data_directory.clone_from(&old.data_directory);
        restart_needed(&old, &new)
    };
    let none: [&str; 0] = [];
    assert_eq!(change(json!({"Logging": {"Level": "DEBUG"}, "MongoDB": {"Password": "a"}})), none);
    assert_eq!(change(json!({"MongoDB": {"Password": "b"}})), ["MongoDB.Password"]);
    let both = json!({"MongoDB": {"Password": "b", "MaxJobs": 1}});
    assert_eq!(change(both), ["MongoDB.MaxJobs", "MongoDB.Password"]);
    assert_eq!(change(json!({"MongoDB": {"Password": "a", "Host": "db"}})), ["MongoDB.Host"]);
    assert_eq!(change(json!({})), ["MongoDB"]);
    let with_redis = json!({"MongoDB": {"Password": "a"}, "Redis": {"Port": 6379}});
    assert_eq!(change(with_redis), ["Redis"]);
}

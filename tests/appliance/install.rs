//! `install` and `update-config`: the first run by hand, which may be repeated and never takes anything away (§4.1).

use serde_json::{Value, json};

use crate::support::Installation;

fn installed(installation: &Installation, words: &[&str]) -> (bool, Value) {
    let words: Vec<&str> = ["install", "--json"].iter().chain(words).copied().collect();
    let (done, printed) = installation.try_tool(&words);
    (done, serde_json::from_str(&printed).unwrap_or_default())
}

/// Specification §15, no. 14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_is_made_once_and_repeating_it_takes_nothing_away() {
    let installation = Installation::empty();
    assert!(!installed(&installation, &["--non-interactive"]).0, "nobody says whose the first account is");
    let ada = ["--non-interactive", "--email", "ada@example.org", "--username", "ada"];
    let (done, made) = installed(&installation, &ada);
    assert!(done && made["oneTimePassword"].is_string(), "{made}");
    assert_eq!(made["username"], "ada");

    let listed = installation.tool(&["user", "list", "--json"], "");
    installation.tool(&["source", "add", "clinic"], "");
    for words in
        [ada.as_slice(), &["--non-interactive", "--email", "eve@example.org"], &["--non-interactive"]]
    {
        assert_eq!(installed(&installation, words), (true, json!({"installed": true, "already": true})));
    }
    assert!(!installed(&installation, &["--wipe"]).0, "wiping is confirmed at a terminal only");
    assert!(!installed(&installation, &["--wipe", "--non-interactive"]).0);
    assert_eq!(installation.tool(&["user", "list", "--json"], ""), listed);
    let sources: Value = serde_json::from_str(&installation.tool(&["source", "list", "--json"], "")).unwrap();
    assert_eq!(sources[0]["sourceName"], "clinic");
}

#[test]
fn a_configuration_is_placed_if_a_start_would_take_it() {
    let installation = Installation::empty();
    let place = installation.data().with_file_name("config.json");
    let before = std::fs::read_to_string(&place).unwrap();
    let new = installation.data().with_file_name("new.json");
    for bad in ["{", r#"{"Appliance": {"Listn": "x"}}"#, r#"{"MongoDB": {"Port": "many"}}"#] {
        std::fs::write(&new, bad).unwrap();
        assert!(!installation.try_tool(&["update-config", new.to_str().unwrap()]).0, "{bad}");
        assert_eq!(std::fs::read_to_string(&place).unwrap(), before, "{bad}");
    }
    let good = json!({"Appliance": {"PublicURL": installation.base(), "ServicePorts": false}}).to_string();
    std::fs::write(&new, &good).unwrap();
    let (done, printed) = installation.try_tool(&["update-config", new.to_str().unwrap(), "--json"]);
    assert!(done, "{printed}");
    assert_eq!(std::fs::read_to_string(&place).unwrap(), good);
    assert_eq!(std::fs::read_to_string(place.with_extension("json.old")).unwrap(), before);
}

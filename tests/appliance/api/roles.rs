//! What roles see and may change where an operation admits several (specification §5.5, §5.6).

use serde_json::{Value, json};

use super::{Caller, NOTHING};
use crate::support::{Installation, steps};

/// The roles of the columns; each has an account of its name.
const ROLES: [&str; 4] = ["user", "dataAdmin", "serverAdmin", "developer"];

const DATA: &[&str] = &["dataAdmin", "developer"];
const SYSTEM: &[&str] = &["serverAdmin", "developer"];
const ADMINS: &[&str] = &["dataAdmin", "serverAdmin", "developer"];

/// Sections of the settings and who may change them.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("instanceSettings", SYSTEM),
    ("ownershipSettings", SYSTEM),
    ("beaconSettings", SYSTEM),
    ("discoverySettings", DATA),
    ("federationSettings", DATA),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_sees_and_changes_what_its_duties_cover() {
    let installation = Installation::empty();
    for role in ROLES {
        installation.add_user(role, role);
    }
    let node = installation.serve().start().await;
    let developer = node.client("developer").await;
    let caller = Caller::of(&node);
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    for role in ROLES {
        let client = node.client(role).await;
        tokens.push((role, client.token().await));
        ids.push(client.user_id.clone());
    }
    let source = steps::source(&developer, "one").await;
    let hidden = steps::source(&developer, "hidden").await;
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    steps::grant(&developer, "count", &members, &[&source]).await;
    for (section, who) in SECTIONS {
        for (role, token) in &tokens {
            let what = format!("changing {section} as {role}");
            let change = json!({section: {}});
            let answer = caller.with_body("POST", "/api/config/global", Some(token), &change).await;
            if who.contains(role) {
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
            } else {
                answer.refused(403, &what);
            }
        }
    }

    for (role, token) in &tokens {
        let settings = caller.get("/api/config/global", Some(token)).await.json();
        assert_eq!(settings.get("beaconSettings").is_some(), ADMINS.contains(role), "settings as {role}");
        let sees = |list: &Value, id: &str| list.as_array().unwrap().iter().any(|one| one["sourceId"] == id);
        let sources = caller.get("/api/sources/", Some(token)).await.json();
        assert!(sees(&sources, &source), "sources as {role}");
        assert_eq!(sees(&sources, &hidden), DATA.contains(role), "sources as {role}");
        same_as_unknown(&caller, token, &hidden, DATA.contains(role), role).await;
        if ADMINS.contains(role) {
            let users = caller.get("/api/users/local", Some(token)).await.json();
            let named = users.as_array().unwrap().iter().find(|user| user["username"] == "user").unwrap();
            assert_eq!(named["email"] == "user@example.org", SYSTEM.contains(role), "{named} as {role}");
        }
    }
    node.stop().await;
}

/// A source that is there but not for the caller is answered word for word as one that is not there.
async fn same_as_unknown(caller: &Caller, token: &str, hidden: &str, seen: bool, role: &str) {
    for rest in ["", "/eav-index"] {
        let there = caller.get(&format!("/api/sources/{hidden}{rest}"), Some(token)).await;
        if seen {
            assert_eq!(there.status, 200, "{role}: {there:?}");
            continue;
        }
        let absent = caller.get(&format!("/api/sources/{NOTHING}{rest}"), Some(token)).await;
        there.refused(404, role);
        assert_eq!(there.body.replace(hidden, NOTHING), absent.body, "{role}");
    }
}

//! Permission per endpoint (specification §5.6): a row an operation, a column a role.

use serde_json::{Value, json};

use super::{Caller, NOTHING};
use crate::support::{Installation, steps};

/// The roles of the columns; each has an account of its name.
const ROLES: [&str; 4] = ["user", "dataAdmin", "serverAdmin", "developer"];

/// Who may call.
#[derive(Debug, Clone, Copy)]
enum Who {
    /// Everyone; a token is not looked at.
    Public,
    /// Everyone; a token that is sent must be good.
    Open,
    /// Signed-in users; anonymous ones where switched on, which it is not here.
    Users,
    /// Users of these roles.
    Only(&'static [&'static str]),
}

use Who::{Only, Open, Public, Users};

const DATA: Who = Only(&["dataAdmin", "developer"]);
const SYSTEM: Who = Only(&["serverAdmin", "developer"]);
const ADMINS: Who = Only(&["dataAdmin", "serverAdmin", "developer"]);

/// Whoever has the shared secret; no user's token is it.
const SECRET: Who = Only(&[]);

/// Method, path, who, and what those who may get. Ids in capitals stand for what the test made.
type Row = (&'static str, &'static str, Who, u16);

/// Operations without a body, or with one that says nothing.
const ROWS: &[Row] = &[
    ("GET", "/api/", Public, 200),
    ("GET", "/api/config/keycloak", Public, 200),
    ("POST", "/api/auth/token", Public, 400),
    ("GET", "/api/auth/user-info", Users, 200),
    ("GET", "/api/config/user", Users, 200),
    ("POST", "/api/config/user", Users, 200),
    ("GET", "/api/config/global", Users, 200),
    ("GET", "/api/networks/", Users, 200),
    ("GET", "/api/networks/NETWORK", Users, 200),
    ("GET", "/api/networks/NETWORK/eav-index", Users, 200),
    ("GET", "/api/networks/NETWORK/meta-index", Users, 200),
    ("GET", "/api/networks/NETWORK/nodes", Users, 200),
    ("GET", "/api/networks/NOTHING", Users, 404),
    ("GET", "/api/sources/", Users, 200),
    ("GET", "/api/sources/SOURCE", Users, 200),
    ("GET", "/api/sources/SOURCE/eav-index", Users, 200),
    ("GET", "/api/sources/NOTHING", Users, 404),
    ("POST", "/api/sources/", DATA, 400),
    ("PATCH", "/api/sources/SOURCE", DATA, 200),
    ("DELETE", "/api/sources/NOTHING", DATA, 404),
    ("PATCH", "/api/sources/SOURCE/eav-index", DATA, 200),
    ("POST", "/api/sources/SOURCE/index", DATA, 200),
    ("GET", "/api/sources/upload-token", DATA, 200),
    ("GET", "/api/sources/SOURCE/upload?resumableChunkNumber=1&resumableTotalChunks=1", DATA, 204),
    ("GET", "/api/source/SOURCE/datafiles", DATA, 200),
    ("POST", "/api/source/SOURCE/ingest", DATA, 400),
    ("POST", "/api/source/SOURCE/remap", DATA, 400),
    ("GET", "/api/datafiles/NOTHING", DATA, 404),
    ("GET", "/api/datafiles/NOTHING/sample", DATA, 404),
    ("GET", "/api/datafiles/NOTHING/rejects", DATA, 404),
    ("DELETE", "/api/datafiles/NOTHING", DATA, 404),
    ("GET", "/api/pipelines/", DATA, 200),
    ("POST", "/api/pipelines/", DATA, 400),
    ("GET", "/api/pipelines/attributes", DATA, 200),
    ("GET", "/api/pipelines/NOTHING", DATA, 404),
    ("PATCH", "/api/pipelines/NOTHING", DATA, 404),
    ("DELETE", "/api/pipelines/NOTHING", DATA, 404),
    ("GET", "/api/groups/", DATA, 200),
    ("POST", "/api/groups/", DATA, 400),
    ("GET", "/api/groups/GROUP", DATA, 200),
    ("PATCH", "/api/groups/GROUP", DATA, 200),
    ("DELETE", "/api/groups/NOTHING", DATA, 404),
    ("GET", "/api/meta/index", Users, 200),
    ("GET", "/api/meta/sources", DATA, 200),
    ("POST", "/api/meta/sources", DATA, 400),
    ("POST", "/api/meta/sources/upload", DATA, 400),
    ("POST", "/api/meta/sources/index", DATA, 200),
    ("GET", "/api/meta/sources/NOTHING", DATA, 404),
    ("PATCH", "/api/meta/sources/NOTHING", DATA, 404),
    ("DELETE", "/api/meta/sources/NOTHING", DATA, 404),
    ("GET", "/api/users/", SYSTEM, 200),
    ("POST", "/api/users/", SYSTEM, 400),
    ("GET", "/api/users/local", ADMINS, 200),
    ("GET", "/api/users/NOTHING", SYSTEM, 404),
    ("PATCH", "/api/users/NOTHING", SYSTEM, 404),
    ("DELETE", "/api/users/NOTHING", SYSTEM, 404),
    ("POST", "/api/users/NOTHING/activate", SYSTEM, 404),
    ("POST", "/api/users/NOTHING/deactivate", SYSTEM, 404),
    ("POST", "/api/users/NOTHING/permit-login", SYSTEM, 404),
    ("POST", "/api/users/NOTHING/revoke-login", SYSTEM, 404),
    ("POST", "/api/access-requests/", Public, 400),
    ("GET", "/api/access-requests/", SYSTEM, 200),
    ("GET", "/api/access-requests/NOTHING", SYSTEM, 404),
    ("POST", "/api/access-requests/NOTHING/approve", SYSTEM, 404),
    ("POST", "/api/access-requests/NOTHING/deny", SYSTEM, 404),
    ("POST", "/api/config/cleanup", SYSTEM, 200),
    ("POST", "/api/config/maintenance", SECRET, 400),
    ("GET", "/api/dashboard/statistics", ADMINS, 200),
    ("GET", "/api/dashboard/statistics/network", ADMINS, 200),
    ("GET", "/api/dashboard/statistics/query-count", SECRET, 200),
    ("POST", "/api/log/error", Public, 400),
    ("POST", "/api/log/info", Public, 400),
    ("GET", "/query/", Public, 200),
    ("GET", "/query/config/keycloak", Public, 200),
    ("POST", "/query/auth/token", Public, 400),
    ("GET", "/query/auth/user-info", Users, 200),
    ("GET", "/query/config/user", Users, 200),
    ("POST", "/query/config/user", Users, 200),
    ("GET", "/query/config/global", Users, 200),
    ("POST", "/query/config/maintenance", SECRET, 400),
    ("POST", "/query/log/error", Public, 400),
    ("POST", "/query/log/info", Public, 400),
    ("GET", "/query/networks/", Users, 200),
    ("GET", "/query/networks/NETWORK", Users, 200),
    ("GET", "/query/networks/NETWORK/eav-index", Users, 200),
    ("GET", "/query/networks/NETWORK/meta-index", Users, 200),
    ("GET", "/query/networks/NETWORK/nodes", Users, 200),
    ("GET", "/query/meta/index", Users, 200),
    ("POST", "/query/meta/query", Users, 200),
    ("GET", "/query/sources/", Users, 200),
    ("POST", "/query/record/", Users, 202),
    ("GET", "/query/record/history", Users, 200),
    ("GET", "/query/record/history/NOTHING", Open, 404),
    ("GET", "/query/record/history/NOTHING/subjects", Users, 404),
    ("GET", "/query/record/NOTHING", Users, 404),
    ("GET", "/query/record/NOTHING/events", Open, 404),
];

/// Sections of the settings and who may change them.
const SECTIONS: [(&str, Who); 5] = [
    ("instanceSettings", SYSTEM),
    ("ownershipSettings", SYSTEM),
    ("beaconSettings", SYSTEM),
    ("discoverySettings", DATA),
    ("federationSettings", DATA),
];

impl Who {
    fn admits(self, role: &str) -> bool {
        match self {
            Only(roles) => roles.contains(&role),
            Public | Open | Users => true,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_endpoint_admits_exactly_the_roles_of_its_row() {
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
    let group = steps::grant(&developer, "count", &members, &[&source]).await;
    let network = developer.get("/networks/").await.ok()[0]["networkId"].as_str().unwrap().to_owned();
    let place = |path: &str| {
        [("SOURCE", &*source), ("NETWORK", &*network), ("GROUP", &*group), ("NOTHING", NOTHING)]
            .iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    };

    for (method, path, who, status) in ROWS {
        let what = format!("{method} {path}");
        let path = place(path);
        let send = async |token: Option<&str>| {
            let request = caller.request(method, &path, token);
            caller.send(if *method == "GET" { request } else { request.json(&json!({})) }).await
        };
        let stranger = send(None).await;
        let forger = send(Some("bad.token.here")).await;
        match who {
            Public => assert_eq!([stranger.status, forger.status], [*status; 2], "{what}: {stranger:?}"),
            Open => {
                assert_eq!(stranger.status, *status, "{what}: {stranger:?}");
                forger.refused(401, &what);
            }
            Users | Only(_) => {
                stranger.refused(401, &what);
                forger.refused(401, &what);
            }
        }
        for (role, token) in &tokens {
            let what = format!("{what} as {role}");
            let answer = send(Some(token)).await;
            match who.admits(role) {
                true if *status < 400 => assert_eq!(answer.status, *status, "{what}: {answer:?}"),
                true => answer.refused(*status, &what),
                false => answer.refused(403, &what),
            }
        }
    }

    for (section, who) in SECTIONS {
        for (role, token) in &tokens {
            let what = format!("changing {section} as {role}");
            let change = json!({section: {}});
            let answer = caller.with_body("POST", "/api/config/global", Some(token), &change).await;
            if who.admits(role) {
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
            } else {
                answer.refused(403, &what);
            }
        }
    }

    for (role, token) in &tokens {
        let settings = caller.get("/api/config/global", Some(token)).await.json();
        assert_eq!(settings.get("beaconSettings").is_some(), ADMINS.admits(role), "settings as {role}");
        let sees = |list: &Value, id: &str| list.as_array().unwrap().iter().any(|one| one["sourceId"] == id);
        let sources = caller.get("/api/sources/", Some(token)).await.json();
        assert!(sees(&sources, &source), "sources as {role}");
        assert_eq!(sees(&sources, &hidden), DATA.admits(role), "sources as {role}");
        same_as_unknown(&caller, token, &hidden, DATA.admits(role), role).await;
        if ADMINS.admits(role) {
            let users = caller.get("/api/users/local", Some(token)).await.json();
            let named = users.as_array().unwrap().iter().find(|user| user["username"] == "user").unwrap();
            assert_eq!(named["email"] == "user@example.org", SYSTEM.admits(role), "{named} as {role}");
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

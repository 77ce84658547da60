//! The whole program with its secrets in Vault (a real OpenBao, `tests/services/openbao`), there and away.
//!
//! Where `CV3_TEST_SERVICES` names none, the tests that need it say so and do nothing.

use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Room, Store};
use serde_json::{Value, json};

use crate::support::node::text;
use crate::support::{Installation, eventually, steps};

/// The OpenBao of the tests.
pub struct Vault(Value);

impl Vault {
    pub fn find() -> Option<Self> {
        // Several tests of one process may ask at the same time; a second caller finds the provider in place.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
        let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
        match services.get("openbao") {
            Some(found) => {
                println!("vault: {}", text(found, "version"));
                Some(Self(found.clone()))
            }
            None => {
                println!("vault: skipped, tests/services/up has started no OpenBao");
                None
            }
        }
    }

    async fn root(&self, method: &str, path: &str, body: &Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}/v1/{path}", text(&self.0, "url"));
        let request = reqwest::Client::new().request(method, url).json(body);
        let answer = request.header("X-Vault-Token", text(&self.0, "token")).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    /// Makes the key of a person, as the original has it.
    pub async fn key(&self, section: &Value, person: &str) {
        let path = format!("{}/keys/{person}", text(section, "TransitPath"));
        self.root("POST", &path, &json!({"type": "rsa-4096"})).await;
        self.root("POST", &format!("{path}/config"), &json!({"deletion_allowed": true})).await;
    }

    /// Mounts, a policy and a role as docs/vault.md has them; the section that uses them.
    pub async fn section(&self) -> Value {
        let own = uuid::Uuid::new_v4().simple().to_string();
        let all = r#"{ capabilities = ["create", "update", "read", "delete", "list"] }"#;
        let some = r#"{ capabilities = ["list", "delete"] }"#;
        let policy = format!(
            "path \"kv-{own}/data/cv3\" {all}\npath \"kv-{own}/data/cv3/*\" {all}\n\
             path \"kv-{own}/metadata/cv3\" {some}\npath \"kv-{own}/metadata/cv3/*\" {some}\n\
             path \"transit-{own}/*\" {all}\n"
        );
        let kv = json!({"type": "kv", "options": {"version": "2"}});
        self.root("POST", &format!("sys/mounts/kv-{own}"), &kv).await;
        self.root("POST", &format!("sys/mounts/transit-{own}"), &json!({"type": "transit"})).await;
        self.root("POST", &format!("sys/policies/acl/{own}"), &json!({"policy": policy})).await;
        let role = format!("auth/approle/role/{own}");
        self.root("POST", &role, &json!({"token_policies": [own], "token_ttl": "1h"})).await;
        let role_id = self.root("GET", &format!("{role}/role-id"), &json!({})).await;
        let secret_id = self.root("POST", &format!("{role}/secret-id"), &json!({})).await;
        json!({"Host": self.0["url"], "KV2Path": format!("kv-{own}"), "TransitPath": format!("transit-{own}"),
            "RoleID": role_id["data"]["role_id"], "SecretID": secret_id["data"]["secret_id"]})
    }
}

/// What the doctor says of the secrets.
fn diagnosis(installation: &Installation) -> (bool, String) {
    let said = installation.try_tool(&["doctor", "--json"]).1;
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    let findings = said["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["name"] == "secrets").unwrap();
    (found["ok"].as_bool().unwrap(), text(found, "text").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_keeps_its_secrets_in_vault_and_the_doctor_says_how_that_is() {
    let Some(vault) = Vault::find() else { return };
    let section = vault.section().await;
    let installation = Installation::empty();
    installation.configure(json!({"Vault": section}));
    installation.add_user("developer", "ada");
    assert_eq!(diagnosis(&installation), (true, "answers".to_owned()));
    assert!(!installation.data().join("secrets").exists());

    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let network = json!({"networkName": "Rare", "networkDescription": "d", "visible": true});
    let network = steps::create(&ada, "/networks/", &network).await;
    let kv = text(&section, "KV2Path");
    let pair = vault.root("GET", &format!("{kv}/data/cv3/network/{network}"), &json!({})).await;
    let published = text(&pair["data"]["data"], "public_key");
    assert!(published.starts_with("-----BEGIN PUBLIC KEY-----"), "{published}");
    let transit = text(&section, "TransitPath");
    let key = vault.root("GET", &format!("{transit}/keys/{}", ada.user_id), &json!({})).await;
    assert_eq!(key["data"]["type"], "rsa-4096", "{key}");
    node.stop().await;

    let mut wrong = section.clone();
    wrong["SecretID"] = "wrong".into();
    installation.configure(json!({"Vault": wrong}));
    let (ok, words) = diagnosis(&installation);
    assert!(!ok && words.contains("refuses the login"), "{words}");
    let mut elsewhere = section;
    elsewhere["TransitPath"] = "elsewhere".into();
    installation.configure(json!({"Vault": elsewhere}));
    let (ok, words) = diagnosis(&installation);
    assert!(!ok && words.contains("elsewhere (Vault.TransitPath) is not there or denied"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_away_stops_no_start_and_is_used_once_it_is_there() {
    let Some(vault) = Vault::find() else { return };
    let section = vault.section().await;
    let installation = Installation::empty();
    let mut away = section.clone();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    away["Host"] = format!("http://127.0.0.1:{port}").into();
    installation.configure(json!({"Vault": away}));
    let (ok, words) = diagnosis(&installation);
    assert!(!ok && words.contains("cannot be reached"), "{words}");

    let node = installation.serve().start().await;
    let ready = || async { reqwest::get(format!("{}/readyz", installation.base())).await.unwrap() };
    let answer = ready().await;
    assert_eq!(answer.status(), 503);
    let words = answer.text().await.unwrap();
    assert!(words.contains("secrets"), "{words}");
    installation.configure(json!({"Vault": section}));
    node.hang_up();
    eventually("readiness", || async { (ready().await.status() == 200).then_some(()) }).await;
    let kv = text(&section, "KV2Path");
    let made = || async {
        let found = vault.root("GET", &format!("{kv}/data/cv3/assistant_secret"), &json!({})).await;
        found["data"]["data"]["value"].is_string().then_some(())
    };
    eventually("the secrets of the installation", made).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_a_shared_vault_that_are_not_known_to_be_ours_stay() {
    let Some(vault) = Vault::find() else { return };
    let section = vault.section().await;
    let installation = Installation::empty();
    installation.configure(json!({"Vault": section}));
    installation.add_user("developer", "ada");
    let transit = text(&section, "TransitPath");
    let theirs = uuid::Uuid::new_v4().to_string();
    let rsa = json!({"type": "rsa-2048"});
    vault.root("POST", &format!("{transit}/keys/{theirs}"), &rsa).await;
    vault.root("POST", &format!("{transit}/keys/{theirs}/config"), &json!({"deletion_allowed": true})).await;
    // One that was made here, and whose account is gone.
    installation.add_user("user", "eve");
    let listed: Value = serde_json::from_str(&installation.tool(&["user", "list", "--json"], "")).unwrap();
    let eve = listed.as_array().unwrap().iter().find(|user| user["username"] == "eve").unwrap();
    let eve = text(eve, "userId");
    {
        let store = SqliteStore::open(&installation.data().join("store.db")).unwrap();
        for room in [Room::Users, Room::Accounts] {
            assert!(store.documents().delete(room, &eve).await.unwrap());
        }
    }
    let check = || {
        let (fits, printed) = installation.try_tool(&["check", "--json"]);
        (fits, serde_json::from_str::<Value>(&printed).unwrap())
    };
    let (fits, found) = check();
    assert!(!fits);
    assert_eq!(found["findings"][0]["id"], eve.as_str(), "{found}");
    assert_eq!(
        (found["findings"].as_array().unwrap().len(), &found["leftAlone"]),
        (1, &json!([theirs])),
        "{found}"
    );
    assert!(installation.try_tool(&["repair"]).0);
    let there = async |key: &str| {
        let found = vault.root("GET", &format!("{transit}/keys/{key}"), &json!({})).await;
        found["data"]["type"].is_string()
    };
    assert!(there(&theirs).await, "somebody else's key is gone");
    assert!(!there(&eve).await, "our own leftover is not");
    let (fits, found) = check();
    assert!(fits && found["leftAlone"] == json!([theirs]), "{found}");
}

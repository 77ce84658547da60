//! Secrets in Vault, on a real OpenBao: the promises of every store, and what only Vault asks of an adapter.

mod absent;
mod documents;
mod keys;
mod server;
mod sessions;

use std::path::PathBuf;
use std::sync::Arc;

use cv3_backend::outbound::Outbound;
use cv3_backend::secrets::vault::{VaultSecrets, VaultSettings};
use cv3_backend::secrets::{Secrets, SecretsError};
use serde_json::{Value, json};

use crate::Rig;
use server::Server;

/// An installation in a Vault: mounts, a role and credentials of its own.
pub(crate) struct Vault {
    pub server: Server,
    pub settings: VaultSettings,
    pub role: String,
}

/// The policy of specification §3.3, and nothing more.
fn policy(settings: &VaultSettings) -> String {
    let VaultSettings { kv, prefix, transit, .. } = settings;
    let all = r#"capabilities = ["create", "update", "read", "delete", "list"]"#;
    let listed = r#"capabilities = ["list", "delete"]"#;
    format!(
        "path \"{kv}/data/{prefix}\" {{ {all} }}\npath \"{kv}/data/{prefix}/*\" {{ {all} }}\n\
         path \"{kv}/metadata/{prefix}\" {{ {listed} }}\npath \"{kv}/metadata/{prefix}/*\" {{ {listed} }}\n\
         path \"{transit}/*\" {{ {all} }}\n"
    )
}

impl Vault {
    /// With tokens as a role has them by default.
    pub async fn new() -> Option<Self> {
        Self::with(json!({"token_ttl": "1h"})).await
    }

    /// With the shortest tokens that have to do (specification §15, row 3).
    pub async fn harsh() -> Option<Self> {
        Self::with(json!({"token_ttl": "20s", "token_num_uses": 3})).await
    }

    pub async fn with(role: Value) -> Option<Self> {
        Some(Self::on(Server::find()?, role).await)
    }

    pub async fn on(server: Server, role: Value) -> Self {
        let own = uuid::Uuid::new_v4().simple().to_string();
        let mut settings = VaultSettings {
            address: server.url.clone(),
            transit: format!("transit-{own}"),
            kv: format!("kv-{own}"),
            prefix: "cv3".to_owned(),
            role_id: None,
            secret_id: None,
            secret_id_file: None,
        };
        server.made(&format!("sys/mounts/{}", settings.transit), json!({"type": "transit"})).await;
        let kv = json!({"type": "kv", "options": {"version": "2"}});
        server.made(&format!("sys/mounts/{}", settings.kv), kv).await;
        // A new mount of this engine refuses everything until it has set itself up.
        server.until(&format!("{}/config", settings.kv)).await;
        server.made(&format!("sys/policies/acl/{own}"), json!({"policy": policy(&settings)})).await;
        let mut made = json!({"token_policies": [own], "secret_id_num_uses": 100_000});
        made.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
        server.made(&format!("auth/approle/role/{own}"), made).await;
        let role_id = server.root("GET", &format!("auth/approle/role/{own}/role-id"), Value::Null).await.1;
        settings.role_id = Some(role_id["data"]["role_id"].as_str().unwrap().to_owned());
        let mut vault = Self { server, settings, role: own };
        vault.settings.secret_id = Some(vault.secret_id().await);
        vault
    }

    /// A fresh secret id.
    pub async fn secret_id(&self) -> String {
        let made =
            self.server.root("POST", &format!("auth/approle/role/{}/secret-id", self.role), json!({})).await;
        made.1["data"]["secret_id"].as_str().unwrap().to_owned()
    }

    /// The adapter, as another process would have it.
    pub fn secrets(&self) -> VaultSecrets {
        self.secrets_with(self.settings.clone())
    }

    pub fn secrets_with(&self, settings: VaultSettings) -> VaultSecrets {
        VaultSecrets::open(Outbound::new(None).unwrap(), settings)
    }

    pub fn with_file(&self, file: PathBuf) -> VaultSecrets {
        let mut settings = self.settings.clone();
        (settings.secret_id, settings.secret_id_file) = (None, Some(file));
        self.secrets_with(settings)
    }

    /// A document as the operator sees it; `None` = not there.
    pub async fn document(&self, path: &str) -> Option<Value> {
        let (status, found) =
            self.server.root("GET", &format!("{}/data/{path}", self.settings.kv), Value::Null).await;
        (status == 200).then(|| found["data"]["data"].clone())
    }

    /// How often the secret id has been used.
    pub async fn logins(&self) -> u64 {
        let path = format!("auth/approle/role/{}/secret-id/lookup", self.role);
        let secret_id = self.settings.secret_id.clone().unwrap();
        let found = self.server.root("POST", &path, json!({"secret_id": secret_id})).await.1;
        100_000 - found["data"]["secret_id_num_uses"].as_u64().unwrap()
    }

    /// The live tokens of the role, each as Vault describes it.
    pub async fn tokens(&self) -> Vec<Value> {
        let listed = self.server.root("LIST", "auth/token/accessors", Value::Null).await.1;
        let mut tokens = Vec::new();
        for accessor in listed["data"]["keys"].as_array().unwrap() {
            let ask = json!({"accessor": accessor});
            let (status, found) = self.server.root("POST", "auth/token/lookup-accessor", ask).await;
            // Others end while we look.
            if status == 200 && found["data"]["meta"]["role_name"] == json!(self.role) {
                tokens.push(found["data"].clone());
            }
        }
        tokens
    }

    /// Revokes every token of the role, as an operator would.
    pub async fn revoke(&self) {
        for token in self.tokens().await {
            let ask = json!({"accessor": token["accessor"]});
            self.server.made("auth/token/revoke-accessor", ask).await;
        }
    }
}

impl Rig for Vault {
    fn open(&self) -> Arc<dyn Secrets> {
        Arc::new(self.secrets())
    }

    async fn import(&self, name: &str, pem: &'static str) {
        keys::import(self, name, pem).await;
    }
}

/// The words of an error that says the store is not to be had.
pub(crate) fn unavailable<T: std::fmt::Debug>(outcome: Result<T, SecretsError>) -> String {
    match outcome {
        Err(SecretsError::Unavailable(words)) => words,
        other => panic!("{other:?} does not say that Vault is not to be had"),
    }
}

mod usual {
    crate::suite::every_promise!(super::Vault::new().await);
}

mod with_few_uses {
    crate::suite::every_promise!(super::Vault::harsh().await);
}

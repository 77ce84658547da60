//! `Vault`: where keys and secrets are kept, spec §3.1 and §3.3.

use std::path::PathBuf;

use super::{
    findings::Findings,
    tree::section,
    values::{Secret, WebUrl},
};

section! {
    /// HashiCorp Vault as the keeper of secrets (spec §3.1).
    pub struct Vault {
        /// Address, scheme included.
        "Host" host: WebUrl = "http://localhost:8200".into();
        /// Mount of the transit engine.
        "TransitPath" transit_path: String = "transit_cv3".to_owned(), restart;
        /// Mount of the key-value engine, version 2.
        "KV2Path" kv2_path: String = "kv".to_owned(), restart;
        /// Start of every path inside the key-value engine.
        "KV2Prefix" kv2_prefix: String = "cv3".to_owned(), restart;
        /// Role id of the AppRole.
        "RoleID" role_id: Option<Secret<String>> = None;
        /// Secret id of the AppRole.
        "SecretID" secret_id: Option<Secret<String>> = None;
        /// File from which a fresh secret id is read at every login.
        "SecretIDFile" secret_id_file: Option<PathBuf> = None;
    }
}

impl Vault {
    /// Gives the mount of the transit engine without slashes at its ends.
    pub fn transit(&self) -> &str {
        self.transit_path.trim_matches('/')
    }

    /// Gives the mount of the key-value engine without slashes at its ends.
    pub fn kv2(&self) -> &str {
        self.kv2_path.trim_matches('/')
    }

    /// Gives the prefix inside the key-value engine without slashes at its ends.
    pub fn prefix(&self) -> &str {
        self.kv2_prefix.trim_matches('/')
    }

    pub(super) fn validate(&self, findings: &mut Findings) {
        findings.need("Vault.Host", !self.host.is_empty(), "expected the address of Vault");
        findings.need("Vault.Host", !self.host.has_query(), "expected an address without ? and #");
        let mounts = [
            ("Vault.TransitPath", self.transit()),
            ("Vault.KV2Path", self.kv2()),
            ("Vault.KV2Prefix", self.prefix()),
        ];
        for (path, mount) in mounts {
            // These go into request paths as they are.
            let plain = mount.split('/').all(|part| {
                !part.is_empty()
                    && part != "."
                    && part != ".."
                    && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            });
            findings.need(path, plain, "expected a path of letters, digits, - _ . and /");
        }
        if !self.host.is_https() && !self.host.is_loopback() && !self.host.is_empty() {
            findings.warn("Vault.Host", "keys and secrets travel unencrypted: use https");
        }
        if self.role_id.is_none() || (self.secret_id.is_none() && self.secret_id_file.is_none()) {
            findings.warn(
                "Vault.RoleID",
                "no AppRole credentials: set VAULT_ROLE_ID and VAULT_SECRET_ID (or VAULT_SECRET_ID_FILE)",
            );
        }
    }
}

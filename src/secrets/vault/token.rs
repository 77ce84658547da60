//! What a login gives: the credentials it takes, the token, and how long that lasts.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use zeroize::Zeroizing;

use super::VaultSettings;
use super::session::Session;
use super::wire::{Answer, Ask, shown};
use crate::secrets::SecretsError;

/// The mount of the AppRole method.
const APPROLE: &str = "approle";

/// Bytes of a token and of the secret id's file at most.
const LONGEST: usize = 8_192;

/// Seconds that a token is taken to last at most.
const LASTING: u64 = 100 * 24 * 3_600;

/// A token in use.
#[derive(Clone)]
pub(super) struct Live {
    pub token: Arc<Zeroizing<String>>,
    pub number: u64,
    /// Uses left; `None` = without limit.
    pub left: Option<u64>,
    /// What a renewal is measured by.
    pub lease: Duration,
    pub renewable: bool,
    /// Not used from then on; `None` = does not end.
    pub ends: Option<Instant>,
    pub renew: Option<Instant>,
    /// The AppRole's name.
    pub role: Option<String>,
}

/// What a login or renewal answers.
#[derive(Deserialize)]
struct Granted {
    auth: Auth,
}

#[derive(Deserialize)]
pub(super) struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    pub num_uses: u64,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    role_name: Option<String>,
}

impl Auth {
    /// The token as it is used, with its number.
    pub fn live(&self, number: u64) -> Live {
        let lease = Duration::from_secs(self.lease_duration.min(LASTING));
        let now = Instant::now();
        // Stops a little early, so that no token ends on its way.
        let ends = (!lease.is_zero()).then(|| now + lease - (lease / 10).min(Duration::from_secs(2)));
        let left = (self.num_uses > 0).then_some(self.num_uses);
        Live {
            token: Arc::new(Zeroizing::new(self.client_token.clone())),
            number,
            left,
            lease,
            renewable: self.renewable,
            ends,
            // A renewal would be one of the few uses, and the token is replaced soon anyway.
            renew: ends.filter(|_| left.is_none()).map(|_| now + lease * 2 / 3),
            role: self.metadata.as_ref().and_then(|metadata| metadata.role_name.clone()),
        }
    }
}

/// The token in an answer.
pub(super) fn auth(answer: &Answer) -> Result<Auth, SecretsError> {
    let granted: Granted = answer.whole()?;
    let token = &granted.auth.client_token;
    if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretsError::Engine("Vault gave a token that cannot be used".to_owned()));
    }
    Ok(granted.auth)
}

/// Milliseconds before a login is tried again that met another one.
const COLLISION: [u64; 4] = [5, 20, 80, 200];

/// Who we say we are.
pub(super) struct Credentials {
    role_id: String,
    secret_id: String,
}

/// Tells credentials apart, and nothing about them.
pub(super) type Fingerprint = [u8; 32];

impl Credentials {
    pub fn fingerprint(&self) -> Fingerprint {
        let Self { role_id, secret_id } = self;
        Sha256::digest(format!("{} {role_id} {secret_id}", role_id.len())).into()
    }
}

/// A login that did not work; with what Vault refused, if it did.
pub(super) struct Refusal {
    pub refused: Option<Fingerprint>,
    pub error: SecretsError,
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        Self { refused: None, error }
    }
}

impl Session {
    /// The credentials as they are now.
    pub(super) async fn credentials(&self) -> Result<Credentials, SecretsError> {
        let settings = self.settings();
        let at = shown(&settings.address);
        let lacking =
            |what: &str| SecretsError::Unavailable(format!("no login at Vault at {at}: set {what}"));
        let role_id = settings.role_id.clone().filter(|id| !id.is_empty());
        let role_id = role_id.ok_or_else(|| lacking("VAULT_ROLE_ID"))?;
        let secret_id = secret_id(&settings)
            .await?
            .ok_or_else(|| lacking("VAULT_SECRET_ID, or VAULT_SECRET_ID_FILE with a fresh one"))?;
        Ok(Credentials { role_id, secret_id })
    }

    /// Logs in with them.
    pub(super) async fn granted(&self) -> Result<Auth, Refusal> {
        let at = shown(&self.settings().address);
        let credentials = self.credentials().await?;
        let fingerprint = credentials.fingerprint();
        let Credentials { role_id, secret_id } = credentials;
        let request = LoginWithApproleRequest { mount: APPROLE.to_owned(), role_id, secret_id };
        let ask = Ask::of(&request)?;
        let mut answer = self.send(None, &ask).await?;
        // OpenBao answers so when logins of several processes meet in its storage; nothing of the login was kept.
        for pause in COLLISION {
            if answer.status != 500 || !answer.says("transaction commit failed") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            answer = self.send(None, &ask).await?;
        }
        let why = match answer.status {
            400 | 401 if answer.errors().is_some() => {
                "the role id is wrong, or the secret id is wrong, has ended or is used up; give a fresh one as \
                 VAULT_SECRET_ID, or in the file of VAULT_SECRET_ID_FILE"
            }
            403 | 404 if answer.errors().is_some() => {
                "enable it (vault auth enable approle), let the role and its secret ids be used from this address, or \
                 wait if too many refused logins have locked the role"
            }
            _ => {
                let answer = answer.judged()?;
                if !answer.succeeded() {
                    return Err(answer.unexpected().into());
                }
                return Ok(auth(&answer)?);
            }
        };
        let error =
            SecretsError::Unavailable(format!("Vault at {at} refuses the login at auth/{APPROLE}: {why}"));
        Err(Refusal { refused: Some(fingerprint), error })
    }

    /// When the secret id ends, in words; `None` = it does not, it is read from a file, or Vault does not tell us.
    pub async fn secret_id_end(&self) -> Result<Option<String>, SecretsError> {
        #[derive(Deserialize)]
        struct Looked {
            #[serde(default)]
            secret_id_ttl: u64,
            #[serde(default)]
            secret_id_num_uses: u64,
        }
        self.present().await?;
        let settings = self.settings();
        let (Some(Live { token, left: None, role: Some(role), .. }), Some(secret_id), None) =
            (self.live(), &settings.secret_id, &settings.secret_id_file)
        else {
            return Ok(None);
        };
        let path = format!("/auth/{APPROLE}/role/{role}/secret-id/lookup");
        let ask = Ask::bare(Method::POST, path, &json!({"secret_id": secret_id}));
        let answer = self.send(Some(&token), &ask).await?;
        if answer.status != 200 {
            return Ok(None);
        }
        let Looked { secret_id_ttl, secret_id_num_uses } = answer.data()?;
        let ends = [(secret_id_ttl, "seconds"), (secret_id_num_uses, "logins")];
        let words: Vec<String> =
            ends.iter().filter(|(left, _)| *left > 0).map(|(left, unit)| format!("{left} {unit}")).collect();
        Ok((!words.is_empty()).then(|| {
            format!(
                "the secret id at Vault ends after {}; keep VAULT_SECRET_ID_FILE fresh",
                words.join(" or ")
            )
        }))
    }
}

async fn secret_id(settings: &VaultSettings) -> Result<Option<String>, SecretsError> {
    let Some(path) = &settings.secret_id_file else {
        return Ok(settings.secret_id.clone().filter(|id| !id.is_empty()));
    };
    let failed = |why: &dyn std::fmt::Display| {
        SecretsError::Unavailable(format!("no login at Vault: {} cannot be read: {why}", path.display()))
    };
    let file = tokio::fs::File::open(path).await.map_err(|e| failed(&e))?;
    let mut text = String::new();
    file.take(LONGEST as u64).read_to_string(&mut text).await.map_err(|e| failed(&e))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(failed(&"it is empty; put a fresh secret id into it"));
    }
    Ok(Some(text.to_owned()))
}

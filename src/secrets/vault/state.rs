//! Whether Vault is there, lets us in, and has what we need; for readiness and `doctor`.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::session::{NOTHING, Session};
use super::wire::{Ask, shown};
use crate::secrets::SecretsError;

/// Answers if Vault is unsealed and we have a token. The mounts are looked at once, until they are as they should be:
/// a look costs uses of the token.
pub(super) async fn ping(session: &Session, looked: &OnceCell<()>) -> Result<(), SecretsError> {
    let health = session.ask_openly(&Ask::bare(Method::GET, "/sys/health".to_owned(), NOTHING)).await?;
    #[derive(Deserialize)]
    struct Health {
        initialized: bool,
        sealed: bool,
    }
    let at = shown(&session.settings().address);
    // Its status depends on the server's role; what it says does not.
    let Ok(Health { initialized, sealed }) = health.whole() else {
        return Err(SecretsError::Unavailable(format!(
            "what answers at {at} is no Vault ({}): check Vault.Host",
            health.status
        )));
    };
    match (initialized, sealed) {
        (false, _) => {
            Err(SecretsError::Unavailable(format!("Vault at {at} is not initialised: initialise it")))
        }
        (true, true) => Err(SecretsError::Unavailable(format!("Vault at {at} is sealed: unseal it"))),
        (true, false) => {
            session.present().await?;
            looked.get_or_try_init(|| mounts(session)).await?;
            Ok(())
        }
    }
}

/// Checks that both mounts are there and of the right kind (specification §4.1).
async fn mounts(session: &Session) -> Result<(), SecretsError> {
    let settings = session.settings();
    let (at, mut lacking) = (shown(&settings.address), Vec::new());
    match mounted(session, &settings.kv).await? {
        Some((kind, version)) if kind == "kv" && version == "2" => {}
        Some((kind, version)) => {
            lacking.push(format!("{} (Vault.KV2Path) is {kind} {version}, not kv 2", settings.kv));
        }
        None => lacking.push(format!("{} (Vault.KV2Path) is not there or denied", settings.kv)),
    }
    match mounted(session, &settings.transit).await? {
        Some((kind, _)) if kind == "transit" => {}
        Some((kind, _)) => {
            lacking.push(format!("{} (Vault.TransitPath) is {kind}, not transit", settings.transit));
        }
        None => lacking.push(format!("{} (Vault.TransitPath) is not there or denied", settings.transit)),
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(SecretsError::Unavailable(format!(
        "Vault at {at}: the mount {}; see docs/vault.md for what to set up",
        lacking.join(", the mount ")
    )))
}

/// The kind of a mount and the version of its engine; `None` = none, or none for us. Vault's own command line asks so.
async fn mounted(session: &Session, mount: &str) -> Result<Option<(String, String)>, SecretsError> {
    #[derive(Deserialize)]
    struct Mount {
        #[serde(rename = "type")]
        kind: String,
        options: Option<Map<String, Value>>,
    }
    let ask = Ask::bare(Method::GET, format!("/sys/internal/ui/mounts/{mount}"), NOTHING);
    let answer = session.ask(&ask).await?;
    if matches!(answer.status, 400 | 403 | 404) && answer.errors().is_some() {
        return Ok(None);
    }
    let Mount { kind, options } = answer.judged()?.data()?;
    let version = options.as_ref().and_then(|options| options.get("version")).and_then(Value::as_str);
    Ok(Some((kind, version.unwrap_or_default().to_owned())))
}

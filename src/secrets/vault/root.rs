//! The document at the prefix itself: `secret_key` and `keycloak_client_secret`, as the original keeps them
//! (specification §3.3). Others may have further fields in it, which stay.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::kv::{self, ATTEMPTS, Found, Written};
use super::session::Session;
use crate::domain::clock::{Random, SystemRandom};
use crate::secrets::{SecretsError, Versioned};

/// The installation's secret key; no caller's name leads here.
pub(super) const SECRET_KEY: &str = "secret_key";

/// The one secret of a caller that stands here.
pub(super) const CLIENT_SECRET: &str = "keycloak_client_secret";

/// Bytes of a secret key at least.
const SHORTEST: usize = 32;

/// What a change does to the fields, given their version.
enum Change {
    Write(Map<String, Value>),
    Leave,
}

/// The secret of a field. Its version is that of the whole document: it may grow without a change of the field.
pub(super) async fn get(session: &Session, field: &str) -> Result<Option<Versioned>, SecretsError> {
    let Found::Here { version, fields, .. } = kv::read(session, &session.settings().prefix).await? else {
        return Ok(None);
    };
    Ok(text(field, &fields)?.map(|text| Versioned { version, value: text.as_bytes().to_vec() }))
}

pub(super) async fn put(
    session: &Session,
    field: &str,
    value: &[u8],
    expected: Option<u64>,
) -> Result<u64, SecretsError> {
    let text_only = || SecretsError::Engine(format!("the secret {field} has to be text"));
    let value = std::str::from_utf8(value).map_err(|_| text_only())?;
    let written = change(session, |version, mut fields| {
        let held = if text(field, &fields)?.is_some() { version } else { 0 };
        if expected.is_some_and(|expected| expected != held) {
            return Err(SecretsError::Conflict(field.to_owned()));
        }
        fields.insert(field.to_owned(), value.into());
        Ok(Change::Write(fields))
    })
    .await?;
    written.ok_or_else(|| SecretsError::Conflict(field.to_owned()))
}

pub(super) async fn delete(session: &Session, field: &str) -> Result<bool, SecretsError> {
    let written = change(session, |_, mut fields| {
        Ok(if fields.remove(field).is_some() { Change::Write(fields) } else { Change::Leave })
    })
    .await?;
    Ok(written.is_some())
}

/// The bytes of the secret key, made if there is none; of several processes one makes it.
pub(super) async fn secret_key(session: &Session) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    change(session, |_, mut fields| {
        if text(SECRET_KEY, &fields)?.is_some() {
            return Ok(Change::Leave);
        }
        let mut fresh = Zeroizing::new([0; 64]);
        SystemRandom.fill(fresh.as_mut());
        fields.insert(SECRET_KEY.to_owned(), BASE64.encode(fresh.as_ref()).into());
        Ok(Change::Write(fields))
    })
    .await?;
    // Read again, so that what was written is what counts.
    let lost = || SecretsError::Unavailable("the installation's secret_key in Vault was removed".to_owned());
    let Found::Here { fields, .. } = kv::read(session, &session.settings().prefix).await? else {
        return Err(lost());
    };
    let key = text(SECRET_KEY, &fields)?.ok_or_else(lost)?;
    // One that another program made and that is no base64 is taken as the text it is.
    let bytes = BASE64.decode(key).unwrap_or_else(|_| key.as_bytes().to_vec());
    if bytes.len() < SHORTEST {
        return Err(SecretsError::Engine(format!(
            "the field {SECRET_KEY} in Vault is too short: it needs {SHORTEST} bytes or more, in base64"
        )));
    }
    Ok(Zeroizing::new(bytes))
}

/// Changes the document under the condition that it is as read; `None` if there was nothing to do.
async fn change(
    session: &Session,
    decide: impl Fn(u64, Map<String, Value>) -> Result<Change, SecretsError> + Send,
) -> Result<Option<u64>, SecretsError> {
    let path = session.settings().prefix.clone();
    for _ in 0..ATTEMPTS {
        let found = kv::read(session, &path).await?;
        let condition = found.condition();
        let (version, fields) = match found {
            Found::Here { version, fields, .. } => (version, fields),
            Found::Absent | Found::Deleted(_) => (0, Map::new()),
        };
        let Change::Write(fields) = decide(version, fields)? else { return Ok(None) };
        if let Written::Done(version) = kv::write(session, &path, fields, Some(condition)).await? {
            return Ok(Some(version));
        }
    }
    Err(SecretsError::Unavailable(format!("others change {path} in Vault all the time; try again")))
}

/// The text of a field that has to be text.
fn text<'a>(field: &str, fields: &'a Map<String, Value>) -> Result<Option<&'a str>, SecretsError> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(SecretsError::Engine(format!("the field {field} in Vault is no text"))),
    }
}

//! Documents of KV version 2: read, written on a condition, deleted, listed.

use serde::Deserialize;
use serde_json::{Map, Value};
use vaultrs::api::kv2::requests::{
    DeleteSecretMetadataRequest, ListSecretsRequest, ReadSecretRequest, SetSecretRequest,
    SetSecretRequestOptions,
};

use super::names::{name_of, path_of};
use super::session::Session;
use super::wire::Ask;
use super::{VaultSettings, forms};
use crate::secrets::{SecretsError, Versioned};

/// How often a write without condition of its own is tried again when others write at the same time.
pub(super) const ATTEMPTS: usize = 16;

/// Folders and names that a listing goes through at most.
const FOLDERS: usize = 5_000;
const NAMES: usize = 100_000;

/// What stands at a path.
pub(super) enum Found {
    Absent,
    /// Deleted so that it could be brought back; its number is what a new version has to be conditioned on.
    Deleted(u32),
    Here {
        number: u32,
        version: u64,
        fields: Map<String, Value>,
    },
}

impl Found {
    /// The condition under which a write meets what was found.
    pub fn condition(&self) -> u32 {
        match self {
            Self::Absent => 0,
            Self::Deleted(number) | Self::Here { number, .. } => *number,
        }
    }
}

/// What became of a write.
pub(super) enum Written {
    Done(u64),
    /// The condition does not hold.
    Stale,
    /// The mount or the secret takes no writes without a condition.
    NeedsCondition,
}

#[derive(Deserialize)]
struct Document {
    data: Option<Map<String, Value>>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u32,
    created_time: String,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<String>,
}

/// Reads the document at a path below the mount.
pub(super) async fn read(session: &Session, path: &str) -> Result<Found, SecretsError> {
    let mount = session.settings().kv.clone();
    let request = ReadSecretRequest { mount, path: path.to_owned(), version: None };
    let answer = session.call(&Ask::of(&request)?).await?;
    match answer.status {
        404 if answer.absent() => Ok(Found::Absent),
        200 | 404 => {
            let Document { data, metadata } = answer.data()?;
            match data.filter(|_| answer.succeeded()) {
                Some(fields) => Ok(Found::Here {
                    number: metadata.version,
                    version: forms::version(metadata.version, &metadata.created_time)?,
                    fields,
                }),
                None => Ok(Found::Deleted(metadata.version)),
            }
        }
        // Not a refusal of this secret: the mount is being upgraded, or is not what it should be.
        _ => Err(SecretsError::Unavailable(answer.unexpected().to_string())),
    }
}

/// Writes a document, with a condition only if its number is that (0 = absent).
pub(super) async fn write(
    session: &Session,
    path: &str,
    fields: Map<String, Value>,
    condition: Option<u32>,
) -> Result<Written, SecretsError> {
    let mount = session.settings().kv.clone();
    let request = SetSecretRequest {
        mount: mount.clone(),
        path: path.to_owned(),
        data: Value::Object(fields),
        options: condition.map(|cas| SetSecretRequestOptions { cas }),
    };
    let answer = session.call(&Ask::of(&request)?).await?;
    match answer.status {
        200 => {
            let Metadata { version, created_time } = answer.data()?;
            Ok(Written::Done(forms::version(version, &created_time)?))
        }
        204 => Err(SecretsError::Unavailable(format!(
            "the mount {mount} in Vault is not of the key-value engine's version 2: upgrade it, or set Vault.KV2Path"
        ))),
        400 if condition.is_some() && answer.says("check-and-set parameter did not match") => {
            Ok(Written::Stale)
        }
        400 if condition.is_none() && answer.says("check-and-set parameter required") => {
            Ok(Written::NeedsCondition)
        }
        _ => Err(answer.unexpected()),
    }
}

/// The path of a secret below the mount.
fn place(settings: &VaultSettings, name: &str) -> String {
    format!("{}/{}", settings.prefix, path_of(name))
}

pub(super) async fn get(session: &Session, name: &str) -> Result<Option<Versioned>, SecretsError> {
    match read(session, &place(&session.settings(), name)).await? {
        Found::Here { version, fields, .. } => {
            Ok(Some(Versioned { version, value: forms::value_of(name, &fields)? }))
        }
        Found::Absent | Found::Deleted(_) => Ok(None),
    }
}

pub(super) async fn put(
    session: &Session,
    name: &str,
    value: &[u8],
    expected: Option<u64>,
) -> Result<u64, SecretsError> {
    let path = place(&session.settings(), name);
    let fields = forms::fields_of(name, value);
    let conflict = || SecretsError::Conflict(name.to_owned());
    let first = match expected {
        None => write(session, &path, fields.clone(), None).await?,
        Some(0) => write(session, &path, fields.clone(), Some(0)).await?,
        // Read first, as Vault's numbers alone are used again.
        Some(_) => Written::Stale,
    };
    if let Written::Done(version) = first {
        return Ok(version);
    }
    for _ in 0..ATTEMPTS {
        let found = read(session, &path).await?;
        let held = match &found {
            Found::Here { version, .. } => *version,
            Found::Absent | Found::Deleted(_) => 0,
        };
        if expected.is_some_and(|expected| expected != held) {
            return Err(conflict());
        }
        if let Written::Done(version) = write(session, &path, fields.clone(), Some(found.condition())).await?
        {
            return Ok(version);
        }
    }
    Err(conflict())
}

/// Deletes a secret with all its versions; the data alone could be brought back, and would still be listed.
pub(super) async fn delete(session: &Session, name: &str) -> Result<bool, SecretsError> {
    let settings = session.settings();
    let path = place(&settings, name);
    let found = read(session, &path).await?;
    if matches!(found, Found::Absent) {
        return Ok(false);
    }
    let request = DeleteSecretMetadataRequest { mount: settings.kv.clone(), path };
    let answer = session.call(&Ask::of(&request)?).await?;
    if !answer.succeeded() {
        return Err(answer.unexpected());
    }
    Ok(matches!(found, Found::Here { .. }))
}

/// The names that start with the prefix; Vault lists a folder at a time.
pub(super) async fn list(session: &Session, prefix: &str) -> Result<Vec<String>, SecretsError> {
    let too_many = || SecretsError::Engine(format!("more than {NAMES} secrets in Vault cannot be listed"));
    let mut names = Vec::new();
    // Where the prefix ends inside a folder's name, the folder above is the first that can have something.
    let start = prefix.rsplit_once('/').map(|(folder, _)| path_of(folder));
    let mut folders = vec![start.unwrap_or_default()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        if seen > FOLDERS || names.len() > NAMES {
            return Err(too_many());
        }
        for key in folder_of(session, &folder).await? {
            let path = if folder.is_empty() { key } else { format!("{folder}/{key}") };
            match path.strip_suffix('/') {
                Some(inner) => {
                    let inside = name_of(inner).map(|name| name + "/");
                    let wanted =
                        |name: &String| name.starts_with(prefix) || prefix.starts_with(name.as_str());
                    if inside.as_ref().is_some_and(wanted) {
                        folders.push(inner.to_owned());
                    }
                }
                None => names.extend(name_of(&path).filter(|name| name.starts_with(prefix))),
            }
        }
    }
    names.sort();
    Ok(names)
}

async fn folder_of(session: &Session, folder: &str) -> Result<Vec<String>, SecretsError> {
    let settings = session.settings();
    let path =
        if folder.is_empty() { settings.prefix.clone() } else { format!("{}/{folder}", settings.prefix) };
    let request = ListSecretsRequest { mount: settings.kv.clone(), path };
    let answer = session.call(&Ask::of(&request)?).await?;
    match answer.status {
        404 if answer.absent() => Ok(Vec::new()),
        200 => Ok(answer.data::<Listed>()?.keys),
        _ => Err(answer.unexpected()),
    }
}

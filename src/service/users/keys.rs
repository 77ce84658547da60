//! Keys of accounts, and which of them were made here: one Vault may hold keys of several installations.

use serde::{Deserialize, Serialize};

use chrono::{DateTime, Utc};

use crate::domain::ids::UserId;
use crate::ports::Ports;
use crate::service::Failure;
use crate::service::auth::user_key;
use crate::store::{Collection, Room};

/// Bits of a user's key (specification §3.3).
const BITS: usize = 4096;

/// The document of the room `user.keys`: a key that was made here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    key_name: String,
    user_id: UserId,
    created_at: DateTime<Utc>,
}

fn room(ports: &Ports) -> Collection<'_, Made> {
    Collection::new(ports.store.documents(), Room::Keys)
}

/// Makes somebody's key and notes that it is ours; a no-op where there is one, whoever made it.
pub(in crate::service) async fn make_key(ports: &Ports, user: &UserId) -> Result<(), Failure> {
    let key_name = user_key(user);
    if ports.secrets.has_key(&key_name).await? {
        return Ok(());
    }
    // Noted first: a note without a key is no harm, a key without a note is never found again.
    let made = Made { key_name: key_name.clone(), user_id: user.clone(), created_at: ports.clock.now() };
    room(ports).put(&key_name, &made).await?;
    Ok(ports.secrets.create_key(&key_name, BITS).await?)
}

/// Takes somebody's key.
pub(in crate::service) async fn drop_key(ports: &Ports, user: &UserId) -> Result<(), Failure> {
    drop_named(ports, &user_key(user)).await
}

/// Takes a key by its name.
pub(in crate::service) async fn drop_named(ports: &Ports, key: &str) -> Result<(), Failure> {
    ports.secrets.delete_key(key).await?;
    room(ports).delete(key).await?;
    Ok(())
}

/// Whether a key was made here.
pub(in crate::service) async fn is_ours(ports: &Ports, key: &str) -> Result<bool, Failure> {
    // Where nobody else keeps keys, all of them are ours, also those from before they were noted.
    Ok(!ports.secrets.shared() || room(ports).get(key).await?.is_some())
}

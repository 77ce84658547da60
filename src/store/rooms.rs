//! The rooms of the store by their collection names, and the typed view of each.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Documents, Store, StoreError};
use crate::domain::filter::Filter;

macro_rules! rooms {
    ($($(#[$doc:meta])* $name:ident = $collection:literal, id $id:literal, index [$($field:literal),*], unique [$($unique:literal),*], durable $durable:literal;)*) => {
        /// A collection of documents; names as specification §6.1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Room { $($(#[$doc])* $name,)* }

        impl Room {
            /// Every room.
            pub const ALL: &'static [Room] = &[$(Room::$name,)*];

            /// The collection's name.
            pub fn collection(self) -> &'static str {
                match self { $(Room::$name => $collection,)* }
            }

            /// The field of the body that holds the document's id.
            pub fn id_field(self) -> &'static str {
                match self { $(Room::$name => $id,)* }
            }

            /// Top-level fields that are looked up often.
            pub fn indexed(self) -> &'static [&'static str] {
                match self { $(Room::$name => &[$($field),*],)* }
            }

            /// Top-level fields besides the id that no two documents may share.
            pub fn unique(self) -> &'static [&'static str] {
                match self { $(Room::$name => &[$($unique),*],)* }
            }

            /// Whether an acknowledged write must survive power loss (all writes survive `kill -9`).
            pub fn durable(self) -> bool {
                match self { $(Room::$name => $durable,)* }
            }
        }
    };
}

rooms! {
    Sources = "sources", id "sourceId", index [], unique ["sourceName"], durable true;
    MetaSources = "sources.meta", id "sourceId", index ["connectionId"], unique [], durable true;
    /// Uploads of meta sources under way: what they name is not visible yet.
    MetaUploads = "sources.meta.uploads", id "uploadId", index [], unique [], durable true;
    DataFiles = "datafiles", id "dataFileId", index ["sourceId", "state"], unique [], durable true;
    /// Chunked uploads under way.
    Uploads = "uploads", id "uploadId", index ["sourceId", "updatedAt"], unique [], durable true;
    Pipelines = "pipelines", id "pipelineId", index [], unique [], durable true;
    Groups = "network.groups", id "groupId", index ["networkId"], unique [], durable true;
    Networks = "network.networks", id "networkId", index [], unique [], durable true;
    Nodes = "network.nodes", id "nodeId", index ["networkId"], unique [], durable true;
    Beacon = "network.beacon", id "endpointId", index ["networkId"], unique ["endpointPath"], durable true;
    NexusCredentials = "nexus.credentials", id "realm", index [], unique [], durable true;
    NexusInstallations = "nexus.installations", id "installationKey", index ["realm"], unique [], durable true;
    NexusNetworks = "nexus.networks", id "networkKey", index [], unique ["networkName"], durable true;
    NexusRequests = "nexus.requests", id "token", index ["installationKey", "status"], unique [], durable true;
    /// The last number given to something that is counted.
    Counter = "counter", id "id", index [], unique [], durable true;
    /// Members nobody here has approved yet, and those that were removed again.
    PendingNodes = "network.nodes.pending", id "nodeId", index ["networkId"], unique [], durable true;
    /// Requests and invitations, sent and received.
    Messages = "network.messages", id "id", index ["networkId", "receivedAt", "nextAttemptAt"], unique [], durable true;
    Users = "user.info", id "userId", index [], unique [], durable true;
    /// Strangers who ask for an account.
    AccessRequests = "user.requests", id "requestId", index ["email", "createdAt"], unique [], durable true;
    /// Keys of accounts that were made here.
    Keys = "user.keys", id "keyName", index [], unique [], durable true;
    /// Who decided what about whose account, when.
    Decisions = "user.audit", id "id", index ["createdAt"], unique [], durable true;
    /// Issuer and subject to local user id, for issuers other than Keycloak.
    Identities = "user.identities", id "id", index ["userId"], unique [], durable true;
    Config = "instance.config", id "id", index [], unique [], durable true;
    Queries = "query.queries", id "queryId", index ["userId", "createdAt"], unique [], durable false;
    Responses = "query.responses", id "responseId", index ["queryId", "createdAt"], unique [], durable false;
    /// Subjects behind answers, sealed for their reader, page by page.
    Details = "query.details", id "pageId", index ["queryId", "createdAt"], unique [], durable false;
    /// Range answers paid for from a privacy budget.
    Charges = "query.charges", id "id", index ["createdAt"], unique [], durable true;
    /// Who asked what when, kept beyond the queries.
    Audit = "query.audit", id "id", index ["createdAt"], unique [], durable false;
    /// Errors and notes front ends report.
    Log = "log.internal", id "id", index ["createdAt", "level"], unique [], durable false;
    /// Mail to be sent.
    Outbox = "mail.outbox", id "id", index ["createdAt", "state"], unique [], durable true;
    /// Accounts of the built-in issuer.
    Accounts = "issuer.accounts", id "accountId", index [], unique ["username", "email"], durable true;
    /// Codes, refresh families and sessions of the built-in issuer.
    Grants = "issuer.grants", id "id", index ["accountId", "expiresAt"], unique [], durable true;
}

/// A room seen as one type.
#[derive(Debug)]
pub struct Collection<'a, T> {
    documents: &'a dyn Documents,
    room: Room,
    of: PhantomData<fn() -> T>,
}

/// How often a conditional update is tried before it is given up as a conflict.
const UPDATE_TRIES: usize = 8;

impl<'a, T: Serialize + DeserializeOwned> Collection<'a, T> {
    /// Views a room as documents of type `T`.
    pub fn new(documents: &'a dyn Documents, room: Room) -> Self {
        Self { documents, room, of: PhantomData }
    }

    pub(super) fn read(&self, body: Value) -> Result<T, StoreError> {
        serde_json::from_value(body)
            .map_err(|e| StoreError::Corrupt { room: self.room.collection(), reason: e.to_string() })
    }

    fn write(&self, document: &T) -> Result<Value, StoreError> {
        serde_json::to_value(document).map_err(StoreError::engine)
    }

    /// The document, if there is one.
    pub async fn get(&self, id: impl AsRef<str>) -> Result<Option<T>, StoreError> {
        let found = self.documents.get(self.room, id.as_ref()).await?;
        found.map(|stored| self.read(stored.body)).transpose()
    }

    /// Documents that meet the filter, in its order.
    pub async fn find(&self, filter: &Filter) -> Result<Vec<T>, StoreError> {
        let found = self.documents.find(self.room, filter).await?;
        found.into_iter().map(|stored| self.read(stored.body)).collect()
    }

    /// How many documents meet the filter.
    pub async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.documents.count(self.room, filter).await
    }

    /// Adds a document; `Conflict` if the id or a unique field is taken.
    pub async fn insert(&self, id: impl AsRef<str>, document: &T) -> Result<(), StoreError> {
        self.documents.insert(self.room, id.as_ref(), &self.write(document)?).await
    }

    /// Writes a document whatever was there.
    pub async fn put(&self, id: impl AsRef<str>, document: &T) -> Result<(), StoreError> {
        self.documents.put(self.room, id.as_ref(), &self.write(document)?).await
    }

    /// Removes a document; `false` if there was none.
    pub async fn delete(&self, id: impl AsRef<str>) -> Result<bool, StoreError> {
        self.documents.delete(self.room, id.as_ref()).await
    }

    /// Removes what meets the filter's conditions; answers how many.
    pub async fn delete_where(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.documents.delete_where(self.room, filter).await
    }

    /// Changes a document by a rule that may be tried several times; `Ok(None)` if the document does not exist,
    /// the rule's error if it refuses.
    pub async fn update<E: From<StoreError>>(
        &self,
        id: impl AsRef<str>,
        mut rule: impl FnMut(&mut T) -> Result<(), E>,
    ) -> Result<Option<T>, E> {
        for _ in 0..UPDATE_TRIES {
            let Some(stored) = self.documents.get(self.room, id.as_ref()).await? else { return Ok(None) };
            let before = stored.body.clone();
            let mut document = self.read(stored.body)?;
            rule(&mut document)?;
            // Unknown fields of an adopted document survive: what the type knows is laid over what was there.
            let after = keep_unknown(before, self.write(&document)?, self)?;
            match self.documents.replace(self.room, id.as_ref(), stored.revision, &after).await {
                Ok(_) => return Ok(Some(document)),
                Err(StoreError::Conflict(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(StoreError::Conflict(format!(
            "{} {} is being changed too often",
            self.room.collection(),
            id.as_ref()
        ))
        .into())
    }
}

/// Adds to `after` the fields of `before` that the type does not know (those that vanish when `before` is read and written).
fn keep_unknown<T: Serialize + DeserializeOwned>(
    before: Value,
    mut after: Value,
    collection: &Collection<'_, T>,
) -> Result<Value, StoreError> {
    let known = collection.write(&collection.read(before.clone())?)?;
    if let (Value::Object(before), Value::Object(after), Value::Object(known)) = (before, &mut after, known) {
        for (key, value) in before {
            if !known.contains_key(&key) && !after.contains_key(&key) && !value.is_null() {
                after.insert(key, value);
            }
        }
    }
    Ok(after)
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $room:ident;)*) => {
        impl dyn Store + '_ {
            $($(#[$doc])* pub fn $name(&self) -> Collection<'_, $type> {
                Collection::new(self.documents(), Room::$room)
            })*
        }
    };
}

accessors! {
    /// Data sources.
    sources: crate::domain::sources::Source = Sources;
    /// Descriptions of data, here or elsewhere.
    meta_sources: crate::domain::metasources::MetaSource = MetaSources;
    /// Uploads of meta sources under way.
    meta_uploads: Value = MetaUploads;
    /// Uploaded files.
    datafiles: crate::domain::sources::DataFile = DataFiles;
    /// File and remap pipelines.
    pipelines: crate::domain::pipelines::Pipeline = Pipelines;
    /// Discovery groups.
    groups: crate::domain::groups::Group = Groups;
    /// Networks this installation is in.
    networks: crate::domain::networks::Network = Networks;
    /// Members of networks.
    nodes: crate::domain::networks::Node = Nodes;
    /// Networks exposed as Beacons.
    beacon: crate::domain::beacon::Endpoint = Beacon;
    /// Members that are not approved.
    pending_nodes: crate::domain::networks::Node = PendingNodes;
    /// Requests and invitations.
    messages: crate::domain::federation::Exchange = Messages;
    /// Accounts' local part.
    users: crate::domain::users::UserInfo = Users;
    /// Requests for accounts.
    access_requests: crate::domain::access_requests::AccessRequest = AccessRequests;
    /// Runtime settings by section.
    config: Value = Config;
    /// Uploads under way.
    uploads: Value = Uploads;
    /// Front-end log.
    log: crate::domain::logs::Report = Log;
}

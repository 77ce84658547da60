//! Every operation called by every kind of caller, held against the table of `domain/access` (specification §5.6).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cv3_backend::domain::access::Permission;
use cv3_backend::domain::ids::UserId;
use cv3_backend::domain::users::{Role, UserInfo};
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::secrets::{Secrets, Signing};
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Collection, Room, Store};
use serde_json::{Value, json};

use super::documents::{Operation, operations};
use super::{Caller, NOTHING, anonymous_access};
use crate::support::{Installation, Node, steps};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// Who calls.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        enum Kind { $($(#[$doc])* $kind,)* }

        const KINDS: &[Kind] = &[$(Kind::$kind,)*];
    };
}

kinds! {
    /// No token, where anonymous access is off.
    Stranger,
    /// No token, where it is on.
    Anonymous,
    User,
    DataAdmin,
    ServerAdmin,
    Developer,
    /// Known to the issuer, and not here.
    Remote,
    /// Active here without a key: may ask through other nodes only.
    RemoteQuery,
    /// Not active, with a key.
    Inactive,
    /// A developer's token of yesterday.
    Expired,
    /// A developer's claims, signed with a key of somebody else.
    Foreign,
    /// A token of a service account, signed by our issuer.
    Service,
    /// The secret shared with the fleet tool.
    SharedSecret,
    /// A token for uploading files.
    UploadToken,
}

use Kind::*;

/// What must come of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Admitted,
    /// 401: the caller has to say who they are.
    Unknown,
    /// 403: the caller is known and may not.
    Forbidden,
}

fn verdict(kind: Kind, permission: Permission) -> Verdict {
    use Verdict::{Admitted, Forbidden, Unknown};
    let either = |fine: bool, otherwise: Verdict| if fine { Admitted } else { otherwise };
    if permission == Permission::Public {
        return Admitted;
    }
    match kind {
        Stranger => either(permission == Permission::Holder, Unknown),
        Anonymous => either(matches!(permission, Permission::Holder | Permission::Anonymous), Unknown),
        User => either(permission.admits(Role::User), Forbidden),
        DataAdmin => either(permission.admits(Role::DataAdmin), Forbidden),
        ServerAdmin => either(permission.admits(Role::ServerAdmin), Forbidden),
        Developer => either(permission.admits(Role::Developer), Forbidden),
        Remote | RemoteQuery | Inactive => Forbidden,
        Expired | Foreign | Service => Unknown,
        SharedSecret => either(permission == Permission::Secret, Unknown),
        UploadToken => either(permission == Permission::Upload, Unknown),
    }
}

/// The installation's own issuer key signs what the test says.
async fn signed(secrets: &LocalSecrets, token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut parts = token.split('.');
    let header = parts.next().unwrap();
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    change(&mut claims);
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = secrets.sign("issuer", Signing::Pkcs1, text.as_bytes()).await.unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token for each kind that has one; the accounts behind are brought into their state while nothing runs.
async fn credentials(installation: &Installation, node: Node) -> BTreeMap<Kind, String> {
    let names =
        [(User, "user"), (DataAdmin, "dataAdmin"), (ServerAdmin, "serverAdmin"), (Developer, "developer")];
    let others = [(Remote, "remote"), (RemoteQuery, "remotequery"), (Inactive, "inactive")];
    let mut tokens = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for (kind, name) in names.into_iter().chain(others) {
        let client = node.client(name).await;
        tokens.insert(kind, client.token().await);
        ids.insert(kind, client.user_id.clone());
    }
    let developer = node.client("developer").await;
    let token = developer.get("/sources/upload-token").await.ok();
    tokens.insert(UploadToken, token["token"].as_str().unwrap().to_owned());
    tokens.insert(SharedSecret, super::running::secret(installation));
    node.stop().await;

    let store = SqliteStore::open(&installation.data().join("store.db")).unwrap();
    let users: Collection<'_, UserInfo> = Collection::new(store.documents(), Room::Users);
    assert!(users.delete(&ids[&Remote]).await.unwrap());
    let mut inactive = users.get(&ids[&Inactive]).await.unwrap().unwrap();
    inactive.active = false;
    users.put(&ids[&Inactive], &inactive).await.unwrap();
    let folder = installation.data().join("secrets");
    let secrets =
        LocalSecrets::open(&folder.join("keystore"), MasterKey::Generated { path: folder.join("key") })
            .unwrap();
    for kind in [Remote, RemoteQuery] {
        assert!(secrets.delete_key(&ids[&kind]).await.unwrap());
    }

    let developer = tokens[&Developer].clone();
    // What the test signs is as good as the issuer's: else the forged ones below would prove nothing.
    tokens.insert(Developer, signed(&secrets, &developer, |_| {}).await);
    let expired = signed(&secrets, &developer, |claims| {
        for time in ["exp", "iat"] {
            claims[time] = (claims[time].as_i64().unwrap() - 86_400).into();
        }
    });
    tokens.insert(Expired, expired.await);
    let service = signed(&secrets, &developer, |claims| {
        claims["sub"] = NOTHING.into();
        claims["preferred_username"] = "service-account-cafevariome".into();
    });
    tokens.insert(Service, service.await);
    secrets.create_key("another issuer", 2048).await.unwrap();
    let (text, _) = developer.rsplit_once('.').unwrap();
    let signature = secrets.sign("another issuer", Signing::Pkcs1, text.as_bytes()).await.unwrap();
    tokens.insert(Foreign, format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)));
    tokens
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_admits_exactly_whom_the_table_says() {
    let installation = Installation::empty();
    for role in ["user", "dataAdmin", "serverAdmin", "developer"] {
        installation.add_user(role, role);
    }
    for name in ["remote", "remotequery", "inactive"] {
        installation.add_user("user", name);
    }
    let tokens = credentials(&installation, installation.serve().start().await).await;
    let node = installation.serve().set("Legacy.NexusMode.Enabled", "true").start().await;
    let caller = Caller::of(&node);
    let developer = node.client("developer").await;
    let source = steps::source(&developer, "one").await;
    let mut members = vec![UserId::ANONYMOUS.to_owned()];
    for name in ["user", "dataAdmin", "serverAdmin"] {
        members.push(node.client(name).await.user_id);
    }
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let network = developer.get("/networks/").await.ok()[0]["networkId"].as_str().unwrap().to_owned();
    let group = steps::grant(&developer, "count", &members, &[&source]).await;
    // Whoever is admitted finds something to read, and nothing to change or remove.
    let known = |name: &str| {
        let found = match name {
            "source_id" => &*source,
            "network_id" => &*network,
            "group_id" => &*group,
            _ => NOTHING,
        };
        found.to_owned()
    };

    let mut cells = BTreeMap::new();
    for &kind in KINDS {
        anonymous_access(&developer, kind == Anonymous).await;
        for operation in operations(&caller).await {
            let what = format!("{} as {kind:?}", operation.line());
            let read = operation.method == "GET";
            let address = if read {
                operation.address_with(&known)
            } else {
                operation.address_with(&|_| NOTHING.to_owned())
            };
            let request = caller.request(&operation.method, &address, tokens.get(&kind).map(String::as_str));
            let answer =
                caller.send(if operation.takes_json() { request.json(&json!({})) } else { request }).await;
            match verdict(kind, operation.permission()) {
                Verdict::Unknown => answer.refused(401, &what),
                Verdict::Forbidden => answer.refused(403, &what),
                Verdict::Admitted => assert!(fits(&operation, answer.status), "{what}: {answer:?}"),
            }
            *cells.entry(kind).or_insert(0) += 1;
        }
    }
    let total: i32 = cells.values().sum();
    println!("{total} cells: {} kinds of caller, {cells:?} operations each", cells.len());
    node.stop().await;
}

/// Whether a status can come of a call that was let in: nothing has the ids of a change, and bodies say nothing.
fn fits(operation: &Operation, status: u16) -> bool {
    let named = ["{source_id}", "{network_id}", "{group_id}"];
    let missing = operation.path.split('/').any(|part| part.starts_with('{') && !named.contains(&part));
    match (&*operation.method, missing) {
        ("GET", false) => [200, 204, 404].contains(&status),
        ("GET", true) => status == 404,
        (_, _) if operation.path.contains('{') => [400, 404, 415].contains(&status),
        // What is open to everyone is limited per address.
        _ if operation.permission() == Permission::Public => [200, 201, 400, 429].contains(&status),
        _ => [200, 201, 202, 400].contains(&status),
    }
}

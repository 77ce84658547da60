//! Who is asking and what that proves. The constructors of the proofs are private to this file.

mod sign_in;

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::callers::Callers;
use super::settings::Settings;
use super::{Failure, Live};
use crate::domain::access::{Duty, may};
use crate::domain::ids::{NetworkId, NodeId, SourceId, UserId};
use crate::domain::queries::Granularity;
use crate::domain::users::{Profile, Role, UserInfo};
use crate::identity::{Claims, IdentityError, IssuerInfo, Lack};
use crate::ports::Ports;
use crate::secrets::{Purpose, SecretsError};
use crate::store::StoreError;

/// Proof: a signed-in, active local user (transit key present).
#[derive(Debug, Clone)]
pub struct Caller {
    user: UserInfo,
    profile: Profile,
}

impl Caller {
    /// The user's id.
    pub fn id(&self) -> &UserId {
        &self.user.user_id
    }

    /// The account as stored here.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }

    /// The person as the issuer knows them.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether the caller's role carries a duty.
    pub fn may(&self, duty: Duty) -> bool {
        may(self.user.role, duty)
    }
}

/// A duty as a type, so that a function can demand it.
pub trait Demands: Debug + Send + Sync + 'static {
    /// The duty.
    const DUTY: Duty;
}

/// Data administration.
#[derive(Debug)]
pub struct DataAdmin;
impl Demands for DataAdmin {
    const DUTY: Duty = Duty::Data;
}

/// System administration.
#[derive(Debug)]
pub struct SystemAdmin;
impl Demands for SystemAdmin {
    const DUTY: Duty = Duty::System;
}

/// Statistics and all settings, for any administrator.
#[derive(Debug)]
pub struct AnyAdmin;
impl Demands for AnyAdmin {
    const DUTY: Duty = Duty::Statistics;
}

/// Proof: the caller carries the duty `D`.
pub struct As<D> {
    caller: Caller,
    duty: PhantomData<fn() -> D>,
}

impl<D> As<D> {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl<D> Debug for As<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("As").field(self.caller.id()).finish()
    }
}

/// Proof: someone who may read what is open to anonymous users where that is switched on.
#[derive(Debug, Clone)]
pub enum Asker {
    Anonymous(UserInfo),
    User(Caller),
}

impl Asker {
    /// The id whose groups count.
    pub fn id(&self) -> &UserId {
        match self {
            Self::Anonymous(user) => &user.user_id,
            Self::User(caller) => caller.id(),
        }
    }

    /// Whether the asker carries a duty.
    pub fn may(&self, duty: Duty) -> bool {
        match self {
            Self::Anonymous(_) => false,
            Self::User(caller) => caller.may(duty),
        }
    }
}

/// Proof: the only thing a record query is authorised by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acting {
    acting_id: UserId,
    original_id: UserId,
    network_id: NetworkId,
    origin_node: NodeId,
    cap: Granularity,
}

impl Acting {
    /// Whose permissions count.
    pub fn acting_id(&self) -> &UserId {
        &self.acting_id
    }

    /// For whom details are encrypted.
    pub fn original_id(&self) -> &UserId {
        &self.original_id
    }

    /// The network the query is asked in.
    pub fn network_id(&self) -> &NetworkId {
        &self.network_id
    }

    /// The node it came from.
    pub fn origin_node(&self) -> &NodeId {
        &self.origin_node
    }

    /// The highest level it can be answered at, whatever groups grant.
    pub fn cap(&self) -> Granularity {
        self.cap
    }
}

/// Proof: code that runs a job, or the operator at the machine itself.
#[derive(Debug, Clone)]
pub struct Inside(());

/// Proof: the fleet tool that shares a secret with this installation (specification §3.3).
#[derive(Debug, Clone)]
pub struct Assistant(());

/// Where that secret is kept.
const ASSISTANT_SECRET: &str = "assistant_secret";

/// Proof: an upload token or a data administrator's own token.
#[derive(Debug, Clone)]
pub struct Uploader {
    user: UserId,
    source: Option<SourceId>,
}

impl Uploader {
    /// Who uploads.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Whether the token is good for this source.
    pub fn allows(&self, source: &SourceId) -> bool {
        self.source.as_ref().is_none_or(|own| own == source)
    }
}

/// What an upload token carries (specification §3.3).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UploadClaims {
    sub: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_id: Option<SourceId>,
    exp: i64,
    jti: String,
    aud: String,
}

/// The header of every upload token; any other is refused.
const UPLOAD_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// How long an upload token is valid, in seconds.
const UPLOAD_TOKEN_LIFE: i64 = 3600;

/// Sign-in and proofs.
#[derive(Debug, Clone)]
pub struct Auth {
    ports: Ports,
    options: Live,
    settings: Settings,
    callers: Arc<Callers>,
}

impl Auth {
    pub(super) fn new(ports: Ports, options: Live, settings: Settings) -> Self {
        let callers = Arc::new(Callers::new(ports.broker.subscribe()));
        Self { ports, options, settings, callers }
    }

    /// Where front ends send people to sign in.
    pub fn issuer(&self) -> IssuerInfo {
        self.ports.identity.info()
    }

    /// Whether people sign in at our own issuer.
    pub fn issues_tokens(&self) -> bool {
        self.ports.identity.issuer().is_some()
    }

    /// The local user behind an access token: active, with a key, not a service account (specification §5.2).
    pub async fn user(&self, token: &str) -> Result<Caller, Failure> {
        let claims = self.ports.identity.verify(token).await?;
        self.caller(claims).await
    }

    async fn caller(&self, claims: Claims) -> Result<Caller, Failure> {
        if claims.service_account {
            return Err(Failure::Forbidden("a service account is not a user".into()));
        }
        let now = self.ports.clock.now();
        let since = match self.callers.get(&claims.user_id, now) {
            Ok(user) => return Ok(Caller { user, profile: claims.profile }),
            Err(since) => since,
        };
        let Some(user) = self.ports.store.users().get(claims.user_id.as_str()).await? else {
            self.register(&claims).await?;
            return Err(Failure::Forbidden(
                "this account is not known here; ask an administrator for access".into(),
            ));
        };
        if !user.active || user.internal {
            return Err(Failure::Forbidden("this account is not active; ask an administrator".into()));
        }
        if !self.ports.secrets.has_key(&user_key(&user.user_id)).await? {
            return Err(Failure::Forbidden("this account may not sign in here; ask an administrator".into()));
        }
        self.callers.keep(&user, since, now);
        Ok(Caller { user, profile: claims.profile })
    }

    /// Makes an inactive entry for a stranger with a valid token where auto-registration is on (specification §5.3).
    async fn register(&self, claims: &Claims) -> Result<(), Failure> {
        let settings = self.settings.current().await?;
        if !settings.federation_settings.auto_user_registration {
            return Ok(());
        }
        let user = UserInfo {
            user_id: claims.user_id.clone(),
            role: Role::User,
            active: false,
            budget: settings.discovery_settings.default_budget,
            internal: false,
            settings: None,
            created_at: Some(self.ports.clock.now()),
        };
        match self.ports.store.users().insert(user.user_id.as_str(), &user).await {
            // Two requests of one stranger at the same time.
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
        Err(Failure::Forbidden(
            "this account was registered and is awaiting approval by an administrator".into(),
        ))
    }

    /// The proof that a caller carries a duty.
    pub fn prove<D: Demands>(&self, caller: Caller) -> Result<As<D>, Failure> {
        if caller.may(D::DUTY) {
            Ok(As { caller, duty: PhantomData })
        } else {
            Err(Failure::Forbidden("your role does not allow this".into()))
        }
    }

    /// The fleet tool, by the secret it shares with us; a user's own token is valid and not enough.
    pub async fn assistant(&self, secret: &str) -> Result<Assistant, Failure> {
        let held = self.ports.secrets.get(ASSISTANT_SECRET).await?;
        // Digests have one length, so that nothing tells how long the secret is.
        let same = |held: &[u8]| bool::from(Sha256::digest(held).ct_eq(&Sha256::digest(secret.as_bytes())));
        if held.is_some_and(|held| !held.value.is_empty() && same(&held.value)) {
            return Ok(Assistant(()));
        }
        match self.user(secret).await {
            Ok(_) | Err(Failure::Forbidden(_)) => {
                Err(Failure::Forbidden("this needs the shared secret, not a user's token".into()))
            }
            Err(down @ Failure::Unavailable(..)) => Err(down),
            Err(_) => Err(Failure::Unauthenticated("the shared secret is not valid".into())),
        }
    }

    /// Replaces the secret shared with the fleet tool and answers the new one, which is shown this once.
    pub async fn rotate_assistant_secret(&self, _: &As<SystemAdmin>) -> Result<String, Failure> {
        let secret = fresh_secret(&self.ports);
        self.ports.secrets.put(ASSISTANT_SECRET, secret.as_bytes(), None).await?;
        Ok(secret)
    }

    /// A user, or anonymous where no token was sent and anonymous access is on; a bad token is never downgraded.
    pub async fn asker(&self, token: Option<&str>) -> Result<Asker, Failure> {
        if let Some(token) = token {
            return self.user(token).await.map(Asker::User);
        }
        if !self.settings.current().await?.federation_settings.anonymous_access {
            return Err(Failure::Unauthenticated("sign in first; anonymous access is off".into()));
        }
        let anonymous = self.ports.store.users().get(UserId::ANONYMOUS).await?;
        anonymous
            .filter(|user| user.active)
            .map(Asker::Anonymous)
            .ok_or_else(|| Failure::Unauthenticated("sign in first; anonymous access is off".into()))
    }

    /// What a local asker's query is authorised by: their own id, at most `count` for anonymous users.
    pub fn acting(&self, asker: &Asker, network_id: NetworkId, origin_node: NodeId) -> Acting {
        let cap = match asker {
            Asker::Anonymous(_) => Granularity::Count,
            Asker::User(_) => Granularity::DetailedList,
        };
        Acting {
            acting_id: asker.id().clone(),
            original_id: asker.id().clone(),
            network_id,
            origin_node,
            cap,
        }
    }

    /// For the worker loop, which only ever runs stored jobs.
    pub fn inside(&self) -> Inside {
        Inside(())
    }

    /// For the operator at the machine: whoever can open the data directory and its keystore.
    pub fn operator<D: Demands>(&self) -> As<D> {
        let user = UserInfo {
            user_id: UserId::anonymous(),
            role: Role::Developer,
            active: true,
            budget: 0,
            internal: true,
            settings: None,
            created_at: None,
        };
        let profile = Profile { username: "operator".into(), ..Profile::default() };
        As { caller: Caller { user, profile }, duty: PhantomData }
    }

    /// An account as its own caller, for the operator at the machine; checked like any other.
    pub async fn in_place_of(&self, _: &As<SystemAdmin>, user: &UserId) -> Result<Caller, Failure> {
        let profile = self.ports.identity.profile(user).await?;
        self.caller(Claims {
            user_id: user.clone(),
            issuer: String::new(),
            expires_at: self.ports.clock.now(),
            profile: profile.ok_or_else(|| Failure::not_found("user", user.as_str()))?,
            service_account: false,
        })
        .await
    }

    /// Keeps another secret of this installation's client at the identity provider, once it has worked.
    pub async fn replace_client_secret(&self, _: &As<SystemAdmin>, secret: &str) -> Result<(), Failure> {
        match self.ports.identity.replace_client_secret(secret).await {
            Err(IdentityError::Rejected(reason)) => Err(Failure::Invalid(reason)),
            other => Ok(other?),
        }
    }

    /// What this installation's client lacks at the identity provider, for the operator.
    pub async fn lacks(&self, _: &As<SystemAdmin>, nexus: bool) -> Result<Vec<Lack>, Failure> {
        Ok(self.ports.identity.lacks(nexus).await?)
    }

    /// A token for uploading files, bound to the user and, if given, to one source.
    pub async fn upload_token(
        &self,
        admin: &As<DataAdmin>,
        source: Option<SourceId>,
    ) -> Result<String, Failure> {
        let claims = UploadClaims {
            sub: admin.caller().id().clone(),
            source_id: source,
            exp: self.ports.clock.now().timestamp() + UPLOAD_TOKEN_LIFE,
            jti: self.ports.random.uuid().to_string(),
            aud: "upload".into(),
        };
        let body = serde_json::to_vec(&claims).map_err(Failure::internal)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(UPLOAD_HEADER), URL_SAFE_NO_PAD.encode(body));
        let mac = self.upload_mac(signed.as_bytes()).await?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// Accepts an upload token, else a data administrator's access token.
    pub async fn uploader(&self, token: &str) -> Result<Uploader, Failure> {
        let Some(claims) = self.read_upload_token(token).await? else {
            let admin = self.prove::<DataAdmin>(self.user(token).await?)?;
            return Ok(Uploader { user: admin.caller().id().clone(), source: None });
        };
        let user = self.ports.store.users().get(claims.sub.as_str()).await?;
        // Without a key the account may not sign in any more (§5.3).
        let admitted = self.ports.secrets.has_key(&user_key(&claims.sub)).await?;
        match user {
            Some(user) if admitted && user.active && may(user.role, Duty::Data) => {
                Ok(Uploader { user: claims.sub, source: claims.source_id })
            }
            _ => Err(Failure::Forbidden("the account of this upload token may no longer upload".into())),
        }
    }

    async fn read_upload_token(&self, token: &str) -> Result<Option<UploadClaims>, Failure> {
        let mut pieces = token.splitn(3, '.');
        let (Some(header), Some(body), Some(mac)) = (pieces.next(), pieces.next(), pieces.next()) else {
            return Ok(None);
        };
        if header != URL_SAFE_NO_PAD.encode(UPLOAD_HEADER) {
            return Ok(None);
        }
        let refused = || Failure::Unauthenticated("the upload token is not valid or has expired".into());
        let expected = self.upload_mac(format!("{header}.{body}").as_bytes()).await?;
        let given = URL_SAFE_NO_PAD.decode(mac).map_err(|_| refused())?;
        if !bool::from(expected.as_slice().ct_eq(&given)) {
            return Err(refused());
        }
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| refused())?;
        let claims: UploadClaims = serde_json::from_slice(&body).map_err(|_| refused())?;
        if claims.aud != "upload" || claims.exp <= self.ports.clock.now().timestamp() {
            return Err(refused());
        }
        Ok(Some(claims))
    }

    async fn upload_mac(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let key = self.ports.secrets.derived(Purpose::UploadToken).await?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(Failure::internal)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

/// 256 random bits as text.
pub(super) fn fresh_secret(ports: &Ports) -> String {
    let mut bytes = [0; 32];
    ports.random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Makes the secret shared with the fleet tool where there is none; part of the first start.
pub(super) async fn seed_assistant_secret(ports: &Ports) -> Result<(), Failure> {
    if ports.secrets.get(ASSISTANT_SECRET).await?.is_some() {
        return Ok(());
    }
    match ports.secrets.put(ASSISTANT_SECRET, fresh_secret(ports).as_bytes(), Some(0)).await {
        Ok(_) | Err(SecretsError::Conflict(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// The name of a user's transit key: the id itself if the engine takes it, else a digest (design: ids).
pub fn user_key(user: &UserId) -> String {
    let id = user.as_str();
    if id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return id.to_owned();
    }
    let digest = Sha256::digest(id.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("u-{hex}")
}

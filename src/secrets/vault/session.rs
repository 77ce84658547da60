//! Tokens: made by AppRole, counted, renewed and replaced (specification §3.3).
//!
//! One token for all calls of the process. Each call takes one of its uses before it asks, so that a token with few of
//! them is never overdrawn; whoever finds none logs in, and the others wait for that one login. A token that Vault does
//! not know any more is replaced once per call. A login that fails is not tried again for a moment, one that Vault refuses
//! not for longer unless the credentials are others, and until then everyone gets its reason.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::VaultSettings;
use super::token::{Fingerprint, Live, Refusal, auth};
use super::wire::{self, Answer, Ask};
use crate::outbound::Outbound;
use crate::secrets::SecretsError;

/// After a login that failed, the next is tried so much later; doubled each time, up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// The same after a login that Vault refused: five refusals in a quarter of an hour lock the role for everyone.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// For so long a denial of a new token is taken to be the policy's, and others of it bring no further logins.
const DENIED: Duration = Duration::from_secs(5);

/// Who we are in Vault at the moment.
pub(super) struct Session {
    outbound: Outbound,
    settings: Mutex<Arc<VaultSettings>>,
    state: Mutex<State>,
    /// Held by the one who logs in or renews.
    turn: tokio::sync::Mutex<()>,
    /// Wakes the keeper.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    failed: Option<Failed>,
    /// When a new token was denied something.
    denied: Option<Instant>,
    /// Tokens so far.
    count: u64,
    warned: bool,
}

struct Failed {
    why: String,
    again: Instant,
    pause: Duration,
    /// What Vault refused; other credentials are tried at once.
    refused: Option<Fingerprint>,
}

/// One use of a token.
struct Use {
    token: Arc<Zeroizing<String>>,
    number: u64,
    /// Made for this call.
    fresh: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?})", self.settings())
    }
}

impl Session {
    pub fn new(outbound: Outbound, settings: VaultSettings) -> Self {
        Self {
            outbound,
            settings: Mutex::new(Arc::new(settings)),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
            changed: Arc::default(),
        }
    }

    pub fn settings(&self) -> Arc<VaultSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    pub fn change(&self, new: VaultSettings) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let old = settings.clone();
        *settings = Arc::new(VaultSettings {
            transit: old.transit.clone(),
            kv: old.kv.clone(),
            prefix: old.prefix.clone(),
            ..new
        });
        drop(settings);
        let mut state = self.state();
        (state.live, state.failed, state.denied) = (None, None, None);
    }

    /// Asks Vault as the AppRole; see `Answer::judged` for what of the answer reaches the caller.
    pub async fn call(&self, ask: &Ask) -> Result<Answer, SecretsError> {
        self.ask(ask).await?.judged()
    }

    /// Asks Vault as the AppRole; whatever it answers reaches the caller.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, SecretsError> {
        let first = self.take().await?;
        let answer = self.send(Some(&first.token), ask).await?;
        if answer.status != 403 || !self.replace(&first) {
            return Ok(answer);
        }
        let second = self.take().await?;
        let answer = self.send(Some(&second.token), ask).await?;
        if answer.status == 403 {
            self.state().denied = Some(Instant::now());
        }
        Ok(answer)
    }

    /// Asks without a token.
    pub async fn ask_openly(&self, ask: &Ask) -> Result<Answer, SecretsError> {
        self.send(None, ask).await
    }

    /// Makes sure that there is a token, and uses none of it.
    pub async fn present(&self) -> Result<(), SecretsError> {
        self.have(false).await.map(drop)
    }

    pub(super) async fn send(&self, token: Option<&str>, ask: &Ask) -> Result<Answer, SecretsError> {
        wire::send(&self.outbound, &self.settings().address, token, ask).await
    }

    /// One use of the token, after a login if there is none.
    async fn take(&self) -> Result<Use, SecretsError> {
        self.have(true).await
    }

    async fn have(&self, used: bool) -> Result<Use, SecretsError> {
        if let Ok(Some(found)) = self.held(used) {
            return Ok(found);
        }
        let _turn = self.turn.lock().await;
        match self.held(used) {
            Ok(Some(found)) => Ok(found),
            Ok(None) => self.login(used).await,
            Err(error) => match self.other_credentials().await {
                true => self.login(used).await,
                false => Err(error),
            },
        }
    }

    /// Tells whether the credentials are no longer those that Vault refused.
    async fn other_credentials(&self) -> bool {
        let Some(refused) = self.state().failed.as_ref().and_then(|failed| failed.refused) else {
            return false;
        };
        self.credentials().await.is_ok_and(|now| now.fingerprint() != refused)
    }

    /// One use of the token that is there; an error while the last failed login is still fresh.
    fn held(&self, used: bool) -> Result<Option<Use>, SecretsError> {
        let mut state = self.state();
        let now = Instant::now();
        if let Some(live) = &mut state.live
            && live.ends.is_none_or(|ends| now < ends)
            && live.left.is_none_or(|left| left > 0)
        {
            if used {
                live.left = live.left.map(|left| left - 1);
            }
            return Ok(Some(Use { token: live.token.clone(), number: live.number, fresh: false }));
        }
        match &state.failed {
            Some(failed) if now < failed.again => Err(SecretsError::Unavailable(failed.why.clone())),
            _ => Ok(None),
        }
    }

    /// Gives up a token that was refused; `false` if a new one would be refused as well.
    fn replace(&self, refused: &Use) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        if refused.fresh {
            state.denied = Some(now);
        }
        if state.denied.is_some_and(|denied| now < denied + DENIED) {
            return false;
        }
        if state.live.as_ref().is_some_and(|live| live.number == refused.number) {
            state.live = None;
        }
        true
    }

    /// Logs in, and takes the first use of the token for the one who does; only with the turn.
    async fn login(&self, used: bool) -> Result<Use, SecretsError> {
        let settings = self.settings();
        let granted = self.granted().await;
        let mut state = self.state();
        match granted {
            Ok(auth) => {
                state.failed = None;
                state.count += 1;
                let mut live = auth.live(state.count);
                if live.left.is_some() && !state.warned {
                    state.warned = true;
                    tracing::warn!(
                        uses = auth.num_uses,
                        "the tokens of the AppRole end after a few uses, and each login needs a secret id that still \
                         counts: take token_num_uses away, or keep VAULT_SECRET_ID_FILE fresh"
                    );
                }
                if used {
                    live.left = live.left.map(|left| left.saturating_sub(1));
                }
                let taken = Use { token: live.token.clone(), number: live.number, fresh: true };
                // Credentials that changed meanwhile count for the next call.
                if Arc::ptr_eq(&settings, &self.settings()) {
                    state.live = Some(live);
                    self.changed.notify_one();
                }
                Ok(taken)
            }
            Err(Refusal { refused, error }) => {
                let (least, most) = if refused.is_some() { REFUSED } else { PAUSE };
                let last = state.failed.as_ref().filter(|last| last.refused == refused);
                let pause = last.map_or(least, |last| (last.pause * 2).min(most));
                let why = match &error {
                    SecretsError::Unavailable(why) => why.clone(),
                    other => other.to_string(),
                };
                tracing::warn!(why, "no login at Vault");
                state.failed = Some(Failed { why, again: Instant::now() + pause, pause, refused });
                Err(error)
            }
        }
    }

    /// When the token is to be renewed; `None` = not now.
    fn due(&self) -> Option<Instant> {
        self.state().live.as_ref().and_then(|live| live.renew)
    }

    /// Renews the token, or replaces it where that does not help for long.
    async fn renew(&self) {
        let _turn = self.turn.lock().await;
        let Some((token, number, lease, renewable)) = self.state().live.as_ref().and_then(|live| {
            let due = live.renew.is_some_and(|renew| renew <= Instant::now());
            due.then(|| (live.token.clone(), live.number, live.lease, live.renewable))
        }) else {
            return;
        };
        if renewable {
            let ask = Ask::bare(Method::POST, "/auth/token/renew-self".to_owned(), &json!({}));
            let renewed = match self.send(Some(&token), &ask).await {
                Ok(answer) if answer.succeeded() => auth(&answer).ok(),
                // Refused: a new one has to be made.
                Ok(answer) if answer.status < 500 => None,
                _ => return self.put_off(number),
            };
            if let Some(renewed) =
                renewed.map(|auth| auth.live(number)).filter(|renewed| renewed.ends.is_some())
            {
                // Less than half of what it had: the longest life of the token nears (`token_max_ttl`).
                let enough = renewed.lease >= lease / 2;
                let mut state = self.state();
                if let Some(live) = state.live.as_mut().filter(|live| live.number == number) {
                    (live.ends, live.renew) = (renewed.ends, renewed.renew);
                }
                if enough {
                    return;
                }
            }
        }
        let pausing = self.state().failed.as_ref().is_some_and(|failed| Instant::now() < failed.again);
        if (pausing && !self.other_credentials().await) || self.login(false).await.is_err() {
            self.put_off(number);
        }
    }

    /// Tries again a little later, and rarely once the token has ended: whoever needs one logs in anyway.
    fn put_off(&self, number: u64) {
        let mut state = self.state();
        let now = Instant::now();
        if let Some(live) = state.live.as_mut().filter(|live| live.number == number) {
            let ended = live.ends.is_some_and(|ends| ends < now);
            live.renew = Some(now + if ended { REFUSED.0 } else { PAUSE.1 / 2 });
        }
    }

    /// The token in use.
    pub(super) fn live(&self) -> Option<Live> {
        self.state().live.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews the token as long as there is a session.
pub(super) async fn keep(session: Weak<Session>, changed: Arc<Notify>) {
    loop {
        let Some(due) = session.upgrade().map(|session| session.due()) else { return };
        let Some(due) = due else {
            changed.notified().await;
            continue;
        };
        tokio::select! {
            () = changed.notified() => continue,
            () = tokio::time::sleep_until(due) => {}
        }
        let Some(session) = session.upgrade() else { return };
        session.renew().await;
    }
}

/// The body of a request without fields.
pub(super) const NOTHING: &Value = &Value::Null;

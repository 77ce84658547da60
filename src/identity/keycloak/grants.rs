//! Codes, refresh tokens and our own credentials become access tokens (RFC 6749 §4.1.3, §4.4, §6).

use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AuthorizationCode, Client, ClientId, ClientSecret, EmptyAdditionalClaims,
    EmptyExtraTokenFields, EndpointNotSet, EndpointSet, IdToken, IntrospectionUrl, IssuerUrl,
    OAuth2TokenResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardErrorResponse, StandardTokenIntrospectionResponse, StandardTokenResponse, TokenResponse,
    TokenUrl,
};
use serde::{Deserialize, Serialize};

use super::provider::{KEPT, Provider};
use super::said::Further;
use super::{Keycloak, shown};
use crate::identity::{IdentityError, Tokens};
use crate::outbound::OutboundError;

/// A token of our own is renewed so long before its end, in seconds.
const EARLY: i64 = 30;

/// Longest code, refresh token or verifier that is passed on.
const LONGEST: usize = 16 * 1024;

/// The token endpoint's answer. An ID token in it is the front end's business: it is not read, so that nothing in it
/// can make a sign-in fail here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Answer(StandardTokenResponse<EmptyExtraTokenFields, CoreTokenType>);

impl OAuth2TokenResponse for Answer {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        self.0.access_token()
    }

    fn token_type(&self) -> &CoreTokenType {
        self.0.token_type()
    }

    fn expires_in(&self) -> Option<Duration> {
        self.0.expires_in()
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.0.refresh_token()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.0.scopes()
    }
}

type UnreadIdToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for Answer
{
    fn id_token(&self) -> Option<&UnreadIdToken> {
        None
    }
}

pub(super) type Introspected = StandardTokenIntrospectionResponse<Further, CoreTokenType>;
type Errors = StandardErrorResponse<CoreErrorResponseType>;

/// Our client, with or without the introspection and the token endpoint.
type ClientWith<Introspection, Token> = Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    Errors,
    Answer,
    Introspected,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    Introspection,
    EndpointNotSet,
    Token,
    EndpointNotSet,
>;

type OurClient = ClientWith<EndpointSet, EndpointSet>;

/// Why there is no token.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Our client is not accepted; the text is safe to show.
    Client(String),
    Other(IdentityError),
}

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        Self::Other(error)
    }
}

/// A token of our own client.
#[derive(Clone)]
pub(super) struct ServiceToken {
    pub token: String,
    until: i64,
}

/// What the token endpoint is asked with.
enum Grant<'a> {
    Code { code: &'a str, redirect_uri: &'a str, verifier: Option<&'a str> },
    Refresh(&'a str),
    Own,
}

impl Keycloak {
    pub(super) async fn redeem(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, IdentityError> {
        let tokens = self.granted(&Grant::Code { code, redirect_uri, verifier }).await?;
        Ok(pair(&tokens))
    }

    pub(super) async fn renew(&self, refresh_token: &str) -> Result<Tokens, IdentityError> {
        let mut tokens = pair(&self.granted(&Grant::Refresh(refresh_token)).await?);
        // RFC 6749 §6: without a new one the old one stays in use.
        if tokens.refresh_token.is_empty() {
            tokens.refresh_token = refresh_token.to_owned();
        }
        Ok(tokens)
    }

    /// A token of our own client, asked for once and kept until shortly before its end.
    pub(super) async fn service_token(&self) -> Result<String, IdentityError> {
        let mut held = self.inner.service.lock().await;
        if let Some(service) = held.as_ref().filter(|service| service.until > self.now()) {
            return Ok(service.token.clone());
        }
        let fresh = self.service_token_of(&self.granted(&Grant::Own).await?);
        *held = Some(fresh.clone());
        Ok(fresh.token)
    }

    /// Asks for a new one next time: this one was refused.
    pub(super) async fn forget_service_token(&self, refused: &str) {
        let mut held = self.inner.service.lock().await;
        if held.as_ref().is_some_and(|service| service.token == refused) {
            *held = None;
        }
    }

    fn service_token_of(&self, answer: &Answer) -> ServiceToken {
        let life = answer.expires_in().map_or(60, |life| i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
        let until = self.now().saturating_add(life.saturating_sub(EARLY.min(life / 2)));
        ServiceToken { token: answer.access_token().secret().clone(), until }
    }

    pub(super) async fn service_token_with(&self, secret: &ClientSecret) -> Result<ServiceToken, Refusal> {
        let provider = self.provider(KEPT).await?;
        let answer = self.asked(&provider, secret, &Grant::Own).await?;
        Ok(self.service_token_of(&answer))
    }

    /// Asks with the secret in force and, where the client is refused, once more with another one that is kept now.
    async fn granted(&self, grant: &Grant<'_>) -> Result<Answer, IdentityError> {
        let provider = self.provider(KEPT).await?;
        let mut secret = self.secret().await?;
        for again in [true, false] {
            match self.asked(&provider, &secret, grant).await {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Other(error)) => return Err(error),
                Err(Refusal::Client(reason)) => secret = self.another_secret(&secret, again, &reason).await?,
            }
        }
        Err(refused_client("its secret keeps changing"))
    }

    /// The secret that is kept now, after the provider refused another one; `again` = it may be tried.
    async fn another_secret(
        &self,
        refused: &ClientSecret,
        again: bool,
        reason: &str,
    ) -> Result<ClientSecret, IdentityError> {
        if again && self.secret_changed(refused).await? {
            return self.secret().await;
        }
        Err(refused_client(reason))
    }

    /// Who this token is, told by the provider (RFC 7662).
    pub(super) async fn introspected(&self, token: &str) -> Result<Introspected, IdentityError> {
        let provider = self.provider(KEPT).await?;
        if provider.introspection.is_none() {
            return Err(IdentityError::Unavailable(
                "the provider does not introspect tokens: set Keycloak.Validation to local".to_owned(),
            ));
        }
        let token = AccessToken::new(token.to_owned());
        let mut secret = self.secret().await?;
        for again in [true, false] {
            let client = self.client(&provider, &secret)?;
            let request = client.introspect(&token).set_token_type_hint("access_token");
            let answer = request.request_async(&|request| self.call(request)).await;
            match answer.map_err(|error| refusal(error, "the token")) {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Other(error)) => return Err(error),
                Err(Refusal::Client(reason)) => secret = self.another_secret(&secret, again, &reason).await?,
            }
        }
        Err(refused_client("its secret keeps changing"))
    }

    async fn asked(
        &self,
        provider: &Provider,
        secret: &ClientSecret,
        grant: &Grant<'_>,
    ) -> Result<Answer, Refusal> {
        let client = self.client(provider, secret)?;
        let http = |request| self.call(request);
        let bounded = |text: &str, what: &str| match (1..=LONGEST).contains(&text.len()) {
            true => Ok(text.to_owned()),
            false => Err(IdentityError::Rejected(format!("{what} is not valid"))),
        };
        match grant {
            Grant::Code { code, redirect_uri, verifier } => {
                let redirect = RedirectUrl::new((*redirect_uri).to_owned())
                    .map_err(|_| IdentityError::Rejected("redirect_uri is no web address".to_owned()))?;
                let mut request = client
                    .exchange_code(AuthorizationCode::new(bounded(code, "the code")?))
                    .set_redirect_uri(std::borrow::Cow::Owned(redirect));
                if let Some(verifier) = verifier {
                    request =
                        request.set_pkce_verifier(PkceCodeVerifier::new(bounded(verifier, "code_verifier")?));
                }
                request.request_async(&http).await.map_err(|error| refusal(error, "the code"))
            }
            Grant::Refresh(token) => {
                let token = RefreshToken::new(bounded(token, "the refresh token")?);
                let request = client.exchange_refresh_token(&token).request_async(&http);
                request.await.map_err(|error| refusal(error, "the refresh token"))
            }
            Grant::Own => {
                let request = client.exchange_client_credentials().request_async(&http);
                request.await.map_err(|error| refusal(error, "a token for our own client"))
            }
        }
    }

    fn client(&self, provider: &Provider, secret: &ClientSecret) -> Result<OurClient, IdentityError> {
        let unusable = |_| IdentityError::Unavailable("the provider's addresses cannot be used".to_owned());
        let issuer = provider.issuers.first().cloned().unwrap_or_default();
        // A provider that cannot introspect is never asked to; the type wants an address all the same.
        let introspection = provider.introspection.as_ref().unwrap_or(&provider.token).clone();
        let client = ClientWith::<EndpointNotSet, EndpointNotSet>::new(
            ClientId::new(self.client_id().to_owned()),
            IssuerUrl::new(issuer).map_err(unusable)?,
            CoreJsonWebKeySet::default(),
        );
        Ok(client
            .set_client_secret(secret.clone())
            .set_token_uri(TokenUrl::from_url(provider.token.clone()))
            .set_introspection_url(IntrospectionUrl::from_url(introspection)))
    }

    fn call(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> impl Future<Output = Result<http::Response<Vec<u8>>, OutboundError>> + Send + 'static {
        let http = self.inner.doors.http.clone();
        async move { http.send(request).await }
    }
}

fn pair(answer: &Answer) -> Tokens {
    Tokens {
        access_token: answer.access_token().secret().clone(),
        refresh_token: answer.refresh_token().map(|token| token.secret().clone()).unwrap_or_default(),
        expires_in: answer.expires_in().map_or(0, |life| life.as_secs()),
    }
}

pub(super) fn refused_client(reason: &str) -> IdentityError {
    IdentityError::Unavailable(format!(
        "the identity provider refuses our client ({reason}); see `cv3-backend rotate-secret keycloak`"
    ))
}

/// Keycloak answers a wrong client secret with `unauthorized_client` at the token endpoint and with `invalid_client` at
/// the introspection endpoint, and a client without a service account with `unauthorized_client` too.
fn refusal(error: RequestTokenError<OutboundError, Errors>, what: &str) -> Refusal {
    let unreadable = "the identity provider's answer is none of a token endpoint";
    match error {
        RequestTokenError::Request(error) => Refusal::Other(error.into()),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Refusal::Other(IdentityError::Unavailable(unreadable.to_owned()))
        }
        RequestTokenError::ServerResponse(said) => {
            let reason =
                said.error_description().map_or_else(|| said.error().as_ref().to_owned(), |text| shown(text));
            match said.error() {
                CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                    Refusal::Client(reason)
                }
                CoreErrorResponseType::Extension(kind)
                    if kind == "server_error" || kind == "temporarily_unavailable" =>
                {
                    Refusal::Other(IdentityError::Unavailable(reason))
                }
                CoreErrorResponseType::InvalidGrant => Refusal::Other(IdentityError::Rejected(format!(
                    "{what} is not valid, was used or has expired: sign in again ({reason})"
                ))),
                _ => Refusal::Other(IdentityError::Rejected(format!("{what} was refused: {reason}"))),
            }
        }
    }
}

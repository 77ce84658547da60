//! The token, introspection and userinfo endpoints, and how the protocol refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Request, Response};
use serde_json::{Value as Json, json};

use super::Edge;
use crate::http::pages::form::{Fields, decoded};
use crate::identity::IdentityError;
use crate::identity::builtin::{Code, Granted, Presented, ProtocolError};

impl Edge {
    /// RFC 6749 §3.2.
    pub(super) async fn token(&self, request: &mut Request) -> Result<Response, ProtocolError> {
        let fields = body_of(request).await?;
        let (client, secret) = credentials(request, &fields)?;
        let by = self.issuer.authenticate_client(&client, secret.as_deref()).await?;
        let needed = |name: &str| {
            let missing = || ProtocolError::refused(Code::InvalidRequest, format!("{name} is missing"));
            fields.get(name).ok_or_else(missing)
        };
        let granted = match needed("grant_type")? {
            "authorization_code" => {
                let (code, uri) = (needed("code")?, needed("redirect_uri")?);
                self.issuer.exchange(by, code, uri, fields.get("code_verifier")).await?
            }
            "refresh_token" => self.issuer.exchange_refresh(by, needed("refresh_token")?).await?,
            _ => {
                let text = "grant_type must be authorization_code or refresh_token";
                return Err(ProtocolError::refused(Code::UnsupportedGrantType, text));
            }
        };
        Ok(json_response(StatusCode::OK, &token_answer(&granted)))
    }

    /// RFC 7662, for clients that prove their secret only.
    pub(super) async fn introspect(&self, request: &mut Request) -> Result<Response, ProtocolError> {
        let fields = body_of(request).await?;
        let (client, secret) = credentials(request, &fields)?;
        let Presented::Confidential(_) = self.issuer.authenticate_client(&client, secret.as_deref()).await?
        else {
            return Err(ProtocolError::refused(
                Code::InvalidClient,
                "introspection needs the client's secret",
            ));
        };
        let said = self.issuer.introspect(fields.text("token")).await?;
        Ok(json_response(StatusCode::OK, &said))
    }

    pub(super) async fn userinfo(&self, request: &Request) -> Response {
        let sent = request.header(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        let token = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
        let Some(token) = token else {
            let bare = refusal(StatusCode::UNAUTHORIZED, "invalid_request", "send a bearer token");
            return bare.with_header(header::WWW_AUTHENTICATE, "Bearer").into_response();
        };
        match self.issuer.userinfo(token.trim()).await {
            Ok(claims) => json_response(StatusCode::OK, &claims),
            Err(IdentityError::Rejected(text)) => {
                refusal(StatusCode::UNAUTHORIZED, Code::InvalidToken.name(), &text)
                    .with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
                    .into_response()
            }
            Err(error) => failure(&error),
        }
    }
}

async fn body_of(request: &mut Request) -> Result<Fields, ProtocolError> {
    Fields::of_body(request).await.map_err(|text| ProtocolError::refused(Code::InvalidRequest, text))
}

/// RFC 6749 §2.3.1: by header or by fields, not both.
fn credentials(request: &Request, fields: &Fields) -> Result<(String, Option<String>), ProtocolError> {
    let refused = || ProtocolError::refused(Code::InvalidClient, "the client's credentials cannot be read");
    let Some(sent) = request.header(header::AUTHORIZATION) else {
        let secret = fields.get("client_secret").map(str::to_owned);
        return Ok((fields.text("client_id").to_owned(), secret));
    };
    let (scheme, encoded) = sent.split_once(' ').ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("basic") || fields.get("client_secret").is_some() {
        return Err(refused());
    }
    let pair = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = pair.ok_or_else(refused)?;
    let (client, secret) = pair.split_once(':').ok_or_else(refused)?;
    let read = |text: &str| decoded(text.as_bytes()).map_err(|_| refused());
    let client = read(client)?;
    if fields.get("client_id").is_some_and(|named| named != client) {
        return Err(refused());
    }
    Ok((client, Some(read(secret)?)))
}

fn token_answer(granted: &Granted) -> Json {
    let mut answer = json!({
        "access_token": granted.tokens.access_token,
        "token_type": "Bearer",
        "expires_in": granted.tokens.expires_in,
        "refresh_token": granted.tokens.refresh_token,
        "refresh_expires_in": granted.refresh_expires_in,
        "scope": granted.scope,
        "session_state": granted.session_state,
    });
    if let (Some(answer), Some(token)) = (answer.as_object_mut(), &granted.id_token) {
        answer.insert("id_token".to_owned(), token.clone().into());
    }
    answer
}

pub(super) fn json_response(status: StatusCode, body: &Json) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        // RFC 6749 §5.1; keys and discovery are small enough not to need a cache.
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(body.to_string())
}

pub(super) fn refusal(status: StatusCode, error: &str, description: &str) -> Response {
    json_response(status, &json!({ "error": error, "error_description": description }))
}

pub(super) fn protocol_error(error: &ProtocolError) -> Response {
    match error {
        ProtocolError::Refused { code: Code::InvalidClient, text } => {
            refusal(StatusCode::UNAUTHORIZED, Code::InvalidClient.name(), text)
                .with_header(header::WWW_AUTHENTICATE, "Basic realm=\"token\"")
                .into_response()
        }
        ProtocolError::Refused { code, text } => refusal(StatusCode::BAD_REQUEST, code.name(), text),
        ProtocolError::Failed(error) => failure(error),
    }
}

/// Details go to the log only.
pub(super) fn failure(error: &IdentityError) -> Response {
    tracing::error!(%error, "the issuer could not answer");
    if let IdentityError::Unavailable(_) = error {
        refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again shortly")
    } else {
        refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "something went wrong here, see the log")
    }
}

//! The end of a session (OpenID Connect RP-Initiated Logout 1.0).

use poem::http::{Method, StatusCode, header};
use poem::{Body, IntoResponse, Request, Response};

use super::sign_in::page_error;
use super::{Edge, SESSION_COOKIE};
use crate::http::pages::form::Fields;
use crate::http::pages::{Value, fill, message, page, redirect};
use crate::identity::IdentityError;
use crate::identity::builtin::Session;
use crate::identity::builtin::clients::origin_of;

const SIGN_OUT: &str = include_str!("../../pages/sign_out.html");

impl Edge {
    /// OpenID Connect RP-Initiated Logout; with `refresh_token` and no browser, Keycloak's back channel.
    pub(super) async fn logout(&self, request: &mut Request) -> Response {
        let body = if request.method() == Method::POST {
            Fields::of_body(request).await
        } else {
            Ok(Fields::default())
        };
        let fields = match (body, Fields::of_query(request)) {
            (Ok(body), Ok(query)) => body.or(query),
            (Err(text), _) | (_, Err(text)) => {
                return message(StatusCode::BAD_REQUEST, "Not signed out", text);
            }
        };
        self.ended(request, &fields).await.unwrap_or_else(|error| page_error(&error.into()))
    }

    async fn ended(&self, request: &Request, fields: &Fields) -> Result<Response, IdentityError> {
        if let Some(token) = fields.get("refresh_token").filter(|_| request.method() == Method::POST) {
            self.issuer.revoke(token).await?;
            return Ok(Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()));
        }
        let to = fields.get("post_logout_redirect_uri");
        if to.is_some_and(|to| !self.issuer.clients().may_return(to)) {
            let text = "the application's return address (post_logout_redirect_uri) is not allowed";
            return Ok(message(StatusCode::BAD_REQUEST, "Not signed out", text));
        }
        if let Some(session) = self.session(request).await? {
            let hinted = match fields.get("id_token_hint") {
                Some(hint) => self.issuer.hints_at(hint, &session).await?,
                None => false,
            };
            // Without proof that the person's own application asks, anybody's link could sign people out.
            if !hinted && !self.guard.admits(request, fields) {
                return Ok(self.sign_out_page(request, &session, to));
            }
            self.issuer.sign_out(&session).await?;
        }
        let response = match to {
            Some(to) => redirect(&with_state(to, fields.get("state"))),
            None => message(StatusCode::OK, "Signed out", "you can close this page"),
        };
        let cleared = self.guard.set_cookie(SESSION_COOKIE, "", 0);
        Ok(response.with_header(header::SET_COOKIE, cleared).into_response())
    }

    fn sign_out_page(&self, request: &Request, session: &Session, to: Option<&str>) -> Response {
        let (token, cookie) = self.guard.token(request);
        let values = [("csrf", Value::Text(&token)), ("username", Value::Text(session.username()))];
        let origin = to.and_then(origin_of);
        let shown = page(StatusCode::OK, "Sign out", &fill(SIGN_OUT, &values), origin.as_deref());
        shown.with_header(header::SET_COOKIE, cookie).into_response()
    }
}

fn with_state(to: &str, state: Option<&str>) -> String {
    let Some(state) =
        state.filter(|state| state.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)))
    else {
        return to.to_owned();
    };
    let (before, fragment) = to.split_once('#').map_or((to, String::new()), |(b, f)| (b, format!("#{f}")));
    let separator = if before.contains('?') { '&' } else { '?' };
    format!("{before}{separator}state={state}{fragment}")
}

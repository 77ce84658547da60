//! The authorisation endpoint: a code at once, or the pages that lead to one.

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{IntoResponse, Request, Response};

use super::{Edge, SESSION_COOKIE};
use crate::http::pages::form::Fields;
use crate::http::pages::{Value, alert, fill, message, page, redirect};
use crate::identity::IdentityError;
use crate::identity::builtin::clients::origin_of;
use crate::identity::builtin::{
    AuthorizeRequest, Code, Prompt, ProtocolError, SESSION, SignInError, SignedIn,
};

const SIGN_IN: &str = include_str!("../../pages/sign_in.html");
const CHANGE_PASSWORD: &str = include_str!("../../pages/change_password.html");

impl Edge {
    /// OpenID Connect Core §3.1.2: a code at once, a page, or a refusal sent back. Forms post to the same address,
    /// so the request is checked again and nothing is kept between the two.
    pub(super) async fn auth(&self, request: &mut Request) -> Response {
        let query = match Fields::of_query(request) {
            Ok(query) => query,
            Err(text) => return message(StatusCode::BAD_REQUEST, "This link does not work", text),
        };
        let back = match self.issuer.return_of(&query) {
            Ok(back) => back,
            Err(error) => return page_error(&error),
        };
        let asked = match self.issuer.authorize_request(back.clone(), &query) {
            Ok(asked) => asked,
            Err(ProtocolError::Refused { code, text }) => {
                return redirect(&back.refusal(&self.issuer, code, &text));
            }
            Err(error) => return page_error(&error),
        };
        let outcome = if request.method() == Method::POST {
            self.posted(request, &asked).await
        } else {
            self.visited(request, &asked).await
        };
        outcome.unwrap_or_else(|error| page_error(&error.into()))
    }

    async fn visited(&self, request: &Request, asked: &AuthorizeRequest) -> Result<Response, IdentityError> {
        let session = self.session(request).await?.filter(|session| self.issuer.suffices(asked, session));
        match session {
            Some(session) => Ok(redirect(&self.issuer.issue_code(asked, &session).await?)),
            None if asked.prompt == Prompt::Never => {
                Ok(redirect(&asked.back.refusal(&self.issuer, Code::LoginRequired, "sign in first")))
            }
            None => Ok(self.sign_in_page(request, asked, "", None, StatusCode::OK)),
        }
    }

    async fn posted(
        &self,
        request: &mut Request,
        asked: &AuthorizeRequest,
    ) -> Result<Response, IdentityError> {
        let fields = match Fields::of_body(request).await {
            Ok(fields) => fields,
            Err(text) => return Ok(message(StatusCode::BAD_REQUEST, "The form could not be read", text)),
        };
        if !self.guard.admits(request, &fields) {
            let base = &self.issuer.settings().base_url;
            let text = format!("this page was open too long or was opened under another address than {base}");
            return Ok(self.sign_in_page(request, asked, "", Some(&text), StatusCode::FORBIDDEN));
        }
        let outcome = match fields.get("pending") {
            Some(pending) if fields.text("password") != fields.text("again") => {
                let text = "the two passwords differ";
                return Ok(self.change_page(request, asked, pending, Some(text), StatusCode::BAD_REQUEST));
            }
            Some(pending) => match self.issuer.change_password(pending, fields.text("password")).await {
                Err(SignInError::Unacceptable(text)) => {
                    return Ok(self.change_page(
                        request,
                        asked,
                        pending,
                        Some(&text),
                        StatusCode::BAD_REQUEST,
                    ));
                }
                changed => changed.map(SignedIn::Session),
            },
            None => {
                let address = (self.address)(request);
                self.issuer.sign_in(fields.text("login"), fields.text("password"), address).await
            }
        };
        match outcome {
            Ok(SignedIn::Session(cookie)) => self.signed_in(request, asked, &cookie).await,
            Ok(SignedIn::MustChange(pending)) => {
                Ok(self.change_page(request, asked, &pending, None, StatusCode::OK))
            }
            Err(SignInError::Failed(error)) => Err(error),
            Err(error) => Ok(self.not_signed_in(request, asked, fields.text("login"), &error)),
        }
    }

    async fn signed_in(
        &self,
        request: &Request,
        asked: &AuthorizeRequest,
        cookie: &str,
    ) -> Result<Response, IdentityError> {
        if let Some(before) = self.session(request).await? {
            self.issuer.sign_out(&before).await?;
        }
        let session = self.issuer.session(cookie).await?;
        let session =
            session.ok_or_else(|| IdentityError::Unavailable("the session was ended".to_owned()))?;
        let to = self.issuer.issue_code(asked, &session).await?;
        let set = self.guard.set_cookie(SESSION_COOKIE, cookie, SESSION.num_seconds());
        Ok(redirect(&to).with_header(header::SET_COOKIE, set).into_response())
    }

    fn not_signed_in(
        &self,
        request: &Request,
        asked: &AuthorizeRequest,
        login: &str,
        error: &SignInError,
    ) -> Response {
        let status = match error {
            SignInError::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut shown = self.sign_in_page(request, asked, login, Some(&error.to_string()), status);
        if let SignInError::Wait(seconds) = error {
            shown.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        shown
    }

    fn sign_in_page(
        &self,
        request: &Request,
        asked: &AuthorizeRequest,
        login: &str,
        error: Option<&str>,
        status: StatusCode,
    ) -> Response {
        let origin = origin_of(&asked.back.redirect_uri).unwrap_or_default();
        let (token, cookie) = self.guard.token(request);
        let content = fill(
            SIGN_IN,
            &[
                ("application", Value::Text(&origin)),
                ("alert", Value::Markup(&alert(error))),
                ("csrf", Value::Text(&token)),
                ("login", Value::Text(login)),
            ],
        );
        let shown = page(status, "Sign in", &content, Some(&origin));
        shown.with_header(header::SET_COOKIE, cookie).into_response()
    }

    fn change_page(
        &self,
        request: &Request,
        asked: &AuthorizeRequest,
        pending: &str,
        error: Option<&str>,
        status: StatusCode,
    ) -> Response {
        let origin = origin_of(&asked.back.redirect_uri);
        let (token, cookie) = self.guard.token(request);
        let content = fill(
            CHANGE_PASSWORD,
            &[
                ("alert", Value::Markup(&alert(error))),
                ("csrf", Value::Text(&token)),
                ("pending", Value::Text(pending)),
            ],
        );
        let shown = page(status, "Choose a password", &content, origin.as_deref());
        shown.with_header(header::SET_COOKIE, cookie).into_response()
    }
}

pub(super) fn page_error(error: &ProtocolError) -> Response {
    match error {
        ProtocolError::Refused { text, .. } => {
            message(StatusCode::BAD_REQUEST, "This link does not work", text)
        }
        ProtocolError::Failed(IdentityError::Unavailable(reason)) => {
            tracing::warn!(%reason, "nobody can sign in at the moment");
            message(
                StatusCode::SERVICE_UNAVAILABLE,
                "Try again shortly",
                "signing in is not possible right now",
            )
        }
        ProtocolError::Failed(error) => {
            tracing::error!(%error, "a sign-in page failed");
            let text = "something went wrong here; an administrator finds the reason in the log";
            message(StatusCode::INTERNAL_SERVER_ERROR, "Not signed in", text)
        }
    }
}

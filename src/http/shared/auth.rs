//! `/auth/token` and `/auth/user-info` (specification §5.1).

use poem::Request;
use poem::http::header;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use serde_json::{Value, json};

use crate::http::body::Doc;
use crate::http::gate::User;
use crate::service::{Failure, Services};
use crate::shapes;

shapes! {
    TokenRequest = "token_request", "An authorisation code or a refresh token.", {
        "grant_type": "authorization_code", "code": "SplxlOBeZQQYbYS6WxSbIA",
        "redirect_uri": "http://127.0.0.1:5080/callback.html", "code_verifier": "",
        "refresh_token": ""
    };
    TokenAnswer = "token_response", "Tokens for this installation.", {
        "access_token": "eyJ…", "refresh_token": "…", "expires_in": 300
    };
    UserShape = "user", "An account.", {
        "userId": "2c3821b8-1cdb-4b77-bcd8-a1da701e46aa", "email": "john@example.com", "username": "johndoe",
        "firstName": "John", "lastName": "Doe", "affiliation": "Example Org", "role": "developer",
        "active": true, "allowLogin": true, "budget": 100
    };
}

/// Sign-in.
#[derive(Debug)]
pub struct AuthApi(pub Services);

#[OpenApi]
impl AuthApi {
    /// Exchange an authorisation code or a refresh token
    #[oai(path = "/auth/token", method = "post")]
    async fn token(
        &self,
        request: &Request,
        body: Json<Doc<TokenRequest>>,
    ) -> poem::Result<Json<Doc<TokenAnswer>>> {
        let text = |field: &str| body.0.0.get(field).and_then(Value::as_str).filter(|t| !t.is_empty());
        let header = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
        let tokens = match text("grant_type") {
            Some("authorization_code") => {
                let code = text("code").ok_or_else(|| missing("code"))?;
                let hints = [header(header::REFERER), header(header::ORIGIN)];
                self.0.auth.sign_in(code, text("redirect_uri"), text("code_verifier"), hints).await?
            }
            Some("refresh_token") => {
                self.0.auth.refresh(text("refresh_token").ok_or_else(|| missing("refresh_token"))?).await?
            }
            _ => {
                return Err(Failure::Invalid(
                    "grant_type must be authorization_code or refresh_token".into(),
                )
                .into());
            }
        };
        Ok(Json(Doc::of(json!({
            "access_token": tokens.access_token, "refresh_token": tokens.refresh_token,
            "expires_in": tokens.expires_in,
        }))))
    }

    /// The caller's own account
    #[oai(path = "/auth/user-info", method = "get")]
    async fn user_info(&self, user: User) -> poem::Result<Json<Doc<UserShape>>> {
        Ok(Json(Doc::of(self.0.users.own(&user.0).await?)))
    }
}

fn missing(field: &str) -> Failure {
    Failure::Invalid(format!("{field} is missing"))
}

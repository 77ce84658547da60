//! Calls of the Admin REST API with our client's own token.

use http::{Method, StatusCode, header};
use openidconnect::url::form_urlencoded;
use serde_json::Value;

use super::provider::KEPT;
use super::{Keycloak, shown};
use crate::identity::IdentityError;

/// An answer of the API.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    /// `null` where there is none, or none that is JSON.
    pub body: Value,
    /// The last segment of `Location`: the id of what was made.
    pub made: Option<String>,
}

impl Reply {
    /// The reason of a refusal. Keycloak writes `errorMessage`, for several fields a list of them under `errors`, and
    /// `error` where the request was not even looked at.
    fn reason(&self) -> String {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(shown);
        let of_field = |error: &Value| {
            let (field, message) = (text(error, "field")?, text(error, "errorMessage")?);
            Some(format!("{field}: {message}"))
        };
        let errors = self.body.get("errors").and_then(Value::as_array);
        let fields: Vec<String> = errors.into_iter().flatten().filter_map(of_field).take(10).collect();
        if !fields.is_empty() {
            return fields.join(", ");
        }
        let named = ["errorMessage", "error_description", "error"]
            .into_iter()
            .find_map(|name| text(&self.body, name));
        named.unwrap_or_else(|| format!("status {}", self.status.as_u16()))
    }

    /// The answer if it is a success, else what it means; `role` is what the call needs.
    pub fn ok(self, what: &str, role: &str) -> Result<Self, IdentityError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let reason = self.reason();
        Err(match self.status {
            StatusCode::NOT_FOUND => IdentityError::NoUser,
            StatusCode::CONFLICT => IdentityError::Conflict(format!("Keycloak refuses {what}: {reason}")),
            StatusCode::BAD_REQUEST => IdentityError::Rejected(format!("Keycloak refuses {what}: {reason}")),
            StatusCode::FORBIDDEN => IdentityError::Unsupported(format!(
                "Keycloak does not let this installation do it ({what}): give its service account the role {role} of \
                 the client realm-management"
            )),
            _ => IdentityError::Unavailable(format!("Keycloak fails ({what}): {reason}")),
        })
    }
}

/// A segment of a path.
pub(super) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A query with its question mark.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::for_suffix("?".to_owned(), 1).extend_pairs(pairs).finish()
}

impl Keycloak {
    /// Calls the API below the realm. A token that is refused is replaced once: an administrator may have ended it.
    pub(super) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, IdentityError> {
        let provider = self.provider(KEPT).await?;
        let Some(realm) = &provider.admin else {
            self.managing()?;
            return Err(IdentityError::Engine("the provider has no administration".to_owned()));
        };
        let mut reply = None;
        for _ in 0..2 {
            let token = self.service_token().await?;
            let answer = self.admin_once(&method, &format!("{realm}{path}"), &token, body).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            self.forget_service_token(&token).await;
            reply = Some(answer);
        }
        let reason = reply.map(|reply| reply.reason()).unwrap_or_default();
        Err(IdentityError::Unavailable(format!("Keycloak refuses our own token: {reason}")))
    }

    async fn admin_once(
        &self,
        method: &Method,
        url: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Reply, IdentityError> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                body.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        let unusable = |_| IdentityError::Unavailable("Keycloak's address cannot be used".to_owned());
        let answer = self.inner.doors.http.send(request.body(bytes).map_err(unusable)?).await?;
        let made = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        Ok(Reply {
            status: answer.status(),
            made: made.and_then(|location| location.rsplit('/').next()).map(str::to_owned),
            body: serde_json::from_slice(answer.body()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(status: u16, body: Value) -> Reply {
        Reply { status: StatusCode::from_u16(status).unwrap(), body, made: None }
    }

    #[test]
    fn refusals_are_told_in_keycloaks_words() {
        let taken = reply(409, json!({"errorMessage": "User exists with same email"}));
        assert!(
            matches!(taken.ok("the account", "x"), Err(IdentityError::Conflict(t)) if t.contains("same email"))
        );
        let wrong =
            reply(400, json!({"errors": [{"field": "email", "errorMessage": "error-invalid-email"}]}));
        let error = wrong.ok("the account", "x").unwrap_err().to_string();
        assert_eq!(error, "Keycloak refuses the account: email: error-invalid-email");
    }

    #[test]
    fn a_missing_role_is_named() {
        let forbidden = reply(403, json!({"error": "HTTP 403 Forbidden"}));
        let error = forbidden.ok("the list of people", "view-users").unwrap_err();
        assert!(
            matches!(&error, IdentityError::Unsupported(text) if text.contains("role view-users")),
            "{error}"
        );
    }

    #[test]
    fn what_people_type_cannot_leave_its_place_in_an_address() {
        assert_eq!(segment("../x?y z"), "..%2Fx%3Fy%20z");
        assert_eq!(
            query(&[("email", "a+b@example.org&max=9"), ("exact", "true")]),
            "?email=a%2Bb%40example.org%26max%3D9&exact=true"
        );
    }
}

//! Failures as HTTP answers: `{"error": "…"}` with the status of their kind (specification §2.4).

use poem::error::ResponseError;
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::json;

use crate::domain::error::{Kind, Kinded};
use crate::service::Failure;

/// The status of each kind.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Limited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer with a reason.
pub fn plain(status: StatusCode, reason: impl Into<String>) -> Response {
    let mut response = poem::web::Json(json!({"error": reason.into()})).with_status(status).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            header::HeaderValue::from_static("Bearer realm=\"cafe_variome\""),
        );
    }
    response
}

/// The answer of an installation that is being maintained, in the operator's words.
pub fn maintenance(told: &str) -> Response {
    let body = json!({"error": told, "code": "maintenance"});
    poem::web::Json(body).with_status(StatusCode::SERVICE_UNAVAILABLE).into_response()
}

impl ResponseError for Failure {
    fn status(&self) -> StatusCode {
        status(self.kind())
    }

    fn as_response(&self) -> Response {
        if let Self::SetupRequired = self {
            let body = json!({"error": self.to_string(), "code": "setupRequired"});
            return poem::web::Json(body).with_status(StatusCode::SERVICE_UNAVAILABLE).into_response();
        }
        if let Self::Entries { problems, .. } = self {
            let body = json!({"error": self.to_string(), "errors": problems});
            return poem::web::Json(body).with_status(status(self.kind())).into_response();
        }
        if matches!(self.kind(), Kind::Internal | Kind::Unavailable) {
            let mut causes = Vec::new();
            let mut cause = std::error::Error::source(self);
            while let Some(error) = cause {
                causes.push(error.to_string());
                cause = error.source();
            }
            tracing::error!(error = %self, causes = causes.join(": "), "request failed");
        }
        plain(status(self.kind()), self.to_string())
    }
}

/// Renders what poem itself refuses (bad path, bad body, wrong method …), which would be plain text otherwise.
pub async fn render(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.as_response();
    }
    let status = error.status();
    let reason = match status {
        StatusCode::NOT_FOUND => "there is nothing at this address".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => "this method is not served at this address".to_owned(),
        status if status.is_server_error() => {
            tracing::error!(%error, "request failed");
            "internal error".to_owned()
        }
        _ => error.to_string(),
    };
    plain(status, reason)
}

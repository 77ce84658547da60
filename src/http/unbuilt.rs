//! Services of the table that this release does not serve yet: 501 with their name.

use poem::http::StatusCode;
use poem::{Endpoint, Request, Response};

use super::error;

/// Answers every request with 501.
#[derive(Debug, Clone, Copy)]
pub struct Unbuilt(pub &'static str);

impl Endpoint for Unbuilt {
    type Output = Response;

    async fn call(&self, _: Request) -> poem::Result<Response> {
        Ok(error::plain(
            StatusCode::NOT_IMPLEMENTED,
            format!("the {} service is not part of this release", self.0),
        ))
    }
}

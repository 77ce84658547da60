//! `/users/*`: what sign-in and group forms need; user management follows.

use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

use crate::http::body::Doc;
use crate::http::gate::User;
use crate::http::shared::auth::UserShape;
use crate::service::Services;

/// Accounts.
#[derive(Debug)]
pub struct UsersApi(pub Services);

#[OpenApi]
impl UsersApi {
    /// Users with a local entry; reduced for data administrators
    #[oai(path = "/users/local", method = "get")]
    async fn local(&self, user: User) -> poem::Result<Json<Vec<Doc<UserShape>>>> {
        Ok(Json(self.0.users.local(&user.0).await?.into_iter().map(Doc::of).collect()))
    }
}

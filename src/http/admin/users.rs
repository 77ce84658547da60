//! `/users/*`: accounts, and who may use them (specification §5.3, §5.5).

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use crate::domain::ids::UserId;
use crate::domain::users::{InvalidUser, NewUser, UserChange};
use crate::http::body::{Doc, Done};
use crate::http::gate::{System, User};
use crate::http::shared::auth::UserShape;
use crate::http::shared::networks::id;
use crate::service::users::Made;
use crate::service::{Failure, Services};

/// Accounts.
#[derive(Debug)]
pub struct UsersApi(pub Services);

/// The answer about an account that was made; JSON has the password that is to be handed over, if there is one.
pub(super) fn made(services: &Services, made: Made) -> Done {
    let path = format!("{}/api/users/{}", services.options().public_url, made.user_id);
    Done::created(made.user_id, path)
        .with("oneTimePassword", made.one_time_password)
        .with("mail", services.mail.notice())
}

fn invalid(error: InvalidUser) -> Failure {
    Failure::Invalid(error.to_string())
}

#[OpenApi]
impl UsersApi {
    /// Everyone the identity provider knows
    ///
    /// Who has no entry here is a `user` that is not active and may not sign in.
    #[oai(path = "/users/", method = "get")]
    async fn all(&self, admin: System) -> poem::Result<Json<Vec<Doc<UserShape>>>> {
        Ok(Json(self.0.users.all(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Create an account
    ///
    /// Where the identity provider does not write to people itself, the JSON answer has a `oneTimePassword` to be
    /// handed over; it must be changed at the first sign-in. An account grants no access to data: that is what
    /// discovery groups do.
    #[oai(path = "/users/", method = "post")]
    async fn create(&self, admin: System, body: Json<Doc<UserShape>>) -> poem::Result<Done> {
        let new = NewUser::read(&body.0.0).map_err(invalid)?;
        Ok(made(&self.0, self.0.users.add(&admin.0, new).await?))
    }

    /// Users with a local entry; reduced for data administrators
    #[oai(path = "/users/local", method = "get")]
    async fn local(&self, user: User) -> poem::Result<Json<Vec<Doc<UserShape>>>> {
        Ok(Json(self.0.users.local(&user.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// One account: one's own, or anyone's for who manages users
    #[oai(path = "/users/:user_id", method = "get")]
    async fn one(&self, user: User, user_id: Path<String>) -> poem::Result<Json<Doc<UserShape>>> {
        Ok(Json(Doc::of(self.0.users.one(&user.0, &id(UserId::parse(user_id.0))?).await?)))
    }

    /// Change an account
    ///
    /// `userId` and `username` stay; `allowLogin` is changed by `permit-login` and `revoke-login`. A new role, or none
    /// any more, ends the sessions of the account.
    #[oai(path = "/users/:user_id", method = "patch")]
    async fn change(
        &self,
        admin: System,
        user_id: Path<String>,
        body: Json<Doc<UserShape>>,
    ) -> poem::Result<Done> {
        let change = UserChange::read(&body.0.0).map_err(invalid)?;
        self.0.users.change(&admin.0, &id(UserId::parse(user_id.0))?, change).await?;
        Ok(Done::changed())
    }

    /// Remove an account with its key, its queries and its place in groups
    #[oai(path = "/users/:user_id", method = "delete")]
    async fn delete(&self, admin: System, user_id: Path<String>) -> poem::Result<Done> {
        self.0.users.delete(&admin.0, &id(UserId::parse(user_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Let an account query
    #[oai(path = "/users/:user_id/activate", method = "post")]
    async fn activate(&self, admin: System, user_id: Path<String>) -> poem::Result<Done> {
        self.0.users.set_active(&admin.0, &id(UserId::parse(user_id.0))?, true).await?;
        Ok(Done::changed())
    }

    /// Let an account neither sign in nor query
    #[oai(path = "/users/:user_id/deactivate", method = "post")]
    async fn deactivate(&self, admin: System, user_id: Path<String>) -> poem::Result<Done> {
        self.0.users.set_active(&admin.0, &id(UserId::parse(user_id.0))?, false).await?;
        Ok(Done::changed())
    }

    /// Let an account sign in here once it is active: makes its key
    #[oai(path = "/users/:user_id/permit-login", method = "post")]
    async fn permit_login(&self, admin: System, user_id: Path<String>) -> poem::Result<Done> {
        self.0.users.permit_login(&admin.0, &id(UserId::parse(user_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Let an account sign in here no more: its key goes, and with it what was encrypted for it
    #[oai(path = "/users/:user_id/revoke-login", method = "post")]
    async fn revoke_login(&self, admin: System, user_id: Path<String>) -> poem::Result<Done> {
        self.0.users.revoke_login(&admin.0, &id(UserId::parse(user_id.0))?).await?;
        Ok(Done::changed())
    }
}

//! People of the realm: looked up, made, changed, invited (Keycloak Admin REST API, *Users*).

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Keycloak;
use super::admin::{query, segment};
use crate::domain::ids::UserId;
use crate::domain::readable::readable;
use crate::domain::users::Profile;
use crate::identity::{IdentityError, Invitation};

/// Most characters of a name, an address or an affiliation.
const LONGEST: usize = 255;

/// How long the mail's link is good, in seconds.
const INVITED: &str = "604800";

/// Policies may want a small letter and a sign besides the capitals and digits of a readable password.
const POLICY: &str = "-ok";

/// A `UserRepresentation` as a profile; `None` for the users behind clients, which are no people.
fn person(shown: &Value) -> Option<(UserId, Profile)> {
    let text = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = UserId::parse(text("id")).ok()?;
    let affiliation = shown.pointer("/attributes/affiliation/0").and_then(Value::as_str).unwrap_or_default();
    let client = shown.get("serviceAccountClientId").is_some_and(|id| !id.is_null());
    let profile = Profile {
        username: text("username"),
        email: text("email"),
        first_name: text("firstName"),
        last_name: text("lastName"),
        affiliation: affiliation.to_owned(),
    };
    (!client).then_some((id, profile))
}

/// Trims everything and bounds it; what else is refused is Keycloak's own rule.
fn checked(profile: &Profile) -> Result<Profile, IdentityError> {
    let text = |what: &str, value: &str| {
        let value = value.trim().to_owned();
        if value.chars().count() > LONGEST || value.chars().any(char::is_control) {
            return Err(IdentityError::Rejected(format!(
                "the {what} may have at most {LONGEST} printable characters"
            )));
        }
        Ok(value)
    };
    let email = text("e-mail address", &profile.email)?;
    if !email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty()) {
        return Err(IdentityError::Rejected("give an e-mail address such as name@example.org".to_owned()));
    }
    let username = text("user name", &profile.username)?;
    Ok(Profile {
        // Without a user name the e-mail becomes it.
        username: if username.is_empty() { email.clone() } else { username },
        first_name: text("first name", &profile.first_name)?,
        last_name: text("last name", &profile.last_name)?,
        affiliation: text("affiliation", &profile.affiliation)?,
        email,
    })
}

/// Puts the fields of a profile into a representation. Other attributes stay: Keycloak replaces all of them by those
/// that are sent.
fn write(profile: &Profile, shown: &mut Map<String, Value>) {
    let mail_changes = shown.get("email").and_then(Value::as_str) != Some(&profile.email);
    if mail_changes {
        shown.insert("emailVerified".into(), false.into());
    }
    shown.insert("email".into(), profile.email.clone().into());
    shown.insert("firstName".into(), profile.first_name.clone().into());
    shown.insert("lastName".into(), profile.last_name.clone().into());
    let attributes = shown.entry("attributes").or_insert_with(|| json!({}));
    if !attributes.is_object() {
        *attributes = json!({});
    }
    if let Some(attributes) = attributes.as_object_mut() {
        match profile.affiliation.is_empty() {
            true => drop(attributes.remove("affiliation")),
            false => drop(attributes.insert("affiliation".into(), json!([profile.affiliation]))),
        }
    }
}

fn at(user: &UserId) -> String {
    format!("/users/{}", segment(user.as_str()))
}

impl Keycloak {
    pub(super) async fn person(&self, user: &UserId) -> Result<Option<Profile>, IdentityError> {
        Ok(self.representation(user).await?.and_then(|shown| person(&shown)).map(|(_, profile)| profile))
    }

    /// `None` = Keycloak does not know them (404, also for what is no id of its own).
    async fn representation(&self, user: &UserId) -> Result<Option<Value>, IdentityError> {
        let reply = self.admin(Method::GET, &at(user), None).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(reply.ok("looking up a person", "view-users")?.body))
    }

    /// The address of the user behind our own client (specification §14.4).
    pub(super) async fn address_of_service(&self) -> Result<Option<String>, IdentityError> {
        let claims = super::roles::claims(&self.service_token().await?);
        let Some(id) = claims.get("sub").and_then(Value::as_str).and_then(|sub| UserId::parse(sub).ok())
        else {
            return Ok(None);
        };
        let shown = self.representation(&id).await?;
        let email = shown.as_ref().and_then(|shown| shown.get("email")).and_then(Value::as_str);
        Ok(email.filter(|email| !email.is_empty()).map(str::to_owned))
    }

    /// People by a query of `GET /users`; Keycloak orders them by user name and leaves out those behind clients.
    pub(super) async fn people(
        &self,
        asked: &[(&str, &str)],
    ) -> Result<Vec<(UserId, Profile)>, IdentityError> {
        let mut asked = asked.to_vec();
        asked.push(("briefRepresentation", "false"));
        let reply = self.admin(Method::GET, &format!("/users{}", query(&asked)), None).await?;
        let body = reply.ok("the list of people", "view-users")?.body;
        let Value::Array(shown) = body else {
            return Err(IdentityError::Unavailable("Keycloak's list of people cannot be read".to_owned()));
        };
        Ok(shown.iter().filter_map(person).collect())
    }

    pub(super) async fn create_person(&self, profile: Profile) -> Result<UserId, IdentityError> {
        let profile = checked(&profile)?;
        if profile.username.to_lowercase().starts_with("service-account-") {
            return Err(IdentityError::Rejected(
                "user names that start with service-account- are reserved".into(),
            ));
        }
        let mut shown = Map::new();
        shown.insert("username".into(), profile.username.clone().into());
        shown.insert("enabled".into(), true.into());
        shown.insert("requiredActions".into(), json!(["UPDATE_PASSWORD"]));
        write(&profile, &mut shown);
        let reply = self.admin(Method::POST, "/users", Some(&Value::Object(shown))).await?;
        let reply = reply.ok("the account", "manage-users")?;
        let id = reply.made.and_then(|id| UserId::parse(id).ok());
        let unnamed =
            || IdentityError::Unavailable("Keycloak does not tell the id of the new account".to_owned());
        let id = id.ok_or_else(unnamed)?;
        self.notice_lost_affiliation(&id, &profile).await;
        Ok(id)
    }

    pub(super) async fn update_person(&self, user: &UserId, profile: &Profile) -> Result<(), IdentityError> {
        let profile = checked(profile)?;
        let known = self.representation(user).await?.ok_or(IdentityError::NoUser)?;
        let Value::Object(mut shown) = known else { return Err(IdentityError::NoUser) };
        write(&profile, &mut shown);
        let reply = self.admin(Method::PUT, &at(user), Some(&Value::Object(shown))).await?;
        reply.ok("the account", "manage-users")?;
        self.notice_lost_affiliation(user, &profile).await;
        Ok(())
    }

    /// Since Keycloak 24 an attribute that the realm's user profile does not declare is dropped without a word.
    async fn notice_lost_affiliation(&self, user: &UserId, profile: &Profile) {
        if profile.affiliation.is_empty() {
            return;
        }
        if let Ok(Some(kept)) = self.person(user).await
            && kept.affiliation != profile.affiliation
        {
            tracing::warn!(
                "Keycloak did not keep an affiliation: declare the attribute `affiliation` in the realm's user profile"
            );
        }
    }

    pub(super) async fn delete_person(&self, user: &UserId) -> Result<bool, IdentityError> {
        let reply = self.admin(Method::DELETE, &at(user), None).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        reply.ok("removing an account", "manage-users").map(|_| true)
    }

    /// Lets Keycloak write to the person; where it cannot, a one-time password is made. Keycloak answers 500 where its
    /// mail fails or none is set up, and 400 for somebody without an address.
    pub(super) async fn let_choose_password(&self, user: &UserId) -> Result<Invitation, IdentityError> {
        let client = self.client_id().to_owned();
        let path = format!(
            "{}/execute-actions-email{}",
            at(user),
            query(&[("client_id", &client), ("lifespan", INVITED)])
        );
        let reply = self.admin(Method::PUT, &path, Some(&json!(["UPDATE_PASSWORD"]))).await?;
        if reply.status.is_success() {
            return Ok(Invitation::Mailed);
        }
        let failed = matches!(reply.status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_REQUEST);
        if let Err(error) = reply.ok("the mail to a new person", "manage-users") {
            if !failed {
                return Err(error);
            }
            tracing::warn!(%error, "Keycloak could not write to a new person, a one-time password is used instead");
        }
        Ok(Invitation::OneTimePassword(self.set_one_time_password(user).await?))
    }

    /// `temporary` makes Keycloak demand another password at the next sign-in.
    pub(super) async fn set_one_time_password(&self, user: &UserId) -> Result<String, IdentityError> {
        let mut bytes = [0; 16];
        self.inner.doors.random.fill(&mut bytes);
        let password = format!("{}{POLICY}", readable(bytes));
        let credential = json!({"type": "password", "value": password, "temporary": true});
        let reply =
            self.admin(Method::PUT, &format!("{}/reset-password", at(user)), Some(&credential)).await?;
        reply.ok("a one-time password", "manage-users")?;
        Ok(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_speak_of() {
        let mut shown = json!({
            "id": "1", "username": "ada", "email": "ada@example.org", "emailVerified": true, "enabled": true,
            "attributes": {"phone": ["1"], "affiliation": ["Old"]}, "requiredActions": ["CONFIGURE_TOTP"],
        });
        let profile = Profile {
            username: "other".into(),
            email: "ada@example.org".into(),
            first_name: "Ada".into(),
            last_name: "Example".into(),
            affiliation: "New".into(),
        };
        write(&profile, shown.as_object_mut().unwrap());
        assert_eq!(shown["attributes"], json!({"phone": ["1"], "affiliation": ["New"]}));
        assert_eq!((&shown["username"], &shown["emailVerified"]), (&json!("ada"), &json!(true)));
        assert_eq!(shown["requiredActions"], json!(["CONFIGURE_TOTP"]));
        let moved =
            Profile { email: "ada@elsewhere.example.org".into(), affiliation: String::new(), ..profile };
        write(&moved, shown.as_object_mut().unwrap());
        assert_eq!(
            (&shown["attributes"], &shown["emailVerified"]),
            (&json!({"phone": ["1"]}), &json!(false))
        );
    }

    #[test]
    fn users_behind_clients_are_no_people() {
        let user = json!({"id": "1", "username": "service-account-x", "serviceAccountClientId": "x"});
        assert_eq!(person(&user), None);
        assert_eq!(person(&json!({"username": "no id"})), None);
    }

    #[test]
    fn a_profile_is_bounded_and_has_an_address() {
        let named = |email: &str, first_name: &str| {
            checked(&Profile { email: email.into(), first_name: first_name.into(), ..Profile::default() })
        };
        assert_eq!(named(" a@example.org ", "A").unwrap().username, "a@example.org");
        assert!(named("nobody", "A").is_err());
        assert!(named("a@example.org", &"x".repeat(256)).is_err());
        assert!(named("a@example.org", "a\nb").is_err());
    }
}

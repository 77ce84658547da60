//! The people of the built-in issuer: the room `issuer.accounts`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Issuer, password};
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::domain::users::Profile;
use crate::identity::{IdentityError, NewAccount};
use crate::store::{Collection, Room, StoreError};

/// How long a one-time password may be used.
const ONE_TIME_VALID: TimeDelta = TimeDelta::days(7);

/// Most characters of a name or affiliation.
const MAX_TEXT: usize = 255;

/// The document of an account. User name and e-mail are kept in lower case, as Keycloak does, so that the store's
/// unique fields compare them without regard to case.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub account_id: UserId,
    #[serde(flatten)]
    pub profile: Profile,
    /// Argon2id in PHC string format; absent until a password is set.
    pub password_hash: Option<String>,
    /// The password is a one-time password until then and must be changed at the first sign-in.
    pub one_time_until: Option<DateTime<Utc>>,
    #[serde(default)]
    pub disabled: bool,
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// Whether a right password would still be refused as out of date.
    pub fn one_time_expired(&self, now: DateTime<Utc>) -> bool {
        self.one_time_until.is_some_and(|until| until <= now)
    }
}

impl Issuer {
    pub(super) fn accounts(&self) -> Collection<'_, Account> {
        Collection::new(self.inner.store.documents(), Room::Accounts)
    }

    pub(super) async fn account(&self, user: &UserId) -> Result<Option<Account>, IdentityError> {
        Ok(self.accounts().get(user.as_str()).await?)
    }

    /// The account somebody signs in to, by user name or e-mail in any case. A name with `@` is only ever looked
    /// up as e-mail, so that nobody can choose another's address as user name and stand in the way.
    pub(super) async fn account_of_login(&self, login: &str) -> Result<Option<Account>, IdentityError> {
        let login = login.trim().to_lowercase();
        if login.is_empty() || login.len() > MAX_TEXT {
            return Ok(None);
        }
        let field = if login.contains('@') { "email" } else { "username" };
        Ok(self.accounts().find(&Filter::equals(field, login).page(0, 1)).await?.into_iter().next())
    }

    /// The id of the account with this user name or e-mail.
    pub async fn find(&self, login: &str) -> Result<Option<UserId>, IdentityError> {
        Ok(self.account_of_login(login).await?.map(|account| account.account_id))
    }

    /// Makes an account, with a password where one is given; `Conflict` if user name or e-mail is taken,
    /// `Rejected` if a field or the password is not acceptable. Without a user name the e-mail becomes it.
    pub async fn create_account(
        &self,
        account: NewAccount,
        password: Option<&str>,
    ) -> Result<UserId, IdentityError> {
        let profile = normal(account.profile)?;
        let password_hash = match password {
            Some(password) => {
                password::acceptable(password, &profile.username, &profile.email)?;
                Some(self.inner.passwords.hash(password).await?)
            }
            None => None,
        };
        self.refuse_taken(None, &profile).await?;
        let account_id = UserId::from_uuid(self.inner.random.uuid());
        let created_at = self.now();
        let account = Account {
            account_id: account_id.clone(),
            profile,
            password_hash,
            one_time_until: None,
            disabled: false,
            created_at,
        };
        match self.accounts().insert(account_id.as_str(), &account).await {
            Ok(()) => Ok(account_id),
            Err(StoreError::Conflict(_)) => Err(taken("user name or e-mail address")),
            Err(other) => Err(other.into()),
        }
    }

    /// Sets a password and ends every session and refresh token of the account.
    pub async fn set_password(&self, user: &UserId, new: &str) -> Result<(), IdentityError> {
        let account = self.account(user).await?.ok_or(IdentityError::NoUser)?;
        password::acceptable(new, &account.profile.username, &account.profile.email)?;
        self.store_password(user, new, None).await
    }

    /// Sets and answers a random password that must be changed at the first sign-in within seven days; ends every
    /// session and refresh token of the account.
    pub async fn set_one_time_password(&self, user: &UserId) -> Result<String, IdentityError> {
        let password = self.readable_secret();
        self.store_password(user, &password, Some(self.now() + ONE_TIME_VALID)).await?;
        Ok(password)
    }

    async fn store_password(
        &self,
        user: &UserId,
        new: &str,
        one_time_until: Option<DateTime<Utc>>,
    ) -> Result<(), IdentityError> {
        let hash = self.inner.passwords.hash(new).await?;
        let accounts = self.accounts();
        let changed = accounts.update(user.as_str(), |account| {
            account.password_hash = Some(hash.clone());
            account.one_time_until = one_time_until;
            Ok::<_, StoreError>(())
        });
        changed.await?.ok_or(IdentityError::NoUser)?;
        self.end_sessions(user).await
    }

    /// Allows or forbids signing in; forbidding ends every session and refresh token.
    pub async fn set_enabled(&self, user: &UserId, enabled: bool) -> Result<(), IdentityError> {
        let accounts = self.accounts();
        let changed = accounts.update(user.as_str(), |account| {
            account.disabled = !enabled;
            Ok::<_, StoreError>(())
        });
        changed.await?.ok_or(IdentityError::NoUser)?;
        if enabled { Ok(()) } else { self.end_sessions(user).await }
    }

    /// Changes names, e-mail and affiliation; the user name stays (specification §5.3).
    pub(super) async fn update_account(&self, user: &UserId, profile: &Profile) -> Result<(), IdentityError> {
        let account = self.account(user).await?.ok_or(IdentityError::NoUser)?;
        let username = account.profile.username;
        let mut new = checked(profile.clone())?;
        new.username = username;
        self.refuse_taken(Some(user), &new).await?;
        let accounts = self.accounts();
        let changed = accounts.update(user.as_str(), |account| {
            account.profile = new.clone();
            Ok::<_, StoreError>(())
        });
        match changed.await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(IdentityError::NoUser),
            Err(StoreError::Conflict(_)) => Err(taken("e-mail address")),
            Err(other) => Err(other.into()),
        }
    }

    /// Removes the account with its sessions and tokens; `false` if there was none.
    pub(super) async fn delete_account(&self, user: &UserId) -> Result<bool, IdentityError> {
        let removed = self.accounts().delete(user.as_str()).await?;
        self.end_sessions(user).await?;
        Ok(removed)
    }

    /// Says which of the two names is taken; the store's unique fields decide races.
    async fn refuse_taken(&self, own: Option<&UserId>, profile: &Profile) -> Result<(), IdentityError> {
        let names =
            [("username", &profile.username, "user name"), ("email", &profile.email, "e-mail address")];
        for (field, value, spoken) in names {
            let holders = self.accounts().find(&Filter::equals(field, value.clone()).page(0, 1)).await?;
            if holders.iter().any(|holder| Some(&holder.account_id) != own) {
                return Err(taken(spoken));
            }
        }
        Ok(())
    }
}

fn taken(what: &str) -> IdentityError {
    IdentityError::Conflict(format!("another account has this {what}"))
}

/// A new account's profile in the form it is stored.
fn normal(profile: Profile) -> Result<Profile, IdentityError> {
    let mut profile = checked(profile)?;
    let name = profile.username.trim().to_lowercase();
    profile.username = if name.is_empty() { profile.email.clone() } else { name };
    let name = &profile.username;
    // ASCII only: two names must not look alike.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
    if name.len() > MAX_TEXT || !name.chars().all(plain) {
        return Err(rejected("the user name may have letters a to z, digits and . _ - + only"));
    }
    if name.contains('@') && *name != profile.email {
        return Err(rejected("a user name with @ must be the account's own e-mail address"));
    }
    if name.starts_with("service-account-") {
        return Err(rejected("user names that start with service-account- are reserved"));
    }
    Ok(profile)
}

/// Trims everything and checks what may change later.
fn checked(profile: Profile) -> Result<Profile, IdentityError> {
    let Profile { username, email, first_name, last_name, affiliation } = profile;
    let email = email.trim().to_lowercase();
    let parts = email.split_once('@');
    let legal = parts
        .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
        && email.len() <= 254
        && email.chars().all(|c| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(c));
    if !legal {
        return Err(rejected("give an e-mail address such as name@example.org"));
    }
    let text = |what: &str, value: String| {
        let value = value.trim().to_owned();
        if value.chars().count() > MAX_TEXT || value.chars().any(char::is_control) {
            return Err(rejected(&format!("the {what} may have at most {MAX_TEXT} printable characters")));
        }
        Ok(value)
    };
    Ok(Profile {
        username,
        email,
        first_name: text("first name", first_name)?,
        last_name: text("last name", last_name)?,
        affiliation: text("affiliation", affiliation)?,
    })
}

fn rejected(text: &str) -> IdentityError {
    IdentityError::Rejected(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("Rare.Disease", "A@example.org", Some("rare.disease"))]
    #[case("", "A@example.org", Some("a@example.org"))]
    #[case("a@example.org", "A@example.org", Some("a@example.org"))]
    #[case("b@example.org", "a@example.org", None)]
    #[case("service-account-x", "a@example.org", None)]
    #[case("аdmin", "a@example.org", None)]
    #[case("two words", "a@example.org", None)]
    #[case("fine", "", None)]
    #[case("fine", "a@b@example.org", None)]
    #[case("fine", "a@", None)]
    #[case("fine", "a\r\nBcc: b@example.org", None)]
    fn names_are_normal_and_plain(#[case] username: &str, #[case] email: &str, #[case] kept: Option<&str>) {
        let profile = Profile { username: username.into(), email: email.into(), ..Profile::default() };
        assert_eq!(normal(profile).ok().map(|p| p.username).as_deref(), kept);
    }

    #[test]
    fn names_of_people_may_be_in_any_script_but_bounded() {
        let named =
            |first_name: String| Profile { email: "a@example.org".into(), first_name, ..Profile::default() };
        assert_eq!(checked(named(" Žofie ".into())).unwrap().first_name, "Žofie");
        assert!(checked(named("x".repeat(256))).is_err());
        assert!(checked(named("a\nb".into())).is_err());
    }
}

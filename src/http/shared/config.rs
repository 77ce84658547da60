//! `/config/*`: where to sign in, runtime settings, the caller's own display settings.

use poem_openapi::OpenApi;
use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use serde_json::json;

use crate::domain::settings::{Maintenance, SystemConfig};
use crate::http::body::{Doc, Done, Shape};
use crate::http::gate::{Anyone, SharedSecret, Statistics, System, User};
use crate::http::parts::capability;
use crate::service::auth::Asker;
use crate::service::{Failure, Services};
use crate::shapes;

shapes! {
    Issuer = "keycloak_config", "Where front ends send people to sign in.", {
        "url": "https://auth.example.org", "realm": "cafe_variome", "client_id": "cafevariome"
    };
    MaintenanceShape = "maintenance", "Whether requests are refused, and what those who come are told.", {
        "maintenance": true, "message": "Scheduled downtime, service restoring in 22:00"
    };
    UserSetting = "user_setting", "What one user sees by default.", {
        "colorSetting": {"seedColor": "336699", "themeMode": 0}, "capability": {"hpo": true}
    }, more {"capability": (capability())};
}

/// Runtime settings by section.
#[derive(Debug)]
pub struct SystemConfigShape;

impl Shape for SystemConfigShape {
    const NAME: &'static str = "system_config";
    const ABOUT: &'static str = "Runtime settings by section; a change may give any subset.";
    fn example() -> serde_json::Value {
        serde_json::to_value(SystemConfig::default()).unwrap_or_default()
    }
}

/// Settings both APIs serve.
#[derive(Debug)]
pub struct ConfigApi(pub Services);

#[OpenApi]
impl ConfigApi {
    /// Where to sign in
    #[oai(path = "/config/keycloak", method = "get")]
    async fn keycloak(&self) -> Json<Doc<Issuer>> {
        let info = self.0.auth.issuer();
        Json(Doc::of(json!({"url": info.url, "realm": info.realm, "client_id": info.client_id})))
    }

    /// The caller's display settings
    #[oai(path = "/config/user", method = "get")]
    async fn user(&self, user: User) -> Json<Doc<UserSetting>> {
        Json(Doc::of(user.0.user().settings.clone().unwrap_or_else(|| json!({}))))
    }

    /// Change the caller's display settings
    #[oai(path = "/config/user", method = "post")]
    async fn change_user(&self, user: User, body: Json<Doc<UserSetting>>) -> poem::Result<Done> {
        self.0.users.change_settings(&user.0, &body.0.0).await?;
        Ok(Done::changed())
    }

    /// Put the installation into maintenance, or out of it
    ///
    /// While it is in maintenance every service answers 503 with the message, but for `GET /`, this address and the
    /// health addresses.
    #[oai(path = "/config/maintenance", method = "post")]
    async fn maintenance(
        &self,
        assistant: SharedSecret,
        /// When the request was sent, in seconds since 1970; at most 300 s from our time
        #[oai(name = "X-Timestamp")]
        sent_at: Header<Option<i64>>,
        body: Json<Doc<MaintenanceShape>>,
    ) -> poem::Result<Done> {
        let sent_at = sent_at.0.ok_or_else(|| {
            Failure::Invalid("send the time of the request in X-Timestamp, in seconds since 1970".into())
        })?;
        let maintenance: Maintenance =
            serde_json::from_value(body.0.0).map_err(|e| Failure::Invalid(format!("maintenance: {e}")))?;
        self.0.settings.maintain(&assistant.0, sent_at, maintenance).await?;
        Ok(Done::changed())
    }
}

/// Runtime settings as the query API serves them: read only, for whoever may ask.
#[derive(Debug)]
pub struct GlobalConfigApi(pub Services);

#[OpenApi]
impl GlobalConfigApi {
    /// Runtime settings: all for administrators, a subset for others
    #[oai(path = "/config/global", method = "get")]
    async fn global(&self, asker: Anyone) -> poem::Result<Json<Doc<SystemConfigShape>>> {
        shown(&self.0, asker.0).await
    }
}

/// Runtime settings as the admin API serves them: for signed-in users, changeable (specification §5.6).
///
/// Both methods stand in one API: two APIs with the same path would be two entries in the document, and readers
/// keep only the last.
#[derive(Debug)]
pub struct ChangeConfigApi(pub Services);

#[OpenApi]
impl ChangeConfigApi {
    /// Runtime settings: all for administrators, a subset for others
    #[oai(path = "/config/global", method = "get")]
    async fn global(&self, user: User) -> poem::Result<Json<Doc<SystemConfigShape>>> {
        shown(&self.0, Asker::User(user.0)).await
    }

    /// Change runtime settings; each section needs its own role
    #[oai(path = "/config/global", method = "post")]
    async fn change(&self, admin: Statistics, body: Json<Doc<SystemConfigShape>>) -> poem::Result<Done> {
        self.0.settings.change(admin.0.caller(), &body.0.0).await?;
        Ok(Done::changed())
    }

    /// Remove what is out of date or refers to nothing, now instead of tonight
    #[oai(path = "/config/cleanup", method = "post")]
    async fn clean_up(&self, admin: System) -> poem::Result<Done> {
        Ok(Done::begun(self.0.settings.clean_up(&admin.0).await?))
    }
}

async fn shown(services: &Services, asker: Asker) -> poem::Result<Json<Doc<SystemConfigShape>>> {
    if let Asker::User(caller) = &asker
        && let Ok(admin) = services.auth.prove::<crate::service::auth::AnyAdmin>(caller.clone())
    {
        return Ok(Json(Doc::of(services.settings.all(&admin).await?)));
    }
    Ok(Json(Doc::of(services.settings.shown(&asker).await?)))
}

//! `GET /`: who this installation is and whether it works.

use std::time::Instant;

use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use serde_json::json;

use crate::http::body::Doc;
use crate::service::Services;
use crate::shapes;

shapes! {
    Introduction = "introduction", "Who runs this installation, and for how long it has been up.", {
        "name": "Cafe Variome UoL", "owner": "University of Leicester", "ownerAddress": "University Road, Leicester",
        "ownerEmail": "admin@cafevariome.org", "status": "OK", "uptime": "04:46:39.09"
    };
}

/// The root of a service.
#[derive(Debug)]
pub struct RootApi {
    pub services: Services,
    pub started: Instant,
}

#[OpenApi]
impl RootApi {
    /// Who this installation is
    #[oai(path = "/", method = "get")]
    async fn root(&self) -> poem::Result<Json<Doc<Introduction>>> {
        let settings = self.services.settings.identity().await?;
        let status = match self.services.setup.complete().await? {
            false => "setupRequired",
            true if self.services.settings.maintenance().await?.maintenance => "maintenance",
            true => "OK",
        };
        Ok(Json(Doc::of(json!({
            "name": settings.instance_settings.name, "owner": settings.ownership_settings.name,
            "ownerAddress": settings.ownership_settings.address, "ownerEmail": settings.ownership_settings.email,
            "status": status, "uptime": uptime(self.started.elapsed()),
        }))))
    }
}

/// `HH:MM:SS.cc`; hours may have more than two digits (specification §6.7).
pub(crate) fn uptime(elapsed: std::time::Duration) -> String {
    let seconds = elapsed.as_secs();
    let hundredths = elapsed.subsec_millis() / 10;
    format!("{:02}:{:02}:{:02}.{hundredths:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::uptime;
    use std::time::Duration;

    #[rstest::rstest]
    #[case(0, "00:00:00.00")]
    #[case(17_199_095, "04:46:39.09")]
    #[case(360_000_000, "100:00:00.00")]
    fn uptime_is_padded(#[case] millis: u64, #[case] expected: &str) {
        assert_eq!(uptime(Duration::from_millis(millis)), expected);
    }
}

//! `/dashboard/*`: numbers (specification §6.7).

use std::time::Instant;

use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;

use super::shapes::{NetworkStatistics, QueryCounts, StatisticsShape};
use crate::http::body::Doc;
use crate::http::gate::{SharedSecret, Statistics};
use crate::http::shared::root::uptime;
use crate::service::Services;

/// The API of the dashboard.
#[derive(Debug)]
pub struct DashboardApi {
    pub services: Services,
    pub started: Instant,
}

#[OpenApi]
impl DashboardApi {
    /// What there is here, and how much of it
    #[oai(path = "/dashboard/statistics", method = "get")]
    async fn statistics(&self, admin: Statistics) -> poem::Result<Json<Doc<StatisticsShape>>> {
        let uptime = uptime(self.started.elapsed());
        Ok(Json(Doc::of(self.services.dashboard.statistics(&admin.0, uptime).await?)))
    }

    /// Each network with the number of its nodes
    #[oai(path = "/dashboard/statistics/network", method = "get")]
    async fn networks(&self, admin: Statistics) -> poem::Result<Json<Vec<Doc<NetworkStatistics>>>> {
        let networks = self.services.dashboard.networks(&admin.0).await?;
        Ok(Json(networks.into_iter().map(Doc::of).collect()))
    }

    /// Queries a day
    #[oai(path = "/dashboard/statistics/query-count", method = "get")]
    async fn query_count(
        &self,
        assistant: SharedSecret,
        /// Days up to today; 0 = since the first query
        #[oai(default = "two_weeks")]
        days: Query<u32>,
    ) -> poem::Result<Json<Doc<QueryCounts>>> {
        Ok(Json(Doc::of(self.services.dashboard.query_count(&assistant.0, days.0).await?)))
    }
}

fn two_weeks() -> u32 {
    14
}

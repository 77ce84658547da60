//! Strangers ask for an account; administrators decide (specification §5.4).

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::Failure;
use super::auth::{As, SystemAdmin};
use super::limits::{Limit, admit, network_of};
use super::mail::{Event, Recipient, notify};
use super::users::{Made, Users};
use crate::domain::access_requests::AccessRequest;
use crate::domain::filter::Filter;
use crate::domain::ids::RequestId;
use crate::ports::Ports;

/// A hospital may sit behind one address.
const PER_ADDRESS: Limit = Limit { what: "access-requests", most: 20, within: Duration::from_secs(3_600) };

/// Nobody's mailbox is to be filled by others who type it here.
const PER_EMAIL: Limit = Limit { what: "access-request-email", most: 3, within: Duration::from_secs(86_400) };

/// Requests that wait for a decision at most.
const MOST_PENDING: u64 = 1_000;

/// Takes and decides requests.
#[derive(Debug, Clone)]
pub struct AccessRequests {
    ports: Ports,
    users: Users,
}

impl AccessRequests {
    pub(super) fn new(ports: Ports, users: Users) -> Self {
        Self { ports, users }
    }

    /// Stores a stranger's request and has applicant and administrators told.
    pub async fn submit(&self, body: &Value, from: Option<IpAddr>) -> Result<RequestId, Failure> {
        admit(&self.ports, PER_ADDRESS, &network_of(from)).await?;
        let id = RequestId::from_uuid(self.ports.random.uuid());
        let request = AccessRequest::read(body, id.clone(), self.ports.clock.now())
            .map_err(|e| Failure::Invalid(e.to_string()))?;
        admit(&self.ports, PER_EMAIL, &request.email).await?;
        if self.ports.store.access_requests().count(&Filter::all()).await? >= MOST_PENDING {
            return Err(Failure::Limited(
                "too many requests are waiting for a decision; try again later".into(),
            ));
        }
        self.ports.store.access_requests().insert(id.as_str(), &request).await?;
        let to = vec![Recipient::Address(request.email.clone()), Recipient::SystemAdmins];
        notify(&self.ports, Event::AccessRequestSubmitted, to, facts(&request)).await?;
        Ok(id)
    }

    /// All requests, the oldest first.
    pub async fn list(&self, _: &As<SystemAdmin>) -> Result<Vec<AccessRequest>, Failure> {
        Ok(self.ports.store.access_requests().find(&Filter::all().sorted("createdAt")).await?)
    }

    /// One request.
    pub async fn one(&self, _: &As<SystemAdmin>, id: &RequestId) -> Result<AccessRequest, Failure> {
        let found = self.ports.store.access_requests().get(id.as_str()).await?;
        found.ok_or_else(|| Failure::not_found("access request", id.as_str()))
    }

    /// Gives the applicant an active account that may sign in: a new one, or access for the one of that address.
    ///
    /// The account comes first: whoever is interrupted finds the request again, and approving it again changes nothing.
    pub async fn approve(&self, admin: &As<SystemAdmin>, id: &RequestId) -> Result<Made, Failure> {
        let request = self.one(admin, id).await?;
        let made = self.users.admit(admin, request.profile()).await?;
        // Of somebody who asked more than once nothing is left to decide.
        let same = Filter::equals("email", request.email.as_str());
        self.ports.store.access_requests().delete_where(&same).await?;
        self.decided(admin, &request, "accessRequestApproved", Event::AccessRequestApproved).await?;
        Ok(made)
    }

    /// Turns the applicant down.
    pub async fn deny(&self, admin: &As<SystemAdmin>, id: &RequestId) -> Result<(), Failure> {
        let request = self.one(admin, id).await?;
        if !self.ports.store.access_requests().delete(id.as_str()).await? {
            return Err(Failure::not_found("access request", id.as_str()));
        }
        self.decided(admin, &request, "accessRequestDenied", Event::AccessRequestDenied).await
    }

    async fn decided(
        &self,
        admin: &As<SystemAdmin>,
        request: &AccessRequest,
        what: &'static str,
        event: Event,
    ) -> Result<(), Failure> {
        self.users.record(admin, what, request.request_id.as_str()).await?;
        let to = vec![Recipient::Address(request.email.clone()), Recipient::SystemAdmins];
        notify(&self.ports, event, to, facts(request)).await
    }
}

/// What a mail about a request says.
fn facts(request: &AccessRequest) -> Value {
    json!({
        "requestId": request.request_id, "firstName": request.first_name, "lastName": request.last_name,
        "email": request.email, "affiliation": request.affiliation, "justification": request.justification,
    })
}

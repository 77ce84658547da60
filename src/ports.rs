//! All that the service floor receives from outside: one door per system.

use std::sync::Arc;

use crate::blobs::Blobs;
use crate::broker::Broker;
use crate::domain::clock::{Clock, Random};
use crate::identity::Identity;
use crate::mail::Mail;
use crate::peers::Peers;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::terms::Terms;

/// The open doors; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub blobs: Arc<dyn Blobs>,
    pub broker: Arc<dyn Broker>,
    pub secrets: Arc<dyn Secrets>,
    pub identity: Arc<dyn Identity>,
    pub peers: Arc<dyn Peers>,
    pub mail: Arc<dyn Mail>,
    pub terms: Arc<dyn Terms>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

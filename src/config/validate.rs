//! Checks across sections: impossible mixes and what production refuses (design: Absent means embedded, Modes,
//! Addresses). What one section can tell of itself is checked beside its struct.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{
    InstanceConfig,
    env::{LAST_OFFSET, Mode},
    findings::{Findings, Origin},
    values::Engine,
};

/// What the checks need to know beside the configuration itself.
#[derive(Debug)]
pub struct Surroundings<'a> {
    pub mode: Mode,
    /// Base address of the services.
    pub bind: SocketAddr,
    /// Where the values come from that are not defaults.
    pub origins: &'a BTreeMap<String, Origin>,
}

impl InstanceConfig {
    /// Checks every section and the whole, and gives all that is wrong or doubtful.
    pub fn validate(&self, around: &Surroundings<'_>) -> Findings {
        let mut findings = Findings::default();
        let all = &mut findings;
        if let Some(mongodb) = &self.mongodb {
            mongodb.validate(all);
        }
        if let Some(redis) = &self.redis {
            redis.validate(all);
        }
        if let Some(keycloak) = &self.keycloak {
            keycloak.validate(all);
        }
        if self.appliance.issuer.is_some() {
            let expected = "expected a section Keycloak with the client beside it";
            all.need("Appliance.Issuer", self.keycloak.is_some(), expected);
        }
        if let Some(vault) = &self.vault {
            vault.validate(all);
        }
        if let Some(metrics) = &self.metrics {
            metrics.validate(all);
        }
        if let Some(email) = &self.email {
            email.validate(all);
        }
        self.cors.validate(around.origins.contains_key("CORS.AllowOrigin"), all);
        self.logging.validate(all);
        self.data.validate(all);
        self.appliance.validate(all);
        self.engines(all);
        self.ports(around, all);
        self.safety(around, all);
        findings
    }

    /// Gives the store that the sections select.
    pub fn engine(&self) -> Engine {
        match (self.appliance.engine, &self.mongodb, &self.appliance.postgresql) {
            (Some(engine), ..) => engine,
            (None, Some(_), _) => Engine::MongoDb,
            (None, None, Some(_)) => Engine::PostgreSql,
            (None, None, None) => Engine::Sqlite,
        }
    }

    fn engines(&self, findings: &mut Findings) {
        let (mongodb, postgresql) = (self.mongodb.is_some(), self.appliance.postgresql.is_some());
        let path = "Appliance.Engine";
        match self.appliance.engine {
            None => findings.need(
                path,
                !(mongodb && postgresql),
                "expected one store: remove MongoDB or Appliance.PostgreSQL, or name the one to use here",
            ),
            Some(Engine::MongoDb) => {
                findings.need(path, mongodb, "expected a section MongoDB for this store")
            }
            Some(Engine::PostgreSql) => {
                findings.need(path, postgresql, "expected a section Appliance.PostgreSQL for this store");
            }
            Some(Engine::Sqlite) => findings.need(
                path,
                !mongodb && !postgresql,
                "expected no section MongoDB or Appliance.PostgreSQL beside the embedded store",
            ),
        }
    }

    /// The front door and the services cannot share an address.
    fn ports(&self, around: &Surroundings<'_>, findings: &mut Findings) {
        let (front, base) = (self.appliance.listen.0, around.bind);
        let overlap = front.ip() == base.ip() || front.ip().is_unspecified() || base.ip().is_unspecified();
        let offset = front.port().checked_sub(base.port());
        let service = offset.is_some_and(|offset| offset <= LAST_OFFSET && offset % 100 == 0);
        let clash = self.appliance.service_ports && overlap && service && base.port() != 0;
        findings.need(
            "Appliance.Listen",
            !clash,
            "expected another port: this one is the port of a service, which is CV3_BIND plus a multiple of 100",
        );
    }

    fn safety(&self, around: &Surroundings<'_>, findings: &mut Findings) {
        // In development the same finding is advice.
        let mut refuse = |path: &str, holds: bool, expected: &str| match around.mode {
            _ if holds => {}
            Mode::Production => findings.need(path, false, expected),
            Mode::Development => findings.warn(path, &format!("refused in production: {expected}")),
        };
        let ours = &self.appliance;
        refuse(
            "Appliance.AllowDemo",
            !ours.allow_demo,
            "expected false, because demonstration accounts are known to all",
        );
        // The built-in issuer takes passwords: off loopback only over TLS, here or at a proxy (design: Addresses).
        let outside = |address: SocketAddr| !address.ip().to_canonical().is_loopback();
        let shielded = ours.tls.is_some() || (ours.public_url.is_https() && !ours.trusted_proxies.is_empty());
        let expected = "expected a loopback address, or Appliance.TLS, or an https Appliance.PublicURL with \
                        Appliance.TrustedProxies, because the built-in sign-in takes passwords here";
        if self.keycloak.is_none() && !shielded {
            refuse("Appliance.Listen", !outside(ours.listen.0), expected);
            refuse("CV3_BIND", !(ours.service_ports && outside(around.bind)), expected);
        }
    }
}

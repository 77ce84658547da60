//! `Appliance`: the one section that is ours and not the original's (design: Finding things, Addresses).

mod database;
mod front;
mod limits;

use std::path::PathBuf;

pub use self::{
    database::PostgreSql,
    front::{FrontEnds, Tls},
    limits::{Limits, Privacy, Retention, Workers},
};
use super::{
    findings::Findings,
    tree::section,
    values::{Days, Engine, Listen, Network, Secret, WebUrl},
};

section! {
    /// Our own settings.
    pub struct Appliance {
        /// Address of the front door.
        "Listen" listen: Listen = Listen::loopback(5080), restart;
        /// Certificate and key of the front door; without them it speaks plain HTTP.
        "TLS" tls: Option<Tls> = None;
        /// Address at which plain HTTP is sent on to the public one, such as 0.0.0.0:80; with TLS only.
        "RedirectHTTP" redirect_http: Option<Listen> = None, restart;
        /// Days for which browsers are told to use TLS only for this host (`Strict-Transport-Security`); 0 tells nothing.
        "HSTSDays" hsts: Days = Days::new(365), restart;
        /// Front ends whose files are served here.
        "FrontEnds" front_ends: FrontEnds = FrontEnds::default();
        /// The one public address; empty means that of the front door. Sign-in, redirects and mail links use it.
        "PublicURL" public_url: WebUrl = WebUrl::default(), restart;
        /// Issuer of an OpenID Connect provider that is not Keycloak: people sign in there, accounts are not managed from
        /// here. Of the section `Keycloak`, which must be there, `URL`, `BackendURL` and `Realm` are not used then.
        "Issuer" issuer: Option<WebUrl> = None, restart;
        /// Networks of reverse proxies whose forwarded headers are believed.
        "TrustedProxies" trusted_proxies: Vec<Network> = Vec::new(), restart;
        /// Whether the services also listen on ports of their own.
        "ServicePorts" service_ports: bool = true, restart;
        /// Services that run; empty means every enabled one.
        "Services" services: Vec<String> = Vec::new(), restart;
        /// Store of the documents; absent means the one whose section is present, else the embedded one.
        "Engine" engine: Option<Engine> = None, restart;
        /// Folder of everything that is kept here; empty means `CV3_DATA_DIRECTORY`, `STATE_DIRECTORY` or `./cv3-data`.
        "DataDirectory" data_directory: PathBuf = PathBuf::new(), restart;
        /// Whether nothing is written, for serving queries beside a running original.
        "ReadOnly" read_only: bool = false, restart;
        /// Whether demonstration data and accounts may be made; refused in production.
        "AllowDemo" allow_demo: bool = false;
        /// The embedded keystore.
        "Secrets" secrets: Secrets = Secrets::default();
        /// What answers give away.
        "Privacy" privacy: Privacy = Privacy::default();
        /// How long things are kept.
        "Retention" retention: Retention = Retention::default();
        /// What one caller may ask for.
        "Limits" limits: Limits = Limits::default();
        /// How this installation introduces itself at its first start.
        "Instance" instance: Instance = Instance::default();
        /// Other installations.
        "Federation" federation: Federation = Federation::default();
        /// Calls to other servers.
        "Outbound" outbound: Outbound = Outbound::default();
        /// Calls to addresses learnt from others.
        "Peers" peers: Peers = Peers::default();
        /// Biomedical terms.
        "Terms" terms: Terms = Terms::default();
        /// Jobs that run at the same time.
        "Workers" workers: Workers = Workers::default();
        /// PostgreSQL as the store.
        "PostgreSQL" postgresql: Option<PostgreSql> = None;
    }
}

section! {
    /// The embedded keystore.
    pub struct Secrets {
        /// File with the master key, best on another disk; absent means one beside the keystore.
        "KeyFile" key_file: Option<PathBuf> = None, restart;
        /// Passphrase from which the master key is made instead.
        "Passphrase" passphrase: Option<Secret<String>> = None, restart;
    }
}

section! {
    /// How this installation introduces itself; used at the first start, later changed by the administrator.
    pub struct Instance {
        /// Address under which other installations reach this one; empty means the public address.
        "URL" url: WebUrl = WebUrl::default();
        /// Name.
        "Name" name: String = String::new();
    }
}

section! {
    /// Other installations (spec §9).
    pub struct Federation {
        /// Whether this installation may join and invite while its address is a loopback one; for test rigs.
        "AllowLoopback" allow_loopback: bool = false;
        /// Whether the three words of a request must be given to approve it; without, front ends that send none can approve.
        "RequireChallenge" require_challenge: bool = true;
        /// Issuers of other realms whose tokens are checked by their published keys.
        "TrustedIssuers" trusted_issuers: Vec<WebUrl> = Vec::new();
    }
}

section! {
    /// Calls to other servers (design: Outbound).
    pub struct Outbound {
        /// File with certificate authorities (PEM) that are trusted besides the system's.
        "CertificateAuthorities" certificate_authorities: Option<PathBuf> = None, restart;
    }
}

section! {
    /// Calls to addresses learnt from others (design: Outbound).
    pub struct Peers {
        /// Private and loopback networks that may be called although the address was learnt from a peer.
        "AllowNetworks" allow_networks: Vec<Network> = Vec::new();
    }
}

section! {
    /// Biomedical terms (spec §13).
    pub struct Terms {
        /// Term file that replaces the built-in one.
        "File" file: Option<PathBuf> = None, restart;
    }
}

impl Appliance {
    pub(super) fn validate(&self, findings: &mut Findings) {
        if let Some(tls) = &self.tls {
            tls.validate(findings);
        }
        if self.redirect_http.is_some() {
            let path = "Appliance.RedirectHTTP";
            findings.need(
                path,
                self.tls.is_some(),
                "expected Appliance.TLS beside it: there is no TLS to send callers to",
            );
            let expected = "expected an https Appliance.PublicURL beside it: callers are sent there, never to the \
                            host they name";
            findings.need(path, self.public_url.is_https(), expected);
            let apart =
                self.redirect_http.is_none_or(|it| it.0.port() == 0 || it.0.port() != self.listen.0.port());
            findings.need(path, apart, "expected another port than that of Appliance.Listen");
        }
        let sane = self.hsts.get() <= 3650;
        findings.need("Appliance.HSTSDays", sane, "expected at most 3650 days");
        self.front_ends.validate(findings);
        let clean = "expected an address without ? and #";
        findings.need("Appliance.PublicURL", !self.public_url.has_query(), clean);
        findings.need("Appliance.Instance.URL", !self.instance.url.has_query(), clean);
        if let Some(issuer) = &self.issuer {
            let usable =
                !issuer.is_empty() && !issuer.has_query() && (issuer.is_https() || issuer.is_loopback());
            findings.need("Appliance.Issuer", usable, "expected an https address without ? and #");
        }
        if self.trusted_proxies.iter().any(Network::is_everything) {
            findings.warn(
                "Appliance.TrustedProxies",
                "every caller may forge its address: list your proxies only",
            );
        }
        if self.secrets.key_file.is_some() && self.secrets.passphrase.is_some() {
            let expected = "expected either a key file or a passphrase, not both";
            findings.need("Appliance.Secrets.Passphrase", false, expected);
        }
        // Below this a stolen keystore is opened by trying.
        let long = self.secrets.passphrase.as_ref().is_none_or(|it| it.expose().chars().count() >= 12);
        findings.need("Appliance.Secrets.Passphrase", long, "expected at least 12 characters");
        let encrypted = self.federation.trusted_issuers.iter().all(|url| url.is_https() || url.is_loopback());
        findings.need("Appliance.Federation.TrustedIssuers", encrypted, "expected https addresses");
        self.privacy.validate(findings);
        self.retention.validate(findings);
        self.limits.validate(findings);
        self.workers.validate(findings);
        if let Some(postgresql) = &self.postgresql {
            postgresql.validate(findings);
        }
    }
}

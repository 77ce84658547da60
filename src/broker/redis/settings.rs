//! Which server, as whom, and under which names.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
};
use redis::{RedisResult, TlsCertificates};

use crate::broker::BrokerError;

/// What every key and channel starts with.
const ROOT: &str = "cv3b:";

/// Hosts of a cluster at most.
const MOST_HOSTS: usize = 64;

/// Which Redis to use (specification §3.1).
#[derive(Clone)]
pub struct RedisSettings {
    /// A host, several separated by commas (with or without ports), or one address such as `rediss://user@host:6380`.
    pub host: String,
    /// Of hosts without one.
    pub port: u16,
    pub cluster: bool,
    /// Empty is the default user.
    pub user: String,
    /// Empty is none.
    pub password: String,
    pub tls: bool,
    /// Certificate authorities as PEM that are trusted besides the system's.
    pub authorities: Option<Vec<u8>>,
    /// What this installation's names start with after `cv3b:`; empty unless several share a server.
    pub namespace: String,
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisSettings");
        shown.field("places", &self.places().map(|places| shown_places(&places)).unwrap_or_default());
        shown.field("cluster", &self.cluster).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl RedisSettings {
    /// Where to connect, in the order they are given; at least one.
    pub(super) fn places(&self) -> Result<Vec<ConnectionInfo>, BrokerError> {
        let unusable = |why: &str| BrokerError::Engine(format!("the address of Redis: {why}").into());
        let places = if self.host.contains("://") {
            let info = self.host.as_str().into_connection_info();
            vec![info.map_err(|_| unusable("expected redis://host:port or rediss://host:port"))?]
        } else {
            let hosts = self.host.split(',').map(str::trim).filter(|host| !host.is_empty());
            let at = |host: &str| self.place(host).ok_or_else(|| unusable("expected host or host:port"));
            hosts.map(at).collect::<Result<Vec<_>, _>>()?
        };
        if places.is_empty() || places.len() > MOST_HOSTS {
            return Err(unusable("expected a host"));
        }
        if places.len() > 1 && !self.cluster {
            return Err(unusable("several hosts are for a cluster; set Redis.Cluster or give one host"));
        }
        places.into_iter().map(|place| self.dressed(place)).collect()
    }

    /// A place as whom and how it is connected to.
    fn dressed(&self, place: ConnectionInfo) -> Result<ConnectionInfo, BrokerError> {
        let given = place.redis_settings();
        let mut who = RedisConnectionInfo::default()
            .set_db(given.db())
            .set_protocol(ProtocolVersion::RESP2)
            .set_lib_name("cv3-backend", env!("CARGO_PKG_VERSION"));
        let user = given.username().or(Some(self.user.as_str())).filter(|user| !user.is_empty());
        let password =
            given.password().or(Some(self.password.as_str())).filter(|password| !password.is_empty());
        if let Some(user) = user {
            who = who.set_username(user);
        }
        if let Some(password) = password {
            who = who.set_password(password);
        }
        let place = place.set_redis_settings(who).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(match place.addr() {
            ConnectionAddr::Tcp(host, port) if self.tls => {
                let addr = encrypted(host.clone(), *port);
                place.set_addr(addr)
            }
            _ => place,
        })
    }

    /// The same as another place of the cluster.
    pub(super) fn place_of(&self, host: &str, port: u16) -> Result<ConnectionInfo, BrokerError> {
        let model = self.places()?.into_iter().next();
        let model =
            model.ok_or_else(|| BrokerError::Engine("the address of Redis: expected a host".into()))?;
        let addr = match model.addr() {
            ConnectionAddr::TcpTls { .. } => encrypted(host.to_owned(), port),
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        Ok(model.set_addr(addr))
    }

    /// A client for one place.
    pub(super) fn client(&self, place: ConnectionInfo) -> RedisResult<Client> {
        match self.certificates(&place) {
            Some(certificates) => Client::build_with_tls(place, certificates),
            None => Client::open(place),
        }
    }

    /// The authorities to trust, where the connection is encrypted and there are own ones.
    pub(super) fn certificates(&self, place: &ConnectionInfo) -> Option<TlsCertificates> {
        let encrypted = matches!(place.addr(), ConnectionAddr::TcpTls { .. });
        let root_cert = self.authorities.clone().filter(|_| encrypted)?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }

    /// The same with the system's authorities among the own ones, for a client that takes either these or those.
    pub(super) fn trusting_the_system(mut self) -> Self {
        if let Some(authorities) = &mut self.authorities {
            for found in rustls_native_certs::load_native_certs().certs {
                let lines = STANDARD.encode(&found);
                let pem = format!("\n-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
                authorities.extend(pem.into_bytes());
            }
        }
        self
    }

    /// What the installation's keys and channels start with.
    pub(super) fn prefix(&self) -> Result<String, BrokerError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.namespace.is_empty() {
            return Ok(ROOT.to_owned());
        }
        if self.namespace.len() > 64 || !self.namespace.chars().all(plain) {
            return Err(BrokerError::Engine(
                "a namespace in Redis has up to 64 letters, digits and -".into(),
            ));
        }
        Ok(format!("{ROOT}{}:", self.namespace))
    }

    fn place(&self, host: &str) -> Option<ConnectionInfo> {
        let (name, port) = match host.strip_prefix('[') {
            // An IPv6 address in brackets, then perhaps a port.
            Some(rest) => {
                let (name, rest) = rest.split_once(']')?;
                (name, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
            }
            None if host.matches(':').count() == 1 => host.split_once(':')?,
            None => (host, ""),
        };
        let port = if port.is_empty() { self.port } else { port.parse().ok()? };
        let legal = !name.is_empty() && !name.contains(['/', '@', ' ']);
        legal.then(|| (name, port).into_connection_info().ok())?
    }
}

fn encrypted(host: String, port: u16) -> ConnectionAddr {
    ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
}

/// Hosts and ports for messages, never who signs in.
pub(super) fn shown_places(places: &[ConnectionInfo]) -> String {
    places.iter().map(|place| place.addr().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn settings(host: &str) -> RedisSettings {
        RedisSettings {
            host: host.to_owned(),
            port: 6379,
            cluster: true,
            user: "someone".to_owned(),
            password: "hunter2".to_owned(),
            tls: false,
            authorities: None,
            namespace: String::new(),
        }
    }

    #[rstest]
    #[case("localhost", "localhost:6379")]
    #[case("a, b:7000 ,", "a:6379, b:7000")]
    #[case("[::1]:7000", "::1:7000")]
    #[case("[::1]", "::1:6379")]
    #[case("fd00::5", "fd00::5:6379")]
    #[case("redis://u:p@redis.example.org:7001/", "redis.example.org:7001")]
    fn hosts_are_read(#[case] host: &str, #[case] shown: &str) {
        assert_eq!(shown_places(&settings(host).places().unwrap()), shown);
    }

    #[rstest]
    #[case("")]
    #[case(" , ")]
    #[case("host:port")]
    #[case("me:hunter2@host:6379")]
    #[case("[::1")]
    #[case("[::1]7000")]
    #[case("http://localhost")]
    fn what_is_no_host_is_refused_without_saying_it(#[case] host: &str) {
        let error = settings(host).places().unwrap_err().to_string();
        assert!(error.contains("address of Redis") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn several_hosts_are_a_cluster() {
        let one = RedisSettings { cluster: false, ..settings("a,b") };
        assert!(one.places().unwrap_err().to_string().contains("Redis.Cluster"));
    }

    #[test]
    fn what_the_address_says_of_the_user_counts_and_nothing_of_it_is_shown() {
        let given = settings("rediss://own:secret@host:1/");
        let place = given.places().unwrap().remove(0);
        let who = place.redis_settings();
        assert_eq!((who.username(), who.password()), (Some("own"), Some("secret")));
        assert!(matches!(place.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        let other = settings("host").places().unwrap().remove(0);
        assert_eq!(other.redis_settings().username(), Some("someone"));
        let debug = format!("{given:?} {place:?} {:?}", settings("host"));
        assert!(
            !debug.contains("secret\"") && !debug.contains("hunter2") && !debug.contains("own:"),
            "{debug}"
        );
    }

    #[test]
    fn every_name_starts_with_ours() {
        assert_eq!(settings("h").prefix().unwrap(), "cv3b:");
        let named = |namespace: &str| RedisSettings { namespace: namespace.to_owned(), ..settings("h") };
        assert_eq!(named("b-2").prefix().unwrap(), "cv3b:b-2:");
        assert!(named("{x}").prefix().is_err());
    }
}

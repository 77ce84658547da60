//! Which PostgreSQL, as whom, and how the connection is protected.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::store::StoreError;

/// Time until a connection stands, sign-in included.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// A server that acknowledges nothing for so long is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);

/// How the connection is protected, in the words of libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can; its certificate is not looked at.
    Prefer,
    /// Encrypted; the certificate is not looked at.
    Require,
    /// Encrypted, by a certificate of a trusted authority for the host that was named.
    VerifyFull,
}

/// Where the database is and who signs in.
#[derive(Clone)]
pub struct Settings {
    /// A host, several separated by commas, the folder of a socket, or a whole `postgres://` address.
    pub host: String,
    /// For hosts without one.
    pub port: u16,
    /// Not used where the address has a user.
    pub user: String,
    /// Empty is none.
    pub password: String,
    /// Not used where the address has a database.
    pub database: String,
    pub schema: String,
    pub tls: Tls,
    /// Certificate authorities as PEM that are trusted besides the system's.
    pub authorities: Option<Vec<u8>>,
    /// Connections of this process at most.
    pub max_connections: u32,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The host may be an address with a password.
        f.debug_struct("Settings")
            .field("database", &self.database)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The connection as the driver takes it.
    pub(super) fn config(&self) -> Result<Config, StoreError> {
        let mut config = if self.host.contains("://") { self.address()? } else { self.hosts()? };
        if config.get_user().is_none() {
            config.user(&self.user);
        }
        if config.get_password().is_none() && !self.password.is_empty() {
            config.password(&self.password);
        }
        if config.get_dbname().is_none() {
            config.dbname(&self.database);
        }
        // The address may ask for more than the setting, never for less. What does not leave the host is not encrypted.
        let inside = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(match (self.tls, config.get_ssl_mode()) {
            _ if inside => SslMode::Disable,
            (Tls::Require | Tls::VerifyFull, _) | (_, SslMode::Require) => SslMode::Require,
            (Tls::Disable, _) => SslMode::Disable,
            _ => SslMode::Prefer,
        });
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config.application_name("cv3-backend").connect_timeout(CONNECT);
        config.keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        Ok(config)
    }

    /// The driver's own words may repeat the password.
    fn address(&self) -> Result<Config, StoreError> {
        let config = self.host.parse::<Config>().ok().filter(|config| !config.get_hosts().is_empty());
        config.ok_or_else(|| {
            StoreError::engine(
                "Appliance.PostgreSQL.Host is not an address this program can use: expected \
                 postgres://user:password@host:port/database with user and password percent-encoded; TLS is set by \
                 Appliance.PostgreSQL.TLS",
            )
        })
    }

    fn hosts(&self) -> Result<Config, StoreError> {
        let mut config = Config::new();
        for host in self.host.split(',').map(str::trim).filter(|host| !host.is_empty()) {
            let (name, port) = split(host, self.port).ok_or_else(|| {
                StoreError::engine(format!(
                    "Appliance.PostgreSQL.Host has {host:?}, expected a host or host:port"
                ))
            })?;
            config.host(name).port(port);
        }
        if config.get_hosts().is_empty() {
            return Err(StoreError::engine("Appliance.PostgreSQL.Host is empty, expected a host"));
        }
        Ok(config)
    }
}

/// Host and port of `host`, `host:port`, `[::1]:port`, `::1` or the folder of a socket.
fn split(host: &str, port: u16) -> Option<(&str, u16)> {
    if host.starts_with('/') {
        return Some((host, port));
    }
    if let Some(rest) = host.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        return Some((name, if rest.is_empty() { port } else { rest.strip_prefix(':')?.parse().ok()? }));
    }
    match host.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((host, port)),
        Some((name, rest)) => Some((name, rest.parse().ok()?)),
        None => Some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &str, tls: Tls) -> Settings {
        Settings {
            host: host.to_owned(),
            port: 5433,
            user: "cafevariome".to_owned(),
            password: "hush".to_owned(),
            database: "cafevariome".to_owned(),
            schema: "cv3".to_owned(),
            tls,
            authorities: None,
            max_connections: 4,
        }
    }

    #[rstest::rstest]
    #[case("db", &[("db", 5433)])]
    #[case(" a, b:1 ,", &[("a", 5433), ("b", 1)])]
    #[case("[::1]:7,::1,[::2]", &[("::1", 7), ("::1", 5433), ("::2", 5433)])]
    #[case("postgres://me:secret@db:5/other", &[("db", 5)])]
    fn hosts_are_read_as_written(#[case] host: &str, #[case] expected: &[(&str, u16)]) {
        let config = settings(host, Tls::Prefer).config().unwrap();
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let hosts: Vec<_> = config.get_hosts().iter().map(name).zip(config.get_ports().to_vec()).collect();
        let expected: Vec<_> = expected.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        assert_eq!(hosts, expected);
    }

    #[test]
    fn what_the_address_says_wins_over_the_other_settings() {
        let config = settings("postgres://me:secret@db/other", Tls::Disable).config().unwrap();
        assert_eq!((config.get_user(), config.get_dbname()), (Some("me"), Some("other")));
        assert_eq!(config.get_password(), Some(&b"secret"[..]));
        let config = settings("postgres://db", Tls::Disable).config().unwrap();
        assert_eq!((config.get_user(), config.get_dbname()), (Some("cafevariome"), Some("cafevariome")));
        assert_eq!(config.get_password(), Some(&b"hush"[..]));
    }

    #[rstest::rstest]
    #[case("db", Tls::Disable, SslMode::Disable)]
    #[case("db", Tls::Prefer, SslMode::Prefer)]
    #[case("db", Tls::VerifyFull, SslMode::Require)]
    #[case("postgres://db?sslmode=require", Tls::Disable, SslMode::Require)]
    #[case("postgres://db?sslmode=disable", Tls::Require, SslMode::Require)]
    #[case("/run/postgresql", Tls::VerifyFull, SslMode::Disable)]
    #[case("/run/postgresql,db", Tls::VerifyFull, SslMode::Require)]
    fn an_address_never_weakens_the_protection(#[case] host: &str, #[case] tls: Tls, #[case] mode: SslMode) {
        assert_eq!(settings(host, tls).config().unwrap().get_ssl_mode(), mode);
    }

    #[rstest::rstest]
    #[case("postgres://me:hush@db:port")]
    #[case("postgres://me:hush@db?sslmode=hush")]
    #[case("mongodb://me:hush@db")]
    fn an_address_that_cannot_be_used_is_not_repeated(#[case] host: &str) {
        let error = settings(host, Tls::Prefer).config().unwrap_err().to_string();
        assert!(error.contains("PostgreSQL.Host") && !error.contains("hush"), "{error}");
        assert!(!format!("{:?}", settings(host, Tls::Prefer)).contains("hush"));
    }
}

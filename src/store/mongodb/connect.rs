//! From settings to a database that answers (specification §3.1): addresses, sign-in, its fall-backs.

use std::fmt;
use std::time::Duration;

use mongodb::bson::Document;
use mongodb::error::Error;
use mongodb::options::{ClientOptions, Credential, ServerAddress};
use mongodb::{Client, Database};

use super::error;
use crate::store::{Room, StoreError};

/// How long an operation waits for a server before it is refused as unavailable.
const SELECTION: Duration = Duration::from_secs(5);
/// Connections beside those of heavy work.
const ORDINARY: u32 = 60;
/// Idle connections are closed before the firewalls on the way forget them.
const IDLE: Duration = Duration::from_secs(300);

/// Where the database is and who signs in.
#[derive(Clone)]
pub struct Settings {
    /// A host, several separated by commas, or a whole `mongodb://` address.
    pub host: String,
    /// For hosts without one.
    pub port: u16,
    /// User and password; none where the address has its own or nobody signs in.
    pub user: Option<(String, String)>,
    /// Databases that may know the user, in the order in which they are tried.
    pub auth_sources: Vec<String>,
    pub database: String,
    /// Connections for heavy work.
    pub max_jobs: u32,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The host may be an address with a password.
        f.debug_struct("Settings").field("database", &self.database).finish_non_exhaustive()
    }
}

/// Opens the database with the first sign-in that may read it, at last without any.
pub(super) async fn connect(settings: &Settings) -> Result<Database, StoreError> {
    let options = options(settings).await?;
    let Some((user, password)) = &settings.user else {
        return Ok(reach(options, settings).await??);
    };
    for source in &settings.auth_sources {
        let mut options = options.clone();
        let credential = Credential::builder().username(user.clone()).password(password.clone());
        options.credential = Some(credential.source(source.clone()).build());
        match reach(options, settings).await? {
            Ok(database) => return Ok(database),
            Err(refused) => tracing::debug!(source, %refused, "MongoDB does not know the user there"),
        }
    }
    // Servers that ask for no authentication refuse every user.
    if let Ok(database) = reach(options, settings).await? {
        tracing::warn!(
            database = settings.database,
            "MongoDB refuses MongoDB.User and answers without one: the database is open to everyone who reaches it"
        );
        return Ok(database);
    }
    Err(StoreError::Unavailable(format!(
        "MongoDB refuses the user {user} (asked as a user of the databases {}) and answers nobody without one, check \
         MongoDB.User, MongoDB.Password and MongoDB.AuthSource",
        settings.auth_sources.join(", ")
    )))
}

/// The database if it can be read; the inner error is a refusal, after which others may be tried.
async fn reach(options: ClientOptions, settings: &Settings) -> Result<Result<Database, Refused>, StoreError> {
    let client = Client::with_options(options)?;
    let database = client.database(&settings.database);
    let first = database.collection::<Document>(Room::Config.collection()).find_one(Document::new()).await;
    match first {
        Ok(_) => Ok(Ok(database)),
        Err(failed) if error::is_refusal(&failed) => {
            client.shutdown().immediate(true).await;
            Ok(Err(Refused(failed)))
        }
        Err(failed) => Err(failed.into()),
    }
}

/// A sign-in that the server does not take.
struct Refused(Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        refused.0.into()
    }
}

async fn options(settings: &Settings) -> Result<ClientOptions, StoreError> {
    let mut options = if settings.host.contains("://") {
        // The driver's own words may repeat the password.
        ClientOptions::parse(&settings.host).await.map_err(|_| {
            StoreError::engine(
                "MongoDB.Host is not an address this program can use: expected \
                 mongodb://user:password@host:port/?options with user and password percent-encoded; mongodb+srv:// is \
                 not supported, list the hosts instead",
            )
        })?
    } else {
        let hosts = settings.host.split(',').map(str::trim).filter(|host| !host.is_empty());
        let hosts = hosts.map(|host| address(host, settings.port)).collect::<Result<Vec<_>, _>>()?;
        ClientOptions::builder().hosts(hosts).build()
    };
    options.app_name = Some("cv3-backend".to_owned());
    options.server_selection_timeout.get_or_insert(SELECTION);
    options.connect_timeout.get_or_insert(SELECTION);
    options.max_idle_time.get_or_insert(IDLE);
    options.max_pool_size.get_or_insert(settings.max_jobs.saturating_add(ORDINARY));
    Ok(options)
}

fn address(host: &str, port: u16) -> Result<ServerAddress, StoreError> {
    let parsed = ServerAddress::parse(host).map_err(|reason| {
        StoreError::engine(format!("MongoDB.Host has {host:?}, expected a host or host:port ({reason})"))
    })?;
    Ok(match parsed {
        ServerAddress::Tcp { host, port: None } => ServerAddress::Tcp { host, port: Some(port) },
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &str) -> Settings {
        Settings {
            host: host.to_owned(),
            port: 27018,
            user: None,
            auth_sources: Vec::new(),
            database: "cafevariome".to_owned(),
            max_jobs: 4,
        }
    }

    #[rstest::rstest]
    #[case("db", &["db:27018"])]
    #[case(" a, b:1 ,", &["a:27018", "b:1"])]
    #[case("mongodb://me:secret@db:5/?replicaSet=r", &["db:5"])]
    #[tokio::test]
    async fn hosts_are_read_as_written(#[case] host: &str, #[case] expected: &[&str]) {
        let options = options(&settings(host)).await.unwrap();
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, expected);
        assert_eq!(options.max_pool_size, Some(64));
        assert_eq!(options.app_name.as_deref(), Some("cv3-backend"));
    }

    #[rstest::rstest]
    #[case("mongodb://me:hush@hush@db")]
    #[case("mongodb+srv://me:hush@db")]
    #[case("mongodb://me:hush:hush@db:port")]
    #[tokio::test]
    async fn an_address_that_cannot_be_used_is_not_repeated(#[case] host: &str) {
        let error = options(&settings(host)).await.unwrap_err().to_string();
        assert!(error.contains("MongoDB.Host") && !error.contains("hush"), "{error}");
        assert!(!format!("{:?}", settings(host)).contains("hush"));
    }
}

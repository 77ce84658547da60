//! What the environment says about the process and not about the installation (spec §3.2).

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use crate::config::{findings::Origin, layers::Layers, values::Listen};

/// A variable that is not the name of a key.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning }
}

/// The variables that are not the names of keys.
pub const PROCESS: &[Variable] = &[
    variable("CV3_ENV", "production", "`production` or `development`"),
    variable("CV3_CONFIG", "", "configuration file; it must exist"),
    variable("CV3_DATA_DIRECTORY", "./cv3-data", "data directory, unless `Appliance.DataDirectory` is given"),
    variable("STATE_DIRECTORY", "", "data directory, unless one of the former is given; set by systemd"),
    variable(
        "CREDENTIALS_DIRECTORY",
        "",
        "folder of files that are named like the variables of secrets and paths; set by systemd (`LoadCredential=`)",
    ),
    variable("CV3_BIND", "127.0.0.1:5000", "base address of the services; each adds its offset to the port"),
    variable("CV3_GRACEFUL_TIMEOUT", "30", "seconds to finish running requests in when stopped"),
    variable(
        "CV3_APP_PATH",
        ".",
        "folder of the original's start script; relative log and pid files start there",
    ),
    variable("CV3_APP_MODULE", "", "accepted for the original's start script, not used"),
    variable("CV3_LOGFILE", "", "log file"),
    variable("CV3_ACCESS_LOG_FILE", "", "log file for requests"),
    variable("CV3_ERROR_LOG_FILE", "", "log file for errors"),
    variable("CV3_PIDFILE", "", "file that holds the process id"),
    variable("ADMIN_EMAIL", "", "mail address of the first administrator, first run only"),
    variable("ADMIN_AFFILIATION", "", "affiliation of the first administrator, first run only"),
];

/// Whether convenience or safety decides (design: Modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Production,
    Development,
}

/// What the environment says about the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub mode: Mode,
    /// Base address of the services; each adds its offset to the port unless the port is 0.
    pub bind: SocketAddr,
    /// Whether `CV3_BIND` is set; otherwise services of one process stay on loopback.
    pub bind_given: bool,
    pub graceful: Duration,
    pub log_file: Option<PathBuf>,
    pub access_log_file: Option<PathBuf>,
    pub error_log_file: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub admin_email: Option<String>,
    pub admin_affiliation: Option<String>,
}

/// The offset of the last service (design §2), which must still fit behind the base port.
pub const LAST_OFFSET: u16 = 600;

impl Process {
    /// Reads the variables; what is wrong is noted in the layers.
    pub fn read(env: &BTreeMap<String, String>, working_dir: &std::path::Path, layers: &mut Layers) -> Self {
        let get = |name: &str| env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        let mut refuse = |name: &str, expected: &str| {
            layers.refuse(&Origin::Environment(name.to_owned()), name, expected);
        };
        let mode = match get("CV3_ENV").map(str::to_ascii_lowercase).as_deref() {
            None | Some("production") => Mode::Production,
            Some("development") => Mode::Development,
            Some(_) => {
                refuse("CV3_ENV", "expected production or development");
                Mode::Production
            }
        };
        let usual = Listen::loopback(5000);
        let bind = match get("CV3_BIND").map(str::parse::<Listen>) {
            None => usual,
            Some(Ok(bind)) if bind.0.port() <= u16::MAX - LAST_OFFSET => bind,
            Some(Ok(_)) => {
                refuse("CV3_BIND", "expected a port of at most 64935, because services add up to 600 to it");
                usual
            }
            Some(Err(_)) => {
                refuse("CV3_BIND", "expected an address with port, such as 127.0.0.1:5000");
                usual
            }
        };
        let graceful = match get("CV3_GRACEFUL_TIMEOUT").map(str::parse::<u64>) {
            None => 30,
            Some(Ok(seconds)) if seconds <= 3600 => seconds,
            Some(_) => {
                refuse("CV3_GRACEFUL_TIMEOUT", "expected a number of seconds from 0 to 3600");
                30
            }
        };
        let app = working_dir.join(get("CV3_APP_PATH").unwrap_or("."));
        let file = |name: &str| get(name).map(|text| app.join(text));
        let text = |name: &str| get(name).map(str::to_owned);
        Self {
            mode,
            bind: bind.0,
            bind_given: get("CV3_BIND").is_some(),
            graceful: Duration::from_secs(graceful),
            log_file: file("CV3_LOGFILE"),
            access_log_file: file("CV3_ACCESS_LOG_FILE"),
            error_log_file: file("CV3_ERROR_LOG_FILE"),
            pid_file: file("CV3_PIDFILE"),
            admin_email: text("ADMIN_EMAIL"),
            admin_affiliation: text("ADMIN_AFFILIATION"),
        }
    }
}

//! Which service or tool this process is: by the name it was called with, else its first word (design §2).

/// A service of the table; the only place service names are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    Admin,
    Query,
    Network,
    Nexus,
    Exporter,
    Terms,
    Performance,
    DatabaseManager,
    QueryCompiler,
    QueryMeta,
    Scheduler,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 11] = [
        Self::Admin,
        Self::Query,
        Self::Network,
        Self::Nexus,
        Self::Exporter,
        Self::Terms,
        Self::Performance,
        Self::DatabaseManager,
        Self::QueryCompiler,
        Self::QueryMeta,
        Self::Scheduler,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Query => "query",
            Self::Network => "network",
            Self::Nexus => "nexus",
            Self::Exporter => "exporter",
            Self::Terms => "terms",
            Self::Performance => "performance",
            Self::DatabaseManager => "database-manager",
            Self::QueryCompiler => "query-compiler",
            Self::QueryMeta => "query-meta",
            Self::Scheduler => "scheduler",
        }
    }

    /// Offset of its port from the base, for those that listen.
    pub fn port_offset(self) -> Option<u16> {
        match self {
            Self::Admin => Some(0),
            Self::Query => Some(100),
            Self::Network => Some(200),
            Self::Nexus => Some(300),
            Self::Exporter => Some(400),
            Self::Terms => Some(500),
            Self::Performance => Some(600),
            Self::DatabaseManager | Self::QueryCompiler | Self::QueryMeta | Self::Scheduler => None,
        }
    }

    /// Its path at the front door, for those that listen to the outside.
    pub fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Admin => Some("/api"),
            Self::Query => Some("/query"),
            Self::Network => Some("/federation"),
            Self::Nexus => Some("/nexus"),
            Self::Terms => Some("/terms"),
            Self::Performance => Some("/performance"),
            _ => None,
        }
    }

    /// Reads a name or alias.
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "bioterms" { "terms" } else { name };
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// The names under which links to the program are laid beside it: the tool, then every service, an alias after it.
pub fn links() -> Vec<String> {
    let services = Service::ALL.map(Service::name).into_iter().chain(["bioterms"]);
    std::iter::once("cv3-backend".to_owned())
        .chain(services.map(|name| format!("cv3-backend-{name}")))
        .collect()
}

/// What a process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applet {
    /// One service.
    One(Service),
    /// Every enabled service, with the front door.
    All,
    /// The operator's tool, which reads the remaining words itself.
    Tool,
}

/// The services that run when none is named; the exporter only where metrics are switched on. Nexus and performance
/// are not part of this release.
pub fn default_services(metrics: bool) -> Vec<Service> {
    let mut services = vec![
        Service::Admin,
        Service::Query,
        Service::Network,
        Service::Terms,
        Service::DatabaseManager,
        Service::QueryCompiler,
        Service::QueryMeta,
        Service::Scheduler,
    ];
    services.extend(metrics.then_some(Service::Exporter));
    services
}

/// Flags of a service run by its word, each with a value.
const COMMON: [&str; 4] = ["--config", "--data", "--listen", "--set"];

/// Chooses by the stem of `argv[0]`, then by the first word: `admin` or `cv3-backend-admin` is the admin service,
/// `backend` everything, any other name the tool. `query` and `terms` are words of the tool, too: the service is meant
/// when nothing but the common flags follows.
pub fn choose(argv0: &str, words: &[&str]) -> Applet {
    let file = std::path::Path::new(argv0).file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let stem = file.strip_suffix(".exe").unwrap_or(file);
    if let Some(service) = by_suffix(stem) {
        return Applet::One(service);
    }
    match words.split_first() {
        None if stem == "backend" => Applet::All,
        Some((word, rest)) => match Service::parse(word) {
            Some(service) if only_common(rest) => Applet::One(service),
            _ => Applet::Tool,
        },
        None => Applet::Tool,
    }
}

/// Whether the words are common flags with their values and nothing else.
fn only_common(words: &[&str]) -> bool {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, value) = word.split_once('=').map_or((*word, None), |(flag, value)| (flag, Some(value)));
        if !COMMON.contains(&flag) || (value.is_none() && words.next().is_none()) {
            return false;
        }
    }
    true
}

/// The service whose name ends the word after a non-alphanumeric character (or is the word); the longest wins.
fn by_suffix(stem: &str) -> Option<Service> {
    let names = Service::ALL.into_iter().map(|s| (s.name(), s)).chain([("bioterms", Service::Terms)]);
    names
        .filter(|(name, _)| {
            stem.strip_suffix(name)
                .is_some_and(|before| before.is_empty() || before.ends_with(|c: char| !c.is_alphanumeric()))
        })
        .max_by_key(|(name, _)| name.len())
        .map(|(_, service)| service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/usr/bin/cv3-backend-admin", None, Applet::One(Service::Admin))]
    #[case("admin", None, Applet::One(Service::Admin))]
    #[case("cv3-backend-query-compiler", None, Applet::One(Service::QueryCompiler))]
    #[case("cv3-backend-query-meta", None, Applet::One(Service::QueryMeta))]
    #[case("bioterms", None, Applet::One(Service::Terms))]
    #[case("backend", None, Applet::All)]
    #[case("cv3-backend", Some("scheduler"), Applet::One(Service::Scheduler))]
    #[case("cv3-backend", Some("serve"), Applet::Tool)]
    #[case("cv3-backend", None, Applet::Tool)]
    #[case("CafeVariomeV3", Some("--help"), Applet::Tool)]
    #[case("cv3-backend", Some("terms"), Applet::One(Service::Terms))]
    #[case("sysadmin", None, Applet::Tool)]
    fn the_name_or_the_first_word_chooses(
        #[case] argv0: &str,
        #[case] first: Option<&str>,
        #[case] expected: Applet,
    ) {
        assert_eq!(choose(argv0, first.as_slice()), expected);
    }

    #[rstest::rstest]
    #[case(&["terms", "build", "--out", "x"], Applet::Tool)]
    #[case(&["terms", "--data", "d"], Applet::One(Service::Terms))]
    #[case(&["query", "--hpo", "HP:0001250"], Applet::Tool)]
    #[case(&["query", "question.json", "--user", "ada"], Applet::Tool)]
    #[case(&["query", "--set=Appliance.ServicePorts=false", "--config", "c"], Applet::One(Service::Query))]
    #[case(&["query", "--help"], Applet::Tool)]
    fn a_word_that_is_both_means_the_service_only_with_common_flags(
        #[case] words: &[&str],
        #[case] expected: Applet,
    ) {
        assert_eq!(choose("cv3-backend", words), expected);
    }

    #[test]
    fn every_link_but_the_tool_s_is_a_service_and_every_service_has_one() {
        let links = links();
        let (tool, services) = links.split_first().unwrap();
        assert_eq!(choose(tool, &[]), Applet::Tool);
        let mut reached: Vec<_> = services.iter().map(|link| choose(link, &[])).collect();
        reached.dedup();
        for service in Service::ALL {
            assert!(reached.contains(&Applet::One(service)), "{} has no link", service.name());
        }
        assert_eq!(reached.iter().filter(|applet| !matches!(applet, Applet::One(_))).count(), 0);
    }

    #[test]
    fn every_name_is_read_back() {
        assert!(Service::ALL.into_iter().all(|service| Service::parse(service.name()) == Some(service)));
    }
}

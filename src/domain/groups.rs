//! Discovery groups: the only way a user obtains access to record data (specification §1, §8.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{GroupId, NetworkId, SourceId, UserId};
use super::queries::Granularity;

/// A grant: one network, users, sources, one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub group_id: GroupId,
    pub group_name: String,
    #[serde(default)]
    pub group_description: String,
    pub network_id: NetworkId,
    pub discovery_policy: Granularity,
    #[serde(default)]
    pub assigned_users: Vec<UserId>,
    #[serde(default)]
    pub assigned_sources: Vec<SourceId>,
    /// Counts below it are hidden (specification §8.6); 0 = off.
    #[serde(default)]
    pub minimum_count: u64,
    /// Subjects are listed even below `minimumCount`.
    #[serde(default)]
    pub list_below_minimum: bool,
}

/// What one user may see of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// The highest level any group grants, in whatever network.
    pub level: Granularity,
    /// Of the groups that grant that level, the smallest `minimumCount`.
    pub minimum_count: u64,
    /// Of those, whether one with that `minimumCount` lists below it.
    pub list_below_minimum: bool,
}

/// The candidate sources of a user in a network with what is permitted on each (specification §8.4).
///
/// `groups` must be all groups, of any network, that contain the user. The candidate set follows the network, the level follows the source.
pub fn permits(groups: &[Group], user: &UserId, network: &NetworkId) -> BTreeMap<SourceId, Permit> {
    let mine = || groups.iter().filter(|g| g.assigned_users.contains(user));
    let mut permits = BTreeMap::new();
    for source in mine().filter(|g| g.network_id == *network).flat_map(|g| &g.assigned_sources) {
        let mut best: Option<Permit> = None;
        for group in mine().filter(|g| g.assigned_sources.contains(source)) {
            let offered = Permit {
                level: group.discovery_policy,
                minimum_count: group.minimum_count,
                list_below_minimum: group.list_below_minimum,
            };
            best = Some(match best {
                None => offered,
                Some(held) if offered.level > held.level => offered,
                Some(held) if offered.level == held.level && offered.minimum_count < held.minimum_count => {
                    offered
                }
                Some(held) if offered.level == held.level && offered.minimum_count == held.minimum_count => {
                    Permit {
                        list_below_minimum: held.list_below_minimum || offered.list_below_minimum,
                        ..held
                    }
                }
                Some(held) => held,
            });
        }
        if let Some(permit) = best.filter(|p| p.level > Granularity::NoAccess) {
            permits.insert(source.clone(), permit);
        }
    }
    permits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(network: &str, users: &[&str], sources: &[&str], level: Granularity) -> Group {
        Group {
            group_id: GroupId::parse(format!("{network}{level:?}")).unwrap(),
            group_name: "g".into(),
            group_description: String::new(),
            network_id: NetworkId::parse(network).unwrap(),
            discovery_policy: level,
            assigned_users: users.iter().map(|u| UserId::parse(*u).unwrap()).collect(),
            assigned_sources: sources.iter().map(|s| SourceId::parse(*s).unwrap()).collect(),
            minimum_count: 0,
            list_below_minimum: false,
        }
    }

    /// The worked example of specification §8.4.
    #[rstest::rstest]
    #[case("C", &[("s1", Granularity::Count), ("s2", Granularity::Boolean), ("s3", Granularity::Count)])]
    #[case("A", &[("s1", Granularity::Boolean), ("s2", Granularity::Boolean)])]
    #[case("D", &[("s1", Granularity::Count), ("s3", Granularity::Count)])]
    #[case("E", &[])]
    fn the_highest_grant_wins(#[case] user: &str, #[case] expected: &[(&str, Granularity)]) {
        let groups = [
            group("n", &["A", "B", "C"], &["s1", "s2"], Granularity::Boolean),
            group("n", &["C", "D"], &["s1", "s3"], Granularity::Count),
        ];
        let permits = permits(&groups, &UserId::parse(user).unwrap(), &NetworkId::parse("n").unwrap());
        let seen: Vec<_> = permits.iter().map(|(s, p)| (s.as_str(), p.level)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_level_follows_the_source_and_the_candidates_follow_the_network() {
        let groups = [
            group("n", &["A"], &["s1"], Granularity::Boolean),
            group("m", &["A"], &["s1", "s2"], Granularity::List),
        ];
        let permits = permits(&groups, &UserId::parse("A").unwrap(), &NetworkId::parse("n").unwrap());
        assert_eq!(permits.len(), 1);
        assert_eq!(permits.values().next().unwrap().level, Granularity::List);
    }

    #[test]
    fn no_access_is_legal_and_inert() {
        let groups = [group("n", &["A"], &["s1"], Granularity::NoAccess)];
        assert!(permits(&groups, &UserId::parse("A").unwrap(), &NetworkId::parse("n").unwrap()).is_empty());
    }

    #[test]
    fn equal_levels_take_the_smallest_minimum_count() {
        let mut one = group("n", &["A"], &["s1"], Granularity::Count);
        one.minimum_count = 5;
        let mut two = one.clone();
        two.minimum_count = 3;
        let permits = permits(&[one, two], &UserId::parse("A").unwrap(), &NetworkId::parse("n").unwrap());
        assert_eq!(permits.values().next().unwrap().minimum_count, 3);
    }
}

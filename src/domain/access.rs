//! Who may do what: roles by duty (specification §5.5), and operations by what they ask of a caller (§5.6,
//! `operations.rs`).

mod operations;

pub use operations::{Api, OPERATIONS, Operation, Permission, methods, route};

use super::users::Role;

/// What a caller must be allowed to do; each service function demands the proof of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Pipelines, data sources, networks, discovery groups, beacon endpoints, discovery settings.
    Data,
    /// User management, nexus, information settings, clean-up.
    System,
    /// Statistics and reading all settings.
    Statistics,
    /// Debug.
    Debug,
}

impl Duty {
    /// All duties.
    pub const ALL: [Self; 4] = [Self::Data, Self::System, Self::Statistics, Self::Debug];
}

/// Whether a role carries a duty: the matrix of specification §5.5.
pub fn may(role: Role, duty: Duty) -> bool {
    match (role, duty) {
        (Role::Developer, _) => true,
        (Role::DataAdmin, Duty::Data | Duty::Statistics) => true,
        (Role::ServerAdmin, Duty::System | Duty::Statistics) => true,
        (Role::User | Role::DataAdmin | Role::ServerAdmin, _) => false,
    }
}

/// Whether a caller may give or take a role, and so touch an account that has it (role-granting rule, §5.5).
pub fn may_grant(caller: Role, role: Role) -> bool {
    caller.holds(role) && may(caller, Duty::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Role::User, [false, false, false, false])]
    #[case(Role::DataAdmin, [true, false, true, false])]
    #[case(Role::ServerAdmin, [false, true, true, false])]
    #[case(Role::Developer, [true, true, true, true])]
    fn the_matrix_of_roles_and_duties(#[case] role: Role, #[case] expected: [bool; 4]) {
        assert_eq!(Duty::ALL.map(|duty| may(role, duty)), expected);
    }

    #[test]
    fn only_a_developer_can_make_a_data_admin() {
        let grantors: Vec<_> = Role::ALL.into_iter().filter(|r| may_grant(*r, Role::DataAdmin)).collect();
        assert_eq!(grantors, [Role::Developer]);
    }
}

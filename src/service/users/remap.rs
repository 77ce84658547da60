//! Accounts that get other ids because the issuer is another one: groups, mappings and permissions follow, and nobody is
//! left behind without a word.
//!
//! Stored answers do not follow: they are sealed with the old key. That key stays until somebody has it removed
//! (`repair`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::keys::make_key;
use super::make::alone;
use super::{Users, changed};
use crate::domain::filter::Filter;
use crate::domain::groups::Group;
use crate::domain::ids::UserId;
use crate::domain::users::UserInfo;
use crate::service::Failure;
use crate::service::auth::{As, SystemAdmin, user_key};
use crate::store::{Collection, Room};

/// Most lines of a mapping.
const MOST: usize = 100_000;

/// One line: who somebody was (an id, or an e-mail address that is known here), and who they are at the issuer of now (an
/// id, a user name or an e-mail address).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub old: String,
    pub new: String,
}

/// What a line comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    pub old: UserId,
    pub new: UserId,
    /// How many groups name the old id.
    pub groups: usize,
    /// How many Beacon endpoints and nodes act as the old id.
    pub mappings: usize,
    /// Nothing is keyed by the old id any more.
    pub done: bool,
}

/// An account that nobody can be now, and that no line speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmapped {
    pub user_id: UserId,
    pub role: Option<&'static str>,
    pub active: bool,
    /// Names of the groups that name them.
    pub groups: Vec<String>,
}

/// What a mapping comes to as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub moves: Vec<Move>,
    pub unmapped: Vec<Unmapped>,
    /// Lines that cannot be followed, with the reason.
    pub wrong: Vec<String>,
}

/// Puts another id in the place of one, wherever a mapping names it.
fn renamed(mapping: &mut Value, old: &str, new: &str) -> bool {
    match mapping {
        Value::String(user) if user == old => {
            new.clone_into(user);
            true
        }
        Value::Object(users) => {
            let mut any = false;
            for user in users.values_mut() {
                any |= renamed(user, old, new);
            }
            any
        }
        _ => false,
    }
}

/// Rooms whose documents act as a user.
const ACTING: [Room; 3] = [Room::Beacon, Room::Nodes, Room::PendingNodes];

impl Users {
    /// What a mapping would do; changes nothing.
    pub async fn plan_remap(&self, admin: &As<SystemAdmin>, lines: &[Line]) -> Result<Plan, Failure> {
        if lines.len() > MOST {
            return Err(Failure::Invalid(format!("a mapping has at most {MOST} lines")));
        }
        let entries = self.ports.store.users().find(&Filter::all()).await?;
        let groups = self.ports.store.groups().find(&Filter::all()).await?;
        let addresses = self.old_addresses().await?;
        let mut plan = Plan::default();
        let (mut olds, mut news) = (BTreeSet::new(), BTreeSet::new());
        for (number, line) in lines.iter().enumerate() {
            let wrong = |why: String| format!("line {}: {why}", number + 1);
            let old = match self.old(&line.old, &entries, &groups, &addresses) {
                Some(old) => old,
                None => {
                    plan.wrong.push(wrong(format!("nobody here is or was {}", line.old)));
                    continue;
                }
            };
            let new = match self.find(admin, &line.new).await {
                Ok(new) => new,
                Err(Failure::NotFound { .. }) => {
                    plan.wrong.push(wrong(format!("the identity provider does not know {}", line.new)));
                    continue;
                }
                Err(other) => return Err(other),
            };
            if old == UserId::anonymous() || new == UserId::anonymous() {
                plan.wrong.push(wrong("the anonymous user is nobody's account".into()));
            } else if !olds.insert(old.clone()) {
                plan.wrong.push(wrong(format!("{old} is spoken of twice")));
            } else if !news.insert(new.clone()) {
                plan.wrong.push(wrong(format!("{new} would be two people")));
            } else if old != new {
                plan.moves.push(self.one_move(old, new, &entries, &groups).await?);
            }
        }
        // Who is renamed and who somebody is renamed to would depend on the order of the lines.
        for id in olds.intersection(&news) {
            if plan.moves.iter().any(|one| one.old == *id || one.new == *id) {
                plan.wrong.push(format!("{id} is both an old id and a new one"));
            }
        }
        plan.unmapped = self.unmapped(&entries, &groups, &olds).await?;
        Ok(plan)
    }

    /// Does what `plan_remap` says, if every line can be followed. Done again after an interruption it goes on.
    pub async fn remap(&self, admin: &As<SystemAdmin>, lines: &[Line]) -> Result<Plan, Failure> {
        alone(&self.ports, async {
            let plan = self.plan_remap(admin, lines).await?;
            if !plan.wrong.is_empty() {
                return Err(Failure::Invalid(format!("nothing was changed: {}", plan.wrong.join("; "))));
            }
            for one in plan.moves.iter().filter(|one| !one.done) {
                self.carry_over(one).await?;
                self.record(admin, "userRemapped", &format!("{} to {}", one.old, one.new)).await?;
            }
            Ok(plan)
        })
        .await
    }

    async fn one_move(
        &self,
        old: UserId,
        new: UserId,
        entries: &[UserInfo],
        groups: &[Group],
    ) -> Result<Move, Failure> {
        let in_groups = groups.iter().filter(|group| group.assigned_users.contains(&old)).count();
        let mut mappings = 0;
        for room in ACTING {
            let documents = self.ports.store.documents().find(room, &Filter::all()).await?;
            mappings += documents
                .into_iter()
                .filter_map(|mut stored| stored.body.get_mut("userMapping").map(Value::take))
                .filter_map(|mut mapping| renamed(&mut mapping, old.as_str(), "").then_some(()))
                .count();
        }
        let done = in_groups + mappings == 0 && !entries.iter().any(|entry| entry.user_id == old);
        Ok(Move { old, new, groups: in_groups, mappings, done })
    }

    /// Moves everything that is keyed by the old id; the old entry goes last, so that an interruption shows.
    async fn carry_over(&self, one: &Move) -> Result<(), Failure> {
        let store = &self.ports.store;
        let (old, new) = (&one.old, &one.new);
        let entry = store.users().get(old.as_str()).await?;
        if self.ports.secrets.has_key(&user_key(old)).await? {
            make_key(&self.ports, new).await?;
        }
        if let Some(entry) = &entry {
            let join = |held: &mut UserInfo| {
                if entry.role.holds(held.role) {
                    held.role = entry.role;
                }
                held.active |= entry.active;
                if held.settings.is_none() {
                    held.settings.clone_from(&entry.settings);
                }
                Ok::<(), Failure>(())
            };
            if store.users().update(new.as_str(), join).await?.is_none() {
                let moved = UserInfo { user_id: new.clone(), ..entry.clone() };
                store.users().insert(new.as_str(), &moved).await?;
            }
        }
        for group in store.groups().find(&Filter::contains("assignedUsers", old.as_str())).await? {
            let change = |group: &mut Group| {
                if !group.assigned_users.contains(new) {
                    group.assigned_users.push(new.clone());
                }
                group.assigned_users.retain(|user| user != old);
                Ok::<(), Failure>(())
            };
            store.groups().update(group.group_id.as_str(), change).await?;
        }
        for room in ACTING {
            for stored in store.documents().find(room, &Filter::all()).await? {
                let acts = |body: &mut Value| {
                    let mapping = body.get_mut("userMapping");
                    mapping.is_some_and(|mapping| renamed(mapping, old.as_str(), new.as_str()))
                };
                if acts(&mut stored.body.clone()) {
                    let change = |body: &mut Value| {
                        acts(body);
                        Ok::<(), Failure>(())
                    };
                    Collection::<Value>::new(store.documents(), room).update(&stored.id, change).await?;
                }
            }
        }
        changed(&self.ports, new).await?;
        store.users().delete(old.as_str()).await?;
        changed(&self.ports, old).await
    }

    /// Who a line means by an old name.
    fn old(
        &self,
        name: &str,
        entries: &[UserInfo],
        groups: &[Group],
        addresses: &BTreeMap<String, UserId>,
    ) -> Option<UserId> {
        let known = entries.iter().map(|entry| &entry.user_id);
        let named = groups.iter().flat_map(|group| &group.assigned_users);
        let by_id = known.chain(named).find(|id| id.as_str() == name).cloned();
        // What was moved already is nowhere any more, and is still an id.
        let moved = || UserId::parse(name).ok().filter(|_| uuid::Uuid::parse_str(name).is_ok());
        by_id.or_else(|| addresses.get(&name.to_lowercase()).cloned()).or_else(moved)
    }

    /// E-mail addresses of the accounts of issuers whose people are noted here.
    async fn old_addresses(&self) -> Result<BTreeMap<String, UserId>, Failure> {
        let mut found = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for (room, id) in [(Room::Accounts, "accountId"), (Room::Identities, "userId")] {
            for stored in self.ports.store.documents().find(room, &Filter::all()).await? {
                let text = |path: &str| stored.body.pointer(path).and_then(Value::as_str);
                let email =
                    text("/email").or_else(|| text("/profile/email")).unwrap_or_default().to_lowercase();
                let Some(id) = text(&format!("/{id}")).and_then(|id| UserId::parse(id).ok()) else {
                    continue;
                };
                if !email.is_empty()
                    && found.insert(email.clone(), id.clone()).is_some_and(|other| other != id)
                {
                    twice.insert(email);
                }
            }
        }
        // An address of two people names nobody.
        found.retain(|email, _| !twice.contains(email));
        Ok(found)
    }

    /// Accounts and members of groups whom the issuer does not know and no line speaks of.
    async fn unmapped(
        &self,
        entries: &[UserInfo],
        groups: &[Group],
        spoken_of: &BTreeSet<UserId>,
    ) -> Result<Vec<Unmapped>, Failure> {
        let mut known: BTreeMap<&UserId, Option<&UserInfo>> =
            groups.iter().flat_map(|group| &group.assigned_users).map(|id| (id, None)).collect();
        known.extend(
            entries.iter().filter(|entry| !entry.internal).map(|entry| (&entry.user_id, Some(entry))),
        );
        known.retain(|id, _| !spoken_of.contains(*id) && **id != UserId::anonymous());
        let mut unmapped = Vec::new();
        for (id, entry) in known {
            if self.ports.identity.profile(id).await?.is_some() {
                continue;
            }
            let named = groups.iter().filter(|group| group.assigned_users.contains(id));
            unmapped.push(Unmapped {
                user_id: id.clone(),
                role: entry.map(|entry| entry.role.name()),
                active: entry.is_some_and(|entry| entry.active),
                groups: named.map(|group| group.group_name.clone()).collect(),
            });
        }
        Ok(unmapped)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[rstest::rstest]
    #[case(json!("a"), Some(json!("b")))]
    #[case(json!({"x": "a", "y": "c", "z": "a"}), Some(json!({"x": "b", "y": "c", "z": "b"})))]
    #[case(json!({"a": "c"}), None)]
    #[case(json!(null), None)]
    #[case(json!(["a"]), None)]
    fn a_mapping_names_another_wherever_it_named_somebody(
        #[case] mapping: Value,
        #[case] expected: Option<Value>,
    ) {
        let mut after = mapping.clone();
        assert_eq!(renamed(&mut after, "a", "b"), expected.is_some());
        assert_eq!(after, expected.unwrap_or(mapping));
    }
}

//! An installation in a temporary folder, opened by one process or several, with sources, groups and askers.

use std::collections::BTreeMap;
use std::sync::Arc;

use cv3_backend::blobs::files::FileBlobs;
use cv3_backend::broker::sqlite::SqliteBroker;
use cv3_backend::domain::clock::{Clock, Random, SystemClock, SystemRandom};
use cv3_backend::domain::filter::Filter;
use cv3_backend::domain::ids::{QueryId, SourceId, UserId};
use cv3_backend::domain::sources::{Manifest, PartRef, Source};
use cv3_backend::domain::subjects::Subject;
use cv3_backend::identity::builtin::{Issuer, IssuerSettings};
use cv3_backend::ports::Ports;
use cv3_backend::secrets::Secrets;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::service::auth::{Asker, DataAdmin};
use cv3_backend::service::{Options, Services};
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Change, Room, Store};
use serde_json::{Value, json};

use super::registry::part_of;
use super::world::World;

/// A data folder.
pub struct House(tempfile::TempDir);

/// One process on it.
pub struct Process {
    pub ports: Ports,
    pub services: Services,
}

impl House {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Opens every file anew, as another process does.
    pub async fn open(&self) -> Process {
        let folder = self.0.path();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.join("store.db")).unwrap());
        let master = MasterKey::Generated { path: folder.join("secrets").join("key") };
        let secrets = LocalSecrets::open(&folder.join("secrets").join("keystore"), master).unwrap();
        let secrets: Arc<dyn Secrets> = Arc::new(secrets);
        let identity = Issuer::new(
            store.clone(),
            secrets.clone(),
            clock.clone(),
            random.clone(),
            IssuerSettings::default(),
        );
        let broker = SqliteBroker::open(&folder.join("jobs.db"), &folder.join("run"), clock.clone()).unwrap();
        let ports = Ports {
            store,
            blobs: Arc::new(FileBlobs::open(&folder.join("blobs")).unwrap()),
            broker: Arc::new(broker),
            secrets,
            identity: Arc::new(identity),
            peers: Arc::new(cv3_backend::peers::absent::NoPeers),
            mail: Arc::new(cv3_backend::mail::nowhere::Nowhere),
            terms: Arc::new(World::default()),
            clock,
            random,
        };
        let services = Services::new(ports.clone(), Options::default());
        services.setup.seed().await.unwrap();
        Process { ports, services }
    }
}

impl Process {
    /// A source that is online and has these subjects.
    pub async fn source(&self, name: &str, subjects: &[Subject]) -> SourceId {
        let id = SourceId::parse(name).unwrap();
        let source: Source =
            serde_json::from_value(json!({"sourceId": name, "sourceName": name, "online": true})).unwrap();
        self.ports.store.sources().insert(name, &source).await.unwrap();
        self.commit(&id, subjects).await;
        id
    }

    /// Makes these subjects the next version of a source.
    pub async fn commit(&self, source: &SourceId, subjects: &[Subject]) {
        let store = self.ports.store.subjects();
        let old = store.manifest(source).await.unwrap().unwrap_or_else(|| Manifest::empty(source.clone()));
        let version = old.data_version + 1;
        let changes = subjects.iter().cloned().map(Change::Upsert).collect();
        store.stage(source, version, changes).await.unwrap();
        let bytes = part_of(subjects);
        let size = bytes.len() as u64;
        let stored = self.ports.blobs.put(bytes).await.unwrap();
        let blob = stored.name().to_owned();
        let count = subjects.len() as u64;
        let mut next = old;
        next.parts = vec![PartRef { blob, bytes: size, subjects: count, from: version, to: version }];
        next.data_version = version;
        next.record_count = count;
        next.replaced_at = version;
        store.commit(version - 1, &next).await.unwrap();
    }

    /// Lets the anonymous user ask sources at a level.
    pub async fn grant(&self, level: &str, minimum_count: u64, sources: &[SourceId]) {
        let admin = self.services.auth.operator::<DataAdmin>();
        for group in self.services.groups.list(&admin).await.unwrap() {
            self.services.groups.delete(&admin, &group.group_id).await.unwrap();
        }
        let networks = self.ports.store.networks().find(&Filter::all()).await.unwrap();
        let body = json!({
            "groupName": level, "networkId": networks[0].network_id, "discoveryPolicy": level,
            "assignedUsers": [UserId::ANONYMOUS], "assignedSources": sources, "minimumCount": minimum_count,
        });
        self.services.groups.create(&admin, body).await.unwrap();
    }

    pub async fn budget(&self) -> i64 {
        self.ports.store.users().get(UserId::ANONYMOUS).await.unwrap().unwrap().budget
    }

    pub async fn refill(&self, budget: i64) {
        let full = |user: &mut cv3_backend::domain::users::UserInfo| {
            user.budget = budget;
            Ok::<(), cv3_backend::store::StoreError>(())
        };
        self.ports.store.users().update(UserId::ANONYMOUS, full).await.unwrap();
    }

    /// Ids of what was paid for.
    pub async fn charges(&self) -> Vec<String> {
        self.stored(Room::Charges, &Filter::all()).await.into_iter().map(|(id, _)| id).collect()
    }

    pub async fn stored(&self, room: Room, filter: &Filter) -> Vec<(String, Value)> {
        let found = self.ports.store.documents().find(room, filter).await.unwrap();
        found.into_iter().map(|stored| (stored.id, stored.body)).collect()
    }

    /// Asks as the anonymous user and has the query run here.
    pub async fn ask(&self, question: &Value) -> QueryId {
        let user = self.ports.store.users().get(UserId::ANONYMOUS).await.unwrap().unwrap();
        let asker = Asker::Anonymous(user);
        let network = self.services.networks.chosen(&asker, None).await.unwrap();
        let queries = &self.services.queries;
        let id = queries.ask(&self.services.auth, &asker, &network, question.to_string()).await.unwrap();
        queries.run(&self.services.auth.inside(), &id, false).await.unwrap();
        id
    }

    /// What the sources said, by source.
    pub async fn answers(&self, question: &Value) -> BTreeMap<String, Value> {
        let id = self.ask(question).await;
        let entry = self.services.queries.entry(None, &id).await.unwrap();
        assert_eq!(entry["status"]["state"], "complete", "{entry}");
        let answers = entry["responses"][0]["messageData"].as_array().unwrap();
        answers.iter().map(|a| (a["sourceId"].as_str().unwrap().to_owned(), a.clone())).collect()
    }

    /// What the only source said.
    pub async fn answer(&self, question: &Value) -> Value {
        self.answers(question).await.into_values().next().unwrap()
    }
}

/// `count` subjects; subject number n is n years old and is what `more` makes of it.
pub fn subjects(count: usize, more: impl Fn(usize) -> Value) -> Vec<Subject> {
    let subject = |n: usize| {
        let mut document = json!({"subjectId": format!("s{n:04}"), "_demo": {"age": n % 90}});
        document.as_object_mut().unwrap().extend(more(n).as_object().unwrap().clone());
        serde_json::from_value(document).unwrap()
    };
    (0..count).map(subject).collect()
}

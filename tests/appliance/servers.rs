//! An installation on servers, services apart: on those that an operator of the original runs, MongoDB, Redis and Vault at
//! once, and on PostgreSQL and Redis.
//!
//! Where `CV3_TEST_SERVICES` names not all of them, a test says so and does nothing. Which products stand in for MongoDB
//! and Vault is in the words it prints.

use mongodb::bson::{Document, doc};
use serde_json::json;

use crate::oracle::made_packets;
use crate::redis::{Apart, answers, found, source_with, sweep};
use crate::support::Installation;
use crate::support::node::text;
use crate::vault::Vault;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_apart_are_one_installation_on_mongodb_redis_and_vault() {
    let (Some(mongodb), Some(redis), Some(vault)) = (found("mongodb"), found("redis"), Vault::find()) else {
        return;
    };
    let word = |name: &str| redis[name].as_str().unwrap();
    let redis = format!("redis://{}:{}@{}:{}/6", word("user"), word("password"), word("host"), redis["port"]);
    sweep(&redis);
    let database = format!("cv3_test_{}", uuid::Uuid::new_v4().simple());
    let url = text(&mongodb, "url");
    let config = json!({
        "MongoDB": {"Host": url, "Database": database, "User": ""},
        "Redis": {"Host": redis},
        "Vault": vault.section().await,
    });
    let installation = Installation::empty();
    installation.configure(config);
    installation.add_user("developer", "ada");

    let apart = Apart::start(&installation).await;
    let packets = made_packets(120);
    let source = source_with(&apart.ada, &packets).await;
    answers(&apart.ada, &source, &packets).await;
    for kept_here in ["store.db", "jobs.db", "secrets"] {
        assert!(!installation.data().join(kept_here).exists(), "{kept_here} is kept elsewhere");
    }

    // As the original keeps them: a document a subject, in a collection of the source, beside the rooms.
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    let held = client.database(&database);
    let subjects = held.collection::<Document>(&format!("sources.{source}"));
    assert_eq!(subjects.count_documents(doc! { "subjectId": { "$type": "string" } }).await.unwrap(), 120);
    let sources = held.collection::<Document>("sources");
    assert_eq!(sources.count_documents(doc! { "sourceId": &source }).await.unwrap(), 1);

    // What was acknowledged is there for processes that start later.
    apart.end().await;
    let everything = installation.serve().start().await;
    answers(&everything.client("ada").await, &source, &packets).await;
    everything.stop().await;
    held.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_apart_are_one_installation_on_postgresql_and_redis() {
    let (Some(postgresql), Some(redis)) = (found("postgresql"), found("redis")) else { return };
    let word = |name: &str| redis[name].as_str().unwrap();
    let redis = format!("redis://{}:{}@{}:{}/7", word("user"), word("password"), word("host"), redis["port"]);
    sweep(&redis);
    let (url, schema) = (text(&postgresql, "url"), format!("cv3_test_{}", uuid::Uuid::new_v4().simple()));
    let installation = Installation::empty();
    let section = json!({"Host": url, "Schema": schema, "MaxConnections": 6});
    installation.configure(json!({"PostgreSQL": section, "Redis": {"Host": redis}}));
    installation.add_user("developer", "ada");

    let apart = Apart::start(&installation).await;
    let packets = made_packets(120);
    let source = source_with(&apart.ada, &packets).await;
    answers(&apart.ada, &source, &packets).await;
    for kept_here in ["store.db", "jobs.db"] {
        assert!(!installation.data().join(kept_here).exists(), "{kept_here} is kept elsewhere");
    }

    let (held, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    held.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    let key = "SELECT key FROM subject_sources WHERE source = $1 AND folded = data_version";
    let key: i64 = held.query_one(key, &[&source]).await.unwrap().get(0);
    let subjects = format!("SELECT count(*) FROM subjects_{key} WHERE body IS NOT NULL");
    assert_eq!(held.query_one(&subjects, &[]).await.unwrap().get::<_, i64>(0), 120);
    let sources = "SELECT count(*) FROM doc_sources WHERE body::jsonb ->> 'sourceId' = $1";
    assert_eq!(held.query_one(sources, &[&source]).await.unwrap().get::<_, i64>(0), 1);

    // What was acknowledged is there for processes that start later.
    apart.end().await;
    let everything = installation.serve().start().await;
    answers(&everything.client("ada").await, &source, &packets).await;
    everything.stop().await;
    held.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

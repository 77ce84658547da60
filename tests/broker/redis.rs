//! The broker in Redis: the promises on one server, encrypted and on a cluster, and what only it does.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::redis::{RedisBroker, RedisSettings, Time};
use cv3_backend::broker::{Broker, BrokerError, JobState, NewJob, Notice, Queue, Verdict};
use serde_json::{Value, json};

use crate::servers::{Own, PASSWORD, PATIENCE, RedisRig, connections, own_cluster, plain};
use crate::suite;

const Q: Queue = Queue::DatabaseManager;

mod single {
    crate::suite::every_promise!(crate::servers::RedisRig::single());
}

mod cluster {
    crate::suite::every_promise!(crate::servers::RedisRig::cluster());
}

/// Asks again until there is a value.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

async fn refused(settings: RedisSettings) -> BrokerError {
    let opening = tokio::time::timeout(PATIENCE, RedisBroker::open(settings, Time::Server));
    opening.await.expect("opening hangs").expect_err("it should be refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_and_notices_go_over_an_encrypted_connection() {
    let (Some(rig), Some(open)) = (RedisRig::encrypted(), RedisRig::single()) else { return };
    let broker = rig.open_with_its_time().await;
    let mut notices = broker.subscribe();
    let there = RedisSettings { namespace: rig.settings.namespace.clone(), ..open.settings.clone() };
    let there = RedisBroker::open(there, Time::Server).await.unwrap();
    let id = there.enqueue(suite::job(Some("s"), json!({"x": 1}))).await.unwrap();
    assert_eq!(broker.take(Q, "w").await.unwrap().unwrap().job_id, id);
    assert!(broker.finish(&id, "w", Verdict::Done).await.unwrap());
    let notice = Notice { topic: "user".to_owned(), subject: "7".to_owned() };
    there.publish(notice.clone()).await.unwrap();
    assert_eq!(notices.recv().await.unwrap(), notice);

    // One that nobody vouches for is not talked to.
    let strange = include_bytes!("../outbound/keys/throw-away-authority.pem").to_vec();
    let error = refused(RedisSettings { authorities: Some(strange), ..rig.settings.clone() }).await;
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_lose_jobs_is_known_and_used() {
    for rig in [RedisRig::single(), RedisRig::cluster()].into_iter().flatten() {
        let broker = rig.open_with_its_time().await;
        assert!(broker.concerns().iter().any(|concern| concern.contains("appendonly")));
        broker.ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_come_in_is_told_at_once_what_to_check() {
    let Some(rig) = RedisRig::single() else { return };
    let wrong = RedisSettings { password: "hunter2".to_owned(), ..rig.settings.clone() };
    let error = refused(wrong).await.to_string();
    assert!(error.contains("Redis at 127.0.0.1:") && error.contains("Redis.Password"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let none = RedisSettings { user: String::new(), password: String::new(), ..rig.settings.clone() };
    let error = refused(none).await.to_string();
    assert!(error.contains("Redis.Password"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_not_taken_for_a_cluster_nor_a_cluster_for_a_server() {
    if let Some(rig) = RedisRig::single() {
        let error = refused(RedisSettings { cluster: true, ..rig.settings.clone() }).await.to_string();
        assert!(error.contains("is no cluster"), "{error}");
    }
    if let Some(rig) = RedisRig::cluster() {
        let first = rig.settings.host.split(',').next().unwrap().to_owned();
        let one = RedisSettings { cluster: false, host: first, ..rig.settings.clone() };
        let error = refused(one).await.to_string();
        assert!(error.contains("set Redis.Cluster"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_or_says_nothing_ends_the_start() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at =
        |port, cluster| RedisSettings { port, cluster, password: "hunter2".to_owned(), ..plain("127.0.0.1") };
    let silent_port = silent.local_addr().unwrap().port();
    let (one, two, three) =
        tokio::join!(refused(at(closed, false)), refused(at(silent_port, false)), refused(at(closed, true)));
    for (error, port) in [(one, closed), (two, silent_port), (three, closed)] {
        assert!(matches!(error, BrokerError::Unavailable(_)), "{error}");
        let error = error.to_string();
        assert!(
            error.contains(&format!("Redis at 127.0.0.1:{port}")) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_a_little_later_is_waited_for() {
    let Some(mut own) = Own::new() else { return };
    let opening = tokio::spawn(RedisBroker::open(own.settings(), Time::Server));
    tokio::task::yield_now().await;
    tokio::task::block_in_place(|| own.start());
    opening.await.unwrap().unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_killed_server_loses_no_acknowledged_job_and_is_used_again_when_it_is_back() {
    let Some(mut own) = Own::new() else { return };
    tokio::task::block_in_place(|| own.start());
    let open = async || Arc::new(RedisBroker::open(own.settings(), Time::Server).await.unwrap());
    let (broker, other) = (open().await, open().await);
    let mut notices = other.subscribe();
    let held = broker.enqueue(suite::job(Some("s"), Value::Null)).await.unwrap();
    assert_eq!(broker.take(Q, "w").await.unwrap().unwrap().job_id, held);
    let lock = broker.lock("install", "p", PATIENCE).await.unwrap().unwrap();

    // It is killed while somebody is still giving it jobs.
    let giving = tokio::spawn({
        let broker = Arc::clone(&other);
        async move {
            let mut acknowledged = Vec::new();
            loop {
                match broker.enqueue(suite::job(None, Value::Null)).await {
                    Ok(id) => acknowledged.push(id),
                    Err(error) => return (acknowledged, error),
                }
            }
        }
    });
    eventually("some jobs", async || {
        (broker.jobs(JobState::Waiting, 50).await.unwrap().len() == 50).then_some(())
    })
    .await;
    tokio::task::block_in_place(|| own.kill());
    let (acknowledged, error) = giving.await.unwrap();
    assert!(matches!(error, BrokerError::Unavailable(_)), "{error}");

    // Nothing is taken for absent while it is away.
    for error in [
        broker.job(&held).await.unwrap_err(),
        broker.cache_get("x").await.unwrap_err(),
        broker.counters("").await.unwrap_err(),
        broker.lock("install", "q", PATIENCE).await.unwrap_err(),
        broker.finish(&held, "w", Verdict::Done).await.unwrap_err(),
        broker.ping().await.unwrap_err(),
    ] {
        let BrokerError::Unavailable(said) = error else { panic!("{error:?}") };
        assert!(
            said.contains(&format!("Redis at 127.0.0.1:{}", own.port)) && !said.contains(PASSWORD),
            "{said}"
        );
    }

    tokio::task::block_in_place(|| own.start());
    eventually("the connection", async || broker.ping().await.ok()).await;
    eventually("the other's connection", async || other.ping().await.ok()).await;
    let mut given = BTreeSet::new();
    while let Some(job) = other.take(Q, "heir").await.unwrap() {
        given.insert(job.job_id);
    }
    assert!(!given.contains(&held), "its lease still lasts");
    assert!(acknowledged.len() >= 50 && acknowledged.iter().all(|id| given.contains(id)));
    assert!(broker.finish(&held, "w", Verdict::Done).await.unwrap());
    assert_eq!(other.job(&held).await.unwrap().unwrap().state, JobState::Done);
    assert_eq!(other.lock("install", "q", PATIENCE).await.unwrap(), None);
    assert!(broker.lock("install", "p", PATIENCE).await.unwrap().unwrap() > lock);

    // Notices are heard again as well.
    eventually("a notice", async || {
        let notice = Notice { topic: "index".to_owned(), subject: "again".to_owned() };
        broker.publish(notice.clone()).await.unwrap();
        (notices.try_recv().ok()? == notice).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_cluster_is_used_on_while_each_of_its_nodes_is_away_in_turn() {
    let Some(mut nodes) = tokio::task::block_in_place(own_cluster) else { return };
    // The others are learnt from the one that is configured.
    let settings = RedisSettings { cluster: true, port: nodes[0].port, ..plain("127.0.0.1") };
    let open = async || RedisBroker::open(settings.clone(), Time::Server).await.unwrap();
    let (broker, other) = (open().await, open().await);
    let mut notices = other.subscribe();
    let mut acknowledged = BTreeSet::new();
    let (mut refused, mut accepted) = (0, 0);
    for (number, node) in nodes.iter_mut().enumerate() {
        tokio::task::block_in_place(|| node.kill());
        for queue in Queue::ALL {
            let job = NewJob { queue, ..suite::job(None, Value::Null) };
            match tokio::time::timeout(PATIENCE, broker.enqueue(job)).await.expect("a call hangs") {
                Ok(id) => {
                    accepted += 1;
                    acknowledged.insert(id);
                }
                Err(BrokerError::Unavailable(said)) => {
                    refused += 1;
                    assert!(said.contains("Redis at 127.0.0.1:"), "{said}");
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        // A notice finds its way around the one that is away.
        eventually("a notice", async || {
            let notice = Notice { topic: "index".to_owned(), subject: number.to_string() };
            let _ = broker.publish(notice.clone()).await;
            std::iter::from_fn(|| notices.try_recv().ok()).any(|heard| heard == notice).then_some(())
        })
        .await;
        tokio::task::block_in_place(|| node.start());
        for broker in [&broker, &other] {
            eventually("the node", async || broker.ping().await.ok()).await;
        }
    }
    assert!(refused > 0 && accepted > 0, "{refused} {accepted}");
    let mut given = BTreeSet::new();
    for queue in Queue::ALL {
        while let Some(job) = other.take(queue, "w").await.unwrap() {
            given.insert(job.job_id);
        }
    }
    assert!(given.is_superset(&acknowledged));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_names_that_start_with_ours_are_touched() {
    let Some(mut own) = Own::new() else { return };
    tokio::task::block_in_place(|| own.start());
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/", own.port);
    let mut behind = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("SET").arg("celery").arg("theirs").exec(&mut behind).unwrap();
    let broker = RedisBroker::open(own.settings(), Time::Server).await.unwrap();
    assert!(broker.concerns().is_empty(), "it keeps what it acknowledged: {:?}", broker.concerns());
    let use_it = async || {
        for key in [Some("s"), Some("s"), None] {
            broker.enqueue(suite::job(key, Value::Null)).await.unwrap();
        }
        let job = broker.take(Q, "w").await.unwrap().unwrap();
        broker.finish(&job.job_id, "w", Verdict::Failed("x".to_owned())).await.unwrap();
        broker.take(Q, "w").await.unwrap().unwrap();
        broker.cache_put("k", b"v", PATIENCE).await.unwrap();
        broker.count("c", 1, Some(PATIENCE)).await.unwrap();
        broker.lock("l", "p", PATIENCE).await.unwrap().unwrap();
        broker.prune(Duration::ZERO).await.unwrap();
    };
    use_it().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut behind).unwrap();
    assert!(keys.len() > 10, "{keys:?}");
    assert!(keys.iter().all(|key| key == "celery" || key.starts_with("cv3b:")), "{keys:?}");
    let theirs: String = redis::cmd("GET").arg("celery").query(&mut behind).unwrap();
    assert_eq!(theirs, "theirs");

    // A server that forgot the scripts is told them again.
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut behind).unwrap();
    use_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_refuses_new_jobs_and_lets_those_it_has_end() {
    let Some(mut own) = Own::new() else { return };
    tokio::task::block_in_place(|| own.start());
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/", own.port);
    let mut behind = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut limit = |bytes: &str| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut behind).unwrap();
    };
    let broker = RedisBroker::open(own.settings(), Time::Server).await.unwrap();
    let first = broker.enqueue(suite::job(Some("s"), Value::Null)).await.unwrap();
    let second = broker.enqueue(suite::job(Some("s"), Value::Null)).await.unwrap();
    limit("1");
    let error = broker.enqueue(suite::job(Some("s"), Value::Null)).await.unwrap_err();
    assert!(matches!(error, BrokerError::Unavailable(_)), "{error:?}");
    for id in [first, second] {
        assert_eq!(broker.take(Q, "w").await.unwrap().unwrap().job_id, id);
        assert_eq!(broker.take(Q, "w").await.unwrap(), None);
        assert!(broker.finish(&id, "w", Verdict::Done).await.unwrap());
    }
    limit("0");
    let third = broker.enqueue(suite::job(Some("s"), Value::Null)).await.unwrap();
    assert_eq!(broker.take(Q, "w").await.unwrap().unwrap().job_id, third);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_and_lives_go_by_the_servers_time() {
    for rig in [RedisRig::single(), RedisRig::cluster()].into_iter().flatten() {
        let broker = rig.open_with_its_time().await;
        let id = broker.enqueue(suite::job(None, Value::Null)).await.unwrap();
        let job = broker.take(Q, "w").await.unwrap().unwrap();
        assert!(
            (chrono::TimeDelta::zero()..chrono::TimeDelta::minutes(10))
                .contains(&(job.updated_at - job.created_at))
        );
        assert_eq!(broker.take(Q, "heir").await.unwrap(), None, "a lease lasts");
        let soon = Verdict::Later("busy".to_owned(), Duration::from_millis(50));
        assert!(broker.finish(&id, "w", soon).await.unwrap());
        let again = eventually("the pause", async || broker.take(Q, "w").await.unwrap()).await;
        assert_eq!(again.job_id, id);

        let short = Duration::from_millis(50);
        broker.cache_put("short", b"1", short).await.unwrap();
        broker.cache_put("long", b"1", PATIENCE).await.unwrap();
        broker.lock("short", "p", short).await.unwrap().unwrap();
        broker.count("short", 1, Some(short)).await.unwrap();
        eventually("the cache", async || broker.cache_get("short").await.unwrap().is_none().then_some(()))
            .await;
        eventually("the lock", async || broker.lock("short", "q", PATIENCE).await.unwrap()).await;
        eventually("the counter", async || broker.counters("sh").await.unwrap().is_empty().then_some(()))
            .await;
        assert!(broker.cache_get("long").await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_counters_are_exact_and_many_are_listed() {
    for rig in [RedisRig::single(), RedisRig::cluster()].into_iter().flatten() {
        let broker = rig.open_with_its_time().await;
        assert_eq!(broker.count("large", i64::MAX - 1, None).await.unwrap(), i64::MAX - 1);
        assert_eq!(broker.count("large", 1, None).await.unwrap(), i64::MAX);
        assert!(broker.count("large", 1, None).await.is_err(), "it does not turn over");
        let many = (0..2_500).map(|number| format!("many/{number:04}\u{10ffff}"));
        let counting = many.clone().map(|key| {
            let broker = &broker;
            async move { broker.count(&key, 2, None).await.unwrap() }
        });
        futures_util::future::join_all(counting).await;
        let listed = broker.counters("many/").await.unwrap();
        assert_eq!(listed, many.map(|key| (key, 2)).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_on_our_channels_and_is_none_of_ours_is_ignored() {
    let Some(rig) = RedisRig::single() else { return };
    let broker = rig.open_with_its_time().await;
    let mut notices = broker.subscribe();
    let mut behind = connections(&rig.settings).remove(0);
    for channel in ["notices", "wakes"] {
        for noise in [&b""[..], b"\xff\xfe", b"{\"topic\":", b"no-queue", &[b'x'; 100_000]] {
            let channel = format!("cv3b:{}:{channel}", rig.settings.namespace);
            let heard: i64 = redis::cmd("PUBLISH").arg(channel).arg(noise).query(&mut behind).unwrap();
            assert_eq!(heard, 1);
        }
    }
    let notice = Notice { topic: "user".to_owned(), subject: "after".to_owned() };
    rig.open_with_its_time().await.publish(notice.clone()).await.unwrap();
    assert_eq!(notices.recv().await.unwrap(), notice);
}

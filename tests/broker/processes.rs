//! Brokers over real processes: this test binary starts itself again and is killed.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::redis::{RedisBroker, RedisSettings, Time};
use cv3_backend::broker::{Broker, JobState, LEASE, Notice, Queue};
use cv3_backend::domain::clock::{Clock, FixedClock, SystemClock};
use serde_json::{Value, json};

use crate::servers::{RedisRig, plain};
use crate::sqlite::open_in;
use crate::suite;

/// Names the installation to a child process.
const INSTALLATION: &str = "CV3_TEST_BROKER_INSTALLATION";
/// What precedes each line that the child tells; the test harness writes lines of its own.
const TOLD: &str = "told: ";

const Q: Queue = Queue::DatabaseManager;

fn start(part: &str, installation: &Value) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("processes::{part}"), "--nocapture", "--include-ignored"])
        .env(INSTALLATION, installation.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn heard(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    loop {
        let line = lines.next().expect("the child process ended early").unwrap();
        if let Some((_, told)) = line.split_once(TOLD) {
            return told.to_owned();
        }
    }
}

/// How a child is told of an installation in Redis.
fn described(settings: &RedisSettings) -> Value {
    json!({"host": settings.host, "port": settings.port, "cluster": settings.cluster, "user": settings.user,
        "password": settings.password, "namespace": settings.namespace})
}

/// Opens what an installation is described as; without a clock by the time of the machine or the server.
async fn open(installation: &Value, clock: Option<Arc<dyn Clock>>) -> Arc<dyn Broker> {
    if let Some(data) = installation.as_str() {
        return Arc::new(open_in(Path::new(data), clock.unwrap_or_else(|| Arc::new(SystemClock))));
    }
    let text = |name: &str| installation[name].as_str().unwrap().to_owned();
    let settings = RedisSettings {
        port: installation["port"].as_u64().unwrap().try_into().unwrap(),
        cluster: installation["cluster"].as_bool().unwrap(),
        user: text("user"),
        password: text("password"),
        namespace: text("namespace"),
        ..plain(&text("host"))
    };
    Arc::new(RedisBroker::open(settings, clock.map_or(Time::Server, Time::Clock)).await.unwrap())
}

/// Of a child process: the broker it works with.
async fn opened() -> Option<Arc<dyn Broker>> {
    let installation = std::env::var(INSTALLATION).ok()?;
    Some(open(&serde_json::from_str(&installation).unwrap(), None).await)
}

/// Enqueues without end, telling each acknowledged job, and holds the first one.
#[tokio::test]
#[ignore = "the part of a child process"]
async fn child_that_enqueues_and_takes() {
    let Some(broker) = opened().await else { return };
    for number in 0_u64.. {
        let id = broker.enqueue(suite::job(None, json!(number))).await.unwrap();
        println!("{TOLD}{id}");
        if number == 0 {
            broker.take(Q, "victim/1").await.unwrap().unwrap();
        }
    }
}

async fn a_killed_worker_loses_its_job_after_the_lease_and_no_acknowledged_job_is_lost(installation: &Value) {
    let (mut child, mut lines) = start("child_that_enqueues_and_takes", installation);
    let mut acknowledged: Vec<String> = (0..25).map(|_| heard(&mut lines)).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| {
        // The last line may have been cut off.
        line.strip_prefix(TOLD).filter(|told| told.len() == 36).map(str::to_owned)
    }));

    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let broker = open(installation, Some(Arc::clone(&clock) as _)).await;
    let mut given = Vec::new();
    while let Some(job) = broker.take(Q, "heir").await.unwrap() {
        given.push(job.job_id.to_string());
    }
    let (held, others) = acknowledged.split_first().unwrap();
    assert!(!given.contains(held), "the lease of the killed worker still lasts");
    assert!(others.iter().all(|id| given.contains(id)));

    clock.advance(LEASE);
    let orphan = broker.take(Q, "heir").await.unwrap().unwrap();
    assert_eq!(
        (orphan.job_id.as_str(), orphan.attempts, orphan.state),
        (held.as_str(), 2, JobState::Running)
    );
}

/// Tells what it takes and hears.
#[tokio::test]
#[ignore = "the part of a child process"]
async fn child_that_works_and_listens() {
    let Some(broker) = opened().await else { return };
    let mut notices = broker.subscribe();
    println!("{TOLD}ready");
    loop {
        while let Some(job) = broker.take(Q, "child").await.unwrap() {
            println!("{TOLD}{}", job.payload);
            broker.finish(&job.job_id, "child", cv3_backend::broker::Verdict::Done).await.unwrap();
        }
        tokio::select! {
            notice = notices.recv() => println!("{TOLD}{}", notice.unwrap().subject),
            () = broker.wait(Q) => {}
        }
    }
}

async fn jobs_and_notices_reach_another_process(installation: &Value) {
    let broker = open(installation, None).await;
    let (mut child, mut lines) = start("child_that_works_and_listens", installation);
    assert_eq!(heard(&mut lines), "ready");
    for number in 0..20 {
        let id = broker.enqueue(suite::job(None, json!(number))).await.unwrap();
        assert_eq!(heard(&mut lines), number.to_string());
        let done = async {
            while broker.job(&id).await.unwrap().unwrap().state != JobState::Done {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), done).await.unwrap();
    }
    let notice = Notice { topic: "index".to_owned(), subject: "rebuilt".to_owned() };
    broker.publish(notice).await.unwrap();
    assert_eq!(heard(&mut lines), "rebuilt");
    child.kill().unwrap();
    child.wait().unwrap();
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn a_killed_worker_loses_its_job() {
        let data = tempfile::tempdir().unwrap();
        let installation = json!(data.path());
        a_killed_worker_loses_its_job_after_the_lease_and_no_acknowledged_job_is_lost(&installation).await;
        // Whoever opens the folder clears away the killed process's socket.
        let _next = open(&installation, None).await;
        let sockets = std::fs::read_dir(data.path().join("run")).unwrap().flatten();
        let sockets = sockets.filter(|entry| entry.path().extension().is_some_and(|end| end == "sock"));
        assert_eq!(sockets.count(), 1, "the killed process's socket was removed");
    }

    #[tokio::test]
    async fn jobs_and_notices_reach_another() {
        let data = tempfile::tempdir().unwrap();
        jobs_and_notices_reach_another_process(&json!(data.path())).await;
    }
}

mod redis {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_killed_worker_loses_its_job() {
        for rig in [RedisRig::single(), RedisRig::cluster()].into_iter().flatten() {
            let installation = described(&rig.settings);
            a_killed_worker_loses_its_job_after_the_lease_and_no_acknowledged_job_is_lost(&installation)
                .await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn jobs_and_notices_reach_another() {
        for rig in [RedisRig::single(), RedisRig::cluster()].into_iter().flatten() {
            jobs_and_notices_reach_another_process(&described(&rig.settings)).await;
        }
    }
}

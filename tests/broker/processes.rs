//! The embedded broker over real processes: this test binary starts itself again and is killed.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::{Broker, JobState, LEASE, Notice};
use cv3_backend::domain::clock::{Clock, FixedClock, SystemClock};
use serde_json::json;

use crate::{open_in, suite};

/// Names the data directory to a child process.
const DATA: &str = "CV3_TEST_BROKER_DATA";
/// What precedes each line that the child tells; the test harness writes lines of its own.
const TOLD: &str = "told: ";

fn start(part: &str, data: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("processes::{part}"), "--nocapture", "--include-ignored"])
        .env(DATA, data)
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

/// Enqueues without end, telling each acknowledged job, and holds the first one.
#[tokio::test]
#[ignore = "the part of a child process"]
async fn child_that_enqueues_and_takes() {
    let Ok(data) = std::env::var(DATA) else { return };
    let broker = open_in(Path::new(&data), Arc::new(SystemClock));
    for number in 0_u64.. {
        let id = broker.enqueue(suite::job(None, json!(number))).await.unwrap();
        println!("{TOLD}{id}");
        if number == 0 {
            broker.take(cv3_backend::broker::Queue::DatabaseManager, "victim/1").await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_killed_worker_loses_its_job_after_the_lease_and_no_acknowledged_job_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start("child_that_enqueues_and_takes", data.path());
    let mut acknowledged: Vec<String> = (0..25).map(|_| heard(&mut lines)).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| {
        // The last line may have been cut off.
        line.strip_prefix(TOLD).filter(|told| told.len() == 36).map(str::to_owned)
    }));

    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let broker = open_in(data.path(), Arc::clone(&clock) as _);
    let queue = cv3_backend::broker::Queue::DatabaseManager;
    let mut given = Vec::new();
    while let Some(job) = broker.take(queue, "heir").await.unwrap() {
        given.push(job.job_id.to_string());
    }
    let (held, others) = acknowledged.split_first().unwrap();
    assert!(!given.contains(held), "the lease of the killed worker still lasts");
    assert!(others.iter().all(|id| given.contains(id)));

    clock.advance(LEASE);
    let orphan = broker.take(queue, "heir").await.unwrap().unwrap();
    assert_eq!(
        (orphan.job_id.as_str(), orphan.attempts, orphan.state),
        (held.as_str(), 2, JobState::Running)
    );

    let sockets = std::fs::read_dir(data.path().join("run")).unwrap().flatten();
    let sockets = sockets.filter(|entry| entry.path().extension().is_some_and(|end| end == "sock"));
    assert_eq!(sockets.count(), 1, "the killed process's socket was removed");
}

/// Tells what it takes and hears.
#[tokio::test]
#[ignore = "the part of a child process"]
async fn child_that_works_and_listens() {
    let Ok(data) = std::env::var(DATA) else { return };
    let broker = open_in(Path::new(&data), Arc::new(SystemClock));
    let mut notices = broker.subscribe();
    println!("{TOLD}ready");
    let queue = cv3_backend::broker::Queue::DatabaseManager;
    loop {
        while let Some(job) = broker.take(queue, "child").await.unwrap() {
            println!("{TOLD}{}", job.payload);
            broker.finish(&job.job_id, "child", cv3_backend::broker::Verdict::Done).await.unwrap();
        }
        tokio::select! {
            notice = notices.recv() => println!("{TOLD}{}", notice.unwrap().subject),
            () = broker.wait(queue) => {}
        }
    }
}

#[tokio::test]
async fn jobs_and_notices_reach_another_process() {
    let data = tempfile::tempdir().unwrap();
    let broker = open_in(data.path(), Arc::new(SystemClock));
    let (mut child, mut lines) = start("child_that_works_and_listens", data.path());
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

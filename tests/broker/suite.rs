//! The promises of `trait Broker`, each a function over any rig.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::{Broker, Job, JobState, LEASE, MAX_ATTEMPTS, NewJob, Notice, Queue, Verdict};
use cv3_backend::domain::ids::JobId;
use serde_json::{Value, json};

use super::Rig;

/// Makes a test of each promise for the rig, which does nothing where there is none.
macro_rules! every_promise {
    ($rig:expr) => {
        $crate::suite::every_promise! { $rig;
            jobs_are_given_out_in_order_with_all_they_were_stored_with
            a_queue_sees_only_its_own_jobs
            a_job_is_given_to_one_worker_only
            jobs_with_one_key_never_run_together
            the_same_key_in_another_queue_does_not_wait
            an_orphan_is_given_out_after_its_lease
            a_renewed_lease_lasts_longer
            a_job_started_three_times_without_a_verdict_fails
            a_failed_orphan_frees_its_key
            an_orphan_keeps_its_key_until_it_is_taken_again
            a_worker_that_lost_its_job_writes_nothing
            later_waits_for_its_pause_and_does_not_count
            a_failed_job_stays_until_it_is_restarted
            released_jobs_are_given_out_at_once
            released_jobs_that_started_too_often_fail
            only_ended_jobs_older_than_the_age_are_pruned
            jobs_are_listed_by_state_newest_first
            a_job_enqueued_elsewhere_wakes_a_waiting_worker
            a_finished_job_wakes_the_one_that_waits_for_its_key
            a_wait_ends_by_itself
            the_cache_forgets_after_its_time
            a_counter_adds_up_over_all_processes
            a_counter_with_a_life_starts_again
            counters_are_found_by_the_literal_prefix
            a_lock_has_one_holder_and_growing_numbers
            a_notice_reaches_every_process
            a_live_broker_answers_a_ping
            a_long_line_for_one_key_does_not_hide_the_next_job
            what_is_too_large_or_too_deep_is_refused
        }
    };
    ($rig:expr; $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let Some(rig) = $rig else { return };
            $crate::suite::$promise(&rig).await;
        }
    )*};
}
pub(crate) use every_promise;

const Q: Queue = Queue::DatabaseManager;

pub fn job(key: Option<&str>, payload: Value) -> NewJob {
    NewJob { queue: Q, kind: "ingest".to_owned(), key: key.map(str::to_owned), payload }
}

async fn add(broker: &dyn Broker, key: Option<&str>) -> JobId {
    broker.enqueue(job(key, Value::Null)).await.unwrap()
}

async fn take(broker: &dyn Broker, worker: &str) -> Option<Job> {
    broker.take(Q, worker).await.unwrap()
}

async fn stored(broker: &dyn Broker, id: &JobId) -> Job {
    broker.job(id).await.unwrap().unwrap()
}

pub async fn jobs_are_given_out_in_order_with_all_they_were_stored_with(rig: &impl Rig) {
    let broker = rig.open();
    let payload = json!({"file": "a\u{0}ü\"b", "rows": [1, 2.5, null, true], "deep": {"x": {}}});
    let first = broker.enqueue(job(Some("source 1"), payload.clone())).await.unwrap();
    let second = add(&*broker, None).await;
    assert_eq!(stored(&*broker, &first).await.state, JobState::Waiting);
    let taken = take(&*broker, "w1").await.unwrap();
    assert_eq!(taken, stored(&*broker, &first).await);
    assert_eq!((taken.job_id, taken.queue, taken.kind.as_str()), (first.clone(), Q, "ingest"));
    assert_eq!((taken.key.as_deref(), &taken.payload), (Some("source 1"), &payload));
    assert_eq!((taken.state, taken.attempts, taken.error), (JobState::Running, 1, None));
    assert_eq!(take(&*broker, "w1").await.unwrap().job_id, second);
    assert_eq!(take(&*broker, "w1").await, None);
    assert!(broker.finish(&first, "w1", Verdict::Done).await.unwrap());
    assert_eq!(stored(&*broker, &first).await.state, JobState::Done);
    assert_eq!(broker.job(&JobId::parse("absent").unwrap()).await.unwrap(), None);
}

pub async fn a_queue_sees_only_its_own_jobs(rig: &impl Rig) {
    let broker = rig.open();
    add(&*broker, None).await;
    assert_eq!(broker.take(Queue::QueryCompiler, "w").await.unwrap(), None);
    assert_eq!(broker.take(Queue::QueryMeta, "w").await.unwrap(), None);
    assert!(take(&*broker, "w").await.is_some());
}

pub async fn a_job_is_given_to_one_worker_only(rig: &impl Rig) {
    let brokers = [rig.open(), rig.open()];
    let mut added = BTreeSet::new();
    for number in 0..60 {
        added.insert(add(&*brokers[number % 2], None).await);
    }
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let broker = Arc::clone(&brokers[number % 2]);
            tokio::spawn(async move {
                let (name, mut mine) = (format!("w{number}"), Vec::new());
                while let Some(job) = broker.take(Q, &name).await.unwrap() {
                    mine.push(job.job_id);
                }
                mine
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    assert_eq!(taken.len(), 60);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), added);
}

pub async fn jobs_with_one_key_never_run_together(rig: &impl Rig) {
    let (broker, other) = (rig.open(), rig.open());
    let first = add(&*broker, Some("s1")).await;
    let second = add(&*broker, Some("s1")).await;
    let free = add(&*broker, Some("s2")).await;
    assert_eq!(take(&*broker, "w1").await.unwrap().job_id, first);
    assert_eq!(take(&*other, "w2").await.unwrap().job_id, free);
    assert_eq!(take(&*other, "w3").await, None);
    broker.finish(&first, "w1", Verdict::Failed("no room".to_owned())).await.unwrap();
    assert_eq!(take(&*other, "w3").await.unwrap().job_id, second);
}

pub async fn the_same_key_in_another_queue_does_not_wait(rig: &impl Rig) {
    let broker = rig.open();
    add(&*broker, Some("s1")).await;
    let there = NewJob { queue: Queue::QueryMeta, ..job(Some("s1"), Value::Null) };
    let there = broker.enqueue(there).await.unwrap();
    take(&*broker, "w1").await.unwrap();
    assert_eq!(broker.take(Queue::QueryMeta, "w2").await.unwrap().unwrap().job_id, there);
}

pub async fn an_orphan_is_given_out_after_its_lease(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    take(&*broker, "w1").await.unwrap();
    rig.advance(LEASE - Duration::from_millis(1));
    assert_eq!(take(&*broker, "w2").await, None);
    rig.advance(Duration::from_millis(1));
    let again = take(&*broker, "w2").await.unwrap();
    assert_eq!((&again.job_id, again.attempts), (&id, 2));
    assert!(again.error.unwrap().contains("without a verdict"));
    broker.finish(&id, "w2", Verdict::Done).await.unwrap();
    assert_eq!(stored(&*broker, &id).await.error, None);
}

pub async fn a_renewed_lease_lasts_longer(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    take(&*broker, "w1").await.unwrap();
    rig.advance(LEASE - Duration::from_secs(1));
    assert!(broker.renew(&id, "w1").await.unwrap());
    assert!(!broker.renew(&id, "w2").await.unwrap());
    rig.advance(LEASE - Duration::from_secs(1));
    assert_eq!(take(&*broker, "w2").await, None);
    rig.advance(Duration::from_secs(1));
    assert_eq!(take(&*broker, "w2").await.unwrap().job_id, id);
    assert!(!broker.renew(&id, "w1").await.unwrap());
}

pub async fn a_job_started_three_times_without_a_verdict_fails(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    for attempt in 1..=MAX_ATTEMPTS {
        assert_eq!(take(&*broker, &format!("w{attempt}")).await.unwrap().attempts, attempt);
        rig.advance(LEASE);
    }
    assert_eq!(take(&*broker, "w9").await, None);
    let failed = stored(&*broker, &id).await;
    assert_eq!((failed.state, failed.attempts), (JobState::Failed, MAX_ATTEMPTS));
    let why = failed.error.unwrap();
    assert!(why.contains("started 3 times without a verdict"), "{why}");
    assert!(!broker.finish(&id, "w3", Verdict::Done).await.unwrap());
}

pub async fn a_failed_orphan_frees_its_key(rig: &impl Rig) {
    let broker = rig.open();
    add(&*broker, Some("s")).await;
    let next = add(&*broker, Some("s")).await;
    for _ in 0..MAX_ATTEMPTS {
        take(&*broker, "w").await.unwrap();
        rig.advance(LEASE);
    }
    assert_eq!(take(&*broker, "w").await.unwrap().job_id, next);
}

pub async fn an_orphan_keeps_its_key_until_it_is_taken_again(rig: &impl Rig) {
    let broker = rig.open();
    let paused = add(&*broker, Some("s")).await;
    let running = add(&*broker, Some("s")).await;
    take(&*broker, "w1").await.unwrap();
    broker.finish(&paused, "w1", Verdict::Later("busy".to_owned(), Duration::from_secs(1))).await.unwrap();
    assert_eq!(take(&*broker, "w1").await.unwrap().job_id, running);
    rig.advance(LEASE);
    // Both are due, but what the second one left half done comes first.
    assert_eq!(take(&*broker, "w2").await.unwrap().job_id, running);
    assert_eq!(take(&*broker, "w3").await, None);
}

pub async fn a_worker_that_lost_its_job_writes_nothing(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    take(&*broker, "slow").await.unwrap();
    rig.advance(LEASE);
    take(&*broker, "quick").await.unwrap();
    let before = stored(&*broker, &id).await;
    for verdict in [Verdict::Done, Verdict::Failed("x".to_owned()), Verdict::Later("x".to_owned(), LEASE)] {
        assert!(!broker.finish(&id, "slow", verdict).await.unwrap());
    }
    assert_eq!(stored(&*broker, &id).await, before);
    assert!(broker.finish(&id, "quick", Verdict::Done).await.unwrap());
    assert!(!broker.finish(&id, "quick", Verdict::Done).await.unwrap());
}

pub async fn later_waits_for_its_pause_and_does_not_count(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    for _ in 0..=MAX_ATTEMPTS {
        assert_eq!(take(&*broker, "w").await.unwrap().attempts, 1);
        let later = Verdict::Later("vault is sealed".to_owned(), Duration::from_secs(5));
        assert!(broker.finish(&id, "w", later).await.unwrap());
        let waiting = stored(&*broker, &id).await;
        assert_eq!((waiting.state, waiting.attempts), (JobState::Waiting, 0));
        assert_eq!(waiting.error.as_deref(), Some("vault is sealed"));
        rig.advance(Duration::from_millis(4_999));
        assert_eq!(take(&*broker, "w").await, None);
        rig.advance(Duration::from_millis(1));
    }
    let endless = Verdict::Later("never".to_owned(), Duration::MAX);
    take(&*broker, "w").await.unwrap();
    assert!(broker.finish(&id, "w", endless).await.unwrap());
    assert_eq!(take(&*broker, "w").await, None);
}

pub async fn a_failed_job_stays_until_it_is_restarted(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    assert!(!broker.restart(&id).await.unwrap());
    take(&*broker, "w").await.unwrap();
    assert!(!broker.restart(&id).await.unwrap());
    broker.finish(&id, "w", Verdict::Failed("no such file".to_owned())).await.unwrap();
    rig.advance(LEASE * 100);
    assert_eq!(take(&*broker, "w").await, None);
    assert_eq!(stored(&*broker, &id).await.error.as_deref(), Some("no such file"));
    assert!(broker.restart(&id).await.unwrap());
    let again = take(&*broker, "w").await.unwrap();
    assert_eq!((again.job_id, again.attempts, again.error), (id, 1, None));
}

pub async fn released_jobs_are_given_out_at_once(rig: &impl Rig) {
    let (old, new) = (rig.open(), rig.open());
    let (mine, other) = (add(&*old, None).await, add(&*old, None).await);
    take(&*old, "host%1/a").await.unwrap();
    take(&*old, "host_2/a").await.unwrap();
    assert_eq!(new.release("host%1/").await.unwrap(), 1);
    assert_eq!(new.release("host%1/").await.unwrap(), 0);
    assert!(!old.finish(&mine, "host%1/a", Verdict::Done).await.unwrap());
    let again = take(&*new, "host%1/b").await.unwrap();
    assert_eq!((again.job_id, again.attempts), (mine, 2));
    assert_eq!(stored(&*new, &other).await.state, JobState::Running);
}

pub async fn released_jobs_that_started_too_often_fail(rig: &impl Rig) {
    let broker = rig.open();
    let id = add(&*broker, None).await;
    for _ in 0..MAX_ATTEMPTS {
        take(&*broker, "p1").await.unwrap();
        assert_eq!(broker.release("p1").await.unwrap(), 1);
    }
    assert_eq!(take(&*broker, "p1").await, None);
    let failed = stored(&*broker, &id).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.error.unwrap().contains("started 3 times"));
}

pub async fn only_ended_jobs_older_than_the_age_are_pruned(rig: &impl Rig) {
    let broker = rig.open();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(add(&*broker, None).await);
    }
    for _ in 0..3 {
        take(&*broker, "w").await.unwrap();
    }
    broker.finish(&ids[0], "w", Verdict::Done).await.unwrap();
    rig.advance(Duration::from_secs(10));
    broker.finish(&ids[1], "w", Verdict::Failed("x".to_owned())).await.unwrap();
    rig.advance(Duration::from_secs(1));
    assert_eq!(broker.prune(Duration::from_secs(100)).await.unwrap(), 0);
    assert_eq!(broker.prune(Duration::MAX).await.unwrap(), 0);
    assert_eq!(broker.prune(Duration::from_secs(5)).await.unwrap(), 1);
    assert_eq!(broker.job(&ids[0]).await.unwrap(), None);
    assert_eq!(broker.prune(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(stored(&*broker, &ids[2]).await.state, JobState::Running);
    assert_eq!(stored(&*broker, &ids[3]).await.state, JobState::Waiting);
}

pub async fn jobs_are_listed_by_state_newest_first(rig: &impl Rig) {
    let broker = rig.open();
    let (one, two, three) = (add(&*broker, None).await, add(&*broker, None).await, add(&*broker, None).await);
    take(&*broker, "w").await.unwrap();
    let ids = async |state, limit| {
        let jobs = broker.jobs(state, limit).await.unwrap();
        jobs.into_iter().map(|job| job.job_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(JobState::Waiting, 10).await, [three.clone(), two]);
    assert_eq!(ids(JobState::Waiting, 1).await, [three]);
    assert_eq!(ids(JobState::Running, 10).await, [one]);
    assert!(ids(JobState::Done, 10).await.is_empty());
}

/// Takes a job as a worker does: look, wait, look again.
async fn take_when_woken(broker: Arc<dyn Broker>) -> Job {
    loop {
        if let Some(job) = take(&*broker, "woken").await {
            return job;
        }
        broker.wait(Q).await;
    }
}

pub async fn a_job_enqueued_elsewhere_wakes_a_waiting_worker(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let worker = tokio::spawn(take_when_woken(there));
    let id = add(&*here, None).await;
    assert_eq!(worker.await.unwrap().job_id, id);
}

pub async fn a_finished_job_wakes_the_one_that_waits_for_its_key(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let first = add(&*here, Some("s")).await;
    let second = add(&*here, Some("s")).await;
    take(&*here, "w").await.unwrap();
    let worker = tokio::spawn(take_when_woken(there));
    here.finish(&first, "w", Verdict::Done).await.unwrap();
    assert_eq!(worker.await.unwrap().job_id, second);
}

pub async fn a_wait_ends_by_itself(rig: &impl Rig) {
    rig.open().wait(Q).await;
}

pub async fn the_cache_forgets_after_its_time(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let ttl = Duration::from_secs(30);
    assert_eq!(here.cache_get("token").await.unwrap(), None);
    here.cache_put("token", b"\0\xff yes", ttl).await.unwrap();
    assert_eq!(there.cache_get("token").await.unwrap().as_deref(), Some(&b"\0\xff yes"[..]));
    rig.advance(ttl - Duration::from_millis(1));
    assert!(there.cache_get("token").await.unwrap().is_some());
    there.cache_put("token", b"", ttl).await.unwrap();
    rig.advance(ttl - Duration::from_millis(1));
    assert_eq!(here.cache_get("token").await.unwrap().as_deref(), Some(&b""[..]));
    rig.advance(Duration::from_millis(1));
    assert_eq!(here.cache_get("token").await.unwrap(), None);
    here.cache_put("token", b"new", ttl).await.unwrap();
    here.cache_delete("token").await.unwrap();
    here.cache_delete("token").await.unwrap();
    assert_eq!(there.cache_get("token").await.unwrap(), None);
}

pub async fn a_counter_adds_up_over_all_processes(rig: &impl Rig) {
    let brokers = [rig.open(), rig.open()];
    let adding: Vec<_> = (0..40)
        .map(|number| {
            let broker = Arc::clone(&brokers[number % 2]);
            tokio::spawn(async move { broker.count("requests", 2, None).await.unwrap() })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for one in adding {
        seen.insert(one.await.unwrap());
    }
    assert_eq!(seen, (1..=40).map(|number| number * 2).collect());
    assert_eq!(brokers[0].count("requests", -80, None).await.unwrap(), 0);
}

pub async fn a_counter_with_a_life_starts_again(rig: &impl Rig) {
    let broker = rig.open();
    let life = Some(Duration::from_secs(60));
    assert_eq!(broker.count("tries", 1, life).await.unwrap(), 1);
    rig.advance(Duration::from_secs(59));
    assert_eq!(broker.count("tries", 1, life).await.unwrap(), 2);
    assert_eq!(broker.counters("tries").await.unwrap(), [("tries".to_owned(), 2)]);
    rig.advance(Duration::from_secs(1));
    assert!(broker.counters("tries").await.unwrap().is_empty());
    assert_eq!(broker.count("tries", 5, life).await.unwrap(), 5);
    rig.advance(Duration::from_secs(59));
    assert_eq!(broker.count("tries", 1, life).await.unwrap(), 6);
}

pub async fn counters_are_found_by_the_literal_prefix(rig: &impl Rig) {
    let broker = rig.open();
    for key in ["a_b", "a_c", "axb", "b", "a%"] {
        broker.count(key, 1, None).await.unwrap();
    }
    let keys = async |prefix| {
        let found = broker.counters(prefix).await.unwrap();
        found.into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(keys("a_").await, ["a_b", "a_c"]);
    assert_eq!(keys("a%").await, ["a%"]);
    assert_eq!(keys("").await.len(), 5);
}

pub async fn a_lock_has_one_holder_and_growing_numbers(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let ttl = Duration::from_secs(10);
    let first = here.lock("install", "p1", ttl).await.unwrap().unwrap();
    assert_eq!(there.lock("install", "p2", ttl).await.unwrap(), None);
    assert!(there.lock("other", "p2", ttl).await.unwrap().is_some());
    there.unlock("install", "p2").await.unwrap();
    assert_eq!(there.lock("install", "p2", ttl).await.unwrap(), None);
    rig.advance(ttl);
    let second = there.lock("install", "p2", ttl).await.unwrap().unwrap();
    assert!(second > first);
    assert_eq!(here.lock("install", "p1", ttl).await.unwrap(), None);
    here.unlock("install", "p1").await.unwrap();
    assert_eq!(here.lock("install", "p1", ttl).await.unwrap(), None);
    there.unlock("install", "p2").await.unwrap();
    let third = here.lock("install", "p1", ttl).await.unwrap().unwrap();
    assert!(third > second);
    assert!(here.lock("install", "p1", ttl).await.unwrap().unwrap() > third);
}

pub async fn a_notice_reaches_every_process(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let (mut own, mut others) = (here.subscribe(), there.subscribe());
    let notice = Notice { topic: "settings".to_owned(), subject: "instance \"ü\"".to_owned() };
    here.publish(notice.clone()).await.unwrap();
    assert_eq!(own.recv().await.unwrap(), notice);
    assert_eq!(others.recv().await.unwrap(), notice);
    let back = Notice { topic: "user".to_owned(), subject: String::new() };
    there.publish(back.clone()).await.unwrap();
    assert_eq!(own.recv().await.unwrap(), back);
}

pub async fn a_live_broker_answers_a_ping(rig: &impl Rig) {
    rig.open().ping().await.unwrap();
}

pub async fn a_long_line_for_one_key_does_not_hide_the_next_job(rig: &impl Rig) {
    let broker = rig.open();
    let first = add(&*broker, Some("s")).await;
    let line = (0..1_500).map(|_| add(&*broker, Some("s")));
    let line: BTreeSet<_> = futures_util::future::join_all(line).await.into_iter().collect();
    let other = add(&*broker, None).await;
    assert_eq!(take(&*broker, "w").await.unwrap().job_id, first);
    assert_eq!(take(&*broker, "w").await.unwrap().job_id, other);
    assert_eq!(take(&*broker, "w").await, None);
    broker.finish(&first, "w", Verdict::Done).await.unwrap();
    assert!(line.contains(&take(&*broker, "w").await.unwrap().job_id));
    assert_eq!(take(&*broker, "w").await, None);
}

pub async fn what_is_too_large_or_too_deep_is_refused(rig: &impl Rig) {
    let broker = rig.open();
    let mut deep = Value::Null;
    for _ in 0..200 {
        deep = Value::Array(vec![deep]);
    }
    assert!(broker.enqueue(job(None, deep)).await.is_err());
    let large = Value::String("x".repeat(17 * 1024 * 1024));
    assert!(broker.enqueue(job(None, large)).await.is_err());
    assert!(broker.cache_put(&"k".repeat(2_000), b"", LEASE).await.is_err());
    assert!(broker.cache_put("k", &vec![0; 17 * 1024 * 1024], LEASE).await.is_err());
    assert!(broker.lock(&"k".repeat(2_000), "p", LEASE).await.is_err());
    assert!(broker.count(&"k".repeat(2_000), 1, None).await.is_err());
    let topic = Notice { topic: "t".repeat(100), subject: String::new() };
    assert!(broker.publish(topic).await.is_err());
    assert!(take(&*broker, "w").await.is_none());
    // What is as large as it may be comes through whole.
    let large = Value::String("x".repeat(15 * 1024 * 1024));
    broker.enqueue(job(None, large.clone())).await.unwrap();
    assert!(take(&*broker, "w").await.unwrap().payload == large);
}

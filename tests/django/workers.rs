//! Jobs on named channels: Python's `runworker` does jobs for Rust, and Rust workers do jobs for Python.

use std::time::Duration;

use channels_runtime::ReplyTo;
use channels_runtime::layer::Untyped;
use channels_runtime::prelude::*;
use serde_json::json;

use crate::peer::Worker;
use crate::rig::{CORE, PUBSUB, Rig, layers, next, worker_takes_jobs};

const JOBS: u32 = 50;

#[event("job")]
struct Job {
    number: u32,
    answer_to: ReplyTo<JobDone>,
}

#[event("job.done")]
struct JobDone {
    number: u32,
}

#[derive(Default)]
struct JobConsumer;

#[consumer]
impl JobConsumer {
    #[handler("job")]
    async fn job(&mut self, cx: &mut Context<Self>, event: &Job) -> Result<()> {
        cx.reply(&event.answer_to, &JobDone { number: event.number }).await
    }
}

async fn python_worker_does_rust_jobs(backend: &'static str) {
    let rig = Rig::start(1);
    let pair = rig.open_alike(backend, "asgi", &json!({})).await;
    let _worker = Worker::start(&layers(backend, &json!({"hosts": rig.hosts(1)})), "jobs-for-python");
    let listens = pair.reader_listens("jobs-for-python");
    tokio::time::timeout(Duration::from_secs(10), listens).await.unwrap();
    let answers = pair.here.new_channel().await.unwrap();
    for number in 0..JOBS {
        let job = json!({"type": "job", "number": number, "answer_to": answers.name().as_str()});
        pair.here.send_raw("jobs-for-python", job).await.unwrap();
    }
    for number in 0..JOBS {
        assert_eq!(next(&answers).await.to_value().unwrap(), json!({"type": "job.done", "number": number}));
    }
    assert!(answers.try_receive().is_none());
    // The same as requests: what Python sends to the channel in the job is the reply.
    let jobs: ChannelName<Untyped> = ChannelName::new("jobs-for-python").unwrap();
    for number in 0..10 {
        let question = |answer_to| Job { number, answer_to };
        let done = pair.here.request(&jobs, Duration::from_secs(10), question).await.unwrap();
        assert_eq!(done.number, number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_worker_over_core_does_rust_jobs() {
    python_worker_does_rust_jobs(CORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_worker_over_pubsub_does_rust_jobs() {
    python_worker_does_rust_jobs(PUBSUB).await;
}

/// Starts as many Rust processes as `workers`, each with a worker on one channel.
async fn rust_workers_do_python_jobs(backend: &'static str, workers: usize) {
    let rig = Rig::start(1);
    let pair = rig.open_alike(backend, "asgi", &json!({})).await;
    let mut working = Vec::new();
    for _ in 0..workers {
        let settings = layers(backend, &json!({"hosts": rig.hosts(1)})).to_string();
        let layer = ChannelLayer::from_json(&settings).await.unwrap();
        let channels = Channels::builder().layer(layer).build().unwrap();
        let worker = channels.worker::<JobConsumer>("jobs-for-rust");
        let stopped = tokio::spawn(async move { worker.run_until(std::future::pending()).await });
        worker_takes_jobs(&channels.channel_layer(), 0).await;
        working.push((channels, stopped));
    }
    let answers = pair.there.new_channel().await;
    let first = pair.there.begin("receive", json!({"channel": answers}));
    pair.reader_listens(&answers).await;
    for number in 0..JOBS {
        let job = json!({"type": "job", "number": number, "answer_to": answers});
        pair.there.send("jobs-for-rust", &job).await.unwrap();
    }
    let mut done = vec![first.await.unwrap()];
    let more = pair.there.call("drain", json!({"channel": answers, "timeout": 0.5})).await;
    done.extend(more.as_array().unwrap().clone());
    // Each job is done once, by any worker.
    let mut numbers: Vec<_> = done.iter().map(|done| done["number"].as_u64().unwrap()).collect();
    if workers > 1 {
        numbers.sort_unstable();
    }
    assert_eq!(numbers, (0..u64::from(JOBS)).collect::<Vec<_>>());
    for (channels, stopped) in working {
        assert!(channels.shutdown(Duration::from_secs(5)).await);
        stopped.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_worker_over_core_does_python_jobs() {
    rust_workers_do_python_jobs(CORE, 1).await;
}

/// With three workers of channels_redis, a third of such jobs are done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_workers_share_python_jobs_without_duplicates() {
    rust_workers_do_python_jobs(CORE, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_worker_over_pubsub_does_python_jobs() {
    rust_workers_do_python_jobs(PUBSUB, 1).await;
}

/// Python publishes each job to every process, and one of the Rust workers runs it. A second Python worker would run it, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_workers_over_pubsub_share_python_jobs_without_duplicates() {
    rust_workers_do_python_jobs(PUBSUB, 3).await;
}

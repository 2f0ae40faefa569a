//! Jobs on named channels: Python's `runworker` for Rust.

use std::time::Duration;

use serde_json::json;

use crate::peer::Worker;
use crate::rig::{CORE, PUBSUB, Rig, layers, next};

const JOBS: u32 = 50;

async fn python_works_for_us(backend: &'static str) {
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_works_for_us_through_core() {
    python_works_for_us(CORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_works_for_us_through_pubsub() {
    python_works_for_us(PUBSUB).await;
}

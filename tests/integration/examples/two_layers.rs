//! `examples/two-layers`: sockets on one layer, a worker on another.

use serde_json::json;

use super::Client;
use crate::support::example::Example;
use crate::support::redis::RedisServer;

async fn worker_result_reaches_all_viewers(flags: &[&str]) {
    let example = Example::start("two-layers", flags);
    let mut ann = Client::connect(&example, "/ws").await;
    let mut bob = Client::connect(&example, "/ws").await;
    ann.say(&json!(84)).await;
    let wanted = json!({"number": 84, "factors": [2, 2, 3, 7]});
    assert_eq!(ann.next_json().await, wanted);
    assert_eq!(bob.next_json().await, wanted);
}

#[tokio::test]
async fn two_layers_worker_result_reaches_viewers_in_memory() {
    worker_result_reaches_all_viewers(&[]).await;
}

#[tokio::test]
async fn two_layers_worker_result_reaches_viewers_over_redis() {
    let redis = RedisServer::start();
    worker_result_reaches_all_viewers(&["--redis", &redis.url()]).await;
}

//! Redis in trouble: killed, hanging, refusing, full, or behind a bad line.

use std::time::Duration;

use channels_runtime::prelude::*;

use crate::redis::{RedisServer, Reply};

/// How long a test waits for what should take a second at most; machines are busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Redis answers and takes messages, but this process hears nothing: what other projects' health checks call healthy.
async fn a_dead_bus_is_not_ready(layer: ChannelLayer, server: &RedisServer, command: &str) {
    layer.ready(PATIENCE).await.unwrap();
    assert_eq!(server.ask(&format!("ACL SETUSER default -{command}")).text(), "OK");
    for kind in ["pubsub", "normal"] {
        server.ask(&format!("CLIENT KILL TYPE {kind}"));
    }
    assert_eq!(server.ask("PING"), Reply::Bytes(b"PONG".into()));
    assert!(layer.ready(Duration::from_secs(2)).await.is_err());

    assert_eq!(server.ask(&format!("ACL SETUSER default +{command}")).text(), "OK");
    let ready = async { while layer.ready(Duration::from_secs(2)).await.is_err() {} };
    tokio::time::timeout(PATIENCE, ready).await.expect("ready again");
}

#[tokio::test]
async fn green_health_and_a_dead_bus_do_not_go_together_on_pubsub() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_pubsub(&[server.url()]).await.unwrap();
    a_dead_bus_is_not_ready(layer, &server, "subscribe").await;
}

#[tokio::test]
async fn green_health_and_a_dead_bus_do_not_go_together_on_core() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[server.url()]).await.unwrap();
    a_dead_bus_is_not_ready(layer, &server, "bzpopmin").await;
}

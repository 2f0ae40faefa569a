//! The cause in an error of the layer: the caller learns why Redis does not work.

use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::prelude::*;
use tokio::time::timeout;

use crate::layer::redis::core::Room;
use crate::layer::redis::restart::Kind;
use crate::support::redis::RedisServer;
use crate::support::until::until;

/// The default time limit of `#[connect]`.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

fn text(error: LayerError) -> String {
    Error::from(error).to_string()
}

/// A join waits, because Redis may be back soon. It fails before its connection is rejected.
async fn join_without_redis_names_the_cause(kind: Kind) {
    let server = RedisServer::start();
    let layer = kind.open(&server).await;
    let channel = layer.new_channel().await.unwrap();
    drop(server);
    until("the loss is noticed", || layer.stats().gaps == 1).await;
    let joined = timeout(CONNECT_DEADLINE, layer.group_add(&Room, channel.name())).await;
    let error = text(joined.expect("the join ends before the deadline of `#[connect]`").unwrap_err());
    assert!(error.contains("did not reply in time") && error.contains("Connection refused"), "{error}");
    let error = text(layer.ready(Duration::from_millis(500)).await.unwrap_err());
    assert!(error.contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn join_without_redis_names_the_cause_on_pubsub() {
    join_without_redis_names_the_cause(Kind::Pubsub).await;
}

#[tokio::test]
async fn join_without_redis_names_the_cause_on_core() {
    join_without_redis_names_the_cause(Kind::Core).await;
}

/// A user of Redis 7 without channels: every SUBSCRIBE is refused.
#[tokio::test]
async fn refused_subscription_fails_the_join_immediately() {
    let server = RedisServer::start();
    assert_eq!(server.ask("ACL SETUSER default resetchannels").text(), "OK");
    let layer = Kind::Pubsub.open(&server).await;
    // An attempt to subscribe every 0.6 s at most. Without the refusal, this takes 4 s.
    for _ in 0..2 {
        let opened = timeout(Duration::from_secs(2), layer.new_channel()).await;
        let error = text(opened.expect("the refusal ends the wait").unwrap_err());
        assert!(error.contains("SUBSCRIBE failed") && error.contains("permissions"), "{error}");
    }
    assert_eq!(server.ask("ACL SETUSER default allchannels").text(), "OK");
    until("the layer subscribes", || layer.stats().gaps == 1).await;
    layer.ready(Duration::from_secs(20)).await.unwrap();
}

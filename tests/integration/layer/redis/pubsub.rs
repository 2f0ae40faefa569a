//! The pub/sub layer on Redis: unreachable servers, restarts, and invalid messages from peers.

use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::prelude::*;

use crate::layer::contract::{NOTES, Note, note};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn unreachable_address_fails_immediately() {
    let error = ChannelLayer::redis_pubsub(&["redis://127.0.0.1:1/"]).await.unwrap_err();
    assert!(matches!(error, LayerError::Unavailable { .. }), "{error}");
    // The error that a program prints: the address and the cause, once.
    let text = Error::from(error).to_string();
    assert!(text.contains("connecting to Redis failed at 127.0.0.1:1: "), "{text}");
    assert_eq!(text.matches("refused").count(), 1, "{text}");
    let error = ChannelLayer::redis_pubsub(&["http://127.0.0.1/"]).await.unwrap_err();
    assert!(error.to_string().contains("address"), "{error}");
}

#[tokio::test]
async fn restarted_redis_gets_all_subscriptions_again() {
    let server = RedisServer::start();
    let hosts = [server.url()];
    let open = || ChannelLayer::redis_pubsub(&hosts);
    let (here, there) = (open().await.unwrap(), open().await.unwrap());
    let channel = here.new_channel().await.unwrap();
    here.group_add(&NOTES, channel.name()).await.unwrap();
    let server = server.restart();
    // Sends fail while Redis is unreachable. Soon after it has restarted, the group receives again.
    let received = async {
        loop {
            _ = there.group_send(&NOTES, &Note { from: 1, number: 1 }).await;
            if let Ok(Some(envelope)) = tokio::time::timeout(Duration::from_millis(100), channel.receive()).await {
                return envelope;
            }
        }
    };
    let envelope = tokio::time::timeout(Duration::from_secs(10), received).await.expect("the group receives again");
    assert_eq!(envelope.event_name(), "note");
    drop(server);
}

#[tokio::test]
async fn invalid_messages_from_peer_are_counted_and_skipped() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_pubsub(&[server.url()]).await.unwrap();
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&NOTES, channel.name()).await.unwrap();
    for invalid in [&b"\xc1"[..], b"", b"\x93\x01\x02\x03", b"\x81\x01\x02", b"{\"type\": \"note\"}", b"\x80"] {
        server.publish("asgi__group__notes-a", invalid);
        server.publish(channel.name().as_str(), invalid);
    }
    layer.group_send(&NOTES, &Note { from: 1, number: 1 }).await.unwrap();
    assert_eq!(note(&channel).await.number, 1);
    assert_eq!(layer.stats().undecodable, 12);
}

//! Group memberships of the core layer in Redis: keys, scores, renewal and removal.

use std::collections::HashSet;
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;

use crate::layer::redis::core::{KEY, Room, Tick, logged_once, next_number, now, open};
use crate::support::log::Log;
use crate::support::redis::{RedisServer, Reply};
use crate::support::until::until;

// test_default_group_key_format and test_custom_group_key_format of channels_redis
#[tokio::test]
async fn membership_is_stored_as_channels_redis_expects() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().group_expiry(Duration::from_secs(1000))).await;
    let channels = [layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap()];
    let before = now();
    for channel in &channels {
        layer.group_add(&Room, channel.name()).await.unwrap();
    }
    assert_eq!(server.ask("KEYS *").texts(), [KEY]);
    assert_eq!(server.ask(&format!("TYPE {KEY}")).text(), "zset");
    let members = server.ask(&format!("ZRANGE {KEY} 0 -1")).texts();
    assert_eq!(members.into_iter().collect::<HashSet<_>>(), channels.iter().map(|c| c.name().to_string()).collect());
    let score: f64 = server.ask(&format!("ZSCORE {KEY} {}", channels[0].name())).text().parse().unwrap();
    assert!((before..before + 5.0).contains(&score), "{score} {before}");
    let lasts = server.ask(&format!("TTL {KEY}")).number();
    assert!((990..=1000).contains(&lasts), "{lasts}");

    layer.group_discard(&Room, channels[0].name()).await.unwrap();
    assert_eq!(server.ask(&format!("ZRANGE {KEY} 0 -1")).texts(), [channels[1].name().as_str()]);
    // A dropped channel leaves in Redis, too, and the empty key is removed.
    drop(channels);
    until("the dropped channel has left", || server.ask(&format!("EXISTS {KEY}")).number() == 0).await;

    let other = open(&server, LayerConfig::default().prefix("test_prefix")).await;
    let channel = other.new_channel().await.unwrap();
    other.group_add(&Room, channel.name()).await.unwrap();
    assert_eq!(server.ask("KEYS *").texts(), ["test_prefix:group:room-1"]);
}

#[tokio::test]
async fn membership_is_renewed_and_restored_after_flush() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().group_expiry(Duration::from_secs(2))).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Room, channel.name()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
    assert_eq!(next_number(&channel).await, 1);
    // For example a flush from Python.
    server.ask("FLUSHALL");
    until("the membership is written again", || server.ask(&format!("ZCARD {KEY}")).number() == 1).await;
}

#[tokio::test]
async fn closed_layer_removes_its_keys() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channels = [layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap()];
    for channel in &channels {
        layer.group_add(&Room, channel.name()).await.unwrap();
    }
    layer.close().await;
    assert_eq!(server.ask("KEYS *"), Reply::List(Vec::new()));
}

#[tokio::test]
async fn flush_deletes_keys_of_its_prefix_only() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().prefix("a*b")).await;
    for key in ["a*bworker", "a*b:group:x", "axb:group:x", "other"] {
        server.ask(&format!("ZADD {key} 1 m"));
    }
    layer.flush().await.unwrap();
    let left: HashSet<_> = server.ask("KEYS *").texts().into_iter().collect();
    assert_eq!(left, HashSet::from(["axb:group:x".to_owned(), "other".to_owned()]));
}

#[tokio::test]
async fn group_key_of_wrong_type_affects_its_group_only() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    #[group("room-2", events(Tick))]
    struct WrongType;

    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    server.ask("SET asgi:group:room-2 text");
    let channel = layer.new_channel().await.unwrap();
    let (rejected, joined) =
        tokio::join!(layer.group_add(&WrongType, channel.name()), layer.group_add(&Room, channel.name()),);
    let error = rejected.unwrap_err();
    assert!(matches!(error, LayerError::Unavailable { .. }), "{error}");
    assert_eq!(layer.members_here(&WrongType).unwrap(), 0);
    assert_eq!(layer.stats().undecodable, 1);
    joined.unwrap();
    layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
    assert_eq!(next_number(&channel).await, 1);
    for _ in 0..2 {
        layer.group_add(&WrongType, channel.name()).await.unwrap_err();
    }
    assert!(logged_once(&log, "Redis rejected the memberships of a group") >= 3);
}

/// A join succeeds in the same round trip, so the server itself is not at fault.
#[tokio::test]
async fn leave_rejected_by_redis_is_retried() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let (leaver, other) = (layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap());
    layer.group_add(&Room, leaver.name()).await.unwrap();
    assert_eq!(server.ask("ACL SETUSER default -zrem").text(), "OK");
    drop(leaver);
    layer.group_add(&Room, other.name()).await.unwrap_err();
    assert_ne!(server.ask(&format!("ZCARD {KEY}")).number(), 0, "the leave was rejected");
    assert_eq!(server.ask("ACL SETUSER default +zrem").text(), "OK");
    until("all members have left", || server.ask(&format!("ZCARD {KEY}")).number() == 0).await;
}

/// Invalid names of members: they are counted, and the other members receive the message.
#[tokio::test]
async fn invalid_member_names_are_counted_and_skipped() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Room, channel.name()).await.unwrap();
    let score = now().to_string();
    for invalid in [&b"\xff\xfe"[..], b"a name with blanks", b"", &[b'x'; 5000]] {
        assert_eq!(server.run(&[b"ZADD", KEY.as_bytes(), score.as_bytes(), invalid]), Reply::Number(1));
    }
    for number in 0..3 {
        layer.group_send(&Room, &Tick { number }).await.unwrap();
        assert_eq!(next_number(&channel).await, number);
    }
    assert_eq!(layer.stats().undecodable, 12);
    assert_eq!(logged_once(&log, "a message that is not an event was dropped"), 12);
    assert_eq!(layer.group_members(&Room).await.unwrap(), [channel.name().clone()]);
    assert_eq!(server.ask("KEYS *").texts(), [KEY], "nothing was written for them");
}

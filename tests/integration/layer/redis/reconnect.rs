//! The core layer after a lost connection to Redis.

use std::time::Duration;

use channels_runtime::layer::{Channel, LayerConfig};
use channels_runtime::prelude::*;

use crate::layer::redis::core::{KEY, Room, Tick, next_number, open};
use crate::support::log::Log;
use crate::support::redis::RedisServer;
use crate::support::until::until;

#[tokio::test]
async fn restarted_redis_gets_all_memberships_again() {
    let server = RedisServer::start();
    let (here, there) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let channels: Vec<_> = futures_util::future::join_all((0..20).map(|_| async {
        let channel = here.new_channel().await.unwrap();
        here.group_add(&Room, channel.name()).await.unwrap();
        channel
    }))
    .await;
    let server = server.restart();
    until("all are members again", || server.ask(&format!("ZCARD {KEY}")).number() == 20).await;
    let sent = async {
        while there.group_send(&Room, &Tick { number: 1 }).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), sent).await.unwrap();
    for channel in &channels {
        assert_eq!(next_number(channel).await, 1);
    }
}

// A single-threaded runtime, so that the layer logs in this thread.
#[tokio::test]
async fn unreachable_redis_is_logged_once() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Room, channel.name()).await.unwrap();
    drop(server);
    until("it is missed", || layer.stats().gaps == 1).await;
    // The channel leaves the group, and the leave cannot be written.
    drop(channel);
    until("the write is retried", || log.text().matches("still cannot write memberships to Redis").count() >= 3).await;
    until("the connection is retried", || {
        log.text().matches("still no connection to the process's queue in Redis").count() >= 3
    })
    .await;
    let text = log.text();
    let logged =
        |level: &str, message: &str| text.lines().filter(|line| line.contains(level) && line.contains(message)).count();
    assert_eq!(logged("WARN", "cannot write memberships to Redis; will retry"), 1, "{text}");
    assert_eq!(logged("WARN", "lost the connection to the process's queue in Redis"), 1, "{text}");
}

/// One command is rejected, and the next one in the same round trip pops messages.
#[tokio::test]
async fn messages_popped_next_to_a_rejected_command_are_delivered() {
    const MANY: u32 = 300;
    let server = RedisServer::start();
    let config = LayerConfig::default().capacity(1000);
    let (here, there) = (open(&server, config.clone()).await, open(&server, config).await);
    let channel = here.new_channel().await.unwrap();
    let deny = |rules: &str| {
        assert_eq!(server.ask(&format!("ACL SETUSER default {rules}")).text(), "OK");
        server.ask("CLIENT KILL TYPE normal");
    };
    deny("-zpopmin -bzpopmin");
    until("the queue is lost", || here.stats().gaps == 1).await;
    // The connections were cut, so the first sends may fail.
    until_sent(&there, &channel).await;
    for number in 1..MANY {
        there.send(channel.name(), &Tick { number }).await.unwrap();
    }
    // 128 messages are popped on connecting. Another 127 follow the rejected command.
    server.ask("ACL SETUSER default +zpopmin");
    for number in 0..MANY {
        assert_eq!(next_number(&channel).await, number);
    }
    server.ask("ACL SETUSER default +bzpopmin");
    there.send(channel.name(), &Tick { number: MANY }).await.unwrap();
    assert_eq!(next_number(&channel).await, MANY);
}

/// Sends number 0 until Redis accepts it.
async fn until_sent(layer: &ChannelLayer, to: &Channel) {
    let sent = async { while layer.send(to.name(), &Tick { number: 0 }).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), sent).await.expect("sent");
}

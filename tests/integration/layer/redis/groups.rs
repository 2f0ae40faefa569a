//! Groups on the pub/sub layer: reconnects, large groups, and processes that do not answer.

use std::time::Duration;

use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;

use crate::layer::groups::{Talk, Talker, app, line, sorted};
use crate::support::until::{until, until_within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_send_others_excludes_sender_after_reconnect() {
    let server = crate::support::redis::RedisServer::start();
    let layer = ChannelLayer::redis_pubsub(&[server.url()]).await.unwrap();
    let (_app, route) = app(&layer);
    let mut one = Talker::connect(&route, "one").await;
    let mut two = Talker::connect(&route, "two").await;
    let names = server.ask("PUBSUB CHANNELS asgi__process__*").texts();
    assert_eq!(names.len(), 1, "{names:?}");
    server.publish(&names[0], b"\xc1");
    until("the invalid message is counted", || layer.stats().undecodable == 1).await;
    for round in 0..5 {
        server.ask("CLIENT KILL TYPE pubsub");
        until_within(Duration::from_secs(10), "the group is subscribed again", async || {
            layer.ready(Duration::from_millis(200)).await.is_ok()
                && server.ask("PUBSUB NUMSUB asgi__group__talk").list()[1].number() != 0
        })
        .await;
        one.says("others", round).await;
        assert_eq!(two.hears().await, line("one", round));
        two.says("all", round).await;
        for talker in [&mut one, &mut two] {
            assert_eq!(talker.hears().await, line("two", round));
        }
    }
    assert_eq!(layer.stats().undecodable, 1, "only the invalid message is counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_members_of_large_group_arrive_in_encrypted_parts() {
    const MEMBERS: usize = 2500;
    let server = crate::support::redis::RedisServer::start();
    let config = || LayerConfig::default().symmetric_encryption_keys(["a key that nobody has"]);
    let here = ChannelLayer::redis_pubsub_with(&[server.url()], config()).await.unwrap();
    let there = ChannelLayer::redis_pubsub_with(&[server.url()], config()).await.unwrap();
    let new = || async {
        let channel = there.new_channel().await.unwrap();
        there.group_add(&Talk, channel.name()).await.unwrap();
        channel
    };
    let channels = futures_util::future::join_all((0..MEMBERS).map(|_| new())).await;
    let expected = sorted(channels.iter().map(|channel| channel.name().clone()).collect());
    assert_eq!(sorted(here.group_members(&Talk).await.unwrap()), expected);
    assert_eq!(here.group_count(&Talk).await.unwrap(), MEMBERS);
    assert_eq!(here.stats().undecodable + there.stats().undecodable, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_count_reports_process_without_reply() {
    let server = crate::support::redis::RedisServer::start();
    let layer = ChannelLayer::redis_pubsub(&[server.url()]).await.unwrap();
    assert_eq!(layer.group_count(&Talk).await.unwrap(), 0);
    // Receives the request without replying, as a hanging process does.
    let mut hangs = server.connect();
    hangs.ask("SUBSCRIBE asgi__processes");
    let error = layer.group_count(&Talk).await.unwrap_err();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(said, "1 of 2 processes replied within 4 s", "{error}");
    drop(hangs);
    until_within(Duration::from_secs(10), "a process that is gone is not waited for", async || {
        layer.group_count(&Talk).await.is_ok()
    })
    .await;
}

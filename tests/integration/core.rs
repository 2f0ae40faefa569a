//! What the core layer leaves in Redis for other processes, and reads from there: looked at with raw commands.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::{Channel, Format, LayerConfig, LayerError, RedisHost};
use serde_json::json;

use crate::door::Log;
use crate::redis::{RedisServer, Reply};

#[event("tick")]
#[derive(Debug, PartialEq, Clone)]
struct Tick {
    number: u32,
}

#[group("room-1", events(Tick))]
struct Room;

const KEY: &str = "asgi:group:room-1";

async fn open(server: &RedisServer, config: LayerConfig) -> ChannelLayer {
    ChannelLayer::redis_core_with(&[server.url()], config).await.unwrap()
}

async fn next(channel: &Channel) -> u32 {
    let arrived = tokio::time::timeout(Duration::from_secs(5), channel.receive()).await;
    let envelope = arrived.expect("a message within five seconds").expect("the layer is open");
    envelope.decode::<Tick>().unwrap().number
}

async fn until(mut condition: impl FnMut() -> bool, what: &str) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), met).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// The key of the queue behind a channel of a process.
fn queue_of(channel: &Channel) -> String {
    format!("asgi{}", channel.name().non_local())
}

/// A queue that nobody empties: that of a process which hangs, with one member in the group.
const STUCK: &str = "specific.00000000000000000000000000000000!";

fn join_stuck(server: &RedisServer, members: usize) {
    for number in 0..members {
        let now = now().to_string();
        server.ask(&format!("ZADD {KEY} {now} {STUCK}{number}"));
    }
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

fn stuck_queue(server: &RedisServer) -> Vec<(Vec<u8>, f64)> {
    let entries = server.ask(&format!("ZRANGE asgi{STUCK} 0 -1 WITHSCORES"));
    let entries = entries.list().chunks(2);
    entries.map(|entry| (entry[0].bytes().to_vec(), entry[1].text().parse().unwrap())).collect()
}

// test_default_group_key_format and test_custom_group_key_format of channels_redis
#[tokio::test]
async fn memberships_are_where_channels_redis_looks_for_them() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().with_group_expiry(Duration::from_secs(1000))).await;
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
    // A dropped channel leaves in Redis, too, and the empty key is gone.
    drop(channels);
    until(|| server.ask(&format!("EXISTS {KEY}")).number() == 0, "the dropped channel has left").await;

    let other = open(&server, LayerConfig::default().with_prefix("test_prefix")).await;
    let channel = other.new_channel().await.unwrap();
    other.group_add(&Room, channel.name()).await.unwrap();
    assert_eq!(server.ask("KEYS *").texts(), ["test_prefix:group:room-1"]);
}

#[tokio::test]
async fn a_message_to_a_group_is_one_entry_for_each_process() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let here = [layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap()];
    for channel in &here {
        layer.group_add(&Room, channel.name()).await.unwrap();
    }
    join_stuck(&server, 50);
    for number in 0..20 {
        layer.group_send(&Room, &Tick { number }).await.unwrap();
    }
    let entries = stuck_queue(&server);
    assert_eq!(entries.len(), 20);
    let names: Vec<_> = (0..50).map(|number| format!("{STUCK}{number}")).collect();
    for (at, (entry, _)) in entries.iter().enumerate() {
        // Twelve random bytes, then the map as msgpack of Python writes it, with the list at its end.
        let mut expected = b"\x83\xa4type\xa4tick\xa6number".to_vec();
        expected.push(u8::try_from(at).unwrap());
        expected.extend(b"\xb0__asgi_channel__\xdc\x00\x32");
        for name in &names {
            expected.extend([0xd9, u8::try_from(name.len()).unwrap()]);
            expected.extend(name.as_bytes());
        }
        assert_eq!(&entry[12..], expected, "entry {at}");
    }
    assert_eq!(entries.iter().map(|(entry, _)| &entry[..12]).collect::<HashSet<_>>().len(), 20);
    assert!(entries.is_sorted_by(|(_, a), (_, b)| a < b), "scores grow");
    let lasts = server.ask(&format!("TTL asgi{STUCK}")).number();
    assert!((50..=60).contains(&lasts), "{lasts}");
    for channel in &here {
        for number in 0..20 {
            assert_eq!(next(channel).await, number);
        }
    }
    // Nothing but the group and the stuck queue: no `$inflight`, and our own queue is empty.
    let keys: HashSet<_> = server.ask("KEYS *").texts().into_iter().collect();
    assert_eq!(keys, HashSet::from([KEY.to_owned(), format!("asgi{STUCK}")]));
}

#[tokio::test]
async fn nothing_but_pops_is_done_to_the_own_queue() {
    let server = RedisServer::start();
    let (layer, other) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let channel = layer.new_channel().await.unwrap();
    server.ask("CONFIG RESETSTAT");
    for number in 0..100 {
        other.send(channel.name(), &Tick { number }).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(next(&channel).await, number);
    }
    let said = server.ask("INFO commandstats").text();
    let calls: HashMap<&str, u32> = said
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .map(|(name, rest)| (name, rest.split(',').next().unwrap().parse().unwrap()))
        .collect();
    let count = |name| calls.get(name).copied().unwrap_or_default();
    // One script for each send, and nothing else that writes; the script's own commands are counted, too.
    assert_eq!(count("eval") + count("evalsha"), 100, "{calls:?}");
    assert_eq!((count("zadd"), count("expire")), (100, 100), "{calls:?}");
    assert!(count("bzpopmin") <= 102 && count("zpopmin") <= 102, "{calls:?}");
    assert_eq!(count("zrange") + count("zrangebyscore") + count("keys"), 0, "{calls:?}");
}

#[tokio::test]
async fn what_is_for_this_process_takes_no_way_through_redis_and_keeps_its_order() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().with_capacity(100)).await;
    let channels = [layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap()];
    for channel in &channels {
        layer.group_add(&Room, channel.name()).await.unwrap();
    }
    server.ask("CONFIG RESETSTAT");
    for number in 0..50 {
        layer.send(channels[0].name(), &Tick { number: 2 * number }).await.unwrap();
        layer.group_send(&Room, &Tick { number: 2 * number + 1 }).await.unwrap();
    }
    // The mailbox, not a queue in Redis, says when it is full.
    let error = layer.send(channels[0].name(), &Tick { number: 100 }).await.unwrap_err();
    assert!(matches!(error, LayerError::ChannelFull { capacity: 100, .. }), "{error}");
    let said = server.ask("INFO commandstats").text();
    for name in ["eval", "evalsha", "zadd"] {
        assert!(!said.contains(&format!("cmdstat_{name}:")), "{said}");
    }
    for number in 0..100 {
        assert_eq!(next(&channels[0]).await, number);
        if number % 2 == 1 {
            assert_eq!(next(&channels[1]).await, number);
        }
    }
    assert_eq!(layer.stats().dropped_full, 0);
}

// test_send_capacity, test_send_specific_capacity and test_group_send_capacity_multiple_channels of channels_redis
#[tokio::test]
async fn a_full_queue_is_told_to_the_sender_and_skipped_by_a_group() {
    let server = RedisServer::start();
    let config = LayerConfig::default().with_capacity(3).with_channel_capacity("one", 1);
    let layer = open(&server, config).await;
    let stuck = ChannelName::new(format!("{STUCK}0")).unwrap();
    for number in 0..3 {
        layer.send(&stuck, &Tick { number }).await.unwrap();
    }
    let error = layer.send(&stuck, &Tick { number: 3 }).await.unwrap_err();
    assert!(matches!(error, LayerError::ChannelFull { capacity: 3, .. }), "{error}");
    let one = ChannelName::new("one").unwrap();
    layer.send(&one, &Tick { number: 0 }).await.unwrap();
    let error = layer.send(&one, &Tick { number: 1 }).await.unwrap_err();
    assert!(matches!(error, LayerError::ChannelFull { capacity: 1, .. }), "{error}");

    let here = layer.new_channel().await.unwrap();
    layer.group_add(&Room, here.name()).await.unwrap();
    join_stuck(&server, 2);
    layer.group_send(&Room, &Tick { number: 4 }).await.unwrap();
    assert_eq!(next(&here).await, 4);
    assert_eq!(stuck_queue(&server).len(), 3);
    // Both of the stuck process's channels missed it.
    assert_eq!(layer.stats().dropped_full, 2);
}

// test_message_expiry__* of channels_redis
#[tokio::test]
async fn what_outlived_its_expiry_is_removed_by_the_next_sender() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().with_capacity(2)).await;
    let old = now() - 61.0;
    let young = now() - 30.0;
    server.ask(&format!("ZADD asgi{STUCK} {old} oooooooooooo"));
    server.ask(&format!("ZADD asgi{STUCK} {young} yyyyyyyyyyyy"));
    let stuck = ChannelName::new(format!("{STUCK}0")).unwrap();
    layer.send(&stuck, &Tick { number: 1 }).await.unwrap();
    let entries = stuck_queue(&server);
    assert_eq!((entries.len(), &entries[0].0[..]), (2, &b"yyyyyyyyyyyy"[..]));
    // And a membership that was not renewed gets nothing.
    server.ask(&format!("ZADD {KEY} {} {STUCK}1", now() - 86_402.0));
    layer.group_send(&Room, &Tick { number: 2 }).await.unwrap();
    assert_eq!(stuck_queue(&server).len(), 2);
}

#[tokio::test]
async fn a_living_member_is_renewed_and_a_lost_one_comes_back() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().with_group_expiry(Duration::from_secs(2))).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Room, channel.name()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
    assert_eq!(next(&channel).await, 1);
    // A flush from Python's side, for example.
    server.ask("FLUSHALL");
    until(|| server.ask(&format!("ZCARD {KEY}")).number() == 1, "the membership is written again").await;
}

#[tokio::test]
async fn a_restarted_redis_has_every_membership_again() {
    let server = RedisServer::start();
    let (here, there) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let channels: Vec<_> = futures_util::future::join_all((0..20).map(|_| async {
        let channel = here.new_channel().await.unwrap();
        here.group_add(&Room, channel.name()).await.unwrap();
        channel
    }))
    .await;
    let server = server.restart();
    until(|| server.ask(&format!("ZCARD {KEY}")).number() == 20, "all are members again").await;
    let sent = async {
        while there.group_send(&Room, &Tick { number: 1 }).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), sent).await.unwrap();
    for channel in &channels {
        assert_eq!(next(channel).await, 1);
    }
}

#[tokio::test]
async fn a_layer_that_is_closed_leaves_nothing_in_redis() {
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
async fn a_flush_takes_every_key_of_the_prefix_and_no_other() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().with_prefix("a*b")).await;
    for key in ["a*bworker", "a*b:group:x", "axb:group:x", "other"] {
        server.ask(&format!("ZADD {key} 1 m"));
    }
    layer.flush().await.unwrap();
    let left: HashSet<_> = server.ask("KEYS *").texts().into_iter().collect();
    assert_eq!(left, HashSet::from(["axb:group:x".to_owned(), "other".to_owned()]));
}

// One thread, so that the layer logs in this one. What a Python process writes, byte for byte: string, list, and nothing in `__asgi_channel__`.
#[tokio::test]
async fn garbage_in_the_queue_is_counted_and_hurts_nobody() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channel = layer.new_channel().await.unwrap();
    let queue = queue_of(&channel);
    let name = channel.name().as_str();
    let mut put = {
        let mut score = now();
        move |entry: &[u8]| {
            score += 0.001;
            assert_eq!(server.run(&[b"ZADD", queue.as_bytes(), score.to_string().as_bytes(), entry]), Reply::Number(1));
        }
    };
    let tick = |number: u8, to: &[u8]| {
        let head = b"rrrrrrrrrrrr\x83\xa4type\xa4tick\xa6number";
        [head, &[number][..], b"\xb0__asgi_channel__", to].concat()
    };
    let string = |name: &str| [&[0xd9, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    for garbage in [
        &b""[..],
        b"short",
        b"rrrrrrrrrrrr",
        b"rrrrrrrrrrrr\xc1",
        b"rrrrrrrrrrrr\x93\x01\x02\x03",
        b"rrrrrrrrrrrr\x81\x01\x02",
        b"rrrrrrrrrrrr\x81\xa4type\xa4tick",
        b"rrrrrrrrrrrr\x82\xa4type\xa4tick\xb0__asgi_channel__\x07",
        b"rrrrrrrrrrrr\x81\xa1a\x01",
    ] {
        put(garbage);
    }
    put(&tick(1, &string(name)));
    put(&tick(2, &[&b"\x91"[..], &string(name)].concat()));
    put(&tick(3, &[&b"\x92"[..], &string(&format!("{STUCK}1")), &string(name)].concat()));
    put(&tick(9, &string("specific.gone!x")));
    put(&tick(4, &string(name)));
    for number in 1..=4 {
        assert_eq!(next(&channel).await, u32::from(number as u8));
    }
    assert_eq!(layer.stats().undecodable, 9);
    assert_eq!(told_once(&log, "a message that is no event was dropped"), 9);
}

/// Of all that is logged of this, only the first is a warning. Gives how often it is logged.
fn told_once(log: &Log, what: &str) -> usize {
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(what)).collect();
    assert!(lines[0].contains("WARN"), "{text}");
    assert!(lines[1..].iter().all(|line| line.contains("DEBUG")), "{text}");
    lines.len()
}

// channels_redis sends to a channel by the hash of its whole name, and so often to another server than the receiver's.
#[tokio::test]
async fn a_message_on_the_wrong_server_arrives() {
    let servers = [RedisServer::start(), RedisServer::start()];
    let hosts = servers.each_ref().map(RedisServer::url);
    let layer = ChannelLayer::redis_core(&hosts).await.unwrap();
    let channel = layer.new_channel().await.unwrap();
    let to = channel.name().as_str();
    let entry = |number: u8| {
        let head = b"rrrrrrrrrrrr\x83\xa4type\xa4tick\xa6number";
        let length = u8::try_from(to.len()).unwrap();
        [head, &[number][..], b"\xb0__asgi_channel__\xd9", &[length][..], to.as_bytes()].concat()
    };
    for (server, number) in servers.iter().zip([1, 2]) {
        let queue = queue_of(&channel);
        server.run(&[b"ZADD", queue.as_bytes(), now().to_string().as_bytes(), &entry(number)]);
        assert_eq!(next(&channel).await, u32::from(number));
    }
}

#[tokio::test]
async fn both_layers_write_every_format_encrypted_or_not() {
    let server = RedisServer::start();
    let hosts = [server.url()];
    let config = LayerConfig::default;
    for config in [
        config(),
        config().with_serializer_format(Format::Json),
        config().with_symmetric_encryption_keys(["new", "old"]),
        config().with_serializer_format(Format::Json).with_symmetric_encryption_keys(["new", "old"]),
        config().with_random_prefix_length(0),
    ] {
        for is_core in [true, false] {
            let open = async |config: &LayerConfig| match is_core {
                true => ChannelLayer::redis_core_with(&hosts, config.clone()).await.unwrap(),
                false => ChannelLayer::redis_pubsub_with(&hosts, config.clone()).await.unwrap(),
            };
            let (here, there) = (open(&config).await, open(&config).await);
            let channel = here.new_channel().await.unwrap();
            here.group_add(&Room, channel.name()).await.unwrap();
            there.group_send(&Room, &Tick { number: 1 }).await.unwrap();
            there.send_raw(channel.name().as_str(), json!({"type": "tick", "number": 2})).await.unwrap();
            assert_eq!((next(&channel).await, next(&channel).await), (1, 2));
        }
    }
    // Another key: counted, and nobody dies.
    let here = open(&server, config().with_symmetric_encryption_keys(["one"])).await;
    let there = open(&server, config().with_symmetric_encryption_keys(["two"])).await;
    let channel = here.new_channel().await.unwrap();
    there.send(channel.name(), &Tick { number: 1 }).await.unwrap();
    here.send(channel.name(), &Tick { number: 2 }).await.unwrap();
    assert_eq!(next(&channel).await, 2);
    assert_eq!(here.stats().undecodable, 1);
}

#[tokio::test]
async fn a_layer_opens_from_settings_as_django_writes_them() {
    let server = RedisServer::start();
    let config = format!(
        r#"{{"default": {{"BACKEND": "channels_redis.core.RedisChannelLayer",
                          "CONFIG": {{"hosts": [["127.0.0.1", {port}]], "prefix": "site", "capacity": 2}}}},
             "events": {{"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                         "CONFIG": {{"hosts": [{{"address": "redis://127.0.0.1:{port}", "db": 3}}]}}}}}}"#,
        port = server.port()
    );
    let file = std::env::temp_dir().join(format!("channel-layers-{}.json", std::process::id()));
    std::fs::write(&file, config).unwrap();
    let layer = ChannelLayer::from_file(&file).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let worker = ChannelName::new("worker").unwrap();
    layer.send(&worker, &Tick { number: 1 }).await.unwrap();
    layer.send(&worker, &Tick { number: 2 }).await.unwrap();
    assert!(matches!(layer.send(&worker, &Tick { number: 3 }).await, Err(LayerError::ChannelFull { .. })));
    assert_eq!(server.ask("KEYS *").texts(), ["siteworker"]);
    assert!(format!("{:?}", channel_layer("events").unwrap()).contains("PubSub"));
}

#[tokio::test]
async fn a_password_a_database_and_a_socket_are_understood() {
    let server = RedisServer::start_with(&["--requirepass", "s3cret", "--unixsocket", "redis.sock"]);
    let refused = ChannelLayer::redis_core(&[server.url()]).await.unwrap_err();
    assert!(matches!(refused, LayerError::Unavailable { .. }), "{refused}");
    let socket = server.folder().join("redis.sock");
    let hosts = [
        RedisHost::from(format!("redis://:s3cret@127.0.0.1:{}/2", server.port())),
        RedisHost::from(server.url()).with_db(2).with_password("s3cret"),
        RedisHost::from(format!("unix://{}?db=2&password=s3cret", socket.display())),
    ];
    let mut layers = Vec::new();
    for host in hosts {
        layers.push(ChannelLayer::redis_core(&[host]).await.unwrap());
    }
    let channel = layers[0].new_channel().await.unwrap();
    layers[0].group_add(&Room, channel.name()).await.unwrap();
    for (layer, number) in layers.iter().zip(0..) {
        layer.group_send(&Room, &Tick { number }).await.unwrap();
        assert_eq!(next(&channel).await, number);
    }
}

#[tokio::test]
async fn sentinels_say_where_the_master_is() {
    let master = RedisServer::start();
    let sentinel = RedisServer::start_sentinel(&master);
    let host = || RedisHost::sentinel([sentinel.url()], "mymaster");
    for is_core in [true, false] {
        let open = async || match is_core {
            true => ChannelLayer::redis_core(&[host()]).await.unwrap(),
            false => ChannelLayer::redis_pubsub(&[host()]).await.unwrap(),
        };
        let (here, there) = (open().await, open().await);
        let channel = here.new_channel().await.unwrap();
        here.group_add(&Room, channel.name()).await.unwrap();
        there.group_send(&Room, &Tick { number: 7 }).await.unwrap();
        assert_eq!(next(&channel).await, 7);
    }
}

#[tokio::test]
async fn redis_over_tls_is_believed_only_with_its_certificate() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("channels-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let port = crate::redis::free_port();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let server = RedisServer::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &text(&certificate),
        "--tls-key-file",
        &text(&key),
    ]);
    let url = format!("rediss://localhost:{port}/0");
    let refused = ChannelLayer::redis_core(&[url.as_str()]).await.unwrap_err();
    assert!(matches!(refused, LayerError::Unavailable { .. }), "{refused}");
    for is_core in [true, false] {
        let hosts = [RedisHost::from(url.as_str()).with_ca_file(&certificate)];
        let layer = match is_core {
            true => ChannelLayer::redis_core(&hosts).await.unwrap(),
            false => ChannelLayer::redis_pubsub(&hosts).await.unwrap(),
        };
        let channel = layer.new_channel().await.unwrap();
        layer.group_add(&Room, channel.name()).await.unwrap();
        layer.group_send(&Room, &Tick { number: 7 }).await.unwrap();
        assert_eq!(next(&channel).await, 7);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    drop(server);
}

#[tokio::test]
async fn a_key_that_is_somebody_elses_hurts_its_own_group_only() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    #[group("room-2", events(Tick))]
    struct Spoilt;

    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    server.ask("SET asgi:group:room-2 spoilt");
    let channel = layer.new_channel().await.unwrap();
    let (spoilt, joined) =
        tokio::join!(layer.group_add(&Spoilt, channel.name()), layer.group_add(&Room, channel.name()),);
    let error = spoilt.unwrap_err();
    assert!(matches!(error, LayerError::Unavailable { .. }), "{error}");
    assert_eq!(layer.members_here(&Spoilt).unwrap(), 0);
    assert_eq!(layer.stats().undecodable, 1);
    joined.unwrap();
    layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
    assert_eq!(next(&channel).await, 1);
    for _ in 0..2 {
        layer.group_add(&Spoilt, channel.name()).await.unwrap_err();
    }
    assert!(told_once(&log, "Redis refuses the memberships of this group") >= 3);
}

/// A join goes through in the same round trip, so that it is not the server that is at fault.
#[tokio::test]
async fn a_leave_that_redis_refuses_is_made_when_it_may_be() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let (leaver, other) = (layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap());
    layer.group_add(&Room, leaver.name()).await.unwrap();
    assert_eq!(server.ask("ACL SETUSER default -zrem").text(), "OK");
    drop(leaver);
    layer.group_add(&Room, other.name()).await.unwrap_err();
    assert_ne!(server.ask(&format!("ZCARD {KEY}")).number(), 0, "it could not be written");
    assert_eq!(server.ask("ACL SETUSER default +zrem").text(), "OK");
    until(|| server.ask(&format!("ZCARD {KEY}")).number() == 0, "nobody is left behind").await;
}

/// Members that are no names, as only a mistake can put there: counted, and the others get the message.
#[tokio::test]
async fn garbage_among_the_members_of_a_group_is_counted_and_hurts_nobody() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Room, channel.name()).await.unwrap();
    let score = now().to_string();
    for garbage in [&b"\xff\xfe"[..], b"a name with blanks", b"", &[b'x'; 5000]] {
        assert_eq!(server.run(&[b"ZADD", KEY.as_bytes(), score.as_bytes(), garbage]), Reply::Number(1));
    }
    for number in 0..3 {
        layer.group_send(&Room, &Tick { number }).await.unwrap();
        assert_eq!(next(&channel).await, number);
    }
    assert_eq!(layer.stats().undecodable, 12);
    assert_eq!(told_once(&log, "a message that is no event was dropped"), 12);
    assert_eq!(layer.group_members(&Room).await.unwrap(), [channel.name().clone()]);
    assert_eq!(server.ask("KEYS *").texts(), [KEY], "nothing was written for them");
}

/// What is no queue holds its own process up, and nobody else: neither the other queues of the group, nor the members here.
#[tokio::test]
async fn a_queue_of_the_group_that_is_no_queue_is_counted_and_the_others_get_the_message() {
    let server = RedisServer::start();
    let (here, there) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let (own, other) = (here.new_channel().await.unwrap(), there.new_channel().await.unwrap());
    const DEAD: [&str; 2] = ["specific.0dead!x", "specific.zdead!x"];
    // Before the other process in the list of members, and behind it.
    let dead = async |number: usize| {
        server.ask(&format!("SET asgi{} spoilt", DEAD[number].trim_end_matches('x')));
        server.ask(&format!("ZADD {KEY} {} {}", now(), DEAD[number]));
    };
    dead(0).await;
    here.group_add(&Room, own.name()).await.unwrap();
    there.group_add(&Room, other.name()).await.unwrap();
    dead(1).await;
    for number in 0..3 {
        here.group_send(&Room, &Tick { number }).await.unwrap();
        assert_eq!((next(&own).await, next(&other).await), (number, number));
    }
    assert_eq!(here.stats().undecodable, 6);
    // Who sends to it alone is told.
    let error = here.send_raw(DEAD[0], json!({"type": "tick", "number": 1})).await.unwrap_err();
    let told = std::error::Error::source(&error).expect("why").to_string();
    assert!(told.contains("no sorted set"), "{told}");
    assert_eq!(server.ask(&format!("GET asgi{}", DEAD[0].trim_end_matches('x'))).text(), "spoilt", "it is not ours");
}

/// The queue of this process is its own: what somebody else puts in its place is taken away.
#[tokio::test]
async fn a_queue_that_is_no_queue_any_more_is_made_anew() {
    let server = RedisServer::start();
    let (here, there) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let channel = here.new_channel().await.unwrap();
    here.group_add(&Room, channel.name()).await.unwrap();
    let queue = queue_of(&channel);
    for (number, spoil) in [format!("SET {queue} spoilt"), format!("RPUSH {queue} spoilt")].iter().enumerate() {
        server.ask(spoil);
        let number = u32::try_from(number).unwrap();
        let heard = async {
            // What is sent before it is made anew is lost, as the gap says.
            loop {
                there.group_send(&Room, &Tick { number }).await.unwrap();
                let arrived = tokio::time::timeout(Duration::from_millis(20), channel.receive()).await;
                if arrived.is_ok_and(|tick| tick.unwrap().decode::<Tick>().unwrap().number == number) {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.expect("it can be sent to again");
        until(|| here.stats().undecodable == u64::from(number) + 1, "it is counted").await;
        until(|| here.stats().gaps == u64::from(number) + 1, "and told of").await;
    }
}

// One thread, so that the layer logs in this one.
#[tokio::test]
async fn a_redis_that_is_away_is_told_of_once() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::DEBUG);
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Room, channel.name()).await.unwrap();
    drop(server);
    until(|| layer.stats().gaps == 1, "it is missed").await;
    // It leaves the group, and that cannot be written.
    drop(channel);
    until(|| log.text().matches("memberships can still not be written").count() >= 3, "it is tried again").await;
    until(|| log.text().matches("queue in Redis is still lost").count() >= 3, "it is looked for").await;
    let text = log.text();
    let aloud = |sentence: &str| text.lines().filter(|line| line.contains("WARN") && line.contains(sentence)).count();
    assert_eq!(aloud("memberships could not be written to Redis"), 1, "{text}");
    assert_eq!(aloud("the connection to the process's queue in Redis is lost"), 1, "{text}");
}

/// One command is refused, and the one behind it in the same round trip takes messages.
#[tokio::test]
async fn what_is_taken_beside_a_refusal_is_not_lost() {
    const MANY: u32 = 300;
    let server = RedisServer::start();
    let config = LayerConfig::default().with_capacity(1000);
    let (here, there) = (open(&server, config.clone()).await, open(&server, config).await);
    let channel = here.new_channel().await.unwrap();
    let deny = |rules: &str| {
        assert_eq!(server.ask(&format!("ACL SETUSER default {rules}")).text(), "OK");
        server.ask("CLIENT KILL TYPE normal");
    };
    deny("-zpopmin -bzpopmin");
    until(|| here.stats().gaps == 1, "the queue is lost").await;
    // The connections were cut: the first ones may say so.
    until_sent(&there, &channel).await;
    for number in 1..MANY {
        there.send(channel.name(), &Tick { number }).await.unwrap();
    }
    // 128 of them are taken on connecting. Behind the one that is refused come 127.
    server.ask("ACL SETUSER default +zpopmin");
    for number in 0..MANY {
        assert_eq!(next(&channel).await, number);
    }
    server.ask("ACL SETUSER default +bzpopmin");
    there.send(channel.name(), &Tick { number: MANY }).await.unwrap();
    assert_eq!(next(&channel).await, MANY);
}

/// Sends number 0 until Redis has it.
async fn until_sent(layer: &ChannelLayer, to: &Channel) {
    let sent = async { while layer.send(to.name(), &Tick { number: 0 }).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), sent).await.expect("sent");
}

#[tokio::test]
async fn a_prefix_that_can_begin_no_name_is_refused() {
    let server = RedisServer::start();
    for bad in ["my site", "a:b", "é", &"x".repeat(59)] {
        let config = LayerConfig::default().with_prefix(bad);
        let refused = ChannelLayer::redis_pubsub_with(&[server.url()], config.clone()).await.unwrap_err();
        assert!(matches!(&refused, LayerError::Prefix { prefix, .. } if prefix == bad), "{refused:?}");
        assert!(refused.to_string().contains("it may have 58 ASCII letters"), "{refused}");
        // On the core layer it is a part of a key, and no part of a name.
        let layer = open(&server, config).await;
        let channel = layer.new_channel().await.unwrap();
        layer.group_add(&Room, channel.name()).await.unwrap();
        layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
        assert_eq!(next(&channel).await, 1);
    }
    let longest = LayerConfig::default().with_prefix("x".repeat(58));
    let layer = ChannelLayer::redis_pubsub_with(&[server.url()], longest).await.unwrap();
    let channel = layer.new_channel().await.unwrap();
    layer.send(channel.name(), &Tick { number: 2 }).await.unwrap();
    assert_eq!(next(&channel).await, 2);
}

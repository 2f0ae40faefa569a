//! The queues of the core layer in Redis: entries, capacity, expiry and invalid content.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use serde_json::json;

use crate::layer::redis::core::{
    KEY, Room, STUCK, Tick, join_stuck, logged_once, next_number, now, open, queue_of, stuck_queue,
};
use crate::support::log::Log;
use crate::support::redis::{RedisServer, Reply};
use crate::support::until::until;

#[tokio::test]
async fn group_send_writes_one_entry_per_process() {
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
        // Twelve random bytes, then the map as Python's msgpack writes it, with the list of channels last.
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
            assert_eq!(next_number(channel).await, number);
        }
    }
    // Only the group and the stuck queue: no `$inflight`, and the own queue is empty.
    let keys: HashSet<_> = server.ask("KEYS *").texts().into_iter().collect();
    assert_eq!(keys, HashSet::from([KEY.to_owned(), format!("asgi{STUCK}")]));
}

#[tokio::test]
async fn own_queue_is_only_popped() {
    let server = RedisServer::start();
    let (layer, other) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let channel = layer.new_channel().await.unwrap();
    for reader in [&layer, &other] {
        // Each has written the entry with which it begins.
        reader.ready(Duration::from_secs(20)).await.unwrap();
    }
    server.ask("CONFIG RESETSTAT");
    for number in 0..100 {
        other.send(channel.name(), &Tick { number }).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(next_number(&channel).await, number);
    }
    let said = server.ask("INFO commandstats").text();
    let calls: HashMap<&str, u32> = said
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .map(|(name, rest)| (name, rest.split(',').next().unwrap().parse().unwrap()))
        .collect();
    let count = |name| calls.get(name).copied().unwrap_or_default();
    // One script per send and no other writes. The commands within the script are counted, too.
    assert_eq!(count("eval") + count("evalsha"), 100, "{calls:?}");
    assert_eq!((count("zadd"), count("expire")), (100, 100), "{calls:?}");
    assert!(count("bzpopmin") <= 102 && count("zpopmin") <= 102, "{calls:?}");
    assert_eq!(count("zrange") + count("zrangebyscore") + count("keys"), 0, "{calls:?}");
}

#[tokio::test]
async fn local_messages_bypass_redis_in_order() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().capacity(100)).await;
    let channels = [layer.new_channel().await.unwrap(), layer.new_channel().await.unwrap()];
    for channel in &channels {
        layer.group_add(&Room, channel.name()).await.unwrap();
    }
    server.ask("CONFIG RESETSTAT");
    for number in 0..50 {
        layer.send(channels[0].name(), &Tick { number: 2 * number }).await.unwrap();
        layer.group_send(&Room, &Tick { number: 2 * number + 1 }).await.unwrap();
    }
    // The mailbox, not a queue in Redis, reports that it is full.
    let error = layer.send(channels[0].name(), &Tick { number: 100 }).await.unwrap_err();
    assert!(matches!(error, LayerError::ChannelFull { capacity: 100, .. }), "{error}");
    let said = server.ask("INFO commandstats").text();
    // Sends use a script. The memberships are written without one.
    for name in ["eval", "evalsha"] {
        assert!(!said.contains(&format!("cmdstat_{name}:")), "{said}");
    }
    for number in 0..100 {
        assert_eq!(next_number(&channels[0]).await, number);
        if number % 2 == 1 {
            assert_eq!(next_number(&channels[1]).await, number);
        }
    }
    assert_eq!(layer.stats().dropped_full, 0);
}

// test_send_capacity, test_send_specific_capacity and test_group_send_capacity_multiple_channels of channels_redis
#[tokio::test]
async fn full_queue_returns_channel_full_and_is_skipped_by_groups() {
    let server = RedisServer::start();
    let config = LayerConfig::default().capacity(3).channel_capacity("one", 1);
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
    assert_eq!(next_number(&here).await, 4);
    assert_eq!(stuck_queue(&server).len(), 3);
    // Both channels of the stuck process missed it.
    assert_eq!(layer.stats().dropped_full, 2);
}

// test_message_expiry__* of channels_redis
#[tokio::test]
async fn expired_entries_are_removed_by_next_sender() {
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default().capacity(2)).await;
    let old = now() - 61.0;
    let young = now() - 30.0;
    server.ask(&format!("ZADD asgi{STUCK} {old} oooooooooooo"));
    server.ask(&format!("ZADD asgi{STUCK} {young} yyyyyyyyyyyy"));
    let stuck = ChannelName::new(format!("{STUCK}0")).unwrap();
    layer.send(&stuck, &Tick { number: 1 }).await.unwrap();
    let entries = stuck_queue(&server);
    assert_eq!((entries.len(), &entries[0].0[..]), (2, &b"yyyyyyyyyyyy"[..]));
    // A membership that was not renewed receives nothing.
    server.ask(&format!("ZADD {KEY} {} {STUCK}1", now() - 86_402.0));
    layer.group_send(&Room, &Tick { number: 2 }).await.unwrap();
    assert_eq!(stuck_queue(&server).len(), 2);
}

// A single-threaded runtime, so that the layer logs in this thread. The bytes are those that a Python process writes: a
// string, a list, and invalid values of `__asgi_channel__`.
#[tokio::test]
async fn invalid_queue_entries_are_counted_and_skipped() {
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
    for invalid in [
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
        put(invalid);
    }
    put(&tick(1, &string(name)));
    put(&tick(2, &[&b"\x91"[..], &string(name)].concat()));
    put(&tick(3, &[&b"\x92"[..], &string(&format!("{STUCK}1")), &string(name)].concat()));
    put(&tick(9, &string("specific.gone!x")));
    put(&tick(4, &string(name)));
    for number in 1..=4 {
        assert_eq!(next_number(&channel).await, u32::from(number as u8));
    }
    assert_eq!(layer.stats().undecodable, 9);
    assert_eq!(logged_once(&log, "a message that is not an event was dropped"), 9);
}

// channels_redis selects the server by the hash of the whole channel name, which is often not the receiver's server.
#[tokio::test]
async fn message_on_wrong_shard_arrives() {
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
        assert_eq!(next_number(&channel).await, u32::from(number));
    }
}

/// A queue key of the wrong type affects its own process only: neither the other queues of the group nor the local members.
#[tokio::test]
async fn remote_queue_of_wrong_type_is_counted_and_skipped() {
    let server = RedisServer::start();
    let (here, there) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let (own, other) = (here.new_channel().await.unwrap(), there.new_channel().await.unwrap());
    const DEAD: [&str; 2] = ["specific.0dead!x", "specific.zdead!x"];
    // Before the other process in the list of members, and after it.
    let dead = async |number: usize| {
        server.ask(&format!("SET asgi{} text", DEAD[number].trim_end_matches('x')));
        server.ask(&format!("ZADD {KEY} {} {}", now(), DEAD[number]));
    };
    dead(0).await;
    here.group_add(&Room, own.name()).await.unwrap();
    there.group_add(&Room, other.name()).await.unwrap();
    dead(1).await;
    for number in 0..3 {
        here.group_send(&Room, &Tick { number }).await.unwrap();
        assert_eq!((next_number(&own).await, next_number(&other).await), (number, number));
    }
    assert_eq!(here.stats().undecodable, 6);
    // A direct send returns the error.
    let error = here.send_raw(DEAD[0], json!({"type": "tick", "number": 1})).await.unwrap_err();
    let source = std::error::Error::source(&error).expect("a source").to_string();
    assert!(source.contains("does not hold a sorted set"), "{source}");
    assert_eq!(
        server.ask(&format!("GET asgi{}", DEAD[0].trim_end_matches('x'))).text(),
        "text",
        "the value of another program stays"
    );
}

/// The queue belongs to this process: a value of another type under its key is deleted.
#[tokio::test]
async fn own_queue_of_wrong_type_is_recreated() {
    let server = RedisServer::start();
    let (here, there) = (open(&server, LayerConfig::default()).await, open(&server, LayerConfig::default()).await);
    let channel = here.new_channel().await.unwrap();
    here.group_add(&Room, channel.name()).await.unwrap();
    let queue = queue_of(&channel);
    for (number, command) in [format!("SET {queue} text"), format!("RPUSH {queue} text")].iter().enumerate() {
        server.ask(command);
        let number = u32::try_from(number).unwrap();
        let received = async {
            // Messages that are sent before the queue is recreated are lost in the gap.
            loop {
                there.group_send(&Room, &Tick { number }).await.unwrap();
                let arrived = tokio::time::timeout(Duration::from_millis(20), channel.receive()).await;
                if arrived.is_ok_and(|tick| tick.unwrap().decode::<Tick>().unwrap().number == number) {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), received).await.expect("the group receives again");
        until("the invalid value is counted", || here.stats().undecodable == u64::from(number) + 1).await;
        until("the gap is counted", || here.stats().gaps == u64::from(number) + 1).await;
    }
}

/// Redis has sent a message to the reader, and the layer closes before it arrives.
#[tokio::test]
async fn message_in_flight_arrives_when_layer_closes() {
    const ROUNDS: u32 = 60;
    let server = RedisServer::start();
    // Another runtime, so that a send ends before this one can read from its sockets.
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let run = |task: &mut (dyn FnMut() + Send)| std::thread::scope(|scope| scope.spawn(task).join().unwrap());
    let mut there = None;
    run(&mut || there = Some(elsewhere.block_on(open(&server, LayerConfig::default()))));
    let there = there.unwrap();
    for number in 0..ROUNDS {
        let here = open(&server, LayerConfig::default()).await;
        let channel = here.new_channel().await.unwrap();
        // The reader waits for a message.
        here.ready(Duration::from_secs(20)).await.unwrap();
        run(&mut || elsewhere.block_on(there.send(channel.name(), &Tick { number }).into_future()).unwrap());
        here.close().await;
        assert_eq!(next_number(&channel).await, number);
        assert!(channel.receive().await.is_none());
        let left = server.ask(&format!("EXISTS {}", queue_of(&channel)));
        assert_eq!((left.number(), here.stats().unread, here.stats().undecodable), (0, 0, 0));
    }
    elsewhere.shutdown_background();
}

#[derive(Default)]
struct Counter;

#[consumer]
impl Counter {
    #[handler("tick")]
    async fn tick(&mut self, _: &mut Context<Self>, _: &Tick) -> Result<()> {
        Ok(())
    }
}

/// Redis has sent a job to the worker, and the worker's future is dropped before it arrives.
#[tokio::test]
async fn job_in_flight_returns_to_queue_when_worker_is_dropped() {
    let server = RedisServer::start();
    // Another runtime, so that a send ends before this one can read from its sockets.
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let run = |task: &mut (dyn FnMut() + Send)| std::thread::scope(|scope| scope.spawn(task).join().unwrap());
    let mut there = None;
    run(&mut || there = Some(elsewhere.block_on(open(&server, LayerConfig::default()))));
    let (there, jobs) = (there.unwrap(), ChannelName::new("jobs").unwrap());
    let channels = Channels::builder().layer(open(&server, LayerConfig::default()).await).build().unwrap();
    for number in 0..20 {
        let worker = channels.worker::<Counter>("jobs").run_until(std::future::pending());
        let worker = tokio::spawn(worker);
        // The two readers of the processes' own queues, and the worker.
        until("the worker waits", || server.ask("INFO clients").text().contains("blocked_clients:3")).await;
        run(&mut || elsewhere.block_on(there.send(&jobs, &Tick { number }).into_future()).unwrap());
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
        until("the job is back", || server.ask("ZCARD asgijobs").number() == 1).await;
        assert!(server.ask("TTL asgijobs").number() > 0);
        server.ask("DEL asgijobs");
    }
    elsewhere.shutdown_background();
}

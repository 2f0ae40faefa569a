//! Helpers for the core layer: they read and write its keys in Redis with raw commands.

use channels_runtime::layer::{Channel, LayerConfig};
use channels_runtime::prelude::*;

use crate::support::layers::next_event;
use crate::support::log::Log;
use crate::support::redis::RedisServer;

#[event("tick")]
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Tick {
    pub(crate) number: u32,
}

#[group("room-1", events(Tick))]
pub(crate) struct Room;

pub(crate) const KEY: &str = "asgi:group:room-1";

pub(crate) async fn open(server: &RedisServer, config: LayerConfig) -> ChannelLayer {
    ChannelLayer::redis_core_with(&[server.url()], config).await.unwrap()
}

/// Returns the number of the next `Tick`.
pub(crate) async fn next_number(channel: &Channel) -> u32 {
    next_event(channel).await.decode::<Tick>().unwrap().number
}

/// Returns the key of the queue for a channel of a process.
pub(crate) fn queue_of(channel: &Channel) -> String {
    format!("asgi{}", channel.name().non_local())
}

/// A queue that is never read: that of a hanging process with one member in the group.
pub(crate) const STUCK: &str = "specific.00000000000000000000000000000000!";

pub(crate) fn join_stuck(server: &RedisServer, members: usize) {
    for number in 0..members {
        let now = now().to_string();
        server.ask(&format!("ZADD {KEY} {now} {STUCK}{number}"));
    }
}

pub(crate) fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

pub(crate) fn stuck_queue(server: &RedisServer) -> Vec<(Vec<u8>, f64)> {
    let entries = server.ask(&format!("ZRANGE asgi{STUCK} 0 -1 WITHSCORES"));
    let entries = entries.list().chunks(2);
    entries.map(|entry| (entry[0].bytes().to_vec(), entry[1].text().parse().unwrap())).collect()
}

/// Asserts that only the first of these records is a warning. Returns the number of records.
pub(crate) fn logged_once(log: &Log, what: &str) -> usize {
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(what)).collect();
    assert!(lines[0].contains("WARN"), "{text}");
    assert!(lines[1..].iter().all(|line| line.contains("DEBUG")), "{text}");
    lines.len()
}

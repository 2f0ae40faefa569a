//! A thousand clients of `examples/feed` whose process is restarted again and again. By hand, because it takes minutes:
//!
//! ```sh
//! cargo build --workspace --all-features --examples
//! cargo test --workspace --all-features --test integration -- --ignored --nocapture --exact \
//!     examples::feed_herd::herd_receives_each_message_once_through_restarts
//! ```

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::json;

use super::Client;
use crate::support::example::Example;
use crate::support::redis::RedisServer;

const CLIENTS: usize = 1000;
/// The clients that connect at the same moment. The server drops waiting sockets beyond its limit.
const HANDSHAKES: usize = 200;
const RESTARTS: usize = 40;
/// The messages that are sent before each restart, and while the process is away.
const LIVE: usize = 20;
const AWAY: usize = 100;

/// A client that checks that it receives each message once and in order.
struct Member {
    socket: Client,
    at: String,
    /// The number of the last message.
    seen: usize,
}

impl Member {
    async fn connect(feed: &Example, at: String, seen: usize) -> Self {
        let mut socket = Client::connect(feed, &format!("/ws/feed/lobby/?since={at}")).await;
        let hello = socket.next_json().await["hello"].as_str().expect("no history is lost").to_owned();
        Self { socket, at: hello, seen }
    }

    async fn receive(&mut self, last: usize) {
        while self.seen < last {
            let line = self.socket.next_json().await;
            self.seen += 1;
            assert_eq!(line["message"], self.seen.to_string(), "{line}");
            line["at"].as_str().expect("a kept message has a position").clone_into(&mut self.at);
        }
    }
}

fn signal(feed: &Example, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &feed.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Returns the most memory that a process has used, in KiB.
fn peak_memory(feed: &Example) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", feed.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn list_reads(redis: &RedisServer) -> usize {
    let stats = redis.ask("INFO commandstats").text();
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_lrange:calls="));
    calls.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes"]
async fn herd_receives_each_message_once_through_restarts() {
    let redis = RedisServer::start();
    let url = redis.url();
    let flags = ["--layer", "pubsub", "--redis", &url, "--history", "1000"];
    let stays = Example::start("feed", &flags);
    let mut sender = Member::connect(&stays, String::new(), 0).await;
    let mut restarts = Example::start("feed", &flags);
    let address = restarts.address().to_string();
    let begin = stream::iter((0..CLIENTS).map(|_| Member::connect(&restarts, String::new(), 0)));
    let mut members: Vec<_> = begin.buffer_unordered(HANDSHAKES).collect().await;
    let mut last = 0;
    for round in 0..RESTARTS {
        for (count, members) in [(LIVE, &mut members), (AWAY, &mut Vec::new())] {
            for _ in 0..count {
                last += 1;
                sender.socket.say(&json!({"message": last.to_string()})).await;
                sender.receive(last).await;
            }
            join_all(members.iter_mut().map(|member| member.receive(last))).await;
            if count == LIVE {
                signal(&restarts, if round % 2 == 0 { "-TERM" } else { "-KILL" });
                restarts.wait();
            }
        }
        let reads = list_reads(&redis);
        restarts = Example::start_at("feed", &address, &flags);
        let begun = Instant::now();
        let feed = &restarts;
        let back = members.drain(..).map(|Member { at, seen, .. }| async move {
            let mut member = Member::connect(feed, at, seen).await;
            member.receive(last).await;
            member
        });
        members = stream::iter(back).buffer_unordered(HANDSHAKES).collect().await;
        let (took, reads) = (begun.elapsed(), list_reads(&redis) - reads);
        println!(
            "restart {round}: {CLIENTS} clients received {AWAY} missed messages each within {} ms; the process read its \
             history {reads} times and used at most {} MiB",
            took.as_millis(),
            peak_memory(&restarts) / 1024
        );
        assert!(reads <= 1, "one recall for all clients, not {reads}");
    }
    // Whatever is doubled would arrive before this message.
    last += 1;
    sender.socket.say(&json!({"message": last.to_string()})).await;
    let all = join_all(members.iter_mut().map(|member| member.receive(last)));
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("every client receives the last message");
}

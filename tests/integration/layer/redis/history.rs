//! Histories of groups on the pub/sub layer: clients that come back, and faults of Redis.

use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::records::Records;
use crate::support::redis::RedisServer;
use crate::support::until::{until, within};

#[event("feed.line")]
pub(crate) struct Line {
    pub(crate) number: u32,
}

#[event("feed.typing", volatile)]
struct Typing {
    number: u32,
}

#[group("feed_{room}", events(Line, Typing), history(size = 5, ttl = "10m"))]
pub(crate) struct Feed<'a> {
    pub(crate) room: &'a str,
}

/// Sends its client what it receives.
struct Reader;

#[consumer]
impl Reader {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Feed { room: &room }, &cx.resume()).await?;
        cx.send_json(&json!({"what": "hello", "at": joined.at})).await?;
        Ok(Self)
    }

    #[handler("feed.line")]
    fn line(event: &Line, at: &Position) -> Json<serde_json::Value> {
        Json(json!({"what": event.number.to_string(), "at": at}))
    }

    #[handler("feed.typing")]
    fn typing(event: &Typing) -> Json<serde_json::Value> {
        Json(json!({"what": format!("typing {}", event.number)}))
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_json(&json!({"what": format!("lost {}", lost.cause), "at": lost.at})).await
    }

    #[layer_restored]
    async fn restored(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.send_json(&json!({"what": "restored"})).await
    }
}

/// A process with readers.
pub(crate) struct Process {
    pub(crate) layer: ChannelLayer,
    channels: Channels,
}

impl Process {
    async fn open(server: &RedisServer) -> Self {
        Self::open_with(&[server.url()], LayerConfig::default()).await
    }

    pub(crate) async fn open_with(hosts: &[String], config: LayerConfig) -> Self {
        let layer = ChannelLayer::redis_pubsub_with(hosts, config).await.unwrap();
        Self { channels: Channels::builder().layer(layer.clone()).build().unwrap(), layer }
    }

    pub(crate) async fn reader(&self, room: &str, since: &str) -> Client {
        let route = self.channels.route::<Reader>(warp::path!("feed" / String));
        let mut socket = WebsocketCommunicator::new(route, format!("/feed/{room}?since={since}"));
        socket.connect().await.unwrap();
        Client { socket, at: String::new() }
    }

    pub(crate) async fn send(&self, room: &str, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.layer.group_send(&Feed { room }, &Line { number }).await.unwrap();
        }
    }
}

/// The client of a reader, which remembers its position.
pub(crate) struct Client {
    socket: WebsocketCommunicator,
    pub(crate) at: String,
}

impl Client {
    async fn next(&mut self) -> String {
        let frame: serde_json::Value = within(self.socket.receive_json_from()).await.unwrap();
        if let Some(at) = frame["at"].as_str() {
            self.at = at.into();
        }
        frame["what"].as_str().unwrap().into()
    }

    pub(crate) async fn receives(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.next().await, *expected);
        }
    }

    /// Returns the position.
    async fn leave(mut self) -> String {
        self.socket.disconnect(CloseCode::NORMAL).await.unwrap();
        self.at
    }
}

fn kept(room: &str) -> String {
    format!("asgi__history__{{feed_{room}}}kept")
}

/// Returns the bytes of the kept messages, each with its link before it.
fn entries(server: &RedisServer, room: &str) -> Vec<Vec<u8>> {
    let entries = server.ask(&format!("LRANGE {} 0 -1", kept(room)));
    entries.list().iter().map(|entry| entry.bytes().to_vec()).collect()
}

/// Keeps a copy of the newest message with another number, as a sender whose messages are lost on their way.
fn record_without_publishing(server: &RedisServer, room: &str, id: &str, number: u8) {
    let last = entries(server, room).pop().unwrap();
    let mut entry = [&last[16..32], id.as_bytes(), &last[32..]].concat();
    *entry.last_mut().unwrap() = number;
    server.run(&[b"RPUSH", kept(room).as_bytes(), &entry]);
    server.ask(&format!("SET asgi__history__{{feed_{room}}}newest {id}"));
}

async fn recovers_on_another_process(hosts: &[String], config: LayerConfig) {
    let (here, there) =
        (Process::open_with(hosts, config.clone()).await, Process::open_with(hosts, config.clone()).await);
    for room in ["a", "b", "c", "d", "e", "f"] {
        let (mut moving, mut staying) = (here.reader(room, "").await, there.reader(room, "").await);
        moving.receives(&["hello"]).await;
        staying.receives(&["hello"]).await;
        let at = moving.leave().await;
        there.send(room, [1, 2]).await;
        // It has a position before the first message.
        let mut moving = there.reader(room, &at).await;
        moving.receives(&["hello", "1", "2"]).await;
        here.layer.group_send(&Feed { room }, &Typing { number: 7 }).await.unwrap();
        moving.receives(&["typing 7"]).await;
        let at = moving.leave().await;
        here.send(room, [3, 4, 5]).await;
        let mut moving = here.reader(room, &at).await;
        moving.receives(&["hello", "3", "4", "5"]).await;
        there.send(room, [6]).await;
        moving.receives(&["6"]).await;
        staying.receives(&["1", "2", "typing 7", "3", "4", "5", "6"]).await;
        assert_eq!(moving.at, staying.at, "a position is the same on all processes");
        let events = here.layer.history(&Feed { room }).await.unwrap();
        let numbers: Vec<u32> = events.iter().map(|event| event.decode::<Line>().unwrap().number).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 6]);
        assert_eq!(events.last().unwrap().position().to_string(), moving.at);
        let at = moving.leave().await;
        here.reader(room, &at).await.receives(&["hello"]).await;
        // Another room's position, and a text that is not a position.
        here.reader("another", &at).await.receives(&["hello"]).await;
        here.reader(room, "garbage").await.receives(&["hello", "lost unreadable"]).await;
    }
    assert_eq!([&here, &there].map(|process| process.layer.stats().undecodable), [0, 0]);
    assert_eq!([&here, &there].map(|process| process.layer.stats().unrecorded), [0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_recovers_on_another_process() {
    let server = RedisServer::start();
    recovers_on_another_process(&[server.url()], LayerConfig::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_recovers_with_several_servers_encryption_and_prefix() {
    let servers = [RedisServer::start(), RedisServer::start()];
    let hosts = [servers[0].url(), servers[1].url()];
    let config = LayerConfig::default().prefix("shop").symmetric_encryption_keys(["a key that nobody has"]);
    recovers_on_another_process(&hosts, config).await;
    let keys = servers.each_ref().map(|server| server.ask("KEYS *").texts());
    for (server, keys) in servers.iter().zip(keys) {
        assert!(!keys.is_empty(), "the rooms are on both servers");
        for key in keys {
            assert!(key.starts_with("shop__history__{feed_"), "{key}");
            let slot = |name: &str| {
                let hash = name.split_once('{').unwrap().1.split_once('}').unwrap().0;
                hash.to_owned()
            };
            let pair =
                if key.ends_with("kept") { key.replace("}kept", "}newest") } else { key.replace("}newest", "}kept") };
            assert_eq!(slot(&key), slot(&pair));
            if key.ends_with("kept") {
                let entry = server.ask(&format!("LINDEX {key} 0")).bytes().to_vec();
                assert!(entry[32..].starts_with(b"gAAAA"), "the body is encrypted");
            }
        }
    }
}

/// Both topics are subscribed while the group has a member, and the names in Redis are those of the documentation.
#[tokio::test]
async fn last_member_unsubscribes_both_topics() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let subscribed = || {
        let names = server.ask("PUBSUB CHANNELS *feed_*").texts();
        names.len()
    };
    for _ in 0..3 {
        let mut reader = process.reader("a", "").await;
        reader.receives(&["hello"]).await;
        assert_eq!(subscribed(), 2);
        reader.leave().await;
        until("both are unsubscribed", || subscribed() == 0).await;
    }
    let channel = process.reader("a", "").await;
    process.layer.flush().await.unwrap();
    until("flush unsubscribes both", || subscribed() == 0).await;
    drop(channel);
}

/// The links of a group are subscribed as long as its messages are, so that no message arrives without its link.
#[tokio::test]
async fn links_are_subscribed_before_their_group_and_unsubscribed_after_it() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let mut monitor = BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap()).lines();
    monitor.get_mut().write_all(b"MONITOR\r\n").await.unwrap();
    assert_eq!(monitor.next_line().await.unwrap().unwrap(), "+OK");
    for _ in 0..3 {
        let mut reader = process.reader("a", "").await;
        reader.receives(&["hello"]).await;
        reader.leave().await;
        let mut topics = Vec::new();
        while topics.len() < 4 {
            let line = within(monitor.next_line()).await.unwrap().unwrap();
            let words: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            if let [command @ ("SUBSCRIBE" | "UNSUBSCRIBE"), names @ ..] = &words[..] {
                let names = names.iter().filter(|name| name.contains("feed_a"));
                topics.extend(names.map(|name| format!("{command} {name}")));
            }
        }
        let [links, group] = ["asgi__history__{feed_a}links", "asgi__group__feed_a"];
        let in_order = [("SUBSCRIBE", links), ("SUBSCRIBE", group), ("UNSUBSCRIBE", group), ("UNSUBSCRIBE", links)];
        assert_eq!(topics, in_order.map(|(command, name)| format!("{command} {name}")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubled_message_is_dropped() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let mut reader = process.reader("a", "").await;
    reader.receives(&["hello"]).await;
    process.send("a", [1, 2]).await;
    for entry in entries(&server, "a") {
        for _ in 0..2 {
            server.publish("asgi__history__{feed_a}links", &entry[..32]);
            server.publish("asgi__group__feed_a", &entry[32..]);
        }
    }
    process.send("a", [3]).await;
    reader.receives(&["1", "2", "3"]).await;
}

/// The members receive what was lost together with the next message, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_message_is_recalled_with_the_next_one() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let mut readers = [process.reader("a", "").await, process.reader("a", "").await];
    process.send("a", [1]).await;
    for reader in &mut readers {
        reader.receives(&["hello", "1"]).await;
    }
    record_without_publishing(&server, "a", "lost--lost--lost", 2);
    process.send("a", [3]).await;
    for reader in &mut readers {
        reader.receives(&["2", "3"]).await;
    }
    // A predecessor that no history contains: the message is not part of the history, and the next one arrives.
    let forged = entries(&server, "a").pop().unwrap();
    server.publish("asgi__history__{feed_a}links", b"forged-forged-fgforged-forged-f2");
    server.publish("asgi__group__feed_a", &forged[32..]);
    process.send("a", [4]).await;
    for reader in &mut readers {
        reader.receives(&["4"]).await;
    }
    // A link that is not one is counted, and the message after it is delivered without a position.
    server.publish("asgi__history__{feed_a}links", b"not a link");
    server.publish("asgi__group__feed_a", &forged[32..]);
    readers[0].receives(&["3"]).await;
    // It is counted after it is delivered.
    until("it is counted", || process.layer.stats().unrecorded == 1).await;
    assert_eq!((process.layer.stats().undecodable, process.layer.stats().unrecorded), (1, 1));
    assert_eq!(process.layer.stats().history_lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_messages_than_the_history_are_a_gap() {
    let server = RedisServer::start();
    let (here, there) = (Process::open(&server).await, Process::open(&server).await);
    let mut reader = here.reader("a", "").await;
    here.send("a", [1]).await;
    reader.receives(&["hello", "1"]).await;
    let at = reader.leave().await;
    here.send("a", 2..=6).await;
    here.reader("a", &at).await.receives(&["hello", "2", "3", "4", "5", "6"]).await;
    here.send("a", [7]).await;
    let mut reader = here.reader("a", &at).await;
    reader.receives(&["hello", "lost forgotten"]).await;
    here.send("a", [8]).await;
    reader.receives(&["8"]).await;
    let at = reader.leave().await;
    assert_eq!(server.ask(&format!("DEL {}", kept("a"))).number(), 1);
    // A process without the messages in its memory.
    there.reader("a", &at).await.receives(&["hello"]).await;
    here.send("a", [9]).await;
    server.ask(&format!("DEL {}", kept("a")));
    let another = Process::open(&server).await;
    another.reader("a", &at).await.receives(&["hello", "lost forgotten"]).await;
}

/// The memory of the process for histories is full: it asks Redis again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_beyond_the_memory_of_the_process_is_recalled_again() {
    let server = RedisServer::start();
    let process = Process::open_with(&[server.url()], LayerConfig::default().history_memory(1500)).await;
    let rooms = ["a", "b", "c", "d"];
    let mut readers = Vec::new();
    for room in rooms {
        let mut reader = process.reader(room, "").await;
        reader.receives(&["hello"]).await;
        let at = reader.at.clone();
        // The first reader stays, so that the process keeps the history.
        readers.push((reader, at));
    }
    for number in 1..=5 {
        for room in rooms {
            process.send(room, [number]).await;
        }
    }
    for (room, (reader, start)) in rooms.iter().zip(&mut readers) {
        reader.receives(&["1", "2", "3", "4", "5"]).await;
        process.reader(room, start).await.receives(&["hello", "1", "2", "3", "4", "5"]).await;
        process.reader(room, &reader.at).await.receives(&["hello"]).await;
    }
    assert_eq!(process.layer.stats().history_lost, 0);
}

/// A process that can read a message no more tells its members of the gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undecodable_message_is_a_gap() {
    let server = RedisServer::start();
    let config = |keys: &[&str]| LayerConfig::default().symmetric_encryption_keys(keys.iter().copied());
    let hosts = [server.url()];
    let (old, new) = (Process::open_with(&hosts, config(&["an old key of 16"])).await, {
        Process::open_with(&hosts, config(&["a new key of 16.", "an old key of 16"])).await
    });
    let (mut one, mut other) = (old.reader("a", "").await, new.reader("a", "").await);
    old.send("a", [1]).await;
    new.send("a", [2]).await;
    other.receives(&["hello", "1", "2"]).await;
    one.receives(&["hello", "1", "lost forgotten"]).await;
    let at = one.at.clone();
    old.send("a", [3]).await;
    one.receives(&["3"]).await;
    other.receives(&["3"]).await;
    assert_eq!((old.layer.stats().undecodable, new.layer.stats().undecodable), (1, 0));
    // The gap ends with the message that cannot be read.
    old.reader("a", &at).await.receives(&["hello", "3"]).await;
}

/// Another program may add to the list without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recall_reads_no_more_than_the_largest_history() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    process.send("a", [1, 2]).await;
    let at = process.layer.history(&Feed { room: "a" }).await.unwrap()[0].position().to_string();
    let script = b"for number = 1, 100000 do redis.call('LPUSH', KEYS[1], 'x') end";
    server.run(&[b"EVAL", script, b"1", kept("a").as_bytes()]);
    let mut reader = process.reader("a", &at).await;
    reader.receives(&["hello", "2"]).await;
    assert_eq!(process.layer.stats().undecodable, 998);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_history_is_sent_to_nobody() {
    let server = RedisServer::start();
    let (here, there) = (Process::open(&server).await, Process::open(&server).await);
    let (mut one, mut other) = (here.reader("a", "").await, there.reader("a", "").await);
    one.receives(&["hello"]).await;
    let start = one.at.clone();
    here.send("a", [1]).await;
    one.receives(&["1"]).await;
    other.receives(&["hello", "1"]).await;
    here.layer.history_forget(&Feed { room: "a" }).await.unwrap();
    here.send("a", [2]).await;
    other.receives(&["2"]).await;
    for process in [&here, &there] {
        process.reader("a", &start).await.receives(&["hello", "lost forgotten"]).await;
        process.reader("a", &one.at).await.receives(&["hello", "2"]).await;
    }
    assert_eq!(there.layer.history(&Feed { room: "a" }).await.unwrap().len(), 1);
}

/// The connection is lost, and the server is the same: the members receive what was recorded meanwhile, and then the notice that
/// the layer is restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interruption_is_repaired_before_layer_restored() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let mut reader = process.reader("a", "").await;
    process.send("a", [1]).await;
    reader.receives(&["hello", "1"]).await;
    for round in 0..3_u8 {
        let id = format!("lost-lost-lost-{round}");
        record_without_publishing(&server, "a", &id, 10 + round);
        server.ask("CLIENT KILL TYPE pubsub");
        reader.receives(&[&(10 + round).to_string(), "restored"]).await;
    }
    process.send("a", [20]).await;
    reader.receives(&["20"]).await;
    let stats = process.layer.stats();
    assert_eq!((stats.gaps, stats.history_lost, stats.unrecorded), (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_redis_is_a_gap_told_before_layer_restored() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let (mut one, mut other) = (process.reader("a", "").await, process.reader("b", "").await);
    process.send("a", [1]).await;
    one.receives(&["hello", "1"]).await;
    other.receives(&["hello"]).await;
    let before = one.at.clone();
    let server = server.restart();
    one.receives(&["lost other_server", "restored"]).await;
    other.receives(&["lost other_server", "restored"]).await;
    process.send("a", [2]).await;
    one.receives(&["2"]).await;
    process.reader("a", &before).await.receives(&["hello", "lost other_server"]).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_redis_refuses_the_send_and_nobody_receives_it() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let process = Process::open(&server).await;
    let mut reader = process.reader("a", "").await;
    process.send("a", [1]).await;
    reader.receives(&["hello", "1"]).await;
    assert_eq!(server.ask("CONFIG SET maxmemory 1").text(), "OK");
    let error = process.layer.group_send(&Feed { room: "a" }, &Line { number: 2 }).await.unwrap_err();
    assert!(Error::from(error).to_string().contains("OOM"));
    // Joins need no memory.
    process.reader("b", "").await.receives(&["hello"]).await;
    server.ask("CONFIG SET maxmemory 0");
    process.send("a", [3]).await;
    reader.receives(&["3"]).await;
    assert_eq!(process.layer.history(&Feed { room: "a" }).await.unwrap().len(), 2);
}

/// Python processes receive the same bytes with a history and without one.
#[tokio::test]
async fn published_message_is_the_same_without_a_history() {
    let server = RedisServer::start();
    let process = Process::open(&server).await;
    let mut python = server.connect();
    python.ask("SUBSCRIBE asgi__group__feed_a");
    process.send("a", [1]).await;
    process.layer.group_send_raw("feed_a", json!({"type": "feed.line", "number": 1})).await.unwrap();
    // The reply to a command comes after the messages.
    let messages = ["PING"; 2].map(|ping| python.ask(ping));
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[0].list()[2].bytes(), b"\x82\xa4type\xa9feed.line\xa6number\x01");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_members_of_a_group_cost_one_recall() {
    const CLIENTS: usize = 1000;
    let server = RedisServer::start();
    let (here, there) = (Process::open(&server).await, Process::open(&server).await);
    let mut reader = here.reader("a", "").await;
    reader.receives(&["hello"]).await;
    let at = reader.leave().await;
    here.send("a", 1..=5).await;
    server.ask("CONFIG RESETSTAT");
    let readers = join_all((0..CLIENTS).map(async |_| {
        let mut reader = there.reader("a", &at).await;
        reader.receives(&["hello", "1", "2", "3", "4", "5"]).await;
        reader
    }))
    .await;
    let stats = server.ask("INFO commandstats").text();
    assert!(stats.contains("cmdstat_lrange:calls=1,"), "{stats}");
    assert_eq!(there.layer.stats().recovered, CLIENTS as u64);
    drop(readers);
}

/// Without the command INFO, a restart cannot be told from a short interruption. The process logs it.
// A single-threaded runtime, so that the layer logs in this thread.
#[tokio::test]
async fn user_without_info_recovers_and_is_logged_once() {
    let (log, _listening) = Records::listen();
    let server = RedisServer::start();
    server.ask("ACL SETUSER default -info");
    let (here, there) = (Process::open(&server).await, Process::open(&server).await);
    let mut reader = here.reader("a", "").await;
    reader.receives(&["hello"]).await;
    let at = reader.leave().await;
    here.send("a", [1]).await;
    there.reader("a", &at).await.receives(&["hello", "1"]).await;
    there.reader("b", "").await.receives(&["hello"]).await;
    // Once for each layer.
    assert_eq!(log.take("Redis does not return the identity of its run").len(), 2);
}

/// The core layer keeps no histories: who comes back is told so, before anything else.
#[tokio::test]
async fn core_layer_tells_that_it_keeps_nothing() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[server.url()]).await.unwrap();
    let process = Process { channels: Channels::builder().layer(layer.clone()).build().unwrap(), layer };
    let pubsub = Process::open(&server).await;
    let mut reader = pubsub.reader("a", "").await;
    reader.receives(&["hello"]).await;
    let (mut first, mut back) = (process.reader("a", "").await, process.reader("a", &reader.at).await);
    process.send("a", [1]).await;
    first.receives(&["hello", "1"]).await;
    back.receives(&["hello", "lost not_kept", "1"]).await;
    assert_eq!(back.at, "", "nothing has a position");
    assert!(process.layer.history(&Feed { room: "a" }).await.unwrap().is_empty());
    process.layer.history_forget(&Feed { room: "a" }).await.unwrap();
}

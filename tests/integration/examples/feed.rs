//! `examples/feed`: a client that comes back receives what it missed.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Client;
use crate::support::example::Example;
use crate::support::redis::RedisServer;
use crate::support::until::within;

async fn connect(example: &Example, since: &str) -> Client {
    Client::connect(example, &format!("/ws/feed/lobby/?since={since}")).await
}

async fn say(client: &mut Client, number: usize) {
    client.say(&json!({"message": number.to_string()})).await;
}

/// Returns the position of the next message, which must have this number.
async fn heard(client: &mut Client, number: usize) -> String {
    let line = client.next_json().await;
    assert_eq!(line["message"], number.to_string(), "{line}");
    line["at"].as_str().expect("a kept message has a position").to_owned()
}

async fn client_recovers(before: &Example, after: &Example) {
    let mut ann = connect(before, "").await;
    let first = ann.next_json().await["hello"].as_str().expect("a position from the start").to_owned();
    let mut bob = connect(before, "").await;
    assert_eq!(bob.next_json().await, json!({"hello": first}));
    say(&mut ann, 1).await;
    let at = heard(&mut bob, 1).await;
    assert_eq!(heard(&mut ann, 1).await, at);
    drop(bob);
    for number in 2..=5 {
        say(&mut ann, number).await;
        heard(&mut ann, number).await;
    }
    for (since, from) in [(&at, 2), (&first, 1)] {
        let mut bob = connect(after, since).await;
        assert_eq!(bob.next_json().await, json!({"hello": since}), "he has not received the missed ones yet");
        for number in from..=5 {
            heard(&mut bob, number).await;
        }
    }
    let mut bob = connect(after, &at).await;
    bob.next_json().await;
    say(&mut ann, 6).await;
    // A double would precede the last message.
    for number in 2..=6 {
        heard(&mut bob, number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_client_recovers_in_memory() {
    let feed = Example::start("feed", &[]);
    client_recovers(&feed, &feed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_client_recovers_at_another_process() {
    let redis = RedisServer::start();
    let url = redis.url();
    let flags = ["--layer", "pubsub", "--redis", &url, "--history", "1000"];
    let feeds = [Example::start("feed", &flags), Example::start("feed", &flags)];
    client_recovers(&feeds[0], &feeds[1]).await;
}

async fn lost(example: &Example, since: &str) -> Value {
    let mut client = connect(example, since).await;
    assert_eq!(client.next_json().await, json!({"hello": null}), "the client keeps its old position");
    let lost = client.next_json().await;
    assert_eq!(lost["at"].as_str().map(str::len), Some(30), "{lost}");
    lost["lost"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_tells_each_gap() {
    let feed = Example::start("feed", &["--history", "2"]);
    let mut ann = connect(&feed, "").await;
    let first = ann.next_json().await["hello"].as_str().unwrap().to_owned();
    for number in 1..=3 {
        say(&mut ann, number).await;
        heard(&mut ann, number).await;
    }
    assert_eq!(lost(&feed, &first).await, "forgotten");
    assert_eq!(lost(&feed, "nonsense").await, "unreadable");
    let restarted = Example::start("feed", &[]);
    assert_eq!(lost(&restarted, &first).await, "other_server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_clients_of_a_killed_process_receive_each_message_once() {
    const MESSAGES: usize = 200;
    let redis = RedisServer::start();
    let url = redis.url();
    let flags = ["--layer", "pubsub", "--redis", &url, "--history", "1000"];
    let (stays, dies) = (Example::start("feed", &flags), Example::start("feed", &flags));
    let mut sender = connect(&stays, "").await;
    sender.next_json().await;
    let mut bob = connect(&dies, "").await;
    bob.next_json().await;
    let mut dies = Some(dies);
    let mut at = String::new();
    let mut seen = 0;
    for number in 1..=MESSAGES {
        say(&mut sender, number).await;
        heard(&mut sender, number).await;
        if number <= 50 {
            at = heard(&mut bob, number).await;
            seen = number;
        }
        if number == 100 {
            drop(dies.take());
        }
    }
    let mut bob = connect(&stays, &at).await;
    assert_eq!(bob.next_json().await, json!({"hello": at}));
    while seen < MESSAGES {
        seen += 1;
        heard(&mut bob, seen).await;
    }
}

/// Reads until the stream contains this text. Returns all of it.
async fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        let mut part = [0; 4096];
        let read = within(socket.read(&mut part)).await.unwrap();
        assert!(read > 0, "the stream has ended: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&part[..read]);
    }
    String::from_utf8(all).unwrap()
}

async fn events(example: &Example, query: &str, last: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(example.address()).await.unwrap();
    let request =
        format!("GET /sse/feed/lobby/{query} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n", example.address());
    socket.write_all(&[request.as_bytes(), last, b"\r\n"].concat()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_events_continue_at_their_last_id() {
    let feed = Example::start("feed", &[]);
    let mut socket = events(&feed, "", b"").await;
    read_until(&mut socket, "hello").await;
    let mut ann = connect(&feed, "").await;
    let first = ann.next_json().await["hello"].as_str().unwrap().to_owned();
    say(&mut ann, 1).await;
    let at = heard(&mut ann, 1).await;
    let event = read_until(&mut socket, "\"message\":\"1\"").await;
    assert!(event.contains(&format!("id: {at}\ndata: ")), "{event}");
    drop(socket);
    for number in 2..=4 {
        say(&mut ann, number).await;
        heard(&mut ann, number).await;
    }
    // A browser reconnects to the first address of its source, so the query may be older than the header.
    let query = format!("?since={first}");
    let mut socket = events(&feed, &query, format!("Last-Event-ID: {at}\r\n").as_bytes()).await;
    let body = read_until(&mut socket, "\"message\":\"4\"").await;
    assert!(!body.contains("\"message\":\"1\"") && !body.contains("lost"), "{body}");
    for number in 2..=4 {
        assert_eq!(body.matches(&format!("\"message\":\"{number}\"")).count(), 1, "{body}");
    }
    assert_eq!(body.matches("id: ").count(), 4, "one for the position of the join, and one for each message: {body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_tells_last_id_that_is_not_a_position() {
    let feed = Example::start("feed", &[]);
    let mut ann = connect(&feed, "").await;
    let first = ann.next_json().await["hello"].as_str().unwrap().to_owned();
    say(&mut ann, 1).await;
    heard(&mut ann, 1).await;
    let query = format!("?since={first}");
    // Bytes that are not text are not a first visit either.
    for last in [&b"Last-Event-ID: x\r\n"[..], b"Last-Event-ID: \xff\xfe\r\n", b"Last-Event-ID: 7\r\n"] {
        let mut socket = events(&feed, &query, last).await;
        read_until(&mut socket, "\"lost\":\"unreadable\"").await;
    }
    let mut socket = events(&feed, &query, b"Last-Event-ID:\r\n").await;
    let body = read_until(&mut socket, "\"message\":\"1\"").await;
    assert!(!body.contains("lost"), "an empty id is none: {body}");
}

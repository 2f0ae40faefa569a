//! `examples/axum-chat`: the chat, its pages, its tower layer, and its end.

use std::io::Read;

use serde_json::json;

use super::Client;
use crate::server::drain::told_to_wait;
use crate::support::client::{handshake, send_request};
use crate::support::example::Example;

/// Requests a page and returns its status and body.
async fn page(chat: &Example, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\nhost: ours\nconnection: close\n\n");
    let response = send_request(chat.address(), &request).await;
    (response.status, response.body().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axum_chat_serves_rooms_pages_and_state() {
    let chat = Example::start("axum-chat", &[]);
    // The path matches with a last slash and without.
    let mut ann = Client::connect(&chat, "/ws/chat/lobby/").await;
    let mut bob = Client::connect(&chat, "/ws/chat/lobby").await;
    let mut cas = Client::connect(&chat, "/ws/chat/elsewhere/").await;
    for (number, text) in ["hi", "who is there?"].into_iter().enumerate() {
        let line = json!({"message": text});
        ann.say(&line).await;
        assert_eq!((ann.next_json().await, bob.next_json().await), (line.clone(), line));
        assert_eq!(page(&chat, "/sent").await, (200, (number + 1).to_string()));
    }
    cas.say(&json!({"message": "only here"})).await;
    assert_eq!(cas.next_json().await, json!({"message": "only here"}));

    let (status, html) = page(&chat, "/chat/lobby").await;
    assert!(status == 200 && html.contains("/ws/chat/"), "{status}: {html}");
    assert_eq!(page(&chat, "/readyz").await, (200, "ready".to_owned()));
    for path in ["/ws/chat/not%20legal/", "/nothing"] {
        let request = handshake(path, "Host: ours\nConnection: close\n");
        assert_eq!(send_request(chat.address(), &request).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axum_chat_logs_handshakes_and_closes_clients_on_sigterm() {
    let (mut chat, mut log) = Example::start_with_log("axum-chat", "axum_chat=debug,channels_runtime=info");
    let mut ann = Client::connect(&chat, "/ws/chat/lobby/").await;
    page(&chat, "/nothing").await;
    chat.signal("TERM");
    assert!(told_to_wait(&ann.next().await).is_some());
    drop(ann);
    assert!(chat.wait().success());
    let mut records = String::new();
    log.read_to_string(&mut records).unwrap();
    let of = |path: &str, status: u16| {
        let (path, status) = (format!("path=\"{path}\""), format!("status={status}"));
        records.lines().filter(|record| record.contains(&path) && record.contains(&status)).count()
    };
    assert_eq!((of("/ws/chat/lobby/", 101), of("/nothing", 404)), (1, 1), "{records}");
    assert!(records.contains("`CHANNEL_LAYERS` is not set, so the channel layer is in memory"), "{records}");
}

//! `examples/announce` reaches the rooms of `examples/chat` over Redis.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::Client;
use crate::support::example::{Example, program};
use crate::support::redis::{RedisServer, free_port};

fn announce(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program("announce"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo builds the examples before it runs the tests");
    child.stdin.take().expect("its input is a pipe").write_all(input.as_bytes()).expect("the program reads its input");
    child.wait_with_output().expect("the process is a child")
}

async fn announce_reaches_one_room(layer: &str) {
    let redis = RedisServer::start();
    let url = redis.url();
    let chat = Example::start("chat", &["--layer", layer, "--redis", &url]);
    let mut ann = Client::connect(&chat, "/ws/chat/lobby/").await;
    let mut eve = Client::connect(&chat, "/ws/chat/elsewhere/").await;

    let said = announce(&["--layer", layer, "--redis", &url, "lobby", "back in five minutes"], "");
    assert!(said.status.success(), "{said:?}");
    assert_eq!(ann.next_json().await, json!({"message": "back in five minutes"}));

    let lines: String = (0..50).map(|number| format!("line {number}\n")).collect();
    let said = announce(&["--layer", layer, "--redis", &url, "lobby"], &lines);
    assert!(said.status.success(), "{said:?}");
    for number in 0..50 {
        assert_eq!(ann.next_json().await, json!({"message": format!("line {number}")}));
    }

    // A message that reached the wrong room would precede this one.
    announce(&["--layer", layer, "--redis", &url, "elsewhere", "only here"], "");
    assert_eq!(eve.next_json().await, json!({"message": "only here"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announce_reaches_one_room_over_pubsub() {
    announce_reaches_one_room("pubsub").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announce_reaches_one_room_over_core() {
    announce_reaches_one_room("core").await;
}

#[test]
fn announce_reports_invalid_arguments() {
    let nobody = format!("redis://127.0.0.1:{}/0", free_port());
    let said = announce(&["--redis", &nobody, "lobby", "hello"], "");
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && error.contains("Redis"), "{error}");

    let redis = RedisServer::start();
    let said = announce(&["--redis", &redis.url(), "no such room", "hello"], "");
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && error.contains(r#"group name "chat_no such room" contains ' '"#), "{error}");
}

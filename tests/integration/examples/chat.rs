//! `examples/chat`: inspection, and two processes on one Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{Client, connect, next_text, send_request};
use crate::support::example::Example;
use crate::support::redis::RedisServer;

async fn client(chat: &Example, room: &str) -> Client {
    connect(chat.address(), &format!("/ws/chat/{room}/")).await
}

/// Returns the text of the next chat message.
async fn next_line(client: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) -> String {
    let value: Value = serde_json::from_str(&next_text(client).await).unwrap();
    value["message"].as_str().unwrap().to_owned()
}

/// Requests a page and returns its status and body.
async fn page(chat: &Example, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\nhost: x\nconnection: close\n\n");
    let response = send_request(chat.address(), &request).await;
    (response.status, response.body().await)
}

#[tokio::test]
async fn inspection_is_served_only_with_its_flag() {
    let plain = Example::start("chat", &[]);
    for path in ["/inspect", "/inspect.json"] {
        assert_eq!(page(&plain, path).await.0, 404, "{path}");
    }

    let chat = Example::start("chat", &["--inspect"]);
    let (mut ann, mut bob) = (client(&chat, "lobby").await, client(&chat, "lobby").await);
    ann.send(Message::text(json!({"message": "hi"}).to_string())).await.unwrap();
    assert_eq!((next_line(&mut ann).await, next_line(&mut bob).await), ("hi".to_owned(), "hi".to_owned()));
    let (status, html) = page(&chat, "/inspect").await;
    assert_eq!(status, 200);
    assert!(html.contains("<title>Inspection of the chat</title>"), "{html}");
    let (status, look) = page(&chat, "/inspect.json").await;
    assert_eq!(status, 200);
    let look: Value = serde_json::from_str(&look).unwrap();
    assert_eq!((&look["connections"], &look["consumers"]), (&json!(2), &json!({"ChatConsumer": 2})));
    assert_eq!(look["layer"]["largest_groups"], json!([{"name": "chat_lobby", "members": 2}]));
    assert_eq!(
        (&look["stats"]["layer"]["delivered"], &look["stats"]["handshakes"]["rejected"]),
        (&json!(2), &json!(0))
    );
}

const MESSAGES: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_messages_each_way_over_pubsub_arrive_once_in_order() {
    thousand_messages_each_way_arrive_once_in_order("pubsub").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_messages_each_way_over_core_arrive_once_in_order() {
    thousand_messages_each_way_arrive_once_in_order("core").await;
}

/// The number of lines that a sender may have in flight: those of both senders fit into a queue of the core layer, which
/// holds 100.
const UNDER_WAY: usize = 40;

/// Reads all lines of both senders, and then "the end". Adds a permit when all have arrived, and reads on, so that pings are
/// answered.
async fn listen(mut rx: SplitStream<Client>, from_other: (String, Arc<Semaphore>), all_heard: Arc<Semaphore>) {
    let mut heard: HashMap<String, usize> = HashMap::new();
    loop {
        let message = next_line(&mut rx).await;
        if message == "the end" {
            break;
        }
        let (from, number) = message.split_once(' ').unwrap();
        let expected = heard.entry(from.to_owned()).or_default();
        assert_eq!(number, expected.to_string(), "of sender {from}");
        *expected += 1;
        if from == from_other.0 {
            from_other.1.add_permits(1);
        }
        if heard.values().sum::<usize>() == 2 * MESSAGES {
            all_heard.add_permits(1);
        }
    }
    assert!(heard.values().all(|lines| *lines == MESSAGES), "{heard:?}");
}

async fn thousand_messages_each_way_arrive_once_in_order(layer: &str) {
    let redis = RedisServer::start();
    let flags = ["--layer", layer, "--redis", &redis.url()];
    let (one, two) = (Example::start("chat", &flags), Example::start("chat", &flags));
    let clients = [client(&one, "lobby").await, client(&two, "lobby").await];
    let mut strangers = [client(&one, "elsewhere").await, client(&two, "elsewhere").await];

    let (all_heard, may_send) = (Arc::new(Semaphore::new(0)), [(); 2].map(|()| Arc::new(Semaphore::new(UNDER_WAY))));
    let (mut sending, mut listening) = (Vec::new(), Vec::new());
    for (me, client) in clients.into_iter().enumerate() {
        let (mut tx, rx) = client.split();
        let other = 1 - me;
        let from_other = (other.to_string(), Arc::clone(&may_send[other]));
        listening.push(tokio::spawn(listen(rx, from_other, Arc::clone(&all_heard))));
        let may_send = Arc::clone(&may_send[me]);
        sending.push(tokio::spawn(async move {
            for number in 0..MESSAGES {
                may_send.acquire().await.unwrap().forget();
                tx.send(Message::text(json!({"message": format!("{me} {number}")}).to_string())).await.unwrap();
            }
            tx
        }));
    }
    let mut speaker = sending.remove(0).await.unwrap();
    // A duplicate, or a message to the wrong room, would precede these.
    _ = tokio::time::timeout(Duration::from_secs(60), all_heard.acquire_many(2)).await.expect("all lines, in time");
    speaker.send(Message::text(json!({"message": "the end"}).to_string())).await.unwrap();
    for listener in listening {
        listener.await.unwrap();
    }
    strangers[0].send(Message::text(json!({"message": "only here"}).to_string())).await.unwrap();
    for stranger in &mut strangers {
        assert_eq!(next_line(stranger).await, "only here");
    }
}

//! Two processes of the chat on one Redis are one chat.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::example::Example;
use crate::raw::ask;
use crate::redis::RedisServer;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn client(chat: &Example, room: &str) -> Client {
    connect_async(format!("ws://{}/ws/chat/{room}/", chat.address())).await.unwrap().0
}

async fn next(
    client: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> String {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), client.next()).await;
        let message = next.expect("a message in time").expect("the connection is open").unwrap();
        // One that only listens is asked whether it is there.
        if !message.is_ping() {
            let value: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            return value["message"].as_str().unwrap().to_owned();
        }
    }
}

/// Asks for a page of the chat's operator.
async fn page(chat: &Example, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\nhost: x\nconnection: close\n\n");
    let mut answer = ask(chat.address(), &request).await;
    let mut body = String::new();
    answer.socket.read_to_string(&mut body).await.unwrap();
    (answer.status, body)
}

#[tokio::test]
async fn a_look_inside_is_there_for_whoever_asked_for_it() {
    let plain = Example::start("chat", &[]);
    for path in ["/inspect", "/inspect.json"] {
        assert_eq!(page(&plain, path).await.0, 404, "{path}");
    }

    let chat = Example::start("chat", &["--inspect"]);
    let (mut ann, mut bob) = (client(&chat, "lobby").await, client(&chat, "lobby").await);
    ann.send(Message::text(json!({"message": "hi"}).to_string())).await.unwrap();
    assert_eq!((next(&mut ann).await, next(&mut bob).await), ("hi".to_owned(), "hi".to_owned()));
    let (status, html) = page(&chat, "/inspect").await;
    assert_eq!(status, 200);
    assert!(html.contains("<title>A look inside the chat</title>"), "{html}");
    let (status, look) = page(&chat, "/inspect.json").await;
    assert_eq!(status, 200);
    let look: Value = serde_json::from_str(&look).unwrap();
    assert_eq!((&look["connections"], &look["consumers"]), (&json!(2), &json!({"ChatConsumer": 2})));
    assert_eq!(look["layer"]["largest_groups"], json!([{"name": "chat_lobby", "members": 2}]));
    assert_eq!((&look["stats"]["layer"]["delivered"], &look["stats"]["door"]["rejected"]), (&json!(2), &json!(0)));
}

const MESSAGES: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_each_way_none_lost_none_doubled_all_in_order() {
    a_thousand_messages_each_way("pubsub").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_each_way_on_the_core_layer() {
    a_thousand_messages_each_way("core").await;
}

async fn a_thousand_messages_each_way(layer: &str) {
    let redis = RedisServer::start();
    let flags = ["--layer", layer, "--redis", &redis.url()];
    let (one, two) = (Example::start("chat", &flags), Example::start("chat", &flags));
    let clients = [client(&one, "lobby").await, client(&two, "lobby").await];
    let mut strangers = [client(&one, "elsewhere").await, client(&two, "elsewhere").await];

    let talking = clients.into_iter().enumerate().map(|(me, client)| {
        let (mut tx, mut rx) = client.split();
        let sending = tokio::spawn(async move {
            for number in 0..MESSAGES {
                let line = json!({"message": format!("{me} {number}")});
                tx.send(Message::text(line.to_string())).await.unwrap();
            }
            tx
        });
        tokio::spawn(async move {
            let mut heard: HashMap<String, usize> = HashMap::new();
            for _ in 0..2 * MESSAGES {
                let message = next(&mut rx).await;
                let (from, number) = message.split_once(' ').unwrap();
                let expected = heard.entry(from.to_owned()).or_default();
                assert_eq!(number, expected.to_string(), "of sender {from}");
                *expected += 1;
            }
            sending.await.unwrap().reunite(rx).unwrap()
        })
    });
    let talking: Vec<_> = talking.collect();
    let mut clients = Vec::new();
    for talk in talking {
        clients.push(talk.await.unwrap());
    }

    // Whatever was sent too often, or to the wrong room, would stand before these.
    clients[0].send(Message::text(json!({"message": "the end"}).to_string())).await.unwrap();
    for client in &mut clients {
        assert_eq!(next(client).await, "the end");
    }
    strangers[0].send(Message::text(json!({"message": "only here"}).to_string())).await.unwrap();
    for stranger in &mut strangers {
        assert_eq!(next(stranger).await, "only here");
    }
}

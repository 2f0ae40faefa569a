//! The smaller examples, as their clients see them over real sockets.

mod announce;
mod chat;
mod cursors;
mod dashboard;
mod forced_logout;
mod multichat;
mod presence;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::example::Example;

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(example: &Example, path: &str) -> Self {
        let address = example.address();
        Self(connect_async(format!("ws://{address}{path}")).await.unwrap().0)
    }

    async fn say(&mut self, value: &Value) {
        self.0.send(Message::text(value.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(30), self.0.next()).await;
        next.expect("a message in time").expect("the connection is open").unwrap()
    }

    async fn next_json(&mut self) -> Value {
        let message = self.next().await;
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// The code and the reason with which the server closes.
    async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(close)) => (close.code.into(), close.reason.to_string()),
            other => panic!("a close frame, and not {other:?}"),
        }
    }
}

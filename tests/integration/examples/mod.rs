//! The examples, as their clients see them over real sockets.

mod announce;
mod auction;
mod axum_chat;
mod chat;
mod cursors;
mod dashboard;
mod feed;
mod feed_herd;
mod forced_logout;
mod multichat;
mod presence;
mod two_layers;

use futures_util::SinkExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client;
use crate::support::example::Example;

struct Client(client::Client);

impl Client {
    async fn connect(example: &Example, path: &str) -> Self {
        Self(client::connect(example.address(), path).await)
    }

    async fn say(&mut self, value: &Value) {
        self.0.send(Message::text(value.to_string())).await.unwrap();
    }

    /// Returns the next message that is not a ping.
    async fn next(&mut self) -> Message {
        client::next(&mut self.0).await
    }

    async fn next_json(&mut self) -> Value {
        let message = self.next().await;
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// Returns the code and the reason of the server's close frame.
    async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(close)) => (close.code.into(), close.reason.to_string()),
            other => panic!("expected a close frame, got {other:?}"),
        }
    }
}

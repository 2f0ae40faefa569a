//! `examples/chat` with one difference: it is an axum application on axum's own server.

use std::net::SocketAddr;

use axum::Router;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// A message from a client, and to it.
#[derive(Serialize, Deserialize)]
struct Line {
    message: String,
}

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("chat_{name}", events(ChatMessage))]
struct Room {
    name: String,
}

struct ChatConsumer {
    room: Room,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, name: String) -> Result<Self, Reject> {
        let room = Room { name };
        cx.group_add(&room).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(line): Json<Line>) -> Result<()> {
        cx.group_send(&self.room, &ChatMessage { message: line.message }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line { message: event.message.clone() })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--addr");
    let address: SocketAddr = arguments.nth(1).and_then(|address| address.parse().ok()).expect("--addr 127.0.0.1:PORT");
    let channels = Channels::builder().build()?;
    let app = Router::new().consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

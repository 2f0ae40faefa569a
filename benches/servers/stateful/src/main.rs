//! `examples/chat` with one difference: its handler takes `&mut self`, so each member's consumer renders.

use std::net::SocketAddr;

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

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
    /// State for the handler, which is the reason for `&mut self`.
    received: u64,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, name: String) -> Result<Self, Reject> {
        let room = Room { name };
        cx.group_add(&room).await?;
        Ok(Self { room, received: 0 })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(line): Json<Line>) -> Result<()> {
        cx.group_send(&self.room, &ChatMessage { message: line.message }).await
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        self.received += 1;
        cx.send_json(&Line { message: event.message.clone() }).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--addr");
    let address: SocketAddr = arguments.nth(1).and_then(|address| address.parse().ok()).expect("--addr 127.0.0.1:PORT");
    let channels = Channels::builder().build()?;
    let chat = channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String));
    let server = channels.bind(address).await?;
    println!("listening on http://{}/", server.local_addr());
    server.serve(chat).await;
    Ok(())
}

//! `examples/chat` with compression, and with TLS if it gets a certificate and a key:
//! `compressing-chat --addr 127.0.0.1:0 [--tls CERTIFICATE KEY]`

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

#[group("chat_{room}", events(ChatMessage))]
struct Room {
    room: String,
}

struct ChatConsumer {
    room: Room,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = Room { room };
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
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &'static str| arguments.iter().skip_while(move |argument| argument.as_str() != name).skip(1);
    let address: SocketAddr =
        after("--addr").next().and_then(|address| address.parse().ok()).expect("--addr ADDRESS:PORT");
    let channels = Channels::builder().compression(256).build()?;
    let mut server = channels.bind(address).await?;
    if let [Some(certificate), Some(key)] = [after("--tls").next(), after("--tls").nth(1)] {
        server = server.tls(certificate, key)?;
    }
    println!("listening on http://{}/", server.local_addr());
    Ok(server.serve(channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String))).await?)
}

//! `examples/chat` with and without a history of its rooms.
//!
//! The frames have no position, so that both write the same bytes, and the load generator can check every one of them.

use std::net::SocketAddr;

use channels_runtime::prelude::*;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// A chat whose rooms may keep their messages.
#[derive(Parser)]
struct Flags {
    #[arg(long)]
    addr: SocketAddr,

    #[arg(long, value_enum)]
    layer: Layer,

    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: Vec<String>,

    /// Keeps the last 100 messages of each room.
    #[arg(long)]
    history: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Memory,
    Pubsub,
}

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

#[group("kept_{room}", events(ChatMessage), history(size = 100, ttl = "10m"))]
struct KeptRoom {
    room: String,
}

struct Chat {
    room: Room,
}

#[consumer]
impl Chat {
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

struct KeptChat {
    room: KeptRoom,
}

#[consumer]
impl KeptChat {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = KeptRoom { room };
        _ = cx.group_add_since(&room, &cx.resume()).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(line): Json<Line>) -> Result<()> {
        cx.group_send(&self.room, &ChatMessage { message: line.message }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> Json<Line> {
        Json(Line { message: event.message.clone() })
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, _lost: &HistoryLost) -> Result<()> {
        // The load generator never comes back, so it must not miss anything.
        cx.close(CloseCode::INTERNAL_ERROR);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let layer = match flags.layer {
        Layer::Memory => ChannelLayer::in_memory(),
        Layer::Pubsub => ChannelLayer::redis_pubsub(&flags.redis).await?,
    };
    let channels = Channels::builder().layer(layer).build()?;
    let server = channels.bind(flags.addr).await?;
    println!("listening on http://{}/", server.local_addr());
    if flags.history {
        server.serve(channels.route::<KeptChat>(warp::path!("ws" / "chat" / String))).await?;
    } else {
        server.serve(channels.route::<Chat>(warp::path!("ws" / "chat" / String))).await?;
    }
    Ok(())
}

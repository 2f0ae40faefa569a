//! The chat of the Django Channels tutorial: `cargo run --example chat`, then open http://127.0.0.1:8000/ in two tabs.
//!
//! Several processes share their rooms over one Redis:
//! `cargo run --example chat -- --layer pubsub --addr 127.0.0.1:8001`
//!
//! With `--inspect`, http://127.0.0.1:8000/inspect shows the connections, groups, backlog and rates.
//!
//! With `--compress`, messages of at least 256 bytes are compressed for the clients that can inflate them.
//!
//! A client of `/ws/chat/<room>/` sends `{"message": "hi"}`, and every member of the room receives `{"message": "hi"}`.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::prelude::*;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

/// A chat with rooms.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,

    /// The channel layer: `memory` for one process, `pubsub` and `core` for several. A Django process with the layer of
    /// that name in channels_redis shares the rooms.
    #[arg(long, value_enum, default_value_t = Layer::Memory)]
    layer: Layer,

    /// A Redis server; can be repeated.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: Vec<String>,

    /// Serves `/inspect`, which lists consumers and groups. Every client can read it, so use it on a private address only.
    #[arg(long)]
    inspect: bool,

    /// Compresses messages of at least this many bytes.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "256")]
    compress: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Memory,
    Pubsub,
    Core,
}

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("chat_{room}", events(ChatMessage))]
struct Room {
    room: String,
}

/// A message from the page, and to it.
#[derive(Serialize, Deserialize)]
struct Line {
    message: String,
}

struct ChatConsumer {
    room: Room,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = Room { room };
        // A room whose name is not legal in a group's name is rejected with 404.
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

/// Returns the page of a room. The page reads the room's name from its own address.
fn room_page(room: String) -> Response {
    match (Room { room }).name() {
        Ok(_) => page::page(include_str!("room.html")).into_response(),
        Err(error) => warp::reply::with_status(error.to_string(), StatusCode::NOT_FOUND).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let layer = match flags.layer {
        Layer::Memory => ChannelLayer::in_memory(),
        Layer::Pubsub => ChannelLayer::redis_pubsub(&flags.redis).await?,
        Layer::Core => ChannelLayer::redis_core(&flags.redis).await?,
    };
    let mut channels = Channels::builder().layer(layer);
    if let Some(bytes) = flags.compress {
        channels = channels.compression(bytes);
    }
    let channels = channels.build()?;
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(warp::path!("chat" / String).and(warp::get()).map(room_page))
        .or(channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String)));

    // Without `--inspect`, the pages return 404.
    let enabled = move || async move { if flags.inspect { Ok(()) } else { Err(warp::reject::not_found()) } };
    let page = warp::path!("inspect").map(|| page::page(include_str!("inspect.html")));
    let routes = routes.or(warp::get().and_then(enabled).untuple_one().and(page.or(channels.inspection())));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

//! A feed that misses nothing: `cargo run --example feed`, then open http://127.0.0.1:8000/feed/lobby/ in two tabs, cut one of
//! them off from the network, write in the other one, and connect it again.
//!
//! Several processes share the rooms and their histories over Redis, also across restarts:
//! `cargo run --example feed -- --layer pubsub --addr 127.0.0.1:8001`
//!
//! A client of `/ws/feed/<room>/?since=<positions>` first receives `{"hello": "<position>"}`. It sends `{"message": "hi"}`, and
//! every member receives `{"message": "hi", "at": "<position>"}`. A client that cannot receive all that it missed gets
//! `{"hello": null}`, and then `{"lost": "<cause>", "at": "<position>"}` before anything live. `/sse/feed/<room>/` sends the same
//! messages as server-sent events.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

/// A feed that misses nothing.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,

    /// The channel layer: `memory` for one process, `pubsub` for several.
    #[arg(long, value_enum, default_value_t = Layer::Memory)]
    layer: Layer,

    /// A Redis server; can be repeated.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: Vec<String>,

    /// How many messages of each room are kept.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    history: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Memory,
    Pubsub,
}

#[event("feed.message")]
struct FeedMessage {
    message: String,
}

#[group("feed_{room}", events(FeedMessage), history(size = 1000, ttl = "10m"))]
struct Room {
    room: String,
}

/// A message of the page.
#[derive(Deserialize)]
struct Said {
    message: String,
}

/// A message to the page.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Hello { hello: Position },
    Message { message: String, at: Position },
    Lost { lost: &'static str, at: Position },
}

impl Line {
    fn message(event: &FeedMessage, at: &Position) -> Json<Self> {
        Json(Self::Message { message: event.message.clone(), at: *at })
    }

    fn lost(lost: &HistoryLost) -> Self {
        Self::Lost { lost: lost.cause.as_str(), at: lost.at }
    }
}

struct FeedConsumer {
    room: Room,
}

#[consumer]
impl FeedConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = Room { room };
        let joined = cx.group_add_since(&room, &cx.resume()).await?;
        cx.send_json(&Line::Hello { hello: joined.at }).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(said): Json<Said>) -> Result<()> {
        cx.group_send(&self.room, &FeedMessage { message: said.message }).await
    }

    #[handler("feed.message")]
    fn feed_message(event: &FeedMessage, at: &Position) -> Json<Line> {
        Line::message(event, at)
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_json(&Line::lost(lost)).await
    }
}

/// The consumer of a client that only listens.
struct FeedReader;

#[consumer]
impl FeedReader {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { room }, &cx.resume()).await?;
        cx.send_json(&Line::Hello { hello: joined.at }).await?;
        Ok(Self)
    }

    #[handler("feed.message")]
    fn feed_message(event: &FeedMessage, at: &Position) -> Json<Line> {
        Line::message(event, at)
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_json(&Line::lost(lost)).await
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
    let config = LayerConfig::default().history_size(flags.history);
    let layer = match flags.layer {
        Layer::Memory => ChannelLayer::in_memory_with(config),
        Layer::Pubsub => ChannelLayer::redis_pubsub_with(&flags.redis, config).await?,
    };
    let channels = Channels::builder().layer(layer).build()?;
    let routes = warp::path!("feed" / String)
        .and(warp::get())
        .map(room_page)
        .or(channels.route::<FeedConsumer>(warp::path!("ws" / "feed" / String)))
        .or(channels.sse::<FeedReader>(warp::path!("sse" / "feed" / String)));
    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

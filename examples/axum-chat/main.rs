//! The chat of the Django Channels tutorial in an axum application, on one port: `cargo run --example axum-chat`, then open
//! http://127.0.0.1:8000/chat/lobby in two tabs.
//!
//! A client of `/ws/chat/<room>/` sends `{"message": "hi"}`, and every member of the room receives `{"message": "hi"}`.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use clap::Parser;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
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

/// The state of the application: the number of messages that were sent.
type Sent = Arc<AtomicU64>;

struct ChatConsumer {
    room: Room,
    sent: Sent,
}

#[consumer]
impl ChatConsumer {
    /// Takes the capture of the path, and then the state of the application.
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String, State(sent): State<Sent>) -> Result<Self, Reject> {
        let room = Room { room };
        // Without this check, `group_add` rejects with 404, but without the reason.
        room.name().map_err(|error| Reject::not_found().reason(error.to_string()))?;
        cx.group_add(&room).await?;
        Ok(Self { room, sent })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(line): Json<Line>) -> Result<()> {
        self.sent.fetch_add(1, Relaxed);
        cx.group_send(&self.room, &ChatMessage { message: line.message }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line { message: event.message.clone() })
    }
}

/// A tower layer that logs every request, including the handshakes. A client can cause any number of these records, so their level
/// is `debug`, and their paths are cut.
async fn log_request(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(200).collect();
    let response = next.run(request).await;
    tracing::debug!(%method, path, status = response.status().as_u16(), "request");
    response
}

fn app(channels: &Channels) -> Router {
    Router::new()
        .route("/chat/{room}", get(|| async { page::page(include_str!("../chat/room.html")) }))
        .route("/sent", get(|State(sent): State<Sent>| async move { sent.load(Relaxed).to_string() }))
        .consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>())
        .health(channels)
        .layer(from_fn(log_request))
        .with_state(Sent::default())
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let channels = Channels::builder().build()?;
    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(app(&channels)).await?)
}

//! The chat of the Django Channels tutorial in an axum application, on one port: `cargo run --example axum-chat`, then open
//! http://127.0.0.1:8000/chat/lobby in two tabs. The variable `CHANNEL_LAYERS` can name a Redis, which several processes share.
//!
//! A client of `/ws/chat/<room>/` sends `{"message": "hi"}`, and every member of the room receives `{"message": "hi"}`.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
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

#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: String,
}

#[event("chat.message")]
#[derive(Clone)]
struct ChatMessage {
    message: String,
}

#[group("chat_{room}", events(ChatMessage))]
struct Room {
    room: String,
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
        cx.group_add(&room).await?;
        Ok(Self { room, sent })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(message): Json<ChatMessage>) -> Result<()> {
        self.sent.fetch_add(1, Relaxed);
        cx.group_send(&self.room, &message).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<ChatMessage> {
        Json(event.clone())
    }
}

/// A tower layer that logs each request, including the handshakes. Clients can cause any number of records, so they are `debug`.
async fn log_request(request: Request, next: Next) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    let response = next.run(request).await;
    tracing::debug!(path, status = response.status().as_u16(), "request");
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
    let channels = Channels::builder().layer(ChannelLayer::from_env().await?).build()?;
    let server = channels.bind(Flags::parse().addr).await?;
    writeln!(std::io::stdout(), "listening on http://{}/", server.local_addr())?;
    Ok(server.serve(app(&channels)).await?)
}

//! The cursors of all users on every screen: `cargo run --example cursors`, then open http://127.0.0.1:8000/ in two windows.
//! To use a phone, run `cargo run --example cursors -- --addr 0.0.0.0:8000` and open the address of your machine.
//!
//! A newer position replaces an older one, so the event is marked `volatile, coalesce = "user_id"`. A slow phone misses some
//! positions, and no other client waits for it. When the cursor rests, the page sends its position once more.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::prelude::*;
use clap::Parser;
use serde::Serialize;
use uuid::Uuid;
use warp::Filter;

/// Shared cursors.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
}

/// A position on the canvas: 0 is left or top, 1 is right or bottom.
#[event("cursor.move", volatile, coalesce = "user_id")]
struct CursorMove {
    user_id: u32,
    x: f32,
    y: f32,
}

/// Removes a cursor. This event must arrive, or the cursor would stay forever.
#[event("cursor.gone")]
struct CursorGone {
    user_id: u32,
}

#[group("canvas", events(CursorMove, CursorGone))]
struct Canvas;

/// A message to the page.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum News {
    You(u32),
    Move(u32, f32, f32),
    Gone(u32),
}

struct CursorConsumer {
    user_id: u32,
}

#[consumer]
impl CursorConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let (user_id, ..) = Uuid::new_v4().as_fields();
        cx.group_add(&Canvas).await?;
        cx.send_json(&News::You(user_id)).await?;
        Ok(Self { user_id })
    }

    /// The page sends `[x, y]`.
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json((x, y)): Json<(f32, f32)>) -> Result<()> {
        let (x, y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
        cx.group_send(&Canvas, &CursorMove { user_id: self.user_id, x, y }).await
    }

    #[handler("cursor.move")]
    fn cursor_move(event: &CursorMove) -> Json<News> {
        Json(News::Move(event.user_id, event.x, event.y))
    }

    #[handler("cursor.gone")]
    fn cursor_gone(event: &CursorGone) -> Json<News> {
        Json(News::Gone(event.user_id))
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        cx.group_send(&Canvas, &CursorGone { user_id: self.user_id }).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    // The layer is in memory, unless the variable CHANNEL_LAYERS names a Redis.
    let channels = Channels::builder().layer(ChannelLayer::from_env().await?).build()?;
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(channels.route::<CursorConsumer>(warp::path!("ws" / "cursors")));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

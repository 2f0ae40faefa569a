//! The cursors of all users on every screen: `cargo run --example cursors`, then open http://127.0.0.1:8000/ in two windows.
//! To use a phone, run `cargo run --example cursors -- --addr 0.0.0.0:8000` and open the address of your machine.
//!
//! A newer position replaces an older one, so the event is marked `volatile, coalesce = "user_id"`. A slow phone misses some
//! positions, and no other client waits for it. When the cursor rests, the page sends its position once more.

mod canvas;
#[path = "../support/file.rs"]
mod file;
#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::prelude::*;
use clap::Parser;
use warp::Filter;

use canvas::CursorConsumer;

/// Shared cursors.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
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
        .or(warp::path!("channels.js").map(|| file::file("text/javascript", include_str!("channels.js"))))
        .or(channels.route::<CursorConsumer>(warp::path!("ws" / "cursors")));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

//! Live charts of the machine: `cargo run --example dashboard`, then open http://127.0.0.1:8000/ in any number of
//! windows.
//!
//! One producer publishes a sample each second. It is rendered once, for any number of viewers. A new viewer first receives
//! the last minute. With `?sse` after the address, the page uses server-sent events, which also pass where a WebSocket does not.

mod charts;
#[path = "../support/file.rs"]
mod file;
#[path = "../support/log.rs"]
mod log;
mod machine;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use channels_runtime::prelude::*;
use clap::Parser;
use tokio::time::MissedTickBehavior;
use warp::Filter;

use charts::{Dashboard, DashboardConsumer, LastMinute};
use machine::Machine;

/// Live charts of the machine.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
}

/// Publishes a sample each second, until it is dropped.
async fn produce(layer: &ChannelLayer, last_minute: &LastMinute) -> Result<()> {
    let mut machine = Machine::read()?;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    // After a pause of the process: one sample, not one for each second of the pause.
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    second.tick().await;
    let mut has_failed = false;
    loop {
        second.tick().await;
        let sample = match machine.sample(layer.members_here(&Dashboard)?) {
            Ok(sample) => sample,
            // Most likely the connections use all file descriptors. The next sample covers the time since the last one.
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(%error, "no sample");
                }
                continue;
            }
        };
        has_failed = false;
        last_minute.push(sample.clone());
        layer.group_send(&Dashboard, &sample).await?;
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let channels = Channels::builder().build()?;
    let last_minute = Arc::<LastMinute>::default();
    let shared = Arc::clone(&last_minute);
    // A further value of the route's filter is also an argument of `connect`.
    let path = warp::path!("ws" / "dashboard").and(warp::any().map(move || Arc::clone(&shared)));
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(warp::path!("channels.js").map(|| file::file("text/javascript", include_str!("channels.js"))))
        .or(channels.route::<DashboardConsumer>(path.clone()))
        .or(channels.sse::<DashboardConsumer>(path));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    let layer = channels.channel_layer();
    // The producer ends with the server. If the layer fails, the program ends.
    tokio::select! {
        served = server.serve(routes) => Ok(served?),
        failed = produce(&layer, &last_minute) => failed,
    }
}

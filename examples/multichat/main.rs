//! Several rooms over one socket, with users that log in: `cargo run --example multichat`, then open the address that it
//! prints.
//!
//! It uses the protocol of the multichat in Andrew Godwin's channels-examples, with its clients and through the channel
//! layer. So a Django process can serve the same rooms: `--layer core --redis redis://127.0.0.1:6379/0`.

#[path = "../support/log.rs"]
mod log;
mod site;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use channels_runtime::prelude::*;
use clap::{Parser, ValueEnum};

#[derive(Parser)]
struct Flags {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
    /// The channel layer.
    #[arg(long, value_enum, default_value_t = Layer::Memory)]
    layer: Layer,
    /// A Redis server; can be repeated.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    /// Within this process.
    Memory,
    /// `channels_redis.pubsub.RedisPubSubChannelLayer`.
    Pubsub,
    /// `channels_redis.core.RedisChannelLayer`.
    Core,
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
    let (channels, routes) = site::build(layer, Arc::default())?;
    let server = channels.bind(flags.addr).await?;
    writeln!(std::io::stdout(), "listening on http://{}/", server.local_addr())?;
    Ok(server.serve(routes).await?)
}

//! Sends messages to a room of `examples/chat` from a plain synchronous program, such as a cron job or a script:
//! `cargo run --example announce -- lobby "Back in five minutes"`. Without a text, it sends each line of its input:
//! `tail -f log.txt | cargo run --example announce -- lobby`
//!
//! It needs a redis-server, and a chat on the same Redis: `cargo run --example chat -- --layer pubsub`.

use std::io::stdin;

use channels_runtime::prelude::*;
use clap::{Parser, ValueEnum};

/// Sends messages to a room of the chat.
#[derive(Parser)]
struct Flags {
    /// The room.
    room: String,

    /// The message. Default: each line of the input.
    message: Option<String>,

    /// The layer of the chat.
    #[arg(long, value_enum, default_value_t = Layer::Pubsub)]
    layer: Layer,

    /// A Redis server; can be repeated.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Pubsub,
    Core,
}

// The chat has the same two types. In your own project, put them into a library that both programs use.

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("chat_{room}", events(ChatMessage))]
struct Room {
    room: String,
}

fn main() -> Result<()> {
    let Flags { room, message, layer, redis } = Flags::parse();
    // The connections to Redis need a runtime. Only the next statement is async.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let layer = runtime.block_on(async {
        match layer {
            Layer::Pubsub => ChannelLayer::redis_pubsub(&redis).await,
            Layer::Core => ChannelLayer::redis_core(&redis).await,
        }
    })?;

    let (room, announcer) = (Room { room }, layer.blocking());
    match message {
        Some(message) => announcer.group_send(&room, &ChatMessage { message })?,
        None => {
            for message in stdin().lines() {
                announcer.group_send(&room, &ChatMessage { message: message? })?;
            }
        }
    }

    runtime.block_on(layer.close());
    Ok(())
}

//! Background jobs in other processes: `cargo run --example worker -- work` in any number of terminals, then
//! `cargo run --example worker -- ask 10000 200000 3000000`. It needs a redis-server.
//!
//! A Django process on the same layer (`--layer core`, the default, or `--layer pubsub`) sends jobs in the same way:
//! `await channel_layer.send("primes", {"type": "primes.wanted", "below": 10000, "reply_to": channel_name})`

#[path = "../support/log.rs"]
mod log;

use std::io::Write;
use std::time::Duration;

use channels_runtime::prelude::*;
use clap::{Parser, Subcommand, ValueEnum};

/// Counts prime numbers in other processes.
#[derive(Parser)]
struct Flags {
    /// A Redis server; can be repeated.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: Vec<String>,

    /// The layer. All processes must use the same one.
    #[arg(long, value_enum, default_value = "core")]
    layer: Layer,

    #[command(subcommand)]
    role: Role,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Core,
    Pubsub,
}

#[derive(Subcommand)]
enum Role {
    /// Runs jobs until Ctrl-C. Then finishes the running jobs, for up to 10 s or until a second Ctrl-C.
    Work {
        /// The number of concurrent jobs.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Sends one job for each number, and waits for the replies.
    Ask { below: Vec<u64> },
}

/// A job: count the primes below this number.
#[event("primes.wanted")]
struct PrimesWanted {
    below: u64,
    reply_to: ChannelName,
}

/// The reply to a job.
#[event("primes.counted")]
struct PrimesCounted {
    below: u64,
    count: u64,
}

const CHANNEL: &str = "primes";

#[derive(Default)]
struct PrimesConsumer;

#[consumer]
impl PrimesConsumer {
    #[handler("primes.wanted")]
    async fn primes_wanted(&mut self, cx: &mut Context<Self>, event: &PrimesWanted) -> Result<()> {
        let below = event.below;
        // A long computation needs its own thread, as in all async code. At the end of the process, the runtime would wait for a
        // thread from `spawn_blocking`, even after the deadline.
        let (tx, rx) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || tx.send(primes(below)));
        let count = rx.await?;
        cx.send_event(&event.reply_to, &PrimesCounted { below, count }).await
    }
}

fn primes(below: u64) -> u64 {
    let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..below).filter(is_prime).count() as u64
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let layer = match flags.layer {
        Layer::Core => ChannelLayer::redis_core(&flags.redis).await?,
        Layer::Pubsub => ChannelLayer::redis_pubsub(&flags.redis).await?,
    };
    match flags.role {
        Role::Work { jobs } => {
            let channels = Channels::builder().layer(layer.clone()).build()?;
            channels.worker::<PrimesConsumer>(CHANNEL).concurrency(jobs).run().await?;
            writeln!(std::io::stdout(), "{:?}", channels.stats().jobs)?;
        }
        Role::Ask { below } => ask(&layer, &below).await?,
    }
    layer.close().await;
    Ok(())
}

async fn ask(layer: &ChannelLayer, numbers: &[u64]) -> Result<()> {
    // The type names the consumer of this channel: an event that `PrimesConsumer` does not handle cannot be sent to it.
    let workers = ChannelName::<PrimesConsumer>::of_worker(CHANNEL)?;
    let replies = layer.new_channel().await?;
    for below in numbers {
        layer.send(&workers, &PrimesWanted { below: *below, reply_to: replies.name().clone() }).await?;
    }
    let mut out = std::io::stdout();
    for _ in numbers {
        let reply = tokio::time::timeout(Duration::from_secs(60), replies.receive()).await?;
        let PrimesCounted { below, count } = reply.ok_or(Error::msg("the layer is closed"))?.decode()?;
        writeln!(out, "{count} primes below {below}")?;
    }
    Ok(())
}

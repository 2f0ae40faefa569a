//! Two applications in one process, each with its own layer: sockets on one, a worker on the other.
//!
//! `cargo run --example two-layers`, then open <http://127.0.0.1:8000/> and enter a number. With `--redis` the sockets use the
//! pub/sub layer, whose groups are cheap, and the worker uses the core layer, where jobs wait in Redis while no worker runs:
//! `cargo run --example two-layers -- --redis redis://127.0.0.1:6379/0`.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::prelude::*;
use clap::Parser;
use warp::Filter;

/// Factors numbers in a worker.
#[derive(Parser)]
struct Flags {
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,

    /// A Redis server for both layers. Default: two memory layers.
    #[arg(long)]
    redis: Option<String>,
}

/// A job.
#[event("factors.wanted")]
struct FactorsWanted {
    number: u64,
}

/// The result of a job.
#[event("factors.found")]
#[derive(Clone)]
struct FactorsFound {
    number: u64,
    factors: Vec<u64>,
}

/// Everybody who looks at the page.
#[group("viewers", events(FactorsFound))]
struct Viewers;

/// The channel of the worker, in the layer `jobs`.
const CHANNEL: &str = "factors";

/// A viewer of the page, in the layer `default`.
#[derive(Default)]
struct ViewerConsumer;

#[consumer]
impl ViewerConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Viewers).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, Json(number): Json<u64>) -> Result<()> {
        // `cx` sends through the layer of the sockets. The worker's channel is in the other one.
        let worker = ChannelName::<FactorConsumer>::of_worker(CHANNEL)?;
        Ok(channel_layer("jobs")?.send(&worker, &FactorsWanted { number }).await?)
    }

    #[handler("factors.found")]
    fn factors_found(event: &FactorsFound) -> Json<FactorsFound> {
        Json(event.clone())
    }
}

/// A worker, in the layer `jobs`.
#[derive(Default)]
struct FactorConsumer;

#[consumer]
impl FactorConsumer {
    #[handler("factors.wanted")]
    async fn factors_wanted(&mut self, _cx: &mut Context<Self>, event: &FactorsWanted) -> Result<()> {
        let number = event.number;
        let factors = tokio::task::spawn_blocking(move || factors(number)).await?;
        // The viewers are in the layer of the sockets.
        Ok(channel_layer("default")?.group_send(&Viewers, &FactorsFound { number, factors }).await?)
    }
}

fn factors(mut number: u64) -> Vec<u64> {
    let mut factors = Vec::new();
    let mut divisor = 2;
    while divisor * divisor <= number {
        while number.is_multiple_of(divisor) {
            factors.push(divisor);
            number /= divisor;
        }
        divisor += 1;
    }
    if number > 1 {
        factors.push(number);
    }
    factors
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let (for_sockets, for_jobs) = match &flags.redis {
        Some(redis) => {
            (ChannelLayer::redis_pubsub(&[redis.as_str()]).await?, ChannelLayer::redis_core(&[redis.as_str()]).await?)
        }
        None => (ChannelLayer::in_memory(), ChannelLayer::in_memory()),
    };
    let sockets = Channels::builder().layer(for_sockets).build()?;
    let jobs = Channels::builder().layer(for_jobs).build()?;
    sockets.install("default");
    jobs.install("jobs");

    let worker = tokio::spawn(jobs.worker::<FactorConsumer>(CHANNEL).run());
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(sockets.route::<ViewerConsumer>(warp::path!("ws")));

    let server = sockets.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    server.serve(routes).await?;
    // On SIGTERM and Ctrl-C both end. The program ends when the running job is done, too.
    worker.await??;
    writeln!(out, "{:?}", jobs.stats().jobs)?;
    Ok(())
}

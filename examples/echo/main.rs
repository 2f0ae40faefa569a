//! The smallest consumer: `cargo run --example echo`. It returns every text and binary message unchanged on
//! `ws://127.0.0.1:8000/echo`.

#[path = "../support/log.rs"]
mod log;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::prelude::*;
use clap::Parser;

/// An echo server.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,

    /// The largest message that a client may send, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    max_message: usize,

    /// Compresses messages of at least this many bytes.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "256")]
    compress: Option<usize>,
}

#[derive(Default)]
struct EchoConsumer;

#[consumer]
impl EchoConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) -> Result<()> {
        cx.send_frame(frame).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let mut channels = Channels::builder().max_message_size(flags.max_message);
    if let Some(bytes) = flags.compress {
        channels = channels.compression(bytes);
    }
    let channels = channels.build()?;
    let echo = channels.route::<EchoConsumer>(warp::path!("echo"));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(echo).await?)
}

//! An auction whose bids are answered: `cargo run --example auction`, then open http://127.0.0.1:8000/ in two tabs.
//!
//! A client of `/ws/auction/` sends `{"type": "bid", "ref": 1, "amount": 12}`. It receives `{"ref": 1, "ok": {"highest": 12}}`, or
//! `{"ref": 1, "error": {"code": "too_low", "highest": 15}}`. All clients receive each new highest bid: `{"highest": 12}`.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use channels_runtime::prelude::*;
use clap::Parser;
use serde::{Deserialize, Serialize};
use warp::Filter;

/// An auction whose bids are answered.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
}

#[event("auction.price")]
struct PriceChanged {
    highest: u32,
}

#[group("auction", events(PriceChanged))]
struct Auction;

/// The command: `{"type": "bid", "amount": 12}`.
#[derive(Deserialize)]
struct Bid {
    amount: u32,
}

/// The reply to a bid, and the message to all clients.
#[derive(Serialize)]
struct Price {
    highest: u32,
}

/// The refusal of a bid.
#[derive(Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
enum Refused {
    TooLow { highest: u32 },
}

/// The highest bid. A real auction keeps it in a database.
#[derive(Default)]
struct Highest(Mutex<u32>);

impl Highest {
    fn get(&self) -> u32 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raise(&self, amount: u32) -> Result<Price, Refused> {
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if amount <= *highest {
            return Err(Refused::TooLow { highest: *highest });
        }
        *highest = amount;
        Ok(Price { highest: amount })
    }
}

struct Bidder {
    highest: Arc<Highest>,
}

#[consumer]
impl Bidder {
    #[connect]
    async fn connect(cx: &mut Context<Self>, highest: Arc<Highest>) -> Result<Self, Reject> {
        cx.group_add(&Auction).await?;
        cx.send_json(&Price { highest: highest.get() }).await?;
        Ok(Self { highest })
    }

    /// The inner `Result` is the answer. The outer one closes the connection, for example if Redis is unreachable.
    #[receive("bid")]
    async fn bid(&mut self, cx: &mut Context<Self>, bid: Bid) -> Result<Result<Price, Refused>> {
        let answer = self.highest.raise(bid.amount);
        if let Ok(Price { highest }) = answer {
            cx.group_send(&Auction, &PriceChanged { highest }).await?;
        }
        Ok(answer)
    }

    #[handler("auction.price")]
    fn price_changed(event: &PriceChanged) -> Json<Price> {
        Json(Price { highest: event.highest })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let highest = Arc::new(Highest::default());
    let channels = Channels::builder().build()?;
    let auction = warp::path!("ws" / "auction").and(warp::any().map(move || Arc::clone(&highest)));
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(channels.route::<Bidder>(auction));
    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

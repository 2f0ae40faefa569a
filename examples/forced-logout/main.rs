//! Logs out a single user: `cargo run --example forced-logout`, then open http://127.0.0.1:8000/ in two tabs and enter with
//! two names. From a shell: `curl -X POST http://127.0.0.1:8000/logout/ann`
//!
//! Each connection writes the name of its channel into a table. An HTTP handler reads the user's channel names from it, and
//! sends `chat.force_disconnect` to each. This example does not check who a user is; `examples/multichat` has logins.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/origin.rs"]
mod origin;
#[path = "../support/page.rs"]
mod page;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use channels_runtime::prelude::*;
use clap::Parser;
use serde::{Deserialize, Serialize};
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

/// Logs users out.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
}

/// Codes from 4000 on are for applications. The page does not reconnect after this code.
const LOGGED_OUT: CloseCode = CloseCode::app::<4001>();

#[event("chat.force_disconnect")]
struct ForceDisconnect {
    reason: String,
}

/// A row of the table. The type of the channel name contains its consumer, even for a stored name: an event that
/// `AccountConsumer` does not handle cannot be sent to it.
#[derive(Serialize, Deserialize)]
struct Connected {
    username: String,
    channel: ChannelName<AccountConsumer>,
}

/// Represents a database table with rows of text. With a real database and a Redis layer, the user's connections and the HTTP
/// handler can be in different processes.
#[derive(Default)]
struct Table(Mutex<BTreeSet<String>>);

impl Table {
    fn insert(&self, row: &Connected) -> Result<()> {
        self.rows().insert(serde_json::to_string(row)?);
        Ok(())
    }

    fn delete(&self, row: &Connected) -> Result<()> {
        self.rows().remove(&serde_json::to_string(row)?);
        Ok(())
    }

    fn connections_of(&self, username: &str) -> Result<Vec<Connected>> {
        let mut rows =
            self.rows().iter().map(|row| serde_json::from_str(row)).collect::<Result<Vec<Connected>, _>>()?;
        rows.retain(|row| row.username == username);
        Ok(rows)
    }

    fn rows(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct AccountConsumer {
    table: Arc<Table>,
    row: Connected,
}

#[consumer]
impl AccountConsumer {
    #[connect]
    fn connect(cx: &mut Context<Self>, username: String, table: Arc<Table>) -> Result<Self, Reject> {
        let row = Connected { username, channel: cx.channel_name() };
        table.insert(&row)?;
        Ok(Self { table, row })
    }

    #[handler("chat.force_disconnect")]
    fn chat_force_disconnect(&mut self, cx: &mut Context<Self>, event: &ForceDisconnect) {
        cx.close_with(LOGGED_OUT, &event.reason);
    }

    /// Runs however the connection ends, so no row is left over.
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        self.table.delete(&self.row)
    }
}

/// Sends every connection of the user an event to close, and returns their number.
async fn force_disconnect(username: &str, table: &Table, layer: &ChannelLayer) -> Result<usize> {
    let connections = table.connections_of(username)?;
    for Connected { channel, .. } in &connections {
        layer.send(channel, &ForceDisconnect { reason: "logged out by somebody else".into() }).await?;
    }
    Ok(connections.len())
}

async fn log_out(username: String, is_own_page: bool, table: Arc<Table>, layer: ChannelLayer) -> Response {
    if !is_own_page {
        return StatusCode::FORBIDDEN.into_response();
    }
    match force_disconnect(&username, &table, &layer).await {
        Ok(connections) => format!("{username} had {connections} open\n").into_response(),
        Err(error) => warp::reply::with_status(error.to_string(), StatusCode::INTERNAL_SERVER_ERROR).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let channels = Channels::builder().build()?;
    let layer = channels.channel_layer();
    let (table, layer) = (Arc::<Table>::default(), warp::any().map(move || layer.clone()));
    let table = warp::any().map(move || Arc::clone(&table));

    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(warp::path!("logout" / String)
            .and(warp::post())
            .and(origin::is_own_page())
            .and(table.clone())
            .and(layer)
            .then(log_out))
        // A further value of the route's filter is also an argument of `connect`.
        .or(channels.route::<AccountConsumer>(warp::path!("ws" / "account" / String).and(table)));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

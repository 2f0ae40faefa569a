//! One user is logged out, and nobody else: `cargo run --example forced-logout`, then open http://127.0.0.1:8000/ in two
//! tabs and enter as two people. From a shell: `curl -X POST http://127.0.0.1:8000/logout/ann`
//!
//! Each connection writes the name of its channel into a table. Whoever wants a user gone reads the names there, and sends
//! `chat.force_disconnect` to each. Who somebody is, is taken on trust here; `examples/multichat` has logins.

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
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,
}

/// From 4000 on, the codes are the application's own. The page does not connect again after this one.
const LOGGED_OUT: CloseCode = CloseCode::new(4001).unwrap();

#[event("chat.force_disconnect")]
struct ForceDisconnect {
    reason: String,
}

/// A row of the table. The name of the channel knows its consumer, also after it was stored: an event that
/// `AccountConsumer` does not handle cannot be sent to it.
#[derive(Serialize, Deserialize)]
struct Connected {
    username: String,
    channel: ChannelName<AccountConsumer>,
}

/// Stands for a table of a database: a row is text there. With a real one, and a layer over Redis, the user and whoever
/// logs it out may be in different processes.
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

    /// Runs on every way out, so no row is left behind.
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        self.table.delete(&self.row)
    }
}

/// Tells every connection of the user to close, and says how many there were.
async fn force_disconnect(username: &str, table: &Table, layer: &ChannelLayer) -> Result<usize> {
    let connections = table.connections_of(username)?;
    for Connected { channel, .. } in &connections {
        layer.send(channel, &ForceDisconnect { reason: "logged out by somebody else".into() }).await?;
    }
    Ok(connections.len())
}

async fn log_out(username: String, table: Arc<Table>, layer: ChannelLayer) -> Response {
    match force_disconnect(&username, &table, &layer).await {
        Ok(connections) => format!("{username} had {connections} open\n").into_response(),
        Err(error) => warp::reply::with_status(error.to_string(), StatusCode::INTERNAL_SERVER_ERROR).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let channels = Channels::builder().build();
    let layer = channels.channel_layer().clone();
    let (table, layer) = (Arc::<Table>::default(), warp::any().map(move || layer.clone()));
    let table = warp::any().map(move || Arc::clone(&table));

    let routes = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("index.html")))
        .or(warp::path!("logout" / String).and(warp::post()).and(table.clone()).and(layer).then(log_out))
        // What the route gives behind the path is an argument of `connect`, too.
        .or(channels.route::<AccountConsumer>(warp::path!("ws" / "account" / String).and(table)));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    server.serve(routes).await;
    Ok(())
}

//! Logs out a single user: `cargo run --example forced-logout`, then open http://127.0.0.1:8000/ in two tabs and enter with
//! two names. From a shell: `curl -X POST http://127.0.0.1:8000/logout/ann`
//!
//! Each login has a key, and an HTTP handler closes all connections with one key. On a Redis layer it also closes those of
//! other processes. This example does not check who a user is; `examples/multichat` has logins.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/origin.rs"]
mod origin;
#[path = "../support/page.rs"]
mod page;

use std::io::Write;
use std::net::SocketAddr;

use channels_runtime::auth::Login;
use channels_runtime::prelude::*;
use clap::Parser;
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

struct User {
    name: String,
}

/// Takes the user from the query, `?name=ann`. A site looks up its session cookie instead.
async fn authenticate(scope: Scope) -> Result<Login<User>, Reject> {
    let name = scope.query_string().and_then(|query| query.strip_prefix("name=")).ok_or(Reject::unauthorized())?;
    Ok(Login::new(User { name: name.to_owned() }).key(name))
}

struct AccountConsumer;

#[consumer]
impl AccountConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let user = cx.user::<User>().ok_or(Reject::unauthorized())?;
        cx.send_text(format!("You are {}.", user.name)).await?;
        Ok(Self)
    }
}

async fn log_out(name: String, is_own_page: bool, layer: ChannelLayer) -> Response {
    if !is_own_page {
        return StatusCode::FORBIDDEN.into_response();
    }
    // A site ends the session here, before it closes the connections.
    match layer.user(name.as_str()).close_with(LOGGED_OUT, "logged out by somebody else").await {
        Ok(()) => format!("{name} was logged out\n").into_response(),
        Err(error) => warp::reply::with_status(error.to_string(), StatusCode::SERVICE_UNAVAILABLE).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    let channels = Channels::builder().authenticator(authenticate).build()?;
    let layer = channels.channel_layer();

    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(warp::path!("logout" / String)
            .and(warp::post())
            .and(origin::is_own_page())
            .and(warp::any().map(move || layer.clone()))
            .then(log_out))
        .or(channels.route::<AccountConsumer>(warp::path!("ws" / "account")));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}

//! Rooms over WebSocket.
//!
//! `HOST` and `PORT` are the address of the application, `ADMIN_PORT` the port of its health pages and metrics.

mod chat;

use std::env;
use std::net::{IpAddr, Ipv4Addr};
{% if server == "axum" %}
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
{% else %}
use channels_runtime::prelude::*;
use warp::Filter;
{% endif %}
use crate::chat::ChatConsumer;

/// The page of a room.
const PAGE: &str = include_str!("page.html");

/// Returns the routes of the application.
{%- if server == "axum" %}
fn app(channels: Channels) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>())
}
{%- else %}
fn app(channels: Channels) -> impl Routes {
    let page = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(PAGE));
    page.or(channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String)))
}
{%- endif %}

/// Returns the value of an environment variable, or a default.
fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    match env::var(name) {
        Ok(value) => value
            .parse()
            .map_err(|_| Error::msg(format!("{name}={value} cannot be read"))),
        Err(_) => Ok(default),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .init();
    // In memory, unless `CHANNEL_LAYERS` names a Redis.
    let channels = Channels::builder()
        .layer(ChannelLayer::from_env().await?)
        .build()?;
    let host = setting("HOST", IpAddr::from(Ipv4Addr::LOCALHOST))?;
    let (port, admin_port) = (setting("PORT", 8000)?, setting("ADMIN_PORT", 9000)?);
    // Only the cluster should reach the second address: it shows how much the application is used.
    {%- if server == "axum" %}
    let admin = Router::new().health(&channels).metrics(&channels);
    {%- else %}
    let admin = channels.health().or(channels.metrics());
    {%- endif %}
    tokio::try_join!(
        channels.serve(app(channels.clone()), (host, port)),
        channels.serve(admin, (host, admin_port))
    )?;
    Ok(())
}

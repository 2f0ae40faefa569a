//! Consumers in an axum application.
//!
//! [`Channels::axum`](crate::Channels::axum) returns the route of a consumer, and [`RouterExt::consumer`] adds it to a `Router`.
//! The rest of the application stays as it is: its state, its extractors, its tower layers. The application runs on axum's own
//! server or on [`Channels::serve`](crate::Channels::serve).
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use axum::Router;
//! use axum::extract::State;
//! use axum::routing::get;
//! use channels_runtime::prelude::*;
//! use channels_runtime::web::axum::RouterExt;
//!
//! struct ChatConsumer;
//!
//! #[consumer]
//! impl ChatConsumer {
//!     /// First the captures of the path, then any extractors.
//!     #[connect]
//!     async fn connect(cx: &mut Context<Self>, room: String, State(motd): State<String>) -> Result<Self, Reject> {
//!         cx.send_text(format!("{room}: {motd}")).await?;
//!         Ok(Self)
//!     }
//!
//!     #[receive]
//!     async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
//!         cx.send_text(text).await
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let channels = Channels::builder().build().expect("no settings");
//!     let app = Router::new()
//!         .route("/", get(|| async { "hello" }))
//!         .consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>())
//!         .with_state(String::from("welcome"));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//!     axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
//! }
//! ```

mod arguments;
mod consumer_route;
mod error_response;
mod json;
mod mount;
mod path;
mod respond;
mod router_ext;
mod user;

pub use arguments::{Argument, Arguments, Captured, Extracted};
pub use consumer_route::ConsumerRoute;
pub use router_ext::{AxumRouter, RouterExt};
pub use user::User;

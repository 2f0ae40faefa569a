//! The HTTP interface: routes for warp, WebSockets and server-sent events, and a server for them.
//!
//! [`Channels::route`](crate::Channels::route) and [`Channels::sse`](crate::Channels::sse) make [`Routes`], which are warp
//! filters, from a [`RoutePath`] whose [`Captures`] are the arguments of `#[connect]`.
//! [`Channels::serve`](crate::Channels::serve) serves them on an [`Address`]; [`Channels::bind`](crate::Channels::bind) returns a
//! [`WebServer`] that listens first, so that a program can learn its port or add TLS. A [`ServeError`] is the reason why a server
//! cannot start, or that it has left connections at its end.
//!
//! With the feature `publish`, [`Channels::publish`](crate::Channels::publish) lets a backend publish over HTTP.
//!
//! With the feature `axum`, `web::axum` adds consumers to a `Router`. [`service`] makes a tower service from any route, for other
//! servers, which add the [`PeerAddress`] of each request.

// Only this folder names warp, axum and hyper.

mod address;
mod allowed_methods;
#[cfg(feature = "axum")]
pub mod axum;
mod captures;
mod error;
mod error_response;
mod event_stream;
mod handshake;
mod health;
mod http_connection;
mod inspection;
mod listener;
mod peer_address;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "publish")]
mod publish;
mod request_body;
mod request_head;
mod request_stream;
mod response_body;
mod route;
mod routes;
mod service;
mod slot_lease;
mod slots;
mod sse;
#[cfg(feature = "https")]
mod tls;
mod user;

pub use address::Address;
pub use captures::{Captures, RoutePath};
pub use error::ServeError;
pub use listener::WebServer;
pub use peer_address::PeerAddress;
#[cfg(feature = "testing")]
pub(crate) use peer_address::UnknownAddress;
#[cfg(feature = "publish")]
pub use publish::{Publish, PublishBuilder};
pub use routes::{IntoService, Routes, WarpFilter};
pub use service::service;

pub use crate::consumer::OnlySends;

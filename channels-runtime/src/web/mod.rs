//! The HTTP edge: routes for warp, WebSockets and server-sent events, and a server for them.
//!
//! Only this folder names warp and hyper.

mod captures;
mod error;
mod handshake;
mod health;
mod http_connection;
mod listener;
#[cfg(feature = "prometheus")]
mod prometheus;
mod request_body;
mod response_body;
mod route;
mod routes;
mod slot_lease;
mod slots;
mod sse;
#[cfg(feature = "https")]
mod tls;

pub use captures::{Captures, RoutePath};
pub use error::ServeError;
pub use listener::{Address, WebServer};
pub use routes::Routes;

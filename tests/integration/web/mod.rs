//! Sockets, TLS and server-sent events.

mod axum;
pub(crate) mod handshake;
mod sockets;
mod sse;
mod tls;
mod waiting_sockets;

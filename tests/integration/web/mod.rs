//! Sockets, TLS and server-sent events.

pub(crate) mod handshake;
mod sockets;
mod sse;
mod tls;
mod waiting_sockets;

//! Requests, sockets, TLS and server-sent events.

mod axum;
mod captures;
mod error_response;
mod half_closed;
pub(crate) mod handshake;
mod methods;
mod pipelining;
mod publish;
mod publish_limits;
mod publish_python;
mod publish_users;
mod request_head;
mod sockets;
mod sse;
mod tls;
mod waiting_sockets;

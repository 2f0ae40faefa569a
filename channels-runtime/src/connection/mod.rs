//! What a connection shares with the rest of the process: its mailbox, and its outbound queue.
//!
//! Everything that a client is sent goes through the one outbound queue: replies, rendered events, pongs, the close
//! frame. So one sender's order holds, whoever writes to the socket. Both queues are behind one lock that is never held
//! over an await, and whoever puts something in never waits.

mod connection;
mod heartbeat;
mod inbox;
mod io_stream;
mod outbound;
mod overflow;
mod rate_limit;
mod shared;
mod stats;
mod transport;
#[cfg(test)]
mod write_model;
mod write_queue;

pub(crate) use connection::{Closed, Connection, Next};
pub(crate) use heartbeat::HeartbeatPolicy;
pub(crate) use inbox::Event;
pub(crate) use io_stream::Stream;
pub(crate) use outbound::Output;
pub(crate) use rate_limit::{Pause, PauseEvent, Rate, RateLimiter};
pub(crate) use shared::{Limits, Shared};
pub use stats::{Backlog, ConnectionStats};
pub(crate) use transport::Socket;

//! One connection: its inbox, its outbound queue, and the write queue of the process.
//!
//! All output of a connection passes through its one outbound queue: replies, encoded events, pongs, the close frame. So the
//! frames of one sender keep their order, whichever thread writes to the socket. One lock protects the inbox and the outbound
//! queue. It is never held across an `.await`. Only the connection's own handler waits for space; other senders never wait.
//!
//! Reading order:
//!
//! 1. [`state`], [`delivery`] and [`overflow`] change the state and return effects.
//! 2. [`connection`] locks the state and executes the [`state_effects`].
//! 3. [`write_queue`] writes to the sockets.

mod compression_state;
mod connection;
mod delivery;
mod heartbeat;
mod inbox;
mod inflation;
mod io_stream;
mod large_frames;
mod outbound;
mod overflow;
mod position_marker;
mod rate_limit;
mod shared;
mod state;
mod state_effects;
mod stats;
mod transport;
#[cfg(test)]
mod write_model;
mod write_queue;
#[cfg(test)]
mod write_queue_tests;

pub(crate) use connection::Connection;
pub(crate) use heartbeat::HeartbeatPolicy;
pub(crate) use inbox::Event;
pub(crate) use inflation::{Inflation, inflate};
pub(crate) use io_stream::Stream;
pub(crate) use large_frames::LargeFrames;
pub(crate) use position_marker::PositionMarker;
pub(crate) use rate_limit::{Pause, PauseEvent, Rate, RateLimiter, milliseconds};
pub(crate) use shared::{Limits, Shared};
pub(crate) use state::{Closed, Next, Output};
pub use stats::{Backlog, ConnectionStats};
pub(crate) use transport::Socket;
